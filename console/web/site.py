"""The console as a Flask blueprint. Each page of `PAGES` names the role that it needs; one function lets in or not."""

import hashlib
import logging
from collections.abc import Callable
from functools import cache, partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, redirect, request, url_for
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from werkzeug.exceptions import BadRequest, HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from lengow.connector import Connector
from lengow.connector.errors import LengowError, OrderUnknown, StoreError
from lengow.console.web import labels, people
from lengow.console.web.language import Language, chosen, translations_of
from lengow.console.web.routes import PAGES, Page
from lengow.console.web.settings import ConsoleSettings, console_settings
from lengow.console.web.visit import COOKIE, LANGUAGE_COOKIE, Authenticate, Site, Visit, here, set_cookie

log = logging.getLogger("lengow.console.web")

HERE = Path(__file__).parent
LARGEST_FORM = 64 * 1024
"""Bytes; the largest is an action on an order of many lines, or a bulk retry."""
ROW_ID = f"<int(max={2**63 - 1}):"
"""No row of a database has a greater number, and none can be asked for."""
STATIC_SECONDS = 24 * 3600

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def blueprint(
    connector: Connector,
    *,
    authenticate: Authenticate | None = None,
    settings: ConsoleSettings | None = None,
    name: str = "lengow_console",
) -> Blueprint:
    """The console, to be registered in a host's app: `app.register_blueprint(blueprint(c), url_prefix="/lengow")`.

    `authenticate` is the host's own way to tell who asks: called in the request, it answers a `User`, or None for who
    may not enter. Without it the console has users and a login of its own. Raises SettingsError.
    """
    chosen_settings = settings or console_settings(connector.settings.sections.get("console", {}))
    site = Site(connector, chosen_settings, cache(_environment), authenticate)
    pages = Blueprint(name, __name__, static_folder="static")
    for page in PAGES:
        if authenticate is None or not page.own_login:
            view = partial(_answer, site, page)
            rule = page.rule.replace("<int:", ROW_ID)
            pages.add_url_rule(rule, page.endpoint, view, methods=[page.method])
    pages.after_request(_with_headers)
    return pages


def create_site(connector: Connector) -> Flask:
    """An app that has the console at `/console/` and nothing else; what `lengow-connector serve --console` runs."""
    app = Flask(__name__, static_folder=None)
    add_to(app, connector)
    return app


def add_to(app: Flask, connector: Connector) -> None:
    """Add the console at `/console/` to an app that has nothing at `/`."""
    settings = console_settings(connector.settings.sections.get("console", {}))
    app.register_blueprint(blueprint(connector, settings=settings), url_prefix="/console")
    app.add_url_rule("/", "home", lambda: redirect(url_for("home") + "console/"))
    if settings.proxies:
        count = settings.proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=count)  # type: ignore[method-assign]


def _answer(site: Site, page: Page, **arguments: Any) -> Response:
    request.max_content_length = request.max_form_memory_size = LARGEST_FORM
    try:
        visit = _visit(site, page)
    except StoreError as error:
        token = request.cookies.get(COOKIE) or people.new_token()
        visit = Visit(site, None, token, _language(site), as_json=_as_json(page))
        return _wrong(visit, 503, str(error), error.what_to_do, error.code)
    try:
        _check_query()
        refusal = _refusal(visit, page)
        response = refusal if refusal is not None else page.view(visit, **arguments)
    except HTTPException as error:
        response = _wrong(visit, error.code or 500, *_why(visit, error))
    except LengowError as error:
        response = _wrong(visit, _status(error), str(error), error.what_to_do, error.code)
    except Exception:
        log.exception("a page of the console raised", extra={"page": page.endpoint})
        response = _wrong(visit, 500, *_said(visit, labels.of_status(500)))
    if request.cookies.get(COOKIE) != visit.token:
        set_cookie(response, COOKIE, visit.token)
    return response


