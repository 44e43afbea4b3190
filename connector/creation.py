"""Creates shop orders, each exactly once: intent committed, shop called, outcome committed.

A package that is found in creation at its next claim was left by a crash or an unknown outcome; the shop is asked by
reference before anything is sent again.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from lengow.connector.adapter import Adapter, Created, Outcome, Rejected, ShopOrder, Unknown
from lengow.connector.context import Context
from lengow.connector.errors import LengowError, ShopUnavailable
from lengow.connector.following import after_creation
from lengow.connector.leases import Leases
from lengow.connector.model import Line, NewOrder, Order, OrderState, StepKind
from lengow.connector.policy import Decision
from lengow.connector.recorder import GAVE_UP, Elsewhere, Name, Recorder, moved_decision, refresh_order_states
from lengow.connector.retry import retry_after
from lengow.connector.settings import DECREASE_STOCK_FOR_MARKETPLACE_SHIPPED
from lengow.connector.store.contract import Transaction
from lengow.connector.store.rows import NewStep, PackageRow, Step

log = logging.getLogger("lengow.connector.creation")

LOOK_AGAIN_FOR_PRODUCT = timedelta(minutes=15)


class _Task(msgspec.Struct, frozen=True, gc=False):
    """One claimed package."""

    step: Step
    package: PackageRow
    order: Order
    in_doubt: bool
    """An earlier attempt was begun, and nothing is known of its outcome."""
    lines: tuple[Line, ...]
    """Those that are still sold, each with the SKU by which the shop knows its product."""
    moved: Decision | None = None
    """Why it is left out: another account of ours began to make the very same order since it was decided on."""


class _Found(msgspec.Struct, frozen=True):
    """An earlier attempt, whose outcome was unknown, had created it."""

    reference: str
    shop_order: ShopOrder


class _Overtaken(msgspec.Struct, frozen=True):
    """While its creation waited or was in doubt, the order changed so that it is not to be created any more, or not yet."""

    reference: str
    decision: Decision


class _Lost(msgspec.Struct, frozen=True):
    """Another worker has taken the step over: nothing was sent, and nothing is written."""

    reference: str


class _Held(msgspec.Struct, frozen=True):
    """Not sent to the shop: it waits for a product."""

    reference: str
    missing: tuple[str, ...]


class _Untouched(msgspec.Struct, frozen=True):
    """Surely not sent, or not looked up: the shop was not to be reached."""

    reference: str
    reason: str
    retry_after: float = 0


Result = Outcome | _Found | _Overtaken | _Lost | _Held | _Untouched


def create_due(context: Context, shop: str, *, subject: str | None = None) -> int:
    """Create one batch of what is due in a shop; returns how many packages were claimed, 0 when none is due.

    A shop that answers nothing to the whole batch is left alone for a while (`Circuit`).
    """
    if context.circuit.open(shop, context.now()):
        return 0
    adapter = context.adapter(shop)
    tasks = _claim(context, adapter, shop, subject)
    results = _results(context, adapter, shop, tasks)
    if tasks:
        _write_outcomes(context, adapter, tasks, results)
        context.circuit.note(shop, context.now(), answered=any(map(_answered, results.values())))
    return len(tasks)


def _answered(result: Result) -> bool:
    """Whether the shop, or we ourselves, dealt with the order."""
    return not isinstance(result, Unknown | _Untouched) and not _is_not_begun(result)


def _is_not_begun(result: Result) -> bool:
    return isinstance(result, Rejected) and result.retry and not result.begun


def _claim(context: Context, adapter: Adapter, shop: str, subject: str | None) -> list[_Task]:
    """Lease a batch and commit the intent to create it."""
    now = context.now()
    with context.store.transaction() as tx:
        if adapter.capabilities.one_at_a_time and tx.is_leased(StepKind.CREATE, now, shop=shop):
            return []
        steps = tx.claim(
            StepKind.CREATE,
            now,
            context.lease_end(),
            limit=adapter.capabilities.batch_size,
            shop=shop,
            subject=subject,
        )
        packages = tx.packages_with_siblings([int(step.subject) for step in steps])
        models = tx.models(list({package.order_id for package in packages.values()}))
        matches = {match.sku: match.reference for match in tx.product_matches(shop)}
        tasks = []
        for step in steps:
            package = packages.get(int(step.subject))
            if package is None or package.state not in _CREATABLE or package.order_id not in models:
                tx.finish([step])
                continue
            if package.shop != shop and not package.begun:
                tx.finish([step])
                tx.add_steps([NewStep(StepKind.CREATE, step.subject, now, account=step.account, shop=package.shop)])
                continue
            in_doubt = package.state is OrderState.CREATING
            order = models[package.order_id]
            tasks.append(_Task(step, package, order, in_doubt, _lines_for_shop(order, package, matches)))
        tasks = _with_shipping(_without_moved(context, tx, tasks), packages.values())
        tx.set_package_states(
            msgspec.structs.replace(task.package, state=OrderState.CREATING, reason="", changed_at=now)
            for task in tasks
            if not task.in_doubt and task.moved is None
        )
    return tasks


def _without_moved(context: Context, tx: Transaction, tasks: Sequence[_Task]) -> list[_Task]:
    """Mark what another account began to make since it was decided here: of two that wait, only one may make it, and
    rather one that the settings have. What was decided after that, a person asked for (`Recorder`).
    """
    known = context.settings.accounts
    if not tasks or (len(known) < 2 and not tx.has_other_accounts(tasks[0].step.account)):
        return list(tasks)
    begun: dict[tuple[str, Name], list[Elsewhere]] = {}
    for account in {task.step.account for task in tasks}:
        names = [_name(task) for task in tasks if task.step.account == account]
        begun |= {(account, name): found for name, found in tx.begun_elsewhere(account, names).items()}
    makers: dict[Name, Elsewhere] = {}
    marked = []
    for task in sorted(tasks, key=lambda one: one.step.account not in known):
        order, account, name = task.order, task.step.account, _name(task)
        since = [one for one in begun.get((account, name), ()) if one[-1] >= task.package.changed_at]
        maker = makers.setdefault(name, (account, order.date, str(order.total), context.now()))
        if maker[0] != account:
            since.append(maker)
        moved = moved_decision(order, since) if not task.in_doubt else None
        marked.append(msgspec.structs.replace(task, moved=moved) if moved else task)
    return marked


def _name(task: _Task) -> Name:
    return task.order.marketplace, task.order.marketplace_order_id


def _with_shipping(tasks: Sequence[_Task], packages: Iterable[PackageRow]) -> list[_Task]:
    """Let the first package of each order whose creation is begun carry the order's shipping and fee.

    `packages`: all of their orders.
    """
    carried = {row.order_id for row in packages if row.carries_shipping}
    given = []
    for task in tasks:
        package = task.package
        if package.order_id not in carried and not task.in_doubt and task.moved is None:
            carried.add(package.order_id)
            carrying = msgspec.structs.replace(package, carries_shipping=True)
            given.append(msgspec.structs.replace(task, package=carrying))
        else:
            given.append(task)
    return given


def _results(context: Context, adapter: Adapter, shop: str, tasks: Sequence[_Task]) -> dict[str, Result]:
    """What became of each package, by reference. Whatever the adapter does, none is left without an answer."""
    leases = Leases(context, [task.step for task in tasks])
    results: dict[str, Result] = {}
    for task in tasks:
        if task.moved is not None:
            results[task.package.reference] = _Overtaken(task.package.reference, task.moved)
        elif task.in_doubt:
            settled = _settled(context, adapter, leases, task)
            if settled is not None:
                results[task.package.reference] = settled
    fresh = [task for task in tasks if task.package.reference not in results]
    if fresh:
        held = _without_product(context, adapter, shop, fresh)
        results |= held
        new = [task for task in fresh if task.package.reference not in held]
        lost = {task.package.reference for task in new if not leases.hold(task.step)}
        results |= {reference: _Lost(reference) for reference in lost}
        orders = [_new_order(context, shop, task) for task in new if task.package.reference not in lost]
        results |= _create(adapter, shop, orders)
    return results


def _settled(context: Context, adapter: Adapter, leases: Leases, task: _Task) -> Result | None:
    """What is known of a package in doubt; None when the shop surely does not hold it and it is to be created."""
    reference = task.package.reference
    if not leases.hold(task.step):
        return _Lost(reference)
    try:
        found = adapter.find_order(reference)
    except Exception as error:  # noqa: BLE001 - a third party's adapter may raise anything
        _log_unexpected(error, reference)
        return _Untouched(reference, f"The shop could not be asked: {error}", _asked(error))
    if found is not None:
        return _Found(reference, found)
    decision = Recorder(context, task.step.account).decide(task.order, task.package)
    return None if decision.state is OrderState.READY else _Overtaken(reference, decision)


def _without_product(
    context: Context, adapter: Adapter, shop: str, tasks: Sequence[_Task]
) -> dict[str, _Held | _Untouched]:
    """The packages that must wait, because the shop lacks a product or cannot be asked for it."""
    if context.settings.shops[shop].unknown_products == "import":
        return {}
    wanted = sorted({line.sku for task in tasks for line in task.lines})
    try:
        products = adapter.find_products(wanted)
    except Exception as error:  # noqa: BLE001 - a third party's adapter may raise anything
        _log_unexpected(error, shop)
        return {task.package.reference: _Untouched(task.package.reference, str(error), _asked(error)) for task in tasks}
    if products is None:
        return {}
    held: dict[str, _Held | _Untouched] = {}
    for task in tasks:
        missing = _missing(task, products.keys())
        if missing:
            held[task.package.reference] = _Held(task.package.reference, missing)
    return held


def _create(adapter: Adapter, shop: str, orders: Sequence[NewOrder]) -> dict[str, Result]:
    if not orders:
        return {}
    try:
        outcomes = {outcome.reference: outcome for outcome in adapter.create_orders(orders)}
    except ShopUnavailable as error:
        return {order.reference: _Untouched(order.reference, str(error), error.retry_after) for order in orders}
    except Exception as error:  # noqa: BLE001 - a third party's adapter may raise anything
        _log_unexpected(error, shop)
        return {order.reference: Unknown(order.reference, repr(error)) for order in orders}
    silent = Unknown("", "The adapter gave no outcome.")
    return {order.reference: outcomes.get(order.reference, silent) for order in orders}


def _new_order(context: Context, shop: str, task: _Task) -> NewOrder:
    order = task.order
    package = next((one for one in order.packages if set(one.line_ids) & set(task.package.line_ids)), order.packages[0])
    first = task.package.carries_shipping
    delivered_by_marketplace = order.delivered_by_marketplace
    return NewOrder(
        reference=task.package.reference,
        order=order,
        package=package,
        lines=task.lines,
        shipping=order.shipping if first else Decimal(0),
        processing_fee=order.processing_fee if first else Decimal(0),
        delivered_by_marketplace=delivered_by_marketplace,
        decrease_stock=not delivered_by_marketplace or context.toggles(shop)[DECREASE_STOCK_FOR_MARKETPLACE_SHIPPED],
    )


class _Effect(msgspec.Struct, frozen=True, gc=False):
    """What is written of one package's result: its new row, and what becomes of its step."""

    package: PackageRow
    what: str
    """For the journal; empty: nothing new to say."""
    detail: str
    due_at: datetime | None = None
    """When its step is tried again; None: it is over."""
    restart: bool = False
    held: bool = False
    """Its step waits for a person."""


