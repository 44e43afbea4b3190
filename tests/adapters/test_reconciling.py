"""Each platform compared with Lengow through its own API: what it lists is what was sold; what is amiss is seen there."""

import copy
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pipeline import connectors, sells, told

from lengow.connector import Connector
from lengow.connector.errors import CannotMend
from lengow.sandbox import Sandbox
from lengow.sandbox.catalogue import catalogue
from lengow.sandbox.shops.magento import TOKEN, MagentoShop
from lengow.sandbox.shops.prestashop import KEY as PRESTASHOP_KEY
from lengow.sandbox.shops.prestashop import PrestaShop
from lengow.sandbox.shops.shopware import INTEGRATION, ShopwareShop
from lengow.sandbox.shops.woocommerce import KEY, TaxRate, WooCommerceShop


def woocommerce(_: Sandbox) -> tuple[Any, dict[str, Any]]:
    shop = WooCommerceShop()
    for product in catalogue():
        shop.add_product(product.sku, str(product.price), 10_000)
    shop.set_taxes(TaxRate(1, "", Decimal(20)), prices_include_tax=True)
    return shop, {"url": shop.url, "consumer_key": KEY.consumer_key, "consumer_secret": KEY.consumer_secret}


def prestashop(_: Sandbox) -> tuple[Any, dict[str, Any]]:
    shop = PrestaShop()
    for product in catalogue():
        shop.add_product(product.sku, str(product.price), 10_000)
    shop.add_tax("20", "FR", "ES")
    shop.add_carrier("Marketplace", free=True)
    shop.add_carrier("Colissimo", cost="6.00", url="https://track.example.com/@")
    return shop, {"url": shop.url, "key": PRESTASHOP_KEY, "carrier": 5}


def magento(_: Sandbox) -> tuple[Any, dict[str, Any]]:
    shop = MagentoShop()
    for product in catalogue():
        shop.add_product(product.sku, 10_000)
    return shop, {"url": shop.url, "access_token": TOKEN}


def shopware(sandbox: Sandbox) -> tuple[Any, dict[str, Any]]:
    shop = ShopwareShop(clock=sandbox._clock)
    for product in catalogue():
        shop.add_product(product.sku, 10_000)
    keys = {"access_key": INTEGRATION.access_key, "secret_key": INTEGRATION.secret}
    return shop, {"url": shop.url, **keys, "sales_channel": "Marketplace"}


SHOPS = {"woocommerce": woocommerce, "prestashop": prestashop, "magento": magento, "shopware": shopware}


def open_shop(sandbox: Sandbox, folder: Path, platform: str, stack: ExitStack) -> tuple[Any, Connector]:
    shop, own = SHOPS[platform](sandbox)
    stack.callback(shop.close)
    return shop, stack.enter_context(connectors(sandbox, folder, platform, own))()


def kinds(connector: Connector, **options: Any) -> list[str]:
    return [str(one.kind) for one in connector.reconcile(**options)]


@pytest.mark.parametrize("platform", SHOPS)
def test_what_was_imported_is_the_same_on_all_sides(sandbox: Sandbox, tmp_path: Path, platform: str) -> None:
    with ExitStack() as stack:
        _, connector = open_shop(sandbox, tmp_path, platform, stack)
        sells(sandbox, {"standard": 4, "multi_line": 3, "multi_package": 3, "relay": 1, "business": 1})
        connector.sync()
        assert connector.store.count_orders() == {("created", ""): 12}
        assert kinds(connector) == []


def _delete_woocommerce(shop: WooCommerceShop) -> None:
    for order in list(shop.orders.all.values()):
        shop.trash(order.id)


def _delete_prestashop(shop: PrestaShop) -> None:
    """With all that hangs on it: the stand-in gives an order's number again, which MySQL does not."""
    for name, table in shop.data.tables.items():
        if name.startswith("order") and name != "order_states":
            table.clear()


def _delete_magento(shop: MagentoShop) -> None:
    shop.data.orders.clear()


def _delete_shopware(shop: ShopwareShop) -> None:
    for entity, table in shop.data.tables.items():
        if entity == "order" or entity.startswith("order_"):
            table.clear()


