"""Actions on their way in: checked against the marketplace's rules, then committed to the outbox. Nothing is sent here."""

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from lengow.connector.changes import ENDED, SHIPMENT_TAKEN_BACK, SHOP
from lengow.connector.context import CONNECTOR, Context
from lengow.connector.errors import ActionInvalid, ApiError, OrderUndecodable, OrderUnknown
from lengow.connector.marketplace import Marketplace
from lengow.connector.marketplaces import marketplace as described
from lengow.connector.model import FOR_A_PERSON, ActionState, ChangeState, Order, StepKind
from lengow.connector.parcels import Ask, Message, made_whole, messages_of, normalised
from lengow.connector.profiles import profile_of
from lengow.connector.rules import check_action, with_defaults
from lengow.connector.store.contract import Reading, Transaction
from lengow.connector.store.rows import ActionRow, NewStep, OrderKey, StoredOrder

log = logging.getLogger("lengow.connector.actions")


class Plan(msgspec.Struct, frozen=True):
    """An action that was checked: what would become of it, one row a message, in pairs."""

    messages: tuple[tuple[Message, ActionRow], ...]
    before: Sequence[ActionRow]
    """The order's actions so far."""
    deadline: datetime | None

    @property
    def rows(self) -> list[ActionRow]:
        return [row for _, row in self.messages]


class _Asked(msgspec.Struct, frozen=True):
    """What an action is asked of, read before anything is decided."""

    stored: StoredOrder
    order: Order
    description: Marketplace
    ask: Ask
    who: str
    begun_by: str
    """Whose doing it is: of what is told anew, whoever asked for it first."""


def queue_action(
    context: Context,
    key: OrderKey,
    action: str,
    arguments: Mapping[str, str],
    *,
    line_ids: Sequence[str] | None = None,
    quantities: Mapping[str, int] | None = None,
    parcel: str = "",
    whole: bool = False,
    who: str = CONNECTOR,
    begun_by: str = "",
    dry_run: bool = False,
) -> list[ActionRow]:
    """Queue an action for `line_ids`, or for the whole order (None); returns one row a message to Lengow.

    `quantities`: pieces of the lines of which only a part is meant; `parcel`: the teller's own id of the parcel (else
    its tracking number). A part is told where the marketplace takes quantities; else it is held until the line, or the
    order, is whole, or with `whole` told at once (connector/parcels.py). The same action told twice is one: the row
    that is there is returned. `begun_by`: whose doing it is, where `who` only has it told anew. With `dry_run` the rows
    are what would be queued, with id 0. Raises OrderUnknown, OrderUndecodable and ActionInvalid, and then nothing at all
    is queued.
    """
    ask = Ask(
        action,
        {name: value.strip() for name, value in arguments.items() if value.strip()},
        None if line_ids is None else tuple(line_ids),
        dict(quantities or {}),
        parcel.strip(),
        whole,
    )
    asked = _asked(context, key, ask, who, begun_by or who)
    return _plan(context, asked, context.store).rows if dry_run else _write(context, asked)


def retry_action(context: Context, action_id: int, *, who: str, dry_run: bool = False) -> list[ActionRow]:
    """Try an action again by hand: tell it anew if it was refused or failed, or go on with one that was given up.

    One that is held is told now, as the whole line or order. One that is stuck is told anew only if Lengow does not
    hold it any more; one that was confirmed, only where the marketplace has taken that back. With `dry_run` the rows are
    what would be sent. Raises ActionInvalid (`action_unknown`, `action_under_way`, and whatever the marketplace's rules
    say by now) and ApiError when Lengow cannot be asked.
    """
    row = context.store.action(action_id)
    if row is None:
        raise _unknown(action_id)
    if row.state is ActionState.CONFIRMED and _is_taken_back(context, row):
        if dry_run:
            return [row]
        row = _refused_after_all(context, row, who)
    is_held = row.state is ActionState.HELD and not row.handled
    if is_held or row.state in (ActionState.REFUSED, ActionState.FAILED):
        return queue_action(
            context,
            OrderKey(row.account, row.marketplace, row.marketplace_order_id),
            row.action_type,
            row.arguments,
            parcel=row.parcel,
            whole=is_held,
            who=who,
            begun_by=row.asked_by,
            dry_run=dry_run,
        )
    if row.state in (ActionState.QUEUED, ActionState.SENDING):
        return [row if dry_run else _go_on(context, row, row.state, who)]
    if row.state is ActionState.STUCK and not _held_by_lengow(context, row):
        return [row if dry_run else _go_on(context, row, ActionState.QUEUED, who)]
    raise _under_way(row)


