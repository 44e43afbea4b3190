"""Shopware behind the whole connector: sales arrive once and to the cent, shipments go back, and the toggle works."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline import IMPORT_TOGGLE, STOCK_TOGGLE, MakeConnector, connectors, sells, told

from lengow.connector.adapter import Request
from lengow.connector.secret import Secret
from lengow.sandbox import Sandbox
from lengow.sandbox.catalogue import catalogue
from lengow.sandbox.shops.shopware import INTEGRATION, ShopwareShop

SECRET = "a-shop-secret-that-the-registration-agreed-on"


@pytest.fixture
def shopware(sandbox: Sandbox) -> Iterator[ShopwareShop]:
    shop = ShopwareShop(clock=sandbox._clock)
    for product in catalogue():
        shop.add_product(product.sku, 10_000)
    shop.install_app("http://127.0.0.1:9/webhooks/sw", SECRET)
    yield shop
    shop.close()


@pytest.fixture
def make_connector(sandbox: Sandbox, shopware: ShopwareShop, tmp_path: Path) -> Iterator[MakeConnector]:
    keys = {"access_key": INTEGRATION.access_key, "secret_key": INTEGRATION.secret}
    own = {"url": shopware.url, **keys, "sales_channel": "Marketplace"}
    with connectors(sandbox, tmp_path, "shopware", own, [Secret(SECRET)]) as make:
        yield make


def sold_ids(shopware: ShopwareShop) -> list[str]:
    return sorted(row["customFields"]["lengow_order_id"] for row in shopware.ledger().orders)


def ship(shopware: ShopwareShop, order_id: str, number: str) -> None:
    delivery = shopware.delivery_of(order_id)
    method = shopware.add_shipping_method("Colissimo", "https://track.example.com/%s")
    shopware.change("order_delivery", delivery["id"], trackingCodes=[number], shippingMethodId=method)
    shopware.move("order_delivery", delivery["id"], "ship")


def test_what_the_marketplace_sold_is_in_the_shop_once_and_to_the_cent(
    sandbox: Sandbox, shopware: ShopwareShop, make_connector: MakeConnector
) -> None:
    connector = make_connector()
    ids = sells(sandbox, {"standard": 30})
    connector.sync()
    connector.sync()
    assert sold_ids(shopware) == sorted(ids)
    totals = {order.order_id: order.total for order in sandbox.ledger().sold}
    for row in shopware.ledger().orders:
        order_id = row["customFields"]["lengow_order_id"]
        stored = connector.order("main", "manomano_fr", order_id)
        assert str(stored.order.state) == "created"
        assert [package.shop_order_id for package in stored.packages] == [row["id"]]
        assert round(row["price"]["totalPrice"] * 100) == totals[order_id] * 100
    assert shopware.ledger().mails == ()


def test_a_shipment_reaches_the_marketplace_by_webhook_and_by_polling_once(
    sandbox: Sandbox, shopware: ShopwareShop, make_connector: MakeConnector
) -> None:
    connector = make_connector()
    ids = sells(sandbox, {"standard": 2})
    connector.sync()
    by_order = {row["customFields"]["lengow_order_id"]: row["id"] for row in shopware.ledger().orders}
    ship(shopware, by_order[ids[0]], "6A1")
    shopware.run_queue()
    for sent in shopware.ledger().deliveries:
        connector.receive("shopware", Request({name.lower(): value for name, value in sent.headers.items()}, sent.body))
    ship(shopware, by_order[ids[1]], "6A2")
    for _ in range(3):
        sandbox.advance(minutes=15)
        connector.sync()
    assert (told(sandbox, ids[0]), told(sandbox, ids[1])) == (["6A1"], ["6A2"])


def test_orders_of_a_broken_shop_arrive_once_when_it_is_well_again(
    sandbox: Sandbox, shopware: ShopwareShop, make_connector: MakeConnector
) -> None:
    connector = make_connector()
    ids = sells(sandbox, {"standard": 30})
    shopware.fail("lost_after")
    shopware.fail("html_502", after=1)
    shopware.fail("busy_429", after=2)
    shopware.fail("error_500", after=3, effect=True)
    shopware.fail("killed", after=6, stage="written")
    for _ in range(8):
        connector.sync()
        sandbox.advance(minutes=15)
    assert sold_ids(shopware) == sorted(ids)
    taken = sum(10_000 - stock for stock in shopware.ledger().stock.values())
    assert taken == sum(row["quantity"] for row in shopware.data.rows("order_line_item", type="product"))


def test_without_the_toggle_orders_that_the_marketplace_ships_are_skipped_and_with_it_imported(
    sandbox: Sandbox, shopware: ShopwareShop, make_connector: MakeConnector
) -> None:
    connector = make_connector()
    [fulfilled] = sells(sandbox, {"fulfilment": 1})
    connector.sync()
    stored = connector.order("main", "manomano_fr", fulfilled)
    assert (str(stored.order.state), stored.order.reason) == ("skipped", "delivered_by_marketplace_disabled")
    connector.set_toggle("shopware", IMPORT_TOGGLE, True, who="test")
    connector.sync()
    [row] = shopware.ledger().orders
    assert (shopware.place(row), shopware.place(shopware.delivery_of(row["id"]))) == ("completed", "shipped")
    assert set(shopware.ledger().stock.values()) == {10_000}
    for _ in range(2):
        sandbox.advance(minutes=15)
        connector.sync()
    assert told(sandbox, fulfilled) == []


def test_the_second_toggle_takes_the_stock(
    sandbox: Sandbox, shopware: ShopwareShop, make_connector: MakeConnector
) -> None:
    connector = make_connector(**{IMPORT_TOGGLE: True, STOCK_TOGGLE: True})
    sells(sandbox, {"fulfilment": 1})
    connector.sync()
    assert len(shopware.ledger().orders) == 1
    assert sum(10_000 - stock for stock in shopware.ledger().stock.values()) > 0
