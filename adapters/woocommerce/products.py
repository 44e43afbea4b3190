"""Products in bulk, by what the feed calls them: SKU, GTIN or id, in the order that the shop's settings name.

`GET products?sku=A,B,C` is exact, knows variations, and folds case (FINDINGS (c)). By GTIN and id it knows no variations:
these are asked for apart (reference platforms.md §1.2).
"""

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote_plus

import msgspec

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Deadline
from lengow.adapters.kept import KeptProducts
from lengow.adapters.woocommerce.api import Refusal, Shop

AT_ONCE = 100
LONGEST_QUERY = 5000
"""Characters of encoded SKUs in one query, so that the URL stays below the 8 kB that hosts take."""
KEPT_SECONDS = 60.0
"""Long enough for one batch of creations, short enough for a merchant who mends a SKU."""
FIELDS = "id,sku,global_unique_id,type,parent_id,name,manage_stock,stock_quantity,tax_class,tax_status"
NOT_FOUND = 404
LARGEST_ID = 2**63
"""WordPress keeps ids in so many bits."""


class WooProduct(msgspec.Struct, frozen=True):
    id: int
    """Of a variation, its own."""
    parent_id: int
    sku: str
    gtin: str
    kind: str
    """WooCommerce's type: simple, variable, variation, grouped, external, or a plugin's."""
    stock: int | None
    manages_stock: bool
    tax_class: str
    taxable: bool


Found = dict[str, tuple[WooProduct, ...]]


class Products:
    """Looks products up, and keeps for a minute what was found and is unambiguous."""

    def __init__(self, shop: Shop, match: Sequence[str] = ("sku",)) -> None:
        """`match`: among `sku`, `gtin` and `id`; what one does not find is looked up by the next."""
        self._shop = shop
        self._asks = [{"sku": self._by_sku, "gtin": self._by_gtin, "id": self._by_id}[how] for how in match]
        self._without_gtin: set[str] = set()
        """Endpoints of a WooCommerce that does not filter by GTIN."""
        self._kept: KeptProducts[WooProduct] = KeptProducts(KEPT_SECONDS)

    def find(self, skus: Iterable[str], deadline: Deadline) -> Mapping[str, tuple[WooProduct, ...]]:
        """For each reference every product that has it; none: an empty tuple. Raises ShopUnavailable and Refusal."""
        wanted = list(dict.fromkeys(skus))
        known = self._kept.recent(wanted)
        missing = [sku for sku in wanted if sku not in known and sku.strip()]
        found = dict.fromkeys(wanted, ()) | known
        for ask in self._asks:
            for chunk in _chunks([sku for sku in missing if not found[sku]]):
                found |= ask(chunk, deadline)
        self._kept.keep({sku: found[sku] for sku in missing})
        return found

    def _by_sku(self, skus: Sequence[str], deadline: Deadline) -> Found:
        by_sku: dict[str, list[WooProduct]] = {}
        for page in self._shop.pages(
            "products", deadline, sku=",".join(skus), status="any", orderby="id", order="asc", _fields=FIELDS
        ):
            for row in page:
                product = _product(row)
                by_sku.setdefault(product.sku.casefold(), []).append(product)
        return {sku: _best(sku, by_sku.get(sku.strip().casefold(), [])) for sku in skus}

    def _by_gtin(self, gtins: Sequence[str], deadline: Deadline) -> Found:
        """GTINs are digits: other references are none."""
        wanted = {one for one in gtins if one.isascii() and one.isdigit() and 8 <= len(one) <= 14}
        by_gtin: dict[str, list[WooProduct]] = {}
        for endpoint in ("products", "variations"):
            for product in self._of_gtins(endpoint, sorted(wanted), deadline):
                by_gtin.setdefault(product.gtin, []).append(product)
        return {one: tuple(found) for one, found in by_gtin.items()}

    def _of_gtins(self, endpoint: str, gtins: Sequence[str], deadline: Deadline) -> list[WooProduct]:
        """None where WooCommerce is too old to filter by it: it ignores filters that it does not know."""
        if not gtins or endpoint in self._without_gtin:
            return []
        found: list[WooProduct] = []
        query = {"global_unique_id": ",".join(gtins), "status": "any", "orderby": "id", "order": "asc"}
        try:
            for page in self._shop.pages(endpoint, deadline, **query, _fields=FIELDS):
                products = [_product(row) for row in page]
                if any(product.gtin not in gtins for product in products):
                    self._without_gtin.add(endpoint)
                    return []
                found += products
        except Refusal as refusal:
            if refusal.status != NOT_FOUND:
                raise
            self._without_gtin.add(endpoint)
        return found

    def _by_id(self, ids: Sequence[str], deadline: Deadline) -> Found:
        """Variations one by one: a list by ids has none of them."""
        wanted = [one for one in ids if one.isascii() and one.isdigit() and 0 < int(one) < LARGEST_ID]
        found: dict[str, tuple[WooProduct, ...]] = {}
        if wanted:
            query = {"include": ",".join(wanted), "status": "any", "orderby": "id", "order": "asc"}
            for page in self._shop.pages("products", deadline, **query, _fields=FIELDS):
                products = [_product(row) for row in page]
                found |= {str(product.id): (product,) for product in products if str(product.id) in wanted}
        for one in wanted:
            if one not in found and (product := self._one(one, deadline)) is not None:
                found[one] = (product,)
        return found

    def _one(self, id_: str, deadline: Deadline) -> WooProduct | None:
        try:
            return _product(self._shop.get(f"products/{id_}", deadline, _fields=FIELDS).entry)
        except Refusal as refusal:
            if refusal.status == NOT_FOUND:
                return None
            raise


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


def _product(row: Entry) -> WooProduct:
    parent_id, tax_class = row.whole("parent_id", 0), row.text("tax_class", "")
    return WooProduct(
        id=row.whole("id"),
        parent_id=parent_id,
        sku=row.text("sku", ""),
        gtin=row.text("global_unique_id", ""),
        kind=row.text("type", "") or ("variation" if parent_id else ""),
        stock=None if row.get("stock_quantity") in (None, "") else int(row.decimal("stock_quantity")),
        manages_stock=row.get("manage_stock") in (True, "parent"),
        tax_class="" if tax_class == "standard" else tax_class,
        taxable=row.text("tax_status", "taxable") == "taxable",
    )
