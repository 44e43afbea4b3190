"""Whatever stands in the address of a page of the console, it is a page, or says what is wrong with it."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient
from hostile import TEXT, WORDS, fuzz
from hypothesis import strategies as st
from werkzeug.security import generate_password_hash

from lengow.connector import Account, Connector, Settings, Shop, Store
from lengow.connector.secret import Secret
from lengow.connector.store.rows import UserRow
from lengow.console.web import create_site
from lengow.console.web.routes import PAGES

PASSWORD = "correct horse battery"
READ = sorted(page.rule for page in PAGES if page.method == "GET" and page.endpoint != "health")
"""`health` asks the shops."""
NAMES = st.sampled_from(
    [
        *(
            "text",
            "state",
            "shop",
            "marketplace",
            "reason",
            "type",
            "since",
            "until",
            "sort",
            "after",
            "before",
            "page",
        ),
        *(
            "account",
            "kind",
            "next",
            "limit",
            "order",
            "name",
            "sku",
            "product",
            "language",
            "programme",
            "password",
            "role",
        ),
    ]
)
VALUES = TEXT | st.sampled_from(
    [
        *WORDS,
        "2026-01-01",
        "failed",
        "oldest",
        "deadline",
        "manomano_fr",
        "b2c",
        "//evil.example",
        "https://evil.example",
    ]
)
FIELDS = st.dictionaries(NAMES | TEXT, VALUES, max_size=5)
PARTS = st.sampled_from(["0", "1", "-1", "9" * 30, "b2c", "x", "%00", "..", "%2e%2e", "é", "a b"])


@pytest.fixture(scope="module")
def connector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connector]:
    account = Account(access_token=Secret("a"), secret=Secret("b"), base_url="http://127.0.0.1:9")
    shop = Shop(account="main", platform="generic")
    store = Store(url=f"sqlite:///{tmp_path_factory.mktemp('console')}/lengow.db")
    with Connector(Settings(accounts={"main": account}, shops={"b2c": shop}, store=store)) as one:
        with one.store.transaction() as tx:
            tx.save_user(UserRow("anne", "admin", generate_password_hash(PASSWORD, "pbkdf2:sha256:1"), one.now()))
        yield one


@pytest.fixture(scope="module")
def visitor(connector: Connector) -> FlaskClient:
    client = create_site(connector).test_client()
    assert (
        client.post("/console/login", data={**token(client), "name": "anne", "password": PASSWORD}).status_code == 303
    )
    return client


def token(client: FlaskClient) -> dict[str, str]:
    page = (
        client.get("/console/password").text if client.get_cookie("form_token") else client.get("/console/login").text
    )
    return {"form_token": page.partition('name="form_token" value="')[2].partition('"')[0]}


def address(rule: str, parts: list[str]) -> str:
    for part in parts:
        before, found, after = rule.partition("<")
        if not found:
            break
        rule = before + part + after.partition(">")[2]
    return f"/console{rule}"


def proven(answer: Any, path: str) -> None:
    assert answer.status_code in (200, 302, 303, 308, 400, 401, 403, 404, 405, 409, 413, 422), (
        path,
        answer.status_code,
    )
    place = answer.headers.get("Location", "")
    assert not place or (place.startswith("/") and not place.startswith("//")), place


@fuzz(rule=st.sampled_from(READ), parts=st.lists(PARTS, min_size=2, max_size=2), query=FIELDS)
def test_a_page_is_shown_or_says_what_is_wrong(
    visitor: FlaskClient, rule: str, parts: list[str], query: dict[str, str]
) -> None:
    path = address(rule, parts)
    text = urlencode(query, errors="surrogatepass")
    proven(visitor.get(path, query_string=text), path)


@fuzz(rule=st.sampled_from(READ), parts=st.lists(PARTS, min_size=2, max_size=2), query=st.binary(max_size=40))
def test_so_it_is_for_bytes_that_are_no_text(visitor: FlaskClient, rule: str, parts: list[str], query: bytes) -> None:
    path = address(rule, parts)
    proven(visitor.get(path, environ_overrides={"QUERY_STRING": query.decode("latin-1")}), path)


def test_a_number_that_no_row_can_have_is_not_found(visitor: FlaskClient) -> None:
    assert visitor.get(f"/console/orders/{2**63}").status_code == 404


def test_a_query_that_is_no_text_is_a_bad_request(visitor: FlaskClient) -> None:
    assert visitor.get("/console/orders", environ_overrides={"QUERY_STRING": "text=\x80"}).status_code == 400
