"""From Lengow into the shop: what is imported, what waits, what is skipped, and that nothing comes twice."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from lengow.connector.client.api import LengowClient
from lengow.sandbox import Fault

ORDERS = "/v3.0/orders/"


def test_an_order_is_in_the_shop_once_with_its_lines_amounts_and_addresses(merchant: Any) -> None:
    [order_id] = merchant.sells(kind="multi_line")
    merchant.sync()
    merchant.sync()
    assert merchant.in_shop() == [order_id]
    assert merchant.state(order_id) == ("created", "")
    [sold] = merchant.sandbox.ledger().sold
    [(total, currency, city)] = merchant.rows("SELECT total, currency, delivery_city FROM shop_orders")
    lines = merchant.rows("SELECT sku, quantity, amount FROM shop_order_lines ORDER BY id")
    assert (Decimal(total), currency) == (sold.total, "EUR")
    assert [(sku, quantity, Decimal(amount)) for sku, quantity, amount in lines] == [
        (line.sku, line.quantity, line.amount) for line in sold.lines
    ]
    assert city


def test_the_shop_order_id_is_reported_to_lengow(merchant: Any) -> None:
    merchant.sells(3)
    merchant.sync()
    assert [order.merchant_order_ids for order in merchant.sandbox.ledger().sold] == [
        (str(row[0]),) for row in merchant.rows("SELECT id FROM shop_orders ORDER BY marketplace_order_id")
    ]


def test_the_journal_tells_what_happened(merchant: Any) -> None:
    [order_id] = merchant.sells()
    merchant.sync()
    assert merchant.journal(order_id) == ["received", "created", "reported"]


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("standard", ("created", "")),
        ("relay", ("created", "")),
        ("business", ("created", "")),
        ("foreign_currency", ("created", "")),
        ("no_rate", ("created", "")),
        ("pending", ("waiting", "waiting_acceptance")),
        ("fulfilment", ("skipped", "delivered_by_marketplace_disabled")),
        ("refused", ("skipped", "refused_before_import")),
        ("canceled", ("skipped", "canceled_before_import")),
        ("anonymized", ("skipped", "anonymized")),
    ],
)
def test_each_kind_of_order_gets_its_decision(merchant: Any, kind: str, state: tuple[str, str]) -> None:
    ids = merchant.sells(3, kind)
    merchant.sync()
    assert {merchant.state(one) for one in ids} == {state}
    assert merchant.compared().clean


def test_a_pending_order_is_imported_once_it_is_accepted(merchant: Any) -> None:
    [order_id] = merchant.sells(kind="pending")
    merchant.sync()
    merchant.sandbox.accept(order_id)
    merchant.sandbox.advance(minutes=15)
    merchant.sync()
    assert merchant.in_shop() == [order_id]


def test_each_package_is_a_shop_order_and_the_first_carries_the_shipping(merchant: Any) -> None:
    merchant.sells(5, "multi_package")
    merchant.sync()
    sold = max(merchant.sandbox.ledger().sold, key=lambda one: one.shipping_and_fee)
    assert sold.shipping_and_fee > 0
    rows = merchant.rows(
        "SELECT total, shipping, processing_fee FROM shop_orders WHERE marketplace_order_id = ? ORDER BY reference",
        sold.order_id,
    )
    assert len(rows) == len(sold.packages)
    assert sum(Decimal(total) for total, _, _ in rows) == sold.total
    assert [Decimal(shipping) + Decimal(fee) for _, shipping, fee in rows] == [sold.shipping_and_fee, 0, 0][: len(rows)]
    assert len(sold.merchant_order_ids) == len(rows)


def test_delivery_ids_that_change_between_reads_cost_nothing(merchant: Any) -> None:
    merchant.sells(3, "multi_package")
    merchant.sync()
    before = merchant.in_shop()
    merchant.sync()
    third = merchant.sync()
    assert (third.imported.read, third.imported.new, third.imported.amended) == (3, 0, 0)
    assert merchant.in_shop() == before


def test_six_hundred_orders_come_over_several_pages(merchant: Any) -> None:
    merchant.sells(612)
    merchant.sync()
    assert len(merchant.in_shop()) == 612
    assert merchant.compared().clean


class TestTheToggle:
    """Import orders shipped by marketplaces."""

    def test_on_they_are_imported_as_shipped_and_leave_the_stock_alone(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(import_orders_shipped_by_marketplaces=True, options={"products_table": "products"})
        _fill_products(merchant, stock=10)
        merchant.sells(2, "fulfilment")
        merchant.sync()
        assert merchant.rows("SELECT DISTINCT status, delivered_by_marketplace FROM shop_orders") == [("shipped", 1)]
        assert merchant.rows("SELECT DISTINCT stock FROM products") == [(10,)]
        assert merchant.compared().clean

    def test_the_stock_toggle_decreases_stock_for_them_too(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(
            import_orders_shipped_by_marketplaces=True,
            decrease_stock_for_marketplace_shipped=True,
            options={"products_table": "products"},
        )
        _fill_products(merchant, stock=10)
        merchant.sells(1, "fulfilment")
        merchant.sync()
        sold = merchant.rows("SELECT sku, sum(quantity) FROM shop_order_lines GROUP BY sku")
        assert merchant.rows("SELECT sku, 10 - stock FROM products WHERE stock < 10 ORDER BY sku") == sorted(sold)

    def test_switched_on_later_it_brings_in_what_was_skipped(self, merchant: Any) -> None:
        ids = merchant.sells(3, "fulfilment")
        merchant.sync()
        assert merchant.in_shop() == []
        merchant.connector.set_toggle("b2c", "import_orders_shipped_by_marketplaces", True, who="anna")
        merchant.sync()
        assert sorted(merchant.in_shop()) == sorted(ids)

    def test_what_is_older_than_the_catch_up_window_stays_skipped(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(catch_up_days=0)
        merchant.sells(2, "fulfilment")
        merchant.sync()
        merchant.connector.set_toggle("b2c", "import_orders_shipped_by_marketplaces", True, who="anna")
        merchant.sync()
        assert merchant.in_shop() == []

    def test_switched_off_again_new_ones_are_skipped(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(import_orders_shipped_by_marketplaces=True)
        merchant.sells(1, "fulfilment")
        merchant.sync()
        merchant.connector.set_toggle("b2c", "import_orders_shipped_by_marketplaces", False, who="anna")
        [second] = merchant.sells(1, "fulfilment")
        merchant.sync()
        assert len(merchant.in_shop()) == 1
        assert merchant.state(second) == ("skipped", "delivered_by_marketplace_disabled")


class TestProducts:
    def test_stock_is_decreased_with_the_order(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(options={"products_table": "products"})
        _fill_products(merchant, stock=10)
        merchant.sells(1, "multi_line")
        merchant.sync()
        sold = dict(merchant.rows("SELECT sku, sum(quantity) FROM shop_order_lines GROUP BY sku"))
        taken = dict(merchant.rows("SELECT sku, 10 - stock FROM products WHERE stock <> 10"))
        assert taken == sold

    def test_an_order_with_an_unknown_product_waits_and_names_it(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(options={"products_table": "products"})
        _fill_products(merchant, stock=10)
        order_id = merchant.sells_raw(_sku("NOT-THERE"))
        merchant.sync()
        assert merchant.state(order_id) == ("waiting", "unknown_product")
        assert merchant.order(order_id).order.about == "NOT-THERE"

    def test_it_is_imported_once_the_product_is_there(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(options={"products_table": "products"})
        _fill_products(merchant, stock=10)
        order_id = merchant.sells_raw(_sku("NOT-THERE"))
        merchant.sync()
        merchant.run("INSERT INTO products VALUES ('NOT-THERE', 5)")
        merchant.connector.retry("main", "manomano_fr", order_id)
        merchant.sync()
        assert merchant.in_shop() == [order_id]

    def test_import_takes_it_as_a_free_line(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(options={"products_table": "products"}, unknown_products="import")
        _fill_products(merchant, stock=10)
        order_id = merchant.sells_raw(_sku("NOT-THERE"))
        merchant.sync()
        assert merchant.in_shop() == [order_id]
        assert merchant.rows("SELECT sku FROM shop_order_lines") == [("NOT-THERE",)]


class TestPolicy:
    def test_what_is_older_than_the_start_date_is_skipped(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant()
        tomorrow = (merchant.sandbox.now()).date().replace(year=merchant.sandbox.now().year + 1)
        merchant.restart(start_date=tomorrow)
        [order_id] = merchant.sells()
        merchant.sync()
        assert merchant.state(order_id) == ("skipped", "before_start_date")

    def test_another_systems_merchant_order_id_keeps_it_out(self, merchant: Any) -> None:
        order_id = merchant.sells_raw({"merchant_order_id": ["ERP-77"]})
        merchant.sync()
        assert merchant.state(order_id) == ("skipped", "already_imported_elsewhere")
        assert merchant.order(order_id).order.about == "ERP-77"

    def test_unless_the_shop_says_so(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(import_orders_with_merchant_order_id=True)
        order_id = merchant.sells_raw({"merchant_order_id": ["ERP-77"]})
        merchant.sync()
        assert merchant.in_shop() == [order_id]

    def test_an_order_of_a_marketplace_without_a_shop_is_skipped(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(marketplaces=("manomano_es",))
        [order_id] = merchant.sells()
        merchant.sync()
        assert merchant.state(order_id) == ("skipped", "no_shop")

    def test_a_marketplace_that_lengow_does_not_describe_waits(self, merchant: Any) -> None:
        merchant.sells_raw({"marketplace": "nowhere_fr"})
        merchant.sync()
        [one] = merchant.orders()
        assert (one.order.state, one.order.reason, one.order.about) == ("waiting", "unknown_marketplace", "nowhere_fr")

    def test_a_marketplace_that_lengow_describes_later_lets_its_orders_in_soon(self, merchant: Any) -> None:
        descriptions = merchant.sandbox._marketplaces.descriptions
        spanish = descriptions.pop("manomano_es")
        merchant.sells()
        merchant.sync()
        descriptions["manomano_es"] = spanish
        [order_id] = merchant.sells(marketplace="manomano_es")
        merchant.sync()
        assert merchant.state(order_id) == ("waiting", "unknown_marketplace")
        merchant.sandbox.advance(minutes=20)
        merchant.sync()
        assert merchant.state(order_id) == ("created", "")

    def test_a_start_date_that_is_moved_lets_in_what_it_kept_out(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant()
        day = merchant.sandbox.now().date()
        merchant.restart(start_date=day.replace(year=day.year + 1))
        [order_id] = merchant.sells()
        merchant.sync()
        merchant.restart(start_date=day.replace(year=day.year - 1))
        merchant.sync()
        assert merchant.in_shop() == [order_id]

    def test_a_cancelled_line_is_left_out(self, merchant: Any) -> None:
        [order_id] = merchant.sells(kind="multi_line")
        [sold] = merchant.sandbox.ledger().sold
        merchant.sandbox.cancel(order_id, line_ids=[sold.lines[0].id])
        merchant.sandbox.advance(minutes=15)
        merchant.sync()
        held = {row[0] for row in merchant.rows("SELECT line_id FROM shop_order_lines")}
        assert held == {line.id for line in sold.lines[1:]}


class TestTheWindow:
    def test_what_the_quarter_hour_missed_the_daily_round_brings(self, merchant: Any) -> None:
        [late] = merchant.sells(kind="late")
        merchant.sync()
        assert merchant.in_shop() == []
        merchant.sandbox.advance(days=1, hours=1)
        merchant.sync()
        assert merchant.in_shop() == [late]

    def test_a_long_outage_is_caught_up(self, merchant: Any) -> None:
        merchant.sells(2)
        merchant.sync()
        for _ in range(3):
            merchant.sells(2)
            merchant.sandbox.advance(days=2)
        merchant.sync()
        assert len(merchant.in_shop()) == 8

    def test_pages_that_shift_while_being_read_lose_nothing(self, merchant: Any) -> None:
        ids = merchant.sells(350)
        merchant.sandbox.fault(Fault("shift", path=ORDERS, page=3, count=60))
        merchant.sync()
        merchant.sandbox.advance(minutes=15)
        merchant.sync()
        assert sorted(merchant.in_shop()) == sorted(ids)
        assert merchant.compared().clean

    def test_orders_that_appear_twice_across_pages_are_imported_once(self, merchant: Any) -> None:
        merchant.sells(250)
        merchant.sandbox.fault(Fault("duplicate", path=ORDERS, times=None, count=5))
        merchant.sync()
        merchant.sandbox.clear_faults()
        merchant.sync()
        assert len(merchant.in_shop()) == len(set(merchant.in_shop())) == 250

    def test_a_page_that_stays_malformed_is_read_in_parts(self, merchant: Any) -> None:
        merchant.sells(250)
        merchant.sandbox.fault(Fault("malformed", path=ORDERS, page=2, times=None, exact=True))
        assert merchant.sync().imported.error is None
        assert len(merchant.in_shop()) == 250

    def test_a_broken_answer_that_passes_is_read_again(self, merchant: Any) -> None:
        merchant.sells(5)
        merchant.sandbox.fault(Fault("truncate", path=ORDERS, exact=True))
        merchant.sandbox.fault(Fault("malformed", path=ORDERS, exact=True, after=1))
        assert merchant.sync().imported.error is None
        assert len(merchant.in_shop()) == 5

    def test_a_window_by_hand_brings_what_was_missed_and_leaves_the_cursor(self, merchant: Any) -> None:
        [late] = merchant.sells(kind="late")
        merchant.sync()
        merchant.sandbox.advance(days=10)
        cursor = merchant.connector.store.get_value("main", "complete_until")
        now = merchant.sandbox.now()
        merchant.connector.sync(since=now - timedelta(days=11), until=now)
        assert merchant.in_shop() == [late]
        assert merchant.connector.store.get_value("main", "complete_until") == cursor

    def test_a_404_is_no_empty_window(self, merchant: Any) -> None:
        """A wrong base_url, or a gateway's page, must not pass for "no orders"."""
        merchant.sells(3)
        merchant.sandbox.fault(Fault("status", path=ORDERS, status=404, body="<h1>404</h1>", times=None))
        assert merchant.sync().imported.error.code == "lengow_not_found"
        merchant.sandbox.clear_faults()
        merchant.sandbox.advance(hours=5)
        merchant.sync()
        assert len(merchant.in_shop()) == 3

    def test_a_double_that_lengow_counts_too_does_not_keep_the_window_open(
        self, merchant: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        merchant.sells(3)
        orders_page = LengowClient.orders_page

        def doubled(self: LengowClient, *arguments: Any, **options: Any) -> Any:
            page = orders_page(self, *arguments, **options)
            return msgspec.structs.replace(page, count=page.count + 1, results=page.results + page.results[:1])

        monkeypatch.setattr(LengowClient, "orders_page", doubled)
        assert merchant.sync().imported.error is None
        assert len(merchant.in_shop()) == 3

    def test_a_token_that_ends_in_the_middle_is_renewed(self, merchant: Any) -> None:
        merchant.sells(350)
        merchant.sandbox.fault(Fault("stale_token", path=ORDERS, after=2))
        merchant.sync()
        assert len(merchant.in_shop()) == 350


def _fill_products(merchant: Any, stock: int) -> None:
    from lengow.sandbox import catalogue

    merchant.run("CREATE TABLE products (sku TEXT PRIMARY KEY, stock INTEGER)")
    for product in catalogue():
        merchant.run("INSERT INTO products VALUES (?, ?)", product.sku, stock)


def _sku(sku: str) -> dict[str, Any]:
    return {"packages": [{"cart": [{"merchant_product_id": {"field": "sku", "id": sku}}]}]}
