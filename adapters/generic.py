"""The generic shop: orders in tables that the host reads, in the connector's own database or another one.

`shop_orders` and `shop_order_lines` are made here; an optional table of the host's gives SKUs and stock. Shipments come
by `Connector.ship`, as rows that the host writes into `shop_shipments`, or as a Standard Webhooks delivery of the
contract `shop-shipment/1` (reference platforms.md §6).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal, TypeVar

import msgspec

from lengow.adapters import shop_shipment, standard_webhooks
from lengow.connector.adapter import (
    AdapterContext,
    AmendAmounts,
    Cancel,
    CancelLines,
    Capabilities,
    Change,
    CorrectAddress,
    Created,
    Event,
    Finding,
    MarkShipped,
    Outcome,
    Polled,
    Product,
    Refund,
    Rejected,
    Request,
    ShopOrder,
    Unknown,
    Updated,
    UpdateOutcome,
)
from lengow.connector.errors import SettingsError, ShopUnavailable, StoreError
from lengow.connector.listing import ListedOrder, ListedOrders
from lengow.connector.model import Address, NewOrder, Tracking
from lengow.connector.secret import NoSecret, read_secret, without_password
from lengow.connector.store import Handle, open_database
from lengow.connector.store.database import Database, Kind, Row, RowRefused

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
ADDRESS_COLUMNS = [f"{kind}_{field}" for kind in ("billing", "delivery") for field in Address.__struct_fields__]

T = TypeVar("T")

WRITTEN_BY: Mapping[Kind, str] = {
    "sqlite": "",
    "postgresql": "written_by xid8 NOT NULL DEFAULT pg_current_xact_id(),",
}
"""Many may write shipments to PostgreSQL at once, and the one with the greater id may be seen first. Its transactions
tell which are over for good, so that what is read in their order is read whole."""

ORDER_COLUMNS = (
    *("id", "shop", "reference", "status", "marketplace", "marketplace_order_id", "delivered_by_marketplace"),
    *("ordered_at", "created_at", "currency", "total", "shipping", "processing_fee", "total_tax", "comment"),
    *("relay_id", "tracking_number", "stock_decreased", *ADDRESS_COLUMNS),
)
INSERT_ORDER = (
    f"INSERT INTO shop_orders ({', '.join(ORDER_COLUMNS[1:])}) VALUES ({', '.join('?' * len(ORDER_COLUMNS[1:]))})"
)
INSERT_LINE = (
    "INSERT INTO shop_order_lines (shop_order_id, line_id, sku, title, quantity, amount, tax)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
NO_ADDRESS = Address()
ERASED_COLUMNS = [
    *(column for column in ADDRESS_COLUMNS if not column.endswith("_country")),
    "comment",
    "tracking_number",
    "relay_id",
]

TABLES = (
    f"""
    CREATE TABLE IF NOT EXISTS shop_orders (
        id INTEGER PRIMARY KEY,
        shop TEXT NOT NULL,
        reference TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('to_ship', 'shipped', 'cancelled')),
        marketplace TEXT NOT NULL,
        marketplace_order_id TEXT NOT NULL,
        delivered_by_marketplace INTEGER NOT NULL,
        ordered_at TEXT NOT NULL,
        created_at TEXT NOT NULL,
        currency TEXT NOT NULL,
        total TEXT NOT NULL,
        shipping TEXT NOT NULL,
        processing_fee TEXT NOT NULL,
        total_tax TEXT,
        comment TEXT NOT NULL,
        relay_id TEXT NOT NULL,
        tracking_number TEXT NOT NULL,
        stock_decreased INTEGER NOT NULL,
        {", ".join(f"{column} TEXT NOT NULL" for column in ADDRESS_COLUMNS)},
        UNIQUE (shop, reference)
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS shop_order_lines (
        id INTEGER PRIMARY KEY,
        shop_order_id INTEGER NOT NULL REFERENCES shop_orders (id),
        line_id TEXT NOT NULL,
        sku TEXT NOT NULL,
        title TEXT NOT NULL,
        quantity INTEGER NOT NULL,
        amount TEXT NOT NULL,
        tax TEXT,
        UNIQUE (shop_order_id, line_id)
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS shop_shipments (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        {written_by}
        shop_order_id INTEGER NOT NULL REFERENCES shop_orders (id),
        carrier_code TEXT NOT NULL DEFAULT '',
        carrier_name TEXT NOT NULL DEFAULT '',
        tracking_number TEXT NOT NULL DEFAULT '',
        tracking_url TEXT NOT NULL DEFAULT ''
    )
    """,
    "CREATE INDEX IF NOT EXISTS shop_shipments_by_order ON shop_shipments (shop_order_id)",
    "CREATE INDEX IF NOT EXISTS shop_orders_listed ON shop_orders (shop, id)",
    """
    CREATE TABLE IF NOT EXISTS shop_refunds (
        id TEXT NOT NULL,
        shop_order_id INTEGER NOT NULL REFERENCES shop_orders (id),
        amount TEXT NOT NULL,
        reason TEXT NOT NULL,
        UNIQUE (shop_order_id, id)
    )
    """,
)

INDEXES: Mapping[Kind, Sequence[str]] = {
    "sqlite": (),
    "postgresql": ("CREATE INDEX IF NOT EXISTS shop_shipments_in_turn ON shop_shipments (written_by, id)",),
}

POLL_PAGE = 100
LIST_PAGE = 1000
STATES: Mapping[str, Literal["open", "shipped", "cancelled"]] = {
    "to_ship": "open",
    "shipped": "shipped",
    "cancelled": "cancelled",
}
"""What `shop_orders.status` means to the connector."""

SHIPPED = frozenset({"shipped", "closed"})
"""Lengow statuses of an order that is already on its way."""


TABLE_NAMES = ("shop_orders", "shop_order_lines", "shop_shipments", "shop_refunds")
"""An order in which what is referred to comes first."""


def create_tables(database: Handle) -> None:
    """The tables of the generic shop, where they are not there yet. Raises StoreError."""
    tables = [table.replace("{written_by}", WRITTEN_BY[database.kind]) for table in TABLES]
    database.create_tables([*tables, *INDEXES[database.kind]])


class GenericSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    database: str = ""
    """`sqlite:///PATH` or `postgresql://…`, or `env:NAME` that holds it; empty: the connector's own store."""
    products_table: str = ""
    """The host's table of products; empty: lines carry the marketplace's references as they are."""
    product_sku_column: str = "sku"
    product_stock_column: str = "stock"
    """Whole pieces; empty: stock is not kept here."""

    def __post_init__(self) -> None:
        for name in (self.products_table, self.product_sku_column, self.product_stock_column):
            if name and not IDENTIFIER.fullmatch(name):
                raise ValueError(f"{name!r} is not the plain name of a table or column")

    def __repr__(self) -> str:
        """Without the password of the URL."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        fields["database"] = without_password(self.database)
        return f"GenericSettings({', '.join(f'{name}={value!r}' for name, value in fields.items())})"


class GenericAdapter:
    platform: ClassVar[str] = "generic"
    capabilities: ClassVar[Capabilities] = Capabilities(
        imports_delivered_by_marketplace=True,
        batch_size=500,
        settle_seconds=0,
        updates=("cancel", "ship", "address", "refund", "lines", "amounts"),
        polling=True,
        listing=True,
        shipped_past_it=True,
    )
    settings_type: ClassVar[type[msgspec.Struct]] = GenericSettings

    def __init__(self, context: AdapterContext) -> None:
        assert isinstance(context.settings, GenericSettings)
        self._context = context
        self._settings = context.settings
        for secret in context.webhook_secrets:
            standard_webhooks.key_of(secret)
        self._db: Handle = open_database(
            _secret(self._settings.database, context.shop) or context.store_url,
            setting=f"shops.{context.shop}.database",
        )
        create_tables(self._db)

    def find_products(self, references: Sequence[str]) -> Mapping[str, Product] | None:
        if not self._settings.products_table:
            return None
        found = [(reference, self._products(reference)) for reference in references]
        return {
            reference: Product(reference, str(rows[0][0]), rows[0][1], tuple(str(row[0]) for row in rows[1:]))
            for reference, rows in found
            if rows
        }

    def create_orders(self, orders: Sequence[NewOrder]) -> Sequence[Outcome]:
        """One transaction for all; an order that the database refuses fails alone."""
        outcomes: list[Outcome] = []
        try:
            with self._db.transaction() as db:
                outcomes = self._create_all(db, orders)
        except StoreError as error:
            if outcomes:  # the commit itself failed
                return [Unknown(order.reference, str(error)) for order in orders]
            raise ShopUnavailable(str(error), shop=self._context.shop) from error
        return outcomes

    def find_order(self, reference: str) -> ShopOrder | None:
        rows = self._rows(*self._named(reference))
        return ShopOrder(str(rows[0][0]), reference) if rows else None

    def update_order(self, shop_order: ShopOrder, change: Change) -> UpdateOutcome:
        try:
            with self._db.transaction() as db:
                known = db.rows(
                    "SELECT id, status, delivered_by_marketplace FROM shop_orders WHERE shop = ? AND id = ?"
                    f"{FOR_UPDATE[self._db.kind]}",
                    [self._context.shop, int(shop_order.id) if shop_order.id.isdecimal() else 0],
                )
                if not known:
                    return Rejected(shop_order.reference, f"There is no shop order {shop_order.id}.", field="id")
                order_id, status, delivered_by_marketplace = known[0]
                self._change(db, order_id, status, delivered_by_marketplace, change)
        except StoreError as error:  # repeating is safe, so that it matters not whether the commit was reached
            raise ShopUnavailable(str(error), shop=self._context.shop) from error
        except _Ambiguous as error:
            return Rejected(shop_order.reference, str(error), field="sku")
        except _Contradiction as error:
            return Rejected(shop_order.reference, str(error), field="status")
        return Updated(shop_order.reference)

    def shipments_since(self, cursor: str) -> Polled:
        """From the host's rows in `shop_shipments`, in the order in which they were written."""
        return self._reading(lambda: POLLED[self._db.kind](self._db, self._context.shop, cursor))

    def shipments_of(self, shop_order_id: str) -> Sequence[Event]:
        if not shop_order_id.isdecimal():
            return []
        query = f"SELECT {SHIPMENT} WHERE shop = ? AND shop_order_id = ? ORDER BY shop_shipments.id LIMIT {POLL_PAGE}"
        rows = self._rows(query, [self._context.shop, int(shop_order_id)])
        return [_shipment_event(row) for row in rows]

    def orders_since(self, since: datetime, cursor: str) -> ListedOrders:
        """By their ids, which are never given twice while the newest row stays."""
        query = """
            SELECT id, reference, total, currency, status, created_at,
                   EXISTS (SELECT 1 FROM shop_shipments WHERE shop_order_id = shop_orders.id)
            FROM shop_orders WHERE id > ? AND shop = ? AND created_at >= ? ORDER BY id LIMIT ?
        """
        values = [int(cursor or 0), self._context.shop, since.astimezone(UTC).isoformat(), LIST_PAGE]
        rows = self._rows(query, values)
        first, last = (rows[0][0], rows[-1][0]) if rows else (0, int(cursor or 0))
        refunds = "SELECT shop_order_id, amount FROM shop_refunds WHERE shop_order_id BETWEEN ? AND ?"
        refunded: dict[int, Decimal] = {}
        for order_id, amount in self._rows(refunds, [first, last]):
            refunded[order_id] = refunded.get(order_id, Decimal(0)) + Decimal(amount)
        listed = tuple(_listed(row, refunded.get(row[0], Decimal(0))) for row in rows)
        return ListedOrders(listed, str(last), len(rows) == LIST_PAGE)

    def greets(self, request: Request) -> bool:  # noqa: ARG002 - the port's signature
        """Standard Webhooks has no unsigned hello."""
        return False

    def verify(self, request: Request) -> str:
        return standard_webhooks.verify(request, self._context.webhook_secrets, self._context.clock())

    def events(self, request: Request) -> Sequence[Event]:
        return [shop_shipment.event_of(request.body)]

    def erase_buyers(self, references: Sequence[str]) -> None:
        emptied = ", ".join(f"{column} = ''" for column in ERASED_COLUMNS)
        tracking = "carrier_name = '', tracking_number = '', tracking_url = ''"
        try:
            with self._db.transaction() as db:
                for reference in references:
                    which = [self._context.shop, reference]
                    db.change(f"UPDATE shop_orders SET {emptied} WHERE shop = ? AND reference = ?", which)
                    db.change(
                        f"UPDATE shop_shipments SET {tracking} WHERE shop_order_id IN"
                        " (SELECT id FROM shop_orders WHERE shop = ? AND reference = ?)",
                        which,
                    )
        except StoreError as error:
            raise ShopUnavailable(str(error), shop=self._context.shop) from error

    def export_buyers(self, references: Sequence[str]) -> Sequence[Mapping[str, Any]]:
        found = []
        query = f"SELECT {', '.join(ORDER_COLUMNS)} FROM shop_orders WHERE shop = ? AND reference = ?"
        for reference in references:
            rows = self._rows(query, [self._context.shop, reference])
            found += [dict(zip(ORDER_COLUMNS, row, strict=True)) for row in rows]
        return found

    def connect(self, url: str) -> Sequence[Finding]:
        return [Finding("webhook", True, f"Nothing is registered: have the host send Standard Webhooks to {url}.")]

    def check(self) -> Sequence[Finding]:
        findings = [self._check_tables()]
        if self._settings.products_table:
            findings.append(self._check_products())
        secrets = len(self._context.webhook_secrets)
        findings.append(
            Finding(
                "webhook secrets",
                secrets > 0,
                f"{secrets} configured.",
                "" if secrets else "Without one no webhook is taken: set `webhook_secrets`.",
            )
        )
        return findings

    def close(self) -> None:
        self._db.close()

    def _reading(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except StoreError as error:
            raise ShopUnavailable(f"The shop's database: {error}", shop=self._context.shop) from error

    def _rows(self, query: str, values: Sequence[Any]) -> list[Row]:
        return self._reading(lambda: self._db.rows(query, values))

    def _named(self, reference: str) -> tuple[str, list[str]]:
        return "SELECT id FROM shop_orders WHERE shop = ? AND reference = ?", [self._context.shop, reference]

    def _products(self, reference: str) -> list[Row]:
        sku, stock = self._settings.product_sku_column, self._settings.product_stock_column or "NULL"
        query = f"SELECT {sku}, {stock} FROM {self._settings.products_table} WHERE {sku} = ?"
        return self._rows(query, [reference])

    def _change(self, db: Database, order_id: int, status: str, delivered_by_marketplace: bool, change: Change) -> None:
        if isinstance(change, Refund):
            self._refund(db, order_id, change)
        elif isinstance(change, MarkShipped):
            self._mark_shipped(db, order_id, status, change)
        elif self._is_shipped(db, order_id, status) and not delivered_by_marketplace:
            raise _Contradiction(f"The shop order {order_id} is shipped.")
        elif isinstance(change, Cancel):
            self._cancel(db, order_id)
        elif status == "cancelled":
            return
        elif isinstance(change, CorrectAddress):
            for kind, address in (("billing", change.billing), ("delivery", change.delivery)):
                values = _address_values(kind, address) if address else {}
                for column, value in values.items():
                    db.change(f"UPDATE shop_orders SET {column} = ? WHERE id = ?", [value, order_id])
        elif isinstance(change, CancelLines):
            self._cancel_lines(db, order_id, change)
        else:
            self._amend(db, order_id, change)

    def _mark_shipped(self, db: Database, order_id: int, status: str, change: MarkShipped) -> None:
        """An order that is shipped keeps its tracking."""
        if status == "cancelled":
            raise _Contradiction(f"The shop order {order_id} is cancelled.")
        if not self._is_shipped(db, order_id, status):
            db.change(
                "UPDATE shop_orders SET status = 'shipped', tracking_number = ? WHERE id = ?",
                [change.tracking.number, order_id],
            )

    def _is_shipped(self, db: Database, order_id: int, status: str) -> bool:
        return status == "shipped" or bool(db.rows("SELECT 1 FROM shop_shipments WHERE shop_order_id = ?", [order_id]))

    def _cancel(self, db: Database, order_id: int) -> None:
        self._give_back(db, order_id, "SELECT sku, quantity FROM shop_order_lines WHERE shop_order_id = ?", [])
        db.change("UPDATE shop_orders SET status = 'cancelled', stock_decreased = 0 WHERE id = ?", [order_id])

    def _cancel_lines(self, db: Database, order_id: int, change: CancelLines) -> None:
        """The lines are taken out, so that nobody picks them; the order comes to less."""
        where = f"shop_order_id = ? AND line_id IN ({', '.join('?' * len(change.line_ids))})"
        self._give_back(db, order_id, f"SELECT sku, quantity FROM shop_order_lines WHERE {where}", change.line_ids)
        db.change(f"DELETE FROM shop_order_lines WHERE {where}", [order_id, *change.line_ids])
        self._add_up(db, order_id)

    def _amend(self, db: Database, order_id: int, change: AmendAmounts) -> None:
        for line in change.lines:
            key = [order_id, line.line_id]
            where = "shop_order_id = ? AND line_id = ?"
            self._give_back(
                db, order_id, f"SELECT sku, quantity - {line.quantity} FROM shop_order_lines WHERE {where}", key[1:]
            )
            db.change(
                f"UPDATE shop_order_lines SET quantity = ?, amount = ? WHERE {where}",
                [line.quantity, str(line.amount), *key],
            )
        for column, amount in (("shipping", change.shipping), ("processing_fee", change.processing_fee)):
            if amount is not None:
                db.change(f"UPDATE shop_orders SET {column} = ? WHERE id = ?", [str(amount), order_id])
        self._add_up(db, order_id)

    def _give_back(self, db: Database, order_id: int, query: str, values: Sequence[Any]) -> None:
        """Give pieces by SKU back to the stock, if the order took any. `query`: of the order's lines, its id first."""
        if db.rows("SELECT 1 FROM shop_orders WHERE id = ? AND stock_decreased = 1", [order_id]):
            self._add_stock(db, db.rows(query, [order_id, *values]))

    def _add_up(self, db: Database, order_id: int) -> None:
        lines = db.rows("SELECT amount FROM shop_order_lines WHERE shop_order_id = ?", [order_id])
        (extra,) = db.rows("SELECT shipping, processing_fee FROM shop_orders WHERE id = ?", [order_id])
        total = sum((Decimal(amount) for amount in (*extra, *(line[0] for line in lines))), Decimal(0))
        db.change("UPDATE shop_orders SET total = ? WHERE id = ?", [str(total), order_id])

    def _refund(self, db: Database, order_id: int, refund: Refund) -> None:
        booked = db.change(
            "INSERT INTO shop_refunds (id, shop_order_id, amount, reason) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [refund.id, order_id, str(refund.amount), refund.reason],
        )
        if booked and refund.restock:
            query = "SELECT sku, quantity FROM shop_order_lines WHERE shop_order_id = ? AND line_id = ?"
            self._add_stock(db, [row for line in refund.line_ids for row in db.rows(query, [order_id, line])])

    def _create_all(self, db: Database, orders: Sequence[NewOrder]) -> list[Outcome]:
        """All at once, and one by one where one of them is refused."""
        if not orders:
            return []
        references = [order.reference for order in orders]
        marks = ", ".join("?" * len(references))
        query = f"SELECT reference, id FROM shop_orders WHERE shop = ? AND reference IN ({marks})"
        known: dict[str, int] = dict(db.rows(query, [self._context.shop, *references]))
        new = {order.reference: order for order in orders if order.reference not in known}
        try:
            with db.savepoint():
                now = self._context.clock().isoformat()
                ids = db.insert_each(INSERT_ORDER, [self._order_values(order, now) for order in new.values()])
                self._insert_lines(db, list(zip(ids, new.values(), strict=True)))
        except (RowRefused, _Ambiguous):
            return [self._create(db, order) for order in orders]
        known |= zip(new, ids, strict=True)
        return [Created(reference, ShopOrder(str(known[reference]), reference)) for reference in references]

    def _create(self, db: Database, order: NewOrder) -> Outcome:
        try:
            with db.savepoint():
                return Created(order.reference, self._insert(db, order))
        except RowRefused as error:
            return Rejected(order.reference, str(error))
        except _Ambiguous as error:
            return Rejected(order.reference, str(error), field="sku")

    def _insert(self, db: Database, order: NewOrder) -> ShopOrder:
        statement = f"{INSERT_ORDER} ON CONFLICT (shop, reference) DO NOTHING RETURNING id"
        inserted = db.rows(statement, self._order_values(order, self._context.clock().isoformat()))
        if not inserted:
            return ShopOrder(str(db.rows(*self._named(order.reference))[0][0]), order.reference)
        [(order_id,)] = inserted
        self._insert_lines(db, [(order_id, order)])
        return ShopOrder(str(order_id), order.reference)

    def _insert_lines(self, db: Database, orders: Sequence[tuple[int, NewOrder]]) -> None:
        """Of shop orders by their ids."""
        db.later_each(
            INSERT_LINE,
            [
                (order_id, line.id, line.sku, line.title, line.quantity, str(line.amount), _text(line.tax))
                for order_id, order in orders
                for line in order.lines
            ],
        )
        for _, order in orders:
            if order.decrease_stock:
                self._add_stock(db, [(line.sku, -line.quantity) for line in order.lines])

    def _order_values(self, order: NewOrder, created_at: str) -> tuple[Any, ...]:
        """As ORDER_COLUMNS has them, after the id."""
        source, package = order.order, order.package
        shipped = order.delivered_by_marketplace or source.status in SHIPPED
        return (
            self._context.shop,
            order.reference,
            "shipped" if shipped else "to_ship",
            source.marketplace,
            source.marketplace_order_id,
            int(order.delivered_by_marketplace),
            source.date.isoformat(),
            created_at,
            source.currency,
            str(order.total),
            str(order.shipping),
            str(order.processing_fee),
            _text(source.total_tax),
            source.comment,
            package.relay_id,
            package.tracking_number,
            int(order.decrease_stock),
            *msgspec.structs.astuple(source.billing or package.delivery or NO_ADDRESS),
            *msgspec.structs.astuple(package.delivery or NO_ADDRESS),
        )

    def _add_stock(self, db: Database, pieces: Sequence[tuple[str, int]]) -> None:
        """In the order's own transaction. A sale has happened, so stock may become negative."""
        if not (self._settings.products_table and self._settings.product_stock_column):
            return
        table, stock, sku = (
            self._settings.products_table,
            self._settings.product_stock_column,
            self._settings.product_sku_column,
        )
        for reference, change in pieces:
            if db.change(f"UPDATE {table} SET {stock} = {stock} + ? WHERE {sku} = ?", [change, reference]) > 1:
                raise _Ambiguous(f"The table {table} has several products {reference!r}: leave one.")

    def _check_tables(self) -> Finding:
        try:
            query = "SELECT count(*) FROM shop_orders WHERE shop = ?"
            [(count,)] = self._rows(query, [self._context.shop])
        except ShopUnavailable as error:
            return Finding("tables", False, str(error), "Check that the file exists and its disk is not full.")
        return Finding("tables", True, f"shop_orders holds {count} orders of this shop.")

    def _check_products(self) -> Finding:
        table = self._settings.products_table
        try:
            self.find_products(["-"])
        except ShopUnavailable as error:
            return Finding(
                "products",
                False,
                f"The table {table} cannot be read: {error}.",
                "Correct products_table and its columns.",
            )
        return Finding("products", True, f"The table {table} can be read.")


class _Contradiction(Exception):
    """The shop did something later that the change would undo."""


class _Ambiguous(Exception):
    """Several products have the line's reference."""


def _secret(value: str, shop: str) -> str:
    try:
        return read_secret(value).reveal() if value else ""
    except NoSecret as error:
        field = f"shops.{shop}.database"
        raise SettingsError(f"{field}: {error}.", what_to_do=error.what_to_do, field=field) from None


def _polled_by_id(db: Handle, shop: str, cursor: str) -> Polled:
    """SQLite lets one write at a time, and never gives an id twice: they are in the order of being written."""
    after = int(cursor) if cursor.isdecimal() else 0
    rows = db.rows(
        f"SELECT {SHIPMENT} WHERE shop = ? AND shop_shipments.id > ? ORDER BY shop_shipments.id LIMIT {POLL_PAGE}",
        [shop, after],
    )
    return Polled(tuple(map(_shipment_event, rows)), str(rows[-1][0] if rows else after), len(rows) == POLL_PAGE)


def _polled_by_transaction(db: Handle, shop: str, cursor: str) -> Polled:
    """In the order of PostgreSQL's transactions, as far as all of them are over; the cursor is `transaction:id`."""
    written_by, _, last = cursor.partition(":") if ":" in cursor else ("0", "", "0")
    [(newest,)] = db.rows("SELECT CAST(pg_snapshot_xmax(pg_current_snapshot()) AS TEXT)")
    if int(written_by) > int(newest):  # the database was restored into another server, whose count is lower
        with db.transaction() as tx:
            tx.change(
                "UPDATE shop_shipments SET written_by = pg_current_xact_id()"
                " WHERE written_by > pg_snapshot_xmax(pg_current_snapshot())"
            )
        return Polled((), "0:0", True)
    rows = db.rows(
        f"""
        SELECT CAST(written_by AS TEXT), {SHIPMENT}
        WHERE shop = ? AND (written_by, shop_shipments.id) > (CAST(? AS xid8), CAST(? AS BIGINT))
        AND written_by < pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY written_by, shop_shipments.id LIMIT {POLL_PAGE}
        """,
        [shop, written_by, last],
    )
    cursor = f"{rows[-1][0]}:{rows[-1][1]}" if rows else f"{written_by}:{last}"
    return Polled(tuple(_shipment_event(row[1:]) for row in rows), cursor, len(rows) == POLL_PAGE)


def _address_values(kind: str, address: Address) -> dict[str, str]:
    return {f"{kind}_{field}": getattr(address, field) for field in Address.__struct_fields__}


def _shipment_event(row: tuple[Any, ...]) -> Event:
    shipment_id, order_id, reference, carrier_code, carrier_name, number, url = row
    return Event(
        id=str(shipment_id),
        kind="shipment",
        shop_order_id=str(order_id),
        reference=reference,
        tracking=Tracking(carrier_code, carrier_name, number, url),
        raw_kind="shop_shipments",
    )


def _listed(row: tuple[Any, ...], refunded: Decimal) -> ListedOrder:
    order_id, reference, total_text, currency, status, created_at, shipped = row
    total, state = Decimal(total_text), STATES[status]
    if shipped and state == "open":
        state = "shipped"
    return ListedOrder(
        id=str(order_id),
        reference=reference,
        total=total,
        currency=currency,
        state="refunded" if refunded and refunded >= total and state != "cancelled" else state,
        created_at=datetime.fromisoformat(created_at),
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


SHIPMENT = """
    shop_shipments.id, shop_order_id, reference, carrier_code, carrier_name, shop_shipments.tracking_number, tracking_url
    FROM shop_shipments JOIN shop_orders ON shop_orders.id = shop_order_id
"""

FOR_UPDATE: Mapping[Kind, str] = {"sqlite": "", "postgresql": " FOR UPDATE"}

POLLED: Mapping[Kind, Callable[[Handle, str, str], Polled]] = {
    "sqlite": _polled_by_id,
    "postgresql": _polled_by_transaction,
}
