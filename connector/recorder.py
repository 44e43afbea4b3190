"""Records orders as they come from Lengow, and what is decided on them. One transaction a page.

An order whose fingerprint is the stored one costs that comparison and nothing else.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from lengow.connector.changes import tells_of_refunds
from lengow.connector.context import Context
from lengow.connector.decode import Identity, amended_fields, pack_order, unpack_order
from lengow.connector.erasure import without_buyer
from lengow.connector.following import Planned, plan_changes, tell_change, write_changes
from lengow.connector.incoming import Incoming, named, read
from lengow.connector.model import ChangeState, Order, OrderState, Package, StepKind
from lengow.connector.packages import StoredPackage, assign
from lengow.connector.policy import Decision, ShopPolicy, decide
from lengow.connector.reference import reference_of
from lengow.connector.store.contract import Reading, Transaction
from lengow.connector.store.rows import (
    ChangeRow,
    JournalEntry,
    NewStep,
    OrderKey,
    OrderRow,
    PackageRow,
    RecordRow,
    StoredOrder,
)

Name = tuple[str, str]
"""(marketplace, marketplace_order_id)"""

Elsewhere = tuple[str, datetime | None, str, datetime]
"""(account, when it was ordered, total, since when it is begun there)"""

log = logging.getLogger("lengow.connector.recorder")

GAVE_UP = "gave_up"
DISMISSED = "dismissed"
"""A person decided that it is not imported."""

URGENCY = (
    OrderState.FAILED,
    OrderState.WAITING,
    OrderState.CREATING,
    OrderState.READY,
    OrderState.CREATED,
    OrderState.SKIPPED,
    OrderState.WITHDRAWN,
)
"""An order shows the most urgent state of its packages."""


class Recorded(msgspec.Struct, frozen=True):
    names: frozenset[Name]
    """Every order on the page."""
    new: int
    amended: int
    dated_back: frozenset[Name] = frozenset()
    """Left out, as what is stored is newer by its date, and says something else: to be read by themselves."""


class Preview(msgspec.Struct, frozen=True):
    """What would become of one package."""

    order: OrderKey
    shop: str
    reference: str
    line_ids: tuple[str, ...]
    total: str
    currency: str
    decision: Decision


class PreviewedChange(msgspec.Struct, frozen=True):
    """What would become of a change at Lengow to an order that is in a shop."""

    order: OrderKey
    change: ChangeRow


class Previewed(msgspec.Struct, frozen=True):
    orders: list[Preview]
    changes: list[PreviewedChange]


_ByName = dict[Name, Incoming]
_PlannedPackage = tuple[PackageRow, PackageRow | None, Decision]
"""A package to save, its stored row, and what is decided on it."""


class Recorder:
    """Records for one account. Holds what does not change within one sync: the shops' policies, the marketplaces."""

    def __init__(self, context: Context, account: str) -> None:
        self._context = context
        self._account = account
        self._policies: Mapping[str, ShopPolicy] = {
            shop: context.policy(shop) for shop in context.settings.shops_of(account)
        }
        self._is_alone = len(context.settings.accounts) == 1 and not context.store.has_other_accounts(account)
        self._marketplaces = {key.lower() for key in context.store.marketplaces(account)}

    def rests_on(self) -> str:
        """A digest of everything but the orders that decisions rest on."""
        shops = {name: self._context.settings.shops[name] for name in self._policies}
        facts = [
            sorted(self._marketplaces),
            [(name, one.marketplaces, one.catalogues) for name, one in sorted(shops.items())],
            [policy for _, policy in sorted(self._policies.items())],
        ]
        return hashlib.sha256(msgspec.json.encode(facts)).hexdigest()

    def record(self, raws: Sequence[bytes], *, anew: bool = False, latest: bool = False) -> Recorded:
        """Record orders. With `anew`, unchanged ones too are decided again.

        `latest`: it was read just now, so that it is recorded also where it is dated back.
        """
        return self.record_page([named(raw) for raw in raws], anew=anew, latest=latest)

    def record_page(
        self,
        page: Sequence[Incoming],
        *,
        anew: bool = False,
        latest: bool = False,
        meanwhile: Callable[[], None] | None = None,
    ) -> Recorded:
        """The same for orders that are named already, or read.

        `meanwhile` is called right before the commit of a page that is new for the most part, as the next one is, then.
        """
        incoming, changed = self._compared(page, anew=anew)
        if not changed:
            return Recorded(frozenset(incoming), 0, 0)
        with self._context.store.transaction() as tx:
            found = self._records(tx, changed, anew=anew)
            records = [record for record in found if anew or latest or not record.is_older()]
            self._write(tx, records)
            if meanwhile is not None and 2 * len(records) > len(incoming):
                meanwhile()
        for record in records:
            record.tell()
        new = sum(record.is_new for record in records)
        dated_back = {record.name for record in found} - {record.name for record in records}
        return Recorded(frozenset(incoming), new, len(records) - new, frozenset(dated_back))

    def decide_again(self, order_ids: Sequence[int], *, of_any_age: bool = False) -> None:
        """Decide stored orders anew, by their records as they stand in this very transaction.

        Only those within the catch-up window of their shop, unless they may be `of_any_age`.
        """
        with self._context.store.transaction() as tx:
            stored, kept = tx.orders(order_ids), tx.records(order_ids)
            names = [(one.order.marketplace, one.order.marketplace_order_id) for one in stored.values()]
            elsewhere = self._elsewhere(tx, names)
            now = self._context.now()
            records = [
                _Record(
                    self._context,
                    now,
                    self._account,
                    Incoming(
                        Identity(one.order.marketplace, one.order.marketplace_order_id, one.order.fingerprint),
                        kept[order_id].raw,
                    ),
                    one,
                    kept[order_id],
                    [],
                    elsewhere.get((one.order.marketplace, one.order.marketplace_order_id), ()),
                    by_hand=of_any_age,
                )
                for order_id, one in stored.items()
                if kept[order_id].unreadable is None
            ]
            records = [record for record in records if of_any_age or record.is_catching_up()]
            self._write(tx, records)
        for record in records:
            record.tell()

    def decide(self, order: Order, row: PackageRow) -> Decision:
        """What is decided on one stored package of an order as it stands now."""
        lines = tuple(line for line in order.lines if line.id in row.line_ids)
        delivery = next((one.delivery for one in order.packages if set(one.line_ids) & set(row.line_ids)), None)
        stored = self._context.store.order(row.order_id)
        return decide(
            order,
            Package(lines, delivery),
            self._policies.get(row.shop),
            own_ids={one.shop_order_id for one in stored.packages} if stored else set(),
            known_marketplace=order.marketplace.lower() in self._marketplaces,
        )

    def preview(self, raws: Sequence[bytes], *, anew: bool = False) -> Previewed:
        """What `record` would decide on a page; nothing is written."""
        reading = self._context.store
        _, changed = self._compared([named(raw) for raw in raws], anew=anew)
        records = [one for one in self._records(reading, changed, anew=anew) if anew or not one.is_older()]
        return Previewed(
            [one for record in records for one in record.preview(self._policies, self._marketplaces)],
            [one for record in records for one in record.preview_changes(reading)],
        )

    def _write(self, tx: Transaction, records: Sequence["_Record"]) -> None:
        """Table by table, as few statements for many rows cost less than many for one each."""
        orders = [record.plan(self._policies, self._marketplaces) for record in records]
        packages = [
            record.packages_of(order_id) for record, order_id in zip(records, tx.save_orders(orders), strict=True)
        ]
        ids = iter(tx.save_packages([row for rows in packages for row in rows]))
        for record, rows in zip(records, packages, strict=True):
            record.write(tx, [msgspec.structs.replace(row, id=next(ids)) for row in rows])
        tx.save_records([record.row for record in records])
        tx.add_steps([step for record in records for step in record.steps])
        tx.note([entry for record in records for entry in record.notes])

    def _compared(self, page: Sequence[Incoming], *, anew: bool) -> tuple[_ByName, _ByName]:
        """The page by name, and what of it is not known to be unchanged."""
        incoming = {one.name: one for one in page}
        known = self._context.store.known(self._account, list(incoming))
        changed = {name: one for name, one in incoming.items() if anew or known.get(name) != one.identity.fingerprint}
        return incoming, changed

    def _records(self, reading: Reading, changed: _ByName, *, anew: bool) -> list["_Record"]:
        """What of it really says something new, with what is stored of it."""
        stored = reading.orders_named(self._account, list(changed))
        kept = reading.records([one.order.id for one in stored.values()])
        elsewhere = self._elsewhere(reading, list(changed))
        now = self._context.now()
        records = []
        for name, sent in changed.items():
            one = stored.get(name)
            incoming = sent
            if one is not None and one.order.erased_at:
                incoming = Incoming(sent.identity, without_buyer(sent.raw))
            before = kept[one.order.id] if one else None
            amended = amended_fields(before.raw, incoming.raw) if before else []
            if before is not None and before.unreadable is None and not amended and not anew:
                continue
            there = elsewhere.get(name, ())
            records.append(
                _Record(self._context, now, self._account, incoming, one, before, amended, there, by_hand=anew)
            )
        return records

    def _elsewhere(self, reading: Reading, names: Sequence[Name]) -> Mapping[Name, Sequence[Elsewhere]]:
        """What other accounts of ours have in a shop by these names; also one that the settings have no more."""
        return {} if self._is_alone else reading.begun_elsewhere(self._account, names)


