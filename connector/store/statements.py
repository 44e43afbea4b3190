"""What is written, in SQL that SQLite and PostgreSQL both take."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from lengow.connector.errors import LeaseLost
from lengow.connector.model import OrderState, StepKind
from lengow.connector.store.columns import (
    ACTION_COLUMNS,
    RECORD_COLUMNS,
    STEP_COLUMNS,
    action_of,
    step_of,
    text_of,
    values_of,
)
from lengow.connector.store.database import Database
from lengow.connector.store.erasing import ErasingStatements
from lengow.connector.store.queries import Queries, chunks, marks, where_of
from lengow.connector.store.rows import (
    ActionRow,
    ChangeRow,
    EventRow,
    JournalEntry,
    MappedCarrier,
    NewStep,
    OrderRow,
    PackageRow,
    ProductMatch,
    RecordRow,
    SessionRow,
    Step,
    ToggleRow,
    UserRow,
)
from lengow.connector.store.words import folded, words_of

CLAIM_ORDER = "urgency, due_at, id"
"""As the indexes `steps_of_shop` and `steps_of_account` have it."""


def _insert(table: str, columns: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks(len(columns))})"


def _update(table: str, columns: Sequence[str]) -> str:
    return f"UPDATE {table} SET {', '.join(f'{name} = ?' for name in columns)} WHERE id = ?"


INSERT_ORDER = _insert("orders", OrderRow.__struct_fields__[1:])
UPDATE_ORDER = _update("orders", OrderRow.__struct_fields__[1:])
INSERT_PACKAGE = _insert("packages", PackageRow.__struct_fields__[1:])
UPDATE_PACKAGE = _update("packages", PackageRow.__struct_fields__[1:])
INSERT_ACTION = _insert("actions", ActionRow.__struct_fields__[1:])
INSERT_WORD = _insert("order_words", ("order_id", "word"))
INSERT_CHANGE = _insert("changes", ChangeRow.__struct_fields__[1:])
INSERT_EVENT = _insert("events", EventRow.__struct_fields__[1:])
SAVE_RECORD = f"""
    INSERT INTO records ({RECORD_COLUMNS}) VALUES (?, ?, ?, ?) ON CONFLICT (order_id) DO UPDATE
    SET raw = excluded.raw, decoded = excluded.decoded, unreadable = excluded.unreadable
"""
RENEW_STEP = """
    DO UPDATE SET due_at = CASE WHEN steps.due_at < excluded.due_at THEN steps.due_at ELSE excluded.due_at END,
    attempts = 0, held = 0, error = '', account = excluded.account, shop = excluded.shop,
    urgency = CASE WHEN excluded.urgency = '9999' THEN steps.urgency ELSE excluded.urgency END
    WHERE steps.lease_until IS NULL