def _write_outcomes(context: Context, adapter: Adapter, tasks: Sequence[_Task], results: dict[str, Result]) -> None:
    """Commit what became of the batch. What another worker took over meanwhile is left to it."""
    now, settle = context.now(), adapter.capabilities.settle_seconds
    with context.store.transaction() as tx:
        mine = tx.mine([task.step for task in tasks])
        kept = [
            task for task in tasks if task.step.id in mine and not isinstance(results[task.package.reference], _Lost)
        ]
        effects = [
            _effect(task, results[task.package.reference], now, settle=settle, jitter=context.jitter()) for task in kept
        ]
        _end_steps(tx, kept, effects)
        tx.set_package_states(effect.package for effect in effects)
        refresh_order_states(tx, [effect.package for effect in effects], now)
        if kept:
            anew = {task.package.id for task in kept if _is_made_anew(task, results[task.package.reference])}
            after_creation(context, tx, kept[0].step.account, [effect.package for effect in effects], anew)
        tx.note(
            context.entry(effect.package.order_id, effect.what, effect.detail, package_id=effect.package.id, at=now)
            for effect in effects
            if effect.what
        )
        tx.add_steps(
            [
                NewStep(StepKind.REPORT, str(task.package.order_id), now, account=task.step.account)
                for task, effect in zip(kept, effects, strict=True)
                if effect.package.state is OrderState.CREATED
            ]
        )
    if len(kept) < len(tasks):
        log.warning("outcomes left to another worker", extra={"count": len(tasks) - len(kept)})
    for task, effect in zip(kept, effects, strict=True):
        _tell(context, task, effect)


