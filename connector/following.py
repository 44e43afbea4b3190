"""Follows Lengow: what happened there to an order that is in a shop is brought to the shop, as the settings say.

A change is decided on, and committed, in the transaction that records the order it was seen in. Those to be brought are
run as steps, one a package, in the order in which they happened; `Adapter.update_order` is safe to repeat, so that a
change whose outcome is unknown is simply brought again. What a shop refuses waits for a person.
"""

import logging
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from lengow.connector.adapter import Change, Refund, Rejected, ShopOrder, Unknown, Updated, UpdateOutcome
from lengow.connector.changes import (
    Found,
    Own,
    changes_between,
    in_words,
    is_cancelled,
    merged,
    overtakes,
    own_effects,
    reopened_lines,
)
from lengow.connector.context import CONNECTOR, Context
from lengow.connector.errors import ChangeSettled, ChangeUnknown, LeaseLost, ShopUnavailable
from lengow.connector.leases import Leases
from lengow.connector.made_anew import is_the_shops_own, lacking
from lengow.connector.model import ChangeKind, ChangeState, Order, OrderState, StepKind
from lengow.connector.retry import retry_after, steady_pause, tries_used
from lengow.connector.settings import Follow
from lengow.connector.store.contract import Reading, Transaction
from lengow.connector.store.rows import ActionRow, ChangeRow, JournalEntry, NewStep, OrderKey, PackageRow, Step
from lengow.connector.taken_back import OPEN, TakenBack, is_stale, left_of, take_back, withdrawn

log = logging.getLogger("lengow.connector.following")

MADE_ANEW = "made_anew"
"""Why a change is brought once more."""

NOTED = {
    ChangeState.PENDING: "change_found",
    ChangeState.WAITING: "change_waiting",
    ChangeState.IGNORED: "change_ignored",
}


class Planned(msgspec.Struct, frozen=True):
    """What is to be written of an order's changes."""

    new: tuple[ChangeRow, ...] = ()
    """With id 0."""
    overtaken: tuple[ChangeRow, ...] = ()


def plan_changes(
    context: Context,
    account: str,
    before: Order | None,
    after: Order,
    packages: Sequence[PackageRow],
    known: Sequence[ChangeRow],
    actions: Sequence[ActionRow],
) -> Planned:
    """What is new in `after`, and what becomes of it. `known`: the order's changes so far; `actions`: its own.

    `packages`: those that are in a shop, or on their way there, and those that will not come there any more.
    """
    own = own_effects(actions, after)
    new: list[ChangeRow] = []
    overtaken: list[ChangeRow] = []
    for package in packages:
        mine = [row for row in known if row.package_id == package.id and row.state is not ChangeState.OVERTAKEN]
        still_open = [row for row in mine if row.state in OPEN]
        if package.state in GONE:
            overtaken += [_overtaken(context, row, "not_created") for row in still_open]
            continue
        basis = before if package.begun else None
        past = own.shipped_past_shop if _ships_past(context, package.shop, own) else frozenset()
        theirs = msgspec.structs.replace(own, shipped_past_shop=past)
        settled = _settled(basis, after, package, theirs, mine)
        overtaken += [_overtaken(context, row, "overtaken") for row in settled.moot]
        still_open = [row for row in still_open if row not in settled.moot]
        for found in settled.found:
            one = found
            verdict = _verdict(context, package.shop, one)
            moot = [row for row in still_open if verdict.state in OPEN and overtakes(one, row.kind, row.body)]
            for row in moot:
                one = merged(one, row.body)
            overtaken += [_overtaken(context, row, "overtaken") for row in moot]
            still_open = [row for row in still_open if row not in moot]
            new.append(_row(context, account, package, one, verdict))
    return Planned(tuple(new), tuple(overtaken))


def _ships_past(context: Context, shop: str, own: Own) -> bool:
    known = bool(own.shipped_past_shop) and shop in context.settings.shops
    return known and context.capabilities(shop).shipped_past_it


