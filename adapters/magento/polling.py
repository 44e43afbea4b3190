"""Shipments since a cursor: Open Source has no webhooks of its own (§3.7).

Orders are looked at by their time of change, which shipping moves. A track that is added later moves none, so that orders
with a shipment without one are looked at again with each call; the cursor names them.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Deadline
from lengow.adapters.magento.api import Api, Refusal
from lengow.adapters.magento.body import ANCHOR
from lengow.adapters.magento.closings import FIELDS as MEMO_FIELDS
from lengow.adapters.magento.closings import closings_in, has_memos
from lengow.adapters.magento.facts import PAGE
from lengow.adapters.magento.reading import Orders, id_of
from lengow.adapters.magento.settings import MagentoSettings
from lengow.adapters.magento.shipments import FIELDS as SHIPMENT_FIELDS
from lengow.adapters.magento.shipments import shipments_in, tracked
from lengow.connector.adapter import Event, Polled
from lengow.connector.prepared import prepare

FIELDS = (
    "entity_id,ext_order_id,state,updated_at,total_refunded,payment[additional_information],"
    "items[item_id,ext_order_item_id,qty_ordered]"
)
OVERLAP = timedelta(minutes=10)
"""A change may become visible later than its time says (reference platforms.md §6.4)."""
FIRST_LOOK_BACK = timedelta(days=3)
WAIT = timedelta(days=14)
"""How long a track may come after its shipment."""
MOST_WAITING = 1000
"""Orders that are looked at again: a busy shop's of a day, whose tracks come in the evening. The oldest are let go first."""
FORBIDDEN = (401, 403)

log = logging.getLogger("lengow.adapters.magento")


class Cursor(msgspec.Struct, frozen=True):
    since: str
    """UTC, as Magento writes it."""
    page: int = 1
    """Where many orders changed within one second."""
    waiting: tuple[int, ...] = ()
    """Orders with a shipment without a track."""


class Poller:
    def __init__(self, api: Api, settings: MagentoSettings, orders: Orders) -> None:
        self._api, self._settings, self._orders = api, settings, orders

    def since(self, cursor: str, now: datetime, deadline: Deadline) -> Polled:
        """One page. Raises ShopUnavailable."""
        at = _read(cursor, now)
        changed_since = (("ext_order_id", "like", f"{ANCHOR}%"),), (("updated_at", "gteq", at.since),)
        try:
            changed, total = self._api.search(
                "orders", changed_since, deadline, fields=FIELDS, sort=("updated_at", "entity_id"), page=at.page
            )
            seen = {row.whole("entity_id") for row in changed}
            again = [one for one in at.waiting if one not in seen] if at.page == 1 else []
            views = [*changed, *self._named(again, deadline)]
            shipments = self._shipments([view.whole("entity_id") for view in views], deadline)
            memos = self._memos(views, deadline)
        except Refusal as refusal:
            raise self._api.unreadable(refusal) from refusal
        events: list[Event] = []
        waiting: set[int] = set(at.waiting) if at.page > 1 else set()
        for view in views:
            id_ = view.whole("entity_id")
            own = [row for row in shipments if row.whole("order_id") == id_]
            events += shipments_in(view, own, self._settings)
            events += closings_in(view, [row for row in memos if row.whole("order_id") == id_])
            if any(not tracked(row) and row.moment("created_at") > now - WAIT for row in own):
                waiting.add(id_)
        kept = tuple(sorted(waiting))[-MOST_WAITING:]
        if len(kept) < len(waiting):
            log.warning("too many shipments wait for a track", extra={"let_go": len(waiting) - len(kept)})
        following, more = _following(at, changed, total)
        return Polled(tuple(events), _encoded(msgspec.structs.replace(following, waiting=kept)), more=more)

    def of(self, shop_order_id: str, deadline: Deadline) -> Sequence[Event]:
        """Raises ShopUnavailable."""
        try:
            view = self._orders.one(shop_order_id, deadline)
            if view is None:
                return []
            shipments = shipments_in(view, self._shipments([view.whole("entity_id")], deadline), self._settings)
            return [*shipments, *closings_in(view, self._memos([view], deadline))]
        except Refusal as refusal:
            raise self._api.unreadable(refusal) from refusal

    def _named(self, ids: Sequence[int], deadline: Deadline) -> list[Entry]:
        found: list[Entry] = []
        for start in range(0, len(ids), PAGE):
            groups = ((("entity_id", "in", ",".join(map(str, ids[start : start + PAGE]))),),)
            found += self._api.search_all("orders", groups, deadline, fields=FIELDS)
        return found

    def _shipments(self, order_ids: Sequence[int], deadline: Deadline) -> list[Entry]:
        found: list[Entry] = []
        for start in range(0, len(order_ids), PAGE):
            groups = ((("order_id", "in", ",".join(map(str, order_ids[start : start + PAGE]))),),)
            found += self._api.search_all("shipments", groups, deadline, fields=SHIPMENT_FIELDS)
        return found

    def _memos(self, views: Sequence[Entry], deadline: Deadline) -> list[Entry]:
        """The credit memos of these orders; none where the integration may not read them, which stops no shipment."""
        ids = [id_of(view) for view in views if has_memos(view)]
        found: list[Entry] = []
        try:
            for start in range(0, len(ids), PAGE):
                groups = ((("order_id", "in", ",".join(ids[start : start + PAGE])),),)
                found += self._api.search_all("creditmemos", groups, deadline, fields=MEMO_FIELDS)
        except Refusal as refusal:
            if refusal.status not in FORBIDDEN:
                raise
            log.warning("credit memos may not be read, and are not told", extra={"error": str(refusal)})
        return found


def _following(at: Cursor, changed: Sequence[Entry], total: int) -> tuple[Cursor, bool]:
    newest = max([at.since, *(_written(row.moment("updated_at")) for row in changed)])
    if total > at.page * PAGE:
        return (Cursor(newest) if newest > at.since else Cursor(at.since, at.page + 1)), True
    if at.page > 1 or not changed:
        return Cursor(newest), False
    return Cursor(max(_written(datetime.fromisoformat(newest) - OVERLAP), at.since)), False


def _read(cursor: str, now: datetime) -> Cursor:
    if not cursor:
        return Cursor(_written(now.astimezone(UTC) - FIRST_LOOK_BACK))
    return msgspec.json.decode(cursor, type=Cursor)


def _encoded(cursor: Cursor) -> str:
    return msgspec.json.encode(cursor).decode()


def _written(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S}"


prepare(Cursor)
