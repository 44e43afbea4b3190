"""Standard Webhooks (v1, symmetric): the check of a delivery. Source: reference platforms.md §6.1.

Whatever is malformed is a SignatureError, never another exception.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Sequence
from datetime import datetime

from lengow.connector.adapter import Request
from lengow.connector.errors import SettingsError, SignatureError
from lengow.connector.secret import Secret

TOLERANCE_SECONDS = 300
PREFIX = "whsec_"
DELIVERY_ID = re.compile(r"[\x20-\x2d\x2f-\x7e]{1,200}")
"""A full stop would blur where the id ends in what is signed."""


def verify(request: Request, secrets: Sequence[Secret], now: datetime) -> str:
    """The delivery's id, the same on every repeat. Raises SignatureError.

    Any of several secrets may have signed (rotation), and any of several signatures may fit.
    """
    delivery_id = request.headers.get("webhook-id", "")
    timestamp = request.headers.get("webhook-timestamp", "")
    signatures = request.headers.get("webhook-signature", "")
    if not (delivery_id and timestamp and signatures):
        raise SignatureError("One of the headers webhook-id, webhook-timestamp, webhook-signature is missing.")
    if not DELIVERY_ID.fullmatch(delivery_id):
        raise SignatureError("The header webhook-id is not a plain text of at most 200 characters without full stops.")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise SignatureError("The header webhook-timestamp is not a whole number of seconds.")
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        raise SignatureError("The delivery is older or newer than 5 minutes; check the sender's clock.")
    signed = b".".join((delivery_id.encode(), timestamp.encode(), request.body))
    expected = [base64.b64encode(hmac.digest(key_of(secret), signed, "sha256")) for secret in secrets]
    given = [one.removeprefix("v1,").encode("ascii", "replace") for one in signatures.split() if one.startswith("v1,")]
    # Every pair is compared, so that the time taken tells nothing about which one fits.
    fits = [hmac.compare_digest(mine, theirs) for mine in expected for theirs in given]
    if not any(fits):
        raise SignatureError
    return delivery_id


def key_of(secret: Secret) -> bytes:
    """The signing key in `whsec_` + base64. Raises SettingsError, without the secret, when it is not that."""
    try:
        key = base64.b64decode(secret.reveal().removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not 24 <= len(key) <= 64:
        raise SettingsError(
            "A webhook secret is not whsec_ and base64 of 24 to 64 bytes.",
            what_to_do='Make one with: python -c "import base64,secrets; '
            "print('whsec_' + base64.b64encode(secrets.token_bytes(32)).decode())\"",
            field="webhook_secrets",
        )
    return key
