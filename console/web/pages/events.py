"""What the shops told: webhook deliveries and polled shipments."""

from flask import Response

from lengow.connector.model import EventState
from lengow.console.facts import event_facts
from lengow.console.web import labels
from lengow.console.web.language import N_
from lengow.console.web.pages.actions import PAGE, before_id
from lengow.console.web.pages.changes import given_reason
from lengow.console.web.visit import Visit


def show(visit: Visit) -> Response:
    state = visit.asked("state", set(EventState))
    shop = visit.asked("shop", visit.site.connector.settings.shops)
    found = visit.site.store.list_events(
        shop=shop or None,
        state=EventState(state) if state in set(EventState) else None,
        before_id=before_id(visit),
        limit=PAGE + 1,
    )
    older = found[PAGE - 1].id if len(found) > PAGE else None
    if visit.as_json:
        return visit.json({"events": [event_facts(row) for row in found[:PAGE]], "before": older})
    return visit.page(
        "events.html",
        events=found[:PAGE],
        state=state,
        shop=shop,
        shops=list(visit.site.connector.settings.shops),
        states=[(one, labels.EVENT_STATES[one]) for one in EventState],
        older=older,
        order_of={one.id: _order_id(visit, one.shop, one.body) for one in found[:PAGE]},
    )


def retry(visit: Visit, event_id: int) -> Response:
    row = visit.site.connector.retry_event(event_id, who=visit.who)
    shop = visit.site.connector.settings.shops.get(row.shop)
    if shop is not None:
        visit.site.jobs.work(shop.account, visit.who)
    return visit.go("events", visit.say(N_("The event is followed once more.")))


def dismiss(visit: Visit, event_id: int) -> Response:
    visit.site.connector.dismiss_event(event_id, reason=given_reason(), who=visit.who)
    return visit.go("events", visit.say(N_("The event is dismissed.")))


def _order_id(visit: Visit, shop: str, body: object) -> int | None:
    """The order that an event is about, where it is one of ours."""
    if not isinstance(body, dict):
        return None
    package = visit.site.store.package_in_shop(
        shop, shop_order_id=str(body.get("shop_order_id", "")), reference=str(body.get("reference", ""))
    )
    return package.order_id if package else None
