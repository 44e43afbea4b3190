"""What becomes of an order: every reason code with one order that gets it, and the order of the rules."""

import ast
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worked_examples import FULFILMENT, ORDER, changed, encoded

import lengow.connector
from lengow.connector import errors
from lengow.connector.changes import REFUNDED_BEFORE, SHIPMENT_TAKEN_BACK
from lengow.connector.decode import decode_order
from lengow.connector.following import MADE_ANEW
from lengow.connector.model import Address, Line, Order, OrderState, Package
from lengow.connector.policy import ENDED_BEFORE_IMPORT, IMPORTABLE, ShopPolicy, decide
from lengow.connector.privacy import NOT_ERASED
from lengow.connector.reasons import REASONS
from lengow.connector.recorder import DISMISSED, GAVE_UP

READY, WAITING, SKIPPED, FAILED = OrderState.READY, OrderState.WAITING, OrderState.SKIPPED, OrderState.FAILED

SHOP = ShopPolicy(
    name="b2c",
    platform="generic",
    imports_delivered_by_marketplace=True,
    import_orders_shipped_by_marketplaces=False,
    import_orders_with_merchant_order_id=False,
    starts_at=None,
)
TAKES_FULFILMENT = {"import_orders_shipped_by_marketplaces": True}
CANCELED = {"lengow_status": "canceled"}


def decision(changes=None, *, order=ORDER, shop=SHOP, options=None, own_ids=(), known=True):
    decoded = decode_order(encoded(changed(order, changes or {})))
    package = decoded.packages[0] if decoded.packages else Package(lines=(), delivery=None)
    shop = msgspec.structs.replace(shop, **(options or {})) if shop else None
    return decide(decoded, package, shop, own_ids=own_ids, known_marketplace=known)


@pytest.mark.parametrize(
    ("changes", "given"),
    [
        pytest.param({}, {}, id="ready for shipment"),
        pytest.param({"lengow_status": "shipped"}, {}, id="shipped"),
        pytest.param({"lengow_status": "closed"}, {}, id="closed"),
        pytest.param({"lengow_status": "partial_refunded"}, {}, id="partly refunded"),
        pytest.param({}, {"order": FULFILMENT, "options": TAKES_FULFILMENT}, id="fulfilment where the toggle is on"),
        pytest.param({"merchant_order_id": ["7"]}, {"own_ids": {"7"}}, id="reported by the connector before"),
        pytest.param(
            {"merchant_order_id": ["7"]},
            {"options": {"import_orders_with_merchant_order_id": True}},
            id="held by another system, and wanted all the same",
        ),
        pytest.param(
            {}, {"options": {"starts_at": datetime(2026, 9, 1, 8, 15, tzinfo=UTC)}}, id="ordered at the start date"
        ),
        pytest.param({"packages.0.cart.0.lengow_status": "canceled"}, {}, id="one of two lines is cancelled"),
        pytest.param(
            {"packages.0.cart.0.lengow_status": "canceled", "packages.0.cart.0.quantity": 0},
            {},
            id="a cancelled line is odd",
        ),
        pytest.param({"packages.0.cart.0.amount": "0.00"}, {}, id="a gift"),
        pytest.param({"billing_address": None}, {}, id="no billing address"),
    ],
)
def test_is_imported(changes, given):
    assert decision(changes, **given) == msgspec.structs.replace(decision(), state=READY, reason="", about="")


