"""A store that goes back to a copy from before, as docs/operations.md tells, loses and doubles nothing."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from lengow.connector.store.rows import OrderFilter


def copy_of(store: Path) -> Path:
    copy = store.with_name("copy.db")
    with closing(sqlite3.connect(store)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return copy


def live_and_go_back(merchant: Any, **options: Any) -> None:
    """Three orders, a copy while the schedule runs, three more, one of each shipped; then the copy is the store."""
    store = merchant.folder / "lengow.db"
    before = merchant.sells(3)
    merchant.connector.start()
    merchant.connector.sync()
    copy = copy_of(store)
    merchant.connector.stop()
    after = merchant.sells(3)
    merchant.connector.sync()
    for order in (before[0], after[0]):
        merchant.connector.ship("main", "manomano_fr", order, carrier="DPD", tracking_number=f"T-{order}")
    merchant.connector.sync()
    merchant.sandbox.advance(minutes=30)
    merchant.connector.sync()
    assert told(merchant) == 2
    merchant.connector.close()
    for rest in ("-wal", "-shm"):
        store.with_name(f"{store.name}{rest}").unlink(missing_ok=True)
    store.write_bytes(copy.read_bytes())
    merchant.restart(**options)


def told(merchant: Any) -> int:
    return sum(one.action_type == "ship" for one in merchant.sandbox.ledger().told)


def states(merchant: Any) -> list[str]:
    return [one.order.state for one in merchant.connector.store.list_orders(OrderFilter(limit=50))]


def references(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as db:
        return [one for (one,) in db.execute("SELECT reference FROM shop_orders ORDER BY reference")]


def test_orders_made_since_the_copy_are_found_in_their_shop(merchant: Any) -> None:
    live_and_go_back(merchant)
    held = references(merchant.shop_database)
    merchant.connector.sync()
    assert sorted(states(merchant)) == ["created"] * 3 + ["skipped"] * 3
    found = list(merchant.connector.reconcile(days=7, fix=True))
    assert [one.kind for one in found if one.mended] == ["unknown_in_shop"] * 3
    merchant.connector.sync()
    assert states(merchant) == ["created"] * 6
    assert references(merchant.shop_database) == held
    assert told(merchant) == 2


def test_orders_that_went_back_with_the_store_are_made_again(make_merchant: Any, tmp_path: Path) -> None:
    store = tmp_path / "merchant-0" / "lengow.db"
    merchant = make_merchant(options={"database": f"sqlite:///{store}"})
    live_and_go_back(merchant, import_orders_with_merchant_order_id=True)
    assert len(references(store)) == 3
    merchant.connector.sync()
    assert states(merchant) == ["created"] * 6
    assert len(set(references(store))) == len(references(store)) == 6
    assert told(merchant) == 2
