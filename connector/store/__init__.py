"""The connector's memory: one contract (`contract.py`), opened by URL."""

from lengow.connector.errors import SettingsError
from lengow.connector.secret import without_password
from lengow.connector.store.contract import Reading, Store, Transaction
from lengow.connector.store.database import Handle

__all__ = ["Handle", "Reading", "Store", "Transaction", "open_database", "open_store"]

SQLITE = "sqlite:///"
POSTGRES = ("postgresql://", "postgres://")


def open_store(url: str) -> Store:
    """The store at `url`, brought to the newest schema.

    Raises SettingsError for an unknown kind of URL, StoreBusy where nothing answers, StoreError.
    """
    if url.startswith(SQLITE) and url != SQLITE:
        from lengow.connector.store.sqlite import SqliteStore

        return SqliteStore(url.removeprefix(SQLITE))
    if url.startswith(POSTGRES):
        _expect_psycopg()
        from lengow.connector.store.postgres import PostgresStore

        return PostgresStore(url)
    raise _unknown(url, "store.url")


def open_database(url: str, *, setting: str = "store.url") -> Handle:
    """The database at `url` without the connector's tables; raises as `open_store`, naming `setting`."""
    if url.startswith(SQLITE) and url != SQLITE:
        from lengow.connector.store.sqlite import SqliteDatabase

        return SqliteDatabase(url.removeprefix(SQLITE))
    if url.startswith(POSTGRES):
        _expect_psycopg()
        from lengow.connector.store.postgres_database import PostgresDatabase

        return PostgresDatabase(url)
    raise _unknown(url, setting)


def _expect_psycopg() -> None:
    try:
        import psycopg  # noqa: F401 - only whether it is there
        import psycopg_pool  # noqa: F401
    except ImportError as error:
        raise SettingsError(
            "store.url names a PostgreSQL database, which psycopg is needed for.",
            what_to_do="pip install 'lengow-connector[postgres]'",
            field="store.url",
        ) from error


def _unknown(url: str, setting: str) -> SettingsError:
    return SettingsError(
        f"{setting} {without_password(url)!r} is not a store.",
        what_to_do='Write "sqlite:///lengow.db" or "postgresql://USER@HOST/DATABASE".',
        field=setting,
    )
