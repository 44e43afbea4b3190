"""Webhooks of the connector's app in the shop: `shopware-shop-signature`, a time, an event id (§4.7)."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from lengow.adapters.shopware.body import CANCELLED, REFUNDS
from lengow.adapters.shopware.facts import (
    CANCELLED_EVENT,
    EVENTS,
    REFUNDED_EVENT,
    SHIPPED_EVENT,
    SIGNATURE,
    WEBHOOK_AGE_SECONDS,
)
from lengow.adapters.shopware.reading import custom, reference_of, rows, text
from lengow.adapters.shopware.settings import ShopwareSettings
from lengow.adapters.shopware.shipments import is_news, shipments_of_delivery
from lengow.connector.adapter import Event, Request
from lengow.connector.errors import PayloadInvalid, SignatureError
from lengow.connector.secret import Secret


def verify(request: Request, secrets: Sequence[Secret], now: datetime) -> str:
    """The event's id, which stays the same over Shopware's repeats. Raises SignatureError, also for what is old."""
    given = request.headers.get(SIGNATURE, "").encode("utf-8", "replace")
    if not given:
        raise SignatureError("The header shopware-shop-signature is missing.")
    expected = [hmac.new(one.reveal().encode(), request.body, hashlib.sha256).hexdigest().encode() for one in secrets]
    # Every pair is compared, so that the time taken tells nothing about which one fits.
    if not any([hmac.compare_digest(one, given) for one in expected]):  # noqa: C419
        raise SignatureError
    body = _decoded(request.body)
    if body is None:
        return given.decode()
    stamp = body.get("timestamp")
    if not isinstance(stamp, int) or abs(now.timestamp() - stamp) > WEBHOOK_AGE_SECONDS:
        raise SignatureError("The delivery is older than five minutes, or from the future.")
    return text(_inner(body, "source", "eventId")) or given.decode()


def events(request: Request, settings: ShopwareSettings) -> Sequence[Event]:
    """Raises PayloadInvalid. Orders that are not ours, and our own changes, give none."""
    body = _decoded(request.body)
    name = text(_inner(body, "data", "event"))
    if body is None or not name:
        raise PayloadInvalid("The body is no event of Shopware: it has no data.event.", field="data.event")
    event_id = text(_inner(body, "source", "eventId")) or hashlib.sha256(request.body).hexdigest()
    if name not in EVENTS:
        return (Event(id=event_id, kind="other", raw_kind=name),)
    view = _inner(body, "data", "payload", "order")
    if not isinstance(view, dict) or not text(view.get("id")):
        raise PayloadInvalid(
            "The body has no order: give the app the right to read orders.", field="data.payload.order"
        )
    if name == CANCELLED_EVENT:
        return _cancelled(view)
    if name == REFUNDED_EVENT:
        return _refunded(view)
    return _shipped(view, event_id, settings)


def _cancelled(view: Mapping[str, Any]) -> Sequence[Event]:
    if not is_news(view) or custom(view).get(CANCELLED):
        return ()
    id_ = text(view["id"])
    return (
        Event(
            id=f"{id_}-cancelled",
            kind="cancelled",
            shop_order_id=id_,
            reference=reference_of(view),
            raw_kind=CANCELLED_EVENT,
        ),
    )


def _refunded(view: Mapping[str, Any]) -> Sequence[Event]:
    """The whole payment was given back; of no lines. Ours is booked in the order, or goes with its cancelling."""
    if not reference_of(view) or custom(view).get(CANCELLED) or rows(custom(view).get(REFUNDS)):
        return ()
    id_ = text(view["id"])
    return (
        Event(
            id=f"{id_}-refunded",
            kind="refunded",
            shop_order_id=id_,
            reference=reference_of(view),
            raw_kind=REFUNDED_EVENT,
        ),
    )


def _shipped(view: Mapping[str, Any], event_id: str, settings: ShopwareSettings) -> Sequence[Event]:
    """The event does not say which of several deliveries it is about; then the order is read."""
    if not is_news(view):
        return ()
    deliveries = rows(view.get("deliveries"))
    if len(deliveries) == 1 and isinstance(deliveries[0].get("shippingMethod"), dict):
        return shipments_of_delivery(view, deliveries[0], settings, alone=True)
    id_ = text(view["id"])
    return (
        Event(
            id=f"{id_}-{event_id}",
            kind="changed",
            shop_order_id=id_,
            reference=reference_of(view),
            raw_kind=SHIPPED_EVENT,
        ),
    )


def _decoded(body: bytes) -> dict[str, Any] | None:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _inner(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value
