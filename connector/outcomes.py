"""Asks Lengow what became of the actions that were sent, until the marketplace has taken or refused each.

One listing an account, not one call an action. Life of an action at Lengow: reference lengow.md §4.4.
"""

from datetime import timedelta

import msgspec

from lengow.connector.client.answers import Action
from lengow.connector.context import Context
from lengow.connector.errors import ApiError
from lengow.connector.model import ActionState
from lengow.connector.store.rows import ActionRow, Step

OVERLAP = timedelta(hours=2)
AHEAD = timedelta(days=1)
"""The listing needs an end; nothing lies beyond now, so a far one spares the question of whose clock is right."""


def poll_outcomes(context: Context, step: Step) -> int:
    """Settle what Lengow has answered; returns how many. The step stays while actions are open."""
    waiting = {
        row.lengow_id: row for row in context.store.list_actions(account=step.account, states=[ActionState.SENT])
    }
    settled: list[ActionRow] = []
    error: ApiError | None = None
    if waiting:
        try:
            settled = _settled(context, step.account, waiting)
        except ApiError as failed:
            error = failed
    _write(context, step, settled, error)
    for row in settled:
        _tell(context, row)
    return len(settled)


def judge(action: Action) -> tuple[ActionState, str] | None:
    """What the marketplace said, or None while it has not."""
    if action.queued:
        return None
    if action.error_text:
        return ActionState.REFUSED, action.error_text
    return (ActionState.CONFIRMED, "") if action.processed else None


def _settled(context: Context, account: str, waiting: dict[int | None, ActionRow]) -> list[ActionRow]:
    client = context.client(account)
    oldest = min(row.sent_at or row.changed_at for row in waiting.values())
    settled = []
    for action in client.actions_updated(oldest - OVERLAP, client.now() + AHEAD):
        row, verdict = waiting.get(action.id), judge(action)
        if row is not None and verdict is not None:
            state, text = verdict
            settled.append(msgspec.structs.replace(row, state=state, error=text, changed_at=context.now()))
    return settled


def _write(context: Context, step: Step, settled: list[ActionRow], error: ApiError | None) -> None:
    every = timedelta(minutes=context.settings.accounts[step.account].sync_every_minutes)
    with context.store.transaction() as tx:
        for row in settled:
            tx.save_action(row)
            what = "action_confirmed" if row.state is ActionState.CONFIRMED else "action_refused"
            detail = ": ".join(filter(None, (row.action_type, row.error)))
            tx.note([context.entry(row.order_id, what, detail)])
        if tx.list_actions(account=step.account, states=[ActionState.SENT], limit=1):
            text = f"{error.code}: {error}" if error else ""
            tx.postpone(step, context.now() + min(every, timedelta(minutes=5)), text, restart=True)
        else:
            tx.finish([step])


def _tell(context: Context, row: ActionRow) -> None:
    order = f"{row.account}/{row.marketplace}/{row.marketplace_order_id}"
    if row.state is ActionState.CONFIRMED:
        context.tell(context.signals.action_confirmed, order=order, action=row)
    else:
        context.tell(
            context.signals.action_failed, order=order, action=row, reason="refused_by_marketplace", about=row.error
        )
