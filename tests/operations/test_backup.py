"""A copy that was made while the connector ran is put back later: what was done since is found again, nothing is done twice.

SQLite by its own backup, PostgreSQL by `pg_dump`, as docs/operations.md tells.
"""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from postgres_server import client_tool

sys.path.insert(0, str(Path(__file__).parent.parent / "crash"))

from lives import live, settings_of
from world import Happenings, World, worlds

from lengow.connector import Connector
from lengow.connector.store.rows import OrderFilter

PLATFORMS = ("generic", "woocommerce", "prestashop", "magento", "shopware")
TOO_LATE = ("address is ignored: already_shipped", "address is waiting: refused_by_shop")
"""What is said of an address that was corrected, once its order is shipped and the store does not know that it was told."""


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    with worlds(tmp_path) as make:
        yield make


def copied(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy)


def put_back(world: World, copy: Path) -> None:
    """As docs/operations.md tells: the connector ended, the copy in place of file, -wal and -shm."""
    world.connector.close()
    store = world.folder / "lengow.db"
    for name in ("lengow.db", "lengow.db-wal", "lengow.db-shm"):
        store.with_name(name).unlink(missing_ok=True)
    copied(copy, store)
    world.connector = Connector(settings_of(world.facts), clock=world.connector.context.now)


def mended(world: World) -> None:
    """`sync && reconcile --fix`, and nothing is left of what the copy did not know."""
    world.connector.sync()
    assert list(world.connector.reconcile(days=7, fix=True))
    assert [str(one.kind) for one in world.connector.reconcile(days=7)] == []


def told_to_be_older(world: World) -> bool:
    """Whether `doctor` says that the store is older than a shop."""
    findings = [finding for examined in world.connector.doctor() for finding in examined.findings]
    return any("is older than the shop" in one.sentence for one in findings if not one.ok)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_older_copy_is_put_back_and_nothing_is_lost_or_doubled(
    platform: str, make_world: Callable[..., World]
) -> None:
    world = make_world(platform, platforms=(platform,))
    happenings = Happenings(world)
    happenings.sell()
    world.lives(happenings, connect=True)
    happenings.sell()
    world.connector.sync()
    copied(world.folder / "lengow.db", world.folder / "copy.db")
    happenings.sell()  # created, shipped and confirmed after the copy, which knows nothing of it
    world.lives(happenings)
    assert happenings.findings() == []
    put_back(world, world.folder / "copy.db")
    happenings.sell()
    assert not told_to_be_older(world)
    world.connector.sync()
    assert told_to_be_older(world)
    mended(world)
    assert not told_to_be_older(world)
    world.lives(happenings)
    assert [one for one in happenings.findings() if not any(late in one for late in TOO_LATE)] == []
    assert [str(one.kind) for one in world.connector.reconcile(days=7)] == []


@pytest.mark.timeout(300)
def test_a_copy_made_while_the_connector_imports_is_whole(make_world: Callable[..., World]) -> None:
    world = make_world("generic", platforms=("generic",))
    happenings = Happenings(world)
    happenings.sell({"standard": 60})
    pages = 0

    def copy_now(account: str, done: int, total: int) -> None:
        nonlocal pages
        pages += 1
        copied(world.folder / "lengow.db", world.folder / "copy.db")

    world.connector.sync(progress=copy_now)
    assert pages
    with closing(sqlite3.connect(world.folder / "copy.db")) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert copy.execute("PRAGMA foreign_key_check").fetchall() == []
    put_back(world, world.folder / "copy.db")
    mended(world)
    world.lives(happenings)
    assert happenings.findings() == []
    assert len(world.connector.store.list_orders(OrderFilter(limit=1000))) == 60


