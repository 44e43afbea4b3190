"""Reconciling and mending at the command line: whole processes, a real shop database, exit codes for monitoring."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from test_cli import Operator

from lengow.sandbox import Sandbox

ORDERS = "/v3.0/orders/"


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    with Sandbox(quota_per_minute=0) as sandbox:
        operator = Operator(tmp_path, sandbox)
        (tmp_path / "lengow.toml").write_text(
            f"""
            [accounts.main]
            access_token = "env:LENGOW_ACCESS_TOKEN"
            secret = "env:LENGOW_SECRET"
            base_url = "{sandbox.url}"
            requests_per_minute = 0

            [shops.b2c]
            account = "main"
            platform = "generic"
            database = "sqlite:///{tmp_path}/shop.db"
            products_table = "products"
            """
        )
        change(tmp_path, "CREATE TABLE products (sku TEXT, stock INTEGER)")
        yield operator


def change(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "shop.db")) as db, db:
        for statement in statements:
            db.execute(statement)


def stock_all(operator: Operator) -> None:
    for sold in operator.sandbox.ledger().sold:
        for line in sold.lines:
            change(operator.folder, f"INSERT INTO products VALUES ('{line.sku}', 10)")
    change(operator.folder, "DELETE FROM products WHERE rowid NOT IN (SELECT min(rowid) FROM products GROUP BY sku)")


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_reconcile_ends_with_3_while_anything_is_amiss_and_mends_what_it_can(operator: Operator) -> None:
    first, _ = operator.sells(2)
    stock_all(operator)
    operator.runs("sync")
    assert "Nothing is amiss" in operator.runs("reconcile")
    change(
        operator.folder,
        "INSERT INTO shop_shipments (shop_order_id, tracking_number, carrier_code) VALUES (1, 'T1', 'DPD')",
        "UPDATE shop_orders SET total = '1.00' WHERE id = 2",
    )
    told = lines(operator.runs("reconcile", "--json", code=3))
    assert {one["kind"]: one["order"] for one in told}["shipped_not_confirmed"] == f"main/manomano_fr/{first}"
    assert "Would be mended: confirm" in operator.runs("reconcile", "--fix", "--dry-run", code=3)
    assert operator.sandbox.ledger().told == ()
    fixed = {one["kind"]: one["mended"] for one in lines(operator.runs("reconcile", "--fix", "--json", code=3))}
    assert fixed["shipped_not_confirmed"]
    assert not fixed["amount_differs"]
    assert len(operator.sandbox.ledger().told) == 1
    assert "1 found, 1 left" in operator.runs("reconcile", "--fix", code=3)
    operator.runs("reconcile", "--shop", "b2", code=2)
    assert "Did you mean b2c?" in operator.said


def test_one_order_is_synced_alone(operator: Operator) -> None:
    first, second = operator.sells(2)
    stock_all(operator)
    shown = operator.reads("sync", "--order", f"main/manomano_fr/{second}")
    assert [(one["marketplace_order_id"], one["state"]) for one in shown] == [(second, "created")]
    assert [one["marketplace_order_id"] for one in operator.reads("orders", "list")] == [second]
    operator.runs("sync", "--order", f"main/manomano_fr/{second}")  # known by now
    operator.runs("sync", "--order", second)
    operator.runs("sync", "--order", "main/manomano_fr/M-NOT-THERE", code=3)
    assert "order_unknown" in operator.said
    operator.runs("sync", "--order", first, "--since", "2026-01-01", code=2)


def test_a_deleted_order_is_made_anew_once(operator: Operator) -> None:
    [order_id] = operator.sells(1)
    stock_all(operator)
    operator.runs("sync")
    operator.runs("orders", "reimport", order_id, code=3)
    assert "cannot_mend" in operator.said
    assert "Delete it there first" in operator.said
    change(operator.folder, "DELETE FROM shop_order_lines", "DELETE FROM shop_orders")
    assert "is gone" in operator.runs("orders", "reimport", order_id, "--dry-run")
    [shown] = operator.reads("orders", "reimport", order_id)
    assert shown["state"] == "created"
    operator.runs("orders", "reimport", order_id, code=3)
    assert "Nothing is amiss" in operator.runs("reconcile")


def test_ids_are_reported_again(operator: Operator) -> None:
    [order_id] = operator.sells(1)
    stock_all(operator)
    operator.runs("sync")
    operator.runs("orders", "resync-ids", order_id)
    [sold] = operator.sandbox.ledger().sold
    assert sold.merchant_order_ids == ("1",)


def test_an_order_is_dismissed_with_a_reason_and_a_product_is_matched(operator: Operator) -> None:
    operator.sandbox.sell(operator.account.account_id, 1, {"standard": 1}, skus=["DRILL-18V"])
    operator.sandbox.advance(minutes=15)
    [order_id] = [sold.order_id for sold in operator.sandbox.ledger().sold]
    operator.runs("sync")
    [shown] = operator.reads("orders", "dismiss", order_id, "--reason", "sold in error")
    assert (shown["state"], shown["reason"], shown["about"]) == ("skipped", "dismissed", "sold in error")
    operator.runs("products", "match", "b2c", "DRILL-18V", "P-1", code=3)
    assert "has no product 'P-1'" in operator.said
    change(operator.folder, "INSERT INTO products VALUES ('P-1', 3)")
    operator.runs("products", "match", "b2c", "DRILL-18V", "P-1")
    assert [(one["sku"], one["reference"]) for one in operator.reads("products", "list")] == [("DRILL-18V", "P-1")]
    operator.runs("orders", "retry", order_id)
    with closing(sqlite3.connect(operator.folder / "shop.db")) as db:
        assert db.execute("SELECT sku, stock FROM shop_order_lines JOIN products USING (sku)").fetchall() == [
            ("P-1", 2)
        ]
    operator.runs("products", "unmatch", "b2c", "DRILL-18V")
    operator.runs("products", "unmatch", "b2c", "DRILL-18V", code=3)
