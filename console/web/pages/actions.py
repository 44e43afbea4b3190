"""What was and will be told to the marketplaces."""

from flask import Response

from lengow.connector.model import FOR_A_PERSON, ActionState
from lengow.console.facts import action_facts
from lengow.console.web import labels
from lengow.console.web.language import N_
from lengow.console.web.pages.changes import given_reason
from lengow.console.web.visit import Visit

PAGE = 50
WAITING = "person"
"""Not a state, but what is to be looked at first."""
RETRIED = (*FOR_A_PERSON, ActionState.HELD)


def show(visit: Visit) -> Response:
    state = visit.asked("state", {WAITING, *ActionState})
    chosen = FOR_A_PERSON if state == WAITING else [ActionState(state)] if state in set(ActionState) else []
    found = visit.site.store.list_actions(
        states=chosen, unhandled=state == WAITING, before_id=before_id(visit), limit=PAGE + 1
    )
    older = found[PAGE - 1].id if len(found) > PAGE else None
    if visit.as_json:
        rows = [action_facts(row) | {"order_id": row.order_id} for row in found[:PAGE]]
        return visit.json({"actions": rows, "before": older})
    return visit.page(
        "actions.html",
        actions=found[:PAGE],
        state=state,
        states=[(WAITING, N_("waits for a person")), *((one, labels.ACTION_STATES[one]) for one in ActionState)],
        older=older,
        retried=RETRIED,
    )


def retry(visit: Visit, action_id: int) -> Response:
    row = visit.site.store.action(action_id)
    visit.site.connector.retry_action(action_id, who=visit.who)
    notice = visit.say(N_("The action is on its way once more."))
    if row is None:
        return visit.go("actions", notice)
    visit.site.jobs.work(row.account, visit.who)
    return visit.go("order", notice, order_id=row.order_id)


def dismiss(visit: Visit, action_id: int) -> Response:
    row = visit.site.connector.dismiss_action(action_id, reason=given_reason(), who=visit.who)
    return visit.go("order", visit.say(N_("The action is dismissed.")), order_id=row.order_id)


def before_id(visit: Visit) -> int | None:
    """For the next page: the smallest id seen."""
    return _id_of(visit.asked("before", _id_of))


def _id_of(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None
