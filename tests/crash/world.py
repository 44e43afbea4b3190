"""The other side of a connector's life: a Lengow, shops of any platforms, a mail server; and the ledgers compared.

It outlives the connector's processes. What happens in it (a buyer cancels, a shop ships) happens once, whoever asks.
"""

import multiprocessing
import os
import signal
import socket
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from multiprocessing.sharedctypes import RawValue
from pathlib import Path
from typing import Any

import requests

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

from lives import ACCOUNT, Facts, Point, ShopFacts, clock, live, settings_of
from mail_server import MailServer, mail_server

from lengow.connector import Connector
from lengow.console.demo import lines_of
from lengow.console.demo_shops import PLENTY, SHOPS, GenericShop, Listed, MagentoDemo, PrestaShopDemo
from lengow.invoices import Invoices
from lengow.sandbox import HeldOrder, Ledger, Reconciliation, Sandbox, ShopHoldings, SoldOrder, Tracking, reconcile
from lengow.sandbox.catalogue import catalogue

MARKETPLACE = "manomano_fr"
FIRST_CATALOGUE = 3131
LONGEST_LIFE = 300.0
"""Seconds after which a life that goes on has not come to its end, and never will."""

PLATFORMS = tuple(kind.platform for kind in SHOPS)
KINDS = {"standard": 2, "multi_package": 1, "fulfilment": 1}


class StockedGenericShop(GenericShop):
    """With a table of products, and a sender of webhooks that keeps what was not taken."""

    def __init__(self, clock: Any, folder: Path) -> None:
        super().__init__(clock, folder)
        with closing(sqlite3.connect(self._path)) as db, db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("CREATE TABLE products (sku TEXT PRIMARY KEY, stock INTEGER)")
            db.executemany("INSERT INTO products VALUES (?, ?)", [(one.sku, PLENTY) for one in catalogue()])

    @property
    def options(self) -> Mapping[str, Any]:
        return {**super().options, "products_table": "products"}

    def tell(self) -> None:
        while self._waiting:
            waiting = self._waiting
            self._waiting = waiting[:1]
            try:
                super().tell()
            except requests.RequestException:
                self._waiting = waiting
                raise
            self._waiting = waiting[1:]

    def stock(self) -> int:
        with closing(sqlite3.connect(self._path)) as db:
            return int(db.execute("SELECT sum(stock) FROM products").fetchone()[0])


class MagentoWithoutCaptures(MagentoDemo):
    """Ships an order once: one that is shipped, and whose invoice is not captured, is `processing` still."""

    def ship(self) -> int:
        ledger = self._shop.ledger()
        sent = {row["order_id"] for row in ledger.shipments}
        waiting = [row for row in ledger.orders if row["state"] == "processing" and row["entity_id"] not in sent]
        for row in waiting:
            track = {"track_number": f"MA{row['entity_id']}", "title": "DPD", "carrier_code": "custom"}
            self._shop.ship(row["entity_id"], track)
        return len(waiting)


class PrestaShopWithUnfinished(PrestaShopDemo):
    """Lists the orders that the connector has not come to write its reference on, too: without a number."""

    def orders(self) -> Iterator[Listed]:
        yield from super().orders()
        for row in self._shop.rows("orders"):
            view = self._shop.order_view(int(row["id"] or 0))
            if not view["note"]:
                yield Listed(f"without a note: {view['id']}", (("?", 1),), Decimal(0))

    def _views(self) -> list[dict[str, Any]]:
        views = [self._shop.order_view(int(row["id"] or 0)) for row in self._shop.rows("orders")]
        return [view for view in views if (view["note"] or "").startswith("Lengow reference: ")]


KIND_OF = {kind.platform: kind for kind in SHOPS} | {
    "generic": StockedGenericShop,
    "magento": MagentoWithoutCaptures,
    "prestashop": PrestaShopWithUnfinished,
}


