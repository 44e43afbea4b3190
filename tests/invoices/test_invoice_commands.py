"""Invoices at the command line, as whole processes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mail_server import MailServer

from lengow.sandbox import Sandbox

COMMAND = str(Path(sys.executable).parent / "lengow-connector")

SETTINGS = """
[accounts.main]
access_token = "{account.access_token}"
secret = "{account.secret}"
base_url = "{url}"
requests_per_minute = 0

[shops.b2c]
account = "main"
platform = "generic"

[mail]
host = "127.0.0.1"
port = {port}
security = "none"
sender = "shop@martin.example"

[invoices.seller]
name = "Outillage Martin"
address = ["1 rue du Port"]
zipcode = "33000"
city = "Bordeaux"
siren = "732829320"
vat_number = "FR44732829320"

[invoices.shops.b2c]
send = "on_shipment"
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(quota_per_minute=0) as running:
        yield running


@pytest.fixture
def run(sandbox: Sandbox, server: MailServer, tmp_path: Path) -> Run:
    account = sandbox.add_account("main")
    text = SETTINGS.format(account=account, url=sandbox.url, port=server.port)
    (tmp_path / "lengow.toml").write_text(text, encoding="utf-8")

    def run(*words: str, code: int = 0, given: str = "") -> Any:
        done = subprocess.run(
            [COMMAND, *words], cwd=tmp_path, capture_output=True, text=True, timeout=60, input=given, env=os.environ
        )
        assert done.returncode == code, done.stderr + done.stdout
        return done

    run("sync")
    return run


@pytest.fixture
def shipped(sandbox: Sandbox, run: Run) -> str:
    """An order that the marketplace has confirmed as shipped, and that was invoiced and mailed."""
    [order_id] = sandbox.sell(sandbox.accounts()[0].account_id, 1, {"standard": 1})
    sandbox.advance(minutes=15)
    run("sync")
    assert json.loads(run("invoices", "due", "--json").stdout) == []
    run("actions", "send", "ship", order_id, "--arg", "carrier=DPD", "--arg", "tracking_number=1")
    run("sync")
    sandbox.advance(hours=1)
    run("sync")
    return order_id


def test_it_is_listed_written_and_mailed_again(run: Run, shipped: str, server: MailServer, tmp_path: Path) -> None:
    [row] = json.loads(run("invoices", "list", "--json").stdout)
    assert (row["number"], row["state"], row["order_key"]) == ("F2026-000001", "mailed", f"main/manomano_fr/{shipped}")
    assert "F2026-000001" in run("invoices", "list").stdout
    run("invoices", "list", "--waiting")
    run("invoices", "pdf", "F2026-000001", "invoice.pdf")
    assert (tmp_path / "invoice.pdf").read_bytes().startswith(b"%PDF")
    run("invoices", "resend", "F2026-000001", "--to", "other@example.com")
    run("sync")
    assert [mail["To"] for mail in server.mails][1:] == ["other@example.com"]


def test_a_credit_note_by_hand(run: Run, shipped: str) -> None:
    run("invoices", "credit", "F2026-000001", "1.50", "--reason", "scratched")
    newest, _ = json.loads(run("invoices", "list", "--json").stdout)
    assert (newest["kind"], newest["number"], newest["total"]) == ("credit_note", "A2026-000001", "1.50")
    refused = run("invoices", "credit", "F2026-000001", "99999", "--reason", "all", code=3)
    assert "credit_too_high" in refused.stderr
    assert "two decimals" in run("invoices", "credit", "F2026-000001", "1.234", "--reason", "x", code=2).stderr
    for amount in ("Infinity", "1E+400", "much"):
        assert "12.50" in run("invoices", "credit", "F2026-000001", amount, "--reason", "x", code=2).stderr


def test_what_is_held_waits_for_a_person(run: Run, sandbox: Sandbox) -> None:
    order_id = sandbox.sell_raw(sandbox.accounts()[0].account_id, {"total_order": 1, "total_tax": 0})
    sandbox.advance(minutes=15)
    run("sync")
    assert "totals_differ" in run("invoices", "preview", order_id, code=3).stderr
    sandbox.ship(order_id, carrier="DPD", tracking_number="1")
    sandbox.advance(hours=1)
    run("sync")
    [row] = json.loads(run("invoices", "list", "--waiting", "--json", code=3).stdout)
    assert (row["state"], row["reason"]) == ("held", "totals_differ")
    run("invoices", "retry", str(row["id"]), code=3)
    run("invoices", "dismiss", str(row["id"]), "--reason", "by hand")
    run("invoices", "list", "--waiting")


def test_a_preview_is_shown_and_a_bounce_taken(run: Run, shipped: str, server: MailServer, tmp_path: Path) -> None:
    assert "total" in run("invoices", "preview", shipped).stdout
    run("invoices", "preview", shipped, "--pdf", "preview.pdf")
    assert (tmp_path / "preview.pdf").read_bytes().startswith(b"%PDF")
    run("invoices", "bounced", code=3, given="Subject: hello\n\nnothing")


def test_wrong_settings_are_said_before_anything_begins(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "lengow.toml"
    path.write_text(path.read_text().replace('siren = "732829320"\n', ""), encoding="utf-8")
    assert "invoices.seller.siren must be 9 digits" in run("sync", code=2).stderr
