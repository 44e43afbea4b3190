"""Whatever goes wrong at or on the way to Lengow comes out as one of the connector's own errors, with Lengow's text."""

import inspect
import json
import socket

import pytest
import requests
import urllib3
from requests.adapters import HTTPAdapter
from scripted_lengow import dripping, lost, raw, reply, silent

from lengow.connector.client import transport
from lengow.connector.errors import (
    ApiError,
    ApiRefused,
    ApiUnavailable,
    MalformedAnswer,
    NotFound,
    OutcomeUnknown,
    RateLimited,
)

ACTIONS = "/v3.0/orders/actions/"
MOI = "/v3.0/orders/moi/"


@pytest.mark.parametrize(
    ("status", "body", "error", "text"),
    [
        pytest.param(400, {"error": {"message": "No account", "code": 400}}, ApiRefused, "No account", id="message"),
        pytest.param(400, {"error": "No account"}, ApiRefused, "No account", id="plain text"),
        pytest.param(404, {"detail": "Pas trouvé."}, NotFound, "Pas trouvé.", id="Pas trouvé"),
        pytest.param(404, {"detail": "Not found."}, NotFound, "Not found.", id="Not found"),
        pytest.param(
            422,
            {"detail": [{"loc": ["query", "feed"], "msg": "field required", "type": "value_error"}]},
            ApiRefused,
            "query.feed: field required",
            id="places and messages",
        ),
        pytest.param(
            400, {"carrier": ["Unknown."], "line": ["Missing.", "Odd."]}, ApiRefused, "carrier: Unknown.", id="fields"
        ),
        pytest.param(429, {"error": {"code": 429, "message": "Limit"}}, RateLimited, "Limit", id="quota"),
        pytest.param(503, {"error": {"message": "Down", "code": 503}}, ApiUnavailable, "Down", id="503"),
        pytest.param(530, {"error": {"message": "logical error"}}, ApiUnavailable, "logical error", id="530"),
        pytest.param(502, b"<html><h1>Bad gateway</h1>", ApiUnavailable, "Bad gateway", id="a proxy's page"),
        pytest.param(400, b"", ApiRefused, "gave no text", id="nothing"),
        pytest.param(400, {"error": {"message": None}}, ApiRefused, "gave no text", id="null message"),
        pytest.param(400, ["one", "two"], ApiRefused, "one; two", id="list"),
        pytest.param(400, b"\xff\xfe", ApiRefused, "\ufffd\ufffd", id="not UTF-8"),
        pytest.param(400, b"[" * 100_000, ApiRefused, r"\[\[\[", id="nested without end"),
        pytest.param(400, b'{"error":' + b"[" * 900 + b"]" * 900 + b"}", ApiRefused, "HTTP 400", id="nested deeply"),
        pytest.param(302, b"moved", ApiUnavailable, "HTTP 302", id="redirect"),
        pytest.param(204, b"", ApiUnavailable, "HTTP 204", id="success that is none"),
    ],
)
def test_each_shape_of_refusal_is_one_error_with_lengows_text(client, lengow, status, body, error, text):
    lengow.answers("GET", "/me", reply(body, status))
    with pytest.raises(error, match=text):
        client.me()


def test_a_refusal_tells_its_status_and_fields(client, lengow):
    lengow.answers("POST", ACTIONS, reply({"carrier": ["Unknown.", "Odd."]}, 400))
    with pytest.raises(ApiRefused) as refused:
        client.post_action("manomano_fr", "M1", "ship", {})
    assert (refused.value.status, refused.value.fields) == (400, {"carrier": "Unknown.; Odd."})
    assert refused.value.code == "lengow_refused"


