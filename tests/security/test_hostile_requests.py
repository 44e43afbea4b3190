"""The receiver on the network: whatever is sent, nothing is taken that is not whole and genuine, and nothing is lost."""

import gzip
import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
from served import PATH, SETTINGS, Served, body_of, serving, signed

BODY = body_of(1)
MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served")) as running:
        running.deliver(0)
        yield running


def head(headers: dict[str, str], method: str = "POST") -> bytes:
    lines = [f"{method} {PATH} HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in chunks) + end


CHUNKED = {**signed(1, BODY), "Transfer-Encoding": "chunked"}
SIZED = {**signed(1, BODY), "Content-Length": str(len(BODY))}
BOMB = gzip.compress(b" " * 50 * MEGABYTE)
REFUSED = [
    pytest.param(head(signed(1, BODY)), 411, id="no length, no body"),
    pytest.param(head(signed(1, BODY)) + BODY, 411, id="no length, and a body all the same"),
    pytest.param(head({**SIZED, "Content-Length": str(len(BODY) - 1)}) + BODY, 401, id="length one less"),
    pytest.param(head({**SIZED, "Content-Length": "-1"}) + BODY, 400, id="length below nothing"),
    pytest.param(head({**SIZED, "Content-Length": "+5"}) + BODY, 400, id="length with a sign"),
    pytest.param(head({**SIZED, "Content-Length": "5, 5"}) + BODY, 400, id="two lengths"),
    pytest.param(head({**SIZED, "Content-Length": "9" * 30}) + BODY, 413, id="length of thirty digits"),
    pytest.param(head({**SIZED, "Content-Length": "9" * 5000}) + BODY, 0, id="length of five thousand digits"),
    pytest.param(head({**SIZED, "Content-Length": str(300 * 1024)}) + BODY, 413, id="length beyond the limit"),
    pytest.param(head(CHUNKED) + chunked(BODY, end=b"zz\r\n"), 400, id="chunk without a size"),
    pytest.param(head(CHUNKED) + b"-5\r\n" + BODY, 400, id="chunk of a size below nothing"),
    pytest.param(head(CHUNKED) + b"5\r\n" + BODY, 400, id="chunk longer than it says"),
    pytest.param(head(CHUNKED) + chunked(BODY[:-1]), 401, id="in chunks, cut short"),
    pytest.param(head(CHUNKED) + chunked(*[b"x" * 8192] * 64, end=b""), 413, id="chunks without end"),
    pytest.param(head(CHUNKED) + b"1;" + b"x" * MEGABYTE, 413, id="chunk's head without end"),
    pytest.param(head({**CHUNKED, "Transfer-Encoding": "gzip, chunked"}) + chunked(BODY), 501, id="coded transfer"),
    pytest.param(head({**signed(1, BODY), "X-Long": "x" * 64 * 1024}), 431, id="headers beyond the limit"),
    pytest.param(b"GET " + b"/" * 64 * 1024, 431, id="request line beyond the limit"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, id="TLS at the wrong door"),
    pytest.param(head({**SIZED, "Webhook-Id": "msg_1\r\n folded"}) + BODY, 401, id="folded header"),
]


@pytest.mark.parametrize(("sent", "status"), REFUSED)
def test_what_is_no_whole_request_is_refused(server: Served, sent: bytes, status: int) -> None:
    assert server.raw(sent) == status
    assert server.taken() == ["msg_0"]


def test_both_a_length_and_chunks_are_read_as_chunks_alone(server: Served) -> None:
    """RFC 9112 §6.3: so no second request can be hidden in the first."""
    hidden = b"POST /webhooks/unknown HTTP/1.1\r\n\r\n"
    assert server.raw(head({**CHUNKED, "Content-Length": "3"}) + chunked(BODY[:-1]) + hidden) == 401
    assert server.taken() == ["msg_0"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        pytest.param(BOMB, {"Content-Encoding": "gzip"}, 400, id="gzip bomb"),
        pytest.param(gzip.compress(BODY), {"Content-Encoding": "gzip"}, 400, id="packed"),
        pytest.param(b"[" * 200_000, {}, 400, id="nested without end"),
        pytest.param(b'{"type": "a", "data": ' + b"9" * 200_000 + b"}", {}, 400, id="a number without end"),
        pytest.param(BODY, {"Content-Type": "text/plain"}, 415, id="a text"),
        pytest.param(BODY, {"Content-Type": "multipart/form-data; boundary=x"}, 415, id="a form"),
        pytest.param(BODY, {"Content-Type": "application/xml"}, 415, id="XML"),
        pytest.param(b"x" * 300 * 1024, {}, 413, id="too large"),
    ],
)
def test_what_is_signed_but_cannot_be_read_is_refused_whole(
    server: Served, body: bytes, headers: dict[str, str], status: int
) -> None:
    assert server.ask("POST", PATH, body, signed(2, body, **headers))[0] == status
    assert server.taken() == ["msg_0"]


