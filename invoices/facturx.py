"""An invoice's XML (Factur-X, profile EN 16931), validated against the official schema, and its place in the PDF.

The fields by their numbers (BT-…) are those of reference platforms.md §7.2.
"""

import io
from decimal import Decimal
from functools import cache
from typing import Any

from lengow.invoices.document import Document, Line, Party, Tax
from lengow.invoices.errors import InvoiceHeld

LEVEL = "en16931"

TYPES = {"invoice": "380", "credit_note": "381"}
PAID_GOODS = "B2"
"""BT-23 of goods that are already paid."""
ONLINE_PAYMENT = "68"
"""BT-81 (UNTDID 4461): paid through an online payment service, the marketplace's."""
PIECE = "C62"
SIREN = "0002"
"""Scheme of a legal id."""
FRENCH_ADDRESS = "0225"
"""Scheme of an electronic address that is a SIREN."""
MAIL = "EM"

EXEMPTION_CODES = {"E": "VATEX-FR-FRANCHISE", "K": "VATEX-EU-IC", "G": "VATEX-EU-G"}


def xml_of(document: Document, *, notes: dict[str, str]) -> bytes:
    """The CII XML. `notes`: the three that the French rules always ask for, by subject code (PMT, PMD, AAB).

    Raises InvoiceHeld (`xml_invalid`) when the official schema refuses it.
    """
    from facturx.generate_xml import generate_cii_xml

    try:
        made = generate_cii_xml(fields_of(document, notes), level=LEVEL, check_xsd=True, check_schematron=False)
    except Exception as error:  # the library raises plain Exception where the schema refuses
        raise InvoiceHeld("xml_invalid", f"The Factur-X schema refuses the invoice: {error}") from error
    return bytes(made)


def with_xml(pdf: bytes, xml: bytes, *, title: str, author: str, language: str) -> bytes:
    """The PDF with the XML embedded, as Factur-X wants it: a PDF/A-3b, whose metadata a reader of text finds too."""
    from facturx import generate_from_binary

    metadata = {"author": author, "keywords": "Factur-X", "title": title, "subject": title}
    embedded = generate_from_binary(
        pdf,
        xml,
        flavor="factur-x",
        level=LEVEL,
        check_xsd=False,
        pdf_metadata=metadata,
        lang=language,
        afrelationship="alternative",  # both say all of it; the one that Germany takes for this profile, too
        xmp_compression=False,
    )
    return _archived(bytes(embedded))


def _archived(pdf: bytes) -> bytes:
    """The PDF with what PDF/A-3b wants beside: what its colours mean (sRGB), the version of the features that it uses,
    nothing of presentations, and the same producer wherever it stands.
    """
    from pypdf import PdfWriter
    from pypdf.generic import ArrayObject, DictionaryObject, NameObject, NumberObject, StreamObject, TextStringObject

    writer = PdfWriter(clone_from=io.BytesIO(pdf))
    profile = StreamObject()
    profile.set_data(_srgb())
    profile[NameObject("/N")] = NumberObject(3)
    intent = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/OutputIntent"),
            NameObject("/S"): NameObject("/GTS_PDFA1"),
            NameObject("/OutputConditionIdentifier"): TextStringObject("sRGB"),
            NameObject("/DestOutputProfile"): writer._add_object(profile),
        }
    )
    writer.pdf_header = "%PDF-1.7"
    writer.add_metadata({"/Producer": "pypdf"})
    for page in writer.pages:
        page.pop("/Trans", None)
    writer.root_object[NameObject("/OutputIntents")] = ArrayObject([writer._add_object(intent)])
    target = io.BytesIO()
    writer.write(target)
    return target.getvalue()


