"""Shipments since a cursor: PrestaShop has no webhooks of its own.

A tracking number does not touch the order's time of change (capture 124), so orders that were shipped without one are
looked at again with each call. The cursor names them, beside the shop's own time of change, which is in its zone.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from lengow.adapters.prestashop.api import Deadline, Refusal, Row, Webservice, any_of, text
from lengow.adapters.prestashop.plan import MARK
from lengow.adapters.prestashop.profile import Profile, Profiles
from lengow.adapters.prestashop.shipments import shipments_in, told_of
from lengow.connector.adapter import Event, Polled
from lengow.connector.errors import ShopUnavailable

PAGE = 100
AT_ONCE = 100
"""Orders whose carriers are asked for in one request."""
MOST_WAITING = 1000
"""Orders without a tracking number that are looked at again; the oldest are let go first."""
OVERLAP = timedelta(minutes=10)
"""A change may become visible later than its time says (platforms.md §6.4)."""
FIRST_LOOK_BACK = timedelta(days=3)
FAR = "2099-12-31 23:59:59"
FIELDS = "[id,current_state,date_upd,note]"
CARRIER_FIELDS = "[id,id_order,id_carrier,tracking_number]"
HOURS = timedelta(hours=3)


class Cursor(msgspec.Struct, frozen=True):
    since: str
    """The shop's own time, as it writes it."""
    offset: int = 0
    """Where many orders changed within one second."""
    waiting: tuple[int, ...] = ()
    """Orders that were shipped without a tracking number."""


class Poller:
    def __init__(self, shop: Webservice, profiles: Profiles) -> None:
        self._shop, self._profiles = shop, profiles

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
        except Refusal as refusal:
            raise ShopUnavailable(f"The shop does not let its orders be read: {refusal}.") from refusal
        found = [event for view in shipped for event in shipments_in(view, rows, profile)]
        without = {int(event.shop_order_id) for event in found if not event.tracking.number}
        known = {str(id_) for id_ in waiting}
        events = [event for event in found if event.tracking.number or event.shop_order_id not in known]
        kept = tuple(sorted(without | (set(at.waiting) if at.offset else set())))[-MOST_WAITING:]
        return self._polled(at, changed, events, kept, profile.zone)

    def of(self, shop_order_id: str, deadline: Deadline) -> list[Event]:
        """Raises ShopUnavailable."""
        if not (shop_order_id.isascii() and shop_order_id.isdigit()):
            return []
        try:
            view = self._shop.one("orders", shop_order_id, deadline)
            if view is None:
                return []
            profile = self._profiles.get(deadline)
            return shipments_in(view, self._carriers([view], deadline), profile)
        except Refusal as refusal:
            raise ShopUnavailable(f"The shop does not let its orders be read: {refusal}.") from refusal

    def _changed(self, at: Cursor, profile: Profile, deadline: Deadline) -> list[Row]:
        return self._shop.rows(
            "orders",
            deadline,
            FIELDS,
            note=f"%[{MARK.strip()}]%",
            current_state=any_of(sorted(profile.shipped_states)),
            date_upd=f"[{at.since},{FAR}]",
            date_="1",
            sort_="[date_upd_ASC,id_ASC]",
            limit_=f"{at.offset},{PAGE}",
        )

    def _again(self, waiting: Sequence[int], changed: Sequence[Row], deadline: Deadline) -> list[Row]:
        seen = {text(view, "id") for view in changed}
        ids = [id_ for id_ in waiting if str(id_) not in seen]
        views: list[Row] = []
        for start in range(0, len(ids), AT_ONCE):
            views += self._shop.rows("orders", deadline, FIELDS, id=any_of(ids[start : start + AT_ONCE]))
        return views

    def _carriers(self, views: Sequence[Row], deadline: Deadline) -> list[Row]:
        ids = [text(view, "id") for view in views]
        rows: list[Row] = []
        for start in range(0, len(ids), AT_ONCE):
            rows += self._shop.rows(
                "order_carriers", deadline, CARRIER_FIELDS, id_order=any_of(ids[start : start + AT_ONCE])
            )
        return rows

    def _polled(
        self, at: Cursor, changed: Sequence[Row], events: Sequence[Event], waiting: tuple[int, ...], zone: ZoneInfo
    ) -> Polled:
        newest = max([at.since, *(text(view, "date_upd") for view in changed)])
        if len(changed) < PAGE:
            following = Cursor(_before(newest, zone) if changed and not at.offset else newest, 0, waiting)
            return Polled(tuple(events), _written(following), more=False)
        last = text(changed[-1], "date_upd")
        same_second = last == at.since
        following = Cursor(last, at.offset + PAGE if same_second else 0, waiting)
        return Polled(tuple(events), _written(following), more=True)


def _read(cursor: str, now: datetime, zone: ZoneInfo) -> Cursor:
    if not cursor:
        return Cursor(f"{(now - FIRST_LOOK_BACK).astimezone(zone):%Y-%m-%d %H:%M:%S}")
    return msgspec.json.decode(cursor, type=Cursor)


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
