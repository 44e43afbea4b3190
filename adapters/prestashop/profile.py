"""What the adapter must know of the shop: its settings, countries, carriers, states and taxes. Read at once, kept a while."""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    Decimal,
)
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Deadline
from lengow.adapters.prestashop.api import Webservice, any_of, text
from lengow.adapters.prestashop.xml import Unreadable, sizes

KEPT_SECONDS = 900.0
CONFIGURATION = (
    "PS_OS_CANCELED",
    "PS_OS_ERROR",
    "PS_OS_OUTOFSTOCK_PAID",
    "PS_OS_SHIPPING",
    "PS_OS_WS_PAYMENT",
    "PS_COUNTRY_DEFAULT",
    "PS_LANG_DEFAULT",
    "PS_MAIL_METHOD",
    "PS_PRICE_ROUND_MODE",
    "PS_ROUND_TYPE",
    "PS_TAX",
    "PS_TAX_ADDRESS_TYPE",
    "PS_TIMEZONE",
)
STATE_SETTINGS = "PS_OS_"
ROUNDING = {
    "0": ROUND_CEILING,
    "1": ROUND_FLOOR,
    "2": ROUND_HALF_UP,
    "3": ROUND_HALF_DOWN,
    "4": ROUND_HALF_EVEN,
}
"""PS_PRICE_ROUND_MODE."""


class Country(msgspec.Struct, frozen=True):
    id: int
    active: bool
    has_states: bool
    needs_identification: bool


class Carrier(msgspec.Struct, frozen=True):
    id: int
    reference: int
    """`id_reference`: the same for each edition of the carrier."""
    name: str
    active: bool
    deleted: bool
    free: bool
    url: str
    """Of a shipment, with `@` for its number."""
    tax_group: int


class State(msgspec.Struct, frozen=True):
    id: int
    name: str
    shipped: bool
    sends_mail: bool


class TaxRule(msgspec.Struct, frozen=True):
    group: int
    country: int
    state: int
    zip_from: str
    zip_to: str
    rate: Decimal
    """Per cent."""
    behavior: int
    """0: alone, 1: added to the next ones, 2: on top of the next ones."""


class Place(msgspec.Struct, frozen=True):
    """Where something is taxed."""

    country: int
    state: int = 0
    postcode: str = ""


class Profile(msgspec.Struct, frozen=True):
    configuration: Mapping[str, str]
    currencies: Mapping[str, int]
    """Active ones: id by ISO code."""
    countries: Mapping[str, Country]
    regions: Mapping[tuple[int, str], int]
    """Ids of states by country, and by code or name in small letters."""
    carriers: tuple[Carrier, ...]
    states: Mapping[int, State]
    tax_rules: tuple[TaxRule, ...]
    lengths: Mapping[str, int]
    """Of the fields of an address."""
    read_at: float

    def number(self, name: str) -> int:
        value = self.configuration.get(name, "")
        return int(value) if value.isdecimal() and len(value) < 10 else 0

    @property
    def first_state(self) -> int:
        """What a new order gets, whatever is asked (FINDINGS, Order creation)."""
        return self.number("PS_OS_WS_PAYMENT")

    @property
    def first_states(self) -> frozenset[int]:
        """States that nobody has chosen; the second is of orders whose stock ran below zero."""
        return frozenset({self.first_state, self.number("PS_OS_OUTOFSTOCK_PAID")} - {0})

    @property
    def bad_states(self) -> frozenset[int]:
        """An order in one of these is not to be delivered: none at all (half made), payment error, cancelled."""
        return frozenset({0, self.number("PS_OS_ERROR"), self.number("PS_OS_CANCELED")})

    @property
    def shipped_states(self) -> frozenset[int]:
        return frozenset(state.id for state in self.states.values() if state.shipped)

    @property
    def rounding(self) -> str:
        return ROUNDING.get(self.configuration.get("PS_PRICE_ROUND_MODE", "2"), ROUND_HALF_UP)

    @property
    def zone(self) -> ZoneInfo:
        try:
            return ZoneInfo(self.configuration.get("PS_TIMEZONE") or "UTC")
        except (ZoneInfoNotFoundError, ValueError):
            return ZoneInfo("UTC")

    def carrier(self, reference: int) -> Carrier | None:
        """The edition of a carrier that is in use."""
        found = [one for one in self.carriers if one.reference == reference and not one.deleted]
        return max(found, key=lambda one: one.id, default=None)

    def factor(self, tax_group: int, place: Place) -> Decimal:
        """What a net price is multiplied with, as `TaxRulesTaxManager` finds it; without a rule 1 (capture 219)."""
        if self.configuration.get("PS_TAX") == "0":
            return Decimal(1)
        found = [rule for rule in self.tax_rules if rule.group == tax_group and _fits(rule, place)]
        found.sort(key=lambda rule: (rule.zip_from, rule.zip_to, rule.state), reverse=True)
        return _combined(found)


