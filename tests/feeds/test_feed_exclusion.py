"""An offer is in one feed of its account and marketplace, whatever the filters, priorities and shops."""

import tempfile
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lengow import feeds
from lengow.connector.errors import SettingsError
from lengow.feeds.allotment import Seen
from lengow.feeds.filters import read_filter
from tests.feeds.conftest import FeedMerchant, product

Make = Callable[..., FeedMerchant]

COMPARISONS = st.sampled_from(
    [
        "stock > 3",
        "stock < 8",
        "price >= 50",
        'brand == "Acme"',
        'brand in ["Acme", "Bolt"]',
        "attributes.is_fragile == true",
        'starts_with(sku, "S1")',
        '"2" in sku',
        "true",
        "false",
    ]
)
FILTERS = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda parts: f"({' '.join(parts)})"),
        inner.map(lambda one: f"not ({one})"),
    ),
    max_leaves=5,
)
PRODUCTS = st.lists(
    st.builds(
        lambda number, stock, price, brand, fragile: product(
            f"S{number}", stock=stock, price=Decimal(price), brand=brand, attributes={"is_fragile": fragile}
        ),
        st.integers(0, 8),
        st.integers(0, 10),
        st.integers(1, 100),
        st.sampled_from(["Acme", "Bolt", "Corvo", ""]),
        st.sampled_from(["yes", "no", "perhaps"]),
    ),
    max_size=12,
)


@settings(max_examples=80, deadline=None)
@given(filters=st.lists(FILTERS, min_size=1, max_size=4), data=st.data(), products=PRODUCTS, fulfilment=st.booleans())
def test_no_offer_is_in_two_feeds(
    filters: list[str], data: st.DataObject, products: list[Any], fulfilment: bool
) -> None:
    """And whichever has it is the first in priority that it matches, or none: the SKU came before, or it lacks something."""
    priorities = data.draw(st.permutations(range(len(filters))))
    tables = {
        f"f{number}": {
            "filter": text,
            "priority": priority,
            "programme": "fulfilment" if fulfilment and number == 0 else "standard",
        }
        for number, (text, priority) in enumerate(zip(filters, priorities, strict=True))
    }
    with tempfile.TemporaryDirectory() as folder:
        merchant = FeedMerchant(Path(folder), tables, ("b2c",))
        report = merchant.build(*products)
        offers = {name: merchant.offers(name) for name in tables}
        merchant.connector.close()
    where = Counter(offer["sku"] for rows in offers.values() for offer in rows)
    assert all(count == 1 for count in where.values()), where
    in_order = sorted(tables, key=lambda name: tables[name]["priority"])
    fits = {name: read_filter(str(tables[name]["filter"]), "") for name in tables}
    expected: dict[str, str] = {}
    for one in products:
        first = next((name for name in in_order if fits[name](one)), None)
        fragile_matters = first is not None and tables[first]["programme"] == "fulfilment"
        well = one.brand and (one.attributes["is_fragile"] != "perhaps" or not fragile_matters)
        if first and well:
            expected.setdefault(one.sku, first)
    assert {offer["sku"]: name for name, rows in offers.items() for offer in rows} == expected
    matches = [[name for name in in_order if fits[name](one)] for one in products]
    pairs = Counter((found[0], other) for found in matches for other in found[1:])
    assert {(one, other): count for one, other, count in report.overlaps} == dict(pairs)


def test_what_lacks_something_in_its_feed_is_not_offered_by_the_next(make_feeds: Make) -> None:
    """Fulfilment goods lie in the marketplace's warehouse: offered as standard, nobody could ship them."""
    merchant = make_feeds(
        fulfilment={"programme": "fulfilment", "filter": 'brand == "Acme"'}, standard={"filter": "stock > 0"}
    )
    report = merchant.build(product("A", attributes={"icpe": ""}), product("B", brand="Bolt"))
    assert (merchant.offers("fulfilment"), [one["sku"] for one in merchant.offers("standard")]) == ([], ["B"])
    assert report.overlaps == (("fulfilment", "standard", 1),)