def test_a_text_without_end_is_cut(client, lengow):
    lengow.answers("GET", "/me", reply({"error": "x" * 100_000}, 400))
    with pytest.raises(ApiRefused) as refused:
        client.me()
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(silent(), id="no answer"),
        pytest.param(dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b" "), id="body drips in"),
        pytest.param(
            dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"), id="chunks drip in"
        ),
        pytest.param(dripping(b"HTTP/1.1 200 OK\r\n", b"X-A: 1\r\n"), id="headers drip in"),
        pytest.param(dripping(b"HTTP/1.1 200 OK\r\nX-A: ", b"a"), id="one header drips in"),
        pytest.param(
            dripping(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 1000\r\n\r\n", b" "), id="redirect drips"
        ),
    ],
)
def test_an_answer_that_does_not_end_in_time_is_given_up(make_client, lengow, answer, monkeypatch):
    monkeypatch.setattr(transport, "TRIES", 1)
    client = make_client(lengow.url, timeouts=transport.Timeouts(connect=1, default=0.1))
    client.account_id()
    lengow.answers("GET", "/me", answer)
    with pytest.raises(ApiUnavailable, match=r"did not answer /me: no whole answer within 0\.1 s"):
        client.me()


def test_each_route_has_its_own_time(make_client, lengow, monkeypatch):
    monkeypatch.setattr(transport, "TRIES", 1)
    client = make_client(lengow.url, timeouts=transport.Timeouts(default=5, routes={"/v3.0/marketplaces/": 0.05}))
    lengow.answers("GET", "/v3.0/marketplaces/", silent())
    with pytest.raises(ApiUnavailable, match=r"within 0\.05 s"):
        client.marketplaces()


def test_nobody_listening_is_unavailable_after_four_tries(make_client, clock):
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        client = make_client(f"http://127.0.0.1:{reserved.getsockname()[1]}")
        with pytest.raises(ApiUnavailable, match="no connection"):
            client.me()
    assert len(clock.waits) == 3


GOOD = reply({"count": 0, "results": []})


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param(reply({}, 500), ApiUnavailable, id="500"),
        pytest.param(reply(b"<html>", 502), ApiUnavailable, id="502"),
        pytest.param(reply({}, 504), ApiUnavailable, id="504"),
        pytest.param(lost(), ApiUnavailable, id="connection lost"),
        pytest.param(raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}"), ApiUnavailable, id="body cut off"),
        pytest.param(raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz"), ApiUnavailable, id="odd chunks"),
        pytest.param(raw(b"SSH-2.0-OpenSSH\r\n"), ApiUnavailable, id="not HTTP"),
        pytest.param(reply(b"no gzip", Content_Encoding="gzip"), ApiUnavailable, id="not as it is encoded"),
        pytest.param(reply(b'{"count": 1, "resu'), MalformedAnswer, id="JSON cut off"),
        pytest.param(reply(b""), MalformedAnswer, id="empty"),
        pytest.param(reply(b"<html>login</html>"), MalformedAnswer, id="a page"),
        pytest.param(reply([]), MalformedAnswer, id="list instead of page"),
        pytest.param(reply({"count": "many", "results": []}), MalformedAnswer, id="count is a text"),
        pytest.param(reply({"results": []}), MalformedAnswer, id="no count"),
        pytest.param(reply(b'{"count": 1, "next": "\xff", "results": []}'), MalformedAnswer, id="not UTF-8"),
        pytest.param(reply(b"[" * 100_000), MalformedAnswer, id="nested without end"),
    ],
)
class TestReadingIsRepeated:
    def test_until_it_succeeds(self, client, lengow, fault, error):
        lengow.answers("GET", "/v3.0/orders/", fault, fault, fault, GOOD)
        assert client.orders_page(1).count == 0

    def test_four_times_then_the_error_is_raised(self, client, lengow, fault, error):
        lengow.answers("GET", "/v3.0/orders/", fault)
        with pytest.raises(error):
            client.orders_page(1)
        assert len(lengow.calls_of("GET", "/v3.0/orders/")) == 4


def test_the_pauses_between_tries_grow(client, lengow, clock):
    lengow.answers("GET", "/me", reply({}, 500))
    with pytest.raises(ApiUnavailable):
        client.me()
    assert [0.25 * 2**n <= wait <= 0.5 * 2**n for n, wait in enumerate(clock.waits)] == [True] * 3


