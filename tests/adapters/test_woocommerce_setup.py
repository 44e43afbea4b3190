"""Setting a WooCommerce shop up: its settings, its connection, `check` and `connect`."""

import base64
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import BytesIO
from typing import Any

import msgspec
import pytest
from urllib3 import HTTPResponse
from woocommerce_shop import HOOK, SECRETS, ContractWooCommerce

from lengow.adapters.calls import Deadline
from lengow.adapters.contract import context_for, created, new_order
from lengow.adapters.woocommerce import WooCommerceAdapter
from lengow.adapters.woocommerce.api import Lane, PooledApi, Shop
from lengow.adapters.woocommerce.refusals import REMEDIES
from lengow.connector.adapter import Finding, Unknown
from lengow.connector.errors import ShopUnavailable
from lengow.sandbox.answers import Answer
from lengow.sandbox.shops.standin import Fault
from lengow.sandbox.shops.woocommerce import KEY, Key

SECRET = "cs_very_secret"


@pytest.fixture
def shop() -> Iterator[ContractWooCommerce]:
    shop = ContractWooCommerce()
    yield shop
    shop.close()


def found(findings: Any) -> dict[str, Finding]:
    return {one.what: one for one in findings}


def checked(shop: ContractWooCommerce, **settings: Any) -> dict[str, Finding]:
    adapter = shop.adapter(**settings)
    try:
        return found(adapter.check())
    finally:
        adapter.close()


# Settings


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": "http://shop.example.com"}, "not https"),
        ({"url": "shop.example.com"}, "not the address of a shop"),
        ({"url": "ftp://shop.example.com"}, "not the address of a shop"),
        ({"url": "https://ck:cs@shop.example.com"}, "holds a password"),
        ({"parallel": 0}, "from 1 to 16"),
        ({"parallel": 17}, "from 1 to 16"),
        ({"order_status": "pending"}, "unfinished"),
        ({"taxes": "none"}, "Invalid enum value"),
        ({"pararell": 4}, "unknown field"),
    ],
)
def test_settings_that_cannot_be_meant(settings: dict[str, Any], words: str) -> None:
    own = {"url": "https://shop.example.com", "consumer_key": "ck", "consumer_secret": "cs"}
    with pytest.raises(msgspec.ValidationError, match=words):
        context_for(WooCommerceAdapter, {**own, **settings})


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:80", "https://a.example/shop/"]
)
def test_addresses_that_are_taken(url: str) -> None:
    assert context_for(WooCommerceAdapter, {"url": url, "consumer_key": "ck", "consumer_secret": "cs"})


# The connection


class Recorder:
    """Takes calls instead of the network."""

    def __init__(self) -> None:
        self.url, self.body = "", b""
        self.headers: dict[str, str] = {}

    def request(self, method: str, url: str, body: bytes, headers: dict[str, str], **_: Any) -> HTTPResponse:
        assert method == "POST"
        self.url, self.body, self.headers = url, body, headers
        return HTTPResponse(BytesIO(b"{}"), status=200, preload_content=False)


def recorded(url: str, **options: Any) -> Recorder:
    api = PooledApi(url, "ck_key", SECRET, "main", pool=1, **options)
    api.caller._pools = recorder = Recorder()  # type: ignore[assignment]
    api.call("POST", "orders", {"status": "é"}, {"x": "a b/c"}, Deadline(5))
    return recorder


def test_https_takes_the_keys_in_a_header() -> None:
    request = recorded("https://shop.example.com/")
    assert request.url == "https://shop.example.com/wp-json/wc/v3/orders?x=a+b%2Fc"
    assert request.headers["authorization"] == "Basic " + base64.b64encode(f"ck_key:{SECRET}".encode()).decode()
    assert request.headers["Content-Type"] == "application/json"
    assert json.loads(request.body) == {"status": "é"}


def test_https_takes_the_keys_in_the_query_where_hosts_drop_the_header() -> None:
    request = recorded("https://shop.example.com", query_string_auth=True)
    assert "authorization" not in request.headers
    assert f"consumer_key=ck_key&consumer_secret={SECRET}" in request.url


def test_plain_http_to_loopback_is_signed_and_shows_no_secret() -> None:
    request = recorded("http://127.0.0.1")
    assert "authorization" not in request.headers
    assert "oauth_signature=" in request.url
    assert SECRET not in request.url


@pytest.mark.parametrize("value", ["a/b", "a b+c&d=e#f", "50%", "%41", "é~_-.", 'O\'Hara "x" <1>', "", "%"])
def test_any_value_is_signed_as_woocommerce_reads_it(shop: ContractWooCommerce, value: str) -> None:
    api = PooledApi(shop.standin.url, KEY.consumer_key, KEY.consumer_secret, "main", pool=1)
    answer = api.call("GET", "orders", None, {"search": value, "per_page": 1}, Deadline(5))
    assert answer.status == 200, answer.text
    api.close()


