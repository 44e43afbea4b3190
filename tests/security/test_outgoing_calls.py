"""Calls to shops and to Lengow: nobody in between reads them, no answer sends them elsewhere or fills the memory."""

import gzip
import json
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from lengow.adapters import calls
from lengow.adapters.calls import Caller, Deadline, Lost, Reply
from lengow.adapters.contract import context_for
from lengow.adapters.prestashop.xml import Unreadable, rights, sizes
from lengow.adapters.woocommerce.api import Lane, PooledApi
from lengow.adapters.woocommerce.api import Shop as WooCommerceShop
from lengow.connector import Account, Connector, LengowError, Settings, Shop, Store
from lengow.connector.adapter import adapter_class
from lengow.connector.client import transport
from lengow.connector.errors import ShopUnavailable
from lengow.connector.secret import Secret

CERTIFICATE = Path(__file__).parent.parent / "localhost.pem"
"""Of `localhost`, signed by itself, with its key."""

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
MEGABYTE = 1024 * 1024


class Peer:
    """What listens, and what it was sent."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.heard: list[bytes] = []


@contextmanager
def answering(answer: Callable[[Any], None], *, tls: bool = False) -> Iterator[Peer]:
    """A server that reads one request a connection and lets `answer` write to it."""
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
    listener = socket.create_server(("127.0.0.1", 0))
    peer = Peer(f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}")

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
                talk = context.wrap_socket(connection, server_side=True) if context else connection
                with talk:
                    peer.heard.append(whole_request(talk))
                    answer(talk)
            except ssl.SSLError:
                continue
            except OSError:
                if listener.fileno() == -1:
                    return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield peer
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def whole_request(talk: Any) -> bytes:
    heard: bytes = talk.recv(65_536)
    while heard and (b"\r\n\r\n" not in heard or (heard.startswith(b"POST") and heard.endswith(b"\r\n\r\n"))):
        heard += (more := talk.recv(65_536))
        if not more:
            break
    return heard


def sends(answer: bytes) -> Callable[[Any], None]:
    return lambda talk: talk.sendall(answer)


def call(url: str) -> Reply:
    caller = Caller(url, "main", connections=1, headers={"Authorization": "Bearer marked"})
    try:
        return caller.call("POST", f"{url}/orders", Deadline(20), about="orders", body=b"{}")
    finally:
        caller.close()


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


class TestTls:
    def test_a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_said(self) -> None:
        with answering(sends(OK), tls=True) as peer:
            with pytest.raises(ShopUnavailable):
                call(peer.url)
            assert peer.heard == []

    @pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
    def test_a_merchants_own_authority_is_named_by_the_environment(
        self, monkeypatch: pytest.MonkeyPatch, variable: str
    ) -> None:
        monkeypatch.setenv(variable, str(CERTIFICATE))
        with answering(sends(OK), tls=True) as peer:
            assert call(peer.url).status == 200

    def test_so_it_is_at_lengow(self, tmp_path: Path) -> None:
        with answering(sends(OK), tls=True) as peer, connector(tmp_path, lengow=peer.url) as one:
            with pytest.raises(LengowError):
                one.context.client("main").me()
            assert peer.heard == []

    def test_what_breaks_after_the_request_leaves_its_outcome_open(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The shop may have made the order: to take this for "not sent" would make it twice."""

        def broken(talk: Any) -> None:
            raw = socket.socket(fileno=talk.detach())
            raw.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)  # a record that nobody encrypted
            raw.close()

        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
        with answering(broken, tls=True) as peer:
            with pytest.raises(Lost):
                call(peer.url)
            assert b"Authorization" in peer.heard[0]


