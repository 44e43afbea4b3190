"""A connector's process that can be told where to die: `kill -9` at one boundary of one effect.

An effect is a transaction (of the store, of a shop in a database, of the invoices), a request (to Lengow or to a shop),
a mail, or what Procrastinate does to its jobs. Each is known by its *site*, the function of ours that has it done, and has
its moments: `before`, `within` (all is written, nothing is committed) and `after`.
"""

import itertools
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import requests
from broken import BROKEN
from procrastinate import PsycopgConnector, sql

import lengow.connector.mail as mail_module
from lengow.adapters.calls import Caller
from lengow.connector import Account, Connector, Settings, Shop, Store
from lengow.connector.leases import Leases
from lengow.connector.mail import Mail
from lengow.connector.secret import Secret
from lengow.connector.settings import Follow
from lengow.connector.store.connections import Connections
from lengow.connector.store.postgres_database import PostgresDatabase

ACCOUNT = "main"
PATIENCE = 90.0
"""Seconds until what runs by itself must be at rest."""

NAP = 0.03
"""Seconds between two looks for what is due, where a life of a merchant naps for one."""

SILENT = 6.0
"""Seconds after which a worker counts as dead."""

A_LEASE = 30
"""How often in the time after which it counts as dead a worker says that it lives, and looks for the dead."""

SELLER = {
    "name": "Outillage Martin",
    "address": ["1 rue du Port"],
    "zipcode": "33000",
    "city": "Bordeaux",
    "siren": "732829320",
    "vat_number": "FR44732829320",
    "legal_form": "SARL",
    "capital": "10 000 €",
    "register": "RCS Bordeaux 732 829 320",
    "email": "contact@martin.example",
}


class Point(NamedTuple):
    """Where to die: the `nth` time (from 0) that it comes to this."""

    site: str
    moment: str
    nth: int = 0
    signal: int = signal.SIGKILL
    """SIGSTOP: it stands still there, until the world has it go on."""


@dataclass(frozen=True)
class ShopFacts:
    platform: str
    catalogue: int
    secret: str
    options: dict[str, Any]


@dataclass(frozen=True)
class Facts:
    """All that a life has to know. `runner`: `rounds` (`sync`), `threads` (`run`) or `worker` (Procrastinate)."""

    lengow: str
    access_token: str
    secret: str
    store: str
    runner: str
    shops: dict[str, ShopFacts]
    mail_port: int
    webhook_port: int
    lease_seconds: float = 120
    call_timeout: float = 20
    sender: str = "shop@martin.example"
    invoices: bool = False
    """Drawing them takes longer than all the rest of a life."""
    without: tuple[str, ...] = ()
    """Protections that are taken out, to see that a test notices: names in `broken.BROKEN`."""
    renews: bool = False
    """Whether leases are renewed at each look, as if half of them were always over."""
    hears: bool = True
    """Whether webhooks are taken."""
    requests_per_minute: int = 0
    connect: bool = field(default=False)
    """Whether to register the webhooks at the shops first."""


def live(facts: Facts, ahead: Any, pipe: Any, die: Point | None) -> None:
    """One life: import, follow, ship, confirm, mail, hear the outcomes. `pipe` asks the world to go on in between."""
    boundaries = _Boundaries(die)
    for name in facts.without:
        BROKEN[name].take_out()
    if facts.renews:
        _renew_always()
    with ExitStack() as stack:
        connector = stack.enter_context(Connector(settings_of(facts), clock=clock(ahead)))
        if facts.hears:
            from lengow.console.serving import webhook_server

            url = stack.enter_context(webhook_server(connector, "127.0.0.1", facts.webhook_port, threads=2))
            if facts.connect:
                for name in facts.shops:
                    connector.connect(name, f"{url}{name}")
        boundaries.arm()
        work = stack.enter_context(_runner(facts.runner, connector))
        for stage in ("", "happens", "ships", "answers"):
            if stage:
                pipe.send(stage)
                pipe.recv()
            work()
        pipe.send(dict(boundaries.seen))
        os._exit(0)  # ends no better than a crash, and sooner


def serve(facts: Facts, ahead: Any, pipe: Any, die: Point | None) -> None:
    """Rounds for ever, or until the pipe says that it is enough; answers each time with what it has open."""
    if die is not None:
        raise ValueError("a life that is killed from outside")
    with Connector(settings_of(facts), clock=clock(ahead)) as connector:
        from lengow.console.serving import webhook_server

        with webhook_server(connector, "127.0.0.1", facts.webhook_port, threads=4) as url:
            if facts.connect:
                for name in facts.shops:
                    connector.connect(name, f"{url}{name}")
            with _runner(facts.runner, connector, patience=600) as work:
                while True:
                    pipe.send(used())
                    if not pipe.recv():
                        return
                    work()


def used() -> dict[str, int]:
    """What this process holds: resident memory (KiB), open files and sockets, threads."""
    with open("/proc/self/status") as status:
        kib = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    return {"kib": kib, "files": len(os.listdir("/proc/self/fd")), "threads": threading.active_count()}


def clock(ahead: Any) -> Any:
    """The real time and `ahead.value` seconds, which the world moves on."""
    return lambda: datetime.now(UTC) + timedelta(seconds=ahead.value)


