"""waitress, with the limits that it lacks: on what waits, on how slowly a request comes in, on connections that idle.

| limit | beyond it |
| --- | --- |
| `MOST_WAITING` requests that no thread has begun | 503 with `Retry-After` at once, by a thread that does nothing else |
| `LONGEST_WAIT` seconds until a thread begins it | 503 with `Retry-After`, without work |
| `SLOWEST_REQUEST` seconds from a request's first byte to its last | the connection is closed |
| `LONGEST_IDLE` seconds without a byte | the connection is closed |
| `MOST_CONNECTIONS` | the one that has kept us waiting longest is closed for a new one |
| `LARGEST_HEAD` bytes of request line and headers, and the body that the app takes | 431, 413 |

What is refused here has not reached the app: nothing was stored, and the sender may send it again.
"""

import json
import logging
import socket
import time
from typing import TYPE_CHECKING, Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, ThreadedTaskDispatcher
from waitress.utilities import Error

if TYPE_CHECKING:
    from flask import Flask

log = logging.getLogger("lengow.console.web_server")

MOST_WAITING = 100
LONGEST_WAIT = 5.0
SLOWEST_REQUEST = 20.0
LONGEST_IDLE = 60
MOST_CONNECTIONS = 500
LARGEST_HEAD = 16 * 1024
LOOK_EVERY = 2
"""Seconds between two looks for connections that are too slow."""
RETRY_SECONDS = "10"
CODES = {
    400: "request_invalid",
    413: "too_large",
    431: "headers_too_large",
    501: "transfer_encoding_unknown",
    503: "overloaded",
}
TELL_EVERY = 60.0
"""Seconds between two lines in the log about overload."""


def web_server(app: "Flask", listener: socket.socket, *, threads: int, largest_body: int) -> "Server":
    """A server on a listening socket; `run` serves until `close`. `largest_body`: bytes."""
    options = Adjustments(
        sockets=[listener],
        threads=threads,
        max_request_body_size=largest_body + 1,
        max_request_header_size=LARGEST_HEAD,
        channel_timeout=LONGEST_IDLE,
        cleanup_interval=LOOK_EVERY,
        connection_limit=MOST_CONNECTIONS + 100,
        asyncore_use_poll=True,
        clear_untrusted_proxy_headers=False,  # nothing here believes them, and /metrics has to see that there is a proxy
        ident="lengow-connector",
    )
    address = (listener.family, listener.type, listener.proto, listener.getsockname())
    return Server(
        app, {}, _sock=listener, dispatcher=Dispatcher(threads), adj=options, bind_socket=False, sockinfo=address
    )


class Overloaded(Error):
    """Cannot be begun in time."""

    code = 503
    reason = "Service Unavailable"


class Refusal(ErrorTask):
    """What the server itself answers, in the shape of the receiver's answers."""

    request: Any  # waitress' stubs have these two wrong
    response_headers: Any

    def execute(self) -> None:
        error = self.request.error
        body = json.dumps({"code": CODES.get(error.code, "error"), "message": f"{error.body.rstrip('.')}."}).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", "application/json"))
        if error.code == Overloaded.code:
            self.response_headers.append(("Retry-After", RETRY_SECONDS))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class Quiet(ThreadedTaskDispatcher):
    """Threads that take requests in turn. waitress' own writes a line into the log for each that has to wait."""

    def add_task(self, task: Any) -> None:  # a Channel, whatever waitress' stubs say
        with self.lock:
            self.queue.append(task)
            self.queue_cv.notify()


class Dispatcher(Quiet):
    """Hands requests to threads, and those that would wait behind too many to a thread that refuses them."""

    def __init__(self, threads: int) -> None:
        super().__init__()
        self._refusing = Quiet()
        self._refused, self._tell_at = 0, 0.0
        self.set_thread_count(threads)
        self._refusing.set_thread_count(1)

    def add_task(self, task: Any) -> None:
        task.waits_since = time.monotonic()
        if len(self.queue) < MOST_WAITING:
            super().add_task(task)
            return
        task.refuse()
        self._count_refusal()
        self._refusing.add_task(task)

    def shutdown(self, cancel_pending: bool = True, timeout: int = 5) -> bool:
        self._refusing.shutdown(cancel_pending, timeout)
        done: bool = super().shutdown(cancel_pending, timeout)
        return done

    def _count_refusal(self) -> None:
        self._refused += 1
        now = time.monotonic()
        if now >= self._tell_at:
            log.warning("requests refused, because too many wait", extra={"refused": self._refused})
            self._refused, self._tell_at = 0, now + TELL_EVERY


class Channel(HTTPChannel):
    """One connection."""

    error_task_class = Refusal
    coming_since = 0.0
    """When the first byte of the request came that is not whole yet."""
    waits_since = 0.0

    def received(self, data: bytes) -> bool:
        before = self.request
        taken: bool = super().received(data)
        if self.request is not before:
            self.coming_since = time.time()
        return taken

    def service(self) -> None:
        if time.monotonic() - self.waits_since > LONGEST_WAIT:
            self.refuse()
        super().service()

    def refuse(self) -> None:
        request = self.requests[0]
        if not request.error:
            request.error = Overloaded("Too many requests wait. Nothing was taken; send it again.")

    @property
    def at_rest(self) -> bool:
        """Whether nothing is under way on our side: no request being answered, no answer being sent."""
        return not self.requests and not self.total_outbufs_len

    @property
    def keeps_waiting_since(self) -> float:
        return self.coming_since if self.request is not None else float(self.last_activity)


class Server(TcpWSGIServer):
    channel_class = Channel
    active_channels: Any  # waitress' stubs have these two wrong
    trigger: Any

    def maintenance(self, now: float) -> None:
        super().maintenance(now)  # type: ignore[arg-type]
        for channel in self.active_channels.values():
            if channel.request is not None and now - channel.coming_since > SLOWEST_REQUEST:
                channel.will_close = True

    def handle_accept(self) -> None:
        super().handle_accept()
        if len(self.active_channels) > MOST_CONNECTIONS:
            idle: list[Any] = [one for one in self.active_channels.values() if one.at_rest]
            if idle:  # closed after the new one was taken, which must not be given its number within this turn
                min(idle, key=lambda one: one.keeps_waiting_since).handle_close()

    def hang_up(self) -> None:
        """Stop from another thread: clients that keep their connection open would keep the loop running."""

        def close() -> None:
            for channel in list(self.active_channels.values()):
                channel.handle_close()
            self.close()

        self.trigger.pull_trigger(close)
