"""Events from shops: taken in one transaction, worked off as steps."""

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from urllib.parse import quote

import msgspec

from lengow.connector.actions import queue_action
from lengow.connector.adapter import Event, Refund, Request
from lengow.connector.carriers import with_carriers
from lengow.connector.changes import ENDED, SHOP, TO_SHIP, is_given_back, own_effects, refunded_past_shop
from lengow.connector.context import Context
from lengow.connector.errors import ActionInvalid, LengowError, OrderUndecodable, OrderUnknown, ShopUnavailable
from lengow.connector.marketplace import ActionRule, Marketplace
from lengow.connector.marketplaces import marketplace
from lengow.connector.model import ActionState, ChangeState, EventState, StepKind, Tracking
from lengow.connector.prepared import prepare
from lengow.connector.profiles import profile_of
from lengow.connector.retry import steady_pause
from lengow.connector.rules import carrier_of, carriers_of, suggest_carriers
from lengow.connector.settings import Shop
from lengow.connector.store.contract import Transaction
from lengow.connector.store.rows import ActionRow, EventRow, NewStep, PackageRow, Step, StoredOrder

log = logging.getLogger("lengow.connector.events")

POLL_CURSOR = "poll_cursor"
POLLED = "polled"
"""The delivery id of what was found by polling; the event's own id tells repeats."""
ACTIONS_OF_EVENTS = {"shipment": "ship", "cancelled": "cancel", "refunded": "refund"}
"""What a shop's event asks of the marketplace."""

GIVEN_BACK = frozenset({"refunding", "refunded"})
NO_NEWS = {"cancel": frozenset({"canceled", "refused"}) | GIVEN_BACK, "refund": GIVEN_BACK}
"""By action: statuses in which the marketplace has it already; then the shop only echoes what it was told. What is given
back before it is shipped is cancelled in the shop.
"""

MOST_TWINS = 100
"""How many tellings of one event are looked at, newest first."""

WAIT_FOR_STORE = 2.0
"""Seconds that a delivery waits for a store that others hold. A page of orders is written in a fraction of that, and with
what `serve` lets a request wait before (5 s), the answer comes before any shop gives up (15 to 60 s, platforms.md)."""

TRIES_FOR_ORDER = 5
"""A shop may tell of an order before its creation is recorded here; how often it is looked for."""


MAY_REFUND = ("refunded", "changed")
TRIES_FOR_STATUS = 2
"""What a shop tells at once is worked off side by side: how often a refund is tried before what was told with it."""
WAIT_FOR_STATUS = timedelta(days=1)
ON_THEIR_WAY = frozenset({ActionState.QUEUED, ActionState.SENDING, ActionState.SENT, ActionState.CONFIRMED})


class Receipt(msgspec.Struct, frozen=True):
    """What became of a delivery: how many events are new. None new: it was taken before."""

    taken: int
    repeated: int


def receive(context: Context, shop: str, request: Request) -> Receipt:
    """Verify a delivery and commit its events; nothing else is done while the sender waits.

    Raises SignatureError, PayloadInvalid, and StoreBusy after WAIT_FOR_STORE.
    """
    adapter = context.adapter(shop)
    delivery_id = adapter.verify(request)
    events = adapter.events(request)
    if not events:
        return Receipt(0, 0)
    rows = [_row(context, shop, delivery_id, event) for event in events]
    with context.store.transaction(WAIT_FOR_STORE) as tx:
        new = _take(context, tx, rows)
    _tell_received(context, shop, events if new else ())
    return Receipt(len(new), len(rows) - len(new))


class _Handled(msgspec.Struct, frozen=True):
    state: EventState
    reason: str = ""
    about: str = ""
    order_id: int | None = None
    actions: tuple[ActionRow, ...] = ()


def poll_shop(context: Context, step: Step) -> bool:
    """Ask a shop for shipments that no webhook told; False when it did not answer. The cursor moves with the events.

    Where the context is stopping, it ends after a page, and goes on there the next time, which is at once.
    """
    shop = step.subject
    adapter = context.adapter(shop)
    error, asked = "", 0.0
    more = True
    try:
        while more:
            polled = adapter.shipments_since(context.store.get_value(_of_shop(shop), POLL_CURSOR) or "")
            rows = [_row(context, shop, POLLED, event) for event in polled.events]
            with context.store.transaction() as tx:
                step = tx.renew(step, context.lease_end())
                new = _take(context, tx, rows)
                tx.set_value(_of_shop(shop), POLL_CURSOR, polled.cursor)
            _tell_received(context, shop, polled.events if new else ())
            more = polled.more
            if more and context.stopping.is_set():
                with context.store.transaction() as tx:
                    tx.postpone(step, context.now(), restart=True)
                return True
    except ShopUnavailable as failed:
        error, asked = f"{failed.code}: {failed}", failed.retry_after
        log.warning("shop not polled", extra={"shop": shop, "error": error})
    every = timedelta(minutes=context.settings.shops[shop].poll_every_minutes)
    with context.store.transaction() as tx:
        tx.postpone(step, context.now() + max(every, timedelta(seconds=asked)), error, restart=True)
    return not error


