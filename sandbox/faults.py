"""Failures on demand: what a network, a proxy or a busy Lengow does to one call, or to many."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from lengow.sandbox.answers import Answer, Lost, Request, error
from lengow.sandbox.errors import SandboxError

Outcome = Answer | Lost


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule: which requests, how often, and what happens to them.

    A request is matched by `method` (None: any), the start of its `path` (the whole path where `exact`; a trailing
    slash counts for nothing) and, where given, its `page`. The first `after` matches go through, the next `times`
    (None: all) are hit. Every rule that matches is applied, in the order in which they were given.

    | `kind` | what happens | its fields |
    | --- | --- | --- |
    | `latency` | nothing for a while, then the call | `seconds` |
    | `status` | an error answer, without effect | `status`, `body`, `headers` |
    | `rate_limit` | 429 and `Retry-After`, without effect | `retry_after` seconds |
    | `html_502` | a proxy's page, without effect | |
    | `lost_before` | the connection is closed, without effect | |
    | `lost_after` | the effect, then the connection is closed without an answer | |
    | `truncate` | the effect, then half of the body that Content-Length promises | |
    | `malformed` | the effect, then JSON that ends too early, with a right Content-Length | |
    | `headers` | the effect, and an answer with other headers, such as a `Date` | `headers` |
    | `duplicate` | the first `count` results come once more at the end of the page | `count` |
    | `shuffle` | the page's results in another order | |
    | `shift` | just before, `orders` (else the first `count` of the result) get updated: they leave a window | `orders`, `count` |
    | `insert` | just before, `count` orders are sold and collected: they come first, and push the others on | `count` |
    | `stale_token` | just before, all tokens end | |
    """  # noqa: E501

    kind: str
    method: str | None = None
    path: str = "/"
    times: int | None = 1
    after: int = 0
    exact: bool = False
    page: int | None = None
    seconds: float = 0
    status: int = 503
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_after: int = 1
    count: int = 1
    orders: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SandboxError(f"no fault is called {self.kind!r}; there are {', '.join(KINDS)}")

    def matches(self, request: Request) -> bool:
        path = self.path.rstrip("/")
        return (
            self.method in (None, request.method)
            and (request.path == path if self.exact else request.path.startswith(path))
            and self.page in (None, _page(request))
        )


class Faults:
    """The rules in force, and how often each has matched."""

    def __init__(self) -> None:
        self._rules: list[tuple[Fault, list[int]]] = []

    def add(self, fault: Fault) -> None:
        self._rules.append((fault, [0]))

    def clear(self) -> None:
        self._rules.clear()

    def hitting(self, request: Request) -> list[Fault]:
        """The rules that hit this request; counts it."""
        hits = []
        for fault, seen in self._rules:
            if fault.matches(request):
                seen[0] += 1
                if fault.after < seen[0] <= fault.after + (math.inf if fault.times is None else fault.times):
                    hits.append(fault)
        return hits


def instead(fault: Fault) -> Outcome | None:
    """What is answered without asking Lengow at all; None where it is asked."""
    return _INSTEAD[fault.kind](fault) if fault.kind in _INSTEAD else None


def spoiled(fault: Fault, answer: Answer) -> Outcome:
    """What becomes of Lengow's answer."""
    return _SPOILED[fault.kind](fault, answer) if fault.kind in _SPOILED else answer


def _status(fault: Fault) -> Answer:
    if fault.body is None:
        answer = error(fault.status, "Service unavailable").answer
        return Answer(answer.status, answer.body, {**answer.headers, **fault.headers})
    return Answer(fault.status, fault.body.encode(), {"Content-Type": "application/json", **fault.headers})


def _rate_limit(fault: Fault) -> Answer:
    message = f"Request limitation: 500 reached on {fault.path}"
    return error(429, message, {"Retry-After": str(fault.retry_after)}).answer


def _html_502(_fault: Fault) -> Answer:
    page = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body>\r\n</html>\r\n"
    return Answer(502, page, {"Content-Type": "text/html"})


def _truncate(_fault: Fault, answer: Answer) -> Lost:
    promised = {**answer.headers, "Content-Length": str(len(answer.body))}
    return Lost(Answer(answer.status, answer.body[: len(answer.body) // 2], promised))


def _malformed(_fault: Fault, answer: Answer) -> Answer:
    return Answer(answer.status, answer.body[: len(answer.body) * 2 // 3], answer.headers)


def _on_results(change: Callable[[Fault, list[object]], list[object]]) -> Callable[[Fault, Answer], Answer]:
    def spoil(fault: Fault, answer: Answer) -> Answer:
        try:
            page = json.loads(answer.body)
        except ValueError:
            return answer
        if "results" not in page:
            return answer
        page["results"] = change(fault, page["results"])
        return Answer(answer.status, json.dumps(page).encode(), answer.headers)

    return spoil


def _shuffled(_fault: Fault, results: list[object]) -> list[object]:
    """Never as it was, where there is another order."""
    order = Random(len(results)).sample(range(len(results)), len(results))
    if order == sorted(order):
        order.reverse()
    return [results[place] for place in order]


def _page(request: Request) -> int:
    text = request.query.get("page", "1")
    return int(text) if text.isdecimal() else 1


_INSTEAD: Mapping[str, Callable[[Fault], Outcome]] = {
    "status": _status,
    "rate_limit": _rate_limit,
    "html_502": _html_502,
    "lost_before": lambda _fault: Lost(),
}
_SPOILED: Mapping[str, Callable[[Fault, Answer], Outcome]] = {
    "lost_after": lambda _fault, _answer: Lost(),
    "truncate": _truncate,
    "malformed": _malformed,
    "headers": lambda fault, answer: Answer(answer.status, answer.body, {**answer.headers, **fault.headers}),
    "duplicate": _on_results(lambda fault, results: results + results[: fault.count]),
    "shuffle": _on_results(_shuffled),
}
KINDS = ("latency", "shift", "insert", "stale_token", *_INSTEAD, *_SPOILED)
