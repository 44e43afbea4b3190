"""What the stand-ins have in common as the contract suite sees a shop, and the deliveries of shops without webhooks of
their own: `shop-shipment/1`, signed after Standard Webhooks by hand."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, ClassVar, Generic, TypeVar

from lengow.adapters.contract import Fault, context_for
from lengow.connector.adapter import Adapter, Request
from lengow.connector.model import Tracking
from lengow.connector.secret import Secret

A = TypeVar("A", bound=Adapter)


class Handle(Generic[A]):
    """A shop under test. A platform's own adds its products, and how it shows, ships and tells."""

    kind: ClassVar[type[Any]]
    """The adapter's class."""
    secrets: ClassVar[tuple[Secret, ...]]
    faults: frozenset[Fault] = frozenset(
        {"lost_before", "lost_after", "killed", "error_500", "html_502", "busy_429", "slow", "down", "interrupted"}
    )
    standin: Any
    stage: str = ""
    """Where `killed` strikes."""

    def own(self) -> dict[str, Any]:
        """The platform's settings."""
        raise NotImplementedError

    def adapter(self, call_timeout: float = 4, unknown_products: Any = "hold", **settings: Any) -> A:
        context = context_for(
            self.kind,
            {**self.own(), **settings},
            self.secrets,
            call_timeout=call_timeout,
            clock=self.standin.clock.now,
            unknown_products=unknown_products,
        )
        made: A = self.kind(context)
        return made

    def fail(self, fault: Fault) -> None:
        if fault == "down":
            self.standin.server.down()
        elif fault == "slow":
            self.standin.fail("latency", seconds=6)
        elif fault == "killed":
            self.standin.fail("killed", stage=self.stage)
        elif fault == "error_500":
            self.standin.fail("error_500", effect=True)
        else:
            self.standin.fail(fault)

    def interrupt(self, after: int, *, effect: bool) -> Callable[[], bool]:
        happened: Callable[[], bool] = self.standin.server.interrupt(after, effect=effect)
        return happened

    def mend(self) -> None:
        self.standin.server.mend()

    def pass_time(self, seconds: float) -> None:
        assert self.standin.server.wait_until_idle()
        self.standin.clock.jump(timedelta(seconds=seconds))

    def close(self) -> None:
        self.standin.close()


def shipment_told(platform: str, order_id: str, shipment_id: Any, tracking: Tracking, **more: Any) -> bytes:
    """The body of the neutral contract."""
    shipment = {
        "id": shipment_id,
        "carrier_label": tracking.carrier_name,
        "tracking_number": tracking.number,
        "tracking_url": tracking.url,
        **more,
    }
    data = {"contract": "shop-shipment/1", "platform": platform, "order": {"id": order_id}, "shipment": shipment}
    return json.dumps({"type": "shipment.created", "timestamp": "2026-03-03T14:20:05Z", "data": data}).encode()


def signed(body: bytes, secret: Secret, timestamp: str, delivery_id: str) -> Request:
    key = base64.b64decode(secret.reveal().removeprefix("whsec_"))
    content = f"{delivery_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    headers = {
        "content-type": "application/json",
        "webhook-id": delivery_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{signature}",
    }
    return Request(headers, body)


def spoiled(delivery: Request) -> Mapping[str, Request]:
    """With one part of the signing spoiled each."""

    def changed(**headers: str) -> Request:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return Request({**delivery.headers, **names}, delivery.body)

    return {
        "body changed": Request(delivery.headers, delivery.body + b" "),
        "body empty": Request(delivery.headers, b""),
        "no signature": changed(webhook_signature=""),
        "not base64": changed(webhook_signature="v1,%%%"),
        "without version": changed(webhook_signature=delivery.headers["webhook-signature"][3:]),
        "another id": changed(webhook_id="evt-2"),
        "another time": changed(webhook_timestamp=str(int(delivery.headers["webhook-timestamp"]) - 3600)),
        "time is no number": changed(webhook_timestamp="now"),
    }
