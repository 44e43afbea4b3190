"""Net amounts for a marketplace's gross ones, by the shop's own tax rates, so that WooCommerce's total is the sold one.

WooCommerce takes only net amounts and adds tax itself: which rates, and how it rounds, is told after `WC_Tax` and
`WC_Abstract_Order::calculate_totals` (reference platforms.md §1.3; FINDINGS (g)). Pure: settings are handed in.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_DOWN, ROUND_HALF_UP, Decimal

import msgspec

SENT_PLACES = Decimal("0.000001")
"""WooCommerce keeps item totals at six decimals."""


class Rate(msgspec.Struct, frozen=True):
    """A row of the shop's tax table; what is empty fits anything."""

    country: str
    percent: Decimal
    state: str = ""
    postcodes: tuple[str, ...] = ()
    cities: tuple[str, ...] = ()
    priority: int = 1
    compound: bool = False
    shipping: bool = True
    order: int = 0
    tax_class: str = ""


class TaxSettings(msgspec.Struct, frozen=True):
    enabled: bool = False
    prices_include_tax: bool = False
    based_on: str = "shipping"
    shipping_class: str = "inherit"
    round_at_subtotal: bool = False
    base_country: str = ""
    """As WooCommerce keeps it: `FR`, or `US:CA` with a state."""
    decimals: int = 2
    rates: tuple[Rate, ...] = ()


class Amount(msgspec.Struct, frozen=True):
    """A line, the shipping or a fee, tax included."""

    gross: Decimal
    tax_class: str = ""
    taxable: bool = True
    shipping: bool = False


class Location(msgspec.Struct, frozen=True):
    country: str
    state: str = ""
    postcode: str = ""
    city: str = ""


def nets(settings: TaxSettings, amounts: Sequence[Amount], where: Location) -> list[Decimal]:
    """What to send for each amount."""
    found = _rates_at(settings, where)
    return [net_of(one.gross, _factor(found, one)) for one in _with_shipping_class(settings, amounts)]


def net_of(gross: Decimal, factor: Decimal) -> Decimal:
    return (gross / factor).quantize(SENT_PLACES, ROUND_HALF_UP)


def predicted_total(
    settings: TaxSettings, amounts: Sequence[Amount], sent: Sequence[Decimal], where: Location
) -> Decimal:
    """What WooCommerce will make of the net amounts."""
    places, found = Decimal(1).scaleb(-settings.decimals), _rates_at(settings, where)
    mode = ROUND_HALF_DOWN if settings.prices_include_tax else ROUND_HALF_UP
    total, taxes = Decimal(0), {"goods": Decimal(0), "shipping": Decimal(0)}
    for one, net in zip(_with_shipping_class(settings, amounts), sent, strict=True):
        by_line = one.shipping or not settings.round_at_subtotal
        total += net.quantize(places, ROUND_HALF_UP) if by_line else net
        for tax in _taxes(found, one, net):
            kept = tax if settings.round_at_subtotal else tax.quantize(places, mode)
            taxes["shipping" if one.shipping else "goods"] += kept
    rounded = total.quantize(places, ROUND_HALF_UP)
    return rounded + sum((tax.quantize(places, mode) for tax in taxes.values()), Decimal(0))


def location(settings: TaxSettings, billing: Mapping[str, str], shipping: Mapping[str, str]) -> Location:
    """The address that decides the rates."""
    address = billing if settings.based_on == "billing" else shipping
    if settings.based_on == "base" or not address.get("country"):
        country, _, state = settings.base_country.partition(":")
        return Location(country, state)
    return Location(address["country"], address.get("state", ""), address.get("postcode", ""), address.get("city", ""))


def factor_at_base(settings: TaxSettings, one: Amount) -> Decimal:
    """What a net price is multiplied with for a buyer at the shop's own place."""
    country, _, state = settings.base_country.partition(":")
    return _factor(_rates_at(settings, Location(country, state)), one)


def _rates_at(settings: TaxSettings, where: Location) -> list[Rate]:
    """The rates that fit, as WooCommerce sorts them: by priority, then the narrowest, then as the merchant set them."""
    if not settings.enabled:
        return []
    fitting = [rate for rate in settings.rates if _fits(rate, where)]
    return sorted(fitting, key=lambda rate: (rate.priority, -_narrowness(rate), rate.order))


def _fits(rate: Rate, where: Location) -> bool:
    postcode = re.sub(r"[\s-]", "", where.postcode).upper()
    return (
        rate.country in ("", where.country)
        and rate.state in ("", where.state)
        and (not rate.cities or where.city.upper() in rate.cities)
        and (not rate.postcodes or any(_postcode_fits(rule, postcode) for rule in rate.postcodes))
    )


def _postcode_fits(rule: str, postcode: str) -> bool:
    """`75001`, `75*` or `75000...75999`."""
    rule = re.sub(r"[\s-]", "", rule)
    first, ranged, last = rule.partition("...")
    if ranged:
        return first.isdigit() and last.isdigit() and postcode.isdigit() and int(first) <= int(postcode) <= int(last)
    return postcode.startswith(rule[:-1]) if rule.endswith("*") else rule == postcode


def _narrowness(rate: Rate) -> int:
    return sum(map(bool, (rate.country, rate.state, rate.postcodes, rate.cities)))


def _factor(found: Iterable[Rate], one: Amount) -> Decimal:
    """What a net amount is multiplied with to give the gross one."""
    return Decimal(1) + sum(_taxes(found, one, Decimal(1), exact=True), Decimal(0))


def _taxes(found: Iterable[Rate], one: Amount, net: Decimal, *, exact: bool = False) -> list[Decimal]:
    """The tax of each priority; a compound rate also taxes the tax before it."""
    if not one.taxable:
        return []
    taxes: list[Decimal] = []
    priorities: set[int] = set()
    for rate in found:
        if rate.tax_class != one.tax_class or rate.priority in priorities or (one.shipping and not rate.shipping):
            continue
        priorities.add(rate.priority)
        base = net + sum(taxes, Decimal(0)) if rate.compound else net
        tax = base * rate.percent / 100
        taxes.append(tax if exact else tax.quantize(SENT_PLACES, ROUND_HALF_UP))
    return taxes


def _with_shipping_class(settings: TaxSettings, amounts: Sequence[Amount]) -> list[Amount]:
    """Shipping is taxed in a class of its own, or (`inherit`) in that of the goods, the standard one before others."""
    if settings.shipping_class == "inherit":
        classes = {one.tax_class for one in amounts if one.taxable and not one.shipping}
        chosen = "" if "" in classes or not classes else min(classes)
    else:
        chosen = settings.shipping_class
    return [msgspec.structs.replace(one, tax_class=chosen) if one.shipping else one for one in amounts]
