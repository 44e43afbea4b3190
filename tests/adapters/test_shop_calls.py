"""What the adapters of HTTP shops share: what counts as sent, what a shop asks to wait, and what an address may be."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import urllib3
from urllib3 import exceptions

from lengow.adapters.calls import NOT_SENT, Busy, Caller, Deadline, Lost, Reply
from lengow.adapters.shop_url import check_shop_url
from lengow.connector.adapter import Rejected, Unknown
from lengow.connector.errors import ShopUnavailable

CERTAINLY_NOT_SENT = {
    "ConnectTimeoutError",
    "NewConnectionError",
    "NameResolutionError",
    "ProxyError",
    "HandshakeFailed",
    "LocationValueError",
    "LocationParseError",
    "URLSchemeUnknown",
    "ProxySchemeUnknown",
}


def subclasses(kind: type[Exception]) -> set[type[Exception]]:
    return {kind}.union(*(subclasses(one) for one in kind.__subclasses__()))


def test_only_what_surely_did_not_leave_counts_as_not_sent() -> None:
    """Every error of urllib3 has its place: what is not named here leaves the outcome unknown."""
    kinds = subclasses(exceptions.HTTPError)
    assert {kind.__name__ for kind in kinds if issubclass(kind, NOT_SENT)} == CERTAINLY_NOT_SENT


@contextmanager
def answering(answer: bytes, *, pause: float = 0) -> Iterator[str]:
    """A server that reads one request, waits, sends these bytes and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        with listener.accept()[0] as peer:
            peer.recv(65_536)
            over.wait(pause)
            peer.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        thread.join(5)
        listener.close()


def call(url: str, seconds: float = 5) -> Reply:
    caller = Caller(url, "main", connections=1, headers={})
    try:
        return caller.call("POST", f"{url}/orders", Deadline(seconds), about="orders", body=b"{}")
    finally:
        caller.close()


def test_a_refused_connection_was_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(ShopUnavailable, match="NewConnectionError"):
        call(url)


def test_tls_that_fails_was_not_sent() -> None:
    with answering(b"no TLS here") as url, pytest.raises(ShopUnavailable, match="HandshakeFailed"):
        call(url.replace("http://", "https://"))


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", b"nonsense\r\n\r\n"],
    ids=["hung up", "half an answer", "no HTTP"],
)
def test_an_answer_that_is_cut_leaves_the_outcome_open(answer: bytes) -> None:
    with answering(answer) as url, pytest.raises(Lost):
        call(url)


def test_an_answer_that_comes_too_late_leaves_the_outcome_open() -> None:
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", pause=5) as url, pytest.raises(Lost):
        call(url, seconds=0.3)


DATE = b"Date: Tue, 03 Mar 2026 14:00:00 GMT\r\n"


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (b"Retry-After: 90\r\n", 90),
        (b"Retry-After: Tue, 03 Mar 2026 14:02:00 GMT\r\n" + DATE, 120),
        (b"Retry-After: Tue, 03 Mar 2026 13:00:00 GMT\r\n" + DATE, 0),
        (b"Retry-After: soon\r\n", 0),
        (b"", 0),
    ],
)
def test_a_busy_shop_says_how_long_to_wait(given: bytes, seconds: float) -> None:
    answer = b"HTTP/1.1 429 Too Many\r\nContent-Length: 0\r\n" + given + b"\r\n"
    with answering(answer) as url, pytest.raises(Busy) as caught:
        call(url)
    assert caught.value.retry_after == seconds
    reason = str(caught.value)
    assert caught.value.outcome("R-1") == Rejected("R-1", reason, retry=True, retry_after=seconds, begun=False)


def test_what_was_sent_stays_unknown_however_long_the_shop_asks_to_wait() -> None:
    assert Lost("HTTP 503", retry_after=60).outcome("R-1") == Unknown("R-1", "HTTP 503", 60)


def test_an_answer_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with answering(b"HTTP/1.1 201 Created\r\n" + DATE + b'Content-Length: 8\r\n\r\n{"a": 1}') as url:
        reply = call(url)
    assert (reply.status, reply.json, reply.headers["date"]) == (201, {"a": 1}, "Tue, 03 Mar 2026 14:00:00 GMT")
    assert reply.at is not None
    assert Reply(200, {}, b"<html>\r\n<b>Oops</b>").glimpse == "<html> <b>Oops</b>"
    assert Reply(200, {}, b"[" * 100_000).json is None


def test_the_environments_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        caller = Caller("http://shop.example.com", "main", connections=1, headers={})
        assert isinstance(caller._pools, urllib3.ProxyManager)
        assert caller.call("GET", "http://shop.example.com/x", Deadline(5), about="x").json == {}
        caller.close()


# The address of a shop


@pytest.mark.parametrize("url", ["https://shop.example.com", "https://a.example/shop/", "http://[::1]:8080"])
def test_addresses_that_are_taken(url: str) -> None:
    check_shop_url(url, "key")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("shop.example.com", "not the address"),
        ("ftp://shop.example.com", "not the address"),
        ("https://shop.example.com/?a=b", "not the address"),
        ("https://[::1", "not the address"),
        ("https://shop.example.com:port", "not the address"),
        ("http://shop.example.com", "not https"),
        ("http://10.0.0.1", "not https"),
        ("https://user:hidden@shop.example.com/?a=b", "use key"),
    ],
)
def test_addresses_that_are_refused(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        check_shop_url(url, "key")
    assert "hidden" not in str(caught.value)
