"""What of the shop itself an order depends on: sales channel, currencies, countries, states, taxes. Read once a day (§4.3)."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Deadline
from lengow.adapters.kept import Kept
from lengow.adapters.outcomes import Problem
from lengow.adapters.shopware.api import Api, Row
from lengow.adapters.shopware.facts import MACHINES
from lengow.adapters.shopware.ids import is_id
from lengow.adapters.shopware.settings import ShopwareSettings
from lengow.adapters.shopware.taxes import Rule, Tax

KEPT_SECONDS = 24 * 3600.0
NOT_SPECIFIED = "not_specified"


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
        def rows(entity: str, *fields: str, **associations: Any) -> list[Entry]:
            criteria = {"includes": {entity: ["id", *fields]}, "associations": associations} if fields else {}
            return list(self._api.search_all(entity, criteria, deadline))

        settings = self._settings
        version = self._api.get("_info/version", deadline).value
        fields = ("name", "languageId", "paymentMethodId", "shippingMethodId", "translated")
        channel = chosen("sales_channel", settings.sales_channel, rows("sales_channel", *fields))
        methods = ("name", "technicalName", "translated")
        payment = shipping = None
        if settings.payment_method:
            payment = chosen("payment_method", settings.payment_method, rows("payment_method", *methods)).text("id")
        if settings.shipping_method:
            shipping = chosen("shipping_method", settings.shipping_method, rows("shipping_method", *methods)).text("id")
        machine: Row = {"stateMachine": {}}
        return Profile(
            version=str(version.get("version", "")) if isinstance(version, dict) else "",
            channel_id=channel.text("id"),
            language_id=channel.text("languageId"),
            payment_method_id=payment or channel.text("paymentMethodId"),
            shipping_method_id=shipping or channel.text("shippingMethodId"),
            currencies={row.text("isoCode"): _currency(row) for row in rows("currency")},
            countries=_ids(rows("country", "iso"), "iso"),
            country_states=_ids(rows("country_state", "shortCode"), "shortCode"),
            salutations=_ids(rows("salutation", "salutationKey"), "salutationKey"),
            states={
                (row.entry("stateMachine").text("technicalName"), row.text("technicalName")): row.text("id")
                for row in self._api.search_all("state_machine_state", {"associations": machine}, deadline)
            },
            taxes={
                row.text("id"): _tax(row)
                for row in self._api.search_all(
                    "tax", {"associations": {"rules": {"associations": {"type": {}}}}}, deadline
                )
            },
        )


def chosen(key: str, wanted: str, rows: list[Entry]) -> Entry:
    """The row that a setting names by id, technical name or name. Raises Problem."""
    if is_id(wanted):
        found = [row for row in rows if row.text("id") == wanted]
    else:
        names = ("technicalName", "name")
        found = [row for row in rows if wanted in (*(row.text(one, "") for one in names), _translated(row))]
    if len(found) == 1:
        return found[0]
    known = ", ".join(sorted(repr(_translated(row) or row.text("name", "")) for row in rows)) or "none"
    how = "several are called so: give the id" if found else f"there are {known}"
    raise Problem(key, f"The setting {key} = {wanted!r} names no one row of the shop: {how}.", retry=True)


def _translated(row: Entry) -> str:
    return row.entry("translated").text("name", "")


def _ids(rows: list[Entry], key: str) -> dict[str, str]:
    return {row.text(key): row.text("id") for row in rows if row.text(key, "")}


def _currency(row: Entry) -> Currency:
    rounding = (_rounding(row.entry(name)) for name in ("itemRounding", "totalRounding"))
    return Currency(row.text("id"), row.decimal("factor"), *rounding)


def _rounding(given: Entry) -> dict[str, Any]:
    """Only the fields that an order takes back: others are refused (§4.3)."""
    if given.whole("decimals") not in range(10):
        raise given.wrong("decimals", "is no number of decimals")
    return {
        "decimals": given.whole("decimals"),
        "interval": given.decimal("interval"),
        "roundForNet": given["roundForNet"],
    }


def _tax(row: Entry) -> Tax:
    return Tax(row.decimal("taxRate"), tuple(map(_rule, row.entries("rules"))))


def _rule(row: Entry) -> Rule:
    return Rule(
        kind=row.entry("type").text("technicalName"),
        country_id=row.text("countryId"),
        rate=row.decimal("taxRate"),
        data=row.entry("data"),
        active_from=row.text("activeFrom", ""),
    )
