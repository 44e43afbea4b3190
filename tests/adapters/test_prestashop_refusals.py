"""What PrestaShop refuses, in its recorded words, and what is cleaned so that it does not have to."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from defusedxml.ElementTree import fromstring
from prestashop_shop import ContractPrestaShop

from lengow.adapters.answers import entries_of, entry_of
from lengow.adapters.calls import Reply
from lengow.adapters.contract import created, new_order
from lengow.adapters.outcomes import Problem
from lengow.adapters.prestashop.addresses import address_fields, names_of, same
from lengow.adapters.prestashop.api import Died, Lost, Refusal, _check
from lengow.adapters.prestashop.cleaning import LENGTHS, Cleaner, cleaned_text
from lengow.adapters.prestashop.comparison import difference
from lengow.adapters.prestashop.health import NEEDED
from lengow.adapters.prestashop.plan import Mark, Plan, PlannedLine, is_aside, mark_in, order_note, plan_in, rest_of
from lengow.adapters.prestashop.profile import Carrier, Country, Place, Profile, TaxRule
from lengow.adapters.prestashop.refusals import REMEDIES, rejected
from lengow.adapters.prestashop.xml import Association, Unreadable, entity, rights, sizes
from lengow.connector.model import Address
from lengow.sandbox.shops.prestashop.validation import COMPILED

CAPTURES = Path(__file__).parent.parent / "captures" / "prestashop"

ADDRESS = ("lastname", 85, False)
RECORDED: dict[str, tuple[str, int, bool]] = {
    # capture: the field, the code, whether trying again helps
    "004": ("key", 20, True),
    "005": ("key", 18, True),
    "006": ("key", 26, True),
    "007": ("key", 25, True),
    "202": ("url", 22, True),
    "203": ("key", 20, True),
    "045": ("", 32, False),
    "046": ("", 35, False),
    "050": ("email", 140, False),
    "054": ("email", 85, False),
    "055": ("passwd", 41, False),
    "056": ("firstname", 85, False),
    "059": ADDRESS,
    "060": ("firstname", 85, False),
    "061": ("address1", 85, False),
    "062": ("city", 85, False),
    "063": ADDRESS,
    "064": ("address1", 85, False),
    "065": ("alias", 85, False),
    "066": ("postcode", 85, False),
    "068": ("phone", 85, False),
    "069": ADDRESS,
    "070": ("alias", 41, False),
    "073": ADDRESS,
    "075": ("", 127, False),
    "076": ("", 127, False),
    "078": ("", 127, False),
    "103": ("id_order_state", 41, False),
    "108": ("id_order", 41, False),
    "109": ("tracking_number", 85, False),
    "115": ("", 32, False),
    "147": ("id_address_delivery", 41, False),
    "175": ("", 101, False),
    "176": ("reduction_tax", 41, False),
    "177": ("id_shop", 41, False),
    "178": ("", 38, False),
    "180": ("id", 92, False),
    "181": ("id", 90, False),
    "184": ("id", 87, False),
    "289": ("other", 85, False),
}


def response(number: str, **changed: Any) -> Reply:
    [path] = CAPTURES.glob(f"{number}-*.json")
    recorded = {**json.loads(path.read_text()), **changed}
    return Reply(recorded["status"], recorded["response_headers"], (recorded["response_body"] or "").encode())


@pytest.mark.parametrize(("number", "wanted"), RECORDED.items(), ids=list(RECORDED))
def test_a_recorded_refusal_tells_words_field_and_what_to_do(number: str, wanted: tuple[str, int, bool]) -> None:
    with pytest.raises(Refusal) as caught:
        _check("POST", "orders", response(number))
    outcome = rejected("A-1", caught.value)
    assert (outcome.field, caught.value.code, outcome.retry) == wanted
    words = caught.value.message.partition(";")[0]
    assert words
    assert words in outcome.reason
    assert REMEDIES[caught.value.code].what_to_do in outcome.reason
    assert "<" not in outcome.reason, "the shop escapes its words, and wraps them"


def test_a_request_that_the_shop_echoes_stays_out_of_the_reason() -> None:
    """Code 127 repeats the whole body, with personal data (FINDINGS)."""
    with pytest.raises(Refusal) as caught:
        _check("POST", "customers", response("075"))
    assert "String could not be parsed as XML" in str(caught.value)
    assert "<email>" not in str(caught.value)


@pytest.mark.parametrize(
    ("number", "words"), [("083", ""), ("101", ""), ("102", ""), ("146", ""), ("193", "Fatal error")]
)
def test_a_death_of_php_is_neither_a_refusal_nor_past_asking(number: str, words: str) -> None:
    with pytest.raises(Died) as caught:
        _check("POST", "orders", response(number))
    assert caught.value.words == words


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, "<html><h1>Internal Server Error</h1></html>"),
        (502, "<html>Bad Gateway</html>"),
        (503, ""),
        (504, ""),
        (302, ""),
        (500, '{"errors":[{"code":3,"message":"[PHP Warning #2] Undefined array key"}]}'),
    ],
)
def test_what_may_have_had_an_effect_is_lost(status: int, body: str) -> None:
    with pytest.raises(Lost):
        _check("POST", "orders", response("083", status=status, response_body=body))


KINDS = {
    "name": "isName",
    "customer_name": "isCustomerName",
    "address": "isAddress",
    "city": "isCityName",
    "generic": "isGenericName",
    "message": "isMessage",
    "phone": "isPhoneNumber",
    "postcode": "isPostCode",
    "tracking": "isTrackingNumber",
}


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_cleaned_is_taken(kind: str) -> None:
    """Each sign of the printable ones is tried, as FINDINGS did, against the stand-in's own rules."""
    pattern = COMPILED[KINDS[kind]]
    for sign in [*map(chr, range(1, 256)), "°", "¤", "。", "\u200b", "\ufeff", "😀", "€", "漢"]:
        cleaned = cleaned_text(f"1A{sign}b.{sign}", kind)
        assert not cleaned or pattern.fullmatch(cleaned), (sign, cleaned)
        assert cleaned_text(cleaned, kind) == cleaned
    assert pattern.fullmatch(cleaned_text("Jean-Pierre O'Neil", kind) or "1")


