"""What the stand-ins of all platforms share: an HTTP server, faults on demand, and a count of requests."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from lengow.sandbox.answers import Answer, Lost, Request
from lengow.sandbox.clock import Clock
from lengow.sandbox.server import HttpServer

FaultKind = Literal[
    "latency", "lost_before", "lost_after", "error_500", "html_502", "busy_429", "killed", "answer", "changed"
]

BAD_GATEWAY = Answer(
    502,
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    b"<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n",
    {"Content-Type": "text/html"},
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule. It hits requests of `method` (empty: any) whose path ends with `path`: not the first `after`, then `times`
    (None: all).

    | `kind` | what happens |
    | --- | --- |
    | `latency` | nothing for `seconds`, then the call |
    | `lost_before` | the connection is closed, without effect |
    | `lost_after` | the effect, then the connection is closed |
    | `error_500` | the platform's own fatal error; the effect before it where `effect` |
    | `html_502` | a proxy's page; the effect before it where `effect` |
    | `busy_429` | a host's limit, without effect, with `Retry-After: seconds` |
    | `answer` | `answer`, without effect |
    | `changed` | the effect, and of its answer what `change` makes: a plugin, a proxy or a crash has been at it |
    | `killed` | the worker dies at `stage` of the effect (the platform names its stages); a proxy answers 502 |
    """

    kind: FaultKind
    method: str = "POST"
    path: str = "/orders"
    times: int | None = 1
    after: int = 0
    seconds: float = 0
    effect: bool = False
    stage: str = ""
    answer: Answer | None = None
    change: Callable[[Answer], Answer] | None = None


class Killed(Exception):
    """The worker ends here, and leaves what it has done."""


class Platform(Protocol):
    """The part of a stand-in that is the platform's own."""

    def answer(self, request: Request, killed_at: str) -> Answer:
        """Carries out one request; raises Killed when it comes to the stage `killed_at`."""

    def fatal(self) -> Answer: ...


class StandIn:
    """Serves a platform on 127.0.0.1 until it is closed. Time runs with real time, and jumps when told to."""

    def __init__(self, platform: Platform, clock: Clock, port: int = 0) -> None:
        self.requests: Counter[str] = Counter()
        self.clock = clock
        self.latency = 0.0
        """Seconds that every request takes at least."""
        self._platform = platform
        self._faults: list[tuple[Fault, list[int]]] = []
        self._lock = threading.Lock()
        self._running = 0
        self._idle = threading.Condition(self._lock)
        self._server: HttpServer | None = HttpServer(port, self._respond, clock.now)
        self.url = self._server.url

    def fail(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append((fault, [0]))

    def interrupt(self, after: int, *, effect: bool) -> Callable[[], bool]:
        """Lose the connection once, at whatever request comes after so many; tells whether it came to that."""
        fault = Fault("lost_after" if effect else "lost_before", method="", path="", after=after)
        seen = [0]
        with self._lock:
            self._faults.append((fault, seen))
        return lambda: seen[0] > after

    def down(self) -> None:
        """Connections are refused until `mend`."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def mend(self) -> None:
        """All faults end, and it is up again at the same address."""
        with self._lock:
            self._faults.clear()
        if self._server is None:
            self._server = HttpServer(int(self.url.rpartition(":")[2]), self._respond, self.clock.now)

    def wait_until_idle(self, timeout: float = 30) -> bool:
        """Until every request that was begun is answered; its client may have gone long before."""
        with self._idle:
            return self._idle.wait_for(lambda: self._running == 0, timeout)

    def close(self) -> None:
        self.down()

    def _respond(self, request: Request) -> Answer | Lost:
        with self._idle:
            self._running += 1
        try:
            return self._carry_out(request)
        finally:
            with self._idle:
                self._running -= 1
                self._idle.notify_all()

    def _carry_out(self, request: Request) -> Answer | Lost:
        faults = self._hitting(request)
        pause = self.latency + sum(fault.seconds for fault in faults if fault.kind == "latency")
        if pause:
            time.sleep(pause)
        fault = next((one for one in faults if one.kind != "latency"), None)
        if fault is None:
            return self._platform.answer(request, "")
        return self._faulty(request, fault)

    def _faulty(self, request: Request, fault: Fault) -> Answer | Lost:
        if fault.kind == "lost_before":
            return Lost()
        if fault.kind == "answer" and fault.answer is not None:
            return fault.answer
        if fault.kind == "changed" and fault.change is not None:
            return fault.change(self._platform.answer(request, ""))
        if fault.kind == "busy_429":
            headers = {"Retry-After": f"{fault.seconds:g}", "Content-Type": "text/html"}
            return Answer(429, b"<h1>Too Many Requests</h1>", headers)
        if fault.kind == "killed":
            try:
                self._platform.answer(request, fault.stage)
            except Killed:
                return BAD_GATEWAY
            raise AssertionError(f"the platform never came to the stage {fault.stage!r}")
        if fault.kind == "lost_after" or fault.effect:
            self._platform.answer(request, "")
        if fault.kind == "lost_after":
            return Lost()
        return BAD_GATEWAY if fault.kind == "html_502" else self._platform.fatal()

    def _hitting(self, request: Request) -> list[Fault]:
        hits = []
        with self._lock:
            self.requests[f"{request.method} {request.path}"] += 1
            for fault, seen in self._faults:
                if fault.method in ("", request.method) and request.path.endswith(fault.path):
                    seen[0] += 1
                    if seen[0] > fault.after and (fault.times is None or seen[0] <= fault.after + fault.times):
                        hits.append(fault)
        return hits