class World:
    """One account and a shop of each platform of `platforms`, around a connector whose store is at `store`."""

    def __init__(
        self,
        sandbox: Sandbox,
        folder: Path,
        mails: MailServer,
        store: str,
        platforms: Sequence[str] = PLATFORMS,
        runner: str = "rounds",
        kinds: Mapping[str, Any] = KIND_OF,
        **more: Any,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.sandbox, self.folder, self.mails = sandbox, folder, mails
        self.account = sandbox.add_account(f"{ACCOUNT}-{folder.name}")
        self.shops: dict[str, Any] = {name: kinds[name](sandbox._clock, folder) for name in platforms}
        self.catalogues = {name: FIRST_CATALOGUE + place for place, name in enumerate(platforms)}
        self.ahead = RawValue("d", 0.0)
        self.deaths = 0
        self._heard = True
        self.facts = Facts(
            lengow=sandbox.url,
            access_token=self.account.access_token,
            secret=self.account.secret,
            store=store,
            runner=runner,
            shops={
                name: ShopFacts(shop.platform, self.catalogues[name], shop.secret, dict(shop.options))
                for name, shop in self.shops.items()
            },
            mail_port=mails.port,
            webhook_port=_free_port(),
            sender=f"shop@{folder.name}.example",
            **more,
        )
        for name, shop in self.shops.items():
            shop.listen(f"http://127.0.0.1:{self.facts.webhook_port}/webhooks/{name}", lambda: None)
        self.advance(0)
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PRELOADED)
        self.connector = Connector(settings_of(self.facts), clock=clock(self.ahead))
        """Only looked into."""

    def close(self) -> None:
        self.connector.close()
        for shop in self.shops.values():
            shop.close()

    def advance(self, minutes: float) -> None:
        now = self.sandbox.advance(minutes=minutes)
        self.ahead.value = (now - datetime.now(UTC)).total_seconds()

    def seller_for(self, shop: str) -> Any:
        """The account of Lengow's that sells for it."""
        return self.account

    def sell(self, kinds: Mapping[str, int] = KINDS) -> dict[str, list[str]]:
        """So many orders for each shop; Lengow has them."""
        sold = {
            name: self.sandbox.sell(
                self.seller_for(name).account_id,
                sum(kinds.values()),
                kinds,
                marketplace=MARKETPLACE,
                catalog_id=self.catalogues[name],
            )
            for name in self.shops
        }
        self.advance(15)
        return sold

    def passes_for_the_dead(self) -> None:
        """Workers that have died count as dead at the next look, as after `worker.GONE_SECONDS`."""
        database = getattr(self.connector.store, "database", None)
        if self.facts.runner == "worker" and database is not None:
            with database.transaction() as db:
                db.change("UPDATE procrastinate_workers SET last_heartbeat = last_heartbeat - interval '1 hour'")

    def start(self, target: Callable[..., None], *arguments: Any, **changes: Any) -> tuple[Any, Any]:
        """A process of the connector, and the pipe to it."""
        ours, theirs = self._context.Pipe()
        child = self._context.Process(
            target=target, args=(replace(self.facts, **changes), self.ahead, theirs, *arguments), daemon=True
        )
        child.start()
        theirs.close()
        return child, ours

    def lives(
        self, happenings: "Happenings", die: Point | None = None, **changes: Any
    ) -> dict[tuple[str, str], int] | None:
        """One life; None when it was killed, else the boundaries that it passed. Another end is an error."""
        child, pipe = self.start(live, die, **changes)
        return self.served(child, pipe, happenings)

    def overtaken(self, happenings: "Happenings", point: Point, **changes: Any) -> bool:
        """One life that stands still at a point, while another one does all the work, and then goes on.

        Whether it came to that point.
        """
        child, pipe = self.start(live, point._replace(signal=signal.SIGSTOP), **changes)
        stood = self.served(child, pipe, happenings, until_it_stands=True) is STANDS
        if stood and self._is_locked():  # by another of its threads, which nobody could go on beside
            os.kill(child.pid, signal.SIGCONT)
            self.served(child, pipe, happenings)
            return False
        if stood:
            self.advance(16)
            self._heard = False
            try:
                self.lives(happenings, **{**changes, "hears": False})
            finally:
                self._heard = True
                os.kill(child.pid, signal.SIGCONT)
            self.served(child, pipe, happenings)
        return stood

    def _is_locked(self) -> bool:
        """Whether a process that stands still is in a transaction."""
        database = getattr(self.connector.store, "database", None)
        if database is not None:
            query = "SELECT 1 FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
            return database.rows(query) != []
        try:
            for file in self.folder.glob("*.db"):
                with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as db:
                    db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        return False

    def served(
        self, child: Any, pipe: Any, happenings: "Happenings", *, until_it_stands: bool = False
    ) -> dict[tuple[str, str], int] | None:
        """What became of a life; `until_it_stands`: STANDS as soon as it stands still. One that hangs is an error."""
        passed: dict[tuple[str, str], int] | None = None
        ends = time.monotonic() + LONGEST_LIFE
        try:
            while passed is None:
                while not pipe.poll(0.01 if until_it_stands else 1):
                    if until_it_stands and _stands_still(child.pid):
                        return STANDS
                    if time.monotonic() > ends:
                        child.kill()
                        raise AssertionError("the child hung")
                asked = pipe.recv()
                if isinstance(asked, str):
                    getattr(happenings, asked)()
                    pipe.send(True)
                else:
                    passed = asked
        except (EOFError, ConnectionError):
            pass
        child.join(120)
        pipe.close()
        if child.exitcode == -signal.SIGKILL:
            self.deaths += 1
            return None
        if child.exitcode != 0 or passed is None:
            raise AssertionError(f"the child ended with {child.exitcode}")
        return passed

    def state(self) -> list[str]:
        """What the connector has open, for who looks into a finding."""
        store = self.connector.store
        steps = [(str(one.kind), one.subject, one.due_at, one.held, one.error) for one in store.steps(limit=50)]
        events = [(one.kind, str(one.state), one.reason, one.about) for one in store.list_events(limit=10)]
        return [f"it is {self.connector.context.now()}; steps: {steps}; last events: {events}"]

    def told(self) -> None:
        """The shops send their webhooks; what nobody takes is for the polling, or for later."""
        if not self._heard:
            return
        for shop in self.shops.values():
            try:
                shop.tell()
            except requests.RequestException:
                continue

    def stock_taken(self, name: str) -> int:
        shop = self.shops[name]
        left = shop.stock() if name == "generic" else sum(int(n or 0) for n in shop._shop.ledger().stock.values())
        return len(catalogue()) * PLENTY - left

    def compared(
        self, name: str, ledger: Ledger, ids: set[str] | None = None
    ) -> tuple[Reconciliation, list[SoldOrder]]:
        """What the marketplace sold for a shop (only `ids`) with what the shop holds."""
        own = [
            order
            for order in ledger.sold
            if order.account_id == self.account.account_id
            and order.catalog_id == self.catalogues[name]
            and (ids is None or order.order_id in ids)
        ]
        numbers = {order.order_id for order in own}
        part = replace(ledger, sold=tuple(own), told=tuple(one for one in ledger.told if one.order_id in numbers))
        listed = self.shops[name].orders()
        held = [one for one in self.held(own, listed) if ids is None or one.marketplace_order_id in numbers]
        holdings = ShopHoldings(orders=held, catalogues=(self.catalogues[name],))
        return reconcile(part, {self.account.account_id: holdings}), own

    def held(self, own: Sequence[SoldOrder], orders: Iterable[Listed]) -> Iterator[HeldOrder]:
        """A shop's own list in the marketplace's lines, by SKU and pieces."""
        sold = {order.order_id: order for order in own}
        given: set[str] = set()
        for listed in orders:
            order = sold.get(listed.number)
            if order is None:
                yield HeldOrder(MARKETPLACE, listed.number, tuple(sku for sku, _ in listed.goods), listed.total)
                continue
            lines = tuple(lines_of(listed.goods, order, given))
            tracking = Tracking(number=listed.tracking) if listed.tracking else None
            yield HeldOrder(MARKETPLACE, listed.number, lines, listed.total, tracking)

    def mail_findings(self) -> list[str]:
        """Each invoice is mailed once; or it is not known whether it was, a person is told, and it is not mailed twice."""
        found = []
        times = Counter(str(mail["Message-ID"]).strip() for mail in list(self.mails.mails))
        rows = Invoices(self.connector).listed(account=ACCOUNT, limit=1_000_000)
        for row in rows:
            sent = times[row.message_id] if row.message_id else 0
            allowed = {"mailed": (1,), "mail_unknown": (0, 1)}.get(str(row.state), ())
            if sent not in allowed:
                found.append(f"invoice {row.number} of {row.order_key} is {row.state}, mailed {sent} times")
        numbers = Counter(row.number for row in rows)
        found += [f"invoice number {number} given {count} times" for number, count in numbers.items() if count > 1]
        return found


