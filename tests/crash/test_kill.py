"""`kill -9` at every boundary of every effect of import and sending: nothing lost, nothing doubled.

A child process is killed at the n-th boundary, n = 0, 1, 2 … until one life passes without reaching it; after each
death the next life must finish the work, and the ledgers of marketplace and shop are compared.
"""

import multiprocessing
import signal
import sqlite3
import sys
import time
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from child import LEASE_SECONDS, live

from lengow.sandbox import HeldOrder, Sandbox, ShopHoldings, Tracking, catalogue, reconcile

KINDS = {"standard": 1, "multi_package": 1, "fulfilment": 1}
PARTS = 4
"""The boundaries are dealt out to as many tests, so that they run side by side."""

STOCK = 1000


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.timeout(300)
def test_killed_at_every_boundary_nothing_is_lost_and_nothing_doubled(part: int, tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["child"])
    deaths = 0
    with Sandbox(quota_per_minute=0) as sandbox:
        for boundary in range(part, 1000, PARTS):
            merchant = _Merchant(sandbox, tmp_path / str(boundary), boundary)
            if not merchant.lives(context, die_at=boundary):
                merchant.compare(f"not killed (boundary {boundary})")
                break
            deaths += 1
            time.sleep(LEASE_SECONDS)
            assert not merchant.lives(context, die_at=None)
            merchant.compare(f"killed at boundary {boundary}")
    assert deaths >= 15


class _Merchant:
    def __init__(self, sandbox: Sandbox, folder: Path, number: int) -> None:
        folder.mkdir()
        self._sandbox = sandbox
        self._account = sandbox.add_account(f"merchant-{number}")
        self._shop = folder / "shop.db"
        with closing(sqlite3.connect(self._shop)) as db, db:
            db.execute("CREATE TABLE products (sku TEXT PRIMARY KEY, stock INTEGER)")
            db.executemany("INSERT INTO products VALUES (?, ?)", [(one.sku, STOCK) for one in catalogue()])
        sandbox.sell(self._account.account_id, len(KINDS), KINDS)
        sandbox.advance(minutes=15)
        self._facts = {
            "url": sandbox.url,
            "access_token": self._account.access_token,
            "secret": self._account.secret,
            "folder": str(folder),
        }

    def lives(self, context: Any, *, die_at: int | None) -> bool:
        """Whether it was killed. Any other end than a good one is an error."""
        child = context.Process(target=live, args=(self._facts, die_at))
        child.start()
        child.join(60)
        assert child.exitcode in (0, -signal.SIGKILL), f"the child ended with {child.exitcode}"
        return bool(child.exitcode == -signal.SIGKILL)

    def compare(self, case: str) -> None:
        self._sandbox.advance(minutes=30)
        ledger = self._sandbox.ledger()
        own = self._account.account_id
        ledger = replace(
            ledger,
            sold=tuple(one for one in ledger.sold if one.account_id == own),
            told=tuple(one for one in ledger.told if one.account_id == own),
        )
        compared = reconcile(ledger, {own: ShopHoldings(orders=self._held())})
        assert compared.clean, f"{case}: {compared}"
        assert compared.all_confirmed, f"{case}: {compared.unconfirmed}"
        assert compared.confirmed == 2, f"{case}: each of the two orders is confirmed once"
        reported = [one for one in ledger.sold if one.merchant_order_ids]
        assert len(reported) == 2, f"{case}: merchant order ids reported"
        assert self._stock_taken() == self._pieces_sold(), f"{case}: stock"

    def _held(self) -> list[HeldOrder]:
        with closing(sqlite3.connect(self._shop)) as db:
            return [
                HeldOrder(
                    marketplace,
                    number,
                    tuple(
                        row[0]
                        for row in db.execute("SELECT line_id FROM shop_order_lines WHERE shop_order_id = ?", [key])
                    ),
                    Decimal(total),
                    Tracking() if status == "shipped" else None,
                )
                for key, marketplace, number, total, status in db.execute(
                    "SELECT id, marketplace, marketplace_order_id, total, status FROM shop_orders"
                ).fetchall()
            ]

    def _stock_taken(self) -> int:
        with closing(sqlite3.connect(self._shop)) as db:
            return int(db.execute("SELECT sum(? - stock) FROM products", [STOCK]).fetchone()[0])

    def _pieces_sold(self) -> int:
        with closing(sqlite3.connect(self._shop)) as db:
            return int(db.execute("SELECT sum(quantity) FROM shop_order_lines").fetchone()[0])
