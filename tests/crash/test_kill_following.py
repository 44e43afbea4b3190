"""`kill -9` at every boundary while changes at Lengow are brought to the shop: each is there once, as if nothing had been.

The merchant's files are copied before each death, so that what is left can be compared row by row with what a life
without a death leaves.
"""

import multiprocessing
import shutil
import signal
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from child import LEASE_SECONDS, follow

from lengow.sandbox import Sandbox, catalogue

TABLES = ("shop_orders", "shop_order_lines", "shop_refunds", "products")


@pytest.mark.timeout(300)
def test_killed_at_every_boundary_each_change_is_in_the_shop_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["child"])
    with Sandbox(quota_per_minute=0) as sandbox:
        facts = _changed_at_lengow(context, sandbox, tmp_path / "before")
        assert not _lives(context, _copied(facts, tmp_path / "undisturbed"), die_at=None)
        undisturbed = _shop(tmp_path / "undisturbed")
        assert undisturbed != _shop(tmp_path / "before")
        deaths = 0
        for boundary in range(1000):
            copy = _copied(facts, tmp_path / str(boundary))
            if not _lives(context, copy, die_at=boundary):
                break
            deaths += 1
            time.sleep(LEASE_SECONDS)
            assert not _lives(context, copy, die_at=None)
            assert _shop(tmp_path / str(boundary)) == undisturbed, f"killed at boundary {boundary}"
            assert _changes(tmp_path / str(boundary)) == _changes(tmp_path / "undisturbed"), f"boundary {boundary}"
    assert deaths >= 15
    assert [state for _, state in _changes(tmp_path / "undisturbed")] == ["applied"] * 5


def _changed_at_lengow(context: Any, sandbox: Sandbox, folder: Path) -> dict[str, Any]:
    """Four orders are in the shop, and then much happens to them."""
    folder.mkdir()
    account = sandbox.add_account("main")
    with closing(sqlite3.connect(folder / "shop.db")) as db, db:
        db.execute("CREATE TABLE products (sku TEXT PRIMARY KEY, stock INTEGER)")
        db.executemany("INSERT INTO products VALUES (?, 1000)", [(one.sku,) for one in catalogue()])
    facts = {"url": sandbox.url, "access_token": account.access_token, "secret": account.secret, "folder": str(folder)}
    ids = sandbox.sell(account.account_id, 4, {"multi_line": 4})
    sandbox.advance(minutes=15)
    assert not _lives(context, facts, die_at=None)
    cancelled, without_a_line, corrected, shipped = ids
    sandbox.cancel(cancelled)
    sandbox.cancel(without_a_line, line_ids=[f"{without_a_line}-1"])
    sandbox.amend(corrected, {"city": "Sète"})
    sandbox.ship(shipped, carrier="COLISSIMO", tracking_number="6A1")
    sandbox.refund(shipped, line_ids=[f"{shipped}-1"])
    sandbox.advance(minutes=15)
    return facts


def _lives(context: Any, facts: dict[str, Any], *, die_at: int | None) -> bool:
    """Whether it was killed. Any other end than a good one is an error."""
    child = context.Process(target=follow, args=(facts, die_at))
    child.start()
    child.join(60)
    assert child.exitcode in (0, -signal.SIGKILL), f"the child ended with {child.exitcode}"
    return bool(child.exitcode == -signal.SIGKILL)


def _copied(facts: dict[str, Any], folder: Path) -> dict[str, Any]:
    shutil.copytree(facts["folder"], folder)
    return {**facts, "folder": str(folder)}


def _shop(folder: Path) -> list[list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(folder / "shop.db")) as db:
        return [sorted(db.execute(f"SELECT * FROM {table}").fetchall(), key=repr) for table in TABLES]


def _changes(folder: Path) -> list[tuple[int, str]]:
    with closing(sqlite3.connect(folder / "lengow.db")) as db:
        return sorted(db.execute("SELECT package_id, state FROM changes").fetchall())
