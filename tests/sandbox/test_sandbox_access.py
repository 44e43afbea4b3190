"""Tokens, accounts, quotas, and how Lengow says no."""

from contextlib import closing
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
import requests


def test_a_token_is_given_for_the_two_keys(api, account):
    answer = api.post("/access/get_token", data={"access_token": account.access_token, "secret": account.secret})
    assert answer.json().keys() == {"token", "account_id"}
    assert answer.json()["account_id"] == account.account_id


@pytest.mark.parametrize("spoil", [{"secret": "wrong"}, {"access_token": ""}, {"access_token": "x", "secret": "y"}])
def test_bad_keys_are_refused(api, account, spoil):
    keys = {"access_token": account.access_token, "secret": account.secret, **spoil}
    answer = api.post("/access/get_token", data=keys)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == 400


def test_keys_come_as_a_form_not_as_json(api, account):
    answer = api.post("/access/get_token", json={"access_token": account.access_token, "secret": account.secret})
    assert answer.status_code == 400


def test_me_tells_when_the_token_ends(api, sandbox, account):
    answer = api.get("/me").json()
    assert answer["account_id"] == account.account_id
    assert answer["expire_at"].startswith("2026-09-01T09:00:")
    assert answer["scopes"].keys() == {"feed_id", "account_id", "catalog_id", "product_id"}


def test_a_token_ends_after_an_hour_of_sandbox_time(api, sandbox):
    sandbox.advance(minutes=59)
    assert api.get("/v3.0/orders").status_code == 200
    sandbox.advance(minutes=1)
    assert api.get("/v3.0/orders").status_code == 401
    api.log_in()
    assert api.get("/v3.0/orders").status_code == 200


def test_revoked_tokens_are_stale(api, sandbox):
    sandbox.revoke_tokens()
    assert api.get("/v3.0/marketplaces").status_code == 401


@pytest.mark.parametrize(
    ("path", "status"),
    [("/v3.0/orders", 403), ("/v3.0/orders/actions/", 403), ("/v3.0/marketplaces", 401), ("/me", 401)],
)
def test_without_a_token_nothing_is_answered(sandbox, path, status):
    answer = requests.get(sandbox.url + path)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == status


def test_a_bearer_prefix_is_taken_too(api):
    api.session.headers["Authorization"] = f"Bearer {api.session.headers['Authorization']}"
    assert api.get("/v3.0/orders").status_code == 200


@pytest.mark.parametrize(("account_id", "status"), [(None, 400), ("x", 400), (1, 403)])
def test_each_call_names_its_own_account(api, account_id, status):
    assert api.get("/v3.0/orders", account_id=account_id).status_code == status
    assert api.get("/v3.0/marketplaces", account_id=account_id).status_code == status
    assert api.get("/v3.0/orders/actions/", account_id=account_id).status_code == status


def test_accounts_see_only_their_own(api, api_of):
    other = api_of("other")
    order_id = api.sells()
    assert [order["marketplace_order_id"] for order in api.orders()] == [order_id]
    assert other.orders() == []
    assert other.ship(order_id).status_code == 404


def test_a_quota_is_a_fixed_window_per_route_and_account(api, api_of, sandbox):
    other = api_of("other")
    sandbox.configure(quota_per_minute=2)
    assert [api.get("/v3.0/orders").status_code for _ in range(3)] == [200, 200, 429]
    refused = api.get("/v3.0/orders/")
    assert refused.json()["error"] == {"code": 429, "message": "Request limitation: 2 reached on /v3.0/orders"}
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert api.get("/v3.0/orders/actions/").status_code == 200
    assert other.get("/v3.0/orders").status_code == 200
    sandbox.advance(minutes=1)
    assert api.get("/v3.0/orders").status_code == 200


def test_rate_limits_tell_the_credit_that_is_left(api, sandbox):
    sandbox.configure(quota_per_minute=10)
    api.get("/v3.0/orders")
    limits = api.get("/rate-limits").json()
    assert limits["/v3.0/orders"]["quota"] == 10
    assert limits["/v3.0/orders"]["remaining_credit"] == 9
    assert 0 < limits["/v3.0/orders"]["remaining_time"] <= 60
    sandbox.configure(quota_per_minute=0)
    assert api.get("/rate-limits").json()["/v3.0/orders"]["remaining_credit"] is None


def test_an_unknown_route_and_a_wrong_method(api):
    assert api.get("/v3.0/nothing").json()["error"]["code"] == 404
    answer = api.post("/v3.0/marketplaces")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")


def test_the_date_header_is_sandbox_time(api, sandbox):
    sandbox.advance(days=2)
    assert parsedate_to_datetime(api.get("/me").headers["Date"]).date().isoformat() == "2026-09-03"


def test_a_connection_is_kept_over_many_calls(api, sandbox):
    with closing(HTTPConnection(urlsplit(sandbox.url).netloc)) as connection:
        connection.connect()
        ours = connection.sock
        for _ in range(3):
            connection.request("GET", "/me", headers=dict(api.session.headers))
            answer = connection.getresponse()
            assert (answer.status, answer.version) == (200, 11)
            answer.read()
            assert connection.sock is ours


def test_marketplaces_are_an_object_by_key(api):
    every = api.get("/v3.0/marketplaces").json()
    assert every.keys() == {"manomano_fr", "manomano_es", "fnac_fr", "decathlon_fr", "darty_fr"}
    assert api.get("/v3.0/marketplaces/", marketplace="manomano_fr").json() == {"manomano_fr": every["manomano_fr"]}
    orders = every["manomano_fr"]["orders"]
    assert orders["actions"]["ship"]["args"] == ["carrier", "tracking_number"]
    assert orders["actions"]["ship"]["optional_args"] == ["carrier_name", "tracking_url", "line"]
    assert orders["actions"]["ship"]["args_description"]["carrier"]["accept_free_values"] is False
    assert orders["carriers"]["Other"] == {"label": "Other"}
    assert "cancel" not in orders["actions"]
    assert "line" in every["fnac_fr"]["orders"]["actions"]["ship"]["args"]