class Profiles:
    """Reads the profile, and keeps it until it is old or proved wrong."""

    def __init__(self, shop: Webservice) -> None:
        self._shop = shop
        self._kept: Profile | None = None
        self._lock = threading.Lock()

    def get(self, deadline: Deadline) -> Profile:
        """Raises ShopUnavailable and Refusal."""
        with self._lock:
            if self._kept is None or time.monotonic() - self._kept.read_at > KEPT_SECONDS:
                self._kept = _read(self._shop, deadline)
            return self._kept

    def forget(self) -> None:
        with self._lock:
            self._kept = None


def _read(shop: Webservice, deadline: Deadline) -> Profile:
    settings = shop.rows("configurations", deadline, "[name,value]", name=any_of(CONFIGURATION))
    countries = shop.rows("countries", deadline, "[id,iso_code,active,contains_states,need_identification_number]")
    regions = shop.rows("states", deadline, "[id,id_country,iso_code,name]")
    try:
        lengths = sizes(shop.document("addresses", deadline, schema="synopsis").content)
    except Unreadable as error:
        raise shop.unreadable(error) from error
    return Profile(
        configuration={row.text("name"): _setting(row) for row in settings},
        currencies={
            text(row, "iso_code"): row.whole("id")
            for row in shop.rows("currencies", deadline, "[id,iso_code,active]")
            if text(row, "active") == "1"
        },
        countries={text(row, "iso_code").upper(): _country(row) for row in countries},
        regions=_regions(regions),
        carriers=tuple(_carrier(row) for row in shop.rows("carriers", deadline, CARRIER_FIELDS)),
        states={state.id: state for state in _states(shop, deadline)},
        tax_rules=_tax_rules(shop, deadline),
        lengths=lengths,
        read_at=time.monotonic(),
    )


CARRIER_FIELDS = "[id,id_reference,name,active,deleted,is_free,url,id_tax_rules_group]"
STATE_FIELDS = "[id,name,shipped,send_email]"


def number(row: Entry, name: str) -> int:
    """0 where it is left out."""
    return row.whole(name, 0)


def decimal(row: Entry, name: str) -> Decimal:
    return row.decimal(name)


def _setting(row: Entry) -> str:
    """The id of a state must be one: else orders would be moved to none."""
    if row.text("name").startswith(STATE_SETTINGS) and text(row, "value"):
        row.whole("value")
    return text(row, "value")


def _country(row: Entry) -> Country:
    return Country(
        row.whole("id"),
        text(row, "active") == "1",
        text(row, "contains_states") == "1",
        text(row, "need_identification_number") == "1",
    )


def _regions(rows: Iterable[Entry]) -> dict[tuple[int, str], int]:
    """By code, such as CA or ES-M, by its last part, and by name."""
    found: dict[tuple[int, str], int] = {}
    for row in rows:
        code = text(row, "iso_code").casefold()
        for word in (code, code.rpartition("-")[2], text(row, "name").casefold()):
            found.setdefault((number(row, "id_country"), word), row.whole("id"))
    return found


def _carrier(row: Entry) -> Carrier:
    return Carrier(
        id=row.whole("id"),
        reference=number(row, "id_reference"),
        name=text(row, "name"),
        active=text(row, "active") == "1",
        deleted=text(row, "deleted") == "1",
        free=text(row, "is_free") == "1",
        url=text(row, "url"),
        tax_group=number(row, "id_tax_rules_group"),
    )


def _states(shop: Webservice, deadline: Deadline) -> list[State]:
    """With names in the shop's first language (capture 257)."""
    rows = shop.rows("order_states", deadline, STATE_FIELDS, language_="1")
    return [
        State(row.whole("id"), text(row, "name"), text(row, "shipped") == "1", text(row, "send_email") == "1")
        for row in rows
    ]


def _tax_rules(shop: Webservice, deadline: Deadline) -> tuple[TaxRule, ...]:
    rates = {
        row.whole("id"): decimal(row, "rate")
        for row in shop.rows("taxes", deadline, "[id,rate,active]")
        if text(row, "active") == "1"
    }
    return tuple(
        TaxRule(
            group=number(row, "id_tax_rules_group"),
            country=number(row, "id_country"),
            state=number(row, "id_state"),
            zip_from=_zip(row, "zipcode_from"),
            zip_to=_zip(row, "zipcode_to"),
            rate=rates[number(row, "id_tax")],
            behavior=number(row, "behavior"),
        )
        for row in shop.rows("tax_rules", deadline)
        if number(row, "id_tax") in rates
    )


def _zip(row: Entry, name: str) -> str:
    value = text(row, name)
    return "" if value == "0" else value


def _fits(rule: TaxRule, place: Place) -> bool:
    if rule.country != place.country or rule.state not in (0, place.state):
        return False
    if rule.zip_to:
        return rule.zip_from <= place.postcode <= rule.zip_to
    return rule.zip_from in ("", place.postcode)


def _combined(rules: Sequence[TaxRule]) -> Decimal:
    """The most specific rule says how the ones after it count (`TaxCalculator`)."""
    if not rules:
        return Decimal(1)
    used = []
    for rule in rules:
        used.append(rule.rate / 100)
        if rule.behavior == 0:
            break
    if rules[0].behavior == 2:
        factor = Decimal(1)
        for rate in used:
            factor *= 1 + rate
        return factor
    return 1 + sum(used, Decimal(0))
