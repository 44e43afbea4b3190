"""Recurring work of other packages, such as invoices: an entry point (group `lengow.work`) named as the table of the
settings file that switches it on. The connector gives it a step an account, and knows nothing more of it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Protocol, runtime_checkable

import msgspec

from lengow.connector.adapter import Finding
from lengow.connector.context import Context
from lengow.connector.settings import Settings
from lengow.connector.store.rows import Step

GROUP = "lengow.work"


class Work(Protocol):
    def check(self, settings: Settings) -> None:
        """Raises SettingsError where its table is wrong; asked before anything begins."""

    def __call__(self, context: Context, step: Step) -> datetime:
        """Do what there is to do for `step.account` under the lease of the step; returns when it is due again.

        It must be safe to repeat, and may renew the lease with `renew` of a transaction. What it raises is logged, and
        it is tried again.
        """


class Waiting(msgspec.Struct, frozen=True):
    """Something that waits for a person, for the digest."""

    key: str
    """The same for as long as it is the same problem."""
    subject: str
    """The order it is about, for people."""
    reason: str
    about: str
    at: datetime | None = None
    """When it came up."""


@runtime_checkable
class HasWaiting(Protocol):
    """What a work has besides where something of its own may wait for a person."""

    def waiting(self, context: Context, account: str) -> Sequence[Waiting]: ...


@runtime_checkable
class HasFindings(Protocol):
    """What a work has besides where the doctor may find something of its own."""

    def examine(self, context: Context, account: str) -> Sequence[Finding]:
        """What stands in the store and on this machine; nobody outside is called."""


class Gauge(msgspec.Struct, frozen=True):
    """A figure of a work's own, for /metrics."""

    name: str
    """Begins with `lengow_`."""
    text: str
    labels: tuple[str, ...]
    values: Mapping[tuple[str, ...], float]
    """By the labels' values."""


@runtime_checkable
class HasGauges(Protocol):
    """What a work has besides where it has figures to tell."""

    def gauges(self, context: Context) -> Sequence[Gauge]:
        """Raises StoreError."""


@runtime_checkable
class HoldsBuyers(Protocol):
    """What a work has besides where it keeps something of the buyers of its own."""

    def export_buyers(self, context: Context, order_ids: Sequence[int]) -> Sequence[Mapping[str, Any]]:
        """Everything that is kept of the buyers of these orders, in what JSON can say."""

    def erase_buyers(self, context: Context, order_ids: Sequence[int]) -> None:
        """Erase what need not be kept. Safe to repeat."""


def subject_of(work: str, account: str) -> str:
    """Of its step."""
    return f"{work}/{account}"


def works_of(settings: Settings) -> list[str]:
    """The names of the works that the settings switch on."""
    if not settings.sections:
        return []
    from importlib.metadata import entry_points

    return sorted(set(settings.sections) & {point.name for point in entry_points(group=GROUP)})


def check_works(settings: Settings) -> None:
    """Raises SettingsError where the table of a work is wrong."""
    for name in works_of(settings):
        work_named(name).check(settings)


@cache
def work_named(name: str) -> Work:
    """Raises KeyError for an unknown name."""
    from importlib.metadata import entry_points

    work: Work = entry_points(group=GROUP)[name].load()
    return work
