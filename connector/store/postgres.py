"""The store in PostgreSQL, for any number of workers and receivers on any number of machines.

SQLite lets one transaction write at a time; here many do, and an order is the unit that they keep apart. The rule: who
writes holds the order first, then what hangs on it (packages, actions, steps), so that none waits for another who
waits for him. A transaction holds the orders that it reads; a claim takes only what nobody holds, and so never waits.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from lengow.connector.model import OrderState, StepKind
from lengow.connector.store.columns import STEP_COLUMNS, step_of, text_of
from lengow.connector.store.database import Database
from lengow.connector.store.postgres_database import PostgresDatabase
from lengow.connector.store.postgres_schema import migrate
from lengow.connector.store.queries import NAMED, Queries, chunks, marks
from lengow.connector.store.rows import PackageRow, Step
from lengow.connector.store.statements import Statements

TABLE_OF = {
    StepKind.CREATE: "packages",
    StepKind.FOLLOW: "packages",
    StepKind.SEND: "actions",
}
"""Where the subjects of steps are rows that hang on an order."""


class PostgresStore(Queries):
    """A schema of a PostgreSQL database."""

    def __init__(self, url: str) -> None:
        """Brings the schema to the newest. Raises SettingsError, StoreBusy and StoreError."""
        self._db = self._database = PostgresDatabase(url)
        try:
            with self._database.exclusive("migrations") as db:
                migrate(db)
        except BaseException:
            self._database.close()
            raise

    @property
    def database(self) -> PostgresDatabase:
        return self._database

    @contextmanager
    def transaction(self, wait: float | None = None) -> Iterator[Statements]:
        with self._database.transaction(wait) as db:
            yield PostgresTransaction(db, self._database.schema)

    def now(self) -> datetime:
        """By the server's clock."""
        return self._database.now()

    def close(self) -> None:
        self._database.close()