@cache
def _srgb() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def fields_of(document: Document, notes: dict[str, str]) -> dict[str, Any]:
    """By the numbers of EN 16931."""
    lines_net, vat = document.net, document.vat
    fields: dict[str, Any] = {
        "BT-1": document.number,
        "BT-2": document.issued_on,
        "BT-3": TYPES[document.kind],
        "BT-5": document.currency,
        "BT-9": document.paid_on,
        "BT-13": document.order_number,
        "BT-23": PAID_GOODS,
        "BT-72": document.delivered_on,
        "BT-81": ONLINE_PAYMENT,
        "BT-106": _money(lines_net),
        "BT-109": _money(lines_net),
        "BT-110": _money(vat),
        "BT-112": _money(document.total),
        "BT-113": _money(document.total),
        "BT-115": _money(Decimal(0)),
        "BG-1": [{"BT-21": code, "BT-22": text} for code, text in _notes(document, notes).items()],
        "BG-4": _seller(document.seller),
        "BG-7": _buyer(document.buyer),
        "BG-13": _address(document.delivery or document.buyer),
        "BG-23": [_tax(tax) for tax in document.taxes],
        "BG-25": [_line(position, line) for position, line in enumerate(document.lines, start=1)],
    }
    if document.corrects is not None:
        fields["BG-3"] = [{"BT-25": document.corrects.number, "BT-26": document.corrects.issued_on}]
    return fields


def _notes(document: Document, notes: dict[str, str]) -> dict[str, str]:
    seller, buyer = document.seller, document.buyer
    business = "B2B" if buyer.country == seller.country else "B2BINT"
    legal = {"REG": seller.legal_note} if seller.legal_note else {}
    return {**notes, **legal, "BAR": business if buyer.vat_number else "B2C"}


def _seller(party: Party) -> dict[str, Any]:
    fields = _address(party) | {"vat_identifier": party.vat_number, "legal_identifier": party.legal_id}
    if not party.vat_number:
        fields["tax_identifier"] = party.legal_id
    if party.legal_id:
        fields["legal_identifier_schemeid"] = SIREN
    return _given(fields | _electronic(party))


def _buyer(party: Party) -> dict[str, Any]:
    fields = _address(party) | {"vat_identifier": party.vat_number}
    if party.legal_id:
        fields |= {"legal_identifier": party.legal_id, "legal_identifier_schemeid": SIREN}
    return _given(fields | _electronic(party))


def _electronic(party: Party) -> dict[str, Any]:
    if party.legal_id and party.country == "FR":
        return {"einvoicing_addr": party.legal_id, "einvoicing_addr_schemeid": FRENCH_ADDRESS}
    if party.email:
        return {"einvoicing_addr": party.email, "einvoicing_addr_schemeid": MAIL}
    return {}


def _address(party: Party) -> dict[str, Any]:
    street = {f"addr_l{position}": line for position, line in enumerate(party.lines, start=1)}
    return _given(
        {"name": party.name, "country_code": party.country, "city": party.city, "postcode": party.zipcode, **street}
    )


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value}


def _tax(tax: Tax) -> dict[str, Any]:
    fields = {
        "BT-116": _money(tax.base),
        "BT-117": _money(tax.amount),
        "BT-118": tax.category,
        "BT-119": f"{tax.rate:.2f}",
    }
    if tax.exemption:
        fields |= {"BT-120": tax.exemption, "BT-121": EXEMPTION_CODES[tax.category]}
    return fields


def _line(position: int, line: Line) -> dict[str, Any]:
    """Of a discount the quantity is negative, and never the price (BR-27)."""
    sign = -1 if line.net < 0 else 1
    fields = {
        "BT-126": str(position),
        "BT-129": str(sign * line.quantity),
        "BT-130": PIECE,
        "BT-131": _money(line.net),
        "BT-146": f"{sign * unit_net(line):f}",
        "BT-151": line.category,
        "BT-152": f"{line.rate:.2f}",
        "BT-153": line.title,
    }
    return fields | ({"BT-155": line.sku} if line.sku else {})


def unit_net(line: Line) -> Decimal:
    """The net price of a piece, at most 4 decimals."""
    exact = (line.net / line.quantity).quantize(Decimal("0.0001"))
    return exact.quantize(Decimal("0.01")) if exact == exact.quantize(Decimal("0.01")) else exact


def _money(amount: Decimal) -> str:
    return f"{amount:.2f}"
