"""Long-running commands: the webhook server, and waiting for the signal to end."""

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from lengow.connector import Connector


def wait_for_signal() -> None:
    """Return upon SIGTERM or Ctrl-C."""
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    ended.wait()


@contextmanager
def webhook_server(connector: Connector, host: str, port: int, threads: int) -> Iterator[str]:
    """The webhook receiver under waitress while the block runs; gives its URL. What is under way is answered."""
    from waitress.server import create_server

    from lengow.webhooks import LARGEST_BODY, create_app

    listener = socket.create_server((host, port))
    server: Any = create_server(  # its stubs know neither channels nor trigger
        create_app(connector),
        sockets=[listener],
        threads=threads,
        max_request_body_size=LARGEST_BODY + 1,
        ident="lengow-connector",
    )
    worker = threading.Thread(target=server.run, name="lengow-webhooks", daemon=True)
    worker.start()

    def hang_up() -> None:
        """In the server's own thread: clients that keep their connection open would keep its loop running."""
        for channel in list(server.active_channels.values()):
            channel.handle_close()
        server.close()

    try:
        yield f"http://{host}:{listener.getsockname()[1]}/webhooks/"
    finally:
        server.task_dispatcher.shutdown(cancel_pending=False, timeout=10)
        server.trigger.pull_trigger(hang_up)
        worker.join(10)
