"""The PDF part of an invoice, held to PDF/A-3b one requirement at a time.

No validator of PDF/A is to be had from PyPI, npm or Debian, so that each requirement of ISO 19005-3:2012 (and of ISO
32000-1 behind it) that a document of text, rules and one attachment can break stands here, by its clause.
"""

import io
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pikepdf
import pytest
from fontTools.ttLib import TTFont
from lxml import etree
from test_documents import LYON, MIXED, address, drawn, invoice, line, order

from lengow.invoices.crediting import credit

XMP = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "pdfaid": "http://www.aiim.org/pdfa/ns/id/",
    "schema": "http://www.aiim.org/pdfa/ns/schema#",
    "property": "http://www.aiim.org/pdfa/ns/property#",
    "ext": "http://www.aiim.org/pdfa/ns/extension/",
    "fx": "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "pdf": "http://ns.adobe.com/pdf/1.3/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
}
FOREIGN = address(first_name="Σωκράτης 🛠", last_name="王小明 ﷽", city="Łódź", first_line="ул. Ленина 5 ‎")
DOCUMENTS = {
    "invoice": order(*MIXED, shipping="5.90"),
    "many pages": order(*[line(str(n), 1, "1.20", "0.20", f"Article {n} ≥ Ø {chr(200 + n)}") for n in range(1, 150)]),
    "letters that no font of ours has": order(
        line("1", 1, "120.00", "20.00", "电钻 🔧 Perceuse \U0001f600"), billing=FOREIGN, delivery=FOREIGN
    ),
}


@pytest.fixture(scope="module", params=[*DOCUMENTS, "credit note"])
def raw(request: pytest.FixtureRequest) -> bytes:
    if request.param == "credit note":
        whole = invoice(DOCUMENTS["invoice"])
        return drawn(credit(whole, number="A1", issued_on=date(2026, 12, 1), amount=Decimal(5)))[0]
    return drawn(invoice(DOCUMENTS[request.param]))[0]


@pytest.fixture(scope="module")
def pdf(raw: bytes) -> Iterator[pikepdf.Pdf]:
    with pikepdf.open(io.BytesIO(raw)) as opened:
        yield opened


@pytest.fixture(scope="module")
def metadata(pdf: pikepdf.Pdf) -> Any:
    return etree.fromstring(pdf.Root.Metadata.read_raw_bytes())


def dictionaries(pdf: pikepdf.Pdf) -> Iterator[Any]:
    """All, those that stand within others too."""
    waiting: list[Any] = [*pdf.objects, pdf.trailer]
    while waiting:
        one = waiting.pop()
        if isinstance(one, pikepdf.Dictionary | pikepdf.Stream):
            yield one
            waiting += [value for _, value in one.items() if not getattr(value, "is_indirect", False)]
        elif isinstance(one, pikepdf.Array):
            waiting += [value for value in one if not getattr(value, "is_indirect", False)]


def shown(pdf: pikepdf.Pdf) -> Iterator[tuple[Any, int]]:
    """Each character code that is drawn, with its font."""
    for page in pdf.pages:
        font: Any = None
        for operands, operator in pikepdf.parse_content_stream(page):
            if str(operator) == "Tf":
                font = page.Resources.Font[str(operands[0])]
            elif str(operator) in ("Tj", "'", '"'):
                yield from ((font, code) for code in bytes(operands[-1]))
            elif str(operator) == "TJ":
                yield from (
                    (font, code) for part in operands[0] if isinstance(part, pikepdf.String) for code in bytes(part)
                )


def test_6_1_2_header(raw: bytes) -> None:
    first, second = raw.split(b"\n", 2)[:2]
    assert first == b"%PDF-1.7"
    assert second[:1] == b"%"
    assert len(second) >= 5
    assert all(byte > 127 for byte in second[1:5])


def test_6_1_3_trailer(pdf: pikepdf.Pdf, raw: bytes) -> None:
    assert len(pdf.trailer.ID) == 2
    assert all(bytes(part) for part in pdf.trailer.ID)
    assert "/Encrypt" not in pdf.trailer
    assert raw.rstrip(b"\r\n").endswith(b"%%EOF")
    assert raw.count(b"%%EOF") == 1, "no updates of an older file"


def test_6_1_syntax(pdf: pikepdf.Pdf) -> None:
    assert pdf.check_pdf_syntax() == []


def test_6_1_7_streams_are_within_and_of_allowed_filters(pdf: pikepdf.Pdf) -> None:
    allowed = {"/FlateDecode", "/ASCII85Decode", "/ASCIIHexDecode", "/DCTDecode", "/RunLengthDecode"}
    for stream in (one for one in pdf.objects if isinstance(one, pikepdf.Stream)):
        assert not {"/F", "/FFilter", "/FDecodeParms"} & set(stream.keys())
        filters = stream.get("/Filter", pikepdf.Array())
        assert {str(one) for one in (filters if isinstance(filters, pikepdf.Array) else [filters])} <= allowed


