"""Fetches the orders that changed in a window, page by page, and records them. The window closes only when all are in.

The window has an end, so nothing can enter it while it is read; what changes meanwhile leaves it. Pages are therefore
read from the last to the first: what leaves moves others only towards pages that are still to be read, never past
them. Afterwards the count is asked again, and the window is read once more if orders are missing.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from lengow.connector.client.answers import PAGE_SIZE, OrdersPage
from lengow.connector.context import Context
from lengow.connector.errors import (
    ApiError,
    ApiRefused,
    ApiUnavailable,
    LengowError,
    MalformedAnswer,
    NotFound,
    StoreError,
)
from lengow.connector.fetching import fetch_orders
from lengow.connector.model import StepKind
from lengow.connector.pages import Fetched, Pages, read_page
from lengow.connector.recorder import Name, Previewed, Recorder
from lengow.connector.retry import steady_pause
from lengow.connector.store.contract import Transaction
from lengow.connector.store.rows import Step
from lengow.connector.windows import slices

if TYPE_CHECKING:
    from lengow.connector.client.api import LengowClient

log = logging.getLogger("lengow.connector.importer")

PASSES = 3
"""How often a window is read before it is left open."""
COMPLETE_UNTIL = "complete_until"
COMPLETE_SINCE = "complete_since"
"""From when on every window was closed: where the very first one began."""
LAST_ERROR = "last_import_error"
DECIDED_BY = "decided_by"
"""The digest of what the decisions of the last round rested on."""
CLOCK_GRAIN = timedelta(seconds=1)
"""The `Date` header, by which Lengow's clock is known, has whole seconds."""

CLOCKS_APART = timedelta(minutes=10)
"""How far apart the clocks of Lengow and of this machine may be before it is said."""

Progress = Callable[[str, int, int], None]
"""(account, orders read, orders in the window)"""


class Imported(msgspec.Struct, frozen=True):
    """What one import did. `error` is set when the window was left open."""

    account: str
    since: datetime
    until: datetime
    read: int = 0
    new: int = 0
    amended: int = 0
    error: LengowError | None = None


