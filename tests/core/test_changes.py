"""Two readings of an order are compared: equal ones give no change, and every difference is explained or known for harmless."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lengow.connector.adapter import (
    AmendAmounts,
    AmendedLine,
    Cancel,
    CancelLines,
    CorrectAddress,
    MarkShipped,
    Refund,
)
from lengow.connector.changes import Found, Own, changes_between, in_words, merged, overtakes, own_effects
from lengow.connector.model import (
    ActionState,
    Address,
    ChangeKind,
    ChangeState,
    Line,
    Order,
    OrderState,
    Package,
    Tracking,
)
from lengow.connector.store.rows import ActionRow, PackageRow

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOME = Address(first_name="Zoé", last_name="Martin", first_line="3 rue", zipcode="69001", city="Lyon", country="FR")
NOTHING = Own()
SETE = msgspec.structs.replace(HOME, city="Sète")


def line(line_id: str, status: str = "waiting_shipment", **facts: Any) -> Line:
    amount = facts.pop("amount", Decimal("10.00"))
    return Line(line_id, f"sku-{line_id}", "An article", facts.pop("quantity", 1), amount, None, status, **facts)


def order(*lines: Line, status: str = "", **facts: Any) -> Order:
    lines = lines or (line("1"), line("2"))
    package = Package(lines, facts.pop("delivery", HOME), **facts.pop("package", {}))
    shown: dict[str, Any] = {
        "status": status or lines[0].status,
        "billing": HOME,
        "shipping": Decimal("4.90"),
        "processing_fee": Decimal(0),
        "anonymized": False,
        "types": (),
        **facts,
    }
    return Order(
        marketplace="manomano_fr",
        marketplace_order_id="M1",
        marketplace_status="X",
        ordered_at=NOW,
        imported_at=NOW,
        updated_at=NOW,
        currency="EUR",
        total=Decimal(0),
        total_tax=None,
        commission=None,
        packages=(package,),
        customer_id="",
        comment="",
        merchant_order_ids=(),
        catalogues=(),
        **shown,
    )


def package(*line_ids: str, carries_shipping: bool = True) -> PackageRow:
    ids = line_ids or ("1", "2")
    return PackageRow(1, 1, 1, "b2c", "REF", ids, OrderState.CREATED, "", "", "77", carries_shipping, NOW)


def found(before: Order | None, after: Order, own: Own = NOTHING, booked: str = "0", **facts: Any) -> list[Found]:
    return changes_between(before, after, facts.get("package", package()), own, Decimal(booked))


def action(kind: str, asked_by: str = "shop b2c", state: ActionState = ActionState.SENT, **arguments: str) -> ActionRow:
    return ActionRow(1, 1, None, "main", "m", "M1", kind, arguments, "", state, 9, "", NOW, NOW, NOW, asked_by)


class TestCancelled:
    @pytest.mark.parametrize("status", ["canceled", "refused"])
    @pytest.mark.parametrize("lines", ["waiting_shipment", "canceled", ""])
    def test_by_the_orders_status_or_the_lines(self, status: str, lines: str) -> None:
        after = order(line("1", lines), line("2", lines), status=status)
        [one] = found(order(), after)
        assert (one.kind, type(one.change), one.verdict) == (ChangeKind.CANCELLED, Cancel, None)

    def test_some_lines(self) -> None:
        [one] = found(order(), order(line("1"), line("2", "canceled"), status="waiting_shipment"))
        assert one.change == CancelLines(("2",), Decimal("10.00"), "cancelled at the marketplace")

    def test_of_another_package_are_not_this_ones(self) -> None:
        assert found(order(), order(line("1"), line("2", "canceled")), package=package("1")) == []

    def test_what_the_shop_cancelled_is_no_news(self) -> None:
        own = own_effects([action("cancel")], order())
        assert found(order(), order(status="canceled"), own) == []

    def test_the_rest_of_a_line_that_the_shop_cancelled_in_part_is(self) -> None:
        before = order(line("1", quantity=3))
        part = msgspec.structs.replace(action("cancel", line="1", cancel_quantity="1"), quantity=1)
        own = own_effects([part], before)
        [one] = found(before, order(line("1", "canceled", quantity=3)), own, package=package("1"))
        assert one.change == Cancel("cancelled at the marketplace")

    def test_what_a_person_cancelled_at_the_marketplace_through_us_is(self) -> None:
        own = own_effects([action("cancel", asked_by="anna")], order())
        assert [one.kind for one in found(order(), order(status="canceled"), own)] == [ChangeKind.CANCELLED]

    def test_lines_that_are_gone_without_a_word_are_put_to_a_person(self) -> None:
        [one] = found(order(), order(line("1")))
        assert (one.kind, one.verdict, one.reason) == (ChangeKind.LINES, ChangeState.WAITING, "lines_vanished")

    def test_taken_back_it_is_a_persons(self) -> None:
        before = order(line("1"), line("2", "canceled"))
        [one] = found(before, order())
        assert (one.change, one.verdict, one.reason) == (None, ChangeState.WAITING, "reopened")


class TestRefunded:
    def test_whole_lines_are_named(self) -> None:
        before = order(line("1", "shipped"), line("2", "shipped"))
        [one] = found(before, order(line("1", "shipped"), line("2", "refunded"), status="shipped"))
        assert isinstance(one.change, Refund)
        assert (one.change.amount, one.change.line_ids) == (Decimal("10.00"), ("2",))

    def test_a_part_is_money_only(self) -> None:
        before = order(line("1", "shipped"), line("2", "shipped"))
        [one] = found(before, order(line("1", "shipped", refunded=Decimal(3)), line("2", "shipped")))
        assert isinstance(one.change, Refund)
        assert (one.change.amount, one.change.line_ids) == (Decimal(3), ())

    def test_both_at_once_are_two(self) -> None:
        before = order(line("1", "shipped"), line("2", "shipped"))
        ones = found(before, order(line("1", "shipped", refunded=Decimal(3)), line("2", "refunded"), status="shipped"))
        refunds = [one.change for one in ones if isinstance(one.change, Refund)]
        assert [(one.amount, one.line_ids) for one in refunds] == [(Decimal(10), ("2",)), (Decimal(3), ())]
        assert len({one.id for one in refunds}) == 2

    def test_the_same_has_the_same_id_and_more_has_another(self) -> None:
        before = order(line("1", "shipped"), line("2", "shipped"))
        some = order(line("1", "shipped", refunded=Decimal(3)), line("2", "shipped"))
        more = order(line("1", "shipped", refunded=Decimal(5)), line("2", "shipped"))
        ids = [one.change.id for b, a in ((before, some), (before, some), (some, more)) for one in found(b, a)]  # type: ignore[union-attr]
        assert ids[0] == ids[1] != ids[2]
        [one] = found(some, more, booked="3")
        assert isinstance(one.change, Refund)
        assert one.change.amount == Decimal(2)

    def test_what_the_shop_gave_back_is_no_news_and_what_is_beyond_it_is(self) -> None:
        before = order(line("1", "shipped"), line("2", "shipped"))
        own = own_effects([action("refund", line="1")], before)
        one_back = order(line("1", "refunded"), line("2", "shipped"), status="shipped")
        assert found(before, one_back, own) == []
        [one] = found(one_back, order(line("1", "refunded"), line("2", "refunded"), status="refunded"), own)
        assert isinstance(one.change, Refund)
        assert one.change.amount == Decimal(10)

    def test_of_pieces_the_shop_gave_back_so_many(self) -> None:
        before = order(line("1", "shipped", quantity=4), line("2", "shipped"))
        own = own_effects([action("refund", line="1", refund_quantity="1")], before)
        assert own.refunded == {"1": Decimal("2.50")}

    @pytest.mark.parametrize(
        ("currency", "amount", "pieces", "shown"),
        [
            ("EUR", "10.00", 3, "10.00"),
            ("EUR", "10.00", 1, "3.34"),
            ("EUR", "10.00", 2, "6.66"),
            ("JPY", "100", 1, "34"),
        ],
    )
    def test_of_pieces_that_share_no_cent_nothing_is_left_over(
        self, currency: str, amount: str, pieces: int, shown: str
    ) -> None:
        def of(status: str, **facts: Any) -> Order:
            sold = line("1", status, quantity=3, amount=Decimal(amount), **facts)
            return msgspec.structs.replace(order(sold), currency=currency)

        before, after = of("shipped"), of("shipped", refunded=Decimal(shown))
        own = own_effects([action("refund", line="1", refund_quantity="1")] * pieces, before)
        assert found(before, after, own) == []
        more = of("shipped", refunded=Decimal(amount))
        if pieces == 1:
            [one] = found(after, more, own)
            assert isinstance(one.change, Refund)
            assert one.change.amount == {"EUR": Decimal("6.66"), "JPY": Decimal(66)}[currency]

    @pytest.mark.parametrize("price", ["4.00", "4,00"])
    def test_of_a_price_the_shop_gave_back_so_much(self, price: str) -> None:
        before = order(line("1", "shipped"), line("2", "shipped"))
        own = own_effects([action("refund", line="1", refund_price=price)], before)
        told = order(line("1", "shipped", refunded=Decimal(4)), line("2", "shipped"))
        assert found(before, told, own) == []
        [one] = found(told, order(line("1", "shipped", refunded=Decimal(9)), line("2", "shipped")), own)
        assert isinstance(one.change, Refund)
        assert one.change.amount == Decimal(5)

    @pytest.mark.parametrize("state", [ActionState.REFUSED, ActionState.FAILED])
    def test_what_was_refused_has_no_effect(self, state: ActionState) -> None:
        assert own_effects([action("refund", state=state), action("ship", state=state)], order()) == Own()

    def test_before_shipment_all_of_it_is_a_cancellation(self) -> None:
        [one] = found(order(), order(line("1", "refunded"), line("2", "refunded")))
        assert (one.kind, type(one.change)) == (ChangeKind.CANCELLED, Cancel)

    def test_an_unknown_amount_is_a_persons(self) -> None:
        before = order(line("1", "shipped"), line("2", "shipped"))
        [one] = found(before, order(line("1", "shipped"), line("2", "shipped"), status="partial_refunded"))
        assert (one.change, one.reason) == (None, "refund_amount_unknown")

    def test_before_the_shop_has_it_only_refunds_count(self) -> None:
        after = order(line("1", "shipped", refunded=Decimal(3)), line("2", "canceled"), status="shipped")
        assert [type(one.change) for one in found(None, after)] == [Refund]
        assert found(None, after, booked="3") == []


class TestShipped:
    def test_with_the_tracking_that_lengow_gives(self) -> None:
        facts = {"carrier": "DPD", "tracking_number": "X1", "tracking_url": "https://track.example"}
        [one] = found(order(), order(line("1", "shipped"), line("2", "shipped"), package=facts))
        assert one.change == MarkShipped(Tracking(carrier_name="DPD", number="X1", url="https://track.example"))

    def test_once_all_of_it_has_left(self) -> None:
        assert found(order(), order(line("1"), line("2", "shipped"))) == []

    def test_what_we_told_is_no_news(self) -> None:
        own = own_effects([action("ship")], order())
        assert found(order(), order(line("1", "shipped"), line("2", "shipped")), own) == []

    def test_what_the_marketplace_delivers_was_shipped_all_along(self) -> None:
        facts = {"types": ("is_delivered_by_marketplace",)}
        assert found(order(**facts), order(line("1", "shipped"), line("2", "shipped"), **facts)) == []


class TestAddresses:
    def test_each_for_itself(self) -> None:
        assert [one.change for one in found(order(), order(delivery=SETE))] == [CorrectAddress(delivery=SETE)]
        assert [one.change for one in found(order(), order(billing=SETE))] == [CorrectAddress(billing=SETE)]

    def test_after_the_parcel_left_it_is_ignored(self) -> None:
        shipped = line("1", "shipped"), line("2", "shipped")
        [one] = found(order(*shipped), order(*shipped, delivery=SETE))
        assert (one.verdict, one.reason) == (ChangeState.IGNORED, "already_shipped")

    @pytest.mark.parametrize("address", [None, Address(), Address(country="FR"), Address(last_name="x", city="Lyon")])
    def test_one_that_is_hidden_is_no_correction(self, address: Address | None) -> None:
        [one] = found(order(), order(delivery=address))
        assert (one.change, one.verdict, one.reason) == (None, ChangeState.IGNORED, "address_erased")
        assert found(order(), order(delivery=address, billing=address, anonymized=True)) == []

    def test_another_relay_point_is_a_persons(self) -> None:
        [one] = found(order(), order(delivery=SETE, package={"relay_id": "123"}))
        assert (one.change, one.reason, one.about) == (CorrectAddress(delivery=SETE), "relay_changed", "relay 123")


class TestAmounts:
    def test_of_a_line_and_of_the_order(self) -> None:
        after = order(line("1", quantity=2, amount=Decimal(20)), line("2"), shipping=Decimal("5.90"))
        [one] = found(order(), after)
        assert one.change == AmendAmounts((AmendedLine("1", 2, Decimal(20)),), Decimal("5.90"))

    def test_what_is_no_amount_of_the_shop_order_is_a_persons_and_never_brought(self) -> None:
        for facts, reason in (
            ({"shipping": Decimal(-1)}, "negative_amount"),
            ({"total": Decimal(-1), "shipping": Decimal(7)}, "no_exchange_rate"),
            ({"currency": "GBP", "shipping": Decimal("4.20")}, "currency_changed"),
        ):
            [one] = found(order(), msgspec.structs.replace(order(), **facts))
            assert (one.change, one.verdict, one.reason) == (None, ChangeState.WAITING, reason)
            assert not overtakes(one, ChangeKind.AMOUNTS, AmendAmounts((), Decimal(5))), "what is to be brought stays"

    def test_shipping_belongs_to_the_package_that_carries_it(self) -> None:
        rest = package(carries_shipping=False)
        assert found(order(), order(shipping=Decimal("5.90"), processing_fee=Decimal(1)), package=rest) == []


class TestOvertaking:
    def test_a_cancellation_overtakes_all_but_refunds_and_shipments(self) -> None:
        cancel = Found(ChangeKind.CANCELLED, Cancel())
        kept = {kind for kind in ChangeKind if not overtakes(cancel, kind, None)}
        assert kept == {ChangeKind.REFUNDED, ChangeKind.SHIPPED}
        refund = Found(ChangeKind.REFUNDED, Refund("r", Decimal(1)))
        assert {kind for kind in ChangeKind if overtakes(refund, kind, Cancel())} == set()

    def test_a_newer_one_says_what_the_older_said_beside_it(self) -> None:
        newer = Found(ChangeKind.ADDRESS, CorrectAddress(billing=SETE))
        assert merged(newer, CorrectAddress(billing=HOME, delivery=HOME)).change == CorrectAddress(SETE, HOME)
        amounts = Found(ChangeKind.AMOUNTS, AmendAmounts((AmendedLine("1", 2, Decimal(2)),)))
        older = AmendAmounts((AmendedLine("1", 3, Decimal(3)), AmendedLine("2", 1, Decimal(1))), Decimal(5))
        both = merged(amounts, older).change
        assert both == AmendAmounts((AmendedLine("1", 2, Decimal(2)), AmendedLine("2", 1, Decimal(1))), Decimal(5))


STATUSES = ["waiting_shipment", "shipped", "closed", "canceled", "refused", "refunded", ""]
LINES = st.builds(
    lambda line_id, status, quantity, amount, refunded: line(
        line_id, status, quantity=quantity, amount=Decimal(amount), refunded=Decimal(min(refunded, amount))
    ),
    st.sampled_from(["1", "2", "3"]),
    st.sampled_from(STATUSES),
    st.integers(1, 3),
    st.integers(1, 30),
    st.sampled_from([0, 0, 1, 30]),
)
ORDERS = st.builds(
    lambda lines, status, delivery, billing, shipping, number, relay, anonymized: order(
        *lines,
        status=status,
        delivery=delivery,
        billing=billing,
        shipping=Decimal(shipping),
        package={"tracking_number": number, "relay_id": relay},
        anonymized=anonymized,
    ),
    st.lists(LINES, min_size=1, max_size=3, unique_by=lambda one: one.id),
    st.sampled_from(["waiting_shipment", "shipped", "closed", "canceled", "partial_refunded", "refunded"]),
    st.sampled_from([HOME, SETE, Address(country="FR"), None]),
    st.sampled_from([HOME, SETE, None]),
    st.sampled_from([0, 5]),
    st.sampled_from(["", "X1"]),
    st.sampled_from(["", "relay-1"]),
    st.booleans(),
)
OWN = st.builds(
    lambda kinds, state: [action(kind, state=state) for kind in kinds],
    st.lists(st.sampled_from(["ship", "cancel", "refund"]), max_size=2),
    st.sampled_from([ActionState.SENT, ActionState.REFUSED]),
)
ROW = package("1", "2", "3")


@given(ORDERS, OWN)
def test_equal_readings_give_no_change(one: Order, actions: list[ActionRow]) -> None:
    own = own_effects(actions, one)
    assert changes_between(one, one, ROW, own, Decimal(0)) == []


@given(ORDERS, ORDERS, OWN)
def test_every_change_is_explained(before: Order, after: Order, actions: list[ActionRow]) -> None:
    """Each change says something that differs, and what the order comes to by refunds never exceeds what was given back."""
    own = own_effects(actions, after)
    changes = changes_between(before, after, ROW, own, Decimal(0))
    was, now = ({one.id: one for one in reading.lines} for reading in (before, after))
    refunded = Decimal(0)
    for one in changes:
        assert in_words(one.kind, one.change)
        assert one.reason or one.change is not None
        assert one.reason or one.verdict is None
        if isinstance(one.change, CancelLines):
            gone = [line_id for line_id in one.change.line_ids if line_id not in now or not now[line_id].open]
            assert gone == list(one.change.line_ids)
            assert one.change.amount == sum(was[line_id].amount for line_id in gone)
        elif isinstance(one.change, Cancel):
            live = [x for x in now.values() if x.open and x.status != "refunded" and x.id in was and was[x.id].open]
            assert not live or after.status in ("canceled", "refused", "refunded")
        elif isinstance(one.change, MarkShipped):
            assert not set(was) <= own.shipped
            assert before.status not in ("shipped", "closed")
        elif isinstance(one.change, Refund):
            refunded += one.change.amount
        elif isinstance(one.change, CorrectAddress):
            assert one.change.billing in (None, after.billing)
            assert one.change.delivery in (None, after.packages[0].delivery)
            assert (before.billing, before.packages[0].delivery) != (after.billing, after.packages[0].delivery)
        elif isinstance(one.change, AmendAmounts):
            for amended in one.change.lines:
                assert (was[amended.line_id].amount, was[amended.line_id].quantity) != (
                    amended.amount,
                    amended.quantity,
                )
    given_back = sum(
        (max(x.refunded, x.amount) for x in now.values() if x.refunded or "refunded" in (x.status, after.status)),
        Decimal(0),
    )
    assert refunded <= given_back
    assert len({msgspec.json.encode(one) for one in changes}) == len(changes)


@given(ORDERS, ORDERS)
def test_every_difference_that_matters_is_a_change(before: Order, after: Order) -> None:
    changes = changes_between(before, after, ROW, Own(), Decimal(0))
    was, now = ({one.id: one for one in reading.lines} for reading in (before, after))
    closed = {"canceled", "refused"}

    def sold(lines: dict[str, Line], reading: Order) -> set[str]:
        return {one for one, line in lines.items() if line.open and reading.status not in closed}

    if sold(was, before) - sold(now, after):
        assert {ChangeKind.CANCELLED, ChangeKind.LINES} & {one.kind for one in changes}
    left = sold(was, before) & sold(now, after)
    cancelled = any(isinstance(one.change, Cancel) for one in changes)
    if left and not cancelled and not after.anonymized and before.billing != after.billing:
        assert ChangeKind.ADDRESS in {one.kind for one in changes}
    if not cancelled and any(was[one].amount != now[one].amount for one in left):
        assert ChangeKind.AMOUNTS in {one.kind for one in changes}
