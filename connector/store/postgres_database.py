"""PostgreSQL by a pool of connections: queries, transactions, and its errors as ours.

A connection that was lost is replaced and waited for before anything is begun, so that a restart of the server costs a
pause and no error; one that is lost within a transaction undoes it (StoreBusy); one lost at its very end leaves open
whether it was committed (StoreError), which every writer of this package settles by looking again.
"""

import os
import re
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar
from urllib.parse import parse_qsl, quote, urlencode

import msgspec
import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.sql import SQL, Identifier
from psycopg.types.string import StrDumperUnknown
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from lengow.connector.errors import SettingsError, StoreBusy, StoreError
from lengow.connector.store.database import Kind, Row, RowRefused, created_name
from lengow.connector.store.postgres_schema import in_postgres

WAIT_SECONDS = 10.0
"""How long a lost server, a free connection or a lock is waited for."""

MOST_CONNECTIONS = 10
"""Of one process, unless the URL says `connections=…`."""

IDLE_SECONDS = 60.0
"""After which a connection that nobody needs is closed."""

ABANDONED_SECONDS = 60
"""After which the server ends a transaction whose process stands still, so that its locks hold up nobody for longer."""

CLOCK_SECONDS = 60.0
"""How often the server's clock is read."""

DEFAULT_SCHEMA = "lengow"

