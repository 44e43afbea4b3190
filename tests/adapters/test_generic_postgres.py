"""The generic adapter keeps the contract in PostgreSQL too, and loses no shipment of hosts that write at once."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from test_generic import KEYS, Host, text_of

from lengow.adapters.contract import AdapterContract, context_for, created, new_order
from lengow.adapters.generic import GenericAdapter
from lengow.connector.model import Tracking
from lengow.connector.store.postgres_database import address_of


class Session:
    """A connection of the host's, which takes SQLite's sign for a value."""

    def __init__(self, url: str, *, autocommit: bool = True) -> None:
        self.connection = psycopg.connect(address_of(url).conninfo, autocommit=autocommit)

    def execute(self, query: str, values: Sequence[Any] = ()) -> "psycopg.Cursor[Any]":
        return self.connection.execute(query.replace("?", "%s"), values)

    def executemany(self, query: str, many: Sequence[Sequence[Any]]) -> None:
        with self.connection.cursor() as cursor:
            cursor.executemany(query.replace("?", "%s"), many)

    def close(self) -> None:
        self.connection.close()


class PostgresHost(Host):
    def __init__(self, url: str) -> None:
        self.url = url
        self.db = Session(url)  # type: ignore[assignment]
        self.db.execute(f"CREATE SCHEMA {address_of(url).schema}")
        self.fill()


@pytest.fixture
def shop(postgres_url: str) -> Iterator[PostgresHost]:
    host = PostgresHost(postgres_url)
    yield host
    host.db.close()


@pytest.fixture
def adapter(postgres_url: str, shop: PostgresHost) -> Iterator[GenericAdapter]:
    settings = {"products_table": "products"}
    secrets = [text_of(key) for key in KEYS]
    with closing(GenericAdapter(context_for(GenericAdapter, settings, secrets, store_url=postgres_url))) as adapter:
        yield adapter


class TestGenericInPostgresContract(AdapterContract):
    secrets: ClassVar = [text_of(key) for key in KEYS]


def test_a_shipment_that_is_committed_late_is_polled_all_the_same(adapter: GenericAdapter, shop: PostgresHost) -> None:
    """It has the smaller id, and came into sight after the greater one."""
    made = created(adapter, new_order("K-1", [(shop.simple, 1, "5.00")]))
    slow = Session(shop.url, autocommit=False)
    slow.execute("INSERT INTO shop_shipments (shop_order_id, tracking_number) VALUES (?, 'SLOW')", [int(made.id)])
    shop.ship(made.id, Tracking(number="QUICK"))
    polled = adapter.shipments_since("")
    told = [event.tracking.number for event in polled.events]
    slow.connection.commit()
    slow.close()
    told += [event.tracking.number for event in adapter.shipments_since(polled.cursor).events]
    assert sorted(told) == ["QUICK", "SLOW"]


def test_after_a_restore_into_a_server_that_counts_lower_no_shipment_is_lost(
    adapter: GenericAdapter, shop: PostgresHost
) -> None:
    """The cursor and the rows are of another server's transactions; what is told again is known by its id."""
    made = created(adapter, new_order("K-1", [(shop.simple, 1, "5.00")]))
    shop.ship(made.id, Tracking(number="OLD"))
    shop.db.execute("UPDATE shop_shipments SET written_by = '900000000'")
    shop.ship(made.id, Tracking(number="NEW"))
    cursor, told, more = "900000000:1", [], True
    while more:
        polled = adapter.shipments_since(cursor)
        told += [event.tracking.number for event in polled.events]
        cursor, more = polled.cursor, polled.more
    assert sorted(told) == ["NEW", "OLD"]
    assert adapter.shipments_since(cursor).events == ()


def test_many_open_the_tables_at_once_while_a_host_writes_to_them(postgres_url: str, adapter: GenericAdapter) -> None:
    with closing(Session(postgres_url, autocommit=False)) as host:
        host.execute("UPDATE shop_orders SET comment = ''")
        context = context_for(GenericAdapter, {}, store_url=postgres_url)
        for _ in range(3):
            GenericAdapter(context).close()
