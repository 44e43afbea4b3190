"""The money that the server works out itself: loose amounts, tax by its own tables, totals (FINDINGS trap 3 and (g))."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_DOWN, ROUND_HALF_UP, Decimal

from lengow.sandbox.shops.woocommerce.records import Extra, Line, Order, TaxRate


@dataclass(slots=True)
class TaxSettings:
    """Settings → General and → Tax."""

    enabled: bool = False
    prices_include_tax: bool = False
    based_on: str = "shipping"
    """`shipping`, `billing` or `base`."""
    shipping_class: str = "inherit"
    """A tax class, or `inherit`: that of the goods."""
    round_at_subtotal: bool = False
    base_country: str = "FR"
    decimals: int = 2
    rates: list[TaxRate] = field(default_factory=list)
    classes: tuple[str, ...] = ("reduced-rate", "zero-rate")


def php_decimal(text: object) -> Decimal:
    """As `wc_format_decimal` reads what is sent: "10,50" is 1050, "abc" is 0."""
    if isinstance(text, int | float):
        return Decimal(str(text))
    cleaned = re.sub(r"[^0-9.\-]", "", str(text))
    found = re.match(r"-?\d*\.?\d*", cleaned)
    try:
        return Decimal(found.group()) if found and found.group() not in ("", "-", ".", "-.") else Decimal(0)
    except ArithmeticError:
        return Decimal(0)


def calculate(order: Order, settings: TaxSettings) -> None:
    """`calculate_totals`: what was sent without tax, plus tax from the tables of the shop."""
    taxed = settings.enabled and order.meta_value("is_vat_exempt") != "yes"
    found = _Rates(settings, _location(order, settings)) if taxed else None
    for line in order.lines:
        line.taxes = found.taxes(line.total, line.tax_class) if found and line.taxable else {}
    for fee in order.fee_lines:
        fee.taxes = found.taxes(fee.total, fee.tax_class) if found and fee.tax_status == "taxable" else {}
    shipping_class = _shipping_class(order, settings)
    for shipping in order.shipping_lines:
        shipping.taxes = found.taxes(shipping.total, shipping_class, shipping=True) if found else {}
    _cap_fees(order)
    places = Decimal(1).scaleb(-settings.decimals)
    goods = sum((_rounded(line.total, settings) for line in order.lines), Decimal(0)).quantize(places, ROUND_HALF_UP)
    fees = sum((fee.total for fee in order.fee_lines), Decimal(0))
    order.shipping_total = sum((one.total.quantize(places, ROUND_HALF_UP) for one in order.shipping_lines), Decimal(0))
    order.cart_tax = _tax_of([*order.lines, *order.fee_lines], settings)
    order.shipping_tax = _tax_of(order.shipping_lines, settings)
    total = goods + fees + order.shipping_total + order.cart_tax + order.shipping_tax
    order.total = total.quantize(places, ROUND_HALF_UP)


class _Rates:
    """The rates that fit one location: of each priority the first, as WooCommerce sorts them."""

    def __init__(self, settings: TaxSettings, location: Mapping[str, str]) -> None:
        self._rates = [rate for rate in settings.rates if _fits(rate, location)]
        self._rates.sort(key=lambda rate: (rate.priority, -_narrow(rate)))

    def taxes(self, net: Decimal, tax_class: str, *, shipping: bool = False) -> dict[int, Decimal]:
        taxes: dict[int, Decimal] = {}
        compound_base = net
        priorities = set()
        for rate in self._rates:
            if rate.tax_class != tax_class or rate.priority in priorities or (shipping and not rate.shipping):
                continue
            priorities.add(rate.priority)
            base = compound_base if rate.compound else net
            taxes[rate.id] = (base * rate.rate / 100).quantize(Decimal("0.000001"), ROUND_HALF_UP)
            compound_base += taxes[rate.id]
        return taxes


def _location(order: Order, settings: TaxSettings) -> Mapping[str, str]:
    address = order.billing if settings.based_on == "billing" else order.shipping
    if settings.based_on == "base" or not address["country"]:
        return {"country": settings.base_country, "state": "", "postcode": "", "city": ""}
    return address


def _fits(rate: TaxRate, location: Mapping[str, str]) -> bool:
    postcode = re.sub(r"[\s-]", "", location["postcode"]).upper()
    return (
        rate.country in ("", location["country"])
        and rate.state in ("", location["state"])
        and (not rate.cities or location["city"].upper() in rate.cities)
        and (not rate.postcodes or any(_postcode_fits(one, postcode) for one in rate.postcodes))
    )


def _postcode_fits(rule: str, postcode: str) -> bool:
    first, ranged, last = rule.partition("...")
    if ranged:
        return first.isdigit() and postcode.isdigit() and int(first) <= int(postcode) <= int(last)
    return postcode.startswith(rule[:-1]) if rule.endswith("*") else rule == postcode


def _narrow(rate: TaxRate) -> int:
    return sum(map(bool, (rate.country, rate.state, rate.postcodes, rate.cities)))


def _shipping_class(order: Order, settings: TaxSettings) -> str:
    if settings.shipping_class != "inherit":
        return settings.shipping_class
    found = {line.tax_class for line in order.lines if line.taxable}
    return next((one for one in ("", *settings.classes) if one in found), "")


def _cap_fees(order: Order) -> None:
    """A negative fee never takes more than the goods and shipping cost."""
    most = sum((line.total for line in order.lines), Decimal(0)) + sum(
        (one.total for one in order.shipping_lines), Decimal(0)
    )
    for fee in order.fee_lines:
        if fee.total < 0:
            fee.total = max(fee.total, -most)


def _rounded(value: Decimal, settings: TaxSettings) -> Decimal:
    places = Decimal(1).scaleb(-settings.decimals)
    return value if settings.round_at_subtotal else value.quantize(places, ROUND_HALF_UP)


def _tax_of(parts: Iterable[Line | Extra], settings: TaxSettings) -> Decimal:
    """Shops whose prices include tax round half down, others half up; by line, or only the sum."""
    places = Decimal(1).scaleb(-settings.decimals)
    mode = ROUND_HALF_DOWN if settings.prices_include_tax else ROUND_HALF_UP
    sums: dict[int, Decimal] = {}
    for part in parts:
        for rate, tax in part.taxes.items():
            one = tax if settings.round_at_subtotal else tax.quantize(places, mode)
            sums[rate] = sums.get(rate, Decimal(0)) + one
    return sum(sums.values(), Decimal(0)).quantize(places, mode)
