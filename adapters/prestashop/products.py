"""Products by reference or EAN, in bulk: products and combinations apart, because the webservice knows no union.

References are not unique, and fold case (FINDINGS, Products): what fits several is told as ambiguous.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Deadline
from lengow.adapters.kept import KeptProducts
from lengow.adapters.prestashop.api import Webservice, any_of, text
from lengow.adapters.prestashop.profile import number

AT_ONCE = 50
LONGEST_QUERY = 1500
"""Characters of references in one query, so that the URL stays below what hosts take."""
KEPT_SECONDS = 600.0
"""For what can be sold as it is. What is unknown, ambiguous or a product with combinations is asked for each time, so that
a merchant who mends a reference is not kept waiting."""
EAN = re.compile(r"\d{8}|\d{12,13}")
UNQUOTABLE = re.compile(r"[|\[\],]")
"""A value with one of these has a query of its own, without brackets (captures 225, 226)."""
PRODUCT_FIELDS = "[id,reference,ean13,id_tax_rules_group]"
COMBINATION_FIELDS = "[id,id_product,reference,ean13]"
STOCK_FIELDS = "[id,id_product,id_product_attribute,quantity]"


class PrestaProduct(msgspec.Struct, frozen=True):
    """Something that can be in a cart; `combination` 0 where the product has none."""

    id: int
    combination: int
    reference: str
    ean13: str
    tax_group: int
    stock: int | None
    has_combinations: bool
    """It has combinations and this is none of them: only one of these can be sold."""

    @property
    def shop_id(self) -> str:
        return f"{self.id}_{self.combination}" if self.combination else str(self.id)


class Products:
    """Looks products up, and keeps what was found, its stock included, for ten minutes or until it proves wrong."""

    def __init__(self, shop: Webservice) -> None:
        self._shop = shop
        self._kept: KeptProducts[PrestaProduct] = KeptProducts(KEPT_SECONDS)

    def find(self, references: Iterable[str], deadline: Deadline) -> dict[str, tuple[PrestaProduct, ...]]:
        """For each reference every product that has it; none: an empty tuple. Raises ShopUnavailable and Refusal."""
        wanted = list(dict.fromkeys(references))
        known = self._kept.recent(wanted)
        missing = [one for one in wanted if one not in known and one.strip()]
        found: dict[str, tuple[PrestaProduct, ...]] = dict.fromkeys(wanted, ()) | known
        for chunk in _chunks(missing):
            found |= self._by("reference", chunk, deadline)
        for chunk in _chunks([one for one in missing if not found[one] and EAN.fullmatch(one)]):
            found |= self._by("ean13", chunk, deadline)
        self._kept.keep({one: found[one] for one in missing if _is_sure(found[one])})
        return found

    def forget(self) -> None:
        self._kept.forget()

    def _by(self, field: str, values: Sequence[str], deadline: Deadline) -> dict[str, tuple[PrestaProduct, ...]]:
        wanted = values[0] if len(values) == 1 else any_of(values)
        products = self._shop.rows("products", deadline, PRODUCT_FIELDS, **{field: wanted})
        combinations = self._shop.rows("combinations", deadline, COMBINATION_FIELDS, **{field: wanted})
        parents = self._parents(products, combinations, deadline)
        own = {row.whole("id") for row in products}
        parts = self._parts(own, deadline)
        stocks = self._stocks(own | {number(row, "id_product") for row in combinations}, deadline)
        found = [_product(row, stocks, parts) for row in products]
        found += [_combination(row, stocks, parents) for row in combinations]
        return {value: _best(field, value, found) for value in values}

    def _parents(
        self, products: Sequence[Entry], combinations: Sequence[Entry], deadline: Deadline
    ) -> dict[int, Entry]:
        """The products of the combinations, for their tax rules."""
        known = {row.whole("id"): row for row in products}
        missing = {number(row, "id_product") for row in combinations} - known.keys()
        if missing:
            rows = self._shop.rows("products", deadline, PRODUCT_FIELDS, id=any_of(sorted(missing)))
            known |= {row.whole("id"): row for row in rows}
        return known

    def _parts(self, products: set[int], deadline: Deadline) -> frozenset[int]:
        """Those of the products that have combinations."""
        if not products:
            return frozenset()
        rows = self._shop.rows("combinations", deadline, "[id,id_product]", id_product=any_of(sorted(products)))
        return frozenset(number(row, "id_product") for row in rows)

    def _stocks(self, products: set[int], deadline: Deadline) -> dict[tuple[int, int], int]:
        if not products:
            return {}
        rows = self._shop.rows("stock_availables", deadline, STOCK_FIELDS, id_product=any_of(sorted(products)))
        return {
            (number(row, "id_product"), number(row, "id_product_attribute")): number(row, "quantity") for row in rows
        }


def _is_sure(products: Sequence[PrestaProduct]) -> bool:
    return len(products) == 1 and not products[0].has_combinations


def _chunks(values: Sequence[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    for value in values:
        if UNQUOTABLE.search(value):
            yield [value]
            continue
        if chunk and (len(chunk) == AT_ONCE or sum(map(len, chunk)) + len(value) > LONGEST_QUERY):
            yield chunk
            chunk = []
        chunk.append(value)
    if chunk:
        yield chunk


def _product(row: Entry, stocks: Mapping[tuple[int, int], int], parts: frozenset[int]) -> PrestaProduct:
    id_ = row.whole("id")
    return PrestaProduct(
        id=id_,
        combination=0,
        reference=text(row, "reference"),
        ean13=text(row, "ean13"),
        tax_group=number(row, "id_tax_rules_group"),
        stock=stocks.get((id_, 0)),
        has_combinations=id_ in parts,
    )


def _combination(row: Entry, stocks: Mapping[tuple[int, int], int], parents: Mapping[int, Entry]) -> PrestaProduct:
    id_, parent = row.whole("id"), number(row, "id_product")
    return PrestaProduct(
        id=parent,
        combination=id_,
        reference=text(row, "reference"),
        ean13=text(row, "ean13"),
        tax_group=number(parents[parent], "id_tax_rules_group") if parent in parents else 0,
        stock=stocks.get((parent, id_)),
        has_combinations=False,
    )


def _best(field: str, value: str, found: Sequence[PrestaProduct]) -> tuple[PrestaProduct, ...]:
    """In the same case where there are any; a combination before the product that it is of (platforms.md §2.2)."""
    fitting = [one for one in found if _of(one, field).casefold() == value.strip().casefold()]
    same = [one for one in fitting if _of(one, field) == value] or fitting
    combined = {one.id for one in same if one.combination}
    return tuple(one for one in same if one.combination or one.id not in combined)


def _of(product: PrestaProduct, field: str) -> str:
    return product.reference if field == "reference" else product.ean13
