"""The Shopware stand-in as the contract suite sees a shop. Signatures are made here, by hand."""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from shop_handle import Handle

from lengow.adapters.contract import Held, new_order
from lengow.adapters.shopware import ShopwareAdapter
from lengow.connector.adapter import Request
from lengow.connector.model import NewOrder, Tracking
from lengow.connector.secret import Secret
from lengow.sandbox.shops.shopware import INTEGRATION, ShopwareShop

SECRETS = (Secret("first-secret-of-the-shop"), Secret("second-secret-of-the-shop"))
HOOK = "http://127.0.0.1:9/webhooks/main"
SHIPPED = "state_enter.order_delivery.state.shipped"

RULES: Mapping[str, Sequence[tuple[str, str, str, str, dict[str, Any]]]] = {
    "the shop's rates": (),
    "by country": (
        ("20", "DE", "19", "entire_country", {}),
        ("20", "IT", "22", "entire_country", {}),
        ("5.5", "DE", "7", "entire_country", {}),
    ),
    "by postcode": (
        ("20", "FR", "8.5", "zip_code_range", {"fromZipCode": "69000", "toZipCode": "69999"}),
        ("20", "DE", "0", "zip_code", {"zipCode": "69001"}),
    ),
}


class ContractShopware(Handle[ShopwareAdapter]):
    kind: ClassVar = ShopwareAdapter
    secrets: ClassVar = SECRETS
    simple, another, variant, ambiguous, unknown = "PLATE", "BOWL", "SHIRT-M", "4006381333931", "NOPE"
    stage = "written"
    tax_settings: Sequence[str] = tuple(RULES)

    def __init__(self, **options: Any) -> None:
        self.standin = ShopwareShop(**options)
        add = self.standin.add_product
        add(self.simple, 500)
        add(self.another, 500, tax="5.5", ean="3700000000017")
        parent = add("SHIRT", 0, ean="3700000000024")
        add(self.variant, 500, parent=parent)
        add("CUP-1", 500, ean=self.ambiguous)
        add("CUP-2", 500, ean=self.ambiguous)
        self.standin.install_app(HOOK, SECRETS[0].reveal())
        self.carrier = self.standin.add_shipping_method("Colissimo", "https://track.example.com/%s")

    def own(self) -> dict[str, Any]:
        return {
            "url": self.standin.url,
            "access_key": INTEGRATION.access_key,
            "secret_key": INTEGRATION.secret,
            "sales_channel": "Marketplace",
        }

    def orders(self, reference: str) -> Sequence[Held]:
        return [self._held(row) for row in self.standin.orders_named(reference)]

    def stock(self, sku: str) -> int:
        return self.standin.stock(sku)

    def set_taxes(self, name: str) -> None:
        self.standin.clear_tax_rules()
        for tax, country, rate, kind, data in RULES[name]:
            self.standin.add_tax_rule(tax, country, rate, kind, **data)

    def refused(self, reference: str) -> NewOrder:
        """Shopware takes cities of 255 characters, and says so with 400."""
        return new_order(reference, [(self.simple, 1, "5.00")], city="x" * 256)

    def ship(self, shop_order_id: str, tracking: Tracking) -> None:
        delivery = self.standin.delivery_of(shop_order_id)
        codes = [tracking.number] if tracking.number else []
        self.standin.change("order_delivery", delivery["id"], trackingCodes=codes, shippingMethodId=self.carrier)
        self.standin.move("order_delivery", delivery["id"], "ship")

    def webhook(self, shop_order_id: str, tracking: Tracking, secret: Secret) -> Request | None:
        if shop_order_id not in self.standin.data.tables["order"]:
            return delivery(body_of({"id": shop_order_id}, self.standin), secret)
        if self.standin.place(self.standin.delivery_of(shop_order_id)) == "open":
            self.ship(shop_order_id, tracking)
        return delivery(body_of(self.standin.order_view(shop_order_id), self.standin), secret)

    def spoiled(self, delivery: Request) -> Mapping[str, Request]:
        def signed(value: str) -> Request:
            return Request({**delivery.headers, "shopware-shop-signature": value}, delivery.body)

        def stamped(seconds: int) -> Request:
            changed = json.loads(delivery.body)
            changed["timestamp"] += seconds
            body = json.dumps(changed).encode()
            return Request({**delivery.headers, "shopware-shop-signature": sign(body, SECRETS[0].reveal())}, body)

        good = delivery.headers["shopware-shop-signature"]
        return {
            "body changed": Request(delivery.headers, delivery.body + b" "),
            "body empty": Request(delivery.headers, b""),
            "no signature": signed(""),
            "not hexadecimal": signed("%%%"),
            "not ASCII": signed("é" * 64),
            "upper case": signed(good.upper()),
            "cut": signed(good[:-1]),
            "old": stamped(-301),
            "from the future": stamped(301),
        }

    def _held(self, order: dict[str, Any]) -> Held:
        data = self.standin.data
        lines = [
            (row["payload"]["productNumber"], row["quantity"])
            for row in data.rows("order_line_item", orderId=order["id"])
            if row["payload"]
        ]
        delivery = data.one("order_delivery", orderId=order["id"])
        address = data.tables["order_address"][delivery["shippingOrderAddressId"]]
        refunds = (order["customFields"] or {}).get("lengow_refunds", [])
        return Held(
            id=order["id"],
            status=self._status(order, delivery),
            total=Decimal(str(order["price"]["totalPrice"])),
            lines=tuple(lines),
            delivery_name=f"{address['firstName']} {address['lastName']}",
            delivery_city=address["city"],
            refunded=sum((Decimal(one["amount"]) for one in refunds), Decimal(0)),
        )

    def _status(self, order: dict[str, Any], delivery: dict[str, Any]) -> Any:
        if self.standin.place(order) == "cancelled":
            return "cancelled"
        return "shipped" if self.standin.place(delivery) == "shipped" else "to_ship"


def body_of(order: Mapping[str, Any], shop: ShopwareShop, event: str = SHIPPED, event_id: str = "e" * 32) -> bytes:
    return json.dumps(
        {
            "data": {"payload": {"order": order}, "event": event},
            "source": {"url": "https://shop.example.com", "shopId": "Zwh0Sq4DzmZUnPEg", "eventId": event_id},
            "timestamp": int(shop.clock.now().timestamp()),
        }
    ).encode()


def sign(body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def delivery(body: bytes, secret: Secret = SECRETS[0]) -> Request:
    headers = {"content-type": "application/json", "sw-version": "6.6.10.4"}
    return Request({**headers, "shopware-shop-signature": sign(body, secret.reveal())}, body)