def test_connections_are_kept(shop: ContractWooCommerce) -> None:
    adapter = shop.adapter()
    for number in range(5):
        created(adapter, new_order(f"R-{number}", [(shop.simple, 1, "5.00")]))
    server = shop.standin.server._server
    assert server is not None
    assert len(server._server.connections) <= 5, "one a worker, and one for the caller"
    adapter.close()


def test_errors_do_not_show_the_keys(shop: ContractWooCommerce) -> None:
    adapter = context_for(
        WooCommerceAdapter,
        {"url": "https://127.0.0.1:9", "consumer_key": "ck_key", "consumer_secret": SECRET, "query_string_auth": True},
    )
    woo = WooCommerceAdapter(adapter)
    with pytest.raises(ShopUnavailable) as caught:
        woo.find_order("R-1")
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(adapter)
    woo.close()


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_is_not_followed_with_the_buyers_data(shop: ContractWooCommerce, status: int) -> None:
    adapter = shop.adapter()
    shop.standin.fail("answer", answer=Answer(status, b"", {"Location": "http://127.0.0.1:9/"}))
    [outcome] = adapter.create_orders([new_order("R-1", [(shop.simple, 1, "5.00")])])
    assert isinstance(outcome, Unknown)
    adapter.close()


def test_a_call_without_time_left_is_not_begun(shop: ContractWooCommerce) -> None:
    api = PooledApi(shop.standin.url, KEY.consumer_key, KEY.consumer_secret, "main", pool=1)
    with pytest.raises(ShopUnavailable, match="no time left"):
        Shop(api, Lane(1)).get("orders", Deadline(0))
    api.close()


# check


def test_a_shop_that_is_well(shop: ContractWooCommerce) -> None:
    adapter = shop.adapter(webhook_url=HOOK)
    adapter.connect(HOOK)
    findings = found(adapter.check())
    assert {one.what for one in findings.values() if not one.ok} == set()
    assert "11.0.1" in findings["version"].sentence
    assert "EUR" in findings["currency"].sentence
    adapter.close()


BAD: list[tuple[str, Callable[[ContractWooCommerce], dict[str, Any]], str, str, str]] = [
    ("wrong secret", lambda _: {"consumer_secret": "cs_wrong"}, "reachable", "signature", "read and write"),
    ("unknown key", lambda _: {"consumer_key": "ck_other"}, "reachable", "Consumer key is invalid", "read and write"),
    (
        "key that may only read",
        lambda shop: with_key(shop, Key("ck_r", "cs", permissions="read")),
        "may write orders",
        "does not have write permissions",
        "read and write",
    ),
    (
        "key of a customer",
        lambda shop: with_key(shop, Key("ck_c", "cs", manager=False)),
        "reachable",
        "cannot list resources",
        "shop manager",
    ),
    ("no webhook", lambda shop: without_hooks(shop), "webhook", "has no webhook", "shop connect main"),
    ("webhook disabled", lambda shop: with_disabled_hook(shop), "webhook", "is disabled", "shop connect main"),
    ("no decimals", lambda shop: with_taxes(shop, decimals=0), "currency", "0 decimals", "Number of decimals"),
    ("taxes without rates", lambda shop: with_taxes(shop, enabled=True), "taxes", "0 tax rates", "Add tax rates"),
    ("clock", lambda shop: with_clock(shop), "clock", "differs", "NTP"),
    ("plain permalinks", lambda shop: with_no_route(shop), "reachable", "No route", "Permalinks"),
]


def with_key(shop: ContractWooCommerce, key: Key) -> dict[str, Any]:
    shop.standin.access.keys[key.consumer_key] = key
    return {"consumer_key": key.consumer_key, "consumer_secret": key.consumer_secret}


def without_hooks(shop: ContractWooCommerce) -> dict[str, Any]:
    shop.standin.webhooks.all.clear()
    return {}


def with_disabled_hook(shop: ContractWooCommerce) -> dict[str, Any]:
    for hook in shop.standin.webhooks.all.values():
        hook.status = "disabled"
    return {}


def with_taxes(shop: ContractWooCommerce, **settings: Any) -> dict[str, Any]:
    for name, value in settings.items():
        setattr(shop.standin.taxes, name, value)
    return {}


def with_clock(shop: ContractWooCommerce) -> dict[str, Any]:
    real = shop.standin.clock.now
    shop.standin.server.down()
    shop.standin.server.clock = type("Late", (), {"now": staticmethod(lambda: real() - timedelta(minutes=9))})()
    shop.mend()
    return {}