DELETED = {
    "woocommerce": _delete_woocommerce,
    "prestashop": _delete_prestashop,
    "magento": _delete_magento,
    "shopware": _delete_shopware,
}


@pytest.mark.parametrize("platform", SHOPS)
def test_an_order_that_was_deleted_is_made_anew_and_only_once(sandbox: Sandbox, tmp_path: Path, platform: str) -> None:
    with ExitStack() as stack:
        shop, connector = open_shop(sandbox, tmp_path, platform, stack)
        [order_id] = sells(sandbox, {"multi_line": 1})
        connector.sync()
        DELETED[platform](shop)
        sandbox.advance(minutes=5)
        if shop.clock is not sandbox._clock:
            shop.clock.jump(timedelta(minutes=5))
        assert kinds(connector, fix=True) == ["missing_in_shop"]
        connector.reimport("main", "manomano_fr", order_id)
        connector.work("main")
        made = connector.order("main", "manomano_fr", order_id).order
        assert (made.state, made.about) == ("created", "")
        assert kinds(connector) == []
        with pytest.raises(CannotMend):
            connector.reimport("main", "manomano_fr", order_id)


@pytest.fixture
def woo(sandbox: Sandbox, tmp_path: Path) -> Iterator[tuple[WooCommerceShop, Connector]]:
    with ExitStack() as stack:
        yield open_shop(sandbox, tmp_path, "woocommerce", stack)


def test_an_order_that_a_plugin_duplicated_is_doubled(sandbox: Sandbox, woo: tuple[WooCommerceShop, Connector]) -> None:
    shop, connector = woo
    [order_id] = sells(sandbox, {"standard": 1})
    connector.sync()
    [original] = shop.ledger().orders
    double = copy.deepcopy(original)
    double.id = original.id + 1000
    shop.orders.all[double.id] = double
    [found] = connector.reconcile(fix=True)
    assert (found.kind, found.marketplace_order_id, found.mended) == ("doubled", order_id, "")
    assert found.shop_order_ids == (str(original.id), str(double.id))
    shop.set_status(double.id, "cancelled")
    assert kinds(connector) == []


def test_an_order_in_the_trash_is_made_anew_by_hand_only(
    sandbox: Sandbox, woo: tuple[WooCommerceShop, Connector]
) -> None:
    shop, connector = woo
    [order_id] = sells(sandbox, {"standard": 1})
    connector.sync()
    [original] = shop.ledger().orders
    with pytest.raises(CannotMend):
        connector.reimport("main", "manomano_fr", order_id)
    shop.trash(original.id)
    assert kinds(connector, fix=True) == ["missing_in_shop"]
    connector.reimport("main", "manomano_fr", order_id)
    connector.work("main")
    [again] = shop.orders_named(original.transaction_id)
    assert again.id != original.id
    [sold] = sandbox.ledger().sold
    assert sold.merchant_order_ids == (str(again.id),)
    assert kinds(connector) == []


def test_a_shipment_whose_webhook_and_poll_were_lost_is_confirmed(
    sandbox: Sandbox, woo: tuple[WooCommerceShop, Connector]
) -> None:
    shop, connector = woo
    [order_id] = sells(sandbox, {"standard": 1})
    connector.sync()
    [order] = shop.ledger().orders
    shop.add_tracking(order.id, "Colissimo", "6A1", "https://track.example.com/6A1")
    assert kinds(connector) == ["shipped_not_confirmed"]
    [found] = connector.reconcile(fix=True)
    assert found.mended
    assert told(sandbox, order_id) == ["6A1"]
    assert kinds(connector, fix=True) == []
    connector.sync()
    assert told(sandbox, order_id) == ["6A1"]


def test_a_shop_that_was_edited_by_hand(sandbox: Sandbox, woo: tuple[WooCommerceShop, Connector]) -> None:
    shop, connector = woo
    sells(sandbox, {"standard": 2})
    connector.sync()
    first, second = (one.id for one in shop.ledger().orders)
    shop.set_status(first, "cancelled")
    shop.orders.all[second].total += Decimal("1.00")
    assert sorted(kinds(connector, fix=True)) == ["amount_differs", "cancelled_in_shop_only"]
