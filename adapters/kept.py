"""What is read of a shop once and kept for a while. Safe to share between threads; one reads, the others wait for it."""

import threading
import time
from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from lengow.adapters.calls import Deadline

T = TypeVar("T")


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
