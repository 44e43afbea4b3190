"""A store that is full, read-only, shared, older or newer: said clearly, nothing lost, and it goes on."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lengow.connector.errors import StoreError, StoreFull, StoreNewer
from lengow.connector.store import open_store
from lengow.connector.store.connections import Connections
from lengow.connector.store.migrations import NAMES

SCRIPT = Path(__file__).with_name("full_disk.py")


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that another user can enter, which pytest's own cannot be."""
    made = Path(tempfile.mkdtemp(prefix="lengow-store-"))
    made.chmod(0o755)
    (made / "small").mkdir()
    yield made
    (made / "small").chmod(0o755)
    shutil.rmtree(made)


def attempts(how: str, folder: Path, merchant: Any) -> list[dict[str, Any]]:
    account = merchant.account
    words = [how, str(folder), merchant.sandbox.url, account.access_token, account.secret]
    done = subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    told: list[dict[str, Any]] = json.loads(done.stdout)
    return told


def in_shop(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "shop.db")) as db:
        return [row[0] for row in db.execute("SELECT marketplace_order_id FROM shop_orders ORDER BY 1")]


class TestFullDisk:
    def test_where_files_may_not_grow_it_is_said_and_it_goes_on_when_they_may(
        self, merchant: Any, folder: Path
    ) -> None:
        sold = merchant.sells(60)
        at_first, outgrown, in_the_end = attempts("limited", folder, merchant)
        assert at_first["code"] == "store_full"
        assert outgrown["code"] == "store_full"
        assert "Make room" in outgrown["what_to_do"]
        assert str(folder) in outgrown["sentence"]
        assert in_the_end == {"code": "", "errors": [], "imported": True}
        assert in_shop(folder) == sorted(sold), "nothing lost, nothing doubled"

    def test_a_schedule_that_runs_when_it_fills_up_goes_on_when_it_is_cleared(
        self, merchant: Any, folder: Path
    ) -> None:
        sold = merchant.sells(60)
        [told] = attempts("running", folder, merchant)
        assert told["problems"] == ["store_full"]
        assert told["logged"] < 200, "the log must not fill the disk further"
        assert told["stopped"]
        assert in_shop(folder) == sorted(sold), "nothing lost, nothing doubled"

    def test_on_a_disk_that_is_really_full(self, merchant: Any, folder: Path) -> None:
        small = folder / "small"
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(small)], capture_output=True, check=False
        )
        if mounted.returncode:
            pytest.skip("only root may mount a small disk")
        try:
            sold = merchant.sells(60)
            (small / "ballast").write_bytes(b"\0" * (4 * 1024 * 1024 - 300 * 1024))
            full, with_room = attempts("small_disk", folder, merchant)
        finally:
            subprocess.run(["umount", str(small)], check=True)
        assert full["code"] == "store_full"
        assert "Make room" in full["what_to_do"]
        assert with_room == {"code": "", "errors": [], "imported": True}
        assert in_shop(folder) == sorted(sold)

    def test_a_transaction_that_found_no_room_leaves_nothing_half_done(self, tmp_path: Path) -> None:
        connections = Connections(tmp_path / "small.db")
        with connections.transaction() as db:
            db.execute("CREATE TABLE kept (text TEXT)")
            db.execute("INSERT INTO kept VALUES ('before')")
        [pages] = connections.mine().execute("PRAGMA page_count").fetchone()
        connections.mine().execute(f"PRAGMA max_page_count = {pages + 4}")
        many = [["x" * 500]] * 1000
        with pytest.raises(StoreFull), connections.transaction() as db:
            db.executemany("INSERT INTO kept VALUES (?)", many)
        connections.mine().execute("PRAGMA max_page_count = 1000000")
        with connections.transaction() as db:
            db.execute("INSERT INTO kept VALUES ('after')")
        assert connections.mine().execute("SELECT text FROM kept").fetchall() == [("before",), ("after",)]
        connections.close()


def test_a_store_that_may_not_be_written_is_said_and_goes_on_when_it_may(merchant: Any, folder: Path) -> None:
    sold = merchant.sells(3)
    before, read_only, after = attempts("read_only", folder, merchant)
    assert before["code"] == ""
    assert read_only["code"] == "store_read_only"
    assert "write the named file and its folder" in read_only["what_to_do"]
    assert after == {"code": "", "errors": [], "imported": True}
    assert in_shop(folder) == sorted(sold)


