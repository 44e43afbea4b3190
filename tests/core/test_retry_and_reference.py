"""When a failed step is tried again, and by which reference a shop order is found again."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worked_examples import ORDER, encoded

from lengow.connector.decode import decode_order
from lengow.connector.reference import LONGEST, reference_of
from lengow.connector.retry import PAUSES, retry_after


@pytest.mark.parametrize(
    ("attempts", "jitter", "asked", "seconds"),
    [
        pytest.param(1, 0.5, None, 30, id="after the first failure"),
        pytest.param(2, 0.5, None, 60, id="after the second"),
        pytest.param(4, 0.5, None, 300, id="after the fourth"),
        pytest.param(14, 0.5, None, 43200, id="after the last but one"),
        pytest.param(15, 0.5, None, None, id="then it is for a person"),
        pytest.param(1000, 0.5, None, None, id="and stays so"),
        pytest.param(0, 0.5, None, 30, id="no attempt counts as one"),
        pytest.param(1, 0.0, None, 27, id="jitter: sooner"),
        pytest.param(1, 1.0, None, 33, id="jitter: later"),
        pytest.param(1, 0.5, 90, 90, id="the other side asked for more"),
        pytest.param(4, 0.5, 90, 300, id="the other side asked for less"),
        pytest.param(1, 0.5, 0, 30, id="the other side asked for nothing"),
        pytest.param(15, 0.5, 90, None, id="asking does not give more tries"),
    ],
)
def test_a_failed_step_is_tried_again(attempts, jitter, asked, seconds):
    again = retry_after(attempts, jitter=jitter, asked=asked)
    assert again == (None if seconds is None else pytest.approx(seconds))


def test_the_pauses_grow_to_about_a_day_and_a_half():
    assert list(PAUSES) == sorted(PAUSES)
    assert 1.25 <= sum(PAUSES) / 86400 <= 1.75


WORKED = decode_order(encoded(ORDER))


def reference(account, marketplace, number, position):
    order = msgspec.structs.replace(WORKED, marketplace=marketplace, marketplace_order_id=number)
    return reference_of(account, order, position)


def test_a_reference_can_be_read():
    assert reference_of("main", WORKED, 1) == "main-manomano_fr-M240900012345-1"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(("a", "m", "1", 1), ("a", "m", "1", 2), id="packages"),
        pytest.param(("a", "m", "1", 1), ("a", "m", "2", 1), id="orders"),
        pytest.param(("a", "m", "1", 1), ("a", "n", "1", 1), id="marketplaces"),
        pytest.param(("a", "m", "1", 1), ("b", "m", "1", 1), id="accounts"),
        pytest.param(("a", "m", "1-1", 1), ("a", "m", "1", 11), id="a number that ends like a position"),
        pytest.param(("a-m", "m", "1", 1), ("a", "m", "m-1", 1), id="an account named like a marketplace"),
        pytest.param(("a", "m-m", "1", 1), ("a", "m", "m-1", 1), id="a marketplace with a dash"),
        pytest.param(("a" * 30, "m", "1" * 90, 1), ("a" * 31, "m", "1" * 90, 1), id="long accounts"),
        pytest.param(("a", "m", "é", 1), ("a", "m", "è", 1), id="accents"),
    ],
)
def test_different_packages_have_different_references(one, other):
    assert reference(*one) != reference(*other)


ACCOUNTS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", fullmatch=True) | st.sampled_from(["a", "a-m", "a-m-1"])
PARTS = st.text(min_size=1) | st.sampled_from(["m", "m-1", "1", "1-1", "m-m", "-"])
PLACES = st.tuples(ACCOUNTS, PARTS, PARTS, st.integers(1, 1000))


@given(PLACES, PLACES)
def test_references_are_stable_distinct_and_fit_every_platform(one, other):
    first = reference(*one)
    assert first == reference(*one)
    assert (first == reference(*other)) == (one == other)
    assert len(first) <= LONGEST
    assert first.isascii()
    assert first.isprintable()