def import_orders(
    context: Context,
    step: Step,
    *,
    progress: Progress | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Imported:
    """Import one account's window under the lease of `step`, and set the step to its next time.

    A window given by hand does not move the cursor of the regular one.
    """
    client = context.client(step.account)
    moves_cursor = step.kind is StepKind.IMPORT and since is None
    start = end = sure = context.now()
    try:
        times = _times(context, client, step.account)
        sure, end = times.sure, until or times.until
        start = since or _window_start(context, step.account, step.kind, end)
        imported = _read_slices(context, client, step, start, end, sure, progress, moves_cursor=moves_cursor)
    except ApiError as error:
        imported = Imported(step.account, start, end, error=error)
    except StoreError:
        raise
    except Exception as error:  # a fault of ours must show where the operator looks
        log.exception("an import raised", extra={"account": step.account})
        imported = Imported(step.account, start, end, error=LengowError(repr(error), account=step.account))
    _close(context, step, imported, sure, moves_cursor=moves_cursor)
    return imported


def preview_orders(context: Context, account: str) -> Iterator[Previewed]:
    """What the next import would decide; Lengow is read, nothing is written. Raises ApiError."""
    client = context.client(account)
    end = _times(context, client, account).until
    recorder = Recorder(context, account)
    for page in _pages(client, _window_start(context, account, StepKind.IMPORT, end), end):
        if isinstance(page, ApiError):
            raise page
        yield recorder.preview([one.raw for one in page.orders])


def decide_again(context: Context, account: str) -> None:
    """Decide anew what is not begun yet, when what decisions rest on has changed: toggles, shops, marketplaces.

    Only orders within the shops' catch-up windows.
    """
    recorder = Recorder(context, account)
    rests_on = recorder.rests_on()
    if context.store.get_value(account, DECIDED_BY) == rests_on:
        return
    days = [context.settings.shops[shop].catch_up_days for shop in context.settings.shops_of(account)]
    since = context.now() - timedelta(days=max(days, default=0))
    order_ids = context.store.orders_to_decide(account, since)
    for start in range(0, len(order_ids), PAGE_SIZE):
        recorder.decide_again(order_ids[start : start + PAGE_SIZE])
    with context.store.transaction() as tx:
        tx.set_value(account, DECIDED_BY, rests_on)


def next_import(context: Context, step: Step) -> datetime:
    """When the step is due after it ran well."""
    account, now = context.settings.accounts[step.account], context.now()
    if step.kind is StepKind.IMPORT:
        return now + timedelta(minutes=account.sync_every_minutes)
    today = now.replace(hour=account.daily_sync_at.hour, minute=account.daily_sync_at.minute, second=0, microsecond=0)
    return today if today > now else today + timedelta(days=1)


class _Times(msgspec.Struct, frozen=True):
    """What two clocks say, of which one may be wrong: nothing is late by that, and nothing passed over."""

    until: datetime
    """Until when there can be orders."""
    sure: datetime
    """Until when there can be none that were not there to read; the next window begins no later."""


def _times(context: Context, client: "LengowClient", account: str) -> _Times:
    """Lengow's clock, which this asks for, beside this machine's. Which one is wrong cannot be known.

    One that is far off is left alone by `client.now()`; but a machine whose clock is before what the store has seen has
    none that runs.
    """
    with suppress(NotFound, ApiRefused):  # whatever it answers carries the clock
        client.me()
    own, told, believed = context.now(), context.now() + client.skew(), client.now()
    seen = context.store.get_value(account, COMPLETE_UNTIL)
    if seen is not None and own < datetime.fromisoformat(seen) - CLOCKS_APART <= told:
        believed = told
    if abs(told - own) > CLOCKS_APART:
        facts = {"account": account, "own": own.isoformat(), "lengow": told.isoformat()}
        log.warning("the clocks of Lengow and of this machine are apart; windows overlap by as much", extra=facts)
    return _Times(until=max(own, believed) + CLOCK_GRAIN, sure=min(own, told) + CLOCK_GRAIN)


def _window_start(context: Context, name: str, kind: StepKind, end: datetime) -> datetime:
    account = context.settings.accounts[name]
    if kind is StepKind.IMPORT_DAILY:
        return end - timedelta(days=account.daily_sync_days)
    complete_until = context.store.get_value(name, COMPLETE_UNTIL)
    if complete_until is None:
        return end - timedelta(days=account.first_sync_days)
    # A window that was closed by a clock that was ahead must not keep the next ones empty.
    return min(datetime.fromisoformat(complete_until), end) - timedelta(minutes=account.overlap_minutes)


def _read_slices(
    context: Context,
    client: "LengowClient",
    step: Step,
    since: datetime,
    until: datetime,
    sure: datetime,
    progress: Progress | None,
    *,
    moves_cursor: bool,
) -> Imported:
    """A long window slice by slice, the oldest first; the cursor moves with each, so that none is read again.

    Where something of one stays malformed, the cursor stays before it, and the later ones are read all the same.
    """
    done = Imported(step.account, since, until)

    def report(account: str, read: int, count: int) -> None:
        if progress:
            progress(account, done.read + read, done.read + count)

    for start, end in slices(since, until):
        one = _read(context, client, step, start, end, report)
        done = msgspec.structs.replace(
            done,
            read=done.read + one.read,
            new=done.new + one.new,
            amended=done.amended + one.amended,
            error=done.error or one.error,
        )
        if one.error and not isinstance(one.error, MalformedAnswer):
            break
        if moves_cursor and end < until and done.error is None:
            with context.store.transaction() as tx:
                _move_cursor(tx, step.account, since, end, sure)
    return done


def _read(
    context: Context, client: "LengowClient", step: Step, since: datetime, until: datetime, progress: Progress | None
) -> Imported:
    recorder = Recorder(context, step.account)
    new = amended = 0
    before: tuple[set[int], int] | None = None
    for _ in range(PASSES):
        seen: set[int] = set()
        broken: ApiError | None = None
        expected = 0
        pages = _pages(client, since, until)
        for page in pages:
            if isinstance(page, ApiError):
                broken = page
                continue
            expected = page.count
            recorded = recorder.record_page(page.orders, meanwhile=pages.read_ahead)
            seen.update(hash(name) for name in recorded.names)
            new, amended = new + recorded.new, amended + recorded.amended
            step = _kept(context, step)
            for name in sorted(recorded.dated_back):
                broken = _alone(context, recorder, step.account, name) or broken
                step = _kept(context, step)
            if progress:
                progress(step.account, len(seen), page.count)
        if broken:
            return Imported(step.account, since, until, len(seen), new, amended, broken)
        if len(seen) >= expected:
            return Imported(step.account, since, until, len(seen), new, amended)
        if before == (seen, expected):
            log.warning("Lengow counts more than it gives", extra={"account": step.account, "seen": len(seen)})
            return Imported(step.account, since, until, len(seen), new, amended)
        before = (seen, expected)
        log.info("pages shifted", extra={"account": step.account, "seen": len(seen), "expected": expected})
    error = ApiUnavailable(
        f"The pages from Lengow did not hold still: {len(seen)} of {expected} orders seen.", account=step.account
    )
    return Imported(step.account, since, until, len(seen), new, amended, error)


def _alone(context: Context, recorder: Recorder, account: str, name: Name) -> MalformedAnswer | None:
    """Record an order that is read by itself; returns why it cannot be, which keeps none of the others out.

    Raises ApiError where Lengow does not answer at all.
    """
    try:
        missing, why = fetch_orders(context, recorder, account, [name]), ""
    except MalformedAnswer as error:
        return error
    except (NotFound, ApiRefused) as error:
        missing, why = [name], f": {error}"
    if not missing:
        return None
    return MalformedAnswer(f"Lengow lists the order {'/'.join(name)}, and does not give it{why}.", account=account)


def _pages(client: "LengowClient", since: datetime, until: datetime) -> Pages:
    """What stays malformed is given as its error, so that all else still comes."""

    def fetch(number: int) -> Fetched:
        try:
            return read_page(partial(client.orders_page, updated_from=since, updated_to=until), number)
        except NotFound:
            if number == 1:
                raise
            return [OrdersPage(count=0, results=[])]  # the window has shrunk since its pages were counted

    return Pages(fetch)


def _kept(context: Context, step: Step) -> Step:
    """The step with its lease renewed, once half of it is over. Raises LeaseLost when another worker has it."""
    assert step.lease_until is not None
    half = timedelta(seconds=context.settings.store.lease_seconds / 2)
    if half < step.lease_until - context.now() <= 2 * half:  # longer: the clock was set back
        return step
    with context.store.transaction() as tx:
        return tx.renew(step, context.lease_end())


def _move_cursor(tx: Transaction, account: str, since: datetime, until: datetime, sure: datetime) -> None:
    """To the end of what was read, as far as both clocks agree on it; never back from there."""
    before = tx.get_value(account, COMPLETE_UNTIL)
    known = min(datetime.fromisoformat(before), until) if before else since
    tx.set_value(account, COMPLETE_UNTIL, max(known, min(until, sure)).isoformat())
    if tx.get_value(account, COMPLETE_SINCE) is None:
        tx.set_value(account, COMPLETE_SINCE, since.isoformat())


def _spare_daily(context: Context, tx: Transaction, imported: Imported) -> None:
    """A window that holds the daily one's, such as the very first, leaves it nothing to read: it is due next day."""
    days = timedelta(days=context.settings.accounts[imported.account].daily_sync_days)
    if imported.since > imported.until - days:
        return
    now, lease_end = context.now(), context.lease_end()
    for daily in tx.claim(StepKind.IMPORT_DAILY, now, lease_end, limit=1, account=imported.account):
        tx.postpone(daily, next_import(context, daily), restart=True)


def _close(context: Context, step: Step, imported: Imported, sure: datetime, *, moves_cursor: bool) -> None:
    error = imported.error
    with context.store.transaction() as tx:
        if error is None:
            tx.postpone(step, next_import(context, step), restart=True)
            tx.set_value(step.account, LAST_ERROR, "")
            if moves_cursor:
                _move_cursor(tx, step.account, imported.since, imported.until, sure)
                _spare_daily(context, tx, imported)
        else:
            due_at = context.now() + timedelta(seconds=steady_pause(step.attempts, jitter=context.jitter()))
            if isinstance(error, MalformedAnswer):  # all else comes as ever
                due_at = min(due_at, next_import(context, step))
            tx.postpone(step, due_at, f"{error.code}: {error}")
            tx.set_value(step.account, LAST_ERROR, f"{error.code}: {error}")
    if error is not None:
        log.warning("import left open", extra={"account": step.account, "code": error.code, "error": str(error)})
