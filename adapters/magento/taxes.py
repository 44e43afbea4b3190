"""VAT within gross amounts, to the cent. The gross amounts are the marketplace's and are never changed (§3.3)."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

import msgspec

HUNDRED = Decimal(100)
CENT = Decimal("0.01")


class Share(msgspec.Struct, frozen=True):
    """A part of a gross amount, and the rate within it."""

    rate: Decimal
    gross: Decimal

    @property
    def tax(self) -> Decimal:
        return (self.gross * self.rate / (HUNDRED + self.rate)).quantize(CENT, ROUND_HALF_UP)


def spread(gross: Decimal, over: Sequence[Share]) -> list[Share]:
    """An amount without a rate of its own in proportion to the lines', to the cent; all lines free: at the highest."""
    total = sum((one.gross for one in over), Decimal(0))
    if not total:
        return [Share(max((one.rate for one in over), default=Decimal(0)), gross)]
    weights: dict[Decimal, Decimal] = {}
    for one in over:
        weights[one.rate] = weights.get(one.rate, Decimal(0)) + one.gross
    rates = sorted(weights)
    parts = [Share(rate, (gross * weights[rate] / total).quantize(CENT, ROUND_HALF_UP)) for rate in rates[:-1]]
    return [*parts, Share(rates[-1], gross - sum((one.gross for one in parts), Decimal(0)))]
