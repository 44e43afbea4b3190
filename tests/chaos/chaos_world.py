"""A merchant with two Lengow accounts and a shop of each platform; and all that is compared when it is calm."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from chaos_life import OTHER, More, serve, settings_for
from chaos_shops import KIND_OF, StormyGenericShop
from chaos_storm import Storm, StormyMail
from chaos_wire import Wire
from lives import ACCOUNT, clock
from mail_server import mail_server
from world import PRELOADED, World

from lengow.connector import Connector
from lengow.connector.model import ActionState, ChangeState, EventState
from lengow.connector.store.rows import OrderFilter, StoredOrder
from lengow.invoices import InvoiceRow, Invoices, InvoiceState
from lengow.sandbox import Ledger, Sandbox, ShopHoldings, SoldOrder, reconcile

OF_OTHER = ("magento", "shopware")
ALL = 10_000_000
COMPARED = ("lost", "doubled", "unexpected", "wrong_totals", "unconfirmed")

SETTLED_CHANGES = (ChangeState.APPLIED, ChangeState.OVERTAKEN)
TOO_LATE = (ChangeState.IGNORED, ChangeState.DISMISSED)
"""Of a change to what the shop has sent: by itself, or by the person whom it waited for."""
NOT_TAKEN = (ActionState.REFUSED, ActionState.FAILED)
"""By the marketplace, or by Lengow at once: of an order that was cancelled while it was sent."""
MAILS = {InvoiceState.MAILED: (1,), InvoiceState.MAIL_UNKNOWN: (0, 1)}
"""How often an invoice in this state may have been mailed. In any other state none is left at the end."""


class ChaosWorld(World):
    """`World` with a second account; the connector's process builds feeds too."""

    def __init__(
        self, sandbox: Sandbox, folder: Path, mails: StormyMail, store: str, without: Sequence[str] = ()
    ) -> None:
        super().__init__(sandbox, folder, mails, store, kinds=KIND_OF, invoices=True, without=tuple(without))
        other = sandbox.add_account(f"{OTHER}-{folder.name}")
        self.accounts = {ACCOUNT: self.account, OTHER: other}
        self.taken = mails.taken
        with_feeds = tuple(name for name in self.shops if name != "generic")
        self.more = More(other.access_token, other.secret, OF_OTHER, str(folder), with_feeds)
        self.connector.close()
        self.connector = Connector(settings_for(self.facts, self.more), clock=clock(self.ahead))
        self.invoices = Invoices(self.connector)
        self._context.set_forkserver_preload([*PRELOADED, "chaos_life"])
        self._stock_before = {name: self.stock_taken(name) for name in self.shops}

    def close(self) -> None:
        self.invoices.close()
        super().close()

    def begins(self, **changes: Any) -> tuple[Any, Any]:
        """A process of the connector, and the pipe to it."""
        return self.start(serve, self.more, **changes)

    def account_of(self, name: str) -> str:
        return OTHER if name in OF_OTHER else ACCOUNT

    def seller_for(self, shop: str) -> Any:
        return self.accounts[self.account_of(shop)]

    def url_of(self, name: str) -> str:
        return f"http://127.0.0.1:{self.facts.webhook_port}/webhooks/{name}"

    def findings(self) -> list[str]:
        """All that is not as it should be."""
        ledger = self.sandbox.ledger()
        found = _Findings(self, ledger)
        return [*found.all(), *self._waiting()]

    def _waiting(self) -> Iterator[str]:
        """What nobody works on any more, and should."""
        store = self.connector.store
        for step in store.steps(held=True, limit=ALL):
            yield f"the step {step.kind} {step.subject} waits for a person: {step.error}"
        for state in (EventState.RECEIVED, EventState.FAILED):
            for event in store.list_events(state=state, limit=ALL):
                yield f"{event.shop}: the event {event.kind} {event.event_id} is {state}: {event.reason} {event.about}"


