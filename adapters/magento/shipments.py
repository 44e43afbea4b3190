"""Shipments as Magento tells them: one event a track, or one of a shipment that has none (§3.6)."""

import hashlib
from collections.abc import Iterable, Mapping

from lengow.adapters.answers import Entry
from lengow.adapters.magento.facts import CARRIER_CUSTOM
from lengow.adapters.magento.reading import id_of, reference_of
from lengow.adapters.magento.settings import MagentoSettings
from lengow.connector.adapter import Event
from lengow.connector.model import Tracking

FIELDS = "entity_id,order_id,created_at,items[order_item_id,qty],tracks[track_number,title,carrier_code]"


def shipments_in(view: Entry, shipments: Iterable[Entry], settings: MagentoSettings) -> list[Event]:
    """The shipments of one of our orders; none for another's."""
    reference = reference_of(view)
    if not reference:
        return []
    found = []
    for shipment in shipments:
        tracks = tracked(shipment)
        lines, quantities = _lines_of(view, shipment)
        if lines is None:
            continue
        trackings = [_tracking(track) for track in tracks]
        if quantities:
            trackings = trackings[:1]  # which pieces are in which of several parcels, Magento does not tell
        if not trackings and settings.shipped_without_tracking:
            trackings = [Tracking()]
        found += [_event(view, shipment, reference, tracking, lines, quantities) for tracking in trackings]
    return list({event.id: event for event in found}.values())


def tracked(shipment: Entry) -> list[Entry]:
    return [track for track in shipment.entries("tracks") if track.text("track_number", "")]


def event_id(order_id: str, shipment_id: str, tracking_number: str) -> str:
    """The same by webhook and by polling: another number is another event."""
    return f"{order_id}-{shipment_id}-{hashlib.sha256(tracking_number.encode()).hexdigest()[:16]}"


def _event(
    view: Entry,
    shipment: Entry,
    reference: str,
    tracking: Tracking,
    lines: tuple[str, ...],
    quantities: Mapping[str, int],
) -> Event:
    order_id, shipment_id = id_of(view), id_of(shipment)
    return Event(
        id=event_id(order_id, shipment_id, tracking.number),
        kind="shipment",
        shop_order_id=order_id,
        reference=reference,
        tracking=tracking,
        line_ids=lines,
        quantities=dict(quantities),
        parcel=shipment_id,
        raw_kind=f"shipment {shipment_id}",
    )


def _tracking(track: Entry) -> Tracking:
    """Magento keeps no links. Under the code `custom`, the carrier's name is in the title, and stands for its code."""
    code, title, number = (track.text(key, "") for key in ("carrier_code", "title", "track_number"))
    if code == CARRIER_CUSTOM:
        code = title
    return Tracking(code, title, number)


def _lines_of(view: Entry, shipment: Entry) -> tuple[tuple[str, ...] | None, dict[str, int]]:
    """Lengow's ids of the lines in a shipment, none where it is all of the order, and the pieces of those that are in it
    only in part. None: nothing in it is ours.
    """
    items = view.entries("items", needed=True)
    sent = {row.whole("order_item_id"): row.decimal("qty") for row in shipment.entries("items", needed=True)}
    inside = [one for one in items if sent.get(one.whole("item_id"), 0) > 0]
    parts = [one for one in inside if sent[one.whole("item_id")] < one.decimal("qty_ordered")]
    if len(inside) == len(items) and not parts:
        return (), {}
    lines = tuple(filter(None, (one.text("ext_order_item_id", "") for one in inside)))
    quantities = {one.text("ext_order_item_id", ""): int(sent[one.whole("item_id")]) for one in parts}
    whole_pieces = {line_id: pieces for line_id, pieces in quantities.items() if line_id and pieces}
    return lines or None, whole_pieces