def test_a_refusal_is_not_repeated(client, lengow):
    lengow.answers("GET", "/me", reply({"error": "no"}, 400))
    with pytest.raises(ApiRefused):
        client.me()
    assert len(lengow.calls_of("GET", "/me")) == 1


def test_an_answer_without_end_is_given_up(client, lengow, monkeypatch):
    monkeypatch.setattr(transport, "LARGEST_ANSWER", 1000)
    lengow.answers("GET", "/me", reply(b" " * 2000))
    with pytest.raises(ApiUnavailable):
        client.me()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(raw(b"HTTP/1.1 302 F\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n"), id="odd location"),
        pytest.param(raw(b"HTTP/1.1 302 F\r\nLocation: /\xff\xfe\r\nContent-Length: 0\r\n\r\n"), id="odd bytes in it"),
        pytest.param(raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), id="two lengths"),
        pytest.param(raw(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n"), id="too many headers"),
        pytest.param(raw(b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000 + b"\r\n\r\n"), id="header too long"),
    ],
)
def test_odd_headers_are_a_lost_answer(client, lengow, answer):
    lengow.answers("GET", "/me", answer)
    with pytest.raises(ApiError):
        client.me()


class TestActionsAreNeverSentTwice:
    @pytest.mark.parametrize(
        "fault",
        [
            pytest.param(lost(), id="connection lost"),
            pytest.param(silent(), id="no answer"),
            pytest.param(raw(b"HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{"), id="body cut off"),
            pytest.param(reply({}, 500), id="500"),
            pytest.param(reply({"id": 7}, 500), id="500 with an id"),
            pytest.param(reply(b"<html>", 502), id="502"),
            pytest.param(reply({}, 503, Retry_After="1"), id="503"),
            pytest.param(reply({}, 202), id="202"),
            pytest.param(reply(b"", 204), id="204"),
            pytest.param(reply({}, 408), id="408"),
            pytest.param(reply(b'{"id": 1', 201), id="JSON cut off"),
            pytest.param(reply({"queued": True}), id="no id"),
            pytest.param(reply({"id": "one"}), id="id is a text"),
            pytest.param(reply(b"<html>login</html>"), id="a page"),
        ],
    )
    def test_where_it_may_have_been_taken(self, make_client, lengow, fault):
        client = make_client(lengow.url, timeouts=transport.Timeouts(connect=1, default=0.1))
        lengow.answers("POST", ACTIONS, fault)
        with pytest.raises(OutcomeUnknown):
            client.post_action("manomano_fr", "M1", "ship", {"carrier": "DPD"})
        assert len(lengow.calls_of("POST", ACTIONS)) == 1

    def test_but_again_after_the_quota(self, client, lengow, clock):
        lengow.answers("POST", ACTIONS, reply({}, 429, Retry_After="12"), reply({"id": 7}, 201))
        assert client.post_action("manomano_fr", "M1", "ship", {}) == 7
        assert sum(clock.waits) == pytest.approx(12)

    def test_but_again_where_no_connection_was_made(self, client, lengow, monkeypatch):
        client.account_id()
        refused = refuse_connections(monkeypatch, 2)
        lengow.answers("POST", ACTIONS, reply({"id": 7}, 201))
        assert client.post_action("manomano_fr", "M1", "ship", {}) == 7
        assert (len(refused), len(lengow.calls_of("POST", ACTIONS))) == (2, 1)

    def test_and_without_any_connection_nothing_was_changed(self, client, lengow, monkeypatch):
        client.account_id()
        refused = refuse_connections(monkeypatch, 100)
        with pytest.raises(ApiUnavailable):
            client.post_action("manomano_fr", "M1", "ship", {})
        assert len(refused) == 4

    def test_nor_sent_at_all_once_the_callers_time_is_over(self, make_client, lengow):
        lengow.answers("POST", ACTIONS, reply({"id": 7}, 201))
        client = make_client(lengow.url, requests_per_minute=1)
        assert client.post_action("manomano_fr", "M1", "ship", {}, within=20) == 7
        with pytest.raises(ApiUnavailable, match="nothing was sent"):
            client.post_action("manomano_fr", "M2", "ship", {}, within=20)
        assert len(lengow.calls_of("POST", ACTIONS)) == 1

    def test_a_whole_window_of_the_quota_is_waited_for(self, make_client, lengow):
        lengow.answers("POST", ACTIONS, reply({"id": 7}, 201))
        client = make_client(lengow.url, requests_per_minute=1)
        for _ in range(3):
            client.post_action("manomano_fr", "M1", "ship", {})
        assert len(lengow.calls_of("POST", ACTIONS)) == 3


