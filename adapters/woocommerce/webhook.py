"""Webhooks as WooCommerce sends them: `X-WC-Webhook-Signature`, no timestamp, no repeats (FINDINGS (j))."""

import base64
import hashlib
import hmac
import html
import re
from collections.abc import Sequence

import msgspec

from lengow.adapters.answers import Entry
from lengow.adapters.woocommerce.closings import closings_in, has_refunds
from lengow.adapters.woocommerce.settings import WooCommerceSettings
from lengow.adapters.woocommerce.shipments import clean_text, has_fulfilments, reference_of, shipments_in
from lengow.connector.adapter import Event, Request
from lengow.connector.errors import PayloadInvalid, SignatureError
from lengow.connector.secret import Secret

SIGNATURE, TOPIC = "x-wc-webhook-signature", "x-wc-webhook-topic"
GREETING = re.compile(rb"webhook_id=\d{1,20}")
FORM = "application/x-www-form-urlencoded"


def greets(request: Request) -> bool:
    """The ping of a new webhook: a form, with no header of WooCommerce's."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    signed = any(name.startswith("x-wc-") for name in request.headers)
    return media == FORM and not signed and GREETING.fullmatch(request.body) is not None


def verify(request: Request, secrets: Sequence[Secret]) -> str:
    """The signature, which is the same for each repeat of one body. Raises SignatureError.

    WooCommerce's own delivery id is not signed, so that a repeat could come under another one.
    """
    given = request.headers.get(SIGNATURE, "").encode("utf-8", "replace")
    if not given:
        raise SignatureError("The header X-WC-Webhook-Signature is missing.")
    expected = [_sign(request.body, secret) for secret in secrets]
    # Every pair is compared, so that the time taken tells nothing about which one fits.
    if not any([hmac.compare_digest(one, given) for one in expected]):  # noqa: C419
        raise SignatureError
    return given.decode()


def events(request: Request, settings: WooCommerceSettings) -> Sequence[Event]:
    """Raises PayloadInvalid. Orders that are not ours, and our own writes, give none."""
    view = _decoded(request.body)
    if "code" in view and "id" not in view:
        return ()  # the order was deleted before the delivery was built (FINDINGS, trap 7)
    order_id = clean_text(view.get("id"))
    if not order_id:
        raise PayloadInvalid("The body has no id.", field="id")
    topic = request.headers.get(TOPIC, "")
    if set(view) == {"id"}:
        return (Event(id=f"{order_id}-deleted", kind="other", shop_order_id=order_id, raw_kind=topic or "deleted"),)
    if not reference_of(view):
        return ()
    if has_fulfilments(view) or has_refunds(view):
        state = f"{order_id}-{view.text('date_modified_gmt', '')}"
        return (Event(id=state, kind="changed", shop_order_id=order_id, reference=reference_of(view), raw_kind=topic),)
    return [*shipments_in(view, settings), *closings_in(view)]


def _sign(body: bytes, secret: Secret) -> bytes:
    """WooCommerce decodes HTML entities in the secret before it signs (reference platforms.md §1.7)."""
    key = html.unescape(secret.reveal()).encode()
    return base64.b64encode(hmac.new(key, body, hashlib.sha256).digest())


def _decoded(body: bytes) -> Entry:
    try:
        view = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PayloadInvalid(f"The body is not JSON: {error}.") from error
    if not isinstance(view, dict):
        raise PayloadInvalid("The body is not an object.")
    return Entry(view, lambda words: PayloadInvalid(f"The order is not what WooCommerce sends: {words}."))
