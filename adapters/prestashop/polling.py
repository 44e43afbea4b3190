"""Shipments, cancellations and order slips since a cursor: PrestaShop has no webhooks of its own.

A tracking number does not touch the order's time of change (capture 124), so orders that were shipped without one are
looked at again with each call. The cursor names them, beside the shop's own time of change, which is in its zone.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Deadline
from lengow.adapters.prestashop.api import Refusal, Webservice, any_of, id_of, text
from lengow.adapters.prestashop.closings import cancellation_in, refunds_in, slip_event_id
from lengow.adapters.prestashop.plan import MARK, plan_in
from lengow.adapters.prestashop.profile import Profile, Profiles
from lengow.adapters.prestashop.shipments import shipments_in, told_of
from lengow.connector.adapter import Event, Polled
from lengow.connector.prepared import prepare

PAGE = 100
AT_ONCE = 100
"""Orders whose carriers are asked for in one request."""
MOST_WAITING = 1000
"""Orders without a tracking number that are looked at again; the oldest are let go first, of those that were told. One that
was not is told then."""
OVERLAP = timedelta(minutes=10)
"""A change may become visible later than its time says (platforms.md §6.4)."""
FIRST_LOOK_BACK = timedelta(days=3)
FAR = "2099-12-31 23:59:59"
FIELDS = "[id,current_state,date_upd,note]"
CARRIER_FIELDS = "[id,id_order,id_carrier,tracking_number]"
HOURS = timedelta(hours=3)
FORBIDDEN = (401, 403)

log = logging.getLogger("lengow.adapters.prestashop")


class Cursor(msgspec.Struct, frozen=True):
    since: str
    """The shop's own time, as it writes it."""
    offset: int = 0
    """Where many orders changed within one second."""
    waiting: tuple[int, ...] = ()
    """Orders that were shipped without a tracking number."""
    told: tuple[int, ...] = ()
    """Those of them that were told without one."""
    slips_since: str = ""
    """As `since`, of order slips; empty in a cursor from before they were read."""
    slips_offset: int = 0


