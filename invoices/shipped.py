"""What of a package was shipped, and what of an order was given back, as the connector knows it. Pure."""

from collections.abc import Iterable, Sequence

import msgspec

from lengow.connector.model import ActionState, Line, Order
from lengow.connector.store.rows import ActionRow, PackageRow

SHIPPED = ("shipped", "closed", "partial_refunded", "refunding", "refunded")
"""Statuses at Lengow of an order that went out (reference lengow.md §2.7)."""

REFUNDED = "refunded"
NO = frozenset({"0", "false", "no", "non"})


class GivenBack(msgspec.Struct, frozen=True):
    """What a credit note is due for."""

    cause: str
    """One credit note a cause."""
    line_id: str = ""
    """Empty: all that is left of the invoice."""
    pieces: int | None = None
    """How many of the line; None: all."""
    shipping: bool = True
    """Whether the shipping is given back with all the lines."""


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
    """The refunds of an order, the earliest first: those that we told and the marketplace confirmed, and all of it."""
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
    return found


def _gone(line_id: str, quantity: int, told: Iterable[ActionRow]) -> bool:
    gone = 0
    for row in told:
        if row.arguments.get("line", line_id) != line_id:
            continue
        gone += quantity if row.quantity is None else row.quantity
    return gone >= quantity
