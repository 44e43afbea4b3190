"""The invoices that the shop makes itself, by hand or by a flow (reference platforms.md §4.3, "invoice documents").

The names of the fields and routes are from memory of Shopware 6.5 and later.
"""

from datetime import UTC, date, datetime
from typing import Any

from lengow.adapters.calls import Deadline
from lengow.adapters.shopware.api import Api, Row
from lengow.connector.documents import ShopInvoice

INVOICE, STORNO = "invoice", "storno"
"""Technical names of the types of documents: an invoice, and what takes one back."""


class Invoices:
    def __init__(self, api: Api) -> None:
        self._api = api

    def of(self, order_id: str, deadline: Deadline) -> ShopInvoice | None:
        """Raises ShopUnavailable, Refusal."""
        documents = self._documents(order_id, deadline)
        cancelled = {row.get("referencedDocumentId") for row in documents if _type(row) == STORNO}
        for row in documents:
            if _type(row) == INVOICE and row.get("id") not in cancelled:
                content = self._api.download(f"_action/document/{row['id']}/{row['deepLinkCode']}", deadline)
                return ShopInvoice(_number(row), _issued_on(row), content)
        return None

    def _documents(self, order_id: str, deadline: Deadline) -> list[Row]:
        """Newest first."""
        criteria: dict[str, Any] = {
            "filter": [{"type": "equals", "field": "orderId", "value": order_id}],
            "associations": {"documentType": {}},
            "sort": [{"field": "createdAt", "order": "DESC"}],
        }
        return self._api.search("document", criteria, deadline)


def _type(row: Row) -> str:
    return str((row.get("documentType") or {}).get("technicalName") or "")


def _number(row: Row) -> str:
    """A column from 6.6 on, and in the configuration before."""
    return str(row.get("documentNumber") or (row.get("config") or {}).get("documentNumber") or "")


def _issued_on(row: Row) -> date:
    told = (row.get("config") or {}).get("documentDate") or row.get("createdAt")
    return datetime.fromisoformat(str(told)).astimezone(UTC).date()
