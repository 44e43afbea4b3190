"""A Shopware shop on 127.0.0.1: the handle by which tests and the demo set it up, act as its merchant, and look in."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lengow.sandbox.answers import Answer, Refusal, Request
from lengow.sandbox.clock import Clock
from lengow.sandbox.shops.shopware.access import Access, Integration
from lengow.sandbox.shops.shopware.data import Data, Row, new_id, written
from lengow.sandbox.shops.shopware.errors import Refused, fatal, refused
from lengow.sandbox.shops.shopware.hooks import Delivery, Webhooks
from lengow.sandbox.shops.shopware.rest import Rest
from lengow.sandbox.shops.shopware.searching import Searcher
from lengow.sandbox.shops.standin import Fault, StandIn

SITE = "https://shop.example.com"
INTEGRATION = Integration("SWIA" + "A" * 22, "s" * 54)
EVENTS = (
    "state_enter.order_delivery.state.shipped",
    "state_enter.order.state.cancelled",
    "state_enter.order_transaction.state.refunded",
)
IN_EVENTS: Mapping[str, Any] = {
    "orderCustomer": {},
    "stateMachineState": {},
    "deliveries": {"associations": {"shippingMethod": {}, "shippingOrderAddress": {"associations": {"country": {}}}}},
    "transactions": {"associations": {"paymentMethod": {}}},
    "lineItems": {},
    "currency": {},
    "addresses": {},
}
"""What an order carries in a state event (Shopware's OrderStateChangeEventListener)."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Everything at one moment. `requests`: how often each route was called, as `"POST /api/_action/sync"`."""

    orders: tuple[Row, ...]
    stock: Mapping[str, int]
    mails: tuple[tuple[str, str], ...]
    deliveries: tuple[Delivery, ...]
    requests: Mapping[str, int]


class ShopwareShop:
    """Serves until `close`. An integration with all rights and a sales channel `Marketplace` are there."""

    def __init__(self, port: int = 0, *, version: str = "6.6.10.4", clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.data = Data(self.clock.now)
        self.access = Access(self.clock.now)
        self.access.integrations[INTEGRATION.access_key] = INTEGRATION
        self.webhooks = Webhooks(self.data, self._event_view, site=SITE, version=version)
        self._rest = Rest(self.data, self.access, version, self.webhooks.happened)
        self._lock = threading.RLock()
        self.server = StandIn(self, self.clock, port)
        self.url = self.server.url

    def close(self) -> None:
        self.server.close()

    # The platform, as the server calls it

    def answer(self, request: Request, killed_at: str) -> Answer:
        with self._lock:
            try:
                if not request.path.startswith("/api/"):
                    raise refused(404, "0", "Not Found")
                return self._rest.answer(request, killed_at)
            except Refused as no:
                return no.answer
            except Refusal as malformed:
                return malformed.answer

    def fatal(self) -> Answer:
        return fatal()

    # Setting it up

    def add_product(
        self, number: str, stock: int = 100, *, ean: str = "", tax: str = "20", parent: str | None = None, **more: Any
    ) -> str:
        """A product, or of `parent` a variant that inherits what it lacks; returns its id."""
        with self._lock:
            rate = next(row["id"] for row in self.data.rows("tax") if row["taxRate"] == float(tax))
            row = {
                "productNumber": number,
                "name": None if parent else f"Product {number}",
                "ean": ean or None,
                "stock": stock,
                "availableStock": stock,
                "active": True,
                "taxId": None if parent else rate,
                "parentId": parent,
                "childCount": 0,
                "price": None if parent else self._price("10.00"),
            }
            if parent:
                self.data.tables["product"][parent]["childCount"] += 1
            return self.data.insert("product", {**row, **more})

    def make_document(self, order_id: str, number: str, pdf: bytes, *, kind: str = "invoice", of: str = "") -> str:
        """A document of an order, as the merchant or a flow makes it; returns its id. `of`: what a `storno` takes back."""
        with self._lock:
            types = list(self.data.rows("document_type", technicalName=kind))
            type_id = (
                types[0]["id"] if types else self.data.insert("document_type", {"technicalName": kind, "name": kind})
            )
            row = {
                "orderId": order_id,
                "documentTypeId": type_id,
                "documentNumber": number,
                "referencedDocumentId": of or None,
                "deepLinkCode": new_id(),
                "config": {"documentNumber": number, "documentDate": written(self.clock.now())},
                "sent": False,
            }
            id_ = self.data.insert("document", row)
            self._rest.files[id_] = pdf
            return id_

    def describe(
        self,
        product_id: str,
        *,
        manufacturer: str = "",
        images: Sequence[str] = (),
        options: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        price: str = "",
        before: str = "",
        **fields: Any,
    ) -> None:
        """What a feed needs of a product; the first image is its cover. `fields` are the product's own."""
        with self._lock:
            row = self.data.tables["product"][product_id]
            row.update(fields)
            if price:
                row["price"] = self._price(price, before)
            if manufacturer:
                row["manufacturerId"] = self.data.insert("product_manufacturer", {"name": manufacturer})
            for position, url in enumerate(images):
                media = self.data.insert("media", {"url": url})
                given = {"productId": product_id, "mediaId": media, "position": len(images) - position}
                shown = self.data.insert("product_media", given)
                row["coverId"] = row["coverId"] or shown
            for their, values in (("_optionOf", options or {}), ("_propertyOf", properties or {})):
                for group, value in values.items():
                    given = {"groupId": self.data.insert("property_group", {"name": group}), "name": value}
                    self.data.insert("property_group_option", {**given, their: product_id})

    def _price(self, gross: str, before: str = "") -> list[dict[str, Any]]:
        currency = self.data.one("currency", isoCode="EUR")["id"]
        price: dict[str, Any] = {"currencyId": currency, "gross": float(gross), "net": float(gross), "linked": True}
        return [{**price, "listPrice": {"gross": float(before), "net": float(before)} if before else None}]

    def add_tax_rule(self, tax: str, country: str, rate: str, kind: str = "entire_country", **data: Any) -> None:
        with self._lock:
            self.data.insert(
                "tax_rule",
                {
                    "taxId": next(row["id"] for row in self.data.rows("tax") if row["taxRate"] == float(tax)),
                    "countryId": self.data.one("country", iso=country)["id"],
                    "taxRuleTypeId": self.data.one("tax_rule_type", technicalName=kind)["id"],
                    "taxRate": float(rate),
                    "data": data or None,
                },
            )

    def clear_tax_rules(self) -> None:
        self.data.tables["tax_rule"].clear()

    def add_shipping_method(self, name: str, tracking_url: str = "") -> str:
        with self._lock:
            row = {"name": name, "technicalName": None, "trackingUrl": tracking_url or None, "active": True}
            return self.data.insert("shipping_method", row)

    def add_currency(self, code: str, factor: str) -> None:
        """`factor`: what one unit of the system's currency is in it. One that is there stays."""
        with self._lock:
            if not any(self.data.rows("currency", isoCode=code)):
                like = self.data.one("currency", isoCode="EUR")
                self.data.insert("currency", {**like, "id": None, "isoCode": code, "factor": float(factor)})

    def install_app(self, url: str, secret: str) -> None:
        """The app of the connector: its webhooks to `url`, signed with the secret that its registration agreed on."""
        with self._lock:
            self.webhooks.secret = secret
            for event in EVENTS:
                row = {"name": f"lengow-{event}", "eventName": event, "url": url, "active": True, "appId": "a" * 32}
                self.data.insert("webhook", {**row, "errorCount": 0})

    def limit(self, *privileges: str) -> None:
        """The rights that the integration has, as `order:read`; all others are taken from it."""
        limited = Integration(INTEGRATION.access_key, INTEGRATION.secret, frozenset(privileges))
        self.access.integrations[INTEGRATION.access_key] = limited
        self.access.end_tokens()

    def fail(self, kind: Any, **rule: Any) -> None:
        """A fault (see `Fault`) on the next sync call, or as `rule` says."""
        self.server.fail(Fault(kind, **{"path": "/_action/sync", **rule}))

    # Being its merchant

    def move(self, entity: str, id_: str, action: str) -> None:
        """In the administration, where the flows mail."""
        with self._lock:
            self._rest.move(entity, id_, action, mail=True)

    def change(self, entity: str, id_: str, **values: Any) -> None:
        """An edit in the administration; the time of change moves."""
        with self._lock:
            self._rest._writer.upsert(entity, [{"id": id_, **values}], "")

    def delivery_of(self, order_id: str) -> Row:
        return self.data.one("order_delivery", orderId=order_id)

    # Its message queue

    def run_queue(self) -> int:
        """Sends the webhooks that wait; returns how many deliveries were made."""
        return self.webhooks.run()

    # Looking in

    def orders_named(self, reference: str) -> list[Row]:
        """Every order that carries the reference."""
        with self._lock:
            return [
                row
                for row in self.data.rows("order")
                if (row["customFields"] or {}).get("lengow_reference") == reference
            ]

    def order_view(self, order_id: str) -> dict[str, Any]:
        """The order as a state event carries it."""
        with self._lock:
            return self._event_view(order_id)

    def place(self, row: Row) -> str:
        """The technical name of the state that a row is in."""
        return self.data.place(row)

    def stock(self, number: str) -> int:
        return int(self.data.one("product", productNumber=number)["stock"])

    def ledger(self) -> Ledger:
        with self._lock:
            return Ledger(
                orders=tuple(dict(row) for row in self.data.rows("order")),
                stock={row["productNumber"]: row["stock"] for row in self.data.rows("product")},
                mails=tuple(self._rest.mails),
                deliveries=tuple(self.webhooks.sent),
                requests=dict(self.server.requests),
            )

    def _event_view(self, order_id: str) -> dict[str, Any]:
        return Searcher(self.data).view("order", self.data.tables["order"][order_id], IN_EVENTS)
