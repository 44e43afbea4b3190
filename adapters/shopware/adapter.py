"""The Shopware adapter: the port's methods, each handed to the part that knows how."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import ClassVar

import msgspec

from lengow.adapters.calls import Deadline
from lengow.adapters.shopware import webhook
from lengow.adapters.shopware.api import Api, Refusal
from lengow.adapters.shopware.catalogue import Catalogue
from lengow.adapters.shopware.changes import Changer
from lengow.adapters.shopware.creation import Creator
from lengow.adapters.shopware.health import Health
from lengow.adapters.shopware.invoicing import Invoices
from lengow.adapters.shopware.listing import Lister
from lengow.adapters.shopware.polling import Poller
from lengow.adapters.shopware.products import Products
from lengow.adapters.shopware.profile import Profiles
from lengow.adapters.shopware.reading import Orders
from lengow.adapters.shopware.settings import ShopwareSettings
from lengow.connector.adapter import (
    AdapterContext,
    Capabilities,
    Change,
    Event,
    Finding,
    Outcome,
    Polled,
    Product,
    Request,
    ShopOrder,
    UpdateOutcome,
)
from lengow.connector.catalogue import CatalogueProduct
from lengow.connector.documents import ShopInvoice
from lengow.connector.listing import ListedOrders
from lengow.connector.model import NewOrder


class ShopwareAdapter:
    platform: ClassVar[str] = "shopware"
    capabilities: ClassVar[Capabilities] = Capabilities(
        imports_delivered_by_marketplace=True,
        batch_size=20,
        settle_seconds=60,
        updates=("cancel", "ship", "address", "refund"),
        polling=True,
        invoices=True,
        listing=True,
        catalogue=True,
    )
    settings_type: ClassVar[type[msgspec.Struct]] = ShopwareSettings

    def __init__(self, context: AdapterContext) -> None:
        assert isinstance(context.settings, ShopwareSettings)
        self._context = context
        self._settings = settings = context.settings
        self._api = api = Api(settings.url, settings.access_key, settings.secret_key, context.shop)
        profiles, orders = Profiles(api, settings), Orders(api)
        self._products = Products(api)
        self._creator = Creator(
            api,
            settings,
            profiles,
            self._products,
            orders,
            context.clock,
            free_lines=context.unknown_products == "import",
        )
        self._changer = Changer(api, settings, profiles, orders)
        self._poller = Poller(api, settings, orders)
        self._lister = Lister(api)
        self._invoices = Invoices(api)
        self._catalogue = Catalogue(api, context.call_timeout)
        self._health = Health(api, context.shop, settings, context.webhook_secrets, profiles, context.clock)

    def find_products(self, references: Sequence[str]) -> Mapping[str, Product]:
        try:
            found = self._products.find(references, self._deadline())
        except Refusal as refusal:
            raise self._api.unreadable(refusal) from refusal
        return {
            reference: Product(reference, products[0].id, products[0].stock, tuple(one.id for one in products[1:]))
            for reference, products in found.items()
            if products
        }

    def create_orders(self, orders: Sequence[NewOrder]) -> Sequence[Outcome]:
        return self._creator.create(orders, self._deadline()) if orders else []

    def find_order(self, reference: str) -> ShopOrder | None:
        try:
            return self._creator.find(reference, self._deadline())
        except Refusal as refusal:
            raise self._api.unreadable(refusal) from refusal

    def update_order(self, shop_order: ShopOrder, change: Change) -> UpdateOutcome:
        return self._changer.update(shop_order, change, self._deadline())

    def shipments_since(self, cursor: str) -> Polled:
        self._health.keep_connected(self._deadline())
        return self._poller.since(cursor, self._context.clock(), self._deadline())

    def shipments_of(self, shop_order_id: str) -> Sequence[Event]:
        return self._poller.of(shop_order_id, self._deadline())

    def orders_since(self, since: datetime, cursor: str) -> ListedOrders:
        return self._lister.since(since, cursor, self._deadline())

    def invoice_of(self, shop_order: ShopOrder) -> ShopInvoice | None:
        try:
            return self._invoices.of(shop_order.id, self._deadline())
        except Refusal as refusal:
            raise self._api.unreadable(refusal) from refusal

    def products(self) -> Iterator[CatalogueProduct]:
        try:
            yield from self._catalogue.products()
        except Refusal as refusal:
            raise self._api.unreadable(refusal) from refusal

    def greets(self, request: Request) -> bool:  # noqa: ARG002
        """Shopware says no hello to a webhook."""
        return False

    def verify(self, request: Request) -> str:
        return webhook.verify(request, self._context.webhook_secrets, self._context.clock())

    def events(self, request: Request) -> Sequence[Event]:
        return webhook.events(request, self._settings)

    def connect(self, url: str) -> Sequence[Finding]:
        return self._health.connect(url, self._deadline())

    def check(self) -> Sequence[Finding]:
        return self._health.check(self._deadline())

    def close(self) -> None:
        self._api.close()

    def _deadline(self) -> Deadline:
        return Deadline(self._context.call_timeout)
