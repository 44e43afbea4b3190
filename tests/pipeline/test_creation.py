"""The shop refuses, answers late or not at all: nothing is lost, nothing comes twice, and a person can mend it."""

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, ClassVar

import msgspec
import pytest

from lengow.adapters.generic import GenericAdapter
from lengow.connector import Connector, Settings
from lengow.connector.adapter import Created, Outcome, Product, Rejected, ShopOrder, Unknown
from lengow.connector.errors import LeaseLost, ShopUnavailable
from lengow.connector.model import NewOrder, OrderState, StepKind
from lengow.connector.store.rows import OrderFilter


class FlakyShop(GenericAdapter):
    """A generic shop whose next answers are set by the test."""

    answers: ClassVar[list[str]] = []

    def create_orders(self, orders: Sequence[NewOrder]) -> Sequence[Outcome]:
        answer = self.answers.pop(0) if self.answers else "well"
        if answer == "down":
            raise ShopUnavailable("The shop is down.")
        if answer == "busy":
            return [Rejected(one.reference, "busy", retry=True, retry_after=600, begun=False) for one in orders]
        if answer == "lost before":
            return [Unknown(order.reference, "time-out") for order in orders]
        outcomes = super().create_orders(orders)
        if answer == "lost after":
            return [Unknown(order.reference, "time-out") for order in orders]
        if answer == "raises after":
            raise RuntimeError("a bug in an adapter")
        if answer == "forgets one":
            return outcomes[1:]
        return outcomes

    def find_products(self, references: Sequence[str]) -> Mapping[str, Product] | None:
        if self.answers and self.answers[0] == "no products":
            self.answers.pop(0)
            raise ShopUnavailable("The shop is down.")
        return super().find_products(references)


@pytest.fixture
def flaky(make_merchant: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    entry_point = SimpleNamespace(name="flaky", load=lambda: FlakyShop)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: [entry_point])
    FlakyShop.answers = []
    yield make_merchant(platform="flaky")
    FlakyShop.answers = []


def _until_created(merchant: Any) -> None:
    merchant.sandbox.advance(minutes=5)
    merchant.sync()


@pytest.mark.parametrize("answer", ["down", "lost before", "lost after", "raises after", "forgets one", "no products"])
def test_whatever_the_shop_answers_each_order_is_in_it_once(flaky: Any, answer: str) -> None:
    flaky.sells(5)
    FlakyShop.answers = [answer]
    flaky.sync()
    _until_created(flaky)
    assert len(flaky.in_shop()) == 5
    assert {one.order.state for one in flaky.orders()} == {"created"}
    assert flaky.compared().clean


def test_an_unknown_outcome_shows_until_the_shop_has_told(flaky: Any) -> None:
    [order_id] = flaky.sells()
    FlakyShop.answers = ["lost after"]
    flaky.sync()
    assert flaky.state(order_id) == ("creating", "outcome_unknown")
    _until_created(flaky)
    assert flaky.journal(order_id)[-3:] == ["create_failed", "found", "reported"]


def test_a_shop_that_is_down_for_a_week_gets_its_orders_when_it_is_up_again(flaky: Any) -> None:
    [order_id] = flaky.sells()
    FlakyShop.answers = ["down"] * 15
    for _ in range(15):
        flaky.sandbox.advance(hours=14)
        flaky.sync()
    assert flaky.state(order_id) == ("ready", "shop_unavailable")
    flaky.sandbox.advance(hours=1)
    flaky.sync()
    assert flaky.in_shop() == [order_id]


def test_a_shop_that_never_answers_plainly_waits_for_a_person_and_a_retry_mends_it(flaky: Any) -> None:
    [order_id] = flaky.sells()
    FlakyShop.answers = ["lost before"] * 15
    for _ in range(15):
        flaky.sandbox.advance(hours=14)
        flaky.sync()
    assert flaky.state(order_id) == ("failed", "gave_up")
    flaky.connector.retry("main", "manomano_fr", order_id)
    flaky.sync()
    assert flaky.in_shop() == [order_id]


def test_a_busy_shop_is_asked_again_when_it_says(flaky: Any) -> None:
    [order_id] = flaky.sells()
    FlakyShop.answers = ["busy"]
    flaky.sync()
    assert flaky.state(order_id) == ("ready", "rejected_by_shop")
    flaky.sandbox.advance(minutes=9)
    flaky.sync()
    assert flaky.in_shop() == []
    flaky.sandbox.advance(minutes=2)
    flaky.sync()
    assert flaky.in_shop() == [order_id]


