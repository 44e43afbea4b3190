"""Spreads the work over any number of machines, by Procrastinate on the store's PostgreSQL. Needs the extra `postgres`.

A job is no unit of work but a turn in a lane (`lanes.py`): it works off what is due there for a while, and ends. The
steps stay rows of ours, with one policy of retries, leases and fences whoever runs them: a job that is lost loses
nothing, and one too many does nothing. Jobs are put in line for lanes that have something due, each at most once, so
that an account with a million orders waits for its turn like any other; a lane has as many turns at once as its shop
allows workers.

Any worker may put jobs in line; one does at a time. Those of workers that have died are taken away, and given anew.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import procrastinate
from procrastinate import exceptions, jobs

from lengow.connector.context import Context
from lengow.connector.errors import LengowError, SettingsError, StoreError
from lengow.connector.lanes import Lane, lanes_of, sliced
from lengow.connector.steps import schedule
from lengow.connector.store.columns import text_of
from lengow.connector.store.postgres import PostgresStore
from lengow.connector.store.procrastinate_schema import bring_schema

log = logging.getLogger("lengow.connector.worker")

TURN_SECONDS = 10.0
"""How long a turn takes up new work."""

LOOK_SECONDS = 1.0
"""How soon a step that became due is seen."""

GONE_SECONDS = 30.0
"""After so long without a heartbeat, or a lease where that is shorter, a worker counts as dead."""

HEARTBEATS = 6
"""In that time."""

LOOKS = 3
"""For the jobs of dead workers, in that time."""

AGAIN_SECONDS = 2.0
"""The pause after PostgreSQL was lost."""

STEPS_A_TURN = 50
"""A lane gets one more turn at once for so many due steps, as far as its workers allow."""

SHORT, LONG = "turns", "long-turns"
"""The queues: imports take many minutes, and have workers of their own, so that they hold up nothing else."""

SCHEDULE_CRON = "* * * * *"
TASK = "lengow.turn"


class Worker:
    """Works in a thread of its own until it is stopped. `with Worker(…): …` starts and stops it."""

    def __init__(self, context: Context, *, concurrency: int = 8, accounts: Sequence[str] = ()) -> None:
        """`concurrency`: turns at once in this process; half as many long ones beside. `accounts`: only these.

        Raises SettingsError where the store is not PostgreSQL, StoreError.
        """
        if not isinstance(context.store, PostgresStore):
            raise SettingsError(
                "Workers share a store in PostgreSQL, and store.url names another.",
                what_to_do="Run `lengow-connector run` here, or move the store: lengow-connector store copy FROM TO.",
                field="store.url",
            )
        self._context = context
        self._store = context.store
        self._concurrency = concurrency
        self._accounts = tuple(accounts or context.settings.accounts)
        self._lanes: Mapping[str, Lane] = {
            lane.name: lane for lane in lanes_of(context) if lane.account in self._accounts
        }
        self._line = procrastinate.App(connector=procrastinate.SyncPsycopgConnector())
        self._gone_seconds = min(GONE_SECONDS, context.settings.store.lease_seconds)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lengow-worker", daemon=True)
        with self._store.database.exclusive("migrations") as db:
            bring_schema(db)

    def start(self) -> None:
        self._context.stopping.clear()
        self._thread.start()

    def stop(self, timeout: float | None = 60) -> bool:
        """End after what is under way; whether it ended within `timeout` seconds."""
        self._context.stopping.set()
        self._stop.set()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def __enter__(self) -> "Worker":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            pool = ThreadPoolExecutor(self._concurrency + self._long() + 4, "lengow-turn")
            runner.get_loop().set_default_executor(pool)
            runner.get_loop().set_exception_handler(_log_left_alone)
            runner.run(self._until_stopped())

    def _long(self) -> int:
        return max(self._concurrency // 2, 1)

    async def _until_stopped(self) -> None:
        """However often PostgreSQL is lost."""
        while not self._stop.is_set():
            try:
                await self._connected()
            except (exceptions.ProcrastinateException, LengowError, OSError) as error:
                log.warning("worker lost PostgreSQL", extra={"error": repr(error.__cause__ or error)})
            except Exception:
                log.exception("worker failed, and begins anew")
            await self._nap(AGAIN_SECONDS)

    async def _connected(self) -> None:
        connector = procrastinate.PsycopgConnector(
            conninfo=self._store.database.conninfo,
            min_size=1,
            max_size=4,
            timeout=10,
            kwargs={"application_name": "lengow-worker"},
        )
        app = self._app(connector)
        async with app.open_async():
            running = [
                asyncio.ensure_future(self._work(app, SHORT, self._concurrency)),
                asyncio.ensure_future(self._work(app, LONG, self._long())),
                asyncio.ensure_future(self._put_in_line()),
                asyncio.ensure_future(self._rescue(app)),
                asyncio.ensure_future(self._stopped()),
            ]
            try:
                ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in running:
                    one.cancel()
                await asyncio.gather(*running, return_exceptions=True)
            for one in ended:
                if not one.cancelled() and (error := one.exception()) is not None:
                    raise error

    def _app(self, connector: "procrastinate.PsycopgConnector") -> procrastinate.App:
        app = procrastinate.App(connector=connector)

        @app.task(name=TASK)
        def turn(lane: str) -> None:
            self._take_turn(lane)

        # Of all workers one does it each minute; the steps that it sees to are there already, but for the first time.
        @app.periodic(cron=SCHEDULE_CRON)
        @app.task(name="lengow.schedule", queue=SHORT, queueing_lock="schedule", lock="schedule")
        def schedule_all(timestamp: int) -> None:  # noqa: ARG001 - what Procrastinate gives
            self._schedule()

        return app

    async def _work(self, app: procrastinate.App, queue: str, concurrency: int) -> None:
        await app.run_worker_async(
            queues=[f"{queue}-{account}" for account in self._accounts] + [queue],
            name="lengow",
            concurrency=concurrency,
            fetch_job_polling_interval=LOOK_SECONDS,
            delete_jobs=jobs.DeleteJobCondition.ALWAYS,
            install_signal_handlers=False,
            update_heartbeat_interval=self._gone_seconds / HEARTBEATS,
            stalled_worker_timeout=self._gone_seconds,
        )

    def _take_turn(self, name: str) -> None:
        lane = self._lanes.get(name)
        if lane is None or self._context.stopping.is_set():
            return
        try:
            lane.work(sliced(self._context, TURN_SECONDS))
        except LengowError as error:
            log.warning("turn failed", extra={"lane": name, "code": error.code, "error": str(error)})
        except Exception:
            log.exception("turn raised", extra={"lane": name})

    def _schedule(self) -> None:
        for account in self._accounts:
            try:
                schedule(self._context, account)
            except LengowError as error:
                log.warning("not scheduled", extra={"account": account, "code": error.code, "error": str(error)})

    async def _put_in_line(self) -> None:
        await asyncio.to_thread(self._schedule)
        while True:
            try:
                await asyncio.to_thread(self._give_turns)
            except StoreError as error:
                log.warning("no turns given", extra={"code": error.code, "error": str(error)})
            await asyncio.sleep(LOOK_SECONDS)

    def _give_turns(self) -> None:
        """Put jobs in line for each lane that has something due, if they are not there yet; all in one transaction."""
        lanes = list(self._lanes.values())
        with self._store.database.transaction() as db:
            name = f"{self._store.database.schema} turns"
            if db.rows("SELECT pg_try_advisory_xact_lock(hashtextextended(?, 0))", [name]) != [(True,)]:
                return
            waiting = {
                lock
                for (lock,) in db.rows(
                    "SELECT queueing_lock FROM procrastinate_jobs WHERE status = 'todo' AND task_name = ?", [TASK]
                )
            }
            for lane, due in zip(lanes, _due(db, lanes, text_of(self._context.now())), strict=True):
                for number in range(min(lane.workers, -(-due // STEPS_A_TURN))):
                    lock = f"{lane.name}#{number + 1}"
                    if lock not in waiting:
                        self._line.configure_task(
                            TASK,
                            queue=f"{LONG if lane.is_long else SHORT}-{lane.account}",
                            lock=lock,
                            queueing_lock=lock,
                            connection=db.session,
                        ).defer(lane=lane.name)

    async def _rescue(self, app: procrastinate.App) -> None:
        """Take away the jobs of workers that have died, whose lanes they would block; their steps' leases run out."""
        while True:
            stalled = await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=self._gone_seconds)
            for job in stalled:
                log.warning(
                    "job of a dead worker taken away", extra={"job": job.id, "lane": job.task_kwargs.get("lane")}
                )
                with contextlib.suppress(exceptions.ConnectorException):  # another was faster
                    assert job.id is not None
                    await app.job_manager.finish_job_by_id_async(job.id, jobs.Status.FAILED, delete_job=True)
            still = await asyncio.to_thread(self._store.database.end_what_stands_still, self._gone_seconds)
            if still:
                log.warning("transactions of processes that stand still were ended", extra={"sessions": still})
            await asyncio.sleep(self._gone_seconds / LOOKS)

    async def _stopped(self) -> None:
        while not self._stop.is_set():
            await asyncio.sleep(0.1)

    async def _nap(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped(), seconds)


def _log_left_alone(loop: asyncio.AbstractEventLoop, facts: dict[str, Any]) -> None:  # noqa: ARG001 - asyncio's call
    """Such as a job that was taken away while its worker stood still, and cannot be ended any more."""
    error = facts.get("exception")
    log.warning("worker left something alone", extra={"what": facts["message"], "error": repr(error)})


def _due(db: Any, lanes: Sequence[Lane], now: str | None) -> list[int]:
    """How many steps are due in each lane, at least; no more are counted than give all the turns that it may have."""
    counts = []
    for lane in lanes:
        owner, value = ("shop", lane.shop) if lane.shop else ("account", lane.account)
        subject, named = (" AND subject = ?", [lane.subject]) if lane.subject else ("", [])
        most = lane.workers * STEPS_A_TURN
        marks = ", ".join("?" * len(lane.kinds))
        [(count,)] = db.rows(
            f"SELECT count(*) FROM (SELECT 1 FROM steps WHERE kind IN ({marks}) AND held = 0 AND {owner} IN (?, '')"
            f"{subject} AND due_at <= ? LIMIT ?) AS due",
            [*lane.kinds, value, *named, now, most],
        )
        counts.append(int(count))
    return counts
