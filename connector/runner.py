"""The built-in runner: a thread a kind of work for each account and each shop, so that none holds up another."""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial

from lengow.connector.context import Context
from lengow.connector.errors import LengowError
from lengow.connector.lanes import lanes_of
from lengow.connector.steps import schedule

log = logging.getLogger("lengow.connector.runner")

IDLE_SECONDS = 1.0
"""How soon a step that became due is seen."""


LONGEST_PAUSE = 60.0
"""Seconds between two looks while each fails, such as while the disk is full: the log must not fill it further."""


class Runner:
    """Works off due steps until stopped. Several processes may run one each: leases keep them apart."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._stopping = context.stopping
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        context = self._context
        context.stopping.clear()
        for account in context.settings.accounts:
            schedule(context, account)
        for lane in lanes_of(context):
            self._spawn(f"lengow-{lane.name}", partial(lane.work, context))

    def stop(self, timeout: float | None) -> bool:
        """End what is under way, in `timeout` seconds for all of it; whether it did."""
        self._stopping.set()
        ends = None if timeout is None else time.monotonic() + timeout
        for thread in self._threads:
            thread.join(None if ends is None else max(ends - time.monotonic(), 0))
        ended = not any(thread.is_alive() for thread in self._threads)
        if ended:
            self._stopping.clear()
        return ended

    def _spawn(self, name: str, work: Callable[[], object]) -> None:
        thread = threading.Thread(target=self._loop, args=(name, work), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _loop(self, name: str, work: Callable[[], object]) -> None:
        pause = IDLE_SECONDS
        while not self._stopping.is_set():
            try:
                work()
                pause = IDLE_SECONDS
            except LengowError as error:
                log.warning("round failed", extra={"worker": name, "code": error.code, "error": str(error)})
                pause = min(2 * pause, LONGEST_PAUSE)
            except Exception:
                log.exception("round raised", extra={"worker": name})
                pause = min(2 * pause, LONGEST_PAUSE)
            self._stopping.wait(pause)
