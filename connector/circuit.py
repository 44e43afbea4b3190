"""Pauses a shop that does not answer, so that a long queue does not run into its time-outs one by one."""

import threading
from datetime import datetime, timedelta

FIRST_PAUSE = timedelta(seconds=15)
LONGEST_PAUSE = timedelta(minutes=15)


class Circuit:
    """One a process. A shop that answered nothing to a whole batch is left alone, longer each time in a row."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._silent: dict[str, tuple[int, datetime]] = {}

    def open(self, shop: str, now: datetime) -> bool:
        """Whether the shop is being left alone."""
        with self._lock:
            return shop in self._silent and now < self._silent[shop][1]

    def note(self, shop: str, now: datetime, *, answered: bool) -> None:
        """Take in how a batch went."""
        with self._lock:
            if answered:
                self._silent.pop(shop, None)
                return
            times = self._silent.get(shop, (0, now))[0] + 1
            self._silent[shop] = (times, now + min(FIRST_PAUSE * 2 ** min(times - 1, 10), LONGEST_PAUSE))
