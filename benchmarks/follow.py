"""Following Lengow: of 50,000 orders in the shop 1 % changed there, and only those cost anything."""

import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from imports import marketplace_settings, sell

from lengow.adapters.generic import GenericAdapter
from lengow.connector import Connector
from lengow.connector.adapter import Change, ShopOrder, UpdateOutcome
from lengow.sandbox import SandboxControl, start_process

ORDERS = 50_000
CHANGED = 500


def measure_follow() -> dict[str, tuple[float, str]]:
    """One round after a day on which 500 orders changed: half are cancelled, half get another address."""
    calls = 0
    update_order = GenericAdapter.update_order

    def counted(adapter: GenericAdapter, shop_order: ShopOrder, change: Change) -> UpdateOutcome:
        nonlocal calls
        calls += 1
        return update_order(adapter, shop_order, change)

    GenericAdapter.update_order = counted  # type: ignore[method-assign]
    clock = _Clock()
    with start_process(quota_per_minute=0, start=clock()) as sandbox, tempfile.TemporaryDirectory() as folder:
        account = sell(sandbox, ORDERS)
        with Connector(marketplace_settings(sandbox.url, account, Path(folder)), clock=clock) as connector:
            connector.sync(report=False)
            _expect(Path(folder), "to_ship", ORDERS)
            for _ in range(2):  # after which the last window's overlap holds none of them any more
                connector.sync(report=False)
                sandbox.advance(hours=3)
                clock.ahead += timedelta(hours=3)
            quiet = _timed(lambda: connector.sync(report=False))
            if calls:
                raise SystemExit(f"{calls} calls where nothing changed")
            _change(sandbox)
            clock.ahead += timedelta(minutes=15)
            before = sum(sandbox.ledger().requests.values())
            wall = _timed(lambda: connector.sync(report=False))
            asked = sum(sandbox.ledger().requests.values()) - before
            _expect(Path(folder), "cancelled", CHANGED // 2)
            waiting = len(connector.changes())
    return {
        "seconds_for_500_changed_of_50000": (round(wall, 2), "≤ 10"),
        "shop_calls_a_changed_order": (round(calls / CHANGED, 3), "≤ 1"),
        "calls_to_lengow": (asked, "≤ 20"),
        "waiting_for_a_person": (waiting, "≤ 0"),
        "seconds_where_nothing_changed": (round(quiet, 2), "≤ 1"),
    }


class _Clock:
    """From nine in the morning, so that the round of the last three days falls into no measurement."""

    def __init__(self) -> None:
        self.ahead = timedelta()
        self._nine = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0)
        self._began = time.monotonic()

    def __call__(self) -> datetime:
        return self._nine + self.ahead + timedelta(seconds=time.monotonic() - self._began)


def _change(sandbox: SandboxControl) -> None:
    ids = [one.order_id for one in sandbox.ledger().sold[:: ORDERS // CHANGED]]
    for number, order_id in enumerate(ids):
        if number % 2:
            sandbox.amend(order_id, {"city": "Sète"})
        else:
            sandbox.cancel(order_id)
    sandbox.advance(minutes=15)


def _expect(folder: Path, status: str, wanted: int) -> None:
    with closing(sqlite3.connect(folder / "shop.db")) as db:
        (held,) = db.execute("SELECT count(*) FROM shop_orders WHERE status = ?", [status]).fetchone()
    if held != wanted:
        raise SystemExit(f"{held} orders are {status} where {wanted} were expected")


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
