"""Moves a store to another database, such as from SQLite to PostgreSQL, in one transaction; and proves that it did."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol

import msgspec

from lengow.connector.errors import SettingsError, StoreBusy, StoreError
from lengow.connector.secret import without_password
from lengow.connector.store import open_database, open_store
from lengow.connector.store.columns import text_of
from lengow.connector.store.database import Copying, Handle, Kind, Row, Source
from lengow.connector.store.migrations import FIRST

IDS_AT_ONCE = 2_000

COLUMNS: Mapping[Kind, str] = {
    "sqlite": "SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0",
    "postgresql": (
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema = current_schema() AND table_name = ? AND is_generated = 'NEVER'"
    ),
}
"""The columns of a table that hold something of their own."""


class Copied(msgspec.Struct, frozen=True):
    counts: Mapping[str, int]
    """Rows by table."""
    totals: Mapping[str, Decimal]
    """What the orders come to, by currency."""


class TableOwner(Protocol):
    """Makes tables that are no part of the store and may live beside it, such as the generic shop's."""

    def __call__(self, database: Handle) -> None: ...


def copy_store(
    source_url: str, target_url: str, *, others: Sequence[str] = (), make_others: TableOwner | None = None
) -> Copied:
    """Copy all that the store holds, and the tables of `others` that are beside it.

    The target must be empty, and nobody may work on the source; it is locked meanwhile. Rows are compared one by one
    before the transaction ends. Raises SettingsError, StoreBusy (work is under way), StoreError.
    """
    open_store(source_url).close()
    open_store(target_url).close()
    with closing(open_database(source_url)) as source, closing(open_database(target_url)) as target:
        beside = [table for table in others if _columns(source, source.kind, table)]
        if beside and make_others is not None:
            make_others(target)
        with source.transaction() as reading, target.transaction() as writing:
            assert isinstance(reading, Copying)
            assert isinstance(writing, Copying)
            reading.read_as_of_now()
            writing.take_time()
            _refuse_work_under_way(reading)
            tables = [*TABLES, *beside]
            _refuse_filled(writing, tables, target_url)
            for table in tables:
                _copy(reading, source.kind, writing, target.kind, table)
            writing.go_on_counting(tables)
            copied = Copied({table: _count(writing, table) for table in tables}, _totals(writing))
            if _totals(reading) != copied.totals:
                raise StoreError("The orders come to other totals in the copy; nothing was kept.")
    return copied


def _copy(reading: Source, reading_kind: Kind, writing: "Copying", writing_kind: Kind, table: str) -> None:
    columns = _columns(reading, reading_kind, table)
    there = set(_columns(writing, writing_kind, table))
    columns = [column for column in columns if column in there or column not in OWN]
    digest = 0

    def rows() -> Iterator[Row]:
        nonlocal digest
        for row in _rows(reading, table, columns):
            digest += hash(row)
            yield row

    writing.insert_all(table, columns, rows())
    if sum(map(hash, _rows(writing, table, columns))) != digest:
        raise StoreError(f"The table {table} reads otherwise in the copy than in the source; nothing was kept.")


def _rows(source: Source, table: str, columns: Sequence[str]) -> Iterator[Row]:
    """All of them, a part at a time where a table is long."""
    query = f"SELECT {', '.join(columns)} FROM {table}"
    key = next((column for column in ("id", "order_id", "invoice_id") if column in columns), None)
    [(first, last)] = source.rows(f"SELECT min({key}), max({key}) FROM {table}") if key else [(None, None)]
    if not (isinstance(first, int) and isinstance(last, int)):
        yield from map(_plain, source.rows(query))
        return
    for start in range(first, last + 1, IDS_AT_ONCE):
        part = f"{query} WHERE {key} >= ? AND {key} < ?"
        yield from map(_plain, source.rows(part, [start, start + IDS_AT_ONCE]))


def _plain(row: Row) -> Row:
    """PostgreSQL keeps no NUL in a text."""
    return tuple(value.replace("\0", "\ufffd") if type(value) is str and "\0" in value else value for value in row)


def _columns(source: Source, kind: Kind, table: str) -> list[str]:
    return [name for (name,) in source.rows(COLUMNS[kind], [table])]


def _count(source: Source, table: str) -> int:
    return int(source.rows(f"SELECT count(*) FROM {table}")[0][0])


def _totals(source: Source) -> dict[str, Decimal]:
    totals: dict[str, Decimal] = {}
    for _, currency, total in _rows(source, "orders", ["id", "currency", "total"]):
        if total:
            totals[currency] = totals.get(currency, Decimal(0)) + Decimal(total)
    return totals


def _refuse_work_under_way(reading: Source) -> None:
    leased = reading.rows("SELECT kind FROM steps WHERE lease_until > ?", [text_of(datetime.now(UTC))])
    if leased:
        raise StoreBusy(
            f"{len(leased)} steps are being worked on, such as {leased[0][0]}.",
            what_to_do="End all workers and receivers of the store, wait for two minutes, and copy then.",
        )


def _refuse_filled(writing: Source, tables: Sequence[str], url: str) -> None:
    filled = [table for table in tables if writing.rows(f"SELECT 1 FROM {table} LIMIT 1")]
    if filled:
        raise SettingsError(
            f"{without_password(url)} is not empty: it has rows in {', '.join(filled)}.",
            what_to_do="Name an empty database, or another `schema=` in its URL.",
        )


TABLES = tuple(re.findall(r"CREATE TABLE (\w+)", " ".join(FIRST)))
"""In an order in which what is referred to comes first."""

OWN = frozenset({"written_by"})
"""Columns that tell of the database that they are in."""