def test_6_1_13_limits(pdf: pikepdf.Pdf) -> None:
    assert len(pdf.objects) < 8_388_607
    for page in pdf.pages:
        depth = deepest = 0
        for operands, operator in pikepdf.parse_content_stream(page):
            depth += {"q": 1, "Q": -1}.get(str(operator), 0)
            deepest = max(deepest, depth)
            assert all(len(bytes(one)) <= 32767 for one in operands if isinstance(one, pikepdf.String))
        assert (depth, deepest <= 28) == (0, True)
    for one in dictionaries(pdf):
        assert all(len(key.encode()) <= 127 for key in one.keys())  # noqa: SIM118 a pikepdf object


def test_6_2_2_only_operators_of_pdf_1_7(pdf: pikepdf.Pdf) -> None:
    known = set(
        "b B b* B* BDC BI BMC BT BX c cm CS cs d d0 d1 Do DP EI EMC ET EX f F f* G g gs h i ID j J K k l m M MP n q Q re "
        "RG rg ri s S SC sc SCN scn sh T* Tc Td TD Tf Tj TJ TL Tm Tr Ts Tw Tz v w W W* y ' \"".split()
    )
    for page in pdf.pages:
        assert {str(operator) for _, operator in pikepdf.parse_content_stream(page)} <= known


def test_6_2_3_the_output_intent_has_a_profile_of_its_colours(pdf: pikepdf.Pdf) -> None:
    [intent] = pdf.Root.OutputIntents
    assert (str(intent.S), str(intent.OutputConditionIdentifier)) == ("/GTS_PDFA1", "sRGB")
    profile = intent.DestOutputProfile.read_bytes()
    assert (profile[12:16], profile[16:20], profile[36:40]) == (b"mntr", b"RGB ", b"acsp")
    assert int.from_bytes(profile[:4], "big") == len(profile)
    assert profile[8] <= 4, "ICC version"
    assert int(intent.DestOutputProfile.N) == 3


def test_6_2_4_colours_are_those_of_the_output_intent(pdf: pikepdf.Pdf) -> None:
    """DeviceRGB, and DeviceGray, which an RGB intent covers; no CMYK, no spaces of a name."""
    for page in pdf.pages:
        used = {str(operator) for _, operator in pikepdf.parse_content_stream(page)}
        assert not used & {"k", "K", "cs", "CS", "sc", "SC", "scn", "SCN", "sh", "Do", "BI"}
        assert "/ColorSpace" not in page.Resources


def test_6_2_5_and_6_2_10_no_graphics_states_and_no_transparency(pdf: pikepdf.Pdf) -> None:
    for one in dictionaries(pdf):
        assert not {"/ExtGState", "/SMask", "/TR", "/HTP", "/CA", "/ca", "/BM", "/Group"} & set(one.keys())


def test_6_2_11_fonts_are_whole_and_what_they_say(pdf: pikepdf.Pdf) -> None:
    """6.2.11.4 embedded, .5 widths, .6 encoding of symbolic TrueType, .7 a way to Unicode, .8 no .notdef."""
    used: dict[Any, set[int]] = {}
    fonts: dict[Any, Any] = {}
    for font, code in shown(pdf):
        used.setdefault(font.objgen, set()).add(code)
        fonts[font.objgen] = font
    assert fonts
    for key, font in fonts.items():
        assert (str(font.Type), str(font.Subtype)) == ("/Font", "/TrueType")
        descriptor = font.FontDescriptor
        assert str(font.BaseFont) == str(descriptor.FontName)
        assert len(str(font.BaseFont).partition("+")[0]) == 7, "the six letters of a subset"
        assert int(descriptor.Flags) & 4
        assert not int(descriptor.Flags) & 32
        assert "/Encoding" not in font
        inside = TTFont(io.BytesIO(descriptor.FontFile2.read_bytes()), lazy=True)
        [table] = inside["cmap"].tables
        upm, metrics = inside["head"].unitsPerEm, inside["hmtx"]
        widths = [float(one) for one in font.Widths]
        assert len(widths) == int(font.LastChar) - int(font.FirstChar) + 1
        unicode = font.ToUnicode.read_bytes()
        assert b"beginbfchar" in unicode or b"beginbfrange" in unicode
        for code in used[key]:
            glyph = table.cmap.get(code)
            assert glyph is not None, f"code {code} has no glyph"
            assert inside.getGlyphID(glyph) != 0, f"code {code} is .notdef"
            assert int(font.FirstChar) <= code <= int(font.LastChar)
            assert abs(widths[code - int(font.FirstChar)] - metrics[glyph][0] * 1000 / upm) <= 1


