"""The digest: what waits for a person and what is late, told by mail and signal when there is something new.

A problem is told once; what was told stands in the store (`DIGEST_TOLD`) until it is mended, so that it is told anew
should it come back. The table `[accounts.NAME.digest]` says to whom and how often.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from lengow.connector.context import Context
from lengow.connector.deadlines import late_orders
from lengow.connector.mail import MailOutcome, Message, Refused, Sent, send_mail
from lengow.connector.model import ActionState, ChangeState, EventState, OrderState, StepKind
from lengow.connector.prepared import prepare
from lengow.connector.privacy import NOT_ERASED, not_erased
from lengow.connector.retry import steady_pause
from lengow.connector.store.rows import OrderFilter, Step
from lengow.connector.works import HasWaiting, work_named, works_of

log = logging.getLogger("lengow.connector.digest")

DIGEST_TOLD = "digest_told"
"""What the last digest that went out was about, and when it did."""

PAGE = 500
MOST = 1000
"""How many refused actions, failed events and held steps are looked at, newest first; of orders, all."""

NOT_IMPORTED = (
    (OrderState.FAILED, None),
    (OrderState.WAITING, "unknown_product"),
    (OrderState.WAITING, "unknown_marketplace"),
)
"""States and reasons of orders that only a person gets into the shop."""

WANT_A_PERSON = (ActionState.REFUSED, ActionState.FAILED, ActionState.STUCK)

Kind = Literal["failed_order", "late_order", "near_order", "action", "change", "event", "work", "step"]
KINDS: tuple[Kind, ...] = ("late_order", "near_order", "failed_order", "action", "change", "event", "work", "step")
"""In the order in which they are told."""


class Problem(msgspec.Struct, frozen=True):
    kind: Kind
    key: str
    """Its identity: the same for as long as it is the same problem."""
    subject: str
    """Whose it is: account/marketplace/order, or a shop."""
    reason: str
    """A reason code, an error code, or what was to be done."""
    about: str = ""
    at: datetime | None = None
    """When it came up; of a late order, its shipping deadline."""


class Digest(msgspec.Struct, frozen=True):
    """What one digest tells; the same by mail and by the signal `digest_due`."""

    account: str
    at: datetime
    new: tuple[Problem, ...]
    """Not told before; the latest deadlines first."""
    open: Mapping[str, int]
    """How many of each kind there are in all."""


class DigestSent(msgspec.Struct, frozen=True):
    """What became of one digest. With nothing new in it none goes out."""

    digest: Digest
    error: str = ""
    """Why its mail did not go out; it is tried again."""


class _Told(msgspec.Struct, frozen=True):
    keys: tuple[str, ...] = ()
    at: str = ""


def draw_up(context: Context, account: str) -> Digest:
    """What the next digest of the account would tell."""
    return _draw_up(context, account, _told(context, account))[0]


def send_digest(context: Context, step: Step) -> DigestSent:
    """Mail and signal what is new, if anything is; then wait for the next time.

    A mail that may have been sent is sent again, under the same message id.
    """
    account = step.account
    told = _told(context, account)
    digest, keys = _draw_up(context, account, told)
    settings = context.settings.accounts[account].digest
    if settings is None:
        with context.store.transaction() as tx:
            tx.finish([step])
        return DigestSent(digest, "digest_off: the account's settings have no digest any more")
    outcome = _mail(context, digest, told) if digest.new and settings.to else None
    next_time = context.now() + timedelta(minutes=settings.every_minutes)
    if outcome is not None and not isinstance(outcome, Sent):
        log.error("digest not mailed", extra={"account": account, "outcome": type(outcome).__name__})
        pause = timedelta(seconds=steady_pause(step.attempts, jitter=context.jitter()))
        due_at = next_time if isinstance(outcome, Refused) else context.now() + pause
        with context.store.transaction() as tx:
            tx.postpone(step, due_at, f"digest_not_mailed: {outcome.reason}")
        return DigestSent(digest, outcome.reason)
    with context.store.transaction() as tx:
        tx.postpone(step, next_time, restart=True)
        if digest.new or keys != told.keys:
            told = _Told(keys, context.now().isoformat() if digest.new else told.at)
            tx.set_value(account, DIGEST_TOLD, msgspec.json.encode(told).decode())
    if digest.new:
        log.info("digest sent", extra={"account": account, "problems": len(digest.new)})
        context.tell(context.signals.digest_due, account=account, digest=digest)
    return DigestSent(digest)


def _told(context: Context, account: str) -> _Told:
    text = context.store.get_value(account, DIGEST_TOLD)
    return msgspec.json.decode(text, type=_Told) if text else _Told()


def _draw_up(context: Context, account: str, told: _Told) -> tuple[Digest, tuple[str, ...]]:
    """And the keys of all that is open."""
    found = sorted(_problems(context, account), key=lambda one: KINDS.index(one.kind))
    before = set(told.keys)
    new = tuple(one for one in found if one.key not in before)
    open_ = Counter[str](one.kind for one in found)
    return Digest(account, context.now(), new, dict(open_)), tuple(sorted(one.key for one in found))


def _mail(context: Context, digest: Digest, told: _Told) -> MailOutcome:
    from lengow.connector.digest_text import digest_text

    settings, mail = context.settings.accounts[digest.account].digest, context.settings.mail
    assert settings is not None
    assert mail is not None  # the settings see to it
    subject, text = digest_text(digest, settings.language)
    about = " ".join([digest.account, told.at, *(one.key for one in digest.new)])
    message = Message(
        id=f"digest {about}",
        to=settings.to,
        subject=subject,
        text=text,
        date=digest.at,
        language=settings.language,
    )
    return send_mail(mail, message)


def _problems(context: Context, account: str) -> Iterator[Problem]:
    yield from _late_orders(context, account)
    yield from _failed_orders(context, account)
    yield from _actions(context, account)
    yield from _changes(context, account)
    yield from _events(context, account)
    yield from _works(context, account)
    yield from _steps(context, account)
    for order, why in not_erased(context, account).items():
        yield Problem("step", f"{NOT_ERASED} {order}", order, NOT_ERASED, why)


def _late_orders(context: Context, account: str) -> Iterator[Problem]:
    now = context.now()
    near = now + timedelta(hours=context.settings.accounts[account].deadline_near_hours)
    for one in late_orders(context.store, now, near, account=account):
        order = one.order
        kind: Kind = "late_order" if order.ship_by and order.ship_by <= now else "near_order"
        yield Problem(kind, f"{kind} {order.id}", str(order.key), "ship", at=order.ship_by)


def _failed_orders(context: Context, account: str) -> Iterator[Problem]:
    for state, reason in NOT_IMPORTED:
        wanted = OrderFilter(account=account, state=state, reason=reason, limit=PAGE)
        while orders := context.store.list_orders(wanted):
            for one in orders:
                order = one.order
                key = f"failed_order {order.id} {order.reason}"
                yield Problem("failed_order", key, str(order.key), order.reason, order.about, order.changed_at)
            wanted = msgspec.structs.replace(wanted, before_id=orders[-1].order.id)


def _actions(context: Context, account: str) -> Iterator[Problem]:
    for row in context.store.list_actions(account=account, states=WANT_A_PERSON, unhandled=True, limit=MOST):
        order = f"{row.account}/{row.marketplace}/{row.marketplace_order_id}"
        key = f"action {row.id} {row.state} {row.changed_at.isoformat()}"
        yield Problem("action", key, order, f"{row.action_type} {row.state}", row.error, row.changed_at)


def _changes(context: Context, account: str) -> Iterator[Problem]:
    rows = context.store.list_changes(account=account, states=[ChangeState.WAITING], limit=MOST)
    orders = context.store.orders([row.order_id for row in rows])
    for row in rows:
        order, about = str(orders[row.order_id].order.key), f"{row.kind} {row.about}".strip()
        yield Problem("change", f"change {row.id}", order, row.reason, about, row.created_at)


def _events(context: Context, account: str) -> Iterator[Problem]:
    for shop in context.settings.shops_of(account):
        for row in context.store.list_events(shop=shop, state=EventState.FAILED, limit=MOST):
            yield Problem("event", f"event {row.id}", shop, row.reason, row.about, row.received_at)


def _works(context: Context, account: str) -> Iterator[Problem]:
    for name in works_of(context.settings):
        work = work_named(name)
        if isinstance(work, HasWaiting):
            for one in work.waiting(context, account):
                yield Problem("work", f"{name} {one.key}", one.subject, one.reason, one.about, one.at)


def _steps(context: Context, account: str) -> Iterator[Problem]:
    shops = set(context.settings.shops_of(account))
    for step in context.store.steps(held=True, limit=MOST):
        if step.account == account or step.shop in shops:
            subject = _whose(context, step)
            if subject is not None:
                yield Problem("step", f"step {step.id} {step.due_at.isoformat()}", subject, step.kind, step.error)


def _whose(context: Context, step: Step) -> str | None:
    """The order or shop that a held step is about; None where its order is told as failed already."""
    store = context.store
    order_id: int | None = None
    if step.kind is StepKind.CREATE:
        package = store.packages([int(step.subject)]).get(int(step.subject))
        if package and package.state is OrderState.FAILED:
            return None
        order_id = package.order_id if package else None
    elif step.kind is StepKind.SEND:
        action = store.action(int(step.subject))
        order_id = action.order_id if action else None
    elif step.kind is StepKind.REPORT:
        order_id = int(step.subject)
    stored = store.order(order_id) if order_id is not None else None
    return str(stored.order.key) if stored else step.shop or step.account


prepare(_Told)
