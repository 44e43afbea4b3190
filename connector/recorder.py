"""Records orders as they come from Lengow, and what is decided on them. One transaction a page.

An order whose fingerprint is the stored one costs that comparison and nothing else.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from lengow.connector.context import Context
from lengow.connector.decode import Identity, amended_fields, decode_order, identify
from lengow.connector.errors import OrderUndecodable
from lengow.connector.model import Order, OrderState, StepKind
from lengow.connector.packages import StoredPackage, assign
from lengow.connector.policy import Decision, ShopPolicy, decide
from lengow.connector.reference import reference_of
from lengow.connector.store.contract import Transaction
from lengow.connector.store.rows import JournalEntry, OrderRow, PackageRow, StoredOrder

Name = tuple[str, str]
"""(marketplace, marketplace_order_id)"""

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


class Recorder:
    """Records for one account. Holds what does not change within one sync: the shops' policies, the marketplaces."""

    def __init__(self, context: Context, account: str) -> None:
        self._context = context
        self._account = account
        self._policies: Mapping[str, ShopPolicy] = {
            shop: context.policy(shop) for shop in context.settings.shops_of(account)
        }
        self._marketplaces = {key.lower() for key in context.store.marketplaces(account)}

    def record(self, raws: Sequence[bytes], *, anew: bool = False) -> Recorded:
        """Record a page. With `anew`, unchanged orders too are decided again."""
        incoming = {(one.marketplace, one.marketplace_order_id): (one, raw) for one, raw in _identified(raws)}
        known = self._context.store.known(self._account, list(incoming))
        changed = {
            name: (identity, raw)
            for name, (identity, raw) in incoming.items()
            if anew or known.get(name) != identity.fingerprint
        }
        if not changed:
            return Recorded(frozenset(incoming), 0, 0)
        records = []
        with self._context.store.transaction() as tx:
            stored = tx.orders_named(self._account, list(changed))
            for name, (identity, raw) in changed.items():
                record = _Record(self._context, self._account, identity, raw, stored.get(name))
                if record.is_older() and not anew:
                    continue
                record.write(tx, self._policies, self._marketplaces)
                records.append(record)
        for record in records:
            record.tell()
        new = sum(record.is_new for record in records)
        return Recorded(frozenset(incoming), new, len(records) - new)


