"""What a shop order that was made anew lacks of the one that was deleted: refunds, cancellations, the shipment. Pure.

It is made from the order as Lengow gives it now, with the lines, amounts and addresses of now. What was booked in the
shop order that is gone, by the shop or as it was told, it does not have.
"""

import hashlib
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from lengow.connector.adapter import Cancel, CancelLines, MarkShipped, Refund
from lengow.connector.changes import Found, Own, is_cancelled, is_shipped
from lengow.connector.model import ChangeKind, ChangeState, Line, Order, Tracking
from lengow.connector.store.rows import ActionRow, ChangeRow, PackageRow
from lengow.connector.taken_back import left_of

BOOKED_IN_SHOP = "given back in the shop, before the shop order was made anew"
"""The reason of a refund that the marketplace had from the shop, and that counts as the shop's own."""


class Lacking(msgspec.Struct, frozen=True):
    again: tuple[ChangeRow, ...]
    """Applied to the shop order that is gone, and to be brought once more."""
    replaced: tuple[ChangeRow, ...]
    """Applied there too, and too much by now: a line that was given back is not in the new shop order."""
    new: tuple[Found, ...]
    """What is left of those, and what the shop itself had done there."""


def lacking(
    order: Order, package: PackageRow, rows: Sequence[ChangeRow], own: Own, actions: Sequence[ActionRow]
) -> Lacking:
    """`rows`: the package's changes so far, `own` and `actions`: what the connector told the marketplace of the order."""
    lines = [line for line in order.lines if line.id in package.line_ids and not is_cancelled(line, order)]
    applied = [row for row in rows if row.state is ChangeState.APPLIED]
    shipments = [row for row in applied if isinstance(row.body, MarkShipped)]
    refunds = [(row, row.body, left_of(row.body, lines)) for row in applied if isinstance(row.body, Refund)]
    parts = [(row, left) for row, body, left in refunds if left is not None and left != body]
    return Lacking(
        (*shipments, *(row for row, body, left in refunds if left == body)),
        tuple(row for row, _ in parts),
        (
            *_cancelled(lines, own),
            *_shipped(order, lines, shipments, own, actions),
            *(Found(ChangeKind.REFUNDED, left) for _, left in parts),
            *_refunded(package, lines, rows, own),
        ),
    )


def is_the_shops_own(refund: Refund) -> bool:
    return refund.reason == BOOKED_IN_SHOP


def _cancelled(lines: Sequence[Line], own: Own) -> list[Found]:
    """By the shop, where the marketplace does not show it yet: when it does, it will be no news."""
    gone = [line for line in lines if line.id in own.cancelled]
    if not gone:
        return []
    if len(gone) == len(lines):
        return [Found(ChangeKind.CANCELLED, Cancel("cancelled in the shop before"))]
    amount = sum((line.amount for line in gone), Decimal(0))
    return [
        Found(ChangeKind.LINES, CancelLines(tuple(line.id for line in gone), amount, "cancelled in the shop before"))
    ]


def _shipped(
    order: Order, lines: Sequence[Line], shipments: Sequence[ChangeRow], own: Own, actions: Sequence[ActionRow]
) -> list[Found]:
    """All of it has left, so that nobody may ship it again."""
    left = [line for line in lines if line.id not in own.cancelled]
    told = bool(shipments) or order.delivered_by_marketplace
    if told or not left or not all(is_shipped(line, order) or line.id in own.shipped for line in left):
        return []
    return [Found(ChangeKind.SHIPPED, MarkShipped(_tracking(left, actions)))]


def _tracking(lines: Sequence[Line], actions: Sequence[ActionRow]) -> Tracking:
    """As it was confirmed last."""
    ids = {None, *(line.id for line in lines)}
    told = [row.arguments for row in actions if row.action_type == "ship" and row.arguments.get("line") in ids]
    last = told[-1] if told else {}
    name = last.get("carrier_name") or last.get("carrier", "")
    return Tracking(carrier_name=name, number=last.get("tracking_number", ""), url=last.get("tracking_url", ""))


def _refunded(package: PackageRow, lines: Sequence[Line], rows: Sequence[ChangeRow], own: Own) -> list[Found]:
    back = {line.id: own.refunded[line.id] for line in lines if line.id in own.refunded}
    earlier = [row.body for row in rows if isinstance(row.body, Refund) and is_the_shops_own(row.body)]
    before = [left.amount for left in (left_of(one, lines) for one in earlier) if left is not None]
    amount = sum(back.values(), Decimal(0)) - sum(before, Decimal(0))
    if amount <= 0:
        return []
    whole = tuple(line.id for line in lines if back.get(line.id, Decimal(0)) >= line.amount > 0)
    named = (
        whole if not before and sum((line.amount for line in lines if line.id in whole), Decimal(0)) <= amount else ()
    )
    identity = msgspec.json.encode([package.reference, "own", str(sum(back.values(), Decimal(0)))])
    number = hashlib.blake2b(identity, digest_size=8).hexdigest()
    return [Found(ChangeKind.REFUNDED, Refund(number, amount, BOOKED_IN_SHOP, named))]
