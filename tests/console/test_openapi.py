"""The OpenAPI description names each address that is no page for a browser, and says what the code says."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import pytest
import schemathesis
from flask import Flask

from lengow.adapters.shopware.facts import EVENTS
from lengow.adapters.shopware.facts import SIGNATURE as SHOPWARE
from lengow.adapters.woocommerce.webhook import SIGNATURE as WOOCOMMERCE
from lengow.connector import Account, Connector, Settings, Shop, Store, errors
from lengow.connector.events import WAIT_FOR_STORE
from lengow.connector.model import ActionState, ChangeKind, ChangeState, EventState, OrderState
from lengow.connector.secret import Secret
from lengow.connector.store.rows import ActionRow, ChangeRow, EventRow, JournalEntry
from lengow.console import web
from lengow.console.serving import _with_feeds
from lengow.console.web import labels
from lengow.console.web.pages.orders import Sort
from lengow.console.web.routes import PAGES
from lengow.console.web_server import CODES, LARGEST_HEAD
from lengow.feeds.formats import FORMATS
from lengow.webhooks import LARGEST_BODY, create_app

ROOT = Path(__file__).parents[2]
DESCRIPTION: Mapping[str, Any] = json.loads((ROOT / "console" / "openapi.json").read_text(encoding="utf-8"))
SCHEMAS = DESCRIPTION["components"]["schemas"]
RECEIVER = DESCRIPTION["paths"]["/webhooks/{shop}"]["post"]
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    """All that `lengow-connector serve --console` answers."""
    feed = {"shop": "b2c", "marketplace": "manomano_fr", "path": "all.csv", "secret": "0123456789abcdef" * 2}
    settings = Settings(
        accounts={"main": Account(access_token=Secret("a"), secret=Secret("b"), base_url="http://127.0.0.1:9")},
        shops={"b2c": Shop(account="main", platform="generic")},
        store=Store(url=f"sqlite:///{tmp_path}/lengow.db"),
        sections={"feeds": {"all": feed}},
    )
    with Connector(settings) as connector:
        served = _with_feeds(create_app(connector), connector)
        web.add_to(served, connector)
        yield served


def described() -> set[tuple[str, str]]:
    return {(method, path) for path, one in DESCRIPTION["paths"].items() for method in one if method in METHODS}


def test_each_address_that_is_no_page_is_described_and_nothing_else(app: Flask) -> None:
    pages = {named(f"/console{page.rule}") for page in PAGES if not page.gives_json}
    served = {
        (method.lower(), named(rule.rule))
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
        if method not in ("HEAD", "OPTIONS") and named(rule.rule) not in {*pages, "/", "/console/static/{filename}"}
    }
    assert described() == served


def named(rule: str) -> str:
    """Flask's address as OpenAPI writes it."""
    return re.sub(r"<(?:[^<>]*:)?(\w+)>", r"{\1}", rule)


def test_it_is_openapi_of_this_version() -> None:
    schemathesis.openapi.from_dict(dict(DESCRIPTION)).validate()
    assert DESCRIPTION["openapi"].startswith("3.1.")
    assert DESCRIPTION["info"]["version"] == version("lengow-connector")


def test_each_operation_has_a_name_of_its_own_and_says_what_it_is() -> None:
    operations = [DESCRIPTION["paths"][path][method] for method, path in sorted(described())]
    names = [one["operationId"] for one in operations]
    assert sorted(set(names)) == sorted(names)
    assert all(one["summary"] and one["tags"] for one in operations)
    assert {tag for one in operations for tag in one["tags"]} == {tag["name"] for tag in DESCRIPTION["tags"]}


def test_each_part_is_used() -> None:
    text = json.dumps(DESCRIPTION)
    for kind, parts in DESCRIPTION["components"].items():
        for name in parts:
            assert f"#/components/{kind}/{name}" in text or f'"{name}": []' in text, name


def codes(status: str) -> set[str]:
    text = json.dumps(RECEIVER["responses"][status])
    return {code for found in re.findall(r'"enum": \[([^]]*)\]', text) for code in re.findall(r'"(\w+)"', found)}


