"""Reconciling 50,000 imported orders, one in a hundred edited in the shop: how long, how much memory, what is found."""

import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from imports import MEGABYTE, marketplace_settings, sell

from lengow.connector import Connector
from lengow.sandbox import Account as LengowAccount
from lengow.sandbox import start_process

ORDERS = 50_000
FEW = 1_000
EDITED = 100
"""One in so many is edited."""


def measure_reconcile() -> dict[str, tuple[float, str]]:
    """A process of its own each; imported and reported before it begins."""
    few, many = _reconciled(FEW), _reconciled(ORDERS)
    return {
        "seconds_for_50000_orders": (round(many["seconds"], 1), "≤ 30"),
        "cpu_seconds_of_it": (round(many["cpu"], 1), "≤ 30"),
        "megabytes_more_for_50000_than_1000": (round((many["peak"] - few["peak"]) / MEGABYTE, 1), "≤ 40"),
        "edited_orders_not_found": (ORDERS // EDITED - many["amount_differs"], "≤ 0"),
        "found_beside_them": (many["others"], "≤ 0"),
    }


def _reconciled(orders: int) -> dict[str, float]:
    with start_process(quota_per_minute=0) as sandbox, tempfile.TemporaryDirectory() as folder:
        account = sell(sandbox, orders)
        with Connector(marketplace_settings(sandbox.url, account, Path(folder))) as connector:
            connector.sync()
        sandbox.advance(minutes=15)
        with closing(sqlite3.connect(Path(folder) / "shop.db")) as db, db:
            changed = db.execute("UPDATE shop_orders SET total = '0.01' WHERE id % ? = 0", [EDITED]).rowcount
        if changed != orders // EDITED:
            raise SystemExit(f"{changed} orders edited where {orders // EDITED} were to be")
        command = [sys.executable, __file__, sandbox.url, account.access_token, account.secret, folder]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        facts: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return facts


def _reconcile_in_this_process(url: str, access_token: str, secret: str, folder: str) -> None:
    account = LengowAccount(name="main", account_id=0, access_token=access_token, secret=secret)
    with Connector(marketplace_settings(url, account, Path(folder))) as connector:
        started, used = time.perf_counter(), time.process_time()
        kinds = Counter(str(one.kind) for one in connector.reconcile(days=7))
        seconds, cpu = time.perf_counter() - started, time.process_time() - used
    edited = kinds.pop("amount_differs", 0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    facts = {"seconds": seconds, "cpu": cpu, "peak": peak, "amount_differs": edited, "others": kinds.total()}
    print(json.dumps(facts))


if __name__ == "__main__":
    _reconcile_in_this_process(*sys.argv[1:])
