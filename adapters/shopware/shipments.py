"""Shipments in an order as Shopware shows it: deliveries that are shipped, one shipment a tracking code (§4.6)."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from lengow.adapters.shopware.body import LINE_ID, SHIPPED
from lengow.adapters.shopware.facts import SHIPPED as SHIPPED_STATE
from lengow.adapters.shopware.reading import custom, reference_of, rows, state_of, text
from lengow.adapters.shopware.settings import ShopwareSettings
from lengow.connector.adapter import Event
from lengow.connector.model import Tracking

View = Mapping[str, Any]


def shipments_in(view: View, settings: ShopwareSettings) -> list[Event]:
    """The shipments of one of our orders; none for another's, and none that the connector itself told the shop."""
    if not is_news(view):
        return []
    deliveries = rows(view.get("deliveries"))
    return [
        event
        for delivery in deliveries
        if state_of(delivery) == SHIPPED_STATE
        for event in shipments_of_delivery(view, delivery, settings, alone=len(deliveries) == 1)
    ]


def shipments_of_delivery(view: View, delivery: View, settings: ShopwareSettings, *, alone: bool) -> list[Event]:
    """Of a shipped delivery; the order's only one is all of its lines."""
    codes = delivery.get("trackingCodes")
    numbers = [number for number in map(text, codes if isinstance(codes, list) else ()) if number]
    if not numbers and settings.shipped_without_tracking:
        numbers = [""]
    lines, quantities = ((), {}) if alone else _lines_of(view, delivery)
    if quantities:
        numbers = numbers[:1]  # which pieces are in which of several parcels, Shopware does not tell
    parcel = text(delivery.get("id")) if len(numbers) == 1 else ""
    events = [_event(view, _tracking(delivery, number), lines, quantities, parcel) for number in numbers]
    return list({event.id: event for event in events}.values())


def is_news(view: View) -> bool:
    return bool(reference_of(view)) and custom(view).get(SHIPPED) != "yes"


def _event(
    view: View, tracking: Tracking, line_ids: Sequence[str], quantities: Mapping[str, int], parcel: str
) -> Event:
    """Its id comes from what it tells, so that webhook and polling give one."""
    told = [tracking, sorted(line_ids), *([parcel, sorted(quantities.items())] if quantities else [])]
    facts = msgspec.json.encode(told)
    return Event(
        id=f"{view['id']}-{hashlib.sha256(facts).hexdigest()[:24]}",
        kind="shipment",
        shop_order_id=text(view.get("id")),
        reference=reference_of(view),
        tracking=tracking,
        line_ids=tuple(line_ids),
        quantities=dict(quantities),
        parcel=parcel,
        raw_kind="order_delivery shipped",
    )


def _tracking(delivery: View, number: str) -> Tracking:
    method = delivery.get("shippingMethod")
    method = method if isinstance(method, dict) else {}
    translated = method.get("translated")
    name = (text(translated.get("name")) if isinstance(translated, dict) else "") or text(method.get("name"))
    pattern = text(method.get("trackingUrl"))
    url = pattern.replace("%s", quote(number, safe="")) if number and "%s" in pattern else ""
    return Tracking(carrier_name=name, number=number, url=url)


def _lines_of(view: View, delivery: View) -> tuple[tuple[str, ...], dict[str, int]]:
    """Lengow's ids of the lines in a delivery, and the pieces of those that are in it only in part.

    Lines without an id (added in the shop) are nobody's.
    """
    lines = {text(row.get("id")): row for row in rows(view.get("lineItems"))}
    line_ids, quantities = [], {}
    for position in rows(delivery.get("positions")):
        line = lines.get(text(position.get("orderLineItemId")), {})
        payload = line.get("payload")
        line_id = text(payload.get(LINE_ID)) if isinstance(payload, dict) else ""
        if not line_id:
            continue
        line_ids.append(line_id)
        price = position.get("price")
        pieces, ordered = price.get("quantity") if isinstance(price, dict) else None, line.get("quantity")
        if isinstance(pieces, int) and isinstance(ordered, int) and 0 < pieces < ordered:
            quantities[line_id] = pieces
    return tuple(line_ids), quantities