@pytest.mark.parametrize(
    ("value", "kind", "cleaned"),
    [
        ("Smith 3rd (Bob)", "name", "Smith rd Bob"),
        ("L.B. & Co", "customer_name", "L. B. & Co"),
        ("Jean-Pierre O’Neil", "name", "Jean-Pierre O’Neil"),
        ("12 rue de l'Église @ 3%", "address", "12 rue de l'Église 3"),
        ("Saint-Étienne (42)", "city", "Saint-Étienne (42)"),
        ("+33 (0)1 02 03 ext 4", "phone", "+33 (0)1 02 03 4"),
        ("2750.123", "postcode", "2750 123"),
        ("A\u200bB\u0000C", "address", "A B C"),
        ("Zoe\u0301", "name", "Zoé"),
        ("Anna 🎁", "name", "Anna"),
    ],
)
def test_cleaning(value: str, kind: str, cleaned: str) -> None:
    assert cleaned_text(value, kind) == cleaned


def test_what_was_changed_is_told_to_the_merchant() -> None:
    shop = ContractPrestaShop()
    adapter = shop.adapter()
    order = new_order(
        "Z-1", [(shop.simple, 1, "5.00")], last_name="Martin <3", company="A = B", city="Lyon #7", phone="0102 (home)"
    )
    view = shop.standin.order_view(int(created(adapter, order).id))
    address = shop.standin.data.tables["addresses"][int(view["id_address_delivery"])]
    assert (address["lastname"], address["company"], address["city"]) == ("Martin", "A B", "Lyon 7")
    assert "Changed for PrestaShop: delivery lastname: “Martin ‹3” became “Martin”" in view["note"]
    assert "delivery city: “Lyon #7” became “Lyon 7”" in view["note"]
    adapter.close()
    shop.close()


def profile(**more: Any) -> Profile:
    given: dict[str, Any] = {
        "configuration": {},
        "currencies": {"EUR": 1},
        "countries": {
            "FR": Country(8, True, False, False),
            "ES": Country(6, True, True, True),
            "US": Country(21, False, True, False),
        },
        "regions": {(6, "es-m"): 2, (6, "m"): 2, (6, "madrid"): 2},
        "carriers": (),
        "states": {},
        "tax_rules": (),
        "lengths": {},
        "read_at": 0,
    }
    return Profile(**{**given, **more})


