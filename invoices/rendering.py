"""A document as the file that the buyer gets: a PDF with its Factur-X inside."""

from lengow.invoices.document import Document
from lengow.invoices.drawing import pdf_of
from lengow.invoices.facturx import with_xml, xml_of
from lengow.invoices.settings import Seller
from lengow.invoices.texts import kind_of


def render(document: Document, seller: Seller) -> bytes:
    """Raises InvoiceHeld (`xml_invalid`)."""
    notes = {"PMT": seller.recovery, "PMD": seller.late_penalty, "AAB": seller.discount}
    xml = xml_of(document, notes=notes)
    title = f"{kind_of(document)} {document.number}"
    return with_xml(pdf_of(document), xml, title=title, author=seller.name, language=document.language)
