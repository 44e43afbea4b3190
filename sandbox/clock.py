"""Sandbox time: it runs with real time, and jumps forward when told to."""

import time
from datetime import UTC, datetime, timedelta


class Clock:
    """An aware UTC clock that starts at `start` (default: the real now) and never runs backwards."""

    def __init__(self, start: datetime | None = None) -> None:
        if start is not None and start.tzinfo is None:
            raise ValueError("start needs a time zone, such as datetime(2026, 9, 1, tzinfo=UTC)")
        self.start = (start or datetime.now(UTC)).astimezone(UTC)
        self._origin = time.monotonic()
        self._jumps = timedelta()

    def now(self) -> datetime:
        return self.start + self._jumps + timedelta(seconds=time.monotonic() - self._origin)

    def jump(self, by: timedelta) -> None:
        if by < timedelta():
            raise ValueError("sandbox time only moves forward")
        self._jumps += by


def iso(instant: datetime) -> str:
    """With microseconds, as Lengow writes its own dates: `2026-09-01T08:30:11.120000Z` (reference 2.9)."""
    return f"{instant:%Y-%m-%dT%H:%M:%S.%f}Z"


def iso_seconds(instant: datetime) -> str:
    """Without microseconds, as dates that come from the marketplace: `2026-09-01T08:15:00Z` (reference 2.9)."""
    return f"{instant:%Y-%m-%dT%H:%M:%S}Z"
