"""The schedule through outages, clocks that jump, zones and daylight saving; one import an account at a time."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from lengow.connector import Connector
from lengow.connector.importer import COMPLETE_UNTIL, next_import
from lengow.connector.leases import Leases
from lengow.connector.model import StepKind
from lengow.connector.steps import run_import, schedule
from lengow.connector.store.rows import Step
from lengow.connector.windows import slices
from lengow.sandbox import Fault

ORDERS = "/v3.0/orders"
COMMAND = str(Path(sys.executable).parent / "lengow-connector")
FAR_AHEAD = "Sat, 01 Jan 2050 00:00:00 GMT"


def imports_due(merchant: Any) -> dict[str, datetime]:
    return {
        kind: merchant.connector.store.steps_of(kind, ["main"])["main"].due_at for kind in ("import", "import_daily")
    }


def complete_until(merchant: Any) -> datetime:
    return datetime.fromisoformat(merchant.connector.store.get_value("main", COMPLETE_UNTIL))


def sold_long_ago(merchant: Any, weeks: int) -> list[str]:
    """An order a week, each collected by Lengow in its week, while nobody imports."""
    ids = []
    for _ in range(weeks):
        ids += merchant.sells()
        merchant.sandbox.advance(days=7)
    return ids


class TestOutages:
    def test_all_of_it_is_caught_up_however_long_it_was(self, merchant: Any) -> None:
        merchant.sync()
        ids = sold_long_ago(merchant, 8)
        merchant.sync()
        assert sorted(merchant.in_shop()) == sorted(ids)
        assert merchant.sandbox.now() - complete_until(merchant) < timedelta(minutes=1)

    def test_what_was_read_of_it_is_not_read_again_after_a_fault(self, merchant: Any) -> None:
        merchant.sync()
        begun = merchant.sandbox.now()
        ids = sold_long_ago(merchant, 8)
        merchant.sandbox.fault(Fault("status", path=ORDERS, exact=True, status=400, after=5, times=None))
        [round_] = merchant.connector.sync(report=False)  # a report changes the order at Lengow
        assert round_.imported.error.code == "lengow_refused"
        assert complete_until(merchant) - begun > timedelta(days=21)
        read = len(merchant.orders())
        assert 0 < read < 8
        merchant.sandbox.clear_faults()
        assert merchant.sync().imported.read == 8 - read
        assert sorted(merchant.in_shop()) == sorted(ids)

    def test_the_daily_round_is_spared_by_a_window_that_holds_its_days_and_by_no_other(self, merchant: Any) -> None:
        context, began = merchant.connector._context, merchant.sandbox.now()
        schedule(context, "main")
        first = run_import(context, "main", StepKind.IMPORT, force=True)
        due = imports_due(merchant)["import_daily"]
        assert first is not None
        assert first.until - first.since >= timedelta(days=3)
        assert began < due <= began + timedelta(days=1, minutes=1)

        merchant.sandbox.advance(hours=30)
        assert run_import(context, "main", StepKind.IMPORT, force=True) is not None
        assert imports_due(merchant)["import_daily"] == due
        assert run_import(context, "main", StepKind.IMPORT_DAILY) is not None

    def test_the_daily_round_is_made_up_for_when_nobody_ran_at_its_hour(self, merchant: Any) -> None:
        merchant.sync()
        merchant.connector.work("main")
        due = imports_due(merchant)["import_daily"]
        merchant.connector.close()
        merchant.sandbox.advance(hours=(due - merchant.sandbox.now()).total_seconds() / 3600 + 5)
        merchant.connector = Connector(merchant.settings(), clock=merchant.sandbox.now)
        merchant.connector.start()
        _wait_until(lambda: imports_due(merchant)["import_daily"] == due + timedelta(days=1))


def test_slices_cover_a_window_without_a_gap() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for days in (0, 0.5, 7, 7.5, 30, 365):
        end = start + timedelta(days=days)
        found = list(slices(start, end))
        assert (found[0][0], found[-1][1]) == (start, end)
        assert all(one[1] == two[0] for one, two in pairwise(found))
        assert all(until - since <= timedelta(days=7) for since, until in found)


class TestClocks:
    @pytest.mark.parametrize("hours", [-5, -1, 1, 5])
    def test_a_clock_that_is_wrong_by_hours_loses_no_order(self, merchant: Any, hours: int) -> None:
        _with_clock(merchant, lambda: merchant.sandbox.now() + timedelta(hours=hours))
        ids = merchant.sells(2)
        merchant.sync()
        merchant.sandbox.advance(minutes=30)
        ids += merchant.sells(2)
        merchant.sync()
        assert sorted(merchant.in_shop()) == sorted(ids)
        earlier = merchant.sandbox.now() + min(timedelta(hours=hours), timedelta(0))
        assert abs(complete_until(merchant) - earlier) < timedelta(minutes=1)

    def test_a_date_from_lengow_that_is_hours_ahead_passes_over_no_order(self, merchant: Any) -> None:
        """It comes once, and nobody imports for days afterwards, beyond the reach of the daily round."""
        merchant.sync()
        self._tells(merchant, merchant.sandbox.now() + timedelta(hours=20))
        merchant.sync()
        merchant.sandbox.clear_faults()
        merchant.sandbox.advance(hours=10)
        ids = merchant.sells()
        merchant.sandbox.advance(days=5)
        merchant.sync()
        assert merchant.in_shop() == ids

    def test_one_that_is_hours_behind_delays_none(self, merchant: Any) -> None:
        merchant.sync()
        ids = merchant.sells()
        self._tells(merchant, merchant.sandbox.now() - timedelta(hours=20))
        merchant.sync()
        assert merchant.in_shop() == ids

    def test_a_machine_without_a_running_clock_imports_all_the_same(self, merchant: Any) -> None:
        merchant.sync()
        _with_clock(merchant, lambda: datetime(2020, 1, 1, tzinfo=UTC))
        merchant.sandbox.advance(minutes=15)
        before = complete_until(merchant)
        ids = merchant.sells()
        merchant.sync()
        assert merchant.in_shop() == ids
        assert complete_until(merchant) == before, "it goes on from there once the clock runs"
        _with_clock(merchant, merchant.sandbox.now)
        ids += merchant.sells()
        merchant.sync()
        assert sorted(merchant.in_shop()) == sorted(ids)
        assert abs(complete_until(merchant) - merchant.sandbox.now()) < timedelta(minutes=1)

    def test_a_confirmation_sent_by_such_a_date_is_settled_in_time(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        merchant.sync()
        merchant.connector.ship("main", "manomano_fr", order_id, carrier="DPD", tracking_number="6A1")
        self._tells(merchant, merchant.sandbox.now() + timedelta(hours=20), path="/v3.0/orders/actions")
        merchant.sync()
        merchant.sandbox.clear_faults()
        for _ in range(4):
            merchant.sandbox.advance(minutes=15)
            merchant.sync()
        assert [row.state for row in merchant.connector.store.list_actions()] == ["confirmed"]

    @staticmethod
    def _tells(merchant: Any, date: datetime, path: str = "/me") -> None:
        """Lengow answers with this `Date`."""
        headers = {"Date": format_datetime(date, usegmt=True)}
        merchant.sandbox.fault(Fault("headers", path=path, headers=headers, times=None))

    def test_after_it_was_set_back_nothing_waits_until_it_has_caught_up(self, merchant: Any) -> None:
        ahead = [timedelta(hours=5)]
        _with_clock(merchant, lambda: merchant.sandbox.now() + ahead[0])
        merchant.sync()
        assert imports_due(merchant)["import"] - merchant.sandbox.now() > timedelta(hours=5)
        ahead[0] = timedelta(0)
        order_ids = merchant.sells()
        merchant.connector.start()
        _wait_until(lambda: merchant.in_shop() == order_ids)
        assert imports_due(merchant)["import"] - merchant.sandbox.now() <= timedelta(minutes=15)

    def test_also_when_the_process_was_down_meanwhile(self, merchant: Any) -> None:
        _with_clock(merchant, lambda: merchant.sandbox.now() + timedelta(hours=5))
        merchant.sync()
        _with_clock(merchant, merchant.sandbox.now)
        order_ids = merchant.sells()
        merchant.connector.start()
        _wait_until(lambda: merchant.in_shop() == order_ids)

    def test_a_lease_of_a_crashed_worker_ends_in_time_too(self, merchant: Any) -> None:
        order_ids = merchant.sells()
        ahead = merchant.sandbox.now() + timedelta(hours=5)
        _with_clock(merchant, lambda: ahead)
        schedule(merchant.connector._context, "main")
        with merchant.connector.store.transaction() as tx:
            assert tx.claim(StepKind.IMPORT, ahead, ahead + timedelta(minutes=2), limit=1, account="main")
        _with_clock(merchant, merchant.sandbox.now)
        assert merchant.sync().imported is None
        merchant.sandbox.advance(minutes=3)
        assert merchant.sync().imported is not None
        assert merchant.in_shop() == order_ids

    def test_who_works_on_while_it_is_set_back_keeps_his_step(self, merchant: Any) -> None:
        """A lease that looks longer than any is renewed before the next call, and found lost where it was taken."""
        merchant.sync()
        context, ahead = merchant.connector._context, merchant.sandbox.now() + timedelta(hours=5)
        with merchant.connector.store.transaction() as tx:
            [step] = tx.claim(StepKind.IMPORT, ahead, ahead + timedelta(minutes=2), limit=1, account="main", force=True)
        with merchant.connector.store.transaction() as tx:
            tx.make_due(merchant.sandbox.now(), context.lease_end())
        leases = Leases(context, [step])
        assert leases.hold(step)
        kept = merchant.connector.store.steps_of(StepKind.IMPORT, ["main"])["main"]
        assert kept.lease_until > merchant.sandbox.now() + timedelta(seconds=100)
        merchant.sandbox.advance(minutes=3)
        with merchant.connector.store.transaction() as tx:
            assert tx.claim(StepKind.IMPORT, merchant.sandbox.now(), context.lease_end(), limit=1, force=True)
        assert not leases.hold(step)

    def test_a_clock_that_stands_or_goes_on_makes_nothing_due(self, merchant: Any) -> None:
        merchant.sync()
        before = imports_due(merchant)
        merchant.sandbox.advance(minutes=10)
        assert not merchant.connector.run_step("import", "main")
        merchant.connector.start()
        merchant.connector.stop()
        assert imports_due(merchant) == before

    def test_a_far_future_date_from_lengow_is_not_believed(self, merchant: Any) -> None:
        merchant.sync()
        merchant.sandbox.fault(
            Fault("status", path="/me", status=200, body="{}", headers={"Date": FAR_AHEAD}, times=None)
        )
        first = merchant.sells()
        merchant.sync()
        assert abs(complete_until(merchant) - merchant.sandbox.now()) < timedelta(minutes=1)
        merchant.sandbox.clear_faults()
        merchant.sandbox.advance(minutes=15)
        second = merchant.sells()
        merchant.sync()
        assert sorted(merchant.in_shop()) == sorted(first + second)

    def test_a_window_that_was_closed_in_the_future_is_mended(self, merchant: Any) -> None:
        merchant.sync()
        with merchant.connector.store.transaction() as tx:
            tx.set_value("main", COMPLETE_UNTIL, datetime(2050, 1, 1, tzinfo=UTC).isoformat())
        ids = merchant.sells()
        merchant.sync()
        assert merchant.in_shop() == ids
        assert abs(complete_until(merchant) - merchant.sandbox.now()) < timedelta(minutes=1)


class TestZones:
    """`daily_sync_at` is UTC: no zone and no clock change moves it."""

    @pytest.fixture(params=["Europe/Paris", "America/New_York", "Pacific/Kiritimati", "UTC"])
    def zone(self, request: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
        monkeypatch.setenv("TZ", request.param)
        time.tzset()
        yield request.param
        monkeypatch.undo()
        time.tzset()

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(datetime(2026, 3, 29, 1, 0, tzinfo=UTC), id="Europe, spring"),
            pytest.param(datetime(2026, 10, 25, 1, 0, tzinfo=UTC), id="Europe, autumn"),
            pytest.param(datetime(2026, 3, 8, 7, 0, tzinfo=UTC), id="America, spring"),
            pytest.param(datetime(2026, 11, 1, 6, 0, tzinfo=UTC), id="America, autumn"),
        ],
    )
    def test_the_daily_round_is_once_in_24_hours_around_a_clock_change(
        self, merchant: Any, zone: str, change: datetime
    ) -> None:
        step = Step(1, StepKind.IMPORT_DAILY, "main", "main", "", change, 1, 1, None, held=False, error="")
        now = change - timedelta(days=2)
        context = merchant.connector._context
        due = []
        while now < change + timedelta(days=2):
            context.now = lambda now=now: now
            due.append(next_import(context, step))
            now += timedelta(minutes=30)
        context.now = merchant.sandbox.now
        assert {(one.hour, one.minute, one.utcoffset()) for one in due} == {(3, 0, timedelta(0))}, zone
        days = sorted(set(due))
        assert [two - one for one, two in pairwise(days)] == [timedelta(days=1)] * (len(days) - 1)

    def test_the_window_is_the_same_everywhere(self, merchant: Any, zone: str) -> None:
        ids = merchant.sells(2)
        merchant.sync()
        assert sorted(merchant.in_shop()) == sorted(ids), zone
        assert complete_until(merchant).utcoffset() == timedelta(0)
        assert abs(complete_until(merchant) - merchant.sandbox.now()) < timedelta(minutes=1)


class TestOneAtATime:
    def test_two_threads(self, merchant: Any) -> None:
        with _importing(merchant):
            [round_] = merchant.connector.sync()
        assert round_.imported is None

    def test_two_connectors_on_one_store(self, merchant: Any) -> None:
        with _importing(merchant), Connector(merchant.settings(), clock=merchant.sandbox.now) as second:
            [round_] = second.sync()
        assert round_.imported is None

    def test_two_processes(self, merchant: Any) -> None:
        (merchant.folder / "lengow.toml").write_text(
            f"""
            [store]
            url = "sqlite:///{merchant.folder}/lengow.db"
            [accounts.main]
            access_token = "{merchant.account.access_token}"
            secret = "{merchant.account.secret}"
            base_url = "{merchant.sandbox.url}"
            [shops.b2c]
            account = "main"
            platform = "generic"
            database = "sqlite:///{merchant.shop_database}"
            """
        )
        with _importing(merchant):
            done = subprocess.run(
                [COMMAND, "--config", str(merchant.folder / "lengow.toml"), "sync", "--json"],
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        assert done.returncode == 3, done.stderr
        assert [one["read"] for one in json.loads(done.stdout)] == [None]


def test_an_import_that_stood_still_and_was_overtaken_is_no_failure_and_the_rest_of_its_round_is_done(
    merchant: Any,
) -> None:
    merchant.sells(2)

    def stand_still(*_: object) -> None:
        merchant.sandbox.advance(minutes=5)  # longer than the lease
        with Connector(merchant.settings(), clock=merchant.sandbox.now) as another:
            another.run_step("import", "main")

    [done] = merchant.connector.sync(progress=stand_still)
    assert (done.imported, done.errors) == (None, ())
    assert len(merchant.in_shop()) == 2


class _importing:
    """While the block runs, another thread is in the middle of importing the account."""

    def __init__(self, merchant: Any) -> None:
        self._merchant = merchant
        self._reading, self._go_on = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._import)

    def __enter__(self) -> None:
        self._merchant.sells(2)
        self._thread.start()
        assert self._reading.wait(60)

    def __exit__(self, *_: object) -> None:
        self._go_on.set()
        self._thread.join()
        assert len(self._merchant.in_shop()) == 2

    def _import(self) -> None:
        self._merchant.connector.sync(progress=self._stand)

    def _stand(self, *_: object) -> None:
        self._reading.set()
        assert self._go_on.wait(60)


def _with_clock(merchant: Any, clock: Callable[[], datetime]) -> None:
    merchant.connector.close()
    merchant.connector = Connector(merchant.settings(), clock=clock)


def _wait_until(met: Callable[[], Any]) -> None:
    end = time.monotonic() + 60
    while not met():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.05)
