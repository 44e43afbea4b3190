"""Orders that are rare: huge, free of charge, in parts, of the same number, in two accounts."""

import copy
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from told import ORDERS, Told

from lengow.adapters.generic import GenericAdapter
from lengow.connector import Connector
from lengow.connector.errors import ShopUnavailable
from lengow.sandbox.faults import Fault


def of_lines(told: Told, count: int, **fields: Any) -> None:
    """The order has so many lines from now on."""
    [package, *_] = told.record["packages"]
    [line, *_] = package["cart"]
    package["cart"] = [
        {**copy.deepcopy(line), "id": number, "marketplace_order_line_id": f"L{number}", "amount": "1.00", **fields}
        for number in range(1, count + 1)
    ]
    told.record |= {"packages": [package], "total_order": str(count), "shipping": "0.00", "processing_fee": None}
    told.lines = [f"L{number}" for number in range(1, count + 1)]


@pytest.fixture
def waiting(merchant: Any) -> Told:
    """One that is not in the shop yet."""
    return Told(merchant, raw={"lengow_status": "waiting_acceptance"})


class TestAThousandLines:
    def test_come_in_are_cancelled_in_part_and_confirmed(self, waiting: Told) -> None:
        of_lines(waiting, 1000)
        waiting.says("waiting_shipment")
        assert len(waiting.in_shop[1]) == 1000
        assert waiting.merchant.rows("SELECT total FROM shop_orders") == [("1000.00",)]
        waiting.cancels(*waiting.lines[:400])
        assert waiting.told == [("lines", "applied", "")]
        assert waiting.in_shop[1] == waiting.lines[400:]
        connector = waiting.merchant.connector
        queued = connector.ship("main", "manomano_fr", waiting.order_id, carrier="DPD", tracking_number="6A1")
        assert len(queued) == 1
        waiting.says("shipped", {line: {"lengow_status": "canceled"} for line in waiting.lines[:400]})
        waiting.says(lines={line: {"refunded_amount": "1.00"} for line in waiting.lines[400:700]})
        [*_, refund] = waiting.changes
        assert refund.body.amount == Decimal(300)
        assert len(refund.body.line_ids) == 300

    def test_are_confirmed_line_by_line(self, waiting: Told) -> None:
        of_lines(waiting, 300)
        waiting.says("waiting_shipment")
        queued = waiting.merchant.connector.ship(
            "main", "manomano_fr", waiting.order_id, carrier="DPD", tracking_number="6A1", line_ids=waiting.lines[:299]
        )
        assert len(queued) == 299


class TestMoney:
    def test_a_free_line_and_a_free_order(self, waiting: Told) -> None:
        of_lines(waiting, 2, amount="0.00", tax="0.00")
        waiting.record["total_order"] = 0
        waiting.says("waiting_shipment")
        assert waiting.state == ("created", "")
        assert [Decimal(amount) for (amount,) in waiting.merchant.rows("SELECT amount FROM shop_order_lines")] == [0, 0]
        waiting.cancels("L1")
        waiting.says("refunded")
        assert waiting.told == [("lines", "applied", ""), ("cancelled", "applied", "")]

    @pytest.mark.parametrize(("currency", "amount"), [("JPY", "1200"), ("KWD", "1.234"), ("PLN", "99.99")])
    def test_other_currencies_to_their_last_digit(self, waiting: Told, currency: str, amount: str) -> None:
        of_lines(waiting, 1, amount=amount)
        waiting.record |= {"currency": {"iso_a3": currency}, "total_order": amount}
        waiting.says("waiting_shipment")
        [(code, total)] = waiting.merchant.rows("SELECT currency, total FROM shop_orders")
        assert (code, Decimal(total)) == (currency, Decimal(amount))


class TestParts:
    def test_no_billing_address_is_the_delivery_address(self, waiting: Told) -> None:
        waiting.says("waiting_shipment", billing_address=None)
        [(billing, delivery)] = waiting.merchant.rows("SELECT billing_city, delivery_city FROM shop_orders")
        assert billing == delivery != ""

    def test_neither_is_a_failed_order(self, waiting: Told) -> None:
        waiting.record["packages"][0]["delivery"] = None
        waiting.says("waiting_shipment", billing_address=None)
        assert waiting.state == ("failed", "no_delivery_country")

    def test_a_package_without_lines_holds_up_no_other(self, waiting: Told) -> None:
        empty = {**copy.deepcopy(waiting.record["packages"][0]), "cart": []}
        waiting.record["packages"].append(empty)
        waiting.says("waiting_shipment")
        assert waiting.state == ("created", "")
        assert [(str(row.state), row.reason) for row in waiting.merchant.order(waiting.order_id).packages] == [
            ("created", ""),
            ("skipped", "no_lines"),
        ]
        waiting.says(comments="once more")
        assert len(waiting.merchant.order(waiting.order_id).packages) == 2

    def test_lines_that_come_later_are_a_shop_order_of_their_own(self, waiting: Told) -> None:
        waiting.says("waiting_shipment")
        more = copy.deepcopy(waiting.record["packages"][0]["cart"][0])
        more["marketplace_order_line_id"] = "LATER"
        waiting.record["packages"][0]["cart"].append(more)
        waiting.says()
        lines = waiting.merchant.rows("SELECT shop_order_id FROM shop_order_lines WHERE line_id = 'LATER'")
        assert len(waiting.merchant.in_shop()) == 2
        assert len(lines) == 1


