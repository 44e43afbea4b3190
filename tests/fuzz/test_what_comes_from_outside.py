"""Whatever comes from outside, only the documented errors come out: no other exception, no secret, no long wait."""

import base64
import hashlib
import hmac
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hostile import ANY, TEXT, WORDS, fuzz, payload, repeated, spoiled, spoiled_json
from hypothesis import strategies as st

from lengow.adapters.calls import Reply
from lengow.adapters.prestashop.xml import Unreadable, rights, sizes
from lengow.connector import Account, Connector, Settings, Shop, Store
from lengow.connector.adapter import Event, Request
from lengow.connector.catalogue import CatalogueProduct
from lengow.connector.decode import amended_fields, decode_order, identify, pack_order, unpack_order
from lengow.connector.errors import OrderUndecodable, PayloadInvalid, SettingsError, SignatureError
from lengow.connector.secret import Secret
from lengow.console.web.settings import console_settings
from lengow.feeds.filters import read_filter
from lengow.feeds.settings import read_feeds
from lengow.invoices.mailing import bounced_message_id
from lengow.invoices.settings import invoice_settings
from lengow.webhooks import create_app

NOWHERE = "http://127.0.0.1:9"
MARK = "MARKEDsecret"
KEY = (MARK * 4)[:32].encode()
SECRET = "whsec_" + base64.b64encode(KEY).decode()
NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "generic": {},
    "woocommerce": {"url": NOWHERE, "consumer_key": f"ck_{MARK}", "consumer_secret": f"cs_{MARK}"},
    "prestashop": {"url": NOWHERE, "key": MARK, "carrier": 1},
    "magento": {"url": NOWHERE, "access_token": MARK},
    "shopware": {"url": NOWHERE, "access_key": f"SWIA{MARK}", "secret_key": MARK, "sales_channel": "0" * 32},
}


@pytest.fixture(scope="module")
def connector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connector]:
    account = Account(access_token=Secret(MARK), secret=Secret(MARK), base_url=NOWHERE)
    shops = {
        name: Shop(
            account="main", platform=name, marketplaces=(name,), webhook_secrets=(Secret(SECRET),), options=options
        )
        for name, options in OPTIONS.items()
    }
    store = Store(url=f"sqlite:///{tmp_path_factory.mktemp('fuzz')}/lengow.db")
    with Connector(Settings(accounts={"main": account}, shops=shops, store=store), clock=lambda: NOW) as one:
        yield one


# Orders of Lengow

ORDER = payload("lengow")


@fuzz(raw=spoiled_json(ORDER))
def test_an_order_is_decoded_or_undecodable(raw: bytes) -> None:
    identity = identify(raw)
    assert identity.marketplace
    assert identity.marketplace_order_id
    amended_fields(raw, raw)
    try:
        order = decode_order(raw)
    except OrderUndecodable:
        return
    assert unpack_order(pack_order(order)) == order
    for amount in (order.total, order.shipping, *(line.amount for package in order.packages for line in package.lines)):
        assert amount.is_finite()
        assert len(format(amount, "f")) < 500


# Deliveries of shops

SHIPMENT = {
    "type": "shipment.created",
    "timestamp": "2026-03-03T14:20:05Z",
    "data": {
        "contract": "shop-shipment/1",
        "order": {"id": "1042", "external_reference": "main-manomano_fr-M1-1"},
        "shipment": {
            "id": "887",
            "carrier_code": "colissimo",
            "carrier_label": "La Poste - Colissimo",
            "tracking_number": "6A1",
            "tracking_url": "https://track.example.com/6A1",
            "lines": [{"order_line_id": "2001", "quantity": 2}],
        },
        "lines": [{"order_line_id": "2001", "quantity": "2"}],
    },
}
CANCELLED = {**SHIPMENT, "type": "order.cancelled"}
SHOPWARE = {**payload("shopware"), "timestamp": int(NOW.timestamp())}

