"""Stock: the REST API reserves nothing for an order that it saves, so that the source itself is lowered (§3.3).

A source item is written as a whole: the adapter takes one worker at a time, and reads right before it writes.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from lengow.adapters.calls import Deadline
from lengow.adapters.magento.api import Api, Row
from lengow.adapters.magento.facts import SKUS_AT_ONCE
from lengow.adapters.magento.products import any_of
from lengow.adapters.magento.profile import decimal

PATH = "inventory/source-items"


class Stock:
    def __init__(self, api: Api, source: str) -> None:
        self._api, self._source = api, source

    def held(self, skus: Iterable[str], deadline: Deadline) -> dict[str, Decimal]:
        """Raises ShopUnavailable and Refusal."""
        return {str(row["sku"]): decimal(row["quantity"]) for row in self._rows(list(dict.fromkeys(skus)), deadline)}

    def take(self, pieces: Mapping[str, Decimal], deadline: Deadline) -> None:
        """Products without a source item keep no stock. Raises ShopUnavailable, Refusal, Busy and Lost."""
        taken = [
            {
                "sku": row["sku"],
                "source_code": self._source,
                "quantity": decimal(row["quantity"]) - pieces[str(row["sku"])],
                "status": row["status"],
            }
            for row in self._rows(list(pieces), deadline)
            if str(row["sku"]) in pieces
        ]
        if taken:
            self._api.send("POST", PATH, {"sourceItems": taken}, deadline)

    def _rows(self, skus: Sequence[str], deadline: Deadline) -> list[Row]:
        found: list[Row] = []
        for start in range(0, len(skus), SKUS_AT_ONCE):
            groups = (any_of("sku", skus[start : start + SKUS_AT_ONCE]), (("source_code", "eq", self._source),))
            found += self._api.search_all(PATH, groups, deadline, sort=("sku",))
        return found


def pieces_of(rows: Iterable[Row]) -> Mapping[str, Decimal]:
    """By SKU, of order items."""
    found: Counter[str] = Counter()
    for row in rows:
        if row.get("product_id"):
            found[str(row["sku"])] += int(decimal(row["qty_ordered"]))
    return {sku: Decimal(count) for sku, count in found.items()}
