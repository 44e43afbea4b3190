"""The webhook receiver under `wrk`, beside a bare Flask view that checks an HMAC and commits one row in SQLite.

Both run in processes of their own, under the same server with the same threads, and with the same durability (WAL,
synchronous=FULL). Every delivery is another one, signed beforehand. The two take turns, `ROUNDS` times, so that what
else the machine does meets both; a ratio is of two neighbours, and the median of the ratios counts. What was answered
2xx is counted in the database afterwards.
"""

import base64
import hashlib
import hmac
import json
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

ROUNDS = 5
SECONDS = 4
CONNECTIONS = 16
THREADS = 8
"""Of the server: those of `lengow-connector serve`."""
MOST_REQUESTS = 40_000
"""Signed for each turn; more than either server can take in its time."""
KEY = bytes(range(32))

SETTINGS = f"""
[accounts.main]
access_token = "token"
secret = "secret"
base_url = "http://127.0.0.1:9"
[shops.b2c]
account = "main"
platform = "generic"
webhook_secrets = ["whsec_{base64.b64encode(KEY).decode()}"]
"""

FLOOR = """
import base64, hmac, socket, sqlite3, sys, threading
from flask import Flask, request
from lengow.console.web_server import web_server

KEY, PATH = bytes(range(32)), "floor.db"
app, local, turn = Flask("floor"), threading.local(), threading.Lock()

def database():
    if not hasattr(local, "db"):
        local.db = sqlite3.connect(PATH, isolation_level=None)
        local.db.execute("PRAGMA journal_mode = WAL")
        local.db.execute("PRAGMA synchronous = FULL")
        local.db.execute("CREATE TABLE IF NOT EXISTS events (delivery_id TEXT UNIQUE, body BLOB)")
    return local.db

@app.post("/webhooks/b2c")
def take():
    body, headers = request.get_data(cache=False), request.headers
    signed = f"{headers['Webhook-Id']}.{headers['Webhook-Timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.digest(KEY, signed, "sha256")).decode()
    if not hmac.compare_digest(expected, headers["Webhook-Signature"]):
        return {"code": "signature_invalid"}, 401
    with turn:
        database().execute("INSERT INTO events VALUES (?, ?)", [headers["Webhook-Id"], body])
    return {"status": "accepted"}, 202

listener = socket.create_server(("127.0.0.1", 0))
database()
print(f"Serving http://127.0.0.1:{listener.getsockname()[1]}/", file=sys.stderr, flush=True)
web_server(app, listener, threads=THREADS, largest_body=256 * 1024).run()
"""

SCRIPT = """
local requests, next_one = {}, 0
function init(arguments)
  for line in io.lines(arguments[1]) do
    local id, moment, signature, body = line:match("^(%S+) (%S+) (%S+) (.*)$")
    requests[#requests + 1] = wrk.format("POST", "/webhooks/b2c", {["Content-Type"] = "application/json",
      ["Webhook-Id"] = id, ["Webhook-Timestamp"] = moment, ["Webhook-Signature"] = signature}, body)
  end
end
function request()
  next_one = next_one % #requests + 1
  return requests[next_one]
end
function done(summary, latency, all)
  io.stderr:write(string.format('{"requests":%d,"microseconds":%d,"bad":%d,"p50":%f,"p99":%f}',
    summary.requests, summary.duration, summary.errors.status + summary.errors.timeout + summary.errors.read,
    latency:percentile(50), latency:percentile(99)))
end
"""


class Run(msgspec.Struct, frozen=True):
    """What wrk saw; times in microseconds."""

    requests: int
    microseconds: int
    bad: int
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        return self.requests / self.microseconds * 1e6


def measure_webhooks() -> dict[str, tuple[float, str]]:
    if shutil.which("wrk") is None:
        raise SystemExit("This benchmark needs wrk: apt-get install wrk")
    ours, floors = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "script.lua").write_text(SCRIPT)
        (folder / "lengow.toml").write_text(SETTINGS)
        (folder / "floor.py").write_text(FLOOR.replace("threads=THREADS", f"threads={THREADS}"))
        command = ["-c", "from lengow.console.cli import main; main()"]
        serve = [*command, "serve", "--port", "0", "--threads", str(THREADS)]
        with serving(folder, "floor", ["floor.py"]) as floor, serving(folder, "ours", serve) as receiver:
            for turn in range(ROUNDS + 1):  # the first warms both up
                for url, database, runs in ((floor, "floor.db", floors), (receiver, "lengow.db", ours)):
                    before = stored(folder / database)
                    run = load(folder, url, f"msg_{turn}")
                    assert run.bad == 0, f"{run.bad} answers of {database} were not 2xx"
                    assert run.requests <= stored(folder / database) - before <= run.requests + CONNECTIONS
                    if turn:
                        runs.append(run)
    rate = statistics.median(one.rate / other.rate for one, other in zip(ours, floors, strict=True))
    p99 = statistics.median(one.p99 / other.p99 for one, other in zip(ours, floors, strict=True))
    return {
        "throughput_to_floor": (round(rate, 2), "≥ 0.6"),
        "p99_to_floor": (round(p99, 2), "≤ 4"),
        "deliveries_per_second": (round(statistics.median(one.rate for one in ours)), "≥ 0"),
        "floor_per_second": (round(statistics.median(one.rate for one in floors)), "≥ 0"),
        "p50_ms": (round(statistics.median(one.p50 for one in ours) / 1000, 1), "≥ 0"),
        "p99_ms": (round(statistics.median(one.p99 for one in ours) / 1000, 1), "≥ 0"),
        "floor_p99_ms": (round(statistics.median(one.p99 for one in floors) / 1000, 1), "≥ 0"),
    }


def load(folder: Path, url: str, name: str) -> Run:
    """One turn of wrk with deliveries that nobody has seen yet."""
    deliveries = folder / "deliveries"
    with deliveries.open("w") as file:
        file.writelines(signed(f"{name}-{number}") for number in range(MOST_REQUESTS))
    options = ["-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--timeout", "30s", "-s", str(folder / "script.lua")]
    done = subprocess.run(["wrk", *options, url, "--", str(deliveries)], capture_output=True, text=True, check=True)
    return msgspec.json.decode(done.stderr, type=Run)


def signed(delivery_id: str) -> str:
    shipment = {
        "id": delivery_id,
        "carrier_code": "colissimo",
        "tracking_number": "6A1",
        "tracking_url": "https://t.example/6A1",
    }
    data = {"contract": "shop-shipment/1", "order": {"id": delivery_id}, "shipment": shipment}
    body = json.dumps({"type": "shipment.created", "data": data})
    moment = str(int(time.time()))
    digest = hmac.digest(KEY, f"{delivery_id}.{moment}.{body}".encode(), hashlib.sha256)
    return f"{delivery_id} {moment} v1,{base64.b64encode(digest).decode()} {body}\n"


def stored(database: Path) -> int:
    with closing(sqlite3.connect(database)) as db:
        count: int = db.execute("SELECT count(*) FROM events").fetchone()[0]
        return count


@contextmanager
def serving(folder: Path, name: str, arguments: list[str]) -> Iterator[str]:
    said = folder / f"{name}.stderr"
    with said.open("wb") as stderr:
        process = subprocess.Popen([sys.executable, *arguments], stderr=stderr, cwd=folder)
    try:
        while not (found := re.search(r"Serving (http://127\.0\.0\.1:\d+)/", said.read_text())):
            if process.poll() is not None:
                raise SystemExit(said.read_text())
            time.sleep(0.05)
        yield found[1]
    finally:
        process.terminate()
        process.wait(30)