def test_6_3_to_6_5_no_annotations_forms_or_actions(pdf: pikepdf.Pdf) -> None:
    assert not {"/AcroForm", "/OpenAction", "/AA", "/NeedsRendering", "/OCProperties", "/Requirements"} & set(
        pdf.Root.keys()
    )
    for page in pdf.pages:
        assert not {"/Annots", "/AA", "/PresSteps", "/Trans"} & set(page.keys())
    for one in dictionaries(pdf):
        assert not {"/JS", "/JavaScript", "/URI", "/Launch", "/A"} & set(one.keys())
    assert set(pdf.Root.Names.keys()) == {"/EmbeddedFiles"}, "6.10: no AlternatePresentations"


def test_6_6_2_metadata_can_be_read_without_a_reader_of_pdf(pdf: pikepdf.Pdf, metadata: Any) -> None:
    stream = pdf.Root.Metadata
    assert (str(stream.Type), str(stream.Subtype)) == ("/Metadata", "/XML")
    assert "/Filter" not in stream
    raw = stream.read_raw_bytes()
    raw.decode("utf-8")
    packet = raw[: raw.index(b"?>")]
    assert packet.startswith(b"<?xpacket begin=")
    assert b"bytes=" not in packet
    assert b"encoding=" not in packet
    assert metadata.find(".//rdf:RDF", XMP) is not None


def test_6_6_2_3_each_property_has_its_schema(metadata: Any) -> None:
    [extension] = metadata.findall(".//ext:schemas/rdf:Bag/rdf:li", XMP)
    assert extension.findtext("schema:namespaceURI", namespaces=XMP) == XMP["fx"]
    assert extension.findtext("schema:prefix", namespaces=XMP) == "fx"
    assert extension.findtext("schema:schema", namespaces=XMP)
    described = {}
    for one in extension.findall("schema:property/rdf:Seq/rdf:li", XMP):
        parts = [
            one.findtext(f"property:{name}", namespaces=XMP)
            for name in ("name", "valueType", "category", "description")
        ]
        assert all(parts)
        described[parts[0]] = parts[1:3]
    told = {etree.QName(one).localname: one.text for one in metadata.iterfind(".//{{{}}}*".format(XMP["fx"]))}
    assert told == {
        "DocumentType": "INVOICE",
        "DocumentFileName": "factur-x.xml",
        "Version": "1.0",
        "ConformanceLevel": "EN 16931",
    }
    assert described == {key: ["Text", "external"] for key in told}
    spaces = {etree.QName(one).namespace for one in metadata.iter() if isinstance(one.tag, str)}
    assert spaces - {"adobe:ns:meta/"} <= set(XMP.values())


def test_6_6_3_the_information_says_what_the_metadata_says(pdf: pikepdf.Pdf, metadata: Any) -> None:
    def of(path: str) -> str | None:
        return metadata.findtext(f".//{path}", namespaces=XMP)  # type: ignore[no-any-return]

    told = {str(key): str(value) for key, value in pdf.docinfo.items()}
    assert told["/Title"] == of("dc:title/rdf:Alt/rdf:li")
    assert told["/Author"] == of("dc:creator/rdf:Seq/rdf:li")
    assert told["/Subject"] == of("dc:description/rdf:Alt/rdf:li")
    assert told["/Producer"] == of("pdf:Producer")
    assert told["/Creator"] == of("xmp:CreatorTool")


def test_6_6_4_it_says_that_it_is_pdf_a_3b(metadata: Any) -> None:
    assert metadata.findtext(".//pdfaid:part", namespaces=XMP) == "3"
    assert metadata.findtext(".//pdfaid:conformance", namespaces=XMP) == "B"


def test_6_8_the_xml_is_attached_and_said_what_it_is(pdf: pikepdf.Pdf) -> None:
    [attached] = pdf.Root.AF
    name, named = pdf.Root.Names.EmbeddedFiles.Names
    assert (str(name), named.objgen) == ("factur-x.xml", attached.objgen)
    assert (str(attached.Type), str(attached.F), str(attached.UF)) == ("/Filespec", "factur-x.xml", "factur-x.xml")
    assert str(attached.AFRelationship) == "/Alternative"
    assert str(attached.Desc)
    stream = attached.EF.F
    assert (str(stream.Type), str(stream.Subtype)) == ("/EmbeddedFile", "/text/xml")
    assert str(stream.Params.ModDate).startswith("D:20")
    assert int(stream.Params.Size) == len(stream.read_bytes())


def test_what_no_font_of_ours_has_is_seen_to_be_missing_and_stands_in_the_xml() -> None:
    sold = DOCUMENTS["letters that no font of ours has"]
    made, xml = drawn(invoice(sold))
    assert "王小明" in xml.decode()
    with pikepdf.open(io.BytesIO(made)) as opened:
        assert any(bytes([code]) == b"?" for _, code in shown(opened))
    assert LYON.name
