"""What Prometheus, a load balancer and a process manager read."""

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from lengow import webhooks
from lengow.connector.adapter import Request
from lengow.connector.errors import SignatureError
from lengow.connector.health import FRESH_SECONDS
from lengow.connector.metrics import Collector, exposition
from lengow.connector.model import StepKind
from lengow.connector.secret import Secret
from lengow.connector.settings import Metrics
from lengow.sandbox import Fault

ORDERS = "/v3.0/orders/"

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(autouse=True)
def looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lengow.connector.health.FRESH_SECONDS", 0.0)


@pytest.fixture
def client(merchant: Any) -> FlaskClient:
    return webhooks.create_app(merchant.connector).test_client()


def read(client: FlaskClient) -> Samples:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.text)
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


class TestMetrics:
    def test_before_the_first_sync_the_lag_is_infinite(self, client: FlaskClient) -> None:
        assert value(read(client), "lengow_sync_lag_seconds", account="main") == float("inf")

    def test_orders_by_state_and_shop(self, merchant: Any, client: FlaskClient) -> None:
        merchant.sells(2)
        merchant.sells_raw({"total_order": "-1"})
        merchant.sells(1, "fulfilment")
        merchant.sync()
        samples = read(client)
        for state, count in {"created": 2, "failed": 1, "skipped": 1}.items():
            assert value(samples, "lengow_orders", account="main", shop="b2c", state=state) == count
        assert value(samples, "lengow_sync_failing", account="main") == 0
        lag = value(samples, "lengow_sync_lag_seconds", account="main")
        assert lag is not None
        assert 0 <= lag < 120

    def test_the_lag_grows_while_lengow_refuses(self, merchant: Any, client: FlaskClient) -> None:
        merchant.sync()
        merchant.sandbox.fault(Fault("status", status=400, times=None))
        merchant.sandbox.advance(hours=2)
        merchant.sync()
        samples = read(client)
        assert value(samples, "lengow_sync_failing", account="main") == 1
        assert (value(samples, "lengow_sync_lag_seconds", account="main") or 0) >= 7190

    def test_late_orders_actions_and_the_queue(self, merchant: Any, client: FlaskClient) -> None:
        told, late = merchant.sells(2)
        merchant.sync()
        merchant.connector.ship("main", "manomano_fr", told, carrier="DPD", tracking_number="1")
        merchant.sandbox.advance(days=9)
        samples = read(client)
        assert merchant.state(late) == ("created", "")
        assert value(samples, "lengow_late_orders", account="main") == 1
        assert value(samples, "lengow_actions", account="main", state="queued") == 1
        assert value(samples, "lengow_steps_due", kind="send") == 1
        assert (value(samples, "lengow_steps_oldest_seconds", kind="send") or 0) >= 9 * 24 * 3600 - 60
        merchant.sync()
        merchant.sandbox.advance(hours=1)
        merchant.sync()
        samples = read(client)
        assert value(samples, "lengow_late_orders", account="main") == 1
        assert value(samples, "lengow_actions", account="main", state="confirmed") == 1
        assert value(samples, "lengow_steps_due", kind="send") is None

    def test_held_steps_are_counted_apart(self, merchant: Any, client: FlaskClient) -> None:
        merchant.sync()
        now = merchant.sandbox.now()
        with merchant.connector.store.transaction() as tx:
            [step] = tx.claim(StepKind.IMPORT_DAILY, now, now, limit=1, force=True)
            tx.hold(step, "no")
        assert value(read(client), "lengow_steps_held", kind="import_daily") == 1

    def test_calls_to_lengow_by_route_and_outcome(self, merchant: Any, client: FlaskClient) -> None:
        merchant.sync()
        for fault in (Fault("lost_after", path=ORDERS), Fault("status", status=503, path=ORDERS)):
            merchant.sandbox.fault(fault)
            merchant.sync()
        labels = {"account": "main", "method": "GET", "route": ORDERS}
        samples = read(client)
        assert value(samples, "lengow_api_seconds_count", outcome="200", **labels) == 3
        assert value(samples, "lengow_api_seconds_count", outcome="503", **labels) == 1
        assert value(samples, "lengow_api_seconds_count", outcome="lost", **labels) == 1
        assert value(samples, "lengow_api_seconds_bucket", outcome="200", le="+Inf", **labels) == 3
        assert (value(samples, "lengow_api_seconds_sum", outcome="200", **labels) or 0) > 0

    def test_the_quota_that_is_left(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(account={"requests_per_minute": 100})
        merchant.sync()
        samples = read(webhooks.create_app(merchant.connector).test_client())
        assert 0 < (value(samples, "lengow_quota_left", account="main", route=ORDERS) or 0) < 100
        assert value(samples, "lengow_quota_left", account="main", route="/v3.0/orders/actions/") == 100

    def test_deliveries_to_the_receiver_by_answer(self, merchant: Any, client: FlaskClient) -> None:
        with pytest.raises(SignatureError):
            merchant.connector.receive("b2c", Request({}, b"{}"))
        assert client.post("/webhooks/b2c", json={}).status_code == 401
        samples = read(client)
        assert value(samples, "lengow_webhook_deliveries_total", shop="b2c", outcome="signature_invalid") == 2

    def test_two_connectors_in_one_process_keep_apart(self, make_merchant: Callable[..., Any]) -> None:
        one, two = make_merchant(), make_merchant()
        one.sells(1)
        one.sync()
        assert value(read(webhooks.create_app(one.connector).test_client()), "lengow_api_seconds_sum") is None
        samples = read(webhooks.create_app(two.connector).test_client())
        assert not [name for name, _ in samples if name.startswith(("lengow_api", "lengow_orders"))]

    def test_a_host_with_a_registry_of_its_own(self, merchant: Any) -> None:
        from prometheus_client import CollectorRegistry

        merchant.sells(1)
        merchant.sync()
        registry = CollectorRegistry()
        registry.register(Collector(merchant.connector))
        labels = {"account": "main", "shop": "b2c", "state": "created"}
        assert registry.get_sample_value("lengow_orders", labels) == 1


class TestWhoMayRead:
    @pytest.fixture
    def guarded(self, merchant: Any, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
        import msgspec

        settings = msgspec.structs.replace(merchant.connector.settings, metrics=Metrics(Secret("t0ken")))
        monkeypatch.setattr(merchant.connector, "settings", settings)
        return webhooks.create_app(merchant.connector).test_client()

    @pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", "Basic t0ken", "Bearer té"])
    def test_without_the_token_nothing_is_told(self, guarded: FlaskClient, given: str) -> None:
        answer = guarded.get("/metrics", headers={"Authorization": given} if given else {})
        assert (answer.status_code, answer.json["code"]) == (401, "metrics_token_wrong")  # type: ignore[index]
        assert answer.headers["WWW-Authenticate"] == "Bearer"

    def test_with_the_token_it_is(self, guarded: FlaskClient) -> None:
        answer = guarded.get(
            "/metrics", headers={"Authorization": "Bearer t0ken"}, environ_base={"REMOTE_ADDR": "203.0.113.9"}
        )
        assert answer.status_code == 200
        assert answer.content_type.startswith("text/plain; version=0.0.4")

    @pytest.mark.parametrize(
        "caller",
        [
            {"environ_base": {"REMOTE_ADDR": "203.0.113.9"}},
            {"headers": {"X-Forwarded-For": "127.0.0.1"}},
            {"headers": {"Forwarded": "for=127.0.0.1"}},
        ],
    )
    def test_where_no_token_is_set_only_this_machine_may(self, client: FlaskClient, caller: dict[str, Any]) -> None:
        answer = client.get("/metrics", **caller)
        assert (answer.status_code, answer.json["code"]) == (403, "metrics_not_shared")  # type: ignore[index]


class TestReadiness:
    def test_alive_whatever_else_is_wrong(self, merchant: Any, client: FlaskClient) -> None:
        merchant.connector.store.close()
        assert client.get("/healthz").status_code == 200

    def test_ready_once_the_schedule_runs(self, merchant: Any, client: FlaskClient) -> None:
        answer = client.get("/readyz")
        assert answer.status_code == 503
        [reason] = answer.json["reasons"]  # type: ignore[index]
        assert (reason["code"], reason["account"]) == ("schedule_not_started", "main")
        assert client.get("/readyz?only=store").status_code == 200
        merchant.sync()
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json) == (200, {"status": "ready", "reasons": []})

    def test_not_ready_when_nobody_runs_the_schedule(self, merchant: Any, client: FlaskClient) -> None:
        merchant.sync()
        merchant.sandbox.advance(minutes=40)
        assert client.get("/readyz").status_code == 200
        merchant.sandbox.advance(hours=1)
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert [one["code"] for one in answer.json["reasons"]] == ["schedule_lagging"]  # type: ignore[index]
        assert client.get("/readyz?only=store").status_code == 200

    def test_lengow_refusing_is_no_reason_to_take_this_process_out(self, merchant: Any, client: FlaskClient) -> None:
        merchant.sandbox.fault(Fault("status", status=400, times=None))
        merchant.sync()
        assert client.get("/readyz").status_code == 200

    def test_not_ready_while_the_store_cannot_be_written(
        self, merchant: Any, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("lengow.connector.store.connections.BUSY_SECONDS", 0.1)
        merchant.restart()
        client = webhooks.create_app(merchant.connector).test_client()
        merchant.sync()
        with closing(sqlite3.connect(merchant.folder / "lengow.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            answer = client.get("/readyz?only=store")
            other.execute("ROLLBACK")
        assert answer.status_code == 503
        [reason] = answer.json["reasons"]  # type: ignore[index]
        assert reason["code"] == "store_busy"
        assert str(merchant.folder) not in answer.text
        assert client.get("/readyz").status_code == 200

    def test_another_question_than_for_the_store_alone_is_refused(self, client: FlaskClient) -> None:
        for query in ("only=stor", "only=", "only=store&only=all"):
            answer = client.get(f"/readyz?{query}")
            assert (answer.status_code, answer.json["code"]) == (400, "query_invalid")  # type: ignore[index]

    def test_asking_often_writes_seldom(self, merchant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("lengow.connector.health.FRESH_SECONDS", FRESH_SECONDS)
        merchant.sync()
        client = webhooks.create_app(merchant.connector).test_client()
        client.get("/readyz")
        probed = merchant.connector.store.get_value("", "probed_at")
        assert probed
        for _ in range(20):
            assert client.get("/readyz").status_code == 200
        assert merchant.connector.store.get_value("", "probed_at") == probed


def test_in_a_hosts_app_they_stand_under_its_prefix(merchant: Any) -> None:
    app = Flask("host")
    app.register_blueprint(webhooks.blueprint(merchant.connector), url_prefix="/lengow")
    assert app.test_client().get("/lengow/healthz").json == {"status": "alive"}
    assert app.test_client().get("/lengow/metrics").status_code == 200


def test_the_docs_name_each_metric_and_no_other(merchant: Any) -> None:
    page = (Path(__file__).parents[2] / "docs/operations.md").read_text(encoding="utf-8")
    feed = {"shop": "b2c", "marketplace": "manomano_fr", "path": "feed.csv"}
    address = {"name": "Martin", "address": ["1 rue du Port"], "zipcode": "33000", "city": "Bordeaux"}
    numbers = {"siren": "732829320", "vat_number": "FR44732829320"}
    invoices = {"seller": address | numbers, "shops": {"b2c": {"mail": False}}}
    merchant.restart(sections={"feeds": {"standard": feed}, "invoices": invoices})
    names = [one.name for one in text_string_to_metric_families(exposition(merchant.connector).decode())]
    exposed = set(names)
    assert len(names) == len(exposed)
    assert exposed == {re.sub("_total$", "", name) for name in re.findall(r"^\| `(lengow_\w+)", page, re.MULTILINE)}
    used = {re.sub("_(bucket|count|sum|total)$", "", name) for name in re.findall(r"\blengow_\w+", page)}
    assert used == exposed