def test_one_number_on_two_marketplaces_is_two_orders(merchant: Any) -> None:
    told = Told(merchant, "standard")
    other = {**copy.deepcopy(told.record), "marketplace": "manomano_es"}
    body = json.dumps({"count": 2, "next": None, "previous": None, "results": [told.record, other]})
    merchant.sandbox.fault(Fault("status", path=ORDERS, exact=True, status=200, body=body, times=None))
    merchant.sandbox.advance(minutes=15)
    merchant.sync()
    assert merchant.in_shop() == [told.order_id] * 2
    assert len({reference for (reference,) in merchant.rows("SELECT reference FROM shop_orders")}) == 2


class TestTwoAccounts:
    """An order that moves to another account at Lengow comes there without our ids: it must not be made twice."""

    @pytest.fixture
    def moved(self, make_merchant: Callable[..., Any]) -> tuple[Any, str]:
        """A connector of two accounts, the order in the first's shop; Lengow gives it to the second too by now."""
        merchant, second = make_merchant(), make_merchant(name="second")
        merchant.connector.close()
        one, other = merchant.settings(), second.settings()
        both = msgspec.structs.replace(
            one, accounts={**one.accounts, **other.accounts}, shops={**one.shops, "other": other.shops["b2c"]}
        )
        merchant.connector = Connector(both, clock=merchant.sandbox.now)
        [order_id] = merchant.sells()
        merchant.connector.sync()
        assert merchant.in_shop() == [order_id]
        record = {**json.loads(merchant.record(order_id).raw), "merchant_order_id": None}
        body = json.dumps({"count": 1, "next": None, "previous": None, "results": [record]})
        merchant.sandbox.fault(Fault("status", path=ORDERS, exact=True, status=200, body=body, times=None))
        merchant.sandbox.advance(minutes=15)
        merchant.connector.sync("second")
        merchant.second = second
        return merchant, order_id

    def test_it_is_left_out_and_said(self, moved: tuple[Any, str]) -> None:
        merchant, order_id = moved
        order = merchant.connector.order("second", "manomano_fr", order_id).order
        assert (str(order.state), order.reason, order.about) == (
            "skipped",
            "already_imported_elsewhere",
            "account main",
        )
        assert merchant.second.in_shop() == []
        merchant.sandbox.advance(minutes=15)
        merchant.connector.sync("second")
        assert merchant.second.in_shop() == []

    def test_a_person_may_have_it_made_all_the_same(self, moved: tuple[Any, str]) -> None:
        merchant, order_id = moved
        merchant.connector.retry("second", "manomano_fr", order_id)
        merchant.connector.work("second")
        assert merchant.second.in_shop() == [order_id]

    def test_one_that_the_first_has_yet_to_make_is_made_once(
        self, make_merchant: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Such as while the shop was down when it moved."""
        merchant, second = make_merchant(), make_merchant(name="second")
        merchant.connector.close()
        one, other = merchant.settings(), second.settings()
        both = msgspec.structs.replace(
            one, accounts={**one.accounts, **other.accounts}, shops={**one.shops, "other": other.shops["b2c"]}
        )
        merchant.connector = Connector(both, clock=merchant.sandbox.now)
        [order_id] = merchant.sells()

        def down(*_: Any) -> Any:
            raise ShopUnavailable("down")

        real = GenericAdapter.create_orders
        monkeypatch.setattr(GenericAdapter, "create_orders", down)
        merchant.connector.sync()
        monkeypatch.setattr(GenericAdapter, "create_orders", real)
        record = json.loads(merchant.record(order_id).raw)
        body = json.dumps({"count": 1, "next": None, "previous": None, "results": [record]})
        merchant.sandbox.fault(Fault("status", path=ORDERS, exact=True, status=200, body=body, times=None))
        merchant.sandbox.advance(minutes=15)
        merchant.connector.sync("second")
        merchant.sandbox.advance(minutes=15)
        for account in ("second", "main"):
            merchant.connector.work(account)
        assert [*merchant.in_shop(), *second.in_shop()] == [order_id]

    @pytest.mark.parametrize("shop_was_down", [False, True])
    def test_an_account_that_is_named_anew_makes_none_of_its_orders_again(
        self, merchant: Any, monkeypatch: pytest.MonkeyPatch, shop_was_down: bool
    ) -> None:
        """Also where Lengow does not know our ids yet."""

        def down(*_: Any) -> Any:
            raise ShopUnavailable("down")

        merchant.sells(2)
        with monkeypatch.context() as patched:
            if shop_was_down:
                patched.setattr(GenericAdapter, "create_orders", down)
            merchant.connector.sync(report=False)
        merchant.connector.close()
        old = merchant.settings()
        new = msgspec.structs.replace(
            old,
            accounts={"renamed": old.accounts["main"]},
            shops={"b2c": msgspec.structs.replace(old.shops["b2c"], account="renamed")},
        )
        merchant.connector = Connector(new, clock=merchant.sandbox.now)
        for _ in range(2):
            merchant.connector.sync()
            merchant.sandbox.advance(minutes=15)
        assert len(merchant.in_shop()) == 2

    def test_another_order_of_the_same_number_comes_in(self, make_merchant: Callable[..., Any]) -> None:
        merchant, second = make_merchant(), make_merchant(name="second")
        told = Told(merchant, "standard")
        record = {**told.record, "merchant_order_id": None, "marketplace_order_date": "2026-01-01T00:00:00Z"}
        body = json.dumps({"count": 1, "next": None, "previous": None, "results": [record]})
        merchant.sandbox.fault(Fault("status", path=ORDERS, exact=True, status=200, body=body, times=None))
        one, other = merchant.settings(), second.settings()
        both = msgspec.structs.replace(
            one, accounts={**one.accounts, **other.accounts}, shops={**one.shops, "other": other.shops["b2c"]}
        )
        with Connector(both, clock=merchant.sandbox.now) as connector:
            connector.sync("second")
        assert second.in_shop() == [told.order_id]
