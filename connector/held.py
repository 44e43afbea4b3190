"""What the shops hold, set down in a file of its own while an account is reconciled, so that memory stays flat."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from types import TracebackType
from typing import Any, Self, TypeVar

from lengow.connector.listing import ListedOrder

TABLES = """
    CREATE TABLE held (
        shop TEXT NOT NULL,
        reference TEXT NOT NULL,
        id TEXT NOT NULL,
        total TEXT NOT NULL,
        currency TEXT NOT NULL,
        state TEXT NOT NULL,
        created_at TEXT NOT NULL,
        PRIMARY KEY (shop, reference, id)
    ) WITHOUT ROWID;
    CREATE TABLE read (marketplace TEXT NOT NULL, number TEXT NOT NULL, PRIMARY KEY (marketplace, number)) WITHOUT ROWID;
"""
T = TypeVar("T")

COLUMNS = "id, reference, total, currency, state, created_at"
REST_PAGE = 500
AT_ONCE = 250
"""How many go into one statement: well under SQLite's limit of bound parameters."""


class Held:
    """A temporary database of SQLite's, which it keeps on disk and drops by itself. For one thread at a time."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {TABLES}")

    def add(self, shop: str, orders: Iterable[ListedOrder]) -> None:
        """One that comes twice is kept as it came last."""
        self._db.executemany(
            "INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (shop, one.reference, one.id, str(one.total), one.currency, one.state, one.created_at.isoformat())
                for one in orders
            ],
        )

    def take(self, references: Sequence[tuple[str, str]]) -> Mapping[str, Sequence[ListedOrder]]:
        """Those of these (shop, reference), by reference and oldest first; they are not among the `rest` any more."""
        found: dict[str, list[ListedOrder]] = {}
        for shop, wanted in groupby(sorted(references), key=itemgetter(0)):
            for some in _some([reference for _, reference in wanted]):
                which = ", ".join("?" * len(some))
                statement = f"DELETE FROM held WHERE shop = ? AND reference IN ({which}) RETURNING {COLUMNS}"
                for one in map(_listed, self._db.execute(statement, [shop, *some]).fetchall()):
                    found.setdefault(one.reference, []).append(one)
        return {reference: sorted(orders, key=_age) for reference, orders in found.items()}

    def rest(self) -> Iterator[tuple[str, ListedOrder]]:
        """(shop, order) of those that nobody took."""
        last = ("", "", "")
        while True:
            rows = self._db.execute(
                f"SELECT shop, {COLUMNS} FROM held WHERE (shop, reference, id) > (?, ?, ?)"
                " ORDER BY shop, reference, id LIMIT ?",
                [*last, REST_PAGE],
            ).fetchall()
            if not rows:
                return
            yield from ((row[0], _listed(row[1:])) for row in rows)
            last = (rows[-1][0], rows[-1][2], rows[-1][1])

    def first_time(self, names: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of the (marketplace, number) that were not asked for before: a list may show one twice as it moves."""
        first: set[tuple[str, str]] = set()
        for some in _some(names):
            values = ", ".join(["(?, ?)"] * len(some))
            statement = f"INSERT OR IGNORE INTO read VALUES {values} RETURNING marketplace, number"
            first.update(self._db.execute(statement, [part for name in some for part in name]).fetchall())
        return first

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()


def _listed(row: Sequence[Any]) -> ListedOrder:
    id_, reference, total, currency, state, created_at = row
    return ListedOrder(id_, reference, Decimal(total), currency, state, datetime.fromisoformat(created_at))


def _age(order: ListedOrder) -> tuple[datetime, int, str]:
    """Ids are mostly numbers."""
    return order.created_at, len(order.id), order.id


def _some(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), AT_ONCE):
        yield values[start : start + AT_ONCE]
