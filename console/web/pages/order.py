"""One order: what is wrong and what to do, what it holds, what happened to it, and what can be told to the marketplace."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec
from flask import Response, abort, request

from lengow.connector.errors import ActionInvalid, LengowError
from lengow.connector.model import Order, OrderState, StepKind
from lengow.connector.profiles import profile_of
from lengow.connector.store.rows import PackageRow, StoredOrder
from lengow.console.facts import action_facts, change_facts, journal_facts, order_facts
from lengow.console.web import labels
from lengow.console.web.forms import Offer, arguments_of, label_of, offer_of
from lengow.console.web.language import N_
from lengow.console.web.pages.changes import given_reason
from lengow.console.web.pieces import pieces_of
from lengow.console.web.visit import Visit

LARGEST_RAW = 200_000
"""Characters of the record that are shown."""


class Amounts(msgspec.Struct, frozen=True):
    """The order's money, at the marketplace and in the shop."""

    rows: tuple[tuple[str, Decimal | None, Decimal | None], ...]
    """(label, at the marketplace, in the shop)"""
    differ: bool


class Wrong(msgspec.Struct, frozen=True):
    """What was wrong with a form that was sent."""

    action: str
    sentence: str
    detail: str
    field: str


def show(visit: Visit, order_id: int) -> Response:
    stored = _stored(visit, order_id)
    return _json(visit, stored) if visit.as_json else _page(visit, stored)


def retry(visit: Visit, order_id: int) -> Response:
    """Decide again, and create it now if it can be."""
    key = _stored(visit, order_id).order.key
    decided = visit.site.connector.retry(key.account, key.marketplace, key.marketplace_order_id, who=visit.who)
    for package in decided.packages:
        visit.site.connector.run_step(StepKind.CREATE, str(package.id))
    stored = _stored(visit, order_id)
    state = visit.say(labels.ORDER_STATES[stored.order.state])
    return visit.go(
        "order",
        visit.say(N_("Tried again: the order is %(state)s."), state=state),
        wrong=stored.order.state is OrderState.FAILED,
        order_id=order_id,
    )


def dismiss(visit: Visit, order_id: int) -> Response:
    key = _stored(visit, order_id).order.key
    visit.site.connector.dismiss(
        key.account, key.marketplace, key.marketplace_order_id, reason=given_reason(), who=visit.who
    )
    return visit.go("order", visit.say(N_("The order is dismissed; it is not imported.")), order_id=order_id)


def reimport(visit: Visit, order_id: int) -> Response:
    key = _stored(visit, order_id).order.key
    visit.site.connector.reimport(key.account, key.marketplace, key.marketplace_order_id, who=visit.who)
    visit.site.jobs.work(key.account, visit.who)
    return visit.go("order", visit.say(N_("The order is made in the shop anew.")), order_id=order_id)


def resync_ids(visit: Visit, order_id: int) -> Response:
    key = _stored(visit, order_id).order.key
    visit.site.connector.resync_ids(key.account, key.marketplace, key.marketplace_order_id, who=visit.who)
    visit.site.jobs.work(key.account, visit.who)
    return visit.go("order", visit.say(N_("Lengow is told the shop order's number once more.")), order_id=order_id)


def act(visit: Visit, order_id: int, action: str) -> Response:
    """Queue an action; where a rule is broken, the page again with what was entered."""
    stored = _stored(visit, order_id)
    key = stored.order.key
    try:
        rule = visit.site.connector.marketplace(key.account, key.marketplace).actions.get(action)
        arguments = arguments_of(rule, profile_of(key.marketplace), action, request.form) if rule else {}
        line_ids = request.form.getlist("line") or None
        visit.site.connector.act(
            action,
            key.account,
            key.marketplace,
            key.marketplace_order_id,
            arguments,
            line_ids=line_ids,
            who=visit.who,
        )
    except ActionInvalid as error:
        sentence = visit.say(labels.RULES.get(error.code, N_("The marketplace would not take this.")))
        wrong = Wrong(action, sentence, str(error), str(error.about.get("field", "")))
        return _page(visit, stored, wrong, {action: _entered(request.form)}, status=422)
    visit.site.jobs.work(key.account, visit.who)
    return visit.go(
        "order",
        visit.say(N_("%(action)s: checked, and on its way to the marketplace."), action=visit.say(label_of(action))),
        order_id=order_id,
    )


