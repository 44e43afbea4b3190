"""The generic adapter keeps the contract; its shop is a SQLite file that the host reads and writes."""

import base64
import hmac
import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import pytest

from lengow.adapters.contract import AdapterContract, Fault, Held, context_for, created, new_order
from lengow.adapters.generic import GenericAdapter
from lengow.connector.adapter import Cancel, Rejected, Request, ShopOrder
from lengow.connector.errors import ShopUnavailable
from lengow.connector.model import NewOrder, Tracking
from lengow.connector.secret import Secret
from lengow.connector.store import connections

KEYS = (b"k" * 32, b"second key, valid while rotating")


def text_of(key: bytes) -> Secret:
    return Secret("whsec_" + base64.b64encode(key).decode())


class Host:
    """The host's side of the SQLite file."""

    simple, another, variant, ambiguous, unknown = "PLATE", "BOWL", "SHIRT-M", "TWICE", "NOPE"
    faults: frozenset[Fault] = frozenset({"down"})
    tax_settings: Sequence[str] = ()

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db = sqlite3.connect(path, isolation_level=None)
        self.fill()

    def fill(self) -> None:
        self.db.execute("CREATE TABLE products (sku TEXT, stock INTEGER)")
        self.db.executemany(
            "INSERT INTO products VALUES (?, 500)",
            [(sku,) for sku in (self.simple, self.another, self.variant, self.ambiguous, self.ambiguous)],
        )

    def orders(self, reference: str) -> Sequence[Held]:
        rows = self.db.execute(
            "SELECT id, status, total, delivery_first_name || ' ' || delivery_last_name, delivery_city "
            "FROM shop_orders WHERE reference = ?",
            [reference],
        ).fetchall()
        return [
            Held(
                id=str(row[0]),
                status=row[1],
                total=Decimal(row[2]),
                lines=tuple(
                    self.db.execute("SELECT sku, quantity FROM shop_order_lines WHERE shop_order_id = ?", [row[0]])
                ),
                delivery_name=row[3],
                delivery_city=row[4],
                refunded=sum(
                    (
                        Decimal(amount)
                        for (amount,) in self.db.execute(
                            "SELECT amount FROM shop_refunds WHERE shop_order_id = ?", [row[0]]
                        )
                    ),
                    Decimal(0),
                ),
            )
            for row in rows
        ]

    def stock(self, sku: str) -> int:
        (stock,) = self.db.execute("SELECT stock FROM products WHERE sku = ?", [sku]).fetchone()
        return int(stock)

    def fail(self, fault: Fault) -> None:
        """`down`: the host has taken the tables away."""
        assert fault == "down"
        for table in ("shop_orders", "shop_shipments", "products"):
            self.db.execute(f"ALTER TABLE {table} RENAME TO {table}_away")

    def mend(self) -> None:
        for table in ("shop_orders", "shop_shipments", "products"):
            self.db.execute(f"ALTER TABLE {table}_away RENAME TO {table}")

    def pass_time(self, seconds: float) -> None:
        """Nothing settles late in a database."""

    def set_taxes(self, name: str) -> None:
        raise AssertionError(f"the generic shop computes no taxes: {name}")

    def refused(self, reference: str) -> NewOrder:
        return new_order(reference, [(self.ambiguous, 1, "5.00")])

    def ship(self, shop_order_id: str, tracking: Tracking) -> None:
        self.db.execute(
            "INSERT INTO shop_shipments (shop_order_id, carrier_name, tracking_number, tracking_url) "
            "VALUES (?, ?, ?, ?)",
            [int(shop_order_id), tracking.carrier_name, tracking.number, tracking.url],
        )

    def webhook(self, shop_order_id: str, tracking: Tracking, secret: Secret) -> Request | None:
        shipment = self.db.execute(
            "SELECT id FROM shop_shipments WHERE shop_order_id = ?", [int(shop_order_id)]
        ).fetchone()
        body = json.dumps(
            {
                "type": "shipment.created",
                "timestamp": "2026-03-03T14:20:05Z",
                "data": {
                    "contract": "shop-shipment/1",
                    "order": {"id": shop_order_id},
                    "shipment": {
                        "id": str(shipment[0]) if shipment else "887",
                        "carrier_label": tracking.carrier_name,
                        "tracking_number": tracking.number,
                        "tracking_url": tracking.url,
                    },
                },
            }
        ).encode()
        return signed(body, base64.b64decode(secret.reveal().removeprefix("whsec_")))

    def spoiled(self, delivery: Request) -> Mapping[str, Request]:
        def with_header(name: str, value: str) -> Request:
            return Request({**delivery.headers, name: value}, delivery.body)

        return {
            "body changed": Request(delivery.headers, delivery.body + b" "),
            "no signature": with_header("webhook-signature", ""),
            "signature not base64": with_header("webhook-signature", "v1,%%%"),
            "signature without version": with_header("webhook-signature", "garbage"),
            "signature not ASCII": with_header("webhook-signature", "v1,é"),
            "another id": with_header("webhook-id", "msg-2"),
            "another time": with_header("webhook-timestamp", str(int(time.time()) + 1)),
            "an old delivery": signed(delivery.body, KEYS[0], at=time.time() - 600),
            "from the future": signed(delivery.body, KEYS[0], at=time.time() + 600),
        }


def signed(body: bytes, key: bytes, at: float | None = None) -> Request:
    """By hand, as the Standard Webhooks specification says (reference platforms.md §6.1)."""
    timestamp = str(int(at or time.time()))
    digest = hmac.digest(key, b"msg-1." + timestamp.encode() + b"." + body, "sha256")
    return Request(
        {
            "webhook-id": "msg-1",
            "webhook-timestamp": timestamp,
            "webhook-signature": "v1," + base64.b64encode(digest).decode(),
        },
        body,
    )


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Host]:
    host = Host(tmp_path / "shop.db")
    yield host
    host.db.close()


@pytest.fixture
def adapter(shop: Host) -> Iterator[GenericAdapter]:
    settings = {"database": f"sqlite:///{shop.path}", "products_table": "products"}
    adapter = GenericAdapter(context_for(GenericAdapter, settings, [text_of(key) for key in KEYS]))
    yield adapter
    adapter.close()


class TestGenericContract(AdapterContract):
    secrets: ClassVar = [text_of(key) for key in KEYS]


def test_a_locked_file_is_unavailable_and_nothing_was_done(
    adapter: GenericAdapter, shop: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "BUSY_SECONDS", 0.05)
    adapter.close()
    shop.db.execute("BEGIN IMMEDIATE")
    with pytest.raises(ShopUnavailable):
        adapter.create_orders([new_order("L-1", [(shop.simple, 1, "5.00")])])
    shop.db.execute("ROLLBACK")
    assert shop.orders("L-1") == []


def test_a_process_killed_before_the_commit_leaves_nothing(adapter: GenericAdapter, shop: Host) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    adapter._add_stock = die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        adapter.create_orders([new_order("K-1", [(shop.simple, 1, "5.00")])])
    assert adapter.find_order("K-1") is None
    assert shop.orders("K-1") == []


def test_the_cancellation_of_an_order_whose_sku_became_ambiguous_is_refused(
    adapter: GenericAdapter, shop: Host
) -> None:
    made = created(adapter, new_order("K-2", [(shop.simple, 1, "5.00")]))
    shop.db.execute("INSERT INTO products VALUES (?, 1)", [shop.simple])
    outcome = adapter.update_order(ShopOrder(made.id, "K-2"), Cancel())
    assert isinstance(outcome, Rejected)
    assert outcome.field == "sku"
    [held] = shop.orders("K-2")
    assert held.status == "to_ship"
