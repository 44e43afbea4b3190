"""Each kind of failure, as a client feels it."""

import time

import pytest
import requests

from lengow.sandbox import Fault, SandboxError

ORDERS = "/v3.0/orders"
ACTIONS = "/v3.0/orders/actions/"


@pytest.fixture
def sold(api, sandbox, account):
    ids = sandbox.sell(account.account_id, 5, {"standard": 1})
    sandbox.advance(minutes=15)
    return ids


def ids(orders):
    return [order["marketplace_order_id"] for order in orders]


def test_latency(api, sandbox):
    sandbox.fault(Fault("latency", path=ORDERS, seconds=0.3))
    with pytest.raises(requests.ReadTimeout):
        api.session.get(sandbox.url + ORDERS, timeout=0.05)
    started = time.monotonic()
    assert api.get(ORDERS).status_code == 200
    assert time.monotonic() - started < 0.2


def test_a_status_of_choice(api, sandbox):
    sandbox.fault(Fault("status", path=ORDERS, status=530, body='{"error": "logical"}', headers={"X-Trace": "1"}))
    answer = api.get(ORDERS)
    assert (answer.status_code, answer.json(), answer.headers["X-Trace"]) == (530, {"error": "logical"}, "1")
    assert api.get(ORDERS).status_code == 200


def test_a_rate_limit(api, sandbox):
    sandbox.fault(Fault("rate_limit", path=ORDERS, retry_after=7))
    answer = api.get(ORDERS)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert answer.json()["error"]["code"] == 429


def test_a_proxy_page(api, sandbox):
    sandbox.fault(Fault("html_502", path=ORDERS))
    answer = api.get(ORDERS)
    assert (answer.status_code, answer.headers["Content-Type"]) == (502, "text/html")


def test_a_truncated_body(api, sandbox, sold):
    sandbox.fault(Fault("truncate", path=ORDERS))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        api.get(ORDERS)
    assert len(api.orders()) == 5


def test_malformed_json_of_the_right_length(api, sandbox, sold):
    sandbox.fault(Fault("malformed", path=ORDERS))
    answer = api.get(ORDERS)
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()


def test_lost_before_and_after_the_effect(api, sandbox, sold):
    sandbox.fault(Fault("lost_before", method="POST", path=ACTIONS))
    with pytest.raises(requests.ConnectionError):
        api.ship(sold[0])
    assert sandbox.ledger().told == ()
    sandbox.fault(Fault("lost_after", method="POST", path=ACTIONS))
    with pytest.raises(requests.ConnectionError):
        api.ship(sold[0])
    assert [told.order_id for told in sandbox.ledger().told] == [sold[0]]


def test_a_stale_token(api, sandbox):
    sandbox.fault(Fault("stale_token", path=ORDERS))
    assert api.get(ORDERS).status_code == 401
    api.log_in()
    assert api.get(ORDERS).status_code == 200


def test_duplicate_and_shuffled_results(api, sandbox, sold):
    honest = ids(api.orders())
    sandbox.fault(Fault("duplicate", path=ORDERS, count=2))
    assert ids(api.orders()) == honest + honest[:2]
    sandbox.fault(Fault("shuffle", path=ORDERS))
    shuffled = ids(api.orders())
    assert shuffled != honest
    assert sorted(shuffled) == sorted(honest)


def test_pages_that_shift_lose_an_order_to_a_naive_reader(api, sandbox, sold):
    window = {"updated_from": "2026-09-01T00:00:00Z", "updated_to": sandbox.now().isoformat(), "page_size": 2}
    honest = ids(api.orders(**{**window, "page_size": 100}))
    sandbox.fault(Fault("shift", path=ORDERS, page=2, count=1))
    assert ids(api.orders(**window)) == honest[:2]
    assert ids(api.orders(**window, page=2)) == honest[3:5]


def test_an_order_that_comes_in_between_pushes_the_others_on(api, sandbox, sold):
    honest = ids(api.orders())
    sandbox.fault(Fault("insert", path=ORDERS, page=2, count=1))
    assert ids(api.orders(page_size=2)) == honest[:2]
    assert ids(api.orders(page_size=2, page=2)) == honest[1:3]


def test_which_requests_are_hit(api, sandbox):
    sandbox.fault(Fault("status", method="GET", path=ORDERS, exact=True, after=1, times=2))
    assert api.get(ACTIONS).status_code == 200
    assert [api.get(ORDERS).status_code for _ in range(4)] == [200, 503, 503, 200]
    sandbox.fault(Fault("status", path=ORDERS, times=None))
    assert {api.get(path).status_code for path in (ORDERS, ACTIONS)} == {503}
    sandbox.clear_faults()
    assert api.get(ORDERS).status_code == 200


def test_an_unknown_kind_is_told():
    with pytest.raises(SandboxError, match="lost_after"):
        Fault("lost")
