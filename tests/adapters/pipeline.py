"""A shop behind the whole connector, for the tests of every platform: one Lengow account, and what it sold."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lengow.connector import Account, Connector, Settings, Shop, Store
from lengow.connector.secret import Secret
from lengow.sandbox import Sandbox

IMPORT_TOGGLE = "import_orders_shipped_by_marketplaces"
STOCK_TOGGLE = "decrease_stock_for_marketplace_shipped"

MakeConnector = Callable[..., Connector]
"""Takes further settings of the shop."""


@contextmanager
def connectors(
    sandbox: Sandbox, folder: Path, platform: str, own: Mapping[str, Any], secrets: Sequence[Secret] = ()
) -> Iterator[MakeConnector]:
    """Connectors of one account and one shop, called as its platform; `own` are the platform's settings."""
    account = sandbox.add_account("main")
    made: list[Connector] = []

    def make(**options: Any) -> Connector:
        settings = Settings(
            accounts={
                "main": Account(
                    access_token=Secret(account.access_token),
                    secret=Secret(account.secret),
                    base_url=sandbox.url,
                    requests_per_minute=0,
                )
            },
            shops={
                platform: Shop(
                    account="main", platform=platform, webhook_secrets=tuple(secrets), options=own, **options
                )
            },
            store=Store(url=f"sqlite:///{folder / 'lengow.db'}"),
        )
        made.append(Connector(settings, clock=sandbox.now))
        return made[-1]

    yield make
    for connector in made:
        connector.close()


def sells(sandbox: Sandbox, kinds: Mapping[str, float]) -> list[str]:
    """To the one account that there is; Lengow collects them."""
    [account] = sandbox.accounts()
    ids = sandbox.sell(account.account_id, int(sum(kinds.values())), kinds)
    sandbox.advance(minutes=15)
    return ids


def told(sandbox: Sandbox, order_id: str) -> list[str]:
    """The tracking numbers of the shipments that the marketplace was told of."""
    return [one.arguments["tracking_number"] for one in sandbox.ledger().told if one.order_id == order_id]
