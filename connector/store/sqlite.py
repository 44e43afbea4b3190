"""The store in one SQLite file: the embedded default, for one process or several on one machine."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from lengow.connector.decode import unpack_order
from lengow.connector.errors import LeaseLost
from lengow.connector.model import ActionState, EventState, Order, OrderState, StepKind
from lengow.connector.store.connections import Connections
from lengow.connector.store.rows import (
    ActionRow,
    EventRow,
    JournalEntry,
    NewStep,
    OrderFilter,
    OrderRow,
    PackageRow,
    RecordRow,
    Step,
    StoredOrder,
    ToggleRow,
)

PARAMETERS = 500
"""How many names or ids go into one query: well under SQLite's limit of bound parameters."""

CLAIM_ORDER = "urgency, due_at, id"
"""As the indexes `steps_of_shop` and `steps_of_account` have it."""

PLAIN = frozenset({str, int, bool, bytes, type(None)})
"""Types that SQLite takes as they are."""

ORDER_COLUMNS = ", ".join(f"o.{name}" for name in OrderRow.__struct_fields__)
PACKAGE_COLUMNS = ", ".join(PackageRow.__struct_fields__)
STEP_COLUMNS = ", ".join(Step.__struct_fields__)
ACTION_COLUMNS = ", ".join(ActionRow.__struct_fields__)
EVENT_COLUMNS = ", ".join(EventRow.__struct_fields__)


