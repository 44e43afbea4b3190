"""Lengow's description of a marketplace, with the quirks of the PHP that may have written it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worked_examples import CARRIERS, LABELS, MANOMANO_FR, changed

from lengow.connector.dependencies import Dependency
from lengow.connector.errors import MalformedAnswer
from lengow.connector.marketplace import ActionRule, Argument, decode_marketplace


def read(description):
    return decode_marketplace("manomano_fr", json.dumps(description).encode())


def test_the_worked_example():
    marketplace = read(MANOMANO_FR)
    assert (marketplace.key, marketplace.name) == ("manomano_fr", "ManoMano FR")
    assert marketplace.carriers == {code: LABELS[code] for code in CARRIERS}
    assert sorted(marketplace.actions) == ["accept", "refund", "refuse", "ship"]
    ship = marketplace.actions["ship"]
    assert ship.statuses == ("waiting_shipment",)
    assert ship.required == ("carrier", "tracking_number")
    assert ship.optional == ("carrier_name", "tracking_url", "line")
    assert ship.arguments["carrier"] == Argument(
        valid_values={code: LABELS[code] for code in CARRIERS}, accept_free_values=False, kind="list"
    )
    assert ship.arguments["line"] == Argument(kind="line_number")
    assert ship.takes("line")
    assert not ship.takes("weight")


EMPTY = ActionRule(statuses=(), required=(), optional=(), arguments={})


@pytest.mark.parametrize("empty", [[], {}, None], ids=["list", "object", "null"])
class TestEmptyIsEmpty:
    @pytest.mark.parametrize("path", ["orders", "orders.actions"])
    def test_no_actions(self, empty, path):
        assert read(changed(MANOMANO_FR, {path: empty})).actions == {}

    def test_no_carriers(self, empty):
        assert read(changed(MANOMANO_FR, {"orders.carriers": empty})).carriers == {}

    def test_no_rules_of_an_action(self, empty):
        nothing = {"status": empty, "args": empty, "optional_args": empty, "args_description": empty}
        assert read(changed(MANOMANO_FR, {"orders.actions.ship": nothing})).actions["ship"] == EMPTY

    def test_no_valid_values(self, empty):
        path = "orders.actions.ship.args_description.carrier.valid_values"
        carrier = read(changed(MANOMANO_FR, {path: empty})).actions["ship"].arguments["carrier"]
        assert carrier.valid_values == {}


def test_what_is_not_described_is_empty():
    assert read({}).actions == {}
    assert read({"orders": {"actions": {"accept": {}}}}).actions == {"accept": EMPTY}


def test_a_list_whose_gaps_made_it_an_object_is_a_list():
    ship = read(changed(MANOMANO_FR, {"orders.actions.ship.args": {"0": "carrier", "2": "tracking_number"}})).actions[
        "ship"
    ]
    assert ship.required == ("carrier", "tracking_number")


def test_labels_are_texts_in_older_descriptions():
    older = {"DPD": "DPD France", "UPS": {"label": "UPS", "lengow_code": "ups"}, "GLS": {}}
    assert read(changed(MANOMANO_FR, {"orders.carriers": older})).carriers == {
        "DPD": "DPD France",
        "UPS": "UPS",
        "GLS": "GLS",
    }


@pytest.mark.parametrize(
    ("described", "argument"),
    [
        pytest.param({}, Argument(accept_free_values=True), id="free values where nothing is said"),
        pytest.param(
            {"accept_free_values": None}, Argument(accept_free_values=True), id="free values where it is null"
        ),
        pytest.param({"default_value": 1}, Argument(default_value="1"), id="default as a number"),
        pytest.param({"default_value": None}, Argument(default_value=""), id="no default"),
        pytest.param({"type": "quantity", "colour": {"a": 1}}, Argument(kind="quantity"), id="more than is used"),
        pytest.param({"depends_on": "line"}, Argument(depends_on=(Dependency("line"),)), id="what it depends on"),
        pytest.param({"depends_on": {"a": 1}}, Argument(), id="depends on what the action does not take"),
    ],
)
def test_an_argument_is_read_with_its_defaults(described, argument):
    changes = {"orders.actions.ship.args_description": {"carrier": described}}
    assert read(changed(MANOMANO_FR, changes)).actions["ship"].arguments == {"carrier": argument}


def test_without_a_name_it_is_called_by_its_key():
    assert read(changed(MANOMANO_FR, {"name": None})).name == "manomano_fr"


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"null", id="null"),
        pytest.param(b'{"orders": "none"}', id="orders are a text"),
        pytest.param(b'{"orders": {"actions": {"ship": {"args": "carrier"}}}}', id="arguments are a text"),
        pytest.param(b'{"orders": {"actions": {"ship": {"args": [1]}}}}', id="an argument is a number"),
        pytest.param(b'{"name": "\xff"}', id="not UTF-8"),
        pytest.param(b'{"orders": {"carriers": ' + b"[" * 100_000, id="nested without end"),
    ],
)
def test_what_is_no_description_is_malformed_and_says_whose(raw):
    with pytest.raises(MalformedAnswer, match="manomano_fr"):
        decode_marketplace("manomano_fr", raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PLACES = ["orders", "orders.actions", "orders.carriers", "orders.actions.ship"]
PLACES += [f"orders.actions.ship.{key}" for key in MANOMANO_FR["orders"]["actions"]["ship"]]
PLACES += [
    f"orders.actions.ship.args_description.carrier.{key}"
    for key in ("valid_values", "default_value", "type", "depends_on")
]


@given(st.sampled_from(PLACES), JSON)
def test_nothing_else_is_ever_raised(place, value):
    try:
        read(changed(MANOMANO_FR, {place: value}))
    except MalformedAnswer:
        return
