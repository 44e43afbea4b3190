"""`lengow-connector changes`, and how `sync` tells of what waits, as an operator runs them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lengow.sandbox import Sandbox

COMMAND = str(Path(sys.executable).parent / "lengow-connector")
SETTINGS = """
[accounts.main]
access_token = "env:LENGOW_ACCESS_TOKEN"
secret = "env:LENGOW_SECRET"
base_url = "{url}"
requests_per_minute = 0

[shops.b2c]
account = "main"
platform = "generic"

[shops.b2c.follow]
cancelled = "ask"
"""

Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path, sandbox: Sandbox) -> Run:
    """Runs a command with `--json`, and gives what it prints."""
    account = sandbox.add_account("main")
    (tmp_path / "lengow.toml").write_text(SETTINGS.format(url=sandbox.url), encoding="utf-8")
    keys = {"LENGOW_ACCESS_TOKEN": account.access_token, "LENGOW_SECRET": account.secret}

    def run(*arguments: str, code: int = 0) -> Any:
        done = subprocess.run(
            [COMMAND, *arguments, "--json"],
            cwd=tmp_path,
            env={**os.environ, **keys},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert "Traceback" not in done.stderr
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout) if done.stdout else done.stderr

    return run


@pytest.fixture
def cancelled(run: Run, sandbox: Sandbox) -> list[str]:
    """Two orders that are in the shop, and were cancelled since."""
    [account] = sandbox.accounts()
    ids = sandbox.sell(account.account_id, 2, {"standard": 2})
    sandbox.advance(minutes=15)
    run("sync")
    for order_id in ids:
        sandbox.cancel(order_id)
    sandbox.advance(minutes=15)
    return ids


def test_what_waits_is_told_listed_applied_and_dismissed(run: Run, cancelled: list[str]) -> None:
    shown = run("sync", "--dry-run")[0]["changes"]
    assert {(one["order"]["marketplace_order_id"], one["change"]["state"]) for one in shown} == {
        (order_id, "waiting") for order_id in cancelled
    }
    assert run("changes", "list") == []

    [round_] = run("sync", code=3)
    assert (round_["waiting_changes"], round_["followed"]) == (2, 0)
    second, first = run("changes", "list", "--shop", "b2c")
    assert {first["marketplace_order_id"], second["marketplace_order_id"]} == set(cancelled)
    assert (first["kind"], first["state"], first["reason"]) == ("cancelled", "waiting", "asked_by_settings")
    assert first["change"] == "the order is cancelled: cancelled at the marketplace"

    [applied] = run("changes", "apply", str(first["id"]))
    assert applied["state"] == "pending"
    [dismissed] = run("changes", "dismiss", str(second["id"]), "--reason", "the buyer takes it")
    assert (dismissed["state"], dismissed["about"]) == ("dismissed", "the buyer takes it")
    [round_] = run("sync")
    assert (round_["waiting_changes"], round_["followed"]) == (0, 1)
    assert run("changes", "list") == []
    states = {one["id"]: one["state"] for one in run("changes", "list", "--all")}
    assert states == {first["id"]: "applied", second["id"]: "dismissed"}
    assert [one["id"] for one in run("changes", "list", "--state", "applied")] == [first["id"]]
    journal = [entry["what"] for entry in run("orders", "show", first["marketplace_order_id"])["journal"]]
    assert [what for what in journal if what.startswith("change_")] == [
        "change_waiting",
        "change_approved",
        "change_applied",
    ]


def test_mistakes_are_answered(run: Run, cancelled: list[str]) -> None:
    assert "change_unknown" in run("changes", "apply", "99", code=3)
    assert "--reason" in run("changes", "dismiss", "99", code=2)
    assert "waiting" in run("changes", "list", "--state", "wating", code=2)
    assert "exclude" in run("changes", "list", "--state", "waiting", "--all", code=2)
    assert "b2c" in run("changes", "list", "--shop", "b2b", code=2)