def handle_event(context: Context, step: Step) -> bool:
    """Turn the event of a claimed step into actions; False when the shop had to be asked and did not answer."""
    row = context.store.event(int(step.subject))
    if row is None or row.state is not EventState.RECEIVED:
        with context.store.transaction() as tx:
            tx.finish([step])
        return True
    event = msgspec.convert(row.body, Event)
    twins = _twins(context, row)
    try:
        handled = _told_before(twins) or _handle(context, row.shop, event)
    except ShopUnavailable as error:
        _look_again(context, step, error)
        return False
    except OrderUnknown as error:
        if step.attempts < TRIES_FOR_ORDER:
            _look_again(context, step, error)
            return True
        handled = _Handled(EventState.FAILED, error.code, str(error))
    except (ActionInvalid, OrderUndecodable) as error:
        if event.kind in MAY_REFUND and error.code == "status_not_allowed" and _moves_on(context, step, row, event):
            _look_again(context, step, error)
            return True
        package = _package(context, row.shop, event)
        order_id = package.order_id if package else None
        failed = _Handled(EventState.FAILED, error.code, f"{error} {error.what_to_do}", order_id)
        handled = _told_before(twins, failed.reason) or failed
    _settle(context, step, row, handled, twins)
    return True


def retry_event(context: Context, event_id: int, *, who: str) -> EventRow:
    """Work off a failed or ignored event once more, after what stopped it was mended. Raises OrderUnknown."""
    row = _known(context, event_id)
    row = msgspec.structs.replace(row, state=EventState.RECEIVED, reason="", about="")
    with context.store.transaction() as tx:
        tx.save_event(row)
        tx.add_steps([NewStep(StepKind.EVENT, str(event_id), context.now(), shop=row.shop)])
        tx.note([context.entry(None, "retried", f"event {event_id} of {row.shop}", who=who)])
    return row


def preview_event(context: Context, event_id: int) -> list[ActionRow]:
    """The actions that a retry of the event would queue, with id 0, or that are there already. Nothing is written.

    Raises OrderUnknown, OrderUndecodable, ActionInvalid, and ShopUnavailable where the shop must be asked.
    """
    row = _known(context, event_id)
    return list(_handle(context, row.shop, msgspec.convert(row.body, Event), dry_run=True).actions)


def dismiss_event(context: Context, event_id: int, *, reason: str, who: str) -> EventRow:
    """Note that a failed event is dealt with, and why: it waits for nobody any more.

    Raises OrderUnknown, and ActionInvalid (`nothing_to_dismiss`, `reason_missing`).
    """
    if not reason.strip():
        raise ActionInvalid("reason_missing", "An event is dismissed with a reason.", field="reason")
    row = _known(context, event_id)
    if row.state is not EventState.FAILED:
        raise ActionInvalid(
            "nothing_to_dismiss",
            f"The event {event_id} is {row.state}; it waits for nobody.",
            what_to_do="Nothing: lengow-connector events list --state failed shows what does.",
        )
    package = _package(context, row.shop, msgspec.convert(row.body, Event))
    about = f"dismissed by {who}: {reason.strip()} (was: {row.about})"
    row = msgspec.structs.replace(row, state=EventState.DISMISSED, about=about)
    what = f"event {event_id} of {row.shop}, {row.reason}: {reason.strip()}"
    with context.store.transaction() as tx:
        tx.save_event(row)
        tx.note([context.entry(package.order_id if package else None, "dismissed", what, who=who)])
    return row


def _twins(context: Context, row: EventRow) -> list[EventRow]:
    """The very same event, as the shop told it before or since: once more, or by polling beside its webhook."""
    found = context.store.list_events(shop=row.shop, event_id=row.event_id, limit=MOST_TWINS)
    return [one for one in found if one.id != row.id and one.body == row.body]


def _told_before(twins: Sequence[EventRow], reason: str = "") -> _Handled | None:
    """What a person has dismissed is not asked about again; nor what waits for one, for the same `reason`."""
    for one in twins:
        waits = one.state is EventState.FAILED and one.reason == reason
        if waits or one.state is EventState.DISMISSED:
            return _Handled(EventState.IGNORED, "told_before", f"event {one.id}")
    return None


