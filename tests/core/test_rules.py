"""Whether a marketplace takes an action: each mistake with its code and a text that says what to write instead."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worked_examples import MANOMANO_FR, changed

from lengow.connector.dependencies import Dependency
from lengow.connector.errors import ActionInvalid
from lengow.connector.marketplace import ActionRule, Argument, Marketplace, decode_marketplace
from lengow.connector.model import Line
from lengow.connector.profiles import MANOMANO, NO_PROFILE, Condition, Profile, profile_of
from lengow.connector.rules import carrier_of, check_action

SHIP = {"carrier": "DPD", "tracking_number": "T1"}
OTHER = {
    "carrier": "Other",
    "tracking_number": "T1",
    "carrier_name": "Chronopost",
    "tracking_url": "https://example.com/T1",
}
REFUND = {"refund_reason": "DAMAGED", "refund_shipping_fees": "true"}
STATUS = {
    "ship": "waiting_shipment",
    "accept": "waiting_acceptance",
    "refuse": "waiting_acceptance",
    "refund": "shipped",
}
GONE = None


def line(number, quantity=1, status="waiting_shipment"):
    return Line(number, "SKU", "Title", quantity, Decimal(5), None, status)


LINES = {"M1-1": line("M1-1"), "M1-2": line("M1-2", quantity=3), "M1-3": line("M1-3", status="canceled")}


def marketplace(changes=None):
    return decode_marketplace("manomano_fr", json.dumps(changed(MANOMANO_FR, changes or {})).encode())


def check(action, arguments, *, status="", described=None, profile=MANOMANO):
    check_action(
        described or marketplace(),
        profile,
        action,
        status=status or STATUS[action],
        arguments=arguments,
        lines=LINES,
    )


def with_(arguments, **changes):
    return {name: value for name, value in {**arguments, **changes}.items() if value is not GONE}


@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        pytest.param("ship", SHIP, id="a carrier of the list"),
        pytest.param("ship", with_(SHIP, tracking_url="http://example.com/T1"), id="with a tracking page"),
        pytest.param(
            "ship", with_(SHIP, tracking_url="https://example.com:8443/suivi?n=T1&l=fr#é"), id="with a longer one"
        ),
        pytest.param("ship", with_(SHIP, line="M1-2"), id="one line"),
        pytest.param("ship", OTHER, id="another carrier"),
        pytest.param("ship", with_(SHIP, carrier_name="", tracking_url=""), id="optional arguments left empty"),
        pytest.param("accept", {}, id="accept"),
        pytest.param("refuse", {"line": "M1-1"}, id="refuse a line"),
        pytest.param("refund", REFUND, id="refund"),
        pytest.param("refund", with_(REFUND, refund_quantity="1", line="M1-1"), id="refund a piece"),
    ],
)
def test_is_taken(action, arguments):
    check(action, arguments)


WRONG = [
    ("action_unknown", "cancel", {}, "shipped", "action", ["ManoMano FR", "accept, refund, refuse, ship"]),
    ("action_unknown", "Ship", SHIP, "waiting_shipment", "action", ["Ship"]),
    ("status_not_allowed", "ship", SHIP, "shipped", "status", ["only in waiting_shipment", "the order is shipped"]),
    ("status_not_allowed", "ship", SHIP, "waiting_acceptance", "status", ["waiting_acceptance"]),
    ("status_not_allowed", "accept", {}, "waiting_shipment", "status", ["only in waiting_acceptance"]),
    ("status_not_allowed", "refund", REFUND, "refunding", "status", ["the order is refunding"]),
    ("argument_unknown", "ship", with_(SHIP, traking_url="x"), "", "traking_url", ["Did you mean tracking_url?"]),
    ("argument_unknown", "ship", with_(SHIP, weight="2"), "", "weight", ["it takes: carrier, tracking_number"]),
    ("argument_unknown", "accept", {"carrier": "DPD"}, "", "carrier", ["it takes: line"]),
    ("argument_missing", "ship", {"carrier": "DPD"}, "", "tracking_number", ["only with tracking_number"]),
    ("argument_missing", "ship", with_(SHIP, tracking_number=""), "", "tracking_number", ["tracking_number"]),
    ("argument_missing", "ship", with_(SHIP, tracking_number=" \t"), "", "tracking_number", ["tracking_number"]),
    ("argument_missing", "ship", {"tracking_number": "T1"}, "", "carrier", ["carrier"]),
    ("argument_missing", "refund", with_(REFUND, refund_reason=GONE), "", "refund_reason", ["refund_reason"]),
    ("argument_missing", "refund", with_(REFUND, refund_shipping_fees=GONE), "", "refund_shipping_fees", []),
    ("value_not_allowed", "ship", with_(SHIP, carrier="DHL"), "", "carrier", ["'DHL'", "COLISSIMO, CHRONOPOST"]),
    ("value_not_allowed", "ship", with_(SHIP, carrier="COLISIMO"), "", "carrier", ["Did you mean COLISSIMO?"]),
    ("value_not_allowed", "ship", with_(SHIP, carrier="Chronopost"), "", "carrier", ["Did you mean CHRONOPOST?"]),
    ("value_not_allowed", "ship", with_(SHIP, carrier="dpd"), "", "carrier", ["Did you mean DPD?"]),
    ("value_not_allowed", "ship", with_(OTHER, carrier="other"), "", "carrier", ["Did you mean Other?"]),
    ("value_not_allowed", "ship", with_(SHIP, carrier="x" * 10_000), "", "carrier", ["'xxx"]),
    ("value_not_allowed", "refund", with_(REFUND, refund_reason="damaged"), "", "refund_reason", ["DAMAGED?"]),
    (
        "value_not_allowed",
        "refund",
        with_(REFUND, refund_shipping_fees="yes"),
        "",
        "refund_shipping_fees",
        ["true, false"],
    ),
    (
        "argument_missing",
        "ship",
        with_(OTHER, carrier_name=GONE),
        "",
        "carrier_name",
        ["carrier 'Other'", "carrier_name"],
    ),
    ("argument_missing", "ship", with_(OTHER, carrier_name=" "), "", "carrier_name", ["carrier_name"]),
    (
        "argument_missing",
        "ship",
        with_(OTHER, tracking_url=GONE),
        "",
        "tracking_url",
        ["carrier 'Other'", "tracking_url"],
    ),
    ("url_invalid", "ship", with_(OTHER, tracking_url="example.com/T1"), "", "tracking_url", ["not a web address"]),
    ("url_invalid", "ship", with_(OTHER, tracking_url="ftp://example.com/T1"), "", "tracking_url", ["http"]),
    ("url_invalid", "ship", with_(OTHER, tracking_url="javascript:alert(1)"), "", "tracking_url", []),
    ("url_invalid", "ship", with_(OTHER, tracking_url="https://"), "", "tracking_url", []),
    ("url_invalid", "ship", with_(OTHER, tracking_url="https:///T1"), "", "tracking_url", []),
    ("url_invalid", "ship", with_(OTHER, tracking_url="http://[::1"), "", "tracking_url", []),
    ("url_invalid", "ship", with_(OTHER, tracking_url="https://example.com/T 1"), "", "tracking_url", []),
    ("url_invalid", "ship", with_(OTHER, tracking_url="https://example.com/T1\nX: y"), "", "tracking_url", []),
    ("url_invalid", "ship", with_(OTHER, tracking_url="https://example.com/T1\x00"), "", "tracking_url", []),
    ("url_invalid", "ship", with_(OTHER, tracking_url="https://example.com:99999/"), "", "tracking_url", []),
    ("line_unknown", "ship", with_(SHIP, line="M2-1"), "", "line", ["'M2-1'"]),
]


@pytest.mark.parametrize(
    ("code", "action", "arguments", "status", "field", "words"),
    WRONG,
    ids=[f"{case[0]}: {case[1]} {(case[2].get(case[4]) or 'without')[:24]!r}"[:70] for case in WRONG],
)
def test_is_refused(code, action, arguments, status, field, words):
    with pytest.raises(ActionInvalid) as refused:
        check(action, arguments, status=status)
    assert (refused.value.code, refused.value.about["field"]) == (code, field)
    assert [word for word in words if word not in str(refused.value)] == []
    assert len(str(refused.value)) < 600
    assert refused.value.what_to_do


def test_a_marketplace_that_ships_line_by_line_needs_the_line():
    described = marketplace({"orders.actions.ship.args": ["line", "carrier", "tracking_number"]})
    with pytest.raises(ActionInvalid) as refused:
        check("ship", SHIP, described=described)
    assert refused.value.code == "line_needed"
    check("ship", {**SHIP, "line": "M1-1"}, described=described)


def test_a_marketplace_that_names_no_statuses_takes_the_action_in_any():
    check("ship", SHIP, status="closed", described=marketplace({"orders.actions.ship.status": []}))


@pytest.mark.parametrize("named", [True, []], ids=["named", "no status named"])
@pytest.mark.parametrize("status", MANOMANO.closed_statuses)
def test_manomano_takes_nothing_in_a_closed_status_whatever_the_description_says(status, named):
    described = marketplace({"orders.actions.refund.status": named and ["shipped", status]})
    with pytest.raises(ActionInvalid) as refused:
        check("refund", REFUND, status=status, described=described)
    assert refused.value.code == "status_not_allowed"


def test_free_values_are_taken_beside_the_list():
    described = marketplace({"orders.actions.ship.args_description.carrier.accept_free_values": True})
    check("ship", with_(SHIP, carrier="DHL"), described=described)


@pytest.mark.parametrize("written", ["other", "OTHER"])
def test_other_is_other_however_it_is_written(written):
    described = marketplace({"orders.actions.ship.args_description.carrier.accept_free_values": True})
    with pytest.raises(ActionInvalid) as refused:
        check("ship", with_(SHIP, carrier=written), described=described)
    assert refused.value.code == "argument_missing"


def test_where_the_argument_lists_nothing_the_marketplaces_carriers_count():
    path = "orders.actions.ship.args_description.carrier"
    described = marketplace({f"{path}.valid_values": []})
    with pytest.raises(ActionInvalid) as refused:
        check("ship", with_(SHIP, carrier="DHL"), described=described)
    assert refused.value.code == "value_not_allowed"


@pytest.mark.parametrize(
    ("key", "profile"),
    [
        ("manomano_fr", MANOMANO),
        ("manomano_es_pro", MANOMANO),
        ("ManoMano_FR", MANOMANO),
        ("fnac_fr", NO_PROFILE),
        ("", NO_PROFILE),
    ],
)
def test_each_marketplace_has_one_profile(key, profile):
    assert profile_of(key) is profile


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("DPD", "DPD"),
        ("dpd", "DPD"),
        ("Colissimo", "COLISSIMO"),
        ("coli-ssimo ", "COLISSIMO"),
        ("DHL", ""),
        ("", ""),
        (" - ", ""),
    ],
)
def test_a_carrier_is_found_by_code_or_label(text, code):
    assert carrier_of(marketplace(), text) == code


NAMES = st.sampled_from(["carrier", "tracking_url", "line", "carrier_name"]) | st.text(max_size=4)
VALUES = st.sampled_from(["Other", "https://example.com/", "M1-1", ""]) | st.text(max_size=12)
ARGUMENTS = st.builds(
    Argument,
    valid_values=st.dictionaries(VALUES, VALUES, max_size=3),
    accept_free_values=st.booleans(),
    default_value=VALUES,
    kind=st.just("quantity") | VALUES,
    depends_on=st.lists(st.builds(Dependency, NAMES, st.lists(VALUES, max_size=2).map(tuple)), max_size=2).map(tuple),
)
RULES = st.builds(
    ActionRule,
    statuses=st.lists(VALUES, max_size=3).map(tuple),
    required=st.lists(NAMES, max_size=3).map(tuple),
    optional=st.lists(NAMES, max_size=3).map(tuple),
    arguments=st.dictionaries(NAMES, ARGUMENTS, max_size=3),
)
MARKETPLACES = st.builds(
    Marketplace,
    key=VALUES,
    name=VALUES,
    actions=st.dictionaries(st.sampled_from(["ship", "refund"]), RULES),
    carriers=st.dictionaries(VALUES, VALUES, max_size=3),
)
PROFILES = st.builds(
    Profile,
    prefix=VALUES,
    conditions=st.lists(
        st.builds(
            Condition,
            action=st.just("ship"),
            needs=st.lists(NAMES, max_size=2).map(tuple),
            argument=NAMES,
            value=VALUES,
        ),
        max_size=2,
    ).map(tuple),
    other_carrier=VALUES,
    closed_statuses=st.lists(VALUES, max_size=2).map(tuple),
)


@given(
    MARKETPLACES,
    PROFILES,
    st.sampled_from(["ship", "refund", "x"]),
    VALUES,
    st.dictionaries(NAMES, VALUES),
    st.dictionaries(VALUES, st.builds(line, VALUES, st.integers(-1, 9), VALUES)),
)
def test_nothing_but_action_invalid_is_ever_raised(described, profile, action, status, arguments, lines):
    try:
        check_action(described, profile, action, status=status, arguments=arguments, lines=lines)
    except ActionInvalid:
        return
    rule = described.actions[action]
    applying = [name for name in rule.required if rule.arguments.get(name, Argument()).applies(arguments)]
    assert all(arguments.get(name, "").strip() for name in applying)
    assert all(rule.takes(name) for name in arguments)
