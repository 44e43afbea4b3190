"""The connector's memory: one contract (`contract.py`), opened by URL."""

from lengow.connector.errors import SettingsError
from lengow.connector.store.contract import Reading, Store, Transaction

__all__ = ["Reading", "Store", "Transaction", "open_store"]


def open_store(url: str) -> Store:
    """The store at `url`, brought to the newest schema. Raises SettingsError for an unknown kind of URL."""
    scheme, found, path = url.partition(":///")
    if found and scheme == "sqlite" and path:
        from lengow.connector.store.sqlite import SqliteStore

        return SqliteStore(path)
    raise SettingsError(
        f"store.url {url!r} is not a store.", what_to_do='Write url = "sqlite:///lengow.db".', field="store.url"
    )
