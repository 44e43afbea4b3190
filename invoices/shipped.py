"""What of a package was shipped, and what of an order was given back, as the connector knows it. Pure."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from lengow.connector.model import ActionState, Line, Order
from lengow.connector.store.rows import ActionRow, PackageRow

SHIPPED = ("shipped", "closed", "partial_refunded")
"""Statuses at Lengow of an order that went out (reference lengow.md §2.7). One that is refunded may never have."""

REFUNDED = "refunded"
PARTLY_REFUNDED = "partial_refunded"
CANCELED = "canceled"
NO = frozenset({"0", "false", "no", "non"})


class GivenBack(msgspec.Struct, frozen=True):
    """What a credit note is due for."""

    cause: str
    """One credit note a cause."""
    line_id: str = ""
    """Empty: all that is left of the invoice."""
    pieces: int | None = None
    """How many whole pieces of the line until now, by this and what was told before; None: all, or none that are whole."""
    amount: Decimal | None = None
    """The money, VAT included: of the line until now, as `pieces`; of the order, what this gave back. None: all."""
    shipping: bool = True
    """Whether the shipping is given back with all the lines."""
    for_a_person: str = ""
    """Why only a person can credit it, as a code; empty: it is credited by itself."""


def is_shipped(order: Order, package: PackageRow, actions: Sequence[ActionRow]) -> bool:
    """Whether every line of the package that is sold has gone out, by Lengow's status or confirmed shipments of ours."""
    lines = sold_lines(order, package)
    if order.status in SHIPPED:
        return bool(lines)  # of several packages one may be cancelled
    told = [row for row in actions if row.action_type == "ship" and row.state is ActionState.CONFIRMED]
    return bool(lines) and all(_gone(line.id, line.quantity, told) for line in lines)


def sold_lines(order: Order, package: PackageRow) -> list[Line]:
    """The lines of the package that are not cancelled."""
    return [line for line in order.lines if line.id in package.line_ids and line.open]


def given_back(order: Order, actions: Sequence[ActionRow]) -> list[GivenBack]:
    """The refunds of an order, the earliest first: those that we told and the marketplace confirmed, and all of it.

    Then what an invoice should not stand for any more, and no amount is told of.
    """
    refunds = [row for row in actions if row.action_type == "refund" and row.state is ActionState.CONFIRMED]
    found = _of_actions(order, refunds)
    if order.status == REFUNDED:
        found.append(GivenBack(f"refunded {order.marketplace}/{order.marketplace_order_id}"))
    else:
        of_order = any(back.amount is not None and not back.line_id for back in found)
        found += [
            _of_line(line, lines_known=not of_order)
            for line in order.lines
            if line.open and (line.refunded or line.status == REFUNDED)
        ]
    told = any(row.action_type == "refund" for row in actions) or any(line.refunded for line in order.lines)
    if order.status == PARTLY_REFUNDED and not told:
        found.append(GivenBack("refunded in part at the marketplace", for_a_person="refund_amount_unknown"))
    if order.status == CANCELED:
        found.append(GivenBack("cancelled", for_a_person="cancelled_after_invoice"))
    else:
        gone = [line.id for line in order.lines if not line.open]
        found += [GivenBack(f"cancelled line {one}", one, for_a_person="cancelled_after_invoice") for one in gone]
    return found


def _of_actions(order: Order, refunds: Sequence[ActionRow]) -> list[GivenBack]:
    """Each counts what those of its line before it gave back, too: Lengow may have told of one before it was confirmed."""
    pieces: dict[str, int] = {}
    money: dict[str, Decimal] = {}
    found = []
    for row in refunds:
        line = next((one for one in order.lines if one.id == row.arguments.get("line", "")), None)
        shipping = row.arguments.get("refund_shipping_fees", "").lower() not in NO
        back = GivenBack(f"action {row.id}", row.arguments.get("line", ""), shipping=shipping)
        try:
            asked = _asked(row, order.total if line is None else line.amount)
        except (ValueError, ArithmeticError):
            back = msgspec.structs.replace(back, for_a_person="refunded_in_part")
        else:
            if line is None and asked is not None:
                several = len(order.packages) > 1  # each has an invoice of its own
                back = msgspec.structs.replace(back, amount=asked, for_a_person="refunded_in_part" if several else "")
            elif line is not None:
                count = 0 if asked is not None else line.quantity if row.quantity is None else row.quantity
                pieces[line.id] = pieces.get(line.id, 0) + count
                money[line.id] = money.get(line.id, Decimal(0)) + (asked or 0)
                back = _of_so_much(back, line, pieces[line.id], money[line.id], in_pieces=asked is None)
        found.append(back)
    return found


def _of_so_much(back: GivenBack, line: Line, pieces: int, money: Decimal, *, in_pieces: bool) -> GivenBack:
    if in_pieces and pieces >= line.quantity:
        return back
    amount = line.amount * pieces / line.quantity + money
    return msgspec.structs.replace(back, pieces=pieces if in_pieces else None, amount=amount)


def _asked(row: ActionRow, whole: Decimal) -> Decimal | None:
    """The money that was told to give back; None where all of what the action names is. Raises ValueError where that
    cannot be said, ArithmeticError for what is no number.
    """
    price, shipping = (
        row.arguments.get(name, "").replace(",", ".") for name in ("refund_price", "refund_shipping_price")
    )
    if not price and not shipping:
        return None
    amount = Decimal(price or "0")
    if not amount.is_finite() or amount <= 0:
        raise ValueError(price)
    if amount >= whole:
        return None
    if shipping and Decimal(shipping) != 0:
        raise ValueError(shipping)
    return amount


def _of_line(line: Line, *, lines_known: bool) -> GivenBack:
    """What Lengow tells of a line that was refunded, by whomever. `lines_known`: whether no amount of the whole order was
    given back by us, whose part of this line Lengow may or may not tell.
    """
    pieces = Decimal(line.quantity)
    if line.status != REFUNDED and line.refunded < line.amount:
        pieces = line.refunded * line.quantity / line.amount
    back = GivenBack(f"line {line.id} refunded: {pieces.normalize():f}", line.id)
    if pieces == line.quantity:
        return back
    if not lines_known:
        return msgspec.structs.replace(back, for_a_person="refunded_in_part")
    whole = int(pieces) if pieces == int(pieces) else None
    return msgspec.structs.replace(back, pieces=whole, amount=line.refunded)


def _gone(line_id: str, quantity: int, told: Iterable[ActionRow]) -> bool:
    gone = 0
    for row in told:
        if row.arguments.get("line", line_id) != line_id:
            continue
        gone += quantity if row.quantity is None else row.quantity
    return gone >= quantity
