"""`POST /webhooks/<shop>`: what is signed is committed once before it is answered; the rest leaves nothing behind."""

import http.client
import json
import socket
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import msgspec
import pytest
from flask import Flask, Response
from signing import BODY, NEW_SECRET, NOW, SECRET, event, headers, shipment
from waitress.server import create_server
from werkzeug.test import EnvironBuilder

from lengow.connector import Connector
from lengow.connector.model import EventState, StepKind
from lengow.connector.store import open_store
from lengow.webhooks import LARGEST_BODY, blueprint, create_app

PATH = "/webhooks/b2c"


def events(store_url):
    """As another process sees them."""
    with closing(open_store(store_url)) as store:
        return store.list_events()


def steps(store_url):
    with closing(open_store(store_url)) as store:
        return store.steps(kind=StepKind.EVENT)


class TestAGenuineDelivery:
    def test_is_accepted_once_it_is_committed(self, client, store_url):
        answer = client.post(PATH, data=BODY, headers=headers(BODY))
        assert (answer.status_code, answer.json) == (202, {"status": "accepted"})
        [row] = events(store_url)
        assert (row.shop, row.delivery_id, row.event_id, row.state) == ("b2c", "msg_1", "887", EventState.RECEIVED)
        assert row.body["tracking"]["number"] == "6A00000000001"
        assert [step.subject for step in steps(store_url)] == [str(row.id)]

    def test_is_taken_once_however_often_it_comes(self, client, store_url):
        client.post(PATH, data=BODY, headers=headers(BODY))
        for age in (0, 10, 200):
            answer = client.post(PATH, data=BODY, headers=headers(BODY, age=age))
            assert (answer.status_code, answer.json) == (200, {"status": "already_taken"})
        assert (len(events(store_url)), len(steps(store_url))) == (1, 1)

    def test_with_another_id_is_another(self, client, store_url):
        for number in (1, 2):
            assert client.post(PATH, data=BODY, headers=headers(BODY, f"msg_{number}")).status_code == 202
        assert len(events(store_url)) == 2

    def test_of_a_kind_that_is_not_handled_is_accepted_too(self, client, store_url):
        body = event("order.status_changed")
        assert client.post(PATH, data=body, headers=headers(body)).status_code == 202
        assert [row.kind for row in events(store_url)] == ["other"]

    @pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
    def test_may_say_more_of_its_content_type(self, client, content_type):
        given = {**headers(BODY), "Content-Type": content_type}
        assert client.post(PATH, data=BODY, headers=given).status_code == 202

    def test_tells_the_hosts_receivers_once(self, client, connector):
        told = []

        @connector.signals.event_received.connect
        def received(sender, **facts):
            told.append((facts["shop"], facts["event"].id))

        for _ in range(2):
            client.post(PATH, data=BODY, headers=headers(BODY))
        assert told == [("b2c", "887")]

    def test_keeps_every_character(self, client, store_url):
        body = event(shipment=shipment(carrier_label="Éclair 🚚 שלום"))
        assert client.post(PATH, data=body, headers=headers(body)).status_code == 202
        assert events(store_url)[0].body["tracking"]["carrier_name"] == "Éclair 🚚 שלום"


