"""HTTP/1.1 on 127.0.0.1, with connections kept open; a thread for each."""

import email.utils
import socket
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

from lengow.sandbox.answers import Answer, Lost, Request

BODY_LIMIT = 64 * 1024 * 1024


Respond = Callable[[Request], Answer | Lost]


class HttpServer:
    """Serves `respond` from threads of this process until it is closed. `now` fills the Date header."""

    def __init__(self, port: int, respond: Respond, now: Callable[[], datetime]) -> None:
        self._server = _Server(("127.0.0.1", port), respond, now)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="sandbox", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Returns once the port is free and every connection is closed."""
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], respond: Respond, now: Callable[[], datetime]) -> None:
        super().__init__(address, _Handler)
        self.respond = respond
        self.now = now
        self.connections: dict[socket.socket, threading.Thread] = {}

    def server_bind(self) -> None:
        """Without the name lookup of HTTPServer, which can take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def hang_up(self) -> None:
        """Ends the connections that clients keep open, and waits for their threads."""
        for connection, thread in list(self.connections.items()):
            _shut(connection)
            thread.join(timeout=2)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; a mistake of ours is."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.connections[self.connection] = threading.current_thread()

    def finish(self) -> None:
        self.server.connections.pop(self.connection, None)
        super().finish()

    def log_message(self, *_: object) -> None:
        """Quiet: the ledger counts requests."""

    def handle_one_request(self) -> None:
        try:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            self._serve()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def _serve(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if "chunked" in self.headers.get("Transfer-Encoding", "") or not length.isdigit():
            self._send(Answer.json({"detail": "Content-Length is required."}, 411), close=True)
            return
        if int(length) > BODY_LIMIT:
            self._send(Answer.json({"detail": "Request body is too large."}, 413), close=True)
            return
        outcome = self.server.respond(self._request(self.rfile.read(int(length))))
        if isinstance(outcome, Answer):
            self._send(outcome)
            return
        if outcome.answer is not None:
            self._send(outcome.answer, close=True)
        self.close_connection = True
        _shut(self.connection)

    def _request(self, body: bytes) -> Request:
        path, _, query = self.path.partition("?")
        host = self.headers.get("Host", "127.0.0.1")
        return Request(
            method=self.command,
            path=path.rstrip("/") or "/",
            url=f"http://{host}{self.path}",
            query=dict(parse_qsl(query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
        )

    def _send(self, answer: Answer, close: bool = False) -> None:
        """Headers and body in one write. A Content-Length that the answer brings stands, right or wrong."""
        reason = HTTPStatus(answer.status).phrase if answer.status in HTTPStatus._value2member_map_ else "Unknown"
        headers = {
            "Date": email.utils.format_datetime(self.server.now(), usegmt=True),
            "Content-Length": str(len(answer.body)),
            **answer.headers,
        }
        if close:
            self.close_connection = True
            headers["Connection"] = "close"
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {answer.status} {reason}\r\n{lines}\r\n".encode("latin-1")
        self.connection.sendall(head + (b"" if self.command == "HEAD" else answer.body))


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