NETWORK = {
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
"""A cut network is noticed within half a minute; the URL may say otherwise."""

SESSION = {
    "timezone": "UTC",
    "lock_timeout": f"{int(WAIT_SECONDS)}s",
    "idle_in_transaction_session_timeout": f"{ABANDONED_SECONDS}s",
    "statement_timeout": f"{ABANDONED_SECONDS}s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}

INSERT = re.compile(r"INSERT INTO (\w+) \(([\w, ]+)\) VALUES \(([?, ]+)\)")

MOST_IDS = 128
"""That are drawn at once."""

COPIED = 8
"""So many rows of a table, or more, are quicker copied than inserted one by one."""

PUT_FIRST = ("orders", "packages")
"""Packages refer to orders, and other rows to both."""

TOGETHER = 64
"""Rows of an upsert that go into one statement."""

UPSERT = re.compile(
    r"(\s*INSERT INTO \w+ \(([\w, ]+)\)\s+VALUES )(\(.*?\))(?=\s+ON CONFLICT \(([\w, ]+)\))(.*)", re.DOTALL
)

APPLICATION, AT_LENGTH = "lengow-connector", "lengow-connector at length"
"""The names of our sessions in `pg_stat_activity`; the latter may stand still."""

STANDING_STILL = f"""
    SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND application_name = '{APPLICATION}'
    AND wait_event = 'ClientRead' AND state <> 'idle' AND greatest(query_start, state_change) < now() - ? * interval '1 s'
"""
"""No time-out of PostgreSQL before 17 ends a transaction whose client stands still in the middle of a COPY or of
several statements sent at once."""

IN_VAIN = (
    psycopg.errors.SerializationFailure,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.LockNotAvailable,
    psycopg.errors.QueryCanceled,
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.TooManyConnections,
    psycopg.errors.CannotConnectNow,
)
"""Nothing is wrong with what was asked: asking again may well do."""

TRY_AGAIN = "Check that PostgreSQL runs and can be reached; the connector tries again by itself."

Session = psycopg.Connection[Row]


class Address(msgspec.Struct, frozen=True):
    """Where the database is. Shows itself without password."""

    conninfo: str
    label: str
    schema: str
    connections: int

    def __repr__(self) -> str:
        return f"Address({self.label!r}, schema={self.schema!r})"


def address_of(url: str) -> Address:
    """`postgresql://…` with libpq's parameters, and ours: `schema`, `connections`. Raises SettingsError."""
    base, _, query = url.partition("?")
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    schema = parameters.pop("schema", DEFAULT_SCHEMA)
    connections = parameters.pop("connections", str(MOST_CONNECTIONS))
    if not schema.replace("_", "a").isalnum() or not schema.isascii() or not schema.islower() or schema[0].isdigit():
        raise _wrong(f"its schema {schema!r} is not a plain name in small letters")
    if not connections.isdecimal() or not 1 <= int(connections) <= 1000:
        raise _wrong(f"connections={connections} is not a number from 1 to 1000")
    try:
        given = conninfo_to_dict(f"{base}?{urlencode(parameters, quote_via=quote)}" if parameters else base)
    except psycopg.Error:
        raise _wrong(
            "it cannot be read"
        ) from None  # libpq's sentence quotes what it could not read, such as a password
    settings = [f"-c {name}={value}" for name, value in {"search_path": f"{schema},public", **SESSION}.items()]
    options = " ".join([*settings, str(given.pop("options", "") or "")])
    parts: dict[str, Any] = {"application_name": APPLICATION, **NETWORK, **given, "options": options}
    conninfo = make_conninfo(**parts)
    place = ":".join(str(part) for part in (given.get("host", "localhost"), given.get("port")) if part)
    return Address(conninfo, f"{place}/{given.get('dbname', '')}", schema, int(connections))


class PostgresDatabase:
    """A database as a `Handle`. Several threads share its connections."""

    kind: ClassVar[Kind] = "postgresql"

    def __init__(self, url: str) -> None:
        """Raises SettingsError for a URL that cannot be read, StoreError where nothing answers as it should."""
        self._address = address_of(url)
        self._local = threading.local()
        self._opening = threading.Lock()
        self._pool: ConnectionPool[Session] | None = None
        self._process = 0
        self._closed = False
        self._clock: tuple[datetime, float] | None = None
        self._create_schema()

    @property
    def label(self) -> str:
        return self._address.label

    @property
    def schema(self) -> str:
        return self._address.schema

    @property
    def conninfo(self) -> str:
        """For other pools of connections. Has the password."""
        return self._address.conninfo

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        """A query whose connection is lost is asked again. Within this thread's transaction, it is part of that."""
        mine: Inside | None = getattr(self._local, "transaction", None)
        if mine is not None:
            with self._errors():
                return mine.rows(query, values)
        ends = time.monotonic() + WAIT_SECONDS
        while True:
            with self._errors(), self._lent(ends) as session:
                try:
                    return session.execute(_marked(query), values).fetchall()
                except psycopg.OperationalError:
                    if not session.closed or time.monotonic() > ends:
                        raise

    @contextmanager
    def transaction(self, wait: float | None = None) -> Iterator["Inside"]:
        """`wait`: seconds for the server, a connection, and each lock and statement; without it WAIT_SECONDS."""
        if getattr(self._local, "transaction", None) is not None:
            raise StoreError(
                "A transaction of this thread is open already; end it before the connector begins its own."
            )
        ends = time.monotonic() + (WAIT_SECONDS if wait is None else wait)
        while True:
            with self._errors(), self._lent(ends) as session:
                try:
                    self._read_clock(session)
                    session.execute(_beginning(wait), prepare=False)
                except psycopg.OperationalError:
                    if not session.closed or time.monotonic() > ends:
                        raise
                    continue
                inside = self._local.transaction = Inside(session)
                try:
                    yield inside
                    inside.send()
                    self._commit(session)
                except BaseException:
                    _roll_back(session)
                    raise
                finally:
                    self._local.transaction = None
            return

    def create_tables(self, statements: Sequence[str]) -> None:
        missing = [one for one in statements if not self._is_there(created_name(one))]
        if not missing:
            return
        with self.exclusive("tables") as db:
            for statement in missing:
                db.change(in_postgres(statement))

    def _is_there(self, name: str) -> bool:
        return bool(name) and self.rows("SELECT to_regclass(?)", [name]) != [(None,)]

    @contextmanager
    def exclusive(self, what: str) -> Iterator["Inside"]:
        """A transaction that no other of the same name is beside, on any machine."""
        with self.transaction() as db:
            db.take_time()
            db.lock(f"{self.schema} {what}")
            yield db

    def now(self) -> datetime:
        """By the server's clock, however wrong this machine's is."""
        if self._clock is None:
            self._read_clock_alone()
        assert self._clock is not None
        then, at = self._clock
        return then + timedelta(seconds=time.monotonic() - at)

    def end_what_stands_still(self, seconds: float) -> list[int]:
        """End the sessions of processes that are in a transaction and have been silent for so long: their locks go."""
        return [pid for pid, _ in self.rows(STANDING_STILL, [seconds])]

    def close(self) -> None:
        with self._opening:
            self._closed = True
            pool, self._pool = self._pool, None
        if pool is not None and self._process == os.getpid():
            pool.close()

    def _create_schema(self) -> None:
        """Alone on a connection of its own, whose failure tells why; a pool only knows that it got none."""
        try:
            with psycopg.connect(self._address.conninfo, autocommit=True) as session:
                if session.execute("SELECT to_regnamespace(%s)", [self.schema]).fetchone() == (None,):
                    with session.transaction():
                        session.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [self.schema])
                        session.execute(SQL("CREATE SCHEMA IF NOT EXISTS {}").format(self._identifier))
        except psycopg.OperationalError as error:
            raise StoreBusy(f"The store {self.label} cannot be opened: {error}.", what_to_do=TRY_AGAIN) from None
        except psycopg.Error as error:
            raise StoreError(
                f"The store {self.label} cannot be opened: {error}.",
                what_to_do=f"Let the user create the schema {self.schema}, or create it and give it to the user.",
            ) from None

    @property
    def _identifier(self) -> Identifier:
        return Identifier(self.schema)

    @contextmanager
    def _lent(self, ends: float) -> Iterator[Session]:
        """A connection of the pool; a lost one is replaced by the pool when it is given back."""
        pool = self._opened()
        session = pool.getconn(timeout=max(ends - time.monotonic(), 0.05))
        try:
            yield session
        finally:
            pool.putconn(session)

    def _opened(self) -> "ConnectionPool[Session]":
        with self._opening:
            if self._closed:
                raise StoreError(f"The store {self.label} is closed.")
            if self._pool is None or self._process != os.getpid():  # a fork must not share its parent's connections
                self._process = os.getpid()
                self._pool = ConnectionPool(
                    self._address.conninfo,
                    kwargs={"autocommit": True},
                    configure=_adapt,
                    min_size=0,
                    max_size=self._address.connections,
                    max_idle=IDLE_SECONDS,
                    reconnect_timeout=WAIT_SECONDS,
                    open=True,
                )
            return self._pool

    def _commit(self, session: Session) -> None:
        if session.info.transaction_status == TransactionStatus.INERROR:
            raise StoreError(f"The store {self.label}: a statement failed, so that nothing of its transaction stands.")
        try:
            session.execute("COMMIT")
        except psycopg.OperationalError as error:
            if not session.closed:
                raise
            raise StoreError(
                f"The connection to the store {self.label} was lost at the end of a transaction: {error}. It stands, or"
                " nothing of it does.",
                what_to_do=TRY_AGAIN,
            ) from error

    def _read_clock(self, session: Session) -> None:
        asked = time.monotonic()
        if self._clock is not None and asked - self._clock[1] < CLOCK_SECONDS:
            return
        [(moment,)] = session.execute("SELECT clock_timestamp()").fetchall()
        self._clock = (moment.astimezone(UTC), (asked + time.monotonic()) / 2)

    def _read_clock_alone(self) -> None:
        with self.transaction():
            pass

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """psycopg's own errors as ours."""
        try:
            yield
        except IN_VAIN as error:
            raise StoreBusy(f"The store {self.label}: {_sentence(error)}.", what_to_do=TRY_AGAIN) from error
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise StoreBusy(
                f"The store {self.label} cannot be reached: {_sentence(error)}.", what_to_do=TRY_AGAIN
            ) from error
        except (psycopg.IntegrityError, psycopg.DataError) as error:
            raise RowRefused(f"The store {self.label}: {_sentence(error)}.") from None  # its details hold the row
        except (psycopg.Error, PoolClosed) as error:
            raise StoreError(f"The store {self.label}: {_sentence(error)}.") from error


def _beginning(wait: float | None) -> bytes:
    """All at once, as each way there and back costs."""
    if wait is None:
        return b"BEGIN"
    longest = f"{max(int(wait * 1000), 1)}ms"
    return f"BEGIN; SET LOCAL lock_timeout = '{longest}'; SET LOCAL statement_timeout = '{longest}'".encode()


class Inside:
    """One connection in a transaction, around which errors are translated.

    Each statement that is waited for costs a way to the server and back. What need not be waited for is kept, in its
    order, and sent all at once before the next one that must, or the end.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._kept: list[tuple[str, list[Sequence[Any]]]] = []
        self._ids: dict[str, list[int]] = {}
        self._given: dict[str, int] = {}

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        self.send()
        return self._session.execute(_marked(query), values).fetchall()

    def change(self, statement: str, values: Sequence[Any] = ()) -> int:
        self.send()
        return self._session.execute(_marked(statement), values).rowcount

    def change_each(self, statement: str, many: Iterable[Sequence[Any]]) -> int:
        values = list(many)
        if not values:
            return 0
        self.send()
        with self._session.cursor() as cursor:
            cursor.executemany(_marked(statement), values)
            return cursor.rowcount

    def insert(self, statement: str, values: Sequence[Any]) -> int:
        """The id is drawn before, so that the row can be sent later."""
        return self.insert_each(statement, [values])[0]

    def insert_each(self, statement: str, many: Sequence[Sequence[Any]]) -> list[int]:
        table, with_id = _inserting(statement)
        ids = [self._next_id(table) for _ in many]
        self.later_each(with_id, [(new, *values) for new, values in zip(ids, many, strict=True)])
        return ids

    def later(self, statement: str, values: Sequence[Any]) -> None:
        self._kept.append((statement, [values]))

    def later_each(self, statement: str, many: Iterable[Sequence[Any]]) -> None:
        self._kept.append((statement, list(many)))

    def send(self) -> None:
        """What was kept. Plain INSERTs that follow one another are put together by table, and copied where many.

        None is put before a row that it may refer to.
        """
        kept, self._kept = self._kept, []
        inserts: dict[str, list[Sequence[Any]]] = {}
        others: list[tuple[str, list[Sequence[Any]]]] = []
        for statement, many in kept:
            if INSERT.fullmatch(statement):
                self._execute(others)
                if not _may_join(statement, list(inserts)):
                    self._insert(inserts)
                inserts.setdefault(statement, []).extend(many)
            else:
                self._insert(inserts)
                others.append((statement, many))
        self._insert(inserts)
        self._execute(others)

    def _insert(self, inserts: dict[str, list[Sequence[Any]]]) -> None:
        few = []
        for statement in sorted(inserts, key=_rank):
            many = inserts[statement]
            if len(many) < COPIED:
                few.append((statement, many))
                continue
            self._execute(few)
            found = INSERT.fullmatch(statement)
            assert found is not None
            self.insert_all(found[1], found[2].replace(" ", "").split(","), many)
        self._execute(few)
        inserts.clear()

    def _execute(self, statements: list[tuple[str, list[Sequence[Any]]]]) -> None:
        if not statements:
            return
        with self._session.pipeline(), self._session.cursor() as cursor:
            for statement, many in statements:
                for text, values in _together(statement, many):
                    cursor.execute(_marked(text), values)
        statements.clear()

    def _next_id(self, table: str) -> int:
        """Of a few that are drawn at once: the more, the more were needed; what is left over is never used."""
        ids = self._ids.setdefault(table, [])
        if not ids:
            count = self._given[table] = min(32 * self._given.get(table, 0), MOST_IDS) or 1
            query = "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)"
            ids += [int(row[0]) for row in reversed(self._session.execute(query, [table, count]).fetchall())]
        return ids.pop()

    @property
    def session(self) -> Session:
        """For what runs statements of its own within the transaction."""
        self.send()
        return self._session

    def run_script(self, statements: str) -> None:
        """Several statements, as they stand."""
        self.session.execute(statements.encode())

    def lock(self, name: str) -> None:
        """Be alone under this name until the transaction ends."""
        self._session.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        try:
            self.send()
            with self._session.transaction():
                try:
                    yield
                    self.send()
                except BaseException:
                    self._kept.clear()
                    raise
        except (psycopg.IntegrityError, psycopg.DataError) as error:
            raise RowRefused(f"The database refuses it: {_sentence(error)}.") from None

    def read_as_of_now(self) -> None:
        self._session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        self.take_time()

    def take_time(self) -> None:
        """A statement of this transaction may last, such as one that makes an index."""
        self._session.execute(f"SET LOCAL application_name = '{AT_LENGTH}'")
        self._session.execute("SET LOCAL statement_timeout = 0")
        self._session.execute("SET LOCAL idle_in_transaction_session_timeout = 0")

    def insert_all(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        names = SQL(", ").join(map(Identifier, columns))
        statement = SQL("COPY {} ({}) FROM STDIN").format(Identifier(table), names)
        with self._session.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)

    def go_on_counting(self, tables: Sequence[str]) -> None:
        for table in tables:
            [(sequence,)] = self.rows(
                "SELECT pg_get_serial_sequence(?, 'id') WHERE EXISTS (SELECT 1 FROM pg_attribute"
                " WHERE attrelid = to_regclass(?) AND attname = 'id') UNION ALL SELECT NULL LIMIT 1",
                [table, table],
            )
            if sequence is not None:
                self._session.execute(
                    SQL("SELECT setval(%s, (SELECT coalesce(max(id), 0) + 1 FROM {}), false)").format(
                        Identifier(table)
                    ),
                    [sequence],
                )


class _Text(StrDumperUnknown):
    """PostgreSQL keeps no NUL in a text; what a shop answers may hold one."""

    def dump(self, obj: str) -> Buffer | None:
        return super().dump(obj.replace("\0", "\ufffd") if "\0" in obj else obj)


class _Flag(Dumper):
    """Flags are kept as 0 and 1, as in SQLite."""

    oid = psycopg.adapters.types["int8"].oid

    def dump(self, obj: bool) -> Buffer | None:
        return b"1" if obj else b"0"


def _adapt(session: Session) -> None:
    session.adapters.register_dumper(str, _Text)
    session.adapters.register_dumper(bool, _Flag)


def _roll_back(session: Session) -> None:
    if session.closed or session.info.transaction_status == TransactionStatus.IDLE:
        return
    try:
        session.execute("ROLLBACK")
    except psycopg.Error:
        session.close()  # the server undoes what it has of it


@lru_cache(maxsize=256)
def _inserting(statement: str) -> tuple[str, str]:
    """The table of an INSERT, and the same INSERT with the id as its first value."""
    found = INSERT.fullmatch(statement.strip())
    if found is None:
        raise ValueError(f"not a plain INSERT: {statement}")
    table, columns, values = found.groups()
    return table, f"INSERT INTO {table} (id, {columns}) VALUES (?, {values})"


def _rank(statement: str) -> int:
    """The order in which tables are sent that were put together: first those that others refer to."""
    return PUT_FIRST.index(_table(statement)) if _table(statement) in PUT_FIRST else len(PUT_FIRST)


def _may_join(statement: str, groups: Sequence[str]) -> bool:
    """Whether a row may go with those of its table, before the groups that came after them.

    Of tables that are not known here, none is put before one of another that was given its id: it may refer to it.
    """
    later = groups[groups.index(statement) + 1 :] if statement in groups else ()
    return _table(statement) in PUT_FIRST or not any(" (id, " in one and _table(one) not in PUT_FIRST for one in later)


def _table(statement: str) -> str:
    return statement.removeprefix("INSERT INTO ").partition(" ")[0]


def _together(statement: str, many: Sequence[Sequence[Any]]) -> Iterator[tuple[str, list[Any]]]:
    """An upsert of many rows as few statements of many; any other statement once a row.

    One statement must not meet the same row twice, so a row whose key came before in it begins the next.
    """
    upsert = UPSERT.fullmatch(statement) if len(many) > 1 else None
    if upsert is None:
        yield from ((statement, list(values)) for values in many)
        return
    begins, columns, row, keys, ends = upsert.groups()
    names = [name.strip() for name in columns.split(",")]
    places = [names.index(key.strip()) for key in keys.split(",")]
    some: list[Sequence[Any]] = []
    seen: set[tuple[Any, ...]] = set()
    for values in many:
        key = tuple(values[place] for place in places)
        if key in seen or len(some) == TOGETHER:
            yield f"{begins}{', '.join([row] * len(some))}{ends}", [value for one in some for value in one]
            some, seen = [], set()
        some.append(values)
        seen.add(key)
    yield f"{begins}{', '.join([row] * len(some))}{ends}", [value for one in some for value in one]


@lru_cache(maxsize=1024)
def _marked(statement: str) -> str:
    """With psycopg's sign for a value."""
    return statement.replace("%", "%%").replace("?", "%s")


def _sentence(error: BaseException) -> str:
    """Without what PostgreSQL says in detail: there stands the row, with the buyer's data."""
    told = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return " ".join((told or str(error)).split()).rstrip(".") or type(error).__name__


def _wrong(why: str) -> SettingsError:
    return SettingsError(
        f"store.url is not the address of a PostgreSQL database: {why}.",
        what_to_do='Write url = "postgresql://USER@HOST/DATABASE"; the password may come from PGPASSWORD or env:NAME.',
        field="store.url",
    )
