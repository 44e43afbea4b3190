"""What a small module in the shop sends: `shop-shipment/1`, signed after Standard Webhooks (platforms.md §6.1, §6.2)."""

from collections.abc import Sequence

import msgspec

from lengow.adapters import shop_shipment
from lengow.adapters.magento.facts import CARRIER_CUSTOM
from lengow.adapters.magento.shipments import event_id
from lengow.connector.adapter import Event, Request


def events(request: Request) -> Sequence[Event]:
    """Raises PayloadInvalid. `shipment.id` is Magento's `entity_id`, so that polling tells the same."""
    event = shop_shipment.event_of(request.body)
    if event.kind != "shipment":
        return (event,)
    named, tracking = event.shop_order_id or event.reference, event.tracking
    if tracking.carrier_code in ("", CARRIER_CUSTOM):
        tracking = msgspec.structs.replace(tracking, carrier_code=tracking.carrier_name)
    return (msgspec.structs.replace(event, id=event_id(named, event.id, tracking.number), tracking=tracking),)