def refuse_connections(monkeypatch, times):
    """As a machine does on which nothing listens; returns the list of what was refused."""
    connect, refused = urllib3.util.connection.create_connection, []

    def create_connection(address, *arguments, **options):
        if len(refused) < times:
            refused.append(address)
            raise ConnectionRefusedError(111, "Connection refused")
        return connect(address, *arguments, **options)

    monkeypatch.setattr(urllib3.util.connection, "create_connection", create_connection)
    return refused


def test_a_merchant_order_id_is_told_again_after_a_fault(client, lengow):
    lengow.answers("PATCH", MOI, lost(), reply({}, 503), reply({}))
    client.set_merchant_order_ids("manomano_fr", "M1", ["1001", "1002"])
    assert len(lengow.calls_of("PATCH", MOI)) == 3


def test_a_merchant_order_id_is_json(client, lengow):
    client.set_merchant_order_ids("manomano_fr", "M1", ["1001", "1002"])
    [call] = lengow.calls_of("PATCH", MOI)
    assert call.headers["content-type"] == "application/json"
    assert json.loads(call.body) == {
        "account_id": 4242,
        "marketplace": "manomano_fr",
        "marketplace_order_id": "M1",
        "merchant_order_id": ["1001", "1002"],
    }
    assert call.query == {}


def test_an_action_is_a_form(client, lengow):
    lengow.answers("POST", ACTIONS, reply({"id": 7}, 201))
    arguments = {"carrier": "Other", "carrier_name": "Éclair & Fils", "tracking_url": "https://example.com/?a=1&b=2"}
    client.post_action("manomano_fr", "M1", "ship", arguments)
    [call] = lengow.calls_of("POST", ACTIONS)
    assert call.headers["content-type"] == "application/x-www-form-urlencoded"
    assert call.form == {
        "account_id": "4242",
        "marketplace": "manomano_fr",
        "marketplace_order_id": "M1",
        "action_type": "ship",
        **arguments,
    }


LOWER_ERRORS = [
    kind
    for _, kind in inspect.getmembers(requests.exceptions, inspect.isclass)
    if issubclass(kind, requests.exceptions.RequestException)
]
NOT_SENT = {requests.exceptions.ConnectTimeout}


def made(kind):
    return kind("text", "document", 0) if issubclass(kind, requests.exceptions.JSONDecodeError) else kind("text")


@pytest.mark.parametrize("kind", LOWER_ERRORS, ids=lambda kind: kind.__name__)
class TestEveryErrorOfRequestsIsOneOfOurs:
    def test_when_reading(self, client, monkeypatch, kind):
        client.account_id()

        def fail(*arguments, **options):
            raise made(kind)

        monkeypatch.setattr(HTTPAdapter, "send", fail)
        with pytest.raises(ApiUnavailable):
            client.me()

    def test_when_sending_an_action(self, client, monkeypatch, kind):
        client.account_id()
        sent = []

        def fail(*arguments, **options):
            sent.append(kind)
            raise made(kind)

        monkeypatch.setattr(HTTPAdapter, "send", fail)
        with pytest.raises(ApiUnavailable if kind in NOT_SENT else OutcomeUnknown):
            client.post_action("manomano_fr", "M1", "ship", {})
        assert len(sent) == (4 if kind in NOT_SENT else 1)
