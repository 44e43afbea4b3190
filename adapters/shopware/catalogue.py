"""The shop's products for feeds, five hundred a page (§4.2). Variants are products, and inherit what they lack."""

from collections.abc import Iterable, Iterator, Mapping

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Deadline
from lengow.adapters.catalogue import CENT, kilograms, number, variant_title
from lengow.adapters.shopware.api import Api, Row
from lengow.adapters.shopware.facts import PAGE
from lengow.adapters.shopware.products import stock_of
from lengow.connector.catalogue import CatalogueProduct

FIELDS = (
    "id,parentId,childCount,productNumber,ean,name,description,translated,price,stock,availableStock,weight,tax,"
    "manufacturer,cover,media,options,properties,customFields"
)
OPTIONS: Row = {"associations": {"group": {}}}
ASSOCIATIONS: Row = {
    "tax": {},
    "manufacturer": {},
    "cover": {"associations": {"media": {}}},
    "media": {"associations": {"media": {}}},
    "options": OPTIONS,
    "properties": OPTIONS,
}
CRITERIA: Row = {
    "filter": [{"type": "equals", "field": "active", "value": True}],
    "sort": [{"field": "id"}],
    "associations": ASSOCIATIONS,
    "includes": {
        "product": FIELDS.split(","),
        "tax": ["taxRate"],
        "product_manufacturer": ["name", "translated"],
        "product_media": ["position", "media"],
        "media": ["url"],
        "property_group_option": ["name", "translated", "group"],
        "property_group": ["name", "translated"],
    },
}


class Catalogue:
    def __init__(self, api: Api, seconds: float) -> None:
        self._api, self._seconds = api, seconds

    def products(self) -> Iterator[CatalogueProduct]:
        """Raises ShopUnavailable and Refusal. A product that has variants is these."""
        currencies = {
            row.text("id"): row.text("isoCode")
            for row in self._api.search_all("currency", {"filter": [SYSTEM]}, Deadline(self._seconds))
        }
        page, more = 1, True
        while more:
            given = {**CRITERIA, "page": page}
            rows = self._api.search("product", given, Deadline(self._seconds), **{"sw-inheritance": "1"})
            for row in rows:
                if not row.whole("childCount", 0):
                    yield from _product(row, currencies)
            page, more = page + 1, len(rows) == PAGE


SYSTEM: Row = {"type": "equals", "field": "factor", "value": 1}
"""The system's currency, which each product has a price in."""


def _product(row: Entry, currencies: Mapping[str, str]) -> Iterator[CatalogueProduct]:
    """Nothing for what has no price."""
    price = next((one for one in row.entries("price") if one.text("currencyId") in currencies), None)
    gross = number(price.get("gross")) if price else None
    if price is None or gross is None:
        return
    before = number(price.entry("listPrice").get("gross"))
    options = _options(row.entries("options"))
    parent = row.text("parentId", "")
    yield CatalogueProduct(
        id=f"{parent}_{row.text('id')}" if parent else row.text("id"),
        parent_id=parent,
        sku=row.text("productNumber"),
        title=variant_title(_text(row, "name"), options.values()),
        price=gross.quantize(CENT),
        price_before=before.quantize(CENT) if before is not None and before > gross else None,
        currency=currencies[price.text("currencyId")],
        tax_rate=number(row.entry("tax").get("taxRate")),
        stock=stock_of(row),
        ean=row.text("ean", ""),
        brand=_text(row.entry("manufacturer"), "name"),
        description=_text(row, "description"),
        images=_images(row),
        weight=kilograms(row.get("weight"), "kg"),
        options=options,
        attributes=_options(row.entries("properties")) | _plain(row.entry("customFields")),
    )


def _images(row: Entry) -> tuple[str, ...]:
    """The cover, then the others as the merchant ordered them."""
    ordered = sorted(row.entries("media"), key=lambda one: one.whole("position", 0))
    urls = (one.entry("media").text("url", "") for one in (row.entry("cover"), *ordered))
    return tuple(dict.fromkeys(url for url in urls if url))


def _options(rows: Iterable[Entry]) -> dict[str, str]:
    """Values by the name of their group; several of one with commas."""
    found: dict[str, str] = {}
    for one in rows:
        name, value = _text(one.entry("group"), "name"), _text(one, "name")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _plain(fields: Mapping[str, object]) -> dict[str, str]:
    """Custom fields that are one value; true and false as `true` and `false`."""
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in fields.items()
        if isinstance(value, str | int | float)
    }


def _text(row: Entry, name: str) -> str:
    """In the language of the shop, where it is translated."""
    return row.entry("translated").text(name, "") or row.text(name, "")
