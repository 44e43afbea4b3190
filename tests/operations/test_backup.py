"""A copy that was made while the connector ran is put back later: what was done since is found again, nothing is done twice.

SQLite by its own backup, PostgreSQL by `pg_dump`, as docs/operations.md tells.
"""

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "crash"))

from lives import settings_of
from world import Happenings, World, worlds

from lengow.connector import Connector
from lengow.connector.store.rows import OrderFilter

PLATFORMS = ("generic", "woocommerce", "prestashop", "magento", "shopware")


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
    mended(world)
    world.lives(happenings)
    assert [one for one in happenings.findings() if "address is ignored: already_shipped" not in one] == []
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
