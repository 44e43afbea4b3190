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
    """How many of the line; None: all."""
    so_far: bool = False
    """`pieces` are those of all refunds until now, ours included."""
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
    found = [
        GivenBack(
            f"action {row.id}",
            row.arguments.get("line", ""),
            row.quantity,
            row.arguments.get("refund_shipping_fees", "").lower() not in NO,
        )
        for row in actions
        if row.action_type == "refund" and row.state is ActionState.CONFIRMED
    ]
    if order.status == REFUNDED:
        found.append(GivenBack(f"refunded {order.marketplace}/{order.marketplace_order_id}"))
    else:
        found += [_of_line(line) for line in order.lines if line.open and (line.refunded or line.status == REFUNDED)]
    told = any(row.action_type == "refund" for row in actions) or any(line.refunded for line in order.lines)
    if order.status == PARTLY_REFUNDED and not told:
        found.append(GivenBack("refunded in part at the marketplace", for_a_person="refund_amount_unknown"))
    if order.status == CANCELED:
        found.append(GivenBack("cancelled", for_a_person="cancelled_after_invoice"))
    else:
        gone = [line.id for line in order.lines if not line.open]
        found += [GivenBack(f"cancelled line {one}", one, for_a_person="cancelled_after_invoice") for one in gone]
    return found


def _of_line(line: Line) -> GivenBack:
    """What Lengow tells of a line that was refunded, by whomever."""
    pieces = Decimal(line.quantity)
    if line.status != REFUNDED and line.refunded < line.amount:
        pieces = line.refunded * line.quantity / line.amount
    cause = f"line {line.id} refunded: {pieces.normalize():f}"
    if pieces != int(pieces):
        return GivenBack(cause, line.id, for_a_person="refunded_in_part")
    return GivenBack(cause, line.id, int(pieces), so_far=True)


def _gone(line_id: str, quantity: int, told: Iterable[ActionRow]) -> bool:
    gone = 0
    for row in told:
        if row.arguments.get("line", line_id) != line_id:
            continue
        gone += quantity if row.quantity is None else row.quantity
    return gone >= quantity
