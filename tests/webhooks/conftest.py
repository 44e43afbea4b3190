"""A connector with one generic shop whose webhook secret is known to the tests, and Flask's client of its receiver."""

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from flask.testing import FlaskClient
from signing import NOW, SECRET

from lengow.connector import Account, Connector, Settings, Shop, Store
from lengow.connector.secret import Secret
from lengow.connector.store import connections
from lengow.webhooks import create_app

hypothesis.settings.register_profile("lengow", deadline=None)
hypothesis.settings.load_profile("lengow")

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/lengow.db"


@pytest.fixture
def settings(store_url: str) -> Settings:
    return Settings(
        accounts={"main": Account(access_token=Secret("a"), secret=Secret("b"), base_url=NOWHERE)},
        shops={
            "b2c": Shop(account="main", platform="generic", marketplaces=("a",), webhook_secrets=(Secret(SECRET),)),
            "closed": Shop(account="main", platform="generic", marketplaces=("b",)),
            "broken": Shop(
                account="main", platform="generic", marketplaces=("c",), webhook_secrets=(Secret("whsec_x"),)
            ),
        },
        store=Store(url=store_url),
    )


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A locked store is given up at once."""
    monkeypatch.setattr(connections, "BUSY_SECONDS", 0.01)
    monkeypatch.setattr("lengow.connector.events.WAIT_FOR_STORE", 0.01)


@pytest.fixture
def connector(settings: Settings, impatient: None) -> Iterator[Connector]:
    with Connector(settings, clock=lambda: NOW) as one:
        yield one


@pytest.fixture
def client(connector: Connector) -> FlaskClient:
    return create_app(connector).test_client()
