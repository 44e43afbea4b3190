"""WooCommerce behind the whole connector: the marketplace's sales arrive once, shipments go back, and the toggle is refused."""

import sys
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from pipeline import IMPORT_TOGGLE, STOCK_TOGGLE, MakeConnector, connectors, sells, told

from lengow.adapters.woocommerce import WooCommerceAdapter
from lengow.connector import Connector
from lengow.connector.adapter import Request
from lengow.connector.errors import ToggleUnsupported
from lengow.connector.secret import Secret
from lengow.console import cli
from lengow.sandbox import Sandbox
from lengow.sandbox.catalogue import catalogue
from lengow.sandbox.shops.woocommerce import KEY, TaxRate, WooCommerceShop

SECRET = "a-secret-of-letters-and-digits-1234"
TOGGLES = (IMPORT_TOGGLE, STOCK_TOGGLE)


@pytest.fixture
def woo(sandbox: Sandbox) -> Iterator[WooCommerceShop]:
    shop = WooCommerceShop()
    for product in catalogue():
        shop.add_product(product.sku, str(product.price), 10_000)
    shop.set_taxes(TaxRate(1, "", Decimal(20)), prices_include_tax=True)
    yield shop
    shop.close()


@pytest.fixture
def make_connector(sandbox: Sandbox, woo: WooCommerceShop, tmp_path: Path) -> Iterator[MakeConnector]:
    own = {"url": woo.url, "consumer_key": KEY.consumer_key, "consumer_secret": KEY.consumer_secret}
    with connectors(sandbox, tmp_path, "woocommerce", own, [Secret(SECRET)]) as make:
        yield make


def test_what_the_marketplace_sold_is_in_the_shop_once_and_to_the_cent(
    sandbox: Sandbox, woo: WooCommerceShop, make_connector: MakeConnector
) -> None:
    connector = make_connector()
    ids = sells(sandbox, {"standard": 30})
    connector.sync()
    connector.sync()
    held = {order.meta_value("_lengow_order_id"): order for order in woo.ledger().orders}
    assert sorted(held) == sorted(ids)
    assert len(woo.ledger().orders) == len(ids)
    totals = {order.order_id: order.total for order in sandbox.ledger().sold}
    for order_id, order in held.items():
        stored = connector.order("main", "manomano_fr", order_id)
        assert str(stored.order.state) == "created"
        assert [package.shop_order_id for package in stored.packages] == [str(order.id)]
        assert (order.status, order.total) == ("processing", totals[order_id])
    assert woo.ledger().mails == ()


def test_a_shipment_in_the_shop_reaches_the_marketplace(
    sandbox: Sandbox, woo: WooCommerceShop, make_connector: MakeConnector
) -> None:
    connector = make_connector()
    [order_id] = sells(sandbox, {"standard": 1})
    connector.sync()
    [order] = woo.ledger().orders
    woo.add_tracking(order.id, "Colissimo", "6A1", "https://track.example.com/6A1")
    assert (received(connector, woo, order.id), received(connector, woo, order.id)) == (1, 0)
    connector.sync()
    sandbox.advance(minutes=15)
    connector.sync()
    assert told(sandbox, order_id) == ["6A1"]


def received(connector: Connector, woo: WooCommerceShop, order_id: int) -> int:
    """The webhook of an order as it stands is delivered; how many events of it were new."""
    hook = woo.webhooks.create({"topic": "order.updated", "delivery_url": "http://127.0.0.1:9/x", "secret": SECRET})
    headers, body = woo.webhooks.signed(hook, "order.updated", order_id)
    return connector.receive(
        "woocommerce", Request({name.lower(): value for name, value in headers.items()}, body)
    ).taken


