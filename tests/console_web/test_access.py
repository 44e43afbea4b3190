"""Who gets in, and what they may do there."""

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from lengow.connector.errors import StoreBusy
from lengow.console.web import Role, User, blueprint, create_site, people
from lengow.console.web.people import PersonInvalid
from lengow.console.web.routes import PAGES, Page

ARGUMENTS = {
    "order_id": 1,
    "action_id": 1,
    "event_id": 1,
    "invoice_id": 1,
    "step_id": 1,
    "change_id": 1,
    "action": "ship",
    "shop": "b2c",
    "change": "remove",
}
"""To fill in the addresses of all pages; there is a page at each, whatever it answers."""


def path_of(page: Page) -> str:
    filled = re.sub(r"<(?:\w+:)?(\w+)>", lambda one: str(ARGUMENTS.get(one.group(1), "otto")), page.rule)
    return f"/console{filled}"


def test_no_page_but_the_login_is_shown_to_a_stranger(visit: Callable[..., Any]) -> None:
    stranger = visit()
    for page in PAGES:
        if page.needs is None:
            continue
        form = {"form_token": stranger.token()} if page.method == "POST" else None
        answer = stranger.client.open(path_of(page), method=page.method, data=form)
        assert answer.status_code == 303, f"{page.method} {page.rule}"
        assert answer.location.startswith("/console/login")


@pytest.mark.parametrize(("name", "role"), [("vera", Role.VIEWER), ("otto", Role.OPERATOR)])
def test_a_role_cannot_be_got_around_by_typing_an_address(visit: Callable[..., Any], name: str, role: Role) -> None:
    somebody = visit(name)
    for page in PAGES:
        if page.needs is None or page.endpoint == "log_out":
            continue
        form = {"form_token": somebody.token()} if page.method == "POST" else None
        answer = somebody.client.open(path_of(page), method=page.method, data=form)
        assert (answer.status_code == 403) == (role < page.needs), f"{page.method} {page.rule}"
        assert answer.status_code < 500, f"{page.method} {page.rule}"


def test_whoever_changes_something_needs_more_than_to_look(app: Any) -> None:
    own = {"language", "log_in", "log_out", "set_own_password"}
    for page in PAGES:
        if page.method == "POST" and page.endpoint not in own:
            assert page.needs is not None
            assert page.needs >= Role.OPERATOR, page.rule


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="none"),
        pytest.param("forged", id="forged"),
        pytest.param("ImFubmUi.aR2k3Q.AAAAAAAAAAAAAAAAAAAAAAAAAAA", id="signed by nobody"),
    ],
)
def test_a_form_without_our_token_changes_nothing(merchant: Any, operator: Any, token: str) -> None:
    path = "/console/shops/b2c/toggles/decrease_stock_for_marketplace_shipped"
    answer = operator.client.post(path, data={"form_token": token, "value": "on"})
    assert answer.status_code == 400
    assert "did not come from this page" in answer.text
    assert merchant.connector.toggles("b2c")["decrease_stock_for_marketplace_shipped"] is False


def test_a_token_of_another_browser_or_of_before_the_login_is_none(merchant: Any, visit: Callable[..., Any]) -> None:
    stranger, anne, otto = visit(), visit("anne"), visit("otto")
    before = stranger.token()
    stranger.logs_in("otto")
    path = "/console/shops/b2c/toggles/decrease_stock_for_marketplace_shipped"
    for visitor, token in ((otto, anne.token()), (stranger, before)):
        answer = visitor.client.post(path, data={"form_token": token, "value": "on"})
        assert answer.status_code == 400
    assert merchant.connector.toggles("b2c")["decrease_stock_for_marketplace_shipped"] is False