def test_lines_that_are_too_long_go_on_in_the_next() -> None:
    cleaner = Cleaner({"address1": 20, "address2": 20, "other": 30})
    address = Address(
        first_name="A", last_name="B", first_line="12 avenue du Général Leclerc", second_line="Bâtiment C, escalier 4",
        complement="Porte 7", city="Lyon", country="FR",
    )  # fmt: skip
    fields = address_fields(address, "delivery", profile(), cleaner, extra="Relay 012345")
    assert fields["address1"] == "12 avenue du Général"
    assert fields["address2"] == "Leclerc, Bâtiment C,"
    assert fields["other"] == "Relay 012345, escalier 4,"
    assert any("other" in change for change in cleaner.changes), "what was cut at last is recorded"


@pytest.mark.parametrize("field", sorted(LENGTHS))
def test_nothing_is_longer_than_its_field(field: str) -> None:
    value = Cleaner({}).text("mot " * 200, "message", field)
    assert len(value) <= LENGTHS[field]
    assert not value.endswith(" ")


@pytest.mark.parametrize(
    ("address", "names"),
    [
        (Address(first_name="Zoé", last_name="Martin"), ("Zoé", "Martin")),
        (Address(full_name="Anna Maria de la Cruz"), ("Anna", "Maria de la Cruz")),
        (Address(last_name="Cher"), ("-", "Cher")),
        (Address(first_name="Jean Dupont"), ("Jean", "Dupont")),
        (Address(company="ACME"), ("-", "ACME")),
        (Address(), ("-", "-")),
    ],
)
def test_names(address: Address, names: tuple[str, str]) -> None:
    assert names_of(address) == names


def test_a_region_and_an_identification_number_where_the_country_has_them() -> None:
    address = Address(
        last_name="García", first_line="Calle 1", city="Madrid", region="MADRID", country="ES", vat_number="12345678Z"
    )
    fields = address_fields(address, "delivery", profile(), Cleaner({}))
    assert (fields["id_state"], fields["dni"]) == ("2", "12345678Z")
    assert same(fields, {**fields, "id": "7", "company": None, "address2": ""})
    assert not same(fields, {**fields, "city": "Toledo"})


def test_a_country_that_is_switched_off() -> None:
    with pytest.raises(Problem, match="does not sell to the country 'US'"):
        address_fields(Address(first_line="x", city="y", country="US"), "delivery", profile(), Cleaner({}))


def rule(percent: str, behavior: int = 0, *, state: int = 0, zips: tuple[str, str] = ("", "")) -> TaxRule:
    return TaxRule(1, 8, state, *zips, Decimal(percent), behavior)


@pytest.mark.parametrize(
    ("rules", "place", "factor"),
    [
        ([], Place(8), "1"),
        ([rule("20")], Place(8), "1.2"),
        ([rule("20")], Place(9), "1"),
        ([rule("20"), rule("10", state=3)], Place(8, 3), "1.1"),
        ([rule("20"), rule("8.5", zips=("97000", "97999"))], Place(8, 0, "97410"), "1.085"),
        ([rule("20"), rule("8.5", zips=("97000", "97999"))], Place(8, 0, "69001"), "1.2"),
        ([rule("5", 1, state=3), rule("9.975")], Place(8, 3), "1.14975"),
        ([rule("5", 2, state=3), rule("10")], Place(8, 3), "1.155"),
    ],
)
def test_the_shops_own_tax_rules(rules: list[TaxRule], place: Place, factor: str) -> None:
    assert profile(tax_rules=tuple(rules)).factor(1, place) == Decimal(factor)


def test_the_edition_of_a_carrier_that_is_in_use() -> None:
    def carrier(id_: int, *, deleted: bool) -> Carrier:
        return Carrier(id_, 7, "C", True, deleted, True, "", 1)

    found = profile(carriers=(carrier(7, deleted=True), carrier(9, deleted=False))).carrier(7)
    assert found is not None
    assert found.id == 9


@pytest.mark.parametrize("reference", ["A-1", "a; b=c", 'O\'Hara "x" <1>', "é%&+"])
def test_a_mark_is_read_as_it_was_written(reference: str) -> None:
    mark = Mark(
        reference,
        kept=True,
        shipped=True,
        refunds={"r;1=": Decimal("1.50"), "r 2": Decimal("3")},
        slips={"r 2": "17"},
        begun=("r3@", Decimal("2.5"), Decimal("4.50")),
    )
    note = order_note(mark, "below\nit")
    assert mark_in(note) == mark
    assert rest_of(note) == "below\nit"
    assert not is_aside(note)


@pytest.mark.parametrize("note", ["", "a merchant's note", "Lengow set aside: A-1\nx", "Lengow"])
def test_a_note_without_a_mark(note: str) -> None:
    assert mark_in(note) is None


