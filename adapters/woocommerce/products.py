"""Products by SKU, in bulk: `GET products?sku=A,B,C` is exact, knows variations, and folds case (FINDINGS (c))."""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote_plus

import msgspec

from lengow.adapters.calls import Deadline
from lengow.adapters.woocommerce.api import Shop

AT_ONCE = 100
LONGEST_QUERY = 5000
"""Characters of encoded SKUs in one query, so that the URL stays below the 8 kB that hosts take."""
KEPT_SECONDS = 60.0
"""Long enough for one batch of creations, short enough for a merchant who mends a SKU."""
FIELDS = "id,sku,type,parent_id,name,manage_stock,stock_quantity,tax_class,tax_status"
MOST_KEPT = 10_000


class WooProduct(msgspec.Struct, frozen=True):
    id: int
    """Of a variation, its own."""
    parent_id: int
    sku: str
    kind: str
    """WooCommerce's type: simple, variable, variation, grouped, external, or a plugin's."""
    stock: int | None
    manages_stock: bool
    tax_class: str
    taxable: bool


class Products:
    """Looks products up, and keeps for a minute what was found and is unambiguous."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, tuple[WooProduct, ...]]] = {}

    def find(self, skus: Iterable[str], deadline: Deadline) -> Mapping[str, tuple[WooProduct, ...]]:
        """For each SKU every product that has it; none: an empty tuple. Raises ShopUnavailable and Refusal."""
        wanted = list(dict.fromkeys(skus))
        known = self._recent(wanted)
        missing = [sku for sku in wanted if sku not in known and sku.strip()]
        found = dict.fromkeys(wanted, ()) | known
        for chunk in _chunks(missing):
            found |= self._ask(chunk, deadline)
        self._keep({sku: found[sku] for sku in missing})
        return found

    def _ask(self, skus: Sequence[str], deadline: Deadline) -> dict[str, tuple[WooProduct, ...]]:
        by_sku: dict[str, list[WooProduct]] = {}
        for page in self._shop.pages(
            "products", deadline, sku=",".join(skus), status="any", orderby="id", order="asc", _fields=FIELDS
        ):
            for row in page:
                product = _product(row)
                by_sku.setdefault(product.sku.casefold(), []).append(product)
        return {sku: _best(sku, by_sku.get(sku.strip().casefold(), [])) for sku in skus}

    def _recent(self, skus: Iterable[str]) -> dict[str, tuple[WooProduct, ...]]:
        now = time.monotonic()
        with self._lock:
            kept = ((sku, self._kept.get(sku)) for sku in skus)
            return {sku: entry[1] for sku, entry in kept if entry is not None and now - entry[0] < KEPT_SECONDS}

    def _keep(self, found: Mapping[str, tuple[WooProduct, ...]]) -> None:
        now = time.monotonic()
        with self._lock:
            if len(self._kept) + len(found) > MOST_KEPT:
                self._kept.clear()
            self._kept.update({sku: (now, products) for sku, products in found.items() if len(products) == 1})


def _chunks(skus: Sequence[str]) -> Iterable[list[str]]:
    """SKUs for one query each. One with a comma goes alone: WooCommerce tries the whole text as one SKU too."""
    chunk: list[str] = []
    length = 0
    for sku in skus:
        if "," in sku:
            yield [sku]
            continue
        size = len(quote_plus(f"{sku},"))
        if chunk and (len(chunk) == AT_ONCE or length + size > LONGEST_QUERY):
            yield chunk
            chunk, length = [], 0
        chunk.append(sku)
        length += size
    if chunk:
        yield chunk


def _best(sku: str, products: Sequence[WooProduct]) -> tuple[WooProduct, ...]:
    """Those in the same case, where there are any; else those that differ in case only."""
    same = tuple(one for one in products if one.sku == sku)
    return same or tuple(products)


def _product(row: Mapping[str, Any]) -> WooProduct:
    stock = row.get("stock_quantity")
    return WooProduct(
        id=int(row["id"]),
        parent_id=int(row.get("parent_id") or 0),
        sku=str(row.get("sku") or ""),
        kind=str(row.get("type") or ""),
        stock=int(stock) if isinstance(stock, int | float) else None,
        manages_stock=row.get("manage_stock") in (True, "parent"),
        tax_class=_tax_class(row.get("tax_class")),
        taxable=row.get("tax_status", "taxable") == "taxable",
    )


def _tax_class(value: Any) -> str:
    return "" if value in (None, "standard") else str(value)
