"""The token: asked for once, shared, renewed in time, and never a way for the keys to leak."""

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
from scripted_lengow import TOKEN_PATH, lost, reply

from lengow.connector.errors import ApiUnavailable, MalformedAnswer, Unauthorized
from lengow.connector.secret import Secret

ACCESS_TOKEN = "the-access-token-of-main"
SECRET = "the-secret-of-main"


def test_the_token_is_asked_for_with_both_keys_in_a_form(client, lengow):
    client.me()
    [call] = lengow.calls_of("POST", TOKEN_PATH)
    assert call.form == {"access_token": ACCESS_TOKEN, "secret": SECRET}
    assert call.headers["content-type"] == "application/x-www-form-urlencoded"
    assert "authorization" not in call.headers


def test_the_token_is_sent_as_it_is_without_bearer(client, lengow):
    client.me()
    assert [call.headers["authorization"] for call in lengow.calls_of("GET", "/me")] == ["token-1"]


def test_the_account_id_comes_with_the_token_and_goes_with_every_call(client, lengow):
    lengow.answers("POST", TOKEN_PATH, reply({"token": "t", "account_id": "77", "user_id": "1"}))
    client.me()
    assert client.account_id() == 77
    assert lengow.calls_of("GET", "/me")[0].query["account_id"] == "77"


def test_eight_threads_share_one_token(client, lengow):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.me(), range(16)))
    assert lengow.tokens_given == 1
    assert {call.headers["authorization"] for call in lengow.calls_of("GET", "/me")} == {"token-1"}


@pytest.mark.parametrize(
    ("seconds", "tokens"),
    [pytest.param(2999, 1, id="still good"), pytest.param(3000, 2, id="600 s before Lengow ends it")],
)
def test_the_token_is_renewed_before_lengow_ends_it(client, lengow, clock, seconds, tokens):
    client.me()
    clock.time += seconds
    client.me()
    assert lengow.tokens_given == tokens


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    ("method", "path", "call"),
    [
        pytest.param("GET", "/me", lambda client: client.me(), id="GET"),
        pytest.param(
            "PATCH", "/v3.0/orders/moi/", lambda client: client.set_merchant_order_ids("m", "1", ["9"]), id="PATCH"
        ),
        pytest.param(
            "POST", "/v3.0/orders/actions/", lambda client: client.post_action("m", "1", "ship", {}), id="POST"
        ),
    ],
)
def test_a_refused_token_is_renewed_once_and_the_call_repeated(client, lengow, status, method, path, call):
    lengow.answers(method, path, reply({"error": {"code": status, "message": "stale"}}, status), reply({"id": 5}))
    call(client)
    sent = [one.headers["authorization"] for one in lengow.calls_of(method, path)]
    assert sent == ["token-1", "token-2"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_second_refusal_is_unauthorized_with_lengows_text(client, lengow, status):
    lengow.answers("GET", "/me", reply({"error": {"code": status, "message": "Not for you"}}, status))
    with pytest.raises(Unauthorized, match="Not for you"):
        client.me()
    assert len(lengow.calls_of("GET", "/me")) == 2
    assert lengow.tokens_given == 2


def test_eight_threads_whose_token_was_refused_renew_it_once(sandbox, make_client):
    account = sandbox.add_account("main")
    client = make_client(sandbox.url, access_token=Secret(account.access_token), secret=Secret(account.secret))
    client.account_id()
    sandbox.revoke_tokens()
    with ThreadPoolExecutor(8) as pool:
        accounts = list(pool.map(lambda _: client.me()["account_id"], range(8)))
    assert accounts == [account.account_id] * 8
    assert sandbox.ledger().requests["POST /access/get_token"] == 2


@pytest.mark.parametrize("status", [400, 401, 403])
def test_wrong_keys_are_unauthorized_and_are_not_tried_again(client, lengow, status):
    lengow.answers("POST", TOKEN_PATH, reply({"error": {"code": status, "message": "Invalid access_token"}}, status))
    with pytest.raises(Unauthorized, match=r"account 'main'.*Invalid access_token"):
        client.me()
    assert lengow.tokens_given == 1


def test_the_keys_are_in_no_error_and_no_log_even_when_lengow_repeats_them(client, lengow, caplog):
    caplog.set_level(logging.DEBUG)
    message = f"The pair {ACCESS_TOKEN} and {SECRET} is not known"
    lengow.answers("POST", TOKEN_PATH, reply({"error": {"code": 400, "message": message}}, 400))
    with pytest.raises(Unauthorized) as refused:
        client.me()
    told = f"{refused.value} {refused.value!r} {refused.value.about} {client!r} {vars(client)} {caplog.text}"
    assert ACCESS_TOKEN not in told
    assert SECRET not in told
    assert "is not known" in told


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"account_id": 1}, id="no token"),
        pytest.param({"token": "", "account_id": 1}, id="empty token"),
        pytest.param({"token": None, "account_id": 1}, id="null token"),
        pytest.param({"token": "t\r\nX-Injected: 1", "account_id": 1}, id="token with a line break"),
        pytest.param({"token": "€uro", "account_id": 1}, id="token that fits no header"),
        pytest.param({"token": "t", "account_id": "abc"}, id="account id that is no number"),
        pytest.param([], id="not an object"),
    ],
)
def test_an_unusable_token_answer_is_malformed(client, lengow, answer):
    lengow.answers("POST", TOKEN_PATH, reply(answer))
    with pytest.raises(MalformedAnswer):
        client.me()
    assert lengow.calls_of("GET", "/me") == []


def test_asking_for_a_token_is_repeated_after_a_fault(client, lengow):
    lengow.answers("POST", TOKEN_PATH, lost(), reply({}, 503), reply({"token": "t", "account_id": 1}))
    client.me()
    assert lengow.tokens_given == 3


def test_a_token_that_cannot_be_had_sends_nothing(client, lengow):
    lengow.answers("POST", TOKEN_PATH, reply({}, 503))
    with pytest.raises(ApiUnavailable):
        client.post_action("m", "1", "ship", {})
    assert lengow.tokens_given == 4
    assert lengow.calls_of("POST", "/v3.0/orders/actions/") == []


def test_a_quota_on_tokens_is_waited_for(client, lengow, clock):
    lengow.answers(
        "POST",
        TOKEN_PATH,
        reply({}, 429, Retry_After="7"),
        reply({}, 429, Retry_After="9"),
        reply({"token": "t", "account_id": 1}),
    )
    client.me()
    assert sum(clock.waits) >= 16
