"""Deliveries changed since a cursor: the safety net beside the webhooks (§4.7, §6.4).

The cursor is the shop's own time of change, and a page where many deliveries changed at one time. A delivery that was
never changed has no such time: one that was imported as shipped is no news.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from lengow.adapters.calls import Deadline
from lengow.adapters.shopware.api import Api, Refusal, Row
from lengow.adapters.shopware.body import SOURCE, moment
from lengow.adapters.shopware.facts import SHIPPED
from lengow.adapters.shopware.reading import SHIPMENT, Orders
from lengow.adapters.shopware.settings import ShopwareSettings
from lengow.adapters.shopware.shipments import shipments_in
from lengow.connector.adapter import Event, Polled
from lengow.connector.errors import ShopUnavailable

PAGE = 100
OVERLAP = timedelta(minutes=10)
"""A change may become visible later than its time says (reference platforms.md §6.4)."""
FIRST_LOOK_BACK = timedelta(days=3)


class Poller:
    def __init__(self, api: Api, settings: ShopwareSettings, orders: Orders) -> None:
        self._api, self._settings, self._orders = api, settings, orders

    def since(self, cursor: str, now: datetime, deadline: Deadline) -> Polled:
        """One page. Raises ShopUnavailable."""
        since, page = _read(cursor, now)
        changed = self._changed(since, page, deadline)
        views = {row["order"]["id"]: row["order"] for row in changed if isinstance(row.get("order"), dict)}
        events = tuple(event for view in views.values() for event in shipments_in(view, self._settings))
        newest = max([since, *(_moment(row, since) for row in changed)])
        if len(changed) == PAGE:
            return Polled(events, _written(newest, 1) if newest > since else _written(since, page + 1), more=True)
        following = max(newest - OVERLAP, since) if page == 1 and changed else newest
        return Polled(events, _written(following, 1), more=False)

    def of(self, shop_order_id: str, deadline: Deadline) -> Sequence[Event]:
        """Raises ShopUnavailable."""
        try:
            view = self._orders.views([shop_order_id], SHIPMENT, deadline).get(shop_order_id)
        except Refusal as refusal:
            if refusal.code == "FRAMEWORK__INVALID_UUID":
                return []
            raise _unreadable(refusal) from refusal
        return shipments_in(view, self._settings) if view is not None else []

    def _changed(self, since: datetime, page: int, deadline: Deadline) -> list[Row]:
        criteria: Mapping[str, Any] = {
            "page": page,
            "limit": PAGE,
            "filter": [
                {"type": "equals", "field": "stateMachineState.technicalName", "value": SHIPPED},
                {"type": "equals", "field": "order.affiliateCode", "value": SOURCE},
                {"type": "range", "field": "updatedAt", "parameters": {"gte": moment(since)}},
            ],
            "sort": [{"field": "updatedAt", "order": "ASC"}, {"field": "id", "order": "ASC"}],
            "associations": {"order": {"associations": SHIPMENT}},
        }
        try:
            return self._api.search("order_delivery", criteria, deadline)
        except Refusal as refusal:
            raise _unreadable(refusal) from refusal


def _read(cursor: str, now: datetime) -> tuple[datetime, int]:
    if not cursor:
        return now - FIRST_LOOK_BACK, 1
    text, _, page = cursor.partition("#")
    return datetime.fromisoformat(text).astimezone(UTC), int(page or 1)


def _written(instant: datetime, page: int) -> str:
    return f"{moment(instant)}#{page}"


def _moment(row: Row, default: datetime) -> datetime:
    try:
        return datetime.fromisoformat(str(row.get("updatedAt"))).astimezone(UTC)
    except ValueError:
        return default


def _unreadable(refusal: Refusal) -> ShopUnavailable:
    return ShopUnavailable(f"The shop does not let its orders be read: {refusal}.")