def test_a_lost_webhook_costs_minutes_and_a_late_one_nothing(
    sandbox: Sandbox, woo: WooCommerceShop, make_connector: MakeConnector
) -> None:
    connector = make_connector()
    [order_id] = sells(sandbox, {"standard": 1})
    connector.sync()
    [order] = woo.ledger().orders
    woo.add_tracking(order.id, "Colissimo", "6A1", "https://track.example.com/6A1")
    for _ in range(2):
        sandbox.advance(minutes=15)
        connector.sync()
    assert told(sandbox, order_id) == ["6A1"]
    received(connector, woo, order.id)
    connector.sync()
    assert told(sandbox, order_id) == ["6A1"], "by polling and by webhook it is one shipment"


def test_a_core_fulfilment_is_read_back_and_confirmed(
    sandbox: Sandbox, woo: WooCommerceShop, make_connector: MakeConnector
) -> None:
    woo._rest.fulfilments = True
    connector = make_connector(carriers={"la-poste-colissimo": "Other"})
    [order_id] = sells(sandbox, {"standard": 1})
    connector.sync()
    [order] = woo.ledger().orders
    pieces = {line.id: line.quantity for line in order.lines}
    woo.fulfil(order.id, pieces, "la-poste-colissimo", "6A1", "https://track.example.com/6A1")
    assert received(connector, woo, order.id) == 1
    connector.sync()
    sandbox.advance(minutes=15)
    connector.sync()
    assert set(told(sandbox, order_id)) == {"6A1"}


def test_a_refund_that_is_told_with_its_shipment_waits_until_the_marketplace_has_that(
    sandbox: Sandbox, woo: WooCommerceShop, make_connector: MakeConnector
) -> None:
    """A webhook tells of both at once, as polling does one by one."""
    reason = {"refund": {"refund_reason": "DAMAGED", "refund_shipping_fees": "false"}}
    connector = make_connector(action_arguments=reason)
    [order_id] = sells(sandbox, {"standard": 1})
    connector.sync()
    [order] = woo.ledger().orders
    woo.add_tracking(order.id, "Colissimo", "6A1", "https://track.example.com/6A1")
    [line] = order.lines
    items = [{"id": line.id, "quantity": line.quantity, "refund_total": str(line.total)}]
    with woo._lock:
        woo.orders.refund(woo.orders.all[order.id], line.total, {"line_items": items})
    assert received(connector, woo, order.id) == 1
    for _ in range(4):
        connector.sync()
        sandbox.advance(minutes=15)
    [event] = [one for one in connector.store.list_events(shop="woocommerce") if one.kind == "changed"]
    asked = [one.action_type for one in sandbox.ledger().told if one.order_id == order_id]
    assert (asked, event.state, event.reason) == (["ship", "refund"], "done", "")


def test_echoes_cost_no_event(sandbox: Sandbox, woo: WooCommerceShop, make_connector: MakeConnector) -> None:
    connector = make_connector()
    sells(sandbox, {"standard": 1})
    connector.sync()
    [order] = woo.ledger().orders
    assert received(connector, woo, order.id) == 0
    assert connector.store.list_events(limit=10) == []


def test_orders_of_a_broken_shop_arrive_once_when_it_is_well_again(
    sandbox: Sandbox, woo: WooCommerceShop, make_connector: MakeConnector
) -> None:
    connector = make_connector()
    ids = sells(sandbox, {"standard": 12})
    woo.fail("lost_after", times=2)
    woo.fail("html_502", after=2, times=2)
    woo.fail("killed", after=4, times=1, stage="filled")
    woo.fail("busy_429", after=5, times=1)
    connector.sync()
    for _ in range(6):
        sandbox.advance(minutes=15)
        woo.clock.jump(timedelta(minutes=15))
        connector.sync()
    visible = [order for order in woo.ledger().orders if order.status != "trash"]
    assert sorted(order.meta_value("_lengow_order_id") for order in visible) == sorted(ids)
    assert {order.status for order in visible} == {"processing"}


