"""The store in PostgreSQL: its speed beside SQLite's, workers beside one another, and a million orders in it.

Brings its own server (tests/postgres_server.py), with everything flushed to disk as in production.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import psycopg

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from imports import marketplace_settings, sell
from postgres_server import PostgresServer, own_schema

from lengow.connector import Connector
from lengow.connector.model import StepKind
from lengow.connector.store import Store, open_store
from lengow.connector.store.postgres_database import address_of
from lengow.connector.store.rows import OrderFilter, OrderSearch
from lengow.sandbox import start_process

ORDERS = 5_000
SLOW_ORDERS = 600
LATENCY = 0.05
WORKERS = 4
FEW, MANY = 10_000, 1_000_000
TIMES = 15

COMMAND = [sys.executable, "-c", "from lengow.console.cli import main; main()"]
HERE = str(Path(__file__).parent)


def measure_scale() -> dict[str, tuple[float, str]]:
    with running_postgres() as server:
        return {**measure_store(server), **measure_workers(server), **measure_million(server)}


@contextmanager
def running_postgres() -> Iterator[str]:
    server = PostgresServer(fsync="on", shared_buffers="256MB", max_wal_size="2GB")
    try:
        yield server.url
    finally:
        server.remove()


def measure_store(server: str) -> dict[str, tuple[float, str]]:
    """The import of `benchmarks/imports.py`, store and shop in SQLite files, and both in PostgreSQL; two runs each, in
    turns, the better one of each."""
    speeds: dict[str, list[float]] = {"sqlite": [], "postgresql": []}
    with start_process(quota_per_minute=0) as sandbox:
        account = sell(sandbox, ORDERS)
        for _ in range(2):
            with tempfile.TemporaryDirectory() as folder:
                settings = marketplace_settings(sandbox.url, account, Path(folder))
                speeds["sqlite"].append(_import_speed(settings))
                with own_schema(server) as url:
                    shops = {"b2c": msgspec.structs.replace(settings.shops["b2c"], options={"database": url})}
                    store = msgspec.structs.replace(settings.store, url=url)
                    speeds["postgresql"].append(
                        _import_speed(msgspec.structs.replace(settings, shops=shops, store=store))
                    )
    best = {kind: max(values) for kind, values in speeds.items()}
    return {
        "import_percent_of_sqlite": (round(100 * best["postgresql"] / best["sqlite"]), "≥ 40"),
        "import_orders_per_second": (round(best["postgresql"]), "≥ 0"),
        "import_orders_per_second_sqlite": (round(best["sqlite"]), "≥ 0"),
    }


def _import_speed(settings: object) -> float:
    with Connector(settings) as connector:  # type: ignore[arg-type]
        started = time.perf_counter()
        [round_] = connector.sync(report=False)
        wall = time.perf_counter() - started
        if round_.worked_on != ORDERS:
            raise SystemExit(f"{round_.worked_on} orders where {ORDERS} were expected")
    return ORDERS / wall


def measure_workers(server: str) -> dict[str, tuple[float, str]]:
    """A shop that takes 50 ms an order and one order a call, by one worker of one turn at a time, and by four."""
    one, four = _drain_seconds(server, 1), _drain_seconds(server, WORKERS)
    return {
        "four_workers_to_one": (round(one / four, 2), "≥ 3.6"),
        "orders_per_second_of_one_worker": (round(SLOW_ORDERS / one, 1), "≥ 0"),
        "orders_per_second_of_four_workers": (round(SLOW_ORDERS / four, 1), "≥ 0"),
    }


def _drain_seconds(server: str, workers: int) -> float:
    """From the first order in the shop to the last; the orders are recorded before."""
    with (
        start_process(quota_per_minute=0) as sandbox,
        own_schema(server) as url,
        tempfile.TemporaryDirectory() as folder,
        ExitStack() as started,
    ):
        account = sell(sandbox, SLOW_ORDERS, {"standard": 1.0})
        (Path(folder) / "lengow.toml").write_text(
            f"""
            [store]
            url = "{url}"
            [accounts.main]
            access_token = "{account.access_token}"
            secret = "{account.secret}"
            base_url = "{sandbox.url}"
            requests_per_minute = 0
            [shops.slow]
            account = "main"
            platform = "generic"
            workers = {workers}
            """
        )
        command = [sys.executable, f"{HERE}/slow_shop.py", str(LATENCY), "--config", f"{folder}/lengow.toml"]
        for _ in range(workers):
            process = subprocess.Popen([*command, "worker", "--concurrency=1"], stderr=subprocess.DEVNULL)
            started.callback(_end, process)
        with psycopg.connect(address_of(url).conninfo, autocommit=True) as session:
            first, last = _created(session, 10), 0.0
            while not last:
                last = _created(session, SLOW_ORDERS)
        return (last - first) * SLOW_ORDERS / (SLOW_ORDERS - 10)


def _created(session: "psycopg.Connection[tuple[object, ...]]", wanted: int) -> float:
    """When so many packages were created."""
    ends = time.monotonic() + 180
    while time.monotonic() < ends:
        there = session.execute("SELECT to_regclass('packages') IS NOT NULL").fetchone()
        if there == (True,):
            [(count,)] = session.execute("SELECT count(*) FROM packages WHERE state = 'created'").fetchall()
            if int(str(count)) >= wanted:
                return time.monotonic()
        time.sleep(0.02)
    raise SystemExit(f"not {wanted} orders created in 180 seconds")


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()


def measure_million(server: str) -> dict[str, tuple[float, str]]:
    """Claiming a batch of creations, and the first page of orders, with 10,000 orders in the store and with 1,000,000.

    A tenth of the orders wait to be created. Medians, in turns.
    """
    with own_schema(server) as small, own_schema(server) as large:
        fill(small, FEW)
        began = time.perf_counter()
        fill(large, MANY)
        filling = time.perf_counter() - began
        with closing(open_store(small)) as few, closing(open_store(large)) as many:
            pages = _ratio(few, many, _first_page)
            failed = _ratio(few, many, _failed_page)
            listed = _ratio(few, many, _list)
            claims = _ratio(few, many, _claim)
        return {
            "million_first_page_to_ten_thousand": (pages[0], "≤ 2"),
            "million_first_page_ms": (pages[1], "≥ 0"),
            "million_page_of_failed_to_ten_thousand": (failed[0], "≥ 0"),
            "million_page_of_failed_ms": (failed[1], "≥ 0"),
            "million_list_to_ten_thousand": (listed[0], "≤ 2"),
            "million_list_ms": (listed[1], "≥ 0"),
            "million_claim_to_ten_thousand": (claims[0], "≤ 2"),
            "million_claim_of_5_ms": (claims[1], "≥ 0"),
            "million_filled_in_seconds": (round(filling), "≥ 0"),
        }


def _ratio(few: Store, many: Store, work: object) -> tuple[float, float]:
    """Median time with many to that with few, and the former in ms."""
    seconds: dict[str, list[float]] = {"few": [], "many": []}
    for number in range(TIMES + 2):
        for name, store in (("few", few), ("many", many)):
            started = time.perf_counter()
            work(store)  # type: ignore[operator]
            if number >= 2:  # the first ones read the disk
                seconds[name].append(time.perf_counter() - started)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    return round(median["many"] / median["few"], 2), round(median["many"] * 1000, 2)


def _first_page(store: Store) -> None:
    """As the console reads it."""
    ids = store.found_orders(OrderSearch(limit=50))
    if len(store.orders(ids)) != 50:
        raise SystemExit("no page")


def _failed_page(store: Store) -> None:
    ids = store.found_orders(OrderSearch(limit=50, shop="s0", state="failed"))
    if len(store.orders(ids)) != 50:
        raise SystemExit("no page")


def _list(store: Store) -> None:
    """As `lengow-connector orders list` reads it."""
    if len(store.list_orders(OrderFilter(limit=50))) != 50:
        raise SystemExit("no page")


def _claim(store: Store) -> None:
    now = datetime.now(UTC)
    with store.transaction() as tx:
        steps = tx.claim(StepKind.CREATE, now, now + timedelta(minutes=2), limit=5, shop="s3")
        if len(steps) != 5:
            raise SystemExit(f"{len(steps)} steps")


def fill(url: str, orders: int) -> None:
    """Ten accounts with a shop each; of ten orders one waits to be created, of a hundred one has failed."""
    open_store(url).close()
    with psycopg.connect(address_of(url).conninfo, autocommit=True) as session:
        session.execute("SET statement_timeout = 0")
        for statement in FILLED:
            session.execute(statement.replace("ORDERS", str(orders)))


WHEN = """to_char(timestamp '2026-01-01' + n * interval '20 seconds', 'YYYY-MM-DD"T"HH24:MI:SS".000000+00:00"')"""
STATE = "CASE WHEN n % 10 = 0 THEN 'ready' WHEN n % 100 = 1 THEN 'failed' ELSE 'created' END"
FILLED = (
    f"""
    INSERT INTO orders (id, account, marketplace, marketplace_order_id, fingerprint, status, types, ordered_at, total,
                        currency, buyer, email, state, reason, about, received_at, changed_at, shop)
    SELECT n, 'a' || (n / 10) % 10, 'manomano_fr', 'M' || n, decode(md5(n::text), 'hex'), 'waiting_shipment', '', {WHEN},
           '131.70', 'EUR', 'Zoe', 'zoe@example.org', {STATE}, CASE WHEN n % 100 = 1 THEN 'rejected_by_shop' ELSE '' END,
           '', {WHEN}, {WHEN}, 's' || (n / 10) % 10
    FROM generate_series(1, ORDERS) n
    """,
    f"""
    INSERT INTO packages (id, order_id, position, shop, reference, line_ids, state, reason, about, shop_order_id,
                          carries_shipping, changed_at)
    SELECT n, n, 1, 's' || (n / 10) % 10, 'r-' || n, '["1"]', {STATE}, '', '',
           CASE WHEN n % 10 = 0 THEN '' ELSE n::text END, 1, {WHEN}
    FROM generate_series(1, ORDERS) n
    """,
    f"""
    INSERT INTO steps (kind, subject, account, shop, due_at)
    SELECT 'create', n, 'a' || (n / 10) % 10, 's' || (n / 10) % 10, {WHEN}
    FROM generate_series(10, ORDERS, 10) n
    """,
    "ANALYZE",
)
