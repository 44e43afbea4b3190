"""Coming in and going out, one's own password, and the language."""

import logging
from datetime import timedelta

from flask import Response, request

from lengow.console.web import people
from lengow.console.web.addresses import is_ours
from lengow.console.web.language import LANGUAGES, N_
from lengow.console.web.people import PersonInvalid, TooManyLogins
from lengow.console.web.visit import LANGUAGE_COOKIE, Visit, home, set_cookie

log = logging.getLogger("lengow.console.web")

YEAR = 365 * 24 * 3600
WRONG = N_("The name or the password is wrong.")
LIMITED = N_("Too many logins failed. Wait 15 minutes, then try again.")


def show(visit: Visit) -> Response:
    if visit.user is not None:
        return visit.go("overview")
    return _form(visit)


def log_in(visit: Visit) -> Response:
    name, password = request.form.get("name", "").strip(), request.form.get("password", "")
    address = request.remote_addr or ""
    try:
        user = people.log_in(visit.site.store, name, password, address, visit.site.now())
    except TooManyLogins:
        log.warning("login limited", extra={"user": name[:64], "address": address})
        response = _form(visit, LIMITED, 429)
        response.headers["Retry-After"] = str(int(people.WINDOW.total_seconds()))
        return response
    if user is None:
        log.warning("login failed", extra={"user": name[:64], "address": address})
        return _form(visit, WRONG, 401)
    log.info("logged in", extra={"user": user.name, "address": address})
    hours = visit.site.settings.session_hours
    visit.token = people.open_session(visit.site.store, user, visit.site.now(), timedelta(hours=hours))
    following = request.form.get("next", "")
    return visit.go_to(following if is_ours(following, home()) else home())


def log_out(visit: Visit) -> Response:
    people.close_session(visit.site.store, visit.token)
    visit.token = people.new_token()
    return visit.go("login", visit.say(N_("You are logged out.")))


def password(visit: Visit) -> Response:
    return visit.page("password.html", wrong="")


def set_own_password(visit: Visit) -> Response:
    """The old one proves that it is not somebody else at an open page. All sessions of the user end."""
    old, new = request.form.get("old", ""), request.form.get("new", "")
    try:
        known = people.log_in(visit.site.store, visit.who, old, request.remote_addr or "", visit.site.now())
        if known is None:
            return visit.page("password.html", 422, wrong=visit.say(N_("The old password is wrong.")))
        people.set_password(visit.site.store, visit.who, new)
    except (PersonInvalid, TooManyLogins) as error:
        return visit.page("password.html", 422, wrong=_said(visit, error))
    visit.token = people.new_token()
    return visit.go("login", visit.say(N_("The password is changed. Log in with the new one.")))


def language(visit: Visit) -> Response:
    code = request.form.get("language", "")
    back = request.form.get("back", "")
    response = visit.go_to(back if is_ours(back, home()) else home())
    if code in LANGUAGES:
        set_cookie(response, LANGUAGE_COOKIE, code, YEAR)
    return response


def _said(visit: Visit, error: PersonInvalid | TooManyLogins) -> str:
    return visit.say(LIMITED) if isinstance(error, TooManyLogins) else visit.say(error.template, **error.values)


def _form(visit: Visit, wrong: str = "", status: int = 200) -> Response:
    following = request.values.get("next", "")
    return visit.page(
        "login.html",
        status,
        wrong=visit.say(wrong),
        name=request.form.get("name", ""),
        next=following if is_ours(following, home()) else "",
        nobody=not visit.site.store.users(),
    )
