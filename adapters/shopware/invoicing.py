"""The invoices that the shop makes itself, by hand or by a flow (reference platforms.md §4.3, "invoice documents").

The names of the fields and routes are from memory of Shopware 6.5 and later.
"""

from datetime import date
from typing import Any
from urllib.parse import quote

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Deadline
from lengow.adapters.shopware.api import Api
from lengow.connector.documents import ShopInvoice

INVOICE, STORNO = "invoice", "storno"
"""Technical names of the types of documents: an invoice, and what takes one back."""


class Invoices:
    def __init__(self, api: Api) -> None:
        self._api = api

    def of(self, order_id: str, deadline: Deadline) -> ShopInvoice | None:
        """Raises ShopUnavailable, Refusal."""
        documents = self._documents(order_id, deadline)
        cancelled = {row.text("referencedDocumentId", "") for row in documents if _type(row) == STORNO}
        for row in documents:
            if _type(row) == INVOICE and row.text("id") not in cancelled:
                place = "/".join(quote(row.text(name), safe="") for name in ("id", "deepLinkCode"))
                content = self._api.download(f"_action/document/{place}", deadline)
                return ShopInvoice(_number(row), _issued_on(row), content)
        return None

    def _documents(self, order_id: str, deadline: Deadline) -> list[Entry]:
        """Newest first."""
        criteria: dict[str, Any] = {
            "filter": [{"type": "equals", "field": "orderId", "value": order_id}],
            "associations": {"documentType": {}},
            "sort": [{"field": "createdAt", "order": "DESC"}],
        }
        return self._api.search("document", criteria, deadline)


def _type(row: Entry) -> str:
    return row.entry("documentType").text("technicalName")


def _number(row: Entry) -> str:
    """A column from 6.6 on, and in the configuration before."""
    return row.text("documentNumber", "") or row.entry("config").text("documentNumber", "")


def _issued_on(row: Entry) -> date:
    config = row.entry("config")
    told = config.moment("documentDate") if config.get("documentDate") else row.moment("createdAt")
    return told.date()
