"""What changed from one build of a feed to the next: offers added, removed, changed, and in what.

The old file goes into a table on the disk, keyed by SKU, and the new one is held against it line by line: the memory that
it takes does not grow with the feed.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Literal

import msgspec

from lengow.feeds.errors import FeedUnreadable
from lengow.feeds.files import format_of, lines_of

AT_ONCE = 1000


class Change(msgspec.Struct, frozen=True):
    kind: Literal["added", "removed", "changed"]
    sku: str
    attributes: Mapping[str, tuple[str, str]] = {}
    """Of a changed one: old and new value, by name."""


def diff(old: Path, new: Path) -> Iterator[Change]:
    """Changes in the order of the new file, then what was removed. Raises FeedUnreadable."""
    with closing(sqlite3.connect("", isolation_level=None)) as table:  # on the disk, and gone when closed
        table.execute("CREATE TABLE old (sku TEXT PRIMARY KEY, offer BLOB, found INT DEFAULT 0) WITHOUT ROWID")
        table.execute("BEGIN")
        rows = ((offer["sku"], msgspec.json.encode(offer)) for offer in _offers(old))
        table.executemany("INSERT OR REPLACE INTO old (sku, offer) VALUES (?, ?)", rows)
        for offer in _offers(new):
            change = _compared(table, offer)
            if change:
                yield change
        for (sku,) in table.execute("SELECT sku FROM old WHERE NOT found ORDER BY sku"):
            yield Change("removed", sku)


def _compared(table: sqlite3.Connection, offer: Mapping[str, str]) -> Change | None:
    sku = offer["sku"]
    found = table.execute("SELECT offer FROM old WHERE sku = ?", (sku,)).fetchone()
    if found is None:
        return Change("added", sku)
    table.execute("UPDATE old SET found = 1 WHERE sku = ?", (sku,))
    before: dict[str, str] = msgspec.json.decode(found[0])
    names = sorted(before.keys() | offer.keys())
    values = {name: (before.get(name, ""), offer.get(name, "")) for name in names}
    differing = {name: pair for name, pair in values.items() if pair[0] != pair[1]}
    return Change("changed", sku, differing) if differing else None


def _offers(path: Path) -> Iterator[Mapping[str, str]]:
    form = format_of(path)
    try:
        with lines_of(path) as lines:
            for offer in form.read(lines):
                if not offer.get("sku"):
                    raise FeedUnreadable(f"{path} has an offer without a sku.")
                yield offer
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise FeedUnreadable(f"{path} cannot be read: {error}.") from error
