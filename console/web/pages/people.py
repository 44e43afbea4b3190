"""Who may enter, for an administrator: users, their roles, passwords and sessions."""

from collections import Counter

from flask import Response, abort, request

from lengow.connector.store.rows import JournalEntry
from lengow.console.web import labels, people
from lengow.console.web.language import N_
from lengow.console.web.people import PersonInvalid
from lengow.console.web.visit import Visit

CHANGES = ("role", "password", "sessions", "remove")


def show(visit: Visit) -> Response:
    return _page(visit)


def add(visit: Visit) -> Response:
    name = request.form.get("name", "").strip()
    try:
        people.add_user(
            visit.site.store, name, request.form.get("role", ""), request.form.get("password", ""), visit.site.now()
        )
    except PersonInvalid as error:
        return _page(visit, visit.say(error.template, **error.values), 422)
    _note(visit, f"user {name} added as {request.form.get('role', '')}")
    return visit.go("people", visit.say(N_("%(name)s may enter now."), name=name))


def change(visit: Visit, name: str, change: str) -> Response:
    if change not in CHANGES:
        abort(404)
    store = visit.site.store
    try:
        if change == "role":
            people.set_role(store, name, request.form.get("role", ""))
        elif change == "password":
            people.set_password(store, name, request.form.get("password", ""))
        elif change == "sessions":
            people.close_sessions(store, name)
        else:
            people.remove_user(store, name)
    except PersonInvalid as error:
        return _page(visit, visit.say(error.template, **error.values), 422)
    _note(visit, f"user {name}: {change} changed")
    return visit.go("people", visit.say(N_("Done, for %(name)s."), name=name))


def _page(visit: Visit, wrong: str = "", status: int = 200) -> Response:
    store, now = visit.site.store, visit.site.now()
    sessions = Counter(one.user for one in store.sessions() if one.expires_at > now)
    return visit.page("people.html", status, users=store.users(), sessions=sessions, roles=labels.ROLES, wrong=wrong)


def _note(visit: Visit, detail: str) -> None:
    with visit.site.store.transaction() as tx:
        tx.note([JournalEntry(visit.site.now(), None, None, "user_changed", detail, visit.who)])