CASES = [
    # state, reason, about, changes, other arguments
    (SKIPPED, "no_shop", "manomano_fr", {}, {"shop": None}),
    (WAITING, "unknown_marketplace", "manomano_fr", {}, {"known": False}),
    (SKIPPED, "refused_before_import", "refused", {"lengow_status": "refused"}, {}),
    (SKIPPED, "canceled_before_import", "canceled", CANCELED, {}),
    (
        SKIPPED,
        "canceled_before_import",
        "every line",
        {"packages.0.cart.0.lengow_status": "canceled", "packages.0.cart.1.lengow_status": "refused"},
        {},
    ),
    (SKIPPED, "refunded_before_import", "refunded", {"lengow_status": "refunded"}, {}),
    (SKIPPED, "refunded_before_import", "refunding", {"lengow_status": "refunding"}, {}),
    (SKIPPED, "refunded_before_import", "to_refund", {"lengow_status": "to_refund"}, {}),
    (WAITING, "waiting_acceptance", "waiting_acceptance", {"lengow_status": "waiting_acceptance"}, {}),
    (
        WAITING,
        "waiting_acceptance",
        "waiting_shipment",
        {"packages.0.cart.1.lengow_status": "waiting_acceptance"},
        {},
    ),
    (WAITING, "not_yet_importable", "new", {"lengow_status": "new"}, {}),
    (WAITING, "not_yet_importable", "accepted", {"lengow_status": "accepted"}, {}),
    (WAITING, "not_yet_importable", "to_pickup", {"lengow_status": "to_pickup"}, {}),
    (WAITING, "not_yet_importable", "brand_new_status", {"lengow_status": "brand_new_status"}, {}),
    (
        SKIPPED,
        "before_start_date",
        "2026-09-01",
        {},
        {"options": {"starts_at": datetime(2026, 9, 1, 8, 15, 1, tzinfo=UTC)}},
    ),
    (SKIPPED, "anonymized", "", {"anonymized": True}, {}),
    (SKIPPED, "already_imported_elsewhere", "8, 9", {"merchant_order_id": ["7", 8, "9"]}, {"own_ids": {"7"}}),
    (SKIPPED, "delivered_by_marketplace_disabled", "b2c", {}, {"order": FULFILMENT}),
    (
        SKIPPED,
        "delivered_by_marketplace_unsupported",
        "generic",
        {},
        {"order": FULFILMENT, "options": {"imports_delivered_by_marketplace": False, **TAKES_FULFILMENT}},
    ),
    (SKIPPED, "no_lines", "", {"packages.0.cart": []}, {}),
    (SKIPPED, "no_lines", "", {"packages": []}, {}),
    (FAILED, "no_exchange_rate", "total_order", {"total_order": -1}, {}),
    (FAILED, "no_exchange_rate", "total_order", {"total_order": "-1.00"}, {}),
    (FAILED, "unknown_currency", "XYZ", {"currency.iso_a3": "XYZ"}, {}),
    (FAILED, "unknown_currency", "eur", {"currency.iso_a3": "eur"}, {}),
    (FAILED, "unknown_currency", "currency", {"currency": None}, {}),
    (FAILED, "negative_amount", "total_order, shipping or processing_fee", {"total_order": "-0.01"}, {}),
    (FAILED, "negative_amount", "total_order, shipping or processing_fee", {"shipping": -5}, {}),
    (FAILED, "negative_amount", "total_order, shipping or processing_fee", {"processing_fee": "-5"}, {}),
    (FAILED, "negative_amount", "line M240900012345-2: amount -1.00", {"packages.0.cart.1.amount": "-1.00"}, {}),
    (FAILED, "invalid_quantity", "line M240900012345-1: quantity 0", {"packages.0.cart.0.quantity": 0}, {}),
    (FAILED, "invalid_quantity", "line M240900012345-1: quantity -2", {"packages.0.cart.0.quantity": -2}, {}),
    (
        FAILED,
        "no_delivery_country",
        "packages.delivery.common_country_iso_a2",
        {"packages.0.delivery.common_country_iso_a2": None},
        {},
    ),
    (FAILED, "no_delivery_country", "packages.delivery.common_country_iso_a2", {"packages.0.delivery": None}, {}),
]


@pytest.mark.parametrize(
    ("state", "reason", "about", "changes", "given"), CASES, ids=[f"{case[1]}-{case[2]}" for case in CASES]
)
def test_is_not_imported(state, reason, about, changes, given):
    decided = decision(changes, **given)
    assert (decided.state, decided.reason, decided.about) == (state, reason, about)


def test_the_table_above_has_every_reason_of_the_policy():
    assert {case[1] for case in CASES} == reasons_in("policy.py")


@pytest.mark.parametrize(
    ("reason", "changes", "given"),
    [
        pytest.param("no_shop", {"lengow_status": "refused"}, {"shop": None}, id="no shop before all"),
        pytest.param("unknown_marketplace", CANCELED, {"known": False}, id="marketplace before status"),
        pytest.param("canceled_before_import", {**CANCELED, "anonymized": True}, {}, id="status before history"),
        pytest.param("anonymized", {"anonymized": True}, {"order": FULFILMENT}, id="history before who delivers"),
        pytest.param(
            "delivered_by_marketplace_disabled",
            {"total_order": -1},
            {"order": FULFILMENT},
            id="who delivers before content",
        ),
    ],
)
def test_of_several_reasons_the_first_counts(reason, changes, given):
    assert decision(changes, **given).reason == reason


def test_an_order_that_the_marketplace_delivers_needs_no_address():
    changes = {"packages.0.delivery": None, "billing_address": None}
    assert decision(changes, order=FULFILMENT, options=TAKES_FULFILMENT).state is READY


def test_every_status_of_lengow_is_imported_waited_for_or_ended():
    """Reference lengow.md §2.7."""
    waited_for = {"new", "waiting_acceptance", "accepted", "pickup_to_prepare", "to_pickup", "pickup_completed"}
    decided = {
        status: decision({"lengow_status": status}).state for status in (*IMPORTABLE, *ENDED_BEFORE_IMPORT, *waited_for)
    }
    assert {status for status, state in decided.items() if state is READY} == IMPORTABLE
    assert {status for status, state in decided.items() if state is SKIPPED} == ENDED_BEFORE_IMPORT.keys()
    assert {status for status, state in decided.items() if state is WAITING} == waited_for