class _Findings:
    def __init__(self, world: ChaosWorld, ledger: Ledger) -> None:
        self._world, self._ledger = world, ledger
        self._store = world.connector.store
        self._invoices: dict[tuple[str, str], list[InvoiceRow]] = defaultdict(list)
        for row in world.invoices.listed(limit=ALL):
            self._invoices[row.shop, row.order_key.rpartition("/")[2]].append(row)

    def all(self) -> Iterator[str]:
        for name in self._world.shops:
            own = self._own(name)
            stored: dict[str, list[StoredOrder]] = defaultdict(list)
            for one in self._store.list_orders(OrderFilter(shop=name, limit=ALL)):
                stored[one.order.marketplace_order_id].append(one)
            listed = list(self._world.shops[name].orders())
            yield from self._compared(name, own, listed)
            sent = {one.number for one in listed if one.tracking}
            for order in own:
                yield from self._explained(name, order, stored[order.order_id], order.order_id in sent)
            yield from self._stock(name, own, listed)
            yield from self._invoiced(name, own, listed)
        yield from self._mailed()
        yield from self._numbered()

    def _own(self, name: str) -> list[SoldOrder]:
        account_id = self._world.accounts[self._world.account_of(name)].account_id
        catalogue = self._world.catalogues[name]
        return [one for one in self._ledger.sold if (one.account_id, one.catalog_id) == (account_id, catalogue)]

    def _compared(self, name: str, own: Sequence[SoldOrder], listed: Sequence[Any]) -> Iterator[str]:
        numbers = {order.order_id for order in own}
        told = tuple(one for one in self._ledger.told if one.order_id in numbers)
        holdings = ShopHoldings(orders=list(self._world.held(own, listed)), catalogues=(self._world.catalogues[name],))
        account_id = self._world.accounts[self._world.account_of(name)].account_id
        compared = reconcile(replace(self._ledger, sold=tuple(own), told=told), {account_id: holdings})
        for kind in COMPARED:
            for one in getattr(compared, kind):
                yield f"{name}: {kind}: {one}"

    def _explained(self, name: str, order: SoldOrder, found: Sequence[StoredOrder], sent: bool) -> Iterator[str]:
        if len(found) != 1:
            yield f"{name}: {order.order_id} is {len(found)} times in the store"
            return
        stored = found[0].order
        created = str(stored.state) == "created"
        if not created and not (str(stored.state) == "skipped" and stored.reason):
            yield f"{name}: {order.order_id} is {stored.state} ({stored.reason}: {stored.about})"
        if created and not order.merchant_order_ids:
            yield f"{name}: the id of {order.order_id} is not reported"
        for change in self._store.changes_of([stored.id]).get(stored.id, []):
            if change.state not in SETTLED_CHANGES and not (change.state in TOO_LATE and sent):
                yield f"{name}: {order.order_id}: {change.kind} is {change.state}: {change.reason}"
        for action in self._store.actions_of(stored.id):
            taken = action.state is ActionState.CONFIRMED
            overtaken = action.state in NOT_TAKEN and order.state in ("canceled", "refused")
            if not taken and not overtaken:
                yield f"{name}: {order.order_id}: the action {action.action_type} is {action.state}: {action.error}"

    def _stock(self, name: str, own: Sequence[SoldOrder], listed: Sequence[Any]) -> Iterator[str]:
        """What was sold, less what was cancelled before it was sent."""
        sent = {line for one in self._world.held(own, listed) if one.shipped for line in one.line_ids}
        taken = self._world.stock_taken(name) - self._world._stock_before[name]
        pieces = sum(
            line.quantity
            for order in own
            if not order.fulfilment
            for line in order.lines
            if line.state not in ("canceled", "refused") or line.id in sent
        )
        shop = self._world.shops[name]
        unsure = shop.unsure() if hasattr(shop, "unsure") else 0
        if not pieces - unsure <= taken <= pieces:
            yield f"{name}: {taken} pieces taken from stock, {pieces} sold, {unsure} for the merchant to count"

    def _invoiced(self, name: str, own: Sequence[SoldOrder], listed: Sequence[Any]) -> Iterator[str]:
        """Each parcel's goods are invoiced once; what was cancelled before it was sent is not."""
        sent = Counter(one.number for one in listed if one.tracking)
        for order in own:
            rows = [row for row in self._invoices[name, order.order_id] if row.kind == "invoice" and row.position]
            gone = order.state in ("canceled", "refused")
            if len(rows) != sent[order.order_id] and not (gone and len(rows) <= sent[order.order_id]):
                yield f"{name}: {sent[order.order_id]} parcels of {order.order_id}, {len(rows)} invoices"

    def _mailed(self) -> Iterator[str]:
        """Once; or it is not known whether it was, a person is told, and it is not mailed twice."""
        for rows in self._invoices.values():
            for row in rows:
                times = self._world.taken[row.message_id] if row.message_id else 0
                if times not in MAILS.get(row.state, ()):
                    yield f"{row.kind} {row.number} of {row.order_key} is {row.state}, mailed {times} times: {row.about}"

    def _numbered(self) -> Iterator[str]:
        series: dict[str, list[int]] = defaultdict(list)
        for rows in self._invoices.values():
            for row in rows:
                if row.position:
                    series[row.series].append(row.position)
        for name, places in series.items():
            if sorted(places) != list(range(1, len(places) + 1)):
                yield f"the series {name} has gaps or doubles: {len(places)} invoices, the last is {max(places)}"


@contextmanager
def chaos_world(
    folder: Path, storm: Storm, store: str = "", seed: int = 1, without: Sequence[str] = ()
) -> Iterator[tuple[ChaosWorld, Wire]]:
    """In a storm that does not blow yet. Without `store`, a SQLite file; `without`: see `broken.BROKEN`."""
    wire = Wire(storm, seed)
    StormyGenericShop.wire = wire
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(quota_per_minute=0, seed=seed))
        mails = stack.enter_context(mail_server(StormyMail(storm)))
        assert isinstance(mails, StormyMail)
        store = store or f"sqlite:///{folder / 'chaos' / 'lengow.db'}"
        world = ChaosWorld(sandbox, folder / "chaos", mails, store, without)
        stack.callback(world.close)
        stack.enter_context(wire.between())
        servers = {name: shop._shop.server for name, shop in world.shops.items() if name != "generic"}
        stack.enter_context(storm.over(sandbox, servers))
        yield world, wire
