"""A scripted Lengow over real HTTP, for the answers that the sandbox is too well-behaved to give."""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

TOKEN_PATH = "/access/get_token"


@dataclass(frozen=True)
class Call:
    """A request as the server got it."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


Answer = Callable[[socket.socket, threading.Event], None]
"""Writes to the connection; the event is set when the server closes."""


def raw(data: bytes) -> Answer:
    """These bytes; then the connection is closed."""
    return lambda connection, _: connection.sendall(data)


def reply(body: object = None, status: int = 200, **headers: str) -> Answer:
    """`body`: JSON of anything, or bytes as they are. Header names are given with underscores."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"Content-Length": str(len(data)), "Content-Type": "application/json", "Connection": "close"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return raw(f"HTTP/1.1 {status} Some Reason\r\n{head}\r\n".encode("latin-1") + data)


def lost() -> Answer:
    """The connection is closed without an answer."""
    return raw(b"")


def silent() -> Answer:
    """Nothing at all, until the server closes."""
    return lambda _, closing: closing.wait(5) and None


def dripping(head: bytes, drop: bytes, every: float = 0.02) -> Answer:
    """`head`, then one drop after the other for ever, each well within the time-out of a single read."""

    def answer(connection: socket.socket, closing: threading.Event) -> None:
        connection.sendall(head)
        for _ in range(250):
            if closing.wait(every):
                return
            connection.sendall(drop)

    return answer


@dataclass
class ScriptedLengow:
    """Gives each path its answers in turn, the last one for ever. Tokens are `token-1`, `token-2`, …"""

    url: str = ""
    calls: list[Call] = field(default_factory=list)
    _answers: dict[tuple[str, str], list[Answer]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answers(self, method: str, path: str, *answers: Answer) -> None:
        self._answers[method, path] = list(answers)

    def calls_of(self, method: str, path: str) -> list[Call]:
        return [call for call in self.calls if (call.method, call.path) == (method, path)]

    @property
    def tokens_given(self) -> int:
        return len(self.calls_of("POST", TOKEN_PATH))

    def take(self, call: Call) -> Answer:
        with self._lock:
            self.calls.append(call)
            waiting = self._answers.get((call.method, call.path))
            if waiting is None:
                given = {"token": f"token-{self.tokens_given}", "account_id": 4242}
                return reply(given if call.path == TOKEN_PATH else {})
            return waiting.pop(0) if len(waiting) > 1 else waiting[0]


@contextmanager
def serving() -> Iterator[ScriptedLengow]:
    scripted, closing = ScriptedLengow(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline()
            understood = bool(self.raw_requestline) and self.parse_request()
            self.close_connection = True
            if not understood:
                return
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = scripted.take(Call(self.command, parts.path, query, headers, body))
            try:
                answer(self.connection, closing)
            except OSError:
                return

    class Server(ThreadingHTTPServer):
        request_queue_size = 64

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that went away is what some tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    scripted.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield scripted
    closing.set()
    server.shutdown()
    thread.join()
    server.server_close()
