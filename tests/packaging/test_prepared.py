"""Types that threads decode are worked out when they are defined; two at once would crash the process (msgspec 0.22)."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("connector", "adapters", "webhooks", "feeds", "invoices", "console")
CARRIED = {"kind", "T"}
"""Variables that stand for a type: whoever names it prepares it."""

RACE = """
import sys, threading, msgspec
sys.setswitchinterval(1e-6)
from lengow.connector.adapter import Change, Event
from lengow.connector import events, marketplace
from lengow.connector.client import answers
from lengow.invoices import ledger
from lengow.invoices.document import Document
ready = threading.Barrier(8)
def work(number):
    ready.wait()
    for _ in range(50):
        msgspec.convert({"id": "1", "kind": "shipment"}, Event)
        msgspec.json.decode(b'{"type": "cancel"}', type=Change)
        msgspec.json.decode(b'{"count": 0, "results": []}', type=answers.OrdersPage)
threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


def test_every_type_that_is_decoded_is_prepared() -> None:
    decoded: set[str] = set()
    prepared: set[str] = set()
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    decoded |= _decoded(node)
                    prepared |= _prepared(node)
    assert len(decoded) > 8, "the search above finds them"
    assert decoded - prepared - CARRIED == set()


def test_threads_that_begin_at_once_live() -> None:
    assert subprocess.run([sys.executable, "-c", RACE], timeout=60, capture_output=True).returncode == 0


def _decoded(call: ast.Call) -> set[str]:
    """The names of the types that a call decodes to."""
    function = ast.unparse(call.func)
    if function == "msgspec.convert" and len(call.args) > 1:
        return _names(call.args[1])
    if function in ("msgspec.json.decode", "msgspec.msgpack.decode"):
        return {name for word in call.keywords if word.arg == "type" for name in _names(word.value)}
    return set()


def _prepared(call: ast.Call) -> set[str]:
    if ast.unparse(call.func) not in ("prepare", "msgspec.json.Decoder", "msgspec.msgpack.Decoder"):
        return set()
    return {name for argument in call.args for name in _names(argument)}


def _names(node: ast.expr) -> set[str]:
    """Of structs; what is built into Python needs no preparing."""
    names = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    return names - {"list", "dict", "str", "int", "tuple", "Any", "float", "bool"} - {"adapter"}