AMOUNTS = st.decimals(min_value=-(10**9), max_value=10**9, allow_nan=False, allow_infinity=False)
DATES = st.datetimes(timezones=st.just(UTC))
STATUSES = st.sampled_from([*IMPORTABLE, *ENDED_BEFORE_IMPORT, "new", "waiting_acceptance"]) | st.text()
TEXTS = st.text(max_size=5)
LINES = st.builds(
    Line,
    id=TEXTS,
    sku=TEXTS,
    title=TEXTS,
    quantity=st.integers(),
    amount=AMOUNTS,
    tax=st.none() | AMOUNTS,
    status=STATUSES,
    marketplace_sku=TEXTS,
    ship_by=st.none() | DATES,
)
ADDRESSES = st.none() | st.builds(Address, country=TEXTS)
PACKAGES = st.builds(Package, lines=st.lists(LINES, max_size=3).map(tuple), delivery=ADDRESSES)
ORDERS = st.builds(
    Order,
    marketplace=TEXTS,
    marketplace_order_id=TEXTS,
    status=STATUSES,
    marketplace_status=TEXTS,
    ordered_at=st.none() | DATES,
    imported_at=DATES,
    updated_at=DATES,
    currency=st.sampled_from(["EUR", "", "XYZ"]),
    total=AMOUNTS,
    total_tax=st.none() | AMOUNTS,
    shipping=AMOUNTS,
    processing_fee=AMOUNTS,
    commission=st.none() | AMOUNTS,
    packages=st.lists(PACKAGES, max_size=3).map(tuple),
    billing=ADDRESSES,
    customer_id=TEXTS,
    comment=TEXTS,
    types=st.lists(st.sampled_from(["is_delivered_by_marketplace", "is_express"])).map(tuple),
    anonymized=st.booleans(),
    merchant_order_ids=st.lists(TEXTS).map(tuple),
    catalogues=st.lists(st.integers()).map(tuple),
)
SHOPS = st.none() | st.builds(
    ShopPolicy,
    name=TEXTS,
    platform=TEXTS,
    imports_delivered_by_marketplace=st.booleans(),
    import_orders_shipped_by_marketplaces=st.booleans(),
    import_orders_with_merchant_order_id=st.booleans(),
    starts_at=st.none() | DATES,
)


@given(ORDERS, PACKAGES, SHOPS, st.sets(TEXTS), st.booleans())
def test_every_order_gets_a_decision_with_a_known_reason(order, package, shop, own_ids, known):
    decided = decide(order, package, shop, own_ids=own_ids, known_marketplace=known)
    assert (decided.state is READY) == (decided.reason == "")
    assert decided.reason in {"", *REASONS}
    if decided.state is READY:
        assert order.total >= Decimal(0)
        assert not order.anonymized
        assert shop is not None


SOURCE = Path(lengow.connector.__file__).parent
REASON_AT = {
    "_skip": 0,
    "_wait": 0,
    "_fail": 0,
    "Decision": 1,
    "_changed": 3,
    "Found": 3,
    "_Settled": 1,
    "_overtaken": 2,
}
"""The calls that give an order its reason, and which of their arguments it is."""


def reasons_in(file):
    """The reason codes that a module of the connector writes out."""
    tree = ast.parse((SOURCE / file).read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in REASON_AT:
            given = node.args[REASON_AT[node.func.id]] if len(node.args) > REASON_AT[node.func.id] else None
            found |= {given.value} if isinstance(given, ast.Constant) and isinstance(given.value, str) else set()
        if isinstance(node, ast.FunctionDef) and node.name == "_unusable":
            returned = [one.value for one in ast.walk(node) if isinstance(one, ast.Return)]
            found |= {
                one.value
                for value in returned
                for one in ast.walk(value)
                if isinstance(one, ast.Constant) and isinstance(one.value, str)
            }
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in ("ENDED_BEFORE_IMPORT", "_AGAIN"):
            found |= {value.value for value in node.value.values}
    return found - {""}


NAMED = {DISMISSED, GAVE_UP, MADE_ANEW, NOT_ERASED, REFUNDED_BEFORE, SHIPMENT_TAKEN_BACK}
"""Codes that several places give by a constant."""


def every_reason():
    written = set().union(*(reasons_in(file.relative_to(SOURCE)) for file in SOURCE.rglob("*.py")))
    return written | {errors.OrderUndecodable.code, *NAMED}


def test_every_reason_code_in_the_code_has_its_sentences():
    assert every_reason() - REASONS.keys() == set()
    assert len(every_reason()) > 20, "the search above finds them"


def test_no_sentence_is_for_a_reason_that_nobody_gives():
    assert REASONS.keys() - every_reason() == set()


@pytest.mark.parametrize("code", REASONS)
def test_a_reason_says_what_is_so_and_what_to_do(code):
    assert REASONS[code].sentence.endswith(".")
    assert REASONS[code].what_to_do.endswith(".")