def test_three_processes_that_start_on_one_new_file_import_each_order_once(merchant: Any, tmp_path: Path) -> None:
    sold = merchant.sells(40)
    file = tmp_path / "lengow.toml"
    file.write_text(
        f"""
        [store]
        url = "sqlite:///{tmp_path}/shared.db"
        [accounts.main]
        access_token = "{merchant.account.access_token}"
        secret = "{merchant.account.secret}"
        base_url = "{merchant.sandbox.url}"
        [shops.b2c]
        account = "main"
        platform = "generic"
        database = "sqlite:///{tmp_path}/shop.db"
        """,
        encoding="utf-8",
    )
    command = [Path(sys.executable).with_name("lengow-connector"), "--config", str(file), "sync", "--json"]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)]
    ended = [process.communicate(timeout=110) for process in started]
    assert {process.returncode for process in started} <= {0, 3}, ended
    assert 0 in {process.returncode for process in started}, ended
    assert in_shop(tmp_path) == sorted(sold)


def tables_of(session: "psycopg.Connection[Any]", schema: str) -> list[Any]:
    query = "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = %s ORDER BY 1, 2"
    return session.execute(query, [schema]).fetchall()


class TestVersions:
    def test_a_store_of_a_newer_version_is_refused_and_left_as_it_is(self, tmp_path: Path) -> None:
        path = tmp_path / "lengow.db"
        open_store(f"sqlite:///{path}").close()
        with closing(sqlite3.connect(path)) as db, db:
            db.execute(
                "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
                " VALUES ('lengow-connector', 'm999_from_the_future', '2030-01-01')"
            )
            before = list(db.iterdump())
        with pytest.raises(StoreNewer, match="m999_from_the_future"):
            open_store(f"sqlite:///{path}")
        with closing(sqlite3.connect(path)) as db:
            assert list(db.iterdump()) == before

    def test_in_postgresql_too(self, postgres_url: str) -> None:
        open_store(postgres_url).close()
        server, _, schema = postgres_url.partition("?schema=")
        with psycopg.connect(server, autocommit=True) as session:
            session.execute(f"INSERT INTO {schema}.migrations (name) VALUES ('m999_from_the_future')")
            before = tables_of(session, schema)
        with pytest.raises(StoreNewer, match="m999_from_the_future"):
            open_store(postgres_url)
        with psycopg.connect(server, autocommit=True) as session:
            assert tables_of(session, schema) == before

    @pytest.mark.parametrize("command", ["sync", "doctor", "orders list"])
    def test_the_older_program_says_what_to_do(self, command: str, tmp_path: Path) -> None:
        open_store(f"sqlite:///{tmp_path / 'lengow.db'}").close()
        with closing(sqlite3.connect(tmp_path / "lengow.db")) as db, db:
            db.execute("UPDATE _sqlite_migrations SET name = 'm999_from_the_future'")
        file = tmp_path / "lengow.toml"
        file.write_text(
            f"""
            [store]
            url = "sqlite:///{tmp_path / "lengow.db"}"
            [accounts.main]
            access_token = "a"
            secret = "b"
            base_url = "http://127.0.0.1:9"
            [shops.b2c]
            account = "main"
            platform = "generic"
            """,
            encoding="utf-8",
        )
        program = Path(sys.executable).with_name("lengow-connector")
        ended = subprocess.run(
            [program, "--config", str(file), *command.split()], capture_output=True, text=True, check=False
        )
        assert ended.returncode == 3
        told = " ".join(ended.stderr.split())
        assert "newer version" in told
        assert "Install the newest lengow-connector; or go back to the copy" in told
        assert "Traceback" not in told

    def test_each_step_of_the_schema_is_known_by_name(self, tmp_path: Path) -> None:
        open_store(f"sqlite:///{tmp_path / 'lengow.db'}").close()
        with closing(sqlite3.connect(tmp_path / "lengow.db")) as db:
            assert {row[0] for row in db.execute("SELECT name FROM _sqlite_migrations")} == NAMES

    @pytest.mark.parametrize("content", [b"this is no database, but it is long enough to look at" * 40, b"\0" * 8192])
    def test_a_file_that_is_no_store_is_not_overwritten(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "notes.txt"
        path.write_bytes(content)
        with pytest.raises(StoreError):
            open_store(f"sqlite:///{path}")
        assert path.read_bytes() == content


def test_a_folder_in_the_place_of_the_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        open_store(f"sqlite:///{tmp_path}")
    assert caught.value.code == "store_read_only"
    assert os.fspath(tmp_path) in str(caught.value)
