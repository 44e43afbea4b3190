"""What a person looks through: orders by any filter, counts, the last days. In SQL that SQLite and PostgreSQL both take.

One index, `orders_listed`, has every column that the list is narrowed by. Where nothing narrower leads to the orders,
it is read from its end until a page is full: at a million orders a small part of a second, whatever is asked for.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from lengow.connector.model import OrderState
from lengow.connector.store.columns import text_of
from lengow.connector.store.database import Source
from lengow.connector.store.rows import JournalEntry, MappedCarrier, OrderSearch, SessionRow, UserRow
from lengow.connector.store.words import sought_words, word_range

MOST_FOUND = 5_000
"""Of orders in which the only word is found, so many are looked at: the last by the word or number."""
MOST_OF_SEVERAL = 100_000
"""Where other words or filters narrow them, so many."""

TO_SHIP = "o.status = 'waiting_shipment' AND o.state NOT IN ('skipped', 'withdrawn')"
"""As the index `orders_by_deadline` has the status; also what failed on its way into the shop."""

SORTED_BY = {"newest": ("o.listed_at", "DESC"), "oldest": ("o.listed_at", "ASC"), "deadline": ("o.ship_by", "ASC")}
OTHER_WAY = {"ASC": "DESC", "DESC": "ASC"}
COMPARED = {"ASC": ">", "DESC": "<"}

BY_WORD = """
    SELECT order_id FROM (
        SELECT order_id FROM order_words WHERE word >= ? AND word < ? ORDER BY word DESC, order_id DESC LIMIT ?
    ) AS by_word
"""
BY_NUMBER = """
    SELECT id FROM (
        SELECT id FROM orders WHERE marketplace_order_id >= ? AND marketplace_order_id < ?
        ORDER BY marketplace_order_id DESC, id DESC LIMIT ?
    ) AS by_number
"""
IN_SHOP = """
    SELECT order_id FROM packages WHERE shop_order_id = ? AND shop_order_id <> ''
    UNION SELECT order_id FROM packages WHERE reference = ?
"""


class Browsing:
    """The part of the contract's `Reading` that serves the console."""

    _db: Source

    def found_orders(self, wanted: OrderSearch) -> list[int]:
        """The ids of the page, in its order."""
        column, way = SORTED_BY[wanted.sort]
        if wanted.backwards:
            way = OTHER_WAY[way]
        conditions, values = _conditions(wanted)
        if wanted.after is not None:
            moment, order_id = wanted.after
            conditions.append(f"({column}, o.id) {COMPARED[way]} (?, ?)")
            values += [text_of(moment), order_id]
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        rows = self._db.rows(
            f"SELECT o.id FROM orders o {where} ORDER BY {column} {way}, o.id {way} LIMIT ?", [*values, wanted.limit]
        )
        ids = [row[0] for row in rows]
        return ids[::-1] if wanted.backwards else ids

    def count_by_shop(self) -> dict[tuple[str, str, str], int]:
        rows = self._db.rows(
            "SELECT account, state, reason, shop, count(*) FROM orders GROUP BY account, state, reason, shop"
        )
        counts: dict[tuple[str, str, str], int] = {}
        for _, state, reason, shop, count in rows:
            counts[shop, state, reason] = counts.get((shop, state, reason), 0) + count
        return counts

    def marketplaces_with_orders(self, account: str) -> list[str]:
        """One step of the index a marketplace, instead of a walk over all orders."""
        found: list[str] = []
        query = "SELECT min(marketplace) FROM orders WHERE account = ? AND marketplace > ?"
        while (name := self._db.rows(query, [account, found[-1] if found else ""])[0][0]) is not None:
            found.append(name)
        return found

    def reasons_of_orders(self, account: str) -> list[str]:
        """One step of the index `orders_by_state` a state and reason."""
        found: set[str] = set()
        query = "SELECT min(reason) FROM orders WHERE account = ? AND state = ? AND reason > ?"
        for state in OrderState:
            reason = ""
            while (reason := self._db.rows(query, [account, state, reason])[0][0]) is not None:
                found.add(reason)
        return sorted(found)

    def orders_per_hour(self, since: datetime) -> dict[datetime, int]:
        rows = self._db.rows(
            "SELECT substr(listed_at, 1, 13), count(*) FROM orders WHERE listed_at >= ? GROUP BY substr(listed_at, 1, 13)",
            [text_of(since)],
        )
        return _by_hour(rows)

    def confirmations_per_hour(self, account: str, since: datetime) -> dict[datetime, int]:
        rows = self._db.rows(
            """
            SELECT substr(changed_at, 1, 13), count(*) FROM actions
            WHERE account = ? AND state = 'confirmed' AND changed_at >= ? AND action_type = 'ship'
            GROUP BY substr(changed_at, 1, 13)
            """,
            [account, text_of(since)],
        )
        return _by_hour(rows)

    def general_journal(self, *, limit: int = 50) -> list[JournalEntry]:
        rows = self._db.rows(
            "SELECT at, order_id, package_id, what, detail, who FROM journal WHERE order_id IS NULL"
            " ORDER BY id DESC LIMIT ?",
            [limit],
        )
        return [JournalEntry(datetime.fromisoformat(row[0]), *row[1:]) for row in rows]

    def mapped_carriers(self, shop: str | None = None) -> list[MappedCarrier]:
        where, values = ("WHERE shop = ?", [shop]) if shop is not None else ("", [])
        rows = self._db.rows(
            "SELECT shop, marketplace, code, carrier, set_at, set_by FROM mapped_carriers"
            f" {where} ORDER BY shop, marketplace, code",
            values,
        )
        return [MappedCarrier(row[0], row[1], row[2], row[3], datetime.fromisoformat(row[4]), row[5]) for row in rows]

    def users(self) -> list[UserRow]:
        return [_user(row) for row in self._db.rows("SELECT name, role, password, created_at FROM users ORDER BY name")]

    def user(self, name: str) -> UserRow | None:
        rows = self._db.rows("SELECT name, role, password, created_at FROM users WHERE name = ?", [name])
        return _user(rows[0]) if rows else None

    def session(self, digest: str) -> SessionRow | None:
        rows = self._db.rows(
            "SELECT digest, user_name, created_at, expires_at FROM sessions WHERE digest = ?", [digest]
        )
        return _session(rows[0]) if rows else None

    def sessions(self) -> list[SessionRow]:
        rows = self._db.rows("SELECT digest, user_name, created_at, expires_at FROM sessions ORDER BY created_at")
        return [_session(row) for row in rows]

    def failed_logins(self, subjects: Sequence[str]) -> dict[str, int]:
        return {
            subject: self._db.rows("SELECT count(*) FROM failed_logins WHERE subject = ?", [subject])[0][0]
            for subject in subjects
        }