def release_held(context: Context, account: str) -> int:
    """Tell the held parts whose line, or order, has become whole because the rest of it was cancelled; how many."""
    held = context.store.list_actions(account=account, states=[ActionState.HELD], unhandled=True)
    released = 0
    for order_id in sorted({row.order_id for row in held}):
        order = context.store.models([order_id]).get(order_id)
        if order is None:
            continue
        try:
            description = described(context, account, order.marketplace)
            for row in made_whole(description, order, context.store.actions_of(order_id)):
                key = OrderKey(row.account, row.marketplace, row.marketplace_order_id)
                given, parcel = row.arguments, row.parcel
                queue_action(context, key, row.action_type, given, parcel=parcel, whole=True, begun_by=row.asked_by)
                released += 1
        except (ActionInvalid, ApiError) as error:  # such as an order that was cancelled meanwhile: it stays held
            log.info("a held part is not told", extra={"order": order_id, "code": error.code})
    return released


def dismiss_action(context: Context, action_id: int, *, reason: str, who: str) -> ActionRow:
    """Note that a refused, failed, stuck or held action is dealt with, and why: it waits for nobody any more.

    Its state stays what it is, and one that is stuck is still asked for. Raises ActionInvalid (`action_unknown`,
    `nothing_to_dismiss`, `reason_missing`).
    """
    if not reason.strip():
        raise ActionInvalid("reason_missing", "An action is dismissed with a reason.", field="reason")
    with context.store.transaction() as tx:
        row = tx.action(action_id)
        if row is None:
            raise _unknown(action_id)
        if row.handled or row.state not in (ActionState.HELD, *FOR_A_PERSON):
            dealt_with = f" and {row.handled}" if row.handled else ""
            raise ActionInvalid(
                "nothing_to_dismiss",
                f"The action {row.id} is {row.state}{dealt_with}; it waits for nobody.",
                what_to_do="Nothing: lengow-connector actions list --waiting shows what does.",
            )
        row = msgspec.structs.replace(row, handled=f"dismissed by {who}: {reason.strip()}", changed_at=context.now())
        tx.save_action(row)
        what = f"{row.action_type}: action {row.id}, {row.state}: {reason.strip()}"
        tx.note([context.entry(row.order_id, "dismissed", what, who=who)])
    return row


def _unknown(action_id: int) -> ActionInvalid:
    return ActionInvalid("action_unknown", f"There is no action {action_id}.", field="action")


def _under_way(row: ActionRow) -> ActionInvalid:
    return ActionInvalid(
        "action_under_way",
        f"The action {row.id} is {row.state}; there is nothing to try again.",
        what_to_do="Wait for the marketplace's answer, or look at the action at Lengow.",
    )


def _is_taken_back(context: Context, row: ActionRow) -> bool:
    """Whether the marketplace counts a shipment that it confirmed as not shipped (`changes.py`)."""
    changes = context.store.changes_of([row.order_id])[row.order_id]
    return row.action_type == "ship" and any(
        one.reason == SHIPMENT_TAKEN_BACK and one.state is not ChangeState.OVERTAKEN for one in changes
    )


def _refused_after_all(context: Context, row: ActionRow, who: str) -> ActionRow:
    """So that it counts as told no more, and can be told anew."""
    error = "The marketplace confirmed it, and counts the order as not shipped since."
    row = msgspec.structs.replace(row, state=ActionState.REFUSED, error=error, changed_at=context.now())
    with context.store.transaction() as tx:
        tx.save_action(row)
        tx.note([context.entry(row.order_id, "action_refused", f"{row.action_type}: {error}", who=who)])
    return row


