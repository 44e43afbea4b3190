"""Asks Lengow what became of the actions that were sent, until the marketplace has taken or refused each.

One listing an account, not one call an action. Life of an action at Lengow: reference lengow.md §4.4.
"""

import random
from datetime import timedelta

import msgspec

from lengow.connector.client.answers import Action
from lengow.connector.context import Context
from lengow.connector.errors import ApiError
from lengow.connector.model import UNDER_WAY, ActionState, StepKind
from lengow.connector.sending import SILENT
from lengow.connector.store.rows import ActionRow, NewStep, Step

OVERLAP = timedelta(hours=2)
LISTED_DAYS = timedelta(days=3)
"""How far back the one listing goes; what is open for longer is asked for by its order."""

ASKED_ONE_BY_ONE = 20
"""How many of the stuck actions are asked for by their order in one round."""

AHEAD = timedelta(days=1)
"""The listing needs an end; nothing lies beyond now, so a far one spares the question of whose clock is right."""


def poll_outcomes(context: Context, step: Step) -> int:
    """Settle what Lengow has answered; returns how many. The step stays while actions are open."""
    waiting = {row.lengow_id: row for row in context.store.list_actions(account=step.account, states=UNDER_WAY)}
    settled: list[ActionRow] = []
    error: ApiError | None = None
    if waiting:
        try:
            settled, error = _settled(context, step.account, waiting)
        except ApiError as failed:
            error = failed
    done = {row.id for row in settled}
    stuck = [row for row in waiting.values() if row.id not in done and _is_stuck(context, row)]
    _write(context, step, settled, stuck, error)
    for row in (*settled, *stuck):
        _tell(context, row)
    return len(settled)


def keep_asking(context: Context, account: str) -> None:
    """See to it that open actions are asked for, whatever became of the step that does."""
    with context.store.transaction() as tx:
        if tx.list_actions(account=account, states=UNDER_WAY, limit=1):
            tx.add_steps([NewStep(StepKind.OUTCOMES, account, context.now(), account=account)], renew=False)


def judge(action: Action) -> tuple[ActionState, str] | None:
    """What the marketplace said, or None while it has not."""
    if action.queued:
        return None
    if action.error_text:
        return ActionState.REFUSED, action.error_text
    return (ActionState.CONFIRMED, "") if action.processed else None


def _settled(
    context: Context, account: str, waiting: dict[int | None, ActionRow]
) -> tuple[list[ActionRow], ApiError | None]:
    """What of the waiting actions is answered: from one listing, and for those long open by their order; and why one of
    these could not be asked for, which keeps no other from its answer. Raises ApiError where there is no listing.
    """
    client = context.client(account)
    oldest = min(row.sent_at or row.changed_at for row in waiting.values())
    since = max(oldest - OVERLAP, min(client.now(), context.now()) - LISTED_DAYS)
    listed = {one.id: one for one in client.actions_updated(since, client.now() + AHEAD)}
    unlisted = [row for row in waiting.values() if row.lengow_id not in listed]
    long_open = [row for row in unlisted if row.state is ActionState.STUCK or (row.sent_at or row.changed_at) < since]
    settled, failed = list[ActionRow](), None
    for row in random.sample(long_open, min(len(long_open), ASKED_ONE_BY_ONE)):  # no few of them keep others from it
        try:
            listed |= {one.id: one for one in client.actions_of(row.marketplace, row.marketplace_order_id)}
        except ApiError as error:
            failed = error
            if isinstance(error, SILENT):
                break
    for action in listed.values():
        row_of_it, verdict = waiting.get(action.id), judge(action)
        if row_of_it is not None and verdict is not None:
            state, text = verdict
            # A refusal is news, also of one that was dismissed while it was stuck.
            row = msgspec.structs.replace(row_of_it, state=state, error=text, changed_at=context.now(), handled="")
            settled.append(row)
    return settled, failed


def _is_stuck(context: Context, row: ActionRow) -> bool:
    limit = timedelta(hours=context.settings.accounts[row.account].action_stuck_after_hours)
    return row.state is ActionState.SENT and context.now() - row.changed_at > limit


def _write(
    context: Context, step: Step, settled: list[ActionRow], stuck: list[ActionRow], error: ApiError | None
) -> None:
    every = timedelta(minutes=context.settings.accounts[step.account].sync_every_minutes)
    with context.store.transaction() as tx:
        for row in settled:
            tx.save_action(row)
            what = "action_confirmed" if row.state is ActionState.CONFIRMED else "action_refused"
            detail = ": ".join(filter(None, (row.action_type, row.error)))
            tx.note([context.entry(row.order_id, what, detail)])
        for row in stuck:
            tx.save_action(msgspec.structs.replace(row, state=ActionState.STUCK, changed_at=context.now()))
            tx.note([context.entry(row.order_id, "action_stuck", row.action_type)])
        if tx.list_actions(account=step.account, states=UNDER_WAY, limit=1):
            text = f"{error.code}: {error}" if error else ""
            tx.postpone(step, context.now() + min(every, timedelta(minutes=5)), text, restart=True)
        else:
            tx.finish([step])


def _tell(context: Context, row: ActionRow) -> None:
    order = f"{row.account}/{row.marketplace}/{row.marketplace_order_id}"
    if row.state is ActionState.CONFIRMED:
        context.tell(context.signals.action_confirmed, order=order, action=row)
    elif row.state is ActionState.SENT:
        context.tell(context.signals.action_failed, order=order, action=row, reason="no_answer", about="")
    else:
        context.tell(
            context.signals.action_failed, order=order, action=row, reason="refused_by_marketplace", about=row.error
        )
