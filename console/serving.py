"""Long-running commands: the webhook server, and waiting for the signal to end."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from lengow.connector import Connector
from lengow.connector.errors import SettingsError

if TYPE_CHECKING:
    from flask import Flask

STOPPED_BY_CTRL_C = 130


@contextmanager
def ended_by_signal() -> Iterator[Callable[[], object]]:
    """Gives what waits for SIGTERM or Ctrl-C. A second one, while the block ends, ends the process at once.

    That loses nothing: the next start takes up what was under way, as after a crash. A thread of its own watches, as
    Python runs a signal's handler only once the main thread comes back from what it is at.
    """
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    asked = threading.Event()

    def watch() -> None:
        if ours.recv(1):
            asked.set()
        if ours.recv(1):
            os._exit(STOPPED_BY_CTRL_C)

    threading.Thread(target=watch, name="lengow-signals", daemon=True).start()
    handlers = {number: signal.signal(number, _ignore) for number in (signal.SIGTERM, signal.SIGINT)}
    wakeup = signal.set_wakeup_fd(theirs.fileno())
    try:
        yield asked.wait
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        theirs.close()


def _ignore(number: int, frame: FrameType | None) -> None:
    """With a handler, Python tells the wakeup socket."""


@contextmanager
def webhook_server(
    connector: Connector, host: str, port: int, threads: int, *, with_console: bool = False
) -> Iterator[str]:
    """The webhook receiver under waitress while the block runs; gives its URL. What is under way is answered.

    `with_console`: and the operator's console, at /console/.

    Raises SettingsError where nothing can be served.
    """
    from lengow.console.web_server import web_server
    from lengow.webhooks import LARGEST_BODY, create_app

    app = _with_feeds(create_app(connector), connector)
    if with_console:
        console_package().add_to(app, connector)
    listener = _listen(host, port)
    server = web_server(app, listener, threads=threads, largest_body=LARGEST_BODY)
    worker = threading.Thread(target=server.run, name="lengow-webhooks", daemon=True)
    worker.start()

    try:
        yield f"http://{_in_url(host)}:{listener.getsockname()[1]}/webhooks/"
    finally:
        server.task_dispatcher.shutdown(cancel_pending=False, timeout=10)
        server.hang_up()
        worker.join(10)


def console_package() -> Any:
    """The pages, whose extra may be missing. Raises SettingsError."""
    try:
        from lengow.console import web
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"The console in the browser needs the module {error.name}.",
            what_to_do="Install the extra: pip install 'lengow-connector[console]'.",
        ) from error
    return web


def _with_feeds(app: "Flask", connector: Connector) -> "Flask":
    """And the feeds that have a secret, at /feeds/, where there are any. Raises SettingsError."""
    if connector.settings.sections.get("feeds"):
        from lengow import feeds

        app.register_blueprint(feeds.blueprint(connector.settings))
    return app


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, TypeError, UnicodeError) as error:  # the latter two: what can be no host's name
        reason = str(getattr(error, "strerror", None) or error).partition(" (while")[0]
        raise SettingsError(
            f"Cannot serve on {_in_url(host)}:{port}: {reason}.",
            what_to_do="Name an address of this machine by --host and a free port by --port.",
        ) from error


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
