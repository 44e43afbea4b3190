"""From an invoice to its credit notes. Pure; what cannot be credited is InvoiceHeld.

Each credit note takes its part of what is left, cumulatively: however an invoice is given back, in pieces or in amounts, the
credit notes add up to it at most, by line and by VAT rate, and to the cent when all is given back.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

import msgspec

from lengow.connector.currencies import unit_of
from lengow.invoices.document import Document, Line, Reference, Tax
from lengow.invoices.errors import InvoiceHeld
from lengow.invoices.texts import WORDS
from lengow.invoices.vat import rounded

NOTHING = Decimal(0)


class Credited(msgspec.Struct, frozen=True):
    """What the credit notes of an invoice have taken of it so far."""

    pieces: Mapping[str, int]
    gross: Mapping[str, Decimal]
    """By line, as `net` and `pieces`: of those of the invoice, all."""
    net: Mapping[str, Decimal]
    taxes: Sequence[Tax]
    """For each of the invoice's rates, in their order: what was credited of it."""
    by_money: frozenset[str]
    """The lines of which money was credited and no pieces."""
    by_line: bool
    """Whether all of it was credited of lines, and nothing of the whole by hand."""

    @property
    def total(self) -> Decimal:
        return sum((tax.base + tax.amount for tax in self.taxes), NOTHING)


def credited(invoice: Document, notes: Sequence[Document]) -> Credited:
    known = {line.id for line in invoice.lines}
    lines = [line for note in notes for line in note.lines]
    of_lines = [line for line in lines if line.id in known]
    return Credited(
        pieces={one: sum(line.quantity for line in of_lines if line.id == one and not line.part) for one in known},
        gross={one: sum((line.gross for line in of_lines if line.id == one), NOTHING) for one in known},
        net={one: sum((line.net for line in of_lines if line.id == one), NOTHING) for one in known},
        taxes=[_of_rate(tax, lines) for tax in invoice.taxes],
        by_money=frozenset(line.id for line in of_lines if line.part),
        by_line=len(of_lines) == len(lines),
    )


def credit(
    invoice: Document,
    *,
    number: str,
    issued_on: date,
    before: Sequence[Document] = (),
    pieces: Mapping[str, int] | None = None,
    amounts: Mapping[str, Decimal] | None = None,
    amount: Decimal | None = None,
) -> Document:
    """The next credit note: over all that the ones `before` left of the invoice, over `pieces` of its lines, over
    `amounts` (VAT included) of its lines, both by line id, or over an `amount` of its total.

    An amount of the total is spread over the rates as what is left of them. Raises InvoiceHeld (`credit_too_high`,
    `line_unknown`).
    """
    gone, unit = credited(invoice, before), unit_of(invoice.currency)
    if amount is not None:
        lines = _of_total(invoice, gone, rounded(amount, unit))
    elif amounts is not None:
        exact = {key: rounded(money, unit) for key, money in amounts.items()}
        lines = [_of_money(invoice, _line(invoice, key), gone, money) for key, money in exact.items()]
    elif pieces is not None:
        lines = [_of_pieces(invoice, _line(invoice, key), gone, count) for key, count in pieces.items()]
    elif gone.by_line:
        lines = [_of_pieces(invoice, _line(invoice, key), gone, count) for key, count in left(invoice, gone).items()]
    else:
        lines = _of_total(invoice, gone, invoice.total - gone.total)
    taxes = [_of_rate(tax, lines) for tax in invoice.taxes]
    for whole, taken, now in zip(invoice.taxes, gone.taxes, taxes, strict=True):
        _refuse_more(invoice, _gross(whole) - _gross(taken), _gross(now))
    return msgspec.structs.replace(
        invoice,
        kind="credit_note",
        number=number,
        issued_on=issued_on,
        lines=tuple(lines),
        taxes=tuple(tax for tax in taxes if any(_is_of(tax, line) for line in lines)),
        total=sum((line.gross for line in lines), NOTHING),
        corrects=Reference(invoice.number, invoice.issued_on),
    )


def left(invoice: Document, gone: Credited) -> dict[str, int]:
    """The pieces that are not credited, by line; without lines all of whose money is."""
    return {
        line.id: line.quantity - gone.pieces[line.id]
        for line in invoice.lines
        if line.quantity > gone.pieces[line.id] and (line.gross != gone.gross[line.id] or not line.gross)
    }


