"""What a small module in the shop sends: `shop-shipment/1`, signed after Standard Webhooks (platforms.md §6.1, §6.2)."""

from collections.abc import Sequence

import msgspec

from lengow.adapters import shop_shipment
from lengow.adapters.prestashop.shipments import event_id
from lengow.connector.adapter import Event, Request


def events(request: Request) -> Sequence[Event]:
    """Raises PayloadInvalid. The shipment's id is that of its `order_carriers` row, so that polling tells the same."""
    event = shop_shipment.event_of(request.body)
    if event.kind != "shipment":
        return (event,)
    named, tracking = event.shop_order_id or event.reference, event.tracking
    if not tracking.carrier_code:
        tracking = msgspec.structs.replace(tracking, carrier_code=tracking.carrier_name)
    return (msgspec.structs.replace(event, id=event_id(named, event.id, tracking.number), tracking=tracking),)