BODIES: Mapping[str, st.SearchStrategy[bytes]] = {
    "generic": spoiled_json(SHIPMENT) | spoiled_json(CANCELLED),
    "prestashop": spoiled_json(SHIPMENT) | spoiled_json(CANCELLED),
    "magento": spoiled_json(SHIPMENT) | spoiled_json(CANCELLED),
    "woocommerce": spoiled_json(payload("woocommerce")),
    "shopware": spoiled_json(SHOPWARE)
    | spoiled_json({**SHOPWARE, "data": {**SHOPWARE["data"], "event": "state_enter.order_transaction.state.refunded"}})
    | spoiled_json({**SHOPWARE, "data": {**SHOPWARE["data"], "event": "state_enter.order.state.cancelled"}}),
}
DELIVERIES = st.sampled_from(sorted(BODIES)).flatmap(lambda shop: st.tuples(st.just(shop), BODIES[shop]))


def standard(body: bytes) -> dict[str, str]:
    moment = str(int(NOW.timestamp()))
    digest = hmac.new(KEY, f"msg_1.{moment}.".encode() + body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(digest).decode()
    return {"webhook-id": "msg_1", "webhook-timestamp": moment, "webhook-signature": signature}


def woocommerce(body: bytes) -> dict[str, str]:
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).digest()
    return {"x-wc-webhook-signature": base64.b64encode(digest).decode(), "x-wc-webhook-topic": "order.updated"}


def shopware(body: bytes) -> dict[str, str]:
    return {"shopware-shop-signature": hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}


SIGNED = {
    "generic": standard,
    "prestashop": standard,
    "magento": standard,
    "woocommerce": woocommerce,
    "shopware": shopware,
}
HEADERS = sorted({name for sign in SIGNED.values() for name in sign(b"")})


@fuzz(delivery=DELIVERIES)
def test_a_signed_delivery_is_events_or_invalid(connector: Connector, delivery: tuple[str, bytes]) -> None:
    shop, body = delivery
    adapter = connector.context.adapter(shop)
    request = Request({"content-type": "application/json", **SIGNED[shop](body)}, body)
    try:
        assert adapter.verify(request)
    except SignatureError:
        assert shop == "shopware", "whose signed body holds its time"
        return
    try:
        events = adapter.events(request)
    except PayloadInvalid as error:
        events, shown = (), f"{error} {error.what_to_do} {error.about}"
    else:
        shown = repr(events)
    assert MARK not in shown
    for event in events:
        assert event.id
        assert msgspec.convert(msgspec.to_builtins(event), Event) == event
        msgspec.json.encode(event).decode()


@fuzz(delivery=DELIVERIES)
def test_the_receiver_answers_a_signed_delivery_as_documented(
    connector: Connector, delivery: tuple[str, bytes]
) -> None:
    shop, body = delivery
    headers = {"Content-Type": "application/json", **SIGNED[shop](body)}
    answer = create_app(connector).test_client().post(f"/webhooks/{shop}", data=body, headers=headers)
    assert answer.status_code in ((200, 202, 400, 401) if body else (411,))
    assert MARK not in answer.text


@fuzz(
    shop=st.sampled_from(sorted(SIGNED)),
    headers=st.dictionaries(
        st.sampled_from(HEADERS), TEXT | st.sampled_from(WORDS) | st.sampled_from(["v1,", "v1,AAAA"])
    ),
    body=st.binary(max_size=60),
)
def test_a_delivery_that_nobody_signed_is_refused(
    connector: Connector, shop: str, headers: dict[str, str], body: bytes
) -> None:
    adapter = connector.context.adapter(shop)
    request = Request(headers, body)
    assert not adapter.greets(request)
    with pytest.raises(SignatureError) as refused:
        adapter.verify(request)
    assert MARK not in f"{refused.value} {refused.value.about}"


@fuzz(shop=st.sampled_from(sorted(SIGNED)), name=st.sampled_from(HEADERS), value=TEXT | st.sampled_from(WORDS))
def test_one_header_changed_spoils_a_delivery(connector: Connector, shop: str, name: str, value: str) -> None:
    body = b'{"type":"other","timestamp":%d}' % int(NOW.timestamp())
    signed = SIGNED[shop](body)
    try:
        connector.context.adapter(shop).verify(Request({**signed, name: value}, body))
    except SignatureError:
        assert signed.get(name) not in (None, value)
    else:
        assert (
            name not in signed or name == "x-wc-webhook-topic" or signed[name] in value.split() or signed[name] == value
        )