def amounts_of(order: Order, packages: tuple[PackageRow, ...]) -> Amounts:
    """What was sold, beside what the shop orders were created with."""
    created = [row for row in packages if row.state is OrderState.CREATED]
    in_shop = {line for row in created for line in row.line_ids}
    items = sum((line.amount for line in order.lines), Decimal(0))
    shop_items = sum((line.amount for line in order.lines if line.open and line.id in in_shop), Decimal(0))
    carries = any(row.carries_shipping for row in created)
    shipping = order.shipping if carries else Decimal(0)
    fee = order.processing_fee if carries else Decimal(0)
    shop_total = shop_items + shipping + fee

    def shop(amount: Decimal) -> Decimal | None:
        return amount if created else None

    return Amounts(
        rows=(
            (N_("Items"), items, shop(shop_items)),
            (N_("Shipping"), order.shipping, shop(shipping)),
            (N_("Processing fee"), order.processing_fee, shop(fee)),
            (N_("Total, tax included"), order.total, shop(shop_total)),
            (N_("of which tax"), order.total_tax, None),
            (N_("Commission"), order.commission, None),
        ),
        differ=bool(created) and shop_total != order.total,
    )


def _stored(visit: Visit, order_id: int) -> StoredOrder:
    stored = visit.site.store.order(order_id)
    if stored is None:
        abort(404)
    return stored


def _json(visit: Visit, stored: StoredOrder) -> Response:
    store, order_id = visit.site.store, stored.order.id
    return visit.json(
        order_facts(stored)
        | {
            "id": order_id,
            "journal": [journal_facts(entry) for entry in store.journal(order_id)],
            "actions": [action_facts(row) | {"order_id": order_id} for row in store.actions_of(order_id)],
            "changes": [change_facts(row, stored) for row in store.changes_of([order_id]).get(order_id, [])],
        }
    )


def _page(
    visit: Visit,
    stored: StoredOrder,
    wrong: Wrong | None = None,
    given: Mapping[str, Mapping[str, str]] | None = None,
    status: int = 200,
) -> Response:
    store, order_id = visit.site.store, stored.order.id
    order = store.models([order_id]).get(order_id)
    record = store.records([order_id]).get(order_id)
    actions = store.actions_of(order_id)
    offer, unknown = _offer(visit, stored, order, given or {})
    return visit.page(
        "order.html",
        status,
        stored=stored,
        row=stored.order,
        order=order,
        amounts=amounts_of(order, stored.packages) if order else None,
        package_of={line: row for row in stored.packages for line in row.line_ids if row.state != "withdrawn"},
        journal=store.journal(order_id),
        actions=actions,
        pieces=pieces_of(order, actions) if order else {},
        changes=store.changes_of([order_id]).get(order_id, []),
        raw=_pretty(record.unreadable or record.raw) if record else "",
        offer=offer,
        unknown=unknown,
        wrong=wrong,
    )


def _offer(
    visit: Visit, stored: StoredOrder, order: Order | None, given: Mapping[str, Mapping[str, str]]
) -> tuple[Offer | None, str]:
    """The forms; or why there are none."""
    if order is None:
        return None, visit.say(N_("The record cannot be read, so nothing can be told about it to the marketplace."))
    key = stored.order.key
    try:
        marketplace = visit.site.connector.marketplace(key.account, key.marketplace)
    except LengowError as error:
        return None, str(error)
    return offer_of(marketplace, profile_of(key.marketplace), order, given), ""


def _entered(form: Mapping[str, str]) -> dict[str, str]:
    return {name.removeprefix("argument."): value for name, value in form.items() if name.startswith("argument.")}


def _pretty(raw: bytes) -> str:
    try:
        text = msgspec.json.format(raw, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
        text = raw.decode("utf-8", "replace")
    return text if len(text) <= LARGEST_RAW else text[:LARGEST_RAW] + "\n…"
