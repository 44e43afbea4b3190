"""The Magento adapter: the port's methods, each handed to the part that knows how."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import ClassVar

import msgspec

from lengow.adapters import standard_webhooks
from lengow.adapters.calls import Deadline
from lengow.adapters.magento import webhook
from lengow.adapters.magento.api import Api, Refusal
from lengow.adapters.magento.catalogue import Catalogue
from lengow.adapters.magento.changes import Changer
from lengow.adapters.magento.creation import Creator
from lengow.adapters.magento.health import Health
from lengow.adapters.magento.listing import Lister
from lengow.adapters.magento.polling import Poller
from lengow.adapters.magento.products import Products
from lengow.adapters.magento.profile import Profiles
from lengow.adapters.magento.reading import Orders
from lengow.adapters.magento.settings import MagentoSettings
from lengow.adapters.magento.stock import Stock
from lengow.adapters.outcomes import Problem
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
from lengow.connector.listing import ListedOrders
from lengow.connector.model import NewOrder


class MagentoAdapter:
    platform: ClassVar[str] = "magento"
    capabilities: ClassVar[Capabilities] = Capabilities(
        imports_delivered_by_marketplace=True,
        batch_size=10,
        one_at_a_time=True,
        settle_seconds=60,
        updates=("cancel", "ship", "address", "refund", "lines"),
        polling=True,
        listing=True,
        catalogue=True,
    )
    settings_type: ClassVar[type[msgspec.Struct]] = MagentoSettings

    def __init__(self, context: AdapterContext) -> None:
        assert isinstance(context.settings, MagentoSettings)
        self._context = context
        settings = context.settings
        self._api = api = Api(settings, context.shop)
        profiles, orders = Profiles(api, settings), Orders(api)
        self._products = Products(api, settings.product_attribute)
        self._stock = Stock(api, settings.source)
        self._creator = Creator(
            api,
            settings,
            profiles,
            self._products,
            orders,
            self._stock,
            free_lines=context.unknown_products == "import",
        )
        self._changer = Changer(api, profiles, orders)
        self._poller = Poller(api, settings, orders)
        self._lister = Lister(api)
        self._catalogue = Catalogue(api, settings, profiles, self._stock, context.clock, context.call_timeout)
        self._health = Health(api, settings, profiles, context.clock, has_secret=bool(context.webhook_secrets))

    def find_products(self, references: Sequence[str]) -> Mapping[str, Product]:
        deadline = self._deadline()
        try:
            found = {key: products for key, products in self._products.find(references, deadline).items() if products}
            held = self._stock.held([products[0].sku for products in found.values()], deadline)
        except Refusal as refusal:
            raise self._api.unreadable(refusal) from refusal
        return {
            reference: Product(
                reference,
                str(products[0].id),
                int(held[products[0].sku]) if products[0].sku in held else None,
                tuple(str(one.id) for one in products[1:]),
            )
            for reference, products in found.items()
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
        return self._poller.since(cursor, self._context.clock(), self._deadline())

    def shipments_of(self, shop_order_id: str) -> Sequence[Event]:
        return self._poller.of(shop_order_id, self._deadline())

    def orders_since(self, since: datetime, cursor: str) -> ListedOrders:
        return self._lister.since(since, cursor, self._deadline())

    def products(self) -> Iterator[CatalogueProduct]:
        try:
            yield from self._catalogue.products()
        except (Refusal, Problem) as refusal:
            raise self._api.unreadable(refusal) from refusal

    def greets(self, request: Request) -> bool:  # noqa: ARG002
        """The module says no unsigned hello."""
        return False

    def verify(self, request: Request) -> str:
        return standard_webhooks.verify(request, self._context.webhook_secrets, self._context.clock())

    def events(self, request: Request) -> Sequence[Event]:
        return webhook.events(request)

    def connect(self, url: str) -> Sequence[Finding]:
        """The module is installed by a person: there is nothing to register."""
        return [self._health.webhook(url)]

    def check(self) -> Sequence[Finding]:
        return self._health.check(self._deadline())

    def close(self) -> None:
        self._api.close()

    def _deadline(self) -> Deadline:
        return Deadline(self._context.call_timeout)
