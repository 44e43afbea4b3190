"""What is read, in SQL that SQLite and PostgreSQL both take."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

from lengow.connector.decode import unpack_order
from lengow.connector.model import ActionState, ChangeState, EventState, Order, StepKind
from lengow.connector.store.browsing import Browsing
from lengow.connector.store.columns import (
    ACTION_COLUMNS,
    CHANGE_COLUMNS,
    EVENT_COLUMNS,
    ORDER_COLUMNS,
    PACKAGE_COLUMNS,
    RECORD_COLUMNS,
    STEP_COLUMNS,
    action_of,
    change_of,
    event_of,
    moment_of,
    order_of,
    package_of,
    step_of,
    text_of,
)
from lengow.connector.store.database import Row, Source
from lengow.connector.store.erasing import ErasingQueries
from lengow.connector.store.measuring import Measuring
from lengow.connector.store.rows import (
    ActionRow,
    ChangeRow,
    EventRow,
    JournalEntry,
    OrderFilter,
    OrderSearch,
    PackageRow,
    ProductMatch,
    RecordRow,
    Step,
    StoredOrder,
    ToggleRow,
)

T = TypeVar("T")

PARAMETERS = 500
"""How many names or ids go into one query: well under SQLite's limit of bound parameters."""

NAMED = (
    "JOIN orders o ON o.account = ? AND o.marketplace = wanted.marketplace AND o.marketplace_order_id = wanted.number"
)

OF_A_LINE = '%"line":%'
"""What the arguments of an action look like that is about one line."""