def test_a_sku_that_two_products_have_is_offered_once_and_told(make_feeds: Make) -> None:
    merchant = make_feeds(first={"filter": 'brand == "Acme"'}, second={})
    products = product("A"), product("A", id="other", brand="Bolt"), product("A", id="third")
    [one, other] = merchant.problems(*products, name="second") + merchant.problems(*products, name="first")
    assert {one.code, other.code} == {"sku_twice"}
    assert {one.product_id, other.product_id} == {"other", "third"}
    merchant.build(*products)
    assert [offer["id"] for offer in merchant.offers("first")] == ["id-A"]
    assert merchant.offers("second") == []


def test_which_of_two_products_has_the_sku_is_their_order_alone(make_feeds: Make) -> None:
    """Not the priority of their feeds, nor how many products are looked at together."""
    merchant = make_feeds(first={"filter": "stock > 3", "collapse_guard": 1}, second={"collapse_guard": 1})
    for apart in (0, 500):
        between = [product(f"S{number}") for number in range(apart)]
        merchant.build(product("A", stock=1), *between, product("A", id="later", stock=9))
        assert [offer["id"] for offer in merchant.offers("second")] == ["id-A"]
        assert "later" not in [offer["id"] for offer in merchant.offers("first")]


def test_a_sku_mapped_to_another_is_held_apart_too(make_feeds: Make) -> None:
    merchant = make_feeds(first={"attributes": {"sku": "{attributes.own}"}, "filter": 'brand == "Acme"'}, second={})
    merchant.build(product("X", attributes={"own": "B"}), product("B", brand="Bolt"))
    assert [offer["sku"] for offer in merchant.offers("first")] == ["B"]
    assert merchant.offers("second") == []


def test_feeds_of_other_marketplaces_share_offers(make_feeds: Make) -> None:
    merchant = make_feeds(french={}, spanish={"marketplace": "manomano_es"})
    merchant.build(product("A"), name="french")
    merchant.build(product("A"), name="spanish")
    assert len(merchant.offers("french")) == len(merchant.offers("spanish")) == 1


def test_a_marketplace_is_the_same_in_any_case(make_feeds: Make) -> None:
    merchant = make_feeds(one={}, other={"marketplace": "ManoMano_FR"})
    merchant.build(product("A"))
    assert len(merchant.offers("one")) == 1
    assert merchant.offers("other") == []


def test_one_refused_feed_keeps_all_that_share_its_offers(make_feeds: Make) -> None:
    """Else an offer that moves from one to the other would be in both files."""
    merchant = make_feeds(one={"filter": "stock > 5"}, other={})
    merchant.build(*(product(f"S{number}", stock=9) for number in range(4)), product("X"))
    with pytest.raises(feeds.FeedCollapsed):
        merchant.build(*(product(f"S{number}", stock=1) for number in range(4)), product("X"))
    assert [len(merchant.offers(name)) for name in ("one", "other")] == [4, 1]


def test_two_feeds_that_could_tie_are_a_mistake(make_feeds: Make) -> None:
    with pytest.raises(SettingsError, match="have the same priority"):
        make_feeds(one={"priority": 5}, other={"priority": 5})


def test_shops_are_read_one_by_one_so_that_priorities_may_not_interleave(make_feeds: Make) -> None:
    with pytest.raises(SettingsError, match="between two of the shop 'a'"):
        make_feeds(shops=("a", "b"), one={"shop": "a"}, two={"shop": "b"}, three={"shop": "a"})


def test_an_offer_of_two_shops_is_in_the_feed_of_the_first(make_feeds: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    merchant = make_feeds(shops=("a", "b"), one={"shop": "a"}, two={"shop": "b"})
    monkeypatch.setattr(merchant.connector, "products", lambda shop: [product("A"), product(f"only-{shop}")])
    merchant.build(product("A"), name="one")
    assert [offer["sku"] for offer in merchant.offers("one")] == ["A"]
    assert [offer["sku"] for offer in merchant.offers("two")] == ["only-b"]


@given(st.lists(st.lists(st.text(max_size=2), max_size=30), max_size=10))
@settings(max_examples=20, deadline=None)
def test_the_set_of_skus_knows_what_it_has_seen(batches: list[list[str]]) -> None:
    seen, known = Seen(), set[str]()
    for batch in batches:
        expected = []
        for place, sku in enumerate(batch):
            if sku in known:
                expected.append(place)
            known.add(sku)
        assert seen.repeated(batch) == expected
