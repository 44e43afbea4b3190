"""What a person or a schedule has done once: a process that does it, and dies at the n-th statement or file operation."""

import itertools
import json
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

from lengow import feeds
from lengow.connector import Account, Connector, Settings, Shop, Store
from lengow.connector.catalogue import CatalogueProduct
from lengow.connector.errors import LengowError
from lengow.connector.secret import Secret
from lengow.connector.store import open_store
from lengow.connector.store.copying import copy_store


def act(name: str, folder: Path, die_at: int | None, passed: Any) -> None:
    """Does it; `passed.value` counts the boundaries on the way."""
    boundaries = itertools.count()

    def boundary(*_: object) -> None:
        number = next(boundaries)
        if number == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        passed.value = number + 1

    _arm(boundary)
    COMMANDS[name](folder)


def _arm(boundary: Callable[..., None]) -> None:
    """Before each statement of SQLite, and before and after what changes a file's name or makes it durable."""
    connect = sqlite3.connect

    def traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.set_trace_callback(boundary)
        return connection

    sqlite3.connect = traced  # type: ignore[assignment]
    for name in ("replace", "fsync", "unlink"):
        setattr(os, name, _between(boundary, getattr(os, name)))


def _between(boundary: Callable[..., None], real: Callable[..., Any]) -> Callable[..., Any]:
    def both(*arguments: Any, **options: Any) -> Any:
        boundary()
        done = real(*arguments, **options)
        boundary()
        return done

    return both


def connector(folder: Path) -> Connector:
    """One that never asks Lengow."""
    account = Account(access_token=Secret("a"), secret=Secret("b"), base_url="http://127.0.0.1:9")
    shop = Shop(account="main", platform="generic", options={"database": f"sqlite:///{folder / 'shop.db'}"})
    path = str(folder / "feed.csv")
    feed = {"shop": "b2c", "marketplace": "manomano_fr", "path": path, "priority": 1}
    return Connector(
        Settings(
            accounts={"main": account},
            shops={"b2c": shop},
            store=Store(url=f"sqlite:///{folder / 'lengow.db'}"),
            sections={"feeds": {"feed": feed}},
        )
    )


def products(count: int) -> list[CatalogueProduct]:
    return [
        CatalogueProduct(
            id=f"id-{number}",
            sku=f"SKU-{number}",
            title=f"Drill {count}",
            price=Decimal("99.90"),
            currency="EUR",
            stock=5,
            images=("https://cdn.example.com/1.jpg",),
        )
        for number in range(count)
    ]


def _make_store(folder: Path) -> None:
    open_store(f"sqlite:///{folder / 'new.db'}").close()


def _copy(folder: Path) -> None:
    """To try again is to begin with an empty target, unless all is there."""
    source, target = folder / "lengow.db", folder / "target.db"
    try:
        copy_store(f"sqlite:///{source}", f"sqlite:///{target}")
    except LengowError:
        if rows(target) != rows(source):
            raise


def _dismiss(folder: Path) -> None:
    number = _facts(folder)["waiting"]
    with connector(folder) as opened:
        if opened.order("main", "manomano_fr", number).order.reason != "dismissed":
            opened.dismiss("main", "manomano_fr", number, reason="given away", who="zoe")


def _erase(folder: Path) -> None:
    with connector(folder) as opened:
        opened.erase_buyer(_facts(folder)["email"], who="zoe")


def _build_feed(folder: Path) -> None:
    with connector(folder) as opened:
        feeds.build(opened, "feed", products=products(40), force=True)


def _facts(folder: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    return found


def rows(path: Path) -> dict[str, list[Any]]:
    """All that is in a file, but for the journal's times and what tells when a thing was done."""
    if not path.exists():
        return {}
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        tables = [
            name
            for (name,) in db.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%sqlite_%'"
            )
        ]
        found = {}
        for table in tables:
            columns = [row[1] for row in db.execute(f"SELECT * FROM pragma_table_info('{table}')")]
            told = [one for one in columns if one not in TIMES] or ["1"]
            names = ", ".join(f'"{one}"' for one in told)
            found[table] = sorted(db.execute(f"SELECT {names} FROM {table}").fetchall(), key=repr)
        return found


TIMES = ("at", "changed_at", "erased_at", "set_at", "value", "due_at", "urgency")

COMMANDS: dict[str, Callable[[Path], None]] = {
    "make the store": _make_store,
    "store copy": _copy,
    "orders dismiss": _dismiss,
    "privacy erase": _erase,
    "feed build": _build_feed,
}


def copied(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    return to


def write_for_ever(folder: Path, pipe: Any) -> None:
    """Commits numbers, tells each once it is committed, and folds the journal into the file at nearly every commit."""
    from lengow.connector.store import connections

    connections.CHECKPOINT_PAGES = 2
    store = open_store(f"sqlite:///{folder / 'lengow.db'}")
    for number in itertools.count():
        with store.transaction() as tx:
            tx.set_value("main", f"number-{number}", "x" * 3000)
        pipe.send(number)
