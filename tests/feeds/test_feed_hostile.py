"""What shops and hosts put into products, by mistake or by malice: a feed is written all the same, and says what is wrong."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lengow.connector.catalogue import CatalogueProduct
from lengow.feeds.columns import KINDS, Rules, write_column
from lengow.feeds.filters import read_filter
from lengow.feeds.texts import clean, disarm
from tests.feeds.conftest import FeedMerchant, product

Make = Callable[..., FeedMerchant]
ODD_NUMBERS = [
    "NaN", "sNaN", "-sNaN", "Infinity", "-Infinity", "1E+999999999", "1E-999999999", "-1E+999999999", "0E+999999999",
    "-0", "1E+2", "9" * 5000, "0." + "0" * 5000 + "1",
]  # fmt: skip


@pytest.mark.parametrize("number", ODD_NUMBERS)
@pytest.mark.parametrize("field", ["price", "price_before", "tax_rate", "weight", "shipping_cost"])
def test_no_number_ends_a_build_or_fills_the_memory(make_feeds: Make, field: str, number: str) -> None:
    merchant = make_feeds(feed={"attributes": {"told": "{price} {weight}"}, "filter": "stock > 0"})
    report = merchant.build(product("GOOD"), product("ODD", **{field: Decimal(number)}))
    assert report.feeds[0].offers + report.feeds[0].left_out == 2
    for row in merchant.offers():
        assert all(len(value) < 6000 for value in row.values())
        for name in ("price", "price_before", "shipping_cost"):
            assert row[name] == "" or Decimal(row[name]) >= 0
            assert "E" not in row[name]


@pytest.mark.parametrize("number", [*ODD_NUMBERS, "5"])
@pytest.mark.parametrize(
    "text", ["price == 5", "price != 5", "price > 5", "price in [5, 6]", "price <= weight", "not price == weight"]
)
def test_no_number_makes_a_filter_fail(text: str, number: str) -> None:
    fits = read_filter(text, "feeds.feed.filter")
    assert fits(product(price=Decimal(number), weight=Decimal(number))) in (True, False)


def test_an_ean_of_zeros_is_none(make_feeds: Make) -> None:
    """Shops fill fields that must not be empty with zeros, whose check digit is right."""
    merchant = make_feeds(feed={})
    problems = merchant.problems(product("A", ean="0000000000000"), product("B", ean="00000000"), product("C"))
    assert [(one.sku, one.attribute, one.code) for one in problems] == [
        ("A", "ean", "missing"),
        ("B", "ean", "missing"),
    ]


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "<b>=1</b>", "&#61;1", "＝1", "＋1", "－1", "＠a"]
)
def test_a_spreadsheet_takes_no_text_for_a_formula(make_feeds: Make, text: str) -> None:
    merchant = make_feeds(feed={"attributes": {"own": "{attributes.own}"}})
    merchant.build(product("A", title=text, attributes={"own": text, "icpe": text}))
    [offer] = merchant.offers()
    for name in ("title", "own", "icpe"):
        assert offer[name][0] == " "
        assert offer[name].strip() == clean(text)


def test_skus_that_differ_in_blanks_around_are_one_and_in_case_are_two(make_feeds: Make) -> None:
    merchant = make_feeds(one={"filter": "stock > 5"}, other={})
    merchant.build(product("A1", stock=9), product(" A1 "), product("A1\n"), product("a1"), product("A 1"))
    assert [row["sku"] for name in ("one", "other") for row in merchant.offers(name)] == ["A1", "a1", "A 1"]


ANY_TEXT = st.text(max_size=12) | st.sampled_from(
    ["\x00", "\ud800", "=1", "|", '"', "\r\n", "<b>", "&amp;", "\u2028", "x" * 4000]
)


@given(
    st.lists(
        st.builds(
            CatalogueProduct,
            id=ANY_TEXT,
            sku=ANY_TEXT,
            title=ANY_TEXT,
            price=st.decimals() | st.sampled_from(ODD_NUMBERS).map(Decimal),
            currency=st.sampled_from(["EUR", "eur", "", "X|Y"]) | ANY_TEXT,
            stock=st.none() | st.integers(-(10**12), 10**12),
            ean=ANY_TEXT | st.text("0123456789", min_size=8, max_size=14),
            brand=ANY_TEXT,
            description=ANY_TEXT,
            url=ANY_TEXT,
            images=st.lists(ANY_TEXT, max_size=3).map(tuple),
            weight=st.none() | st.decimals(),
            attributes=st.dictionaries(st.sampled_from(["weight_net", "onu", "is_fragile", "icpe"]), ANY_TEXT),
        ),
        max_size=5,
    )
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@pytest.mark.parametrize("form", ["csv", "xml", "jsonl"])
def test_whatever_products_hold_the_file_can_be_read(form: str, tmp_path_factory: Any, products: list[Any]) -> None:
    folder = tmp_path_factory.mktemp("any")
    optional = ["ean", "title", "brand", "price", "currency", "stock", "image_url_1"]
    merchant = FeedMerchant(folder, {"feed": {"format": form, "optional": optional, "collapse_guard": 1}}, ("b2c",))
    try:
        report = merchant.build(*products)
    finally:
        merchant.connector.close()
    raw = (folder / f"feed.{form}").read_bytes().decode("utf-8")
    assert "\x00" not in raw
    from lengow.feeds.files import count_offers
    from lengow.feeds.formats import FORMATS

    assert count_offers(folder / f"feed.{form}", FORMATS[form]) == report.feeds[0].offers
    with (folder / f"feed.{form}").open(encoding="utf-8", newline="") as file:
        skus = [offer["sku"] for offer in FORMATS[form].read(file)]
    assert len(skus) == len(set(skus)) == report.feeds[0].offers
    assert all(skus)


@given(
    st.lists(st.none() | st.text(max_size=8) | st.decimals() | st.integers() | st.floats() | st.booleans(), max_size=6)
)
@settings(max_examples=40, deadline=None)
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_column_of_anything_is_texts_and_flaws(kind: Any, values: list[Any]) -> None:
    texts, flaws = write_column(kind, values, Rules())
    assert len(texts) == len(values)
    assert all(isinstance(text, str) for text in disarm(texts))
    assert all(texts[flaw.place] == "" and isinstance(flaw.value, str) for flaw in flaws)
