"""The neutral contract `shop-shipment/1`: what a signed body tells, and what it may not leave out."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signing import event, shipment

from lengow.adapters.shop_shipment import event_of
from lengow.connector.adapter import Event
from lengow.connector.errors import PayloadInvalid
from lengow.connector.model import Tracking

GOOD = json.loads(event())


def test_the_worked_example():
    assert event_of(event()) == Event(
        id="887",
        kind="shipment",
        shop_order_id="1042",
        reference="main-manomano_fr-M1-1",
        tracking=Tracking(
            carrier_code="colissimo",
            carrier_name="La Poste - Colissimo",
            number="6A00000000001",
            url="https://track.example.com/6A00000000001",
        ),
        line_ids=("2001",),
        quantities={"2001": 2},
        parcel="887",
        raw_kind="shipment.created",
    )


@pytest.mark.parametrize("kind", ["shipment.created", "shipment.tracking_updated"])
def test_a_shipment_and_a_later_tracking_are_shipments(kind):
    told = event_of(event(kind))
    assert (told.kind, told.raw_kind, told.id) == ("shipment", kind, "887")


@pytest.mark.parametrize(("kind", "told_as"), [("order.cancelled", "cancelled"), ("order.refunded", "refunded")])
def test_a_cancellation_or_refund_names_the_order_and_may_name_lines(kind, told_as):
    body = json.loads(event(kind))
    del body["data"]["shipment"]
    whole = event_of(json.dumps(body).encode())
    assert (whole.kind, whole.shop_order_id, whole.line_ids) == (told_as, "1042", ())
    body["data"]["lines"] = [{"order_line_id": "M1-2"}]
    assert event_of(json.dumps(body).encode()).line_ids == ("M1-2",)


@pytest.mark.parametrize("kind", ["order.status_changed", "connection.ping", "brand.new"])
@pytest.mark.parametrize("data", [{}, None, [1], "x"])
def test_another_kind_is_taken_whatever_it_carries(kind, data):
    told = event_of(json.dumps({"type": kind, "data": data}).encode())
    assert (told.kind, told.raw_kind) == ("other", kind)


@pytest.mark.parametrize(
    ("order", "known_by"),
    [
        pytest.param({"id": 1042}, ("1042", ""), id="id as a number"),
        pytest.param({"id": "1042"}, ("1042", ""), id="id only"),
        pytest.param({"external_reference": "r-1"}, ("", "r-1"), id="reference only"),
        pytest.param({"id": None, "external_reference": "r-1"}, ("", "r-1"), id="id is null"),
    ],
)
def test_the_order_is_known_by_id_or_reference(order, known_by):
    told = event_of(event(order=order))
    assert (told.shop_order_id, told.reference) == known_by


@pytest.mark.parametrize(
    ("changes", "tracking"),
    [
        pytest.param({"tracking_number": 12345}, Tracking(number="12345"), id="number as a number"),
        pytest.param({"tracking_number": " 6A\x00 "}, Tracking(number="6A"), id="cleaned"),
        pytest.param({"carrier_label": "Éclair 🚚"}, Tracking(carrier_name="Éclair 🚚"), id="emoji"),
        pytest.param({}, Tracking(), id="nothing"),
    ],
)
def test_tracking_may_be_partly_known(changes, tracking):
    assert event_of(event(shipment={"id": "1", **changes})).tracking == tracking


@pytest.mark.parametrize(
    ("lines", "ids"),
    [
        pytest.param([], (), id="none: the whole order"),
        pytest.param([{"order_line_id": "a"}, {"order_line_id": 2}], ("a", "2"), id="two"),
        pytest.param([{"order_line_id": "a"}, {"sku": "gift"}], ("a",), id="one, and a gift that the shop added"),
    ],
)
def test_lines_are_known_by_their_ids(lines, ids):
    assert event_of(event(shipment=shipment(lines=lines))).line_ids == ids


@pytest.mark.parametrize(
    ("quantity", "quantities"),
    [(2, {"a": 2}), ("2", {"a": 2}), (2.0, {"a": 2}), ("2.0000", {"a": 2}), (None, {}), ("", {})],
)
def test_pieces_of_a_line_are_read_however_they_are_written(quantity, quantities):
    lines = [{"order_line_id": "a", "quantity": quantity}]
    assert event_of(event(shipment=shipment(lines=lines))).quantities == quantities
    assert event_of(event("order.refunded", lines=lines)).quantities == quantities


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(b"", "not an event", id="nothing"),
        pytest.param(b"{", "not an event", id="not JSON"),
        pytest.param(b"[]", "not an event", id="list"),
        pytest.param(b"{}", "type", id="no type"),
        pytest.param(b'{"type": 1}', "type", id="type is a number"),
        pytest.param(b'{"type": "\xff"}', "not an event", id="not UTF-8"),
        pytest.param(b'{"type": "a", "data": ' + b"[" * 100_000, "not an event", id="nested without end"),
        pytest.param(b'{"type": "shipment.created"}', "data", id="no data"),
        pytest.param(event(contract="shop-shipment/2"), "shop-shipment/1", id="another contract"),
        pytest.param(event(contract=None), "contract", id="no contract"),
        pytest.param(event(order={}), "neither id nor external_reference", id="order without a name"),
        pytest.param(event(order={"id": " "}), "neither id nor external_reference", id="order with a blank name"),
        pytest.param(event(order=None), "order", id="no order"),
        pytest.param(event(order={"id": [1]}), "id", id="order's id is a list"),
        pytest.param(event(shipment=None), "shipment.id", id="no shipment"),
        pytest.param(event(shipment=shipment(id=None)), "shipment.id", id="shipment without an id"),
        pytest.param(event(shipment=shipment(id="\x00")), "shipment.id", id="shipment with a blank id"),
        pytest.param(event(shipment=shipment(tracking_url={})), "tracking_url", id="address is an object"),
        pytest.param(event(shipment=shipment(lines=None)), "lines", id="lines are null"),
        *(
            pytest.param(told, "order_line_id", id=f"{name} is no whole order")
            for name, told in (
                ("a line by its SKU", event(shipment=shipment(lines=[{"sku": "x"}, {"order_line_id": None}]))),
                ("a line with a blank id", event(shipment=shipment(lines=[{"order_line_id": " "}]))),
                ("a cancelled line by its SKU", event("order.cancelled", lines=[{"sku": "x"}])),
                ("a refunded line by its SKU", event("order.refunded", lines=[{"sku": "x", "quantity": 1}])),
            )
        ),
        *(
            pytest.param(
                event(shipment=shipment(lines=[{"order_line_id": "a", "quantity": quantity}])), "pieces", id=name
            )
            for quantity, name in (
                (0, "none"),
                (-1, "less"),
                (0.5, "half"),
                ("two", "a word"),
                ("nan", "nan"),
                ("inf", "inf"),
            )
        ),
    ],
)
def test_what_the_contract_does_not_allow_is_refused_with_its_name(body, words):
    with pytest.raises(PayloadInvalid, match=words):
        event_of(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_nothing_else_is_ever_raised(body):
    try:
        event_of(body)
    except PayloadInvalid:
        return


@given(st.sampled_from(["contract", "order", "shipment"]), JSON)
def test_nothing_else_is_ever_raised_for_a_part(part, value):
    try:
        told = event_of(event(**{part: value}))
    except PayloadInvalid:
        return
    assert told.id
    assert told.shop_order_id or told.reference
