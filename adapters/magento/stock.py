"""Stock: the REST API reserves nothing for an order that it saves, so that the source itself is lowered (§3.3).

A source item is written as a whole: the adapter takes one worker at a time, and reads right before it writes.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Deadline
from lengow.adapters.magento.api import Api
from lengow.adapters.magento.facts import SKUS_AT_ONCE
from lengow.adapters.magento.products import any_of

PATH = "inventory/source-items"


class Stock:
    def __init__(self, api: Api, source: str) -> None:
        self._api, self._source = api, source

    def held(self, skus: Iterable[str], deadline: Deadline) -> dict[str, Decimal]:
        """Products without a source item keep no stock, and are left out. Raises ShopUnavailable and Refusal."""
        return quantities(self.rows(list(dict.fromkeys(skus)), deadline))

    def rows(self, skus: Sequence[str], deadline: Deadline) -> list[Entry]:
        """The source's items. Raises ShopUnavailable and Refusal."""
        found: list[Entry] = []
        for start in range(0, len(skus), SKUS_AT_ONCE):
            groups = (any_of("sku", skus[start : start + SKUS_AT_ONCE]), (("source_code", "eq", self._source),))
            found += self._api.search_all(PATH, groups, deadline, sort=("sku",))
        wanted = set(skus)
        return [row for row in found if row.text("sku") in wanted]

    def write(self, rows: Iterable[Entry], changed: Mapping[str, tuple[Decimal, Decimal]], deadline: Deadline) -> None:
        """From each first quantity to the second, all at once. Raises ShopUnavailable, Refusal, Busy and Lost."""
        items = [
            {
                "sku": row.text("sku"),
                "source_code": self._source,
                "quantity": changed[row.text("sku")][1],
                "status": row.whole("status"),
            }
            for row in rows
        ]
        self._api.send("POST", PATH, {"sourceItems": items}, deadline)


def quantities(rows: Iterable[Entry]) -> dict[str, Decimal]:
    return {row.text("sku"): row.decimal("quantity") for row in rows}


def pieces_of(rows: Iterable[Entry]) -> Mapping[str, Decimal]:
    """By SKU, of order items."""
    found: Counter[str] = Counter()
    for row in rows:
        if row.whole("product_id", 0):
            found[row.text("sku")] += row.whole("qty_ordered")
    return {sku: Decimal(count) for sku, count in found.items()}