def test_what_waits_to_be_sent_in_an_old_copy_and_was_sent_since_is_not_sent_again(merchant: Any) -> None:
    [number] = merchant.sells(1)
    merchant.sync()
    merchant.connector.ship("main", "manomano_fr", number, carrier="COLISSIMO", tracking_number="T1")
    copied(merchant.folder / "lengow.db", merchant.folder / "copy.db")
    merchant.sync()
    merchant.sandbox.advance(hours=3)
    merchant.sync()
    merchant.connector.close()
    copied(merchant.folder / "copy.db", merchant.folder / "lengow.db")
    merchant.restart()
    merchant.sync()
    [action] = merchant.connector.store.list_actions()
    assert str(action.state) in ("sent", "confirmed")
    assert "action_found" in merchant.journal(number)
    told = [one for one in merchant.sandbox.ledger().told if one.order_id == number]
    assert len(told) == 1


class Dumps:
    """Copies made by `pg_dump` again and again, as docs/operations.md tells, while everything runs."""

    def __init__(self, url: str, folder: Path) -> None:
        self._server, _, self._schema = url.partition("?schema=")
        self._folder = folder
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go_on)
        self.made: list[Path] = []

    def __enter__(self) -> "Dumps":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def put_back(self, copy: Path) -> None:
        """In place of what is there."""
        with psycopg.connect(self._server, autocommit=True) as session:
            session.execute(f"DROP SCHEMA {self._schema} CASCADE")
        self._run("pg_restore", f"--dbname={self._server}", "--single-transaction", "--exit-on-error", str(copy))

    def make(self) -> Path:
        file = self._folder / f"{len(self.made)}.dump"
        self._run("pg_dump", "--format=custom", f"--schema={self._schema}", f"--file={file}", self._server)
        self.made.append(file)
        return file

    def _go_on(self) -> None:
        while not self._ended.is_set():
            self.make()

    def _run(self, tool: str, *arguments: str) -> None:
        done = subprocess.run([client_tool(tool), *arguments], capture_output=True, text=True, check=False)
        if "server version mismatch" in done.stderr:
            pytest.skip(f"the server is newer than {client_tool(tool)}: {done.stderr}")
        assert done.returncode == 0, done.stderr


@pytest.mark.timeout(300)
@pytest.mark.parametrize("runner", ["rounds", "worker"])
def test_a_dump_of_postgresql_made_while_work_is_done_is_put_back(
    runner: str, make_world: Callable[..., World], postgres_url: str, tmp_path: Path
) -> None:
    world = make_world("pg", postgres_url, platforms=("woocommerce",), runner=runner, lease_seconds=6, call_timeout=3)
    happenings = Happenings(world)
    happenings.sell()
    world.lives(happenings, connect=True)
    happenings.sell({"standard": 20, "multi_package": 4})
    child, pipe = world.start(live, None)
    with Dumps(postgres_url, tmp_path) as dumps:
        world.served(child, pipe, happenings)  # imports, creates, ships, confirms
    assert happenings.findings() == []
    world.connector.close()
    dumps.put_back(dumps.made[len(dumps.made) // 2])
    world.connector = Connector(settings_of(world.facts), clock=world.connector.context.now)
    happenings.sell()
    world.connector.sync()
    for _ in world.connector.reconcile(days=7, fix=True):
        pass
    assert [one.sentence for one in world.connector.reconcile(days=7)] == []
    world.lives(happenings)
    assert [one for one in happenings.findings() if not any(late in one for late in TOO_LATE)] == []
    assert [one.sentence for one in world.connector.reconcile(days=7)] == []


@pytest.mark.timeout(300)
def test_an_old_dump_of_postgresql_is_put_back_and_reconcile_takes_over_what_it_does_not_know(
    make_world: Callable[..., World], postgres_url: str, tmp_path: Path
) -> None:
    world = make_world("pg", postgres_url, platforms=("woocommerce",))
    happenings = Happenings(world)
    happenings.sell()
    world.lives(happenings, connect=True)
    dumps = Dumps(postgres_url, tmp_path)
    copy = dumps.make()
    happenings.sell()  # created, shipped and confirmed after the copy, which knows nothing of it
    world.lives(happenings)
    world.connector.close()
    dumps.put_back(copy)
    world.connector = Connector(settings_of(world.facts), clock=world.connector.context.now)
    mended(world)
    world.lives(happenings)
    assert [one for one in happenings.findings() if not any(late in one for late in TOO_LATE)] == []
