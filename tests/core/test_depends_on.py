"""`depends_on` of a marketplace's argument: read in every plain way to write it, enforced, and never a crash."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worked_examples import MANOMANO_FR, changed

from lengow.connector.dependencies import Dependency, decode_dependencies
from lengow.connector.errors import ActionInvalid
from lengow.connector.marketplace import decode_marketplace
from lengow.connector.profiles import NO_PROFILE
from lengow.connector.rules import check_action, with_defaults

OTHER = (Dependency("carrier", ("Other",)),)
NAME = "orders.actions.ship.args_description.carrier_name.depends_on"
CARRIER_NAME_REQUIRED = {"orders.actions.ship.args": ["carrier", "tracking_number", "carrier_name"], NAME: "carrier"}


def described(changes):
    return decode_marketplace("x_fr", json.dumps(changed(MANOMANO_FR, changes)).encode())


def check(arguments, changes):
    check_action(described(changes), NO_PROFILE, "ship", status="waiting_shipment", arguments=arguments, lines={})


@pytest.mark.parametrize(
    ("raw", "dependencies"),
    [
        pytest.param(None, (), id="null"),
        pytest.param([], (), id="empty list"),
        pytest.param({}, (), id="empty object"),
        pytest.param("", (), id="empty text"),
        pytest.param("carrier", (Dependency("carrier"),), id="another argument"),
        pytest.param(["carrier", "line"], (Dependency("carrier"), Dependency("line")), id="several"),
        pytest.param({"0": "carrier", "2": "line"}, (Dependency("carrier"), Dependency("line")), id="list with gaps"),
        pytest.param({"carrier": "Other"}, OTHER, id="a value of it"),
        pytest.param({"carrier": ["Other"]}, OTHER, id="one of its values"),
        pytest.param({"carrier": {"Other": {"label": "Other"}}}, OTHER, id="values as valid_values are written"),
        pytest.param({"carrier": None}, (Dependency("carrier"),), id="any value"),
        pytest.param({"carrier": True}, (Dependency("carrier"),), id="any value, as true"),
        pytest.param({"weight": 2}, (Dependency("weight", ("2",)),), id="a number"),
        pytest.param({"argument": "carrier", "value": "Other"}, OTHER, id="named"),
        pytest.param({"arg": "carrier", "values": ["Other"]}, OTHER, id="named, with a list"),
        pytest.param([{"name": "carrier", "values": ["Other"]}], OTHER, id="a list of named ones"),
    ],
)
def test_it_is_read(raw, dependencies):
    assert decode_dependencies(raw) == dependencies


@pytest.mark.parametrize(
    "raw",
    [
        True,
        7,
        [["carrier"]],
        [None],
        {"carrier": False},
        {"carrier": [["Other"]]},
        {"argument": "carrier", "operator": "!=", "value": "Other"},
        {"argument": ["carrier"]},
        {"carrier": {"not": ["Other"]}, "": "x"},
    ],
    ids=json.dumps,
)
def test_what_is_written_otherwise_is_not_understood(raw):
    assert decode_dependencies(raw) is None


SHIP = {"carrier": "DPD", "tracking_number": "T1"}


class TestEnforced:
    def test_it_is_refused_where_it_does_not_belong(self):
        with pytest.raises(
            ActionInvalid, match=r"carrier_name with ship only together with carrier 'Other'"
        ) as refused:
            check({**SHIP, "carrier_name": "Geodis"}, {NAME: {"carrier": "Other"}})
        assert (refused.value.code, refused.value.about["field"]) == ("argument_not_allowed", "carrier_name")

    def test_it_is_taken_where_it_does(self):
        check({**SHIP, "carrier": "Other", "carrier_name": "Geodis"}, {NAME: {"carrier": ["Other"]}})

    def test_it_may_be_left_out_or_empty_where_it_does_not_belong(self):
        check(SHIP, {NAME: {"carrier": "Other"}})
        check({**SHIP, "carrier_name": " "}, {NAME: {"carrier": "Other"}})

    def test_a_required_one_is_demanded_only_where_it_belongs(self):
        required = {"orders.actions.ship.args": ["carrier", "tracking_number", "carrier_name"]}
        check(SHIP, {**required, NAME: {"carrier": "Other"}})
        with pytest.raises(ActionInvalid) as refused:
            check({**SHIP, "carrier": "Other"}, {**required, NAME: {"carrier": "Other"}})
        assert (refused.value.code, refused.value.about["field"]) == ("argument_missing", "carrier_name")

    @pytest.mark.parametrize(
        "raw",
        [
            pytest.param({"argument": "carrier", "operator": "!=", "value": "Other"}, id="not understood"),
            pytest.param("colour", id="names what the action does not take"),
        ],
    )
    def test_what_cannot_be_read_is_not_enforced_and_told(self, raw):
        marketplace = described({NAME: raw})
        assert marketplace.unread == ("ship.carrier_name",)
        check({**SHIP, "carrier_name": "Geodis"}, {NAME: raw})


class TestDefaults:
    DEFAULT = "orders.actions.refund.args_description.refund_reason.default_value"

    def test_what_is_required_and_not_given_gets_the_descriptions_default(self):
        refund = described({self.DEFAULT: "DAMAGED"}).actions["refund"]
        assert with_defaults(refund, {"refund_shipping_fees": "true"})["refund_reason"] == "DAMAGED"
        assert with_defaults(refund, {"refund_reason": "CHANGED"})["refund_reason"] == "CHANGED"

    def test_what_is_optional_is_left_out(self):
        quantity = "orders.actions.refund.args_description.refund_quantity.default_value"
        assert "refund_quantity" not in with_defaults(described({quantity: "1"}).actions["refund"], {})

    def test_what_does_not_belong_is_left_out(self):
        default = {
            **CARRIER_NAME_REQUIRED,
            NAME: {"carrier": "Other"},
            NAME.replace("depends_on", "default_value"): "?",
        }
        assert "carrier_name" not in with_defaults(described(default).actions["ship"], {"carrier": "DPD"})


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["carrier", "Other", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["carrier", "argument", "value", "0", ""]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON, st.sampled_from(["DPD", "Other", ""]), st.sampled_from(["Geodis", ""]))
def test_whatever_is_written_nothing_but_action_invalid_is_raised(raw, carrier, name):
    refused = None
    try:
        check({"carrier": carrier, "tracking_number": "T1", "carrier_name": name}, {NAME: raw})
    except ActionInvalid as error:
        refused = error.code
    assert refused in (None, "argument_missing", "argument_not_allowed")


@pytest.mark.parametrize(
    "circle",
    [
        pytest.param({"carrier": "tracking_number", "tracking_number": "carrier"}, id="two"),
        pytest.param({"carrier": "carrier"}, id="itself"),
        pytest.param(
            {"carrier": "tracking_number", "tracking_number": "tracking_url", "tracking_url": "carrier"}, id="three"
        ),
    ],
)
def test_what_waits_for_itself_is_demanded_all_the_same(circle):
    changes = {f"orders.actions.ship.args_description.{name}.depends_on": on for name, on in circle.items()}
    with pytest.raises(ActionInvalid) as refused:
        check({}, changes)
    assert refused.value.code == "argument_missing"
    assert {f"ship.{name}" for name in circle} <= set(described(changes).unread)
    check({"carrier": "DPD", "tracking_number": "1"}, changes)
