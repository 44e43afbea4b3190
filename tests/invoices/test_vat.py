"""The VAT of gross amounts: of a rate that there is, and to the cent."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lengow.invoices import InvoiceHeld
from lengow.invoices.vat import CENT, Part, Situation, grouped, rated, rounded
from lengow.invoices.vat_rates import RATES, UNION

FRANCE = Situation("FR", False, "FR", "", None)


def part(gross: str, tax: str | None, quantity: int = 1, key: str = "1") -> Part:
    return Part(key, "Perceuse", quantity, Decimal(gross), None if tax is None else Decimal(tax))


@pytest.mark.parametrize(
    ("gross", "tax", "rate"),
    [
        ("120.00", "20.00", "20"),
        ("179.80", "29.97", "20"),
        ("12.90", "0.67", "5.5"),
        ("10.21", "0.21", "2.1"),
        ("0.10", "0.02", "20"),
    ],
)
def test_the_rate_is_the_one_whose_tax_is_told(gross: str, tax: str, rate: str) -> None:
    [one] = rated([part(gross, tax)], FRANCE)
    assert (one.category, one.rate) == ("S", Decimal(rate))


def test_a_tax_that_was_rounded_by_the_piece_is_still_of_its_rate() -> None:
    pieces, each = 10, Decimal("0.99")
    tax = rounded(each * 20 / 120) * pieces
    assert tax != rounded(each * pieces * 20 / 120)
    [one] = rated([Part("1", "Vis", pieces, each * pieces, tax)], FRANCE)
    assert one.rate == 20


def test_the_rate_of_the_destination_comes_before_the_sellers() -> None:
    spain = Situation("FR", False, "ES", "", None)
    assert rated([part("121.00", "21.00")], spain)[0].rate == 21
    assert rated([part("120.00", "20.00")], spain)[0].rate == 20, "below the threshold the seller's own is charged"


@pytest.mark.parametrize(
    ("situation", "told", "code"),
    [
        (FRANCE, part("120.00", "37.00"), "vat_rate_unknown"),
        (FRANCE, part("120.00", "120.00"), "vat_rate_unknown"),
        (FRANCE, part("120.00", "0.00"), "vat_zero"),
        (FRANCE, part("120.00", None), "vat_unknown"),
        (Situation("FR", True, "FR", "", None), part("120.00", "20.00"), "vat_contradicts"),
    ],
)
def test_what_cannot_be_is_held_with_its_reason(situation: Situation, told: Part, code: str) -> None:
    with pytest.raises(InvoiceHeld) as held:
        rated([told], situation)
    assert held.value.code == code


@pytest.mark.parametrize(
    ("situation", "category"),
    [
        (Situation("FR", True, "FR", "", None), "E"),
        (Situation("FR", False, "BE", "BE0123456789", None), "K"),
        (Situation("FR", False, "US", "", None), "G"),
        (Situation("FR", False, "GB", "", None), "G"),
    ],
)
def test_where_no_vat_is_due_it_is_said_why(situation: Situation, category: str) -> None:
    [one] = rated([part("120.00", "0")], situation)
    assert (one.category, one.rate) == (category, 0)


def test_what_is_accessory_follows_the_rate_of_most_of_the_money() -> None:
    parts = [
        part("10.55", "0.55", key="book"),
        part("120.00", "20.00", key="drill"),
        part("5.90", None, key="shipping"),
    ]
    rates = {one.part.id: one.rate for one in rated(parts, FRANCE)}
    assert rates == {"book": Decimal("5.5"), "drill": 20, "shipping": 20}
    free = rated([part("120.00", "20.00", key="drill"), part("0", "0", key="gift")], FRANCE)
    assert [one.rate for one in free] == [20, 20]


@given(
    st.lists(
        st.tuples(st.decimals("0.01", "99999.99", places=2), st.sampled_from(RATES["FR"] + RATES["FI"])),
        min_size=1,
        max_size=30,
    )
)
def test_nets_and_taxes_always_add_up_to_what_was_paid(sales: list[tuple[Decimal, Decimal]]) -> None:
    situation = Situation("FR", False, "FI", "", None)
    parts = [
        Part(str(position), "x", 1, gross, rounded(gross * rate / (100 + rate)))
        for position, (gross, rate) in enumerate(sales)
    ]
    parts = [one for one in parts if one.tax]
    groups = grouped(rated(parts, situation)) if parts else []
    assert sum(group.base + group.tax for group in groups) == sum(one.gross for one in parts)
    for group in groups:
        assert sum(net for _, net in group.nets) == group.base
        assert abs(group.tax - group.base * group.rate / 100) <= CENT, "what the official rules allow (BR-CO-17)"


def test_the_standard_rate_comes_first() -> None:
    assert all(rates[0] == max(rates) for rates in RATES.values())
    assert {"FR", "DE", "ES", "IT", "MC"} <= UNION
