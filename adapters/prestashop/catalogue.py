"""The shop's products for feeds, fifty a page with all their fields, and their combinations (§2.2).

The webservice has prices without tax and without reductions: the tax is that of the shop's own country, and of the
reductions those count that every visitor has. There is no total count, so that a short page is the last one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Deadline
from lengow.adapters.catalogue import kilograms, percent, variant_title, with_tax
from lengow.adapters.prestashop.api import Webservice, any_of, associated, text
from lengow.adapters.prestashop.products import STOCK_FIELDS
from lengow.adapters.prestashop.profile import Place, Profile, Profiles, number
from lengow.connector.catalogue import CatalogueProduct

PAGE = 50
IDS_AT_ONCE = 100
"""In one filter, so that the URL stays below what hosts take."""
EVERYBODY = ("id_cart", "id_customer", "id_group", "id_currency")
"""Of a specific price: zero where it holds for all of them."""
NO_DATE = "0000-00-00 00:00:00"


class Names(msgspec.Struct, frozen=True):
    """What the page's options and features are called: group and value, by the value's id."""

    options: Mapping[int, tuple[str, str]]
    features: Mapping[int, tuple[str, str]]


class Page(msgspec.Struct, frozen=True):
    """What belongs to the products of a page."""

    combinations: Mapping[int, Sequence[Entry]]
    stocks: Mapping[tuple[int, int], int]
    reductions: Mapping[int, Sequence[Entry]]
    names: Names


class Facts(msgspec.Struct, frozen=True):
    """What is the same of all products."""

    profile: Profile
    url: str
    currency: str
    weight_unit: str
    now: str
    """In the shop's zone, as it writes times."""


class Catalogue:
    def __init__(
        self, shop: Webservice, url: str, profiles: Profiles, clock: Callable[[], datetime], seconds: float
    ) -> None:
        self._shop, self._url, self._profiles = shop, url.rstrip("/"), profiles
        self._clock, self._seconds = clock, seconds

    def products(self) -> Iterator[CatalogueProduct]:
        """Raises ShopUnavailable and Refusal."""
        profile = self._profiles.get(Deadline(self._seconds))
        language, facts = str(profile.number("PS_LANG_DEFAULT") or 1), self._facts(profile)
        start, count = 0, PAGE
        while count == PAGE:
            rows = self._rows("products", sort_="[id_ASC]", limit_=f"{start},{PAGE}", language_=language, active="[1]")
            sold = [row for row in rows if text(row, "available_for_order") != "0"]
            page = self._page(sold, language)
            for row in sold:
                for combination in page.combinations.get(row.whole("id")) or (None,):
                    yield _product(row, combination, page, facts)
            start, count = start + PAGE, len(rows)

    def _page(self, rows: Sequence[Entry], language: str) -> Page:
        ids = [row.whole("id") for row in rows]
        combinations = list(self._of(ids, "combinations", "full", language))
        stocks = self._of(ids, "stock_availables", STOCK_FIELDS, language)
        return Page(
            combinations=_grouped(combinations),
            stocks={
                (number(row, "id_product"), number(row, "id_product_attribute")): number(row, "quantity")
                for row in stocks
            },
            reductions=_grouped(self._of([0, *ids], "specific_prices", "full", language)),
            names=Names(
                options=self._names(
                    {one.whole("id") for row in combinations for one in associated(row, "product_option_values")},
                    "product_option_values",
                    ("product_options", "id_attribute_group", "name"),
                    language,
                ),
                features=self._names(
                    {number(one, "id_feature_value") for row in rows for one in associated(row, "product_features")},
                    "product_feature_values",
                    ("product_features", "id_feature", "value"),
                    language,
                ),
            ),
        )

    def _names(
        self, ids: set[int], values: str, group: tuple[str, str, str], language: str
    ) -> dict[int, tuple[str, str]]:
        """`group`: its resource, the field of a value that names it, and the field that holds the value."""
        resource, key, name = group
        found = [row for some in _some(sorted(ids)) for row in self._rows(values, id=any_of(some), language_=language)]
        groups = sorted({number(row, key) for row in found})
        called = {
            row.whole("id"): text(row, "name")
            for some in _some(groups)
            for row in self._rows(resource, id=any_of(some), language_=language)
        }
        return {row.whole("id"): (called.get(number(row, key), ""), text(row, name)) for row in found}

    def _of(self, products: Sequence[int], resource: str, display: str, language: str) -> Iterator[Entry]:
        for some in _some(products):
            yield from self._rows(resource, display, id_product=any_of(some), language_=language)

    def _rows(self, resource: str, display: str = "full", **arguments: str) -> list[Entry]:
        """Each call has its own time."""
        return self._shop.rows(resource, Deadline(self._seconds), display, **arguments)

    def _facts(self, profile: Profile) -> Facts:
        """The default currency, in which prices are kept, and the unit of weights."""
        found = self._rows("configurations", "[name,value]", name=any_of(("PS_CURRENCY_DEFAULT", "PS_WEIGHT_UNIT")))
        values = {text(row, "name"): text(row, "value") for row in found}
        codes = {str(id_): code for code, id_ in profile.currencies.items()}
        return Facts(
            profile=profile,
            url=self._url,
            currency=codes.get(values.get("PS_CURRENCY_DEFAULT", ""), ""),
            weight_unit=values.get("PS_WEIGHT_UNIT") or "kg",
            now=f"{self._clock().astimezone(profile.zone):%Y-%m-%d %H:%M:%S}",
        )