def _conditions(wanted: OrderSearch) -> tuple[list[str], list[Any]]:
    narrowed = {
        "o.shop = ?": wanted.shop,
        "o.marketplace = ?": wanted.marketplace,
        "o.state = ?": wanted.state,
        "o.reason = ?": wanted.reason,
        "' ' || o.types || ' ' LIKE ?": f"% {wanted.order_type} %" if wanted.order_type else None,
        "o.listed_at >= ?": text_of(wanted.since),
        "o.listed_at < ?": text_of(wanted.until),
    }
    chosen = {condition: value for condition, value in narrowed.items() if value is not None}
    conditions, values = list(chosen), list(chosen.values())
    if wanted.sort == "deadline":
        conditions += [TO_SHIP, "o.ship_by IS NOT NULL"]
    sought = sought_words(wanted.text)
    if sought:
        most = MOST_FOUND if len(sought) == 1 and not conditions else MOST_OF_SEVERAL
        found = [_found(word, as_given, most) for word, as_given in sought]
        conditions.append(f"o.id IN ({' INTERSECT '.join(query for query, _ in found)})")
        values += [value for _, bounds in found for value in bounds]
    return conditions, values


def _found(word: str, as_given: str, most: int) -> tuple[str, list[Any]]:
    """The ids of orders in which a word is found, and the values of the query."""
    numbers = list(dict.fromkeys([as_given, as_given.upper()]))
    union = " UNION ".join([BY_WORD, *[BY_NUMBER] * len(numbers), IN_SHOP])
    ranges = [word_range(word), *map(word_range, numbers)]
    values = [value for start, end in ranges for value in (start, end, most)]
    return f"SELECT order_id FROM ({union}) AS found", [*values, as_given, as_given]


def _by_hour(rows: Sequence[Sequence[Any]]) -> dict[datetime, int]:
    return {datetime.fromisoformat(f"{hour}:00").replace(tzinfo=UTC): count for hour, count in rows}


def _user(row: Sequence[Any]) -> UserRow:
    return UserRow(row[0], row[1], row[2], datetime.fromisoformat(row[3]))


def _session(row: Sequence[Any]) -> SessionRow:
    return SessionRow(row[0], row[1], datetime.fromisoformat(row[2]), datetime.fromisoformat(row[3]))
