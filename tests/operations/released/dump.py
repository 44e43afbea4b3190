"""Writes the store of this version, with one of everything in it, as SQL: run it when a version is released.

    python tests/operations/released/dump.py 0.1.0

The file is kept for good: each later version must bring such a store to its own schema (test_old_stores.py).
"""

import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from lengow.connector import Account, Connector, Settings, Shop, Store
from lengow.connector.secret import Secret
from lengow.connector.store.rows import OrderFilter
from lengow.sandbox import Sandbox

LARGE = ("marketplaces",)
"""Tables whose rows are read from Lengow anew, and not kept."""


def dump(folder: Path) -> str:
    """The SQL of a store in which orders are created, skipped, failed and shipped."""
    with Sandbox(quota_per_minute=0) as sandbox:
        account = sandbox.add_account("main")
        settings = Settings(
            accounts={
                "main": Account(
                    access_token=Secret(account.access_token), secret=Secret(account.secret), base_url=sandbox.url
                )
            },
            shops={
                "b2c": Shop(account="main", platform="generic", options={"database": f"sqlite:///{folder}/shop.db"})
            },
            store=Store(url=f"sqlite:///{folder}/lengow.db"),
        )
        [order_id, *_] = sandbox.sell(account.account_id, 4, {"standard": 1})
        sandbox.sell(account.account_id, 1, {"fulfilment": 1})
        sandbox.sell_raw(account.account_id, {"total_order": "-1"})
        sandbox.advance(minutes=15)
        with Connector(settings, clock=sandbox.now) as connector:
            connector.sync()
            connector.ship("main", "manomano_fr", order_id, carrier="DPD", tracking_number="T1")
            sandbox.cancel(
                connector.store.list_orders(OrderFilter(state="created", limit=1))[0].order.marketplace_order_id
            )
            sandbox.advance(hours=2)
            connector.sync()
            connector.set_toggle("b2c", "decrease_stock_for_marketplace_shipped", True, who="anna")
    with closing(sqlite3.connect(folder / "lengow.db")) as db:
        for table in LARGE:
            db.execute(f'DELETE FROM "{table}"')
        db.commit()
        return "\n".join(db.iterdump()) + "\n"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        file = Path(__file__).with_name(f"{sys.argv[1]}.sql")
        file.write_text(dump(Path(made)), encoding="utf-8")
        sys.stdout.write(f"{file}\n")
