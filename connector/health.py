"""Whether this process can do its work: the store can be written, and somebody runs the schedule."""

import threading
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from lengow.connector.context import Context
from lengow.connector.errors import StoreError
from lengow.connector.model import StepKind
from lengow.connector.store.rows import Step

PROBED = "probed_at"
"""Written to see whether the store can be."""

FRESH_SECONDS = 5.0
"""How long an answer serves: anybody may ask, and each look writes to the disk."""

WAIT_FOR_STORE = 2.0
"""Seconds; a load balancer does not wait longer for the answer."""

ROUNDS_MISSED = 3


class Problem(msgspec.Struct, frozen=True):
    code: str
    """An error code of the store, `schedule_lagging` or `schedule_not_started`."""
    sentence: str
    what_to_do: str
    account: str = ""


class Health:
    """One a connector; safe to share between threads."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._looked_at = -FRESH_SECONDS
        self._found: tuple[Problem, ...] = ()

    def problems(self) -> tuple[Problem, ...]:
        """What keeps the connector from its work, as it was in the last few seconds; none: it is ready."""
        with self._lock:
            if time.monotonic() - self._looked_at > FRESH_SECONDS:
                self._found = tuple(_look(self._context))
                self._looked_at = time.monotonic()
            return self._found


def _look(context: Context) -> list[Problem]:
    now = context.now()
    try:
        with context.store.transaction(WAIT_FOR_STORE) as tx:
            tx.set_value("", PROBED, now.isoformat())
            imports = tx.steps(kind=StepKind.IMPORT, limit=100_000)
    except StoreError as error:
        return [Problem(error.code, "The store cannot be written.", error.what_to_do)]
    every = {name: one.sync_every_minutes for name, one in context.settings.accounts.items()}
    return lagging(imports, every, now)


def lagging(imports: Sequence[Step], every_minutes: dict[str, float], now: datetime) -> list[Problem]:
    """The accounts whose import is due for several rounds, and nobody takes it. Pure.

    An import that is taken and fails, such as while Lengow is down, is no fault of this side.
    """
    due = {step.account: step.due_at for step in imports}
    problems = []
    for account, minutes in every_minutes.items():
        if account not in due:
            problems.append(
                Problem(
                    "schedule_not_started",
                    "No import of the account was ever scheduled.",
                    "Run lengow-connector sync or run, or call connector.start().",
                    account,
                )
            )
        elif now - due[account] > ROUNDS_MISSED * timedelta(minutes=minutes):
            problems.append(
                Problem(
                    "schedule_lagging",
                    f"The account's import is due since {due[account]:%Y-%m-%d %H:%M} UTC, and nobody runs it.",
                    "See that `lengow-connector run`, your cron job or connector.start() is running.",
                    account,
                )
            )
    return problems
