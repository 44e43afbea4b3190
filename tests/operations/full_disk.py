"""Run by test_bad_stores.py in a process of its own: what happens on a full or read-only disk.

full_disk.py {limited|running|small_disk|read_only} FOLDER URL TOKEN SECRET
"""

import json
import logging
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lengow.connector import Account, Connector, Settings, Shop, Store
from lengow.connector.errors import StoreError
from lengow.connector.secret import Secret
from lengow.connector.store.rows import OrderFilter

NOBODY = 65534
SOLD = 60
how, folder, url, token, secret = sys.argv[1:]
store = Path(folder) / "small" / "lengow.db"
settings = Settings(
    accounts={
        "main": Account(
            access_token=Secret(token), secret=Secret(secret), base_url=url, requests_per_minute=0, first_sync_days=30
        )
    },
    shops={
        "b2c": Shop(
            account="main", platform="generic", call_timeout=0.5, options={"database": f"sqlite:///{folder}/shop.db"}
        )
    },
    store=Store(url=f"sqlite:///{store}", lease_seconds=2),
)


def attempt() -> dict[str, object]:
    """One round by a new process, as it were."""
    try:
        with Connector(settings) as connector:
            [round_] = connector.sync()
            return {"code": "", "errors": list(round_.errors), "imported": round_.imported is not None}
    except StoreError as error:
        return {"code": error.code, "sentence": str(error), "what_to_do": error.what_to_do}


def room(size: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))


def limited() -> list[dict[str, object]]:
    """No file may grow beyond a size: first none at all, then one that the store outgrows, then any."""
    told = []
    for size in (0, 256 * 1024, -1):
        room(size)
        told.append(attempt())
    return told


def running() -> list[dict[str, object]]:
    """The schedule in the background, of which the disk fills up and is cleared while it runs."""
    codes: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            codes.append(str(getattr(record, "code", "")))

    logging.getLogger("lengow").addHandler(Listener())
    with Connector(settings) as connector:
        room(store.with_name("lengow.db-wal").stat().st_size + 96 * 1024)  # enough to begin, not for the orders
        connector.start()
        wait_until(lambda: "store_full" in codes and bool(connector.problems()))
        problems = [one.code for one in connector.problems()]
        room(-1)
        wait_until(lambda: len(connector.store.list_orders(OrderFilter(state="created", limit=1000))) == SOLD)
        stopped = connector.stop()
    return [{"problems": problems, "logged": len(codes), "stopped": stopped}]


def wait_until(happened: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not happened() and time.monotonic() < ends:
        time.sleep(0.1)


def small_disk() -> list[dict[str, object]]:
    """`small` is a disk that is full, and then is not."""
    ballast = store.parent / "ballast"
    told = [attempt()]
    ballast.unlink()
    ends = time.monotonic() + 60
    after = attempt()
    while not after["imported"] and time.monotonic() < ends:  # what the first left leased is taken up by the next
        time.sleep(0.5)
        after = attempt()
    return [*told, after]


def read_only() -> list[dict[str, object]]:
    """By a user who may read and not write; whoever runs the tests as root becomes nobody."""
    told = [attempt()]
    store.chmod(0o444)
    store.parent.chmod(0o555)
    if os.geteuid() == 0:
        os.seteuid(NOBODY)
    told.append(attempt())
    os.seteuid(os.getuid())
    store.parent.chmod(0o755)
    store.chmod(0o644)
    return [*told, attempt()]


sys.stdout.write(
    json.dumps({"limited": limited, "running": running, "small_disk": small_disk, "read_only": read_only}[how]())
)