class _Record:
    """One order on its way into the store."""

    def __init__(
        self,
        context: Context,
        now: datetime,
        account: str,
        incoming: Incoming,
        stored: StoredOrder | None,
        before: RecordRow | None,
        amended: Sequence[str],
        elsewhere: Sequence[Elsewhere],
        *,
        by_hand: bool,
    ) -> None:
        """`by_hand`: a person asks for it, so that what was dismissed is decided anew too."""
        self._by_hand = by_hand
        self._elsewhere = elsewhere
        self._context = context
        self._account = account
        self._identity = incoming.identity
        self._raw = incoming.raw
        self._stored = stored
        self._before = before
        self._now = now
        self.notes: list[JournalEntry] = []
        self.steps: list[NewStep] = []
        self.row = RecordRow(0, incoming.raw, b"")
        self._order_id = stored.order.id if stored else 0
        self._planned: list[_PlannedPackage] = []
        self._withdrawn: list[PackageRow] = []
        self._decided: list[Decision] = []
        self._changes: list[ChangeRow] = []
        self._amended = [field for field in amended if field != "merchant_order_id"]
        done = read(incoming)
        self._order, self._broken = done.order, done.broken

    @property
    def name(self) -> Name:
        return self._identity.marketplace, self._identity.marketplace_order_id

    @property
    def is_new(self) -> bool:
        return self._stored is None

    def is_older(self) -> bool:
        """A page read earlier may come later."""
        if self._order is None or self._stored is None or self._stored.order.updated_at is None:
            return False
        return self._order.updated_at < self._stored.order.updated_at

    def is_catching_up(self) -> bool:
        """Young enough that the shop that takes it by now still wants to know of it."""
        if self._order is None:
            return False
        settings = self._context.settings
        shop = settings.shop_for(self._account, self._order.marketplace, self._order.catalogues)
        days = settings.shops[shop].catch_up_days if shop else 0
        return shop is None or self._order.date >= self._now - timedelta(days=days)

    def plan(self, policies: Mapping[str, ShopPolicy], marketplaces: set[str]) -> OrderRow:
        """Decide, and give the order's row."""
        begun = [row for row in self._packages() if row.begun]
        if self._broken is not None:
            self._broken = self._dismissal(None) or self._broken
            return self._row(
                overall([*self._stopped(self._broken), *begun], none=self._broken) if begun else self._broken
            )
        assert self._order is not None
        self._planned, self._withdrawn = self._plan(self._order, policies, marketplaces)
        rows = [row for row, _, _ in self._planned]
        return self._row(overall(rows + begun, none=Decision(OrderState.SKIPPED, "no_lines")))

    def packages_of(self, order_id: int) -> list[PackageRow]:
        """The rows of its packages that are to be saved, now that the order has its id."""
        self._order_id = order_id
        return [msgspec.structs.replace(row, order_id=order_id) for row, _, _ in self._planned]

    def write(self, tx: Transaction, saved: Sequence[PackageRow]) -> None:
        """Write what hangs on its packages, which are `saved`; `row`, `notes` and `steps` are left for the whole page."""
        if self._broken is not None:
            self._write_broken(tx, self._broken)
            return
        assert self._order is not None
        self.row = RecordRow(self._order_id, self._raw, pack_order(self._order))
        self._note_coming()
        for row, (_, before, decision) in zip(saved, self._planned, strict=True):
            self._settle(tx, row, before, decision)
        begun = [row for row in self._packages() if row.begun]
        packages = [*begun, *saved, *(self._withdraw(tx, row) for row in self._withdrawn)]
        changes = self._plan_changes(tx, packages)
        self._changes, notes, steps = write_changes(self._context, tx, changes, packages)
        self.notes += notes
        self.steps += steps

    def preview(self, policies: Mapping[str, ShopPolicy], marketplaces: set[str]) -> list[Preview]:
        """What `write` would decide, of packages whose decision is new, or asked for by hand and not begun."""
        key = OrderKey(self._account, self._identity.marketplace, self._identity.marketplace_order_id)
        if self._broken is not None or self._order is None:
            assert self._broken is not None
            return [Preview(key, "", "", (), "", "", self._broken)]
        order = self._order
        planned, _ = self._plan(order, policies, marketplaces)
        return [
            Preview(key, row.shop, row.reference, row.line_ids, str(order.total), order.currency, decision)
            for row, before, decision in planned
            if before is None
            or (before.state, before.reason) != (decision.state, decision.reason)
            or (self._by_hand and not before.begun)
        ]

    def preview_changes(self, reading: Reading) -> list[PreviewedChange]:
        """What would be brought to the shop, and what would wait for a person."""
        if self._order is None or self._broken is not None or self._stored is None:
            return []
        planned = self._plan_changes(reading, [row for row in self._packages() if row.begun])
        shown = (ChangeState.PENDING, ChangeState.WAITING)
        return [PreviewedChange(self._stored.order.key, row) for row in planned.new if row.state in shown]

    def tell(self) -> None:
        signals, tell = self._context.signals, self._context.tell
        if self._stored is None:
            tell(signals.order_received, order=self._order, status=self._order.status if self._order else "")
        elif self._amended:
            tell(signals.order_updated, order=self._order, fields=self._amended)
        for decision in self._decided:
            if decision.state is OrderState.SKIPPED:
                tell(signals.order_skipped, order=self._order, reason=decision.reason)
            elif decision.state is OrderState.FAILED:
                tell(signals.order_failed, order=self._order, reason=decision.reason, about=decision.about)
        key = OrderKey(self._account, self._identity.marketplace, self._identity.marketplace_order_id)
        for change in self._changes:
            tell_change(self._context, change, key)

    def _plan_changes(self, reading: Reading, packages: Sequence[PackageRow]) -> Planned:
        """What happened to the packages that the shops are to be told of."""
        assert self._order is not None
        if self._stored is None and not tells_of_refunds(self._order):
            return Planned()
        if self._stored is None:
            return plan_changes(self._context, self._account, None, self._order, packages, (), ())
        if not self._amended and all(row.begun for row in packages):
            return Planned()
        order_id = self._stored.order.id
        before = unpack_order(self._before.decoded) if self._before is not None and self._before.decoded else None
        known, actions = reading.changes_of([order_id])[order_id], reading.actions_of(order_id)
        return plan_changes(self._context, self._account, before, self._order, packages, known, actions)

    def _packages(self) -> list[PackageRow]:
        """The stored packages that still stand."""
        packages = self._stored.packages if self._stored else ()
        return [row for row in packages if row.state is not OrderState.WITHDRAWN]

    def _row(self, state: Decision) -> OrderRow:
        order, stored = self._order, self._stored
        if self._broken is not None and stored is not None and self._before is not None and self._before.decoded:
            return msgspec.structs.replace(
                stored.order,
                fingerprint=self._identity.fingerprint,
                state=state.state,
                reason=state.reason,
                about=state.about,
                changed_at=self._now,
            )
        buyer = _buyer(order) if order else ("", "")
        return OrderRow(
            id=stored.order.id if stored else 0,
            account=self._account,
            marketplace=self._identity.marketplace,
            marketplace_order_id=self._identity.marketplace_order_id,
            fingerprint=self._identity.fingerprint,
            status=order.status if order else "",
            types=" ".join(order.types) if order else "",
            ordered_at=order.date if order else None,
            updated_at=order.updated_at if order else None,
            ship_by=_deadline(order) if order else None,
            total=str(order.total) if order else "",
            currency=order.currency if order else "",
            buyer=buyer[0],
            email=buyer[1],
            state=state.state,
            reason=state.reason,
            about=state.about,
            received_at=stored.order.received_at if stored else self._now,
            changed_at=self._now,
            shop=self._shop(order) if order else "",
            erased_at=stored.order.erased_at if stored else None,
        )

    def _shop(self, order: Order) -> str:
        """The shop that takes the order; empty where none does."""
        return self._context.settings.shop_for(self._account, order.marketplace, order.catalogues) or ""

    def _note_coming(self) -> None:
        if self._before is None:
            detail = f"{self._order.status}, {self._order.total} {self._order.currency}" if self._order else ""
            self._note("received", detail)
        elif self._amended:
            self._note("amended", ", ".join(self._amended))

    def _note(self, what: str, detail: str, package_id: int | None = None) -> None:
        self.notes.append(self._context.entry(self._order_id, what, detail, package_id=package_id, at=self._now))

    def _stopped(self, broken: Decision) -> list[PackageRow]:
        """The packages that are not begun, and wait for a readable record."""
        return [
            msgspec.structs.replace(
                row, state=broken.state, reason=broken.reason, about=broken.about, changed_at=self._now
            )
            for row in self._packages()
            if not row.begun and self._dismissal(row) is None
        ]

    def _write_broken(self, tx: Transaction, broken: Decision) -> None:
        """What is not begun yet waits for a readable record; what is begun goes on with the last readable one."""
        if self._before is not None and self._before.decoded:
            self.row = msgspec.structs.replace(self._before, unreadable=self._raw)
        else:
            self.row = RecordRow(self._order_id, self._raw, pack_order(self._order) if self._order else b"")
        stopped = self._stopped(broken)
        tx.set_package_states(stopped)
        for row in stopped:
            tx.drop_step(StepKind.CREATE, str(row.id))
        self._decided.append(broken)
        self._note_coming()
        self._note_decision(None, broken)

    def _plan(
        self, order: Order, policies: Mapping[str, ShopPolicy], marketplaces: set[str]
    ) -> tuple[list["_PlannedPackage"], list[PackageRow]]:
        """Each package to write, with its stored row and its decision; and the stored ones that have no line left."""
        alive = self._packages()
        every = self._stored.packages if self._stored else ()
        assignment = assign(
            [StoredPackage(row.id, row.line_ids, row.begun) for row in alive],
            [package.line_ids for package in order.packages],
        )
        stored = {row.id: row for row in alive}
        shop = self._shop(order)
        own_ids = {row.shop_order_id for row in every if row.shop_order_id}
        known_marketplace = order.marketplace.lower() in marketplaces
        position = max((row.position for row in every), default=0)
        planned = []
        for match in assignment.matches:
            before = stored[match.stored] if match.stored is not None else None
            if before is None:
                position += 1
            package = _with_lines(order.packages[match.incoming], match.line_ids)
            decision = (
                self._dismissal(before)
                or self._moved(order)
                or decide(order, package, policies.get(shop), own_ids=own_ids, known_marketplace=known_marketplace)
            )
            row = PackageRow(
                id=before.id if before else 0,
                order_id=before.order_id if before else 0,
                position=before.position if before else position,
                shop=shop,
                reference=before.reference if before else reference_of(self._account, order, position),
                line_ids=match.line_ids,
                state=decision.state,
                reason=decision.reason,
                about=decision.about,
                shop_order_id=before.shop_order_id if before else "",
                carries_shipping=False,
                changed_at=self._now,
            )
            planned.append((row, before, decision))
        return planned, [stored[package_id] for package_id in assignment.withdrawn]

    def _settle(self, tx: Transaction, row: PackageRow, before: PackageRow | None, decision: Decision) -> None:
        """What follows from the decision on a package, which is saved."""
        if decision.state is OrderState.READY:
            self.steps.append(NewStep(StepKind.CREATE, str(row.id), self._now, account=self._account, shop=row.shop))
        elif before is not None:
            tx.drop_step(StepKind.CREATE, str(row.id))
        if before is None or (before.state, before.reason) != (row.state, row.reason):
            self._decided.append(decision)
            if decision.state is not OrderState.READY or before is not None:
                self._note_decision(row.id, decision)

    def _withdraw(self, tx: Transaction, row: PackageRow) -> PackageRow:
        decision = Decision(OrderState.WITHDRAWN, "lines_moved")
        row = msgspec.structs.replace(row, state=decision.state, reason=decision.reason, about="", changed_at=self._now)
        tx.set_package_states([row])
        tx.drop_step(StepKind.CREATE, str(row.id))
        self._note_decision(row.id, decision)
        return row

    def _dismissal(self, before: PackageRow | None) -> Decision | None:
        """The decision of a person, which stands until he asks for another; of the whole order where it has no package."""
        dismissed = before or (self._stored.order if self._stored else None)
        if self._by_hand or dismissed is None or dismissed.reason != DISMISSED:
            return None
        return Decision(OrderState.SKIPPED, DISMISSED, dismissed.about)

    def _moved(self, order: Order) -> Decision | None:
        """The very same order is in a shop by another account: it was moved at Lengow, and must not be made twice."""
        return None if self._by_hand else moved_decision(order, self._elsewhere)

    def _note_decision(self, package_id: int | None, decision: Decision) -> None:
        self._note("decided", ": ".join(filter(None, (decision.state, decision.reason, decision.about))), package_id)


