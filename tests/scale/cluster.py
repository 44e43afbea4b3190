"""A cluster for tests: a sandbox Lengow, one PostgreSQL, and processes of `lengow-connector` that share the store."""

import base64
import hmac
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import requests

from lengow.adapters.generic import create_tables
from lengow.connector.store import open_database, open_store
from lengow.connector.store.postgres_database import address_of
from lengow.sandbox import HeldOrder, Reconciliation, SandboxControl, ShopHoldings, Tracking, reconcile

TIMEOUTS = ("idle_in_transaction_session_timeout", "statement_timeout")
ABANDONED = "5s"
"""When PostgreSQL ends what a worker that stands still has begun: sooner than in production, for the tests' sake."""

WEBHOOK_KEY = b"k" * 32
COMMAND = [sys.executable, "-c", "from lengow.console.cli import main; main()"]


class Cluster:
    """One account with one generic shop for each name; all state in PostgreSQL."""

    def __init__(
        self,
        sandbox: SandboxControl,
        store_url: str,
        folder: Path,
        *,
        names: Sequence[str] = ("main",),
        lease: float = 4,
    ) -> None:
        self.sandbox = sandbox
        self.url = f"{store_url}&options={'%20'.join(f'-c%20{one}%3D{ABANDONED}' for one in TIMEOUTS)}"
        open_store(self.url).close()
        with closing(open_database(self.url)) as database:
            create_tables(database)
        self.folder = folder
        self.accounts = {name: sandbox.add_account(name) for name in names}
        self.processes: list[subprocess.Popen[str]] = []
        self.settings = folder / "lengow.toml"
        self.lease = lease
        self.write_settings()

    def write_settings(
        self, store_url: str | None = None, name: str = "lengow.toml", *, lengow: str = "", **shop: Any
    ) -> Path:
        """The settings file of a host, which may reach the store and Lengow by other addresses."""
        lines = ["[store]", f'url = "{store_url or self.url}"', f"lease_seconds = {self.lease}"]
        for account, keys in self.accounts.items():
            lines += [
                f"[accounts.{account}]",
                f'access_token = "{keys.access_token}"',
                f'secret = "{keys.secret}"',
                f'base_url = "{lengow or self.sandbox.url}"',
                "requests_per_minute = 0",
                "sync_every_minutes = 0.02",
                f"[shops.shop-{account}]",
                f'account = "{account}"',
                'platform = "generic"',
                "call_timeout = 1",
                "poll_every_minutes = 0.02",
                f'webhook_secrets = ["whsec_{base64.b64encode(WEBHOOK_KEY).decode()}"]',
                *(f"{key} = {json.dumps(value)}" for key, value in shop.items()),
            ]
        path = self.folder / name
        path.write_text("\n".join(lines))
        return path

    def worker(
        self,
        *options: str,
        settings: Path | None = None,
        prefix: Sequence[str] = (),
        command: Sequence[str] = COMMAND,
    ) -> "subprocess.Popen[str]":
        return self.start("worker", "--concurrency=4", *options, settings=settings, command=[*prefix, *command])

    def start(
        self, *arguments: str, settings: Path | None = None, command: Sequence[str] = COMMAND
    ) -> "subprocess.Popen[str]":
        with (self.folder / f"process-{len(self.processes)}.log").open("w") as log:
            process = subprocess.Popen(
                [*command, "--config", str(settings or self.settings), *arguments],
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONUTF8": "1"},
            )
        self.processes.append(process)
        return process

    def sells(self, count: int, account: str = "main") -> None:
        self.sandbox.sell(self.accounts[account].account_id, count, {"standard": 0.8, "multi_package": 0.2})
        self.sandbox.advance(minutes=15)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(address_of(self.url).conninfo, autocommit=True) as session:
            return session.execute(query, values).fetchall()

    def run(self, statement: str, *values: Any) -> int:
        with psycopg.connect(address_of(self.url).conninfo, autocommit=True) as session:
            return session.execute(statement, values).rowcount

    def ships_all(self) -> int:
        """The hosts ship what is to ship, each order once; returns how many."""
        return self.run(
            """
            WITH shipped AS (
                UPDATE shop_orders SET status = 'shipped' WHERE status = 'to_ship' RETURNING id, reference
            )
            INSERT INTO shop_shipments (shop_order_id, carrier_code, tracking_number)
            SELECT id, 'COLISSIMO', 'T-' || reference FROM shipped
            """
        )

    def receiver(self, port: int) -> "subprocess.Popen[str]":
        return self.start("serve", f"--port={port}")

    def ships_by_webhook(self, ports: Sequence[int], *, most: int = 20) -> int:
        """The hosts tell the receivers, which one is all the same, and again until one takes it; how many were told."""
        told = 0
        rows = self.rows(
            "SELECT id, shop, reference FROM shop_orders WHERE status = 'to_ship' ORDER BY id LIMIT %s", most
        )
        for order_id, shop, reference in rows:
            for attempt in range(40):
                url = f"http://127.0.0.1:{ports[(order_id + attempt) % len(ports)]}/webhooks/{shop}"
                try:
                    answer = requests.post(url, timeout=15, **delivery(str(order_id), f"T-{reference}"))
                except requests.RequestException:
                    time.sleep(0.5)
                    continue
                if 400 <= answer.status_code < 500:
                    raise AssertionError(f"the receiver refuses it: {answer.text}")
                if answer.ok:
                    self.run("UPDATE shop_orders SET status = 'shipped' WHERE id = %s", order_id)
                    told += 1
                    break
                time.sleep(0.5)
        return told

    def in_shops(self) -> int:
        return int(self.rows("SELECT count(*) FROM shop_orders")[0][0])

    @contextmanager
    def shop_that_answers_nothing(self) -> Iterator[Callable[[], bool]]:
        """Creations hang in the middle meanwhile; gives what tells whether one does."""
        with psycopg.connect(address_of(self.url).conninfo) as session:
            session.execute("SET idle_in_transaction_session_timeout = 0")
            session.execute("LOCK TABLE shop_orders IN SHARE ROW EXCLUSIVE MODE")
            waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'shop_orders'::regclass"
            yield lambda: bool(self.rows(waiting))

    def compared(self) -> Reconciliation:
        lines: dict[int, list[str]] = {}
        for order_id, line_id in self.rows("SELECT shop_order_id, line_id FROM shop_order_lines"):
            lines.setdefault(order_id, []).append(line_id)
        held: dict[str, list[HeldOrder]] = {name: [] for name in self.accounts}
        for order_id, shop, marketplace, number, total, shipped in self.rows(
            "SELECT id, shop, marketplace, marketplace_order_id, total, status = 'shipped' FROM shop_orders"
        ):
            told = Tracking() if shipped else None
            held[shop.removeprefix("shop-")].append(
                HeldOrder(marketplace, number, tuple(lines.get(order_id, ())), Decimal(total), told)
            )
        holdings = {
            self.accounts[name].account_id: ShopHoldings(orders=orders, imports_fulfilment=False)
            for name, orders in held.items()
        }
        return reconcile(self.sandbox.ledger(), holdings)

    def settles(self, *, within: float = 90, disturb: Callable[[], object] | None = None) -> Reconciliation:
        """Until the ledgers are equal, the hosts shipping what comes; what they are at the end."""
        ends = time.monotonic() + within
        while True:
            self.ships_all()
            self.sandbox.advance(minutes=1)
            compared = self.compared()
            at_rest = not self.rows("SELECT 1 FROM steps WHERE kind IN ('create', 'send', 'event', 'report') LIMIT 1")
            if (compared.held and compared.clean and compared.all_confirmed and at_rest) or time.monotonic() > ends:
                return compared
            if all(process.poll() is not None for process in self.processes):
                raise AssertionError(f"No process is left: {self.logs()}")
            if disturb:
                disturb()
            time.sleep(0.5)

    def told(self, compared: Reconciliation) -> str:
        """For a failure: what differs, and what the processes logged."""
        differing = {name: getattr(compared, name)[:3] for name in ("lost", "doubled", "unexpected", "unconfirmed")}
        return f"{differing}\n{self.logs()}"

    def logs(self) -> str:
        return "\n".join(path.read_text()[-1500:] for path in sorted(self.folder.glob("process-*.log")))

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait(20)


def delivery(order_id: str, tracking_number: str) -> dict[str, Any]:
    """A Standard Webhooks request, signed by hand; the same event has the same id."""
    body = json.dumps(
        {
            "type": "shipment.created",
            "timestamp": "2026-03-03T14:20:05Z",
            "data": {
                "contract": "shop-shipment/1",
                "order": {"id": order_id},
                "shipment": {"id": f"w-{order_id}", "carrier_code": "COLISSIMO", "tracking_number": tracking_number},
            },
        }
    ).encode()
    stamp = str(int(time.time()))
    digest = hmac.digest(WEBHOOK_KEY, f"msg-{order_id}.{stamp}.".encode() + body, "sha256")
    headers = {
        "content-type": "application/json",
        "webhook-id": f"msg-{order_id}",
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }
    return {"data": body, "headers": headers}


def until(true: Callable[[], object], *, within: float = 60) -> Any:
    """What `true` gives once it is something."""
    ends = time.monotonic() + within
    while not (found := true()):
        if time.monotonic() > ends:
            raise TimeoutError(f"not within {within} seconds: {true}")
        time.sleep(0.1)
    return found


def free_port() -> int:
    import socket

    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
