"""The built-in runner: one thread an account and one a shop, so that a slow shop holds up no other."""

import logging
import threading
from collections.abc import Callable
from functools import partial

from lengow.connector.context import Context
from lengow.connector.errors import LengowError
from lengow.connector.model import StepKind
from lengow.connector.steps import (
    run_creations,
    run_events,
    run_import,
    run_outcomes,
    run_poll,
    run_reports,
    run_sends,
    schedule,
)

log = logging.getLogger("lengow.connector.runner")

IDLE_SECONDS = 1.0
"""How soon a step that became due is seen."""


class Runner:
    """Works off due steps until stopped. Several processes may run one each: leases keep them apart."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        for account in self._context.settings.accounts:
            schedule(self._context, account)
            self._spawn(f"lengow-account-{account}", partial(self._account_round, account))
        for shop in self._context.settings.shops:
            self._spawn(f"lengow-shop-{shop}", partial(self._shop_round, shop))

    def stop(self, timeout: float | None) -> bool:
        self._stopping.set()
        for thread in self._threads:
            thread.join(timeout)
        return not any(thread.is_alive() for thread in self._threads)

    def _spawn(self, name: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=self._loop, args=(name, work), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _loop(self, name: str, work: Callable[[], None]) -> None:
        while not self._stopping.is_set():
            try:
                work()
            except LengowError as error:
                log.warning("round failed", extra={"thread": name, "code": error.code, "error": str(error)})
            except Exception:
                log.exception("round raised", extra={"thread": name})
            self._stopping.wait(IDLE_SECONDS)

    def _account_round(self, account: str) -> None:
        context = self._context
        run_sends(context, account)
        run_import(context, account, StepKind.IMPORT)
        run_import(context, account, StepKind.IMPORT_DAILY)
        run_outcomes(context, account)
        run_reports(context, account)

    def _shop_round(self, shop: str) -> None:
        run_creations(self._context, shop)
        run_poll(self._context, shop)
        run_events(self._context, shop)
