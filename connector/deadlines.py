"""Orders whose shipping deadline is near while something of them is not told as shipped; each is told of once."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from lengow.connector.context import Context
from lengow.connector.model import ActionState, Order, StepKind
from lengow.connector.store.contract import Reading
from lengow.connector.store.rows import ActionRow, OrderRow, StoredOrder

TOLD = "deadline_near"
GONE = frozenset({"shipped", "closed", "partial_refunded", "refunding", "refunded"})
"""Statuses of a line that has left already."""
MANY = 100_000


DELAYED = timedelta(hours=1)
"""How long the sending of a shipment may fail before it counts as not told: till then it is tried often."""


def late_orders(reading: Reading, now: datetime, until: datetime, *, account: str | None = None) -> list[StoredOrder]:
    """Orders with a deadline before `until` of which a line, or a part of one, is not told as shipped; nearest first.
    Those that should be in a shop and are not are among them. A shipment that was given up, is stuck or held, or cannot
    be sent for an hour, tells nothing.
    """
    found = reading.late_orders(until, account=account, delayed_before=now - DELAYED)
    if not found:
        return []
    held = {int(step.subject) for step in reading.steps(kind=StepKind.SEND, held=True, limit=MANY)}
    order_ids = [one.order.id for one in found]
    models, actions = reading.models(order_ids), reading.actions_of_orders(order_ids)
    return [
        one
        for one in found
        if not _is_told(models.get(one.order.id), _under_way(actions[one.order.id], held, now - DELAYED))
    ]


def tell_deadlines(context: Context, account: str) -> int:
    """Note and signal each order that came near its deadline since the last time; returns how many.

    One whose deadline was moved is told of once more when it comes near again.
    """
    now = context.now()
    until = now + timedelta(hours=context.settings.accounts[account].deadline_near_hours)
    late = {one.order.id: one.order for one in late_orders(context.store, now, until, account=account)}
    told = context.store.details_noted(list(late), TOLD)
    near = [order for order_id, order in late.items() if _in_words(order) not in told.get(order_id, ())]
    if not near:
        return 0
    with context.store.transaction() as tx:
        tx.note(context.entry(order.id, TOLD, _in_words(order)) for order in near)
    for order in near:
        context.tell(context.signals.deadline_near, order=order.key, ship_by=order.ship_by)
    return len(near)


def _in_words(order: OrderRow) -> str:
    return f"to be shipped by {order.ship_by:%Y-%m-%d %H:%M} UTC"


def _under_way(actions: Sequence[ActionRow], held_steps: Collection[int], delayed_before: datetime) -> list[ActionRow]:
    def is_on_its_way(row: ActionRow) -> bool:
        if row.state in (ActionState.QUEUED, ActionState.SENDING):
            return row.id not in held_steps and not (row.error and row.created_at < delayed_before)
        return row.state in (ActionState.SENT, ActionState.CONFIRMED)

    return [row for row in actions if row.action_type == "ship" and is_on_its_way(row)]


def _is_told(order: Order | None, shipments: Sequence[ActionRow]) -> bool:
    """Whether every line that is to be shipped is told, whole or piece by piece."""
    if order is None or not shipments:
        return False
    for line in order.lines:
        if not line.open or line.status in GONE:
            continue
        own = [row for row in shipments if row.arguments.get("line") in (None, line.id)]
        pieces = sum(line.quantity if row.quantity is None else row.quantity for row in own)
        if pieces < line.quantity:
            return False
    return True
