"""Sends queued actions to Lengow, each exactly once: intent committed, posted, outcome committed.

After an unknown outcome, or when an earlier attempt was begun, the order's actions at Lengow are read before anything
is posted again; they are compared here, not by a filter on every argument (reference lengow.md §12.2). So they are before
an action is posted that has waited for long: this store may be a copy that was put back, and the action long told.
"""

import logging
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import Executor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from lengow.connector.client.answers import Action
from lengow.connector.context import Context
from lengow.connector.errors import (
    ApiError,
    ApiRefused,
    ApiUnavailable,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Unauthorized,
)
from lengow.connector.leases import Leases
from lengow.connector.model import ActionState, StepKind
from lengow.connector.retry import retry_after, steady_pause, tries_used
from lengow.connector.store.contract import Transaction
from lengow.connector.store.rows import ActionRow, NewStep, Step

if TYPE_CHECKING:
    from lengow.connector.client.api import LengowClient

log = logging.getLogger("lengow.connector.sending")

BATCH = 32
"""How many actions are claimed, and their outcomes written, in one transaction."""

SILENT = (ApiUnavailable, RateLimited, Unauthorized)
"""Lengow did not take the question at all: tried again for as long as it takes."""

LONG = timedelta(hours=1)
"""What waits is sent within minutes, or tried again at least twice an hour."""

PART_OF_LEASE = 0.25
"""Of its lease, how much a post may wait for token and quota. It begins with at least half a lease before it, and the
rest is for the call itself."""


class Batch(msgspec.Struct, frozen=True):
    claimed: int
    answered: bool
    """Whether Lengow answered any of it."""


class _Task(msgspec.Struct, frozen=True):
    step: Step
    action: ActionRow
    in_doubt: bool
    """An earlier attempt was begun, and nothing is known of its outcome."""
    waited: bool
    """Nothing was done about it for LONG."""


class _Sent(msgspec.Struct, frozen=True):
    lengow_id: int
    found: bool


class _Effect(msgspec.Struct, frozen=True):
    """What is written of one action's result: its new row, and what becomes of its step."""

    action: ActionRow
    what: str
    """For the journal; empty: nothing new to say."""
    detail: str
    due_at: datetime | None = None
    """When its step is tried again; None: it is over."""
    held: bool = False
    """Its step waits for a person."""


class _Lost(msgspec.Struct, frozen=True):
    """Another worker has taken the step over: nothing was sent, and nothing is written."""


Result = _Sent | _Lost | ApiError


def send_due(
    context: Context, account: str, pool: Executor, *, limit: int = BATCH, subject: str | None = None
) -> Batch:
    """Send one batch of what is due for an account, the calls side by side in `pool`."""
    tasks = _claim(context, account, min(limit, BATCH), subject)
    if not tasks:
        return Batch(0, answered=True)
    leases = Leases(context, [task.step for task in tasks])
    results = list(pool.map(lambda task: _result(context, leases, task), tasks))
    _write_outcomes(context, tasks, results)
    return Batch(len(tasks), answered=any(not isinstance(result, SILENT) for result in results))


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


def _claim(context: Context, account: str, limit: int, subject: str | None) -> list[_Task]:
    """Lease a batch and commit the intent to send it."""
    tasks = []
    with context.store.transaction() as tx:
        steps = tx.claim(
            StepKind.SEND, context.now(), context.lease_end(), limit=limit, account=account, subject=subject
        )
        for step in steps:
            action = tx.action(int(step.subject))
            if action is None or action.state not in (ActionState.QUEUED, ActionState.SENDING):
                tx.finish([step])
                continue
            waited = context.now() - action.changed_at >= LONG
            tasks.append(_Task(step, action, action.state is ActionState.SENDING, waited))
            if action.state is ActionState.QUEUED:
                tx.save_action(_changed(action, context.now(), ActionState.SENDING))
    return tasks


def _result(context: Context, leases: Leases, task: _Task) -> Result:
    client = context.client(task.action.account)
    try:
        asked_first = task.in_doubt or task.waited
        found = _found(context, client, task) if asked_first and leases.hold(task.step) else None
        if found is not None:
            return found
        return _post(context, client, task.action) if leases.hold(task.step) else _Lost()
    except ApiError as error:
        return error
    except Exception as error:
        log.exception("a call to Lengow raised", extra={"action": task.action.id})
        return OutcomeUnknown(repr(error), account=task.action.account)


def _found(context: Context, client: "LengowClient", task: _Task) -> _Sent | None:
    """The action at Lengow that an earlier attempt left there, if any. What was refused there before may be sent again.

    That the list is refused says nothing of the action.
    """
    action = task.action
    known = {row.lengow_id for row in context.store.actions_of(action.order_id) if row.id != action.id}
    try:
        listed = client.actions_of(action.marketplace, action.marketplace_order_id)
    except (ApiRefused, NotFound) as error:
        raise ApiError(f"Lengow does not list the order's actions: {error}", account=action.account) from error
    same = matching([one for one in listed if task.in_doubt or not one.error_text], action, known)
    return _Sent(same.id, found=True) if same else None


