"""What happened at Lengow to orders that are in a shop, and waits for a person to say whether the shop is told."""

from flask import Response, request

from lengow.connector.model import ChangeState
from lengow.console.facts import change_facts
from lengow.console.web import labels
from lengow.console.web.language import N_
from lengow.console.web.visit import Visit

MANY = 200
LONGEST_REASON = 300


def show(visit: Visit) -> Response:
    state = visit.asked("state", {"", *ChangeState}, default=ChangeState.WAITING)
    states = [ChangeState(state)] if state in set(ChangeState) else list(ChangeState)
    found = visit.site.store.list_changes(states=states, limit=MANY)
    orders = visit.site.store.orders([one.order_id for one in found])
    if visit.as_json:
        return visit.json({"changes": [change_facts(row, orders[row.order_id]) for row in found]})
    return visit.page(
        "changes.html",
        changes=found,
        orders=orders,
        state=state,
        states=[(one, labels.CHANGE_STATES[one]) for one in ChangeState],
    )


def apply(visit: Visit, change_id: int) -> Response:
    row = visit.site.connector.apply_change(change_id, who=visit.who)
    visit.site.jobs.work(row.account, visit.who)
    return visit.go("order", visit.say(N_("The change is brought to the shop.")), order_id=row.order_id)


def dismiss(visit: Visit, change_id: int) -> Response:
    row = visit.site.connector.dismiss_change(change_id, reason=given_reason(), who=visit.who)
    return visit.go("order", visit.say(N_("The shop is left as it is.")), order_id=row.order_id)


def given_reason() -> str:
    return request.form.get("reason", "").strip()[:LONGEST_REASON]
