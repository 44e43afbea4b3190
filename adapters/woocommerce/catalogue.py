"""The shop's products for feeds: `GET products`, and of each variable product `products/ID/variations`, a hundred a page."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

import msgspec

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Deadline
from lengow.adapters.catalogue import kilograms, number, percent, variant_title, with_tax
from lengow.adapters.woocommerce.api import Shop
from lengow.adapters.woocommerce.profile import Profile, Profiles
from lengow.adapters.woocommerce.taxes import Amount, factor_at_base
from lengow.connector.catalogue import CatalogueProduct

PAGE = 100
FIELDS = (
    "id,name,type,sku,price,regular_price,on_sale,purchasable,permalink,description,short_description,tax_class,tax_status,"
    "manage_stock,stock_quantity,stock_status,backorders_allowed,weight,categories,brands,images,image,attributes,"
    "meta_data,global_unique_id"
)
NOT_SOLD_ALONE = frozenset({"grouped", "external"})
"""A group is sold as its parts; an external product is sold by another shop."""
EAN_METAS = ("_ean", "_alg_ean", "hwp_product_gtin", "_wpm_gtin_code")
"""Where plugins keep the GTIN of shops older than WooCommerce 9.2 (reference platforms.md §1.2)."""
BRAND_ATTRIBUTES = ("brand", "marque", "marca", "marke")


class Facts(msgspec.Struct, frozen=True):
    """What is the same of all products."""

    profile: Profile
    weight_unit: str


class Catalogue:
    def __init__(self, shop: Shop, profiles: Profiles, seconds: float) -> None:
        self._shop, self._profiles, self._seconds = shop, profiles, seconds

    def products(self) -> Iterator[CatalogueProduct]:
        """Raises ShopUnavailable and Refusal."""
        units = self._shop.page("settings/products", Deadline(self._seconds), _fields="id,value").rows
        unit = next((one.text("value", "") for one in units if one.text("id") == "woocommerce_weight_unit"), "")
        facts = Facts(self._profiles.get(Deadline(self._seconds)), unit or "kg")
        for row in self._pages("products"):
            if row.get("type") == "variable":
                for variation in self._pages(f"products/{row.whole('id')}/variations"):
                    yield from _variation(variation, row, facts)
            elif row.get("type") not in NOT_SOLD_ALONE:
                yield from _simple(row, facts)

    def _pages(self, endpoint: str) -> Iterator[Entry]:
        """All rows. Each page has its own time; the shop may change between two."""
        page, pages = 1, 1
        while page <= pages:
            answer = self._shop.page(
                endpoint,
                Deadline(self._seconds),
                status="publish",
                orderby="id",
                order="asc",
                per_page=PAGE,
                page=page,
                _fields=FIELDS,
            )
            pages = answer.pages
            yield from answer.rows
            page += 1


def _simple(row: Entry, facts: Facts) -> Iterator[CatalogueProduct]:
    yield from _product(row, row, facts, options={}, images=_images(row))


def _variation(row: Entry, parent: Entry, facts: Facts) -> Iterator[CatalogueProduct]:
    """What a variation leaves empty is its parent's."""
    options = {one.text("name", ""): one.text("option", "") for one in row.entries("attributes")}
    own = row.entry("image").text("src", "")
    images = tuple(dict.fromkeys((*([own] if own else []), *_images(parent))))
    yield from _product(row, parent, facts, options=options, images=images)


def _product(
    row: Entry, parent: Entry, facts: Facts, *, options: dict[str, str], images: tuple[str, ...]
) -> Iterator[CatalogueProduct]:
    """Nothing for what has no price: it cannot be bought."""
    price = number(row.get("price"))
    if price is None or row.get("purchasable") is False:
        return
    is_variant = row is not parent
    taxes = facts.profile.taxes
    amount = Amount(price, row.text("tax_class", ""), row.text("tax_status", "taxable") == "taxable")
    factor = factor_at_base(taxes, amount)
    counted = factor if taxes.enabled and not taxes.prices_include_tax else Decimal(1)
    before = number(row.get("regular_price")) if row.get("on_sale") else None
    attributes = _attributes(parent) | _attributes(row) | _metas(parent) | _metas(row)
    yield CatalogueProduct(
        id=f"{parent.whole('id')}_{row.whole('id')}" if is_variant else row.text("id"),
        parent_id=parent.text("id") if is_variant else "",
        sku=row.text("sku", ""),
        title=variant_title(parent.text("name", ""), options.values()),
        price=with_tax(price, counted),
        price_before=with_tax(before, counted) if before is not None and before > price else None,
        currency=facts.profile.currency,
        tax_rate=percent(factor) if taxes.enabled else None,
        stock=_stock(row, parent),
        ean=_ean(row, _metas(row)),
        brand=_brand(parent, attributes),
        description=row.text("description", "")
        or parent.text("description", "")
        or parent.text("short_description", ""),
        category=next((one.text("name", "") for one in parent.entries("categories")), ""),
        url=row.text("permalink", ""),
        images=images,
        weight=kilograms(row.get("weight") or parent.get("weight"), facts.weight_unit),
        options=options,
        attributes=attributes,
    )


def _stock(row: Entry, parent: Entry) -> int | None:
    """`manage_stock` of a variation may be `parent`: then they share the parent's."""
    holder = parent if row.get("manage_stock") == "parent" else row
    if holder.get("manage_stock") and holder.get("stock_quantity") not in (None, ""):
        return int(holder.decimal("stock_quantity"))
    return 0 if row.get("stock_status") == "outofstock" else None


def _images(row: Entry) -> tuple[str, ...]:
    return tuple(src for one in row.entries("images") if (src := one.text("src", "")))


def _attributes(row: Entry) -> dict[str, str]:
    """Of a product its attributes, several values with commas; of a variation they are its options."""
    found = {}
    for one in row.entries("attributes"):
        if "options" in one:
            found[one.text("name", "")] = ", ".join(one.texts("options"))
    return found


def _metas(row: Entry) -> dict[str, str]:
    return {
        str(one.get("key")): str(one["value"])
        for one in row.entries("meta_data")
        if isinstance(one.get("value"), str | int | float) and one["value"] != ""
    }


def _ean(row: Entry, metas: Mapping[str, str]) -> str:
    own = row.text("global_unique_id", "")
    return own or next((metas[key] for key in EAN_METAS if key in metas), "")


def _brand(parent: Entry, attributes: Mapping[str, str]) -> str:
    """WooCommerce ≥ 9.6 has brands; shops before that an attribute."""
    named = next((one.text("name", "") for one in parent.entries("brands")), "")
    folded = {name.casefold(): value for name, value in attributes.items()}
    return named or next((folded[name] for name in BRAND_ATTRIBUTES if name in folded), "")
