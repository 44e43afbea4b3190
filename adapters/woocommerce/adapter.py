"""The WooCommerce adapter: the port's methods, each handed to the part that knows how."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import ClassVar

import msgspec

from lengow.adapters.calls import Deadline
from lengow.adapters.woocommerce import webhook
from lengow.adapters.woocommerce.api import Lane, PooledApi, Refusal, Shop
from lengow.adapters.woocommerce.catalogue import Catalogue
from lengow.adapters.woocommerce.changes import Changer
from lengow.adapters.woocommerce.creation import Creator
from lengow.adapters.woocommerce.finding import SETTLE_SECONDS, Finder
from lengow.adapters.woocommerce.health import Health
from lengow.adapters.woocommerce.listing import Lister
from lengow.adapters.woocommerce.polling import Poller
from lengow.adapters.woocommerce.products import Products
from lengow.adapters.woocommerce.profile import Profiles
from lengow.adapters.woocommerce.settings import WooCommerceSettings
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

NOT_IMPORTABLE = (
    "WooCommerce has no place for orders that the marketplace ships, and Lengow's own WooCommerce plugin cannot import "
    "them either. They stay at Lengow, and are listed as skipped."
)


class WooCommerceAdapter:
    platform: ClassVar[str] = "woocommerce"
    capabilities: ClassVar[Capabilities] = Capabilities(
        imports_delivered_by_marketplace=False,
        delivered_by_marketplace_reason=NOT_IMPORTABLE,
        batch_size=40,
        settle_seconds=SETTLE_SECONDS,
        updates=("cancel", "ship", "address", "refund", "lines"),
        polling=True,
        listing=True,
        catalogue=True,
    )
    settings_type: ClassVar[type[msgspec.Struct]] = WooCommerceSettings

    def __init__(self, context: AdapterContext) -> None:
        assert isinstance(context.settings, WooCommerceSettings)
        self._context = context
        self._settings = settings = context.settings
        self._api = PooledApi(
            settings.url,
            settings.consumer_key.reveal(),
            settings.consumer_secret.reveal(),
            context.shop,
            pool=settings.parallel + 2,
            query_string_auth=settings.query_string_auth,
            user_agent=settings.user_agent,
        )
        shop = Shop(self._api, Lane(settings.parallel))
        profiles = Profiles(shop)
        self._products = Products(shop, settings.product_match)
        self._finder = Finder(shop, profiles, self._products)
        self._creator = Creator(
            shop,
            settings,
            profiles,
            self._products,
            self._finder,
            free_lines=context.unknown_products == "import",
        )
        self._changer = Changer(shop, settings)
        self._poller = Poller(shop, settings)
        self._lister = Lister(shop, settings)
        self._catalogue = Catalogue(shop, profiles, context.call_timeout)
        self._health = Health(shop, context.shop, settings, context.webhook_secrets, profiles, context.clock)

    def find_products(self, references: Sequence[str]) -> Mapping[str, Product]:
        try:
            found = self._products.find(references, self._deadline())
        except Refusal as refusal:
            raise self._api.caller.unreadable(refusal) from refusal
        return {
            reference: Product(
                reference, str(products[0].id), products[0].stock, tuple(str(one.id) for one in products[1:])
            )
            for reference, products in found.items()
            if products
        }

    def create_orders(self, orders: Sequence[NewOrder]) -> Sequence[Outcome]:
        return self._creator.create(orders, self._deadline()) if orders else []

    def find_order(self, reference: str) -> ShopOrder | None:
        try:
            return self._finder.find(reference, self._deadline())
        except Refusal as refusal:
            raise self._api.caller.unreadable(refusal) from refusal

    def update_order(self, shop_order: ShopOrder, change: Change) -> UpdateOutcome:
        return self._changer.update(shop_order, change, self._deadline())

    def shipments_since(self, cursor: str) -> Polled:
        self._health.keep_connected(self._deadline())
        return self._poller.since(cursor, self._context.clock(), self._deadline())

    def shipments_of(self, shop_order_id: str) -> Sequence[Event]:
        return self._poller.of(shop_order_id, self._deadline())

    def orders_since(self, since: datetime, cursor: str) -> ListedOrders:
        return self._lister.since(since, cursor, self._deadline())

    def products(self) -> Iterator[CatalogueProduct]:
        try:
            yield from self._catalogue.products()
        except Refusal as refusal:
            raise self._api.caller.unreadable(refusal) from refusal

    def greets(self, request: Request) -> bool:
        return webhook.greets(request)

    def verify(self, request: Request) -> str:
        return webhook.verify(request, self._context.webhook_secrets)

    def events(self, request: Request) -> Sequence[Event]:
        return webhook.events(request, self._settings)

    def connect(self, url: str) -> Sequence[Finding]:
        return self._health.connect(url, self._deadline())

    def check(self) -> Sequence[Finding]:
        return self._health.check(self._deadline())

    def close(self) -> None:
        self._creator.close()
        self._api.close()

    def _deadline(self) -> Deadline:
        return Deadline(self._context.call_timeout)
