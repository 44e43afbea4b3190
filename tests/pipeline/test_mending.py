"""What a person mends by hand: dismiss, reimport, report again, match products; never a second shop order."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from lengow.connector.errors import CannotMend, OrderUnknown, ShopUnavailable
from lengow.connector.model import ChangeState, OrderState
from lengow.connector.settings import Follow

NAMES = ("main", "manomano_fr")


def delete(merchant: Any, order_id: str) -> None:
    merchant.run(
        "DELETE FROM shop_order_lines WHERE shop_order_id IN"
        " (SELECT id FROM shop_orders WHERE marketplace_order_id = ?)",
        order_id,
    )
    merchant.run("DELETE FROM shop_orders WHERE marketplace_order_id = ?", order_id)


def with_products(make_merchant: Callable[..., Any], *skus: str) -> Any:
    merchant = make_merchant(options={"products_table": "products"})
    merchant.run("CREATE TABLE products (sku TEXT, stock INTEGER)")
    for sku in skus:
        merchant.run("INSERT INTO products VALUES (?, 10)", sku)
    return merchant


def of_sku(sku: str) -> dict[str, Any]:
    return {"packages": [{"cart": [{"merchant_product_id": {"field": "sku", "id": sku}}]}]}


class TestDismiss:
    def test_a_waiting_order_is_not_imported_any_more(self, make_merchant: Callable[..., Any]) -> None:
        merchant = with_products(make_merchant)
        [order_id] = merchant.sells()
        merchant.sync()
        merchant.connector.dismiss(*NAMES, order_id, reason="sold in error", who="anna")
        assert merchant.state(order_id) == ("skipped", "dismissed")
        assert merchant.order(order_id).order.about == "sold in error"
        [(detail, who)] = [
            (entry.detail, entry.who)
            for entry in merchant.connector.store.journal(merchant.order(order_id).order.id)
            if entry.what == "dismissed"
        ]
        assert (detail, who) == ("sold in error", "anna")

    def test_it_stays_so_when_the_order_changes_and_when_settings_do(self, make_merchant: Callable[..., Any]) -> None:
        merchant = with_products(make_merchant)
        [order_id] = merchant.sells()
        merchant.sync()
        merchant.connector.dismiss(*NAMES, order_id, reason="sold in error")
        merchant.sandbox.amend(order_id, {"comments": "please hurry"})
        merchant.sandbox.advance(minutes=15)
        merchant.connector.set_toggle("b2c", "import_orders_shipped_by_marketplaces", True, who="anna")
        merchant.run("INSERT INTO products SELECT DISTINCT 'any', 1")
        assert merchant.sync().imported.amended == 1
        assert merchant.state(order_id) == ("skipped", "dismissed")
        assert merchant.in_shop() == []

    def test_retry_decides_it_anew(self, make_merchant: Callable[..., Any]) -> None:
        merchant = with_products(make_merchant)
        order_id = merchant.sells_raw(of_sku("DRILL"))
        merchant.sync()
        merchant.connector.dismiss(*NAMES, order_id, reason="no such product")
        merchant.run("INSERT INTO products VALUES ('DRILL', 5)")
        merchant.sync()
        assert merchant.in_shop() == []
        merchant.connector.retry(*NAMES, order_id)
        merchant.sync()
        assert merchant.in_shop() == [order_id]

    def test_one_that_cannot_be_read(self, merchant: Any) -> None:
        order_id = merchant.sells_raw(remove=["packages.0.cart.0.amount"])
        merchant.sync()
        assert merchant.state(order_id) == ("failed", "order_undecodable")
        merchant.connector.dismiss(*NAMES, order_id, reason="imported by hand")
        assert merchant.state(order_id) == ("skipped", "dismissed")
        merchant.sandbox.cancel(order_id)
        merchant.sandbox.advance(minutes=15)
        merchant.sync()
        assert merchant.state(order_id) == ("skipped", "dismissed")

    def test_one_whose_creation_is_in_doubt_only_when_the_shop_has_it_not(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        merchant.sync()
        leave_in_doubt(merchant, order_id)
        with pytest.raises(CannotMend, match="holds it as 1"):
            merchant.connector.dismiss(*NAMES, order_id, reason="no")
        delete(merchant, order_id)
        merchant.connector.dismiss(*NAMES, order_id, reason="no")
        merchant.sync()
        assert (merchant.in_shop(), merchant.state(order_id)) == ([], ("skipped", "dismissed"))

    def test_what_is_in_the_shop_is_not_dismissed(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        merchant.sync()
        with pytest.raises(CannotMend, match="nothing to dismiss"):
            merchant.connector.dismiss(*NAMES, order_id, reason="no")

    def test_a_reason_is_needed(self, make_merchant: Callable[..., Any]) -> None:
        merchant = with_products(make_merchant)
        [order_id] = merchant.sells()
        merchant.sync()
        with pytest.raises(CannotMend, match="with a reason"):
            merchant.connector.dismiss(*NAMES, order_id, reason=" ")
        assert merchant.state(order_id) == ("waiting", "unknown_product")

    def test_an_order_that_nobody_knows(self, merchant: Any) -> None:
        with pytest.raises(OrderUnknown):
            merchant.connector.dismiss(*NAMES, "M-1", reason="no")


class TestReimport:
    def test_a_deleted_order_is_made_anew_under_its_reference_and_reported(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        merchant.sync()
        [(reference,)] = merchant.rows("SELECT reference FROM shop_orders")
        delete(merchant, order_id)
        merchant.connector.reimport(*NAMES, order_id, who="anna")
        merchant.sync()
        [(shop_order_id, again)] = merchant.rows("SELECT id, reference FROM shop_orders")
        assert again == reference
        [sold] = merchant.sandbox.ledger().sold
        assert sold.merchant_order_ids == (str(shop_order_id),)
        assert merchant.journal(order_id) == ["received", "created", "reported", "reimport", "created", "reported"]
        assert merchant.compared().clean

    def test_only_the_package_that_is_gone(self, merchant: Any) -> None:
        merchant.sells(5, "multi_package")
        merchant.sync()
        [(order_id, count)] = merchant.rows(
            "SELECT marketplace_order_id, count(*) FROM shop_orders GROUP BY 1 HAVING count(*) > 1 LIMIT 1"
        )
        rows = merchant.rows("SELECT id, total FROM shop_orders WHERE marketplace_order_id = ? ORDER BY id", order_id)
        merchant.run("DELETE FROM shop_order_lines WHERE shop_order_id = ?", rows[0][0])
        merchant.run("DELETE FROM shop_orders WHERE id = ?", rows[0][0])
        assert [row.shop_order_id for row in merchant.connector.reimport(*NAMES, order_id)] == [str(rows[0][0])]
        merchant.sync()
        again = merchant.rows("SELECT id, total FROM shop_orders WHERE marketplace_order_id = ?", order_id)
        assert len(again) == count
        assert sorted(total for _, total in again) == sorted(total for _, total in rows), (
            "it carries the shipping again"
        )
        assert merchant.compared().clean

    def test_a_change_at_lengow_meanwhile_does_not_take_it_for_another_systems(self, merchant: Any) -> None:
        """Lengow still has the id of the order that was deleted."""
        [order_id] = merchant.sells()
        merchant.sync()
        delete(merchant, order_id)
        merchant.sandbox.amend(order_id, {"comments": "please hurry"})
        merchant.sandbox.advance(minutes=15)
        merchant.connector.reimport(*NAMES, order_id)
        merchant.sync()
        assert merchant.in_shop() == [order_id]
        assert merchant.state(order_id) == ("created", "")

    def test_also_when_the_shop_refuses_it_at_first(self, make_merchant: Callable[..., Any]) -> None:
        merchant = with_products(make_merchant, "DRILL")
        order_id = merchant.sells_raw(of_sku("DRILL"))
        merchant.sync()
        delete(merchant, order_id)
        merchant.run("DELETE FROM products")
        merchant.connector.reimport(*NAMES, order_id)
        merchant.sync()
        assert merchant.state(order_id) == ("waiting", "unknown_product")
        merchant.run("INSERT INTO products VALUES ('DRILL', 5)")
        merchant.sandbox.amend(order_id, {"comments": "please hurry"})
        merchant.sandbox.advance(minutes=30)
        merchant.sync()
        assert merchant.in_shop() == [order_id]

    def test_one_that_the_shop_holds_is_not_made_again(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        merchant.sync()
        with pytest.raises(CannotMend, match="is in the shop: b2c 1"):
            merchant.connector.reimport(*NAMES, order_id)
        merchant.run("UPDATE shop_orders SET reference = 'edited by hand'")
        with pytest.raises(CannotMend, match="is in the shop: b2c 1"):
            merchant.connector.reimport(*NAMES, order_id)
        merchant.sync()
        assert merchant.in_shop() == [order_id]

    def test_one_that_turns_up_again_before_it_is_made_is_taken_over(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        merchant.sync()
        merchant.run("UPDATE shop_orders SET shop = 'trash'")
        merchant.connector.reimport(*NAMES, order_id)
        merchant.run("UPDATE shop_orders SET shop = 'b2c'")
        merchant.sync()
        assert merchant.in_shop() == [order_id]
        assert merchant.order(order_id).packages[0].shop_order_id == "1"

    def test_twice_is_once(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        merchant.sync()
        delete(merchant, order_id)
        merchant.connector.reimport(*NAMES, order_id)
        with pytest.raises(CannotMend, match="not in a shop"):
            merchant.connector.reimport(*NAMES, order_id)
        merchant.sync()
        assert merchant.in_shop() == [order_id]

    def test_a_dry_run_writes_nothing(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        merchant.sync()
        delete(merchant, order_id)
        [row] = merchant.connector.reimport(*NAMES, order_id, dry_run=True)
        assert row.shop_order_id == "1"
        merchant.sync()
        assert merchant.in_shop() == []

    def test_a_shop_that_does_not_answer_leaves_all_as_it_is(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        merchant.sync()
        merchant.run("ALTER TABLE shop_orders RENAME TO gone")
        with pytest.raises(ShopUnavailable):
            merchant.connector.reimport(*NAMES, order_id)
        merchant.run("ALTER TABLE gone RENAME TO shop_orders")
        assert merchant.state(order_id) == ("created", "")


class TestWhatAReimportedOrderLacks:
    """It gets what the shop order that was deleted had: refunds, cancellations, the shipment. Each once."""

    @staticmethod
    def refunds(merchant: Any) -> list[Decimal]:
        return [Decimal(amount) for (amount,) in merchant.rows("SELECT amount FROM shop_refunds ORDER BY rowid")]

    @staticmethod
    def made_anew(merchant: Any, order_id: str) -> None:
        merchant.run("DELETE FROM shop_refunds")
        delete(merchant, order_id)
        merchant.connector.reimport(*NAMES, order_id)
        merchant.sync()
        assert merchant.in_shop() == [order_id]

    def shipped(self, merchant: Any) -> str:
        [order_id] = merchant.sells(1, "multi_line")
        merchant.sync()
        merchant.connector.ship(*NAMES, order_id, carrier="DPD", tracking_number="6A1")
        for _ in range(3):
            merchant.sandbox.advance(minutes=15)
            merchant.sync()
        assert merchant.order(order_id).order.status == "shipped"
        return str(order_id)

    def test_refunds_that_were_brought(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(follow=Follow(refunded="apply"))
        order_id = self.shipped(merchant)
        merchant.sandbox.refund(order_id, line_ids=[f"{order_id}-1"])
        merchant.sandbox.advance(minutes=15)
        merchant.sync()
        [amount] = self.refunds(merchant)
        self.made_anew(merchant, order_id)
        assert self.refunds(merchant) == [amount]
        self.made_anew(merchant, order_id)
        assert self.refunds(merchant) == [amount]
        merchant.sandbox.refund(order_id, line_ids=[f"{order_id}-2"])
        merchant.sandbox.advance(minutes=15)
        merchant.sync()
        assert len(self.refunds(merchant)) == 2, "what is given back later is told as ever"

    def test_refunds_that_began_in_the_shop(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(follow=Follow(refunded="apply"))
        order_id = self.shipped(merchant)
        amounts = merchant.rows("SELECT amount FROM shop_order_lines ORDER BY id")
        sold, later, *_ = [Decimal(amount) for (amount,) in amounts]
        merchant.connector.refund(
            *NAMES,
            order_id,
            arguments={"refund_reason": "DAMAGED", "refund_shipping_fees": "false"},
            line_ids=[f"{order_id}-1"],
            who="shop b2c",
        )
        for _ in range(2):
            merchant.sandbox.advance(minutes=15)
            merchant.sync()
        self.made_anew(merchant, order_id)
        assert self.refunds(merchant) == [sold]
        merchant.sandbox.refund(order_id, line_ids=[f"{order_id}-2"])
        merchant.sandbox.advance(minutes=15)
        merchant.sync()
        assert self.refunds(merchant) == [sold, later]

    def test_what_waits_for_a_person_goes_on_waiting(self, merchant: Any) -> None:
        order_id = self.shipped(merchant)
        merchant.sandbox.refund(order_id, line_ids=[f"{order_id}-1"])
        merchant.sandbox.advance(minutes=15)
        merchant.sync()
        self.made_anew(merchant, order_id)
        [change] = merchant.connector.changes()
        assert (change.kind, change.reason) == ("refunded", "asked_by_settings")
        assert self.refunds(merchant) == []

    def test_its_shipment_so_that_nobody_ships_it_again(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        merchant.sync()
        merchant.connector.ship(*NAMES, order_id, carrier="DPD", tracking_number="6A1")
        self.made_anew(merchant, order_id)
        assert merchant.rows("SELECT status, tracking_number FROM shop_orders") == [("shipped", "6A1")]

    def test_lines_that_are_cancelled(self, merchant: Any) -> None:
        [order_id] = merchant.sells(1, "multi_line")
        merchant.sync()
        merchant.sandbox.cancel(order_id, line_ids=[f"{order_id}-1"])
        merchant.sandbox.advance(minutes=15)
        merchant.sync()
        lines = merchant.rows("SELECT line_id FROM shop_order_lines ORDER BY id")
        self.made_anew(merchant, order_id)
        assert merchant.rows("SELECT line_id FROM shop_order_lines ORDER BY id") == lines

    def test_one_that_turns_up_again_keeps_what_it_has(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(follow=Follow(refunded="apply"))
        order_id = self.shipped(merchant)
        merchant.sandbox.refund(order_id, line_ids=[f"{order_id}-1"])
        merchant.sandbox.advance(minutes=15)
        merchant.sync()
        merchant.run("UPDATE shop_orders SET shop = 'trash'")
        merchant.connector.reimport(*NAMES, order_id)
        merchant.run("UPDATE shop_orders SET shop = 'b2c'")
        merchant.sync()
        assert len(self.refunds(merchant)) == 1
        assert "made_anew" not in {row.reason for row in merchant.connector.changes(states=tuple(ChangeState))}


def test_ids_are_reported_again(merchant: Any) -> None:
    [order_id] = merchant.sells()
    merchant.sync()
    merchant.connector._context.client("main").set_merchant_order_ids("manomano_fr", order_id, ["other"])
    merchant.connector.resync_ids(*NAMES, order_id, who="anna")
    merchant.connector.work("main")
    [sold] = merchant.sandbox.ledger().sold
    assert sold.merchant_order_ids == ("1",)
    with pytest.raises(OrderUnknown):
        merchant.connector.resync_ids(*NAMES, "M-1")


class TestProductMatches:
    def test_a_matched_sku_is_sold_as_the_shops_product_and_takes_its_stock(
        self, make_merchant: Callable[..., Any]
    ) -> None:
        merchant = with_products(make_merchant, "P-1")
        order_id = merchant.sells_raw(of_sku("MM-DRILL"))
        merchant.sync()
        assert merchant.state(order_id) == ("waiting", "unknown_product")
        merchant.connector.match_product("b2c", "MM-DRILL", "P-1", who="anna")
        merchant.connector.work("main")
        assert merchant.in_shop() == [order_id]
        [(sku, quantity)] = merchant.rows("SELECT sku, quantity FROM shop_order_lines")
        assert sku == "P-1"
        assert merchant.rows("SELECT stock FROM products") == [(10 - quantity,)]
        assert merchant.compared().clean

    def test_what_the_marketplace_calls_it_stays_at_lengows_order(self, make_merchant: Callable[..., Any]) -> None:
        merchant = with_products(make_merchant, "P-1")
        merchant.connector.match_product("b2c", "MM-DRILL", "P-1")
        order_id = merchant.sells_raw(of_sku("MM-DRILL"))
        merchant.sync()
        [order] = merchant.connector.store.models([merchant.order(order_id).order.id]).values()
        assert [line.sku for line in order.lines] == ["MM-DRILL"]

    def test_a_product_that_the_shop_has_not_is_refused(self, make_merchant: Callable[..., Any]) -> None:
        merchant = with_products(make_merchant)
        with pytest.raises(CannotMend, match="no product 'P-1'"):
            merchant.connector.match_product("b2c", "MM-DRILL", "P-1")
        assert merchant.connector.product_matches() == []

    def test_a_match_can_be_taken_back(self, make_merchant: Callable[..., Any]) -> None:
        merchant = with_products(make_merchant, "P-1")
        merchant.connector.match_product("b2c", "MM-DRILL", "P-1")
        merchant.connector.unmatch_product("b2c", "MM-DRILL")
        order_id = merchant.sells_raw(of_sku("MM-DRILL"))
        merchant.sync()
        assert merchant.state(order_id) == ("waiting", "unknown_product")


class TestOneOrder:
    def test_it_is_fetched_and_created_and_no_other_is(self, merchant: Any) -> None:
        _, second = merchant.sells(2)
        stored = merchant.connector.sync_order(*NAMES, second)
        assert stored.order.state == "created"
        assert merchant.in_shop() == [second]
        [told] = [sold for sold in merchant.sandbox.ledger().sold if sold.merchant_order_ids]
        assert told.order_id == second
        merchant.sync()
        assert len(merchant.in_shop()) == 2

    def test_what_waits_for_its_next_try_is_tried_now(self, make_merchant: Callable[..., Any]) -> None:
        merchant = with_products(make_merchant)
        order_id = merchant.sells_raw(of_sku("DRILL"))
        merchant.sync()
        merchant.run("INSERT INTO products VALUES ('DRILL', 5)")
        merchant.connector.sync_order(*NAMES, order_id)
        assert merchant.in_shop() == [order_id]

    def test_what_was_dismissed_stays_so(self, make_merchant: Callable[..., Any]) -> None:
        merchant = with_products(make_merchant)
        [order_id] = merchant.sells()
        merchant.sync()
        merchant.connector.dismiss(*NAMES, order_id, reason="no")
        assert merchant.connector.sync_order(*NAMES, order_id).order.reason == "dismissed"

    def test_the_regular_window_stays_where_it_is(self, merchant: Any) -> None:
        first, second = merchant.sells(2)
        merchant.connector.sync_order(*NAMES, second)
        assert merchant.connector.store.get_value("main", "complete_until") is None
        merchant.sync()
        assert sorted(merchant.in_shop()) == sorted([first, second])

    def test_one_that_lengow_has_not(self, merchant: Any) -> None:
        with pytest.raises(OrderUnknown, match="Lengow has no order"):
            merchant.connector.sync_order(*NAMES, "M-1")

    def test_its_queued_confirmation_is_sent(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        merchant.sync()
        merchant.connector.ship(*NAMES, order_id, carrier="DPD", tracking_number="T1")
        merchant.connector.sync_order(*NAMES, order_id)
        assert [told.order_id for told in merchant.sandbox.ledger().told] == [order_id]


def leave_in_doubt(merchant: Any, order_id: str) -> None:
    """As if the process had died before the outcome was written."""
    [row] = merchant.order(order_id).packages
    with merchant.connector.store.transaction() as tx:
        tx.set_package_states([msgspec.structs.replace(row, state=OrderState.CREATING, shop_order_id="")])