def _known(context: Context, event_id: int) -> EventRow:
    row = context.store.event(event_id)
    if row is None:
        raise OrderUnknown(f"There is no event {event_id}.", what_to_do="lengow-connector events list shows them.")
    return row


def shipment_arguments(description: Marketplace, tracking: Tracking, shop: Shop) -> dict[str, str]:
    """The marketplace's arguments for what the shop really shipped with.

    The carrier is the one that the shop's `carriers` name for its code, else for its name (Shopware's have no code), else
    the marketplace's own of that code or name, else the one that stands for any other, with the shop's name of it. Raises
    ActionInvalid (`carrier_unmapped`) where the settings say that a person shall decide that.
    """
    mapped, called = shop.carriers_for(description.key), tracking.carrier_code or tracking.carrier_name
    code = (
        next(filter(None, map(mapped.get, (called, tracking.carrier_name, tracking.carrier_code))), "")
        or carrier_of(description, tracking.carrier_code)
        or carrier_of(description, tracking.carrier_name)
    )
    name = tracking.carrier_name or tracking.carrier_code
    other = profile_of(description.key).other_carrier
    if not code and name and shop.unmapped_carriers == "hold":
        near = ", ".join(one.code for one in suggest_carriers(description, name)) or "none is like it"
        raise ActionInvalid(
            "carrier_unmapped",
            f"The shop's carrier {name!r} is mapped to none of {description.name}; nearest: {near}.",
            what_to_do=f'Set carriers.{description.key} of the shop: "{called}" = "…".',
            field="carrier",
        )
    if not code and other in carriers_of(description):
        code = other
    rule = description.actions.get("ship")
    wanted = {
        "carrier": code or called,
        "carrier_name": name if code == other or not code else "",
        "tracking_number": tracking.number,
        "tracking_url": tracking.url or _tracking_url(shop, tracking),
    }
    given = {key: value for key, value in wanted.items() if value and (rule is None or rule.takes(key))}
    return given if rule is None else {key: given[key] for key in given if _belongs(rule, key, given)}


def take_told(context: Context, shop: str, shipments: Sequence[Event]) -> int:
    """Take what a shop told when it was asked, as polling would; returns how many are new."""
    rows = [_row(context, shop, POLLED, event) for event in shipments]
    with context.store.transaction() as tx:
        new = _take(context, tx, rows)
    _tell_received(context, shop, shipments if new else ())
    return len(new)


def _belongs(rule: ActionRule, name: str, arguments: Mapping[str, str]) -> bool:
    """Whether the rule lets the argument stand beside the others (`depends_on`)."""
    described = rule.arguments.get(name)
    return described is None or described.applies(arguments)


def _tracking_url(shop: Shop, tracking: Tracking) -> str:
    template = shop.tracking_urls.get(tracking.carrier_code) or shop.tracking_urls.get(tracking.carrier_name, "")
    return template.replace("{number}", quote(tracking.number, safe="")) if tracking.number else ""


def _take(context: Context, tx: Transaction, rows: Sequence[EventRow]) -> list[int]:
    new = tx.add_events(rows)
    shop = rows[0].shop if rows else ""
    tx.add_steps([NewStep(StepKind.EVENT, str(event_id), context.now(), shop=shop) for event_id in new])
    return new


def _tell_received(context: Context, shop: str, events: Sequence[Event]) -> None:
    for event in events:
        context.tell(context.signals.event_received, shop=shop, event=event)


def _of_shop(shop: str) -> str:
    """Where the state of a shop is kept, beside that of the accounts."""
    return f"shop:{shop}"


def _row(context: Context, shop: str, delivery_id: str, event: Event) -> EventRow:
    return EventRow(
        id=0,
        shop=shop,
        delivery_id=delivery_id,
        event_id=event.id,
        kind=event.kind,
        body=msgspec.to_builtins(event),
        state=EventState.RECEIVED,
        reason="",
        about="",
        received_at=context.now(),
    )


