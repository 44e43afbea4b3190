"""What Lengow tells of an order in an unusual sequence: taken back, back and forth, money without goods.

Nothing stale is brought to a shop, nothing twice, and what cannot be known is put to a person.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from told import Told

from lengow.adapters.generic import GenericAdapter
from lengow.connector.errors import ActionInvalid, ChangeSettled, ShopUnavailable
from lengow.connector.settings import Follow

ASK_ALL = Follow(cancelled="ask", lines="ask", refunded="ask", shipped="ask")
APPLY_ALL = Follow(refunded="apply", amounts="apply")


@pytest.fixture
def asking(make_merchant: Callable[..., Any]) -> Told:
    return Told(make_merchant(follow=ASK_ALL))


@pytest.fixture
def applying(make_merchant: Callable[..., Any]) -> Told:
    return Told(make_merchant(follow=APPLY_ALL))


class TestACancellationThatWaits:
    def test_gives_way_to_the_lines_that_stay_cancelled(self, asking: Told) -> None:
        first, *others = asking.lines
        asking.says("canceled")
        asking.says("waiting_shipment", {first: {"lengow_status": "canceled"}})
        assert asking.told == [("cancelled", "overtaken", "overtaken"), ("lines", "waiting", "asked_by_settings")]
        assert asking.changes[-1].body.line_ids == (first,)
        asking.merchant.connector.apply_change(asking.changes[-1].id)
        asking.merchant.connector.work(asking.merchant.name)
        assert asking.in_shop == ("to_ship", others)

    def test_is_dropped_when_all_of_it_is_taken_back(self, asking: Told) -> None:
        asking.says("canceled")
        asking.says("waiting_shipment")
        assert asking.told == [("cancelled", "overtaken", "overtaken")]
        assert asking.merchant.connector.changes() == []

    def test_one_that_was_ignored_is_not_brought_afterwards(self, make_merchant: Callable[..., Any]) -> None:
        told = Told(make_merchant(follow=Follow(cancelled="ignore")))
        told.says("canceled")
        told.says("waiting_shipment")
        [ignored, *_] = told.changes
        with pytest.raises(ChangeSettled, match="taken back"):
            told.merchant.connector.apply_change(ignored.id)

    def test_of_some_lines_likewise(self, asking: Told) -> None:
        first, second, *_ = asking.lines
        asking.cancels(first, second)
        asking.says(lines={first: {"lengow_status": "waiting_shipment"}})
        assert asking.told == [("lines", "overtaken", "overtaken"), ("lines", "waiting", "asked_by_settings")]
        assert asking.changes[-1].body.line_ids == (second,)

    def test_what_may_be_in_the_shop_is_put_to_a_person(
        self, make_merchant: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def down(*_: Any) -> Any:
            raise ShopUnavailable("down")

        told = Told(make_merchant())
        real = GenericAdapter.update_order
        monkeypatch.setattr(GenericAdapter, "update_order", down)
        told.says("canceled")
        told.says("waiting_shipment")
        assert told.told == [("cancelled", "overtaken", "overtaken"), ("cancelled", "waiting", "reopened")]
        monkeypatch.setattr(GenericAdapter, "update_order", real)
        told.merchant.sandbox.advance(hours=3)
        told.merchant.connector.work(told.merchant.name)
        assert told.in_shop[0] == "to_ship", "the stale one is brought by nobody"

    def test_what_is_given_back_when_it_is_taken_back_is_told(
        self, make_merchant: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def down(*_: Any) -> Any:
            raise ShopUnavailable("down")

        told = Told(make_merchant(follow=APPLY_ALL))
        real = GenericAdapter.update_order
        monkeypatch.setattr(GenericAdapter, "update_order", down)
        told.says("canceled")
        told.says("shipped", {told.lines[0]: {"refunded_amount": "2.00"}})
        monkeypatch.setattr(GenericAdapter, "update_order", real)
        told.merchant.sandbox.advance(hours=3)
        told.merchant.connector.work(told.merchant.name)
        assert told.refunds == [Decimal("2.00")]

    def test_a_later_one_of_the_whole_goes_in_place_of_both(self, asking: Told) -> None:
        first, *_ = asking.lines
        asking.cancels(first)
        asking.says("canceled")
        assert asking.told == [("lines", "overtaken", "overtaken"), ("cancelled", "waiting", "asked_by_settings")]


class TestARefundThatWaits:
    def test_of_a_line_that_is_cancelled_since_comes_to_nothing(self, asking: Told) -> None:
        first, *_ = asking.lines
        asking.says(lines={first: {"refunded_amount": str(asking.amount(first))}})
        asking.cancels(first)
        assert asking.told == [("refunded", "overtaken", "overtaken"), ("lines", "waiting", "asked_by_settings")]

    def test_one_that_is_booked_is_said_beside_the_cancellation(self, applying: Told) -> None:
        first, *_ = applying.lines
        applying.says(lines={first: {"refunded_amount": str(applying.amount(first))}})
        applying.cancels(first)
        assert applying.told == [("refunded", "applied", ""), ("lines", "waiting", "refunded_before")]

    def test_a_later_refund_of_another_line_is_told_all_the_same(self, applying: Told) -> None:
        first, second, *_ = applying.lines
        applying.says("shipped")
        applying.says(lines={first: {"refunded_amount": str(applying.amount(first))}})
        applying.cancels(first)
        applying.says(lines={second: {"refunded_amount": "1.00"}})
        assert applying.told[-1] == ("refunded", "applied", "")
        assert applying.refunds == [applying.amount(first), Decimal("1.00")]

    def test_also_where_the_cancelled_line_was_given_back_beside_others(self, applying: Told) -> None:
        first, second, third, *_ = applying.lines
        applying.says("shipped")
        applying.says(lines={line: {"refunded_amount": str(applying.amount(line))} for line in (first, second)})
        applying.cancels(first)
        applying.says(lines={third: {"refunded_amount": str(applying.amount(third))}})
        assert applying.refunds == [applying.amount(first) + applying.amount(second), applying.amount(third)]

    def test_one_of_a_line_that_stays_cancelled_is_none_where_another_was_opened_again(self, applying: Told) -> None:
        """The shop has cancelled both, and was paid for neither."""
        first, second, *_ = applying.lines
        applying.cancels(first, second)
        applying.says(lines={first: {"lengow_status": "waiting_shipment"}})
        assert applying.told[-1] == ("cancelled", "waiting", "reopened")
        applying.says(lines={second: {"lengow_status": "refunded"}})
        assert applying.refunds == []

    def test_one_of_the_line_that_was_opened_again_is_told(self, applying: Told) -> None:
        first, *_ = applying.lines
        applying.cancels(first)
        applying.says(lines={first: {"lengow_status": "shipped"}})
        connector = applying.merchant.connector
        connector.dismiss_change(applying.changes[-1].id, reason="opened again by hand")
        applying.says(lines={first: {"refunded_amount": "1.00"}})
        assert applying.refunds == [Decimal("1.00")]


class TestARefundOfAnOrderThatIsMadeAnew:
    """The order that was deleted in the shop is made from what Lengow says now."""

    @staticmethod
    def made_anew(told: Told) -> None:
        for table in ("shop_refunds", "shop_order_lines", "shop_orders"):
            told.merchant.run(f"DELETE FROM {table}")
        told.merchant.connector.reimport(told.merchant.name, "manomano_fr", told.order_id)
        told.merchant.connector.work(told.merchant.name)

    def test_is_not_booked_for_a_line_that_is_not_in_it(self, applying: Told) -> None:
        first, second, *_ = applying.lines
        applying.says(lines={first: {"refunded_amount": str(applying.amount(first))}})
        applying.says(lines={second: {"refunded_amount": "1.00"}})
        applying.cancels(first)
        self.made_anew(applying)
        assert applying.in_shop[1] == applying.lines[1:]
        assert applying.refunds == [Decimal("1.00")]

    def test_is_booked_for_the_line_that_is(self, applying: Told) -> None:
        first, second, *_ = applying.lines
        applying.says(lines={line: {"refunded_amount": str(applying.amount(line))} for line in (first, second)})
        assert applying.refunds == [applying.amount(first) + applying.amount(second)]
        applying.cancels(first)
        self.made_anew(applying)
        assert applying.in_shop[1] == applying.lines[1:]
        assert applying.refunds == [applying.amount(second)]


class TestMoneyOnly:
    def test_of_a_line_is_booked(self, applying: Told) -> None:
        first, *_ = applying.lines
        applying.says("shipped", {first: {"refunded_amount": "2.50"}})
        assert applying.refunds == [Decimal("2.50")]

    def test_that_shows_in_the_total_alone_waits_for_a_person_with_its_amount(self, applying: Told) -> None:
        applying.says("shipped")
        total = Decimal(str(applying.record["total_order"]))
        applying.says(total_order=str(total - 3))
        assert applying.told[1:] == [("refunded", "waiting", "total_lowered")]
        assert applying.changes[-1].about == f"total {total}, now {total - 3}"
        applying.merchant.connector.apply_change(applying.changes[-1].id)
        applying.merchant.connector.work(applying.merchant.name)
        assert applying.refunds == [Decimal(3)]
        applying.says(lines={applying.lines[0]: {"refunded_amount": "3.00"}})
        assert applying.refunds == [Decimal(3)], "told once more by its line, it is no other"

    def test_a_total_that_follows_what_was_told_is_no_news(self, applying: Told) -> None:
        first, *_ = applying.lines
        applying.says("shipped", {first: {"refunded_amount": "2.50"}})
        total = Decimal(str(applying.record["total_order"]))
        applying.says(total_order=str(total - Decimal("2.50")))
        assert applying.told == [("shipped", "applied", ""), ("refunded", "applied", "")]

    def test_a_total_that_follows_a_cancelled_line_is_no_news(self, applying: Told) -> None:
        first, *_ = applying.lines
        applying.cancels(first)
        total = Decimal(str(applying.record["total_order"]))
        applying.says(total_order=str(total - applying.amount(first)))
        assert applying.told == [("lines", "applied", "")]

    def test_without_any_amount_is_said_before_the_order_is_in_the_shop_too(self, make_merchant: Any) -> None:
        merchant = make_merchant()
        order_id = merchant.sells_raw({"lengow_status": "partial_refunded"})
        merchant.sync()
        merchant.sync()
        order = merchant.order(order_id).order
        assert merchant.state(order_id) == ("created", "")
        [change] = merchant.connector.store.changes_of([order.id])[order.id]
        assert (str(change.kind), str(change.state), change.reason) == ("refunded", "waiting", "refund_amount_unknown")

    def test_of_a_line_without_an_amount_is_said(self, applying: Told) -> None:
        first, *_ = applying.lines
        applying.says("shipped")
        applying.says(lines={first: {"lengow_status": "partial_refunded"}})
        assert applying.told[1:] == [("refunded", "waiting", "refund_amount_unknown")]
        assert first in applying.changes[-1].about

    def test_a_whole_refund_says_that_shipping_is_not_told(self, asking: Told) -> None:
        asking.says("shipped", shipping="4.90")
        asking.says("refunded")
        assert "shipping and fee" in asking.changes[-1].about


class TestBackAndForth:
    def test_the_money_of_what_was_cancelled_is_not_given_back_in_the_shop(self, applying: Told) -> None:
        applying.says("canceled")
        applying.says("refunding")
        applying.says("refunded")
        assert applying.told == [("cancelled", "applied", "")]
        assert applying.refunds == []

    def test_what_the_marketplace_counts_as_not_shipped_any_more_is_said(self, applying: Told) -> None:
        applying.says("shipped")
        applying.says("waiting_shipment")
        assert applying.told == [("shipped", "applied", ""), ("shipped", "waiting", "shipment_taken_back")]
        applying.says("shipped")
        assert applying.told[1] == ("shipped", "overtaken", "overtaken")

    def test_our_confirmation_can_be_told_once_more_then(self, make_merchant: Any) -> None:
        merchant = make_merchant()
        told = Told(merchant)
        merchant.connector.ship(
            merchant.name, "manomano_fr", told.order_id, carrier="COLISSIMO", tracking_number="6A1", who="shop b2c"
        )
        for _ in range(3):
            merchant.sandbox.advance(minutes=15)
            merchant.sync()
        [before] = merchant.connector.store.list_actions()
        with pytest.raises(ActionInvalid, match="nothing to try again"):
            merchant.connector.retry_action(before.id)
        told.says("shipped")
        told.says("waiting_shipment")
        assert told.told == [("shipped", "waiting", "shipment_taken_back")]
        [again] = merchant.connector.retry_action(before.id, who="anna")
        assert (again.state, again.arguments) == ("queued", before.arguments)
        first = merchant.connector.store.action(before.id)
        assert (first.state, first.handled) == ("refused", f"told anew with action {again.id}")

    def test_also_where_other_shipments_are_ignored(self, make_merchant: Any) -> None:
        told = Told(make_merchant(follow=Follow(shipped="ignore")))
        told.says("shipped")
        told.says("waiting_shipment")
        assert told.told[-1] == ("shipped", "waiting", "shipment_taken_back")

    def test_a_shipment_that_was_taken_back_before_the_shop_heard_of_it_is_dropped(self, asking: Told) -> None:
        asking.says("shipped")
        asking.says("waiting_shipment")
        assert asking.told == [("shipped", "overtaken", "overtaken")]

    def test_what_had_left_is_not_cancelled_by_itself(self, make_merchant: Any) -> None:
        told = Told(make_merchant(follow=Follow(shipped="ignore")))
        told.says("shipped")
        told.says("canceled")
        assert told.told[-1] == ("cancelled", "waiting", "cancelled_after_shipment")
        assert told.in_shop[0] == "to_ship"

    def test_an_amended_quantity_of_none_is_a_persons(self, applying: Told) -> None:
        applying.says(lines={applying.lines[0]: {"quantity": 0}})
        assert applying.told == [("amounts", "waiting", "invalid_quantity")]

    def test_an_address_of_another_package_is_not_brought_to_a_cancelled_one(self, make_merchant: Any) -> None:
        told = Told(make_merchant(), "multi_package")
        cart = told.record["packages"][1]["cart"]
        told.cancels(*(line["marketplace_order_line_id"] for line in cart))
        told.record["packages"][0]["delivery"]["city"] = "Sète"
        told.says()
        first = told.merchant.order(told.order_id).packages[0].id
        assert {row.package_id for row in told.changes if row.kind == "address"} == {first}
