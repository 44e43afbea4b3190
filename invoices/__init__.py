"""Invoices to the marketplaces' buyers: made at shipment, with Factur-X inside, numbered without gaps, mailed once.

    from lengow.invoices import Invoices

    with Invoices(connector) as invoices:
        for row in invoices.for_a_person("main"):
            print(row.order_key, row.reason, row.about)

`[invoices]` of the settings switches them on; the connector's rounds and its schedule then issue and mail by themselves.
"""

from lengow.invoices.document import Document
from lengow.invoices.errors import InvoiceHeld, InvoiceUnknown
from lengow.invoices.invoices import Invoices
from lengow.invoices.ledger import InvoiceRow, InvoiceState
from lengow.invoices.settings import InvoiceSettings, Seller, ShopInvoices, invoice_settings

__all__ = [
    "Document",
    "InvoiceHeld",
    "InvoiceRow",
    "InvoiceSettings",
    "InvoiceState",
    "InvoiceUnknown",
    "Invoices",
    "Seller",
    "ShopInvoices",
    "invoice_settings",
]
