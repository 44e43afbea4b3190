"""What of the shop itself an order depends on: sales channel, currencies, countries, states, taxes. Read once a day (§4.3)."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from lengow.adapters.calls import Deadline
from lengow.adapters.kept import Kept
from lengow.adapters.shopware.api import Api, Row
from lengow.adapters.shopware.facts import MACHINES
from lengow.adapters.shopware.ids import is_id
from lengow.adapters.shopware.settings import ShopwareSettings
from lengow.adapters.shopware.taxes import Rule, Tax

KEPT_SECONDS = 24 * 3600.0
NOT_SPECIFIED = "not_specified"


class Problem(Exception):
    """The order cannot be put into this shop as it is; the sentence says why and what to do."""

    def __init__(self, field: str, sentence: str, *, retry: bool = False) -> None:
        super().__init__(sentence)
        self.field, self.retry = field, retry


class Currency(msgspec.Struct, frozen=True):
    id: str
    factor: Decimal
    item_rounding: Mapping[str, Any]
    total_rounding: Mapping[str, Any]

    @property
    def decimals(self) -> int:
        return int(self.total_rounding["decimals"])


class Profile(msgspec.Struct, frozen=True):
    version: str
    channel_id: str
    language_id: str
    payment_method_id: str
    shipping_method_id: str
    currencies: Mapping[str, Currency]
    """By ISO code; so below."""
    countries: Mapping[str, str]
    country_states: Mapping[str, str]
    """Ids by short code, such as `DE-BE`."""
    salutations: Mapping[str, str]
    states: Mapping[tuple[str, str], str]
    """Ids by state machine and technical name."""
    taxes: Mapping[str, Tax]

    def state(self, entity: str, name: str) -> str:
        """The id of a state that Shopware installs. Raises Problem."""
        found = self.states.get((MACHINES[entity], name))
        if found is None:
            raise Problem("stateId", f"The shop has no state {name!r} of {MACHINES[entity]}: add it again.", retry=True)
        return found

    def salutation(self, key: str) -> str | None:
        """Merchants delete salutations: then `not_specified`, else any (§4.8)."""
        known = self.salutations
        return known.get(key) or known.get(NOT_SPECIFIED) or next(iter(known.values()), None)


class Profiles(Kept[Profile]):
    """The profile of one shop, kept for a day, or until `forget`.

    Reading it raises ShopUnavailable, Refusal, and Problem when a setting names nothing in the shop.
    """

    seconds = KEPT_SECONDS

    def __init__(self, api: Api, settings: ShopwareSettings) -> None:
        super().__init__()
        self._api, self._settings = api, settings

    def _read(self, deadline: Deadline) -> Profile:
        def rows(entity: str, *fields: str, **associations: Any) -> list[Row]:
            criteria = {"includes": {entity: ["id", *fields]}, "associations": associations} if fields else {}
            return list(self._api.search_all(entity, criteria, deadline))

        settings = self._settings
        version = self._api.get("_info/version", deadline).value
        fields = ("name", "languageId", "paymentMethodId", "shippingMethodId", "translated")
        channel = chosen("sales_channel", settings.sales_channel, rows("sales_channel", *fields))
        methods = ("name", "technicalName", "translated")
        payment = shipping = None
        if settings.payment_method:
            payment = chosen("payment_method", settings.payment_method, rows("payment_method", *methods))["id"]
        if settings.shipping_method:
            shipping = chosen("shipping_method", settings.shipping_method, rows("shipping_method", *methods))["id"]
        machine: Row = {"stateMachine": {}}
        return Profile(
            version=str(version.get("version", "")) if isinstance(version, dict) else "",
            channel_id=channel["id"],
            language_id=channel["languageId"],
            payment_method_id=payment or channel["paymentMethodId"],
            shipping_method_id=shipping or channel["shippingMethodId"],
            currencies={str(row["isoCode"]): _currency(row) for row in rows("currency")},
            countries=_ids(rows("country", "iso"), lambda row: row.get("iso")),
            country_states=_ids(rows("country_state", "shortCode"), lambda row: row.get("shortCode")),
            salutations=_ids(rows("salutation", "salutationKey"), lambda row: row.get("salutationKey")),
            states={
                (row["stateMachine"]["technicalName"], row["technicalName"]): row["id"]
                for row in self._api.search_all("state_machine_state", {"associations": machine}, deadline)
            },
            taxes={
                row["id"]: _tax(row)
                for row in self._api.search_all(
                    "tax", {"associations": {"rules": {"associations": {"type": {}}}}}, deadline
                )
            },
        )


def chosen(key: str, wanted: str, rows: list[Row]) -> Row:
    """The row that a setting names by id, technical name or name. Raises Problem."""
    if is_id(wanted):
        found = [row for row in rows if row["id"] == wanted]
    else:
        found = [row for row in rows if wanted in (row.get("technicalName"), row.get("name"), _translated(row))]
    if len(found) == 1:
        return found[0]
    names = ", ".join(sorted(repr(str(_translated(row) or row.get("name"))) for row in rows)) or "none"
    how = "several are called so: give the id" if found else f"there are {names}"
    raise Problem(key, f"The setting {key} = {wanted!r} names no one row of the shop: {how}.", retry=True)


def _translated(row: Row) -> Any:
    translated = row.get("translated")
    return translated.get("name") if isinstance(translated, dict) else None


def _ids(rows: list[Row], key: Callable[[Row], Any]) -> dict[str, str]:
    return {str(key(row)): row["id"] for row in rows if key(row)}


def _currency(row: Row) -> Currency:
    return Currency(row["id"], decimal(row["factor"]), _rounding(row["itemRounding"]), _rounding(row["totalRounding"]))


def _rounding(given: Any) -> dict[str, Any]:
    """Only the fields that an order takes back: others are refused (§4.3)."""
    return {name: given[name] for name in ("decimals", "interval", "roundForNet")}


def _tax(row: Row) -> Tax:
    return Tax(decimal(row["taxRate"]), tuple(map(_rule, row.get("rules") or ())))


def _rule(row: Row) -> Rule:
    data = row.get("data")
    return Rule(
        kind=str(row["type"]["technicalName"]),
        country_id=str(row["countryId"]),
        rate=decimal(row["taxRate"]),
        data=data if isinstance(data, dict) else {},
        active_from=str(row.get("activeFrom") or ""),
    )


def decimal(number: Any) -> Decimal:
    """A JSON number as it was written."""
    return Decimal(str(number))
