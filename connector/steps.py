"""Runs claimed steps. A handler that raises is logged, and its step is tried again; no step is ever lost."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from lengow.connector.context import Context
from lengow.connector.creation import create_due
from lengow.connector.deadlines import tell_deadlines
from lengow.connector.errors import LeaseLost, LengowError
from lengow.connector.events import handle_event, poll_shop
from lengow.connector.importer import Imported, Progress, decide_again, import_orders
from lengow.connector.marketplaces import refresh_marketplaces
from lengow.connector.model import StepKind
from lengow.connector.outcomes import poll_outcomes
from lengow.connector.reporting import report_order
from lengow.connector.retry import retry_after
from lengow.connector.sending import send_due
from lengow.connector.store.rows import NewStep, Step

log = logging.getLogger("lengow.connector.steps")

PARALLEL_CALLS = 4
"""How many calls to Lengow an account makes at once; its quota bounds them all the same."""

SCHEDULED = (StepKind.IMPORT, StepKind.IMPORT_DAILY)


def schedule(context: Context, account: str) -> None:
    """See to it that the account's imports and its shops' polling are on the schedule; what is there stays as it is."""
    now = context.now()
    steps = [NewStep(kind, account, now, account=account) for kind in SCHEDULED]
    polled = [shop for shop in context.settings.shops_of(account) if context.capabilities(shop).polling]
    steps += [NewStep(StepKind.POLL, shop, now, account=account, shop=shop) for shop in polled]
    with context.store.transaction() as tx:
        tx.add_steps(steps, renew=False)


def run_import(
    context: Context, account: str, kind: StepKind, *, force: bool = False, progress: Progress | None = None
) -> Imported | None:
    """Import if it is due (with `force`: if nobody else is at it); None when not."""
    step = _claim_one(context, kind, account=account, force=force)
    if step is None:
        return None
    refresh_marketplaces(context, account)
    decide_again(context, account)
    imported = import_orders(context, step, progress=progress)
    tell_deadlines(context, account)
    return imported


def run_creations(context: Context, shop: str) -> int:
    """Create everything that is due in a shop; returns how many packages were worked on."""
    total = 0
    while done := create_due(context, shop):
        total += done
    return total


def run_events(context: Context, shop: str) -> int:
    return _drain(context, StepKind.EVENT, handle_event, parallel=1, shop=shop)


def run_poll(context: Context, shop: str, *, force: bool = False) -> bool:
    """Ask the shop for shipments, if it is due (with `force`: now); False when it was not, or did not answer."""
    step = _claim_one(context, StepKind.POLL, subject=shop, force=force)
    return step is not None and _run(context, poll_shop, step)


def run_sends(context: Context, account: str) -> int:
    """Send what is due; ends early when Lengow answers nothing, and what is left is due still."""
    total = 0
    with ThreadPoolExecutor(PARALLEL_CALLS, "lengow-send") as pool:
        while (batch := send_due(context, account, pool)).claimed:
            total += batch.claimed
            if not batch.answered:
                break
    return total


def run_reports(context: Context, account: str) -> int:
    return _drain(context, StepKind.REPORT, report_order, parallel=PARALLEL_CALLS, account=account)


def run_outcomes(context: Context, account: str, *, force: bool = False) -> int:
    """Ask what became of sent actions, if it is due (with `force`: now); returns how many were settled."""
    step = _claim_one(context, StepKind.OUTCOMES, account=account, force=force)
    return poll_outcomes(context, step) if step is not None else 0


def run_one(context: Context, kind: StepKind, subject: str) -> bool:
    """Run the one step of this kind and subject, if it is due; for hosts with a job engine of their own. Idempotent."""
    if kind in SCHEDULED:
        return run_import(context, subject, kind) is not None
    if kind is StepKind.OUTCOMES:
        return run_outcomes(context, subject) > 0
    if kind is StepKind.CREATE:
        package = context.store.packages([int(subject)]).get(int(subject))
        return package is not None and create_due(context, package.shop, subject=subject) > 0
    if kind is StepKind.SEND:
        action = context.store.action(int(subject))
        with ThreadPoolExecutor(1, "lengow-send") as pool:
            return action is not None and send_due(context, action.account, pool, subject=subject).claimed > 0
    handlers = {
        StepKind.EVENT: handle_event,
        StepKind.POLL: poll_shop,
        StepKind.REPORT: report_order,
    }
    step = _claim_one(context, kind, subject=subject)
    if step is None:
        return False
    _run(context, handlers[kind], step)
    return True


def _drain(
    context: Context,
    kind: StepKind,
    handler: Callable[[Context, Step], bool],
    *,
    parallel: int,
    account: str | None = None,
    shop: str | None = None,
) -> int:
    """Work off what is due, a few at a time: each waits for its quota within its lease.

    Ends early when the other side answered none of a few; what is left is due still.
    """
    total = 0
    with ThreadPoolExecutor(parallel, f"lengow-{kind}") as pool:
        while steps := _claim(context, kind, parallel, account=account, shop=shop):
            answered = list(pool.map(lambda step: _run(context, handler, step), steps))
            total += len(steps)
            if not any(answered):
                break
    return total


def _run(context: Context, handler: Callable[[Context, Step], bool], step: Step) -> bool:
    """Whether the other side answered."""
    try:
        return handler(context, step)
    except LeaseLost:
        log.warning("step taken over by another worker", extra={"kind": step.kind, "subject": step.subject})
    except Exception as error:
        log.exception("a step raised", extra={"kind": step.kind, "subject": step.subject})
        _try_again(context, step, error)
    return True


def _try_again(context: Context, step: Step, error: Exception) -> None:
    code = error.code if isinstance(error, LengowError) else type(error).__name__
    text = f"{code}: {error}"
    pause = retry_after(step.attempts, jitter=context.jitter())
    with context.store.transaction() as tx:
        if pause is None:
            tx.hold(step, text)
        else:
            tx.postpone(step, context.now() + timedelta(seconds=pause), text)


def _claim_one(
    context: Context, kind: StepKind, *, account: str | None = None, subject: str | None = None, force: bool = False
) -> Step | None:
    return next(iter(_claim(context, kind, 1, account=account, subject=subject, force=force)), None)


def _claim(
    context: Context,
    kind: StepKind,
    limit: int,
    *,
    account: str | None = None,
    shop: str | None = None,
    subject: str | None = None,
    force: bool = False,
) -> list[Step]:
    with context.store.transaction() as tx:
        return tx.claim(
            kind,
            context.now(),
            context.lease_end(),
            limit=limit,
            account=account,
            shop=shop,
            subject=subject,
            force=force,
        )
