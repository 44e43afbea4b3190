"""Actions on their way in: checked against the marketplace's rules, then committed to the outbox. Nothing is sent here."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from lengow.connector.context import CONNECTOR, Context
from lengow.connector.errors import ActionInvalid, OrderUndecodable, OrderUnknown
from lengow.connector.marketplace import Marketplace
from lengow.connector.marketplaces import marketplace as described
from lengow.connector.model import ActionState, Order, StepKind
from lengow.connector.profiles import profile_of
from lengow.connector.rules import check_action
from lengow.connector.store.rows import ActionRow, NewStep, OrderKey, StoredOrder


class Plan(msgspec.Struct, frozen=True):
    """An action that was checked: what would be told to Lengow, one row a message."""

    stored: StoredOrder
    rows: tuple[ActionRow, ...]
    deadline: datetime | None


def queue_action(
    context: Context,
    key: OrderKey,
    action: str,
    arguments: Mapping[str, str],
    *,
    line_ids: Sequence[str] | None = None,
    who: str = CONNECTOR,
    dry_run: bool = False,
) -> list[ActionRow]:
    """Queue an action for `line_ids`, or for the whole order (None); returns one row a message to Lengow.

    The same action told twice is one: the row that is under way or confirmed is returned. With `dry_run` the rows are
    what would be queued, with id 0. Raises OrderUnknown, OrderUndecodable and ActionInvalid, and then nothing at all is
    queued.
    """
    plan = _plan(context, key, action, arguments, line_ids)
    return list(plan.rows) if dry_run else _write(context, plan, who)


def retry_action(context: Context, action_id: int, *, who: str) -> list[ActionRow]:
    """Try an action again by hand: tell it anew if it was refused or failed, or go on with one that was given up.

    One that is stuck is told anew only if Lengow does not hold it any more. Raises ActionInvalid (`action_unknown`,
    `action_under_way`, and whatever the marketplace's rules say by now) and ApiError when Lengow cannot be asked.
    """
    row = context.store.action(action_id)
    if row is None:
        raise ActionInvalid("action_unknown", f"There is no action {action_id}.", field="action")
    if row.state in (ActionState.REFUSED, ActionState.FAILED):
        key = OrderKey(row.account, row.marketplace, row.marketplace_order_id)
        arguments = {name: value for name, value in row.arguments.items() if name != "line"}
        lines = [row.arguments["line"]] if row.arguments.get("line") else None
        return queue_action(context, key, row.action_type, arguments, line_ids=lines, who=who)
    if row.state in (ActionState.QUEUED, ActionState.SENDING):
        return [_go_on(context, row, row.state, who)]
    if row.state is ActionState.STUCK and not _held_by_lengow(context, row):
        return [_go_on(context, row, ActionState.QUEUED, who)]
    raise _under_way(row)


def _under_way(row: ActionRow) -> ActionInvalid:
    return ActionInvalid(
        "action_under_way",
        f"The action {row.id} is {row.state}; there is nothing to try again.",
        what_to_do="Wait for the marketplace's answer, or look at the action at Lengow.",
    )


def _go_on(context: Context, seen: ActionRow, state: ActionState, who: str) -> ActionRow:
    """Have it sent, if it is still as it was seen; a runner may have sent it in between."""
    with context.store.transaction() as tx:
        row = tx.action(seen.id)
        if row is None or row.state is not seen.state:
            raise _under_way(row or seen)
        if state is not row.state:
            row = msgspec.structs.replace(row, state=state, lengow_id=None, changed_at=context.now())
            tx.save_action(row)
        tx.add_steps([NewStep(StepKind.SEND, str(row.id), context.now(), account=row.account)])
        tx.note([context.entry(row.order_id, "retried", f"{row.action_type}: action {row.id}", who=who)])
    return row


def _held_by_lengow(context: Context, row: ActionRow) -> bool:
    listed = context.client(row.account).actions_of(row.marketplace, row.marketplace_order_id)
    return any(one.id == row.lengow_id for one in listed)


def _plan(
    context: Context, key: OrderKey, action: str, arguments: Mapping[str, str], line_ids: Sequence[str] | None
) -> Plan:
    stored = context.store.orders_named(key.account, [(key.marketplace, key.marketplace_order_id)])
    if not stored:
        raise OrderUnknown(f"There is no order {key}.", order=str(key))
    [one] = stored.values()
    order = context.store.models([one.order.id]).get(one.order.id)
    if order is None:
        raise OrderUndecodable(f"The order {key} cannot be read.", order=str(key))
    description = described(context, key.account, key.marketplace)
    if line_ids is not None and not line_ids:
        raise ActionInvalid("line_unknown", f"No line was chosen to {action}.", field="line")
    given = {name: value.strip() for name, value in arguments.items() if value.strip()}
    messages = _by_line(description, action, order, given, line_ids)
    rows = tuple(_row(context, one, action, message) for message in messages)
    taken = _already_taken(context, one, rows)
    for row in rows:
        if row.dedupe not in taken:
            _check(description, order, row, one)
    deadlines = [line.ship_by for line in order.lines if line.open and line.ship_by]
    return Plan(one, rows, min(deadlines, default=None))


def _by_line(
    description: Marketplace, action: str, order: Order, arguments: Mapping[str, str], line_ids: Sequence[str] | None
) -> list[dict[str, str]]:
    """One set of arguments a message: the whole order, or each line where lines are chosen or demanded."""
    rule = description.actions.get(action)
    open_lines = [line.id for line in order.lines if line.open]
    whole = line_ids is None or set(line_ids) >= set(open_lines)
    if rule is None or (whole and "line" not in rule.required):
        return [dict(arguments)]
    if not rule.takes("line"):
        raise ActionInvalid(
            "line_not_supported",
            f"{description.name} takes {action} only for the whole order, and {len(line_ids or ())} of its "
            f"{len(open_lines)} lines were chosen.",
            field="line",
            what_to_do=f"Send {action} once for the whole order, when all of it is ready.",
        )
    return [{**arguments, "line": line} for line in (open_lines if whole else line_ids or ())]


def _row(context: Context, stored: StoredOrder, action: str, arguments: Mapping[str, str]) -> ActionRow:
    now, order = context.now(), stored.order
    identity = msgspec.json.encode([order.id, action, dict(arguments)], order="deterministic")
    return ActionRow(
        id=0,
        order_id=order.id,
        package_id=None,
        account=order.account,
        marketplace=order.marketplace,
        marketplace_order_id=order.marketplace_order_id,
        action_type=action,
        arguments=dict(arguments),
        dedupe=hashlib.sha256(identity).hexdigest(),
        state=ActionState.QUEUED,
        lengow_id=None,
        error="",
        created_at=now,
        changed_at=now,
        sent_at=None,
    )


def _already_taken(context: Context, stored: StoredOrder, rows: Sequence[ActionRow]) -> set[str]:
    """What is under way or confirmed needs no check: the order's status may have moved because of it."""
    ended = (ActionState.REFUSED, ActionState.FAILED)
    wanted = {row.dedupe for row in rows}
    return {
        row.dedupe
        for row in context.store.actions_of(stored.order.id)
        if row.dedupe in wanted and row.state not in ended
    }


def _check(description: Marketplace, order: Order, row: ActionRow, stored: StoredOrder) -> None:
    if order.delivered_by_marketplace:
        raise ActionInvalid(
            "delivered_by_marketplace",
            f"The marketplace ships {row.marketplace_order_id} itself; it takes no {row.action_type} from a merchant.",
            what_to_do="Nothing: the marketplace confirms it itself.",
            order=str(stored.order.key),
        )
    check_action(
        description,
        profile_of(description.key),
        row.action_type,
        status=order.status,
        arguments=row.arguments,
        lines={line.id: line for line in order.lines},
    )


def _write(context: Context, plan: Plan, who: str) -> list[ActionRow]:
    queued, kept = [], []
    now = context.now()
    with context.store.transaction() as tx:
        for row in plan.rows:
            saved, is_new = tx.add_action(msgspec.structs.replace(row, asked_by=who))
            kept.append(saved)
            if is_new:
                step = NewStep(StepKind.SEND, str(saved.id), now, account=row.account, deadline=plan.deadline)
                tx.add_steps([step])
                told = ", ".join(f"{name} {value}" for name, value in row.arguments.items())
                tx.note([context.entry(row.order_id, "action_queued", f"{row.action_type}: {told}", who=who)])
                queued.append(saved)
    for row in queued:
        context.tell(context.signals.action_queued, order=plan.stored.order.key, action=row)
    return kept
