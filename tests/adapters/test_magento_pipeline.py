"""Magento behind the whole connector: sales arrive once and to the cent, shipments go back, and the toggles work."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from magento_shop import SECRETS
from pipeline import IMPORT_TOGGLE, STOCK_TOGGLE, MakeConnector, connectors, sells, told

from lengow.connector import Connector
from lengow.sandbox import Sandbox
from lengow.sandbox.catalogue import catalogue
from lengow.sandbox.shops.magento import TOKEN, MagentoShop


@pytest.fixture
def magento(sandbox: Sandbox) -> Iterator[MagentoShop]:
    shop = MagentoShop(clock=sandbox._clock)
    for product in catalogue():
        shop.add_product(product.sku, 10_000)
    yield shop
    shop.close()


@pytest.fixture
def make_connector(sandbox: Sandbox, magento: MagentoShop, tmp_path: Path) -> Iterator[MakeConnector]:
    own = {"url": magento.url, "access_token": TOKEN}
    with connectors(sandbox, tmp_path, "magento", own, SECRETS) as make:
        yield make


def held(magento: MagentoShop) -> dict[str, dict[str, object]]:
    """The shop's orders by the marketplace's number, which begins theirs."""
    rows = [row for row in magento.ledger().orders if row["state"] != "canceled"]
    by_number = {row["increment_id"].partition("-")[0]: row for row in rows}
    assert len(by_number) == len(rows), "one order each"
    return by_number


def taken(magento: MagentoShop) -> float:
    return sum(10_000 - salable for salable in magento.ledger().stock.values())


def pieces(magento: MagentoShop) -> float:
    return sum(item["qty_ordered"] for row in magento.ledger().orders for item in row["items"])


def moves_on(sandbox: Sandbox, connector: Connector, times: int) -> None:
    for _ in range(times):
        sandbox.advance(minutes=15)
        connector.sync()


def test_what_the_marketplace_sold_is_in_the_shop_once_and_to_the_cent(
    sandbox: Sandbox, magento: MagentoShop, make_connector: MakeConnector
) -> None:
    connector = make_connector()
    ids = sells(sandbox, {"standard": 14, "relay": 4, "business": 3, "multi_line": 4})
    connector.sync()
    connector.sync()
    assert sorted(held(magento)) == sorted(ids)
    totals = {order.order_id: order.total for order in sandbox.ledger().sold}
    for order_id, row in held(magento).items():
        stored = connector.order("main", "manomano_fr", order_id)
        assert [package.shop_order_id for package in stored.packages] == [str(row["entity_id"])]
        assert (row["state"], Decimal(str(row["grand_total"]))) == ("processing", totals[order_id])
    assert taken(magento) == pieces(magento)
    assert magento.ledger().mails == ()


def test_a_shipment_is_polled_and_its_carrier_and_link_are_the_settings(
    sandbox: Sandbox, magento: MagentoShop, make_connector: MakeConnector
) -> None:
    connector = make_connector(tracking_urls={"Geodis": "https://track.example.com/{number}"})
    ids = sells(sandbox, {"standard": 2})
    connector.sync()
    for order_id, number in zip(ids, ("6A1", "6A2"), strict=True):
        track = {"track_number": number, "title": "Geodis", "carrier_code": "custom"}
        magento.ship(int(str(held(magento)[order_id]["entity_id"])), track)
    moves_on(sandbox, connector, 3)
    assert (told(sandbox, ids[0]), told(sandbox, ids[1])) == (["6A1"], ["6A2"])
    urls = {one.arguments["tracking_url"] for one in sandbox.ledger().told}
    assert urls == {"https://track.example.com/6A1", "https://track.example.com/6A2"}


def test_orders_of_a_broken_shop_arrive_once_when_it_is_well_again(
    sandbox: Sandbox, magento: MagentoShop, make_connector: MakeConnector
) -> None:
    connector = make_connector()
    ids = sells(sandbox, {"standard": 20})
    magento.fail("lost_after", times=2)
    magento.fail("html_502", after=2, times=2)
    magento.fail("busy_429", after=5, times=1, seconds=90)
    magento.fail("killed", after=7, times=1, stage="committed")
    connector.sync()
    moves_on(sandbox, connector, 8)
    assert sorted(held(magento)) == sorted(ids)
    assert {row["state"] for row in held(magento).values()} == {"processing"}
    assert taken(magento) == pieces(magento)


@pytest.mark.parametrize("decrease", [False, True])
def test_orders_that_the_marketplace_ships_come_with_the_toggle(
    sandbox: Sandbox, magento: MagentoShop, make_connector: MakeConnector, *, decrease: bool
) -> None:
    connector = make_connector()
    ids = sells(sandbox, {"fulfilment": 3})
    connector.sync()
    assert held(magento) == {}
    assert {connector.order("main", "manomano_fr", one).order.reason for one in ids} == {
        "delivered_by_marketplace_disabled"
    }
    connector.set_toggle("magento", IMPORT_TOGGLE, True, who="test")
    connector.set_toggle("magento", STOCK_TOGGLE, decrease, who="test")
    moves_on(sandbox, connector, 2)
    assert sorted(held(magento)) == sorted(ids)
    assert {row["state"] for row in held(magento).values()} == {"complete"}
    assert taken(magento) == (pieces(magento) if decrease else 0)
    moves_on(sandbox, connector, 2)
    assert [one for one in sandbox.ledger().told if one.order_id in ids] == [], "its shipment is the marketplace's"
