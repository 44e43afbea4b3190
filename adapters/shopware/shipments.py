"""Shipments in an order as Shopware shows it: deliveries that are shipped, one shipment a tracking code (§4.6)."""

import hashlib
from collections.abc import Mapping, Sequence
from urllib.parse import quote

import msgspec

from lengow.adapters.answers import Entry
from lengow.adapters.shopware.body import SHIPPED
from lengow.adapters.shopware.facts import SHIPPED as SHIPPED_STATE
from lengow.adapters.shopware.reading import custom, line_id_of, reference_of, state_of
from lengow.adapters.shopware.settings import ShopwareSettings
from lengow.connector.adapter import Event
from lengow.connector.model import Tracking


def shipments_in(view: Entry, settings: ShopwareSettings) -> list[Event]:
    """The shipments of one of our orders; none for another's, and none that the connector itself told the shop."""
    if not is_news(view):
        return []
    deliveries = view.entries("deliveries", needed=True)
    return [
        event
        for delivery in deliveries
        if state_of(delivery) == SHIPPED_STATE
        for event in shipments_of_delivery(view, delivery, settings, alone=len(deliveries) == 1)
    ]


def shipments_of_delivery(view: Entry, delivery: Entry, settings: ShopwareSettings, *, alone: bool) -> list[Event]:
    """Of a shipped delivery; the order's only one is all of its lines."""
    numbers = [number for number in delivery.texts("trackingCodes") if number]
    if not numbers and settings.shipped_without_tracking:
        numbers = [""]
    lines, quantities = ((), {}) if alone else _lines_of(view, delivery)
    if quantities:
        numbers = numbers[:1]  # which pieces are in which of several parcels, Shopware does not tell
    parcel = delivery.text("id") if len(numbers) == 1 else ""
    events = [_event(view, _tracking(delivery, number), lines, quantities, parcel) for number in numbers]
    return list({event.id: event for event in events}.values())


def is_news(view: Entry) -> bool:
    return bool(reference_of(view)) and custom(view).get(SHIPPED) != "yes"


def _event(
    view: Entry, tracking: Tracking, line_ids: Sequence[str], quantities: Mapping[str, int], parcel: str
) -> Event:
    """Its id comes from what it tells, so that webhook and polling give one."""
    told = [tracking, sorted(line_ids), *([parcel, sorted(quantities.items())] if quantities else [])]
    facts = msgspec.json.encode(told)
    return Event(
        id=f"{view.text('id')}-{hashlib.sha256(facts).hexdigest()[:24]}",
        kind="shipment",
        shop_order_id=view.text("id"),
        reference=reference_of(view),
        tracking=tracking,
        line_ids=tuple(line_ids),
        quantities=dict(quantities),
        parcel=parcel,
        raw_kind="order_delivery shipped",
    )


def _tracking(delivery: Entry, number: str) -> Tracking:
    method = delivery.entry("shippingMethod")
    name = method.entry("translated").text("name", "") or method.text("name", "")
    pattern = method.text("trackingUrl", "")
    url = pattern.replace("%s", quote(number, safe="")) if number and "%s" in pattern else ""
    return Tracking(carrier_name=name, number=number, url=url)


def _lines_of(view: Entry, delivery: Entry) -> tuple[tuple[str, ...], dict[str, int]]:
    """Lengow's ids of the lines in a delivery, and the pieces of those that are in it only in part.

    Lines without an id (added in the shop) are nobody's.
    """
    lines = {row.text("id"): row for row in view.entries("lineItems", needed=True)}
    line_ids, quantities = [], {}
    for position in delivery.entries("positions", needed=True):
        line = lines.get(position.text("orderLineItemId"))
        line_id = line_id_of(line) if line is not None else ""
        if line is None or not line_id:
            continue
        line_ids.append(line_id)
        pieces, ordered = position.entry("price").whole("quantity", 0), line.whole("quantity")
        if 0 < pieces < ordered:
            quantities[line_id] = pieces
    return tuple(line_ids), quantities
