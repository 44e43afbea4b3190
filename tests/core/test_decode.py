"""From Lengow's bytes to the model: everything it may send is either read right or refused with the field's name."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worked_examples import FULFILMENT, MISSING, ORDER, changed, encoded

from lengow.connector.decode import decode_order, identify, pack_order, unpack_order
from lengow.connector.errors import OrderUndecodable
from lengow.connector.model import Address, Line, Package

BUYER = Address(
    first_name="Test",
    last_name="Buyer",
    civility="Mme",
    first_line="1 rue de l'Exemple",
    zipcode="44000",
    city="Nantes",
    country="FR",
    phone="0600000001",
    email="buyer-0001@example.com",
)
SHIP_BY = datetime(2026, 9, 4, 22, tzinfo=UTC)


def decoded(changes=None, order=ORDER):
    return decode_order(encoded(changed(order, changes or {})))


def refused(changes):
    with pytest.raises(OrderUndecodable) as error:
        decoded(changes)
    return error.value


class TestTheWorkedExample:
    def test_order(self):
        order = decoded()
        assert (order.marketplace, order.marketplace_order_id) == ("manomano_fr", "M240900012345")
        assert (order.status, order.marketplace_status) == ("waiting_shipment", "PREPARATION")
        assert order.ordered_at == datetime(2026, 9, 1, 8, 15, tzinfo=UTC)
        assert order.imported_at == datetime(2026, 9, 1, 8, 30, 11, 120000, tzinfo=UTC)
        assert order.updated_at == datetime(2026, 9, 1, 8, 45, 2, tzinfo=UTC)
        assert (order.total, order.total_tax, order.shipping) == (Decimal("131.7"), Decimal("20.30"), Decimal("9.9"))
        assert (order.commission, order.processing_fee, order.currency) == (Decimal("18.27"), Decimal(0), "EUR")
        assert (order.customer_id, order.comment, order.merchant_order_ids) == ("c-778899", "", ())
        assert (order.types, order.anonymized, order.catalogues) == ((), False, (3131,))
        assert order.billing == BUYER

    def test_package_and_lines(self):
        assert decoded().packages == (
            Package(
                lines=(
                    Line(
                        id="M240900012345-1",
                        sku="DRILL-18V",
                        title="Cordless drill 18 V",
                        quantity=1,
                        amount=Decimal("89.90"),
                        tax=Decimal("14.98"),
                        status="waiting_shipment",
                        marketplace_sku="ME1234567",
                        ship_by=SHIP_BY,
                    ),
                    Line(
                        id="M240900012345-2",
                        sku="SCREW-BOX-200",
                        title="Box of 200 screws",
                        quantity=2,
                        amount=Decimal("31.90"),
                        tax=Decimal("5.32"),
                        status="waiting_shipment",
                        marketplace_sku="ME7654321",
                        ship_by=SHIP_BY,
                    ),
                ),
                delivery=Address(
                    **{name: getattr(BUYER, name) for name in Address.__struct_fields__} | {"complement": "Bat. B"}
                ),
                relay_id="013579",
                method="relay",
            ),
        )

    def test_amounts_add_up(self):
        order = decoded()
        assert sum(line.amount for line in order.lines) + order.shipping == order.total

    def test_fulfilment_order(self):
        order = decoded(order=FULFILMENT)
        assert order.delivered_by_marketplace
        [package] = order.packages
        assert (package.carrier, package.tracking_number, package.relay_id) == ("Other", "TRK0001", "")
        assert (order.billing.name, order.billing.country) == ("", "FR")
        [line] = package.lines
        assert (line.sku, line.amount, line.tax, line.title, line.ship_by) == (
            "HAMMER-1",
            Decimal("45.00"),
            None,
            "",
            None,
        )


@pytest.mark.parametrize(
    ("given", "read"),
    [
        pytest.param("36.00", "36.00", id="text"),
        pytest.param(40.3, "40.3", id="number"),
        pytest.param(36, "36", id="whole number"),
        pytest.param("0.1", "0.1", id="a tenth"),
        pytest.param(-1, "-1", id="no exchange rate"),
        pytest.param("-5.20", "-5.20", id="negative"),
        pytest.param(40.300000000000004, "40.300000000000004", id="number with noise"),
        pytest.param("999999999999.99", "999999999999.99", id="largest"),
    ],
)
def test_amounts_are_decimal_whether_text_or_number(given, read):
    order = decoded({"total_order": given, "packages.0.cart.0.amount": given})
    assert (str(order.total), str(order.lines[0].amount)) == (read, read)


@pytest.mark.parametrize("field", ["shipping", "processing_fee"])
@pytest.mark.parametrize("given", [None, MISSING, 0, "0.00"])
def test_a_charge_that_is_not_given_is_zero(field, given):
    assert getattr(decoded({field: given}), field) == 0


@pytest.mark.parametrize("field", ["total_tax", "commission"])
@pytest.mark.parametrize("given", [None, MISSING])
def test_a_tax_or_commission_that_is_not_given_is_unknown(field, given):
    assert getattr(decoded({field: given}), field) is None


@pytest.mark.parametrize(
    "literal", ["1e999999", "-1e999999", '"NaN"', '"sNaN"', '"Infinity"', "1e-999999", "1000000000000"]
)
@pytest.mark.parametrize(
    ("field", "path"),
    [
        ("total_order", "total_order"),
        ("total_tax", "total_tax"),
        ("shipping", "shipping"),
        ("processing_fee", "processing_fee"),
        ("commission", "commission"),
        ("packages.cart.amount", "packages.0.cart.0.amount"),
        ("packages.cart.tax", "packages.0.cart.0.tax"),
    ],
)
def test_what_is_no_amount_is_refused(literal, field, path):
    raw = encoded(changed(ORDER, {path: "@"})).replace(b'"@"', literal.encode())
    with pytest.raises(OrderUndecodable) as error:
        decode_order(raw)
    assert error.value.about["field"] == field


@pytest.mark.parametrize(
    "literal", ["NaN", "Infinity", "1e99999999999999999999", "0x1", "1,5", '"1,5"', '""', "true", "{}"]
)
def test_what_is_no_number_in_json_is_refused(literal):
    raw = encoded(changed(ORDER, {"total_order": "@"})).replace(b'"@"', literal.encode())
    with pytest.raises(OrderUndecodable):
        decode_order(raw)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        pytest.param(None, "", id="null"),
        pytest.param(MISSING, "", id="missing"),
        pytest.param("Ring twice", "Ring twice", id="text"),
        pytest.param(["Ring twice", "Thanks"], "Ring twice, Thanks", id="list"),
        pytest.param(["", None, " b ", 7], "b, 7", id="list with gaps"),
        pytest.param([], "", id="empty list"),
    ],
)
def test_comments_are_one_text(given, read):
    assert decoded({"comments": given}).comment == read


@pytest.mark.parametrize(
    ("given", "read"),
    [
        pytest.param(None, (), id="null"),
        pytest.param(MISSING, (), id="missing"),
        pytest.param([], (), id="empty list"),
        pytest.param(["1001", "1002"], ("1001", "1002"), id="list of texts"),
        pytest.param([1001], ("1001",), id="list of numbers"),
        pytest.param("1001", ("1001",), id="text"),
        pytest.param(1001, ("1001",), id="number"),
        pytest.param("", (), id="empty text"),
    ],
)
def test_merchant_order_ids_are_texts(given, read):
    assert decoded({"merchant_order_id": given}).merchant_order_ids == read


REQUIRED = [
    ("marketplace", "marketplace"),
    ("marketplace_order_id", "marketplace_order_id"),
    ("lengow_status", "lengow_status"),
    ("imported_at", "imported_at"),
    ("updated_at", "updated_at"),
    ("total_order", "total_order"),
    ("packages", "packages"),
    ("packages.0.cart", "packages[0].cart"),
    ("packages.0.cart.1.quantity", "packages[0].cart[1].quantity"),
    ("packages.0.cart.1.amount", "packages[0].cart[1].amount"),
]


@pytest.mark.parametrize(("path", "field"), REQUIRED, ids=[field for _, field in REQUIRED])
@pytest.mark.parametrize("given", [MISSING, None, {}], ids=["missing", "null", "object"])
def test_a_missing_or_wrong_typed_field_is_named(path, field, given):
    error = refused({path: given})
    assert error.about["field"] == field
    assert field.rpartition(".")[2] in str(error)
    assert error.code == "order_undecodable"


@pytest.mark.parametrize(
    ("path", "given", "field"),
    [
        ("packages.0.cart.0.title", {"fr": "Perceuse"}, "packages[0].cart[0].title"),
        ("packages.0.cart.0.quantity", "1", "packages[0].cart[0].quantity"),
        ("packages.0.cart.0.quantity", 1.5, "packages[0].cart[0].quantity"),
        ("packages.0.cart.0.quantity", 2**31, "packages[0].cart[0].quantity"),
        ("packages.0.cart.0.quantity", 10**30, "packages[0].cart[0].quantity"),
        ("packages.0.cart.0.feed_id", 10**30, "packages[0].cart[0].feed_id"),
        ("packages.0.cart.0.feed_id", "x", "packages[0].cart[0].feed_id"),
        ("packages.0.cart.0.max_shipping_date", "soon", "packages[0].cart[0].max_shipping_date"),
        ("packages.0.cart.0", None, "packages[0].cart[0]"),
        ("packages.0.delivery.zipcode", True, "packages[0].delivery.zipcode"),
        ("packages.0.delivery.trackings", {}, "packages[0].delivery.trackings"),
        ("billing_address.city", ["Nantes"], "billing_address.city"),
        ("currency", "EUR", "currency"),
        ("order_types", ["is_express"], "order_types[0]"),
        ("anonymized", "no", "anonymized"),
        ("marketplace_order_date", 1788249600, "marketplace_order_date"),
        ("marketplace_order_date", "2026-02-30T00:00:00Z", "marketplace_order_date"),
        ("marketplace_order_date", "", "marketplace_order_date"),
        ("marketplace_order_id", "", "marketplace_order_id"),
        ("marketplace_order_id", " \x00 ", "marketplace_order_id"),
        ("marketplace", "", "marketplace"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(path, given, field):
    assert refused({path: given}).about["field"] == field


@pytest.mark.parametrize("quantity", [0, -1, -(2**31)])
def test_a_quantity_that_makes_no_sense_is_read_and_left_to_the_policy(quantity):
    assert decoded({"packages.0.cart.0.quantity": quantity}).lines[0].quantity == quantity


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"{", b"\xff"], ids=str)
def test_what_is_no_order_at_all_is_refused(raw):
    with pytest.raises(OrderUndecodable, match="cannot be read"):
        decode_order(raw)


def test_a_record_that_is_not_utf8_somewhere_is_refused():
    raw = encoded(changed(ORDER, {"documents": "@"}))
    with pytest.raises(OrderUndecodable, match="utf-8"):
        decode_order(raw.replace(b'"@"', b'"\xff"'))


def test_a_line_without_any_id_is_refused():
    gone = {"packages.0.cart.0.marketplace_order_line_id": None, "packages.0.cart.0.id": None}
    assert refused(gone).about["field"] == "packages.cart.id"


@pytest.mark.parametrize(
    ("ids", "read"),
    [
        pytest.param({"marketplace_order_line_id": None}, "700001", id="Lengow's own where the marketplace gives none"),
        pytest.param({"marketplace_order_line_id": 55}, "55", id="number"),
    ],
)
def test_a_line_is_known_by_one_id(ids, read):
    assert decoded({f"packages.0.cart.0.{key}": value for key, value in ids.items()}).lines[0].id == read


@pytest.mark.parametrize("merchant", [None, MISSING, {"field": "sku", "id": None}, {"field": "sku", "id": " "}])
def test_a_product_without_the_merchants_reference_has_the_marketplaces(merchant):
    assert decoded({"packages.0.cart.0.merchant_product_id": merchant}).lines[0].sku == "ME1234567"


@pytest.mark.parametrize(
    ("given", "read"),
    [
        pytest.param("2026-09-01T08:15:00", datetime(2026, 9, 1, 8, 15, tzinfo=UTC), id="without zone: UTC"),
        pytest.param("2026-09-01T10:15:00+02:00", datetime(2026, 9, 1, 8, 15, tzinfo=UTC), id="another zone"),
        pytest.param(
            "2026-09-01T08:15:00.123456Z", datetime(2026, 9, 1, 8, 15, 0, 123456, tzinfo=UTC), id="with fractions"
        ),
        pytest.param(None, datetime(2026, 9, 1, 8, 30, 11, 120000, tzinfo=UTC), id="null: Lengow's import date"),
    ],
)
def test_dates_are_universal_time(given, read):
    date = decoded({"marketplace_order_date": given}).date
    assert (date, date.tzinfo) == (read, UTC)


@pytest.mark.parametrize("field", ["marketplace_order_date", "imported_at", "updated_at"])
@pytest.mark.parametrize("given", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
def test_a_date_outside_the_calendar_is_refused(field, given):
    assert refused({field: given}).about["field"] == field


@pytest.mark.parametrize(
    ("given", "read"),
    [
        pytest.param("José Ñandú", "José Ñandú", id="accents"),
        pytest.param("Zoë 👩‍👩‍👧", "Zoë 👩‍👩‍👧", id="emoji with joiners"),
        pytest.param("𠮷野家", "𠮷野家", id="4-byte characters"),
        pytest.param("שלום مرحبا", "שלום مرحبا", id="right to left"),
        pytest.param("  a \t", "a", id="outer white space"),
        pytest.param("a\x00b\x07c\x1fd\x7f\x85e", "abcde", id="control characters"),
        pytest.param("a\ufffeb\uffffc", "abc", id="what XML cannot hold"),
        pytest.param("a\nb\tc", "a\nb\tc", id="line break and tab stay"),
        pytest.param("x" * 10_000, "x" * 10_000, id="10,000 characters"),
        pytest.param("", "", id="empty"),
        pytest.param(44000, "44000", id="number"),
    ],
)
def test_texts_are_kept_but_for_what_no_shop_can_hold(given, read):
    order = decoded({"billing_address.last_name": given, "packages.0.cart.0.title": given})
    assert (order.billing.last_name, order.lines[0].title) == (read, read)


def test_statuses_and_types_are_cleaned_too():
    changes = {
        "lengow_status": " shipped\x00 ",
        "order_types": [{"type": "is_express\x00"}],
        "currency.iso_a3": " EUR ",
    }
    order = decoded(changes)
    assert (order.status, order.types, order.currency) == ("shipped", ("is_express",), "EUR")


@pytest.mark.parametrize(
    ("phones", "read"),
    [
        ({"phone_mobile": "1", "phone_home": "2", "phone_office": "3"}, "1"),
        ({"phone_mobile": " ", "phone_home": "2", "phone_office": "3"}, "2"),
        ({"phone_mobile": None, "phone_home": None, "phone_office": "3"}, "3"),
        ({"phone_mobile": None, "phone_home": None, "phone_office": None}, ""),
    ],
)
def test_the_phone_is_the_first_that_is_given(phones, read):
    assert decoded({f"billing_address.{key}": value for key, value in phones.items()}).billing.phone == read


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"new_field": {"a": [1]}}, id="of the order"),
        pytest.param({"packages.0.cart.0.new_field": 1}, id="of a line"),
        pytest.param({"packages.0.delivery.new_field": 1}, id="of an address"),
    ],
)
def test_unknown_fields_are_ignored(changes):
    assert decoded(changes) == decoded()


@pytest.mark.parametrize("gone", ["currency", "billing_address", "packages.0.delivery", "order_types", "anonymized"])
def test_what_may_be_missing_may_be_missing_or_null(gone):
    assert decoded({gone: MISSING}) == decoded({gone: None})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
PLACES = [
    *ORDER,
    "packages.0",
    *(f"packages.0.{key}" for key in ORDER["packages"][0]),
    *(f"packages.0.cart.0.{key}" for key in ORDER["packages"][0]["cart"][0]),
    *(f"packages.0.delivery.{key}" for key in ORDER["packages"][0]["delivery"]),
    *(f"packages.0.delivery.trackings.0.{key}" for key in ORDER["packages"][0]["delivery"]["trackings"][0]),
    *(f"billing_address.{key}" for key in ORDER["billing_address"]),
]


def read_or_refuse(raw):
    identity = identify(raw)
    assert identity.marketplace
    assert identity.marketplace_order_id
    try:
        order = decode_order(raw)
    except OrderUndecodable:
        return
    assert (order.marketplace, order.marketplace_order_id) == (identity.marketplace, identity.marketplace_order_id)
    assert unpack_order(pack_order(order)) == order


class TestNothingElseIsEverRaised:
    @given(st.binary(max_size=300))
    def test_for_any_bytes(self, raw):
        read_or_refuse(raw)

    @given(JSON)
    def test_for_any_json(self, value):
        read_or_refuse(json.dumps(value).encode())

    @given(st.sampled_from(PLACES), JSON)
    def test_for_any_json_anywhere_in_an_order(self, place, value):
        read_or_refuse(encoded(changed(ORDER, {place: value})))

    @given(st.integers(0, len(encoded(ORDER)) - 1), st.binary(max_size=3))
    def test_for_an_order_with_any_bytes_in_it(self, position, noise):
        raw = encoded(ORDER)
        read_or_refuse(raw[:position] + noise + raw[position + 1 :])

    @pytest.mark.parametrize("depth", [*range(900, 1005), 100_000])
    def test_for_json_nested_deeply(self, depth):
        read_or_refuse(encoded(changed(ORDER, {"documents": "@"})).replace(b'"@"', b"[" * depth + b"]" * depth))
