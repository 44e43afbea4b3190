"""One request to the console: who asks, in which language, and what is to be said back."""

import hashlib
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

import msgspec
from flask import Response, make_response, redirect, request, url_for
from itsdangerous import BadSignature, URLSafeTimedSerializer
from jinja2 import Environment
from werkzeug.exceptions import BadRequest

from lengow.connector import Connector
from lengow.console.web.jobs import Jobs
from lengow.console.web.language import LANGUAGES, Language
from lengow.console.web.people import Role, User
from lengow.console.web.settings import ConsoleSettings

COOKIE = "lengow_console"
"""Whose browser it is: the session's token, or before the login that of a visitor."""
LANGUAGE_COOKIE = "lengow_language"
NOTICE_COOKIE = "lengow_notice"
NOTICE_SECONDS = 60
LONGEST_NOTICE = 600
FORM_SECONDS = 12 * 3600
"""How old the page may be whose form is sent."""

Authenticate = Callable[[], User | None]
"""A host's own: who makes the request that Flask is handling."""

Known = Collection[str] | Callable[[str], object]
"""The values that a query may have; or what makes something of them, and None of others."""


def here() -> str:
    """The address of this page with its query, which may be bytes that are no text."""
    query = request.query_string.decode(errors="replace")
    return f"{request.path}?{query}" if query else request.path


class Site:
    """What all pages share: the connector, the templates, the work that they started. Nothing of one request."""

    def __init__(
        self,
        connector: Connector,
        settings: ConsoleSettings,
        environment: Callable[[str], Environment],
        authenticate: Authenticate | None,
    ) -> None:
        self.connector = connector
        self.store = connector.store
        self.settings = settings
        self.environment = environment
        self.authenticate = authenticate
        self.jobs = Jobs(connector)

    def now(self) -> datetime:
        return self.connector.now()


class Visit:
    def __init__(self, site: Site, user: User | None, token: str, language: Language, *, as_json: bool = False) -> None:
        self.site = site
        self.user = user
        self.token = token
        self.language = language
        self.say = language.say
        self.as_json = as_json
        """A program asks, and is answered with JSON."""

    @property
    def who(self) -> str:
        """For the journal."""
        return self.user.name if self.user else ""

    def may(self, role: str) -> bool:
        return self.user is not None and self.user.role >= Role[role.upper()]

    def asked(self, name: str, known: Known, default: str = "") -> str:
        """The query's value, where it is one of those known, or `known` makes something of it; else the default.

        Raises BadRequest for a program's mistake, which would go unseen.
        """
        values = request.args.getlist(name)
        fits = [one for one in values if (known(one) is not None if callable(known) else one in known)]
        if self.as_json and (fits != values or len(values) > 1):
            must = "cannot be read" if callable(known) else f"must be one of: {', '.join(sorted(known))}"
            raise BadRequest(f"{name} {must}.")
        return fits[0] if fits else "" if "" in values else default

    def json(self, facts: Mapping[str, Any], status: int = 200) -> Response:
        return Response(msgspec.json.encode(facts) + b"\n", status, mimetype="application/json")

    def page(self, template: str, /, status: int = 200, **facts: Any) -> Response:
        """The template, filled in."""
        environment = self.site.environment(self.language.code)
        text = environment.get_template(template).render(
            visit=self,
            here=self.language,
            site=self.site,
            languages=LANGUAGES,
            now=self.site.now(),
            form_token=self.form_token(),
            notice=self._notice(),
            current=here() if request.method == "GET" else home(),
            **facts,
        )
        response = make_response(text, status)
        if request.cookies.get(NOTICE_COOKIE):
            response.delete_cookie(NOTICE_COOKIE, path=home())
        return response

    def go(self, endpoint: str, notice: str = "", /, *, wrong: bool = False, **values: Any) -> Response:
        """Answer to a form: off to a page, which shows the notice."""
        return self.go_to(url_for(f".{endpoint}", **values), notice, wrong=wrong)

    def go_to(self, url: str, notice: str = "", *, wrong: bool = False) -> Response:
        response = make_response(redirect(url, 303))
        if notice:
            signed = self._signer("notice").dumps([notice[:LONGEST_NOTICE], wrong])
            set_cookie(response, NOTICE_COOKIE, str(signed), NOTICE_SECONDS)
        return response

    def form_token(self) -> str:
        """What proves that a form came from a page that we gave to this browser and user."""
        return str(self._signer("form").dumps(self.who))

    def proves(self, form: Mapping[str, str]) -> bool:
        """Whether the form is one of ours, and not too old."""
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            return False
        try:
            return bool(self._signer("form").loads(form.get("form_token", ""), max_age=FORM_SECONDS) == self.who)
        except BadSignature:
            return False

    def _notice(self) -> tuple[str, bool] | None:
        try:
            text, wrong = self._signer("notice").loads(request.cookies.get(NOTICE_COOKIE, ""), max_age=NOTICE_SECONDS)
        except (BadSignature, ValueError, TypeError):
            return None
        return str(text), bool(wrong)

    def _signer(self, purpose: str) -> URLSafeTimedSerializer:
        """Its key is the browser's own secret, so that there is none to configure, to share or to leak."""
        return URLSafeTimedSerializer(hashlib.sha256(self.token.encode()).digest(), salt=f"lengow-{purpose}")


def home() -> str:
    return url_for(".overview")


def set_cookie(response: Response, name: str, value: str, seconds: int | None = None) -> None:
    """Not to be read by scripts, nor sent along from other sites' forms; over HTTPS only, where the page is."""
    response.set_cookie(
        name, value, max_age=seconds, path=home(), httponly=True, secure=request.is_secure, samesite="Lax"
    )