def settings_of(facts: Facts) -> Settings:
    from lengow.console.demo_shops import PARCELS

    invoicing = {"seller": SELLER, "shops": {name: {"send": "on_shipment"} for name in facts.shops}}
    return Settings(
        accounts={
            ACCOUNT: Account(
                access_token=Secret(facts.access_token),
                secret=Secret(facts.secret),
                base_url=facts.lengow,
                requests_per_minute=facts.requests_per_minute,
            )
        },
        shops={
            name: Shop(
                account=ACCOUNT,
                platform=shop.platform,
                catalogues=(shop.catalogue,),
                webhook_secrets=(Secret(shop.secret),),
                tracking_urls={parcel.carrier: "https://track.example.com/{number}" for parcel in PARCELS},
                call_timeout=facts.call_timeout,
                follow=Follow(refunded="apply", amounts="apply"),
                options=shop.options,
            )
            for name, shop in facts.shops.items()
        },
        store=Store(url=facts.store, lease_seconds=facts.lease_seconds),
        mail=Mail(host="127.0.0.1", port=facts.mail_port, security="none", sender=f"Martin <{facts.sender}>"),
        sections={"invoices": invoicing} if facts.invoices else {},
    )


@contextmanager
def _runner(kind: str, connector: Connector, patience: float = PATIENCE) -> Iterator[Any]:
    """Gives what works until nothing is due."""
    if kind == "rounds":
        yield connector.sync
        return
    if kind == "threads":
        import lengow.connector.runner as runner

        runner.IDLE_SECONDS = NAP
        connector.start()
        try:
            yield lambda: _until_at_rest(connector, patience)
        finally:
            connector.stop()
        return
    import lengow.connector.worker as worker

    worker.GONE_SECONDS = SILENT
    worker.LOOK_SECONDS, worker.HEARTBEATS, worker.LOOKS = NAP, A_LEASE, A_LEASE
    with worker.Worker(connector.context, concurrency=6):
        yield lambda: _until_at_rest(connector, patience)


def _renew_always() -> None:
    real = Leases.hold

    def hold(leases: Leases, step: Any) -> bool:
        with leases._lock:
            leases._renew()
        return real(leases, step)

    Leases.hold = hold  # type: ignore[method-assign]


def _until_at_rest(connector: Connector, patience: float) -> None:
    ends = time.monotonic() + patience
    quiet = 0
    while quiet < 3:
        now = connector.context.now()
        steps = connector.store.steps(held=False, limit=1000)
        busy = [step for step in steps if step.due_at <= now or step.lease_until is not None] or not steps
        quiet = 0 if busy else quiet + 1
        if time.monotonic() > ends:
            raise TimeoutError(f"not at rest: {busy}")
        time.sleep(NAP)


class _Boundaries:
    """Counts what is passed, and dies where it should."""

    def __init__(self, die: Point | None) -> None:
        self.seen: Counter[tuple[str, str]] = Counter()
        self._die = die
        self._armed = False
        self._lock = threading.Lock()
        self._hook()

    def arm(self) -> None:
        self._armed = True

    def passed(self, site: str, moment: str) -> None:
        if not self._armed:
            return
        with self._lock:
            nth = self.seen[site, moment]
            self.seen[site, moment] += 1
            if self._die is not None and self._die[:3] == (site, moment, nth):
                os.kill(os.getpid(), self._die.signal)

    def _hook(self) -> None:
        for kind in (Connections, PostgresDatabase):
            self._hook_transactions(kind)
        send, deliver, passed = requests.Session.send, mail_module._deliver, self.passed

        def dying_send(session: requests.Session, request: Any, **options: Any) -> Any:
            site = f"{_site()} {request.method}"
            passed(site, "before")
            answer = send(session, request, **options)
            passed(site, "after")
            return answer

        def dying_deliver(*arguments: Any) -> Any:
            passed("invoices.mailing mail", "before")
            outcome = deliver(*arguments)
            passed("invoices.mailing mail", "after")
            return outcome

        call = Caller.call

        def dying_call(caller: Caller, method: str, *arguments: Any, **options: Any) -> Any:
            site = f"{_site()} {method}"
            passed(site, "before")
            reply = call(caller, method, *arguments, **options)
            passed(site, "after")
            return reply

        requests.Session.send = dying_send  # type: ignore[method-assign]
        Caller.call = dying_call  # type: ignore[method-assign]
        mail_module._deliver = dying_deliver
        for name in ("execute_query_async", "execute_query_one_async", "execute_query_all_async"):
            self._hook_jobs(name)

    def _hook_jobs(self, method: str) -> None:
        """Each statement of Procrastinate is a transaction, known by its name there, such as `fetch_job`."""
        real, passed = getattr(PsycopgConnector, method), self.passed

        async def dying_execute(connector: Any, query: Any, **arguments: Any) -> Any:
            site = f"procrastinate {JOB_EFFECTS.get(query, 'other')}"
            passed(site, "before")
            found = await real(connector, query, **arguments)
            passed(site, "after")
            return found

        setattr(PsycopgConnector, method, dying_execute)

    def _hook_transactions(self, kind: Any) -> None:
        real, passed = kind.transaction, self.passed

        @contextmanager
        def dying_transaction(database: Any, *arguments: Any) -> Iterator[Any]:
            site = f"{_site()} commit"
            passed(site, "before")
            with real(database, *arguments) as inside:
                yield inside
                passed(site, "within")
            passed(site, "after")

        kind.transaction = dying_transaction


JOB_EFFECTS = {query: name for name, query in sql.queries.items()}

PLUMBING = ("lengow.connector.store.", "lengow.connector.client.", "lengow.connector.circuit")


def _site() -> str:
    """The innermost function of ours that is no plumbing, such as `connector.creation._claim`."""
    for depth in itertools.count(2):
        try:
            frame = sys._getframe(depth)
        except ValueError:
            return "elsewhere"
        module = str(frame.f_globals.get("__name__", ""))
        if not module.startswith("lengow.") or module.startswith(PLUMBING):
            continue
        if module.rpartition(".")[2] in ("api", "calls", "ledger", "context", "generic_database"):
            continue
        name = frame.f_code.co_name
        return f"{module.removeprefix('lengow.')}.{name}"
    raise AssertionError
