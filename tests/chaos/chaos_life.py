"""The connector's process in `make chaos`: rounds, while its feeds are built, until it is told that it is enough."""

import csv
import faulthandler
import os
import signal
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partialmethod
from pathlib import Path
from typing import Any

import msgspec
from broken import BROKEN
from lives import ACCOUNT, SELLER, Facts, clock, settings_of

from lengow import feeds
from lengow.connector import Account, Connector, LengowError, Settings
from lengow.connector.client.api import LengowClient
from lengow.connector.secret import Secret
from lengow.feeds.formats import SEPARATOR
from lengow.invoices import issuing
from lengow.invoices.rendering import render

OTHER = "other"
"""The second account."""
SYNC, WORK = "sync", "work"
"""What it may be asked for: a round, or what is due without an import."""
STACKS = "stacks.txt"
"""Where a process that hangs is asked to tell what its threads are at."""
DRAWN = 20
"""Of so many invoices one is really drawn. Drawing has no effects, and would be most of the run."""
FEED_OPTIONAL = ("ean", "title", "brand", "price", "currency", "stock", "image_url_1")
"""The stand-ins' products have no images and brands; what is looked at is which offers are in a file."""


@dataclass(frozen=True)
class More:
    """What this life knows beside `Facts`."""

    access_token: str
    secret: str
    of_other: tuple[str, ...]
    """The shops of the second account."""
    folder: str
    feeds: tuple[str, ...]
    """The shops whose products are in a feed."""


class Said(msgspec.Struct, frozen=True):
    """What the process says after each round."""

    kib: int
    """Resident memory."""
    files: int
    """Open files, sockets among them."""
    sockets: int
    threads: int
    cpu: float
    """Seconds of processor time."""
    feeds_built: int
    feeds_failed: int
    findings: tuple[str, ...] = ()


def serve(facts: Facts, ahead: Any, pipe: Any, more: More) -> None:
    from lengow.console.serving import webhook_server

    issuing.render = _Drawing()  # type: ignore[assignment]
    stacks = open(Path(more.folder) / STACKS, "w")  # noqa: SIM115 - for as long as the process lives
    faulthandler.register(signal.SIGUSR1, stacks)
    for name in facts.without:
        BROKEN[name].take_out()
    hurried = _Hurried()
    LengowClient.__init__ = partialmethod(LengowClient.__init__, monotonic=hurried.monotonic)  # type: ignore[method-assign,assignment]
    with ExitStack() as stack:
        connector = stack.enter_context(Connector(settings_for(facts, more), clock=clock(ahead)))
        connector.context.stopping = connector.context.ending = hurried
        url = stack.enter_context(webhook_server(connector, "127.0.0.1", facts.webhook_port, threads=4))
        if facts.connect:
            for name in facts.shops:
                connector.connect(name, f"{url}{name}")
        accounts = stack.enter_context(ThreadPoolExecutor(2, "accounts"))
        building = stack.enter_context(_Feeds(connector))
        while True:
            pipe.send(said(building))
            asked = pipe.recv()
            if not asked:
                return
            if asked == SYNC:
                building.begin()
                connector.sync()
                building.end()
            else:
                list(accounts.map(connector.work, connector.settings.accounts))


def settings_for(facts: Facts, more: More) -> Settings:
    """Those of the crash matrix, with a second account and feeds."""
    base = settings_of(facts)
    other = msgspec.structs.replace(
        base.accounts[ACCOUNT], access_token=Secret(more.access_token), secret=Secret(more.secret)
    )
    accounts: dict[str, Account] = {ACCOUNT: base.accounts[ACCOUNT], OTHER: other}
    shops = {
        name: msgspec.structs.replace(shop, account=OTHER if name in more.of_other else ACCOUNT)
        for name, shop in base.shops.items()
    }
    places = {
        name: {
            "shop": name,
            "marketplace": ("manomano_fr", "manomano_es")[number % 2],
            "path": f"{more.folder}/{name}.csv",
            "optional": list(FEED_OPTIONAL),
        }
        for number, name in enumerate(more.feeds)
    }
    invoicing = {"seller": SELLER, "shops": {name: {"send": "on_shipment"} for name in facts.shops}}
    sections = {"feeds": places, "invoices": invoicing}
    return msgspec.structs.replace(base, accounts=accounts, shops=shops, sections=sections)


def said(building: "_Feeds") -> Said:
    with open("/proc/self/status") as status:
        kib = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    files = sockets = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            sockets += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
            files += 1
        except OSError:  # that of the listing itself
            continue
    return Said(
        kib,
        files,
        sockets,
        threading.active_count(),
        time.process_time(),
        building.built,
        building.failed,
        tuple(building.findings),
    )


class _Hurried(threading.Event):
    """The connector's `stopping` and `ending`: to wait for it takes no time, but moves a clock on."""

    def __init__(self) -> None:
        super().__init__()
        self._skipped = 0.0
        self._adding = threading.Lock()

    def wait(self, timeout: float | None = None) -> bool:
        if timeout is None:
            return super().wait()
        with self._adding:
            self._skipped += timeout
        return self.is_set()

    def monotonic(self) -> float:
        return time.monotonic() + self._skipped


class _Drawing:
    """`render`, which draws the first of DRAWN, and gives its copy for the others."""

    def __init__(self) -> None:
        self._last = b""
        self._given = 0

    def __call__(self, document: Any, seller: Any) -> bytes:
        if self._given % DRAWN == 0:
            self._last = render(document, seller)
        self._given += 1
        return self._last


class _Feeds:
    """Builds all feeds beside a round. Whatever fails, a file has all offers, as at first."""

    def __init__(self, connector: Connector) -> None:
        self.built = self.failed = 0
        self.findings: list[str] = []
        self._connector = connector
        self._threads = ThreadPoolExecutor(1, "feeds")
        self._running: Future[None] | None = None
        self._offers: dict[Path, set[str]] = {}

    def __enter__(self) -> "_Feeds":
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown()

    def begin(self) -> None:
        self._running = self._threads.submit(self._build)

    def end(self) -> None:
        assert self._running is not None
        self._running.result()
        for feed in feeds.read_feeds(self._connector.settings).values():
            path = Path(feed.path)
            if not path.exists():
                continue
            with path.open(newline="", encoding="utf-8") as text:
                offers = {row["sku"] for row in csv.DictReader(text, delimiter=SEPARATOR)}
            if offers != self._offers.setdefault(path, offers):
                self.findings.append(f"{path.name} has {len(offers)} offers, and had {len(self._offers[path])}")

    def _build(self) -> None:
        for name in feeds.read_feeds(self._connector.settings):
            try:
                report = feeds.build(self._connector, name)
            except LengowError:
                self.failed += 1
            else:
                self.built += sum(not one.refusal for one in report.feeds)
