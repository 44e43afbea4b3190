"""The recurring work of feeds, which the connector runs for each account (`lengow.work`): builds those that have
`build_every_minutes`, and tells the doctor, the digest and the metrics what became of the last build of each.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from lengow.connector.adapter import Finding
from lengow.connector.catalogue import CatalogueProduct, products_of
from lengow.connector.context import Context
from lengow.connector.errors import LeaseLost, LengowError, StoreError
from lengow.connector.leases import Leases
from lengow.connector.settings import Settings
from lengow.connector.store.rows import Step
from lengow.connector.works import Gauge, Waiting
from lengow.feeds.building import build_group
from lengow.feeds.errors import BuildEnded, FeedBusy, FeedCollapsed, FeedRefused
from lengow.feeds.history import LastBuild, last_build
from lengow.feeds.settings import Group, groups, path_of

Keep = Callable[[], None]
Reader = Callable[[str], Iterable[CatalogueProduct]]

log = logging.getLogger("lengow.feeds.work")

LOOK_AGAIN = timedelta(minutes=5)
"""How often it is looked whether a build is due: settings change, and files are taken away."""
SOON = timedelta(minutes=1)
"""While another process builds."""
AGAIN = timedelta(minutes=15)
"""The longest pause after a shop that did not answer, or whatever else may be gone by itself."""
MISSED = 3
"""Builds that may be missed before files are stale."""
KEEP_SECONDS = 2.0
"""How often a build looks whether it is to end, and is still the one that builds."""


class FeedWork:
    def check(self, settings: Settings) -> None:
        """Raises SettingsError."""
        groups(settings)

    def __call__(self, context: Context, step: Step) -> datetime:
        """Build what is due of the step's account, group by group; returns when to look again."""
        leases = Leases(context, [step])

        def keep() -> None:
            if context.ending.is_set():
                raise BuildEnded("The process ends; the old files stay, and the next process builds.")
            if not leases.hold(step):
                raise LeaseLost(f"The feeds of {step.account} were taken over by another worker.")

        looks = [context.now() + LOOK_AGAIN]
        for group in (one for one in groups(context.settings) if one.account == step.account and one.every):
            try:
                keep()
                if _due_at(context, group) <= context.now():
                    build_group(context, group, _kept_reader(context, keep))
            except FeedBusy:
                looks.append(context.now() + SOON)
                continue
            except BuildEnded:
                return context.now()
            except (LeaseLost, StoreError):
                raise
            except (
                LengowError
            ) as error:  # it is kept, and shown; the feeds of other marketplaces are built all the same
                facts = {"account": group.account, "marketplace": group.marketplace, "code": error.code}
                log.warning("feeds not built", extra={**facts, "error": str(error)})
            except Exception:
                log.exception("a build raised", extra={"account": group.account, "marketplace": group.marketplace})
            looks.append(_due_at(context, group))
        return max(min(looks), context.now())

    def examine(self, context: Context, account: str) -> Sequence[Finding]:
        """The last build of each group, how old its files are, and whether they are there."""
        return [_finding(context, group) for group in _groups_of(context, account)]

    def waiting(self, context: Context, account: str) -> Sequence[Waiting]:
        """Groups whose last build wrote nothing, or whose files are stale."""
        return [
            Waiting(group.marketplace, ", ".join(group.feeds), *trouble)
            for group in _groups_of(context, account)
            if group.every and (trouble := _trouble(context, group))
        ]

    def gauges(self, context: Context) -> Sequence[Gauge]:
        labels = ("account", "marketplace", "feed")
        ages: dict[tuple[str, ...], float] = {}
        offers: dict[tuple[str, ...], float] = {}
        failing: dict[tuple[str, ...], float] = {}
        now = context.now()
        for group in groups(context.settings):
            last = last_build(context.store, group)
            for feed in group.feeds:
                key = (group.account, group.marketplace, feed)
                written_at = last.written_at if last else None
                ages[key] = max((now - written_at).total_seconds(), 0.0) if written_at else math.inf
                offers[key] = float(last.offers.get(feed, 0)) if last else 0.0
                failing[key] = float(bool(last and last.code))
        return [
            Gauge("lengow_feed_age_seconds", "Since the feed was last written; +Inf: never.", labels, ages),
            Gauge("lengow_feed_offers", "Offers in the feed as it was last written.", labels, offers),
            Gauge("lengow_feed_failing", "1 if the last build of the feed wrote nothing.", labels, failing),
        ]