@fuzz(query=st.binary(max_size=40), shop=TEXT)
def test_the_receivers_other_addresses_answer(connector: Connector, query: bytes, shop: str) -> None:
    client = create_app(connector).test_client()
    for path in ("/healthz", "/readyz", "/metrics"):
        answer = client.get(path, environ_overrides={"QUERY_STRING": query.decode("latin-1")})
        assert answer.status_code in (200, 400, 503)
    name = quote(shop, errors="surrogatepass")
    assert client.post(f"/webhooks/{name}", data=b"{}").status_code in (308, 401, 404, 405, 415)


# What shops answer


@fuzz(
    document=st.binary(max_size=200)
    | st.sampled_from(WORDS).map(lambda word: f"<a>{word}</a>".encode("utf-8", "replace"))
)
def test_xml_of_a_shop_is_read_or_unreadable(document: bytes) -> None:
    for read in (rights, sizes):
        try:
            read(document)
        except Unreadable:
            continue


@fuzz(
    headers=st.dictionaries(
        st.sampled_from(["Date", "Retry-After"]), TEXT | st.sampled_from(WORDS) | st.datetimes().map(str)
    ),
    content=st.binary(max_size=60) | ANY.map(str).map(lambda text: text.encode("utf-8", "replace")),
)
def test_an_answer_of_a_shop_can_be_looked_at(headers: dict[str, str], content: bytes) -> None:
    reply = Reply(429, headers, content)
    assert 0 <= reply.retry_after <= 3600
    assert reply.at is None or reply.at.tzinfo is not None
    assert len(reply.glimpse) <= 100
    assert reply.text is not None
    msgspec.json.encode(reply.json)


# Settings

DOCUMENT = tomllib.loads(f"""
[store]
url = "postgresql://lengow:{MARK}@db.example.com/lengow"
lease_seconds = 120
[mail]
host = "smtp.example.com"
user = "lengow"
password = "{MARK}"
sender = "orders@shop.example"
[metrics]
token = "{MARK}"
[accounts.main]
access_token = "{MARK}"
secret = "{MARK}"
base_url = "{NOWHERE}"
sync_every_minutes = 15
daily_sync_at = 03:00:00
[accounts.main.digest]
to = ["ops@shop.example"]
[shops.b2c]
account = "main"
platform = "woocommerce"
marketplaces = ["manomano_fr"]
catalogues = [1]
start_date = 2026-01-01
webhook_secrets = ["{SECRET}"]
url = "https://shop.example.com"
consumer_key = "ck_{MARK}"
consumer_secret = "cs_{MARK}"
tracking_metas = [{{ number = "_n", url = "_u" }}]
[shops.b2c.carriers]
colissimo = "LAPOSTE"
manomano_fr = {{ dpd = "DPD" }}
[shops.b2c.follow]
refunded = "apply"
[shops.b2b]
account = "main"
platform = "generic"
marketplaces = ["manomano_es"]
[console]
time_zone = "Europe/Paris"
proxies = 1
[feeds.all]
shop = "b2c"
marketplace = "manomano_fr"
path = "all.csv"
priority = 10
filter = 'stock > 0 and brand == "Acme"'
images = 3
secret = "{MARK}{MARK}"
[feeds.all.attributes]
brand = "Acme"
title = "{{title}} {{brand}}"
[feeds.all.accepted]
brand = ["Acme"]
[invoices]
timezone = "Europe/Paris"
extra_vat_rates = [20.6]
[invoices.seller]
name = "Outillage Martin"
address = ["1 rue du Port"]
zipcode = "33000"
city = "Bordeaux"
siren = "732829320"
vat_number = "FR44732829320"
[invoices.shops.b2c]
send = "on_shipment"
number = "F{{year}}-{{n:06}}"
[invoices.default_vat_rates]
FR = 20
""")


def read_all(document: Mapping[str, Any]) -> Settings:
    settings = Settings.from_dict(document)
    read_feeds(settings)
    invoice_settings(settings)
    console_settings(settings.sections.get("console", {}))
    return settings


def test_the_settings_that_are_spoiled_below_are_good() -> None:
    assert sorted(read_all(DOCUMENT).shops) == ["b2b", "b2c"]


