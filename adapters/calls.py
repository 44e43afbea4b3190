"""What the adapters of HTTP shops share: when a call has to be over, and what became of it when it did not end well."""

import time
from http.cookiejar import DefaultCookiePolicy

import requests
from urllib3.exceptions import MaxRetryError, NameResolutionError, NewConnectionError

from lengow.connector.client.deadline import DeadlineAdapter


class Busy(Exception):
    """429: a limit of the shop or its host. Nothing was done."""


class Lost(Exception):
    """The request was sent, and what became of it is not known."""

    def __init__(self, sentence: str, *, by_shop: bool = False) -> None:
        super().__init__(sentence)
        self.by_shop = by_shop
        """Whether the shop itself answered, with a failure: it is not at work on it any more."""


class Deadline:
    """When a call of the connector's has to be over."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        return self._end - time.monotonic()

    @property
    def late(self) -> bool:
        """Whether it is too late to begin something that must be waited for."""
        return self.left < self._seconds / 2


def not_sent(error: requests.RequestException) -> bool:
    """Whether the request surely did not reach the shop. A lost connection may mean either, so it does not count."""
    if isinstance(error, requests.ConnectTimeout | requests.exceptions.SSLError | requests.exceptions.InvalidURL):
        return True
    reason = error.args[0] if error.args else None
    reason = reason.reason if isinstance(reason, MaxRetryError) else reason
    return isinstance(reason, NewConnectionError | NameResolutionError)


def shop_session(url: str, *, connections: int) -> requests.Session:
    """Pooled connections to a shop, each call timed as a whole; no cookies, no netrc, the environment's proxies."""
    session = requests.Session()
    session.proxies.update(requests.utils.get_environ_proxies(url))
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("http://", "https://"):
        session.mount(scheme, DeadlineAdapter(pool_maxsize=connections))
    return session
