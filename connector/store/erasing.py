"""Finding and erasing personal data. In SQL that SQLite and PostgreSQL both take.

Both are for once a day, or for once in a while: they read tables from end to end, some hundred rows at a time.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from lengow.connector.adapter import MarkShipped
from lengow.connector.store.columns import EVENT_COLUMNS, event_of, text_of
from lengow.connector.store.database import Database, Source
from lengow.connector.store.rows import EventRow, OrderRow
from lengow.connector.store.words import folded, words_of

TRACKED = '%"tracking"%'
"""What the body of an event looks like that tells of a parcel."""

SHIPPED = msgspec.json.encode(MarkShipped()).decode()
"""What is left of a change that tells of a parcel: that there was one."""

UNDER_WAY = """
    EXISTS (SELECT 1 FROM packages p WHERE p.order_id = o.id AND p.state IN ('ready', 'creating'))
    OR EXISTS (SELECT 1 FROM actions a WHERE a.order_id = o.id AND a.state IN ('queued', 'sending'))
"""
"""Somebody is still at work on it, and may need the address or the parcel's number."""


class ErasingQueries:
    """The part of the contract's `Reading` that finds personal data."""

    _db: Source

    def orders_to_erase(self, before: datetime, *, unshipped_before: datetime, after_id: int, limit: int) -> list[int]:
        rows = self._db.rows(
            f"""
            SELECT o.id FROM orders o WHERE o.id > ? AND o.erased_at IS NULL AND o.changed_at < ? AND NOT ({UNDER_WAY})
            AND (o.changed_at < ? OR o.state = 'skipped' OR o.status NOT IN ('waiting_acceptance', 'waiting_shipment'))
            ORDER BY o.id LIMIT ?
            """,
            [after_id, text_of(before), text_of(unshipped_before), limit],
        )
        return [row[0] for row in rows]

    def orders_of_buyer(self, email: str) -> list[int]:
        rows = self._db.rows("SELECT id FROM orders WHERE lower(email) = ? ORDER BY id", [email.strip().lower()])
        return [row[0] for row in rows]

    def orders_under_way(self, order_ids: Sequence[int]) -> set[int]:
        query = f"SELECT o.id FROM orders o WHERE o.id = ? AND ({UNDER_WAY})"
        return {order_id for order_id in order_ids if self._db.rows(query, [order_id])}

    def events_with_parcels(
        self, *, before: datetime | None = None, shop: str | None = None, after_id: int = 0, limit: int
    ) -> list[EventRow]:
        conditions = {"received_at < ?": text_of(before), "shop = ?": shop}
        wanted = {condition: value for condition, value in conditions.items() if value is not None}
        rows = self._db.rows(
            f"""
            SELECT {EVENT_COLUMNS} FROM events
            WHERE {" AND ".join(["id > ?", "state <> 'received'", "body LIKE ?", *wanted])} ORDER BY id LIMIT ?
            """,
            [after_id, TRACKED, *wanted.values(), limit],
        )
        return [event_of(row) for row in rows]


class ErasingStatements:
    """The part of the contract's `Transaction` that erases it."""

    _db: Database

    def erase_order(self, row: OrderRow, at: datetime, *, parcels: Sequence[str], kept_details: Sequence[str]) -> None:
        words = words_of(row.buyer, row.email) | {folded(number) for number in parcels}
        for word in words:
            self._db.change("DELETE FROM order_words WHERE word = ? AND order_id = ?", [word, row.id])
        self._db.change(
            "UPDATE orders SET buyer = '', email = '', about = '', erased_at = ? WHERE id = ?", [text_of(at), row.id]
        )
        self._db.change("UPDATE packages SET about = '' WHERE order_id = ?", [row.id])
        self._db.change("UPDATE actions SET parcel = '', error = '' WHERE order_id = ?", [row.id])
        self._db.change("UPDATE changes SET about = '' WHERE order_id = ?", [row.id])
        self._db.change("UPDATE changes SET body = NULL WHERE order_id = ? AND kind = 'address'", [row.id])
        shipped = "UPDATE changes SET body = ? WHERE order_id = ? AND kind = 'shipped' AND body IS NOT NULL"
        self._db.change(shipped, [SHIPPED, row.id])
        places = ", ".join("?" * len(kept_details))
        self._db.change(
            f"UPDATE journal SET detail = '' WHERE order_id = ? AND what NOT IN ({places})", [row.id, *kept_details]
        )

    def set_arguments(self, action_id: int, arguments: str) -> None:
        self._db.change("UPDATE actions SET arguments = ? WHERE id = ?", [arguments, action_id])

    def set_event_body(self, event_id: int, body: str) -> None:
        self._db.change("UPDATE events SET body = ? WHERE id = ?", [body, event_id])