def test_what_a_busy_shop_did_not_begin_is_no_try_of_the_order(flaky: Any) -> None:
    [order_id] = flaky.sells()
    FlakyShop.answers = ["busy"] * 20
    for _ in range(20):
        flaky.sync()
        flaky.sandbox.advance(hours=14)
    assert FlakyShop.answers == []
    assert flaky.state(order_id) == ("ready", "rejected_by_shop")
    FlakyShop.answers = ["lost before"]
    flaky.sync()
    flaky.sandbox.advance(minutes=20)
    flaky.sync()
    assert flaky.in_shop() == [order_id], "it has its tries still, and their short pauses"


def test_what_stays_in_doubt_is_never_sent_again_unasked(flaky: Any) -> None:
    [order_id] = flaky.sells()
    FlakyShop.answers = ["lost after"]
    flaky.sync()
    flaky.connector.retry("main", "manomano_fr", order_id)
    flaky.sync()
    assert flaky.in_shop() == [order_id]


def test_an_order_that_the_shop_refuses_fails_alone_with_the_shops_words(merchant: Any) -> None:
    merchant.run(
        "CREATE TRIGGER no_lyon BEFORE INSERT ON shop_orders WHEN new.comment = 'no' "
        "BEGIN SELECT RAISE(ABORT, 'we do not deliver there'); END"
    ) if _tables(merchant) else None
    bad = merchant.sells_raw({"comments": "no"})
    good = merchant.sells(2)
    merchant.sync()
    assert sorted(merchant.in_shop()) == sorted(good)
    assert merchant.state(bad) == ("failed", "rejected_by_shop")
    assert "we do not deliver there" in merchant.order(bad).order.about
    merchant.run("DROP TRIGGER no_lyon")
    merchant.connector.retry("main", "manomano_fr", bad)
    merchant.sync()
    assert merchant.state(bad) == ("created", "")


def test_a_worker_that_wakes_up_after_its_lease_writes_nothing(merchant: Any) -> None:
    """The fence: of two claims of one step only the newest may finish it."""
    merchant.sells()
    store, now = merchant.connector.store, merchant.sandbox.now()
    merchant.connector.sync(report=False)
    with store.transaction() as tx:
        [old] = tx.claim(StepKind.REPORT, now + timedelta(hours=1), now + timedelta(hours=2), limit=1)
    with store.transaction() as tx:
        [new] = tx.claim(StepKind.REPORT, now + timedelta(hours=3), now + timedelta(hours=4), limit=1)
    assert (new.id, new.token) == (old.id, old.token + 1)
    for write in ("finish", "postpone", "hold", "renew"):
        with pytest.raises(LeaseLost), store.transaction() as tx:
            {
                "finish": lambda tx=tx: tx.finish([old]),
                "postpone": lambda tx=tx: tx.postpone(old, now),
                "hold": lambda tx=tx: tx.hold(old, "no"),
                "renew": lambda tx=tx: tx.renew(old, now),
            }[write]()
    with store.transaction() as tx:
        assert tx.mine([old]) == set()
        tx.finish([new])


def test_signals_tell_the_host_and_one_that_raises_breaks_nothing(merchant: Any) -> None:
    told: list[str] = []

    @merchant.connector.signals.order_created.connect
    def created(sender: Any, *, order: Any, shop_order: Any, **_: Any) -> None:
        told.append(f"{order.marketplace_order_id} {shop_order.id}")
        raise RuntimeError("a bug in the host")

    [order_id] = merchant.sells()
    merchant.sync()
    [(shop_order_id,)] = merchant.rows("SELECT id FROM shop_orders")
    assert told == [f"{order_id} {shop_order_id}"]
    assert merchant.state(order_id) == ("created", "")


def _tables(merchant: Any) -> bool:
    """The shop's tables are made when the shop is first opened."""
    merchant.connector.check("b2c")
    with closing(sqlite3.connect(merchant.shop_database)) as db:
        return bool(db.execute("SELECT 1 FROM sqlite_master WHERE name = 'shop_orders'").fetchone())


def test_a_shop_that_is_down_is_left_alone_instead_of_being_asked_for_each_order(flaky: Any) -> None:
    flaky.sells(1200)
    FlakyShop.answers = ["down"] * 100
    flaky.sync()
    assert len(FlakyShop.answers) == 99
    flaky.sync()
    assert len(FlakyShop.answers) == 99
    flaky.sandbox.advance(minutes=5)
    flaky.sync()
    assert len(FlakyShop.answers) == 98
    FlakyShop.answers = []
    flaky.sandbox.advance(hours=2)
    flaky.sync()
    assert len(flaky.in_shop()) == 1200


