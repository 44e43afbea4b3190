"""What is read of a shop once and kept for a while. Safe to share between threads; one reads, the others wait for it."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

from lengow.adapters.calls import Deadline

T = TypeVar("T")

MOST_PRODUCTS = 10_000


class Kept(ABC, Generic[T]):
    """A subclass says what is read, and for how many `seconds` it is kept."""

    seconds: float

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: tuple[float, T] | None = None

    def get(self, deadline: Deadline) -> T:
        """Raises what reading raises."""
        with self._lock:
            if self._kept is None or time.monotonic() - self._kept[0] > self.seconds:
                self._kept = (time.monotonic(), self._read(deadline))
            return self._kept[1]

    def forget(self) -> None:
        with self._lock:
            self._kept = None

    @abstractmethod
    def _read(self, deadline: Deadline) -> T: ...


class KeptProducts(Generic[T]):
    """Products by the reference that they were asked for with, for some seconds: long enough for a batch of creations."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, tuple[T, ...]]] = {}

    def recent(self, references: Iterable[str]) -> dict[str, tuple[T, ...]]:
        now = time.monotonic()
        with self._lock:
            kept = ((one, self._kept.get(one)) for one in references)
            return {one: entry[1] for one, entry in kept if entry is not None and now - entry[0] < self._seconds}

    def keep(self, found: Mapping[str, tuple[T, ...]]) -> None:
        """Only what is one product: a merchant who mends a reference is not kept waiting."""
        now = time.monotonic()
        with self._lock:
            if len(self._kept) + len(found) > MOST_PRODUCTS:
                self._kept.clear()
            self._kept.update({one: (now, products) for one, products in found.items() if len(products) == 1})

    def forget(self) -> None:
        with self._lock:
            self._kept.clear()
