"""`store copy` moves everything between SQLite and PostgreSQL, or nothing."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from postgres_server import own_schema

sys.path.insert(0, str(Path(__file__).parent))

from store_contract import an_order, save_order

from lengow.adapters.generic import TABLE_NAMES, create_tables
from lengow.connector import Connector
from lengow.connector.errors import SettingsError, StoreBusy, StoreError
from lengow.connector.model import StepKind
from lengow.connector.store import copying, open_database, open_store
from lengow.connector.store.copying import TABLES, copy_store
from lengow.connector.store.rows import NewStep
from lengow.invoices.ledger import InvoiceRow, InvoiceState, Ledger


@pytest.fixture
def merchant(make_merchant: Callable[..., Any], tmp_path: Path) -> Any:
    """Sold and shipped, with the shop's tables in the store's own file."""
    merchant = make_merchant(options={"database": f"sqlite:///{tmp_path}/merchant-0/lengow.db"})
    merchant.sells(5)
    merchant.sync()
    with closing(open_database(merchant.settings().store.url)) as host, host.transaction() as db:
        db.change("INSERT INTO shop_shipments (shop_order_id, carrier_code, tracking_number) VALUES (1, 'DPD', 'T1')")
    merchant.sync()
    return merchant


def everything(url: str) -> dict[str, list[Any]]:
    with closing(open_database(url)) as database:
        own = [*TABLES, *TABLE_NAMES]
        columns = {table: copying._columns(database, database.kind, table) for table in own}
        return {
            table: sorted(
                database.rows(
                    f"SELECT {', '.join(one for one in sorted(columns[table]) if one != 'written_by')} FROM {table}"
                ),
                key=repr,
            )
            for table in own
        }


def test_there_and_back_again_it_is_the_same(merchant: Any, postgres_server: str, tmp_path: Path) -> None:
    source, back = merchant.settings().store.url, f"sqlite:///{tmp_path}/back.db"
    totals = [one.order.total for one in merchant.orders()]
    merchant.connector.close()
    before = everything(source)
    assert {table for table, rows in before.items() if rows} >= {"orders", "records", "journal", "shop_orders"}
    with own_schema(postgres_server) as target:
        copied = copy_store(source, target, others=TABLE_NAMES, make_others=create_tables)
        assert everything(target) == before
        assert copied.counts["orders"] == 5
        assert copied.totals == {"EUR": sum(Decimal(total) for total in totals)}
        copy_store(target, back, others=TABLE_NAMES, make_others=create_tables)
    assert everything(back) == before


def test_the_connector_goes_on_where_it_was(merchant: Any, postgres_url: str) -> None:
    source = merchant.settings()
    merchant.connector.close()
    copy_store(source.store.url, postgres_url, others=TABLE_NAMES, make_others=create_tables)
    settings = moved(source, postgres_url)
    merchant.sells(3)
    with Connector(settings, clock=merchant.sandbox.now) as connector:
        [round_] = connector.sync()
        assert (round_.imported.new, round_.errors) == (3, ())
        assert connector.sync()[0].worked_on == 0
        rows = open_database(postgres_url).rows("SELECT count(*), count(DISTINCT reference) FROM shop_orders")
    assert rows == [(8, 8)]


def moved(settings: Any, url: str) -> Any:
    shops = {name: msgspec.structs.replace(shop, options={}) for name, shop in settings.shops.items()}
    return msgspec.structs.replace(settings, shops=shops, store=msgspec.structs.replace(settings.store, url=url))


def test_a_target_that_is_not_empty_is_refused_and_stays_as_it_was(merchant: Any, postgres_url: str) -> None:
    with closing(open_store(postgres_url)) as target, target.transaction() as tx:
        save_order(tx, an_order())
    with pytest.raises(SettingsError, match="not empty: it has rows in orders"):
        copy_store(merchant.settings().store.url, postgres_url)
    with closing(open_store(postgres_url)) as target:
        assert len(target.find_orders("M1")) == 1


def test_a_store_that_is_worked_on_is_not_copied(merchant: Any, postgres_url: str) -> None:
    now = datetime.now(UTC)
    with merchant.connector.store.transaction() as tx:
        tx.add_steps([NewStep(StepKind.SEND, "77", now, account="main")])
        tx.claim(StepKind.SEND, now, now + timedelta(minutes=2), limit=1)
    with pytest.raises(StoreBusy, match="being worked on"):
        copy_store(merchant.settings().store.url, postgres_url)


def test_a_copy_that_reads_otherwise_is_undone(
    merchant: Any, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = copying._rows
    spoiled = iter(range(100_000))
    monkeypatch.setattr(
        copying, "_rows", lambda *args: (row if next(spoiled) != 7 else (*row[:-1], "spoiled") for row in rows(*args))
    )
    with pytest.raises(StoreError, match="reads otherwise"):
        copy_store(merchant.settings().store.url, postgres_url)
    with closing(open_database(postgres_url)) as target:
        assert all(target.rows(f"SELECT count(*) FROM {table}") == [(0,)] for table in TABLES)


def test_the_command_takes_invoices_along_and_the_next_number_follows(merchant: Any, postgres_url: str) -> None:
    url, now = merchant.settings().store.url, merchant.sandbox.now()
    merchant.connector.close()
    issued = InvoiceRow(
        account="main",
        shop="b2c",
        order_id=1,
        package_id=1,
        order_key="main/manomano_fr/M1",
        kind="invoice",
        cause="package 1",
        number="F2026-000001",
        series="F2026-",
        position=1,
        state=InvoiceState.MAILED,
        changed_at=now,
    )
    with closing(Ledger(url)) as ledger, ledger.transaction() as tx:
        tx.next_position("F2026-")
        tx.save(issued)
        tx.move_cursor("main", 3)
    command = [sys.executable, "-c", "from lengow.console.cli import main; main()", "store", "copy", url, postgres_url]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with closing(Ledger(postgres_url)) as ledger:
        assert [row.number for row in ledger.of_order(1)] == ["F2026-000001"]
        assert (ledger.last("F2026-"), ledger.cursor("main")) == (1, 3)


def test_the_command_shows_counts_and_totals(merchant: Any, postgres_url: str) -> None:
    merchant.connector.close()
    command = [sys.executable, "-c", "from lengow.console.cli import main; main()", "store", "copy"]
    urls = [merchant.settings().store.url, "env:TARGET_STORE"]
    done = subprocess.run(
        [*command, *urls, "--json"],
        env={"TARGET_STORE": postgres_url, "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert (shown["rows"]["orders"], shown["rows"]["shop_orders"]) == (5, 5)
    assert set(shown["totals"]) == {"EUR"}