def _post(context: Context, client: "LengowClient", action: ActionRow) -> _Sent:
    lengow_id = client.post_action(
        action.marketplace,
        action.marketplace_order_id,
        action.action_type,
        action.arguments,
        within=context.settings.store.lease_seconds * PART_OF_LEASE,
    )
    return _Sent(lengow_id, found=False)


def _write_outcomes(context: Context, tasks: Sequence[_Task], results: Sequence[Result]) -> None:
    """Commit what became of the batch. What another worker took over meanwhile is left to it."""
    now = context.now()
    lengow_now = min(context.client(tasks[0].action.account).now(), now)  # the earlier: nothing is answered before it
    with context.store.transaction() as tx:
        mine = tx.mine([task.step for task in tasks])
        kept = [
            (task, result)
            for task, result in zip(tasks, results, strict=True)
            if task.step.id in mine and not isinstance(result, _Lost)
        ]
        effects = []
        for task, result in kept:
            if _is_anothers(tx, task, result):
                effect = _Effect(_changed(task.action, now, ActionState.SENDING), "", "", now)
            else:
                effect = _effect(task, result, now, lengow_now, context.jitter())
            _write(tx, _uncounted(task.step) if isinstance(result, SILENT) else task.step, effect)
            effects.append(effect)
        tx.note(context.entry(effect.action.order_id, effect.what, effect.detail) for effect in effects if effect.what)
        if any(effect.action.state is ActionState.SENT for effect in effects):
            account = tasks[0].action.account
            tx.add_steps([NewStep(StepKind.OUTCOMES, account, now, account=account)], renew=False)
    if len(kept) < len(tasks):
        log.warning("outcomes left to another worker", extra={"count": len(tasks) - len(kept)})
    for effect, (_, result) in zip(effects, kept, strict=True):
        if effect.action.state is ActionState.FAILED and isinstance(result, ApiError):
            _tell_failed(context, effect.action, result)


def _is_anothers(tx: Transaction, task: _Task, result: _Sent | ApiError) -> bool:
    """Whether what was found at Lengow was taken meanwhile for an action of ours that says the same: it is looked for anew."""
    if not isinstance(result, _Sent) or not result.found:
        return False
    others = (row for row in tx.actions_of(task.action.order_id) if row.id != task.action.id)
    return any(row.lengow_id == result.lengow_id for row in others)


def _uncounted(step: Step) -> Step:
    return msgspec.structs.replace(step, attempts=tries_used(step.attempts))


def _write(tx: Transaction, step: Step, effect: _Effect) -> None:
    tx.save_action(effect.action)
    if effect.held:
        tx.hold(step, effect.action.error)
    elif effect.due_at is not None:
        tx.postpone(step, effect.due_at, effect.action.error)
    else:
        tx.finish([step])


def _effect(task: _Task, result: _Sent | ApiError, now: datetime, lengow_now: datetime, jitter: float) -> _Effect:
    """Decide what a result means. Pure."""
    action = task.action
    if isinstance(result, _Sent):
        # One that was found may have been there, and answered, ever since it was queued here.
        sent_at = action.created_at if result.found else lengow_now
        sent = msgspec.structs.replace(
            _changed(action, now, ActionState.SENT), lengow_id=result.lengow_id, sent_at=sent_at
        )
        what = "action_found" if result.found else "action_sent"
        return _Effect(sent, what, f"{action.action_type}: Lengow's action {result.lengow_id}")
    if isinstance(result, ApiRefused | NotFound) or _refuses_again(task, result):
        failed = _changed(action, now, ActionState.FAILED, str(result))
        return _Effect(failed, "action_failed", f"{action.action_type}: {result}")
    return _again(task, result, now, jitter)


def _refuses_again(task: _Task, error: ApiError) -> bool:
    """Lengow answers with words and no id, and its list had not taken what it answered so before."""
    return task.in_doubt and isinstance(error, OutcomeUnknown) and bool(error.about.get("said"))


def _again(task: _Task, error: ApiError, now: datetime, jitter: float) -> _Effect:
    """Try again later; once something may have been sent, it stays in doubt until Lengow's list tells."""
    doubtful = task.in_doubt or isinstance(error, OutcomeUnknown)
    state = ActionState.SENDING if doubtful else ActionState.QUEUED
    action = _changed(task.action, now, state, f"{error.code}: {error}")
    asked = error.retry_after if isinstance(error, RateLimited) else None
    if isinstance(error, SILENT):
        pause: float | None = steady_pause(task.step.attempts, jitter=jitter, asked=asked)
    else:
        pause = retry_after(task.step.attempts, jitter=jitter)
    detail = f"{action.action_type}: {action.error}"
    if pause is None:
        return _Effect(action, "gave_up", detail, held=True)
    what = "action_delayed" if task.step.attempts == 1 else ""
    return _Effect(action, what, detail, now + timedelta(seconds=pause))


def _changed(action: ActionRow, now: datetime, state: ActionState, error: str = "") -> ActionRow:
    return msgspec.structs.replace(action, state=state, error=error, changed_at=now)


def _tell_failed(context: Context, action: ActionRow, error: ApiError) -> None:
    order = f"{action.account}/{action.marketplace}/{action.marketplace_order_id}"
    context.tell(context.signals.action_failed, order=order, action=action, reason=error.code, about=str(error))
