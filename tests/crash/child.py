"""A merchant's process that can be told where to die: `kill -9` at the n-th boundary of an effect.

Boundaries: before and after each commit (the store's and the shop's) and before and after each request to Lengow.
"""

import itertools
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import lengow.connector.connector as connector_module
from lengow.connector import Account, Connector, Settings, Shop, Store
from lengow.connector.client.transport import Transport
from lengow.connector.secret import Secret
from lengow.connector.settings import Follow
from lengow.connector.store.connections import Connections

LEASE_SECONDS = 0.4


def live(facts: dict[str, Any], die_at: int | None) -> None:
    """One life: import, ship all that is to ship, confirm. Dies at boundary `die_at`, or comes to its end."""
    if die_at is not None:
        _arm(die_at)
    with Connector(settings(facts)) as connector:
        connector.sync()
        _ship_all(connector, facts)
        connector.sync()


def follow(facts: dict[str, Any], die_at: int | None) -> None:
    """One life that imports what changed, and brings it to the shop. Boundaries are counted from there on."""
    if die_at is not None:
        real = connector_module.run_follows

        def armed(*arguments: Any) -> int:
            _arm(die_at)
            return real(*arguments)

        connector_module.run_follows = armed
    with Connector(settings(facts)) as connector:
        connector.sync(report=False)


def settings(facts: dict[str, Any]) -> Settings:
    return Settings(
        accounts={
            "main": Account(
                access_token=Secret(facts["access_token"]),
                secret=Secret(facts["secret"]),
                base_url=facts["url"],
                requests_per_minute=0,
            )
        },
        shops={
            "b2c": Shop(
                account="main",
                platform="generic",
                call_timeout=LEASE_SECONDS / 2,
                follow=Follow(refunded="apply", amounts="apply"),
                options={"database": f"sqlite:///{facts['folder']}/shop.db", "products_table": "products"},
            )
        },
        store=Store(url=f"sqlite:///{facts['folder']}/lengow.db", lease_seconds=LEASE_SECONDS),
    )


def _ship_all(connector: Connector, facts: dict[str, Any]) -> None:
    """The host ships what is to ship, whole orders only, and marks it in its own table."""
    path = f"{facts['folder']}/shop.db"
    with closing(sqlite3.connect(path)) as db:
        numbers = [row[0] for row in db.execute("SELECT DISTINCT marketplace_order_id FROM shop_orders ORDER BY 1")]
    for number in numbers:
        connector.ship("main", "manomano_fr", number, carrier="COLISSIMO", tracking_number=f"T-{number}", who="host")
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("UPDATE shop_orders SET status = 'shipped' WHERE marketplace_order_id = ?", [number])


def _arm(die_at: int) -> None:
    boundaries = itertools.count()

    def boundary() -> None:
        if next(boundaries) == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    transaction, send = Connections.transaction, Transport._send

    @contextmanager
    def dying_transaction(self: Connections, *arguments: Any) -> Iterator[sqlite3.Connection]:
        with transaction(self, *arguments) as db:
            yield db
            boundary()
        boundary()

    def dying_send(self: Transport, *arguments: Any, **options: Any) -> Any:
        boundary()
        answer = send(self, *arguments, **options)
        boundary()
        return answer

    Connections.transaction = dying_transaction  # type: ignore[method-assign]
    Transport._send = dying_send  # type: ignore[method-assign]