class _Record:
    """One order on its way into the store."""

    def __init__(
        self, context: Context, account: str, identity: Identity, raw: bytes, stored: StoredOrder | None
    ) -> None:
        self._context = context
        self._account = account
        self._identity = identity
        self._raw = raw
        self._stored = stored
        self._now = context.now()
        self._notes: list[JournalEntry] = []
        self._decided: list[Decision] = []
        self._fields: list[str] = []
        try:
            self._order: Order | None = decode_order(raw)
            self._broken = _broken_by_lines(self._order)
        except OrderUndecodable as error:
            self._order = None
            self._broken = Decision(OrderState.FAILED, error.code, str(error))

    @property
    def is_new(self) -> bool:
        return self._stored is None

    def is_older(self) -> bool:
        """A page read earlier may come later."""
        if self._order is None or self._stored is None or self._stored.order.updated_at is None:
            return False
        return self._order.updated_at < self._stored.order.updated_at

    def write(self, tx: Transaction, policies: Mapping[str, ShopPolicy], marketplaces: set[str]) -> None:
        order_id = tx.save_order(self._row())
        self._note_coming(order_id)
        if self._broken is not None:
            self._decided.append(self._broken)
            self._note_decision(order_id, None, self._broken)
            state = self._stop_packages(tx, self._broken)
        else:
            assert self._order is not None
            packages = self._write_packages(tx, order_id, self._order, policies, marketplaces)
            state = overall(packages) if packages else Decision(OrderState.SKIPPED, "no_lines")
        tx.set_order_states([(order_id, state.state, state.reason, state.about, self._now)])
        tx.note(self._notes)

    def tell(self) -> None:
        signals, tell = self._context.signals, self._context.tell
        if self._stored is None:
            tell(signals.order_received, order=self._order, status=self._order.status if self._order else "")
        elif self._fields:
            tell(signals.order_updated, order=self._order, fields=self._fields)
        for decision in self._decided:
            if decision.state is OrderState.SKIPPED:
                tell(signals.order_skipped, order=self._order, reason=decision.reason)
            elif decision.state is OrderState.FAILED:
                tell(signals.order_failed, order=self._order, reason=decision.reason, about=decision.about)

    def _row(self) -> OrderRow:
        order, stored = self._order, self._stored
        if self._broken is not None and stored is not None and stored.packages:
            return msgspec.structs.replace(
                stored.order, fingerprint=self._identity.fingerprint, unreadable=self._raw, changed_at=self._now
            )
        buyer = _buyer(order) if order else ("", "")
        return OrderRow(
            id=stored.order.id if stored else 0,
            account=self._account,
            marketplace=self._identity.marketplace,
            marketplace_order_id=self._identity.marketplace_order_id,
            fingerprint=self._identity.fingerprint,
            raw=self._raw,
            status=order.status if order else "",
            types=" ".join(order.types) if order else "",
            ordered_at=order.date if order else None,
            updated_at=order.updated_at if order else None,
            total=str(order.total) if order else "",
            currency=order.currency if order else "",
            buyer=buyer[0],
            email=buyer[1],
            state=stored.order.state if stored else OrderState.WAITING,
            reason="",
            about="",
            received_at=stored.order.received_at if stored else self._now,
            changed_at=self._now,
        )

    def _note_coming(self, order_id: int) -> None:
        if self._stored is None:
            detail = f"{self._order.status}, {self._order.total} {self._order.currency}" if self._order else ""
            self._notes.append(self._context.entry(order_id, "received", detail))
            return
        fields = amended_fields(self._stored.order.raw, self._raw)
        self._fields = [field for field in fields if field != "merchant_order_id"]
        if self._fields:
            self._notes.append(self._context.entry(order_id, "amended", ", ".join(self._fields)))

    def _stop_packages(self, tx: Transaction, broken: Decision) -> Decision:
        """What is not begun yet waits for a readable record; what is begun goes on with the last readable one."""
        packages = (
            [row for row in self._stored.packages if row.state is not OrderState.WITHDRAWN] if self._stored else []
        )
        stopped = [
            msgspec.structs.replace(
                row, state=broken.state, reason=broken.reason, about=broken.about, changed_at=self._now
            )
            for row in packages
            if not row.begun
        ]
        tx.set_package_states(stopped)
        for row in stopped:
            tx.drop_step(StepKind.CREATE, str(row.id))
        begun = [row for row in packages if row.begun]
        return overall([*stopped, *begun]) if begun else broken

    def _write_packages(
        self,
        tx: Transaction,
        order_id: int,
        order: Order,
        policies: Mapping[str, ShopPolicy],
        marketplaces: set[str],
    ) -> list[PackageRow]:
        stored = {row.id: row for row in self._stored.packages} if self._stored else {}
        alive = [row for row in stored.values() if row.state is not OrderState.WITHDRAWN]
        assignment = assign(
            [StoredPackage(row.id, row.line_ids, row.begun) for row in alive],
            [package.line_ids for package in order.packages],
        )
        shop = self._context.settings.shop_for(self._account, order.marketplace, order.catalogues) or ""
        own_ids = {row.shop_order_id for row in stored.values() if row.shop_order_id}
        position = max((row.position for row in stored.values()), default=0)
        rows = [row for row in alive if row.begun]
        for match in assignment.matches:
            before = stored[match.stored] if match.stored is not None else None
            if before is None:
                position += 1
            package = order.packages[match.incoming]
            package = msgspec.structs.replace(
                package, lines=tuple(line for line in package.lines if line.id in match.line_ids)
            )
            decision = decide(
                order,
                package,
                policies.get(shop),
                own_ids=own_ids,
                known_marketplace=order.marketplace.lower() in marketplaces,
            )
            row = PackageRow(
                id=before.id if before else 0,
                order_id=order_id,
                position=before.position if before else position,
                shop=shop,
                reference=before.reference if before else reference_of(self._account, order, position),
                line_ids=match.line_ids,
                state=decision.state,
                reason=decision.reason,
                about=decision.about,
                shop_order_id="",
                changed_at=self._now,
            )
            rows.append(self._write_package(tx, row, before, decision))
        for package_id in assignment.withdrawn:
            self._withdraw(tx, stored[package_id])
        return rows

    def _write_package(
        self, tx: Transaction, row: PackageRow, before: PackageRow | None, decision: Decision
    ) -> PackageRow:
        row = msgspec.structs.replace(row, id=tx.save_package(row))
        if decision.state is OrderState.READY:
            tx.add_step(StepKind.CREATE, str(row.id), self._now, account=self._account, shop=row.shop)
        elif before is not None:
            tx.drop_step(StepKind.CREATE, str(row.id))
        if before is None or (before.state, before.reason) != (row.state, row.reason):
            self._decided.append(decision)
            self._note_decision(row.order_id, row.id, decision)
        return row

    def _withdraw(self, tx: Transaction, row: PackageRow) -> None:
        decision = Decision(OrderState.WITHDRAWN, "lines_moved")
        tx.set_package_states(
            [msgspec.structs.replace(row, state=decision.state, reason=decision.reason, about="", changed_at=self._now)]
        )
        tx.drop_step(StepKind.CREATE, str(row.id))
        self._note_decision(row.order_id, row.id, decision)

    def _note_decision(self, order_id: int, package_id: int | None, decision: Decision) -> None:
        detail = ": ".join(filter(None, (decision.state, decision.reason, decision.about)))
        self._notes.append(self._context.entry(order_id, "decided", detail, package_id=package_id))


def overall(packages: Sequence[PackageRow]) -> Decision:
    """What an order shows of its packages."""
    first = min(packages, key=lambda row: URGENCY.index(row.state))
    return Decision(first.state, first.reason, first.about)


def refresh_order_state(tx: Transaction, order_id: int, now: datetime) -> None:
    """Bring the order's own state in line with its packages', after one of them changed."""
    stored = tx.order(order_id)
    if stored and stored.packages:
        state = overall(stored.packages)
        tx.set_order_states([(order_id, state.state, state.reason, state.about, now)])


def _identified(raws: Sequence[bytes]) -> list[tuple[Identity, bytes]]:
    return [(identify(raw), raw) for raw in raws]


def _broken_by_lines(order: Order) -> Decision | None:
    ids = [line.id for line in order.lines]
    double = next((one for one in ids if ids.count(one) > 1), None)
    return Decision(OrderState.FAILED, "duplicate_line", f"line {double}") if double is not None else None


def _buyer(order: Order) -> tuple[str, str]:
    """Name and e-mail, for lists and search."""
    addresses = [order.billing, *(package.delivery for package in order.packages)]
    given = [address for address in addresses if address]
    return (
        next((address.name for address in given if address.name), ""),
        next((address.email for address in given if address.email), ""),
    )