def _check_query() -> None:
    """Raises BadRequest for bytes that are no text, on which Werkzeug would fail."""
    try:
        request.query_string.decode()
    except UnicodeDecodeError as error:
        raise BadRequest from error


def _refusal(visit: Visit, page: Page) -> Response | None:
    """Who may not see the page, or sends a form that is not ours, gets this instead."""
    if page.method == "POST" and not visit.proves(request.form):
        return _wrong(visit, 400, *_said(visit, labels.STALE_FORM))
    if page.needs is None or (visit.user is not None and visit.user.role >= page.needs):
        return None
    if visit.user is not None:
        return _wrong(visit, 403, *_said(visit, labels.of_status(403)))
    if visit.site.authenticate is not None:
        return _wrong(visit, 401, *_said(visit, labels.of_status(401)))
    if visit.as_json:
        return _wrong(visit, 401, visit.say(labels.of_status(401)[0]), "")
    if page.method == "POST":
        return visit.go("login")
    return visit.go("login", next=here())


def _as_json(page: Page) -> bool:
    kinds = request.accept_mimetypes
    return page.gives_json and kinds.best_match(["text/html", "application/json"]) == "application/json"


def _visit(site: Site, page: Page) -> Visit:
    token = request.cookies.get(COOKIE, "")
    if site.authenticate is not None:
        user = site.authenticate()
    else:
        user = people.session_user(site.store, token, site.now()) if token else None
    return Visit(site, user, token or people.new_token(), _language(site), as_json=_as_json(page))


def _language(site: Site) -> Language:
    accepted = {tag: float(quality) for tag, quality in request.accept_languages}
    code = chosen(accepted, request.cookies.get(LANGUAGE_COOKIE), site.settings.language)
    return Language(code, site.settings.time_zone)


def _wrong(visit: Visit, status: int, sentence: str, what_to_do: str, code: str = "") -> Response:
    """The page that says what went wrong, and what to do."""
    if visit.as_json:
        code = code or HTTPStatus(status).name.lower()
        return visit.json({"code": code, "message": sentence, "what_to_do": what_to_do}, status)
    return visit.page("wrong.html", status, number=status, sentence=sentence, what_to_do=what_to_do)


def _why(visit: Visit, error: HTTPException) -> tuple[str, str]:
    sentence, what_to_do = _said(visit, labels.of_status(error.code or 500))
    told = visit.as_json and isinstance(error, BadRequest) and error.description != BadRequest.description
    return (error.description or sentence, "") if told else (sentence, what_to_do)


def _said(visit: Visit, texts: tuple[str, str]) -> tuple[str, str]:
    return visit.say(texts[0]), visit.say(texts[1])


def _status(error: LengowError) -> int:
    if isinstance(error, OrderUnknown):
        return 404
    return 503 if isinstance(error, StoreError) else 400


def _with_headers(response: Response) -> Response:
    response.headers.update(HEADERS)
    if request.endpoint and request.endpoint.endswith(".static"):
        response.headers["Cache-Control"] = f"public, max-age={STATIC_SECONDS}"
    else:
        response.headers["Cache-Control"] = "no-store"
        response.headers.add("Vary", "Cookie, Accept")
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    return response


def _environment(code: str) -> Environment:
    """The templates in one language, apart from the host's."""
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    translations = translations_of(code)
    environment.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined]
    environment.globals.update(
        url=_url, labels=labels, style=_versioned("console.css"), script=_versioned("console.js")
    )
    return environment


def _url(endpoint: str, **values: Any) -> str:
    return url_for(f".{endpoint}", **{name: value for name, value in values.items() if value not in (None, "")})


def _versioned(name: str) -> Callable[[], str]:
    """The URL of a static file, another one whenever the file is."""
    digest = hashlib.sha256((HERE / "static" / name).read_bytes()).hexdigest()[:10]
    return lambda: url_for(".static", filename=name, v=digest)
