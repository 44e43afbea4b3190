"""The PostgreSQL store keeps the contract; and what is special about a server and about many that write at once."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import msgspec
import psycopg
import pytest
from sqlite_utils import Database

sys.path.insert(0, str(Path(__file__).parent))

from postgres_server import PostgresServer, own_schema
from store_contract import LATER, NOW, StoreContract, an_action, an_order, save_order, save_package

from lengow.connector.errors import SettingsError, StoreBusy, StoreError
from lengow.connector.model import ActionState, OrderState, StepKind
from lengow.connector.store import Store, open_store, postgres_database
from lengow.connector.store.contract import Transaction
from lengow.connector.store.migrations import migrations
from lengow.connector.store.postgres_database import PostgresDatabase, address_of
from lengow.connector.store.postgres_schema import MIGRATIONS
from lengow.connector.store.rows import NewStep, PackageRow


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    with closing(open_store(postgres_url)) as opened:
        yield opened


@pytest.fixture
def again(postgres_url: str, store: Store) -> Iterator[Store]:
    with closing(open_store(postgres_url)) as opened:
        yield opened


class TestPostgres(StoreContract):
    pass


def test_both_databases_have_the_same_tables_and_columns(store: Store, postgres_url: str, tmp_path: Path) -> None:
    schema = postgres_url.partition("schema=")[2]
    with psycopg.connect(address_of(postgres_url).conninfo) as session:
        found = session.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = %s", [schema]
        ).fetchall()
    open_store(f"sqlite:///{tmp_path}/lengow.db").close()
    with closing(Database(tmp_path / "lengow.db")) as db:
        ours = [table for table in db.tables if not table.name.startswith(("_", "sqlite_"))]
        columns = [
            (table.name, row[1]) for table in ours for row in db.execute(f"PRAGMA table_xinfo({table.name})").fetchall()
        ]
    assert sorted(row for row in found if row[0] != "migrations") == sorted(columns)
    assert [name for name, _ in MIGRATIONS] == [one.name for one in migrations.pending(Database(memory=True))]


def test_many_open_a_new_store_at_once(postgres_server: str) -> None:
    def open_and_use() -> int:
        with closing(open_store(url)) as opened, opened.transaction() as tx:
            tx.set_value("main", "cursor", "1")
        return 1

    with own_schema(postgres_server) as url, ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(lambda _: open_and_use(), range(6))) == 6


class TestTheAddress:
    def test_a_password_is_shown_nowhere(self, tmp_path: Path) -> None:
        url = "postgresql://lengow:s3cret@127.0.0.1:1/lengow"
        with pytest.raises(StoreBusy) as unreachable:
            open_store(url)
        assert "s3cret" not in repr(address_of(url))
        assert "s3cret" not in f"{unreachable.value} {unreachable.value.__cause__}"

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://lengow:s3cret@host:port/lengow?sslmode=%zz&x",
            "postgresql://lengow:s3cret@host/lengow?no_such=1",
            "postgresql://lengow:s3cret@host/lengow?schema=Lengow",
            "postgresql://lengow:s3cret@host/lengow?schema=a-b",
            "postgresql://lengow:s3cret@host/lengow?schema=",
            "postgresql://lengow:s3cret@host/lengow?connections=0",
            "postgresql://lengow:s3cret@host/lengow?connections=many",
        ],
    )
    def test_a_url_that_cannot_be_read_is_a_settings_error_without_the_password(self, url: str) -> None:
        with pytest.raises(SettingsError) as refused:
            open_store(url)
        assert "s3cret" not in f"{refused.value} {refused.value.__cause__}"

    def test_what_the_url_says_of_the_network_stands(self) -> None:
        conninfo = address_of("postgresql://host/db?connect_timeout=1&options=-c%20work_mem%3D8MB").conninfo
        assert "connect_timeout=1" in conninfo
        assert "-c work_mem=8MB" in conninfo
        assert "search_path=lengow,public" in conninfo


class TestManyWriteAtOnce:
    def test_who_reads_an_order_to_change_it_keeps_others_from_it(self, store: Store, again: Store) -> None:
        order_id, _ = an_order_with_package(store)
        seen = beside(
            store,
            first=lambda tx: tx.set_order_states([(tx.order(order_id).order.id, OrderState.FAILED, "first", "", NOW)]),
            then=lambda: reason_in_transaction(again, order_id),
        )
        assert seen == "first"

    def test_readers_outside_a_transaction_never_wait(self, store: Store, again: Store) -> None:
        order_id, _ = an_order_with_package(store)
        with store.transaction() as tx:
            tx.set_order_states([(tx.order(order_id).order.id, OrderState.FAILED, "first", "", NOW)])  # type: ignore[union-attr]
            stored = again.order(order_id)
            assert stored is not None
            assert stored.order.reason == ""

    def test_two_that_record_the_same_new_order_leave_one(self, store: Store, again: Store) -> None:
        def record(tx: Transaction) -> int:
            known = tx.orders_named("main", [("manomano_fr", "M1")])
            for one in known.values():
                return one.order.id
            return save_order(tx, an_order())

        def second() -> int:
            with again.transaction() as tx:
                return record(tx)

        assert beside(store, first=record, then=second) == store.find_orders("M1")[0].order.id

    def test_one_action_a_dedupe_whoever_asks(self, store: Store, again: Store) -> None:
        order_id, _ = an_order_with_package(store)

        def second() -> bool:
            with again.transaction() as tx:
                return tx.add_action(an_action(order_id))[1]

        assert beside(store, first=lambda tx: tx.add_action(an_action(order_id)), then=second) is False
        assert len(store.list_actions(states=[ActionState.QUEUED])) == 1

    def test_a_claim_passes_over_an_order_that_another_writes_and_does_not_wait(
        self, store: Store, again: Store
    ) -> None:
        busy, busy_package = an_order_with_package(store, "M1")
        _, free_package = an_order_with_package(store, "M2")
        with store.transaction() as tx:
            steps = [NewStep(StepKind.CREATE, str(one), NOW, shop="b2c") for one in (busy_package, free_package)]
            tx.add_steps(steps)
        with store.transaction() as tx:
            tx.orders([busy])
            with again.transaction() as other:
                claimed = other.claim(StepKind.CREATE, NOW, LATER, limit=9, shop="b2c")
            tx.drop_step(StepKind.CREATE, str(busy_package))
        assert [step.subject for step in claimed] == [str(free_package)]

    def test_a_step_whose_row_is_gone_can_be_claimed(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.add_steps([NewStep(StepKind.CREATE, "999", NOW, shop="b2c")])
            assert len(tx.claim(StepKind.CREATE, NOW, LATER, limit=9, shop="b2c")) == 1

    def test_a_shop_that_is_worked_on_one_at_a_time_is_so_by_one_of_many(self, store: Store, again: Store) -> None:
        with store.transaction() as tx:
            tx.add_steps([NewStep(StepKind.CREATE, str(n), NOW, shop="b2c") for n in (1, 2)])

        def claim_if_alone(tx: object) -> int:
            if tx.is_leased(StepKind.CREATE, NOW, shop="b2c"):  # type: ignore[attr-defined]
                return 0
            return len(tx.claim(StepKind.CREATE, NOW, LATER, limit=1, shop="b2c"))  # type: ignore[attr-defined]

        def second() -> int:
            with again.transaction() as tx:
                return claim_if_alone(tx)

        assert beside(store, first=claim_if_alone, then=second) == 0

    def test_amending_and_creating_the_same_orders_over_and_over_never_ends_in_a_deadlock(
        self, store: Store, again: Store
    ) -> None:
        packages = dict(an_order_with_package(store, f"M{number}") for number in range(12))
        names = [("manomano_fr", f"M{number}") for number in range(12)]
        ends = time.monotonic() + 2.5

        def amend() -> int:
            rounds = 0
            while time.monotonic() < ends:
                with store.transaction() as tx:
                    for stored in tx.orders_named("main", names).values():
                        save_order(tx, msgspec.structs.replace(stored.order, about=str(rounds)))
                        for package in stored.packages:
                            tx.drop_step(StepKind.CREATE, str(package.id))
                            save_package(tx, msgspec.structs.replace(package, state=OrderState.READY))
                    tx.add_steps([NewStep(StepKind.CREATE, str(one), NOW, shop="b2c") for one in packages.values()])
                rounds += 1
            return rounds

        def create() -> int:
            rounds = 0
            while time.monotonic() < ends:
                with again.transaction() as tx:
                    steps = tx.claim(StepKind.CREATE, NOW, LATER, limit=9, shop="b2c")
                    rows = tx.packages([int(step.subject) for step in steps])
                    tx.set_package_states(
                        msgspec.structs.replace(row, state=OrderState.CREATING) for row in rows.values()
                    )
                with again.transaction() as tx:
                    mine = tx.mine(steps)
                    rows = tx.packages([int(step.subject) for step in steps if step.id in mine])
                    tx.set_package_states(
                        msgspec.structs.replace(row, state=OrderState.CREATED) for row in rows.values()
                    )
                    tx.finish([step for step in steps if step.id in mine])
                rounds += 1
            return rounds

        with ThreadPoolExecutor(4) as pool:
            rounds = [
                one.result()
                for one in [pool.submit(amend), pool.submit(create), pool.submit(create), pool.submit(amend)]
            ]
        assert min(rounds) > 2


def beside(store: Store, *, first: Callable[..., object], then: Callable[[], object]) -> object:
    """What `then` gives, begun while a transaction of `store` has done `first` and not ended."""
    with ThreadPoolExecutor(1) as pool:
        with store.transaction() as tx:
            first(tx)
            second = pool.submit(then)
            time.sleep(0.3)
        return second.result(30)


def reason_in_transaction(store: Store, order_id: int) -> str:
    with store.transaction() as tx:
        stored = tx.order(order_id)
        assert stored is not None
        return stored.order.reason


def an_order_with_package(store: Store, number: str = "M1") -> tuple[int, int]:
    with store.transaction() as tx:
        order_id = save_order(tx, an_order(marketplace_order_id=number))
        row = PackageRow(
            id=0,
            order_id=order_id,
            position=1,
            shop="b2c",
            reference=f"main-manomano_fr-{number}-1",
            line_ids=("1",),
            state=OrderState.READY,
            reason="",
            about="",
            shop_order_id="",
            carries_shipping=True,
            changed_at=NOW,
        )
        return order_id, save_package(tx, row)


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.remove()


@pytest.fixture
def held(own_server: PostgresServer) -> Iterator[Store]:
    with own_schema(own_server.url) as url, closing(open_store(url)) as opened:
        yield opened


class TestTheServer:
    def test_a_restart_costs_a_pause_and_no_error(self, own_server: PostgresServer, held: Store) -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: held.get_value("main", str(n)), range(8)))  # several connections are open
        own_server.stop()
        threading.Timer(1, own_server.start).start()
        with held.transaction() as tx:
            tx.set_value("main", "cursor", "1")
        assert held.get_value("main", "cursor") == "1"

    def test_a_server_that_stays_away_is_store_busy_and_back_again_it_serves(
        self, own_server: PostgresServer, held: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(postgres_database, "WAIT_SECONDS", 0.5)
        own_server.stop(how=signal.SIGQUIT)
        for _ in range(2):
            with pytest.raises(StoreBusy), held.transaction():
                pass
            with pytest.raises(StoreBusy):
                held.toggles()
        own_server.start()
        monkeypatch.undo()
        assert held.toggles() == []

    def test_a_connection_lost_in_a_transaction_undoes_it_and_is_store_busy(
        self, own_server: PostgresServer, held: Store
    ) -> None:
        with pytest.raises(StoreBusy), held.transaction() as tx:  # noqa: PT012 - the block is the case
            tx.set_value("main", "cursor", "1")
            end_sessions(own_server)
            tx.set_value("main", "cursor", "2")
        assert held.get_value("main", "cursor") is None

    def test_one_lost_at_the_very_end_is_an_error_that_tells_that_it_may_stand(
        self, own_server: PostgresServer, held: Store
    ) -> None:
        with pytest.raises(StoreError, match="or nothing of it") as lost, held.transaction() as tx:  # noqa: PT012
            tx.set_value("main", "cursor", "1")
            end_sessions(own_server)
        assert not isinstance(lost.value, StoreBusy)

    def test_a_lock_that_lasts_is_store_busy(
        self, own_server: PostgresServer, held: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(postgres_database.SESSION, "lock_timeout", "200ms")
        url = f"{own_server.url}?schema={held._database.schema}"  # type: ignore[attr-defined]
        order_id, _ = an_order_with_package(held)
        with closing(open_store(url)) as impatient, held.transaction() as tx:
            tx.order(order_id)
            with pytest.raises(StoreBusy), impatient.transaction() as other:
                other.order(order_id)

    def test_the_time_is_the_servers(self, held: Store) -> None:
        """A machine whose clock is wrong takes over no lease too early."""
        [(there,)] = held._database.rows("SELECT clock_timestamp()")  # type: ignore[attr-defined]
        assert abs(held.now() - there) < timedelta(seconds=5)


def end_sessions(server: PostgresServer) -> None:
    with psycopg.connect(server.url, autocommit=True) as session:
        session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'lengow-connector' AND pid <> pg_backend_pid()"
        )


def test_a_transaction_in_a_transaction_is_an_error_not_a_standstill(store: Store) -> None:
    with store.transaction() as tx:
        tx.set_value("main", "cursor", "1")
        assert store.get_value("main", "cursor") == "1"  # reads of its thread are part of it, as with SQLite
        with pytest.raises(StoreError, match="open already"), store.transaction():
            pass
    assert store.get_value("main", "cursor") == "1"


def test_rows_that_are_sent_later_stay_behind_those_they_refer_to(postgres_url: str) -> None:
    """As of a page where an order without words to search for follows another order."""
    tables = (
        "CREATE TABLE IF NOT EXISTS parents (id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
        "CREATE TABLE IF NOT EXISTS children (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parents (id))",
    )
    with closing(PostgresDatabase(postgres_url)) as database:
        database.create_tables(tables)
        with database.transaction() as db:
            first = db.insert("INSERT INTO parents (name) VALUES (?)", ["first"])
            db.rows("SELECT 1")
            db.insert("INSERT INTO children (parent) VALUES (?)", [first])
            second = db.insert("INSERT INTO parents (name) VALUES (?)", ["second"])
            db.insert("INSERT INTO children (parent) VALUES (?)", [second])
        assert database.rows("SELECT parent FROM children ORDER BY id") == [(first,), (second,)]
