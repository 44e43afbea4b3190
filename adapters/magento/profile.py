"""What of the shop itself an order depends on: store view, currency, countries, tax rates. Read once a day (§3.3)."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from lengow.adapters.calls import Deadline
from lengow.adapters.kept import Kept
from lengow.adapters.magento.api import Api, Row
from lengow.adapters.magento.settings import MagentoSettings

KEPT_SECONDS = 24 * 3600.0
ANYWHERE = ("*", "", "None")
"""Postcodes of a rate that holds in all of its country."""


class Problem(Exception):
    """The order cannot be put into this shop as it is; the sentence says why and what to do."""

    def __init__(self, field: str, sentence: str, *, retry: bool = False) -> None:
        super().__init__(sentence)
        self.field, self.retry = field, retry


class Region(msgspec.Struct, frozen=True):
    id: int
    code: str
    name: str


class Profile(msgspec.Struct, frozen=True):
    store_id: int
    currency: str
    countries: Mapping[str, tuple[Region, ...]]
    """The regions of each country, by ISO code."""
    rates: Mapping[tuple[int, str], Decimal]
    """Per cent by product tax class and country."""

    def region(self, country: str, given: str) -> Region | None:
        """By code or name."""
        folded = given.strip().casefold()
        fitting = (
            one for one in self.countries.get(country, ()) if folded in (one.code.casefold(), one.name.casefold())
        )
        return next(fitting, None) if folded else None

    def rate(self, tax_class: int | None, country: str) -> Decimal:
        """Of a product without a class, the country's highest."""
        if tax_class is not None:
            return self.rates.get((tax_class, country), Decimal(0))
        return max((rate for (_, where), rate in self.rates.items() if where == country), default=Decimal(0))


class Profiles(Kept[Profile]):
    """The profile of one shop, kept for a day, or until `forget`.

    Reading it raises ShopUnavailable, Refusal, and Problem when a setting names nothing in the shop.
    """

    seconds = KEPT_SECONDS

    def __init__(self, api: Api, settings: MagentoSettings) -> None:
        super().__init__()
        self._api, self._settings = api, settings

    def _read(self, deadline: Deadline) -> Profile:
        stores = {str(row["code"]): row for row in _rows(self._api.get("store/storeConfigs", deadline))}
        store = stores.get(self._settings.store)
        if store is None:
            known = ", ".join(sorted(stores)) or "none"
            sentence = (
                f"The shop has no store view {self._settings.store!r} (it has {known}): correct the setting store."
            )
            raise Problem("store", sentence, retry=True)
        countries = {
            str(row["two_letter_abbreviation"]): tuple(map(_region, _rows(row.get("available_regions"))))
            for row in _rows(self._api.get("directory/countries", deadline))
        }
        rates = {} if self._settings.taxes == "exempt" else self._rates(deadline)
        return Profile(int(store["id"]), str(store["base_currency_code"]), countries, rates)

    def _rates(self, deadline: Deadline) -> dict[tuple[int, str], Decimal]:
        """Of the rules' rates those for a whole country; of several the highest."""
        rates = {
            int(row["id"]): row
            for row in self._api.search_all("taxRates/search", (), deadline, sort=("id",))
            if not row.get("tax_region_id") and str(row.get("tax_postcode", "")) in ANYWHERE
        }
        found: dict[tuple[int, str], Decimal] = {}
        for rule in self._api.search_all("taxRules/search", (), deadline, sort=("id",)):
            for rate in (rates[one] for one in rule["tax_rate_ids"] if one in rates):
                for tax_class in rule["product_tax_class_ids"]:
                    key = int(tax_class), str(rate["tax_country_id"])
                    found[key] = max(found.get(key, Decimal(0)), decimal(rate["rate"]))
        return found


def decimal(number: Any) -> Decimal:
    """A JSON number as it was written; nothing is zero."""
    return Decimal(str(number or 0))


def _rows(value: Any) -> list[Row]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _region(row: Row) -> Region:
    return Region(int(row["id"]), str(row.get("code") or ""), str(row.get("name") or ""))
