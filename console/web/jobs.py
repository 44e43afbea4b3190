"""Work that a page started and that goes on after its answer: a sync, or trying many orders again.

One at a time an account in this process. How far it is stands in the store, so that every process can show it.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec

from lengow.connector import Connector
from lengow.connector.errors import LengowError
from lengow.connector.model import StepKind
from lengow.connector.prepared import prepare
from lengow.connector.store.rows import OrderKey
from lengow.console.web.compared import Compared, keep, summed_up

log = logging.getLogger("lengow.console.web")

VALUE = "console_job"
"""Where in the store, beside the state of the account's syncs."""
SILENT = timedelta(minutes=5)
"""After which a job whose process says nothing more is taken for dead."""
WRITE_EVERY = timedelta(seconds=0.5)
BEAT_SECONDS = 60.0
"""How often the process of a job says that it is at it, where the work itself says nothing for long."""

Told = Callable[[int, int], None]
"""(done, count)"""


class Job(msgspec.Struct, frozen=True, omit_defaults=True):
    account: str
    what: str
    """`sync`, `retry`, `work`, `feed` or `compare`."""
    who: str
    started_at: datetime
    told_at: datetime
    done: int = 0
    count: int = 0
    finished: bool = False
    error: str = ""
    facts: dict[str, int] = {}
    """What a sync did: read, new, created, sent, …"""

    def running(self, now: datetime) -> bool:
        return not self.finished and now - self.told_at < SILENT

    @property
    def percent(self) -> int:
        return min(100 * self.done // self.count, 100) if self.count else 0


class Jobs:
    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._lock = threading.Lock()
        self._threads: dict[str, threading.Thread] = {}

    def sync(self, account: str, who: str) -> bool:
        """Begin one round of an account; False when work on it is under way already."""

        def work(job: Job, tell: Callable[[Job], None]) -> Job:
            [round_] = self._connector.sync(
                account,
                progress=lambda _, read, count: tell(msgspec.structs.replace(job, done=read, count=count)),
            )
            imported = round_.imported
            facts = {
                "read": imported.read if imported else 0,
                "new": imported.new if imported else 0,
                "amended": imported.amended if imported else 0,
                "worked_on": round_.worked_on,
                "sent": round_.sent,
                "settled": round_.settled,
            }
            errors = [*round_.errors]
            if imported is not None and imported.error is not None:
                errors.insert(0, f"{imported.error.code}: {imported.error}")
            return msgspec.structs.replace(
                job, done=facts["read"], count=facts["read"], facts=facts, error="; ".join(errors)
            )

        return self._begin(account, "sync", who, work)

    def retry(self, account: str, keys: Sequence[OrderKey], who: str) -> bool:
        """Try orders again, one after the other, then create what can be; False when work is under way already."""

        def work(job: Job, tell: Callable[[Job], None]) -> Job:
            failed = 0
            for done, key in enumerate(keys):
                tell(msgspec.structs.replace(job, done=done, count=len(keys)))
                try:
                    self._connector.retry(key.account, key.marketplace, key.marketplace_order_id, who=who)
                except LengowError as error:
                    failed += 1
                    log.warning("an order was not tried again", extra={"order": str(key), "error": str(error)})
            self._connector.work(account)
            facts = {"tried": len(keys) - failed, "not_tried": failed}
            return msgspec.structs.replace(job, done=len(keys), count=len(keys), facts=facts)

        return self._begin(account, "retry", who, work)

    def work(self, account: str, who: str) -> bool:
        """Do what is due of an account, without an import; what is not begun now is done by the next round."""

        def work(job: Job, _: Callable[[Job], None]) -> Job:
            round_ = self._connector.work(account)
            facts = {"worked_on": round_.worked_on, "sent": round_.sent, "settled": round_.settled}
            return msgspec.structs.replace(job, facts=facts, error="; ".join(round_.errors))

        return self._begin(account, "work", who, work)

    def build_feed(self, account: str, name: str, who: str) -> bool:
        """Build a feed of an account, and those that share its offers; False when work is under way already."""

        def work(job: Job, _: Callable[[Job], None]) -> Job:
            from lengow import feeds

            report = feeds.build(self._connector, name)
            refused = [f"{one.feed}: {one.refusal}" for one in report.feeds if one.refusal]
            facts = {"products": report.products, "offers": sum(one.offers for one in report.feeds)}
            return msgspec.structs.replace(job, facts=facts, error="; ".join(refused))

        return self._begin(account, "feed", who, work)

    def compare(self, account: str, who: str, days: int, *, mends: bool) -> bool:
        """Compare Lengow, the store and the shops, and mend what is safe or only tell; False when work is under way."""

        def work(job: Job, tell: Callable[[Job], None]) -> Job:
            found = self._connector.reconcile(
                days=days,
                account=account,
                fix=mends,
                who=who,
                progress=lambda _, read, count: tell(msgspec.structs.replace(job, done=read, count=count)),
            )
            compared = summed_up(Compared(account, self._connector.now(), who, days, mends), found)
            keep(self._connector, compared)
            return msgspec.structs.replace(job, facts={"found": compared.count, "left": compared.left})

        return self._begin(account, "compare", who, work)

    def of(self, account: str) -> Job | None:
        """The newest of an account, running or not."""
        text = self._connector.store.get_value(account, VALUE)
        return msgspec.json.decode(text, type=Job) if text else None

    def importing(self, account: str) -> bool:
        """Whether some process, perhaps the schedule's, imports the account now."""
        now = self._connector.now()
        return any(
            step.account == account and step.lease_until is not None and step.lease_until > now
            for kind in (StepKind.IMPORT, StepKind.IMPORT_DAILY)
            for step in self._connector.store.steps(kind=kind)
        )

    def wait(self, timeout: float | None = None) -> None:
        """Until all that this process began has come to its end."""
        for thread in list(self._threads.values()):
            thread.join(timeout)

    def _begin(self, account: str, what: str, who: str, work: Callable[[Job, Callable[[Job], None]], Job]) -> bool:
        now = self._connector.now()
        with self._lock:
            before, own = self.of(account), self._threads.get(account)
            if (before is not None and before.running(now)) or (own is not None and own.is_alive()):
                return False
            job = Job(account, what, who, now, now)
            self._write(job)
            thread = threading.Thread(target=self._run, args=(job, work), name=f"lengow-console-{account}", daemon=True)
            self._threads[account] = thread
            thread.start()
        return True

    def _run(self, job: Job, work: Callable[[Job, Callable[[Job], None]], Job]) -> None:
        written = job
        writing, over = threading.Lock(), threading.Event()

        def tell(told: Job) -> None:
            nonlocal written
            with writing:
                if self._connector.now() - written.told_at >= WRITE_EVERY:
                    written = self._write(told)

        def beat() -> None:
            while not over.wait(BEAT_SECONDS):
                with suppress(LengowError):  # the next one tells
                    tell(written)

        beating = threading.Thread(target=beat, name=f"lengow-console-{job.account}-beat", daemon=True)
        beating.start()
        try:
            ended = work(job, tell)
        except LengowError as error:
            ended = msgspec.structs.replace(written, error=f"{error.code}: {error}")
        except Exception as error:
            log.exception("work that a page started raised", extra={"account": job.account, "what": job.what})
            ended = msgspec.structs.replace(written, error=type(error).__name__)
        finally:
            over.set()
            beating.join()
        self._write(msgspec.structs.replace(ended, finished=True))

    def _write(self, job: Job) -> Job:
        job = msgspec.structs.replace(job, told_at=self._connector.now())
        with self._connector.store.transaction() as tx:
            tx.set_value(job.account, VALUE, msgspec.json.encode(job).decode())
        return job


prepare(Job)
