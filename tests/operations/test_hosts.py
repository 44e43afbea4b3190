"""The hosts of docs/embedding.md, run as they stand there: Flask under gunicorn, Django, Celery, cron."""

import base64
import hashlib
import hmac
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

ROOT = Path(__file__).parents[2]
HOSTS = Path(__file__).parent / "hosts"
BIN = Path(sys.executable).parent
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SYNC_SECONDS = 1.0
ORDERS = "GET /v3.0/orders/"


class Host:
    """A folder with a lengow.toml, in which a host's process runs."""

    def __init__(self, merchant: Any, folder: Path) -> None:
        self.merchant = merchant
        self.folder = folder
        self.received = folder / "received.txt"
        self.received.touch()
        (folder / "lengow.toml").write_text(
            f"""
            [store]
            url = "sqlite:///lengow.db"
            lease_seconds = 4
            [accounts.main]
            access_token = "{merchant.account.access_token}"
            secret = "{merchant.account.secret}"
            base_url = "{merchant.sandbox.url}"
            requests_per_minute = 0
            sync_every_minutes = {SYNC_SECONDS / 60}
            [shops.b2c]
            account = "main"
            platform = "generic"
            database = "sqlite:///{merchant.shop_database}"
            webhook_secrets = ["{SECRET}"]
            call_timeout = 2
            """,
            encoding="utf-8",
        )
        self.environment = {
            **os.environ,
            "LENGOW_CONFIG": str(folder / "lengow.toml"),
            "PYTHONPATH": str(HOSTS),
            "RECEIVED": str(self.received),
        }

    @contextmanager
    def runs(self, *command: object) -> Iterator[subprocess.Popen[bytes]]:
        log = self.folder / "log.txt"
        with log.open("wb") as output:
            process = subprocess.Popen(
                list(map(str, command)), cwd=self.folder, env=self.environment, stdout=output, stderr=output
            )
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0, log.read_text()
        except BaseException:
            sys.stderr.write(log.read_text())
            raise
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    @contextmanager
    def gunicorn(self, app: str, *options: object) -> Iterator[str]:
        """Its URL, once it answers."""
        port = free_port()
        with self.runs(BIN / "gunicorn", "--bind", f"127.0.0.1:{port}", *options, app):
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: answers(f"{url}/lengow/healthz"))
            yield url

    def in_shop(self) -> list[str]:
        made = self.merchant.rows("SELECT name FROM sqlite_master WHERE name = 'shop_orders'")
        return sorted(self.merchant.in_shop()) if made else []

    def reported(self) -> list[str]:
        """The orders whose shop order ids Lengow was told."""
        return sorted(one.order_id for one in self.merchant.sandbox.ledger().sold if one.merchant_order_ids)

    def receivers(self) -> dict[str, list[int]]:
        """By order number, the processes into which it came."""
        found: dict[str, list[int]] = {}
        for line in self.received.read_text(encoding="utf-8").splitlines():
            process, number = line.split()
            found.setdefault(number, []).append(int(process))
        return found

    def imports(self) -> int:
        return int(self.merchant.sandbox.ledger().requests.get(ORDERS, 0))


@pytest.fixture
def host(merchant: Any, tmp_path: Path) -> Host:
    folder = tmp_path / "host"
    folder.mkdir()
    return Host(merchant, folder)


@pytest.mark.parametrize("preload", [[], ["--preload"]], ids=["each worker loads", "loaded before the fork"])
def test_of_three_gunicorn_workers_one_imports_a_window_and_another_takes_over(host: Host, preload: list[str]) -> None:
    first = host.merchant.sells(2)
    config = ["--config", HOSTS / "gunicorn.conf.py", *preload]
    with host.gunicorn("watched_shop:app", *config) as url:
        began = time.monotonic()
        wait_until(lambda: host.in_shop() == sorted(first))
        already = host.imports()
        time.sleep(4 * SYNC_SECONDS)
        second = host.merchant.sells(1)
        wait_until(lambda: host.in_shop() == sorted([*first, *second]))
        # With each of the three importing there would be three times as many.
        assert host.imports() - already <= 1.5 * ((time.monotonic() - began) / SYNC_SECONDS + 2)
        [scheduler] = host.receivers()[second[0]]
        os.kill(scheduler, signal.SIGKILL)
        third = host.merchant.sells(1)
        wait_until(lambda: host.in_shop() == sorted([*first, *second, *third]))
        [successor] = host.receivers()[third[0]]
        assert successor != scheduler
        assert all(len(processes) == 1 for processes in host.receivers().values())
        assert requests.get(f"{url}/lengow/readyz", timeout=60).json()["status"] == "ready"


