"""Who gets a turn: each lane that has something due, so many at once as its shop allows, whatever waits elsewhere."""

import msgspec
import pytest

from lengow.connector import Account, Connector, Settings, Shop, Store
from lengow.connector.errors import SettingsError
from lengow.connector.model import StepKind
from lengow.connector.secret import Secret
from lengow.connector.store.rows import NewStep
from lengow.connector.worker import Worker

NOWHERE = "http://127.0.0.1:1"


def settings(url: str) -> Settings:
    accounts = {
        name: Account(access_token=Secret(name), secret=Secret("b"), base_url=NOWHERE) for name in ("big", "small")
    }
    return Settings(
        accounts=accounts,
        shops={
            "million": Shop(account="big", platform="generic"),
            "few": Shop(account="small", platform="generic", workers=2),
        },
        store=Store(url=url),
    )


def waiting(connector: Connector) -> dict[str, str]:
    rows = connector.store.database.rows(  # type: ignore[attr-defined]
        "SELECT lock, queue_name FROM procrastinate_jobs WHERE status = 'todo'"
    )
    return dict(rows)


def add(connector: Connector, count: int, shop: str, account: str, kind: StepKind = StepKind.CREATE) -> None:
    with connector.store.transaction() as tx:
        tx.add_steps([NewStep(kind, f"{n + 1}", connector.now(), account=account, shop=shop) for n in range(count)])


def test_an_account_with_a_million_orders_waits_in_line_like_any_other(postgres_url: str) -> None:
    with Connector(settings(postgres_url)) as connector:
        add(connector, 1000, "million", "big")
        with connector.store.transaction() as tx:
            tx.add_steps([NewStep(StepKind.CREATE, "9999", connector.now(), account="small", shop="few")])
        worker = Worker(connector.context)
        worker._give_turns()
        given = waiting(connector)
        assert given == {f"create-million#{n}": "turns-big" for n in (1, 2, 3, 4)} | {"create-few#1": "turns-small"}
        worker._give_turns()
        assert waiting(connector) == given


def test_few_steps_give_one_turn_and_many_as_many_as_the_shop_allows(postgres_url: str) -> None:
    with Connector(settings(postgres_url)) as connector:
        worker = Worker(connector.context)
        worker._give_turns()
        assert waiting(connector) == {}
        add(connector, 40, "few", "small")
        worker._give_turns()
        assert set(waiting(connector)) == {"create-few#1"}
        add(connector, 900, "few", "small")
        worker._give_turns()
        assert set(waiting(connector)) == {"create-few#1", "create-few#2"}


def test_what_takes_long_has_a_queue_of_its_own(postgres_url: str) -> None:
    with Connector(settings(postgres_url)) as connector:
        worker = Worker(connector.context)
        worker._schedule()
        worker._give_turns()
        queues = waiting(connector)
        assert queues["import-big#1"] == "long-turns-big"
        assert queues["events-million#1"] == "turns-big"


def test_each_work_of_other_packages_has_a_lane_so_that_a_feed_holds_up_no_invoice(postgres_url: str) -> None:
    seller = {
        "name": "M",
        "address": ["1 rue"],
        "zipcode": "33000",
        "city": "B",
        "siren": "732829320",
        "vat_number": "FR1",
    }
    sections = {
        "feeds": {"tools": {"shop": "few", "marketplace": "manomano_fr", "path": "tools.csv"}},
        "invoices": {"seller": seller, "shops": {"few": {"mail": False}}},
    }
    with Connector(msgspec.structs.replace(settings(postgres_url), sections=sections)) as connector:
        worker = Worker(connector.context, accounts=["small"])
        worker._schedule()
        with connector.store.transaction() as tx:
            tx.claim(StepKind.WORK, connector.now(), connector.context.lease_end(), limit=1, subject="feeds/small")
        worker._give_turns()
        lanes = {lane: queue for lane, queue in waiting(connector).items() if lane.startswith("work-")}
        assert lanes == {"work-invoices-small#1": "long-turns-small"}


def test_a_worker_of_some_accounts_leaves_the_others_alone(postgres_url: str) -> None:
    with Connector(settings(postgres_url)) as connector:
        worker = Worker(connector.context, accounts=["small"])
        worker._schedule()
        worker._give_turns()
        assert {queue.rpartition("-")[2] for queue in waiting(connector).values()} == {"small"}


def test_what_is_not_due_or_waits_for_a_person_gets_no_turn(postgres_url: str) -> None:
    with Connector(settings(postgres_url)) as connector:
        add(connector, 1, "few", "small", StepKind.EVENT)
        with connector.store.transaction() as tx:
            [step] = tx.claim(StepKind.EVENT, connector.now(), connector.now(), limit=1, shop="few")
            tx.hold(step, "it failed")
        worker = Worker(connector.context)
        worker._give_turns()
        assert waiting(connector) == {}


def test_without_postgresql_there_are_no_workers(postgres_url: str, tmp_path: object) -> None:
    elsewhere = msgspec.structs.replace(settings(postgres_url), store=Store(url=f"sqlite:///{tmp_path}/lengow.db"))
    with Connector(elsewhere) as connector, pytest.raises(SettingsError, match="store in PostgreSQL"):
        Worker(connector.context)
