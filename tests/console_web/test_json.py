"""Lists and orders as JSON, for the pages of a host: where `Accept` asks for it, by the same rules as the pages."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from lengow.connector import Connector
from lengow.connector.errors import StoreBusy
from lengow.connector.model import EventState
from lengow.connector.store.rows import EventRow
from lengow.console.web import Role, User, blueprint
from lengow.console.web.routes import PAGES

JSON = {"Accept": "application/json"}
GIVEN = [page.rule.replace("<int:order_id>", "1") for page in PAGES if page.gives_json]


@pytest.fixture
def ask(operator: Any) -> Callable[..., Any]:
    """A page's JSON, as the logged-in browser of an operator gets it."""

    def get(path: str, status: int = 200, **query: str) -> Any:
        answer = operator.client.get(f"/console{path}", headers=JSON, query_string=query)
        assert (answer.status_code, answer.mimetype) == (status, "application/json"), answer.text[:500]
        return answer.json

    return get


def test_orders_are_listed_page_by_page_in_both_directions(merchant: Any, ask: Callable[..., Any]) -> None:
    sold = merchant.sells(60)
    merchant.sync()
    first = ask("/orders")
    assert (len(first["orders"]), first["before"]) == (50, None)
    second = ask("/orders", after=first["after"])
    assert (len(second["orders"]), second["after"]) == (10, None)
    numbers = [one["marketplace_order_id"] for one in first["orders"] + second["orders"]]
    assert sorted(numbers) == sorted(sold)
    assert ask("/orders", before=second["before"])["orders"] == first["orders"]


def test_a_list_is_narrowed_as_the_page_is(merchant: Any, ask: Callable[..., Any]) -> None:
    merchant.sells(1)
    merchant.sells_raw({"marketplace_order_id": "M9", "currency": {"iso_a3": "ZZZ"}})
    merchant.sync()
    [failed] = ask("/orders", state="failed")["orders"]
    assert (failed["marketplace_order_id"], failed["reason"]) == ("M9", "unknown_currency")
    assert ask("/orders", text="M9")["orders"] == [failed]
    assert ask("/orders", until="2001-01-01")["orders"] == []


def test_an_order_is_told_with_its_packages_journal_and_actions(merchant: Any, ask: Callable[..., Any]) -> None:
    [number] = merchant.sells(1)
    merchant.sync()
    merchant.connector.ship(
        "main",
        "manomano_fr",
        number,
        carrier="Other",
        carrier_name="X",
        tracking_number="1",
        tracking_url="https://x/1",
    )
    [listed] = ask("/orders")["orders"]
    order = ask(f"/orders/{listed['id']}")
    assert {name: order[name] for name in listed} == listed
    assert order["packages"][0]["state"] == "created"
    assert [one["action_type"] for one in order["actions"]] == ["ship"]
    assert "created" in [entry["what"] for entry in order["journal"]]
    assert order["changes"] == []
    assert ask("/actions")["actions"] == order["actions"]


def test_events_are_listed_by_state_and_page(merchant: Any, ask: Callable[..., Any]) -> None:
    now = merchant.connector.now()
    states = [EventState.DONE, *[EventState.FAILED] * 55]
    rows = [
        EventRow(0, "b2c", f"d{number}", "e", "other", {}, state, "", "", now) for number, state in enumerate(states)
    ]
    with merchant.connector.store.transaction() as tx:
        tx.add_events(rows)
    first = ask("/events", state="failed")
    second = ask("/events", state="failed", before=str(first["before"]))
    assert (len(first["events"]), len(second["events"]), second["before"]) == (50, 5, None)
    assert len(ask("/events", state="done")["events"]) == 1


def test_changes_are_those_that_wait_unless_another_state_is_asked_for(ask: Callable[..., Any]) -> None:
    assert ask("/changes") == {"changes": []}
    assert ask("/changes", state="applied") == {"changes": []}


