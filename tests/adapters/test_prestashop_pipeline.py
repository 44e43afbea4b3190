"""PrestaShop behind the whole connector: the marketplace's sales arrive once, shipments go back, and the toggles are kept."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pipeline import IMPORT_TOGGLE, STOCK_TOGGLE, MakeConnector, connectors, sells, told
from prestashop_shop import SECRETS, TRACK

from lengow.connector import Connector
from lengow.sandbox import Sandbox
from lengow.sandbox.catalogue import catalogue
from lengow.sandbox.shops.prestashop import KEY, PrestaShop


@pytest.fixture
def presta(sandbox: Sandbox) -> Iterator[PrestaShop]:
    shop = PrestaShop()
    for product in catalogue():
        shop.add_product(product.sku, str(product.price), 10_000)
    shop.add_tax("20", "FR", "ES")
    shop.add_carrier("Marketplace", free=True)
    shop.add_carrier("Colissimo", cost="6.00", url=TRACK)
    yield shop
    shop.close()


@pytest.fixture
def make_connector(sandbox: Sandbox, presta: PrestaShop, tmp_path: Path) -> Iterator[MakeConnector]:
    own = {"url": presta.url, "key": KEY, "carrier": 5}
    with connectors(sandbox, tmp_path, "prestashop", own, SECRETS) as make:
        yield make


def held(presta: PrestaShop) -> dict[str, dict[str, Any]]:
    """The orders that are not set aside, by the marketplace's number."""
    views = [presta.order_view(int(row["id"] or 0)) for row in presta.rows("orders")]
    ours = [view for view in views if view["note"].startswith("Lengow reference: ")]
    by_number = {view["note"].splitlines()[1].partition(" ")[2]: view for view in ours}
    assert len(by_number) == len(ours), "one order each"
    return by_number


def moves_on(sandbox: Sandbox, presta: PrestaShop, connector: Connector, times: int) -> None:
    for _ in range(times):
        sandbox.advance(minutes=15)
        presta.clock.jump(timedelta(minutes=15))
        connector.sync()


def test_what_the_marketplace_sold_is_in_the_shop_once_and_to_the_cent(
    sandbox: Sandbox, presta: PrestaShop, make_connector: MakeConnector
) -> None:
    connector = make_connector()
    ids = sells(sandbox, {"standard": 14, "relay": 4, "business": 3, "multi_line": 4, "missing_fields": 9})
    connector.sync()
    connector.sync()
    orders = held(presta)
    assert sorted(orders) == sorted(ids)
    totals = {order.order_id: order.total for order in sandbox.ledger().sold}
    for order_id, view in orders.items():
        stored = connector.order("main", "manomano_fr", order_id)
        assert str(stored.order.state) == "created"
        assert [package.shop_order_id for package in stored.packages] == [view["id"]]
        assert (view["current_state"], Decimal(view["total_paid"])) == ("11", totals[order_id])
    assert presta.ledger().mails == ()


def test_a_shipment_reaches_the_marketplace_once_it_has_its_number(
    sandbox: Sandbox, presta: PrestaShop, make_connector: MakeConnector
) -> None:
    connector = make_connector(carriers={"Colissimo": "Other"})
    [order_id] = sells(sandbox, {"standard": 1})
    connector.sync()
    shop_order = int(held(presta)[order_id]["id"])
    presta.set_state(shop_order, 4)
    moves_on(sandbox, presta, connector, 2)
    assert told(sandbox, order_id) == []
    presta.add_tracking(shop_order, "6A1", 6)
    moves_on(sandbox, presta, connector, 3)
    assert told(sandbox, order_id) == ["6A1"]


def test_orders_of_a_broken_shop_arrive_once_when_it_is_well_again(
    sandbox: Sandbox, presta: PrestaShop, make_connector: MakeConnector
) -> None:
    connector = make_connector()
    ids = sells(sandbox, {"standard": 10})
    stock = sum(presta.ledger().stock.values())
    presta.fail("lost_after", times=2)
    presta.fail("html_502", after=2, times=2)
    presta.fail("killed", after=4, times=1, stage="payment")
    presta.fail("killed", after=5, times=1, stage="detail")
    presta.fail("busy_429", after=6, times=1)
    connector.sync()
    moves_on(sandbox, presta, connector, 8)
    orders = held(presta)
    assert sorted(orders) == sorted(ids)
    assert {view["current_state"] for view in orders.values()} == {"11"}
    sold = sum(int(row["product_quantity"]) for view in orders.values() for row in view["order_rows"])
    assert sum(presta.ledger().stock.values()) == stock - sold


@pytest.mark.parametrize("decrease", [False, True])
def test_orders_that_the_marketplace_ships_come_with_the_toggle(
    sandbox: Sandbox, presta: PrestaShop, make_connector: MakeConnector, *, decrease: bool
) -> None:
    connector = make_connector()
    ids = sells(sandbox, {"fulfilment": 3})
    connector.sync()
    assert held(presta) == {}
    stock = sum(presta.ledger().stock.values())
    connector.set_toggle("prestashop", IMPORT_TOGGLE, True, who="test")
    connector.set_toggle("prestashop", STOCK_TOGGLE, decrease, who="test")
    moves_on(sandbox, presta, connector, 2)
    orders = held(presta)
    assert sorted(orders) == sorted(ids)
    assert {view["current_state"] for view in orders.values()} == {"4"}
    sold = sum(int(row["product_quantity"]) for view in orders.values() for row in view["order_rows"])
    assert sum(presta.ledger().stock.values()) == stock - (sold if decrease else 0)
    moves_on(sandbox, presta, connector, 2)
    assert [one for one in sandbox.ledger().told if one.order_id in ids] == [], "its shipment is the marketplace's"
