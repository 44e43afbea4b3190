"""An invoice as a PDF for people: one page, or as many as its lines need."""

import html
import io
import unicodedata
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any

from lengow.connector.currencies import decimals_of
from lengow.invoices.document import Document, Party
from lengow.invoices.facturx import unit_net
from lengow.invoices.texts import WORDS, Words, kind_of

if TYPE_CHECKING:
    from reportlab.platypus import Flowable

PLAIN, BOLD = "LengowSans", "LengowSans-Bold"
FONTS = {PLAIN: "DejaVuSans.ttf", BOLD: "DejaVuSans-Bold.ttf"}
"""Both are in the package: every glyph of a PDF/A must be embedded."""

MARGIN = 42
PADDING = 6
"""Points that a frame of reportlab keeps free within the margins."""
WIDTH = 595 - 2 * (MARGIN + PADDING)
"""Points of an A4 page for what is drawn."""
COLUMNS = (0.41, 0.08, 0.15, 0.10, 0.13, 0.13)
LINE_GREY = "#b9bec7"
LONGEST_TITLE = 400
"""Characters of a title that are shown."""


def pdf_of(document: Document) -> bytes:
    """The document drawn; the same document gives the same bytes."""
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import SimpleDocTemplate

    _register_fonts()
    target = io.BytesIO()
    words = WORDS[document.language]
    template = SimpleDocTemplate(
        target,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN + 22,
        title=f"{kind_of(document)} {document.number}",
        author=document.seller.name,
        lang=document.language,
        invariant=1,
    )
    template.build(_story(document, words), canvasmaker=_numbered_canvas(document, words))
    return target.getvalue()


@cache
def _register_fonts() -> None:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    for name, file in FONTS.items():
        with as_file(files("lengow.invoices") / "fonts" / file) as path:
            pdfmetrics.registerFont(TTFont(name, str(path)))


def _story(document: Document, words: Words) -> "list[Flowable]":
    from reportlab.platypus import Spacer

    return [
        _head(document, words),
        Spacer(0, 14),
        _parties(document, words),
        Spacer(0, 16),
        _items(document, words),
        Spacer(0, 10),
        _sums(document, words),
        Spacer(0, 14),
        *[_paragraph(note, size=7.5) for note in _notes(document, words)],
    ]


def _head(document: Document, words: Words) -> "Flowable":
    facts = [
        (words.number, document.number),
        (words.issued, _date(document)),
        (words.delivered, document.delivered_on.strftime("%d/%m/%Y")),
        (words.order, f"{document.order_number} ({document.marketplace})"),
    ]
    right = [[_paragraph(name, size=8), _paragraph(value, size=8, bold=True)] for name, value in facts]
    title = [_paragraph(kind_of(document), size=20, bold=True)]
    if document.corrects is not None:
        issued = document.corrects.issued_on.strftime("%d/%m/%Y")
        title.append(_paragraph(words.corrects.format(number=document.corrects.number, date=issued), size=8))
    facts_table = _table(right, (0.4 * WIDTH / 2, 0.6 * WIDTH / 2))
    return _table([[title, facts_table]], (WIDTH / 2, WIDTH / 2))


def _parties(document: Document, words: Words) -> "Flowable":
    blocks = [_party(words.seller, document.seller, words), _party(words.buyer, document.buyer, words)]
    if document.delivery is not None:
        blocks.append(_party(words.delivery, document.delivery, words))
    return _table([blocks], [WIDTH / len(blocks)] * len(blocks))


def _party(title: str, party: Party, words: Words) -> "list[Flowable]":
    place = f"{party.zipcode} {party.city}".strip()
    told = [*party.lines, place, party.country, party.legal_note]
    told.append(f"SIREN {party.legal_id}" if party.legal_id else "")
    told.append(f"{words.vat_number} {party.vat_number}" if party.vat_number else "")
    told.append(" · ".join(filter(None, (party.email, party.phone))) if title == words.seller else "")
    head = [_paragraph(title, size=7.5, grey=True), _paragraph(party.name, size=9, bold=True)]
    return [*head, *[_paragraph(line, size=8) for line in told if line]]


def _items(document: Document, words: Words) -> "Flowable":
    head = [words.item, words.quantity, words.unit_price, words.rate, words.net, words.gross]
    rows: list[Sequence[Any]] = [[_paragraph(text, size=7.5, bold=True, right=bool(i)) for i, text in enumerate(head)]]
    for line in document.lines:
        title = line.title[:LONGEST_TITLE] + (f" · {line.sku}" if line.sku else "")
        cells = [
            str(line.quantity),
            _amount(unit_net(line), document),
            _rate(line.rate, document),
            _amount(line.net, document),
            _amount(line.gross, document),
        ]
        rows.append([_paragraph(title, size=8), *[_paragraph(cell, size=8, right=True) for cell in cells]])
    return _table(rows, [part * WIDTH for part in COLUMNS], ruled=True)


