"""Runs claimed steps. A handler that raises is logged, and its step is tried again; no step is ever lost."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from lengow.connector.actions import release_held
from lengow.connector.client.answers import ACTIONS
from lengow.connector.clock import mind_clock
from lengow.connector.context import PARALLEL_CALLS, Context
from lengow.connector.creation import create_due
from lengow.connector.deadlines import tell_deadlines
from lengow.connector.digest import DigestSent, send_digest
from lengow.connector.errors import LeaseLost, LengowError
from lengow.connector.events import handle_event, poll_shop
from lengow.connector.following import follow_package
from lengow.connector.importer import Imported, Progress, decide_again, import_orders
from lengow.connector.marketplaces import REFRESH_AFTER, refresh_marketplaces
from lengow.connector.model import OrderState, StepKind
from lengow.connector.outcomes import keep_asking, poll_outcomes
from lengow.connector.privacy import erase_old
from lengow.connector.reporting import report_order
from lengow.connector.retry import retry_after, steady_pause
from lengow.connector.sending import send_due
from lengow.connector.store.rows import NewStep, Step
from lengow.connector.works import subject_of, work_named, works_of

log = logging.getLogger("lengow.connector.steps")

LONGEST_NAP = 0.25
"""Seconds to wait at once for the quota."""

SOON = timedelta(minutes=15)
"""How old the marketplaces' descriptions may be while an order waits for a new one."""

EVERYTHING = "all"
"""The subject of the one step that erases."""

SCHEDULED = (StepKind.IMPORT, StepKind.IMPORT_DAILY)
RECURRING = (*SCHEDULED, StepKind.POLL, StepKind.OUTCOMES, StepKind.DIGEST, StepKind.ERASE, StepKind.WORK)
"""Never held: they come round again whatever happens."""


def schedule(context: Context, account: str) -> None:
    """See to it that what recurs for the account and its shops is on the schedule; what is there stays as it is."""
    mind_clock(context)
    now = context.now()
    steps = [NewStep(kind, account, now, account=account) for kind in SCHEDULED]
    polled = [shop for shop in context.settings.shops_of(account) if context.capabilities(shop).polling]
    steps += [NewStep(StepKind.POLL, shop, now, account=account, shop=shop) for shop in polled]
    steps.append(NewStep(StepKind.ERASE, EVERYTHING, now))
    if context.settings.accounts[account].digest:
        steps.append(NewStep(StepKind.DIGEST, account, now, account=account))
    works = works_of(context.settings)
    steps += [NewStep(StepKind.WORK, subject_of(work, account), now, account=account) for work in works]
    with context.store.transaction() as tx:
        tx.add_steps(steps, renew=False)