def test_a_connector_that_was_used_before_a_fork_works_in_the_child(host: Host) -> None:
    """Its threads did not come along, and its connections are the parent's."""
    first = host.merchant.sells(2)
    command = [sys.executable, HOSTS / "forked_shop.py"]
    with subprocess.Popen(command, cwd=host.folder, env=host.environment, stdin=subprocess.PIPE) as process:
        try:
            wait_until(lambda: host.reported() == sorted(first))
            second = host.merchant.sells(2)
            process.communicate(b"\n", timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0
    assert host.reported() == host.in_shop() == sorted([*first, *second])


def test_a_django_project_serves_the_receiver_beside_its_own_views(host: Host) -> None:
    [order_id] = host.merchant.sells(1)
    with host.gunicorn("django_shop.wsgi:application") as url:
        cron = subprocess.run([sys.executable, HOSTS / "cron_shop.py"], cwd=host.folder, env=host.environment)
        assert cron.returncode == 0
        told = requests.get(f"{url}/orders/{order_id}", timeout=60).json()
        assert told["state"] == "created"
        [(shop_order_id,)] = host.merchant.rows("SELECT id FROM shop_orders")
        answer = deliver(f"{url}/lengow/webhooks/b2c", str(shop_order_id), tracking_number="1Z999")
        assert (answer.status_code, answer.json()) == (202, {"status": "accepted"})
        subprocess.run([sys.executable, HOSTS / "cron_shop.py"], cwd=host.folder, env=host.environment, check=True)
        [told_action] = host.merchant.sandbox.ledger().told
        assert told_action.arguments["tracking_number"] == "1Z999"


def test_celery_runs_the_steps(host: Host) -> None:
    sold = host.merchant.sells(3)
    with host.runs(sys.executable, HOSTS / "one_process_celery.py"):
        wait_until(lambda: host.in_shop() == sorted(sold))
        wait_until(lambda: host.reported() == sorted(sold))


@pytest.mark.parametrize("name", ["flask_shop.py", "gunicorn.conf.py", "django_shop/wsgi.py", "celery_shop.py"])
def test_the_docs_show_them_as_they_are_run(name: str) -> None:
    page = (ROOT / "docs/embedding.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```py\n(.*?)```", page, re.DOTALL)
    assert (HOSTS / name).read_text(encoding="utf-8") in blocks


def deliver(url: str, shop_order_id: str, **shipment: str) -> requests.Response:
    """As a shop does, signed by the published rules of Standard Webhooks."""
    told = {"id": "1", "carrier_code": "DPD", **shipment}
    data = {"contract": "shop-shipment/1", "order": {"id": shop_order_id}, "shipment": told}
    body = json.dumps({"type": "shipment.created", "data": data}).encode()
    now = str(int(time.time()))
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = base64.b64encode(hmac.new(key, f"m1.{now}.".encode() + body, hashlib.sha256).digest()).decode()
    headers = {
        "Content-Type": "application/json",
        "webhook-id": "m1",
        "webhook-timestamp": now,
        "webhook-signature": f"v1,{signed}",
    }
    return requests.post(url, data=body, headers=headers, timeout=60)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).status_code == 200
    except requests.RequestException:
        return False


def wait_until(happened: Callable[[], object]) -> None:
    ends = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < ends, "it did not happen in a minute"
        time.sleep(0.1)
