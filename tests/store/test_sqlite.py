"""The SQLite store keeps the contract; and what is special about a file."""

import sqlite3
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

sys.path.insert(0, str(Path(__file__).parent))

from store_contract import StoreContract, an_order, save_order

from lengow.connector.errors import SettingsError, StoreBusy, StoreError
from lengow.connector.store import Store, connections, open_store
from lengow.connector.store.migrations import migrations
from lengow.connector.store.statements import CLAIM_ORDER


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'lengow.db'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with closing(open_store(url)) as opened:
        yield opened


@pytest.fixture
def again(url: str, store: Store) -> Iterator[Store]:
    with closing(open_store(url)) as opened:
        yield opened


class TestSqlite(StoreContract):
    pass


def test_it_survives_being_closed_and_opened(url: str) -> None:
    with closing(open_store(url)) as store, store.transaction() as tx:
        save_order(tx, an_order())
    with closing(open_store(url)) as store:
        assert len(store.find_orders("M1")) == 1


def test_every_commit_is_flushed_to_disk(store: Store, tmp_path: Path) -> None:
    connection = store._connections.mine()  # type: ignore[attr-defined]
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_lock_that_lasts_is_store_busy(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BUSY_SECONDS", 0.05)
    with closing(open_store(url)) as store, closing(sqlite3.connect(tmp_path / "lengow.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy), store.transaction():
            pass
        other.rollback()
        with store.transaction() as tx:
            save_order(tx, an_order())


def test_a_read_that_fails_is_a_store_error(store: Store, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "lengow.db")) as other:
        other.execute("DROP TABLE toggles")
    with pytest.raises(StoreError, match="no such table"):
        store.toggles()


def test_a_read_that_meets_a_lock_that_lasts_is_store_busy(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "BUSY_SECONDS", 0.05)
    with closing(open_store(url)) as store:
        with closing(sqlite3.connect(tmp_path / "lengow.db", isolation_level=None)) as other:
            store._connections.close()  # type: ignore[attr-defined]
            other.execute("PRAGMA locking_mode = EXCLUSIVE")
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(StoreBusy):
                store.toggles()
        assert store.toggles() == []


@pytest.mark.parametrize("content", [b"this is no database at all" * 100])
def test_a_file_that_is_no_database_is_a_store_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "lengow.db").write_bytes(content)
    with pytest.raises(StoreError):
        open_store(f"sqlite:///{tmp_path / 'lengow.db'}")


@pytest.mark.parametrize("url", ["postgres", "sqlite:///", "mysql://x", "postgresql:x", ""])
def test_another_url_is_a_settings_error(url: str) -> None:
    with pytest.raises(SettingsError):
        open_store(url)


def test_migrations_are_applied_once_and_recorded(store: Store, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "lengow.db")) as connection:
        db = Database(connection)
        assert migrations.pending(db) == []
        assert [one.name for one in migrations.applied(db)] == ["m001_first"]


def test_claims_walk_an_index_and_sort_nothing(store: Store, tmp_path: Path) -> None:
    """However long the queue, a claim costs what it takes."""
    with closing(sqlite3.connect(tmp_path / "lengow.db")) as connection:
        for owner in ("shop", "account"):
            plan = connection.execute(
                f"EXPLAIN QUERY PLAN SELECT id FROM steps WHERE kind = ? AND {owner} = ? AND held = 0 AND due_at <= ?"
                f" ORDER BY {CLAIM_ORDER} LIMIT ?",
                ["create", "b2c", "2026", 100],
            ).fetchall()
            assert [row[3] for row in plan] == [
                f"SEARCH steps USING COVERING INDEX steps_of_{owner} (kind=? AND held=? AND {owner}=?)"
            ]


def test_many_open_a_new_store_at_once(url: str) -> None:
    """As `run` and `serve` do, started together for the first time."""

    def open_and_use() -> int:
        with closing(open_store(url)) as opened, opened.transaction() as tx:
            tx.set_value("main", "cursor", "1")
        return 1

    for attempt in range(5):
        with ThreadPoolExecutor(8) as pool:
            opened = [pool.submit(open_and_use) for _ in range(8)]
            assert sum(one.result() for one in opened) == 8
        for path in Path(url.removeprefix("sqlite:///")).parent.glob("lengow.db*"):
            path.rename(f"{path}.{attempt}")


def test_a_transaction_in_a_transaction_is_an_error_not_a_standstill(store: Store) -> None:
    with store.transaction() as tx:
        tx.set_value("main", "cursor", "1")
        with pytest.raises(StoreError, match="open already"), store.transaction():
            pass
    assert store.get_value("main", "cursor") == "1"
