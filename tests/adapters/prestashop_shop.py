"""The PrestaShop stand-in as the contract suite sees a shop. Deliveries are signed here, by hand."""

import base64
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import quote

from shop_handle import Handle, shipment_told, signed, spoiled

from lengow.adapters.contract import Held, new_order
from lengow.adapters.prestashop import PrestaShopAdapter
from lengow.connector.adapter import NewOrder, Request
from lengow.connector.model import Tracking
from lengow.connector.secret import Secret
from lengow.sandbox.shops.prestashop import KEY, PrestaShop

SECRETS = tuple(Secret("whsec_" + base64.b64encode(bytes([number]) * 32).decode()) for number in (1, 2))
TRACK = "https://track.example.com/@"

TAXES: dict[str, tuple[tuple[tuple[str, str], ...], dict[str, str]]] = {
    "by line": ((("20", "FR"), ("19", "DE"), ("22", "IT")), {}),
    "by item": ((("20", "FR"), ("19", "DE"), ("22", "IT")), {"PS_ROUND_TYPE": "1"}),
    "by total": ((("20", "FR"), ("5.5", "DE"), ("21", "IT")), {"PS_ROUND_TYPE": "3"}),
    "no rules": ((), {}),
    "switched off": ((("20", "FR"),), {"PS_TAX": "0"}),
    "by the invoice's address": ((("8.5", "FR"), ("19", "DE")), {"PS_TAX_ADDRESS_TYPE": "id_address_invoice"}),
}
DEFAULTS = {"PS_ROUND_TYPE": "2", "PS_TAX": "1", "PS_TAX_ADDRESS_TYPE": "id_address_delivery"}
STATES = {"11": "to_ship", "2": "to_ship", "3": "to_ship", "4": "shipped", "5": "shipped", "6": "cancelled"}


class ContractPrestaShop(Handle[PrestaShopAdapter]):
    kind: ClassVar = PrestaShopAdapter
    secrets: ClassVar = SECRETS
    simple, another, variant, ambiguous, unknown = "PLATE", "BOWL", "SHIRT-M", "TWICE", "NOPE"
    tax_settings: Sequence[str] = tuple(TAXES)

    def __init__(self) -> None:
        self.standin = PrestaShop()
        self.stage = "payment"
        add = self.standin.add_product
        add(self.simple, "20.75", 500)
        add(self.another, "9.99", 500)
        shirt = add("SHIRT", "15.00")
        self.standin.add_combination(shirt, self.variant, 500)
        self.standin.add_combination(shirt, "SHIRT-L", 500)
        add(self.ambiguous, "1.00", 500)
        add(self.ambiguous, "2.00", 500)
        self.carrier = self.standin.add_carrier("Marketplace", free=True)
        self.colissimo = self.standin.add_carrier("Colissimo", cost="6.00", url=TRACK)
        self.set_taxes("by line")

    def own(self) -> dict[str, Any]:
        return {"url": self.standin.url, "key": KEY, "carrier": self.carrier}

    def orders(self, reference: str) -> Sequence[Held]:
        """By the note, as a merchant finds them; those that were set aside are cancelled and carry another one."""
        mark = f"Lengow reference: {quote(reference, safe='')}"
        return [
            self._held(int(row["id"] or 0))
            for row in self.standin.rows("orders")
            if (row["note"] or "").partition("\n")[0].partition(";")[0] == mark
        ]

    def stock(self, sku: str) -> int:
        return self.standin.stock(sku)

    def set_taxes(self, name: str) -> None:
        rates, settings = TAXES[name]
        self.standin.clear_taxes()
        for rate, country in rates:
            self.standin.add_tax(rate, country)
        for key, value in {**DEFAULTS, **settings}.items():
            self.standin.set(key, value)

    def refused(self, reference: str) -> NewOrder:
        """PrestaShop has no such currency."""
        return new_order(reference, [(self.simple, 1, "5.00")], currency="XTS")

    def ship(self, shop_order_id: str, tracking: Tracking) -> None:
        self.standin.set_state(int(shop_order_id), 4)
        self.standin.add_tracking(int(shop_order_id), tracking.number, self.colissimo)

    def webhook(self, shop_order_id: str, tracking: Tracking, secret: Secret) -> Request | None:
        rows = self.standin.rows("order_carriers", id_order=shop_order_id)
        body = shipment_told("prestashop", shop_order_id, rows[-1]["id"] if rows else "1", tracking)
        return signed(body, secret, f"{self.standin.clock.now().timestamp():.0f}", "prestashop-1-shipment-887")

    def spoiled(self, delivery: Request) -> Mapping[str, Request]:
        return spoiled(delivery)

    def _held(self, order_id: int) -> Held:
        view = self.standin.order_view(order_id)
        address = self.standin.data.tables["addresses"][int(view["id_address_delivery"])]
        slips = self.standin.rows("order_slip", id_order=order_id)
        refunded = [slip[name] for slip in slips for name in ("total_products_tax_incl", "total_shipping_tax_incl")]
        return Held(
            id=view["id"],
            status=STATES.get(view["current_state"], "unfinished"),  # type: ignore[arg-type]
            total=Decimal(view["total_paid"]),
            lines=tuple((row["product_reference"], int(row["product_quantity"])) for row in view["order_rows"]),
            delivery_name=f"{address['firstname']} {address['lastname']}",
            delivery_city=str(address["city"]),
            refunded=sum((Decimal(str(amount)) for amount in refunded), Decimal(0)),
        )