def shared(invoice: Document, gone: Credited, amount: Decimal) -> dict[str, Decimal]:
    """An amount of the whole invoice as amounts of its lines, as what is left of them; those that get nothing left out."""
    unit, whole = unit_of(invoice.currency), invoice.total - gone.total
    shares, passed, given = {}, NOTHING, NOTHING
    for line in invoice.lines:
        passed += line.gross - gone.gross[line.id]
        upto = rounded(amount * passed / whole, unit) if whole else NOTHING
        shares[line.id], given = upto - given, upto
    return {key: share for key, share in shares.items() if share}


def _line(invoice: Document, key: str) -> Line:
    found = next((line for line in invoice.lines if line.id == key), None)
    if found is None:
        raise InvoiceHeld("line_unknown", f"Invoice {invoice.number} has no line {key!r}.")
    return found


def _of_pieces(invoice: Document, line: Line, gone: Credited, count: int) -> Line:
    """So many pieces, and their part of the money: with the last of them all that is left of it."""
    before = gone.pieces[line.id]
    if not 0 < count <= line.quantity - before:
        raise InvoiceHeld(
            "credit_too_high",
            f"Invoice {invoice.number} has {line.quantity} of the line {line.id}, of which {before} are credited; "
            f"not {count} more.",
        )
    rest, unit = line.gross - gone.gross[line.id], unit_of(invoice.currency)
    upto, until = (rounded(line.gross * number / line.quantity, unit) for number in (before + count, before))
    gross = rest if before + count == line.quantity else _capped(upto - until, rest)
    return msgspec.structs.replace(line, quantity=count, gross=gross, net=_net(invoice, line, gone, gross))


def _of_money(invoice: Document, line: Line, gone: Credited, money: Decimal) -> Line:
    """So much money of a line, and none of its pieces."""
    _refuse_more(invoice, line.gross - gone.gross[line.id], money)
    title = f"{WORDS[invoice.language].refund}: {line.title}"
    net = _net(invoice, line, gone, money)
    return msgspec.structs.replace(line, title=title, quantity=1, gross=money, net=net, part=True)


def _net(invoice: Document, line: Line, gone: Credited, gross: Decimal) -> Decimal:
    """Of what is credited until now, less the net that was credited before."""
    money = gone.gross[line.id] + gross
    whole = line.net if money == line.gross else rounded(line.net * money / line.gross, unit_of(invoice.currency))
    return whole - gone.net[line.id]


def _of_total(invoice: Document, gone: Credited, amount: Decimal) -> list[Line]:
    """One line a rate, which share the amount as what is left of the rates."""
    rests = [_gross(tax) - _gross(taken) for tax, taken in zip(invoice.taxes, gone.taxes, strict=True)]
    if amount <= 0:
        raise InvoiceHeld("credit_too_high", f"{amount} {invoice.currency} cannot be credited.")
    _refuse_more(invoice, sum(rests, NOTHING), amount)
    unit = unit_of(invoice.currency)
    lines, passed, given = [], NOTHING, NOTHING
    for position, (tax, taken, rest) in enumerate(zip(invoice.taxes, gone.taxes, rests, strict=True), start=1):
        passed += rest
        upto = rounded(amount * passed / sum(rests, NOTHING), unit)
        share, given = upto - given, upto
        if not share:
            continue
        money = _gross(taken) + share
        base = tax.base if money == _gross(tax) else rounded(tax.base * money / _gross(tax), unit)
        title = WORDS[invoice.language].refund
        lines.append(Line(f"refund-{position}", title, 1, base - taken.base, share, tax.rate, tax.category, part=True))
    return lines


def _of_rate(tax: Tax, lines: Sequence[Line]) -> Tax:
    """What these lines have of a rate."""
    own = [line for line in lines if _is_of(tax, line)]
    base, gross = (sum(amounts, NOTHING) for amounts in ([line.net for line in own], [line.gross for line in own]))
    return Tax(tax.category, tax.rate, base, gross - base, tax.exemption)


def _is_of(tax: Tax, line: Line) -> bool:
    return (tax.category, tax.rate) == (line.category, line.rate)


def _gross(tax: Tax) -> Decimal:
    return tax.base + tax.amount


def _capped(money: Decimal, rest: Decimal) -> Decimal:
    """At most what is left, of a discount too."""
    return rest if abs(money) > abs(rest) else money


def _refuse_more(invoice: Document, rest: Decimal, money: Decimal) -> None:
    if money * rest < 0 or abs(money) > abs(rest):
        raise InvoiceHeld(
            "credit_too_high",
            f"{money} {invoice.currency} cannot be credited where {rest} is left of invoice {invoice.number}.",
        )
