"""The command line as its user runs it: whole processes, real files, exit codes, no traceback for a user's mistake."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from lengow.sandbox import Sandbox

COMMAND = str(Path(sys.executable).parent / "lengow-connector")


class Operator:
    """Somebody at a shell, in a folder of their own."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder = folder
        self.sandbox = sandbox
        self.account = sandbox.add_account("main")
        self.environment = {
            **os.environ,
            "LENGOW_ACCESS_TOKEN": self.account.access_token,
            "LENGOW_SECRET": self.account.secret,
        }

    def runs(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [COMMAND, *arguments], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=60
        )
        assert "Traceback" not in done.stderr
        assert done.returncode == code, done.stderr
        self.said = done.stderr
        return done.stdout

    def reads(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.runs(*arguments, "--json", code=code))

    def starts(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [COMMAND, *arguments], cwd=self.folder, env=self.environment, stderr=subprocess.PIPE, text=True
        )

    def sells(self, count: int, kind: str = "standard") -> list[str]:
        ids = self.sandbox.sell(self.account.account_id, count, {kind: count})
        self.sandbox.advance(minutes=15)
        return ids


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    with Sandbox(start=None) as sandbox:
        operator = Operator(tmp_path, sandbox)
        operator.runs("init")
        path = tmp_path / "lengow.toml"
        path.write_text(path.read_text().replace("https://api.lengow.io", sandbox.url))
        yield operator


def test_init_sync_list_show(operator: Operator) -> None:
    ids = operator.sells(3)
    [skipped] = operator.sells(1, "fulfilment")
    [round_] = operator.reads("sync")
    assert (round_["read"], round_["new"], round_["error"]) == (4, 4, "")
    rows = operator.reads("orders", "list")
    assert {row["marketplace_order_id"]: row["state"] for row in rows} == dict.fromkeys(ids, "created") | {
        skipped: "skipped"
    }
    [row] = operator.reads("orders", "list", "--reason", "delivered_by_marketplace_disabled")
    assert row["marketplace_order_id"] == skipped
    shown = operator.reads("orders", "show", ids[0])
    assert [entry["what"] for entry in shown["journal"]] == ["received", "created", "reported"]
    assert ids[0] in operator.runs("orders", "list")
    assert "Switch on import_orders_shipped_by_marketplaces" in operator.runs("orders", "show", skipped)


def test_the_toggle_is_switched_and_brings_in_what_was_skipped(operator: Operator) -> None:
    [order_id] = operator.sells(1, "fulfilment")
    operator.runs("sync")
    operator.runs("shop", "set", "b2c", "import_orders_shipped_by_marketplaces", "true")
    [shop] = operator.reads("shop", "list")
    assert shop["toggles"]["import_orders_shipped_by_marketplaces"] is True
    operator.runs("sync")
    assert operator.reads("orders", "show", order_id)["state"] == "created"


def test_the_shop_is_checked(operator: Operator) -> None:
    findings = operator.reads("shop", "check", "b2c", code=3)
    assert {one["what"]: one["ok"] for one in findings}["webhook secrets"] is False


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        pytest.param(["--config", "none.toml", "sync"], 2, "There is no settings file none.toml", id="no file"),
        pytest.param(["orders", "show", "M-nowhere"], 3, "There is no order M-nowhere", id="no order"),
        pytest.param(["sync", "--account", "other"], 2, "There is no account 'other'", id="no account"),
        pytest.param(["shop", "set", "b2c", "fly", "true"], 2, "There is no toggle 'fly'", id="no toggle"),
        pytest.param(["actions", "list", "--state", "lost"], 2, "'lost' is none of", id="no state"),
        pytest.param(["init"], 2, "exists already", id="init twice"),
        pytest.param(["fly"], 2, "No such command", id="no command"),
    ],
)
def test_a_mistake_is_answered_with_a_sentence(
    operator: Operator, arguments: list[str], code: int, sentence: str
) -> None:
    operator.runs(*arguments, code=code)
    assert sentence in operator.said