def _settled(
    before: Order | None, after: Order, package: PackageRow, own: Own, known: Sequence[ChangeRow]
) -> TakenBack:
    """What happened to a package; a fault of ours is shown to a person, and must not stop the page."""
    try:
        standing = [row for row in known if row.state not in OPEN or not is_stale(row, after, package)]
        own = msgspec.structs.replace(own, withdrawn=own.cancelled | withdrawn(standing, package))
        found = changes_between(before, after, package, own, _booked(known, after, own.withdrawn))
        if before is None:  # it is compared at each reading until the package is begun
            told = {(row.kind, row.reason) for row in known if row.body is None}
            found = [one for one in found if one.change is not None or (one.kind, one.reason) not in told]
        return take_back(after, package, found, known, reopened_lines(before, after, package))
    except Exception as error:
        log.exception("two readings of an order could not be compared", extra={"reference": package.reference})
        return TakenBack((), (Found(ChangeKind.CANCELLED, None, ChangeState.WAITING, "not_compared", repr(error)),))


def write_changes(
    context: Context, tx: Transaction, planned: Planned, packages: Sequence[PackageRow]
) -> tuple[list[ChangeRow], list[JournalEntry], list[NewStep]]:
    """Write what was planned; returns the new changes with their ids, what to note, and the steps to add."""
    for row in planned.overtaken:
        tx.save_change(row)
    rows = [msgspec.structs.replace(row, id=tx.add_change(row)) for row in planned.new]
    notes = [_entry(context, row, NOTED[row.state]) for row in rows]
    created = {package.id: package for package in packages if package.state is OrderState.CREATED}
    pending = dict.fromkeys(row.package_id for row in rows if row.state is ChangeState.PENDING)
    return rows, notes, [_step(context, rows[0].account, created[one]) for one in pending if one in created]


def after_creation(
    context: Context, tx: Transaction, account: str, packages: Sequence[PackageRow], anew: Collection[int] = ()
) -> None:
    """Have brought what happened while these packages were being created; forget it where they were not, after all.

    `anew`: the ids of those that were in the shop before and were made once more; they get what they lack of that.
    """
    _bring_again(context, tx, account, [package for package in packages if package.id in anew])
    done = [package for package in packages if package.state is OrderState.CREATED or package.state in GONE]
    changes = tx.changes_of([package.order_id for package in done])
    steps = []
    for package in done:
        mine = [row for row in changes[package.order_id] if row.package_id == package.id and row.state in OPEN]
        if package.state in GONE:
            for row in mine:
                tx.save_change(_overtaken(context, row, "not_created"))
        elif any(row.state is ChangeState.PENDING for row in mine):
            steps.append(_step(context, account, package))
    tx.add_steps(steps)


def _bring_again(context: Context, tx: Transaction, account: str, packages: Sequence[PackageRow]) -> None:
    if not packages:
        return
    order_ids = [package.order_id for package in packages]
    orders, changes, actions = tx.models(order_ids), tx.changes_of(order_ids), tx.actions_of_orders(order_ids)
    for package in packages:
        order, mine = orders[package.order_id], actions[package.order_id]
        rows = [row for row in changes[package.order_id] if row.package_id == package.id]
        known = [row for row in rows if row.state is not ChangeState.OVERTAKEN]
        missing = lacking(order, package, known, own_effects(mine, order), mine)
        again = [_changed(context, row, ChangeState.PENDING, MADE_ANEW) for row in missing.again]
        for row in (*again, *(_overtaken(context, row, MADE_ANEW) for row in missing.replaced)):
            tx.save_change(row)
        for found in missing.new:
            able = found.change is not None and _able(context, package.shop, found.change)
            verdict = _Settled(
                *((ChangeState.PENDING, MADE_ANEW) if able else (ChangeState.WAITING, "platform_cannot"))
            )
            row = _row(context, account, package, found, verdict)
            again.append(msgspec.structs.replace(row, id=tx.add_change(row)))
        tx.note([_entry(context, row, NOTED[row.state]) for row in again])


