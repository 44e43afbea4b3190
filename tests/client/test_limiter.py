"""Lengow's quota is kept ahead of time, for all threads of an account, and nearly all of it is used."""

import bisect
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_lengow import reply

from lengow.connector.client.limiter import Limiter
from lengow.connector.errors import RateLimited
from lengow.connector.secret import Secret

MINUTE = 60.0


class FakeTime:
    def __init__(self, start: float = 0.0) -> None:
        self.time = start

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.time += seconds


def most_in_a_minute(times):
    return max(
        (bisect.bisect_left(times, start + MINUTE) - position for position, start in enumerate(times)), default=0
    )


@given(
    quota=st.integers(1, 20),
    start=st.floats(0, 1e7),
    pauses=st.lists(st.one_of(st.just(0.0), st.floats(0, 90)), min_size=1, max_size=120),
)
@settings(max_examples=150)
def test_no_minute_holds_more_calls_than_the_quota(quota, start, pauses):
    clock = FakeTime(start)
    limiter = Limiter(quota, now=clock.now, sleep=clock.sleep)
    times = []
    for pause in pauses:
        clock.time += pause
        limiter.wait("/orders")
        times.append(clock.time)
    assert most_in_a_minute(times) <= quota


@given(
    quota=st.integers(1, 6),
    turns=st.lists(st.one_of(st.just(0.0), st.floats(0, 40)), min_size=1, max_size=60),
)
@settings(max_examples=100)
def test_threads_that_interleave_share_one_quota(quota, turns):
    """While one thread sleeps, others come and go; each wakes when its time is over or later."""
    clock, times, to_come = FakeTime(), [], list(turns)

    def sleep(seconds: float) -> None:
        awake_at = clock.time + seconds
        while to_come and clock.time + to_come[-1] < awake_at:
            clock.time += to_come.pop()
            call()
        clock.time = max(clock.time, awake_at)

    limiter = Limiter(quota, now=clock.now, sleep=sleep)

    def call() -> None:
        limiter.wait("/orders")
        times.append(clock.time)

    while to_come:
        clock.time += to_come.pop()
        call()
    assert len(times) == len(turns)
    assert most_in_a_minute(times) <= quota


def test_with_a_backlog_at_least_98_percent_of_the_quota_is_used():
    clock = FakeTime()
    limiter = Limiter(500, now=clock.now, sleep=clock.sleep)
    calls = 0
    while clock.time < 100 * MINUTE:
        limiter.wait("/orders")
        calls += 1
    assert 0.98 * 500 * 100 <= calls <= 500 * 101


def test_routes_have_quotas_of_their_own():
    clock = FakeTime()
    limiter = Limiter(1, now=clock.now, sleep=clock.sleep)
    assert [limiter.wait("/orders"), limiter.wait("/actions")] == [0, 0]
    assert limiter.wait("/orders") > MINUTE


def test_quota_0_sets_no_limit_but_lengows_own_pauses_count():
    clock = FakeTime()
    limiter = Limiter(0, now=clock.now, sleep=clock.sleep)
    assert sum(limiter.wait("/orders") for _ in range(2000)) == 0
    limiter.pause("/orders", 7)
    assert limiter.wait("/orders") == pytest.approx(7)


def test_of_two_pauses_the_longer_counts():
    clock = FakeTime()
    limiter = Limiter(0, now=clock.now, sleep=clock.sleep)
    limiter.pause("/orders", 30)
    limiter.pause("/orders", 5)
    assert limiter.wait("/orders") == pytest.approx(30)


def test_threads_never_go_over_the_quota():
    """Eight real threads, and a clock that moves only when one of them waits."""
    time_lock = threading.Lock()
    clock, times = FakeTime(), []

    def sleep(seconds: float) -> None:
        with time_lock:
            clock.time += seconds

    limiter = Limiter(10, now=clock.now, sleep=sleep)

    def call(_: int) -> None:
        limiter.wait("/orders")
        times.append(clock.time)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(100)))
    assert len(times) == 100
    assert clock.time >= 9 * MINUTE, "100 calls at 10 a minute"


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("given", "seconds"),
        [
            pytest.param({"Retry_After": "17"}, 17, id="seconds"),
            pytest.param({"Retry_After": "0"}, 0, id="none at all"),
            pytest.param({}, 30, id="missing"),
            pytest.param({"Retry_After": "soon"}, 30, id="a word"),
            pytest.param({"Retry_After": "-5"}, 30, id="negative"),
            pytest.param({"Retry_After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30, id="a date"),
        ],
    )
    def test_is_waited_before_the_next_try(self, client, lengow, clock, given, seconds):
        lengow.answers("GET", "/me", reply({}, 429, **given), reply({}))
        client.me()
        assert sum(clock.waits) == pytest.approx(seconds)

    def test_holds_back_every_thread_of_the_account(self, client, lengow, clock):
        lengow.answers("GET", "/v3.0/orders/", reply({}, 429, Retry_After="20"), reply({"count": 0, "results": []}))
        start = clock.time
        client.orders_page(1)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(client.orders_page, range(1, 9)))
        assert clock.time >= start + 20
        assert len(lengow.calls_of("GET", "/v3.0/orders/")) == 10, "only the first was refused"

    def test_holds_back_merchant_ids_with_the_orders_for_they_share_a_quota(self, client, lengow, clock):
        lengow.answers("PATCH", "/v3.0/orders/moi/", reply({}, 429, Retry_After="20"))
        with pytest.raises(RateLimited):
            client.set_merchant_order_ids("m", "1", ["9"])
        lengow.answers("GET", "/v3.0/orders/", reply({"count": 0, "results": []}))
        before = clock.time
        client.orders_page(1)
        assert clock.time == pytest.approx(before + 20)

    def test_is_raised_after_four_refusals(self, client, lengow):
        lengow.answers("GET", "/me", reply({"error": {"message": "500 reached"}}, 429, Retry_After="17"))
        with pytest.raises(RateLimited, match="500 reached") as limited:
            client.me()
        assert limited.value.retry_after == 17
        assert len(lengow.calls_of("GET", "/me")) == 4

    def test_longer_than_a_step_may_wait_is_raised_at_once(self, client, lengow, clock):
        lengow.answers("GET", "/me", reply({}, 429, Retry_After="600"))
        for _ in range(2):
            with pytest.raises(RateLimited) as limited:
                client.me()
            assert limited.value.retry_after == pytest.approx(600)
        assert clock.waits == []
        assert len(lengow.calls_of("GET", "/me")) == 1, "nothing more is sent before its time"


def test_the_quota_of_the_sandbox_is_never_reached(sandbox, make_client, clock):
    """The client's clock stands in for the sandbox's: each wait moves it on."""
    account = sandbox.add_account("main")
    sandbox.configure(quota_per_minute=20)

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        sandbox.advance(minutes=seconds / 60)

    client = make_client(
        sandbox.url,
        access_token=Secret(account.access_token),
        secret=Secret(account.secret),
        requests_per_minute=20,
        sleep=sleep,
    )
    for _ in range(70):
        client.me()
    assert sandbox.ledger().requests["GET /me"] == 70, "none was refused and repeated"
    assert 3 * MINUTE <= sum(clock.waits) < 3 * (MINUTE + 2)