@fuzz(document=spoiled(DOCUMENT))
def test_settings_are_read_or_refused(document: dict[str, Any]) -> None:
    try:
        shown = repr(read_all(document))
    except SettingsError as error:
        shown = f"{error} {error!r} {error.what_to_do} {error.about}"
    assert MARK not in shown


PIECES = (
    "[",
    "]",
    "=",
    '"',
    "'''",
    "\n",
    "{",
    "}",
    "#",
    "a.b",
    "1979-05-27",
    "0x",
    "inf",
    "\\u",
    "\x00",
    "[[",
    "é",
    ",",
)


@fuzz(text=repeated(st.sampled_from(PIECES) | TEXT))
def test_a_settings_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = Path(tmp_path_factory.getbasetemp()) / "fuzzed.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(SettingsError) as refused:
        Settings.load(path)
    assert refused.value.what_to_do


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "{a = " * 5000, "a." * 20_000 + "b = 1"])
def test_a_settings_file_that_nests_without_end_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "lengow.toml").write_text(text)
    with pytest.raises(SettingsError):
        Settings.load(tmp_path / "lengow.toml")


# Feeds and invoices

PRODUCT = CatalogueProduct(
    id="1",
    currency="EUR",
    sku="F-1",
    title="Drill",
    stock=5,
    price=Decimal("99.90"),
    attributes={"own": "yes", "length": "12,5"},
)
FILTER_WORDS = st.sampled_from(
    [
        *("stock", "price", "title", "attributes.own", "attributes['length']", "options", "images", "weight", "sku"),
        *("5", "-1.5", "1e999", "9" * 300, "0x10", "1_000", "1j", "'x'", '"12"', "b'x'", "f'{sku}'", "true", "none"),
        *(
            "not",
            "and",
            "or",
            "<",
            "==",
            "!=",
            "in",
            "not in",
            "is",
            "**",
            "+",
            "~",
            "-",
            "[",
            "]",
            "(",
            ")",
            ",",
            ".",
            "lower(",
        ),
        *(
            "count(images)",
            "starts_with(",
            "lambda:",
            "if",
            "else",
            "for",
            ":=",
            "*",
            "\\",
            "'\\d'",
            "\n",
            "#",
            "__class__",
        ),
    ]
)


@fuzz(text=repeated(FILTER_WORDS | TEXT, most=200))
def test_a_feeds_filter_is_read_or_refused_and_then_decides(text: str) -> None:
    try:
        fits = read_filter(text, "feeds.f.filter")
    except SettingsError:
        return
    assert fits(PRODUCT) in (True, False)


MAIL = """From: <>
To: orders@shop.example
Subject: Undelivered
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain; charset=utf-8

It could not be delivered.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; anne@example.com
Action: failed
Status: 5.1.1
--b
Content-Type: message/rfc822

Message-ID: <1@shop.example>
Subject: Invoice

text
--b--
"""
MAIL_PIECES = st.sampled_from(
    [
        *(
            "Content-Type: message/rfc822\n",
            "Content-Type: multipart/mixed; boundary=b\n",
            "--b\n",
            "--b--\n",
            "\n",
            "\r",
            "\x00",
        ),
        *(
            'Content-Type: text/plain; charset="no-such"\n',
            "Content-Transfer-Encoding: base64\n",
            "=?utf-8?q?=",
            "<",
            ">",
            "@",
            ";",
        ),
        *(
            "Content-Type: message/delivery-status\n",
            "Message-ID: <\n",
            "Message-ID: =?x?y?z?=\n",
            '"',
            "(",
            "[",
            "\\",
            ":",
            "*=0",
        ),
        *("Content-Type: multipart/report; boundary*0*=''b\n", "Content-Type:\n", "Content-Type: /\n", "é", "\udce9"),
    ]
)
CUTS = st.lists(
    st.tuples(st.integers(0, len(MAIL)), st.integers(0, 60), repeated(MAIL_PIECES | TEXT, most=500)), max_size=4
)


@fuzz(cuts=CUTS)
def test_a_mail_that_came_back_is_of_an_invoice_or_not(cuts: list[tuple[int, int, str]]) -> None:
    text = MAIL
    for start, length, piece in cuts:
        text = text[:start] + piece + text[start + length :]
    assert isinstance(bounced_message_id(text.encode("utf-8", "surrogatepass")), str)
