"""The schedule in threads of the host: due work is done, a second process keeps out of the way, stop is clean."""

import time
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from told import ORDERS

from lengow.connector import Connector, Settings
from lengow.connector.errors import ApiError, StepUnknown, StoreError
from lengow.connector.lanes import sliced
from lengow.connector.model import StepKind
from lengow.connector.secret import Secret
from lengow.sandbox import Fault


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


def test_stop_ends_at_once_though_the_quota_is_waited_for(make_merchant: Any) -> None:
    merchant = make_merchant(account={"requests_per_minute": 30})
    merchant.sells(60)
    merchant.connector.sync(report=False)
    merchant.connector.start()
    _wait_until(lambda: sum(bool(one.merchant_order_ids) for one in merchant.sandbox.ledger().sold) > 5)
    assert merchant.connector.stop(timeout=5)
    [order_id, *_] = [one.order.marketplace_order_id for one in merchant.orders()]
    assert merchant.connector.ship("main", "manomano_fr", order_id, carrier="DPD", tracking_number="1")


def test_a_client_outlives_the_turn_of_a_worker_that_made_it(merchant: Any) -> None:
    """What it waits for later, such as a quota, is no end of the connector."""
    merchant.sells()
    turn = sliced(merchant.connector.context, 0)
    with suppress(ApiError):
        turn.client("main").me()
    merchant.sandbox.fault(Fault("rate_limit", path=ORDERS))
    merchant.sandbox.fault(Fault("status", path=ORDERS, after=1))
    assert merchant.sync().imported.error is None


def test_reports_hold_up_no_confirmation(make_merchant: Any) -> None:
    merchant = make_merchant(account={"requests_per_minute": 40})
    merchant.sells(80)
    merchant.connector.sync(report=False)
    merchant.connector.start()
    [order_id, *_] = merchant.in_shop()
    merchant.connector.ship("main", "manomano_fr", order_id, carrier="DPD", tracking_number="1")
    _wait_until(lambda: merchant.sandbox.ledger().told, seconds=5)
    merchant.connector.stop()


def test_a_shop_whose_settings_are_wrong_holds_up_no_other(merchant: Any) -> None:
    merchant.connector.close()
    settings = merchant.settings()
    broken = msgspec.structs.replace(
        settings.shops["b2c"], marketplaces=("manomano_es",), webhook_secrets=(Secret("whsec_short"),)
    )
    healthy = msgspec.structs.replace(settings.shops["b2c"], marketplaces=("manomano_fr",))
    settings = Settings(accounts=settings.accounts, shops={"aside": broken, "b2c": healthy}, store=settings.store)
    [order_id] = merchant.sells()
    with Connector(settings, clock=merchant.sandbox.now) as connector:
        [round_] = connector.sync()
        assert [text.split(":")[0] for text in round_.errors] == ["aside"] * len(round_.errors) != []
        assert connector.order("main", "manomano_fr", order_id).order.state == "created"


def test_many_rounds_leave_no_connections_behind(merchant: Any) -> None:
    merchant.sync()
    merchant.sells(2)
    merchant.sync()
    kept = len(merchant.connector.store._connections._all)
    for _ in range(10):
        merchant.sells()
        merchant.sync()
    assert len(merchant.connector.store._connections._all) <= kept + 4


@pytest.mark.parametrize(("kind", "subject"), [("fly", "1"), ("create", "x"), ("send", "")])
def test_a_step_that_cannot_be_is_a_clear_error(merchant: Any, kind: str, subject: str) -> None:
    with pytest.raises(StepUnknown):
        merchant.connector.run_step(kind, subject)


def test_due_steps_are_what_a_hosts_engine_runs(merchant: Any) -> None:
    merchant.sells(3)
    merchant.connector.sync(report=False)
    due = merchant.connector.due_steps()
    assert [step.kind for step in due] == [StepKind.REPORT] * 3
    assert all(merchant.connector.run_step(step.kind, step.subject) for step in due)
    assert merchant.connector.due_steps() == []


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


def test_a_round_that_fails_is_logged_and_the_next_one_runs(merchant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds: list[int] = []

    def failing(context: Any, account: str) -> int:
        rounds.append(1)
        raise [StoreError("The disk is full."), ZeroDivisionError("a fault of ours")][len(rounds) % 2]

    monkeypatch.setattr("lengow.connector.lanes.run_sends", failing)
    monkeypatch.setattr("lengow.connector.runner.IDLE_SECONDS", 0.05)
    merchant.connector.start()
    _wait_until(lambda: len(rounds) > 3)
    merchant.connector.stop()
