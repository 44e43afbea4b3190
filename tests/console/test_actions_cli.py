"""`actions`, `events` and `orders retry` as their user runs them: parts of lines, dry runs, dismissals, exit codes."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lengow.console.cli import cli
from lengow.sandbox import Fault, Sandbox

SETTINGS = """
[store]
url = "sqlite:///lengow.db"

[accounts.main]
access_token = "{token}"
secret = "{secret}"
base_url = "{url}"
requests_per_minute = 0

[shops.b2c]
account = "main"
platform = "generic"
"""
SHIP = ("--arg", "carrier=DPD", "--arg", "tracking_number=T1")


class Operator:
    """Somebody at a shell, with one order of one line of three pieces."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder, self.sandbox = folder, sandbox
        account = sandbox.add_account("main")
        text = SETTINGS.format(token=account.access_token, secret=account.secret, url=sandbox.url)
        (folder / "lengow.toml").write_text(text, encoding="utf-8")
        [self.order] = sandbox.sell(account.account_id, 1, {"standard": 1})
        sandbox.amend(self.order, {"quantity": 3})
        sandbox.advance(minutes=15)
        self.runs("sync")
        [sold] = sandbox.ledger().sold
        self.line = sold.lines[0].id

    def runs(self, *arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(
            cli, ["--config", str(self.folder / "lengow.toml"), *arguments], standalone_mode=False
        )
        if result.exception is not None:
            raise result.exception
        assert (result.return_value or 0) == code, result.output
        return result.output

    def reads(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.runs(*arguments, "--json", code=code))

    def fails_an_action(self) -> int:
        [row] = self.reads("actions", "send", "ship", self.order, *SHIP)
        self.sandbox.fault(Fault("status", method="POST", path="/v3.0/orders/actions/", status=400, body="{}"))
        self.runs("sync", code=3)
        return int(row["id"])


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    handlers, level = logging.root.handlers[:], logging.root.level
    with Sandbox(quota_per_minute=0) as sandbox:
        yield Operator(tmp_path, sandbox)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


class TestParts:
    @pytest.mark.parametrize("spelled", ["two options", "one option"])
    def test_pieces_of_a_line_are_held_where_only_lines_are_taken(self, operator: Operator, spelled: str) -> None:
        chosen = (
            ("--line", operator.line, "--quantity", "1")
            if spelled == "two options"
            else ("--line", f"{operator.line}=1")
        )
        [row] = operator.reads("actions", "send", "ship", operator.order, *SHIP, *chosen, "--parcel", "p1")
        assert (row["state"], row["quantity"], row["parcel"], row["arguments"]["line"]) == (
            "held",
            1,
            "p1",
            operator.line,
        )
        told = operator.runs("actions", "retry", str(row["id"]), "--dry-run")
        assert "queued" in told
        [held] = operator.reads("actions", "list", "--state", "held")
        assert held["handled"] == ""

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (("--quantity", "2"), "one --line"),
            (("--line", "a", "--line", "b", "--quantity", "2"), "one --line"),
            (("--line", "a=0"), "not a number of pieces"),
            (("--line", "a=x"), "not a number of pieces"),
        ],
    )
    def test_a_mistyped_quantity_is_a_usage_error(
        self, operator: Operator, options: tuple[str, ...], words: str
    ) -> None:
        with pytest.raises(Exception, match=words):
            operator.runs("actions", "send", "ship", operator.order, *SHIP, *options)

    def test_too_many_pieces_are_refused_with_the_code(self, operator: Operator) -> None:
        with pytest.raises(Exception, match="3 were sold") as stopped:
            operator.runs("actions", "send", "ship", operator.order, *SHIP, "--line", f"{operator.line}=4")
        assert getattr(stopped.value, "code", "") == "quantity_too_high"


class TestWaiting:
    def test_a_failed_action_ends_sync_in_3_until_it_is_dismissed(self, operator: Operator) -> None:
        action = operator.fails_an_action()
        [row] = operator.reads("actions", "list", "--waiting")
        assert (row["id"], row["state"]) == (action, "failed")
        assert (
            "main: failed actions: 1, for a person to look at: lengow-connector actions list --waiting"
            in operator.runs("sync", code=3)
        )
        [row] = operator.reads("actions", "dismiss", str(action), "--reason", "Told them by phone.")
        assert row["handled"].endswith(": Told them by phone.")
        assert operator.reads("actions", "list", "--waiting") == []
        [round_] = operator.reads("sync")
        assert (round_["failed_actions"], round_["failed_events"]) == (0, 0)

    def test_a_retry_shows_first_and_then_does(self, operator: Operator) -> None:
        action = operator.fails_an_action()
        [shown] = operator.reads("actions", "retry", str(action), "--dry-run")
        assert (shown["id"], shown["arguments"]) == (0, {"carrier": "DPD", "tracking_number": "T1"})
        [again] = operator.reads("actions", "retry", str(action))
        assert again["id"] > action
        [round_] = operator.reads("sync")
        assert round_["failed_actions"] == 0

    def test_a_state_that_waits_for_nobody_is_a_usage_error_with_waiting(self, operator: Operator) -> None:
        with pytest.raises(Exception, match="waits for a person"):
            operator.runs("actions", "list", "--waiting", "--state", "sent")


def test_a_failed_event_ends_sync_in_3_until_it_is_dismissed(operator: Operator) -> None:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(operator.folder / "lengow.db")) as db, db:
        db.execute(
            "INSERT INTO shop_shipments (shop_order_id, carrier_code, carrier_name, tracking_number, tracking_url)"
            " VALUES (1, 'geodis', 'Geodis', 'T1', '')"
        )
    operator.runs("sync", code=3)
    [event] = operator.reads("events", "list", "--state", "failed")
    assert event["reason"] == "argument_missing"
    with pytest.raises(Exception, match="tracking_url"):
        operator.runs("events", "retry", str(event["id"]), "--dry-run")
    [row] = operator.reads("events", "dismiss", str(event["id"]), "--reason", "Shipped by hand.")
    assert row["state"] == "dismissed"
    [round_] = operator.reads("sync")
    assert round_["failed_events"] == 0


def test_an_order_shows_what_a_retry_would_do(operator: Operator) -> None:
    operator.runs("actions", "send", "ship", operator.order, *SHIP)
    [run] = operator.reads("orders", "retry", operator.order, "--dry-run")
    assert (run["orders"], [row["state"] for row in run["actions"]], run["reported"]) == ([], ["queued"], ["1"])
    assert "Lengow would be told of: 1" in operator.runs("orders", "retry", operator.order, "--dry-run")
    assert operator.sandbox.ledger().told == ()