def test_a_missing_variable_is_named_and_no_secret_shown(operator: Operator) -> None:
    del operator.environment["LENGOW_SECRET"]
    operator.runs("sync", code=2)
    assert "LENGOW_SECRET" in operator.said
    assert operator.account.access_token not in operator.said


def test_wrong_keys_end_in_code_3_with_what_to_do(operator: Operator) -> None:
    operator.environment["LENGOW_SECRET"] = "wrong-secret"
    [round_] = operator.reads("sync", code=3)
    assert round_["error"].startswith("lengow_unauthorized")
    assert "wrong-secret" not in json.dumps(round_) + operator.said


def test_lengow_out_of_reach_ends_in_code_3(operator: Operator) -> None:
    operator.sandbox.close()
    [round_] = operator.reads("sync", code=3)
    assert round_["error"].startswith("lengow_unavailable")


def test_run_imports_on_schedule_and_ends_cleanly_on_sigterm(operator: Operator) -> None:
    [order_id] = operator.sells(1)
    with operator.starts("run") as process:
        _wait_until(lambda: _state(operator, order_id) == "created")
        _wait_until(lambda: operator.reads("orders", "show", order_id)["journal"][-1]["what"] == "reported")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_serve_takes_deliveries_and_ends_cleanly_on_sigterm(operator: Operator) -> None:
    with operator.starts("serve", "--port", "0") as process:
        assert process.stderr is not None
        url = process.stderr.readline().split()[1].rstrip(";")
        answer = requests.post(url.replace("SHOP", "b2c"), json={}, timeout=10)
        assert (answer.status_code, answer.json()["code"]) == (401, "signature_invalid")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_the_demo_loses_and_doubles_nothing(operator: Operator) -> None:
    result = operator.reads("demo", "--orders", "40")
    assert (result["lost"], result["doubled"]) == (0, 0)
    assert (
        result["imported"] + sum(result["skipped"].values()) + sum(result["waiting"].values()) == result["sold"] == 40
    )
    assert result["confirmed"] == result["shipped"] - sum(result["rejected"].values()) > 0
    assert result["skipped"]["delivered_by_marketplace_disabled"] == 4
    assert set(result["rejected"]) == {"argument_missing"}


def test_help_names_every_command(operator: Operator) -> None:
    text = operator.runs("--help")
    for command in ("init", "sync", "run", "serve", "orders", "actions", "events", "shop", "sandbox", "demo"):
        assert command in text


def _state(operator: Operator, order_id: str) -> str | None:
    found = operator.reads("orders", "list")
    return next((row["state"] for row in found if row["marketplace_order_id"] == order_id), None)


def _wait_until(condition: Any, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_serve_ends_at_once_though_a_client_keeps_its_connection_open(operator: Operator) -> None:
    with operator.starts("serve", "--port", "0") as process, requests.Session() as session:
        assert process.stderr is not None
        url = process.stderr.readline().split()[1].rstrip(";")
        session.post(url.replace("SHOP", "b2c"), json={}, timeout=10)
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0


def test_a_dry_run_shows_what_would_be_done_and_does_nothing(operator: Operator) -> None:
    [order_id] = operator.sells(1)
    [skipped] = operator.sells(1, "fulfilment")
    for _ in range(2):
        [run] = operator.reads("sync", "--dry-run")
        assert {one["order"]["marketplace_order_id"]: one["decision"]["state"] for one in run["orders"]} == {
            order_id: "ready",
            skipped: "skipped",
        }
    assert operator.reads("orders", "list") == []
    operator.runs("sync")
    arguments = ("--arg", "carrier=DPD", "--arg", "tracking_number=1")
    [row] = operator.reads("actions", "send", "ship", order_id, *arguments, "--dry-run")
    assert row["arguments"] == {"carrier": "DPD", "tracking_number": "1"}
    assert operator.reads("actions", "list") == []
    operator.runs("actions", "send", "ship", order_id, *arguments)
    [run] = operator.reads("sync", "--dry-run")
    assert (run["orders"], [one["action_type"] for one in run["actions"]]) == ([], ["ship"])
    assert operator.sandbox.ledger().told == ()
    assert order_id in operator.runs("sync", "--dry-run")