UNSIGNED = {name: value for name, value in headers(BODY).items() if name != "Webhook-Signature"}
LARGE = json.dumps({"type": "a", "data": "x" * LARGEST_BODY}).encode()
NO_EVENT = b'{"type": 1}'
REFUSALS = [
    pytest.param("/webhooks/unknown", BODY, headers(BODY), 404, "shop_unknown", id="unknown shop"),
    pytest.param("/webhooks/%00", BODY, headers(BODY), 404, "shop_unknown", id="odd shop"),
    pytest.param(PATH, BODY, UNSIGNED, 401, "signature_invalid", id="not signed"),
    pytest.param(PATH, BODY, headers(BODY, secret=NEW_SECRET), 401, "signature_invalid", id="another secret"),
    pytest.param(PATH, BODY + b" ", headers(BODY), 401, "signature_invalid", id="body changed on the way"),
    pytest.param(PATH, BODY, headers(BODY, age=301), 401, "signature_invalid", id="stale"),
    pytest.param(PATH, BODY, headers(BODY, age=-301), 401, "signature_invalid", id="from the future"),
    pytest.param(PATH, b"", headers(BODY), 411, "length_missing", id="empty"),
    pytest.param("/webhooks/closed", BODY, headers(BODY), 401, "signature_invalid", id="shop without a secret"),
    pytest.param(PATH, NO_EVENT, headers(NO_EVENT), 400, "payload_invalid", id="signed, but no event"),
    pytest.param(PATH, b"{", headers(b"{"), 400, "payload_invalid", id="signed, but no JSON"),
    pytest.param(PATH, LARGE, headers(LARGE), 413, "too_large", id="too large"),
    pytest.param(PATH, BODY, {**headers(BODY), "Content-Type": "text/plain"}, 415, "content_type_invalid", id="a text"),
    pytest.param(
        PATH,
        BODY,
        {**headers(BODY), "Content-Type": "application/x-www-form-urlencoded"},
        415,
        "content_type_invalid",
        id="form",
    ),
    pytest.param(PATH, BODY, {**headers(BODY), "Content-Type": ""}, 415, "content_type_invalid", id="no content type"),
]


@pytest.mark.parametrize(("path", "body", "given", "status", "code"), REFUSALS)
def test_a_refusal_says_why_and_stores_nothing(client, store_url, path, body, given, status, code):
    answer = client.post(path, data=body, headers=given)
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert answer.json["message"].endswith(".")
    assert events(store_url) == []
    assert steps(store_url) == []


@pytest.mark.parametrize(("path", "body", "given", "status", "code"), REFUSALS)
def test_a_refusal_shows_no_secret(client, caplog, path, body, given, status, code):
    caplog.set_level("DEBUG")
    answer = client.post(path, data=body, headers=given)
    assert SECRET.removeprefix("whsec_") not in answer.text + caplog.text


def test_a_delivery_without_length_is_refused(client, store_url):
    environment = EnvironBuilder(PATH, method="POST", data=BODY, headers=headers(BODY)).get_environ()
    del environment["CONTENT_LENGTH"]
    answer = Response.from_app(client.application, environment)
    assert (answer.status_code, answer.json["code"]) == (411, "length_missing")
    assert events(store_url) == []


@pytest.mark.parametrize(
    ("length", "status", "code"),
    [
        pytest.param(len(BODY) + 7, 400, "length_wrong", id="more than there is"),
        pytest.param(len(BODY) - 7, 401, "signature_invalid", id="less than there is: only so much is read"),
    ],
)
def test_a_delivery_of_a_wrong_length_is_refused(client, store_url, length, status, code):
    answer = client.post(PATH, data=BODY, headers=headers(BODY), environ_overrides={"CONTENT_LENGTH": str(length)})
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert events(store_url) == []


@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_only_post_is_taken(client, method):
    assert getattr(client, method)(PATH).status_code == 405


def test_an_address_that_is_not_there_is_told_to_programs_as_json_and_to_browsers_as_a_page(client):
    answer = client.post("/webhooks/b2c/more")
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    answer = client.put(PATH)
    assert (answer.status_code, answer.json["code"]) == (405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}
    assert client.get("/", headers={"Accept": "text/html,*/*;q=0.8"}).mimetype == "text/html"


def test_a_mistake_in_the_shops_secret_asks_the_sender_to_come_again(client, store_url):
    answer = client.post("/webhooks/broken", data=BODY, headers=headers(BODY))
    assert (answer.status_code, answer.json["code"]) == (503, "settings_invalid")
    assert answer.headers["Retry-After"] == "10"
    assert events(store_url) == []


