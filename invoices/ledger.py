"""What was invoiced: tables of the invoices' own in the connector's database.

A number is given in the transaction that keeps its document, so that a series has no gap and no double, however many
workers issue at once.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from lengow.connector.model import DELIVERED_BY_MARKETPLACE
from lengow.connector.prepared import prepare
from lengow.connector.store import Handle, open_database
from lengow.connector.store.columns import text_of, values_of
from lengow.connector.store.database import Database, Source
from lengow.connector.store.queries import marks, where_of
from lengow.invoices.document import Document, Kind
from lengow.invoices.shipped import SHIPPED


class InvoiceState(StrEnum):
    HELD = "held"
    """It has no number yet: something is wrong with the order, and a person must look."""
    ISSUED = "issued"
    """It has its number and document, and is not to be mailed."""
    TO_MAIL = "to_mail"
    MAILING = "mailing"
    """The intent to mail it is kept; what became of that is not known yet."""
    MAILED = "mailed"
    MAIL_UNKNOWN = "mail_unknown"
    """It may have been sent. It is not sent again by itself."""
    MAIL_FAILED = "mail_failed"
    BOUNCED = "bounced"
    """The buyer's mail system sent it back."""
    DISMISSED = "dismissed"
    """A person said that nothing is to become of it."""


Switch = tuple[str, bool]
"""(shop, whether it is that for orders that the marketplace ships)"""

FOR_A_PERSON = (InvoiceState.HELD, InvoiceState.MAIL_UNKNOWN, InvoiceState.MAIL_FAILED, InvoiceState.BOUNCED)


