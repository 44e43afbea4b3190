"""Products in bulk, by id, product number or EAN (§4.2). The database does not look at case; the choice here does."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Deadline
from lengow.adapters.kept import KeptProducts
from lengow.adapters.shopware.api import Api
from lengow.adapters.shopware.ids import is_id

AT_ONCE = 150
"""References in one query, of three values each: the API takes 500 rows a page."""
KEPT_SECONDS = 60.0
"""Long enough for one batch of creations, short enough for a merchant who mends a number."""
FIELDS = ["id", "parentId", "childCount", "productNumber", "ean", "stock", "availableStock", "taxId"]


class ShopwareProduct(msgspec.Struct, frozen=True):
    id: str
    number: str
    ean: str
    variants: int
    """More than none: it cannot be sold itself."""
    stock: int | None
    tax_id: str


class Products:
    """Looks products up, and keeps for a minute what was found and is unambiguous."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._kept: KeptProducts[ShopwareProduct] = KeptProducts(KEPT_SECONDS)

    def find(self, references: Iterable[str], deadline: Deadline) -> Mapping[str, tuple[ShopwareProduct, ...]]:
        """For each reference the products that it means; none: an empty tuple. Raises ShopUnavailable and Refusal."""
        wanted = list(dict.fromkeys(references))
        known = self._kept.recent(wanted)
        missing = [one for one in wanted if one not in known and one.strip()]
        found = dict.fromkeys(wanted, ()) | known
        for start in range(0, len(missing), AT_ONCE):
            found |= self._ask(missing[start : start + AT_ONCE], deadline)
        self._kept.keep({one: found[one] for one in missing})
        return found

    def forget(self) -> None:
        self._kept.forget()

    def _ask(self, references: Sequence[str], deadline: Deadline) -> dict[str, tuple[ShopwareProduct, ...]]:
        queries = [
            {"type": "equalsAny", "field": field, "value": list(references)} for field in ("productNumber", "ean")
        ]
        ids = [given for given in map(_own_id, references) if is_id(given)]
        if ids:
            queries.append({"type": "equalsAny", "field": "id", "value": ids})
        criteria = {
            "filter": [{"type": "multi", "operator": "or", "queries": queries}],
            "includes": {"product": FIELDS},
        }
        rows = self._api.search_all("product", criteria, deadline, **{"sw-inheritance": "1"})
        products = [_product(row) for row in rows]
        return {one: _meant(one, products) for one in references}


def _own_id(reference: str) -> str:
    """Of `PARENT_VARIANT`, as Lengow's own plugin names variants, the variant's."""
    return reference.rpartition("_")[2]


def _meant(reference: str, products: Sequence[ShopwareProduct]) -> tuple[ShopwareProduct, ...]:
    """The id counts before the number, and that before the EAN; a parent only where nothing else has it."""
    by_id = [one for one in products if one.id == _own_id(reference)]
    folded = reference.strip().casefold()
    by_number = [one for one in products if one.number.strip().casefold() == folded]
    same_case = [one for one in by_number if one.number == reference]
    by_ean = [one for one in products if one.ean == reference]
    for found in (by_id, same_case, by_number, by_ean):
        if found:
            return tuple([one for one in found if not one.variants] or found)
    return ()


def _product(row: Entry) -> ShopwareProduct:
    return ShopwareProduct(
        id=row.text("id"),
        number=row.text("productNumber"),
        ean=row.text("ean", ""),
        variants=row.whole("childCount", 0),
        stock=stock_of(row),
        tax_id=row.text("taxId", ""),
    )


def stock_of(row: Entry) -> int | None:
    """What can be sold, where the shop tells it."""
    told = [name for name in ("availableStock", "stock") if row.get(name) is not None]
    return row.whole(told[0]) if told else None
