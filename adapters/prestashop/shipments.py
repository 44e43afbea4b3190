"""Shipments as PrestaShop tells them: an order in a state that counts as shipped, and its `order_carriers`."""

import hashlib
from collections.abc import Iterable

from lengow.adapters.answers import Entry
from lengow.adapters.prestashop.api import id_of, text
from lengow.adapters.prestashop.plan import Mark, mark_in
from lengow.adapters.prestashop.profile import Profile, number
from lengow.connector.adapter import Event
from lengow.connector.decode import clean
from lengow.connector.model import Tracking


def told_of(view: Entry, profile: Profile) -> Mark | None:
    """The mark of an order of ours that the merchant has shipped; None for any other."""
    mark = mark_in(text(view, "note"))
    if mark is None or mark.shipped or number(view, "current_state") not in profile.shipped_states:
        return None
    return mark


def shipments_in(view: Entry, rows: Iterable[Entry], profile: Profile) -> list[Event]:
    """One for each parcel with a number; without any, one that tells no more than that it was shipped."""
    mark = told_of(view, profile)
    if mark is None:
        return []
    own = sorted((row for row in rows if text(row, "id_order") == id_of(view)), key=lambda row: row.whole("id"))
    numbered = [row for row in own if clean(text(row, "tracking_number"))]
    return [_event(view, row, mark, profile) for row in numbered or own[-1:]]


def event_id(order_id: str, parcel: str, tracking_number: str) -> str:
    """The same by webhook and by polling: another number is another event."""
    return f"{order_id}-{parcel}-{hashlib.sha256(tracking_number.encode()).hexdigest()[:16]}"


def _event(view: Entry, row: Entry, mark: Mark, profile: Profile) -> Event:
    tracking = tracking_of(row, profile)
    return Event(
        id=event_id(id_of(view), id_of(row), tracking.number),
        kind="shipment",
        shop_order_id=id_of(view),
        reference=mark.reference,
        tracking=tracking,
        raw_kind=f"order_carrier {id_of(row)}",
    )


def tracking_of(row: Entry, profile: Profile) -> Tracking:
    """A carrier has no code but its name; its URL has `@` where the number belongs (platforms.md §2.6)."""
    tracking_number = clean(text(row, "tracking_number"))
    carrier = next((one for one in profile.carriers if one.id == number(row, "id_carrier")), None)
    if carrier is None:
        return Tracking(number=tracking_number)
    url = carrier.url.replace("@", tracking_number) if tracking_number else ""
    return Tracking(carrier.name, carrier.name, tracking_number, url)
