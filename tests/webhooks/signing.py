"""Standard Webhooks, signed by hand as the published specification says; no code under test."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW_SECRET = "whsec_" + base64.b64encode(b"a second secret of 32 bytes, new").decode()
NOW = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)


def signature(secret: str, delivery_id: str, timestamp: str, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{delivery_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def headers(body: bytes, delivery_id: str = "msg_1", *, secret: str = SECRET, age: int = 0) -> dict[str, str]:
    """Of a delivery that was sent `age` seconds before NOW."""
    timestamp = str(int(NOW.timestamp()) - age)
    return {
        "Content-Type": "application/json",
        "Webhook-Id": delivery_id,
        "Webhook-Timestamp": timestamp,
        "Webhook-Signature": signature(secret, delivery_id, timestamp, body),
    }


def shipment(**changes: Any) -> dict[str, Any]:
    """The worked example of reference platforms.md §6.2."""
    return {
        "id": "887",
        "carrier_code": "colissimo",
        "carrier_label": "La Poste - Colissimo",
        "tracking_number": "6A00000000001",
        "tracking_url": "https://track.example.com/6A00000000001",
        "shipped_at": "2026-03-03T14:19:58Z",
        "lines": [{"sku": "SKU-1", "order_line_id": "2001", "quantity": 2}],
        **changes,
    }


def event(kind: str = "shipment.created", **data: Any) -> bytes:
    order = {"id": "1042", "reference": "XKBKNABJK", "external_reference": "main-manomano_fr-M1-1", "status": "shipped"}
    given = {"contract": "shop-shipment/1", "platform": "prestashop", "order": order, "shipment": shipment(), **data}
    return json.dumps({"type": kind, "timestamp": "2026-03-03T14:20:05Z", "data": given}).encode()


BODY = event()