def test_the_answers_of_the_server_itself_tell_nothing_of_it(server: Served) -> None:
    for given, refused, code in (
        ({"Content-Length": str(300 * 1024)}, 413, "too_large"),
        ({"X-Long": "x" * 64 * 1024}, 431, "headers_too_large"),
        ({"Content-Length": "-1"}, 400, "request_invalid"),
        ({"Transfer-Encoding": "gzip, chunked"}, 501, "transfer_encoding_unknown"),
    ):
        status, headers, body = server.ask("POST", PATH, b"", given)
        assert (status, headers["Server"], headers["Content-Type"]) == (refused, "lengow-connector", "application/json")
        told = json.loads(body)
        assert (sorted(told), told["code"]) == (["code", "message"], code)
        assert "Traceback" not in told["message"]
        assert "lengow.db" not in told["message"]


def test_memory_stays_flat_under_all_of_it(server: Served) -> None:
    attacks = [one.values[0] for one in REFUSED]
    hidden = [signed(9, BOMB, **{"Content-Encoding": "gzip"}), signed(9, b"[" * 200_000)]

    def attack() -> None:
        for sent in attacks:
            server.raw(sent)
        for headers, body in zip(hidden, (BOMB, b"[" * 200_000), strict=True):
            server.ask("POST", PATH, body, headers)

    for _ in range(3):
        attack()
    before = server.memory()
    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(attack) for _ in range(40)]:
            future.result()
    assert server.memory() - before < 12 * MEGABYTE
    assert server.deliver(77)[0] == 202


