"""A WooCommerce shop on 127.0.0.1: the handle by which tests and the demo set it up, act as its merchant, and look in."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from lengow.sandbox.answers import Answer, Request
from lengow.sandbox.clock import Clock
from lengow.sandbox.shops.standin import Fault, StandIn
from lengow.sandbox.shops.woocommerce.access import Access, Key
from lengow.sandbox.shops.woocommerce.errors import Fatal, RefundRefused, Refused, fatal
from lengow.sandbox.shops.woocommerce.hooks import Webhooks
from lengow.sandbox.shops.woocommerce.orders import Orders
from lengow.sandbox.shops.woocommerce.records import Delivery, Mail, Order, Product, TaxRate
from lengow.sandbox.shops.woocommerce.rest import Rest, add_fulfilment
from lengow.sandbox.shops.woocommerce.totals import TaxSettings

SITE = "https://shop.example.com"
KEY = Key("ck_" + "1" * 40, "cs_" + "2" * 40)


@dataclass(frozen=True, slots=True)
class Ledger:
    """Everything at one moment. `requests`: how often each route was called, as `"POST /wp-json/wc/v3/orders"`."""

    orders: tuple[Order, ...]
    stock: Mapping[str, int | None]
    mails: tuple[Mail, ...]
    deliveries: tuple[Delivery, ...]
    requests: Mapping[str, int]


class WooCommerceShop:
    """Serves until `close`. `version` and `hpos` choose between what 11.0.1 and 8.2.1 were seen to do.

    `https` plays a shop behind a proxy that ends TLS: keys by HTTP Basic or query. Without it, OAuth 1.0a, as
    WooCommerce demands over plain HTTP.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        version: str = "11.0.1",
        hpos: bool = True,
        https: bool = False,
        fulfilments: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self.taxes = TaxSettings()
        self.access = Access(https=https)
        self.access.keys[KEY.consumer_key] = KEY
        numbers = tuple(int(part) for part in version.split("."))
        self.orders = Orders(self.clock.now, self.taxes, hpos=hpos, version=numbers)
        self.webhooks = Webhooks(self.clock.now, self._view, site=SITE, version=version)
        self._rest = Rest(
            self.orders, self.webhooks, self.taxes, site=SITE, version=version, hpos=hpos, fulfilments=fulfilments
        )
        self.orders.changed = lambda event, order: self.webhooks.queue(f"order.{event}", order.id)
        self._lock = threading.RLock()
        self.server = StandIn(self, self.clock, port)
        self.url = self.server.url

    def close(self) -> None:
        self.server.close()

    # The platform, as the server calls it

    def answer(self, request: Request, killed_at: str) -> Answer:
        with self._lock:
            try:
                if not request.path.startswith("/wp-json/wc/v3/"):
                    raise Refused(404, "rest_no_route", "No route was found matching the URL and request method.")
                self.access.check(request, time.time())  # signed in real time, however far the shop's has jumped
                return self._rest.answer(request, killed_at)
            except (Refused, RefundRefused) as refused:
                return refused.answer
            except Fatal:
                return fatal()

    def fatal(self) -> Answer:
        return fatal()

    # Setting it up

    def add_product(
        self, sku: str, price: str = "10.00", stock: int | None = 100, *, parent: Product | None = None, **more: Any
    ) -> Product:
        """A simple product; of `parent` a variation. Also with a SKU that another has, as imported shops do."""
        with self._lock:
            kind = {"type": "variation", "parent_id": parent.id} if parent else {}
            product = Product(
                self.orders.next_id(),
                sku,
                f"Product {sku}",
                Decimal(price),
                stock,
                **{**kind, **more},
                modified=self.clock.now(),
            )
            self.orders.products[product.id] = product
            return product

    def set_taxes(self, *rates: TaxRate, **settings: Any) -> None:
        """Replaces the tax table; `settings` are fields of TaxSettings. Without rates, taxes are off."""
        self.taxes.rates = list(rates)
        self.taxes.enabled = bool(rates)
        for name, value in settings.items():
            setattr(self.taxes, name, value)

    def fail(self, kind: Any, **rule: Any) -> None:
        """A fault (see `Fault`) on the next creation of an order, or as `rule` says."""
        self.server.fail(Fault(kind, **rule))

    # Being its merchant

    def set_status(self, order_id: int, status: str) -> None:
        with self._lock:
            self.orders.move(self.orders.all[order_id], status)

    def set_meta(self, order_id: int, key: str, value: Any) -> None:
        """As a plugin does; the time of change moves, and the webhook fires."""
        with self._lock:
            self.orders.set_meta(self.orders.all[order_id], key, value)

    def add_tracking(self, order_id: int, carrier: str, number: str, url: str = "") -> None:
        """As the plugins WooCommerce Shipment Tracking and AST store it."""
        with self._lock:
            order = self.orders.all[order_id]
            item = {
                "tracking_provider": "",
                "custom_tracking_provider": carrier,
                "custom_tracking_link": url,
                "tracking_number": number,
                "date_shipped": f"{self.clock.now().timestamp():.0f}",
                "tracking_id": f"{self.orders.next_id():032x}",
            }
            known = order.meta_value("_wc_shipment_tracking_items") or []
            self.orders.set_meta(order, "_wc_shipment_tracking_items", [*known, item])

    def fulfil(self, order_id: int, items: Mapping[int, int], provider: str, number: str, url: str = "") -> None:
        """A core fulfilment of order lines (id: pieces)."""
        with self._lock:
            metas = [
                {"key": "_items", "value": [{"item_id": line, "qty": pieces} for line, pieces in items.items()]},
                {"key": "_tracking_number", "value": number},
                {"key": "_tracking_url", "value": url},
                {"key": "_shipment_provider", "value": provider},
            ]
            body = {"status": "fulfilled", "is_fulfilled": True, "meta_data": metas}
            add_fulfilment(self.orders, self.orders.all[order_id], body)

    def trash(self, order_id: int) -> None:
        with self._lock:
            self.orders.trash(self.orders.all[order_id], force=False)

    # Its cron

    def run_cron(self) -> int:
        """Sends the webhooks that wait, at most 25; returns how many were sent."""
        return self.webhooks.run()

    # Looking in

    def orders_named(self, reference: str) -> list[Order]:
        """Every order that carries the reference and is in the merchant's list."""
        with self._lock:
            return [
                order
                for order in self.orders.all.values()
                if order.transaction_id == reference and order.status not in ("trash", "checkout-draft", "auto-draft")
            ]

    def ledger(self) -> Ledger:
        with self._lock:
            return Ledger(
                orders=tuple(self.orders.all.values()),
                stock={product.sku: product.stock for product in self.orders.products.values()},
                mails=tuple(self.orders.mails),
                deliveries=tuple(self.webhooks.sent),
                requests=dict(self.server.requests),
            )

    def view(self, order_id: int) -> dict[str, Any]:
        """The order as the API shows it."""
        with self._lock:
            return self._rest.order_view(self.orders.all[order_id])

    def _view(self, topic: str, record_id: int) -> Any:
        """The body of a webhook, at the time of its delivery (FINDINGS (j) and trap 7)."""
        if topic == "order.deleted":
            return {"id": record_id}
        order = self.orders.all.get(record_id)
        if order is None:
            return {
                "code": "woocommerce_rest_shop_order_invalid_id",
                "message": "Invalid ID.",
                "data": {"status": 404},
            }
        return self._rest.order_view(order)
