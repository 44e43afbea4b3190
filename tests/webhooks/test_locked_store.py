"""While others hold the store, a delivery waits for a moment, is then asked for again, and is not lost."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import psycopg
import pytest
from signing import BODY, NOW, SECRET, headers

from lengow.connector import Account, Connector, Settings, Shop, Store
from lengow.connector.secret import Secret
from lengow.connector.store.postgres_database import address_of
from lengow.webhooks import create_app

PATH = "/webhooks/b2c"
MOMENT = 8.0
"""Seconds on a busy machine; without a wait of its own a delivery would wait for 10 or 30."""

UNSIGNED = {name: value for name, value in headers(BODY).items() if name != "Webhook-Signature"}


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{request.getfixturevalue('tmp_path')}/lengow.db"
    return f"{request.getfixturevalue('postgres_url')}&connections=1"


@pytest.fixture
def start(store_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Connector]]:
    """Opens the store as a process that starts does."""
    monkeypatch.setattr("lengow.connector.events.WAIT_FOR_STORE", 0.3)
    monkeypatch.setattr("lengow.connector.health.WAIT_FOR_STORE", 0.3)
    started: list[Connector] = []

    def begin() -> Connector:
        shop = Shop(account="main", platform="generic", webhook_secrets=(Secret(SECRET),))
        account = Account(access_token=Secret("a"), secret=Secret("b"), base_url="http://127.0.0.1:1")
        settings = Settings(accounts={"main": account}, shops={"b2c": shop}, store=Store(url=store_url))
        started.append(Connector(settings, clock=lambda: NOW))
        return started[-1]

    yield begin
    for connector in started:
        connector.close()


@contextmanager
def held_by_another_process(connector: Connector) -> Iterator[None]:
    """As a long write does, or an operator who looks at the database."""
    url = connector.settings.store.url
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")
        return
    address = address_of(url)
    with psycopg.connect(address.conninfo) as session:
        session.execute(f"LOCK TABLE {address.schema}.events, {address.schema}.sync_state IN ACCESS EXCLUSIVE MODE")
        yield
        session.rollback()


@contextmanager
def held_by_another_thread(connector: Connector) -> Iterator[None]:
    """Of the same process: on PostgreSQL it has the only connection."""
    holding, done = threading.Event(), threading.Event()

    def hold() -> None:
        with connector.store.transaction() as tx:
            tx.set_value("main", "held", "1")
            holding.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait(60)
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("held", [held_by_another_process, held_by_another_thread])
class TestAStoreThatOthersHold:
    def test_is_waited_for_a_moment_and_the_delivery_asked_for_again_until_it_is_taken(
        self, start: Callable[[], Connector], held: Callable[[Connector], object]
    ) -> None:
        connector = start()
        client = create_app(connector).test_client()
        assert client.post(PATH, data=BODY, headers=headers(BODY, "msg_0")).status_code == 202
        with held(connector):  # type: ignore[attr-defined]
            for number in (1, 2):
                began = time.monotonic()
                answer = client.post(PATH, data=BODY, headers=headers(BODY, f"msg_{number}"))
                assert time.monotonic() - began < MOMENT
                assert (answer.status_code, answer.json["code"]) == (503, "store_busy")  # type: ignore[index]
                assert int(answer.headers["Retry-After"]) > 0
        assert [row.delivery_id for row in connector.store.list_events()] == ["msg_0"]
        for number in (1, 2):
            assert client.post(PATH, data=BODY, headers=headers(BODY, f"msg_{number}")).status_code == 202
        assert sorted(row.delivery_id for row in connector.store.list_events()) == ["msg_0", "msg_1", "msg_2"]

    def test_keeps_nobody_who_asks_whether_we_are_ready(
        self, start: Callable[[], Connector], held: Callable[[Connector], object]
    ) -> None:
        connector = start()
        client = create_app(connector).test_client()
        with held(connector):  # type: ignore[attr-defined]
            began = time.monotonic()
            assert client.get("/readyz?only=store").status_code == 503
            assert time.monotonic() - began < MOMENT


def test_a_process_that_starts_meanwhile_answers_as_soon(start: Callable[[], Connector]) -> None:
    create_app(start()).test_client().post(PATH, data=BODY, headers=headers(BODY, "msg_0"))
    connector = start()
    client = create_app(connector).test_client()
    with held_by_another_process(connector):
        began = time.monotonic()
        assert client.post(PATH, data=BODY, headers=headers(BODY)).status_code == 503
        assert client.post(PATH, data=BODY, headers=UNSIGNED).status_code == 401
        assert time.monotonic() - began < MOMENT
    assert client.post(PATH, data=BODY, headers=headers(BODY)).status_code == 202


def test_a_lock_that_lasts_less_costs_nothing_but_time(
    start: Callable[[], Connector], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lengow.connector.events.WAIT_FOR_STORE", 60.0)
    connector = start()
    client = create_app(connector).test_client()
    with ThreadPoolExecutor(1) as pool:
        with held_by_another_process(connector):
            answer = pool.submit(client.post, PATH, data=BODY, headers=headers(BODY))
            time.sleep(0.3)
            assert not answer.done()
        assert answer.result().status_code == 202
