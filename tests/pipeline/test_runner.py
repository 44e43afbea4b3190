"""The schedule in threads of the host: due work is done, a second process keeps out of the way, stop is clean."""

import time
from typing import Any

from lengow.connector import Connector
from lengow.connector.model import StepKind


def test_in_the_background_orders_arrive_and_shipments_leave(merchant: Any) -> None:
    [order_id] = merchant.sells()
    merchant.connector.start()
    _wait_until(lambda: merchant.connector.store.find_orders(order_id) and merchant.state(order_id)[0] == "created")
    merchant.connector.ship("main", "manomano_fr", order_id, carrier="DPD", tracking_number="1")
    _wait_until(lambda: merchant.sandbox.ledger().told)
    assert merchant.connector.stop()


def test_the_next_import_is_due_in_a_quarter_of_an_hour_and_the_daily_one_at_three(merchant: Any) -> None:
    merchant.sync()
    due = {step.kind: step.due_at for step in merchant.connector.store.steps()}
    now = merchant.sandbox.now()
    assert 14 * 60 < (due[StepKind.IMPORT] - now).total_seconds() <= 15 * 60
    assert (due[StepKind.IMPORT_DAILY].hour, due[StepKind.IMPORT_DAILY].minute) == (3, 0)
    assert due[StepKind.IMPORT_DAILY] > now


def test_of_two_processes_on_one_store_only_one_imports_an_account(merchant: Any) -> None:
    """The lease of the import step is held by the first."""
    merchant.sync()
    store, now = merchant.connector.store, merchant.sandbox.now()
    with store.transaction() as tx:
        [step] = tx.claim(StepKind.IMPORT, now, merchant.connector._context.lease_end(), limit=1, force=True)
    with Connector(merchant.settings(), clock=merchant.sandbox.now) as second:
        [round_] = second.sync()
    assert round_.imported is None
    with store.transaction() as tx:
        tx.postpone(step, now)
    with Connector(merchant.settings(), clock=merchant.sandbox.now) as second:
        [round_] = second.sync()
    assert round_.imported is not None


def test_stop_without_start_and_close_twice_are_harmless(merchant: Any) -> None:
    assert merchant.connector.stop()
    merchant.connector.close()
    merchant.connector.close()


def test_a_hosts_own_job_engine_runs_steps_one_by_one(merchant: Any) -> None:
    [order_id] = merchant.sells()
    connector = merchant.connector
    merchant.sync()
    [action] = connector.ship("main", "manomano_fr", order_id, carrier="DPD", tracking_number="1")
    assert connector.run_step("send", str(action.id))
    assert not connector.run_step("send", str(action.id))
    assert len(merchant.sandbox.ledger().told) == 1


def _wait_until(condition: Any, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
