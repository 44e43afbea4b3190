"""Orders changed since a cursor: the safety net, because WooCommerce never repeats a webhook.

The cursor is the shop's own time of change, and a page where many orders changed within one second.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import chain

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Deadline
from lengow.adapters.woocommerce.api import Refusal, Shop
from lengow.adapters.woocommerce.body import CREATED_VIA
from lengow.adapters.woocommerce.closings import closings_in, has_refunds
from lengow.adapters.woocommerce.settings import WooCommerceSettings
from lengow.adapters.woocommerce.shipments import has_fulfilments, reference_of, shipments_in
from lengow.connector.adapter import Event, Polled

PAGE = 100
OVERLAP = timedelta(minutes=10)
"""A change may become visible later than its time says (reference platforms.md §6.4)."""
FIRST_LOOK_BACK = timedelta(days=3)
FIELDS = "id,status,date_modified_gmt,meta_data,line_items,refunds"
SECOND = timedelta(seconds=1)
NOT_FOUND = 404


class Poller:
    def __init__(self, shop: Shop, settings: WooCommerceSettings) -> None:
        self._shop, self._settings = shop, settings

    def since(self, cursor: str, now: datetime, deadline: Deadline) -> Polled:
        """One page, or as much of it as a slow shop answers in time: what is in a fulfilment is a call for each order.

        Raises ShopUnavailable.
        """
        since, page = _read(cursor, now)
        changed = self._changed(since, page, deadline)
        events: list[Event] = []
        last = since
        for view in changed:
            if deadline.late and last > since + SECOND:
                return Polled(tuple(events), _written(last - SECOND, 1), more=True)
            events += self._shipments(view, deadline)
            last = view.moment("date_modified_gmt")
        if len(changed) < PAGE:
            newest = max([since, *(view.moment("date_modified_gmt") for view in changed)])
            return Polled(tuple(events), _written(newest - OVERLAP if page == 1 and changed else newest, 1), more=False)
        following = _written(since, page + 1) if last <= since + SECOND else _written(last - SECOND, 1)
        return Polled(tuple(events), following, more=True)

    def of(self, shop_order_id: str, deadline: Deadline) -> list[Event]:
        """Raises ShopUnavailable."""
        if not shop_order_id.isdigit():
            return []
        try:
            view = self._shop.get(f"orders/{shop_order_id}", deadline).entry
        except Refusal as refusal:
            if refusal.status == NOT_FOUND:
                return []
            raise self._shop.unreadable(refusal) from refusal
        return self._shipments(view, deadline)

    def _changed(self, since: datetime, page: int, deadline: Deadline) -> list[Entry]:
        try:
            return self._shop.page(
                "orders",
                deadline,
                modified_after=_text(since),
                dates_are_gmt="true",
                created_via=CREATED_VIA,
                orderby="modified",
                order="asc",
                per_page=PAGE,
                page=page,
                _fields=FIELDS,
            ).rows
        except Refusal as refusal:
            raise self._shop.unreadable(refusal) from refusal

    def _shipments(self, view: Entry, deadline: Deadline) -> list[Event]:
        if not reference_of(view):
            return []
        path = f"orders/{view.whole('id')}"
        fulfilments = self._rows(lambda: self._shop.page(f"{path}/fulfillments", deadline).rows, has_fulfilments(view))
        refunds = self._rows(
            lambda: chain.from_iterable(self._shop.pages(f"{path}/refunds", deadline)), has_refunds(view)
        )
        return [*shipments_in(view, self._settings, fulfilments), *closings_in(view, refunds)]

    def _rows(self, listed: Callable[[], Iterable[Entry]], has_any: bool) -> list[Entry]:
        try:
            return list(listed()) if has_any else []
        except Refusal as refusal:
            if refusal.status != NOT_FOUND:  # 404: fulfilments were switched off again, or the order is gone
                raise self._shop.unreadable(refusal) from refusal
            return []


def _read(cursor: str, now: datetime) -> tuple[datetime, int]:
    if not cursor:
        return now - FIRST_LOOK_BACK, 1
    moment, _, page = cursor.partition("#")
    return datetime.fromisoformat(moment).replace(tzinfo=UTC), int(page or 1)


def _written(moment: datetime, page: int) -> str:
    return f"{_text(moment)}#{page}"


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}"
