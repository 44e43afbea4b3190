"""The Magento stand-in as the contract suite sees a shop. Signatures are made here, by hand."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from shop_handle import Handle, shipment_told, signed, spoiled

from lengow.adapters.contract import Held, new_order
from lengow.adapters.magento import MagentoAdapter
from lengow.connector.adapter import Request
from lengow.connector.model import NewOrder, Tracking
from lengow.connector.secret import Secret
from lengow.sandbox.shops.magento import TOKEN, MagentoShop
from lengow.sandbox.shops.magento.data import REDUCED

SECRETS = tuple(Secret(f"whsec_{base64.b64encode(letter * 32).decode()}") for letter in (b"a", b"b"))
STATES = {
    "new": "unfinished",
    "processing": "to_ship",
    "complete": "shipped",
    "canceled": "cancelled",
    "closed": "refunded",
}
RATES: Mapping[str, Sequence[float]] = {
    "the shop's rates": (20, 19, 22, 5.5),
    "odd rates": (8.5, 7, 21.3, 2.1),
    "no tax": (0, 0, 0, 0),
}


class ContractMagento(Handle[MagentoAdapter]):
    kind: ClassVar = MagentoAdapter
    secrets: ClassVar = SECRETS
    simple, another, variant, ambiguous, unknown = "PLATE", "BOWL", "SHIRT-M", "4006381333931", "NOPE"
    stage = "committed"
    tax_settings: Sequence[str] = ()
    """An adapter reads the rates once a day; test_magento_creation.py has one for each of `RATES`."""

    def __init__(self) -> None:
        self.standin = MagentoShop()
        add = self.standin.add_product
        add(self.simple, 500)
        add(self.another, 500, tax_class=REDUCED, ean="3700000000017")
        add("SHIRT", kind="configurable")
        add(self.variant, 500, parent="SHIRT")
        add("CUP-1", 500, ean=self.ambiguous)
        add("CUP-2", 500, ean=self.ambiguous)

    def own(self) -> dict[str, Any]:
        return {
            "url": self.standin.url,
            "access_token": TOKEN,
            "product_attribute": "ean",
        }

    def orders(self, reference: str) -> Sequence[Held]:
        wanted = "lgw" + hashlib.sha256(reference.encode()).hexdigest()[:29]
        return [self._held(row) for row in self.standin.ledger().orders if row["ext_order_id"] == wanted]

    def stock(self, sku: str) -> int:
        return self.standin.stock(sku)

    def set_taxes(self, name: str) -> None:
        for row, rate in zip(self.standin.data.rates, RATES[name], strict=True):
            row["rate"] = rate

    def refused(self, reference: str) -> NewOrder:
        return new_order(reference, [(self.simple, 1, "5.00")], country="ZZ")

    def ship(self, shop_order_id: str, tracking: Tracking) -> None:
        track = {"track_number": tracking.number, "title": tracking.carrier_name, "carrier_code": "custom"}
        self.standin.ship(int(shop_order_id), *([track] if tracking.number else []))

    def webhook(self, shop_order_id: str, tracking: Tracking, secret: Secret) -> Request | None:
        own = [row for row in self.standin.ledger().shipments if str(row["order_id"]) == shop_order_id]
        body = shipment_told(
            "magento", shop_order_id, own[-1]["entity_id"] if own else "1", tracking, carrier_code="custom"
        )
        return signed(body, secret, f"{self.standin.clock.now().timestamp():.0f}", "magento-1-shipment-887")

    def spoiled(self, delivery: Request) -> Mapping[str, Request]:
        return spoiled(delivery)

    def _held(self, order: dict[str, Any]) -> Held:
        address = order["extension_attributes"]["shipping_assignments"][0]["shipping"]["address"]
        memos = [row for row in self.standin.ledger().creditmemos if row["order_id"] == order["entity_id"]]
        return Held(
            id=str(order["entity_id"]),
            status=STATES[order["state"]],  # type: ignore[arg-type]
            total=Decimal(str(order["grand_total"])),
            lines=tuple((row["sku"], row["qty_ordered"]) for row in order["items"]),
            delivery_name=f"{address['firstname']} {address['lastname']}",
            delivery_city=address["city"],
            refunded=sum((Decimal(str(row["grand_total"])) for row in memos), Decimal(0)),
        )
