"""The same controls in this process and over HTTP; and the command for a person."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
import requests

from lengow.sandbox import Fault, Sandbox, SandboxControl, SandboxError, start_process
from lengow.sandbox.control import VERBS, Controls

START = datetime(2026, 9, 1, 8, tzinfo=UTC)


def test_both_have_every_verb():
    assert {name for name in vars(Controls) if not name.startswith("_")} - {"url"} == VERBS
    for verb in VERBS:
        assert callable(getattr(Sandbox, verb))
        assert callable(getattr(SandboxControl, verb))


def test_a_process_of_its_own_is_controlled_like_one_within():
    with start_process(quota_per_minute=0, seed=5, start=START) as control, Sandbox(0, 0, 3600, 5, START) as sandbox:
        for one in (control, sandbox):
            account = one.add_account("main")
            one.sell(account.account_id, 20)
            raw = one.sell_raw(account.account_id, {"comments": "é"}, raw_bytes=b"\xff", importable=True)
            one.sell(account.account_id, 1, {"pending": 1}, skus=["A"], ordered_at=START, catalog_id=7)
            one.amend(raw, {"city": "Sète"})
            one.fault(Fault("status", path="/v3.0/orders", headers={"a": "b"}, orders=("M1",)))
            one.clear_faults()
            one.revoke_tokens()
            one.configure(queue_minutes=1, null_errors=True)
            assert one.advance(15, days=1) >= START
            one.accept(one.ledger().sold[-1].order_id)
            one.cancel(one.ledger().sold[0].order_id, late=True)
            one.anonymize(one.ledger().sold[1].order_id)
            [other] = one.sell(account.account_id, 1, {"standard": 1})
            one.amend(other, {"billing": {"city": "Nice"}})
            one.ship(other, carrier="COLISSIMO", tracking_number="6A1")
            one.refund(other)
        assert control.accounts() == sandbox.accounts()
        ours, theirs = sandbox.ledger(), control.ledger()
        assert [sold.lines for sold in theirs.sold] == [sold.lines for sold in ours.sold]
        assert [(sold.order_id, sold.total, sold.state) for sold in theirs.sold] == [
            (sold.order_id, sold.total, sold.state) for sold in ours.sold
        ]
        with pytest.raises(SandboxError, match="nobody"):
            control.cancel("nobody")
    with pytest.raises(requests.ConnectionError):
        control.now()


def test_a_mistake_in_a_control_call_is_told(sandbox):
    def call(verb, body):
        return requests.post(f"{sandbox.url}/_sandbox/{verb}", data=body)

    assert call("nothing", "{}").status_code == 404
    assert "colour" in call("sell", '{"account_id": 1, "count": 1, "colour": "blue"}').json()["error"]
    assert "no account" in call("sell", '{"account_id": 1, "count": 1}').json()["error"]
    assert call("sell", '{"count": "x"}').status_code == 400
    assert call("fault", '{"fault": {"kind": "earthquake"}}').status_code == 400
    assert call("advance", '{"minutes": -1}').status_code == 400


def test_the_command_prints_its_url_and_keys_and_ends_on_a_signal():
    command = [sys.executable, "-m", "lengow.sandbox", "--port", "0", "--accounts", "2", "--sell", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        url = process.stdout.readline().strip()
        name, token, secret = (process.stdout.readline().split("=")[-1].strip() for _ in range(3))
        keys = {"access_token": token, "secret": secret}
        answer = requests.post(f"{url}/access/get_token", data=keys).json()
        assert str(answer["account_id"]) == name
        headers = {"Authorization": answer["token"]}
        orders = requests.get(f"{url}/v3.0/orders", params={"account_id": name}, headers=headers).json()
        assert orders["count"] == 3
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
        assert time.monotonic() - started < 2


def test_the_process_does_not_outlive_the_one_that_started_it():
    code = (
        "import os\nfrom lengow.sandbox import start_process\n"
        "with start_process() as control:\n    print(control.url, flush=True)\n    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL
    url = done.stdout.strip()
    for _ in range(50):
        try:
            requests.get(url)
        except requests.ConnectionError:
            return
        time.sleep(0.05)
    pytest.fail(f"{url} still answers, of process {os.getpid()}'s child")


def test_closing_is_prompt_with_connections_open_and_answers_under_way():
    sandbox = Sandbox().start()
    sandbox.fault(Fault("latency", path="/me", seconds=30))
    with requests.Session() as idle:
        idle.post(f"{sandbox.url}/_sandbox/now", data="{}")
        with pytest.raises(requests.ReadTimeout):
            requests.get(f"{sandbox.url}/me", timeout=0.05)
        started = time.monotonic()
        sandbox.close()
        assert time.monotonic() - started < 1


def test_it_shares_no_code_with_the_other_packages():
    code = "import sys, lengow.sandbox; print(*(name for name in sys.modules if name.startswith('lengow.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(name.startswith("lengow.sandbox") for name in done.stdout.split())
