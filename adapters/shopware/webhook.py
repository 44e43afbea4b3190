"""Webhooks of the connector's app in the shop: `shopware-shop-signature`, a time, an event id (§4.7)."""

import hashlib
import hmac
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec

from lengow.adapters.answers import Entry
from lengow.adapters.shopware.closings import cancellation_of, refund_of
from lengow.adapters.shopware.facts import (
    CANCELLED_EVENT,
    EVENTS,
    REFUNDED_EVENT,
    SHIPPED_EVENT,
    SIGNATURE,
    WEBHOOK_AGE_SECONDS,
)
from lengow.adapters.shopware.reading import reference_of
from lengow.adapters.shopware.settings import ShopwareSettings
from lengow.adapters.shopware.shipments import is_news, shipments_of_delivery
from lengow.connector.adapter import Event, Request
from lengow.connector.decode import clean
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
    return _text(_inner(body, "source", "eventId")) or given.decode()


def events(request: Request, settings: ShopwareSettings) -> Sequence[Event]:
    """Raises PayloadInvalid. Orders that are not ours, and our own changes, give none."""
    body = _decoded(request.body)
    name = _text(_inner(body, "data", "event"))
    if body is None or not name:
        raise PayloadInvalid("The body is no event of Shopware: it has no data.event.", field="data.event")
    event_id = _text(_inner(body, "source", "eventId")) or hashlib.sha256(request.body).hexdigest()
    if name not in EVENTS:
        return (Event(id=event_id, kind="other", raw_kind=name),)
    order = _inner(body, "data", "payload", "order")
    if not isinstance(order, dict) or not _text(order.get("id")):
        raise PayloadInvalid(
            "The body has no order: give the app the right to read orders.", field="data.payload.order"
        )
    view = Entry(order, _invalid)
    if name == CANCELLED_EVENT:
        return cancellation_of(view)
    if name == REFUNDED_EVENT:
        return refund_of(view)
    return _shipped(view, event_id, settings)


def _invalid(words: str) -> PayloadInvalid:
    return PayloadInvalid(f"data.payload.order: {words}.", field="data.payload.order")


def _shipped(view: Entry, event_id: str, settings: ShopwareSettings) -> Sequence[Event]:
    """The event does not say which of several deliveries it is about; then the order is read."""
    if not is_news(view):
        return ()
    with suppress(PayloadInvalid):  # what it tells too little of is read in the shop
        deliveries = view.entries("deliveries")
        if len(deliveries) == 1 and deliveries[0].entry("shippingMethod"):
            return shipments_of_delivery(view, deliveries[0], settings, alone=True)
    id_ = view.text("id")
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


def _text(value: Any) -> str:
    return clean(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _inner(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value
