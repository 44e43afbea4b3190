"""A long window in slices, each closed for itself: however long an outage was, what was read of it is not read again."""

from collections.abc import Iterator
from datetime import datetime, timedelta

LONGEST = timedelta(days=7)
"""Lengow's own default window (reference lengow.md §2.1). No bound of a window or of its pages is documented; lists stay
short enough to be counted and paged quickly."""


def slices(since: datetime, until: datetime, longest: timedelta = LONGEST) -> Iterator[tuple[datetime, datetime]]:
    """The oldest first; each begins where the one before ended. At least one, also where nothing lies between."""
    start = since
    while until - start > longest:
        yield start, start + longest
        start += longest
    yield start, until
