"""SQLite connections, one a thread, and transactions on them; for the store and for shops that live in SQLite.

WAL with synchronous=FULL: what is committed outlives a power cut, which exactly-once rests on.
"""

import errno
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lengow.connector.errors import StoreBusy, StoreError, StoreFull, StoreReadOnly

BUSY_SECONDS = 30.0
CHECKPOINT_PAGES = 4000
"""16 MiB of journal before it is folded into the file; at SQLite's 4 MiB an import spends its time folding."""


DATABASE_ERRORS: dict[int, type[StoreError]] = {
    sqlite3.SQLITE_BUSY: StoreBusy,
    sqlite3.SQLITE_LOCKED: StoreBusy,
    sqlite3.SQLITE_FULL: StoreFull,
    sqlite3.SQLITE_IOERR_WRITE: StoreFull,
    sqlite3.SQLITE_IOERR_FSYNC: StoreFull,
    sqlite3.SQLITE_IOERR_SHMSIZE: StoreFull,
    sqlite3.SQLITE_READONLY: StoreReadOnly,
    sqlite3.SQLITE_CANTOPEN: StoreReadOnly,
    sqlite3.SQLITE_PERM: StoreReadOnly,
}
FILE_ERRORS: dict[int, type[StoreError]] = {
    errno.ENOSPC: StoreFull,
    errno.EDQUOT: StoreFull,
    errno.EFBIG: StoreFull,
    errno.EROFS: StoreReadOnly,
    errno.EACCES: StoreReadOnly,
    errno.EPERM: StoreReadOnly,
}


class Connections:
    """The connections of this process to one SQLite file, which is made if it is missing."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._local = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._writing = threading.RLock()
        with self.errors():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self.mine()

    def mine(self) -> sqlite3.Connection:
        """This thread's connection. Raises StoreError when the file cannot be opened."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None or self._local.process != os.getpid():  # a fork must not share its parent's connection
            connection, self._local.process = self._connect(), os.getpid()
            self._local.connection = connection
            with self._lock:
                self._all.append(connection)
        return connection

    @contextmanager
    def transaction(self, wait: float | None = None) -> Iterator[sqlite3.Connection]:
        """All or nothing, durable at the end. Raises StoreBusy before anything was done, StoreError.

        `wait`: seconds for other threads and processes that write; without it BUSY_SECONDS for other processes, and as
        long as it takes for threads.
        """
        db = self.mine()
        if db.in_transaction:
            raise StoreError(
                "A transaction of this thread is open already; end it before the connector begins its own."
            )
        with self.errors(), self._turn(wait) as left:
            _begin(db, left)
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    @contextmanager
    def _turn(self, wait: float | None) -> Iterator[float | None]:
        """Threads take turns here; SQLite would have them sleep and look again. Gives what is left of `wait`."""
        ends = time.monotonic() + (wait or 0)
        if not self._writing.acquire(timeout=-1 if wait is None else wait):
            raise StoreBusy(f"The store {self._path} is being written by other threads.")
        try:
            yield None if wait is None else max(ends - time.monotonic(), 0)
        finally:
            self._writing.release()

    def close(self) -> None:
        with self._lock:
            for connection in self._all:
                connection.close()
            self._all.clear()
        self._local = threading.local()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        _use_write_ahead_log(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        return connection

    @contextmanager
    def errors(self) -> Iterator[None]:
        """SQLite's own errors as ours."""
        try:
            yield
        except (sqlite3.DatabaseError, OSError) as error:
            raise _ours(error, self._path) from error


def _begin(db: sqlite3.Connection, wait: float | None) -> None:
    if wait is None:
        db.execute("BEGIN IMMEDIATE")
        return
    db.execute(f"PRAGMA busy_timeout = {int(wait * 1000)}")
    try:
        db.execute("BEGIN IMMEDIATE")
    finally:
        db.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")


def _ours(error: sqlite3.DatabaseError | OSError, path: Path) -> StoreError:
    if isinstance(error, OSError):
        kind = FILE_ERRORS.get(error.errno or 0, StoreError)
    else:
        # The low byte is the kind of error; a write beyond the room for files has a kind of its own above it.
        code = getattr(error, "sqlite_errorcode", 0)
        kind = DATABASE_ERRORS.get(code) or DATABASE_ERRORS.get(code & 0xFF) or StoreError
    if kind is StoreBusy:
        return StoreBusy(f"The store {path} is locked by another process.")
    return kind(f"The store {path}: {error}.")


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Of several that open a new file at once, one switches it over; SQLite has the others fail instead of wait."""
    ends = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > ends:
                raise
            time.sleep(0.02)
        else:
            return
