"""`lengow-connector serve` in a process of its own, as a stranger on the network meets it. Signs by hand."""

import base64
import hashlib
import hmac
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
PATH = "/webhooks/b2c"

SETTINGS = f"""
[store]
url = "sqlite:///lengow.db"
[accounts.main]
access_token = "token"
secret = "secret"
base_url = "http://127.0.0.1:9"
[shops.b2c]
account = "main"
platform = "generic"
webhook_secrets = ["{SECRET}"]
"""

SERVE = """
import sys
from lengow.connector import events
from lengow.console import web_server
for name, value in {limits!r}.items():
    [module] = [one for one in (web_server, events) if hasattr(one, name)]
    setattr(module, name, value)
from lengow.console.cli import main
sys.argv = ["lengow-connector", "--config", {config!r}, "serve", "--port", "0", "--threads", "{threads}", *{more!r}]
main()
"""


def body_of(number: int, filler: str = "") -> bytes:
    """A delivery of the contract `shop-shipment/1`."""
    data = {
        "contract": "shop-shipment/1",
        "order": {"id": str(number)},
        "shipment": {"id": f"S{number}", "carrier_code": "colissimo", "tracking_number": f"T{number}"},
        "filler": filler,
    }
    return json.dumps({"type": "shipment.created", "data": data}).encode()


def signed(number: int, body: bytes, **changes: str) -> dict[str, str]:
    moment = str(int(time.time()))
    text = f"msg_{number}.{moment}.".encode() + body
    return {
        "Content-Type": "application/json",
        "Webhook-Id": f"msg_{number}",
        "Webhook-Timestamp": moment,
        "Webhook-Signature": "v1," + base64.b64encode(hmac.new(KEY, text, hashlib.sha256).digest()).decode(),
        **changes,
    }


class Served:
    """The running server: its address, its process, and what it has stored."""

    def __init__(self, port: int, process: int, folder: Path) -> None:
        self.port, self.process, self.folder = port, process, folder

    def deliver(self, number: int = 1, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """One whole and genuine delivery; `headers` replace some of its own."""
        whole = body_of(number) if body is None else body
        return self.ask("POST", PATH, whole, signed(number, whole, **headers))

    def ask(
        self, method: str, path: str, body: bytes | Iterator[bytes] | None = None, headers: Mapping[str, str] = {}
    ) -> tuple[int, dict[str, str], bytes]:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()

    def connect(self, sent: bytes = b"") -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        connection.sendall(sent)
        return connection

    def raw(self, sent: bytes) -> int:
        """The status that answers these bytes; 0 where the connection is closed without one."""
        with closing(self.connect(sent)) as connection:
            answer = HTTPResponse(connection)
            try:
                answer.begin()
            except (ConnectionError, ValueError):
                return 0
            return answer.status

    def taken(self) -> list[str]:
        """The deliveries that are committed, as another process sees them."""
        with closing(sqlite3.connect(self.database)) as db:
            return sorted(row[0] for row in db.execute("SELECT delivery_id FROM events"))

    @property
    def database(self) -> Path:
        return self.folder / "lengow.db"

    @property
    def said(self) -> str:
        return (self.folder / "stderr").read_text()

    def memory(self) -> int:
        """Resident bytes of the process."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.process}/status").read_text())
        assert found is not None
        return int(found[1]) * 1024


@contextmanager
def serving(
    folder: Path, *, threads: int = 4, settings: str = SETTINGS, more: Sequence[str] = (), **limits: float
) -> Iterator[Served]:
    """`more`: arguments of the command. `limits`: those of `lengow.console.web_server` and `lengow.connector.events` that
    are others here, so that no test has to wait for them."""
    config = folder / "lengow.toml"
    config.write_text(settings)
    script = SERVE.format(limits=limits, config=str(config), threads=threads, more=list(more))
    with (folder / "stderr").open("wb") as stderr:
        process = subprocess.Popen([sys.executable, "-c", script], stderr=stderr, cwd=folder, env=dict(os.environ))
    try:
        yield Served(_port_of(process, folder / "stderr"), process.pid, folder)
    finally:
        process.terminate()
        process.wait(30)


def _port_of(process: "subprocess.Popen[bytes]", said: Path) -> int:
    while process.poll() is None:
        found = re.search(r"Serving http://127\.0\.0\.1:(\d+)/", said.read_text())
        if found:
            return int(found[1])
        time.sleep(0.02)
    raise AssertionError(said.read_text())
