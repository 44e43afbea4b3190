"""What Prometheus reads. Counts come from the store when it asks; what no table has, from this process (`meter.py`).

    prometheus_client.REGISTRY.register(Collector(connector))

or `exposition(connector)`, which needs no registry of the host's.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector as Registrable

from lengow.connector.client.answers import ACTIONS, ORDERS
from lengow.connector.client.limiter import UNLIMITED
from lengow.connector.context import Context
from lengow.connector.deadlines import late_orders
from lengow.connector.importer import COMPLETE_UNTIL, LAST_ERROR
from lengow.connector.meter import BUCKETS
from lengow.connector.works import HasGauges, work_named, works_of

if TYPE_CHECKING:
    from lengow.connector.connector import Connector

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

LIMITED_ROUTES = (ORDERS, ACTIONS)
"""Those whose quota is worth a look; `/v3.0/orders/moi/` shares the first one's."""


def exposition(connector: "Connector") -> bytes:
    """All metrics in Prometheus' text format. Raises StoreError."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector(connector))
    return generate_latest(registry)


class Collector(Registrable):
    def __init__(self, connector: "Connector") -> None:
        self._context: Context = connector._context

    def collect(self) -> Iterator[Metric]:
        """Raises StoreError."""
        yield from _stored(self._context)
        yield from _syncs(self._context)
        yield from _queue(self._context)
        yield from _process(self._context)
        yield from _works(self._context)

    def describe(self) -> Iterator[Metric]:
        """Nothing, so that registering reads no store."""
        return iter(())


def _gauge(name: str, text: str, labels: tuple[str, ...], values: Mapping[Any, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _stored(context: Context) -> Iterator[Metric]:
    store, now = context.store, context.now()
    orders = store.count_orders_of_shops()
    yield _gauge("lengow_orders", "Orders in the store, by where they stand.", ("account", "shop", "state"), orders)
    accounts = list(context.settings.accounts)
    overdue = Counter(one.order.account for name in accounts for one in late_orders(store, now, now, account=name))
    late = {(account,): float(overdue[account]) for account in accounts}
    yield _gauge("lengow_late_orders", "Orders past their deadline whose shipment was not told.", ("account",), late)
    yield _gauge("lengow_actions", "Actions, by where they stand.", ("account", "state"), store.count_actions())
    changes = {
        (account, state): float(count) for account in accounts for state, count in store.count_changes(account).items()
    }
    yield _gauge("lengow_changes", "What happened at Lengow to orders in a shop.", ("account", "state"), changes)
    yield _gauge("lengow_events", "What shops told, by what became of it.", ("shop", "state"), store.count_events())


def _syncs(context: Context) -> Iterator[Metric]:
    accounts = list(context.settings.accounts)
    lag = {(account,): _lag(context, account) for account in accounts}
    yield _gauge(
        "lengow_sync_lag_seconds",
        "Since the end of the last window that was imported completely; +Inf: none ever was.",
        ("account",),
        lag,
    )
    failing = {(account,): float(bool(context.store.get_value(account, LAST_ERROR))) for account in accounts}
    yield _gauge("lengow_sync_failing", "1 if the last import of the account ended early.", ("account",), failing)


def _lag(context: Context, account: str) -> float:
    until = context.store.get_value(account, COMPLETE_UNTIL)
    if until is None:
        return math.inf
    # The window ends by Lengow's clock, which may be a little ahead of ours.
    return max((context.now() - datetime.fromisoformat(until)).total_seconds(), 0.0)


def _queue(context: Context) -> Iterator[Metric]:
    now = context.now()
    rows = context.store.queue(now)
    free = [row for row in rows if not row.held]
    due = {(row.kind,): float(row.due) for row in free}
    yield _gauge("lengow_steps_due", "Steps that could be run now.", ("kind",), due)
    ages = {(row.kind,): max((now - row.oldest).total_seconds(), 0.0) for row in free}
    yield _gauge("lengow_steps_oldest_seconds", "How long the oldest step is due.", ("kind",), ages)
    waiting = {(row.kind,): float(row.count - row.due) for row in free}
    yield _gauge("lengow_steps_later", "Steps that are due later, or being worked on.", ("kind",), waiting)
    held = {(row.kind,): float(row.count) for row in rows if row.held}
    yield _gauge("lengow_steps_held", "Steps that wait for a person.", ("kind",), held)


def _process(context: Context) -> Iterator[Metric]:
    yield _calls(context)
    quota = {
        (account, route): float(left)
        for account, client in context.opened_clients().items()
        for route in LIMITED_ROUTES
        if (left := client.room(route)[0]) < UNLIMITED
    }
    yield _gauge("lengow_quota_left", "Calls that fit Lengow's quota now.", ("account", "route"), quota)
    now = context.now()
    paused = {(shop,): float(context.circuit.open(shop, now)) for shop in context.settings.shops}
    yield _gauge("lengow_shop_paused", "1 while a shop that did not answer is left alone.", ("shop",), paused)
    deliveries = CounterMetricFamily(
        "lengow_webhook_deliveries", "Deliveries to the receiver, by answer.", labels=("shop", "outcome")
    )
    for delivery, count in context.meter.deliveries().items():
        deliveries.add_metric(delivery, count)
    yield deliveries


def _calls(context: Context) -> Metric:
    family = HistogramMetricFamily(
        "lengow_api_seconds", "Calls to Lengow.", labels=("account", "method", "route", "outcome")
    )
    for call, (counts, seconds) in context.meter.calls().items():
        bounds = [*map(str, BUCKETS), "+Inf"]
        sums = [sum(counts[: position + 1]) for position in range(len(counts))]
        family.add_metric(call, list(zip(bounds, map(float, sums), strict=True)), seconds)
    return family


def _works(context: Context) -> Iterator[Metric]:
    """What other packages have to tell."""
    for work in map(work_named, works_of(context.settings)):
        if isinstance(work, HasGauges):
            for one in work.gauges(context):
                yield _gauge(one.name, one.text, one.labels, one.values)
