"""The public door: one Connector serves all configured accounts and shops."""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import msgspec

from lengow.connector.actions import dismiss_action, queue_action, retry_action
from lengow.connector.adapter import Finding, Request, adapter_class
from lengow.connector.carriers import map_carrier, unmap_carrier, waiting_events
from lengow.connector.catalogue import CatalogueProduct, products_of
from lengow.connector.context import Context
from lengow.connector.deadlines import late_orders
from lengow.connector.digest import Digest, DigestSent, draw_up
from lengow.connector.discrepancies import Discrepancy
from lengow.connector.doctor import Examined, examine, examine_works
from lengow.connector.errors import ApiError, LengowError, OrderUnknown, SettingsError, StepUnknown, StoreError
from lengow.connector.events import Receipt, dismiss_event, preview_event, receive, retry_event
from lengow.connector.following import apply_change, dismiss_change
from lengow.connector.health import Health, Problem
from lengow.connector.importer import Imported, Progress, preview_orders
from lengow.connector.marketplace import Marketplace
from lengow.connector.marketplaces import marketplace as described
from lengow.connector.marketplaces import refresh_marketplaces
from lengow.connector.mending import dismiss_order, match_product, reimport_order, resync_ids, unmatch_product
from lengow.connector.model import ActionState, ChangeState, OrderState, StepKind
from lengow.connector.one_order import sync_order
from lengow.connector.privacy import Erasure, erase_buyer, export_buyer
from lengow.connector.reconciling import reconcile_account
from lengow.connector.recorder import Preview, PreviewedChange, Recorder
from lengow.connector.rules import Suggestion, suggest_carriers
from lengow.connector.settings import TOGGLES, Settings, refuse_unsupported_toggle
from lengow.connector.signals import Signals
from lengow.connector.steps import (
    run_creations,
    run_digest,
    run_erasure,
    run_events,
    run_follows,
    run_import,
    run_one,
    run_outcomes,
    run_poll,
    run_reports,
    run_sends,
    run_works,
    schedule,
)
from lengow.connector.store import Store, open_store
from lengow.connector.store.rows import (
    ActionRow,
    ChangeRow,
    EventRow,
    MappedCarrier,
    NewStep,
    OrderKey,
    PackageRow,
    ProductMatch,
    Step,
    StoredOrder,
    ToggleRow,
)
from lengow.connector.works import check_works

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from lengow.connector.runner import Runner

log = logging.getLogger("lengow.connector")

T = TypeVar("T")

BY_NUMBER = (StepKind.CREATE, StepKind.FOLLOW, StepKind.REPORT, StepKind.EVENT, StepKind.SEND)
"""Steps whose subject is the number of a row."""

OPERATOR = "operator"
"""Who is named in the journal for what was done by hand without a name."""


class AccountRound(msgspec.Struct, frozen=True):
    """What one `sync` did for an account."""

    account: str
    imported: Imported | None
    """None when another process was importing this account."""
    worked_on: int
    """Packages that the shops were asked to create."""
    events: int
    sent: int
    reported: int
    settled: int
    followed: int = 0
    """Shop orders that a change at Lengow was brought to, or tried to."""
    errors: tuple[str, ...] = ()
    """What failed as a whole, such as a shop whose settings are wrong; each with its code."""


class DryRun(msgspec.Struct, frozen=True):
    """What a `sync` would do for an account."""

    account: str
    orders: list[Preview]
    """Packages whose decision is new: those that are `ready` would be created."""
    actions: list[ActionRow]
    """Queued, and would be sent."""
    changes: list[PreviewedChange] = []
    """At Lengow, of orders in a shop: those that are `pending` would be brought there, the others would wait for a person."""
    asked_for: list[str] = []
    """References of packages whose creation was begun: the shop would be asked whether it holds them."""
    reported: list[str] = []
    """Shop order ids that would be reported to Lengow; only of an order that is tried again by hand."""


