"""Keeps an account under Lengow's quota, for all threads of the process."""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable

from lengow.connector.errors import RateLimited

WINDOW_SECONDS = 60.5
"""Lengow counts per minute (reference lengow.md §1.4); half a second more keeps jitter on the way from crowding two."""

UNLIMITED = 1_000_000

LONGEST_WAIT = 61.0
"""Seconds that a call waits in place: a whole window. A longer one is left to the step, whose lease it would outlast."""


class Limiter:
    """At most `quota` calls a route in any window of a minute; waits where that is reached.

    Lengow's windows are fixed and their phase unknown; at most `quota` in *any* minute fits each of them.
    """

    def __init__(
        self,
        quota: int,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`quota` 0 means no limit."""
        self._quota = quota
        self._now = now
        self._sleep = sleep
        self._lock = threading.Lock()
        self._calls: dict[str, deque[float]] = defaultdict(deque)
        self._paused_until: dict[str, float] = defaultdict(float)

    def wait(self, route: str) -> float:
        """Wait until a call to this route may be sent, and count it. Returns the seconds waited.

        Raises RateLimited when Lengow asked for a longer pause than a caller should stand still for.
        """
        waited = 0.0
        while delay := self._take(route):
            if delay > LONGEST_WAIT:
                raise RateLimited(retry_after=delay)
            self._sleep(delay)
            waited += delay
        return waited

    def room(self, route: str) -> tuple[int, float]:
        """How many calls to this route may be sent at once, and in how many seconds the next one may."""
        with self._lock:
            now = self._now()
            pause = max(self._paused_until[route] - now, 0.0)
            if not self._quota:
                return (0 if pause else UNLIMITED), pause
            calls = self._calls[route]
            while calls and calls[0] + WINDOW_SECONDS <= now:
                calls.popleft()
            left = self._quota - len(calls)
            if left <= 0:
                pause = max(pause, (calls[0] + WINDOW_SECONDS) - now)
            return (0 if pause else left), pause

    def pause(self, route: str, seconds: float) -> None:
        """Send nothing to this route for so long: Lengow said so (`Retry-After`)."""
        with self._lock:
            self._paused_until[route] = max(self._paused_until[route], self._now() + seconds)

    def _take(self, route: str) -> float:
        """Count the call and return 0, or return how long to wait. One sum is compared and subtracted, so that it is
        never rounded to 0 where the call was not counted."""
        with self._lock:
            now = self._now()
            if now < self._paused_until[route]:
                return self._paused_until[route] - now
            if not self._quota:
                return 0
            calls = self._calls[route]
            while calls and calls[0] + WINDOW_SECONDS <= now:
                calls.popleft()
            if len(calls) >= self._quota:
                return (calls[0] + WINDOW_SECONDS) - now
            calls.append(now)
            return 0
