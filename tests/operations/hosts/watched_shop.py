"""The Flask host, which also writes down the process that each order came into."""

import os
from pathlib import Path

from flask_shop import app, connector

__all__ = ["app"]


@connector.signals.order_received.connect
def received(sender: object, *, order: object, **_: object) -> None:
    line = f"{os.getpid()} {getattr(order, 'marketplace_order_id', '')}\n"
    with Path(os.environ["RECEIVED"]).open("a", encoding="utf-8") as file:
        file.write(line)
