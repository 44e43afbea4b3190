"""What the shared SQL needs of a database: a few ways to run a statement. `?` stands for a value everywhere."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

Row = tuple[Any, ...]


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
        """Insert one row; returns its `id`."""
