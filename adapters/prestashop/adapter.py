"""The PrestaShop adapter: the port's methods, each handed to the part that knows how."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar

import msgspec

from lengow.adapters import standard_webhooks
from lengow.adapters.calls import Deadline
from lengow.adapters.prestashop import webhook
from lengow.adapters.prestashop.api import Refusal, Webservice
from lengow.adapters.prestashop.catalogue import Catalogue
from lengow.adapters.prestashop.changes import Changer
from lengow.adapters.prestashop.creation import Creator
from lengow.adapters.prestashop.finding import SETTLE_SECONDS, Finder
from lengow.adapters.prestashop.finishing import Finisher
from lengow.adapters.prestashop.health import Health
from lengow.adapters.prestashop.listing import Lister
from lengow.adapters.prestashop.polling import Poller
from lengow.adapters.prestashop.products import Products
from lengow.adapters.prestashop.profile import Profiles
from lengow.adapters.prestashop.settings import PrestaShopSettings
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

BATCH_SIZE = 5
"""Orders whose products are looked up together. They are made one after the other all the same."""


class PrestaShopAdapter:
    platform: ClassVar[str] = "prestashop"
    capabilities: ClassVar[Capabilities] = Capabilities(
        imports_delivered_by_marketplace=True,
        batch_size=BATCH_SIZE,
        one_at_a_time=True,
        settle_seconds=SETTLE_SECONDS,
        updates=("cancel", "ship", "address", "refund"),
        polling=True,
        listing=True,
        catalogue=True,
    )
    settings_type: ClassVar[type[msgspec.Struct]] = PrestaShopSettings

    def __init__(self, context: AdapterContext) -> None:
        assert isinstance(context.settings, PrestaShopSettings)
        self._context = context
        settings = context.settings
        for secret in context.webhook_secrets:
            standard_webhooks.key_of(secret)
        self._shop = shop = Webservice(
            settings.url,
            settings.key.reveal(),
            context.shop,
            key_in_query=settings.key_in_query,
            user_agent=settings.user_agent,
        )
        profiles, finisher = Profiles(shop), Finisher(shop)
        self._products = Products(shop)
        self._finder = Finder(shop, profiles, finisher, settings.email_domain)
        self._creator = Creator(shop, settings, profiles, self._products, self._finder, finisher)
        self._changer = Changer(shop, settings, profiles, finisher)
        self._poller = Poller(
            shop,
            profiles,
            wait=timedelta(hours=settings.wait_for_tracking_hours),
            slips=settings.order_slips == "refund",
        )
        self._lister = Lister(shop, profiles)
        self._catalogue = Catalogue(shop, settings.url, profiles, context.clock, context.call_timeout)
        self._health = Health(shop, settings, profiles, context.clock, has_secret=bool(context.webhook_secrets))

    def find_products(self, references: Sequence[str]) -> Mapping[str, Product]:
        try:
            found = self._products.find(references, self._deadline())
        except Refusal as refusal:
            raise self._shop.unreadable(refusal) from refusal
        return {
            reference: Product(
                reference, products[0].shop_id, products[0].stock, tuple(one.shop_id for one in products[1:])
            )
            for reference, products in found.items()
            if products
        }

    def create_orders(self, orders: Sequence[NewOrder]) -> Sequence[Outcome]:
        return self._creator.create(orders, self._deadline())

    def find_order(self, reference: str) -> ShopOrder | None:
        try:
            return self._finder.find(reference, self._deadline())
        except Refusal as refusal:
            raise self._shop.unreadable(refusal) from refusal

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
        except Refusal as refusal:
            raise self._shop.unreadable(refusal) from refusal

    def greets(self, request: Request) -> bool:  # noqa: ARG002 - PrestaShop has no webhooks that would
        return False

    def verify(self, request: Request) -> str:
        return standard_webhooks.verify(request, self._context.webhook_secrets, self._context.clock())

    def events(self, request: Request) -> Sequence[Event]:
        return webhook.events(request)

    def connect(self, url: str) -> Sequence[Finding]:
        """Nothing can be registered; it is told what a module has to do."""
        return [self._health.webhook(url)]

    def check(self) -> Sequence[Finding]:
        return self._health.check(self._deadline())

    def close(self) -> None:
        self._shop.close()

    def _deadline(self) -> Deadline:
        return Deadline(self._context.call_timeout)
