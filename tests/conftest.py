"""Shared by all tests: a sandbox Lengow, and a merchant with a generic shop beside it."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from postgres_server import own_schema, running_server

from lengow.connector import Account, Connector, Settings, Shop, Store
from lengow.connector.secret import Secret
from lengow.connector.store.rows import OrderFilter, RecordRow, StoredOrder
from lengow.sandbox import HeldOrder, Reconciliation, Sandbox, ShopHoldings, Tracking, reconcile

WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(quota_per_minute=0) as running:
        yield running


class Merchant:
    """One Lengow account and one generic shop: speaks the domain, so that tests read as behaviour."""

    def __init__(self, sandbox: Sandbox, folder: Path, *, name: str = "main", **options: Any) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.name = name
        self.account = sandbox.add_account(name)
        self.options = options
        self.connector = Connector(self.settings(), clock=self.sandbox.now)

    def settings(self) -> Settings:
        shop = {
            "platform": "generic",
            "webhook_secrets": (Secret(WEBHOOK_SECRET),),
            "call_timeout": 0.2,
            **{
                key: value
                for key, value in self.options.items()
                if key not in ("account", "lease_seconds", "mail", "sections", "store")
            },
        }
        shop["options"] = {"database": f"sqlite:///{self.shop_database}", **shop.get("options", {})}
        return Settings(
            accounts={
                self.name: Account(
                    access_token=Secret(self.account.access_token),
                    secret=Secret(self.account.secret),
                    base_url=self.sandbox.url,
                    **{"requests_per_minute": 0, **self.options.get("account", {})},
                )
            },
            shops={"b2c": Shop(account=self.name, **shop)},
            store=Store(
                url=f"sqlite:///{self.folder / 'lengow.db'}",
                lease_seconds=self.options.get("lease_seconds", 120),
                **self.options.get("store", {}),
            ),
            mail=self.options.get("mail"),
            sections=self.options.get("sections", {}),
        )

    @property
    def shop_database(self) -> Path:
        return self.folder / "shop.db"

    def restart(self, **options: Any) -> None:
        """A new process, with changed settings."""
        self.connector.close()
        self.options |= options
        self.connector = Connector(self.settings(), clock=self.sandbox.now)

    def sells(self, count: int = 1, kind: str = "standard", **options: Any) -> list[str]:
        """Sell, and let Lengow collect."""
        ids = self.sandbox.sell(self.account.account_id, count, {kind: count}, **options)
        self.sandbox.advance(minutes=15)
        return ids

    def sells_raw(self, overrides: dict[str, Any] | None = None, **options: Any) -> str:
        order_id = self.sandbox.sell_raw(self.account.account_id, overrides, **options)
        self.sandbox.advance(minutes=15)
        return order_id

    def sync(self) -> Any:
        [round_] = self.connector.sync()
        return round_

    def order(self, order_id: str, marketplace: str = "manomano_fr") -> StoredOrder:
        return self.connector.order(self.name, marketplace, order_id)

    def state(self, order_id: str) -> tuple[str, str]:
        [one] = self.connector.store.find_orders(order_id)
        return str(one.order.state), one.order.reason

    def record(self, order_id: str) -> RecordRow:
        """What Lengow sent of it."""
        [one] = self.connector.store.find_orders(order_id)
        return self.connector.store.records([one.order.id])[one.order.id]

    def orders(self) -> list[StoredOrder]:
        return self.connector.store.list_orders(OrderFilter(limit=10_000))

    def journal(self, order_id: str) -> list[str]:
        return [entry.what for entry in self.connector.store.journal(self.order(order_id).order.id)]

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """From the shop's own tables, beside the connector."""
        with closing(sqlite3.connect(self.shop_database)) as db:
            return db.execute(query, values).fetchall()

    def run(self, statement: str, *values: Any) -> None:
        with closing(sqlite3.connect(self.shop_database)) as db, db:
            db.execute(statement, values)

    def in_shop(self) -> list[str]:
        """The marketplace order ids in the shop, one a shop order."""
        return [row[0] for row in self.rows("SELECT marketplace_order_id FROM shop_orders ORDER BY id")]

    def holdings(self) -> ShopHoldings:
        lines: dict[int, list[str]] = {}
        for order_id, line_id in self.rows("SELECT shop_order_id, line_id FROM shop_order_lines"):
            lines.setdefault(order_id, []).append(line_id)
        orders = [
            HeldOrder(row[1], row[2], tuple(lines.get(row[0], ())), Decimal(row[3]), Tracking() if row[4] else None)
            for row in self.rows("SELECT id, marketplace, marketplace_order_id, total, shipped_here FROM held")
        ]
        imports = self.connector.toggles("b2c")["import_orders_shipped_by_marketplaces"]
        return ShopHoldings(orders=orders, imports_fulfilment=imports)

    def compared(self) -> Reconciliation:
        """The marketplace's ledger beside the shop's: *nothing lost, nothing doubled*."""
        self.run(
            "CREATE VIEW IF NOT EXISTS held AS SELECT *, status = 'shipped' AND NOT delivered_by_marketplace"
            " AS shipped_here FROM shop_orders"
        )
        return reconcile(self.sandbox.ledger(), {self.account.account_id: self.holdings()})


@pytest.fixture(scope="session")
def merchant_class() -> type[Merchant]:
    return Merchant


@pytest.fixture
def make_merchant(sandbox: Sandbox, tmp_path: Path) -> Iterator[Callable[..., Merchant]]:
    made: list[Merchant] = []

    def make(**options: Any) -> Merchant:
        folder = tmp_path / f"merchant-{len(made)}"
        folder.mkdir()
        made.append(Merchant(sandbox, folder, name=options.pop("name", f"main{len(made) or ''}"), **options))
        return made[-1]

    yield make
    for merchant in made:
        merchant.connector.close()


@pytest.fixture
def merchant(make_merchant: Callable[..., Merchant]) -> Merchant:
    return make_merchant()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a real PostgreSQL, see postgres_server.py."""
    with running_server() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of an empty store in it."""
    with own_schema(postgres_server) as url:
        yield url
