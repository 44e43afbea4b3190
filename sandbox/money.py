"""Currencies and exchange rates. Amounts are `Decimal`, tax included, two digits after the point."""

from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
ACCOUNT_CURRENCY = "EUR"

CURRENCIES = {
    "EUR": ("€", "Euro"),
    "GBP": ("£", "Pound sterling"),
    "PLN": ("zł", "Zloty"),
    "SEK": ("kr", "Swedish krona"),
    "USD": ("$", "US dollar"),
    "CZK": ("Kč", "Czech koruna"),
}
# Euros for one unit. CZK has none on purpose: such an order comes with `total_order: -1` (reference 2.3).
RATES = {
    "EUR": Decimal(1),
    "GBP": Decimal("1.17"),
    "PLN": Decimal("0.23"),
    "SEK": Decimal("0.088"),
    "USD": Decimal("0.92"),
}


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


def tax_within(amount: Decimal) -> Decimal:
    """The 20 % VAT that is part of `amount`."""
    return cents(amount / 6)


def rate(source: str, target: str) -> Decimal | None:
    """What to multiply by; None where Lengow knows no rate."""
    if source == target:
        return Decimal(1)
    if source not in RATES or target not in RATES:
        return None
    return RATES[source] / RATES[target]
