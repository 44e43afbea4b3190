"""The generic shop: orders in tables that the host reads, in the connector's own database or another SQLite file.

`shop_orders` and `shop_order_lines` are made here; an optional table of the host's gives SKUs and stock. Shipments come
by `Connector.ship` or as a Standard Webhooks delivery of the contract `shop-shipment/1` (reference platforms.md §6).
"""

import re
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import msgspec

from lengow.adapters import shop_shipment, standard_webhooks
from lengow.connector.adapter import (
    AdapterContext,
    Capabilities,
    Created,
    Event,
    Finding,
    Outcome,
    Product,
    Rejected,
    Request,
    ShopOrder,
)
from lengow.connector.errors import SettingsError, ShopUnavailable, StoreBusy
from lengow.connector.model import Address, Line, NewOrder
from lengow.connector.store.connections import Connections

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
ADDRESS_COLUMNS = [f"{kind}_{field}" for kind in ("billing", "delivery") for field in Address.__struct_fields__]

TABLES = (
    f"""
    CREATE TABLE IF NOT EXISTS shop_orders (
        id INTEGER PRIMARY KEY,
        shop TEXT NOT NULL,
        reference TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('to_ship', 'shipped')),
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
)

SHIPPED = frozenset({"shipped", "closed"})
"""Lengow statuses of an order that is already on its way."""


class GenericSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    database: str = ""
    """`sqlite:///PATH`; empty: the connector's own store."""
    products_table: str = ""
    """The host's table of products; empty: lines carry the marketplace's references as they are."""
    product_sku_column: str = "sku"
    product_stock_column: str = "stock"
    """Whole pieces; empty: stock is not kept here."""

    def __post_init__(self) -> None:
        for name in (self.products_table, self.product_sku_column, self.product_stock_column):
            if name and not IDENTIFIER.fullmatch(name):
                raise ValueError(f"{name!r} is not the plain name of a table or column")


class GenericAdapter:
    platform: ClassVar[str] = "generic"
    capabilities: ClassVar[Capabilities] = Capabilities(
        imports_delivered_by_marketplace=True, batch_size=100, settle_seconds=0
    )
    settings_type: ClassVar[type[msgspec.Struct]] = GenericSettings

    def __init__(self, context: AdapterContext) -> None:
        assert isinstance(context.settings, GenericSettings)
        self._context = context
        self._settings = context.settings
        for secret in context.webhook_secrets:
            standard_webhooks.key_of(secret)
        self._connections = Connections(_path(self._settings.database or context.store_url, context.shop))
        with self._connections.transaction() as db:
            for table in TABLES:
                db.execute(table)

    def find_products(self, references: Sequence[str]) -> Mapping[str, Product] | None:
        if not self._settings.products_table:
            return None
        sku, stock = self._settings.product_sku_column, self._settings.product_stock_column or "NULL"
        found = {}
        for reference in references:
            row = (
                self._connections.mine()
                .execute(
                    f"SELECT {sku}, {stock} FROM {self._settings.products_table} WHERE {sku} = ?",
                    [reference],
                )
                .fetchone()
            )
            if row:
                found[reference] = Product(reference, str(row[0]), row[1])
        return found

    def create_orders(self, orders: Sequence[NewOrder]) -> Sequence[Outcome]:
        """One transaction for all; an order that the database refuses fails alone."""
        try:
            with self._connections.transaction() as db:
                return [self._create(db, order) for order in orders]
        except StoreBusy as error:
            raise ShopUnavailable(str(error), shop=self._context.shop) from error

    def find_order(self, reference: str) -> ShopOrder | None:
        row = (
            self._connections.mine()
            .execute("SELECT id FROM shop_orders WHERE shop = ? AND reference = ?", [self._context.shop, reference])
            .fetchone()
        )
        return ShopOrder(str(row[0])) if row else None

    def verify(self, request: Request) -> str:
        return standard_webhooks.verify(request, self._context.webhook_secrets, self._context.clock())

    def events(self, request: Request) -> Sequence[Event]:
        return [shop_shipment.event_of(request.body)]

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
        self._connections.close()

    def _create(self, db: sqlite3.Connection, order: NewOrder) -> Outcome:
        db.execute("SAVEPOINT one_order")
        try:
            shop_order = self._insert(db, order)
        except (sqlite3.IntegrityError, sqlite3.DataError, OverflowError) as error:
            db.execute("ROLLBACK TO one_order")
            return Rejected(order.reference, f"The database refuses the order: {error}.")
        finally:
            db.execute("RELEASE one_order")
        return Created(order.reference, shop_order)

    def _insert(self, db: sqlite3.Connection, order: NewOrder) -> ShopOrder:
        values = self._order_values(order)
        inserted = db.execute(
            f"""
            INSERT INTO shop_orders ({", ".join(values)}) VALUES ({", ".join("?" * len(values))})
            ON CONFLICT (shop, reference) DO NOTHING RETURNING id
            """,
            list(values.values()),
        ).fetchone()
        if inserted is None:
            (known,) = db.execute(
                "SELECT id FROM shop_orders WHERE shop = ? AND reference = ?", [self._context.shop, order.reference]
            ).fetchone()
            return ShopOrder(str(known))
        db.executemany(
            """
            INSERT INTO shop_order_lines (shop_order_id, line_id, sku, title, quantity, amount, tax)
            VALUES (?, ?, ?, ?, ?, ?, ?)
            """,
            [
                (inserted[0], line.id, line.sku, line.title, line.quantity, str(line.amount), _text(line.tax))
                for line in order.lines
            ],
        )
        if order.decrease_stock:
            self._decrease_stock(db, order.lines)
        return ShopOrder(str(inserted[0]))

    def _order_values(self, order: NewOrder) -> dict[str, Any]:
        source = order.order
        shipped = order.delivered_by_marketplace or source.status in SHIPPED
        return {
            "shop": self._context.shop,
            "reference": order.reference,
            "status": "shipped" if shipped else "to_ship",
            "marketplace": source.marketplace,
            "marketplace_order_id": source.marketplace_order_id,
            "delivered_by_marketplace": order.delivered_by_marketplace,
            "ordered_at": source.date.isoformat(),
            "created_at": self._context.clock().isoformat(),
            "currency": source.currency,
            "total": str(order.total),
            "shipping": str(order.shipping),
            "processing_fee": str(order.processing_fee),
            "total_tax": _text(source.total_tax),
            "comment": source.comment,
            "relay_id": order.package.relay_id,
            "tracking_number": order.package.tracking_number,
            **_address_values("billing", source.billing or order.package.delivery),
            **_address_values("delivery", order.package.delivery),
        }

    def _decrease_stock(self, db: sqlite3.Connection, lines: Sequence[Line]) -> None:
        """In the order's own transaction. The sale has happened, so stock may become negative."""
        if not (self._settings.products_table and self._settings.product_stock_column):
            return
        stock, sku = self._settings.product_stock_column, self._settings.product_sku_column
        db.executemany(
            f"UPDATE {self._settings.products_table} SET {stock} = {stock} - ? WHERE {sku} = ?",
            [(line.quantity, line.sku) for line in lines],
        )

    def _check_tables(self) -> Finding:
        (count,) = (
            self._connections.mine()
            .execute("SELECT count(*) FROM shop_orders WHERE shop = ?", [self._context.shop])
            .fetchone()
        )
        return Finding("tables", True, f"shop_orders holds {count} orders of this shop.")

    def _check_products(self) -> Finding:
        table = self._settings.products_table
        try:
            self.find_products(["-"])
        except sqlite3.Error as error:
            return Finding(
                "products",
                False,
                f"The table {table} cannot be read: {error}.",
                "Correct products_table and its columns.",
            )
        return Finding("products", True, f"The table {table} can be read.")


def _path(url: str, shop: str) -> str:
    scheme, found, path = url.partition(":///")
    kind: Literal["sqlite"] = "sqlite"
    if not found or scheme != kind or not path:
        raise SettingsError(f"shops.{shop}.database {url!r} is not sqlite:///PATH.", field=f"shops.{shop}.database")
    return path


def _address_values(kind: str, address: Address | None) -> dict[str, str]:
    address = address or Address()
    return {f"{kind}_{field}": getattr(address, field) for field in Address.__struct_fields__}


def _text(value: object) -> str | None:
    return None if value is None else str(value)