def _is_made_anew(task: _Task, result: Result) -> bool:
    """Whether it was in the shop before, and is there once more: as another shop order, not the one that had gone."""
    before = task.package.shop_order_id
    if not before or not isinstance(result, Created | _Found):
        return False
    return isinstance(result, Created) or result.shop_order.id != before


def _end_steps(tx: Transaction, tasks: Sequence[_Task], effects: Sequence[_Effect]) -> None:
    over = []
    for task, effect in zip(tasks, effects, strict=True):
        if effect.held:
            tx.hold(task.step, effect.detail)
        elif effect.due_at is not None:
            tx.postpone(task.step, effect.due_at, effect.package.reason, restart=effect.restart)
        else:
            over.append(task.step)
    tx.finish(over)


def _effect(task: _Task, result: Result, now: datetime, *, settle: float, jitter: float) -> _Effect:
    """Decide what a result means. Pure."""
    if isinstance(result, Created | _Found):
        package = _changed(task, now, OrderState.CREATED, "", "", result.shop_order.id)
        what = "found" if isinstance(result, _Found) else "created"
        return _Effect(package, what, f"{package.shop} {result.shop_order.id}")
    if isinstance(result, _Overtaken):
        decision = result.decision
        package = _changed(task, now, decision.state, decision.reason, decision.about)
        return _Effect(package, "decided", ": ".join(filter(None, (decision.state, decision.reason, decision.about))))
    if isinstance(result, _Held):
        about = ", ".join(result.missing)
        package = _changed(task, now, OrderState.WAITING, "unknown_product", about)
        what = "" if task.step.error == "unknown_product" else "decided"
        return _Effect(package, what, f"waiting: unknown_product: {about}", now + LOOK_AGAIN_FOR_PRODUCT, restart=True)
    if isinstance(result, Rejected) and not result.retry:
        about = f"{result.field}: {result.reason}" if result.field else result.reason
        package = _changed(task, now, OrderState.FAILED, "rejected_by_shop", about)
        return _Effect(package, "create_failed", f"rejected_by_shop: {about}", held=True)
    if isinstance(result, _Lost):
        raise TypeError("nothing is written of what another worker has")
    return _again(task, result, now, settle=settle, jitter=jitter)


