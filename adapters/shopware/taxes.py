"""VAT within gross amounts: the shop's rates for the address, and the prices that Shopware keeps (§4.3).

The gross amounts are the marketplace's and are never changed. What has several rates is split in proportion.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import msgspec

from lengow.adapters.shopware.facts import COUNTRY_STATES, ENTIRE_COUNTRY, TAX_RULE_ORDER, ZIP_CODE, ZIP_RANGE

HUNDRED = Decimal(100)
UNIT = Decimal("0.000001")
PERCENT = Decimal("0.0001")


class Where(msgspec.Struct, frozen=True):
    """The address that decides the rates."""

    country_id: str
    state_id: str = ""
    zipcode: str = ""
    today: str = ""
    """ISO date: a rule may begin later."""


class Rule(msgspec.Struct, frozen=True):
    kind: str
    country_id: str
    rate: Decimal
    data: Mapping[str, Any] = {}
    active_from: str = ""


class Tax(msgspec.Struct, frozen=True):
    rate: Decimal
    rules: tuple[Rule, ...] = ()

    def rate_at(self, where: Where) -> Decimal:
        """The narrowest rule that applies; of several, the one that began last."""
        for kind in TAX_RULE_ORDER:
            fitting = [rule for rule in self.rules if rule.kind == kind and _applies(rule, where)]
            if fitting:
                return max(fitting, key=lambda rule: rule.active_from).rate
        return self.rate


class Share(msgspec.Struct, frozen=True):
    """A part of a gross amount, and the rate within it."""

    rate: Decimal
    gross: Decimal


def spread(gross: Decimal, over: Sequence[Share], cent: Decimal) -> list[Share]:
    """An amount without a rate of its own (shipping, fee) in proportion to the lines', to the cent.

    Where all lines are free, at the highest rate.
    """
    total = sum((one.gross for one in over), Decimal(0))
    if not over:
        return []
    if not total:
        return [Share(max(one.rate for one in over), gross)]
    weights: dict[Decimal, Decimal] = {}
    for one in over:
        weights[one.rate] = weights.get(one.rate, Decimal(0)) + one.gross
    rates = sorted(weights)
    parts = [Share(rate, (gross * weights[rate] / total).quantize(cent, ROUND_HALF_UP)) for rate in rates[:-1]]
    rest = gross - sum((one.gross for one in parts), Decimal(0))
    return [*parts, Share(rates[-1], rest)]


def calculated(gross: Decimal, quantity: int, shares: Sequence[Share], cent: Decimal) -> dict[str, Any]:
    """Shopware's calculated price. Without shares, one without tax."""
    return {
        "unitPrice": (gross / quantity).quantize(UNIT, ROUND_HALF_UP).normalize() + 0,
        "totalPrice": gross,
        "quantity": quantity,
        "calculatedTaxes": calculated_taxes(shares, cent),
        "taxRules": tax_rules(shares),
    }


def calculated_taxes(shares: Iterable[Share], cent: Decimal) -> list[dict[str, Any]]:
    """One a rate. The tax is the sum of the parts', so that lines and total agree."""
    found: dict[Decimal, tuple[Decimal, Decimal]] = {}
    for one in shares:
        tax, price = found.get(one.rate, (Decimal(0), Decimal(0)))
        found[one.rate] = (tax + tax_within(one, cent), price + one.gross)
    return [{"tax": tax, "taxRate": rate, "price": price} for rate, (tax, price) in sorted(found.items())]


def tax_rules(shares: Sequence[Share]) -> list[dict[str, Any]]:
    total = sum((one.gross for one in shares), Decimal(0))
    weights: dict[Decimal, Decimal] = {}
    for one in shares:
        weights[one.rate] = weights.get(one.rate, Decimal(0)) + one.gross
    if not total:
        return [{"taxRate": rate, "percentage": HUNDRED / len(weights)} for rate in sorted(weights)]
    return [
        {"taxRate": rate, "percentage": (gross * HUNDRED / total).quantize(PERCENT, ROUND_HALF_UP)}
        for rate, gross in sorted(weights.items())
    ]


def tax_within(share: Share, cent: Decimal) -> Decimal:
    return (share.gross * share.rate / (HUNDRED + share.rate)).quantize(cent, ROUND_HALF_UP)


def _applies(rule: Rule, where: Where) -> bool:
    if rule.country_id != where.country_id or rule.active_from[:10] > where.today:
        return False
    data = rule.data
    if rule.kind == ZIP_CODE:
        return bool(where.zipcode) and str(data.get("zipCode")) == where.zipcode
    if rule.kind == ZIP_RANGE:
        return bool(where.zipcode) and str(data.get("fromZipCode")) <= where.zipcode <= str(data.get("toZipCode"))
    if rule.kind == COUNTRY_STATES:
        states = data.get("states")
        return bool(where.state_id) and isinstance(states, list) and where.state_id in states
    return rule.kind == ENTIRE_COUNTRY
