"""The shop's products for feeds (§3.2): what is seen in the shop, and the children of configurable products.

A child is a simple product that is not seen alone (visibility 1); its parent names it by id. Select attributes are ids,
and `products/attributes` tells their labels. Prices are as they were typed in: whether with tax, the settings say.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice

import msgspec

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Deadline
from lengow.adapters.catalogue import kilograms, number, percent, variant_title, with_tax
from lengow.adapters.magento.api import Api, Filter
from lengow.adapters.magento.facts import PAGE, SELLABLE, SKUS_AT_ONCE
from lengow.adapters.magento.profile import Profile, Profiles
from lengow.adapters.magento.settings import MagentoSettings
from lengow.adapters.magento.stock import Stock
from lengow.connector.catalogue import CatalogueProduct

FIELDS = (
    "id,sku,name,price,status,type_id,visibility,weight,custom_attributes,media_gallery_entries[file,types,disabled]"
)
LINKS = "extension_attributes[configurable_product_links,configurable_product_options[attribute_id,label]]"
SOLD: Filter = ("type_id", "in", ",".join(sorted(SELLABLE)))
ENABLED: Filter = ("status", "eq", "1")
SEEN: Filter = ("visibility", "in", "2,3,4")
NOT_SEEN: Filter = ("visibility", "eq", "1")
LISTS = ("select", "multiselect")
EAN_ATTRIBUTES = ("ean", "ean13", "gtin", "barcode")


class Attribute(msgspec.Struct, frozen=True):
    code: str
    labels: Mapping[str, str]
    """By value, of one that is chosen from a list; else empty."""


class Facts(msgspec.Struct, frozen=True):
    """What is the same of all products."""

    profile: Profile
    settings: MagentoSettings
    attributes: Mapping[str, Attribute]
    """By id."""
    today: str

    def labelled(self, row: Entry) -> dict[str, str]:
        """The custom attributes of a product by code, values of lists by their labels."""
        labels = {one.code: one.labels for one in self.attributes.values()}
        found = {}
        for one in row.entries("custom_attributes"):
            code, value = one.text("attribute_code"), one.get("value")
            if isinstance(value, str | int | float) and value != "":
                known = labels.get(code) or {}
                found[code] = (
                    ", ".join(known.get(part, part) for part in str(value).split(",")) if known else str(value)
                )
        return found


class Catalogue:
    def __init__(
        self,
        api: Api,
        settings: MagentoSettings,
        profiles: Profiles,
        stock: Stock,
        clock: Callable[[], datetime],
        seconds: float,
    ) -> None:
        self._api, self._settings, self._profiles, self._stock = api, settings, profiles, stock
        self._clock, self._seconds = clock, seconds

    def products(self) -> Iterator[CatalogueProduct]:
        """Raises ShopUnavailable, Refusal and Problem."""
        facts = self._facts()
        for rows in self._pages(((SOLD,), (ENABLED,), (SEEN,)), FIELDS):
            yield from self._offers(rows, {}, facts)
        for parents in self._pages(((("type_id", "eq", "configurable"),), (ENABLED,)), f"{FIELDS},{LINKS}"):
            of = {child: parent for parent in parents for child in _children(parent)}
            ids = iter(of)
            while some := list(islice(ids, SKUS_AT_ONCE)):
                groups: tuple[list[Filter], ...] = (
                    [("entity_id", "in", ",".join(map(str, some)))],
                    [ENABLED],
                    [NOT_SEEN],
                )
                for rows in self._pages(groups, FIELDS):
                    yield from self._offers(rows, of, facts)

    def _offers(self, rows: Sequence[Entry], parents: Mapping[int, Entry], facts: Facts) -> Iterator[CatalogueProduct]:
        held = self._stock.held([row.text("sku") for row in rows], Deadline(self._seconds))
        for row in rows:
            yield from _product(row, parents.get(row.whole("id")), held.get(row.text("sku")), facts)

    def _pages(self, groups: Sequence[Sequence[Filter]], fields: str) -> Iterator[list[Entry]]:
        """Each page has its own time. Ended by the count: a page beyond the end would be the last one again."""
        seen, page, total = 0, 1, 1
        while seen < total:
            rows, total = self._api.search("products", groups, Deadline(self._seconds), fields=fields, page=page)
            yield rows
            seen, page = seen + PAGE, page + 1

    def _facts(self) -> Facts:
        deadline = Deadline(self._seconds)
        rows = self._api.search_all(
            "products/attributes",
            (),
            deadline,
            fields="attribute_id,attribute_code,frontend_input,options[label,value]",
            sort=("attribute_id",),
        )
        return Facts(
            profile=self._profiles.get(deadline),
            settings=self._settings,
            attributes={row.text("attribute_id"): _attribute(row) for row in rows},
            today=f"{self._clock():%Y-%m-%d %H:%M:%S}",
        )


def _attribute(row: Entry) -> Attribute:
    chosen = row.entries("options") if row.get("frontend_input") in LISTS else ()
    single = [one for one in chosen if not isinstance(one.get("value"), list)]  # else it is a group of them
    return Attribute(row.text("attribute_code"), {one.text("value", ""): one.text("label", "") for one in single})


def _product(row: Entry, parent: Entry | None, held: Decimal | None, facts: Facts) -> Iterator[CatalogueProduct]:
    """Nothing for what has no price. What a child leaves empty is its parent's."""
    usual = number(row.get("price"))
    if usual is None:
        return
    settings, profile = facts.settings, facts.profile
    own = facts.labelled(row)
    attributes = (facts.labelled(parent) if parent else {}) | own
    rate = profile.rate(_tax_class(row), settings.catalogue_country)
    counted = 1 + rate / 100 if settings.catalogue_prices == "without_tax" else Decimal(1)
    price = _reduced(own, facts.today, usual)
    options = _options(parent, own, facts)
    eans = (settings.product_attribute, *EAN_ATTRIBUTES)
    yield CatalogueProduct(
        id=f"{parent.whole('id')}_{row.whole('id')}" if parent else row.text("id"),
        parent_id=parent.text("id") if parent else "",
        sku=row.text("sku"),
        title=variant_title((parent or row).text("name", ""), options.values()),
        price=with_tax(price, counted),
        price_before=with_tax(usual, counted) if price < usual else None,
        currency=profile.currency,
        tax_rate=percent(1 + rate / 100) if profile.rates else None,
        stock=None if held is None else int(held),
        ean=next((own[code] for code in eans if own.get(code)), ""),
        brand=attributes.get(settings.brand_attribute, ""),
        description=attributes.get("description") or attributes.get("short_description") or "",
        images=tuple(
            dict.fromkeys((*_images(row, facts.profile.media_url), *_images(parent or row, facts.profile.media_url)))
        ),
        weight=kilograms(row.get("weight") or (parent or row).get("weight"), facts.profile.weight_unit),
        options=options,
        attributes=attributes,
    )