def test_an_order_cancelled_while_its_creation_was_in_doubt_is_not_created_after_all(flaky: Any) -> None:
    [order_id] = flaky.sells()
    FlakyShop.answers = ["lost before"]
    flaky.sync()
    flaky.sandbox.cancel(order_id)
    flaky.sandbox.advance(minutes=15)
    flaky.sync()
    flaky.sandbox.advance(minutes=15)
    flaky.sync()
    assert flaky.in_shop() == []
    assert flaky.state(order_id) == ("skipped", "canceled_before_import")


def test_when_the_first_package_is_cancelled_the_next_one_carries_the_shipping(merchant: Any) -> None:
    for _ in range(5):
        merchant.sells(kind="multi_package")
    for sold in merchant.sandbox.ledger().sold:
        merchant.sandbox.cancel(sold.order_id, line_ids=sold.packages[0])
    merchant.sandbox.advance(minutes=15)
    merchant.sync()
    for sold in merchant.sandbox.ledger().sold:
        rows = merchant.rows(
            "SELECT shipping, processing_fee FROM shop_orders WHERE marketplace_order_id = ?", sold.order_id
        )
        assert sum(Decimal(part) for row in rows for part in row) == sold.shipping_and_fee


def test_a_marketplace_that_moved_to_another_shop_takes_its_waiting_orders_along(make_merchant: Any) -> None:
    merchant = make_merchant(options={"products_table": "products"})
    merchant.run("CREATE TABLE products (sku TEXT, stock INTEGER)")
    [order_id] = merchant.sells()
    merchant.sync()
    assert merchant.state(order_id) == ("waiting", "unknown_product")
    merchant.connector.close()
    settings = merchant.settings()
    free = msgspec.structs.replace(settings.shops["b2c"], options={"database": f"sqlite:///{merchant.folder}/pro.db"})
    settings = Settings(accounts=settings.accounts, shops={"pro": free}, store=settings.store)
    with Connector(settings, clock=merchant.sandbox.now) as connector:
        connector.sync()
        [package] = connector.order("main", "manomano_fr", order_id).packages
        assert (package.shop, package.state) == ("pro", "created")


class SlowShop(GenericAdapter):
    """Keeps no unique reference, and is slow to be asked; so that only leases keep two workers apart."""

    created: ClassVar[list[str]] = []
    capabilities: ClassVar[Any] = msgspec.structs.replace(GenericAdapter.capabilities, batch_size=10)

    def find_order(self, reference: str) -> None:
        time.sleep(0.25)

    def create_orders(self, orders: Sequence[NewOrder]) -> Sequence[Outcome]:
        self.created.extend(order.reference for order in orders)
        return [Created(order.reference, ShopOrder(str(len(self.created)))) for order in orders]


def test_two_workers_and_a_slow_shop_make_each_order_once(make_merchant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking for ten orders in doubt takes longer than a lease; it is kept, or what was lost is let go."""
    entry_point = SimpleNamespace(name="slow", load=lambda: SlowShop)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: [entry_point])
    SlowShop.created.clear()
    merchant = make_merchant(platform="slow", lease_seconds=1.2)
    merchant.sells(10)
    recorder = merchant.connector
    recorder._context.circuit.note("b2c", merchant.sandbox.now(), answered=False)
    recorder.sync()
    with recorder.store.transaction() as tx:
        packages = [one.packages[0] for one in recorder.store.list_orders(OrderFilter(limit=10))]
        tx.set_package_states(msgspec.structs.replace(one, state=OrderState.CREATING) for one in packages)
    merchant.sandbox.advance(minutes=20)
    workers = [Connector(merchant.settings(), clock=merchant.sandbox.now) for _ in range(2)]

    def work(worker: Connector) -> None:
        ends = time.monotonic() + 5
        while time.monotonic() < ends:
            worker.work("main")
            time.sleep(0.02)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, workers))
    for worker in workers:
        worker.close()
    assert sorted(SlowShop.created) == sorted({one.reference for one in packages})


def test_a_shop_that_takes_one_worker_at_a_time_gets_one(make_merchant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = msgspec.structs.replace(GenericAdapter.capabilities, batch_size=1, one_at_a_time=True)
    monkeypatch.setattr(GenericAdapter, "capabilities", alone)
    merchant = make_merchant()
    merchant.sells(2)
    store, context = merchant.connector.store, merchant.connector._context
    context.circuit.note("b2c", merchant.sandbox.now(), answered=False)
    merchant.sync()
    merchant.sandbox.advance(minutes=1)
    with store.transaction() as tx:
        [step] = tx.claim(StepKind.CREATE, context.now(), context.lease_end(), limit=1, shop="b2c")
    merchant.connector.work("main")
    assert merchant.in_shop() == []
    with store.transaction() as tx:
        tx.postpone(step, context.now())
    merchant.connector.work("main")
    assert len(merchant.in_shop()) == 2