def moved_decision(order: Order, elsewhere: Iterable[Elsewhere]) -> Decision | None:
    """To leave out what another account has in a shop; None where that is another order of the same number."""
    for account, ordered_at, total, _ in elsewhere:
        if (ordered_at, total) == (order.date, str(order.total)):
            return Decision(OrderState.SKIPPED, "already_imported_elsewhere", f"account {account}")
    return None


def overall(packages: Sequence[PackageRow], *, none: Decision) -> Decision:
    """What an order shows of its packages; `none` where it has none.

    A package that was given up waits for a person, also where its creation is still in doubt.
    """
    row = min(packages, key=lambda one: URGENCY.index(_shown(one)), default=None)
    return none if row is None else Decision(_shown(row), row.reason, row.about)


def _shown(row: PackageRow) -> OrderState:
    return OrderState.FAILED if row.reason == GAVE_UP else row.state


def refresh_order_states(tx: Transaction, changed: Sequence[PackageRow], now: datetime) -> None:
    """Bring the orders' own states in line with their packages', after these packages changed."""
    packages = tx.packages_of_orders([row.order_id for row in changed])
    shown = {
        order_id: overall(rows, none=Decision(OrderState.SKIPPED, "no_lines")) for order_id, rows in packages.items()
    }
    tx.set_order_states((order_id, one.state, one.reason, one.about, now) for order_id, one in shown.items())


def _with_lines(package: Package, line_ids: Sequence[str]) -> Package:
    if len(line_ids) == len(package.lines):
        return package
    return msgspec.structs.replace(package, lines=tuple(line for line in package.lines if line.id in line_ids))


def _deadline(order: Order) -> datetime | None:
    return min((line.ship_by for line in order.lines if line.open and line.ship_by), default=None)


def _buyer(order: Order) -> tuple[str, str]:
    """Name and e-mail, for lists and search."""
    addresses = [order.billing, *(package.delivery for package in order.packages)]
    given = [address for address in addresses if address]
    return (
        next((address.name for address in given if address.name), ""),
        next((address.email for address in given if address.email), ""),
    )