def _handle(context: Context, shop: str, event: Event, *, dry_run: bool = False) -> _Handled:
    if event.kind == "other":
        return _Handled(EventState.IGNORED, "kind_not_handled", event.raw_kind)
    package = _package(context, shop, event)
    stored = context.store.order(package.order_id) if package else None
    if package is None or stored is None:
        raise OrderUnknown(f"The shop {shop} has no order {event.shop_order_id or event.reference}.", shop=shop)
    order_id = stored.order.id
    if event.shop_order_id and package.shop_order_id and event.shop_order_id != package.shop_order_id:
        return _Handled(EventState.IGNORED, "another_shop_order", event.shop_order_id, order_id)
    told = [event]
    if event.kind == "changed":
        every = context.adapter(shop).shipments_of(package.shop_order_id)
        told = [one for one in every if one.kind in ACTIONS_OF_EVENTS]
    if not told:
        return _Handled(EventState.IGNORED, "no_shipment", event.raw_kind, order_id)
    asked, stopped = _asked(context, shop, package, stored, told, dry_run=dry_run)
    if stopped is not None:
        raise stopped
    actions = tuple(action for some in asked if some is not None for action in some)
    if all(some is None for some in asked):
        return _Handled(EventState.IGNORED, "already_at_marketplace", event.raw_kind, order_id)
    about = ", ".join(f"{action.id} {action.state}".removesuffix(" queued") for action in actions)
    return _Handled(EventState.DONE, "", about, order_id, actions)


def _asked(
    context: Context, shop: str, package: PackageRow, stored: StoredOrder, told: Sequence[Event], *, dry_run: bool
) -> tuple[list[list[ActionRow] | None], ActionInvalid | None]:
    """What became of each, and what stopped the first that was stopped: it keeps none of the others from being told."""
    asked, stopped = [], None
    for one in told:
        for part in _parts(context, package, one):
            try:
                asked.append(_ask(context, shop, package, stored, part, dry_run=dry_run))
            except ActionInvalid as error:
                stopped = stopped or error
    return asked, stopped


def _parts(context: Context, package: PackageRow, event: Event) -> list[Event]:
    """Of a shipment that names lines, those still sold apart from those cancelled, which will be refused."""
    lines = tuple(dict.fromkeys([*event.line_ids, *event.quantities]))
    order = context.store.models([package.order_id]).get(package.order_id)
    if event.kind != "shipment" or order is None:
        return [event]
    sold = {line.id for line in order.lines if line.open}
    of_order = tuple(line for line in lines if line in sold)
    others = tuple(line for line in lines if line not in sold)
    if not of_order or not others:
        return [event]
    if sold <= set(of_order) and set(others) <= set(package.line_ids):
        return [_with_lines(event, of_order)]  # all that is left of the order
    return [_with_lines(event, of_order), _with_lines(event, others)]


def _with_lines(event: Event, line_ids: tuple[str, ...]) -> Event:
    quantities = {line: pieces for line, pieces in event.quantities.items() if line in line_ids}
    return msgspec.structs.replace(event, line_ids=line_ids, quantities=quantities)


def _ask(
    context: Context, shop: str, package: PackageRow, stored: StoredOrder, event: Event, *, dry_run: bool
) -> list[ActionRow] | None:
    """Tell the marketplace what the shop did, with the arguments that the settings give for that; None: it knows.

    What the shop really shipped with goes before what the settings say.
    """
    action, chosen = ACTIONS_OF_EVENTS[event.kind], context.settings.shops[shop]
    if stored.order.status in NO_NEWS.get(action, ()):
        return None
    line_ids = _lines_of(context, package, event)
    if event.kind == "refunded":
        line_ids = _refundable(context, package, event, line_ids)
    if not line_ids:
        return None
    arguments = dict(chosen.action_arguments.get(action, {}))
    if event.kind == "shipment":
        description = marketplace(context, stored.order.account, stored.order.marketplace)
        arguments |= shipment_arguments(description, event.tracking, with_carriers(context, shop, description.key))
    return queue_action(
        context,
        stored.order.key,
        action,
        arguments,
        line_ids=line_ids,
        quantities={line: pieces for line, pieces in event.quantities.items() if line in line_ids},
        parcel=event.parcel,
        who=f"shop {shop}",
        dry_run=dry_run,
    )


def _package(context: Context, shop: str, event: Event) -> PackageRow | None:
    return context.store.package_in_shop(shop, shop_order_id=event.shop_order_id) or context.store.package_in_shop(
        shop, reference=event.reference
    )