class Poller:
    def __init__(self, shop: Webservice, profiles: Profiles, *, wait: timedelta, slips: bool) -> None:
        self._shop, self._profiles, self._wait, self._reads_slips = shop, profiles, wait, slips

    def since(self, cursor: str, now: datetime, deadline: Deadline) -> Polled:
        """One page. Raises ShopUnavailable."""
        try:
            profile = self._profiles.get(deadline)
            at = _read(cursor, now, profile.zone)
            changed = self._changed(at, profile, deadline)
            waiting = () if at.offset else at.waiting
            views = [*changed, *self._again(waiting, changed, deadline)]
            shipped = [view for view in views if told_of(view, profile)]
            rows = self._carriers(shipped, deadline)
            slips = self._slips(at, deadline)
            of_orders = self._refunded(sorted({slip.whole("id_order") for slip in slips or ()}), deadline)
        except Refusal as refusal:
            raise self._shop.unreadable(refusal) from refusal
        told = {slip_event_id(slip) for slip in slips or ()}  # others of these orders are older than the cursor
        refunded = [event for event in of_orders if event.id in told]
        found = [event for view in shipped for event in shipments_in(view, rows, profile)]
        if slips is None:
            at = msgspec.structs.replace(at, slips_since=self._unread_since(at, now, profile.zone), slips_offset=0)
        polled = self._polled(at, changed, found, self._held(shipped, now, profile.zone), slips or [], profile.zone)
        cancelled = [event for view in views if (event := cancellation_in(view, profile))]
        return msgspec.structs.replace(polled, events=(*polled.events, *cancelled, *refunded))

    def of(self, shop_order_id: str, deadline: Deadline) -> list[Event]:
        """Raises ShopUnavailable."""
        if not (shop_order_id.isascii() and shop_order_id.isdigit()):
            return []
        try:
            view = self._shop.one("orders", shop_order_id, deadline)
            if view is None:
                return []
            profile = self._profiles.get(deadline)
            cancelled = cancellation_in(view, profile)
            refunded = self._refunded([view.whole("id")] if self._reads_slips else [], deadline)
            shipped = [] if cancelled else shipments_in(view, self._carriers([view], deadline), profile)
            return [*([cancelled] if cancelled else shipped), *refunded]
        except Refusal as refusal:
            raise self._shop.unreadable(refusal) from refusal

    def _changed(self, at: Cursor, profile: Profile, deadline: Deadline) -> list[Entry]:
        return self._shop.rows(
            "orders",
            deadline,
            FIELDS,
            note=f"%[{MARK.strip()}]%",
            current_state=any_of(sorted({*profile.shipped_states, profile.number("PS_OS_CANCELED")})),
            date_upd=f"[{at.since},{FAR}]",
            date_="1",
            sort_="[date_upd_ASC,id_ASC]",
            limit_=f"{at.offset},{PAGE}",
        )

    def _again(self, waiting: Sequence[int], changed: Sequence[Entry], deadline: Deadline) -> list[Entry]:
        seen = {id_of(view) for view in changed}
        ids = [id_ for id_ in waiting if str(id_) not in seen]
        views: list[Entry] = []
        for start in range(0, len(ids), AT_ONCE):
            views += self._shop.rows("orders", deadline, FIELDS, id=any_of(ids[start : start + AT_ONCE]))
        return views

    def _carriers(self, views: Sequence[Entry], deadline: Deadline) -> list[Entry]:
        ids = [id_of(view) for view in views]
        rows: list[Entry] = []
        for start in range(0, len(ids), AT_ONCE):
            rows += self._shop.rows(
                "order_carriers", deadline, CARRIER_FIELDS, id_order=any_of(ids[start : start + AT_ONCE])
            )
        return rows

    def _unread_since(self, at: Cursor, now: datetime, zone: ZoneInfo) -> str:
        """From when slips are told once they are read: not from all the time in which the merchant did without.

        A host's firewall may forbid them for a while, so that what is forbidden is not given up at once.
        """
        look_back = FIRST_LOOK_BACK if self._reads_slips else timedelta()
        return max(at.slips_since, _local(now - look_back, zone))

    def _slips(self, at: Cursor, deadline: Deadline) -> list[Entry] | None:
        """Order slips of all orders; None where the key may not read them, which stops no shipment."""
        if not self._reads_slips:
            return None
        try:
            return self._shop.rows(
                "order_slip",
                deadline,
                "[id,id_order,date_upd]",
                date_upd=f"[{at.slips_since},{FAR}]",
                date_="1",
                sort_="[date_upd_ASC,id_ASC]",
                limit_=f"{at.slips_offset},{PAGE}",
            )
        except Refusal as refusal:
            if refusal.status not in FORBIDDEN:
                raise
            log.warning("order slips may not be read, and are not told", extra={"error": str(refusal)})
            return None

    def _refunded(self, order_ids: Sequence[int], deadline: Deadline) -> list[Event]:
        """What the slips of these orders tell, of those that are ours."""
        found: list[Event] = []
        for start in range(0, len(order_ids), AT_ONCE):
            some = any_of(order_ids[start : start + AT_ONCE])
            views = self._shop.rows("orders", deadline, id=some, note=f"%[{MARK.strip()}]%")
            if not views:
                continue
            own = any_of([id_of(view) for view in views])
            customers = any_of(sorted({view.whole("id_customer") for view in views}))
            notes = self._shop.rows("customers", deadline, "[id,note]", id=customers)
            plans = {row.whole("id"): plan_in(text(row, "note")) for row in notes}
            slips = self._shop.rows("order_slip", deadline, id_order=own)
            for view in views:
                of_it = [slip for slip in slips if slip.whole("id_order") == view.whole("id")]
                found += refunds_in(view, of_it, plans.get(view.whole("id_customer")))
        return found

    def _held(self, views: Sequence[Entry], now: datetime, zone: ZoneInfo) -> set[int]:
        """Orders that were shipped so lately that their number may still come."""
        return {view.whole("id") for view in views if now - view.moment("date_upd", zone) < self._wait}

    def _polled(
        self,
        at: Cursor,
        changed: Sequence[Entry],
        found: Sequence[Event],
        held: set[int],
        slips: Sequence[Entry],
        zone: ZoneInfo,
    ) -> Polled:
        """What is told now, and where to go on. An order without a number is told once, and stays in the cursor."""
        unnumbered = {int(event.shop_order_id) for event in found if not event.tracking.number}
        told_by_now = (unnumbered - held) | set(at.told)
        waiting = unnumbered | (set(at.waiting) if at.offset else set())
        kept = set(sorted(waiting, key=lambda id_: (id_ not in told_by_now, id_))[-MOST_WAITING:])
        silent = (held & unnumbered & kept) | set(at.told)
        events = tuple(one for one in found if one.tracking.number or int(one.shop_order_id) not in silent)
        since, offset = _following(at.since, at.offset, changed, zone)
        slips_since, slips_offset = _following(at.slips_since, at.slips_offset, slips, zone)
        told = tuple(sorted(told_by_now & kept))
        following = Cursor(since, offset, tuple(sorted(kept)), told, slips_since, slips_offset)
        return Polled(events, _written(following), more=PAGE in (len(changed), len(slips)))


def _following(since: str, offset: int, changed: Sequence[Entry], zone: ZoneInfo) -> tuple[str, int]:
    """Where to go on, by the time of change and an offset within one second."""
    if len(changed) < PAGE:
        newest = max([since, *(text(row, "date_upd") for row in changed)])
        return (_before(newest, zone) if changed and not offset else newest), 0
    last = text(changed[-1], "date_upd")
    return last, offset + PAGE if last == since else 0


def _read(cursor: str, now: datetime, zone: ZoneInfo) -> Cursor:
    first = _local(now - FIRST_LOOK_BACK, zone)
    try:
        at = msgspec.json.decode(cursor, type=Cursor)
    except msgspec.DecodeError:  # empty at first
        return Cursor(first, slips_since=first)
    return at if at.slips_since else msgspec.structs.replace(at, slips_since=first)


def _local(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def _written(cursor: Cursor) -> str:
    return msgspec.json.encode(cursor).decode()


def _before(local: str, zone: ZoneInfo) -> str:
    """Earlier by the overlap, and by the hour that a clock is set back where that is near."""
    try:
        moment = datetime.fromisoformat(local)
    except ValueError:
        return local
    aware = moment.replace(tzinfo=zone).astimezone(UTC)
    offsets = [(aware + by).astimezone(zone).utcoffset() or timedelta() for by in (-HOURS, HOURS)]
    set_back = max(offsets[0] - offsets[1], timedelta())
    return f"{moment - OVERLAP - set_back:%Y-%m-%d %H:%M:%S}"


prepare(Cursor)