def _go_on(context: Context, seen: ActionRow, state: ActionState, who: str) -> ActionRow:
    """Have it sent, if it is still as it was seen; a runner may have sent it in between."""
    with context.store.transaction() as tx:
        row = tx.action(seen.id)
        if row is None or row.state is not seen.state:
            raise _under_way(row or seen)
        if state is not row.state:
            row = msgspec.structs.replace(row, state=state, lengow_id=None, changed_at=context.now())
            tx.save_action(row)
        stored = tx.order(row.order_id)
        by = stored.order.ship_by if stored else None
        tx.add_steps([NewStep(StepKind.SEND, str(row.id), context.now(), account=row.account, deadline=by)])
        tx.note([context.entry(row.order_id, "retried", f"{row.action_type}: action {row.id}", who=who)])
    return row


def _held_by_lengow(context: Context, row: ActionRow) -> bool:
    listed = context.client(row.account).actions_of(row.marketplace, row.marketplace_order_id)
    return any(one.id == row.lengow_id for one in listed)


def _asked(context: Context, key: OrderKey, ask: Ask, who: str, begun_by: str) -> _Asked:
    stored = context.store.orders_named(key.account, [(key.marketplace, key.marketplace_order_id)])
    if not stored:
        raise OrderUnknown(f"There is no order {key}.", order=str(key))
    [one] = stored.values()
    order = context.store.models([one.order.id]).get(one.order.id)
    if order is None:
        raise OrderUndecodable(f"The order {key} cannot be read.", order=str(key))
    description = described(context, key.account, key.marketplace)
    if ask.line_ids == ():
        raise ActionInvalid("line_unknown", f"No line was chosen to {ask.action}.", field="line")
    return _Asked(one, order, description, normalised(description, order, ask), who, begun_by)


def _plan(context: Context, asked: _Asked, reading: Reading) -> Plan:
    """What would become of it, beside the order's actions as `reading` has them."""
    before = reading.actions_of(asked.stored.order.id)
    known = {row.dedupe: row for row in before if not _told_anew(row, asked.who)}
    planned = []
    for message in messages_of(asked.description, asked.order, asked.ask, before):
        row = message.same_as or _told_otherwise(known.values(), asked, message) or _row(context, asked, message)
        # What is there already needs no check: the order's status may have moved because of it.
        if row.dedupe not in known:
            _check(asked, message)
        planned.append((message, known.get(row.dedupe, row)))
    deadlines = [line.ship_by for line in asked.order.lines if line.open and line.ship_by]
    return Plan(tuple(planned), before, min(deadlines, default=None))


def _told_anew(row: ActionRow, who: str) -> bool:
    """Whether what it told is queued once more when it is told again; not by a shop where a person has dismissed it."""
    dealt_with = who.startswith(SHOP) and row.handled.startswith("dismissed")
    return row.state in ENDED and not dealt_with


def _told_otherwise(known: Iterable[ActionRow], asked: _Asked, message: Message) -> ActionRow | None:
    """What told this very shipment with more or fewer facts, as where a webhook knows a link that polling does not.

    The tracking number is the same, and nothing contradicts.
    """
    number = message.arguments.get("tracking_number", "")
    if asked.ask.action != "ship" or not number or message.held or message.quantity is not None:
        return None
    line = message.arguments.get("line")
    for row in known:
        whole = row.quantity is None and row.state is not ActionState.HELD and row.action_type == "ship"
        same = row.arguments.get("tracking_number") == number and row.arguments.get("line") == line
        if whole and same and all(row.arguments.get(name, value) == value for name, value in message.arguments.items()):
            return row
    return None


