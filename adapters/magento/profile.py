"""What of the shop itself an order depends on: store view, currency, countries, tax rates. Read once a day (§3.3)."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Deadline
from lengow.adapters.kept import Kept
from lengow.adapters.magento.api import Api
from lengow.adapters.magento.settings import MagentoSettings
from lengow.adapters.outcomes import Problem

KEPT_SECONDS = 24 * 3600.0
ANYWHERE = ("*", "", "None")
"""Postcodes of a rate that holds in all of its country."""


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
    weight_unit: str = "kg"
    media_url: str = ""

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
        stores = {row.text("code"): row for row in self._api.rows("store/storeConfigs", deadline)}
        store = stores.get(self._settings.store)
        if store is None:
            known = ", ".join(sorted(stores)) or "none"
            sentence = (
                f"The shop has no store view {self._settings.store!r} (it has {known}): correct the setting store."
            )
            raise Problem("store", sentence, retry=True)
        countries = {
            row.text("two_letter_abbreviation"): tuple(map(_region, row.entries("available_regions")))
            for row in self._api.rows("directory/countries", deadline)
        }
        rates = {} if self._settings.taxes == "exempt" else self._rates(deadline)
        return Profile(
            store_id=store.whole("id"),
            currency=store.text("base_currency_code"),
            countries=countries,
            rates=rates,
            weight_unit=(store.text("weight_unit", "") or "kgs").removesuffix("s"),
            media_url=(store.text("secure_base_media_url", "") or store.text("base_media_url", "")).rstrip("/"),
        )

    def _rates(self, deadline: Deadline) -> dict[tuple[int, str], Decimal]:
        """Of the rules' rates those for a whole country; of several the highest."""
        rates = {
            row.whole("id"): row
            for row in self._api.search_all("taxRates/search", (), deadline, sort=("id",))
            if not row.whole("tax_region_id", 0) and row.text("tax_postcode", "") in ANYWHERE
        }
        found: dict[tuple[int, str], Decimal] = {}
        for rule in self._api.search_all("taxRules/search", (), deadline, sort=("id",)):
            for rate in (rates[one] for one in rule.wholes("tax_rate_ids") if one in rates):
                for tax_class in rule.wholes("product_tax_class_ids"):
                    key = tax_class, rate.text("tax_country_id")
                    found[key] = max(found.get(key, Decimal(0)), rate.decimal("rate"))
        return found


def _region(row: Entry) -> Region:
    return Region(row.whole("id"), row.text("code", ""), row.text("name", ""))
