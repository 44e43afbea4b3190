"""The app's registration: the handshake is played here as Shopware plays it, and signed by hand."""

import hashlib
import hmac
import json
import socket
import threading
import time
from contextlib import suppress

import pytest
import requests
from click.testing import CliRunner

from lengow.adapters.shopware.registration import Keys, Registration, Server
from lengow.connector.errors import PayloadInvalid, SettingsError, SignatureError
from lengow.connector.secret import Secret
from lengow.console import cli

APP_SECRET, SHOP_SECRET = "a" * 64, "b" * 64
QUERY = "shop-id=Zwh0Sq4DzmZUnPEg&shop-url=https%3A%2F%2Fshop.example.com&timestamp=1767225600"
BODY = json.dumps({"apiKey": "SWIA1", "secretKey": "s1", "shopUrl": "https://shop.example.com", "shopId": "Z"}).encode()


def sign(signed: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


@pytest.fixture
def registration() -> Registration:
    return Registration(Secret(APP_SECRET), Secret(SHOP_SECRET), "https://connector.example.com/confirm")


def test_the_handshake_over_http(registration: Registration) -> None:
    server = Server(registration, 0)
    found: list[Keys] = []
    thread = threading.Thread(target=lambda: found.append(server.wait()))
    thread.start()
    url = f"http://127.0.0.1:{server.port}/register"
    refused = requests.get(f"{url}?{QUERY}", headers={"shopware-app-signature": sign(QUERY.encode(), "x")}, timeout=5)
    assert refused.status_code == 401
    proven = requests.get(
        f"{url}?{QUERY}", headers={"shopware-app-signature": sign(QUERY.encode(), APP_SECRET)}, timeout=5
    )
    assert proven.json() == {
        "proof": sign(b"Zwh0Sq4DzmZUnPEghttps://shop.example.comLengowConnector", APP_SECRET),
        "secret": SHOP_SECRET,
        "confirmation_url": "https://connector.example.com/confirm",
    }
    wrong = requests.post(url, data=b"{}", headers={"shopware-shop-signature": sign(b"{}", SHOP_SECRET)}, timeout=5)
    assert wrong.status_code == 400
    done = requests.post(url, data=BODY, headers={"shopware-shop-signature": sign(BODY, SHOP_SECRET)}, timeout=5)
    thread.join(5)
    assert done.status_code == 200
    [keys] = found
    assert (keys.shop_url, keys.access_key, keys.secret_key.reveal()) == ("https://shop.example.com", "SWIA1", "s1")


@pytest.mark.parametrize(
    "signature", ["", "é", sign(QUERY.encode(), SHOP_SECRET), sign(QUERY.encode() + b"&", APP_SECRET)]
)
def test_an_unproven_registration_gets_no_secret(registration: Registration, signature: str) -> None:
    with pytest.raises(SignatureError):
        registration.prove(QUERY, signature)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"apiKey": "x"}'])
def test_a_confirmation_that_is_none(registration: Registration, body: bytes) -> None:
    with pytest.raises(PayloadInvalid):
        registration.confirm(body, sign(body, SHOP_SECRET))


def test_a_registration_without_a_shop(registration: Registration) -> None:
    with pytest.raises(PayloadInvalid):
        registration.prove("timestamp=1", sign(b"timestamp=1", APP_SECRET))


# The command


def test_the_command_asks_for_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LENGOW_SHOPWARE_APP_SECRET", raising=False)
    done = CliRunner().invoke(cli.cli, ["shop", "register", "https://connector.example.com/register"])
    assert isinstance(done.exception, SettingsError)
    assert "LENGOW_SHOPWARE_APP_SECRET" in str(done.exception)


def test_the_command_shows_the_keys_that_the_shop_gave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LENGOW_SHOPWARE_APP_SECRET", APP_SECRET)
    monkeypatch.setenv("LENGOW_SHOPWARE_SHOP_SECRET", SHOP_SECRET)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def installs() -> None:
        """As soon as the command listens."""
        for _ in range(200):
            with suppress(requests.ConnectionError):
                headers = {"shopware-shop-signature": sign(BODY, SHOP_SECRET)}
                requests.post(f"http://127.0.0.1:{port}/register", data=BODY, headers=headers, timeout=5).close()
                break
            time.sleep(0.05)

    shop = threading.Thread(target=installs)
    shop.start()
    done = CliRunner().invoke(
        cli.cli, ["shop", "register", "https://connector.example.com/register", "--port", str(port)]
    )
    shop.join(10)
    assert done.stdout == 'url = "https://shop.example.com"\naccess_key = "SWIA1"\nsecret_key = "s1"\n'
