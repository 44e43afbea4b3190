"""Tells of orders whose shipping deadline is near while no shipment was told; each once."""

from datetime import timedelta

from lengow.connector.context import Context

TOLD = "deadline_near"


def tell_deadlines(context: Context, account: str) -> int:
    """Note and signal each order that came near its deadline since the last time; returns how many."""
    until = context.now() + timedelta(hours=context.settings.accounts[account].deadline_near_hours)
    late = {one.order.id: one.order for one in context.store.late_orders(until, account=account)}
    told_before = context.store.noted(list(late), TOLD)
    near = [order for order_id, order in late.items() if order_id not in told_before]
    if not near:
        return 0
    with context.store.transaction() as tx:
        tx.note(context.entry(order.id, TOLD, f"to be shipped by {order.ship_by:%Y-%m-%d %H:%M} UTC") for order in near)
    for order in near:
        context.tell(context.signals.deadline_near, order=order.key, ship_by=order.ship_by)
    return len(near)