@contextmanager
def locked(store_url):
    """Another process is writing."""
    with closing(sqlite3.connect(store_url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


class TestWhileTheStoreIsLocked:
    def test_a_delivery_is_not_taken_and_is_asked_for_again(self, client, store_url):
        with locked(store_url):
            answer = client.post(PATH, data=BODY, headers=headers(BODY))
            assert (answer.status_code, answer.json["code"]) == (503, "store_busy")
            assert int(answer.headers["Retry-After"]) > 0
        assert events(store_url) == []
        assert client.post(PATH, data=BODY, headers=headers(BODY)).status_code == 202

    def test_so_is_one_after_others_were_taken(self, client, store_url):
        client.post(PATH, data=BODY, headers=headers(BODY))
        with locked(store_url):
            assert client.post(PATH, data=BODY, headers=headers(BODY, "msg_2")).status_code == 503
        assert [row.delivery_id for row in events(store_url)] == ["msg_1"]

    def test_what_is_not_signed_is_refused_all_the_same(self, client, store_url):
        client.post(PATH, data=BODY, headers=headers(BODY))
        with locked(store_url):
            assert client.post(PATH, data=BODY, headers=UNSIGNED).status_code == 401


@pytest.fixture
def statements(monkeypatch):
    """Every SQL statement of the connections that are opened from now on."""
    seen, connect = [], sqlite3.connect

    def traced(*arguments, **options):
        connection = connect(*arguments, **options)
        connection.set_trace_callback(seen.append)
        return connection

    monkeypatch.setattr(sqlite3, "connect", traced)
    return seen


WRITES = ("BEGIN", "COMMIT", "INSERT", "UPDATE", "DELETE", "REPLACE")


def writing(statements):
    return [statement.split()[0] for statement in statements if statement.lstrip().upper().startswith(WRITES)]


class TestTheCostOfADelivery:
    @pytest.fixture
    def warm(self, statements, client):
        """The shop was opened by an earlier delivery."""
        client.post(PATH, data=BODY, headers=headers(BODY, "msg_0"))
        assert writing(statements)
        statements.clear()
        return client

    def test_is_one_write_transaction(self, warm, statements):
        assert warm.post(PATH, data=BODY, headers=headers(BODY)).status_code == 202
        done = writing(statements)
        assert (done[0], done[-1], done.count("BEGIN"), done.count("COMMIT")) == ("BEGIN", "COMMIT", 1, 1)

    def test_of_a_repeat_is_no_more(self, warm, statements):
        assert warm.post(PATH, data=BODY, headers=headers(BODY, "msg_0")).status_code == 200
        assert writing(statements).count("BEGIN") <= 1

    @pytest.mark.parametrize(("path", "body", "given", "status", "code"), REFUSALS[:-1])
    def test_of_a_refusal_is_none(self, warm, statements, path, body, given, status, code):
        warm.post("/webhooks/closed", data=BODY, headers=headers(BODY))
        statements.clear()
        assert warm.post(path, data=body, headers=given).status_code == status
        assert writing(statements) == []


class TestInAHostsApp:
    def test_it_stands_under_the_hosts_prefix(self, connector, store_url):
        host = Flask("host")
        host.register_blueprint(blueprint(connector), url_prefix="/lengow")
        client = host.test_client()
        assert client.post("/lengow/webhooks/b2c", data=BODY, headers=headers(BODY)).status_code == 202
        assert client.post("/webhooks/b2c", data=BODY, headers=headers(BODY)).status_code == 404
        assert len(events(store_url)) == 1

    def test_the_hosts_own_limit_counts_too(self, connector, store_url):
        host = Flask("host")
        host.config["MAX_CONTENT_LENGTH"] = 10
        host.register_blueprint(blueprint(connector))
        answer = host.test_client().post(PATH, data=BODY, headers=headers(BODY))
        assert (answer.status_code, answer.json["code"]) == (413, "too_large")
        assert events(store_url) == []

    def test_the_size_is_limited_though_the_host_sets_no_limit(self, connector):
        host = Flask("host")
        host.register_blueprint(blueprint(connector))
        answer = host.test_client().post(PATH, data=LARGE, headers=headers(LARGE))
        assert (answer.status_code, answer.json["code"]) == (413, "too_large")

    def test_two_connectors_stand_side_by_side(self, connector, settings, tmp_path):
        elsewhere = msgspec.structs.replace(settings.store, url=f"sqlite:///{tmp_path}/second.db")
        host = Flask("host")
        with Connector(msgspec.structs.replace(settings, store=elsewhere), clock=lambda: NOW) as second:
            host.register_blueprint(blueprint(connector), url_prefix="/one")
            host.register_blueprint(blueprint(second, "second"), url_prefix="/two")
            client = host.test_client()
            for prefix in ("/one", "/two"):
                assert client.post(prefix + PATH, data=BODY, headers=headers(BODY)).status_code == 202
        assert len(events(settings.store.url)) == len(events(elsewhere.url)) == 1


@pytest.fixture
def address(connector):
    """The receiver on a real socket, under waitress as `lengow-connector serve` runs it."""
    server = create_server(
        create_app(connector), host="127.0.0.1", port=0, threads=4, max_request_body_size=LARGEST_BODY + 1
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield "127.0.0.1", server.effective_port
    server.trigger.pull_trigger(lambda: hang_up(server))
    thread.join(5)
    server.task_dispatcher.shutdown()


def hang_up(server):
    """In the server's own thread, which waits for all of this."""
    for channel in list(server.active_channels.values()):
        channel.handle_close()
    server.close()


def deliver(address, body, given, path=PATH):
    with closing(http.client.HTTPConnection(*address, timeout=10)) as connection:
        connection.request("POST", path, body, given)
        answer = connection.getresponse()
        return answer.status, answer.read()


class TestOverARealSocket:
    @pytest.fixture
    def impatient(self):
        """Not here: threads wait for each other."""

    def test_a_delivery_is_accepted_its_repeat_taken_already_and_a_forged_one_refused(self, address, store_url):
        assert deliver(address, BODY, headers(BODY)) == (202, b'{"status":"accepted"}\n')
        assert deliver(address, BODY, headers(BODY)) == (200, b'{"status":"already_taken"}\n')
        assert deliver(address, BODY, headers(BODY, secret=NEW_SECRET))[0] == 401
        assert len(events(store_url)) == 1

    def test_of_many_at_once_one_is_accepted(self, address, store_url):
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: deliver(address, BODY, headers(BODY))[0], range(16)))
        assert sorted(answers) == [200] * 15 + [202]
        assert len(events(store_url)) == 1

    def test_a_body_in_chunks_is_taken(self, address, store_url):
        assert deliver(address, iter([BODY[:50], BODY[50:]]), headers(BODY))[0] == 202
        assert len(events(store_url)) == 1

    def test_a_body_that_is_too_large_is_refused(self, address, store_url):
        status, _ = deliver(address, LARGE, headers(LARGE))
        assert status == 413
        assert events(store_url) == []

    def test_a_sender_that_goes_away_leaves_nothing(self, address, store_url):
        lines = [f"{name}: {value}" for name, value in headers(BODY).items()]
        head = "\r\n".join([f"POST {PATH} HTTP/1.1", "Host: x", f"Content-Length: {len(BODY)}", *lines, "", ""])
        with socket.create_connection(address) as connection:
            connection.sendall(head.encode() + BODY[: len(BODY) // 2])
        assert deliver(address, BODY, headers(BODY, "msg_2"))[0] == 202
        assert [row.delivery_id for row in events(store_url)] == ["msg_2"]

    def test_a_post_without_a_length_is_refused(self, address):
        lines = [f"{name}: {value}" for name, value in headers(BODY).items()]
        head = "\r\n".join([f"POST {PATH} HTTP/1.1", "Host: x", "Connection: close", *lines, "", ""])
        with socket.create_connection(address) as connection:
            connection.sendall(head.encode())
            answer = connection.makefile("rb").readline()
        assert answer.split()[1] == b"411"
