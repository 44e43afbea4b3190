"""Confirmations through outbox and sandbox: speed, use of the quota, and what faults do to them."""

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from imports import marketplace_settings, sell

from lengow.connector import Connector
from lengow.connector.model import ActionState
from lengow.connector.steps import run_sends
from lengow.sandbox import Fault, SandboxControl, start_process

CONFIRMATIONS = 10_000
QUOTA = 3_000
QUOTA_MINUTES = 2
FAULTY = 500
ACTIONS = "/v3.0/orders/actions/"


def measure_actions() -> dict[str, tuple[float, str]]:
    """10,000 confirmations with the limiter off; the quota used over two minutes; 20 % faults."""
    lost, doubled = _with_faults()
    return {
        "confirmations_per_second": (_speed(), "≥ 400"),
        "percent_of_quota_used": (_quota_used(), "≥ 98"),
        "lost_with_faults": (lost, "≤ 0"),
        "doubled_with_faults": (doubled, "≤ 0"),
    }


def _speed() -> int:
    with start_process(quota_per_minute=0) as sandbox, tempfile.TemporaryDirectory() as folder:
        with _with_orders(sandbox, Path(folder), CONFIRMATIONS, quota=0) as connector:
            started = time.perf_counter()
            run_sends(connector._context, "main")
            seconds = time.perf_counter() - started
            _expect(len(connector.store.list_actions(states=[ActionState.SENT])), CONFIRMATIONS)
        return round(CONFIRMATIONS / seconds)


def _quota_used() -> float:
    """How long Lengow's quota lets two full minutes of calls take, to how long they took, in percent."""
    with start_process(quota_per_minute=QUOTA) as sandbox, tempfile.TemporaryDirectory() as folder:
        with _with_orders(sandbox, Path(folder), QUOTA * QUOTA_MINUTES + 500, quota=QUOTA) as connector:
            run_sends(connector._context, "main")
            refused = sum("rate_limited" in row.error for row in connector.store.list_actions())
        _expect(refused, 0)
        times = sorted(one.received_at for one in sandbox.ledger().told)
        seconds = (times[QUOTA * QUOTA_MINUTES] - times[0]).total_seconds()
        return round(100 * 60 * QUOTA_MINUTES / seconds, 1)


def _with_faults() -> tuple[int, int]:
    """Every fifth call meets latency, a 5xx or a lost answer; until all is told."""
    with start_process(quota_per_minute=0) as sandbox, tempfile.TemporaryDirectory() as folder:
        clock = _Clock()
        with _with_orders(sandbox, Path(folder), FAULTY, quota=0, clock=clock) as connector:
            kinds = ("latency", "status", "lost_before", "lost_after", "html_502")
            for number in range(FAULTY // 5):
                kind = kinds[number % len(kinds)]
                sandbox.fault(Fault(kind, method="POST", path=ACTIONS, after=number * 5, seconds=0.05))
            for _ in range(40):
                connector.work("main")
                sandbox.advance(minutes=10)
                clock.ahead += timedelta(minutes=10)
                if not connector.store.list_actions(states=[ActionState.QUEUED, ActionState.SENDING]):
                    break
        told = Counter((one.order_id, one.arguments.get("line")) for one in sandbox.ledger().told)
        return FAULTY - len(told), sum(count - 1 for count in told.values())


class _Clock:
    """This machine's clock, put forward as the sandbox's is."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def _with_orders(
    sandbox: SandboxControl, folder: Path, orders: int, *, quota: int, clock: Callable[[], datetime] | None = None
) -> Connector:
    """A connector whose orders are all in the shop and shipped, and whose confirmations are queued."""
    account = sell(sandbox, orders, {"standard": 1})
    settings = marketplace_settings(sandbox.url, account, folder, requests_per_minute=quota)
    connector = Connector(settings, clock=clock)
    connector.sync(report=False)
    for number in [order.order_id for order in sandbox.ledger().sold]:
        connector.ship("main", "manomano_fr", number, carrier="DPD", tracking_number=f"T{number}")
    return connector


def _expect(found: int, wanted: int) -> None:
    if found != wanted:
        raise SystemExit(f"{found} where {wanted} were expected")