def _again(
    task: _Task, result: Unknown | Rejected | _Untouched, now: datetime, *, settle: float, jitter: float
) -> _Effect:
    """Try again later, and never before the shop asks for it. What is in doubt stays so.

    An order that a shop does not take in the end waits for a person. What a shop did not even begin is no try, and is
    tried again for as long as it takes; how often it is asked then is the circuit's business.
    """
    in_doubt = task.in_doubt or isinstance(result, Unknown)
    reason = _AGAIN[type(result)]
    restart = isinstance(result, _Untouched) or _is_not_begun(result)
    pause = retry_after(1 if restart else task.step.attempts, jitter=jitter, asked=result.retry_after)
    if pause is None:
        state = OrderState.CREATING if in_doubt else OrderState.FAILED
        return _Effect(_changed(task, now, state, GAVE_UP, result.reason), GAVE_UP, result.reason, held=True)
    state = OrderState.CREATING if in_doubt else OrderState.READY
    due_at = now + timedelta(seconds=max(pause, settle) if in_doubt else pause)
    package = _changed(task, now, state, reason, result.reason)
    again = task.package.reason == reason and task.package.about == result.reason
    return _Effect(package, "" if again else "create_failed", f"{reason}: {result.reason}", due_at, restart=restart)


def _changed(
    task: _Task, now: datetime, state: OrderState, reason: str, about: str, shop_order_id: str = ""
) -> PackageRow:
    begun = state in (OrderState.CREATING, OrderState.CREATED)
    return msgspec.structs.replace(
        task.package,
        state=state,
        reason=reason,
        about=about,
        shop_order_id=shop_order_id or task.package.shop_order_id,
        carries_shipping=begun and task.package.carries_shipping,
        changed_at=now,
    )


def _tell(context: Context, task: _Task, effect: _Effect) -> None:
    package = effect.package
    if package.state is OrderState.CREATED:
        context.tell(
            context.signals.order_created,
            order=task.order,
            shop_order=ShopOrder(package.shop_order_id),
            shop=package.shop,
            reference=package.reference,
        )
    elif effect.held:
        context.tell(context.signals.order_failed, order=task.order, reason=package.reason, about=package.about)


_AGAIN = {Unknown: "outcome_unknown", Rejected: "rejected_by_shop", _Untouched: "shop_unavailable"}

_CREATABLE = (OrderState.READY, OrderState.WAITING, OrderState.CREATING)


def _lines_for_shop(order: Order, package: PackageRow, matches: Mapping[str, str]) -> tuple[Line, ...]:
    """The package's lines that are still sold; a matched SKU is replaced, and stays as the marketplace's."""
    own = set(package.line_ids)
    return tuple(
        msgspec.structs.replace(line, sku=matches[line.sku], marketplace_sku=line.marketplace_sku or line.sku)
        if line.sku in matches
        else line
        for line in order.lines
        if line.open and line.id in own
    )


def _missing(task: _Task, known: Iterable[str]) -> tuple[str, ...]:
    known = set(known)
    return tuple(sorted({line.sku for line in task.lines if line.sku not in known}))


def _asked(error: Exception) -> float:
    """Seconds that the shop asks to wait."""
    return error.retry_after if isinstance(error, ShopUnavailable) else 0


def _log_unexpected(error: Exception, about: str) -> None:
    if isinstance(error, LengowError):
        log.warning("the shop failed", extra={"about": about, "code": error.code, "error": str(error)})
    else:
        log.exception("an adapter raised", extra={"about": about})
