"""Creates shop orders, each exactly once: intent committed, shop called, outcome committed.

A package that is found in creation at its next claim was left by a crash or an unknown outcome; the shop is asked by
reference before anything is sent again.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal

import msgspec

from lengow.connector.adapter import Adapter, Created, Outcome, Rejected, ShopOrder, Unknown
from lengow.connector.context import Context
from lengow.connector.decode import decode_order
from lengow.connector.errors import LeaseLost, LengowError, ShopUnavailable
from lengow.connector.model import Line, NewOrder, Order, OrderState, StepKind
from lengow.connector.recorder import refresh_order_state
from lengow.connector.retry import retry_after
from lengow.connector.settings import DECREASE_STOCK_FOR_MARKETPLACE_SHIPPED
from lengow.connector.store.contract import Transaction
from lengow.connector.store.rows import JournalEntry, PackageRow, Step, StoredOrder

log = logging.getLogger("lengow.connector.creation")

LOOK_AGAIN_FOR_PRODUCT = timedelta(minutes=15)


class _Task(msgspec.Struct, frozen=True):
    """One claimed package."""

    step: Step
    package: PackageRow
    order: Order
    account: str
    in_doubt: bool
    """An earlier attempt was begun, and nothing is known of its outcome."""


class _Held(msgspec.Struct, frozen=True):
    """Not sent to the shop: it waits for a product."""

    reference: str
    missing: tuple[str, ...]


class _Untouched(msgspec.Struct, frozen=True):
    """Surely not sent, or not looked up: the shop was not to be reached."""

    reference: str
    reason: str


Result = Outcome | _Held | _Untouched


def create_due(context: Context, shop: str, *, subject: str | None = None) -> int:
    """Create one batch of what is due in a shop; returns how many packages were claimed, 0 when none is due."""
    adapter = context.adapter(shop)
    tasks = _claim(context, adapter, shop, subject)
    results = _results(context, adapter, shop, tasks)
    if tasks:
        _write_outcomes(context, adapter, shop, tasks, results)
    return len(tasks)


def _claim(context: Context, adapter: Adapter, shop: str, subject: str | None) -> list[_Task]:
    """Lease a batch and commit the intent to create it."""
    with context.store.transaction() as tx:
        steps = tx.claim(
            StepKind.CREATE,
            context.now(),
            context.lease_end(),
            limit=adapter.capabilities.batch_size,
            shop=shop,
            subject=subject,
        )
        stored = tx.orders_of_packages([int(step.subject) for step in steps])
        tasks = []
        for step in steps:
            package = _package_of(stored.get(int(step.subject)), step)
            if package is None or package.state not in _CREATABLE:
                tx.finish([step])
                continue
            one = stored[package.id]
            in_doubt = package.state is OrderState.CREATING
            tasks.append(_Task(step, package, decode_order(one.order.raw), one.order.account, in_doubt))
        tx.set_package_states(
            msgspec.structs.replace(task.package, state=OrderState.CREATING, reason="", changed_at=context.now())
            for task in tasks
            if not task.in_doubt
        )
    return tasks


def _results(context: Context, adapter: Adapter, shop: str, tasks: Sequence[_Task]) -> dict[str, Result]:
    """What became of each package, by reference. Whatever the adapter does, none is left without an answer."""
    results: dict[str, Result] = {}
    for task in tasks:
        if task.in_doubt:
            found = _look_for(adapter, task.package.reference)
            if found is not None:
                results[task.package.reference] = found
    fresh = [task for task in tasks if task.package.reference not in results]
    if fresh:
        held = _without_product(context, adapter, shop, fresh)
        results |= held
        new = [_new_order(context, shop, task) for task in fresh if task.package.reference not in held]
        results |= _create(adapter, shop, new)
    return results


def _look_for(adapter: Adapter, reference: str) -> Created | Unknown | None:
    """None when the shop surely does not hold the order."""
    try:
        found = adapter.find_order(reference)
    except Exception as error:  # noqa: BLE001 - a third party's adapter may raise anything
        _log_unexpected(error, reference)
        return Unknown(reference, f"The shop could not be asked: {error}")
    return Created(reference, found) if found else None


def _without_product(
    context: Context, adapter: Adapter, shop: str, tasks: Sequence[_Task]
) -> dict[str, _Held | _Untouched]:
    """The packages that must wait, because the shop lacks a product or cannot be asked for it."""
    if context.settings.shops[shop].unknown_products == "import":
        return {}
    wanted = sorted({line.sku for task in tasks for line in _open_lines(task)})
    try:
        products = adapter.find_products(wanted)
    except Exception as error:  # noqa: BLE001 - a third party's adapter may raise anything
        _log_unexpected(error, shop)
        return {task.package.reference: _Untouched(task.package.reference, str(error)) for task in tasks}
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
        return {order.reference: _Untouched(order.reference, str(error)) for order in orders}
    except Exception as error:  # noqa: BLE001 - a third party's adapter may raise anything
        _log_unexpected(error, shop)
        return {order.reference: Unknown(order.reference, repr(error)) for order in orders}
    silent = Unknown("", "The adapter gave no outcome.")
    return {order.reference: outcomes.get(order.reference, silent) for order in orders}


def _new_order(context: Context, shop: str, task: _Task) -> NewOrder:
    order = task.order
    package = next((one for one in order.packages if set(one.line_ids) & set(task.package.line_ids)), order.packages[0])
    first = task.package.position == 1
    delivered_by_marketplace = order.delivered_by_marketplace
    return NewOrder(
        reference=task.package.reference,
        order=order,
        package=package,
        lines=_open_lines(task),
        shipping=order.shipping if first else Decimal(0),
        processing_fee=order.processing_fee if first else Decimal(0),
        delivered_by_marketplace=delivered_by_marketplace,
        decrease_stock=not delivered_by_marketplace or context.toggles(shop)[DECREASE_STOCK_FOR_MARKETPLACE_SHIPPED],
    )


def _write_outcomes(
    context: Context, adapter: Adapter, shop: str, tasks: Sequence[_Task], results: dict[str, Result]
) -> None:
    told = []
    with context.store.transaction() as tx:
        for task in tasks:
            outcome = _Outcome(context, adapter, task)
            try:
                outcome.write(tx, results[task.package.reference])
            except LeaseLost as error:
                log.warning(
                    "outcome left to another worker", extra={"reference": task.package.reference, **error.about}
                )
                continue
            told.append(outcome)
        for order_id in {outcome.task.package.order_id for outcome in told}:
            refresh_order_state(tx, order_id, context.now())
    for outcome in told:
        outcome.tell(shop)


class _Outcome:
    """Writes what became of one package, and tells it after the commit."""

    def __init__(self, context: Context, adapter: Adapter, task: _Task) -> None:
        self.task = task
        self._context = context
        self._adapter = adapter
        self._shop_order: ShopOrder | None = None
        self._failed = ("", "")

    def write(self, tx: Transaction, result: Result) -> None:
        if isinstance(result, Created):
            self._created(tx, result.shop_order)
        elif isinstance(result, _Held):
            self._held(tx, result.missing)
        elif isinstance(result, _Untouched):
            self._again(tx, OrderState.READY, "shop_unavailable", result.reason)
        elif isinstance(result, Unknown):
            self._again(tx, OrderState.CREATING, "outcome_unknown", result.reason)
        elif result.retry:
            self._again(tx, OrderState.READY, "rejected_by_shop", result.reason)
        else:
            self._rejected(tx, result)

    def tell(self, shop: str) -> None:
        context, task = self._context, self.task
        if self._shop_order is not None:
            context.tell(
                context.signals.order_created,
                order=task.order,
                shop_order=self._shop_order,
                shop=shop,
                reference=task.package.reference,
            )
        elif self._failed[0]:
            reason, about = self._failed
            context.tell(context.signals.order_failed, order=task.order, reason=reason, about=about)

    def _created(self, tx: Transaction, shop_order: ShopOrder) -> None:
        task = self.task
        tx.finish([task.step])
        self._set(tx, OrderState.CREATED, "", "", shop_order_id=shop_order.id)
        tx.add_step(StepKind.REPORT, str(task.package.order_id), self._context.now(), account=task.account)
        self._note(tx, "found" if task.in_doubt else "created", f"{task.package.shop} {shop_order.id}")
        self._shop_order = shop_order

    def _held(self, tx: Transaction, missing: tuple[str, ...]) -> None:
        about = ", ".join(missing)
        tx.postpone(self.task.step, self._context.now() + LOOK_AGAIN_FOR_PRODUCT, "unknown_product", restart=True)
        self._set(tx, OrderState.WAITING, "unknown_product", about)
        if self.task.step.error != "unknown_product":
            self._note(tx, "decided", f"waiting: unknown_product: {about}")

    def _again(self, tx: Transaction, state: OrderState, reason: str, about: str) -> None:
        """Try again later; when the tries are used up, wait for a person. What is in doubt stays so."""
        task = self.task
        if task.in_doubt:
            state = OrderState.CREATING
        pause = retry_after(task.step.attempts, jitter=self._context.jitter())
        if pause is None:
            tx.hold(task.step, about)
            given_up = state if state is OrderState.CREATING else OrderState.FAILED
            self._set(tx, given_up, "gave_up", about)
            self._note(tx, "gave_up", about)
            self._failed = ("gave_up", about)
            return
        if state is OrderState.CREATING:
            pause = max(pause, self._adapter.capabilities.settle_seconds)
        tx.postpone(task.step, self._context.now() + timedelta(seconds=pause), f"{reason}: {about}")
        self._set(tx, state, reason, about)
        self._note(tx, "create_failed", f"{reason}: {about}")

    def _rejected(self, tx: Transaction, rejected: Rejected) -> None:
        about = f"{rejected.field}: {rejected.reason}" if rejected.field else rejected.reason
        tx.hold(self.task.step, about)
        self._set(tx, OrderState.FAILED, "rejected_by_shop", about)
        self._note(tx, "create_failed", f"rejected_by_shop: {about}")
        self._failed = ("rejected_by_shop", about)

    def _set(self, tx: Transaction, state: OrderState, reason: str, about: str, *, shop_order_id: str = "") -> None:
        row = msgspec.structs.replace(
            self.task.package,
            state=state,
            reason=reason,
            about=about,
            shop_order_id=shop_order_id,
            changed_at=self._context.now(),
        )
        tx.set_package_states([row])

    def _note(self, tx: Transaction, what: str, detail: str) -> None:
        package = self.task.package
        entry: JournalEntry = self._context.entry(package.order_id, what, detail, package_id=package.id)
        tx.note([entry])


_CREATABLE = (OrderState.READY, OrderState.WAITING, OrderState.CREATING)


def _package_of(stored: StoredOrder | None, step: Step) -> PackageRow | None:
    packages = stored.packages if stored else ()
    return next((row for row in packages if row.id == int(step.subject)), None)


def _open_lines(task: _Task) -> tuple[Line, ...]:
    own = set(task.package.line_ids)
    return tuple(line for line in task.order.lines if line.open and line.id in own)


def _missing(task: _Task, known: Iterable[str]) -> tuple[str, ...]:
    known = set(known)
    return tuple(sorted({line.sku for line in _open_lines(task) if line.sku not in known}))


def _log_unexpected(error: Exception, about: str) -> None:
    if isinstance(error, LengowError):
        log.warning("the shop failed", extra={"about": about, "code": error.code, "error": str(error)})
    else:
        log.exception("an adapter raised", extra={"about": about})
