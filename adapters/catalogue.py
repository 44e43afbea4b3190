"""What the catalogues of all platforms share: weights, prices with tax, titles of variants."""

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

CENT = Decimal("0.01")
KILOGRAMS: Mapping[str, Decimal] = {
    "kg": Decimal(1),
    "g": Decimal("0.001"),
    "lb": Decimal("0.45359237"),
    "lbs": Decimal("0.45359237"),
    "oz": Decimal("0.028349523125"),
}
"""Of one unit of weight, by the names that shops give them."""


def number(value: object) -> Decimal | None:
    """None for what is no number."""
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def kilograms(value: object, unit: str) -> Decimal | None:
    """None where there is no weight, or none that means anything."""
    found, factor = number(value), KILOGRAMS.get(unit.strip().lower())
    return (found * factor).normalize() if found and factor and found > 0 else None


def with_tax(price: Decimal, factor: Decimal) -> Decimal:
    return (price * factor).quantize(CENT, ROUND_HALF_UP)


def percent(factor: Decimal) -> Decimal:
    return ((factor - 1) * 100).quantize(CENT, ROUND_HALF_UP)


def variant_title(parent: str, options: Iterable[str]) -> str:
    """The product's, and what sets the variant apart."""
    return ", ".join([parent, *(option for option in options if option)])
