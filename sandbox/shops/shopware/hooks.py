"""Webhooks of an app, as Shopware sends them: signed with the shop secret, three tries, off after ten failed events (§4.7)."""

import hashlib
import hmac
import http.client
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from lengow.sandbox.shops.shopware.data import Data, Row

TRIES = 3
FAILURES = 10


@dataclass(frozen=True, slots=True)
class Delivery:
    event: str
    headers: dict[str, str]
    body: bytes
    answered: int
    """HTTP status; 0 when there was no answer."""


class Webhooks:
    """`view` gives an order as an event carries it. What waits is sent when `run` is called: the message queue's worker."""

    def __init__(self, data: Data, view: Callable[[str], dict[str, Any]], *, site: str, version: str) -> None:
        self.sent: list[Delivery] = []
        self.secret = ""
        """The shop secret that the app's registration agreed on; without one nothing is signed."""
        self._data, self._view = data, view
        self._site, self._version = site, version
        self._queue: list[tuple[str, str, str, dict[str, Any]]] = []

    def happened(self, event: str, order_id: str) -> None:
        for hook in self._data.rows("webhook", eventName=event, active=True):
            self._queue.append((hook["id"], event, secrets.token_hex(16), self._view(order_id)))

    def run(self) -> int:
        """Sends what waits, with all its tries; returns how many deliveries were made."""
        before = len(self.sent)
        queue, self._queue = self._queue, []
        for hook_id, event, event_id, order in queue:
            hook = self._data.tables["webhook"].get(hook_id)
            if hook is not None and hook["active"]:
                self._send(hook, event, event_id, order)
        return len(self.sent) - before

    def signed(self, event: str, event_id: str, order: dict[str, Any]) -> tuple[dict[str, str], bytes]:
        """Headers and body as they would be sent now; the time in it is that of the sending, also of a repeat."""
        body = msgspec.json.encode(
            {
                "data": {"payload": {"order": order}, "event": event},
                "source": {"url": self._site, "appVersion": "1.0.0", "shopId": "Zwh0Sq4DzmZUnPEg", "eventId": event_id},
                "timestamp": int(self._data.now().timestamp()),
            }
        )
        headers = {"Content-Type": "application/json", "sw-version": self._version}
        if self.secret:
            headers["shopware-shop-signature"] = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        return headers, body

    def _send(self, hook: Row, event: str, event_id: str, order: dict[str, Any]) -> None:
        for _ in range(TRIES):
            headers, body = self.signed(event, event_id, order)
            answered = _post(str(hook["url"]), headers, body)
            self.sent.append(Delivery(event, headers, body, answered))
            if 200 <= answered < 300:
                hook["errorCount"] = 0
                return
        hook["errorCount"] = (hook["errorCount"] or 0) + 1
        if hook["errorCount"] >= FAILURES:
            hook["active"], hook["errorCount"] = False, 0


def _post(url: str, headers: dict[str, str], body: bytes) -> int:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=20)
    try:
        connection.request("POST", parts.path or "/", body, headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