def _product(row: Entry, combination: Entry | None, page: Page, facts: Facts) -> CatalogueProduct:
    own = combination if combination is not None else Entry({}, ValueError)
    id_, part, profile = row.whole("id"), number(own, "id"), facts.profile
    factor = profile.factor(number(row, "id_tax_rules_group"), Place(profile.number("PS_COUNTRY_DEFAULT")))
    usual = _amount(row, "price") + _amount(own, "price")
    reductions = [*page.reductions.get(id_, ()), *page.reductions.get(0, ())]
    price = _reduced(usual, _counting(reductions, part, facts), factor)
    options = _by_group(page.names.options, associated(own, "product_option_values"), "id")
    weight = _amount(row, "weight") + _amount(own, "weight")
    return CatalogueProduct(
        id=f"{id_}_{part}" if part else str(id_),
        parent_id=str(id_) if part else "",
        sku=text(own, "reference") or text(row, "reference"),
        title=variant_title(text(row, "name"), options.values()),
        price=with_tax(price, factor),
        price_before=with_tax(usual, factor) if price < usual else None,
        currency=facts.currency,
        tax_rate=percent(factor),
        stock=page.stocks.get((id_, part)),
        ean=text(own, "ean13") if part else text(row, "ean13"),
        brand=text(row, "manufacturer_name") if text(row, "manufacturer_name") != "0" else "",
        description=text(row, "description") or text(row, "description_short"),
        images=_images(row, own, facts.url),
        weight=kilograms(weight, facts.weight_unit),
        options=options,
        attributes=_by_group(page.names.features, associated(row, "product_features"), "id_feature_value"),
    )


def _counting(rows: Iterable[Entry], combination: int, facts: Facts) -> Entry | None:
    """Of the specific prices that every visitor has now for one piece, that of the combination before the product's."""
    country, now = facts.profile.number("PS_COUNTRY_DEFAULT"), facts.now
    found = [
        row
        for row in rows
        if not any(number(row, name) for name in EVERYBODY)
        and number(row, "id_country") in (0, country)
        and number(row, "id_product_attribute") in (0, combination)
        and number(row, "from_quantity") <= 1
        and (text(row, "from") in ("", NO_DATE) or text(row, "from") <= now)
        and (text(row, "to") in ("", NO_DATE) or now <= text(row, "to"))
    ]
    return max(
        found,
        key=lambda row: (
            number(row, "id_product_attribute") > 0,
            number(row, "id_product") > 0,
            number(row, "id_country") > 0,
            row.whole("id"),
        ),
        default=None,
    )


def _reduced(usual: Decimal, rule: Entry | None, factor: Decimal) -> Decimal:
    """Without tax. A price of its own comes first (-1: none), then what is taken off it."""
    if rule is None:
        return usual
    fixed, off = _amount(rule, "price"), _amount(rule, "reduction")
    price = fixed if fixed >= 0 else usual
    if text(rule, "reduction_type") == "percentage":
        price *= 1 - off
    elif off:
        price -= off / factor if text(rule, "reduction_tax") == "1" else off
    return max(price, Decimal(0))


def _amount(row: Entry, name: str) -> Decimal:
    """What is no number is none: such a price is told by the feed."""
    return row.decimal(name, Decimal(0))


def _images(row: Entry, combination: Entry, url: str) -> tuple[str, ...]:
    """The combination's, else the product's with its cover first: `/img/p/1/2/12.jpg`."""
    own = [one.whole("id") for one in associated(combination, "images")]
    given = own or [number(row, "id_default_image"), *(one.whole("id") for one in associated(row, "images"))]
    return tuple(f"{url}/img/p/{'/'.join(str(one))}/{one}.jpg" for one in dict.fromkeys(given) if one)


def _by_group(names: Mapping[int, tuple[str, str]], rows: Iterable[Entry], key: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for row in rows:
        group, value = names.get(number(row, key), ("", ""))
        if group:
            found[group] = f"{found[group]}, {value}" if group in found else value
    return found


def _grouped(rows: Iterable[Entry]) -> dict[int, list[Entry]]:
    found: dict[int, list[Entry]] = {}
    for row in rows:
        found.setdefault(number(row, "id_product"), []).append(row)
    return found


def _some(ids: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (ids[start : start + IDS_AT_ONCE] for start in range(0, len(ids), IDS_AT_ONCE))