def _sums(document: Document, words: Words) -> "Flowable":
    head = [words.rate, words.base, words.vat]
    taxes: list[Sequence[Any]] = [[_paragraph(text, size=7.5, bold=True, right=True) for text in head]]
    for tax in document.taxes:
        cells = [_rate(tax.rate, document), _amount(tax.base, document), _amount(tax.amount, document)]
        taxes.append([_paragraph(cell, size=8, right=True) for cell in cells])
    currency = document.currency
    sums = [(words.total_net, document.net), (words.vat, document.vat)]
    sums += [(words.total, document.total), (words.paid, document.total), (words.due, Decimal(0))]
    shown = [
        [
            _paragraph(name, size=8.5, bold=name == words.total),
            _paragraph(f"{_amount(value, document)} {currency}", size=8.5, bold=name == words.total, right=True),
        ]
        for name, value in sums
    ]
    left = _table(taxes, [0.15 * WIDTH, 0.16 * WIDTH, 0.16 * WIDTH], ruled=True)
    right = _table(shown, [0.22 * WIDTH, 0.22 * WIDTH])
    return _table([[left, right]], [0.54 * WIDTH, 0.46 * WIDTH])


def _notes(document: Document, words: Words) -> list[str]:
    exemptions = [tax.exemption for tax in document.taxes if tax.exemption]
    return [*exemptions, words.goods, *document.notes]


def _table(rows: Sequence[Sequence[Any]], widths: Sequence[float], *, ruled: bool = False) -> "Flowable":
    from reportlab.lib.colors import HexColor
    from reportlab.platypus import Table, TableStyle

    style: list[tuple[Any, ...]] = [
        ("FONTNAME", (0, 0), (-1, -1), PLAIN),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("RIGHTPADDING", (0, 0), (-1, -1), 4 if ruled else 0),
        ("TOPPADDING", (0, 0), (-1, -1), 3 if ruled else 1),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3 if ruled else 1),
    ]
    if ruled:
        style.append(("LINEBELOW", (0, 0), (-1, -1), 0.4, HexColor(LINE_GREY)))
    table = Table([list(row) for row in rows], colWidths=list(widths), repeatRows=1 if ruled else 0, hAlign="LEFT")
    table.setStyle(TableStyle(style))
    return table


def _paragraph(text: str, *, size: float, bold: bool = False, right: bool = False, grey: bool = False) -> "Flowable":
    """Whatever the marketplace wrote is text, never markup; what cannot be seen is left out."""
    from reportlab.platypus import Paragraph

    shown = "".join(character for character in text if character.isprintable())
    return Paragraph(
        html.escape(_drawable(shown, BOLD if bold else PLAIN), quote=False), _style(size, bold, right, grey)
    )


def _drawable(text: str, font: str) -> str:
    """With `?` for letters that the font has not, such as Chinese: a PDF/A may not have holes. The XML has all of them."""
    from reportlab.pdfbase import pdfmetrics

    glyphs = pdfmetrics.getFont(font).face.charToGlyph  # type: ignore[attr-defined]
    return "".join(one if ord(one) in glyphs else _plainer(one, glyphs) for one in text)


def _plainer(character: str, glyphs: Mapping[int, int]) -> str:
    """Its parts where the font has those, such as of a ligature."""
    parts = unicodedata.normalize("NFKD", character)
    return parts if all(ord(one) in glyphs for one in parts) else "?"


@cache
def _style(size: float, bold: bool, right: bool, grey: bool) -> Any:
    from reportlab.lib.colors import HexColor
    from reportlab.lib.enums import TA_LEFT, TA_RIGHT
    from reportlab.lib.styles import ParagraphStyle

    return ParagraphStyle(
        f"{size}-{bold}-{right}-{grey}",
        fontName=BOLD if bold else PLAIN,
        bulletFontName=PLAIN,
        fontSize=size,
        leading=size * 1.3,
        alignment=TA_RIGHT if right else TA_LEFT,
        textColor=HexColor("#5b6472") if grey else HexColor("#111418"),
        splitLongWords=True,
    )


def _numbered_canvas(document: Document, words: Words) -> Any:
    """A canvas that writes "page n of m" when it knows m."""
    from reportlab.pdfgen.canvas import Canvas

    class Numbered(Canvas):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **(options | {"initialFontName": PLAIN}))
            self._pages: list[dict[str, Any]] = []

        def showPage(self) -> None:
            self._pages.append(dict(self.__dict__))
            self._startPage()  # type: ignore[attr-defined]

        def save(self) -> None:
            for number, page in enumerate(self._pages, start=1):
                self.__dict__.update(page)
                self.setFont(PLAIN, 7)
                left = _drawable(f"{document.seller.name} · {kind_of(document)} {document.number}", PLAIN)
                self.drawString(MARGIN + PADDING, MARGIN - 12, left)
                right = words.page.format(page=number, pages=len(self._pages))
                self.drawRightString(595 - MARGIN - PADDING, MARGIN - 12, right)
                super().showPage()
            super().save()

    return Numbered


def _date(document: Document) -> str:
    return document.issued_on.strftime("%d/%m/%Y")


def _amount(amount: Decimal, document: Document) -> str:
    exact = amount if amount != round(amount, decimals_of(document.currency)) else Decimal(0)  # such as a piece's net
    places = max(decimals_of(document.currency), -int(exact.as_tuple().exponent))
    text = f"{amount:,.{places}f}"
    if document.language == "en":
        return text
    swapped = text.replace(",", "\u00a0").replace(".", ",")
    return swapped if document.language == "fr" else swapped.replace("\u00a0", ".")


def _rate(rate: Decimal, document: Document) -> str:
    text = f"{rate.normalize():f}"
    return f"{text if document.language == 'en' else text.replace('.', ',')} %"
