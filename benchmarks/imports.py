"""Importing orders into the generic shop: speed beside a hand-written floor, an unchanged second sync, memory."""

import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests

from lengow.connector import Account, Connector, Settings, Shop, Store
from lengow.connector.secret import Secret
from lengow.sandbox import Account as LengowAccount
from lengow.sandbox import SandboxControl, start_process

ORDERS = 5_000
KINDS = {"standard": 0.7, "multi_line": 0.2, "relay": 0.05, "business": 0.05}
MEGABYTE = 1024


def measure_import() -> dict[str, tuple[float, str]]:
    """Until all orders are in the shop; merchant ids are reported, and timed, afterwards."""
    with start_process(quota_per_minute=0) as sandbox, tempfile.TemporaryDirectory() as folder:
        account = sell(sandbox, ORDERS)
        _floor(sandbox.url, account, Path(folder) / "warm-up.db")
        floor = _timed(lambda: _floor(sandbox.url, account, Path(folder) / "floor.db"))
        with Connector(marketplace_settings(sandbox.url, account, Path(folder))) as connector:
            wall = _timed(lambda: connector.sync(report=False))
            _expect_in_shop(Path(folder) / "shop.db", ORDERS)
            reports = _timed(lambda: connector.work("main"))
    return {
        "orders_per_second": (round(ORDERS / wall), "≥ 1500"),
        "wall_to_floor": (round(wall / floor, 2), "≤ 3"),
        "floor_orders_per_second": (round(ORDERS / floor), "≥ 0"),
        "reports_per_second_without_quota": (round(ORDERS / reports), "≥ 0"),
    }


def measure_unchanged() -> dict[str, tuple[float, str]]:
    """A second sync over the same window with nothing changed at Lengow."""
    with start_process(quota_per_minute=0) as sandbox, tempfile.TemporaryDirectory() as folder:
        account = sell(sandbox, ORDERS)
        with Connector(marketplace_settings(sandbox.url, account, Path(folder))) as connector:
            connector.sync(report=False)
            before = _order_rows(Path(folder) / "lengow.db")
            wall = _timed(lambda: _expect_read(connector, ORDERS))
            written = sum(one != two for one, two in zip(before, _order_rows(Path(folder) / "lengow.db"), strict=True))
    return {"orders_per_second": (round(ORDERS / wall), "≥ 10000"), "writes": (written, "≤ 0")}


def measure_memory() -> dict[str, tuple[float, str]]:
    """Peak memory of a process that imports 100,000 orders, less that of one that imports 1,000."""
    small, large = _peak(1_000), _peak(100_000)
    return {"megabytes_more_for_100000_than_1000": (round((large - small) / MEGABYTE, 1), "≤ 40")}


def _peak(orders: int) -> int:
    """Kilobytes."""
    with start_process(quota_per_minute=0) as sandbox, tempfile.TemporaryDirectory() as folder:
        account = sell(sandbox, orders)
        command = [sys.executable, __file__, sandbox.url, account.access_token, account.secret, folder, str(orders)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return int(done.stdout.split()[-1])


def _import_in_this_process(url: str, access_token: str, secret: str, folder: str, orders: str) -> None:
    account = LengowAccount(name="main", account_id=0, access_token=access_token, secret=secret)
    with Connector(marketplace_settings(url, account, Path(folder))) as connector:
        connector.sync(report=False)
    _expect_in_shop(Path(folder) / "shop.db", int(orders))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def sell(sandbox: SandboxControl, orders: int, kinds: dict[str, float] = KINDS) -> LengowAccount:
    account = sandbox.add_account("main")
    sandbox.sell(account.account_id, orders, kinds)
    sandbox.advance(minutes=15)
    return account


def marketplace_settings(url: str, account: LengowAccount, folder: Path, *, requests_per_minute: int = 0) -> Settings:
    return Settings(
        accounts={
            "main": Account(
                access_token=Secret(account.access_token),
                secret=Secret(account.secret),
                base_url=url,
                requests_per_minute=requests_per_minute,
            )
        },
        shops={"b2c": Shop(account="main", platform="generic", options={"database": f"sqlite:///{folder}/shop.db"})},
        store=Store(url=f"sqlite:///{folder}/lengow.db"),
    )


def _floor(url: str, account: LengowAccount, path: Path) -> None:
    """What a script would do that keeps no promise: read the pages, one insert an order, one commit a page."""
    with closing(sqlite3.connect(path)) as db, requests.Session() as session:
        db.execute("CREATE TABLE orders (id TEXT PRIMARY KEY, total TEXT, body TEXT)")
        keys = {"access_token": account.access_token, "secret": account.secret}
        granted = session.post(f"{url}/access/get_token", data=keys, timeout=10).json()
        session.headers["Authorization"] = granted["token"]
        now = datetime.now(UTC) + timedelta(days=1)
        params = {
            "account_id": granted["account_id"],
            "updated_from": (now - timedelta(days=4)).isoformat(),
            "updated_to": now.isoformat(),
            "page": 1,
            "page_size": 100,
        }
        while True:
            page = json.loads(session.get(f"{url}/v3.0/orders/", params=params, timeout=20).content)
            with db:
                for order in page["results"]:
                    db.execute(
                        "INSERT INTO orders VALUES (?, ?, ?)",
                        (order["marketplace_order_id"], str(order["total_order"]), json.dumps(order)),
                    )
            if not page["next"]:
                break
            params["page"] += 1
        _expect((db.execute("SELECT count(*) FROM orders").fetchone()[0]), ORDERS)


def _expect_in_shop(path: Path, orders: int) -> None:
    with closing(sqlite3.connect(path)) as db:
        _expect(db.execute("SELECT count(*) FROM shop_orders").fetchone()[0], orders)


def _expect_read(connector: Connector, orders: int) -> None:
    imported = connector.sync(report=False)[0].imported
    if imported is None or imported.error or (imported.read, imported.new, imported.amended) != (orders, 0, 0):
        raise SystemExit(f"not an unchanged sync: {imported}")


def _order_rows(path: Path) -> list[tuple[object, ...]]:
    """Everything that the store holds of orders, to see that nothing of it was written."""
    with closing(sqlite3.connect(path)) as db:
        return [
            row
            for table in ("orders", "packages", "journal", "actions", "events")
            for row in db.execute(f"SELECT rowid, * FROM {table} ORDER BY rowid")
        ]


def _expect(found: int, wanted: int) -> None:
    if found != wanted:
        raise SystemExit(f"{found} orders where {wanted} were expected")


def _timed(work: object) -> float:
    started = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - started


if __name__ == "__main__":
    _import_in_this_process(*sys.argv[1:])
