"""Lives that die in a world, or stand still in it, and what is found after a life that is left alone."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from lives import Point, live
from world import Happenings, World

TOGETHER = 6
"""Deaths that are survived by one life."""

RANDOM_TOGETHER = 20

IN_REAL_TIME = 4
"""Of so many deaths of workers, one is noticed by the silence itself; the others' silence is moved on like a clock."""

BOUNDARIES = {
    "record": ("connector.recorder.", "connector.importer."),
    "claim": ("connector.steps._claim",),
    "lease": ("connector.leases.",),
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
    "job": ("procrastinate ", "connector.worker."),
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

OWN = ("claim", "job", "lease")
"""What differs between runners: taken more often."""

FENCED = ("intent", "action intent", "claim", "outcome", "action outcome", "report", "follow", "invoice")
"""Where a life may stand still for longer than its lease, and still must not do again what another has done."""


class Deaths(NamedTuple):
    """What a comparison was made of. `boundary`: a name in BOUNDARIES, or `random`, `stood still`, `(none)`."""

    boundary: str
    count: int
    findings: Sequence[str]


Tell = Callable[[Deaths], None]


def boundary_of(site: str) -> str:
    return next(name for name, starts in BOUNDARIES.items() if site.startswith(starts))


def points_of(seen: dict[tuple[str, str], int]) -> list[Point]:
    """Each site and moment the first time, and once in the middle where it is passed often. What is before a commit is
    after the effect before it. The most telling ones come first."""
    points = []
    for (site, moment), times in sorted(seen.items()):
        boundary = boundary_of(site)
        if moment == "before" and site.endswith("commit"):
            continue
        often = {0}
        if times >= 4 and boundary != "schedule":
            often |= {times // 4, times // 2, 3 * times // 4} if boundary in OWN else {times // 2}
        points += [Point(site, moment, nth) for nth in sorted(often)]
    return sorted(points, key=lambda one: (boundary_of(one.site) not in KEY, one.nth))


def standing_points(seen: dict[tuple[str, str], int]) -> list[Point]:
    """Right after a claim, and right before an outcome is written. Between its last look at the fence and the shop's
    answer, a process that stands still for longer than a lease does what no client can prevent."""
    return [
        Point(site, moment)
        for site, moment in sorted(seen)
        if boundary_of(site) in FENCED
        and site.endswith("commit")
        and moment == ("after" if "_claim" in site else "before")
    ]


def at_each_point(
    world: World,
    points: Sequence[Point],
    tell: Tell,
    ends: float,
    wait: float = 0,
    goes_on: Callable[[int], bool] = lambda place: place % 2 > 0,
    **changes: object,
) -> bool:
    """Whether all was done before `ends`, by `time.time()`.

    `wait`: minutes before what is sold is looked for. `goes_on`: after which deaths the world goes on before the next
    life: buyers cancel and correct what may or may not be in the shop.
    """
    happenings = Happenings(world)
    died: list[Point] = []
    for place, point in enumerate(points):
        happenings.sell()
        world.advance(wait)
        renews = boundary_of(point.site) == "lease"
        if world.lives(happenings, point, **{"renews": renews, **changes}) is None:
            died.append(point)
            notice_the_dead(world)
        if goes_on(place):
            happenings.happens()
        late = time.time() > ends
        if len(died) >= TOGETHER or place == len(points) - 1 or late:
            findings = survived(world, happenings, **changes)
            if findings:
                findings.insert(0, f"killed at {[tuple(one[:3]) for one in died]}")
            for boundary, count in Counter(boundary_of(one.site) for one in died).items():
                tell(Deaths(boundary, count, findings))
                findings = []
            died, happenings = [], Happenings(world)
            if late and place < len(points) - 1:
                return False
    return True


def at_random(world: World, count: int, tell: Tell, ends: float) -> bool:
    """`count` deaths, at moments that are drawn. Whether all of them came before `ends`."""
    chance = random.Random(f"{world.facts.runner} {list(world.shops)} {world.facts.store.partition(':')[0]}")
    happenings, died, tries = Happenings(world), 0, 0
    longest = 0.0
    while count > 0:
        if tries % 2 == 0:
            happenings.sell()
        tries += 1
        if longest and killed_within(world, happenings, chance.uniform(0, longest)):
            died += 1
            count -= 1
            notice_the_dead(world)
        late = time.time() > ends
        if died >= RANDOM_TOGETHER or count == 0 or late or not longest:
            begun = time.monotonic()
            tell(Deaths("random", died, survived(world, happenings)))
            longest = time.monotonic() - begun
            died, happenings = 0, Happenings(world)
            if late and count:
                return False
    return True


def standing_still(world: World, points: Sequence[Point], tell: Tell, ends: float, **changes: object) -> bool:
    """Each point passed by a life that stands still there, while another does all there is to do."""
    for place, point in enumerate(points):
        happenings = Happenings(world)
        happenings.sell()
        stood = world.overtaken(happenings, point, **changes)
        findings = survived(world, happenings, **changes)
        if findings:
            findings.insert(0, f"stood still at {tuple(point[:3])}")
        tell(Deaths("stood still", int(stood), findings))
        if time.time() > ends and place < len(points) - 1:
            return False
    return True


def notice_the_dead(world: World) -> None:
    if world.deaths % IN_REAL_TIME:
        world.passes_for_the_dead()


def killed_within(world: World, happenings: Happenings, seconds: float) -> bool:
    child, pipe = world.start(live, None)
    timer = threading.Timer(seconds, child.kill)
    timer.start()
    try:
        return world.served(child, pipe, happenings) is None
    finally:
        timer.cancel()
        world.advance(3)


def survived(world: World, happenings: Happenings, **changes: object) -> list[str]:
    """What is found after a life that is left alone; one more where something waits for its next try."""
    world.advance(16)
    world.lives(happenings, **changes)
    findings = happenings.findings()
    if findings:
        world.advance(30)
        world.lives(happenings, **changes)
        findings = happenings.findings()
    return findings + world.state() if findings else []