def test_a_busy_shop_is_polled_again_when_it_says(
    sandbox: Sandbox, woo: WooCommerceShop, make_connector: MakeConnector
) -> None:
    connector = make_connector()
    woo.fail("busy_429", method="GET", seconds=3600, times=None)
    connector.sync()
    [step] = [one for one in connector.store.steps(limit=10) if one.kind == "poll"]
    assert timedelta(minutes=59) < step.due_at - sandbox.now() <= timedelta(hours=1)
    assert "asks to wait 3600 s" in step.error


# The toggle


def test_the_explanation_is_the_capabilitys(make_connector: MakeConnector) -> None:
    assert WooCommerceAdapter.capabilities.imports_delivered_by_marketplace is False
    assert "no place" in WooCommerceAdapter.capabilities.delivered_by_marketplace_reason


@pytest.mark.parametrize("toggle", TOGGLES)
def test_the_toggle_is_refused_at_load_by_python_and_by_the_command_line_with_one_explanation(
    sandbox: Sandbox, woo: WooCommerceShop, make_connector: MakeConnector, tmp_path: Path, toggle: str
) -> None:
    with pytest.raises(ToggleUnsupported) as at_load:
        make_connector(**{toggle: True})
    connector = make_connector()
    with pytest.raises(ToggleUnsupported) as by_python:
        connector.set_toggle("woocommerce", toggle, True, who="test")
    connector.close()
    config = tmp_path / "lengow.toml"
    config.write_text(
        f"""
        [store]
        url = "sqlite:///{tmp_path / "lengow.db"}"
        [accounts.main]
        access_token = "a"
        secret = "b"
        base_url = "{sandbox.url}"
        [shops.woocommerce]
        account = "main"
        platform = "woocommerce"
        url = "{woo.url}"
        consumer_key = "{KEY.consumer_key}"
        consumer_secret = "{KEY.consumer_secret}"
        """
    )
    by_command = CliRunner().invoke(cli.cli, ["--config", str(config), "shop", "set", "woocommerce", toggle, "true"])
    assert isinstance(by_command.exception, ToggleUnsupported)
    explanations = {str(at_load.value), str(by_python.value), str(by_command.exception)}
    assert len(explanations) == 1
    [explanation] = explanations
    assert WooCommerceAdapter.capabilities.delivered_by_marketplace_reason in explanation
    assert toggle in explanation


def test_the_toggle_in_the_file_is_refused_by_the_command_with_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "lengow.toml"
    config.write_text(
        f"""
        [accounts.main]
        access_token = "a"
        secret = "b"
        [shops.woocommerce]
        account = "main"
        platform = "woocommerce"
        url = "https://shop.example.com"
        consumer_key = "ck"
        consumer_secret = "cs"
        {IMPORT_TOGGLE} = true
        """
    )
    monkeypatch.setattr(sys, "argv", ["lengow-connector", "--config", str(config), "shop", "list"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == cli.USAGE
    shown = capsys.readouterr().err
    assert shown.startswith("toggle_unsupported: ")
    assert WooCommerceAdapter.capabilities.delivered_by_marketplace_reason in shown


def test_switching_it_off_is_no_error(make_connector: MakeConnector) -> None:
    connector = make_connector()
    connector.set_toggle("woocommerce", IMPORT_TOGGLE, False, who="test")
    assert connector.toggles("woocommerce")[IMPORT_TOGGLE] is False


def test_orders_that_the_marketplace_ships_are_skipped_and_listed(
    sandbox: Sandbox, woo: WooCommerceShop, make_connector: MakeConnector
) -> None:
    connector = make_connector()
    [fulfilled] = sells(sandbox, {"fulfilment": 1})
    [sold] = sells(sandbox, {"standard": 1})
    connector.sync()
    stored = connector.order("main", "manomano_fr", fulfilled)
    assert (str(stored.order.state), stored.order.reason) == ("skipped", "delivered_by_marketplace_unsupported")
    assert [order.meta_value("_lengow_order_id") for order in woo.ledger().orders] == [sold]