def follow_package(context: Context, step: Step) -> bool:
    """Bring what is pending of one package to its shop, oldest first; False when the shop did not answer."""
    answered, leases = True, Leases(context, [step])
    package, pending = _pending(context, context.store, int(step.subject))
    if package is None or not pending:
        with context.store.transaction() as tx:
            _end(context, tx, step)
        return answered
    while pending and not context.stopping.is_set():
        if not leases.hold(step):
            raise LeaseLost(f"The step {step.kind} of {step.subject} was taken over by another worker.")
        outcome = _bring(context, package, pending[0])
        answered = isinstance(outcome, Updated | Rejected) and not _is_untouched(outcome)
        context.circuit.note(package.shop, context.now(), answered=answered)
        pending = _settle(context, step, package, pending[0], outcome)
    if pending:
        with context.store.transaction() as tx:
            _end(context, tx, step)
    return answered


def apply_change(context: Context, change_id: int, *, who: str) -> ChangeRow:
    """Have a change brought to the shop that waits for a person, or was ignored or dismissed.

    Raises ChangeUnknown, and ChangeSettled for one that is in the shop, overtaken, or that its platform cannot bring.
    """
    with context.store.transaction() as tx:
        row = _change(tx, change_id)
        if row.state not in (ChangeState.WAITING, ChangeState.IGNORED, ChangeState.DISMISSED):
            raise ChangeSettled(f"The change {change_id} is {row.state}.", change=change_id)
        if row.body is None or not _able(context, row.shop, row.body):
            raise ChangeSettled(
                f"The change {change_id} can only be made by hand ({row.reason}).",
                what_to_do=f"Make it in the shop, then: lengow-connector changes dismiss {change_id} --reason …",
                change=change_id,
            )
        package = tx.packages([row.package_id])[row.package_id]
        order = tx.models([row.order_id]).get(row.order_id)
        if order is not None and is_stale(row, order, package):
            raise ChangeSettled(
                f"The change {change_id} was taken back at Lengow since: the order is {order.status} there.",
                what_to_do="Look at the order; what is to be done in the shop all the same is done there by hand.",
                change=change_id,
            )
        row = _changed(context, row, ChangeState.PENDING, who=who)
        tx.save_change(row)
        if package.state is OrderState.CREATED:
            tx.add_steps([_step(context, row.account, package)])
        tx.note([_entry(context, row, "change_approved", who=who)])
    return row


def dismiss_change(context: Context, change_id: int, *, reason: str, who: str) -> ChangeRow:
    """Leave the shop as it is, or say that a change was made there by hand. Raises ChangeUnknown and ChangeSettled."""
    with context.store.transaction() as tx:
        row = _change(tx, change_id)
        if row.state not in OPEN:
            raise ChangeSettled(f"The change {change_id} is {row.state}.", change=change_id)
        row = _changed(context, row, ChangeState.DISMISSED, row.reason, reason, who=who)
        tx.save_change(row)
        tx.note([_entry(context, row, "change_dismissed", who=who)])
    return row


def _pending(context: Context, reading: Reading, package_id: int) -> tuple[PackageRow | None, list[ChangeRow]]:
    """The package with what is to be brought to it; of one that is not created yet, nothing (`after_creation`)."""
    package = reading.packages([package_id]).get(package_id)
    if package is None or package.state is not OrderState.CREATED or package.shop not in context.settings.shops:
        return package, []
    changes = reading.changes_of([package.order_id])[package.order_id]
    return package, [row for row in changes if row.package_id == package_id and row.state is ChangeState.PENDING]


def _bring(context: Context, package: PackageRow, row: ChangeRow) -> UpdateOutcome | ShopUnavailable:
    if row.body is None:
        return Rejected(package.reference, "The buyer's data was erased before the change was brought.")
    try:
        adapter = context.adapter(package.shop)
        return adapter.update_order(ShopOrder(package.shop_order_id, package.reference), row.body)
    except ShopUnavailable as error:
        return error
    except Exception as error:  # a third party's adapter may raise anything
        log.exception("an adapter raised", extra={"shop": package.shop, "change": row.id})
        return Unknown(package.reference, repr(error))