"""


class Statements(Queries, ErasingStatements):
    """The `Transaction` of the contract on any database."""

    _db: Database

    def save_orders(self, rows: Sequence[OrderRow]) -> list[int]:
        for row in rows:
            if row.id:
                self._change_words(row)
        ids = self._save(rows, INSERT_ORDER, UPDATE_ORDER)
        self._add_words(
            (order_id, words_of(row.buyer, row.email)) for order_id, row in zip(ids, rows, strict=True) if not row.id
        )
        return ids

    def save_records(self, rows: Sequence[RecordRow]) -> None:
        self._db.later_each(SAVE_RECORD, map(msgspec.structs.astuple, rows))

    def save_packages(self, rows: Sequence[PackageRow]) -> list[int]:
        return self._save(rows, INSERT_PACKAGE, UPDATE_PACKAGE)

    def set_package_states(self, rows: Iterable[PackageRow]) -> None:
        self._db.later_each(
            "UPDATE packages SET state = ?, reason = ?, about = ?, shop_order_id = ?, carries_shipping = ?, changed_at = ?"
            " WHERE id = ?",
            [
                (
                    str(row.state),
                    row.reason,
                    row.about,
                    row.shop_order_id,
                    int(row.carries_shipping),
                    text_of(row.changed_at),
                    row.id,
                )
                for row in rows
            ],
        )

    def set_order_states(self, rows: Iterable[tuple[int, OrderState, str, str, datetime]]) -> None:
        self._db.later_each(
            "UPDATE orders SET state = ?, reason = ?, about = ?, changed_at = ? WHERE id = ?",
            [(str(state), reason, about, text_of(at), order_id) for order_id, state, reason, about, at in rows],
        )

    def note(self, entries: Iterable[JournalEntry]) -> None:
        self._db.later_each(
            "INSERT INTO journal (at, order_id, package_id, what, detail, who) VALUES (?, ?, ?, ?, ?, ?)",
            map(values_of, entries),
        )

    def add_steps(self, steps: Sequence[NewStep], *, renew: bool = True) -> None:
        self._db.later_each(
            f"""
            INSERT INTO steps (kind, subject, due_at, account, shop, urgency) VALUES (?, ?, ?, ?, ?, coalesce(?, '9999'))
            ON CONFLICT (kind, subject) {RENEW_STEP if renew else "DO NOTHING"}
            """,
            map(values_of, steps),
        )

    def make_due(self, now: datetime, lease_until: datetime) -> None:
        self._db.change(
            "UPDATE steps SET due_at = ? WHERE due_at > ? AND held = 0 AND lease_until IS NULL", [text_of(now)] * 2
        )
        self._db.change(
            "UPDATE steps SET due_at = ?, lease_until = ? WHERE lease_until > ?", [text_of(lease_until)] * 3
        )

    def drop_step(self, kind: StepKind, subject: str) -> None:
        self._db.later("DELETE FROM steps WHERE kind = ? AND subject = ?", [kind, subject])

    def claim(
        self,
        kind: StepKind,
        now: datetime,
        lease_until: datetime,
        *,
        limit: int,
        account: str | None = None,
        shop: str | None = None,
        subject: str | None = None,
        force: bool = False,
    ) -> list[Step]:
        where, values = where_of({"kind = ?": kind, "account = ?": account, "shop = ?": shop, "subject = ?": subject})
        due = "(lease_until IS NULL OR lease_until <= ?)" if force else "held = 0 AND due_at <= ?"
        query = f"SELECT id FROM steps {where} AND {due} ORDER BY {CLAIM_ORDER} LIMIT ?"
        return sorted(self._lease(kind, lease_until, query, [*values, text_of(now), limit]), key=lambda step: step.id)

    def renew(self, step: Step, lease_until: datetime) -> Step:
        self._with_lease("UPDATE steps SET due_at = ?, lease_until = ?", [text_of(lease_until)] * 2, step)
        return msgspec.structs.replace(step, due_at=lease_until, lease_until=lease_until)

    def mine(self, steps: Sequence[Step]) -> set[int]:
        self._hold_steps(steps)
        return {
            step_id
            for some in chunks(steps)
            for (step_id,) in self._db.rows(
                f"""
                WITH wanted (id, token) AS (VALUES {marks(len(some), 2)})
                SELECT steps.id FROM wanted JOIN steps ON steps.id = wanted.id AND steps.token = wanted.token
                """,
                [part for step in some for part in (step.id, step.token)],
            )
        }

    def finish(self, steps: Sequence[Step]) -> None:
        self._hold_steps(steps)
        done = 0
        for some in chunks(steps):
            claimed = [value for step in some for value in (step.id, step.token)]
            done += self._db.change(f"DELETE FROM steps WHERE (id, token) IN (VALUES {marks(len(some), 2)})", claimed)
        if steps and done != len(steps):
            raise LeaseLost(f"A step {steps[0].kind} was taken over by another worker.")

    def postpone(self, step: Step, due_at: datetime, error: str = "", *, restart: bool = False) -> None:
        attempts = 0 if restart else step.attempts
        self._with_lease(
            "UPDATE steps SET due_at = ?, lease_until = NULL, error = ?, attempts = ?, held = 0",
            [text_of(due_at), error, attempts],
            step,
        )

    def hold(self, step: Step, error: str) -> None:
        self._with_lease("UPDATE steps SET held = 1, lease_until = NULL, error = ?", [error], step)

    def add_action(self, row: ActionRow) -> tuple[ActionRow, bool]:
        self._hold_orders("?", [row.order_id])
        found = self._db.rows(
            f"SELECT {ACTION_COLUMNS} FROM actions WHERE dedupe = ? AND state NOT IN ('refused', 'failed')",
            [row.dedupe],
        )
        if found:
            return action_of(found[0]), False
        action_id = self._db.insert(INSERT_ACTION, values_of(row)[1:])
        self._add_words([(row.order_id, {folded(row.arguments.get("tracking_number", ""))} - {""})])
        return msgspec.structs.replace(row, id=action_id), True

    def save_action(self, row: ActionRow) -> None:
        self._db.change(
            """
            UPDATE actions SET state = ?, lengow_id = ?, error = ?, changed_at = ?, sent_at = ?, handled = ? WHERE id = ?
            """,
            [row.state, row.lengow_id, row.error, text_of(row.changed_at), text_of(row.sent_at), row.handled, row.id],
        )

    def add_change(self, row: ChangeRow) -> int:
        return self._db.insert(INSERT_CHANGE, values_of(row)[1:])

    def save_change(self, row: ChangeRow) -> None:
        self._db.change(
            "UPDATE changes SET state = ?, reason = ?, about = ?, changed_at = ?, who = ? WHERE id = ?",
            [row.state, row.reason, row.about, text_of(row.changed_at), row.who, row.id],
        )

    def add_events(self, rows: Sequence[EventRow]) -> list[int]:
        statement = f"{INSERT_EVENT} ON CONFLICT (shop, delivery_id, event_id) DO NOTHING RETURNING id"
        return [int(new[0]) for row in rows for new in self._db.rows(statement, values_of(row)[1:])]

    def save_event(self, row: EventRow) -> None:
        self._db.change(
            "UPDATE events SET state = ?, reason = ?, about = ? WHERE id = ?",
            [row.state, row.reason, row.about, row.id],
        )

    def set_toggle(self, row: ToggleRow) -> None:
        self._db.change(
            """
            INSERT INTO toggles (shop, name, value, set_at, set_by) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (shop, name) DO UPDATE SET value = excluded.value, set_at = excluded.set_at,
                set_by = excluded.set_by
            """,
            values_of(row),
        )

    def set_product_match(self, row: ProductMatch) -> None:
        self._db.change(
            """
            INSERT INTO product_matches (shop, sku, reference, set_at, set_by) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (shop, sku) DO UPDATE SET reference = excluded.reference, set_at = excluded.set_at,
                set_by = excluded.set_by
            """,
            values_of(row),
        )

    def drop_product_match(self, shop: str, sku: str) -> bool:
        return self._db.change("DELETE FROM product_matches WHERE shop = ? AND sku = ?", [shop, sku]) > 0

    def map_carrier(self, row: MappedCarrier) -> None:
        self._db.change(
            """
            INSERT INTO mapped_carriers (shop, marketplace, code, carrier, set_at, set_by) VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT (shop, marketplace, code) DO UPDATE SET carrier = excluded.carrier, set_at = excluded.set_at,
                set_by = excluded.set_by
            """,
            values_of(row),
        )

    def unmap_carrier(self, shop: str, marketplace: str, code: str) -> bool:
        statement = "DELETE FROM mapped_carriers WHERE shop = ? AND marketplace = ? AND code = ?"
        return self._db.change(statement, [shop, marketplace, code]) > 0

    def set_value(self, account: str, name: str, value: str) -> None:
        self._db.change(
            """
            INSERT INTO sync_state (account, name, value) VALUES (?, ?, ?)
            ON CONFLICT (account, name) DO UPDATE SET value = excluded.value
            """,
            [account, name, value],
        )

    def save_marketplaces(self, account: str, descriptions: dict[str, bytes], read_at: datetime) -> None:
        self._db.change("DELETE FROM marketplaces WHERE account = ?", [account])
        self._db.later_each(
            """
            INSERT INTO marketplaces (account, marketplace, description, read_at) VALUES (?, ?, ?, ?)
            ON CONFLICT (account, marketplace) DO UPDATE SET description = excluded.description, read_at = excluded.read_at
            """,
            [(account, key, description, text_of(read_at)) for key, description in sorted(descriptions.items())],
        )

    def save_user(self, row: UserRow) -> None:
        self._db.change(
            """
            INSERT INTO users (name, role, password, created_at) VALUES (?, ?, ?, ?)
            ON CONFLICT (name) DO UPDATE SET role = excluded.role, password = excluded.password
            """,
            values_of(row),
        )

    def drop_user(self, name: str) -> None:
        self.drop_sessions(name)
        self._db.change("DELETE FROM users WHERE name = ?", [name])

    def add_session(self, row: SessionRow) -> None:
        self._db.change(
            "INSERT INTO sessions (digest, user_name, created_at, expires_at) VALUES (?, ?, ?, ?)", values_of(row)
        )

    def drop_session(self, digest: str) -> None:
        self._db.change("DELETE FROM sessions WHERE digest = ?", [digest])

    def drop_sessions(self, user: str) -> None:
        self._db.change("DELETE FROM sessions WHERE user_name = ?", [user])

    def drop_expired_sessions(self, now: datetime) -> None:
        self._db.change("DELETE FROM sessions WHERE expires_at <= ?", [text_of(now)])

    def note_failed_login(self, subjects: Sequence[str], at: datetime) -> None:
        self._db.later_each(
            "INSERT INTO failed_logins (subject, at) VALUES (?, ?)", [(subject, text_of(at)) for subject in subjects]
        )

    def forget_failed_logins(self, *, subjects: Sequence[str] = (), before: datetime | None = None) -> None:
        self._db.later_each("DELETE FROM failed_logins WHERE subject = ?", [(subject,) for subject in subjects])
        if before is not None:
            self._db.change("DELETE FROM failed_logins WHERE at < ?", [text_of(before)])

    def _add_words(self, words: Iterable[tuple[int, set[str]]]) -> None:
        """By order id."""
        self._db.later_each(INSERT_WORD, [(order_id, word) for order_id, some in words for word in sorted(some)])

    def _change_words(self, row: OrderRow) -> None:
        """Also so that nothing is left of a name that was erased."""
        for buyer, email in self._db.rows("SELECT buyer, email FROM orders WHERE id = ?", [row.id]):
            if (buyer, email) == (row.buyer, row.email):
                return
            before, after = words_of(buyer, email), words_of(row.buyer, row.email)
            self._db.later_each(
                "DELETE FROM order_words WHERE word = ? AND order_id = ?",
                [(word, row.id) for word in sorted(before - after)],
            )
            self._add_words([(row.id, after - before)])

    def _save(self, rows: Sequence[OrderRow] | Sequence[PackageRow], insert: str, update: str) -> list[int]:
        stored = [[*values_of(row)[1:], row.id] for row in rows if row.id]
        if stored:
            self._db.later_each(update, stored)
        new = iter(self._db.insert_each(insert, [values_of(row)[1:] for row in rows if not row.id]))
        return [row.id or next(new) for row in rows]

    def _lease(self, kind: StepKind, lease_until: datetime, query: str, values: Sequence[Any]) -> list[Step]:  # noqa: ARG002
        """Lease the steps of this kind whose ids the query gives."""
        rows = self._db.rows(
            f"""
            UPDATE steps SET due_at = ?, lease_until = ?, token = token + 1, attempts = attempts + 1
            WHERE id IN ({query}) RETURNING {STEP_COLUMNS}
            """,
            [text_of(lease_until), text_of(lease_until), *values],
        )
        return [step_of(row) for row in rows]

    def _with_lease(self, statement: str, values: list[Any], step: Step) -> None:
        """Run a write on a step that only the holder of its newest lease may do."""
        self._hold_steps([step])
        if self._db.change(f"{statement} WHERE id = ? AND token = ?", [*values, step.id, step.token]) != 1:
            raise LeaseLost(
                f"The step {step.kind} of {step.subject} was taken over by another worker.", step=step.subject
            )

    def _hold_steps(self, steps: Sequence[Step]) -> None:
        """Keep others from changing these steps, and the orders that they are about, until the transaction ends."""