class Queries(Browsing, Measuring, ErasingQueries):
    """The `Reading` of the contract on any database."""

    _db: Source

    def known(self, account: str, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
        return {
            (marketplace, number): fingerprint
            for some in chunks(names)
            for marketplace, number, fingerprint in self._db.rows(
                f"""
                WITH wanted (marketplace, number) AS (VALUES {marks(len(some), 2)})
                SELECT o.marketplace, o.marketplace_order_id, o.fingerprint FROM wanted {NAMED}
                """,
                [*(part for name in some for part in name), account],
            )
        }

    def orders_named(self, account: str, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], StoredOrder]:
        self._hold_names(account, names)
        rows = [
            row
            for some in chunks(names)
            for row in self._db.rows(
                f"""
                WITH wanted (marketplace, number) AS (VALUES {marks(len(some), 2)})
                SELECT {ORDER_COLUMNS} FROM wanted {NAMED}
                """,
                [*(part for name in some for part in name), account],
            )
        ]
        return {(one.order.marketplace, one.order.marketplace_order_id): one for one in self._with_packages(rows)}

    def begun_elsewhere(
        self, account: str, names: Sequence[tuple[str, str]]
    ) -> dict[tuple[str, str], list[tuple[str, datetime | None, str, datetime]]]:
        found: dict[tuple[str, str], list[tuple[str, datetime | None, str, datetime]]] = {}
        for some in chunks(names):
            for marketplace, number, other, ordered_at, total, begun_at in self._db.rows(
                f"""
                WITH wanted (marketplace, number) AS (VALUES {marks(len(some), 2)})
                SELECT o.marketplace, o.marketplace_order_id, o.account, o.ordered_at, o.total, (
                    SELECT max(p.changed_at) FROM packages p
                    WHERE p.order_id = o.id AND p.state IN ('creating', 'created')
                )
                FROM wanted JOIN orders o ON o.marketplace_order_id = wanted.number AND o.marketplace = wanted.marketplace
                WHERE o.account <> ?
                ORDER BY o.id
                """,
                [*(part for name in some for part in name), account],
            ):
                since = moment_of(begun_at)
                if since is not None:
                    there = (other, moment_of(ordered_at), total, since)
                    found.setdefault((marketplace, number), []).append(there)
        return found

    def has_other_accounts(self, account: str) -> bool:
        [ends] = self._db.rows("SELECT (SELECT min(account) FROM orders), (SELECT max(account) FROM orders)")
        return any(end not in (None, account) for end in ends)

    def packages(self, package_ids: Sequence[int]) -> dict[int, PackageRow]:
        for some in chunks(package_ids):
            self._hold_orders(f"SELECT order_id FROM packages WHERE id IN ({marks(len(some))})", some)
        return {
            row[0]: package_of(row)
            for some in chunks(package_ids)
            for row in self._db.rows(f"SELECT {PACKAGE_COLUMNS} FROM packages WHERE id IN ({marks(len(some))})", some)
        }

    def packages_with_siblings(self, package_ids: Sequence[int]) -> dict[int, PackageRow]:
        found: dict[int, PackageRow] = {}
        for some in chunks(package_ids):
            orders = f"SELECT order_id FROM packages WHERE id IN ({marks(len(some))})"
            self._hold_orders(orders, some)
            query = f"SELECT {PACKAGE_COLUMNS} FROM packages WHERE order_id IN ({orders})"
            found.update((row[0], package_of(row)) for row in self._db.rows(query, some))
        return found

    def order(self, order_id: int) -> StoredOrder | None:
        return self.orders([order_id]).get(order_id)

    def orders(self, order_ids: Sequence[int]) -> dict[int, StoredOrder]:
        for some in chunks(sorted(order_ids)):
            self._hold_orders(marks(len(some)), some)
        rows = [
            row
            for some in chunks(order_ids)
            for row in self._db.rows(f"SELECT {ORDER_COLUMNS} FROM orders o WHERE o.id IN ({marks(len(some))})", some)
        ]
        return {one.order.id: one for one in self._with_packages(rows)}

    def find_orders(self, marketplace_order_id: str) -> list[StoredOrder]:
        rows = self._db.rows(
            f"SELECT {ORDER_COLUMNS} FROM orders o WHERE o.marketplace_order_id = ? ORDER BY o.id",
            [marketplace_order_id],
        )
        return self._with_packages(rows)

    def package_in_shop(self, shop: str, *, shop_order_id: str = "", reference: str = "") -> PackageRow | None:
        column, value = ("shop_order_id", shop_order_id) if shop_order_id else ("reference", reference)
        if not value:
            return None
        rows = self._db.rows(
            f"SELECT {PACKAGE_COLUMNS} FROM packages WHERE shop = ? AND {column} = ? AND {column} <> ''",
            [shop, value],
        )
        return package_of(rows[0]) if rows else None

    def orders_to_decide(self, account: str, since: datetime) -> list[int]:
        rows = self._db.rows(
            """
            SELECT DISTINCT o.id FROM orders o JOIN packages p ON p.order_id = o.id
            WHERE o.account = ? AND coalesce(o.ordered_at, o.received_at) >= ?
            AND p.state IN ('waiting', 'skipped', 'ready') ORDER BY o.id
            """,
            [account, text_of(since)],
        )
        return [row[0] for row in rows]

    def list_orders(self, wanted: OrderFilter) -> list[StoredOrder]:
        where, values = where_of(
            {
                "o.account = ?": wanted.account,
                "o.marketplace = ?": wanted.marketplace,
                "o.state = ?": wanted.state,
                "o.reason = ?": wanted.reason,
                "o.id < ?": wanted.before_id,
                "o.id IN (SELECT order_id FROM packages WHERE shop = ?)": wanted.shop,
            }
        )
        rows = self._db.rows(
            f"SELECT {ORDER_COLUMNS} FROM orders o {where} ORDER BY o.id DESC LIMIT ?",
            [*values, wanted.limit],
        )
        return self._with_packages(rows)

    def search_orders(self, wanted: OrderSearch) -> list[StoredOrder]:
        ids = self.found_orders(wanted)
        found = self.orders(ids)
        return [found[order_id] for order_id in ids]

    def late_orders(
        self, until: datetime, *, account: str | None = None, delayed_before: datetime | None = None
    ) -> list[StoredOrder]:
        where, values = where_of({"o.ship_by <= ?": text_of(until), "o.account = ?": account})
        rows = self._db.rows(
            f"""
            SELECT {ORDER_COLUMNS} FROM orders o {where} AND o.status = 'waiting_shipment'
            AND o.state IN ('ready', 'creating', 'waiting', 'failed')
            """,
            values,
        )
        by_deadline, values = where_of({"o.ship_by <= ?": text_of(until), "coalesce(o.account, '') = ?": account})
        rows += self._db.rows(  # SQLite would take the index by account and state, and read all that are in a shop
            f"""
            SELECT {ORDER_COLUMNS} FROM orders o {by_deadline} AND o.status = 'waiting_shipment' AND o.state = 'created'
            AND NOT EXISTS (
                SELECT 1 FROM actions a WHERE a.order_id = o.id AND a.action_type = 'ship'
                AND a.arguments NOT LIKE ?
                AND (a.state IN ('sent', 'confirmed') OR (a.state IN ('queued', 'sending')
                AND (a.error = '' OR a.created_at >= ?) AND NOT EXISTS (
                    SELECT 1 FROM steps s WHERE s.kind = 'send' AND s.subject = CAST(a.id AS TEXT) AND s.held = 1
                )))
            )
            """,
            [*values, OF_A_LINE, text_of(delayed_before) or ""],
        )
        return sorted(self._with_packages(rows), key=lambda one: (one.order.ship_by or until, one.order.id))

    def noted(self, order_ids: Sequence[int], what: str) -> set[int]:
        return {
            order_id
            for some in chunks(order_ids)
            for (order_id,) in self._db.rows(
                f"SELECT DISTINCT order_id FROM journal WHERE what = ? AND order_id IN ({marks(len(some))})",
                [what, *some],
            )
        }

    def details_noted(self, order_ids: Sequence[int], what: str) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for some in chunks(order_ids):
            for order_id, detail in self._db.rows(
                f"SELECT order_id, detail FROM journal WHERE what = ? AND order_id IN ({marks(len(some))}) ORDER BY id",
                [what, *some],
            ):
                found.setdefault(order_id, []).append(detail)
        return found

    def count_orders(self, account: str | None = None) -> dict[tuple[str, str], int]:
        where, values = where_of({"account = ?": account})
        rows = self._db.rows(f"SELECT state, reason, count(*) FROM orders {where} GROUP BY state, reason", values)
        return {(state, reason): count for state, reason, count in rows}

    def journal(self, order_id: int) -> list[JournalEntry]:
        rows = self._db.rows(
            "SELECT at, order_id, package_id, what, detail, who FROM journal WHERE order_id = ? ORDER BY id", [order_id]
        )
        return [JournalEntry(datetime.fromisoformat(row[0]), *row[1:]) for row in rows]

    def journal_after(self, account: str, entry_id: int, limit: int) -> list[tuple[int, datetime, int]]:
        rows = self._db.rows(
            """
            SELECT j.id, j.at, j.order_id FROM journal j JOIN orders o ON o.id = j.order_id
            WHERE j.id > ? AND o.account = ? ORDER BY j.id LIMIT ?
            """,
            [entry_id, account, limit],
        )
        return [(found, datetime.fromisoformat(at), order_id) for found, at, order_id in rows]

    def newest_entry(self) -> int:
        return int(self._db.rows("SELECT coalesce(max(id), 0) FROM journal")[0][0])

    def actions_of(self, order_id: int) -> list[ActionRow]:
        rows = self._db.rows(f"SELECT {ACTION_COLUMNS} FROM actions WHERE order_id = ? ORDER BY id", [order_id])
        return [action_of(row) for row in rows]

    def actions_of_orders(self, order_ids: Sequence[int]) -> dict[int, list[ActionRow]]:
        actions: dict[int, list[ActionRow]] = {order_id: [] for order_id in order_ids}
        for some in chunks(sorted(actions)):
            for row in self._db.rows(
                f"SELECT {ACTION_COLUMNS} FROM actions WHERE order_id IN ({marks(len(some))}) ORDER BY id", some
            ):
                action = action_of(row)
                actions[action.order_id].append(action)
        return actions

    def action(self, action_id: int) -> ActionRow | None:
        self._hold_orders("SELECT order_id FROM actions WHERE id = ?", [action_id])
        rows = self._db.rows(f"SELECT {ACTION_COLUMNS} FROM actions WHERE id = ?", [action_id])
        return action_of(rows[0]) if rows else None

    def list_actions(
        self,
        *,
        account: str | None = None,
        states: Sequence[ActionState] = (),
        unhandled: bool = False,
        before_id: int | None = None,
        limit: int | None = None,
    ) -> list[ActionRow]:
        where, values = where_of(
            {"account = ?": account, "id < ?": before_id, "handled = ?": "" if unhandled else None}
        )
        if states:
            where += f" {'AND' if where else 'WHERE'} state IN ({marks(len(states))})"
        most, count = ("", []) if limit is None else ("LIMIT ?", [limit])
        rows = self._db.rows(
            f"SELECT {ACTION_COLUMNS} FROM actions {where} ORDER BY id DESC {most}", [*values, *states, *count]
        )
        return [action_of(row) for row in rows]

    def change(self, change_id: int) -> ChangeRow | None:
        self._hold_orders("SELECT order_id FROM changes WHERE id = ?", [change_id])
        rows = self._db.rows(f"SELECT {CHANGE_COLUMNS} FROM changes WHERE id = ?", [change_id])
        return change_of(rows[0]) if rows else None

    def changes_of(self, order_ids: Sequence[int]) -> dict[int, list[ChangeRow]]:
        changes: dict[int, list[ChangeRow]] = {order_id: [] for order_id in order_ids}
        for some in chunks(list(changes)):
            for row in self._db.rows(
                f"SELECT {CHANGE_COLUMNS} FROM changes WHERE order_id IN ({marks(len(some))}) ORDER BY id", some
            ):
                changes[row[1]].append(change_of(row))
        return changes

    def list_changes(
        self,
        *,
        account: str | None = None,
        shop: str | None = None,
        states: Sequence[ChangeState] = (),
        limit: int | None = None,
    ) -> list[ChangeRow]:
        where, values = where_of({"account = ?": account, "shop = ?": shop})
        if states:
            where += f" {'AND' if where else 'WHERE'} state IN ({marks(len(states))})"
        most, count = ("", []) if limit is None else ("LIMIT ?", [limit])
        rows = self._db.rows(
            f"SELECT {CHANGE_COLUMNS} FROM changes {where} ORDER BY id DESC {most}", [*values, *states, *count]
        )
        return [change_of(row) for row in rows]

    def count_changes(self, account: str | None = None) -> dict[ChangeState, int]:
        where, values = where_of({"account = ?": account})
        rows = self._db.rows(f"SELECT state, count(*) FROM changes {where} GROUP BY state", values)
        return {ChangeState(state): int(count) for state, count in rows}

    def list_events(
        self,
        *,
        shop: str | None = None,
        state: EventState | None = None,
        event_id: str | None = None,
        before_id: int | None = None,
        limit: int = 50,
    ) -> list[EventRow]:
        wanted = {"shop = ?": shop, "state = ?": state, "event_id = ?": event_id, "id < ?": before_id}
        where, values = where_of(wanted)
        rows = self._db.rows(f"SELECT {EVENT_COLUMNS} FROM events {where} ORDER BY id DESC LIMIT ?", [*values, limit])
        return [event_of(row) for row in rows]

    def event(self, event_id: int) -> EventRow | None:
        rows = self._db.rows(f"SELECT {EVENT_COLUMNS} FROM events WHERE id = ?", [event_id])
        return event_of(rows[0]) if rows else None

    def toggles(self) -> list[ToggleRow]:
        rows = self._db.rows("SELECT shop, name, value, set_at, set_by FROM toggles ORDER BY shop, name")
        return [ToggleRow(row[0], row[1], bool(row[2]), datetime.fromisoformat(row[3]), row[4]) for row in rows]

    def get_value(self, account: str, name: str) -> str | None:
        rows = self._db.rows("SELECT value FROM sync_state WHERE account = ? AND name = ?", [account, name])
        return rows[0][0] if rows else None

    def marketplaces(self, account: str) -> dict[str, bytes]:
        rows = self._db.rows("SELECT marketplace, description FROM marketplaces WHERE account = ?", [account])
        return dict(rows)

    def marketplaces_read_at(self, account: str) -> datetime | None:
        [(read_at,)] = self._db.rows("SELECT min(read_at) FROM marketplaces WHERE account = ?", [account])
        return moment_of(read_at)

    def steps(self, *, kind: StepKind | None = None, held: bool | None = None, limit: int = 50) -> list[Step]:
        where, values = where_of({"kind = ?": kind, "held = ?": held})
        rows = self._db.rows(f"SELECT {STEP_COLUMNS} FROM steps {where} ORDER BY due_at, id LIMIT ?", [*values, limit])
        return [step_of(row) for row in rows]

    def is_due(self, kind: StepKind, now: datetime, *, account: str) -> bool:
        rows = self._db.rows(
            "SELECT 1 FROM steps WHERE kind = ? AND held = 0 AND account = ? AND due_at <= ? LIMIT 1",
            [kind, account, text_of(now)],
        )
        return bool(rows)

    def is_leased(self, kind: StepKind, now: datetime, *, shop: str) -> bool:
        rows = self._db.rows(
            "SELECT 1 FROM steps WHERE kind = ? AND held = 0 AND shop = ? AND lease_until > ? LIMIT 1",
            [kind, shop, text_of(now)],
        )
        return bool(rows)

    def step(self, step_id: int) -> Step | None:
        rows = self._db.rows(f"SELECT {STEP_COLUMNS} FROM steps WHERE id = ?", [step_id])
        return step_of(rows[0]) if rows else None

    def steps_of(self, kind: StepKind, subjects: Sequence[str]) -> dict[str, Step]:
        return {
            step.subject: step
            for some in chunks(subjects)
            for step in map(
                step_of,
                self._db.rows(
                    f"SELECT {STEP_COLUMNS} FROM steps WHERE kind = ? AND subject IN ({marks(len(some))})",
                    [kind, *some],
                ),
            )
        }

    def product_matches(self, shop: str | None = None) -> list[ProductMatch]:
        where, values = where_of({"shop = ?": shop})
        rows = self._db.rows(
            f"SELECT shop, sku, reference, set_at, set_by FROM product_matches {where} ORDER BY shop, sku", values
        )
        return [ProductMatch(row[0], row[1], row[2], datetime.fromisoformat(row[3]), row[4]) for row in rows]

    def records(self, order_ids: Sequence[int]) -> dict[int, RecordRow]:
        return {
            row[0]: RecordRow(*row)
            for some in chunks(order_ids)
            for row in self._db.rows(
                f"SELECT {RECORD_COLUMNS} FROM records WHERE order_id IN ({marks(len(some))})", some
            )
        }

    def models(self, order_ids: Sequence[int]) -> dict[int, Order]:
        packed = {
            order_id: decoded
            for some in chunks(order_ids)
            for order_id, decoded in self._db.rows(
                f"SELECT order_id, decoded FROM records WHERE order_id IN ({marks(len(some))})", some
            )
        }
        return {order_id: unpack_order(decoded) for order_id, decoded in packed.items() if decoded}

    def packages_of_orders(self, order_ids: Sequence[int]) -> dict[int, list[PackageRow]]:
        packages: dict[int, list[PackageRow]] = {order_id: [] for order_id in order_ids}
        for some in chunks(sorted(packages)):
            self._hold_orders(marks(len(some)), some)
            for row in self._db.rows(
                f"SELECT {PACKAGE_COLUMNS} FROM packages WHERE order_id IN ({marks(len(some))}) ORDER BY id", some
            ):
                packages[row[1]].append(package_of(row))
        return packages

    def _with_packages(self, order_rows: Sequence[Row]) -> list[StoredOrder]:
        packages = self.packages_of_orders([row[0] for row in order_rows])
        return [StoredOrder(order_of(row), tuple(packages[row[0]])) for row in order_rows]

    def _hold_orders(self, which: str, values: Sequence[Any]) -> None:
        """Keep others from changing these orders, and what hangs on them, until the transaction ends.

        `which` is the inside of an `IN (…)` on their ids. Outside a transaction, and where only one transaction writes
        at a time, there is nothing to do.
        """

    def _hold_names(self, account: str, names: Sequence[tuple[str, str]]) -> None:
        """The same for the orders of these (marketplace, marketplace_order_id), those included that are yet to come."""


def marks(count: int, width: int = 0) -> str:
    one = f"({', '.join('?' * width)})" if width else "?"
    return ", ".join([one] * count)


def where_of(conditions: dict[str, Any]) -> tuple[str, list[Any]]:
    """The WHERE of the conditions whose value is not None, and its values."""
    wanted = {condition: value for condition, value in conditions.items() if value is not None}
    return (f"WHERE {' AND '.join(wanted)}" if wanted else ""), list(wanted.values())


def chunks(values: Sequence[T]) -> Iterator[list[T]]:
    for start in range(0, len(values), PARAMETERS):
        yield list(values[start : start + PARAMETERS])
