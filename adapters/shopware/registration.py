"""The handshake by which the connector's app in a shop and the connector agree on a secret (reference platforms.md §4.7).

Shopware signs webhooks only for an app that was registered so, when it is installed. It is done once a shop, before the
connector knows it: what the shop hands over are keys for its settings, which no receiver should keep. So it has a server
of its own, for as long as it takes: `lengow-connector shop register`.
"""

import hashlib
import hmac
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs

import msgspec

from lengow.connector.errors import PayloadInvalid, SettingsError, SignatureError
from lengow.connector.secret import Secret

APP = "LengowConnector"
APP_SIGNATURE, SHOP_SIGNATURE = "shopware-app-signature", "shopware-shop-signature"
APP_SECRET, SHOP_SECRET = "LENGOW_SHOPWARE_APP_SECRET", "LENGOW_SHOPWARE_SHOP_SECRET"
"""Names in the environment."""
LARGEST_BODY = 64 * 1024
SHORTEST_SECRET = 64
"""Characters; Shopware's documentation asks for as many in a shop's secret (*memory*)."""


class Keys(msgspec.Struct, frozen=True):
    """What the shop hands over: the app's own integration, with the rights of its manifest."""

    shop_url: str
    access_key: str
    secret_key: Secret


class Registration:
    """`app_secret` stands in the app's manifest, `shop_secret` is the one of `webhook_secrets`."""

    def __init__(self, app_secret: Secret, shop_secret: Secret, confirmation_url: str, app: str = APP) -> None:
        self._app_secret, self._shop_secret = app_secret, shop_secret
        self._confirmation_url, self._app = confirmation_url, app

    def prove(self, query: str, signature: str) -> dict[str, str]:
        """The answer to the shop's first request. `query` as it came, undecoded. Raises SignatureError, PayloadInvalid."""
        _check(query.encode(), self._app_secret, signature, APP_SIGNATURE)
        given = parse_qs(query)
        if not given.get("shop-id") or not given.get("shop-url"):
            raise PayloadInvalid("The registration names no shop-id and shop-url.", field="shop-id")
        about = f"{given['shop-id'][0]}{given['shop-url'][0]}{self._app}"
        return {
            "proof": _sign(about.encode(), self._app_secret),
            "secret": self._shop_secret.reveal(),
            "confirmation_url": self._confirmation_url,
        }

    def confirm(self, body: bytes, signature: str) -> Keys:
        """The keys in the shop's second request. Raises SignatureError, PayloadInvalid."""
        _check(body, self._shop_secret, signature, SHOP_SIGNATURE)
        try:
            given = msgspec.json.decode(body, type=dict[str, Any])
            return Keys(str(given["shopUrl"]), str(given["apiKey"]), Secret(str(given["secretKey"])))
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError) as error:
            raise PayloadInvalid(f"The confirmation lacks {error}.") from error


class Server:
    """Answers one registration on `port`; `keys` are there once the shop confirmed it."""

    def __init__(self, registration: Registration, port: int, host: str = "127.0.0.1") -> None:
        self.keys: Keys | None = None
        self._registration = registration
        self._http = HTTPServer((host, port), self._handler())
        self.port = int(self._http.server_address[1])

    def wait(self) -> Keys:
        """Returns when a shop has confirmed."""
        while self.keys is None:
            self._http.handle_request()
        self._http.server_close()
        return self.keys

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 5

            def do_GET(self) -> None:
                query = self.path.partition("?")[2]
                self._answer(lambda: server._registration.prove(query, self.headers.get(APP_SIGNATURE, "")))

            def do_POST(self) -> None:
                length = self.headers.get("Content-Length", "")
                body = self.rfile.read(min(int(length), LARGEST_BODY)) if length.isdigit() else b""
                self._answer(lambda: server._confirmed(body, self.headers.get(SHOP_SIGNATURE, "")))

            def _answer(self, make: Any) -> None:
                try:
                    status, value = 200, make()
                except SignatureError as error:
                    status, value = 401, {"error": str(error)}
                except PayloadInvalid as error:
                    status, value = 400, {"error": str(error)}
                content = msgspec.json.encode(value)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        return Handler

    def _confirmed(self, body: bytes, signature: str) -> dict[str, str]:
        self.keys = self._registration.confirm(body, signature)
        return {}


def registered(url: str, port: int, secrets: Mapping[str, str]) -> Keys:
    """Wait on `port` for a shop to install the app, and answer its handshake. Raises SettingsError.

    `url`: where the shop reaches this server. `secrets`: `APP_SECRET` and `SHOP_SECRET`, such as the environment.
    """
    given = [secrets.get(name, "") for name in (APP_SECRET, SHOP_SECRET)]
    if not all(len(one) >= SHORTEST_SECRET for one in given):
        raise SettingsError(
            f"{APP_SECRET} and {SHOP_SECRET} are not set, or have less than {SHORTEST_SECRET} characters.",
            what_to_do="Set the first as in the app's manifest, and the second as in `webhook_secrets` of the shop.",
        )
    return Server(Registration(Secret(given[0]), Secret(given[1]), url), port).wait()


def _check(signed: bytes, secret: Secret, signature: str, header: str) -> None:
    if not hmac.compare_digest(_sign(signed, secret).encode(), signature.encode()):
        raise SignatureError(f"The header {header} is missing or does not fit.")


def _sign(signed: bytes, secret: Secret) -> str:
    return hmac.new(secret.reveal().encode(), signed, hashlib.sha256).hexdigest()