def with_no_route(shop: ContractWooCommerce) -> dict[str, Any]:
    refusal = {"code": "rest_no_route", "message": "No route was found.", "data": {"status": 404}}
    shop.standin.server.fail(Fault("answer", "GET", "", times=None, answer=Answer.json(refusal, 404)))
    return {}


@pytest.mark.parametrize(("spoil", "what", "words", "to_do"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_what_is_wrong_is_found_with_what_to_do(
    shop: ContractWooCommerce, spoil: Callable[[ContractWooCommerce], dict[str, Any]], what: str, words: str, to_do: str
) -> None:
    adapter = shop.adapter()
    adapter.connect(HOOK)
    adapter.close()
    finding = checked(shop, **spoil(shop))[what]
    assert not finding.ok
    assert words in finding.sentence
    assert to_do in finding.what_to_do


def test_checking_changes_nothing(shop: ContractWooCommerce) -> None:
    checked(shop)
    ledger = shop.standin.ledger()
    assert (ledger.orders, ledger.mails, ledger.deliveries) == ((), (), ())


def test_an_old_shop_is_named(shop: ContractWooCommerce) -> None:
    old = ContractWooCommerce(version="7.1.0", hpos=False)
    findings = checked(old)
    old.close()
    assert not findings["version"].ok
    assert "Update" in findings["version"].what_to_do
    assert "posts (legacy)" in findings["order storage"].sentence


# connect


def test_connect_makes_one_webhook_and_keeps_it(shop: ContractWooCommerce) -> None:
    adapter = shop.adapter()
    for _ in range(2):
        [finding] = adapter.connect(HOOK)
        assert finding.ok
    [hook] = shop.standin.webhooks.all.values()
    assert (hook.topic, hook.delivery_url, hook.secret) == ("order.updated", HOOK, SECRETS[0].reveal())
    hook.secret = "lost"
    adapter.connect(HOOK)
    assert hook.secret == SECRETS[0].reveal(), "the secret cannot be read, so it is set again"
    adapter.close()


def test_connect_makes_a_disabled_webhook_anew(shop: ContractWooCommerce) -> None:
    """Switched on again it would keep its count of failures, and be disabled by the next one (FINDINGS (j))."""
    adapter = shop.adapter()
    adapter.connect(HOOK)
    [first] = shop.standin.webhooks.all.values()
    first.status, first.failure_count = "disabled", 6
    adapter.connect(HOOK)
    [second] = shop.standin.webhooks.all.values()
    assert second.id != first.id
    assert (second.status, second.failure_count) == ("active", 0)
    adapter.close()


def test_connect_leaves_the_webhooks_of_others(shop: ContractWooCommerce) -> None:
    other = shop.standin.webhooks.create(
        {"topic": "order.updated", "delivery_url": "http://127.0.0.1:9/erp", "secret": "s"}
    )
    adapter = shop.adapter()
    adapter.connect(HOOK)
    assert set(shop.standin.webhooks.all) == {other.id, other.id + 1}
    adapter.close()


def test_connect_says_why_it_cannot(shop: ContractWooCommerce) -> None:
    adapter = shop.adapter(consumer_secret="cs_wrong")
    [finding] = adapter.connect(HOOK)
    assert not finding.ok
    assert finding.what_to_do == REMEDIES["woocommerce_rest_authentication_error"].what_to_do
    adapter.close()


@pytest.mark.parametrize("spoil", [without_hooks, with_disabled_hook])
def test_a_lost_webhook_is_set_up_again_by_the_poll(
    shop: ContractWooCommerce, spoil: Callable[[ContractWooCommerce], dict[str, Any]]
) -> None:
    first = shop.adapter(webhook_url=HOOK)
    first.connect(HOOK)
    first.close()
    spoil(shop)
    adapter = shop.adapter(webhook_url=HOOK)
    cursor = adapter.shipments_since("").cursor
    [hook] = shop.standin.webhooks.all.values()
    assert (hook.status, hook.delivery_url) == ("active", HOOK)
    looks = shop.standin.ledger().requests["GET /wp-json/wc/v3/webhooks"]
    adapter.shipments_since(cursor)
    assert shop.standin.ledger().requests["GET /wp-json/wc/v3/webhooks"] == looks, "once an hour"
    adapter.close()


def test_a_poll_goes_on_where_the_webhook_cannot_be_looked_at(shop: ContractWooCommerce) -> None:
    adapter = shop.adapter(webhook_url=HOOK)
    shop.standin.fail("error_500", method="GET", path="/webhooks")
    assert adapter.shipments_since("").events == ()
    adapter.close()