class PostgresTransaction(Statements):
    def __init__(self, db: Database, schema: str) -> None:
        self._db = db
        self._schema = schema
        self._orders: set[int] = set()
        self._steps: set[int] = set()

    def set_package_states(self, rows: Iterable[PackageRow]) -> None:
        self._update_all(
            "packages",
            {"state": "text", "reason": "text", "about": "text", "shop_order_id": "text", "carries_shipping": "bigint"},
            [
                (
                    (str(row.state), row.reason, row.about, row.shop_order_id, int(row.carries_shipping)),
                    row.changed_at,
                    row.id,
                )
                for row in rows
            ],
        )

    def set_order_states(self, rows: Iterable[tuple[int, OrderState, str, str, datetime]]) -> None:
        self._update_all(
            "orders",
            {"state": "text", "reason": "text", "about": "text"},
            [((str(state), reason, about), at, order_id) for order_id, state, reason, about, at in rows],
        )

    def _update_all(
        self, table: str, types: Mapping[str, str], many: Sequence[tuple[tuple[str | int, ...], datetime, int]]
    ) -> None:
        """In one statement. Each of `many`: the columns of `types`, when they changed, and the id."""
        if not many:
            return
        names = [*types, "changed_at", "id"]
        rows = [(*values, text_of(at), row_id) for values, at, row_id in many]
        casts = [f"CAST(? AS {kind}[])" for kind in (*types.values(), "text", "bigint")]
        self._db.later(
            f"UPDATE {table} SET {', '.join(f'{name} = new.{name}' for name in names[:-1])}"
            f" FROM unnest({', '.join(casts)}) AS new ({', '.join(names)}) WHERE {table}.id = new.id",
            [list(column) for column in zip(*rows, strict=True)],
        )

    def is_leased(self, kind: StepKind, now: datetime, *, shop: str) -> bool:
        """The answer stands until the transaction ends, among all that ask."""
        self._be_alone(f"{kind} {shop}")
        return super().is_leased(kind, now, shop=shop)

    def _lease(self, kind: StepKind, lease_until: datetime, query: str, values: Sequence[Any]) -> list[Step]:
        found = [row[0] for row in self._db.rows(f"{query} FOR UPDATE SKIP LOCKED", values)]
        if not found:
            return []
        steps = [step_of(row) for some in chunks(found) for row in self._db.rows(*_by_id("steps", STEP_COLUMNS, some))]
        taken = self._whose_orders_are_free(kind, steps)
        self._steps.update(step.id for step in taken)
        return [
            step_of(row)
            for some in chunks(taken)
            for row in self._db.rows(
                f"""
                UPDATE steps SET due_at = ?, lease_until = ?, token = token + 1, attempts = attempts + 1
                WHERE id IN ({marks(len(some))}) RETURNING {STEP_COLUMNS}
                """,
                [*[text_of(lease_until)] * 2, *(step.id for step in some)],
            )
        ]

    def _whose_orders_are_free(self, kind: StepKind, steps: Sequence[Step]) -> list[Step]:
        """Those whose orders nobody held, and we hold now; and those that are about no order."""
        orders = self._orders_of(kind, steps)
        free: set[int] = set()
        for some in chunks(sorted(set(orders.values()))):
            query, ids = _by_id("orders", "id", some)
            free.update(row[0] for row in self._db.rows(f"{query} FOR NO KEY UPDATE SKIP LOCKED", ids))
        self._orders |= free
        return [step for step in steps if step.id not in orders or orders[step.id] in free]

    def _orders_of(self, kind: StepKind, steps: Sequence[Step]) -> dict[int, int]:
        """The order that each step is about, by step id."""
        subjects = {int(step.subject): step.id for step in steps if step.subject.isdecimal()}
        if kind is StepKind.REPORT:
            return {step_id: order_id for order_id, step_id in subjects.items()}
        if kind not in TABLE_OF:
            return {}
        return {
            subjects[subject]: order_id
            for some in chunks(list(subjects))
            for subject, order_id in self._db.rows(*_by_id(TABLE_OF[kind], "id, order_id", some))
        }

    def _hold_orders(self, which: str, values: Sequence[Any]) -> None:
        by_id = not which.strip("?, ")
        if by_id and self._orders.issuperset(values):
            return
        query = f"SELECT id FROM orders WHERE id IN ({which}) ORDER BY id FOR NO KEY UPDATE"
        self._orders.update(row[0] for row in self._db.rows(query, values))

    def _hold_names(self, account: str, names: Sequence[tuple[str, str]]) -> None:
        if self._hold_named(account, names) < len(set(names)):
            # What is not there yet, another may be about to insert: only one inserts at a time for an account.
            self._be_alone(f"orders of {account}")
            self._hold_named(account, names)

    def _hold_named(self, account: str, names: Sequence[tuple[str, str]]) -> int:
        """Hold those that are there; returns how many that are."""
        found = [
            row[0]
            for some in chunks(names)
            for row in self._db.rows(
                f"WITH wanted (marketplace, number) AS (VALUES {marks(len(some), 2)}) SELECT o.id FROM wanted {NAMED}",
                [*(part for name in some for part in name), account],
            )
        ]
        for ids in chunks(sorted(found)):
            self._hold_orders(marks(len(ids)), ids)
        return len(found)

    def _hold_steps(self, steps: Sequence[Step]) -> None:
        new = [step for step in steps if step.id not in self._steps]
        for kind in {step.kind for step in new}:
            orders = self._orders_of(kind, [step for step in new if step.kind is kind])
            for some in chunks(sorted(set(orders.values()))):
                self._hold_orders(marks(len(some)), some)
        for held in chunks(sorted(step.id for step in new)):
            query, ids = _by_id("steps", "id", held)
            self._db.rows(f"{query} ORDER BY id FOR UPDATE", ids)
        self._steps.update(step.id for step in new)

    def _be_alone(self, name: str) -> None:
        self._db.rows("SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", [f"{self._schema} {name}"])


def _by_id(table: str, columns: str, ids: Sequence[int]) -> tuple[str, list[int]]:
    return f"SELECT {columns} FROM {table} WHERE id IN ({marks(len(ids))})", list(ids)
