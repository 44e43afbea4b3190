"""The lanes that work runs in: a kind of work for one account or one shop, so that none holds up another.

The built-in runner has a thread for each; `worker.py` spreads them over machines.
"""

import copy
import threading
import time
from collections.abc import Callable
from functools import partial

import msgspec

from lengow.connector.clock import mind_clock
from lengow.connector.context import Context
from lengow.connector.model import StepKind
from lengow.connector.steps import (
    run_creations,
    run_digest,
    run_erasure,
    run_events,
    run_follows,
    run_import,
    run_outcomes,
    run_poll,
    run_reports,
    run_sends,
    run_work,
)
from lengow.connector.works import subject_of, works_of

POLL_SECONDS = 10.0
"""How long a shop is read at once: a long catch-up holds up nothing that a webhook tells meanwhile."""


class Lane(msgspec.Struct, frozen=True):
    name: str
    """Such as `create-b2c`."""
    account: str
    shop: str
    """Empty: the account's."""
    kinds: tuple[StepKind, ...]
    """Of the steps that are worked off in it."""
    work: Callable[[Context], object]
    """Works off what is due, until nothing is or the context is stopping."""
    workers: int = 1
    """How many may be at it at once, on all machines. More than one only where leases keep them apart for good."""
    is_long: bool = False
    """One run of it may take many minutes."""
    subject: str = ""
    """Of the one step that is worked off in it; empty: whatever there is of its kinds."""


def lanes_of(context: Context) -> list[Lane]:
    """All lanes of the settings."""
    settings = context.settings
    lanes = [lane for account in settings.accounts for lane in _of_account(account)]
    lanes += [_of_work(work, account) for account in settings.accounts for work in works_of(settings)]
    for name, shop in settings.shops.items():
        alone = context.capabilities(name).one_at_a_time
        lanes += _of_shop(name, shop.account, 1 if alone else shop.workers)
    return lanes


class Slice:
    """Stands for the event `stopping` for a while: it is set when that is over, too."""

    def __init__(self, stopping: threading.Event, seconds: float) -> None:
        self._stopping = stopping
        self._ends = time.monotonic() + seconds

    def is_set(self) -> bool:
        return self._stopping.is_set() or time.monotonic() >= self._ends

    def wait(self, timeout: float | None = None) -> bool:
        left = max(self._ends - time.monotonic(), 0)
        return self._stopping.wait(left if timeout is None else min(timeout, left)) or self.is_set()


def sliced(context: Context, seconds: float) -> Context:
    """The same context, which is stopping after so many seconds; what is under way then is ended first."""
    own = copy.copy(context)
    own.stopping = Slice(context.stopping, seconds)  # type: ignore[assignment]
    return own


def _of_account(account: str) -> list[Lane]:
    def lane(
        name: str, kinds: tuple[StepKind, ...], work: Callable[[Context], object], *, is_long: bool = False
    ) -> Lane:
        return Lane(f"{name}-{account}", account, "", kinds, work, is_long=is_long)

    return [
        lane(
            "import",
            (StepKind.IMPORT, StepKind.IMPORT_DAILY, StepKind.OUTCOMES),
            partial(_import_round, account=account),
            is_long=True,
        ),
        lane("send", (StepKind.SEND,), partial(run_sends, account=account)),
        lane("report", (StepKind.REPORT,), partial(run_reports, account=account)),
        lane("upkeep", (StepKind.DIGEST, StepKind.ERASE), partial(_upkeep_round, account=account), is_long=True),
    ]


def _of_work(work: str, account: str) -> Lane:
    """Each for itself: a feed of a million products holds up no invoice."""
    subject = subject_of(work, account)
    run = partial(run_work, account=account, work=work)
    return Lane(f"work-{work}-{account}", account, "", (StepKind.WORK,), run, is_long=True, subject=subject)


def _of_shop(shop: str, account: str, workers: int) -> list[Lane]:
    def lane(name: str, kinds: tuple[StepKind, ...], work: Callable[[Context], object], workers: int = 1) -> Lane:
        return Lane(f"{name}-{shop}", account, shop, kinds, work, workers)

    return [
        lane("create", (StepKind.CREATE,), partial(run_creations, shop=shop), workers),
        lane("follow", (StepKind.FOLLOW,), partial(run_follows, shop=shop)),
        lane("events", (StepKind.POLL, StepKind.EVENT), partial(_events_round, shop=shop)),
    ]


def _import_round(context: Context, account: str) -> None:
    mind_clock(context)
    run_import(context, account, StepKind.IMPORT)
    run_import(context, account, StepKind.IMPORT_DAILY)
    run_outcomes(context, account)


def _upkeep_round(context: Context, account: str) -> None:
    run_digest(context, account)
    run_erasure(context)


def _events_round(context: Context, shop: str) -> None:
    run_events(context, shop)
    run_poll(sliced(context, POLL_SECONDS), shop)  # last: of a worker's turn it may take all that is left