def test_json_tells_what_the_command_line_tells(merchant: Any, ask: Callable[..., Any], tmp_path: Path) -> None:
    merchant.sells(2)
    merchant.sync()
    config = tmp_path / "lengow.toml"
    config.write_text(
        f'[store]\nurl = "{merchant.connector.settings.store.url}"\n'
        '[accounts.main]\naccess_token = "a"\nsecret = "b"\n[shops.b2c]\naccount = "main"\nplatform = "generic"\n'
    )
    command = [sys.executable, "-c", "from lengow.console.cli import main; main()", "--config", str(config)]
    told = subprocess.run([*command, "orders", "list", "--json"], capture_output=True, text=True, timeout=60)
    listed = {one["marketplace_order_id"]: one for one in json.loads(told.stdout)}
    for one in ask("/orders")["orders"]:
        assert one.pop("id")
        assert one == listed.pop(one["marketplace_order_id"])
    assert listed == {}


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        ("/orders", "state", "faild"),
        ("/orders", "sort", "random"),
        ("/orders", "type", "is_gift"),
        ("/orders", "since", "yesterday"),
        ("/orders", "after", "2026-01-01"),
        ("/actions", "state", "lost"),
        ("/actions", "before", "first"),
        ("/events", "shop", "b2d"),
        ("/events", "before", "-1"),
        ("/changes", "state", "due"),
    ],
)
def test_a_programs_mistake_is_told_where_a_page_leaves_it_out(
    operator: Any, ask: Callable[..., Any], path: str, name: str, value: str
) -> None:
    wrong = ask(path, 400, **{name: value})
    assert wrong["code"] == "bad_request"
    assert wrong["message"].startswith(f"{name} ")
    operator.sees(f"{path}?{name}={value}")


def test_what_is_not_there_is_not_found(ask: Callable[..., Any]) -> None:
    assert ask("/orders/4711", 404)["code"] == "not_found"


def test_who_is_not_logged_in_is_refused_and_not_led_to_the_login(visit: Callable[..., Any]) -> None:
    for path in GIVEN:
        answer = visit().client.get(f"/console{path}", headers=JSON)
        assert (answer.status_code, answer.mimetype, answer.json["code"]) == (401, "application/json", "unauthorized")


def test_a_viewer_may_read_all_of_it(visit: Callable[..., Any]) -> None:
    vera = visit("vera")
    for path in GIVEN:
        assert vera.client.get(f"/console{path}", headers=JSON).status_code in (200, 404)


def test_whom_a_host_does_not_know_is_refused(merchant: Any) -> None:
    users = iter([None, User("otto", Role.OPERATOR)])
    host = Flask("host")
    host.register_blueprint(blueprint(merchant.connector, authenticate=lambda: next(users)), url_prefix="/lengow")
    assert [host.test_client().get("/lengow/orders", headers=JSON).status_code for _ in range(2)] == [401, 200]


def test_no_other_site_reads_it(operator: Any) -> None:
    answer = operator.client.get("/console/orders", headers={**JSON, "Origin": "https://evil.example"})
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Accept" in answer.headers["Vary"]
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    "accept", ["text/html,application/xhtml+xml,*/*;q=0.8", "*/*", "text/html, application/json", "", "nonsense"]
)
def test_whoever_asks_for_less_gets_the_page(operator: Any, accept: str) -> None:
    for path in ("/console/orders", "/console/actions"):
        assert operator.client.get(path, headers={"Accept": accept}).mimetype == "text/html"


def test_a_page_that_gives_no_json_is_a_page(operator: Any) -> None:
    assert operator.client.get("/console/shops", headers=JSON).mimetype == "text/html"


def test_a_store_that_is_held_is_told(operator: Any, merchant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object) -> object:
        raise StoreBusy("The store is held.")

    monkeypatch.setattr(type(merchant.connector.store), "search_orders", busy)
    answer = operator.client.get("/console/orders", headers=JSON)
    assert (answer.status_code, answer.json["code"]) == (503, "store_busy")


def test_what_a_program_sends_changes_nothing_without_the_token_of_a_form(merchant: Any, operator: Any) -> None:
    merchant.sells_raw({"marketplace_order_id": "M9", "currency": {"iso_a3": "ZZZ"}})
    merchant.sync()
    stored: Connector = merchant.connector
    [one] = stored.store.find_orders("M9")
    answer = operator.client.post(f"/console/orders/{one.order.id}/dismiss", json={"reason": "x"}, headers=JSON)
    assert answer.status_code == 400
    assert merchant.state("M9") == ("failed", "unknown_currency")