def stale(group: Group, last: LastBuild | None, now: datetime) -> bool:
    """Whether the files are older than they may be: of several builds that were due, none wrote them. Pure."""
    if group.every is None or last is None or last.written_at is None:
        return False
    return now - last.written_at > MISSED * group.every


def due_at(group: Group, last: LastBuild | None, now: datetime, *, complete: bool) -> datetime:
    """When the group is to be built next; `complete`: whether its files are there. Pure.

    What was refused for its offers is tried again in its turn, as the whole shop is read for it; all else sooner.
    """
    if group.every is None:
        return now + LOOK_AGAIN
    if last is None or last.ended_at > now:  # kept by a clock that was ahead
        return now
    if not last.code:
        return last.ended_at + group.every if complete else now
    refused = last.code in (FeedRefused.code, FeedCollapsed.code)
    return last.ended_at + (group.every if refused else min(group.every, AGAIN))


def _due_at(context: Context, group: Group) -> datetime:
    complete = all(path.exists() for path in _paths(context, group))
    return due_at(group, last_build(context.store, group), context.now(), complete=complete)


def _kept_reader(context: Context, keep: Keep) -> Reader:
    return lambda shop: _kept(products_of(context, shop), keep)


def _kept(products: Iterable[CatalogueProduct], keep: Keep) -> Iterator[CatalogueProduct]:
    """The same, and `keep` called now and then: after each page that took long, at the latest."""
    asked = time.monotonic()
    for product in products:
        if time.monotonic() - asked > KEEP_SECONDS:
            keep()
            asked = time.monotonic()
        yield product


def _groups_of(context: Context, account: str) -> list[Group]:
    return [group for group in groups(context.settings) if group.account == account]


def _paths(context: Context, group: Group) -> list[Path]:
    return [path_of(context.settings, feed) for feed in group.feeds.values()]


def _trouble(context: Context, group: Group) -> tuple[str, str, datetime | None] | None:
    """A code, a sentence, and since when."""
    last, now = last_build(context.store, group), context.now()
    if last is not None and last.code:
        return last.code, last.about, last.ended_at
    if stale(group, last, now):
        assert last is not None
        return "feed_stale", f"Its files are of {last.written_at:%Y-%m-%d %H:%M} UTC.", last.written_at
    return None


def _finding(context: Context, group: Group) -> Finding:
    what = f"feeds of {group.marketplace}"
    last, now = last_build(context.store, group), context.now()
    missing = [path for path in _paths(context, group) if not path.exists()]
    if last is not None and last.code:
        since = f" The files are of {last.written_at:%Y-%m-%d %H:%M} UTC." if last.written_at else ""
        return Finding(what, False, f"{last.code}: {last.about}{since}", last.what_to_do)
    run = "See that `lengow-connector run` or your cron job is running." if group.every else BY_HAND
    if missing:
        return Finding(what, False, f"There is no {', '.join(map(str, missing))} on this machine.", run)
    if last is None or last.written_at is None:
        return Finding(what, True, "Their files are there, and no build is known of.")
    counts = ", ".join(f"{name} {count}" for name, count in last.offers.items())
    told = f"Built {last.written_at:%Y-%m-%d %H:%M} UTC in {last.seconds:.0f} s; offers: {counts}."
    if stale(group, last, now):
        assert group.every is not None
        return Finding(what, False, f"{told} They should be every {group.every.total_seconds() / 60:g} minutes.", run)
    return Finding(what, True, told)


BY_HAND = "Run `lengow-connector feed build`, or set `build_every_minutes`."

work = FeedWork()
