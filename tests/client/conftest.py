"""A client of the account `main`, of a scripted Lengow, that waits by a clock of the test."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest
from scripted_lengow import ScriptedLengow, serving

from lengow.connector.client.api import LengowClient
from lengow.connector.client.transport import Timeouts
from lengow.connector.secret import Secret
from lengow.sandbox import Sandbox

hypothesis.settings.register_profile("lengow", deadline=None)
hypothesis.settings.load_profile("lengow")

ACCESS_TOKEN = "the-access-token-of-main"
SECRET = "the-secret-of-main"


class Clock:
    """Time that passes only when somebody waits for it."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.waits: list[float] = []
        self._lock = threading.Lock()

    def now(self) -> float:
        with self._lock:
            return self.time

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.waits.append(seconds)
            self.time += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lengow() -> Iterator[ScriptedLengow]:
    with serving() as scripted:
        yield scripted


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A Lengow as strict as the real one."""
    with Sandbox(quota_per_minute=0) as one:
        yield one


MakeClient = Callable[..., LengowClient]


@pytest.fixture
def make_client(clock: Clock) -> Iterator[MakeClient]:
    """A client of the account `main` at a URL, that waits by the test's clock; closed at the end."""
    made = []

    def make(base_url: str, **others: Any) -> LengowClient:
        given = {
            "account": "main",
            "base_url": base_url,
            "access_token": Secret(ACCESS_TOKEN),
            "secret": Secret(SECRET),
            "requests_per_minute": 0,
            "sleep": clock.sleep,
            "monotonic": clock.now,
            "timeouts": Timeouts(connect=1, default=1, routes={}),
        }
        made.append(LengowClient(**{**given, **others}))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(make_client: MakeClient, lengow: ScriptedLengow) -> LengowClient:
    """A client of the scripted Lengow."""
    return make_client(lengow.url)
