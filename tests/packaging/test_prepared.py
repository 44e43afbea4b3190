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
import sys, threading, types, msgspec
from lengow.connector.prepared import prepare
sys.setswitchinterval(1e-6)
SOURCE = '''
import msgspec
class Innermost(msgspec.Struct, frozen=True):
    texts: "dict[str, str]" = {}
class Inner(msgspec.Struct, frozen=True):
    innermost: "Innermost" = Innermost()
    words: "tuple[str, ...]" = ()
class Outer(msgspec.Struct, frozen=True):
    id: "str"
    inner: "Inner" = Inner()
    many: "tuple[Inner, ...]" = ()
'''
BODY = b'{"id": "1", "inner": {"words": ["a"]}, "many": [{"innermost": {"texts": {"a": "b"}}}]}'
for number in range(150):
    module = sys.modules[f"m{number}"] = types.ModuleType(f"m{number}")
    exec(SOURCE, module.__dict__)
    prepare(module.Outer)
    ready = threading.Barrier(8)
    def work(turn):
        ready.wait()
        msgspec.json.decode(BODY, type=module.Outer) if turn % 2 else msgspec.convert({}, module.Inner)
    threads = [threading.Thread(target=work, args=(turn,)) for turn in range(8)]
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