def _insert(table: str, columns: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


def _update(table: str, columns: Sequence[str]) -> str:
    return f"UPDATE {table} SET {', '.join(f'{name} = ?' for name in columns)} WHERE id = ?"


RECORD_COLUMNS = ", ".join(RecordRow.__struct_fields__)
SAVE_RECORD = f"REPLACE INTO records ({RECORD_COLUMNS}) VALUES (?, ?, ?, ?)"
INSERT_ORDER = _insert("orders", OrderRow.__struct_fields__[1:])
UPDATE_ORDER = _update("orders", OrderRow.__struct_fields__[1:])
INSERT_PACKAGE = _insert("packages", PackageRow.__struct_fields__[1:])
UPDATE_PACKAGE = _update("packages", PackageRow.__struct_fields__[1:])
INSERT_ACTION = _insert("actions", ActionRow.__struct_fields__[1:])


class SqliteReading:
    """Queries on one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def known(self, account: str, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
        found: dict[tuple[str, str], bytes] = {}
        for some in _chunks(names):
            for marketplace, number, fingerprint in self._db.execute(
                f"""
                WITH wanted (marketplace, number) AS (VALUES {_marks(len(some), 2)})
                SELECT o.marketplace, o.marketplace_order_id, o.fingerprint FROM wanted
                JOIN orders o ON o.account = ? AND o.marketplace = wanted.marketplace
                    AND o.marketplace_order_id = wanted.number
                """,
                [*(part for name in some for part in name), account],
            ):
                found[marketplace, number] = fingerprint
        return found

    def orders_named(self, account: str, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], StoredOrder]:
        rows = [
            row
            for some in _chunks(names)
            for row in self._db.execute(
                f"""
                WITH wanted (marketplace, number) AS (VALUES {_marks(len(some), 2)})
                SELECT {ORDER_COLUMNS} FROM wanted
                JOIN orders o ON o.account = ? AND o.marketplace = wanted.marketplace
                    AND o.marketplace_order_id = wanted.number
                """,
                [*(part for name in some for part in name), account],
            )
        ]
        return {(one.order.marketplace, one.order.marketplace_order_id): one for one in self._with_packages(rows)}

    def packages(self, package_ids: Sequence[int]) -> dict[int, PackageRow]:
        return {
            row[0]: _package(row)
            for some in _chunks(package_ids)
            for row in self._db.execute(
                f"SELECT {PACKAGE_COLUMNS} FROM packages WHERE id IN ({_marks(len(some))})", list(some)
            )
        }

    def order(self, order_id: int) -> StoredOrder | None:
        rows = self._db.execute(f"SELECT {ORDER_COLUMNS} FROM orders o WHERE o.id = ?", [order_id])
        return next(iter(self._with_packages(rows.fetchall())), None)

    def orders(self, order_ids: Sequence[int]) -> dict[int, StoredOrder]:
        rows = [
            row
            for some in _chunks(order_ids)
            for row in self._db.execute(
                f"SELECT {ORDER_COLUMNS} FROM orders o WHERE o.id IN ({_marks(len(some))})", list(some)
            )
        ]
        return {one.order.id: one for one in self._with_packages(rows)}

    def find_orders(self, marketplace_order_id: str) -> list[StoredOrder]:
        rows = self._db.execute(
            f"SELECT {ORDER_COLUMNS} FROM orders o WHERE o.marketplace_order_id = ? ORDER BY o.id",
            [marketplace_order_id],
        )
        return self._with_packages(rows.fetchall())

    def package_in_shop(self, shop: str, *, shop_order_id: str = "", reference: str = "") -> PackageRow | None:
        column, value = ("shop_order_id", shop_order_id) if shop_order_id else ("reference", reference)
        if not value:
            return None
        row = self._db.execute(
            f"SELECT {PACKAGE_COLUMNS} FROM packages WHERE shop = ? AND {column} = ? AND {column} <> ''",
            [shop, value],
        ).fetchone()
        return _package(row) if row else None

    def orders_to_decide(self, account: str, since: datetime) -> list[int]:
        rows = self._db.execute(
            """
            SELECT DISTINCT o.id FROM orders o JOIN packages p ON p.order_id = o.id
            WHERE o.account = ? AND coalesce(o.ordered_at, o.received_at) >= ?
            AND p.state IN ('waiting', 'skipped', 'ready') ORDER BY o.id
            """,
            [account, _text(since)],
        )
        return [row[0] for row in rows]

    def list_orders(self, wanted: OrderFilter) -> list[StoredOrder]:
        where, values = _where(
            {
                "o.account = ?": wanted.account,
                "o.marketplace = ?": wanted.marketplace,
                "o.state = ?": wanted.state,
                "o.reason = ?": wanted.reason,
                "o.id < ?": wanted.before_id,
                "o.id IN (SELECT order_id FROM packages WHERE shop = ?)": wanted.shop,
            }
        )
        rows = self._db.execute(
            f"SELECT {ORDER_COLUMNS} FROM orders o {where} ORDER BY o.id DESC LIMIT ?",
            [*values, wanted.limit],
        )
        return self._with_packages(rows.fetchall())

    def late_orders(self, until: datetime, *, account: str | None = None) -> list[StoredOrder]:
        where, values = _where({"o.ship_by <= ?": _text(until), "o.account = ?": account})
        rows = self._db.execute(
            f"""
            SELECT {ORDER_COLUMNS} FROM orders o {where} AND o.status = 'waiting_shipment' AND o.state = 'created'
            AND NOT EXISTS (
                SELECT 1 FROM actions a WHERE a.order_id = o.id AND a.action_type = 'ship'
                AND (a.state IN ('sent', 'confirmed') OR (a.state IN ('queued', 'sending') AND NOT EXISTS (
                    SELECT 1 FROM steps s WHERE s.kind = 'send' AND s.subject = CAST(a.id AS TEXT) AND s.held = 1
                )))
            )
            ORDER BY o.ship_by, o.id
            """,
            values,
        )
        return self._with_packages(rows.fetchall())

    def noted(self, order_ids: Sequence[int], what: str) -> set[int]:
        return {
            order_id
            for some in _chunks(order_ids)
            for (order_id,) in self._db.execute(
                f"SELECT DISTINCT order_id FROM journal WHERE what = ? AND order_id IN ({_marks(len(some))})",
                [what, *some],
            )
        }

    def count_orders(self, account: str | None = None) -> dict[tuple[str, str], int]:
        where, values = _where({"account = ?": account})
        rows = self._db.execute(
            f"SELECT state, reason, count(*) FROM orders {where} GROUP BY state, reason",
            values,
        )
        return {(state, reason): count for state, reason, count in rows}

    def journal(self, order_id: int) -> list[JournalEntry]:
        rows = self._db.execute(
            "SELECT at, order_id, package_id, what, detail, who FROM journal WHERE order_id = ? ORDER BY id", [order_id]
        )
        return [JournalEntry(datetime.fromisoformat(row[0]), *row[1:]) for row in rows]

    def actions_of(self, order_id: int) -> list[ActionRow]:
        rows = self._db.execute(
            f"SELECT {ACTION_COLUMNS} FROM actions WHERE order_id = ? ORDER BY id",
            [order_id],
        )
        return [_action(row) for row in rows]

    def action(self, action_id: int) -> ActionRow | None:
        row = self._db.execute(f"SELECT {ACTION_COLUMNS} FROM actions WHERE id = ?", [action_id]).fetchone()
        return _action(row) if row else None

    def list_actions(
        self, *, account: str | None = None, states: Sequence[ActionState] = (), limit: int | None = None
    ) -> list[ActionRow]:
        where, values = _where({"account = ?": account})
        if states:
            where += f" {'AND' if where else 'WHERE'} state IN ({_marks(len(states))})"
        rows = self._db.execute(
            f"SELECT {ACTION_COLUMNS} FROM actions {where} ORDER BY id DESC LIMIT ?",
            [*values, *states, -1 if limit is None else limit],
        )
        return [_action(row) for row in rows]

    def list_events(
        self, *, shop: str | None = None, state: EventState | None = None, limit: int = 50
    ) -> list[EventRow]:
        where, values = _where({"shop = ?": shop, "state = ?": state})
        rows = self._db.execute(
            f"SELECT {EVENT_COLUMNS} FROM events {where} ORDER BY id DESC LIMIT ?",
            [*values, limit],
        )
        return [_event(row) for row in rows]

    def event(self, event_id: int) -> EventRow | None:
        row = self._db.execute(f"SELECT {EVENT_COLUMNS} FROM events WHERE id = ?", [event_id]).fetchone()
        return _event(row) if row else None

    def toggles(self) -> list[ToggleRow]:
        rows = self._db.execute("SELECT shop, name, value, set_at, set_by FROM toggles ORDER BY shop, name")
        return [ToggleRow(row[0], row[1], bool(row[2]), datetime.fromisoformat(row[3]), row[4]) for row in rows]

    def get_value(self, account: str, name: str) -> str | None:
        row = self._db.execute(
            "SELECT value FROM sync_state WHERE account = ? AND name = ?", [account, name]
        ).fetchone()
        return row[0] if row else None

    def marketplaces(self, account: str) -> dict[str, bytes]:
        return dict(
            self._db.execute(
                "SELECT marketplace, description FROM marketplaces WHERE account = ?", [account]
            ).fetchall()
        )

    def marketplaces_read_at(self, account: str) -> datetime | None:
        (read_at,) = self._db.execute("SELECT min(read_at) FROM marketplaces WHERE account = ?", [account]).fetchone()
        return _moment(read_at)

    def steps(self, *, kind: StepKind | None = None, held: bool | None = None, limit: int = 50) -> list[Step]:
        where, values = _where({"kind = ?": kind, "held = ?": held})
        rows = self._db.execute(
            f"SELECT {STEP_COLUMNS} FROM steps {where} ORDER BY due_at, id LIMIT ?",
            [*values, limit],
        )
        return [_step(row) for row in rows]

    def is_due(self, kind: StepKind, now: datetime, *, account: str) -> bool:
        found = self._db.execute(
            "SELECT 1 FROM steps WHERE kind = ? AND held = 0 AND account = ? AND due_at <= ? LIMIT 1",
            [kind, account, _text(now)],
        ).fetchone()
        return found is not None

    def is_leased(self, kind: StepKind, now: datetime, *, shop: str) -> bool:
        found = self._db.execute(
            "SELECT 1 FROM steps WHERE kind = ? AND held = 0 AND shop = ? AND lease_until > ? LIMIT 1",
            [kind, shop, _text(now)],
        ).fetchone()
        return found is not None

    def step(self, step_id: int) -> Step | None:
        row = self._db.execute(f"SELECT {STEP_COLUMNS} FROM steps WHERE id = ?", [step_id]).fetchone()
        return _step(row) if row else None

    def records(self, order_ids: Sequence[int]) -> dict[int, RecordRow]:
        return {
            row[0]: RecordRow(*row)
            for some in _chunks(order_ids)
            for row in self._db.execute(
                f"SELECT {RECORD_COLUMNS} FROM records WHERE order_id IN ({_marks(len(some))})", list(some)
            )
        }

    def models(self, order_ids: Sequence[int]) -> dict[int, Order]:
        packed = {
            order_id: decoded
            for some in _chunks(order_ids)
            for order_id, decoded in self._db.execute(
                f"SELECT order_id, decoded FROM records WHERE order_id IN ({_marks(len(some))})", list(some)
            )
        }
        return {order_id: unpack_order(decoded) for order_id, decoded in packed.items() if decoded}

    def packages_of_orders(self, order_ids: Sequence[int]) -> dict[int, list[PackageRow]]:
        packages: dict[int, list[PackageRow]] = {order_id: [] for order_id in order_ids}
        for some in _chunks(list(packages)):
            for row in self._db.execute(
                f"SELECT {PACKAGE_COLUMNS} FROM packages WHERE order_id IN ({_marks(len(some))}) ORDER BY id",
                list(some),
            ):
                packages[row[1]].append(_package(row))
        return packages

    def _with_packages(self, order_rows: Sequence[Any]) -> list[StoredOrder]:
        packages = self.packages_of_orders([row[0] for row in order_rows])
        return [StoredOrder(_order(row), tuple(packages[row[0]])) for row in order_rows]


class SqliteTransaction(SqliteReading):
    """Writes on one connection, inside one transaction."""

    def save_order(self, row: OrderRow) -> int:
        return self._save(row, INSERT_ORDER, UPDATE_ORDER)

    def save_records(self, rows: Sequence[RecordRow]) -> None:
        self._db.executemany(SAVE_RECORD, map(msgspec.structs.astuple, rows))

    def save_package(self, row: PackageRow) -> int:
        return self._save(row, INSERT_PACKAGE, UPDATE_PACKAGE)

    def set_package_states(self, rows: Iterable[PackageRow]) -> None:
        self._db.executemany(
            "UPDATE packages SET state = ?, reason = ?, about = ?, shop_order_id = ?, carries_shipping = ?, changed_at = ?"
            " WHERE id = ?",
            [
                (
                    row.state,
                    row.reason,
                    row.about,
                    row.shop_order_id,
                    row.carries_shipping,
                    _text(row.changed_at),
                    row.id,
                )
                for row in rows
            ],
        )

    def set_order_states(self, rows: Iterable[tuple[int, OrderState, str, str, datetime]]) -> None:
        self._db.executemany(
            "UPDATE orders SET state = ?, reason = ?, about = ?, changed_at = ? WHERE id = ?",
            [(state, reason, about, _text(at), order_id) for order_id, state, reason, about, at in rows],
        )

    def note(self, entries: Iterable[JournalEntry]) -> None:
        self._db.executemany(
            "INSERT INTO journal (at, order_id, package_id, what, detail, who) VALUES (?, ?, ?, ?, ?, ?)",
            map(_values, entries),
        )

    def add_steps(self, steps: Sequence[NewStep], *, renew: bool = True) -> None:
        conflict = (
            "DO UPDATE SET due_at = min(due_at, excluded.due_at), attempts = 0, held = 0, error = '',"
            " account = excluded.account, shop = excluded.shop, urgency = excluded.urgency WHERE lease_until IS NULL"
            if renew
            else "DO NOTHING"
        )
        self._db.executemany(
            f"""
            INSERT INTO steps (kind, subject, due_at, account, shop, urgency) VALUES (?, ?, ?, ?, ?, coalesce(?, '9999'))
            ON CONFLICT (kind, subject) {conflict}
            """,
            map(_values, steps),
        )

    def drop_step(self, kind: StepKind, subject: str) -> None:
        self._db.execute("DELETE FROM steps WHERE kind = ? AND subject = ?", [kind, subject])

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
        where, values = _where({"kind = ?": kind, "account = ?": account, "shop = ?": shop, "subject = ?": subject})
        due = "(lease_until IS NULL OR lease_until <= ?)" if force else "held = 0 AND due_at <= ?"
        rows = self._db.execute(
            f"""
            UPDATE steps SET due_at = ?, lease_until = ?, token = token + 1, attempts = attempts + 1
            WHERE id IN (SELECT id FROM steps {where} AND {due} ORDER BY {CLAIM_ORDER} LIMIT ?)
            RETURNING {STEP_COLUMNS}
            """,
            [_text(lease_until), _text(lease_until), *values, _text(now), limit],
        ).fetchall()
        return sorted((_step(row) for row in rows), key=lambda step: step.id)

    def renew(self, step: Step, lease_until: datetime) -> Step:
        self._with_lease("UPDATE steps SET due_at = ?, lease_until = ?", [_text(lease_until)] * 2, step)
        return msgspec.structs.replace(step, due_at=lease_until, lease_until=lease_until)

    def mine(self, steps: Sequence[Step]) -> set[int]:
        return {
            step_id
            for some in _chunks(steps)
            for (step_id,) in self._db.execute(
                f"""
                WITH wanted (id, token) AS (VALUES {_marks(len(some), 2)})
                SELECT steps.id FROM wanted JOIN steps ON steps.id = wanted.id AND steps.token = wanted.token
                """,
                [part for step in some for part in (step.id, step.token)],
            )
        }

    def finish(self, steps: Sequence[Step]) -> None:
        done = self._db.executemany(
            "DELETE FROM steps WHERE id = ? AND token = ?", [(step.id, step.token) for step in steps]
        )
        if steps and done.rowcount != len(steps):
            raise LeaseLost(f"A step {steps[0].kind} was taken over by another worker.")

    def postpone(self, step: Step, due_at: datetime, error: str = "", *, restart: bool = False) -> None:
        attempts = 0 if restart else step.attempts
        self._with_lease(
            "UPDATE steps SET due_at = ?, lease_until = NULL, error = ?, attempts = ?, held = 0",
            [_text(due_at), error, attempts],
            step,
        )

    def hold(self, step: Step, error: str) -> None:
        self._with_lease("UPDATE steps SET held = 1, lease_until = NULL, error = ?", [error], step)

    def add_action(self, row: ActionRow) -> tuple[ActionRow, bool]:
        found = self._db.execute(
            f"SELECT {ACTION_COLUMNS} FROM actions WHERE dedupe = ? AND state NOT IN ('refused', 'failed')",
            [row.dedupe],
        ).fetchone()
        if found:
            return _action(found), False
        action_id = int(self._db.execute(INSERT_ACTION, _values(row)[1:]).lastrowid or 0)
        return msgspec.structs.replace(row, id=action_id), True

    def save_action(self, row: ActionRow) -> None:
        self._db.execute(
            "UPDATE actions SET state = ?, lengow_id = ?, error = ?, changed_at = ?, sent_at = ? WHERE id = ?",
            [row.state, row.lengow_id, row.error, _text(row.changed_at), _text(row.sent_at), row.id],
        )

    def add_events(self, rows: Sequence[EventRow]) -> list[int]:
        columns = EventRow.__struct_fields__[1:]
        new = []
        for row in rows:
            inserted = self._db.execute(
                f"""
                INSERT INTO events ({", ".join(columns)}) VALUES ({_marks(len(columns))})
                ON CONFLICT (shop, delivery_id, event_id) DO NOTHING RETURNING id
                """,
                _values(row)[1:],
            ).fetchone()
            if inserted:
                new.append(int(inserted[0]))
        return new

    def save_event(self, row: EventRow) -> None:
        self._db.execute(
            "UPDATE events SET state = ?, reason = ?, about = ? WHERE id = ?",
            [row.state, row.reason, row.about, row.id],
        )

    def set_toggle(self, row: ToggleRow) -> None:
        self._db.execute(
            """
            INSERT INTO toggles (shop, name, value, set_at, set_by) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (shop, name) DO UPDATE SET value = excluded.value, set_at = excluded.set_at,
                set_by = excluded.set_by
            """,
            _values(row),
        )

    def set_value(self, account: str, name: str, value: str) -> None:
        self._db.execute(
            """
            INSERT INTO sync_state (account, name, value) VALUES (?, ?, ?)
            ON CONFLICT (account, name) DO UPDATE SET value = excluded.value
            """,
            [account, name, value],
        )

    def save_marketplaces(self, account: str, descriptions: dict[str, bytes], read_at: datetime) -> None:
        self._db.execute("DELETE FROM marketplaces WHERE account = ?", [account])
        self._db.executemany(
            "INSERT INTO marketplaces (account, marketplace, description, read_at) VALUES (?, ?, ?, ?)",
            [(account, key, description, _text(read_at)) for key, description in descriptions.items()],
        )

    def _save(self, row: OrderRow | PackageRow, insert: str, update: str) -> int:
        if row.id:
            self._db.execute(update, [*_values(row)[1:], row.id])
            return row.id
        return int(self._db.execute(insert, _values(row)[1:]).lastrowid or 0)

    def _with_lease(self, statement: str, values: list[Any], step: Step) -> None:
        """Run a write on a step that only the holder of its newest lease may do."""
        done = self._db.execute(f"{statement} WHERE id = ? AND token = ?", [*values, step.id, step.token])
        if done.rowcount != 1:
            raise LeaseLost(
                f"The step {step.kind} of {step.subject} was taken over by another worker.", step=step.subject
            )


class SqliteStore(SqliteReading):
    """A SQLite file; one connection a thread."""

    def __init__(self, path: str | Path) -> None:
        self._connections = Connections(path)
        self._migrate()

    @property
    def _db(self) -> sqlite3.Connection:  # type: ignore[override]
        return self._connections.mine()

    @contextmanager
    def transaction(self) -> Iterator[SqliteTransaction]:
        with self._connections.transaction() as db:
            yield SqliteTransaction(db)

    def close(self) -> None:
        self._connections.close()

    def _migrate(self) -> None:
        """Bring the file to the newest schema; of several that open it at once, one does and the others wait."""
        from sqlite_utils import Database

        from lengow.connector.store.migrations import migrations

        if not migrations.pending(Database(self._connections.mine())):
            return
        with self._connections.transaction() as connection:
            migrations.apply(Database(connection))


def _marks(count: int, width: int = 0) -> str:
    one = f"({', '.join('?' * width)})" if width else "?"
    return ", ".join([one] * count)


def _where(conditions: dict[str, Any]) -> tuple[str, list[Any]]:
    wanted = {condition: value for condition, value in conditions.items() if value is not None}
    return (f"WHERE {' AND '.join(wanted)}" if wanted else ""), list(wanted.values())


def _chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), PARAMETERS):
        yield values[start : start + PARAMETERS]


def _values(row: msgspec.Struct) -> list[Any]:
    return [value if type(value) in PLAIN else _column(value) for value in msgspec.structs.astuple(row)]


def _column(value: Any) -> Any:
    if isinstance(value, datetime):
        return _text(value)
    if isinstance(value, dict | tuple):
        return msgspec.json.encode(value).decode()
    return value


def _text(moment: datetime | None) -> str | None:
    """UTC in one fixed width, so that text sorts as time."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds")


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _order(row: Sequence[Any]) -> OrderRow:
    fields = dict(zip(OrderRow.__struct_fields__, row, strict=True))
    for name in ("ordered_at", "updated_at", "ship_by", "received_at", "changed_at"):
        fields[name] = _moment(fields[name])
    fields["state"] = OrderState(fields["state"])
    return OrderRow(**fields)


