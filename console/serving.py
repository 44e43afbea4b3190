"""Long-running commands: the webhook server, and waiting for the signal to end."""

import signal
import threading
from collections.abc import Callable
from types import FrameType

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


def serve_webhooks(
    connector: Connector, host: str, port: int, threads: int, *, announce: Callable[[str], None]
) -> None:
    """Serve until SIGTERM or Ctrl-C; requests under way are answered."""
    from waitress.server import create_server

    from lengow.webhooks import LARGEST_BODY, create_app

    server = create_server(
        create_app(connector),
        host=host,
        port=port,
        threads=threads,
        max_request_body_size=LARGEST_BODY + 1,
        ident="lengow-connector",
    )
    worker = threading.Thread(target=server.run, name="lengow-webhooks", daemon=True)
    worker.start()
    announce(f"http://{host}:{server.effective_port}/webhooks/SHOP")
    wait_for_signal()
    server.close()
    server.task_dispatcher.shutdown(cancel_pending=True, timeout=10)
