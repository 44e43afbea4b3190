"""`make crash`: kill -9 at every boundary of every effect, on each platform, store and runner; then at random moments.

    python tests/crash/matrix.py [--random 1000] [--limit 45] [--at-once 2] [--only postgresql/,/worker] [--json FILE]

A *part* is a platform, store and runner with a Lengow, a shop and a mail server of its own, in a process of its own. Each
point gets new orders, and a life of the connector that dies there. A few deaths are survived by one life that is left
alone; then all ledgers are compared: what was sold, what the shops hold and took from their stock, what the marketplace
was told, what was mailed. Then come random moments, lives that stand still and are overtaken, and last the connector
with one protection taken out at a time, which the ledgers must notice.

The exit code is 1 if anything was lost, doubled or left unexplained, or a missing protection was not noticed; 2 if the
limit of time cut it short; 0 only after all of it.
"""

import argparse
import json
import os
import platform as machine
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

from broken import BROKEN
from deaths import (
    BOUNDARIES,
    KEY,
    OWN,
    Deaths,
    at_each_point,
    at_random,
    boundary_of,
    points_of,
    standing_points,
    standing_still,
)
from world import PLATFORMS, Happenings, store_urls, worlds

STORES = ("postgresql", "sqlite")

RANDOM = {"rounds": 40, "threads": 30, "worker": 60}
"""Random deaths of a part, of 1,000 in all."""

ALL_POINTS = "woocommerce"
"""On this platform the runners that do not end by themselves die at every point, too; on the others at the key ones."""

TOLD_EVERY = 20
"""Seconds between two lines that tell how far it is."""

GRACE = 120
"""Seconds beyond the limit after which a part that has not ended is ended."""


class Part(NamedTuple):
    store: str
    platform: str
    runner: str
    without: str = ""
    """A name in BROKEN."""

    @property
    def name(self) -> str:
        return "/".join(filter(None, self))


def parts() -> list[Part]:
    """The longest first, beside short ones."""
    workers = [Part("postgresql", one, "worker") for one in PLATFORMS]
    threads = [Part(store, one, "threads") for one in PLATFORMS for store in STORES]
    rounds = [Part(store, one, "rounds") for one in PLATFORMS for store in STORES]
    broken = [Part("sqlite", one.platform, "rounds", name) for name, one in BROKEN.items()]
    return [*workers, *threads, *rounds, *broken]


