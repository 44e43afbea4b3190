"""What a host can listen to. One set a connector; a receiver that raises is logged and never breaks the flow."""

import logging
from typing import Any

from blinker import Signal

log = logging.getLogger("lengow.connector.signals")


class Signals:
    """Connect with `@connector.signals.order_created.connect`; the sender is the connector.

    They follow the commit: after a crash in between, the store has what a signal did not tell.
    """

    def __init__(self) -> None:
        self.order_received = Signal("order=, status=: an order came from Lengow for the first time")
        self.order_skipped = Signal("order=, reason=: a package will not be imported")
        self.order_created = Signal("order=, shop_order=, shop=, reference=: a shop order was created")
        self.order_updated = Signal("order=, fields=: an order came again with other content")
        self.change_applied = Signal("order=, change=, shop_order=: a change at Lengow was brought to the shop")
        self.change_waiting = Signal("order=, change=, reason=, about=: a change at Lengow waits for a person")
        self.order_failed = Signal("order=, reason=, about=: an order waits for a person")
        self.deadline_near = Signal("order=, ship_by=: a shipping deadline is near or past, and no shipment was told")
        self.digest_due = Signal("account=, digest=: something new waits for a person; follows the digest's mail")
        self.erasure_failed = Signal("order=, about=: a buyer's data could not be erased in time")
        self.event_received = Signal("shop=, event=: a shop told something")
        self.action_queued = Signal("order=, action=: an action was checked and will be sent")
        self.action_confirmed = Signal("order=, action=: the marketplace took it")
        self.action_failed = Signal("order=, action=, reason=, about=: it was refused, or could not be sent")


def send(signal: Signal, sender: object, **facts: Any) -> None:
    """Tell every receiver; what one of them raises is logged."""
    if not signal.receivers:
        return
    for receiver in signal.receivers_for(sender):
        try:
            receiver(sender, **facts)
        except Exception:
            log.exception("a signal's receiver raised", extra={"signal": signal.__doc__})
