"""The console of a merchant: visited without a browser (`visitor`), and with Debian's Chromium (`browser_page`)."""

import re
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.security import generate_password_hash
from werkzeug.test import TestResponse

from lengow.connector.store.rows import UserRow
from lengow.console.web import Role, User, blueprint, create_site
from lengow.console.web_server import web_server
from lengow.webhooks import LARGEST_BODY

CHROMIUM = Path("/usr/bin/chromium")
PASSWORD = "correct horse battery"
QUICK_HASH = generate_password_hash(PASSWORD, "pbkdf2:sha256:1")
"""The real ones take their time on purpose; the tests of users make those."""
TOKEN = re.compile(r'name="form_token" value="([^"]+)"')


class Visitor:
    """Somebody at the pages, as a browser without JavaScript would be: forms carry the token of the page before."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.last: TestResponse | None = None

    def sees(self, path: str, status: int = 200) -> str:
        """Follows redirects; the text of the page."""
        self.last = self.client.get(f"/console{path}", follow_redirects=True)
        assert self.last.status_code == status, self.last.text[:2000]
        return self.last.text

    def sends(self, path: str, status: int = 200, /, **form: Any) -> str:
        """With the token of any page of ours; follows the redirect, and gives the text of the page."""
        answer = self.client.post(f"/console{path}", data={"form_token": self.token(), **form}, follow_redirects=True)
        self.last = answer
        assert answer.status_code == status, answer.text[:2000]
        return answer.text

    def waits(self) -> None:
        """Until the work that a page started is done."""
        for _ in range(600):
            if 'data-busy="no"' in self.sees("/progress"):
                return
            time.sleep(0.05)
        raise AssertionError("the work did not end")

    def token(self) -> str:
        page = self.client.get("/console/", follow_redirects=True).text
        found = TOKEN.search(page)
        assert found is not None
        return unescape(found.group(1))

    def logs_in(self, name: str, password: str = PASSWORD, status: int = 200) -> str:
        return self.sends("/login", status, name=name, password=password)


@pytest.fixture
def app(merchant: Any) -> Any:
    now = merchant.connector.now()
    with merchant.connector.store.transaction() as tx:
        for name, role in (("vera", "viewer"), ("otto", "operator"), ("anne", "admin")):
            tx.save_user(UserRow(name, role, QUICK_HASH, now))
    return create_site(merchant.connector)


@pytest.fixture
def visit(app: Any) -> Callable[..., Visitor]:
    """`visit("otto")`: logged in; `visit()`: not."""

    def make(name: str = "") -> Visitor:
        visitor = Visitor(app.test_client())
        if name:
            visitor.logs_in(name)
        return visitor

    return make


@pytest.fixture
def hosted() -> Callable[[Any], Visitor]:
    """An operator of any connector, whom a host lets in."""

    def make(connector: Any) -> Visitor:
        host = Flask("host")
        pages = blueprint(connector, authenticate=lambda: User("otto", Role.OPERATOR))
        host.register_blueprint(pages, url_prefix="/console")
        return Visitor(host.test_client())

    return make


@pytest.fixture
def operator(visit: Callable[..., Visitor]) -> Visitor:
    return visit("otto")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    if not CHROMIUM.exists():
        reason = f"{CHROMIUM} IS MISSING: THE CONSOLE IS NOT TESTED IN A BROWSER. apt-get install chromium"
        sys.stderr.write(f"\n*** {reason} ***\n")
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            yield browser
            browser.close()


@pytest.fixture
def served(app: Any) -> Iterator[str]:
    """The console over real HTTP; its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = web_server(app, listener, threads=4, largest_body=LARGEST_BODY)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/console"
    server.task_dispatcher.shutdown(cancel_pending=False, timeout=10)
    server.hang_up()
    thread.join(10)


class Operator:
    """Somebody at a real browser. Every request that does not go to the console is an error, as is any message on the
    browser's console, such as of a broken content security policy."""

    def __init__(self, browser: Any, url: str, **options: Any) -> None:
        self.url = url
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 850}, **options})
        self.context.set_default_timeout(20_000)
        self.page = self.context.new_page()
        self.elsewhere: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", self._requested)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def logs_in(self, name: str = "otto", password: str = PASSWORD) -> None:
        self.opens("/login")
        self.page.get_by_label("Name").or_(self.page.get_by_label("Nom")).fill(name)
        self.page.locator("input[type=password]").fill(password)
        self.page.locator("button.primary").click()

    def opens(self, path: str) -> Any:
        self.page.goto(self.url + path)
        return self.page

    def text(self) -> str:
        return str(self.page.locator("main").inner_text())

    def _requested(self, request: Any) -> None:
        if not request.url.startswith((self.url.removesuffix("/console"), "data:")):
            self.elsewhere.append(request.url)

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning") and "status of 4" not in message.text:
            self.complaints.append(message.text)


@pytest.fixture
def browsing(chromium: Any, served: str) -> Iterator[Callable[..., Operator]]:
    """`browsing(locale="fr-FR")`: a browser of one's own, logged in as otto unless `name` says otherwise."""
    made: list[Operator] = []

    def make(name: str = "otto", **options: Any) -> Operator:
        made.append(Operator(chromium, served, **options))
        if name:
            made[-1].logs_in(name)
        return made[-1]

    yield make
    for one in made:
        one.context.close()
        assert one.elsewhere == []
        assert one.complaints == []
