"""What the parts of the pipeline share: settings, store, clients, adapters, clock, signals. One a connector."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from lengow.connector.adapter import Adapter, AdapterContext, Capabilities, adapter_class
from lengow.connector.circuit import Circuit
from lengow.connector.errors import ApiUnavailable
from lengow.connector.meter import Meter
from lengow.connector.policy import ShopPolicy
from lengow.connector.settings import (
    DECREASE_STOCK_FOR_MARKETPLACE_SHIPPED,
    IMPORT_SHIPPED_BY_MARKETPLACE,
    Settings,
    platform_settings,
)
from lengow.connector.signals import Signals, send
from lengow.connector.store.contract import Store
from lengow.connector.store.rows import JournalEntry

if TYPE_CHECKING:
    from blinker import Signal

    from lengow.connector.client.api import LengowClient

PARALLEL_CALLS = 4
"""How many calls to Lengow an account makes at once; its quota bounds them all the same."""

MOST_CALLS = 32

CONNECTOR = "connector"
"""Who is named in the journal when nobody did it by hand."""


class Context:
    """Clients and adapters are opened when first needed, and shared by threads."""

    def __init__(
        self, settings: Settings, store: Store, signals: Signals, sender: object, clock: Callable[[], datetime]
    ):
        self.settings = settings
        self.store = store
        self.signals = signals
        self.now = clock
        self.circuit = Circuit()
        self.meter = Meter()
        self.stopping = threading.Event()
        """Set while the connector is to come to an end: what waits gives up, what loops ends."""
        self.ending = self.stopping
        """The same, but for a turn of a worker: there `stopping` is set when the turn is over, too. Work that takes longer
        than a turn, and is lost when it is broken off, looks here."""
        workers = PARALLEL_CALLS * max(len(settings.accounts), 1)
        self.calls = ThreadPoolExecutor(min(workers, MOST_CALLS), "lengow-calls")
        """For calls side by side. One for good: each of its threads keeps a connection to the store."""
        self._sender = sender
        self._lock = threading.Lock()
        self._clients: dict[str, LengowClient] = {}
        self._adapters: dict[str, Adapter] = {}

    def client(self, account: str) -> "LengowClient":
        from lengow.connector.client.api import LengowClient

        with self._lock:
            if account not in self._clients:
                chosen = self.settings.accounts[account]
                self._clients[account] = LengowClient(
                    account=account,
                    base_url=chosen.base_url,
                    access_token=chosen.access_token,
                    secret=chosen.secret,
                    requests_per_minute=chosen.requests_per_minute,
                    sleep=self._sleep,
                    clock=self.now,
                    called=partial(self.meter.called, account),
                )
            return self._clients[account]

    def opened_clients(self) -> dict[str, "LengowClient"]:
        """Those that were needed so far, by account."""
        with self._lock:
            return dict(self._clients)

    def adapter(self, shop: str) -> Adapter:
        with self._lock:
            if shop not in self._adapters:
                chosen = self.settings.shops[shop]
                adapter = adapter_class(chosen.platform)
                self._adapters[shop] = adapter(
                    AdapterContext(
                        shop=shop,
                        settings=platform_settings(shop, chosen, adapter),
                        store_url=self.settings.store.url,
                        webhook_secrets=chosen.webhook_secrets,
                        clock=self.now,
                        call_timeout=chosen.call_timeout,
                        unknown_products=chosen.unknown_products,
                    )
                )
            return self._adapters[shop]

    def capabilities(self, shop: str) -> Capabilities:
        return adapter_class(self.settings.shops[shop].platform).capabilities

    def toggles(self, shop: str) -> dict[str, bool]:
        """The shop's toggles as they stand: what an operator switched, else what the settings say."""
        chosen = self.settings.shops[shop]
        values = {
            IMPORT_SHIPPED_BY_MARKETPLACE: chosen.import_orders_shipped_by_marketplaces,
            DECREASE_STOCK_FOR_MARKETPLACE_SHIPPED: chosen.decrease_stock_for_marketplace_shipped,
        }
        switched = {row.name: row.value for row in self.store.toggles() if row.shop == shop and row.name in values}
        return values | switched

    def policy(self, shop: str) -> ShopPolicy:
        chosen = self.settings.shops[shop]
        return ShopPolicy(
            name=shop,
            platform=chosen.platform,
            imports_delivered_by_marketplace=self.capabilities(shop).imports_delivered_by_marketplace,
            import_orders_shipped_by_marketplaces=self.toggles(shop)[IMPORT_SHIPPED_BY_MARKETPLACE],
            import_orders_with_merchant_order_id=chosen.import_orders_with_merchant_order_id,
            starts_at=chosen.starts_at,
        )

    def _sleep(self, seconds: float) -> None:
        """Raises ApiUnavailable when the connector is to come to an end meanwhile. A client outlives the turn it is made in."""
        if self.ending.wait(seconds):
            raise ApiUnavailable("The connector is stopping, and nothing was sent.")

    def lease_end(self) -> datetime:
        return self.now() + timedelta(seconds=self.settings.store.lease_seconds)

    def jitter(self) -> float:
        return random.random()

    def entry(
        self,
        order_id: int | None,
        what: str,
        detail: str = "",
        *,
        package_id: int | None = None,
        who: str = CONNECTOR,
        at: datetime | None = None,
    ) -> JournalEntry:
        """`at`: when it happened; now, where none is given."""
        return JournalEntry(at or self.now(), order_id, package_id, what, detail, who)

    def tell(self, signal: "Signal", **facts: Any) -> None:
        send(signal, self._sender, **facts)

    def close(self) -> None:
        self.calls.shutdown()
        with self._lock:
            for client in self._clients.values():
                client.close()
            for adapter in self._adapters.values():
                adapter.close()
            self._clients.clear()
            self._adapters.clear()
