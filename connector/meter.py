"""Counts what no table of the store has: calls to Lengow and how long they took, and deliveries to the webhook receiver.

One a connector, for this process since it was started.
"""

import threading
from bisect import bisect_left
from collections import Counter
from typing import NamedTuple

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)
"""Upper bounds in seconds; Lengow's calls are given up after 10 to 20."""


class Call(NamedTuple):
    account: str
    method: str
    route: str
    outcome: str
    """The HTTP status, or `lost` or `not_sent`."""


class Delivery(NamedTuple):
    shop: str
    outcome: str
    """`accepted`, `already_taken`, `no_news`, or an error code."""


class Durations:
    """How many took up to each of `BUCKETS`, and longer."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds


class Meter:
    """Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: dict[Call, Durations] = {}
        self._deliveries: Counter[Delivery] = Counter()

    def called(self, account: str, method: str, route: str, outcome: str, seconds: float) -> None:
        with self._lock:
            self._calls.setdefault(Call(account, method, route, outcome), Durations()).add(seconds)

    def delivered(self, shop: str, outcome: str) -> None:
        with self._lock:
            self._deliveries[Delivery(shop, outcome)] += 1

    def calls(self) -> dict[Call, tuple[list[int], float]]:
        """By call: how many in each bucket, and the seconds of all."""
        with self._lock:
            return {call: (list(one.counts), one.seconds) for call, one in self._calls.items()}

    def deliveries(self) -> dict[Delivery, int]:
        with self._lock:
            return dict(self._deliveries)
