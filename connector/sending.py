"""Sends queued actions to Lengow, each exactly once: intent committed, posted, outcome committed.

After an unknown outcome, or when an earlier attempt was begun, the order's actions at Lengow are read before anything
is posted again; they are compared here, not by a filter on every argument (reference lengow.md §12.2).
"""

import logging
from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from lengow.connector.client.answers import Action
from lengow.connector.context import Context
from lengow.connector.errors import (
    ApiError,
    ApiRefused,
    ApiUnavailable,
    LeaseLost,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Unauthorized,
)
from lengow.connector.model import ActionState, StepKind
from lengow.connector.retry import retry_after
from lengow.connector.store.contract import Transaction
from lengow.connector.store.rows import ActionRow, NewStep, Step

if TYPE_CHECKING:
    from lengow.connector.client.api import LengowClient

log = logging.getLogger("lengow.connector.sending")

PART_OF_LEASE = 0.6
"""Of its lease, how much a post may wait for its quota: past it, another worker may be about to take the step over."""


class _Sent(msgspec.Struct, frozen=True):
    lengow_id: int
    found: bool


def send_action(context: Context, step: Step) -> bool:
    """Send the action of a claimed step; False when Lengow did not answer."""
    action = _begin(context, step)
    if action is None:
        return True
    client = context.client(action.account)
    result: _Sent | ApiError
    in_doubt = action.state is ActionState.SENDING
    try:
        result = (_found(context, client, action) if in_doubt else None) or _post(context, client, action)
    except ApiError as error:
        result = error
    try:
        _write_outcome(context, step, action, result, in_doubt=in_doubt)
    except LeaseLost:
        log.warning("outcome left to another worker", extra={"action": action.id})
    return not isinstance(result, ApiUnavailable | RateLimited | Unauthorized)


def _begin(context: Context, step: Step) -> ActionRow | None:
    """Commit the intent; the row as it was before, or None when it needs no sending."""
    with context.store.transaction() as tx:
        action = tx.action(int(step.subject))
        if action is None or action.state not in (ActionState.QUEUED, ActionState.SENDING):
            tx.finish([step])
            return None
        if action.state is ActionState.QUEUED:
            tx.save_action(msgspec.structs.replace(action, state=ActionState.SENDING, changed_at=context.now()))
    return action


def _found(context: Context, client: "LengowClient", action: ActionRow) -> _Sent | None:
    """The action at Lengow that an earlier attempt left there, if any."""
    known = {row.lengow_id for row in context.store.actions_of(action.order_id) if row.id != action.id}
    same = matching(client.actions_of(action.marketplace, action.marketplace_order_id), action, known)
    return _Sent(same.id, found=True) if same else None


def matching(listed: Iterable[Action], action: ActionRow, known_ids: Collection[int | None]) -> Action | None:
    """The listed action that says what ours says, and is not another of ours; the newest of them.

    Lengow may list more than it was told (defaults), never less.
    """
    same = [
        one
        for one in listed
        if one.id not in known_ids
        and one.action_type == action.action_type
        and all(one.arguments.get(name) == value for name, value in action.arguments.items())
        and one.arguments.get("line", "") == action.arguments.get("line", "")
    ]
    return max(same, key=lambda one: one.id, default=None)


def _post(context: Context, client: "LengowClient", action: ActionRow) -> _Sent:
    lengow_id = client.post_action(
        action.marketplace,
        action.marketplace_order_id,
        action.action_type,
        action.arguments,
        within=context.settings.store.lease_seconds * PART_OF_LEASE,
    )
    return _Sent(lengow_id, found=False)


def _write_outcome(
    context: Context, step: Step, action: ActionRow, result: _Sent | ApiError, *, in_doubt: bool
) -> None:
    with context.store.transaction() as tx:
        if isinstance(result, _Sent):
            _sent(context, tx, step, action, result)
        elif isinstance(result, ApiRefused | NotFound):
            _failed(context, tx, step, action, str(result))
        else:
            _again(context, tx, step, action, result, in_doubt=in_doubt)
    if isinstance(result, ApiRefused | NotFound):
        context.tell(
            context.signals.action_failed,
            order=_key(action),
            action=action,
            reason=result.code,
            about=str(result),
        )


def _sent(context: Context, tx: Transaction, step: Step, action: ActionRow, sent: _Sent) -> None:
    now = context.now()
    tx.finish([step])
    tx.save_action(
        msgspec.structs.replace(
            action,
            state=ActionState.SENT,
            lengow_id=sent.lengow_id,
            error="",
            changed_at=now,
            sent_at=context.client(action.account).now(),
        )
    )
    tx.add_steps([NewStep(StepKind.OUTCOMES, action.account, now, account=action.account)], renew=False)
    what = "action_found" if sent.found else "action_sent"
    tx.note([context.entry(action.order_id, what, f"{action.action_type}: Lengow's action {sent.lengow_id}")])


def _failed(context: Context, tx: Transaction, step: Step, action: ActionRow, error: str) -> None:
    tx.finish([step])
    tx.save_action(msgspec.structs.replace(action, state=ActionState.FAILED, error=error, changed_at=context.now()))
    tx.note([context.entry(action.order_id, "action_failed", f"{action.action_type}: {error}")])


def _again(
    context: Context, tx: Transaction, step: Step, action: ActionRow, error: ApiError, *, in_doubt: bool
) -> None:
    """Try again later; once something may have been sent, it stays in doubt until Lengow's list tells."""
    doubtful = in_doubt or isinstance(error, OutcomeUnknown)
    asked = error.retry_after if isinstance(error, RateLimited) else None
    pause = retry_after(step.attempts, jitter=context.jitter(), asked=asked)
    state = ActionState.SENDING if doubtful else ActionState.QUEUED
    tx.save_action(
        msgspec.structs.replace(action, state=state, error=f"{error.code}: {error}", changed_at=context.now())
    )
    if pause is None:
        tx.hold(step, str(error))
        tx.note([context.entry(action.order_id, "gave_up", f"{action.action_type}: {error}")])
        return
    tx.postpone(step, context.now() + timedelta(seconds=pause), f"{error.code}: {error}")
    if step.attempts == 1:
        tx.note([context.entry(action.order_id, "action_delayed", f"{action.action_type}: {error.code}: {error}")])


def _key(action: ActionRow) -> str:
    return f"{action.account}/{action.marketplace}/{action.marketplace_order_id}"
