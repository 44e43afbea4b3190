"""Who may call: HTTP Basic or query keys over HTTPS, one-legged OAuth 1.0a over plain HTTP (FINDINGS (p))."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

from lengow.sandbox.answers import Request
from lengow.sandbox.shops.woocommerce.errors import Refused

NONCE_SECONDS = 15 * 60


@dataclass(frozen=True, slots=True)
class Key:
    consumer_key: str
    consumer_secret: str
    permissions: str = "read_write"
    """`read`, `write` or `read_write`."""
    manager: bool = True
    """Whether its user may manage the shop; a customer may not."""


class Access:
    def __init__(self, *, https: bool) -> None:
        self.keys: dict[str, Key] = {}
        self._https = https
        self._nonces: set[tuple[str, str]] = set()

    def check(self, request: Request, now: float) -> None:
        """Raises Refused unless the key fits and may do this."""
        key = self._https_key(request) if self._https else self._oauth_key(request, now)
        writing = request.method not in ("GET", "HEAD", "OPTIONS")
        if key is None:
            raise _not_allowed(401, writing=writing)
        wanted = "write" if writing else "read"
        if key.permissions not in (wanted, "read_write"):
            raise _unauthorized(f"The API key provided does not have {wanted} permissions.")
        if not key.manager:
            raise _not_allowed(403, writing=writing)

    def _https_key(self, request: Request) -> Key | None:
        given = _basic(request) or (request.query.get("consumer_key", ""), request.query.get("consumer_secret", ""))
        key = self.keys.get(given[0])
        if key is None:
            return None
        if not hmac.compare_digest(key.consumer_secret.encode(), given[1].encode()):
            raise _unauthorized("Consumer secret is invalid.")
        return key

    def _oauth_key(self, request: Request, now: float) -> Key | None:
        given = {name: value for name, value in request.query.items() if name.startswith("oauth_")}
        if not given:
            return None
        missing = [name for name in OAUTH if name not in given]
        if missing:
            raise _unauthorized(f"Missing OAuth parameter {', '.join(missing)}")
        key = self.keys.get(given["oauth_consumer_key"])
        if key is None:
            raise _unauthorized("Consumer key is invalid.")
        self._check_signature(request, key, given)
        if abs(now - float(given["oauth_timestamp"])) > NONCE_SECONDS:
            raise _unauthorized("Invalid timestamp.")
        nonce = (given["oauth_timestamp"], given["oauth_nonce"])
        if nonce in self._nonces:
            raise _unauthorized("Invalid nonce - nonce has already been used.")
        self._nonces.add(nonce)
        return key

    def _check_signature(self, request: Request, key: Key, given: Mapping[str, str]) -> None:
        algorithm = ALGORITHMS.get(given["oauth_signature_method"])
        if algorithm is None:
            raise _unauthorized("Invalid signature - signature method is invalid.")
        pairs = sorted((_php(name), _php(value)) for name, value in request.query.items() if name != "oauth_signature")
        query = "%26".join(f"{name}%3D{value}" for name, value in pairs)
        base = f"{request.method}&{quote(request.url.partition('?')[0], safe='')}&{query}"
        digest = hmac.new(f"{key.consumer_secret}&".encode(), base.encode(), algorithm).digest()
        if not hmac.compare_digest(base64.b64encode(digest).decode(), given["oauth_signature"]):
            raise _unauthorized("Invalid signature - provided signature does not match.")


OAUTH = ("oauth_consumer_key", "oauth_timestamp", "oauth_nonce", "oauth_signature", "oauth_signature_method")
ALGORITHMS = {"HMAC-SHA256": hashlib.sha256, "HMAC-SHA1": hashlib.sha1}


def _php(text: str) -> str:
    """As WooCommerce's own normalisation: decoded, encoded, and the percent signs encoded again."""
    return quote(unquote(text), safe="~").replace("%", "%25")


def _basic(request: Request) -> tuple[str, str] | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(token).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user, password


def _not_allowed(status: int, *, writing: bool) -> Refused:
    if writing:
        return Refused(status, "woocommerce_rest_cannot_create", "Sorry, you are not allowed to create resources.")
    return Refused(status, "woocommerce_rest_cannot_view", "Sorry, you cannot list resources.")


def _unauthorized(message: str) -> Refused:
    return Refused(401, "woocommerce_rest_authentication_error", message)
