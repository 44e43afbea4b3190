"""Credit notes over parts of an invoice: as much as was given back, and never more than was invoiced."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_documents import DATES, MIXED, NOW, drawn, invoice, line, official, order, package, selling
from test_issuing import REFUND, confirmed, document, invoices, settle, sold

from lengow.connector.currencies import unit_of
from lengow.connector.model import ActionState, Order
from lengow.connector.store.rows import ActionRow
from lengow.invoices import InvoiceHeld, Invoices, InvoiceState
from lengow.invoices.composing import compose
from lengow.invoices.crediting import credit, credited
from lengow.invoices.document import Document
from lengow.invoices.shipped import given_back
from lengow.invoices.vat import rounded

__all__ = ["official"]  # a fixture of the documents' tests
DAY = date(2026, 12, 1)


def refund(
    number: int, quantity: int | None = None, state: ActionState = ActionState.CONFIRMED, **given: str
) -> ActionRow:
    return ActionRow(
        number, 1, None, "main", "manomano_fr", "M1", "refund", given, str(number), state, None, "", NOW, NOW, NOW,
        quantity=quantity,
    )  # fmt: skip


def note(of: Document, *before: Document, **wanted: Any) -> Document:
    return credit(of, number=f"A{len(before) + 1}", issued_on=DAY, before=before, **wanted)


class TestTold:
    """What an action of ours gave back."""

    def test_a_price_below_the_line_is_that_much_and_no_piece(self) -> None:
        [back] = given_back(order(*MIXED), [refund(1, line="1", refund_price="12.50")])
        assert (back.line_id, back.pieces, back.amount, back.for_a_person) == ("1", None, Decimal("12.50"), "")

    def test_a_price_of_the_line_or_more_is_the_line(self) -> None:
        """PrestaShop's plugin of Lengow tells the order's total with each line (reference lengow.md)."""
        for price in ("179.80", "207.67"):
            [back] = given_back(order(*MIXED), [refund(1, line="1", refund_price=price)])
            assert (back.line_id, back.pieces, back.amount) == ("1", None, None)

    def test_prices_told_one_after_the_other_add_up(self) -> None:
        backs = given_back(order(*MIXED), [refund(n, line="1", refund_price=f"{n}0") for n in (1, 2)])
        assert [one.amount for one in backs] == [10, 30]

    def test_a_price_of_the_order_is_of_its_one_invoice(self) -> None:
        [back] = given_back(order(*MIXED), [refund(1, refund_price="5")])
        assert (back.line_id, back.amount, back.for_a_person) == ("", 5, "")
        [back] = given_back(order(*MIXED), [refund(1, refund_price=str(order(*MIXED).total))])
        assert (back.line_id, back.amount) == ("", None)

    @pytest.mark.parametrize(
        "told",
        [
            {"refund_price": "much", "line": "1"},
            {"refund_price": "NaN", "line": "1"},
            {"refund_price": "0", "line": "1"},
            {"refund_price": "-5", "line": "1"},
            {"refund_shipping_price": "4.90"},
            {"refund_price": "5", "refund_shipping_price": "4.90"},
        ],
    )
    def test_what_cannot_be_told_apart_waits_for_a_person(self, told: dict[str, str]) -> None:
        [back] = given_back(order(*MIXED), [refund(1, **told)])
        assert back.for_a_person == "refunded_in_part"

    def test_a_price_of_an_order_in_several_packages_waits_for_a_person(self) -> None:
        whole = order(*MIXED)
        [one] = whole.packages
        parts = (msgspec.structs.replace(one, lines=MIXED[:1]), msgspec.structs.replace(one, lines=MIXED[1:]))
        [back] = given_back(msgspec.structs.replace(whole, packages=parts), [refund(1, refund_price="5")])
        assert back.for_a_person == "refunded_in_part"


class TestCreditNotes:
    def test_three_pieces_one_by_one_are_the_line_to_the_cent(self) -> None:
        """20.00 / 3: each by itself would be 6.67, which is a cent more than was paid."""
        of = invoice(order(line("1", 3, "20.00", "3.33")))
        notes: list[Document] = []
        for _ in range(3):
            notes.append(note(of, *notes, pieces={"1": 1}))
        assert [one.total for one in notes] == [Decimal("6.67"), Decimal("6.66"), Decimal("6.67")]
        assert sum(one.net for one in notes) == of.net
        with pytest.raises(InvoiceHeld, match="not 1 more"):
            note(of, *notes, pieces={"1": 1})

    def test_an_amount_stands_under_the_rate_of_its_line(self) -> None:
        of = invoice(order(*MIXED))
        some = note(of, amounts={"2": Decimal("2.11")})
        [tax] = some.taxes
        assert (some.total, tax.rate, tax.base, tax.amount) == (
            Decimal("2.11"), Decimal("5.5"), Decimal("2.00"), Decimal("0.11"),
        )  # fmt: skip
        assert (some.lines[0].quantity, some.lines[0].part) == (1, True)
        rest = note(of, some)
        assert rest.total == of.total - some.total
        assert [one.quantity for one in rest.lines] == [2, 1, 3]
        assert rest.net + some.net == of.net

    def test_by_hand_no_rate_is_credited_beyond_what_it_has(self) -> None:
        of = invoice(order(line("1", 1, "100.00", "16.67"), line("2", 1, "100.00", "5.21")))
        first = note(of, pieces={"1": 1})
        second = note(of, first, amount=Decimal("100.00"))
        assert [(tax.rate, tax.base + tax.amount) for tax in second.taxes] == [(Decimal("5.5"), 100)]
        with pytest.raises(InvoiceHeld) as more:
            note(of, first, second, amount=Decimal("0.01"))
        assert more.value.code == "credit_too_high"

    def test_an_amount_is_of_the_decimals_of_the_currency(self) -> None:
        of = invoice(order(line("1", 1, "1000", "167"), currency="JPY"))
        assert note(of, amount=Decimal("1.5")).total == 2
        assert note(of, amounts={"1": Decimal("1.4")}).total == 1

    @pytest.mark.parametrize(
        ("wanted", "code"),
        [
            ({"amounts": {"1": Decimal("179.81")}}, "credit_too_high"),
            ({"amounts": {"1": Decimal("-1")}}, "credit_too_high"),
            ({"amounts": {"9": Decimal(1)}}, "line_unknown"),
            ({"amount": Decimal(0)}, "credit_too_high"),
            ({"amount": Decimal("-0.01")}, "credit_too_high"),
            ({"amount": Decimal("207.68")}, "credit_too_high"),
        ],
    )
    def test_more_than_was_invoiced_is_refused(self, wanted: dict[str, Any], code: str) -> None:
        with pytest.raises(InvoiceHeld) as held:
            note(invoice(order(*MIXED)), **wanted)
        assert held.value.code == code

    @pytest.mark.parametrize("rules", ["amounts", "pieces after amounts", "rest"])
    def test_the_official_rules_accept_them(self, official: Any, rules: str) -> None:
        of = invoice(order(*MIXED, shipping="5.90"))
        first = note(of, amounts={"1": Decimal("12.50"), "2": Decimal("0.01")})
        made = {
            "amounts": first,
            "pieces after amounts": note(of, first, pieces={"1": 1}),
            "rest": note(of, first),
        }[rules]
        assert official(drawn(made)[1], french=True) == []


def unless_held(make: Callable[[], Document]) -> Document | None:
    try:
        return make()
    except InvoiceHeld:
        return None


def sales(currency: str) -> st.SearchStrategy[Order]:
    """Orders of a currency: any amounts, discounts among them, lines of several rates, shipping and fee."""
    unit = unit_of(currency)
    places = -int(unit.as_tuple().exponent)
    amounts = st.decimals(unit, 900, places=places)
    rates = st.sampled_from([Decimal(20), Decimal(10), Decimal("5.5")])
    one = st.tuples(st.integers(1, 40), amounts, rates, st.booleans())

    def made(some: list[Any], shipping: Decimal, fee: Decimal) -> Order:
        lines = [
            line(str(at), count, str(amount), str(rounded(amount * rate / (100 + rate), unit)))
            for at, (count, amount, rate, _) in enumerate(some, 1)
        ]
        lines.append(line("d", 1, str(-min(amount for _, amount, _, _ in some)), None, "Remise"))
        lines = [one for one in lines if one.tax is None or one.tax]
        total = sum((one.amount for one in lines), shipping + fee)
        return order(*lines, currency=currency, shipping=str(shipping), processing_fee=fee, total=total, total_tax=None)

    return st.builds(
        made, st.lists(one, min_size=1, max_size=6), st.just(Decimal(0)) | amounts, st.just(Decimal(0)) | amounts
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["EUR", "JPY", "PLN", "SEK", "CLP", "GBP"]).flatmap(sales),
    st.lists(
        st.tuples(st.sampled_from(["pieces", "line", "total"]), st.integers(0, 99), st.floats(0.01, 1)), max_size=5
    ),
)
def test_whatever_is_sold_and_given_back_adds_up(sold_order: Order, asked: list[tuple[str, int, float]]) -> None:
    of = unless_held(lambda: compose(sold_order, package(sold_order), selling(), number="F1", dates=DATES))
    if of is None:
        return
    unit = unit_of(of.currency)
    assert of.total == sold_order.total == of.net + of.vat
    for tax in of.taxes:
        own = [one for one in of.lines if (one.rate, one.category) == (tax.rate, tax.category)]
        assert sum(one.net for one in own) == tax.base
        assert sum(one.gross for one in own) == tax.base + tax.amount
        assert abs(tax.amount - tax.base * tax.rate / 100) <= unit
    for one in of.lines:
        assert one.net == rounded(one.net, unit)
        assert abs(one.net - one.gross * 100 / (100 + one.rate)) <= unit
        assert abs(one.net) <= abs(one.gross) + unit
    notes: list[Document] = []
    for kind, place, part in asked:
        chosen = of.lines[place % len(of.lines)]
        gone = credited(of, notes)
        rest = chosen.gross - gone.gross[chosen.id]
        wanted: dict[str, Any] = {
            "pieces": {"pieces": {chosen.id: max(int((chosen.quantity - gone.pieces[chosen.id]) * part), 1)}},
            "line": {"amounts": {chosen.id: rounded(rest * Decimal(part), unit)}},
            "total": {"amount": rounded((of.total - gone.total) * Decimal(part), unit)},
        }[kind]
        made = unless_held(partial(note, of, *notes, **wanted))
        notes += [made] if made is not None else []
    last = unless_held(partial(note, of, *notes)) if 0 < of.total > credited(of, notes).total else None
    if last is not None:  # else what is left of a rate is a discount alone
        notes.append(last)
        assert sum(one.total for one in notes) == of.total
        assert sum(one.net for one in notes) == of.net
    for one in notes:
        assert one.total == one.net + one.vat
        assert one.total == rounded(one.total, unit)
    for tax, taken in zip(of.taxes, credited(of, notes).taxes, strict=True):
        assert abs(taken.base + taken.amount) <= abs(tax.base + tax.amount)


class TestIssued:
    """Through the connector: the action is confirmed, and the next round credits."""

    def told(self, seller: Any, order_id: str, **arguments: str) -> None:
        found = seller.order(order_id).order
        now = seller.connector.now()
        with seller.connector.store.transaction() as tx:
            tx.add_action(
                msgspec.structs.replace(
                    refund(0, **arguments),
                    order_id=found.id,
                    marketplace_order_id=order_id,
                    dedupe=str(arguments),
                    created_at=now,
                    changed_at=now,
                    sent_at=now,
                )
            )
            tx.note([seller.connector.context.entry(found.id, "action_confirmed", "refund")])
        settle(seller)

    def test_a_part_of_a_line_is_credited_as_that_amount_then_the_rest_with_the_rest(self, seller: Any) -> None:
        [order_id] = sold(seller, kind="multi_line")
        confirmed(seller, order_id)
        [of] = invoices(seller)
        chosen = next(one for one in document(seller, of).lines if one.sku)
        self.told(seller, order_id, line=chosen.id, refund_price="2.50")
        [_, first] = invoices(seller)
        assert (first.kind, first.total, first.state) == ("credit_note", "2.50", InvoiceState.MAILED)
        self.told(seller, order_id, line=chosen.id, refund_price="1.25")
        assert [row.total for row in invoices(seller)[1:]] == ["2.50", "1.25"]
        seller.connector.refund("main", "manomano_fr", order_id, arguments=REFUND)
        settle(seller)
        settle(seller)
        notes = [row for row in invoices(seller) if row.kind == "credit_note"]
        assert sum(Decimal(row.total) for row in notes) == Decimal(of.total)
        assert all(row.number for row in notes)

    def test_an_amount_of_the_order_is_spread_over_its_lines(self, seller: Any) -> None:
        [order_id] = sold(seller, kind="multi_line")
        confirmed(seller, order_id)
        [of] = invoices(seller)
        self.told(seller, order_id, refund_price="3.00")
        [_, first] = invoices(seller)
        made = document(seller, first)
        assert made.total == 3
        assert {one.rate for one in made.lines} == {one.rate for one in document(seller, of).lines if one.gross}

    def test_more_than_is_left_waits_for_a_person(self, seller: Any) -> None:
        [order_id] = sold(seller)
        confirmed(seller, order_id)
        [of] = invoices(seller)
        chosen = next(one for one in document(seller, of).lines if one.sku)
        most = chosen.gross - Decimal("0.01")
        self.told(seller, order_id, line=chosen.id, refund_price=str(most))
        self.told(seller, order_id, line=chosen.id, refund_price="5")
        assert [(row.total, row.reason) for row in invoices(seller)[1:]] == [(str(most), ""), ("", "credit_too_high")]

    def test_told_by_lengow_first_a_piece_is_credited_once(self, make_seller: Callable[..., Any]) -> None:
        """The order may be read as refunded before the action is known to be confirmed."""
        seller = make_seller()
        for order_id in sold(seller, 6):
            lines = seller.connector.store.models([seller.order(order_id).order.id]).popitem()[1].lines
            if lines[0].quantity > 1:
                break
        else:
            pytest.skip("no line of several pieces was drawn")
        confirmed(seller, order_id)
        [of] = invoices(seller)
        seller.sandbox.refund(order_id, line_ids=[lines[0].id], quantity=1)
        seller.sandbox.advance(minutes=30)
        settle(seller)
        [_, first] = invoices(seller)
        with seller.connector.store.transaction() as tx:
            found = seller.order(order_id).order
            tx.add_action(
                msgspec.structs.replace(
                    refund(0, quantity=1, line=lines[0].id), order_id=found.id, marketplace_order_id=order_id
                )
            )
            tx.note([seller.connector.context.entry(found.id, "action_confirmed", "refund")])
        settle(seller)
        assert [row.number for row in invoices(seller)] == [of.number, first.number]

    def test_by_hand_an_amount_of_a_cent_too_many_is_refused(self, seller: Any) -> None:
        [order_id] = sold(seller)
        confirmed(seller, order_id)
        [of] = invoices(seller)
        with Invoices(seller.connector) as door, pytest.raises(InvoiceHeld) as more:
            door.credit(of.id, Decimal(of.total) + Decimal("0.01"), reason="too much")
        assert more.value.code == "credit_too_high"