def _is_untouched(outcome: UpdateOutcome | ShopUnavailable) -> bool:
    """The shop did not even look at the change, which is no try of it."""
    return isinstance(outcome, ShopUnavailable) or (
        isinstance(outcome, Rejected) and outcome.retry and not outcome.begun
    )


def _end(context: Context, tx: Transaction, step: Step) -> list[ChangeRow]:
    """End the step, unless there is more to bring: who adds a change later finds it gone. Returns what is left."""
    tx.mine([step])
    left = _pending(context, tx, int(step.subject))[1]
    if left:
        tx.postpone(step, context.now(), restart=True)
    else:
        tx.finish([step])
    return left


class _Settled(msgspec.Struct, frozen=True):
    """What becomes of a change, why, and when it is tried again."""

    state: ChangeState
    reason: str = ""
    about: str = ""
    due_at: datetime | None = None


def _effect(step: Step, outcome: UpdateOutcome | ShopUnavailable, now: datetime, jitter: float) -> _Settled:
    """Decide what an outcome means. Pure."""
    if isinstance(outcome, Updated):
        return _Settled(ChangeState.APPLIED)
    if isinstance(outcome, Rejected) and not outcome.retry:
        about = f"{outcome.field}: {outcome.reason}" if outcome.field else outcome.reason
        return _Settled(ChangeState.WAITING, "refused_by_shop", about)
    if isinstance(outcome, ShopUnavailable):
        reason, about = outcome.code, str(outcome)
    else:
        reason = "outcome_unknown" if isinstance(outcome, Unknown) else "refused_by_shop"
        about = outcome.reason
    pause: float | None = steady_pause(step.attempts, jitter=jitter, asked=outcome.retry_after)
    if not _is_untouched(outcome):
        pause = retry_after(step.attempts, jitter=jitter, asked=outcome.retry_after)
    if pause is None:
        return _Settled(ChangeState.WAITING, "change_given_up", about)
    return _Settled(ChangeState.PENDING, reason, about, now + timedelta(seconds=pause))


def _settle(
    context: Context, step: Step, package: PackageRow, row: ChangeRow, outcome: UpdateOutcome | ShopUnavailable
) -> list[ChangeRow]:
    """Commit an outcome, and end the step with the last; returns what is to be brought next."""
    effect = _effect(step, outcome, context.now(), context.jitter())
    with context.store.transaction() as tx:
        if step.id not in tx.mine([step]):
            raise LeaseLost(f"The step {step.kind} of {step.subject} was taken over by another worker.")
        current = _change(tx, row.id)
        settled_by_others = current.state is not ChangeState.PENDING and effect.state is not ChangeState.APPLIED
        if not settled_by_others:
            who = current.who if effect.state is ChangeState.PENDING else CONNECTOR
            current = _changed(context, current, effect.state, effect.reason, effect.about, who=who)
            tx.save_change(current)
            if effect.due_at is None:
                tx.note([_entry(context, current, _NOTED_AS[effect.state])])
            elif (row.reason, row.about) != (effect.reason, effect.about):
                tx.note([_entry(context, current, "change_delayed")])
        left = _pending(context, tx, package.id)[1]
        if effect.due_at is not None and not settled_by_others:
            tries = tries_used(step.attempts) if _is_untouched(outcome) else step.attempts
            counted = msgspec.structs.replace(step, attempts=tries)
            tx.postpone(counted, effect.due_at, f"{effect.reason}: {effect.about}")
            left = []
        elif not left:
            tx.finish([step])
    if not settled_by_others:
        tell_change(context, current, _order_key(context, package), package)
    return left


