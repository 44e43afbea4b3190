"""Products in bulk, by SKU or a further attribute (§3.2), and what the source holds of them."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Deadline
from lengow.adapters.kept import KeptProducts
from lengow.adapters.magento.api import Api, Filter
from lengow.adapters.magento.facts import SELLABLE, SKUS_AT_ONCE

KEPT_SECONDS = 60.0
"""Long enough for one batch of creations, short enough for a merchant who mends a number."""
FIELDS = "id,sku,type_id,weight,custom_attributes"


class MagentoProduct(msgspec.Struct, frozen=True):
    id: int
    sku: str
    kind: str
    tax_class: int | None
    attribute: str
    """The value of the setting `product_attribute`."""

    @property
    def sellable(self) -> bool:
        return self.kind in SELLABLE


class Products:
    """Looks products up, and keeps for a minute what was found and is unambiguous."""

    def __init__(self, api: Api, attribute: str) -> None:
        self._api, self._attribute = api, attribute
        self._kept: KeptProducts[MagentoProduct] = KeptProducts(KEPT_SECONDS)

    def find(self, references: Iterable[str], deadline: Deadline) -> Mapping[str, tuple[MagentoProduct, ...]]:
        """For each reference the products that it means; none: an empty tuple. Raises ShopUnavailable and Refusal."""
        wanted = list(dict.fromkeys(references))
        known = self._kept.recent(wanted)
        missing = [one for one in wanted if one not in known and one.strip()]
        found = dict.fromkeys(wanted, ()) | known
        for start in range(0, len(missing), SKUS_AT_ONCE):
            found |= self._ask(missing[start : start + SKUS_AT_ONCE], deadline)
        self._kept.keep({one: found[one] for one in missing})
        return found

    def _ask(self, references: Sequence[str], deadline: Deadline) -> dict[str, tuple[MagentoProduct, ...]]:
        columns = ("sku", self._attribute) if self._attribute else ("sku",)
        filters = [one for column in columns for one in any_of(column, references)]
        rows = self._api.search_all("products", (filters,), deadline, fields=FIELDS)
        products = [self._product(row) for row in rows]
        return {one: _meant(one, products) for one in references}

    def _product(self, row: Entry) -> MagentoProduct:
        custom = {one.text("attribute_code"): one for one in row.entries("custom_attributes")}
        tax_class, attribute = custom.get("tax_class_id"), custom.get(self._attribute)
        return MagentoProduct(
            id=row.whole("id"),
            sku=row.text("sku"),
            kind=row.text("type_id"),
            tax_class=tax_class.whole("value") if tax_class and tax_class.text("value", "") else None,
            attribute=attribute.text("value", "") if attribute else "",
        )


def any_of(field: str, values: Sequence[str]) -> list[Filter]:
    """ORed filters; a value with a comma cannot be in a list (§3.2)."""
    plain = [one for one in values if "," not in one]
    found: list[Filter] = [(field, "in", ",".join(plain))] if plain else []
    return [*found, *((field, "eq", one) for one in values if "," in one)]


def _meant(reference: str, products: Sequence[MagentoProduct]) -> tuple[MagentoProduct, ...]:
    """The SKU counts before the attribute. The database does not look at case; the choice here does."""
    folded = reference.strip().casefold()
    by_sku = [one for one in products if one.sku.strip().casefold() == folded]
    same_case = [one for one in by_sku if one.sku == reference]
    by_attribute = [one for one in products if one.attribute == reference]
    for found in (same_case, by_sku, by_attribute):
        if found:
            return tuple([one for one in found if one.sellable] or found)
    return ()
