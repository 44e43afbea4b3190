"""Webhooks, as WooCommerce sends them: queued, built at delivery, signed, never repeated, disabled after failures.

FINDINGS (j). The queue runs when `run` is called: the shop's cron.
"""

import base64
import hashlib
import hmac
import html
import http.client
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from lengow.sandbox.shops.woocommerce.errors import Refused
from lengow.sandbox.shops.woocommerce.records import Delivery, Webhook

TOPICS = ("order.created", "order.updated", "order.deleted", "order.restored", "product.updated")
LAST_FAILURE = 5
"""With more in a row than this before it, one more failure disables the webhook: the seventh."""
ANSWERS_THAT_COUNT = (301, 302)


class Webhooks:
    """`view` gives the body for a topic and record id at the time of delivery: the order, or an error object."""

    def __init__(
        self, now: Callable[[], datetime], view: Callable[[str, int], Any], *, site: str, version: str
    ) -> None:
        self.all: dict[int, Webhook] = {}
        self.sent: list[Delivery] = []
        self._now = now
        self._view = view
        self._site = site
        self._agent = f"WooCommerce/{version} Hookshot (WordPress/6.9)"
        self._queue: list[tuple[int, str, int]] = []
        self._last_id = 0

    def create(self, body: dict[str, Any]) -> Webhook:
        """Pings at once. Raises Refused."""
        if body.get("topic") not in TOPICS:
            raise Refused(
                400, "woocommerce_rest_shop_webhook_invalid_topic", "Webhook topic is required and must be valid."
            )
        if urlsplit(str(body.get("delivery_url") or "")).scheme not in ("http", "https"):
            raise Refused(
                400,
                "woocommerce_rest_shop_webhook_invalid_delivery_url",
                "Webhook delivery URL must be a valid URL starting with http:// or https://.",
            )
        self._last_id += 1
        now = self._now()
        hook = Webhook(
            id=self._last_id,
            name=body.get("name") or f"Webhook created on {now:%b %d, %Y @ %I:%M %p}",
            topic=body["topic"],
            delivery_url=body["delivery_url"],
            secret=body.get("secret") or secrets.token_urlsafe(37),
            created=now,
            status=body.get("status") or "active",
        )
        self.all[hook.id] = hook
        self._ping(hook)
        return hook

    def update(self, hook: Webhook, body: dict[str, Any]) -> Webhook:
        for name in ("name", "topic", "delivery_url", "secret", "status"):
            if body.get(name):
                setattr(hook, name, body[name])
        hook.modified = self._now()
        if body.get("status") == "active":
            self._ping(hook)
        return hook

    def queue(self, topic: str, record_id: int) -> None:
        """One delivery waits per webhook and record, however often the record changes before it runs."""
        for hook in self.all.values():
            waiting = (hook.id, topic, record_id)
            if hook.status == "active" and hook.topic == topic and waiting not in self._queue:
                self._queue.append(waiting)

    def run(self, most: int = 25) -> int:
        """Sends what waits, at most one batch; returns how many were sent."""
        batch, self._queue = self._queue[:most], self._queue[most:]
        for hook_id, topic, record_id in batch:
            hook = self.all.get(hook_id)
            if hook is not None and hook.status == "active":
                self._deliver(hook, topic, record_id)
        return len(batch)

    def signed(self, hook: Webhook, topic: str, record_id: int) -> tuple[dict[str, str], bytes]:
        """Headers and body of a delivery as it would be sent now."""
        body = msgspec.json.encode(self._view(topic, record_id))
        key = html.unescape(hook.secret).encode()
        resource, _, event = topic.partition(".")
        return {
            "User-Agent": self._agent,
            "Content-Type": "application/json",
            "X-WC-Webhook-Source": f"{self._site}/",
            "X-WC-Webhook-Topic": topic,
            "X-WC-Webhook-Resource": resource,
            "X-WC-Webhook-Event": event,
            "X-WC-Webhook-Signature": base64.b64encode(hmac.new(key, body, hashlib.sha256).digest()).decode(),
            "X-WC-Webhook-ID": str(hook.id),
            "X-WC-Webhook-Delivery-ID": secrets.token_hex(16),
        }, body

    def _deliver(self, hook: Webhook, topic: str, record_id: int) -> None:
        headers, body = self.signed(hook, topic, record_id)
        answered = _post(hook.delivery_url, headers, body)
        self.sent.append(Delivery(hook.id, topic, headers, body, answered))
        if 200 <= answered < 300 or answered in ANSWERS_THAT_COUNT:
            hook.failure_count = 0
        elif hook.failure_count > LAST_FAILURE:
            hook.status = "disabled"
        else:
            hook.failure_count += 1

    def _ping(self, hook: Webhook) -> None:
        """Unsigned, as a form; how it is answered does not matter."""
        if hook.status == "active":
            headers = {"User-Agent": self._agent, "Content-Type": "application/x-www-form-urlencoded"}
            body = f"webhook_id={hook.id}".encode()
            self.sent.append(Delivery(hook.id, "ping", headers, body, _post(hook.delivery_url, headers, body)))


def _post(url: str, headers: dict[str, str], body: bytes) -> int:
    """The status; 0 when there was no answer."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=60)
    try:
        connection.request("POST", parts.path or "/", body, headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
