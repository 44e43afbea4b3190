"""Who asks: an integration, by OAuth 1.0a, or by its token as bearer where that is allowed (reference platforms.md §3.1).

The words are those of Magento's `Framework/Oauth/Oauth.php` and `Integration/Model/Oauth/Nonce/Generator.php`.
"""

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from lengow.sandbox.answers import Request
from lengow.sandbox.shops.magento.errors import Refused

PARAMETER = re.compile(r'(\w+)="([^"]*)"')
NEEDED = ("oauth_consumer_key", "oauth_nonce", "oauth_signature", "oauth_signature_method", "oauth_timestamp")
TIME_DEVIATION = 600


@dataclass(frozen=True, slots=True)
class Integration:
    consumer_key: str
    consumer_secret: str
    token: str
    token_secret: str


class Access:
    def __init__(self, integration: Integration) -> None:
        self.integration = integration
        self.bearer_enabled = True
        """`oauth/consumer/enable_integration_as_bearer`, off by default since 2.4.4."""
        self._nonces: set[str] = set()

    def known(self, request: Request) -> bool:
        """Whether it is the integration's; False: nobody's. Raises Refused for a signature that is wrong."""
        given = request.headers.get("authorization", "")
        if given.startswith("OAuth "):
            self._check(request, {name: unquote(value) for name, value in PARAMETER.findall(given)})
            return True
        return self.bearer_enabled and hmac.compare_digest(given.encode(), f"Bearer {self.integration.token}".encode())

    def _check(self, request: Request, given: Mapping[str, str]) -> None:
        missing = [name for name in NEEDED if not given.get(name)]
        if missing:
            raise Refused(400, '"%1" is required. Enter and try again.', [missing[0]])
        own = self.integration
        if given["oauth_consumer_key"] != own.consumer_key or given.get("oauth_token") != own.token:
            raise Refused(401, "Consumer is not authorized to access %resources", {"resources": "self"})
        if given["oauth_signature_method"] != "HMAC-SHA256":
            raise Refused(400, "Signature method %1 is not supported", [given["oauth_signature_method"]])
        if not hmac.compare_digest(self._signature(request, given), given["oauth_signature"]):
            raise Refused(401, "The signature is invalid. Verify and try again.")
        stamp = int(given["oauth_timestamp"]) if given["oauth_timestamp"].isdigit() else 0
        if not 0 < stamp <= time.time() + TIME_DEVIATION:
            raise Refused(400, "Incorrect timestamp value in the oauth_timestamp parameter")
        if given["oauth_nonce"] in self._nonces:
            raise Refused(400, "The nonce is already being used by the consumer with ID %1", ["1"])
        self._nonces.add(given["oauth_nonce"])

    def _signature(self, request: Request, given: Mapping[str, str]) -> str:
        """RFC 5849 §3.4, by hand."""
        parts = urlsplit(request.url)
        pairs = [(name, value) for name, value in given.items() if name not in ("oauth_signature", "realm")]
        pairs += parse_qsl(parts.query, keep_blank_values=True)
        encoded = sorted((_enc(name), _enc(value)) for name, value in pairs)
        query = "&".join(f"{name}={value}" for name, value in encoded)
        base = "&".join(map(_enc, (request.method, f"{parts.scheme}://{parts.netloc.lower()}{parts.path}", query)))
        key = f"{_enc(self.integration.consumer_secret)}&{_enc(self.integration.token_secret)}"
        return base64.b64encode(hmac.new(key.encode(), base.encode(), hashlib.sha256).digest()).decode()


def _enc(text: str) -> str:
    return quote(text, safe="~")