class TestOverload:
    """One thread, and the store is held by another process."""

    WAITING, MORE = 10, 15

    def test_what_would_wait_too_long_is_refused_at_once_and_only_what_is_accepted_is_stored(
        self, tmp_path: Path
    ) -> None:
        answers: dict[int, tuple[int, dict[str, str], bytes]] = {}

        def deliver(number: int) -> None:
            answers[number] = server.deliver(number)

        patient = {"LONGEST_WAIT": 3600.0, "WAIT_FOR_STORE": 3600.0}
        with serving(tmp_path, threads=1, MOST_WAITING=self.WAITING, **patient) as server:
            assert server.deliver(0)[0] == 202
            with closing(sqlite3.connect(server.database, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                senders = [
                    threading.Thread(target=deliver, args=(number,))
                    for number in range(1, 2 + self.WAITING + self.MORE)
                ]
                for sender in senders:
                    sender.start()
                while len(answers) < self.MORE:  # though nothing at all can be stored meanwhile
                    time.sleep(0.01)
                assert {status for status, _, _ in answers.values()} == {503}
                for _, headers, body in answers.values():
                    assert int(headers["Retry-After"]) > 0
                    assert json.loads(body)["code"] == "overloaded"
                other.execute("ROLLBACK")
            for sender in senders:
                sender.join()
            accepted = [number for number, (status, _, _) in answers.items() if status == 202]
            assert len(accepted) in (self.WAITING, 1 + self.WAITING), "one more, when the thread took it up before"
            assert server.taken() == sorted(f"msg_{number}" for number in (0, *accepted))
            assert server.said.count("requests refused, because too many wait") == 1
            assert "Task queue depth" not in server.said
            assert server.deliver(99)[0] == 202

    def test_what_has_waited_too_long_is_refused_when_its_turn_comes(self, tmp_path: Path) -> None:
        limits = {"LONGEST_WAIT": 0.3, "WAIT_FOR_STORE": 3600.0}
        with serving(tmp_path, threads=1, **limits) as server, ThreadPoolExecutor(2) as pool:
            assert server.deliver(0)[0] == 202
            with closing(sqlite3.connect(server.database, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                first = pool.submit(server.deliver, 1)
                time.sleep(0.3)
                second = pool.submit(server.deliver, 2)
                time.sleep(1)
                other.execute("ROLLBACK")
            answers = [first.result(), second.result()]
            assert [status for status, _, _ in answers] == [202, 503]
            assert json.loads(answers[1][2])["code"] == "overloaded"
            assert server.taken() == ["msg_0", "msg_1"]

    def test_while_the_store_is_held_each_answer_comes_soon_and_what_is_sent_again_is_taken(
        self, tmp_path: Path
    ) -> None:
        with serving(tmp_path, threads=2, WAIT_FOR_STORE=0.1) as server, ThreadPoolExecutor(8) as pool:
            assert server.deliver(0)[0] == 202
            with closing(sqlite3.connect(server.database, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                answers = list(pool.map(server.deliver, range(1, 9)))  # ends, though the lock does not
                assert {status for status, _, _ in answers} == {503}
                assert {json.loads(body)["code"] for _, _, body in answers} == {"store_busy"}
                assert all(int(headers["Retry-After"]) > 0 for _, headers, _ in answers)
                other.execute("ROLLBACK")
            assert [status for status, _, _ in pool.map(server.deliver, range(9))] == [200] + [202] * 8
            assert server.taken() == sorted(f"msg_{number}" for number in range(9))


class TestSlowSenders:
    SLOW = head(SIZED)[:40]

    def test_a_request_that_drips_in_is_given_up(self, tmp_path: Path) -> None:
        with serving(tmp_path, SLOWEST_REQUEST=1.0, LOOK_EVERY=1) as server:
            with closing(server.connect(self.SLOW)) as dripping, pytest.raises(ConnectionError):  # noqa: PT012
                while True:  # each byte is a sign of life, and that is not enough
                    dripping.sendall(b"x")
                    time.sleep(0.1)
            assert server.deliver(1)[0] == 202

    def test_a_body_that_stops_half_way_is_given_up_and_not_taken(self, tmp_path: Path) -> None:
        with serving(tmp_path, SLOWEST_REQUEST=1.0, LOOK_EVERY=1) as server:
            with closing(server.connect(head(SIZED) + BODY[:-1])) as stopped:
                assert stopped.recv(100) == b""
            server.deliver(0)
            assert server.taken() == ["msg_0"]

    def test_who_holds_many_connections_keeps_nobody_else_out(self, tmp_path: Path) -> None:
        with serving(tmp_path, MOST_CONNECTIONS=20) as server:
            held = [server.connect(self.SLOW) for _ in range(200)]
            try:
                assert [server.deliver(number)[0] for number in range(5)] == [202] * 5
            finally:
                for connection in held:
                    connection.close()

    def test_a_second_request_of_a_connection_has_its_own_time(self, tmp_path: Path) -> None:
        with serving(tmp_path, SLOWEST_REQUEST=2.0, LOOK_EVERY=1) as server:
            with closing(HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
                for number in range(4):
                    body = body_of(number)
                    connection.request("POST", PATH, body, signed(number, body))
                    answer = connection.getresponse()
                    assert (answer.status, answer.read()) == (202, b'{"status":"accepted"}\n')
                    time.sleep(0.8)
            assert len(server.taken()) == 4


class TestBehindAProxy:
    def test_metrics_are_not_for_those_who_come_through_it(self, server: Served) -> None:
        """A proxy on this machine tells of whom it speaks; for anyone but this machine a token is needed."""
        assert server.ask("GET", "/metrics")[0] == 200
        for name in ("X-Forwarded-For", "Forwarded", "X-Real-Ip"):
            assert server.ask("GET", "/metrics", headers={name: "203.0.113.9"})[0] == 403

    def test_the_console_knows_that_its_visitor_came_by_https(self, tmp_path: Path) -> None:
        settings = f"{SETTINGS}\n[console]\nproxies = 1\n"
        with serving(tmp_path, settings=settings, more=["--console"]) as server:
            forwarded = {
                "X-Forwarded-For": "203.0.113.9",
                "X-Forwarded-Proto": "https",
                "X-Forwarded-Host": "shop.example",
            }
            assert "Secure" in server.ask("GET", "/console/login", headers=forwarded)[1]["Set-Cookie"]
            assert "Secure" not in server.ask("GET", "/console/login")[1]["Set-Cookie"]
