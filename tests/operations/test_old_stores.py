"""A store of each released version is brought to the schema of this one, with all that is in it."""

import importlib.util
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lengow.connector import Connector
from lengow.connector.decode import unpack_order
from lengow.connector.store import open_store
from lengow.connector.store.rows import OrderFilter

ROOT = Path(__file__).parents[2]
RELEASED = Path(__file__).parent / "released"
DUMPS = sorted(RELEASED.glob("*.sql"))


def released(version: str) -> bool:
    heading = f"## {version}"
    lines = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    return any(line.startswith(heading) and "unreleased" not in line for line in lines)


def schema(path: Path) -> dict[str, str]:
    """What each table and index is made by; blanks and quotes aside, as SQLite keeps what it was told."""
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {name: re.sub(r'[\s"]+', " ", text) for name, text in rows if not name.startswith("sqlite_")}


@pytest.fixture
def old_store(tmp_path: Path) -> Callable[[Path], Path]:
    def make(dump: Path) -> Path:
        path = tmp_path / "lengow.db"
        with closing(sqlite3.connect(path)) as db:
            db.executescript(dump.read_text(encoding="utf-8"))
        return path

    return make


@pytest.mark.parametrize("dump", DUMPS, ids=lambda path: path.stem)
def test_it_gets_the_schema_of_a_new_store_and_keeps_what_is_in_it(
    dump: Path, old_store: Callable[[Path], Path], merchant: Any
) -> None:
    fresh = merchant.folder / "fresh.db"
    open_store(f"sqlite:///{fresh}").close()
    path = old_store(dump)
    if not released(dump.stem) and schema(path) != schema(fresh):
        pytest.skip(f"{dump.stem} is not released, and its first schema has changed: run released/dump.py")
    store = open_store(f"sqlite:///{path}")
    assert schema(path) == schema(fresh)
    orders = store.list_orders(OrderFilter(limit=100))
    assert {str(one.order.state) for one in orders} == {"created", "skipped", "failed"}
    records = store.records([one.order.id for one in orders])
    assert len(records) == len(orders) == 6
    assert [unpack_order(one.decoded).marketplace for one in records.values() if one.decoded]
    [action] = store.list_actions()
    assert (action.action_type, action.arguments["tracking_number"]) == ("ship", "T1")
    assert all("received" in [entry.what for entry in store.journal(one.order.id)] for one in orders)
    assert store.steps(limit=100)
    store.close()


@pytest.mark.parametrize("dump", DUMPS, ids=lambda path: path.stem)
def test_work_goes_on_in_it(dump: Path, old_store: Callable[[Path], Path], merchant: Any) -> None:
    path = old_store(dump)
    if not released(dump.stem) and schema(path) != schema(merchant.folder / "lengow.db"):
        pytest.skip(f"{dump.stem} is not released, and its first schema has changed: run released/dump.py")
    merchant.connector.close()
    path.replace(merchant.folder / "lengow.db")
    for beside in ("lengow.db-wal", "lengow.db-shm"):
        (merchant.folder / beside).unlink(missing_ok=True)
    merchant.connector = Connector(merchant.settings(), clock=merchant.sandbox.now)
    known = {one.order.marketplace_order_id for one in merchant.orders()}
    sold = set(merchant.sells(12)) - known
    assert len(sold) >= 6
    assert merchant.sync().errors == ()
    assert set(merchant.in_shop()) >= sold


def test_what_is_dumped_now_is_what_a_later_version_will_find(tmp_path: Path) -> None:
    """The script that makes the files works."""
    spec = importlib.util.spec_from_file_location("dump", RELEASED / "dump.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    path = tmp_path / "again.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(module.dump(tmp_path))
    store = open_store(f"sqlite:///{path}")
    assert len(store.list_orders(OrderFilter(limit=100))) == 6
    store.close()


def test_each_released_version_has_its_file() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = {version for version in re.findall(r"^## (\d+\.\d+\.\d+)", text, re.MULTILINE) if released(version)}
    assert versions <= {dump.stem for dump in DUMPS}
