"""What of our orders has changed since a cursor: the safety net beside the webhooks (§4.7, §6.4).

Deliveries that are shipped, orders that are cancelled, payments that are given back: each is looked at by the shop's own
time of its change, which its move to the state sets. A delivery that was never changed has no such time: one that was
imported as shipped is no news. The cursor is such a time for each of the three, and a page where many changed at once.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Deadline
from lengow.adapters.shopware.api import Api, Refusal
from lengow.adapters.shopware.body import SOURCE, moment
from lengow.adapters.shopware.closings import cancellation_of, closings_in, refund_of
from lengow.adapters.shopware.facts import CANCELLED, REFUNDED, SHIPPED
from lengow.adapters.shopware.reading import SHIPMENT, WHOLE, Orders
from lengow.adapters.shopware.settings import ShopwareSettings
from lengow.adapters.shopware.shipments import shipments_in
from lengow.connector.adapter import Event, Polled

PAGE = 100
OVERLAP = timedelta(minutes=10)
"""A change may become visible later than its time says (reference platforms.md §6.4)."""
FIRST_LOOK_BACK = timedelta(days=3)
BETWEEN = " "
"""The parts of a cursor. One that was kept before cancellations were polled has one part."""


class Watch(msgspec.Struct, frozen=True):
    """Something with a state machine, and the state of it that is news."""

    entity: str
    state: str
    order: str
    """Where its order is, as filters name it; empty where it is the order itself."""
    associations: Mapping[str, Any]
    """Of the order."""


WATCHES = (
    Watch("order_delivery", SHIPPED, "order", SHIPMENT),
    Watch("order", CANCELLED, "", {}),
    Watch("order_transaction", REFUNDED, "order", {}),
)


class Place(msgspec.Struct, frozen=True):
    """How far one of them was read."""

    since: datetime
    page: int = 1


class Poller:
    def __init__(self, api: Api, settings: ShopwareSettings, orders: Orders) -> None:
        self._api, self._orders = api, orders
        self._settings = settings
        self._told: Sequence[Callable[[Entry], Sequence[Event]]] = (
            lambda view: shipments_in(view, settings),
            cancellation_of,
            refund_of,
        )
        """By watch."""

    def since(self, cursor: str, now: datetime, deadline: Deadline) -> Polled:
        """One page of each. Raises ShopUnavailable."""
        events: list[Event] = []
        following: list[Place] = []
        more = False
        for watch, told, place in zip(WATCHES, self._told, _read(cursor, now), strict=True):
            changed = self._changed(watch, place, deadline)
            views = [row.entry(watch.order) if watch.order else row for row in changed]
            for view in {view.text("id"): view for view in views}.values():
                events += told(view)
            following.append(_following(place, changed))
            more = more or len(changed) == PAGE
        return Polled(tuple(events), _written(following), more=more)

    def of(self, shop_order_id: str, deadline: Deadline) -> Sequence[Event]:
        """Raises ShopUnavailable."""
        try:
            view = self._orders.views([shop_order_id], WHOLE, deadline).get(shop_order_id)
        except Refusal as refusal:
            if refusal.code == "FRAMEWORK__INVALID_UUID":
                return []
            raise self._api.unreadable(refusal) from refusal
        return [*shipments_in(view, self._settings), *closings_in(view)] if view is not None else []

    def _changed(self, watch: Watch, place: Place, deadline: Deadline) -> list[Entry]:
        of_order = f"{watch.order}." if watch.order else ""
        criteria: dict[str, Any] = {
            "page": place.page,
            "limit": PAGE,
            "filter": [
                {"type": "equals", "field": "stateMachineState.technicalName", "value": watch.state},
                {"type": "equals", "field": f"{of_order}affiliateCode", "value": SOURCE},
                {"type": "range", "field": "updatedAt", "parameters": {"gte": moment(place.since)}},
            ],
            "sort": [{"field": "updatedAt", "order": "ASC"}, {"field": "id", "order": "ASC"}],
            "associations": {watch.order: {"associations": watch.associations}} if watch.order else watch.associations,
        }
        try:
            return self._api.search(watch.entity, criteria, deadline)
        except Refusal as refusal:
            raise self._api.unreadable(refusal) from refusal


def _following(place: Place, changed: Sequence[Entry]) -> Place:
    newest = max([place.since, *(row.moment("updatedAt") for row in changed)])
    if len(changed) == PAGE:
        return Place(newest) if newest > place.since else Place(place.since, place.page + 1)
    return Place(max(newest - OVERLAP, place.since) if place.page == 1 and changed else newest)


def _read(cursor: str, now: datetime) -> list[Place]:
    if not cursor:
        return [Place(now - FIRST_LOOK_BACK)] * len(WATCHES)
    places = []
    for part in cursor.split(BETWEEN):
        text, _, page = part.partition("#")
        places.append(Place(datetime.fromisoformat(text).astimezone(UTC), int(page or 1)))
    first = Place(min(places[0].since, now - FIRST_LOOK_BACK))
    return places if len(places) == len(WATCHES) else [places[0], *[first] * (len(WATCHES) - 1)]


def _written(places: Sequence[Place]) -> str:
    return BETWEEN.join(f"{moment(place.since)}#{place.page}" for place in places)
