"""Inputs as somebody would write them who wants the connector to fall over, and the count of those that were tried."""

import copy
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PAYLOADS = Path(__file__).parent / "payloads"

EXAMPLES = int(os.environ.get("LENGOW_FUZZ", "60"))
"""Inputs for each property; `make fuzz` asks for many."""

LONGEST_SECONDS = 5.0
"""CPU time that one input may cost."""

TRIED: Counter[str] = Counter()


def fuzz(
    *, examples: int = EXAMPLES, **inputs: st.SearchStrategy[Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A property that holds for every input, each within LONGEST_SECONDS. `TRIED` counts them by its name."""

    def decorate(prove: Callable[..., None]) -> Callable[..., None]:
        def timed(*arguments: Any, **given_: Any) -> None:
            TRIED[prove.__name__] += 1
            began = time.thread_time()
            prove(*arguments, **given_)
            assert time.thread_time() - began < LONGEST_SECONDS

        timed.__name__, timed.__doc__, timed.__module__ = prove.__name__, prove.__doc__, prove.__module__
        timed.__signature__ = __import__("inspect").signature(prove)  # type: ignore[attr-defined]
        checks = list(HealthCheck)
        return settings(max_examples=examples, deadline=None, suppress_health_check=checks)(given(**inputs)(timed))

    return decorate


TEXT = st.text(alphabet=st.characters(codec=None), max_size=30)
"""Any characters, halves of surrogate pairs too."""

TOKENS = (
    *(
        "1e999999",
        "-1e999999",
        "1e-999999",
        "0.1e-400",
        "-0",
        "-0.0",
        "NaN",
        "Infinity",
        "1e30",
        "9" * 400,
        "0." + "9" * 400,
    ),
    *("[" * 2000, '{"a":' * 2000, '"\\ud800"', '"\\u0000"', '"' + "x" * 20_000 + '"', "1.", "tru", "\x00"),
)
"""What stands in JSON as it is, well-formed or not."""

WORDS = (
    *("", " ", "\x00", "\u202e", "é", "🚚", "\ud800", "null", "true", "0", "-1", "1e5", "1.5", "9" * 50, "x" * 2000),
    *(
        "2026-03-03T14:20:05Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "2026-02-30",
        "1",
        "<b>",
        "&amp;",
    ),
    *(
        "'; DROP TABLE orders; --",
        "../../etc/passwd",
        "javascript:alert(1)",
        "http://169.254.169.254/",
        "%s%n",
        "{0}",
        "\r\nX: y",
    ),
)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=True, allow_infinity=True)
    | TEXT
    | st.sampled_from(WORDS)
    | st.sampled_from(TOKENS).map(lambda token: f"@raw{TOKENS.index(token)}@")
)
ANY = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "a", ""]) | TEXT, inner, max_size=3)
    ),
)

RAW = re.compile(rb'"@raw(\d+)@"')


def json_of(document: Any) -> bytes:
    """As JSON, in which `@rawN@` is the Nth of TOKENS as it is."""
    return RAW.sub(lambda found: TOKENS[int(found[1])].encode(), json.dumps(document).encode())


def spoiled(document: Any) -> st.SearchStrategy[Any]:
    """The document with some of its values replaced, taken away, or doubled."""
    paths = list(_paths(document, ()))
    change = st.tuples(st.sampled_from(paths), st.sampled_from(["set", "drop", "double"]), ANY)
    return st.lists(change, min_size=1, max_size=4).map(lambda changes: _changed(document, changes))


def spoiled_json(document: Any) -> st.SearchStrategy[bytes]:
    """JSON of a spoiled document, sometimes with bytes cut out of it or put into it."""
    cut = st.tuples(st.floats(0, 1), st.integers(0, 40), st.binary(max_size=10))
    whole = spoiled(document).map(json_of)
    return st.one_of(whole, whole, whole, st.builds(_spliced, whole, cut), st.binary(max_size=60), ANY.map(json_of))


def repeated(pieces: st.SearchStrategy[str], most: int = 3000) -> st.SearchStrategy[str]:
    """Texts made of such pieces, some of them many times over."""
    several = st.tuples(pieces, st.sampled_from([1, 1, 1, 1, 2, most])).map(lambda one: one[0] * one[1])
    return st.lists(several, max_size=14).map("".join) | st.lists(pieces, max_size=14).map(" ".join)


def payload(name: str) -> Any:
    """Of Lengow's worked example, or as the stand-in of a platform sends it."""
    return json.loads((PAYLOADS / f"{name}.json").read_text())


def _spliced(text: bytes, cut: tuple[float, int, bytes]) -> bytes:
    start = int(cut[0] * len(text))
    return text[:start] + cut[2] + text[start + cut[1] :]


def _paths(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from _paths(one, (*path, key))


def _changed(document: Any, changes: list[tuple[tuple[Any, ...], str, Any]]) -> Any:
    changed = copy.deepcopy(document)
    for path, how, value in changes:
        place = changed
        try:
            for key in path[:-1]:
                place = place[key]
            if how == "drop":
                del place[path[-1]]
            else:
                place[path[-1]] = [place[path[-1]]] * 2 if how == "double" else value
        except (KeyError, IndexError, TypeError):  # an earlier change took the place away
            continue
    return changed