def test_a_stale_token_is_refused(operator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lengow.console.web.visit.FORM_SECONDS", -1)
    assert "too old" in operator.sends("/sync", 400, account="main")


def test_a_form_from_another_site_is_refused_even_with_a_token(operator: Any) -> None:
    answer = operator.client.post(
        "/console/sync",
        data={"form_token": operator.token(), "account": "main"},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert answer.status_code == 400


def test_a_wrong_password_and_an_unknown_name_are_told_alike(visit: Callable[..., Any]) -> None:
    stranger = visit()
    wrong = stranger.logs_in("anne", "not the password", 401)
    unknown = stranger.logs_in("nobody", "not the password", 401)
    assert "The name or the password is wrong." in wrong
    assert "The name or the password is wrong." in unknown


def test_logins_are_limited_and_the_limit_passes(merchant: Any, sandbox: Any, visit: Callable[..., Any]) -> None:
    stranger = visit()
    for _ in range(people.MOST_FAILURES):
        stranger.logs_in("anne", "not the password", 401)
    assert "Too many logins failed" in stranger.logs_in("anne", status=429)
    assert stranger.last.headers["Retry-After"] == "900"
    visit("otto")  # others still come in
    sandbox.advance(minutes=16)
    assert "Overview" in stranger.logs_in("anne")


def test_many_logins_at_once_do_not_get_around_the_limit(merchant: Any, app: Any) -> None:
    refused = []

    def guess() -> None:
        try:
            people.log_in(merchant.connector.store, "anne", "guess", "192.0.2.1", merchant.connector.now())
        except people.TooManyLogins:
            refused.append(1)

    threads = [threading.Thread(target=guess) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 12 - people.MOST_FAILURES


def test_the_limit_is_shared_by_processes(merchant: Any, app: Any) -> None:
    other = create_site(merchant.connector)
    for site in (app, other) * 3:
        client = site.test_client()
        token = re.search(r'form_token" value="([^"]+)', client.get("/console/login").text)
        assert token is not None
        answer = client.post("/console/login", data={"form_token": token[1], "name": "anne", "password": "wrong"})
    assert answer.status_code == 429


def test_a_session_ends_by_itself_by_logging_out_and_by_an_administrator(
    sandbox: Any, visit: Callable[..., Any]
) -> None:
    otto, anne = visit("otto"), visit("anne")
    cookie = otto.client.get_cookie("lengow_console", path="/console/")
    assert cookie is not None
    otto.sends("/logout")
    otto.client.set_cookie("lengow_console", cookie.value, path="/console/")
    assert "Log in" in otto.sees("/orders")  # the old cookie opens nothing
    otto.logs_in("otto")
    anne.sends("/people/otto/sessions")
    assert "Log in" in otto.sees("/orders")
    otto.logs_in("otto")
    sandbox.advance(hours=13)
    assert "Log in" in otto.sees("/orders")


def test_a_new_role_counts_at_once_and_a_removed_user_is_out(visit: Callable[..., Any]) -> None:
    otto, anne = visit("otto"), visit("anne")
    anne.sends("/people/otto/role", role="viewer")
    otto.sends("/sync", 403, account="main")
    anne.sends("/people/otto/remove")
    assert "Log in" in otto.sees("/orders")


def test_the_last_administrator_stays(merchant: Any, visit: Callable[..., Any]) -> None:
    anne = visit("anne")
    assert "anne is the last administrator" in anne.sends("/people/anne/remove", 422)
    assert "anne is the last administrator" in anne.sends("/people/anne/role", 422, role="viewer")
    with pytest.raises(PersonInvalid):
        people.remove_user(merchant.connector.store, "anne")


def test_users_are_added_by_an_administrator_and_noted(merchant: Any, visit: Callable[..., Any]) -> None:
    anne = visit("anne")
    assert "at least 12 characters" in anne.sends("/people", 422, name="kim", role="viewer", password="short")
    assert "There is no such role" in anne.sends("/people", 422, name="kim", role="king", password=people.new_token())
    anne.sends("/people", name="kim", role="viewer", password="a password of kim")
    assert "Overview" in visit().logs_in("kim", "a password of kim")
    entry = merchant.connector.store.general_journal()[0]
    assert (entry.what, entry.detail, entry.who) == ("user_changed", "user kim added as viewer", "anne")


def test_ones_own_password_is_changed_with_the_old_one(visit: Callable[..., Any]) -> None:
    otto = visit("otto")
    assert "old password is wrong" in otto.sends("/password", 422, old="wrong", new="another good password")
    otto.sends("/password", old="correct horse battery", new="another good password")
    otto.logs_in("otto", status=401)
    assert "Overview" in otto.logs_in("otto", "another good password")


def test_passwords_and_tokens_are_not_in_the_store(merchant: Any, visit: Callable[..., Any]) -> None:
    otto = visit("otto")
    cookie = otto.client.get_cookie("lengow_console", path="/console/")
    content = b"".join(path.read_bytes() for path in merchant.folder.glob("lengow.db*"))
    assert b"otto" in content
    assert b"correct horse battery" not in content
    assert cookie.value.encode() not in content


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/",
        "//evil.example/",
        "/console/../x",
        "/console/\\evil",
        "/other",
        "javascript:alert(1)",
        "",
    ],
)
def test_the_login_leads_nowhere_else(visit: Callable[..., Any], url: str) -> None:
    stranger = visit()
    form = {"form_token": stranger.token(), "name": "otto", "password": "correct horse battery", "next": url}
    assert stranger.client.post("/console/login", data=form).location == "/console/"


def test_the_login_leads_where_one_wanted_to_go(visit: Callable[..., Any]) -> None:
    stranger = visit()
    stranger.sees("/orders?state=failed")
    form = {"form_token": stranger.token(), "name": "otto", "password": "correct horse battery"}
    answer = stranger.client.post("/console/login", data={**form, "next": "/console/orders?state=failed"})
    assert answer.location == "/console/orders?state=failed"


def test_every_answer_has_the_safe_headers(visit: Callable[..., Any], app: Any) -> None:
    otto = visit("otto")
    for path in ("/", "/orders", "/orders.csv", "/orders/999", "/login", "/static/console.css"):
        headers = otto.client.get(f"/console{path}", buffered=True).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert "no-store" in headers["Cache-Control"] or path.startswith("/static")
    cookie = otto.client.get_cookie("lengow_console", path="/console/")
    assert cookie.http_only
    assert cookie.same_site == "Lax"
    secure = app.test_client().get("/console/login", base_url="https://localhost")
    assert "Strict-Transport-Security" in secure.headers
    assert "; Secure" in secure.headers["Set-Cookie"]


def test_a_form_that_is_too_large_is_refused(operator: Any) -> None:
    assert "too large" in operator.sends("/orders/retry", 413, order="1" * 70_000)


def test_a_host_brings_its_own_users(merchant: Any) -> None:
    host, who = Flask("host"), {"user": None}
    host.register_blueprint(
        blueprint(merchant.connector, authenticate=lambda: who["user"]), url_prefix="/backend/lengow"
    )
    client = host.test_client()
    assert client.get("/backend/lengow/").status_code == 401
    who["user"] = User("hana", Role.OPERATOR)  # type: ignore[assignment]
    page = client.get("/backend/lengow/shops").text
    assert "hana" in page
    assert client.get("/backend/lengow/login").status_code == 404
    assert client.get("/backend/lengow/people").status_code == 404
    token = re.search(r'form_token" value="([^"]+)', page)
    assert token is not None
    path = "/backend/lengow/shops/b2c/toggles/decrease_stock_for_marketplace_shipped"
    assert client.post(path, data={"form_token": token[1], "value": "on"}).status_code == 303
    [row] = merchant.connector.store.toggles()
    assert (row.name, row.value, row.set_by) == ("decrease_stock_for_marketplace_shipped", True, "hana")
    who["user"] = User("vic", Role.VIEWER)  # type: ignore[assignment]
    assert client.post(path, data={"form_token": token[1], "value": "off"}).status_code == 400  # hana's form


def test_a_store_that_does_not_answer_is_said_so(operator: Any, merchant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(_: str) -> None:
        raise StoreBusy("The store is locked.")

    monkeypatch.setattr(merchant.connector.store, "session", busy)
    page = operator.sees("/orders", 503)
    assert "The store is locked." in page