def tell_change(context: Context, row: ChangeRow, order: OrderKey, package: PackageRow | None = None) -> None:
    """Signal what became of a change, where a host may want to know."""
    signals = context.signals
    if row.state is ChangeState.APPLIED and package is not None:
        shop_order = ShopOrder(package.shop_order_id, package.reference)
        context.tell(signals.change_applied, order=order, change=row, shop_order=shop_order)
    elif row.state is ChangeState.WAITING:
        context.tell(signals.change_waiting, order=order, change=row, reason=row.reason, about=row.about)


def _verdict(context: Context, shop: str, found: Found) -> _Settled:
    """What becomes of a new change: the settings' word, unless only a person can tell, or nobody need to."""
    chosen = context.settings.shops.get(shop)
    setting = getattr(chosen.follow if chosen else Follow(), found.kind)
    if found.verdict is ChangeState.IGNORED or (found.verdict is not None and found.always):
        return _Settled(found.verdict, found.reason)
    if setting == "ignore":
        return _Settled(ChangeState.IGNORED, "ignored_by_settings")
    if found.change is None and found.reason:
        return _Settled(ChangeState.WAITING, found.reason)
    if found.change is None or not _able(context, shop, found.change):
        return _Settled(ChangeState.WAITING, "platform_cannot")
    if found.verdict is not None:
        return _Settled(found.verdict, found.reason)
    return _Settled(ChangeState.WAITING, "asked_by_settings") if setting == "ask" else _Settled(ChangeState.PENDING)


def _able(context: Context, shop: str, change: Change) -> bool:
    known = shop in context.settings.shops
    return known and type(change).__struct_config__.tag in context.capabilities(shop).updates


def _row(context: Context, account: str, package: PackageRow, found: Found, verdict: _Settled) -> ChangeRow:
    now = context.now()
    return ChangeRow(
        id=0,
        order_id=package.order_id,
        package_id=package.id,
        account=account,
        shop=package.shop,
        kind=found.kind,
        body=found.change,
        state=verdict.state,
        reason=verdict.reason,
        about=found.about,
        created_at=now,
        changed_at=now,
        who=CONNECTOR,
    )


def _changed(
    context: Context, row: ChangeRow, state: ChangeState, reason: str = "", about: str = "", *, who: str = CONNECTOR
) -> ChangeRow:
    return msgspec.structs.replace(row, state=state, reason=reason, about=about, changed_at=context.now(), who=who)


def _overtaken(context: Context, row: ChangeRow, reason: str) -> ChangeRow:
    return _changed(context, row, ChangeState.OVERTAKEN, reason)


def _step(context: Context, account: str, package: PackageRow) -> NewStep:
    return NewStep(StepKind.FOLLOW, str(package.id), context.now(), account=account, shop=package.shop)


def _change(tx: Transaction, change_id: int) -> ChangeRow:
    row = tx.change(change_id)
    if row is None:
        raise ChangeUnknown(f"There is no change {change_id}.", change=change_id)
    return row


def _entry(context: Context, row: ChangeRow, what: str, *, who: str = CONNECTOR) -> JournalEntry:
    detail = ": ".join(filter(None, (in_words(row.kind, row.body), row.reason, row.about)))
    return context.entry(row.order_id, what, detail, package_id=row.package_id, who=who)


def _order_key(context: Context, package: PackageRow) -> OrderKey:
    stored = context.store.order(package.order_id)
    assert stored is not None
    return stored.order.key


def _booked(rows: Sequence[ChangeRow], order: Order, withdrawn: Collection[str]) -> Decimal:
    """What the refunds so far came to, without what was for lines that are cancelled since: that counts no more."""
    sold = [line for line in order.lines if not is_cancelled(line, order) and line.id not in withdrawn]
    refunds = [row.body for row in rows if isinstance(row.body, Refund) and not is_the_shops_own(row.body)]
    counted = [left_of(refund, sold) for refund in refunds]
    return sum((one.amount for one in counted if one is not None), Decimal(0))


_NOTED_AS = {ChangeState.APPLIED: "change_applied", ChangeState.WAITING: "change_waiting"}

GONE = (OrderState.SKIPPED, OrderState.WITHDRAWN)
"""A package in one of these will not be in the shop."""