def run_import(
    context: Context,
    account: str,
    kind: StepKind,
    *,
    force: bool = False,
    progress: Progress | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Imported | None:
    """Import if it is due (with `force`: if nobody else is at it); None when not, or another took it over meanwhile.

    A window given by hand does not move the cursor of the regular one.
    """
    step = _claim_one(context, kind, account=account, force=force)
    if step is None:
        return None
    waits = (OrderState.WAITING, "unknown_marketplace") in context.store.count_orders(account)
    refresh_marketplaces(context, account, older_than=SOON if waits else REFRESH_AFTER)
    decide_again(context, account)
    try:
        imported = import_orders(context, step, progress=progress, since=since, until=until)
    except LeaseLost:
        _log_taken_over(step)
        return None
    release_held(context, account)
    keep_asking(context, account)
    tell_deadlines(context, account)
    return imported


def run_creations(context: Context, shop: str) -> int:
    """Create everything that is due in a shop; returns how many packages were worked on."""
    total = 0
    while not context.stopping.is_set() and (done := create_due(context, shop)):
        total += done
    return total


def run_follows(context: Context, shop: str) -> int:
    """Bring what happened at Lengow to a shop; returns how many packages were worked on.

    A shop that takes one order at a time is told of one at a time.
    """
    total = 0
    one_at_a_time = context.capabilities(shop).one_at_a_time
    while not context.stopping.is_set() and not context.circuit.open(shop, context.now()):
        done = _drain(context, StepKind.FOLLOW, follow_package, shop=shop, most=1 if one_at_a_time else PARALLEL_CALLS)
        total += done
        if not done:
            break
    return total


def run_events(context: Context, shop: str) -> int:
    return _drain(context, StepKind.EVENT, handle_event, shop=shop)


def run_poll(context: Context, shop: str, *, force: bool = False) -> bool:
    """Ask the shop for shipments, if it is due (with `force`: now); False when it was not, or did not answer."""
    step = _claim_one(context, StepKind.POLL, subject=shop, force=force)
    return step is not None and _run(context, poll_shop, step)


def run_sends(context: Context, account: str) -> int:
    """Send what is due, as fast as the quota lets; ends early when Lengow answers nothing.

    The quota is waited for before anything is claimed, so that no lease runs meanwhile.
    """
    total = 0
    while context.store.is_due(StepKind.SEND, context.now(), account=account):
        room, seconds = context.client(account).room(ACTIONS)
        if not room:
            if context.stopping.wait(min(seconds, LONGEST_NAP)):
                break
            continue
        batch = send_due(context, account, context.calls, limit=room)
        total += batch.claimed
        if not batch.claimed or not batch.answered or context.stopping.is_set():
            break
    return total


def run_reports(context: Context, account: str) -> int:
    return _drain(context, StepKind.REPORT, report_order, account=account)


def run_outcomes(context: Context, account: str, *, force: bool = False) -> int:
    """Ask what became of sent actions, if it is due (with `force`: now); returns how many were settled."""
    step = _claim_one(context, StepKind.OUTCOMES, account=account, force=force)
    settled = 0

    def poll(context: Context, step: Step) -> bool:
        nonlocal settled
        settled = poll_outcomes(context, step)
        return True

    if step is not None:
        _run(context, poll, step)
    return settled


def run_works(context: Context, account: str, *, force: bool = False) -> int:
    """Do what other packages have to do for the account, if it is due (with `force`: now); returns how many did."""
    return sum(run_work(context, account, work, force=force) for work in works_of(context.settings))


def run_work(context: Context, account: str, work: str, *, force: bool = False) -> bool:
    """Do what one other package has to do for the account, if it is due (with `force`: now); whether it did."""
    step = _claim_one(context, StepKind.WORK, subject=subject_of(work, account), force=force)
    if step is not None:
        _run(context, _do_work, step)
    return step is not None


def run_erasure(context: Context) -> bool:
    """Erase old personal data of all accounts, if it is due."""
    step = _claim_one(context, StepKind.ERASE, subject=EVERYTHING)

    def erase(context: Context, step: Step) -> bool:
        erase_old(context, step)
        return True

    return step is not None and _run(context, erase, step)


def run_digest(context: Context, account: str, *, force: bool = False) -> DigestSent | None:
    """Send the account's digest, if it is due (with `force`: now) and something is new; None when it was not due."""
    step = _claim_one(context, StepKind.DIGEST, account=account, force=force)
    sent: DigestSent | None = None

    def send(context: Context, step: Step) -> bool:
        nonlocal sent
        sent = send_digest(context, step)
        return True

    if step is not None:
        _run(context, send, step)
    return sent


def run_one(context: Context, kind: StepKind, subject: str) -> bool:
    """Run the one step of this kind and subject, if it is due; for hosts with a job engine of their own. Idempotent."""
    if kind in SCHEDULED:
        return run_import(context, subject, kind) is not None
    if kind is StepKind.OUTCOMES:
        return run_outcomes(context, subject) >= 0
    if kind is StepKind.CREATE:
        package = context.store.packages([int(subject)]).get(int(subject))
        return package is not None and create_due(context, package.shop, subject=subject) > 0
    if kind is StepKind.SEND:
        action = context.store.action(int(subject))
        return action is not None and send_due(context, action.account, context.calls, subject=subject).claimed > 0
    if kind is StepKind.ERASE:
        return run_erasure(context)
    if kind is StepKind.DIGEST:
        return run_digest(context, subject) is not None
    handlers: dict[StepKind, Callable[[Context, Step], bool]] = {
        StepKind.WORK: _do_work,
        StepKind.EVENT: handle_event,
        StepKind.FOLLOW: follow_package,
        StepKind.POLL: poll_shop,
        StepKind.REPORT: report_order,
    }
    step = _claim_one(context, kind, subject=subject)
    if step is None:
        return False
    _run(context, handlers[kind], step)
    return True


def _do_work(context: Context, step: Step) -> bool:
    due_at = work_named(step.subject.partition("/")[0])(context, step)
    with context.store.transaction() as tx:
        tx.postpone(step, due_at, restart=True)
    return True


def _drain(
    context: Context,
    kind: StepKind,
    handler: Callable[[Context, Step], bool],
    *,
    account: str | None = None,
    shop: str | None = None,
    most: int = PARALLEL_CALLS,
) -> int:
    """Work off what is due, a few at a time: each waits for its quota within its lease.

    Ends early when the other side answered none of a few, or the connector is to stop; what is left is due still.
    """
    total = 0
    while not context.stopping.is_set():
        steps = _claim(context, kind, most, account=account, shop=shop)
        if not steps:
            break
        answered = list(context.calls.map(lambda step: _run(context, handler, step), steps))
        total += len(steps)
        if not any(answered):
            break
    return total


def _run(context: Context, handler: Callable[[Context, Step], bool], step: Step) -> bool:
    """Whether the other side answered."""
    try:
        return handler(context, step)
    except LeaseLost:
        _log_taken_over(step)
    except Exception as error:
        log.exception("a step raised", extra={"kind": step.kind, "subject": step.subject})
        _try_again(context, step, error)
    return True


def _log_taken_over(step: Step) -> None:
    """Such as while this process stood still; the other one ends it."""
    log.warning("step taken over by another worker", extra={"kind": step.kind, "subject": step.subject})


def _try_again(context: Context, step: Step, error: Exception) -> None:
    code = error.code if isinstance(error, LengowError) else type(error).__name__
    text = f"{code}: {error}"
    recurring = step.kind in RECURRING
    pause = (steady_pause if recurring else retry_after)(step.attempts, jitter=context.jitter())
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