def _lines_of(context: Context, package: PackageRow, event: Event) -> tuple[str, ...]:
    """The lines that the event is about: those told, else those of the package that are still sold.

    Of a cancellation or refund, none where the marketplace has cancelled them itself, or given them back whole. Raises
    ActionInvalid.
    """
    told = tuple(dict.fromkeys([*event.line_ids, *event.quantities]))
    unknown = [line for line in told if line not in package.line_ids]
    if unknown:
        raise ActionInvalid("line_unknown", f"The shop order has no line {unknown[0]!r}.", field="line")
    order = context.store.models([package.order_id]).get(package.order_id)
    closed = {line.id for line in order.lines if not line.open} if order else set()
    if event.kind != "shipment":
        gone = closed | {line.id for line in order.lines if is_given_back(line, order)} if order else closed
        return tuple(line for line in told or package.line_ids if line not in gone)
    lines = told or tuple(line for line in package.line_ids if line not in closed)
    if not lines:
        raise ActionInvalid("line_closed", "Every line of the shop order is cancelled or refused.", field="line")
    return lines


def _refundable(context: Context, package: PackageRow, event: Event, line_ids: Sequence[str]) -> tuple[str, ...]:
    """Without lines that the shop had the marketplace cancel, which gives their money back.

    Raises ActionInvalid (`refunded_elsewhere`) where a part of one was given back without the shop, or by what it told in
    another way, as a module that tells of what is polled too: whether that is booked or more is given back, nothing tells.
    """
    order = context.store.models([package.order_id]).get(package.order_id)
    if order is None:
        return tuple(line_ids)
    actions = context.store.actions_of(package.order_id)
    cancelled = own_effects(actions, order).cancelled if order.status in TO_SHIP else frozenset()
    left = tuple(one for one in line_ids if one not in cancelled)
    changes = context.store.changes_of([package.order_id]).get(package.order_id, [])
    applied = [row.body for row in changes if row.package_id == package.id and row.state is ChangeState.APPLIED]
    booked = sum((body.amount for body in applied if isinstance(body, Refund)), Decimal(0))
    past = refunded_past_shop(order, package, actions, booked) | _parts_told_otherwise(actions, event)
    if past & set(left):
        raise ActionInvalid(
            "refunded_elsewhere",
            f"A part of the line {min(past & set(left))} was given back at the marketplace, and not by this refund.",
            what_to_do="If the shop only books that: lengow-connector events dismiss. If it gives back more, tell that: "
            "lengow-connector actions send refund; then dismiss the event.",
            field="line",
        )
    return left


def _parts_told_otherwise(actions: Sequence[ActionRow], event: Event) -> set[str]:
    """Lines of which the shop had pieces given back under a number of its own, and this has none, or the other way round."""
    refunds = [row for row in actions if row.action_type == "refund" and row.asked_by.startswith(SHOP)]
    parts = [row for row in refunds if row.quantity is not None and row.state not in ENDED]
    return {row.arguments.get("line", "") for row in parts if bool(row.parcel) != bool(event.parcel)}


def _moves_on(context: Context, step: Step, row: EventRow, event: Event) -> bool:
    """Whether an order that is still to be shipped at the marketplace comes by itself to where a refund is taken, or needs
    none: its shipment or cancellation was told together with it, or is on its way.
    """
    package = _package(context, row.shop, event)
    stored = context.store.order(package.order_id) if package else None
    if stored is None or stored.order.status not in TO_SHIP or context.now() - row.received_at > WAIT_FOR_STATUS:
        return False
    told = [one for one in context.store.actions_of(stored.order.id) if one.action_type in ("ship", "cancel")]
    return step.attempts < TRIES_FOR_STATUS or any(one.state in ON_THEIR_WAY for one in told)


def _look_again(context: Context, step: Step, error: LengowError) -> None:
    asked = error.retry_after if isinstance(error, ShopUnavailable) else None
    pause = steady_pause(step.attempts, jitter=context.jitter(), asked=asked)
    with context.store.transaction() as tx:
        tx.postpone(step, context.now() + timedelta(seconds=pause), f"{error.code}: {error}")


def _settle(context: Context, step: Step, row: EventRow, handled: _Handled, twins: Sequence[EventRow]) -> None:
    """What failed before and was told once more, now well, waits for nobody any more."""
    state, reason, about = handled.state, handled.reason, handled.about
    with context.store.transaction() as tx:
        tx.finish([step])
        tx.save_event(msgspec.structs.replace(row, state=state, reason=reason, about=about))
        for one in twins:
            if one.state is EventState.FAILED and state is EventState.DONE:
                worked_off = f"worked off as event {row.id} (was: {one.about})"
                tx.save_event(msgspec.structs.replace(one, state=EventState.DISMISSED, about=worked_off))
        if state is EventState.FAILED:
            entry = context.entry(handled.order_id, "event_failed", f"{reason}: {about}", who=f"shop {row.shop}")
            tx.note([entry])
    if state is EventState.FAILED:
        context.tell(context.signals.action_failed, order=handled.order_id, action=None, reason=reason, about=about)


prepare(Event)