def _tax_class(row: Entry) -> int | None:
    found = (one for one in row.entries("custom_attributes") if one.text("attribute_code") == "tax_class_id")
    return next((one.whole("value") for one in found if one.text("value", "")), None)


def _reduced(attributes: Mapping[str, str], today: str, usual: Decimal) -> Decimal:
    """The special price while it lasts."""
    special = number(attributes.get("special_price"))
    begins, ends = attributes.get("special_from_date", ""), attributes.get("special_to_date", "")
    if special is None or special >= usual or today < begins or (ends and today[:10] > ends[:10]):
        return usual
    return special


def _options(parent: Entry | None, attributes: Mapping[str, str], facts: Facts) -> dict[str, str]:
    """By the label that the parent gives each attribute in which its children differ."""
    found: dict[str, str] = {}
    for one in parent.entry("extension_attributes").entries("configurable_product_options") if parent else ():
        attribute = facts.attributes.get(one.text("attribute_id"))
        if attribute is not None and attribute.code in attributes:
            found[one.text("label")] = attributes[attribute.code]
    return found


def _children(parent: Entry) -> list[int]:
    return parent.entry("extension_attributes").wholes("configurable_product_links")


def _images(row: Entry, media_url: str) -> list[str]:
    """The base image first."""
    entries = [one for one in row.entries("media_gallery_entries") if one.get("file") and not one.get("disabled")]
    entries.sort(key=lambda one: "image" not in one.texts("types"))
    return [f"{media_url}/catalog/product/{one.text('file').lstrip('/')}" for one in entries]
