"""What the shared SQL needs of a database: a few ways to run a statement. `?` stands for a value everywhere."""

import re
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol, runtime_checkable

from lengow.connector.errors import StoreError

Row = tuple[Any, ...]

Kind = Literal["sqlite", "postgresql"]

CREATED = re.compile(r"\s*CREATE\s+(?:UNIQUE\s+)?(?:TABLE|INDEX)\s+IF\s+NOT\s+EXISTS\s+(\w+)")


class RowRefused(StoreError):
    """The database refuses these values: they break a rule of the table, or do not fit its columns."""


class Source(Protocol):
    """Runs queries. Raises StoreBusy and StoreError."""

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Row]: ...


class Database(Source, Protocol):
    """One connection, within a transaction."""

    def change(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Returns how many rows were changed."""

    def change_each(self, statement: str, many: Iterable[Sequence[Any]]) -> int:
        """The statement once for each set of values; returns how many rows were changed in all."""

    def insert(self, statement: str, values: Sequence[Any]) -> int:
        """Insert one row; returns its `id`. It may be sent later, as by `later`."""

    def insert_each(self, statement: str, many: Sequence[Sequence[Any]]) -> list[int]:
        """The same for each set of values; the ids in their order."""

    def later(self, statement: str, values: Sequence[Any]) -> None:
        """A write whose result nobody waits for: sent before whatever is asked next, together with others."""

    def later_each(self, statement: str, many: Iterable[Sequence[Any]]) -> None:
        """The same, once for each set of values."""

    def savepoint(self) -> AbstractContextManager[None]:
        """What the block raises undoes the block alone, and is passed on. Raises RowRefused for refused values."""


class Handle(Source, Protocol):
    """A database, safe to share between threads."""

    @property
    def kind(self) -> Kind: ...

    def transaction(self) -> AbstractContextManager[Database]:
        """All or nothing, durable at the end. Raises StoreBusy when nothing was done, and StoreError."""

    def create_tables(self, statements: Sequence[str]) -> None:
        """Run `CREATE … IF NOT EXISTS` in the words of `store/migrations.py`; of several that do so at once, one does.

        Where all is there, nobody who writes is waited for.
        """

    def close(self) -> None: ...


@runtime_checkable
class Copying(Database, Protocol):
    """What a copy of a whole store needs beside."""

    def read_as_of_now(self) -> None:
        """From here on, read as if nobody wrote any more. Before anything else."""

    def take_time(self) -> None:
        """Let statements of this transaction last as long as they do."""

    def insert_all(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None: ...

    def go_on_counting(self, tables: Sequence[str]) -> None:
        """Have new ids follow those that were inserted."""


def created_name(statement: str) -> str:
    """The table or index that a `CREATE … IF NOT EXISTS` makes; empty for another statement."""
    found = CREATED.match(statement)
    return found[1] if found else ""
