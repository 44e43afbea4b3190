"""`make crash`: kill -9 at every boundary of every effect, on each platform, store and runner; then at random moments.

    python tests/crash/matrix.py [--random 1000] [--minutes 14] [--platforms generic,magento]

Two processes, one a store, each with a Lengow, shops and a mail server of its own. Each point gets new orders, and a
life of the connector that dies there. Up to `TOGETHER` deaths are survived by one life that is left alone; then all
ledgers are compared: what was sold, what the shops hold and took from their stock, what the marketplace was told, what
was mailed. A table is printed; the exit code is 1 if anything was lost, doubled or left unexplained.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

from lives import Point
from world import PLATFORMS, Happenings, World, worlds

STORES = ("sqlite", "postgresql")
TOGETHER = 6
SHORT_LEASE = {"lease_seconds": 6, "call_timeout": 3}
"""Of those whose dead are noticed by a lease in real time."""

BOUNDARIES = {
    "record": ("connector.recorder.", "connector.importer."),
    "intent": ("connector.creation._claim",),
    "shop call": ("adapters.",),
    "outcome": ("connector.creation.",),
    "report": ("connector.reporting.",),
    "follow": ("connector.following.",),
    "webhook, event": ("connector.events.",),
    "action queued": ("connector.actions.",),
    "action intent": ("connector.sending._claim",),
    "action post": ("connector.sending._post",),
    "action outcome": ("connector.sending.", "connector.outcomes."),
    "invoice": ("invoices.issuing.", "invoices.notes.", "invoices.work."),
    "mail": ("invoices.mailing.",),
    "schedule": ("",),
}
"""What the sites are part of; the first that fits."""

KEY = (
    "intent",
    "shop call",
    "outcome",
    "report",
    "webhook, event",
    "action intent",
    "action post",
    "action outcome",
    "mail",
)


def boundary_of(site: str) -> str:
    return next(name for name, starts in BOUNDARIES.items() if site.startswith(starts))


def points_of(seen: dict[tuple[str, str], int]) -> list[Point]:
    """Each site and moment the first time, and once in the middle where it is passed often. What is before a commit is
    after the effect before it."""
    points = []
    for (site, moment), times in sorted(seen.items()):
        if moment == "before" and site.endswith("commit"):
            continue
        points.append(Point(site, moment))
        if times >= 4 and boundary_of(site) != "schedule":
            points.append(Point(site, moment, times // 2))
    return points


class Tally:
    """What is found, as it is found."""

    def __init__(self, store: str) -> None:
        self._store = store

    def add(self, platform: str, runner: str, boundary: str, deaths: int, findings: list[str]) -> None:
        found = {
            "store": self._store,
            "platform": platform,
            "runner": runner,
            "boundary": boundary,
            "deaths": deaths,
            "findings": findings,
        }
        print(json.dumps(found), flush=True)


def at_each_point(world: World, points: list[Point], platform: str, tally: Tally, ends: float) -> None:
    happenings = Happenings(world)
    died: list[Point] = []
    points = sorted(points, key=lambda one: (boundary_of(one.site) not in KEY, one.nth))
    for place, point in enumerate(points):
        happenings.sell()
        if world.lives(happenings, point) is None:
            died.append(point)
        if len(died) >= TOGETHER or place == len(points) - 1 or time.monotonic() > ends:
            findings = survived(world, happenings)
            counts = Counter(boundary_of(one.site) for one in died)
            if findings:
                findings.insert(0, f"killed at {died}")
            for boundary, count in counts.items():
                tally.add(platform, world.facts.runner, boundary, count, findings)
                findings = []
            died, happenings = [], Happenings(world)
            if time.monotonic() > ends:
                tally.add(platform, world.facts.runner, "out of time", 0, [])
                return


def at_random(world: World, count: int, longest: float, platform: str, tally: Tally, ends: float) -> None:
    """`longest`: seconds that a life takes."""
    chance = random.Random(f"{platform} {world.facts.store}")
    happenings = Happenings(world)
    died = 0
    for number in range(count):
        if number % 4 == 0:
            happenings.sell()
        died += killed_within(world, happenings, chance.uniform(0, longest))
        if number % 20 == 19 or number == count - 1 or time.monotonic() > ends:
            tally.add(platform, world.facts.runner, "random", died, survived(world, happenings))
            died, happenings = 0, Happenings(world)
            if time.monotonic() > ends:
                return


def killed_within(world: World, happenings: Happenings, seconds: float) -> bool:
    from lives import live

    child, pipe = world.start(live, None)
    timer = threading.Timer(seconds, child.kill)
    timer.start()
    try:
        return world.served(child, pipe, happenings) is None
    finally:
        timer.cancel()
        world.advance(3)


def survived(world: World, happenings: Happenings) -> list[str]:
    """What is found after a life that is left alone; one more where something waits for its next try."""
    world.advance(16)
    world.lives(happenings)
    findings = happenings.findings()
    if findings:
        world.advance(30)
        world.lives(happenings)
        findings = happenings.findings()
    return findings


@contextmanager
def store_urls(kind: str) -> Iterator[Callable[[], str]]:
    """Makes URLs of empty stores; empty: a file beside the world."""
    if kind == "sqlite":
        yield lambda: ""
        return
    from postgres_server import own_schema, running_server

    with ExitStack() as stack:
        server = stack.enter_context(running_server())
        yield lambda: stack.enter_context(own_schema(server))


def run_store(store: str, options: argparse.Namespace) -> None:
    started = time.monotonic()
    ends = started + options.minutes * 60
    tally = Tally(store)
    platforms = options.platforms.split(",")
    runners = ["rounds", "threads"] if store == "sqlite" else ["rounds", "worker"]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lengow-crash-")))
        make = stack.enter_context(worlds(folder))
        new_store = stack.enter_context(store_urls(store))
        lengths: dict[str, tuple[World, float]] = {}
        for place, platform in enumerate(platforms, 1):
            world = make(f"{platform}-rounds", new_store(), platforms=(platform,), invoices=platform == platforms[0])
            happenings = Happenings(world)
            happenings.sell()
            world.lives(happenings, connect=True)
            happenings.sell()
            begun = time.monotonic()
            seen = world.lives(happenings)
            lengths[platform] = (world, time.monotonic() - begun)
            assert seen is not None
            tally.add(platform, "rounds", "(none)", 0, happenings.findings())
            at_each_point(
                world, points_of(seen), platform, tally, started + options.minutes * 36 * place / len(platforms)
            )
        platform = "woocommerce" if "woocommerce" in platforms else platforms[0]
        runner = runners[1]
        world = make(
            f"{platform}-{runner}",
            new_store(),
            platforms=(platform,),
            runner=runner,
            invoices=runner == "threads",
            **SHORT_LEASE,
        )
        happenings = Happenings(world)
        happenings.sell()
        seen = world.lives(happenings, connect=True)
        assert seen is not None
        points = [one for one in points_of(seen) if boundary_of(one.site) in KEY and one.nth == 0]
        at_each_point(world, points, platform, tally, started + options.minutes * 60 * 0.8)
        for place, (platform, (world, length)) in enumerate(lengths.items(), 1):
            share = options.random // (len(STORES) * len(platforms))
            left = (ends - time.monotonic()) / (len(platforms) - place + 1)
            at_random(world, share, length, platform, tally, time.monotonic() + left)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--random", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=14)
    parser.add_argument("--platforms", default=",".join(PLATFORMS))
    parser.add_argument("--store", default="")
    options = parser.parse_args()
    if options.store:
        run_store(options.store, options)
        return 0
    started = time.monotonic()
    common = [f"--random={options.random}", f"--minutes={options.minutes}", f"--platforms={options.platforms}"]
    running = [
        subprocess.Popen([sys.executable, __file__, f"--store={store}", *common], stdout=subprocess.PIPE, text=True)
        for store in STORES
    ]
    found: list[dict[str, Any]] = []
    readers = [threading.Thread(target=_read, args=(process, found)) for process in running]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    ended = [process.wait() for process in running]
    return show(found, time.monotonic() - started) or int(any(ended))


def _read(process: "subprocess.Popen[str]", found: list[dict[str, Any]]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        one = json.loads(line)
        found.append(one)
        for finding in one["findings"]:
            print(f"*** {one['store']} {one['platform']} {one['runner']}: {finding}", flush=True)


def show(found: list[dict[str, Any]], seconds: float) -> int:
    columns = sorted({(one["store"], one["runner"], one["platform"]) for one in found})
    deaths: dict[str, Counter[tuple[str, str, str]]] = defaultdict(Counter)
    for one in found:
        deaths[one["boundary"]][one["store"], one["runner"], one["platform"]] += one["deaths"]
    for part, place in (("store", 0), ("runner", 1), ("", 2)):
        print(f"{part:16}" + "".join(f"{column[place][:11]:>12}" for column in columns))
    for boundary in [*BOUNDARIES, "random"]:
        print(f"{boundary:16}" + "".join(f"{deaths[boundary][column]:>12}" for column in columns))
    points = sum(sum(deaths[one].values()) for one in BOUNDARIES)
    moments = sum(deaths["random"].values())
    wrong = sum(bool(one["findings"]) for one in found)
    late = sum(one["boundary"] == "out of time" for one in found)
    print(
        f"{points} deaths at boundaries, {moments} at random moments, {wrong} comparisons with findings,"
        f" {late} worlds cut short; {seconds:.0f} s."
    )
    return int(wrong > 0 or points == 0)


if __name__ == "__main__":
    sys.exit(main())
