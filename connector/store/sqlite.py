"""The store in one SQLite file: the embedded default, for one process or several on one machine."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lengow.connector.store.connections import Connections
from lengow.connector.store.database import Kind, Row, RowRefused, created_name
from lengow.connector.store.queries import Queries
from lengow.connector.store.statements import Statements


class SqliteStore(Queries):
    """A SQLite file; one connection a thread."""

    def __init__(self, path: str | Path) -> None:
        self._connections = Connections(path)
        self._db = SqliteDatabase(path, self._connections)
        self._migrate()

    @contextmanager
    def transaction(self, wait: float | None = None) -> Iterator[Statements]:
        with self._connections.transaction(wait) as connection:
            yield SqliteTransaction(connection)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def close(self) -> None:
        self._connections.close()

    def _migrate(self) -> None:
        """Bring the file to the newest schema; of several that open it at once, one does and the others wait."""
        from sqlite_utils import Database

        from lengow.connector.store.migrations import NAMES, migrations, refuse_newer

        with self._connections.errors():
            database = Database(self._connections.mine())
            applied = {one.name for one in migrations.applied(database)}
            refuse_newer(applied, NAMES, "the file")
            if not migrations.pending(database):
                return
        with self._connections.transaction() as connection:
            migrations.apply(Database(connection))


class SqliteTransaction(Statements):
    """One writes at a time, so that nothing need be locked."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = _Inside(connection)


class SqliteDatabase:
    """Any SQLite file as a `Handle`; each query runs on the calling thread's connection."""

    kind: Kind = "sqlite"

    def __init__(self, path: str | Path, connections: Connections | None = None) -> None:
        self._connections = connections or Connections(path)

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        with self._connections.errors():
            return self._connections.mine().execute(query, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator["_Inside"]:
        with self._connections.transaction() as connection:
            yield _Inside(connection)

    def create_tables(self, statements: Sequence[str]) -> None:
        there = {name for (name,) in self.rows("SELECT name FROM sqlite_schema")}
        missing = [one for one in statements if created_name(one) not in there]
        if not missing:
            return
        with self.transaction() as db:
            for statement in missing:
                db.change(statement)

    def close(self) -> None:
        self._connections.close()


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

    def insert_each(self, statement: str, many: Sequence[Sequence[Any]]) -> list[int]:
        cursor = self._connection.cursor()
        return [int(cursor.execute(statement, values).lastrowid or 0) for values in many]

    def later(self, statement: str, values: Sequence[Any]) -> None:
        self._connection.execute(statement, values)

    def later_each(self, statement: str, many: Iterable[Sequence[Any]]) -> None:
        self._connection.executemany(statement, many)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        self._connection.execute("SAVEPOINT part")
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.DataError, OverflowError) as error:
            self._connection.execute("ROLLBACK TO part")
            raise RowRefused(f"The database refuses it: {error}.") from error
        except BaseException:
            self._connection.execute("ROLLBACK TO part")
            raise
        finally:
            self._connection.execute("RELEASE part")

    def read_as_of_now(self) -> None:
        """Nobody writes while this transaction lasts."""

    def take_time(self) -> None:
        """SQLite lets them."""

    def insert_all(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        self._connection.executemany(statement, rows)

    def go_on_counting(self, tables: Sequence[str]) -> None:
        """SQLite does."""
