"""The store in one SQLite file: the embedded default, for one process or several on one machine."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lengow.connector.store.connections import Connections
from lengow.connector.store.database import Row
from lengow.connector.store.queries import Queries
from lengow.connector.store.statements import Statements


class SqliteStore(Queries):
    """A SQLite file; one connection a thread."""

    def __init__(self, path: str | Path) -> None:
        self._connections = Connections(path)
        self._db = _Outside(self._connections)
        self._migrate()

    @contextmanager
    def transaction(self) -> Iterator[Statements]:
        with self._connections.transaction() as connection:
            yield SqliteTransaction(connection)

    def close(self) -> None:
        self._connections.close()

    def _migrate(self) -> None:
        """Bring the file to the newest schema; of several that open it at once, one does and the others wait."""
        from sqlite_utils import Database

        from lengow.connector.store.migrations import migrations

        if not migrations.pending(Database(self._connections.mine())):
            return
        with self._connections.transaction() as connection:
            migrations.apply(Database(connection))


class SqliteTransaction(Statements):
    """One writes at a time, so that nothing need be locked."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = _Inside(connection)


class _Outside:
    """Each query on the calling thread's connection."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        with self._connections.errors():
            return self._connections.mine().execute(query, values).fetchall()


class _Inside:
    """One connection in a transaction, around which errors are translated."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        return self._connection.execute(query, values).fetchall()

    def change(self, statement: str, values: Sequence[Any] = ()) -> int:
        return self._connection.execute(statement, values).rowcount

    def change_each(self, statement: str, many: Iterable[Sequence[Any]]) -> int:
        return self._connection.executemany(statement, many).rowcount

    def insert(self, statement: str, values: Sequence[Any]) -> int:
        return int(self._connection.execute(statement, values).lastrowid or 0)
