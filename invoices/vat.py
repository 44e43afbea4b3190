"""Which VAT stands in a gross amount, and nets that add up to it. Pure.

Marketplaces sell at gross prices; EN 16931 wants nets by line and VAT by rate. The net of a rate is what was paid for all
of it without the VAT, rounded once, and the VAT is the rest, so that the invoice is over what was paid to the cent. That
VAT may differ by a cent from net × rate, which BR-CO-17 of the official schematron allows.
"""

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal

import msgspec

from lengow.invoices.errors import InvoiceHeld
from lengow.invoices.vat_rates import RATES, UNION

CENT = Decimal("0.01")
HUNDRED = Decimal(100)


class Part(msgspec.Struct, frozen=True):
    """A line, the shipping or the fee, as it was sold."""

    id: str
    title: str
    quantity: int
    gross: Decimal
    tax: Decimal | None
    """As the marketplace tells it; None when it does not."""
    sku: str = ""


class Situation(msgspec.Struct, frozen=True):
    """What the VAT of a sale depends on beside its amounts."""

    seller_country: str
    seller_exempt: bool
    destination: str
    buyer_vat_number: str
    default_rate: Decimal | None
    """Of what the marketplace tells no tax for."""
    extra_rates: tuple[Decimal, ...] = ()
    unit: Decimal = CENT
    """The currency's smallest amount."""

    @property
    def rates(self) -> tuple[Decimal, ...]:
        """Those an amount may be of, the likeliest first."""
        both = (*RATES.get(self.destination, ()), *RATES.get(self.seller_country, ()), *self.extra_rates)
        return tuple(dict.fromkeys(both))


class Rated(msgspec.Struct, frozen=True):
    part: Part
    category: str
    rate: Decimal


class Group(msgspec.Struct, frozen=True):
    """All parts of one rate, with nets that add up to `base`."""

    category: str
    rate: Decimal
    base: Decimal
    tax: Decimal
    nets: tuple[tuple[Part, Decimal], ...]


def rated(parts: Sequence[Part], situation: Situation) -> list[Rated]:
    """The category and rate of each part. Raises InvoiceHeld where the amounts are of no rate that there is."""
    found = {part.id: _own_rate(part, situation) for part in parts}
    main = _main(parts, found)
    result = []
    for part in parts:
        category, rate = found[part.id] or main or (_of_nothing(part, situation) or (None, None))
        if category is None or rate is None:
            raise InvoiceHeld(
                "vat_unknown",
                f"The marketplace tells no tax of {part.title!r}.",
                what_to_do=f"Set invoices.default_vat_rates.{situation.destination}; then `invoices retry`.",
                field=part.id,
            )
        result.append(Rated(part, category, rate))
    return result


def grouped(parts: Iterable[Rated], unit: Decimal = CENT) -> list[Group]:
    """By rate, each with the net and VAT that add up to what was paid: the VAT is what the net leaves of it."""
    by_rate: dict[tuple[str, Decimal], list[Part]] = {}
    for one in parts:
        by_rate.setdefault((one.category, one.rate), []).append(one.part)
    return [_group(category, rate, some, unit) for (category, rate), some in by_rate.items()]


def rounded(amount: Decimal, unit: Decimal = CENT) -> Decimal:
    return amount.quantize(unit, ROUND_HALF_UP)


def _of_nothing(part: Part, situation: Situation) -> tuple[str, Decimal] | None:
    """The rate of what is free, where nothing else is sold."""
    if part.gross:
        return None
    rates = situation.rates if situation.default_rate is None else (situation.default_rate,)
    return ("S", rates[0]) if rates else None


def _own_rate(part: Part, situation: Situation) -> tuple[str, Decimal] | None:
    """None when it must go by the others: a free part, or one whose tax is not told and has no default."""
    if situation.seller_exempt:
        if part.tax:
            raise InvoiceHeld(
                "vat_contradicts",
                f"The seller is exempt from VAT, and the marketplace tells {part.tax} of it on {part.title!r}.",
                field=part.id,
            )
        return "E", Decimal(0)
    if part.gross == 0:
        return None
    if part.tax is None:
        return None if situation.default_rate is None else ("S", situation.default_rate)
    if part.tax == 0:
        return _without_tax(part, situation), Decimal(0)
    return "S", _nearest(part, part.tax, situation)


def _without_tax(part: Part, situation: Situation) -> str:
    if situation.destination not in UNION:
        return "G"
    if situation.buyer_vat_number and situation.destination != situation.seller_country:
        return "K"
    raise InvoiceHeld(
        "vat_zero",
        f"The marketplace tells no VAT on {part.title!r}, which goes to {situation.destination} to a buyer without a "
        "VAT number.",
        what_to_do="Look whether the marketplace owes the VAT itself; then name it in billed_by_marketplace.",
        field=part.id,
    )


def _nearest(part: Part, tax: Decimal, situation: Situation) -> Decimal:
    """The rate whose tax is the one told; where a cent leaves several, the likeliest."""
    off = {rate: abs(part.gross * rate / (HUNDRED + rate) - tax) for rate in situation.rates}
    exact = [rate for rate in situation.rates if off[rate] <= situation.unit / 2]
    if exact:
        return exact[0]
    tolerance = situation.unit * max(part.quantity, 1)  # the marketplace may have rounded each piece
    near = [rate for rate in situation.rates if off[rate] <= tolerance]
    if near:
        return min(near, key=lambda rate: off[rate])
    percent = rounded(tax / (part.gross - tax) * HUNDRED) if part.gross != tax else HUNDRED
    raise InvoiceHeld(
        "vat_rate_unknown",
        f"{tax} of {part.gross} on {part.title!r} is about {percent} %, which is no rate of {situation.destination} or "
        f"{situation.seller_country}.",
        what_to_do="If it is right, add it to invoices.extra_vat_rates; then `invoices retry`.",
        field=part.id,
    )


def _main(parts: Sequence[Part], found: dict[str, tuple[str, Decimal] | None]) -> tuple[str, Decimal] | None:
    """The rate of most of the money: what is accessory follows it."""
    money: dict[tuple[str, Decimal], Decimal] = {}
    for part in parts:
        rate = found[part.id]
        if rate is not None:
            money[rate] = money.get(rate, Decimal(0)) + part.gross
    return max(money, key=lambda rate: money[rate]) if money else None


def _group(category: str, rate: Decimal, parts: Sequence[Part], unit: Decimal) -> Group:
    """Each net is what its part adds to the net of all before it: so they add up, and none is off by more than a unit."""
    gross, base, nets = Decimal(0), Decimal(0), []
    for part in parts:
        gross += part.gross
        before, base = base, rounded(gross * HUNDRED / (HUNDRED + rate), unit)
        nets.append(base - before)
    return Group(category, rate, base, gross - base, tuple(zip(parts, nets, strict=True)))