@pytest.mark.parametrize("note", ["", "{", "null", "[]", '{"reference": 1}', "\ud800"])
def test_a_customers_note_that_was_changed(note: str) -> None:
    assert plan_in(note) is None


def test_what_is_written_cannot_leave_its_place() -> None:
    body = entity("cart", {"a": "]]><b/>&\x00\ufffe"}, Association("rows", "row", [{"c": "<d>"}])).decode()
    [cart] = fromstring(body)
    assert cart[0].text == "]]><b/>&"
    assert cart[1][0][0][0].text == "<d>"


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<a",
        b"\xff",
        b'<!DOCTYPE p [<!ENTITY x "y">]><prestashop><api>&x;</api></prestashop>',
        b'<!DOCTYPE p [<!ENTITY x SYSTEM "file:///etc/passwd">]><prestashop><api>&x;</api></prestashop>',
        b"<prestashop/>",
    ],
)
def test_a_document_that_is_not_the_webservices(document: bytes) -> None:
    with pytest.raises(Unreadable):
        rights(document)


def test_the_recorded_root_and_schema_are_read() -> None:
    found = rights(response("001").content)
    assert all(set(methods.split()) <= found[resource] for resource, methods in NEEDED.items())
    assert {name: size for name, size in sizes(response("028").content).items() if LENGTHS.get(name) != size} == {
        "phone_mobile": 32
    }


def test_the_longest_texts_come_from_the_schema() -> None:
    document = (
        b'<prestashop><address><alias required="true" maxSize="32"/><phone maxSize="x"/><city/></address></prestashop>'
    )
    assert sizes(document) == {"alias": 32}


def recorded_json(number: str) -> Any:
    [path] = CAPTURES.glob(f"{number}-*.json")
    return json.loads(json.loads(path.read_text())["response_body"])


def planned(*lines: tuple[int, int, int], goods: str) -> Plan:
    """As of an order without shipping and fee."""
    amount = Decimal(goods)
    return Plan(
        reference="A-1",
        payment="Marketplace",
        carrier=1,
        lines=tuple(PlannedLine(f"{number}", *line, amount) for number, line in enumerate(lines)),
        goods=amount,
        shipping=Decimal(0),
        shipping_net=Decimal(0),
        fee=Decimal(0),
        fee_net=Decimal(0),
        total=amount,
        total_net=amount,
        state=0,
        kept=False,
        shipped=False,
        note="",
    )


STATES = {"PS_OS_ERROR": "8", "PS_OS_CANCELED": "6", "PS_OS_WS_PAYMENT": "11"}


def test_a_recorded_order_is_as_it_was_sold() -> None:
    view = entry_of(recorded_json("086")["order"], AssertionError)
    plan = planned((6, 0, 2), (1, 2, 1), goods="65.48")
    assert difference(plan, view, profile(configuration=STATES)) is None
    assert difference(plan, view, profile(configuration=STATES), ("7", "7")) is None


@pytest.mark.parametrize(
    ("number", "field"), [("234", "current_state"), ("244", "order_rows")], ids=["no payment", "no rows"]
)
def test_a_recorded_half_order_is_told_from_a_whole_one(number: str, field: str) -> None:
    [view] = entries_of(recorded_json(number)["orders"], AssertionError)
    found = difference(planned((8, 0, 1), goods="12.00"), view, profile(configuration=STATES))
    assert found is not None
    assert found.field == field


def test_a_recorded_order_without_history_is_a_whole_one() -> None:
    [view] = entries_of(recorded_json("239")["orders"], AssertionError)
    assert difference(planned((8, 0, 1), goods="12.00"), view, profile(configuration=STATES)) is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id_carrier": 2}, "id_carrier"),
        ({"id_address_delivery": 8}, "id_address_delivery"),
        ({"total_products_wt": "65.490000"}, "total"),
        ({"current_state": 8}, "current_state"),
        ({"total_paid": "65.490000"}, "total"),
        ({"total_shipping": "4.900000"}, "total"),
        ({"associations": {}}, "order_rows"),
    ],
)
def test_each_difference_is_named(change: dict[str, Any], field: str) -> None:
    view = entry_of({**recorded_json("086")["order"], **change}, AssertionError)
    found = difference(planned((6, 0, 2), (1, 2, 1), goods="65.48"), view, profile(configuration=STATES), ("7", "7"))
    assert found is not None
    assert found.field == field
    assert found.sentence
    assert found.what_to_do