def _row(context: Context, asked: _Asked, message: Message) -> ActionRow:
    now, order, action = context.now(), asked.stored.order, asked.ask.action
    identity = msgspec.json.encode(
        [order.id, action, dict(message.arguments), *message.identity], order="deterministic"
    )
    return ActionRow(
        id=0,
        order_id=order.id,
        package_id=None,
        account=order.account,
        marketplace=order.marketplace,
        marketplace_order_id=order.marketplace_order_id,
        action_type=action,
        arguments=_arguments(asked, message),
        dedupe=hashlib.sha256(identity).hexdigest(),
        state=ActionState.HELD if message.held else ActionState.QUEUED,
        lengow_id=None,
        error="",
        created_at=now,
        changed_at=now,
        sent_at=None,
        parcel=asked.ask.parcel,
        quantity=message.quantity,
    )


def _arguments(asked: _Asked, message: Message) -> dict[str, str]:
    rule = asked.description.actions.get(asked.ask.action)
    return dict(message.arguments) if rule is None or message.held else with_defaults(rule, message.arguments)


def _check(asked: _Asked, message: Message) -> None:
    """Raises ActionInvalid. A held part is checked as what it will be told with."""
    order, action = asked.stored.order, asked.ask.action
    if asked.order.delivered_by_marketplace:
        raise ActionInvalid(
            "delivered_by_marketplace",
            f"The marketplace ships {order.marketplace_order_id} itself; it takes no {action} from a merchant.",
            what_to_do="Nothing: the marketplace confirms it itself.",
            order=str(order.key),
        )
    rule = asked.description.actions.get(action)
    arguments = _arguments(asked, message)
    if rule is not None and message.held:
        without_line = {} if rule.takes("line") else {"line"}
        arguments = with_defaults(rule, {name: arguments[name] for name in arguments if name not in without_line})
    check_action(
        asked.description,
        profile_of(asked.description.key),
        action,
        status=asked.order.status,
        arguments=arguments,
        lines={line.id: line for line in asked.order.lines},
    )


def _write(context: Context, asked: _Asked) -> list[ActionRow]:
    """Decide and commit in one transaction, so that two parcels told at once are counted together."""
    queued, kept, who = [], [], asked.who
    with context.store.transaction() as tx:
        tx.order(asked.stored.order.id)  # held until the end
        plan = _plan(context, asked, tx)
        for message, row in plan.messages:
            saved, is_new = (
                (row, False) if row.id else tx.add_action(msgspec.structs.replace(row, asked_by=asked.begun_by))
            )
            kept.append(saved)
            if not is_new:
                continue
            _hand_over(context, tx, plan.before, saved, message)
            told = ", ".join(f"{name} {value}" for name, value in saved.arguments.items())
            if message.held:
                detail = f"{saved.action_type}: {told}, pieces {saved.quantity}: until the rest is told"
                tx.note([context.entry(saved.order_id, "action_held", detail, who=who)])
                continue
            now = context.now()
            step = NewStep(StepKind.SEND, str(saved.id), now, account=saved.account, deadline=plan.deadline)
            tx.add_steps([step])
            tx.note([context.entry(saved.order_id, "action_queued", f"{saved.action_type}: {told}", who=who)])
            queued.append(saved)
    for row in queued:
        context.tell(context.signals.action_queued, order=asked.stored.order.key, action=row)
    return kept


def _hand_over(
    context: Context, tx: Transaction, before: Sequence[ActionRow], new: ActionRow, message: Message
) -> None:
    """What is told with, or anew by, this action is dealt with: the held parts that it covers, and what was refused."""
    for row in before:
        if row.handled or row.action_type != new.action_type:
            continue
        line = new.arguments.get("line")
        was_refused = row.state in (ActionState.REFUSED, ActionState.FAILED) and not message.held
        is_same = new.quantity is None or row.parcel == new.parcel
        told_anew = was_refused and is_same and line in (None, row.arguments.get("line"))
        if row.id in message.covers or told_anew:
            how = "told anew with" if told_anew else "told with"
            tx.save_action(msgspec.structs.replace(row, handled=f"{how} action {new.id}", changed_at=context.now()))
