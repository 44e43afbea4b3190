"""The command line as its user runs it: whole processes, real files, exit codes, no traceback for a user's mistake."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from lengow.connector.model import StepKind
from lengow.connector.store import open_store
from lengow.connector.store.rows import NewStep
from lengow.sandbox import Sandbox

COMMAND = str(Path(sys.executable).parent / "lengow-connector")
LATER = datetime(2100, 1, 1, tzinfo=UTC)


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

    def starts(self, *arguments: str, command: Sequence[str] = (COMMAND,)) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*command, *arguments], cwd=self.folder, env=self.environment, stderr=subprocess.PIPE, text=True
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
        pytest.param(["orders", "list", "--state", "creatd"], 2, "Did you mean created?", id="state, nearly"),
        pytest.param(["orders", "list", "--reason", "no_shp"], 2, "Did you mean no_shop?", id="reason, nearly"),
        pytest.param(["orders", "list", "--account", "mian"], 2, "Did you mean main?", id="account, nearly"),
        pytest.param(["orders", "list", "--shop", "b2b"], 2, "There is no shop 'b2b'; there are: b2c.", id="no shop"),
        pytest.param(["orders", "late", "--account", "other"], 2, "There is no account 'other'", id="late: no account"),
        pytest.param(["actions", "list", "--account", "other"], 2, "There is no account", id="actions: no account"),
        pytest.param(["events", "list", "--state", "dome"], 2, "Did you mean done?", id="events: state"),
        pytest.param(["events", "list", "--shop", "b2b"], 2, "Did you mean b2c?", id="events: no shop"),
        pytest.param(["steps", "list", "--kind", "sedn"], 2, "Did you mean send?", id="no kind"),
        pytest.param(["steps", "retry", "999"], 3, "step_unknown: There is no step 999", id="no step"),
        pytest.param(["serve", "--host", "nosuch.invalid"], 2, "Cannot serve on nosuch.invalid:8080", id="no host"),
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


def test_a_marketplace_that_lengow_does_not_describe_is_refused(operator: Operator) -> None:
    assert operator.reads("orders", "list", "--marketplace", "manomno_fr") == []  # nothing is described yet
    operator.sells(1)
    operator.runs("sync")
    assert len(operator.reads("orders", "list", "--marketplace", "manomano_fr")) == 1
    operator.runs("orders", "list", "--marketplace", "manomno_fr", code=2)
    assert "Did you mean manomano_fr?" in operator.said


def test_a_port_in_use_is_answered_with_a_sentence(operator: Operator) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        operator.runs("serve", "--port", port, code=2)
    assert f"Cannot serve on 127.0.0.1:{port}: Address already in use." in operator.said
    assert "--port" in operator.said


def test_logs_tell_their_facts_on_one_line(operator: Operator) -> None:
    operator.sandbox.close()
    operator.runs("sync", "--json", code=3)
    when = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    assert re.search(
        rf"^{when} WARNING lengow.connector.importer: import left open "
        r'account=main code=lengow_unavailable error="Lengow did not answer .*"$',
        operator.said,
        re.MULTILINE,
    )
    assert all(re.match(f"{when} WARNING lengow", line) for line in operator.said.splitlines())
    operator.runs("-v", "sync", "--json", code=3)
    assert re.search(r"INFO lengow.connector.client: repeat account=main route=/\S+ attempt=1$", operator.said, re.M)
    assert "urllib3" not in operator.said


def test_other_packages_log_with_vv_only(operator: Operator) -> None:
    operator.runs("-vv", "sync")
    assert "DEBUG urllib3.connectionpool: " in operator.said
    operator.runs("sync")
    assert operator.said == ""


LOGGING = r"""
import logging
from lengow.console.logs import set_up_logs
set_up_logs(0)
log = logging.getLogger("lengow.shop")
log.warning("two\nlines", extra={"name_": 'a "b"', "empty": "", "esc": "\x1b[31m", "n": 3})
logging.getLogger("urllib3").warning("GET /orders?consumer_key=ck_1&page=2&consumer_secret=cs_1 HTTP/1.1")
try:
    raise ValueError("x\n2026-01-01T00:00:00Z WARNING forged")
