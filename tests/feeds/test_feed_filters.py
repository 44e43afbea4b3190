"""The filter's language: what it takes, what it means, and that nothing else gets through."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lengow.connector.errors import SettingsError
from lengow.feeds.filters import read_filter
from tests.feeds.conftest import product

DRILL = product(
    "F-1",
    stock=5,
    price=Decimal("99.90"),
    weight=None,
    options={"Colour": "red"},
    attributes={"length": "12,5", "own": "yes", "no reference": "x"},
    images=("https://x/1.jpg", "https://x/2.jpg"),
)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("stock > 0", True),
        ("stock > 5 or price == 99.9", True),
        ("0 < stock <= 5 and not price < 50", True),
        ('brand == "Acme" and brand != "Bolt"', True),
        ('brand in ["Acme", "Bolt"]', True),
        ('brand not in ("Acme",)', False),
        ("stock in [4, 5]", True),
        ('"rill" in title', True),
        ('"" in title', False),
        ('starts_with(sku, "F-") and ends_with(sku, "1") and lower(brand) == "acme"', True),
        ("count(images) >= 2", True),
        ('options.Colour == "red"', True),
        ('attributes["no reference"] == "x"', True),
        ("attributes.length > 12", True),
        ("attributes.length == 12.5", True),
        ("attributes.own == true", True),
        ("attributes.own == false", False),
        ("attributes.absent == none and weight == none", True),
        ("attributes.absent == true or attributes.absent == false", False),
        ("weight > 0 or weight <= 0", False),
        ("attributes.own > 0 or attributes.own <= 0", False),
        ("stock > -1", True),
        ("true", True),
    ],
)
def test_what_an_expression_means(text: str, fits: bool) -> None:
    assert read_filter(text, "feeds.f.filter")(DRILL) is fits


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("stok > 0", "did you mean stock?"),
        ("stock >", "cannot be read"),
        ("stock", "a number stands where true or false is needed"),
        ("stock = 5", "cannot be read"),
        ('stock == "5"', "a number is compared with a text"),
        ("title > 5", "a text is compared with a number"),
        ("title in 5", "followed by a list or a text"),
        ('stock in ["5"]', "cannot be in a list of texts"),
        ('brand in ["a", 5]', "texts only, or numbers only"),
        ("brand in [title]", "as they are"),
        ("attributes.own", "compare it with something"),
        ("true < false", "only numbers and texts"),
        ("stock + 1 > 2", "not part of the language"),
        ("9 ** 9 ** 9 > 1", "not part of the language"),
        ("__import__('os').system('x') == 1", "is no function"),
        ("sku.__class__ == none", "only attributes and options have"),
        ("attributes.__class__.__base__ == none", "only attributes and options have"),
        ("[stock for stock in [1]] == [1]", "not part of the language"),
        ("(lambda: true)()", "is no function"),
        ("f'{sku}' == 'x'", "not part of the language"),
        ("lower(sku, brand) == 'x'", "takes 1 text"),
        ("count(sku) > 1", "write count(images)"),
        ("1e999 > stock", "too large"),
        ("(" * 500 + "true" + ")" * 500, ""),
        ("not " * 400 + "true", "it is too long"),
        ("stock > 0 or " * 300 + "true", "longer than"),
        ("sku == b'x'", "not part of the language"),
        ("x := 5", "cannot be read"),
        ("", "cannot be read"),
        ("\x00", ""),
    ],
)
def test_what_is_not_of_the_language_is_refused_when_it_is_read(text: str, reason: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        read_filter(text, "feeds.f.filter")
    assert reason in str(refusal.value)
    assert refusal.value.about["field"] == "feeds.f.filter"


def test_what_is_no_number_is_neither_less_nor_more() -> None:
    odd = product(price=Decimal("NaN"))
    assert not any(read_filter(text, "")(odd) for text in ("price > 0", "price <= 0", "price < stock", "stock < price"))


WORDS = st.sampled_from(
    "stock price title attributes.own options['x'] images 5 -1.5 'x' true none not and or < == in , [ ] ( ) . lower".split()
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.lists(WORDS, max_size=12).map(" ".join), st.text(max_size=30)), st.none() | st.just("12"))
def test_what_was_read_never_fails(text: str, own: Any) -> None:
    try:
        fits = read_filter(text, "")
    except SettingsError:
        return
    one = product(stock=None, attributes={"own": own} if own else {})
    assert fits(one) in (True, False)