def test_each_refusal_of_the_receiver_is_described() -> None:
    source = (ROOT / "webhooks" / "receiver.py").read_text(encoding="utf-8")
    raised = {(status, code) for code, status in re.findall(r'_refusal\("(\w+)", .*, (\d+)\)', source)}
    raised |= {(str(status), code) for status, code in CODES.items() if status != 503}
    raised |= {("401", errors.SignatureError.code), ("400", errors.PayloadInvalid.code), ("404", "not_found")}
    assert raised == {(status, code) for status in RECEIVER["responses"] if status >= "400" for code in codes(status)}
    assert len(raised) > 8


def test_whatever_may_be_sent_again_says_when() -> None:
    for method, path in described():
        for status, answer in DESCRIPTION["paths"][path][method]["responses"].items():
            assert ("Retry-After" in answer.get("headers", {})) == (status == "503"), path


def test_signatures_stand_in_the_headers_that_are_read() -> None:
    schemes = DESCRIPTION["components"]["securitySchemes"]
    named = {one["name"].lower() for one in schemes.values() if one.get("in") == "header"}
    assert named == {"webhook-id", "webhook-timestamp", "webhook-signature", WOOCOMMERCE, SHOPWARE}
    assert schemes["consoleSession"]["name"] == web.site.COOKIE
    known, _ = SCHEMAS["ShopwareEvent"]["properties"]["data"]["anyOf"]
    assert known["properties"]["event"]["enum"] == list(EVENTS)


def test_limits_are_those_of_the_code() -> None:
    assert f"{LARGEST_BODY // 1024} KiB" in RECEIVER["responses"]["413"]["description"]
    assert f"{LARGEST_HEAD // 1024} KiB" in RECEIVER["responses"]["431"]["description"]
    assert WAIT_FOR_STORE == 2
    assert "two seconds" in RECEIVER["responses"]["503"]["description"]


def query(path: str) -> dict[str, Any]:
    return {one["name"]: one["schema"] for one in DESCRIPTION["paths"][f"/console/{path}"]["get"]["parameters"]}


def test_states_are_those_of_the_code() -> None:
    assert query("orders")["state"]["enum"] == [*OrderState] == SCHEMAS["Order"]["properties"]["state"]["enum"]
    assert query("orders")["sort"]["enum"] == [*get_args(Sort)]
    assert query("orders")["type"]["enum"] == [*labels.TYPES]
    assert query("actions")["state"]["enum"] == ["person", *ActionState]
    assert SCHEMAS["Action"]["properties"]["state"]["enum"] == [*ActionState]
    assert query("events")["state"]["enum"] == [*EventState] == SCHEMAS["Event"]["properties"]["state"]["enum"]
    assert query("changes")["state"]["enum"] == ["", *ChangeState]
    assert SCHEMAS["Change"]["properties"]["state"]["enum"] == [*ChangeState]
    assert SCHEMAS["Change"]["properties"]["kind"]["enum"] == [*ChangeKind]


@pytest.mark.parametrize(
    ("name", "row", "without", "beside"),
    [
        ("Action", ActionRow, {"dedupe", "package_id"}, set()),
        ("Change", ChangeRow, {"order_id", "package_id"}, {"marketplace", "marketplace_order_id", "change"}),
        ("Event", EventRow, set(), set()),
        ("JournalEntry", JournalEntry, set(), set()),
    ],
)
def test_rows_have_the_fields_of_the_code(name: str, row: Any, without: set[str], beside: set[str]) -> None:
    schema = SCHEMAS[name]
    assert set(schema["properties"]) == set(row.__struct_fields__) - without | beside
    assert schema["required"] == list(schema["properties"])


def test_feeds_have_the_media_types_of_their_formats() -> None:
    answer = DESCRIPTION["paths"]["/feeds/{feed}/{secret}/{file}"]["get"]["responses"]["200"]
    assert set(answer["content"]) == {one.mimetype for one in FORMATS.values()} | {"application/gzip"}


def test_the_command_prints_it_and_the_documentation_has_it() -> None:
    command = [sys.executable, "-c", "from lengow.console.cli import main; main()", "openapi"]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(printed.stdout) == DESCRIPTION
    assert json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8")) == DESCRIPTION
