"""The WooCommerce stand-in as the contract suite sees a shop. Signatures are made here, by hand."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from shop_handle import Handle

from lengow.adapters.contract import Held, new_order
from lengow.adapters.woocommerce import WooCommerceAdapter
from lengow.connector.adapter import Request
from lengow.connector.model import NewOrder, Tracking
from lengow.connector.secret import Secret
from lengow.sandbox.shops.woocommerce import KEY, TaxRate, WooCommerceShop

SECRETS = (Secret("first-secret-of-the-shop"), Secret("second-secret-of-the-shop"))
HOOK = "http://127.0.0.1:9/webhooks/main"

RATES = (
    TaxRate(1, "FR", Decimal(20)),
    TaxRate(2, "DE", Decimal(19)),
    TaxRate(3, "IT", Decimal(22)),
    TaxRate(4, "FR", Decimal("5.5"), tax_class="reduced-rate"),
)
COMPOUND = (TaxRate(1, "FR", Decimal(5)), TaxRate(2, "FR", Decimal("9.975"), priority=2, compound=True))
NARROW = (
    TaxRate(1, "", Decimal(10)),
    TaxRate(2, "FR", Decimal(20)),
    TaxRate(3, "FR", Decimal("8.5"), postcodes=("97*", "69000...69999")),
)
TAXES: dict[str, tuple[tuple[TaxRate, ...], dict[str, Any]]] = {
    "off": ((), {}),
    "without tax": (RATES, {"prices_include_tax": False}),
    "with tax": (RATES, {"prices_include_tax": True}),
    "without tax, rounded at the subtotal": (RATES, {"round_at_subtotal": True}),
    "with tax, rounded at the subtotal": (RATES, {"prices_include_tax": True, "round_at_subtotal": True}),
    "by the shop's address": (RATES, {"based_on": "base"}),
    "by the billing address": (RATES, {"based_on": "billing"}),
    "shipping of a reduced rate": (RATES, {"shipping_class": "reduced-rate"}),
    "compound": (COMPOUND, {}),
    "by postcode": (NARROW, {}),
}
DEFAULTS: dict[str, Any] = {
    "prices_include_tax": False,
    "round_at_subtotal": False,
    "based_on": "shipping",
    "shipping_class": "inherit",
    "base_country": "FR",
    "decimals": 2,
}

STATUSES = {
    "processing": "to_ship",
    "on-hold": "to_ship",
    "completed": "shipped",
    "cancelled": "cancelled",
    "refunded": "refunded",
}


class ContractWooCommerce(Handle[WooCommerceAdapter]):
    kind: ClassVar = WooCommerceAdapter
    secrets: ClassVar = SECRETS
    simple, another, variant, ambiguous, unknown = "PLATE", "BOWL", "SHIRT-M", "TWICE", "NOPE"
    tax_settings: Sequence[str] = tuple(TAXES)

    def __init__(self, **options: Any) -> None:
        self.standin = WooCommerceShop(**options)
        self.stage = "filled"
        add = self.standin.add_product
        add(self.simple, "20.75", 500)
        add(self.another, "9.99", 500, tax_class="reduced-rate")
        parent = add("SHIRT", "15.00", None, type="variable")
        add(self.variant, "15.00", 500, parent=parent)
        add(self.ambiguous, "1.00", 500)
        add(self.ambiguous, "2.00", 500)

    def own(self) -> dict[str, Any]:
        return {"url": self.standin.url, "consumer_key": KEY.consumer_key, "consumer_secret": KEY.consumer_secret}

    def orders(self, reference: str) -> Sequence[Held]:
        return [self._held(order.id) for order in self.standin.orders_named(reference)]

    def stock(self, sku: str) -> int:
        stock = self.standin.ledger().stock[sku]
        assert stock is not None
        return stock

    def set_taxes(self, name: str) -> None:
        rates, settings = TAXES[name]
        self.standin.set_taxes(*rates, **{**DEFAULTS, **settings})

    def refused(self, reference: str) -> NewOrder:
        """WooCommerce has no such currency, and says so with 400."""
        return new_order(reference, [(self.simple, 1, "5.00")], currency="XTS")

    def ship(self, shop_order_id: str, tracking: Tracking) -> None:
        self.standin.add_tracking(int(shop_order_id), tracking.carrier_name, tracking.number, tracking.url)

    def webhook(self, shop_order_id: str, tracking: Tracking, secret: Secret) -> Request | None:
        order = self.standin.orders.all.get(int(shop_order_id))
        if order is not None and order.meta_value("_wc_shipment_tracking_items") is None:
            self.ship(shop_order_id, tracking)
        view = self.standin.view(order.id) if order is not None else {"id": int(shop_order_id), "status": "x"}
        return delivery(json.dumps(view).encode(), secret)

    def spoiled(self, delivery: Request) -> Mapping[str, Request]:
        def signed(value: str) -> Request:
            return Request({**delivery.headers, "x-wc-webhook-signature": value}, delivery.body)

        good = delivery.headers["x-wc-webhook-signature"]
        return {
            "body changed": Request(delivery.headers, delivery.body + b" "),
            "body empty": Request(delivery.headers, b""),
            "no signature": signed(""),
            "not base64": signed("%%%"),
            "not ASCII": signed("é" * 44),
            "in hex": signed(base64.b64decode(good).hex()),
            "cut": signed(good[:-1]),
            "lower case": signed(good.lower()),
        }

    def _held(self, order_id: int) -> Held:
        order, view = self.standin.orders.all[order_id], self.standin.view(order_id)
        products = self.standin.orders.products
        lines = []
        for line in order.lines:
            product = products.get(line.variation_id or line.product_id)
            lines.append((product.sku if product else line.name.removeprefix("Article "), line.quantity))
        address = order.shipping
        return Held(
            id=str(order.id),
            status=STATUSES.get(order.status, "unfinished"),  # type: ignore[arg-type]
            total=Decimal(view["total"]),
            lines=tuple(lines),
            delivery_name=f"{address['first_name']} {address['last_name']}",
            delivery_city=address["city"],
            refunded=sum((refund.amount for refund in order.refunds), Decimal(0)),
        )


def sign(body: bytes, secret: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def delivery(body: bytes, secret: Secret = SECRETS[0], topic: str = "order.updated") -> Request:
    return Request(
        {
            "content-type": "application/json",
            "user-agent": "WooCommerce/11.0.1 Hookshot (WordPress/6.9)",
            "x-wc-webhook-topic": topic,
            "x-wc-webhook-signature": sign(body, secret.reveal()),
            "x-wc-webhook-delivery-id": "0b10cade124ae50a41551f25053a92df",
        },
        body,
    )
