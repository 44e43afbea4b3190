"""Which stored package each package of an incoming order is. Pure.

`delivery.id` changes between reads, so a package is known by its line ids. A line that stands in a package whose
creation was begun stays there for good, so that no line is ever in two shop orders; what is left of an incoming package
is matched to a stored one that shares a line, or is new.
"""

from collections.abc import Sequence

import msgspec


class StoredPackage(msgspec.Struct, frozen=True, gc=False):
    id: int
    line_ids: tuple[str, ...]
    begun: bool
    """Its creation in the shop was begun or is done: its lines are its own for good."""


class Match(msgspec.Struct, frozen=True, gc=False):
    """One package to keep or to make: `stored` is None for a new one."""

    incoming: int
    """Which of the incoming packages its lines come from."""
    line_ids: tuple[str, ...]
    stored: int | None


class Assignment(msgspec.Struct, frozen=True):
    matches: tuple[Match, ...]
    withdrawn: tuple[int, ...]
    """Stored packages, not begun, none of whose lines is left to them."""


def assign(stored: Sequence[StoredPackage], incoming: Sequence[tuple[str, ...]]) -> Assignment:
    """Give each incoming line to exactly one package; a line that comes twice, to the first."""
    settled = {line for package in stored if package.begun for line in package.line_ids}
    open_ones = {package.id: package for package in stored if not package.begun}
    matches = []
    for position, line_ids in enumerate(incoming):
        left = tuple(dict.fromkeys(line for line in line_ids if line not in settled))
        if line_ids and not left:
            continue
        settled.update(left)
        same = next((one.id for one in open_ones.values() if _same(one.line_ids, left)), None)
        if same is not None:
            del open_ones[same]
        matches.append(Match(position, left, same))
    return Assignment(tuple(matches), tuple(open_ones))


def _same(stored: tuple[str, ...], incoming: tuple[str, ...]) -> bool:
    return bool(set(stored) & set(incoming)) or (not stored and not incoming)