def run(part: Part, count: int, ends: float) -> bool:
    """Whether all of it was done; what is found is printed, a line of JSON each."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lengow-crash-")))
        make = stack.enter_context(worlds(folder))
        new_store = stack.enter_context(store_urls(part.store))
        invoices = part.platform == PLATFORMS[0] and (part.runner == "rounds" or part.store == "sqlite")
        world = make(part.platform, new_store(), platforms=(part.platform,), runner=part.runner, invoices=invoices)
        happenings = Happenings(world)
        happenings.sell()
        world.lives(happenings, connect=True)
        happenings.sell()
        seen = world.lives(happenings)
        assert seen is not None
        happenings.sell()
        renewing = world.lives(happenings, renews=True) or {}
        tell(Deaths("(none)", 0, happenings.findings()))
        points = points_of(seen | {key: times for key, times in renewing.items() if boundary_of(key[0]) == "lease"})
        if part.without:
            return run_without(part, world, points, standing_points(seen), ends)
        if part.runner != "rounds" and part.platform != ALL_POINTS:
            points = [
                one for one in points if boundary_of(one.site) in OWN or (boundary_of(one.site) in KEY and one.nth == 0)
            ]
        done = at_each_point(world, points, tell, ends)
        if part.runner == "rounds":
            done = done and standing_still(world, standing_points(seen), tell, ends)
        return done and at_random(world, count, tell, ends)


def run_without(part: Part, world: Any, points: list[Any], standing_at: list[Any], ends: float) -> bool:
    """Until something is found, which is as it should be."""
    broken = BROKEN[part.without]
    noticed: list[str] = []

    def listen(deaths: Deaths) -> None:
        noticed.extend(deaths.findings)

    def standing(one: Any) -> None:
        standing_still(world, [one], listen, ends, without=(part.without,))

    def dying(one: Any) -> None:
        at_each_point(world, [one], listen, ends, broken.wait, lambda _: broken.goes_on, without=(part.without,))

    tries = standing_at if broken.overtaken else [p for p in points if boundary_of(p.site) in broken.boundaries]
    deaths = 0
    for point in tries:
        (standing if broken.overtaken else dying)(point)
        deaths += 1
        if noticed:
            tell(Deaths("noticed", deaths, []), noticed=noticed[1])
            return True
        if time.time() > ends:
            return False
    tell(Deaths("noticed", deaths, [f"without {part.without}, nothing is noticed in {deaths} deaths"]))
    return True


def tell(deaths: Deaths, **more: str) -> None:
    print(json.dumps(deaths._asdict() | more), flush=True)


class Run:
    """All parts, a few at once."""

    def __init__(self, chosen: list[Part], count: int, ends: float) -> None:
        self.found: list[dict[str, Any]] = []
        self.ended: dict[Part, int] = {}
        self.started = time.time()
        self._parts: queue.SimpleQueue[Part] = queue.SimpleQueue()
        for part in chosen:
            self._parts.put(part)
        self._all, self._count, self._ends = len(chosen), count, ends
        self._running: set[int] = set()

    def go(self, at_once: int) -> None:
        """Until all have ended. Ctrl-C cuts it short, as the limit of time does."""
        threads = [threading.Thread(target=self._work) for _ in range(at_once)]
        for thread in threads:
            thread.start()
        told = 0.0
        while any(thread.is_alive() for thread in threads):
            try:
                time.sleep(0.5)
            except KeyboardInterrupt:
                self._ends = 0
                for process in list(self._running):
                    os.killpg(process, signal.SIGKILL)
            if time.time() - told > TOLD_EVERY:
                told = time.time()
                print(self.progress(), flush=True)

    def progress(self) -> str:
        deaths, wrong = sum(one["count"] for one in self.found), sum(bool(one["findings"]) for one in self.found)
        return (
            f"{time.time() - self.started:5.0f} s: {len(self.ended)} of {self._all} parts,"
            f" {deaths} deaths, {wrong} comparisons with findings"
        )

    def _work(self) -> None:
        while True:
            try:
                part = self._parts.get_nowait()
            except queue.Empty:
                return
            if time.time() > self._ends:
                self.ended[part] = 2
                continue
            self._run(part)

    def _run(self, part: Part) -> None:
        share = round(RANDOM[part.runner] * self._count / 1000)
        command = [sys.executable, __file__, "--part", part.name, f"--random={share}", f"--ends={self._ends}"]
        with tempfile.TemporaryFile("w+") as errors:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
            )
            kill = threading.Timer(self._ends + GRACE - time.time(), os.killpg, (process.pid, signal.SIGKILL))
            kill.start()
            self._running.add(process.pid)
            assert process.stdout is not None
            for line in process.stdout:
                self._add(part, json.loads(line))
            code = process.wait()
            self._running.discard(process.pid)
            kill.cancel()
            if time.time() > self._ends and code < 0:
                code = 2
            if code not in (0, 2):
                errors.seek(0)
                said = errors.read()[-3000:]
                self._add(part, Deaths("(none)", 0, [f"it ended with {code}: {said}"])._asdict())
            self.ended[part] = code

    def _add(self, part: Part, one: dict[str, Any]) -> None:
        self.found.append(one | {"part": part})
        for finding in one["findings"]:
            print(f"*** {part.name}: {finding}", flush=True)

    def summary(self) -> dict[str, Any]:
        total = Counter[str]()
        by_part: dict[str, Counter[str]] = defaultdict(Counter)
        for one in self.found:
            total[one["boundary"]] += one["count"]
            by_part[one["part"].name][one["boundary"]] += one["count"]
        return {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": f"{machine.machine()}, {os.cpu_count()} cores, Python {machine.python_version()}",
            "seconds": round(time.time() - self.started),
            "at_boundaries": sum(total[one] for one in BOUNDARIES),
            "at_random_moments": total["random"],
            "stood_still": total["stood still"],
            "by_boundary": dict(total),
            "by_part": {name: dict(counts) for name, counts in by_part.items()},
            "noticed_without": {one["part"].without: one["noticed"] for one in self.found if "noticed" in one},
            "findings": [f"{one['part'].name}: {finding}" for one in self.found for finding in one["findings"]],
            "complete": sorted(part.name for part, code in self.ended.items() if code == 0),
            "cut_short": sorted(part.name for part, code in self.ended.items() if code == 2),
        }


def show(summary: dict[str, Any]) -> int:
    columns = sorted({name.split("/")[0] + "/" + name.split("/")[2] for name in summary["by_part"]})
    print(f"\n{'deaths':18}" + "".join(f"{column:>20}" for column in columns) + f"{'all':>8}")
    for boundary in (*BOUNDARIES, "random", "stood still"):
        counts = Counter[str]()
        for name, found in summary["by_part"].items():
            counts["/".join(name.split("/")[:3:2])] += found.get(boundary, 0)
        print(f"{boundary:18}" + "".join(f"{counts[one]:>20}" for one in columns) + f"{counts.total():>8}")
    for platform in PLATFORMS:
        of = [sum(found.values()) for name, found in summary["by_part"].items() if name.split("/")[1] == platform]
        print(f"{platform}: {sum(of)}", end="; ")
    print("\n\nwith one protection taken out, the ledgers notice:")
    for name, noticed in summary["noticed_without"].items():
        print(f"  {name:18} {noticed[:120]}")
    print(
        f"\n{summary['at_boundaries']} deaths at boundaries, {summary['at_random_moments']} at random moments,"
        f" {summary['stood_still']} stood still and were overtaken: {len(summary['findings'])} findings."
        f" {summary['seconds']} s."
    )
    if summary["cut_short"]:
        print(f"CUT SHORT by the limit of time, and no proof: {', '.join(summary['cut_short'])}")
    return 1 if summary["findings"] else 2 if summary["cut_short"] else 0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--random", type=int, default=1000, help="deaths at random moments, over all parts")
    parser.add_argument("--limit", type=float, default=45, help="minutes after which it is cut short, and fails")
    parser.add_argument("--at-once", type=int, default=3, help="parts")
    parser.add_argument("--only", default="", help="parts whose names have one of these in them, by commas")
    parser.add_argument("--json", default="build/crash.json", help="where the figures go")
    parser.add_argument("--part", default="", help=argparse.SUPPRESS)
    parser.add_argument("--ends", type=float, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        return 0 if run(Part(*options.part.split("/")), options.random, options.ends) else 2
    chosen = [part for part in parts() if any(one in part.name for one in options.only.split(","))]
    with ExitStack() as stack:
        if any(part.store == "postgresql" for part in chosen):
            from postgres_server import VARIABLE, running_server

            os.environ[VARIABLE] = stack.enter_context(running_server())
        running = Run(chosen, options.random, time.time() + options.limit * 60)
        running.go(options.at_once)
    summary = running.summary()
    file = Path(options.json)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return show(summary)


if __name__ == "__main__":
    sys.exit(main())