def packed(coding: str, size: int) -> bytes:
    squeeze = zlib.compressobj(9, wbits=31 if coding == "gzip" else 15)
    body = b"".join([*(squeeze.compress(b" " * MEGABYTE) for _ in range(size // MEGABYTE)), squeeze.flush()])
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def endless(talk: Any) -> None:
    talk.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(64):
        talk.sendall(b" " * MEGABYTE)


class TestAnswersWithoutEnd:
    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(calls, "LARGEST_ANSWER", 4 * MEGABYTE)
        monkeypatch.setattr(transport, "LARGEST_ANSWER", 4 * MEGABYTE)

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(sends(packed("gzip", 64 * MEGABYTE)), id="gzip"),
            pytest.param(sends(packed("deflate", 64 * MEGABYTE)), id="deflate"),
            pytest.param(endless, id="plain"),
        ],
    )
    def test_of_a_shop_are_given_up(self, answer: Callable[[Any], None]) -> None:
        with answering(answer) as peer, pytest.raises(Lost, match="larger"):
            call(peer.url)

    def test_a_packed_answer_of_a_usual_size_is_read(self) -> None:
        with answering(sends(packed("gzip", 2 * MEGABYTE))) as peer:
            assert len(call(peer.url).content) == 2 * MEGABYTE

    def test_a_bomb_of_bombs_is_no_answer(self) -> None:
        twice = gzip.compress(gzip.compress(b" " * 64 * MEGABYTE))
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\nContent-Length: {len(twice)}\r\n\r\n"
        with answering(sends(head.encode() + twice)) as peer, pytest.raises(Lost, match="larger"):
            call(peer.url)

    def test_of_lengow_are_given_up(self, tmp_path: Path) -> None:
        bomb = answering(sends(packed("gzip", 64 * MEGABYTE)))
        with bomb as peer, connector(tmp_path, lengow=peer.url) as one, pytest.raises(LengowError):
            one.context.client("main").me()


NOWHERE = "http://127.0.0.1:9"
PLATFORMS: dict[str, dict[str, Any]] = {
    "woocommerce": {"consumer_key": Secret("ck_marked"), "consumer_secret": Secret("cs_marked")},
    "prestashop": {"key": Secret("MARKED"), "carrier": 1},
    "magento": {"access_token": Secret("marked")},
    "shopware": {"access_key": "SWIAMARKED", "secret_key": Secret("marked"), "sales_channel": "0" * 32},
}


@contextmanager
def connector(folder: Path, *, lengow: str = NOWHERE, shop: str = NOWHERE) -> Iterator[Connector]:
    shops = {
        platform: Shop(account="main", platform=platform, marketplaces=(platform,), options={"url": shop, **options})
        for platform, options in PLATFORMS.items()
    }
    account = Account(access_token=Secret("marked"), secret=Secret("marked"), base_url=lengow)
    store = Store(url=f"sqlite:///{folder}/lengow.db")
    with Connector(Settings(accounts={"main": account}, shops=shops, store=store)) as one:
        yield one


def test_errors_without_end_are_not_searched_for_ever(tmp_path: Path) -> None:
    body = b"<code><![CDATA[1]]></code><message><![CDATA[" * 50_000
    answer = b"HTTP/1.1 500 Oops\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with answering(sends(answer)) as peer, connector(tmp_path, shop=peer.url) as one, pytest.raises(ShopUnavailable):
        one.context.adapter("prestashop").find_order("reference")


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent"])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_shop_cannot_send_its_keys_elsewhere(tmp_path: Path, platform: str, status: str) -> None:
    """Nor make the connector ask what only this machine may ask."""
    with answering(sends(OK)) as elsewhere:
        redirect = f"HTTP/1.1 {status}\r\nLocation: {elsewhere.url}/stolen\r\nContent-Length: 0\r\n\r\n".encode()
        with answering(sends(redirect)) as peer, connector(tmp_path, shop=peer.url) as one:
            adapter = one.context.adapter(platform)
            findings = adapter.check()
            assert any(not finding.ok for finding in findings)
            with pytest.raises(ShopUnavailable):
                adapter.find_order("reference")
            assert peer.heard
        assert elsewhere.heard == []


def drips(head: bytes, drop: bytes) -> Callable[[Any], None]:
    """Sends a piece every now and then, for as long as somebody listens: a client without an end would wait for ever."""

    def answer(talk: Any) -> None:
        talk.sendall(head)
        while True:
            time.sleep(0.05)
            talk.sendall(drop)

    return answer


def says_nothing(talk: Any) -> None:
    time.sleep(2)


ENDLESS = [
    pytest.param(drips(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" "), id="body drips in"),
    pytest.param(drips(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"), id="chunks drip in"),
    pytest.param(drips(b"HTTP/1.1 200 OK\r\n", b"X-A: 1\r\n"), id="headers drip in"),
    pytest.param(drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), id="it is always about to answer"),
    pytest.param(
        drips(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 9999\r\n\r\n", b" "), id="redirect drips"
    ),
    pytest.param(says_nothing, id="silent"),
]


@contextmanager
def hasty(platform: str, url: str) -> Iterator[Any]:
    """An adapter whose calls have half a second."""
    kind = adapter_class(platform)
    keys = {name: key.reveal() if isinstance(key, Secret) else key for name, key in PLATFORMS[platform].items()}
    one = kind(context_for(kind, {"url": url, **keys}, call_timeout=0.5))
    try:
        yield one
    finally:
        one.close()


@pytest.mark.parametrize("answer", ENDLESS)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_shop_that_drips_holds_no_thread_beyond_its_time(platform: str, answer: Callable[[Any], None]) -> None:
    with answering(answer) as peer, hasty(platform, peer.url) as adapter:
        with pytest.raises(ShopUnavailable):
            adapter.find_order("reference")
        assert peer.heard


@pytest.mark.parametrize("platform", PLATFORMS)
def test_no_shop_fills_the_memory(platform: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "LARGEST_ANSWER", MEGABYTE)
    with answering(endless) as peer, connector(tmp_path, shop=peer.url) as one:
        adapter = one.context.adapter(platform)
        for ask in (lambda: adapter.find_order("reference"), lambda: adapter.find_products(["DRILL"])):
            with pytest.raises(ShopUnavailable, match="larger"):
                ask()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_no_shop_is_believed_without_its_certificate(platform: str) -> None:
    with answering(sends(OK), tls=True) as peer, hasty(platform, peer.url) as adapter:
        with pytest.raises(ShopUnavailable):
            adapter.find_order("reference")
        assert peer.heard == []


def test_tls_that_drips_is_given_up() -> None:
    """A handshake that never ends holds no thread either."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError), listener.accept()[0] as talk:
            talk.recv(4096)
            while True:
                time.sleep(0.05)
                talk.sendall(b"\x16")

    threading.Thread(target=serve, daemon=True).start()
    url = f"https://127.0.0.1:{listener.getsockname()[1]}"
    with listener, hasty("magento", url) as adapter, pytest.raises(ShopUnavailable):
        adapter.find_order("reference")


def test_the_generic_shop_calls_nobody() -> None:
    """It is tables in a database: there is no address to be sent to."""
    kind = adapter_class("generic")
    assert not {name for name in kind.settings_type.__struct_fields__ if "url" in name} - {
        "database_url",
        "tracking_urls",
    }


def test_lengow_cannot_either(tmp_path: Path) -> None:
    with answering(sends(OK)) as elsewhere:
        redirect = f"HTTP/1.1 302 Found\r\nLocation: {elsewhere.url}/stolen\r\nContent-Length: 0\r\n\r\n".encode()
        with answering(sends(redirect)) as peer, connector(tmp_path, lengow=peer.url) as one:
            with pytest.raises(LengowError):
                one.context.client("main").me()
            assert peer.heard
        assert elsewhere.heard == []


class TestHowLongAShopMayAskToWait:
    @pytest.mark.parametrize(
        "text",
        [
            pytest.param("9999999", id="a hundred days"),
            pytest.param("Fri, 31 Dec 9999 23:59:59 GMT", id="for ever"),
            pytest.param("Fri, 31 Dec 9999 23:59:59 -1200", id="beyond the calendar"),
            pytest.param("Mon, 01 Jan 0001 00:00:00 +1200", id="before the calendar"),
        ],
    )
    def test_is_an_hour_at_most(self, text: str) -> None:
        assert 0 <= Reply(429, {"Retry-After": text}, b"").retry_after <= 3600

    def test_a_clock_beyond_the_calendar_is_no_clock(self) -> None:
        assert Reply(200, {"Date": "Fri, 31 Dec 9999 23:59:59 -1200"}, b"").at is None


LAUGHS = (
    b"""<!DOCTYPE x [<!ENTITY a "haha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]><x><api>&c;</api></x>"""
)
DOORS = [
    pytest.param(LAUGHS, id="entities of entities"),
    pytest.param(b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x><api>&a;</api></x>', id="a file"),
    pytest.param(b'<!DOCTYPE x [<!ENTITY a SYSTEM "http://127.0.0.1:9/">]><x><api>&a;</api></x>', id="an address"),
    pytest.param(b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><x><api/></x>', id="a DTD elsewhere"),
    pytest.param(b'<!DOCTYPE x [<!ENTITY % a SYSTEM "file:///etc/passwd"> %a;]><x><api/></x>', id="a parameter"),
    pytest.param(b"<x>" * 100_000, id="nested without end"),
]


@pytest.mark.parametrize("document", DOORS)
@pytest.mark.parametrize("read", [rights, sizes])
def test_xml_that_opens_other_documents_is_not_read(read: Callable[[bytes], object], document: bytes) -> None:
    with pytest.raises(Unreadable):
        read(document)


@pytest.mark.parametrize(
    "body", [b'{"message": "Under maintenance"}', b"{}", b"[null]", b"true", b"null", b'"soon"', b"7"]
)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_answer_that_is_no_list_of_orders_is_not_taken_for_an_empty_one(
    tmp_path: Path, platform: str, body: bytes
) -> None:
    """A plugin or a proxy may say such a thing with 200; to take it for "there is none" would make the order twice."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with answering(sends(answer)) as peer, connector(tmp_path, shop=peer.url) as one:
        adapter = one.context.adapter(platform)
        with pytest.raises(ShopUnavailable):
            adapter.find_order("main-manomano_fr-M1-1")
        with pytest.raises(ShopUnavailable):
            adapter.find_products(["DRILL"])
        with pytest.raises(ShopUnavailable):
            adapter.shipments_since("")


def test_a_list_goes_on_where_a_proxy_took_the_count_of_its_pages_away() -> None:
    answers = [[{"id": number} for number in range(count)] for count in (100, 100, 50)]

    def page(talk: Any) -> None:
        body = json.dumps(answers[len(peer.heard) - 1]).encode()
        talk.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    with answering(page) as peer:
        shop = WooCommerceShop(PooledApi(peer.url, "ck_a", "cs_a", "main", pool=1), Lane(1))
        assert [len(rows) for rows in shop.pages("orders", Deadline(20))] == [100, 100, 50]