class Happenings:
    """What happens to the orders that are sold: each thing once, whatever becomes of the connector meanwhile.

    Of each shop's orders of one sale, the address of the first is corrected and the second is cancelled, once they are
    in the shop; then the shop ships what it has to ship.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.sold: dict[str, list[str]] = {name: [] for name in world.shops}
        self._new: list[dict[str, list[str]]] = []
        self._before = {name: world.stock_taken(name) for name in world.shops}

    def sell(self, kinds: Mapping[str, int] = KINDS) -> None:
        sold = self.world.sell(kinds)
        self._new.append(sold)
        for name, ids in sold.items():
            self.sold[name] += ids

    def happens(self) -> None:
        new, self._new = self._new, []
        for sold in new:
            for ids in sold.values():
                self.world.sandbox.amend(ids[0], {"city": "Sète"})
                self.world.sandbox.cancel(ids[1])
        self.world.advance(16)

    def ships(self) -> None:
        for shop in self.world.shops.values():
            shop.ship()
        self.world.told()
        self.world.advance(16)

    def answers(self) -> None:
        self.world.advance(61)

    def findings(self) -> list[str]:
        """All that is not as it should be, of all that was sold."""
        world, found = self.world, []
        ledger = world.sandbox.ledger()
        for name, ids in self.sold.items():
            compared, own = world.compared(name, ledger, set(ids))
            for kind in ("lost", "doubled", "unexpected", "wrong_totals", "unconfirmed", "refused"):
                found += [f"{name}: {kind}: {one}" for one in getattr(compared, kind)]
            imported = [order for order in own if not order.fulfilment]
            held = {listed.number for listed in world.shops[name].orders()}
            found += [
                f"{name}: the id of {order.order_id} is not reported"
                for order in imported
                if not order.merchant_order_ids and (order.order_id in held or not _withdrawn(order))
            ]
            found += self._stock(name, imported) + self._states(name)
        return found + (world.mail_findings() if world.facts.invoices else [])

    def _stock(self, name: str, imported: Sequence[SoldOrder]) -> list[str]:
        """Every platform gives back the stock of an order that is cancelled as a whole."""
        taken = self.world.stock_taken(name) - self._before[name]
        pieces = sum(line.quantity for order in imported for line in order.lines if line.state not in WITHDRAWN)
        return [] if taken == pieces else [f"{name}: {taken} pieces taken from stock, {pieces} sold"]

    def _states(self, name: str) -> list[str]:
        """Every order is explained, and every change brought."""
        store, found = self.world.connector.store, []
        for number in self.sold[name]:
            listed = store.find_orders(number)
            if len(listed) != 1:
                found.append(f"{name}: {number} is {len(listed)} times in the store")
                continue
            order = listed[0].order
            explained = str(order.state) == "created" or (str(order.state) == "skipped" and order.reason)
            if not explained:
                found.append(f"{name}: {number} is {order.state} ({order.reason})")
            found += [
                f"{name}: {number}: {change.kind} is {change.state}: {change.reason}"
                for change in store.changes_of([order.id]).get(order.id, [])
                if str(change.state) != "applied" and change.reason != "not_created"
            ]
            found += [
                f"{name}: {number}: the action {action.action_type} is {action.state}: {action.error}"
                for action in store.actions_of(order.id)
                if str(action.state) != "confirmed"
            ]
        return found


STANDS: dict[tuple[str, str], int] = {}
"""What is said of a life that stands still."""


def _stands_still(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] == "T"


WITHDRAWN = ("canceled", "refused")


def _withdrawn(order: SoldOrder) -> bool:
    """Nothing of it is sold any more: one that was cancelled early enough never comes into the shop."""
    return all(line.state in WITHDRAWN for line in order.lines)


PRELOADED = [
    "lives",
    "lengow.console.serving",
    "lengow.console.demo_shops",
    "lengow.webhooks",
    "lengow.invoices.work",
    "lengow.connector.worker",
    *(f"lengow.adapters.{name}" for name in PLATFORMS),
]


@contextmanager
def worlds(folder: Path) -> Iterator[Callable[..., World]]:
    """Makes worlds in one sandbox, and closes them. Without `store`, it is a SQLite file."""
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(quota_per_minute=0))
        mails = stack.enter_context(mail_server())

        def make(name: str, store: str = "", **options: Any) -> World:
            place = folder / name
            world = World(sandbox, place, mails, store or f"sqlite:///{place / 'lengow.db'}", **options)
            stack.callback(world.close)
            return world

        yield make


@contextmanager
def store_urls(kind: str) -> Iterator[Callable[[], str]]:
    """Makes URLs of empty stores; empty: a file beside the world."""
    if kind == "sqlite":
        yield lambda: ""
        return
    from postgres_server import own_schema, running_server

    with ExitStack() as stack:
        server = stack.enter_context(running_server())
        yield lambda: stack.enter_context(own_schema(server))


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