class InvoiceRow(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is 0 before it is kept."""

    id: int = 0
    account: str
    shop: str
    order_id: int
    package_id: int
    order_key: str
    """account/marketplace/number, for people."""
    kind: Kind
    cause: str
    """What it answers to, such as `package 12` or `action 7`: one document a cause."""
    number: str = ""
    series: str = ""
    position: int = 0
    """Its place in the series, from 1; 0 while it has none."""
    total: str = ""
    currency: str = ""
    recipient: str = ""
    state: InvoiceState
    reason: str = ""
    about: str = ""
    attempts: int = 0
    message_id: str = ""
    due_at: datetime | None = None
    """When its mail is tried, or what holds it is looked at again."""
    issued_at: datetime | None = None
    changed_at: datetime


COLUMNS = ", ".join(InvoiceRow.__struct_fields__)

TABLES = (
    """
    CREATE TABLE IF NOT EXISTS invoices (
        id INTEGER PRIMARY KEY,
        account TEXT NOT NULL,
        shop TEXT NOT NULL,
        order_id INTEGER NOT NULL,
        package_id INTEGER NOT NULL,
        order_key TEXT NOT NULL,
        kind TEXT NOT NULL,
        cause TEXT NOT NULL UNIQUE,
        number TEXT NOT NULL,
        series TEXT NOT NULL,
        position INTEGER NOT NULL,
        total TEXT NOT NULL,
        currency TEXT NOT NULL,
        recipient TEXT NOT NULL,
        state TEXT NOT NULL,
        reason TEXT NOT NULL,
        about TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        message_id TEXT NOT NULL,
        due_at TEXT,
        issued_at TEXT,
        changed_at TEXT NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX IF NOT EXISTS invoices_by_number ON invoices (series, position) WHERE position > 0",
    "CREATE INDEX IF NOT EXISTS invoices_by_order ON invoices (order_id)",
    "CREATE INDEX IF NOT EXISTS invoices_by_state ON invoices (account, state)",
    "CREATE INDEX IF NOT EXISTS invoices_by_message ON invoices (message_id) WHERE message_id <> ''",
    """
    CREATE TABLE IF NOT EXISTS invoice_documents (
        invoice_id INTEGER PRIMARY KEY,
        document BLOB NOT NULL,
        pdf BLOB NOT NULL
    )
    """,
    "CREATE TABLE IF NOT EXISTS invoice_series (series TEXT PRIMARY KEY, last INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS invoice_cursors (account TEXT PRIMARY KEY, entry INTEGER NOT NULL)",
    """
    CREATE TABLE IF NOT EXISTS invoice_switches (
        shop TEXT NOT NULL,
        by_marketplace INTEGER NOT NULL,
        PRIMARY KEY (shop, by_marketplace)
    )
    """,
    "CREATE TABLE IF NOT EXISTS invoice_shipped_before (package_id INTEGER PRIMARY KEY)",
)

TABLE_NAMES = tuple(re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", " ".join(TABLES)))

OF_SWITCH = f"""
    FROM packages p JOIN orders o ON o.id = p.order_id
    WHERE p.shop = ? AND p.state = 'created' AND (o.types LIKE '%{DELIVERED_BY_MARKETPLACE}%') = (? = 1)
    AND NOT EXISTS (SELECT 1 FROM invoices i WHERE i.cause = 'package ' || CAST(p.id AS TEXT))
"""
"""The packages that a switch is about, of which nothing was issued or held."""

INSERT = f"INSERT INTO invoices ({', '.join(InvoiceRow.__struct_fields__[1:])}) VALUES ({marks(21)})"
UPDATE = f"UPDATE invoices SET {', '.join(f'{name} = ?' for name in InvoiceRow.__struct_fields__[1:])} WHERE id = ?"


class Reading:
    """What can be read, inside a transaction or outside."""

    def __init__(self, db: Source) -> None:
        self._db = db

    def invoice(self, invoice_id: int) -> InvoiceRow | None:
        return next(iter(self._some("WHERE id = ?", [invoice_id])), None)

    def numbered(self, number: str) -> InvoiceRow | None:
        return next(iter(self._some("WHERE number = ? AND number <> '' ORDER BY position DESC", [number])), None)

    def of_cause(self, cause: str) -> InvoiceRow | None:
        return next(iter(self._some("WHERE cause = ?", [cause])), None)

    def of_order(self, order_id: int) -> list[InvoiceRow]:
        return self._some("WHERE order_id = ? ORDER BY id", [order_id])

    def of_message(self, message_id: str) -> InvoiceRow | None:
        return next(iter(self._some("WHERE message_id = ? AND message_id <> ''", [message_id])), None)

    def listed(
        self, *, account: str | None = None, shop: str | None = None, states: Sequence[str] = (), limit: int = 50
    ) -> list[InvoiceRow]:
        """Newest first."""
        where, values = where_of({"account = ?": account, "shop = ?": shop})
        if states:
            where += f" {'AND' if where else 'WHERE'} state IN ({marks(len(states))})"
        return self._some(f"{where} ORDER BY id DESC LIMIT ?", [*values, *states, limit])

    def to_mail(self, account: str, now: datetime) -> list[InvoiceRow]:
        """Those whose mail is due, the oldest first."""
        return self._some(
            "WHERE account = ? AND state = ? AND due_at <= ? ORDER BY id LIMIT 500",
            [account, InvoiceState.TO_MAIL, text_of(now)],
        )

    def held_again(self, account: str, now: datetime) -> list[InvoiceRow]:
        """Those that are held for what may be gone by now."""
        return self._some(
            "WHERE account = ? AND state = ? AND due_at <= ? ORDER BY id LIMIT 500",
            [account, InvoiceState.HELD, text_of(now)],
        )

    def being_mailed(self, account: str) -> list[InvoiceRow]:
        return self._some("WHERE account = ? AND state = ? ORDER BY id", [account, InvoiceState.MAILING])

    def counts(self) -> dict[tuple[str, InvoiceState], int]:
        """By account and state."""
        rows = self._db.rows("SELECT account, state, count(*) FROM invoices GROUP BY account, state")
        return {(account, InvoiceState(state)): count for account, state, count in rows}

    def document(self, invoice_id: int) -> tuple[Document, bytes] | None:
        """As it was issued: what is in it, and the PDF."""
        rows = self._db.rows("SELECT document, pdf FROM invoice_documents WHERE invoice_id = ?", [invoice_id])
        return next(((msgspec.json.decode(bytes(one), type=Document), bytes(pdf)) for one, pdf in rows), None)

    def last(self, series: str) -> int:
        rows = self._db.rows("SELECT last FROM invoice_series WHERE series = ?", [series])
        return int(rows[0][0]) if rows else 0

    def cursor(self, account: str) -> int | None:
        """Up to which entry of the journal everything was looked at."""
        rows = self._db.rows("SELECT entry FROM invoice_cursors WHERE account = ?", [account])
        return int(rows[0][0]) if rows else None

    def switches(self) -> set[Switch]:
        """Those that are on, as of the last round."""
        rows = self._db.rows("SELECT shop, by_marketplace FROM invoice_switches")
        return {(shop, bool(by_marketplace)) for shop, by_marketplace in rows}

    def shipped_before(self, package_id: int) -> bool:
        """Whether it was shipped before its shop began to invoice."""
        return bool(self._db.rows("SELECT 1 FROM invoice_shipped_before WHERE package_id = ?", [package_id]))

    def confirmed_in_part(self, switch: Switch) -> list[tuple[int, int]]:
        """(order, package) of those that a switch is about, whose shipment is confirmed, or a part of it, and whose order
        Lengow does not give as shipped yet."""
        rows = self._db.rows(
            f"""
            SELECT o.id, p.id {OF_SWITCH} AND o.status NOT IN ({marks(len(SHIPPED))}) AND EXISTS (
                SELECT 1 FROM actions a WHERE a.order_id = o.id AND a.action_type = 'ship' AND a.state = 'confirmed'
            )
            """,
            [switch[0], int(switch[1]), *SHIPPED],
        )
        return [(order_id, package_id) for order_id, package_id in rows]

    def _some(self, rest: str, values: Sequence[Any]) -> list[InvoiceRow]:
        return [_row(found) for found in self._db.rows(f"SELECT {COLUMNS} FROM invoices {rest}", values)]


class Writing(Reading):
    """A transaction."""

    _db: Database

    def next_position(self, series: str) -> int:
        """The next of the series. Others wait for this transaction, and see the same again if it is undone."""
        self._db.change("INSERT INTO invoice_series VALUES (?, 0) ON CONFLICT (series) DO NOTHING", [series])
        self._db.change("UPDATE invoice_series SET last = last + 1 WHERE series = ?", [series])
        return self.last(series)

    def save(self, row: InvoiceRow) -> InvoiceRow:
        values = values_of(row)[1:]
        if row.id:
            self._db.change(UPDATE, [*values, row.id])
            return row
        return msgspec.structs.replace(row, id=self._db.insert(INSERT, values))

    def save_document(self, invoice_id: int, document: Document, pdf: bytes) -> None:
        self._db.change(
            "INSERT INTO invoice_documents VALUES (?, ?, ?)", [invoice_id, msgspec.json.encode(document), pdf]
        )

    def switch_on(self, switch: Switch, shipped: Sequence[int]) -> None:
        """From now on it invoices: not these packages, and none whose order Lengow gives as shipped by now."""
        self._db.change("INSERT INTO invoice_switches VALUES (?, ?)", [switch[0], int(switch[1])])
        self._db.change(
            f"""
            INSERT INTO invoice_shipped_before SELECT p.id {OF_SWITCH} AND o.status IN ({marks(len(SHIPPED))})
            ON CONFLICT (package_id) DO NOTHING
            """,
            [switch[0], int(switch[1]), *SHIPPED],
        )
        self._db.change_each(
            "INSERT INTO invoice_shipped_before VALUES (?) ON CONFLICT (package_id) DO NOTHING",
            [(package_id,) for package_id in shipped],
        )

    def switch_off(self, switch: Switch) -> None:
        self._db.change(
            "DELETE FROM invoice_switches WHERE shop = ? AND by_marketplace = ?", [switch[0], int(switch[1])]
        )

    def move_cursor(self, account: str, entry: int) -> None:
        self._db.change(
            "INSERT INTO invoice_cursors VALUES (?, ?) ON CONFLICT (account) DO UPDATE SET entry = excluded.entry",
            [account, entry],
        )


class Ledger(Reading):
    """Opened on a database, and closed by who opened it."""

    def __init__(self, url: str) -> None:
        """Raises SettingsError and StoreError."""
        self._handle: Handle = open_database(url)
        super().__init__(self._handle)
        create_tables(self._handle)

    @contextmanager
    def transaction(self) -> Iterator[Writing]:
        with self._handle.transaction() as db:
            yield Writing(db)

    def close(self) -> None:
        self._handle.close()


def create_tables(database: Handle) -> None:
    """The tables of invoices, where they are not there yet. Raises StoreError."""
    database.create_tables(TABLES)


def _row(found: Sequence[Any]) -> InvoiceRow:
    fields = dict(zip(InvoiceRow.__struct_fields__, found, strict=True))
    fields["state"] = InvoiceState(fields["state"])
    for name in ("due_at", "issued_at", "changed_at"):
        fields[name] = datetime.fromisoformat(fields[name]) if fields[name] else None
    return InvoiceRow(**fields)


prepare(Document)