class Connector:
    """Brings Lengow's orders into the shops and their shipments back. Safe to share between threads.

    It opens the store when it is made, and connects to Lengow and the shops when first needed. Close it, or use it in
    a `with` block.
    """

    def __init__(
        self, settings: Settings, *, clock: Callable[[], datetime] | None = None, store: Store | None = None
    ) -> None:
        """`store` replaces the one that the settings name, `clock` the store's. Raises SettingsError and StoreError."""
        check_works(settings)
        self.settings = settings
        self.signals = Signals()
        self._clock = clock
        self._given = store
        self._lock = threading.Lock()
        self._inherited: list[_Opened] = []
        self._open = self._opened()

    @property
    def store(self) -> Store:
        return self._here().store

    @property
    def _context(self) -> Context:
        return self._here().context

    @property
    def _health(self) -> Health:
        return self._here().health

    @property
    def _rounds(self) -> ThreadPoolExecutor:
        return self._here().rounds

    def _here(self) -> "_Opened":
        """What this process has open. After a fork, such as by gunicorn's `preload_app`, all of it is opened anew: threads
        and locks did not come along, and connections must not be shared.
        """
        if self._open.process != os.getpid():
            with self._lock:
                if self._open.process != os.getpid():
                    self._inherited.append(self._open)  # kept, as closing it would end what the parent is at
                    self._open = self._opened()
        return self._open

    def _opened(self) -> "_Opened":
        store = self._given or open_store(self.settings.store.url)
        context = Context(self.settings, store, self.signals, self, self._clock or store.now)
        rounds = ThreadPoolExecutor(max(len(self.settings.accounts), 1), "lengow-sync")
        return _Opened(os.getpid(), store, context, rounds, Health(context))

    def sync(
        self,
        account: str | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        progress: Progress | None = None,
        report: bool = True,
    ) -> list[AccountRound]:
        """One round now, to its end: import, create, work off events, send, report, ask for outcomes.

        `account`: only this one. `since`, `until` (aware): what changed at Lengow in this window, instead of since the
        last one, whose end stays where it is. `report=False` leaves the merchant ids for later. What fails is in the
        answer and the store, and is tried again by the next round; only StoreError is raised, and SettingsError for an
        unknown account.
        """
        accounts = [self._account(account)] if account else list(self.settings.accounts)
        if len(accounts) == 1:
            return [self._round(accounts[0], progress, since, until, report=report)]
        return list(self._rounds.map(lambda name: self._round(name, progress, since, until, report=report), accounts))

    def preview(self, account: str) -> DryRun:
        """What the next `sync` of an account would do; Lengow is read, the shop is not called, nothing is written.

        Marketplaces are read and kept if they never were. Raises ApiError.
        """
        refresh_marketplaces(self._context, self._account(account))
        pages = list(preview_orders(self._context, account))
        found = {(one.order, one.line_ids): one for page in pages for one in page.orders}
        changes = {
            (one.change.package_id, one.change.kind, one.change.body): one for page in pages for one in page.changes
        }
        waiting = [ActionState.QUEUED, ActionState.SENDING]
        return DryRun(
            account,
            list(found.values()),
            self.store.list_actions(account=account, states=waiting),
            [*self._pending_changes(account), *changes.values()],
        )

    def start(self) -> None:
        """Run the schedule and all steps in threads of this process, until `stop`."""
        from lengow.connector.runner import Runner

        here = self._here()
        if here.runner is None:
            runner = Runner(here.context)
            runner.start()
            here.runner = runner

    def stop(self, timeout: float | None = 60) -> bool:
        """End the threads after what they are at; False if they were still at it after `timeout` seconds."""
        here = self._here()
        runner, here.runner = here.runner, None
        return runner.stop(timeout) if runner else True

    @property
    def context(self) -> Context:
        """What packages beside the connector work with: the store, the settings, the clock, the shops' adapters."""
        return self._context

    def close(self) -> None:
        self.stop()
        self._rounds.shutdown()
        self._context.close()
        self.store.close()

    def ship(
        self,
        account: str,
        marketplace: str,
        marketplace_order_id: str,
        *,
        carrier: str = "",
        carrier_name: str = "",
        tracking_number: str = "",
        tracking_url: str = "",
        line_ids: Sequence[str] | None = None,
        quantities: Mapping[str, int] | None = None,
        parcel: str = "",
        who: str = "host",
        dry_run: bool = False,
        **others: str,
    ) -> list[ActionRow]:
        """Confirm the shipment of `line_ids`, or of the whole order (None), to the marketplace.

        `carrier` is the marketplace's code; `others` are further arguments that the marketplace takes. `quantities`:
        pieces by line, where the parcel holds only a part of it. `parcel`: your id of it, by which it is known when its
        tracking number changes. Checked against the marketplace's rules, then queued; the same shipment told twice is
        one. Raises OrderUnknown and ActionInvalid.
        """
        arguments = {
            "carrier": carrier,
            "carrier_name": carrier_name,
            "tracking_number": tracking_number,
            "tracking_url": tracking_url,
            **others,
        }
        return self.act(
            "ship",
            account,
            marketplace,
            marketplace_order_id,
            arguments,
            line_ids=line_ids,
            quantities=quantities,
            parcel=parcel,
            who=who,
            dry_run=dry_run,
        )

    def accept(self, account: str, marketplace: str, marketplace_order_id: str, **options: Any) -> list[ActionRow]:
        """Accept an order that waits for it; options as of `act`."""
        return self.act("accept", account, marketplace, marketplace_order_id, **options)

    def refuse(self, account: str, marketplace: str, marketplace_order_id: str, **options: Any) -> list[ActionRow]:
        """Refuse an order that waits for acceptance; options as of `act`."""
        return self.act("refuse", account, marketplace, marketplace_order_id, **options)

    def cancel(self, account: str, marketplace: str, marketplace_order_id: str, **options: Any) -> list[ActionRow]:
        """Cancel an order, or lines of it, before shipment; options as of `act`."""
        return self.act("cancel", account, marketplace, marketplace_order_id, **options)

    def refund(self, account: str, marketplace: str, marketplace_order_id: str, **options: Any) -> list[ActionRow]:
        """Refund an order, or lines of it; options as of `act`. ManoMano needs refund_reason, refund_shipping_fees."""
        return self.act("refund", account, marketplace, marketplace_order_id, **options)

    def act(
        self,
        action: str,
        account: str,
        marketplace: str,
        marketplace_order_id: str,
        arguments: Mapping[str, str] | None = None,
        *,
        line_ids: Sequence[str] | None = None,
        quantities: Mapping[str, int] | None = None,
        parcel: str = "",
        who: str = "host",
        dry_run: bool = False,
    ) -> list[ActionRow]:
        """Tell the marketplace of `line_ids`, or of the whole order (None): accept, refuse, ship, cancel, refund.

        `quantities`: pieces by line, where only a part of it is meant. Of a shipment, such a part is told where the
        marketplace takes quantities, and else `held` until the rest is told (docs/actions.md). Checked against its
        rules, then queued; returns one row a message. The same action told twice is one. With `dry_run` nothing is
        queued, and the rows are what would be. Raises OrderUnknown and ActionInvalid.
        """
        key = OrderKey(self._account(account), marketplace, marketplace_order_id)
        return queue_action(
            self._context,
            key,
            action,
            arguments or {},
            line_ids=line_ids,
            quantities=quantities,
            parcel=parcel,
            who=who,
            dry_run=dry_run,
        )

    def retry_action(self, action_id: int, *, who: str = OPERATOR, dry_run: bool = False) -> list[ActionRow]:
        """Try a refused, failed, given-up or stuck action again, or tell a held one at once, as a whole.

        With `dry_run` nothing is written, and the rows are what would be sent. Raises ActionInvalid and ApiError.
        """
        return retry_action(self._context, action_id, who=who, dry_run=dry_run)

    def dismiss_action(self, action_id: int, *, reason: str, who: str = OPERATOR) -> ActionRow:
        """Note that a refused, failed, stuck or held action is dealt with, and why. Raises ActionInvalid."""
        return dismiss_action(self._context, action_id, reason=reason, who=who)

    @overload
    def retry_event(self, event_id: int, *, who: str = OPERATOR, dry_run: Literal[False] = False) -> EventRow: ...

    @overload
    def retry_event(self, event_id: int, *, who: str = OPERATOR, dry_run: Literal[True]) -> list[ActionRow]: ...

    def retry_event(self, event_id: int, *, who: str = OPERATOR, dry_run: bool = False) -> EventRow | list[ActionRow]:
        """Work off a failed event once more, such as after its carrier was mapped. Raises OrderUnknown.

        With `dry_run` nothing is written, and the rows are the actions that it would queue; what would stop it is
        raised: ActionInvalid, OrderUndecodable, ShopUnavailable.
        """
        if dry_run:
            return preview_event(self._context, event_id)
        return retry_event(self._context, event_id, who=who)

    def dismiss_event(self, event_id: int, *, reason: str, who: str = OPERATOR) -> EventRow:
        """Note that a failed event is dealt with, and why. Raises OrderUnknown and ActionInvalid."""
        return dismiss_event(self._context, event_id, reason=reason, who=who)

    def suggest_carriers(self, account: str, marketplace: str, name: str) -> list[Suggestion]:
        """The marketplace's carriers that are most like a shop's, with a score. Raises ActionInvalid."""
        return suggest_carriers(self.marketplace(account, marketplace), name)

    def marketplace(self, account: str, marketplace: str) -> Marketplace:
        """The marketplace as Lengow describes it: what it takes, at which status. Raises ActionInvalid."""
        return described(self._context, self._account(account), marketplace)

    def now(self) -> datetime:
        """By the connector's clock."""
        return self._context.now()

    def changes(
        self,
        *,
        account: str | None = None,
        shop: str | None = None,
        states: Sequence[ChangeState] = (ChangeState.WAITING,),
        limit: int | None = None,
    ) -> list[ChangeRow]:
        """What happened at Lengow to orders that are in a shop, newest first: what waits for a person, or of `states`."""
        return self.store.list_changes(account=account, shop=shop, states=states, limit=limit)

    def apply_change(self, change_id: int, *, who: str = OPERATOR) -> ChangeRow:
        """Have a change that waits for a person brought to the shop with the next round.

        Raises ChangeUnknown, and ChangeSettled for one that does not wait or that its platform cannot bring.
        """
        return apply_change(self._context, change_id, who=who)

    def dismiss_change(self, change_id: int, *, reason: str, who: str = OPERATOR) -> ChangeRow:
        """Leave the shop as it is, or say that it was changed by hand. Raises ChangeUnknown and ChangeSettled."""
        return dismiss_change(self._context, change_id, reason=reason, who=who)

    def late_orders(self, *, within_hours: float = 24, account: str | None = None) -> list[StoredOrder]:
        """Orders whose shipping deadline is past or near and whose shipment was not told, nearest first; also those that
        should be in a shop and are not."""
        now = self._context.now()
        until = now + timedelta(hours=within_hours)
        accounts = self._context.settings.accounts if account is None else [account]
        late = [one for name in accounts for one in late_orders(self.store, now, until, account=name)]
        return sorted(late, key=lambda one: (one.order.ship_by or until, one.order.id))

    def digest(self, account: str) -> Digest:
        """What the account's next digest would tell: what waits for a person and was not told before."""
        return draw_up(self._context, self._account(account))

    def send_digest(self, account: str) -> DigestSent | None:
        """Send the account's digest now, if something is new; None where another process is at it.

        Raises SettingsError where the account has none.
        """
        if self.settings.accounts[self._account(account)].digest is None:
            raise SettingsError(
                f"The account {account!r} has no digest.",
                what_to_do=f"Write [accounts.{account}.digest] with its recipients in `to`.",
                field=f"accounts.{account}.digest",
            )
        schedule(self._context, account)
        return run_digest(self._context, account, force=True)

    def receive(self, shop: str, request: Request) -> Receipt:
        """Take a webhook delivery: verified and committed when this returns.

        Raises SettingsError (no such shop), SignatureError, PayloadInvalid, StoreBusy.
        """
        outcome = "error"
        try:
            receipt = receive(self._context, self._shop(shop), request)
            outcome = "accepted" if receipt.taken else "already_taken" if receipt.repeated else "no_news"
        except LengowError as error:
            outcome = error.code
            raise
        finally:
            self._context.meter.delivered(shop, outcome)
        return receipt

    def export_buyer(self, email: str) -> dict[str, Any]:
        """Everything that is held on the buyer with this e-mail address, in what JSON can say."""
        return export_buyer(self._context, email)

    def erase_buyer(self, email: str, *, who: str = OPERATOR, dry_run: bool = False) -> list[Erasure]:
        """Erase what is held on a buyer, except of orders still to be delivered; amounts, ids and journal stay.

        With `dry_run` only the plan. What is done cannot be undone.
        """
        return erase_buyer(self._context, email, who=who, dry_run=dry_run)

    def problems(self) -> tuple[Problem, ...]:
        """What keeps the connector from its work: the store cannot be written, nobody runs the schedule."""
        return self._health.problems()

    def greets(self, shop: str, request: Request) -> bool:
        """Whether a request is a platform's unsigned hello to a new webhook: answered 200, and forgotten."""
        return self._context.adapter(self._shop(shop)).greets(request)

    def run_step(self, kind: str, subject: str) -> bool:
        """Run one step, for a host with its own job engine; False when it is not due. Idempotent.

        Kind and subject are those of `due_steps`. Raises StepUnknown for what no step can be.
        """
        if kind not in {one.value for one in StepKind} or (kind in BY_NUMBER and not subject.isdecimal()):
            raise StepUnknown(f"There is no step {kind!r} of {subject!r}.")
        return run_one(self._context, StepKind(kind), subject)

    def due_steps(self, *, limit: int = 100) -> list[Step]:
        """What is due now, for a host with its own job engine: hand kind and subject of each to `run_step`."""
        here, now = self._here(), self._context.now()
        if not here.scheduled:
            for account in self.settings.accounts:
                schedule(here.context, account)
            here.scheduled = True
        return [step for step in self.store.steps(held=False, limit=limit) if step.due_at <= now]

    def retry_step(self, step_id: int, *, who: str = OPERATOR) -> Step:
        """Have a step that waits for a person run again with the next round. Raises StepUnknown."""
        step = self.store.step(step_id)
        if step is None:
            raise StepUnknown(f"There is no step {step_id}.")
        with self.store.transaction() as tx:
            again = NewStep(step.kind, step.subject, self._context.now(), account=step.account, shop=step.shop)
            tx.add_steps([again])
            tx.note([self._context.entry(None, "retried", f"step {step.kind} of {step.subject}", who=who)])
        return self.store.step(step_id) or step

    @overload
    def retry(
        self,
        account: str,
        marketplace: str,
        marketplace_order_id: str,
        *,
        who: str = OPERATOR,
        dry_run: Literal[False] = False,
    ) -> StoredOrder: ...

    @overload
    def retry(
        self,
        account: str,
        marketplace: str,
        marketplace_order_id: str,
        *,
        who: str = OPERATOR,
        dry_run: Literal[True],
    ) -> DryRun: ...

    def retry(
        self,
        account: str,
        marketplace: str,
        marketplace_order_id: str,
        *,
        who: str = OPERATOR,
        dry_run: bool = False,
    ) -> StoredOrder | DryRun:
        """Read the order anew from Lengow, decide again, and try again at once what had failed.

        Lengow being down, the stored record serves. With `dry_run` nothing is written and the shop is not called; the
        answer is what would be done. Raises OrderUnknown.
        """
        key = OrderKey(self._account(account), marketplace, marketplace_order_id)
        stored = self._stored(key)
        try:
            page = self._context.client(account).order(marketplace, marketplace_order_id)
            raws = [bytes(raw) for raw in page.results]
        except ApiError:
            raws = []
        if dry_run:
            return self._retried(stored, raws)
        with self.store.transaction() as tx:
            tx.note([self._context.entry(stored.order.id, "retried", who=who)])
        recorder = Recorder(self._context, account)
        if raws:
            recorder.record(raws, anew=True)
        else:
            recorder.decide_again([stored.order.id], of_any_age=True)
        for package in stored.packages:
            self._context.circuit.note(package.shop, self._context.now(), answered=True)
        with self.store.transaction() as tx:
            if any(package.shop_order_id for package in stored.packages):
                tx.add_steps([NewStep(StepKind.REPORT, str(stored.order.id), self._context.now(), account=account)])
            for package in stored.packages:
                if package.state is OrderState.CREATING:
                    tx.add_steps(
                        [
                            NewStep(
                                StepKind.CREATE,
                                str(package.id),
                                self._context.now(),
                                account=account,
                                shop=package.shop,
                            )
                        ]
                    )
        return self._stored(key)

    def _retried(self, stored: StoredOrder, raws: Sequence[bytes]) -> DryRun:
        """What `retry` and the round after it would do for an order, with what Lengow tells of it now."""
        account, order_id = stored.order.account, stored.order.id
        known = self.store.records([order_id])
        previewed = Recorder(self._context, account).preview(raws or [known[order_id].raw], anew=True)
        waiting = (ActionState.QUEUED, ActionState.SENDING)
        return DryRun(
            account,
            previewed.orders,
            [row for row in self.store.actions_of(order_id) if row.state in waiting],
            previewed.changes,
            [package.reference for package in stored.packages if package.state is OrderState.CREATING],
            [package.shop_order_id for package in stored.packages if package.shop_order_id],
        )

    def sync_order(self, account: str, marketplace: str, marketplace_order_id: str) -> StoredOrder:
        """Fetch one order now, also one that is not known yet, and do what can be done of it.

        Raises OrderUnknown where Lengow has no such order, and ApiError.
        """
        return sync_order(self._context, OrderKey(self._account(account), marketplace, marketplace_order_id))

    def reconcile(
        self,
        *,
        days: float = 7,
        account: str | None = None,
        shop: str | None = None,
        fix: bool = False,
        who: str = OPERATOR,
        progress: Progress | None = None,
    ) -> Iterator[Discrepancy]:
        """Compare Lengow, the store and the shops, by the orders of the last `days`; yields what is amiss as it is found.

        With `fix`, what has a `remedy` is mended where that is safe, and the work that comes of it is done at the end.
        `account`, `shop`: only these. Raises SettingsError for unknown names.
        """
        if shop is not None:
            owner = self.settings.shops[self._shop(shop)].account
            if account not in (None, owner):
                raise SettingsError(f"The shop {shop!r} is of the account {owner!r}, not {account!r}.", field="shop")
            account = owner
        accounts = [self._account(account)] if account is not None else list(self.settings.accounts)
        return self._reconcile(accounts, days, shop, who if fix else "", progress)

    def _reconcile(
        self, accounts: Sequence[str], days: float, shop: str | None, mends_as: str, progress: Progress | None
    ) -> Iterator[Discrepancy]:
        for account in accounts:
            mended = False
            for found in reconcile_account(
                self._context, account, days=days, shop=shop, mends_as=mends_as, progress=progress
            ):
                mended = mended or bool(found.mended)
                yield found
            if mended:
                self.work(account)

    def reimport(
        self,
        account: str,
        marketplace: str,
        marketplace_order_id: str,
        *,
        who: str = OPERATOR,
        dry_run: bool = False,
    ) -> list[PackageRow]:
        """Have those shop orders of an order made anew that were deleted in the shop; returns their packages.

        The shop is asked first, by reference and by its list. They are made with the next round. With `dry_run`, it is
        only told which. Raises OrderUnknown, CannotMend (the shop holds them still) and ShopUnavailable.
        """
        stored = self.order(account, marketplace, marketplace_order_id)
        return reimport_order(self._context, stored, who=who, dry_run=dry_run)

    def resync_ids(self, account: str, marketplace: str, marketplace_order_id: str, *, who: str = OPERATOR) -> None:
        """Have the order's shop order ids reported to Lengow once more, with the next round.

        Raises OrderUnknown and CannotMend (it is in no shop).
        """
        resync_ids(self._context, self.order(account, marketplace, marketplace_order_id), who=who)

    def dismiss(
        self, account: str, marketplace: str, marketplace_order_id: str, *, reason: str, who: str = OPERATOR
    ) -> StoredOrder:
        """What of an order is in no shop will not be imported (`dismissed`), until `retry` decides it anew.

        Raises OrderUnknown, CannotMend and ShopUnavailable.
        """
        stored = self.order(account, marketplace, marketplace_order_id)
        dismiss_order(self._context, stored, reason=reason, who=who)
        return self.order(account, marketplace, marketplace_order_id)

    def match_product(self, shop: str, sku: str, reference: str, *, who: str = OPERATOR) -> ProductMatch:
        """From now on a line's `sku` is the shop's product `reference`; orders that wait for it are tried at once.

        Raises CannotMend (the shop has no such product) and ShopUnavailable.
        """
        return match_product(self._context, self._shop(shop), sku, reference, who=who)

    def unmatch_product(self, shop: str, sku: str, *, who: str = OPERATOR) -> None:
        """A line's `sku` stands for itself again. Raises CannotMend where it was not matched."""
        unmatch_product(self._context, self._shop(shop), sku, who=who)

    def product_matches(self, shop: str | None = None) -> list[ProductMatch]:
        """Which products are meant by which SKUs."""
        return self.store.product_matches(self._shop(shop) if shop else None)

    def map_carrier(
        self, shop: str, marketplace: str, code: str, carrier: str, *, who: str = OPERATOR
    ) -> list[EventRow]:
        """From now on the shop's carrier `code` (or name) is told to the marketplace as `carrier`.

        Goes before the settings. Events that failed with that carrier are worked off once more: they are the answer.
        Raises CannotMend (the marketplace has no such carrier) and ActionInvalid.
        """
        row = map_carrier(self._context, self._shop(shop), marketplace, code, carrier, who=who)
        return [self.retry_event(one, who=who) for one in waiting_events(self._context, shop, row.code)]

    def unmap_carrier(self, shop: str, marketplace: str, code: str, *, who: str = OPERATOR) -> None:
        """The settings decide again. Raises CannotMend where it was not mapped by hand."""
        unmap_carrier(self._context, self._shop(shop), marketplace, code, who=who)

    def mapped_carriers(self, shop: str | None = None) -> list[MappedCarrier]:
        """What was mapped by hand."""
        return self.store.mapped_carriers(self._shop(shop) if shop else None)

    def order(self, account: str, marketplace: str, marketplace_order_id: str) -> StoredOrder:
        """Raises OrderUnknown."""
        return self._stored(OrderKey(account, marketplace, marketplace_order_id))

    def toggles(self, shop: str) -> dict[str, bool]:
        """The shop's toggles as they stand."""
        return self._context.toggles(self._shop(shop))

    def set_toggle(self, shop: str, name: str, value: bool, *, who: str) -> None:
        """Switch a toggle of a shop; kept in the store and in the journal.

        Raises ToggleUnsupported where the platform cannot do what it says, SettingsError for an unknown name.
        """
        self._shop(shop)
        if name not in TOGGLES:
            raise SettingsError(f"There is no toggle {name!r}; there are: {', '.join(TOGGLES)}.", field=name)
        if value:
            refuse_unsupported_toggle(shop, adapter_class(self.settings.shops[shop].platform), name)
        with self.store.transaction() as tx:
            tx.set_toggle(ToggleRow(shop, name, value, self._context.now(), who))
            tx.note([self._context.entry(None, "toggled", f"{shop}: {name} = {str(value).lower()}", who=who)])

    def connect(self, shop: str, url: str) -> Sequence[Finding]:
        """Have the shop send its webhooks to `url` (of this connector's receiver). Safe to repeat."""
        return self._context.adapter(self._shop(shop)).connect(url)

    def doctor(self) -> list[Examined]:
        """Every account and shop looked at: credentials, rights, clocks, toggles, last sync, last heard."""
        return list(examine(self._context))

    def examine_works(self) -> list[Examined]:
        """The part of `doctor` that is about packages beside the connector, such as feeds; calls nobody outside."""
        return list(examine_works(self._context))

    def products(self, shop: str) -> Iterator[CatalogueProduct]:
        """All products that a shop has for sale. Raises SettingsError where its platform cannot list them."""
        return products_of(self._context, self._shop(shop))

    def check(self, shop: str) -> Sequence[Finding]:
        """What the shop's adapter finds about its reachability and rights."""
        return self._context.adapter(self._shop(shop)).check()

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self.close()

    def work(self, account: str) -> AccountRound:
        """What is due now, without an import."""
        return self._work(self._account(account), None, _Errors(), report=True)

    def _round(
        self,
        account: str,
        progress: Progress | None,
        since: datetime | None,
        until: datetime | None,
        *,
        report: bool,
    ) -> AccountRound:
        context, errors = self._context, _Errors()
        errors.of("schedule", lambda: schedule(context, account))
        by_hand = partial(run_import, context, account, StepKind.IMPORT, force=True, since=since, until=until)
        imported = errors.of("import", partial(by_hand, progress=progress))
        errors.of("import", lambda: run_import(context, account, StepKind.IMPORT_DAILY, progress=progress))
        for shop in self.settings.shops_of(account):
            errors.of(shop, partial(run_poll, context, shop, force=True))
        done = self._work(account, imported, errors, report=report)
        errors.of("work", lambda: run_works(context, account, force=True))
        errors.of("digest", lambda: run_digest(context, account))
        errors.of("erase", lambda: run_erasure(context))
        return msgspec.structs.replace(done, errors=tuple(errors.texts))

    def _work(self, account: str, imported: Imported | None, errors: "_Errors", *, report: bool) -> AccountRound:
        """Each shop and each kind of work for itself: what fails in one holds up no other."""
        context, shops = self._context, self.settings.shops_of(account)
        worked_on = [errors.of(shop, partial(run_creations, context, shop)) or 0 for shop in shops]
        followed = [errors.of(shop, partial(run_follows, context, shop)) or 0 for shop in shops]
        events = [errors.of(shop, partial(run_events, context, shop)) or 0 for shop in shops]
        return AccountRound(
            account=account,
            imported=imported,
            worked_on=sum(worked_on),
            followed=sum(followed),
            events=sum(events),
            sent=errors.of("send", lambda: run_sends(context, account)) or 0,
            reported=(errors.of("report", lambda: run_reports(context, account)) or 0) if report else 0,
            settled=errors.of("outcomes", lambda: run_outcomes(context, account, force=True)) or 0,
            errors=tuple(errors.texts),
        )

    def _pending_changes(self, account: str) -> list[PreviewedChange]:
        """Those that are on their way to a shop already."""
        rows = self.store.list_changes(account=account, states=[ChangeState.PENDING])
        orders = self.store.orders([row.order_id for row in rows])
        return [PreviewedChange(orders[row.order_id].order.key, row) for row in rows]

    def _stored(self, key: OrderKey) -> StoredOrder:
        found = self.store.orders_named(key.account, [(key.marketplace, key.marketplace_order_id)])
        if not found:
            raise OrderUnknown(f"There is no order {key}.", order=str(key))
        return next(iter(found.values()))

    def _account(self, name: str) -> str:
        return _known(name, self.settings.accounts, "account")

    def _shop(self, name: str) -> str:
        return _known(name, self.settings.shops, "shop")


class _Opened:
    """What a connector has open in one process."""

    def __init__(
        self, process: int, store: Store, context: Context, rounds: ThreadPoolExecutor, health: Health
    ) -> None:
        self.process = process
        self.store = store
        self.context = context
        self.rounds = rounds
        self.health = health
        self.runner: Runner | None = None
        self.scheduled = False
        """Whether what recurs was put on the schedule, for a host that runs the steps itself."""


class _Errors:
    """Collects what fails, so that the rest goes on."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def of(self, what: str, work: Callable[[], T]) -> T | None:
        """What `work` gives, or None when it failed. A store that fails stops everything."""
        try:
            return work()
        except StoreError:
            raise
        except Exception as error:
            code = error.code if isinstance(error, LengowError) else type(error).__name__
            log.exception("part of a round failed", extra={"what": what})
            self.texts.append(f"{what}: {code}: {error}")
            return None


def _known(name: str, among: Any, what: str) -> str:
    if name not in among:
        raise SettingsError(f"There is no {what} {name!r}; there are: {', '.join(among)}.", field=what)
    return name