except ValueError:
    log.exception("raised")
"""


def test_what_came_from_outside_begins_no_line_and_shows_no_key() -> None:
    done = subprocess.run([sys.executable, "-c", LOGGING], capture_output=True, text=True, timeout=60)
    lines = done.stderr.splitlines()
    assert lines[0].endswith(r'lengow.shop: two\nlines name_="a \"b\"" empty="" esc="\u001b[31m" n=3')
    assert lines[1].endswith("GET /orders?consumer_key=***&page=2&consumer_secret=*** HTTP/1.1")
    assert lines[2].endswith("lengow.shop: raised")
    assert all(line.startswith("  ") for line in lines[3:])
    assert lines[-1] == "  2026-01-01T00:00:00Z WARNING forged"


def test_sync_ends_in_code_3_while_an_order_waits_for_a_person(operator: Operator) -> None:
    operator.sandbox.sell_raw(operator.account.account_id, remove=["packages.0.cart.0.amount"])
    operator.sandbox.advance(minutes=15)
    for _ in range(2):
        [round_] = operator.reads("sync", code=3)
        assert (round_["error"], round_["failed_orders"], round_["held_steps"]) == ("", 1, 0)
    told = operator.runs("sync", code=3)
    assert "main: failed orders: 1, for a person to look at: lengow-connector orders list --state failed" in told


def test_a_held_step_is_told_and_tried_again(operator: Operator) -> None:
    operator.sells(1)
    operator.runs("sync")
    store = open_store(f"sqlite:///{operator.folder / 'lengow.db'}")
    with store.transaction() as tx:
        tx.add_steps([NewStep(StepKind.EVENT, "999", datetime(2000, 1, 1, tzinfo=UTC), shop="b2c")])
        [step] = tx.claim(StepKind.EVENT, datetime.now(UTC), LATER, limit=1)
        tx.hold(step, "ValueError: it broke")
    store.close()
    [round_] = operator.reads("sync", code=3)
    assert (round_["failed_orders"], round_["held_steps"]) == (0, 1)
    assert "steps list --held" in operator.runs("sync", code=3)
    [row] = operator.reads("steps", "list", "--held")
    assert list(row) == ["id", "kind", "subject", "account", "shop", "due_at", "attempts", "held", "error"]
    assert (row["kind"], row["subject"], row["shop"], row["held"]) == ("event", "999", "b2c", True)
    assert {one["kind"] for one in operator.reads("steps", "list")} > {"event", "import"}
    assert {one["kind"] for one in operator.reads("steps", "list", "--kind", "import")} == {"import"}
    assert "ValueError: it broke" in operator.runs("steps", "list", "--held")
    operator.runs("steps", "retry", str(row["id"]))
    assert operator.reads("steps", "list", "--held") == []


def _main_with(patch: str) -> list[str]:
    """The command line in a process where Connector.stop is another."""
    text = f"import time; from lengow.connector import Connector; Connector.stop = {patch}"
    return [sys.executable, "-c", f"{text}; from lengow.console.cli import main; main()"]


@pytest.mark.parametrize("arguments", [["run"], ["serve", "--port", "0", "--run"]])
@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_a_second_ctrl_c_ends_at_once(operator: Operator, arguments: list[str], first: signal.Signals) -> None:
    command = _main_with("lambda self, timeout=60: time.sleep(60)")
    with operator.starts(*arguments, command=command) as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.send_signal(first)
        assert "a second signal ends it at once" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 130


@pytest.mark.parametrize("arguments", [["run"], ["serve", "--port", "0", "--run"]])
def test_an_end_that_is_not_clean_is_told(operator: Operator, arguments: list[str]) -> None:
    with operator.starts(*arguments, command=_main_with("lambda self, timeout=60: False")) as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 3
        assert "Not all ended in time. Nothing is lost" in process.stderr.read()


@pytest.mark.parametrize("width", [80, 200])
def test_orders_stay_readable_in_a_terminal(operator: Operator, width: int) -> None:
    [order_id] = operator.sells(1)
    [skipped] = operator.sells(1, "fulfilment")
    operator.runs("sync")
    lines = _in_a_terminal(operator, width, "orders", "list")
    assert all(len(line) <= width for line in lines)
    assert sum(order_id in line for line in lines) == sum(skipped in line for line in lines) == 1
    assert any("delivered_by_marketplace_disabled" in line for line in lines)
    assert any("Not shown, for want of room: " in line for line in lines) == (width == 80)
    assert any("waiting_shipment" in line for line in lines) == (width == 200)


def test_every_table_keeps_to_a_terminal_and_breaks_no_id(operator: Operator) -> None:
    [order_id] = operator.sells(1)
    operator.runs("sync")
    url = "tracking_url=https://track.example.com/" + "x" * 90
    shipment = ["--arg", "carrier=Other", "--arg", "carrier_name=Geodis", "--arg", "tracking_number=G1", "--arg", url]
    operator.runs("actions", "send", "ship", order_id, *shipment)
    for arguments in (["orders", "show", order_id], ["actions", "list"], ["steps", "list"], ["shop", "list"]):
        lines = _in_a_terminal(operator, 80, *arguments)
        assert all(len(line) <= 80 for line in lines)
    assert any(order_id in line for line in _in_a_terminal(operator, 80, "actions", "list"))
    journal = _in_a_terminal(operator, 80, "orders", "show", order_id)
    assert any(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +action_queued +ship: ", line) for line in journal)


def test_what_is_piped_has_all_columns_and_a_line_a_row(operator: Operator) -> None:
    operator.sandbox.sell_raw(
        operator.account.account_id,
        {"billing_address": {"first_name": "", "last_name": "", "full_name": "[/red] Zoé " + "Zoé " * 20}},
    )
    operator.sells(3)
    operator.runs("sync")
    header, *rows = operator.runs("orders", "list").splitlines()
    assert header.split()[:3] == ["account", "marketplace", "order"]
    assert "buyer" in header
    assert len(rows) == 4
    assert any("[/red] Zoé" in row for row in rows)


def _in_a_terminal(operator: Operator, width: int, *arguments: str) -> list[str]:
    """What is shown in a terminal of this width, without its colours."""
    ours, theirs = pty.openpty()
    environment = {**operator.environment, "COLUMNS": str(width), "TERM": "xterm"}
    with subprocess.Popen([COMMAND, *arguments], cwd=operator.folder, env=environment, stdout=theirs) as process:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 65536):
                shown += part
        except OSError:  # the other end is closed
            pass
        assert process.wait(20) == 0
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).splitlines()


def test_help_is_quick(operator: Operator) -> None:
    imported = subprocess.run(
        [sys.executable, "-X", "importtime", COMMAND, "--help"], capture_output=True, text=True, timeout=60
    ).stderr
    for heavy in ("msgspec", "requests", "rich", "flask", "logging", "waitress", "sqlite_utils"):
        assert not re.search(rf"\| +{heavy}$", imported, re.MULTILINE), heavy


def test_the_doctor_tells_of_each_account_and_shop_what_is_well(operator: Operator) -> None:
    operator.runs("sync")
    examined = operator.reads("doctor", code=3)
    found = {(one["kind"], one["name"]): {two["what"]: two for two in one["findings"]} for one in examined}
    account, shop = found["account", "main"], found["shop", "b2c"]
    assert all(account[what]["ok"] for what in ("credentials", "marketplaces", "clock", "last sync"))
    assert (shop["webhook secrets"]["ok"], shop["tables"]["ok"]) == (False, True)
    assert shop["toggle import_orders_shipped_by_marketplaces"]["sentence"] == "off."
    assert "webhook_secrets" in shop["webhook secrets"]["what_to_do"]
    assert "account main" in operator.runs("doctor", code=3)


def test_the_doctor_names_wrong_keys(operator: Operator) -> None:
    operator.environment["LENGOW_SECRET"] = "wrong-secret"
    [account, *_] = operator.reads("doctor", code=3)
    [finding] = account["findings"]
    assert finding["sentence"].startswith("lengow_unauthorized")
    assert "wrong-secret" not in json.dumps(account)
