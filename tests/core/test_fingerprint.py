"""The name and fingerprint of a record: by them an order that did not change costs nothing, and none is taken for another."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from worked_examples import MISSING, ORDER, changed, encoded

from lengow.connector.decode import amended_fields, identify


def says_the_same(one, other):
    """As the recorder decides it: by the fingerprint, and where that differs by the fields."""
    before, after = encoded(one), encoded(other)
    return identify(before) == identify(after) or amended_fields(before, after) == []


def places(value, path=""):
    """Every path in a JSON value."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, f"{path}{key}.")
    if path:
        yield path[:-1]


BLIND_TO = ("updated_at", "packages.0.delivery.id")
WITH_ITS_LINE = "packages.0.cart.0.updated_at"
"""Changes only when something else in the line does."""
NAMES = ("marketplace", "marketplace_order_id")
SEEN = [place for place in places(ORDER) if place not in (*BLIND_TO, WITH_ITS_LINE, *NAMES)]
LEAF = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False)


def value_at(order, path):
    for part in path.split("."):
        order = order[int(part) if part.isdigit() else part]
    return order


def shuffled(value, random):
    if isinstance(value, dict):
        items = list(value.items())
        random.shuffle(items)
        return {key: shuffled(inner, random) for key, inner in items}
    return [shuffled(inner, random) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("path", BLIND_TO)
def test_what_changes_between_reads_costs_only_the_fingerprint(path):
    other = changed(ORDER, {path: "2030-01-01T00:00:00Z" if path == "updated_at" else 77})
    assert identify(encoded(other)) == identify(encoded(ORDER))


@pytest.mark.parametrize("path", BLIND_TO)
@pytest.mark.parametrize("value", [MISSING, None, 1, "2030-01-01T00:00:00Z"])
def test_is_blind_to_what_changes_between_reads(path, value):
    assert says_the_same(changed(ORDER, {path: value}), ORDER)


@given(st.randoms(use_true_random=False))
def test_is_blind_to_the_order_of_keys_and_to_white_space(random):
    assert amended_fields(json.dumps(shuffled(ORDER, random), indent=1).encode(), encoded(ORDER)) == []


@given(st.sampled_from(SEEN), LEAF)
@example("discount", False)
def test_sees_every_other_change(path, value):
    same = json.dumps(value) == json.dumps(value_at(ORDER, path))
    assert says_the_same(changed(ORDER, {path: value}), ORDER) == same


@pytest.mark.parametrize("path", SEEN)
def test_sees_that_anything_is_gone(path):
    assert not says_the_same(changed(ORDER, {path: MISSING}), ORDER)


@pytest.mark.parametrize("path", ["billing_address.id", "packages.0.cart.0.id"])
def test_is_blind_to_these_names_only_where_they_change_by_themselves(path):
    assert not says_the_same(changed(ORDER, {path: "other"}), ORDER)


@given(st.permutations(range(3)))
def test_sees_the_order_of_lines(order):
    three = [ORDER["packages"][0]["cart"][0] | {"id": number} for number in range(3)]
    given = changed(ORDER, {"packages.0.cart": [three[place] for place in order]})
    same = order == [0, 1, 2]
    assert says_the_same(given, changed(ORDER, {"packages.0.cart": three})) == same


@pytest.mark.parametrize("number", [2**63, 2**64, 10**40, -(10**40)])
def test_takes_numbers_of_any_size(number):
    assert not says_the_same(changed(ORDER, {"workflow_rank": number}), ORDER)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        pytest.param({}, ("manomano_fr", "M240900012345"), id="as it is"),
        pytest.param({"marketplace_order_id": 42}, ("manomano_fr", "42"), id="number"),
        pytest.param({"marketplace_order_id": " M1\x00 "}, ("manomano_fr", "M1"), id="cleaned"),
    ],
)
def test_a_record_is_named_by_marketplace_and_number(changes, name):
    identity = identify(encoded(changed(ORDER, changes)))
    assert (identity.marketplace, identity.marketplace_order_id) == name


NAMELESS = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"{", id="not JSON"),
    pytest.param(b"\xff\xfe", id="not UTF-8"),
    pytest.param(b"[]", id="list"),
    pytest.param(b"null", id="null"),
    pytest.param(b"{}", id="no name"),
    pytest.param(b'{"marketplace": "m"}', id="no number"),
    pytest.param(b'{"marketplace": ["m"], "marketplace_order_id": "1"}', id="marketplace is a list"),
    pytest.param(b'{"marketplace": "", "marketplace_order_id": "1"}', id="empty marketplace"),
    pytest.param(b'{"marketplace": "m", "marketplace_order_id": ""}', id="empty number"),
    pytest.param(b'{"marketplace": "m", "marketplace_order_id": " \\u0000"}', id="blank number"),
    pytest.param(b'{"marketplace": " ", "marketplace_order_id": "1"}', id="blank marketplace"),
    pytest.param(b'{"marketplace": "m", "marketplace_order_id": true}', id="number is a boolean"),
    pytest.param(b'{"marketplace": "m", "marketplace_order_id": 1.5}', id="number is a fraction"),
    pytest.param(b"[" * 100_000, id="nested without end"),
]


@pytest.mark.parametrize("raw", NAMELESS)
def test_a_record_without_a_readable_name_is_named_after_its_bytes(raw):
    one, same, other = identify(raw), identify(raw), identify(raw + b" ")
    assert one.marketplace == "unreadable"
    assert one == same
    assert one.marketplace_order_id != other.marketplace_order_id


@pytest.mark.parametrize(
    "literal",
    [
        pytest.param(b"1e400", id="number out of range"),
        pytest.param(b"1" * 5000, id="number of 5,000 digits"),
        pytest.param(b'"\xff"', id="not UTF-8"),
    ],
)
def test_a_record_with_one_broken_part_keeps_its_name_and_is_told_from_others(literal):
    def identity(rank):
        order = changed(ORDER, {"workflow_rank": rank, "documents": "@"})
        return identify(encoded(order).replace(b'"@"', literal))

    assert (identity(1).marketplace, identity(1).marketplace_order_id) == ("manomano_fr", "M240900012345")
    assert identity(1) == identity(1)
    assert identity(1).fingerprint != identity(2).fingerprint


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"updated_at": "2030-01-01T00:00:00Z", "packages.0.delivery.id": 9}, [], id="what does not count"),
        pytest.param({"lengow_status": "shipped", "comments": "x"}, ["comments", "lengow_status"], id="two fields"),
        pytest.param({"packages.0.cart.0.quantity": 3}, ["packages"], id="inside a package"),
        pytest.param({"invoice_number": MISSING}, ["invoice_number"], id="null that is gone"),
        pytest.param({"shipping": MISSING}, ["shipping"], id="value that is gone"),
    ],
)
def test_the_journal_is_told_which_fields_were_amended(changes, fields):
    assert amended_fields(encoded(ORDER), encoded(changed(ORDER, changes))) == fields


@pytest.mark.parametrize("raw", [b"", b"[]", b"\xff", b"[" * 100_000])
def test_a_record_that_cannot_be_compared_is_amended_all_the_same(raw):
    assert amended_fields(encoded(ORDER), raw) == ["unreadable"]