def _package(row: Sequence[Any]) -> PackageRow:
    fields = dict(zip(PackageRow.__struct_fields__, row, strict=True))
    fields["carries_shipping"] = bool(fields["carries_shipping"])
    fields["line_ids"] = tuple(msgspec.json.decode(fields["line_ids"]))
    fields["state"] = OrderState(fields["state"])
    fields["changed_at"] = _moment(fields["changed_at"])
    return PackageRow(**fields)


def _step(row: Sequence[Any]) -> Step:
    fields = dict(zip(Step.__struct_fields__, row, strict=True))
    fields["kind"] = StepKind(fields["kind"])
    fields["held"] = bool(fields["held"])
    fields["due_at"], fields["lease_until"] = _moment(fields["due_at"]), _moment(fields["lease_until"])
    return Step(**fields)


def _action(row: Sequence[Any]) -> ActionRow:
    fields = dict(zip(ActionRow.__struct_fields__, row, strict=True))
    fields["arguments"] = msgspec.json.decode(fields["arguments"])
    fields["state"] = ActionState(fields["state"])
    for name in ("created_at", "changed_at", "sent_at"):
        fields[name] = _moment(fields[name])
    return ActionRow(**fields)


def _event(row: Sequence[Any]) -> EventRow:
    fields = dict(zip(EventRow.__struct_fields__, row, strict=True))
    fields["body"] = msgspec.json.decode(fields["body"])
    fields["state"] = EventState(fields["state"])
    fields["received_at"] = _moment(fields["received_at"])
    return EventRow(**fields)
