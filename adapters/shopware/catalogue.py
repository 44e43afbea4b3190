"""The shop's products for feeds, five hundred a page (§4.2). Variants are products, and inherit what they lack."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lengow.adapters.calls import Deadline
from lengow.adapters.catalogue import CENT, kilograms, number, variant_title
from lengow.adapters.shopware.api import Api, Row
from lengow.adapters.shopware.facts import PAGE
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
            str(row["id"]): str(row["isoCode"])
            for row in self._api.search_all("currency", {"filter": [SYSTEM]}, Deadline(self._seconds))
        }
        page, more = 1, True
        while more:
            given = {**CRITERIA, "page": page}
            rows = self._api.search("product", given, Deadline(self._seconds), **{"sw-inheritance": "1"})
            for row in rows:
                if not row.get("childCount"):
                    yield from _product(row, currencies)
            page, more = page + 1, len(rows) == PAGE


SYSTEM: Row = {"type": "equals", "field": "factor", "value": 1}
"""The system's currency, which each product has a price in."""


def _product(row: Row, currencies: Mapping[str, str]) -> Iterator[CatalogueProduct]:
    """Nothing for what has no price."""
    price = next((one for one in _rows(row.get("price")) if str(one.get("currencyId")) in currencies), None)
    gross = number(price.get("gross")) if price else None
    if price is None or gross is None:
        return
    listed = price.get("listPrice")
    before = number(listed.get("gross")) if isinstance(listed, dict) else None
    options = _options(row.get("options"))
    custom = row.get("customFields")
    tax = row.get("tax")
    parent = str(row.get("parentId") or "")
    yield CatalogueProduct(
        id=f"{parent}_{row['id']}" if parent else str(row["id"]),
        parent_id=parent,
        sku=str(row.get("productNumber") or ""),
        title=variant_title(_text(row, "name"), options.values()),
        price=gross.quantize(CENT),
        price_before=before.quantize(CENT) if before is not None and before > gross else None,
        currency=currencies[str(price["currencyId"])],
        tax_rate=number(tax.get("taxRate")) if isinstance(tax, dict) else None,
        stock=_stock(row),
        ean=str(row.get("ean") or ""),
        brand=_text(row.get("manufacturer"), "name"),
        description=_text(row, "description"),
        images=_images(row),
        weight=kilograms(row.get("weight"), "kg"),
        options=options,
        attributes=_options(row.get("properties")) | _plain(custom if isinstance(custom, dict) else {}),
    )


def _stock(row: Row) -> int | None:
    available = row.get("availableStock")
    stock = available if isinstance(available, int) else row.get("stock")
    return stock if isinstance(stock, int) else None


def _images(row: Row) -> tuple[str, ...]:
    """The cover, then the others as the merchant ordered them."""
    ordered = sorted(_rows(row.get("media")), key=lambda one: int(one.get("position") or 0))
    cover = row.get("cover")
    urls = (_url(one) for one in (*([cover] if isinstance(cover, dict) else []), *ordered))
    return tuple(dict.fromkeys(url for url in urls if url))


def _url(row: Row) -> str:
    media = row.get("media")
    return str(media.get("url") or "") if isinstance(media, dict) else ""


def _options(rows: Any) -> dict[str, str]:
    """Values by the name of their group; several of one with commas."""
    found: dict[str, str] = {}
    for one in _rows(rows):
        name, value = _text(one.get("group"), "name"), _text(one, "name")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _plain(fields: Mapping[str, Any]) -> dict[str, str]:
    """Custom fields that are one value; true and false as `true` and `false`."""
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in fields.items()
        if isinstance(value, str | int | float)
    }


def _text(row: Any, name: str) -> str:
    """In the language of the shop, where it is translated."""
    if not isinstance(row, dict):
        return ""
    translated = row.get("translated")
    return str((translated.get(name) if isinstance(translated, dict) else None) or row.get(name) or "")


def _rows(value: Any) -> Iterable[Row]:
    """Lists of rows; prices come as an object by currency too."""
    given = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [one for one in given if isinstance(one, dict)]
