"""What the adapters of HTTP shops share: calls on pooled connections that are over in time, and what became of them.

The calls are urllib3's, which costs half the CPU of the same through `requests`; what `requests` knows of the machine
(proxies by environment, its certificates) holds for them too.
"""

import os
import ssl
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

import msgspec
import urllib3
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    NewConnectionError,
    ProxyError,
)

from lengow.adapters.answers import Wrong
from lengow.connector.adapter import Outcome, Rejected, Unknown
from lengow.connector.client.deadline import TIMED_POOLS, HandshakeFailed
from lengow.connector.errors import ShopUnavailable
from lengow.connector.model import NewOrder

CONNECT_SECONDS = 5.0
TOO_LATE = "The shop was too slow to begin this order in time."
NOT_SENT = (ConnectTimeoutError, NewConnectionError, ProxyError, HandshakeFailed, LocationValueError)
"""Failures by which the request surely did not reach the shop. A lost connection may mean either, so it is none."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""Some editors put it into PHP files, and PHP before its answers."""
LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes, unpacked."""
LONGEST_WAIT = 3600.0
"""Seconds for which a shop is believed that asks to wait; one that is still busy then says so again."""


WHO_CHANGES_ANSWERS = "Look which plugin, module, app or proxy changes what the shop answers; its error log may tell."


class Busy(Exception):
    """429: a limit of the shop or its host. Nothing was done."""

    def __init__(self, sentence: str, retry_after: float = 0) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after
        """Seconds that the shop asks to wait; 0: it names none."""

    def outcome(self, reference: str) -> Rejected:
        return not_begun(reference, str(self), self.retry_after)


class Lost(Exception):
    """The request was sent, and what became of it is not known."""

    def __init__(self, sentence: str, *, by_shop: bool = False, retry_after: float = 0) -> None:
        super().__init__(sentence)
        self.by_shop = by_shop
        """Whether the shop itself answered, with a failure: it is not at work on it any more."""
        self.retry_after = retry_after

    def outcome(self, reference: str) -> Unknown:
        return Unknown(reference, str(self), self.retry_after)


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


class Reply(msgspec.Struct, frozen=True):
    """What a shop answered."""

    status: int
    headers: Mapping[str, str]
    """Names in any case."""
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode(errors="replace")

    @property
    def glimpse(self) -> str:
        """Its first words, in one line."""
        return " ".join(self.content[:200].decode(errors="replace")[:100].split())

    @property
    def json(self) -> Any:
        """None where it is no JSON."""
        try:
            return msgspec.json.decode(self.content.removeprefix(BYTE_ORDER_MARK))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    @property
    def at(self) -> datetime | None:
        """When it was answered, by the shop's clock; UTC."""
        try:
            return parsedate_to_datetime(self.headers.get("Date") or "").astimezone(UTC)
        except (TypeError, ValueError, OverflowError):
            return None

    @property
    def retry_after(self) -> float:
        """Seconds of `Retry-After`, which may also be a date, up to LONGEST_WAIT; 0 where there is none."""
        text = self.headers.get("Retry-After") or ""
        if text.isascii() and text.isdigit():
            return min(float(text), LONGEST_WAIT)
        try:
            until = parsedate_to_datetime(text).astimezone(UTC)
        except (TypeError, ValueError, OverflowError):
            return 0.0
        return min(max(0.0, (until - (self.at or datetime.now(UTC))).total_seconds()), LONGEST_WAIT)


class Caller:
    """Pooled connections to one shop. Safe to share between threads. No cookies, no redirects, no repeats."""

    def __init__(self, url: str, name: str, *, connections: int, headers: Mapping[str, str]) -> None:
        self._name = name
        self._headers = {"Accept-Encoding": "gzip, deflate", "Accept": "*/*", **headers}
        self._pools = _pools(url, connections)

    def call(
        self,
        method: str,
        url: str,
        deadline: Deadline,
        *,
        about: str,
        query: Mapping[str, object] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """The whole answer within the deadline, whatever its status but 429. `about` names the call in errors.

        Raises ShopUnavailable when it surely was not sent, Busy for 429, and Lost when no answer came.
        """
        left = deadline.left
        if left <= 0:
            raise self.unavailable("there was no time left to ask it")
        try:
            answer = self._pools.request(
                method,
                f"{url}?{urlencode(query)}" if query else url,
                body=body,
                headers={**self._headers, **headers} if headers else self._headers,
                timeout=urllib3.Timeout(connect=min(CONNECT_SECONDS, left), read=left),
                redirect=False,
                retries=False,
                preload_content=False,
            )
            content = answer.read(LARGEST_ANSWER + 1)
        except NOT_SENT as error:
            raise self.unavailable(type(error).__name__) from error
        except HTTPError as error:
            raise Lost(f"no answer to {method} {about}: {type(error).__name__}") from error
        if len(content) > LARGEST_ANSWER:
            answer.close()
            raise Lost(f"the answer to {method} {about} is larger than {LARGEST_ANSWER} bytes")
        answer.release_conn()
        reply = Reply(answer.status, answer.headers, content)
        if reply.status == 429:
            asks = f", asks to wait {reply.retry_after:g} s" if reply.retry_after else ""
            raise Busy(f"HTTP 429 to {method} {about}{asks}", reply.retry_after)
        return reply

    def unavailable(self, reason: str, retry_after: float = 0) -> ShopUnavailable:
        sentence = f"The shop {self._name} cannot be reached: {reason}."
        return ShopUnavailable(sentence, shop=self._name, retry_after=retry_after)

    def wrong(self, call: str) -> Wrong:
        """Of the answer to a call that only reads, such as `GET orders`."""

        def unreadable(words: str) -> ShopUnavailable:
            sentence = f"The shop {self._name} answers {call} with something else than its API gives: {words}."
            return ShopUnavailable(sentence, what_to_do=WHO_CHANGES_ANSWERS, shop=self._name)

        return unreadable

    def unreadable(self, refusal: Exception) -> ShopUnavailable:
        """Of a shop that refuses what only reads."""
        words = f"The shop {self._name} does not let itself be read: {refusal}"
        return ShopUnavailable(f"{words.rstrip('.')}.", shop=self._name)

    def unread(self, error: Busy | Lost) -> ShopUnavailable:
        """Of a call that only reads: nothing was done."""
        return self.unavailable(str(error), error.retry_after)

    def close(self) -> None:
        self._pools.clear()


def wrong_after(call: str) -> Wrong:
    """Of the answer to a call that changes something, such as `POST orders`: it is not known what became of it."""
    return lambda words: Lost(f"the answer to {call} is not what the API gives: {words}")


def not_begun(reference: str, reason: str, retry_after: float = 0) -> Rejected:
    """The outcome of an order that the shop did not even begin; it is tried again, as if for the first time."""
    return Rejected(reference, reason, retry=True, retry_after=retry_after, begun=False)


def in_order(orders: Sequence[NewOrder], found: Mapping[str, Outcome | ShopUnavailable | None]) -> list[Outcome]:
    """In the order of the orders. Raises ShopUnavailable when it stands for all of them."""
    unsent = [one for one in found.values() if isinstance(one, ShopUnavailable)]
    if unsent and len(unsent) == len(found):
        raise unsent[0]
    outcomes: list[Outcome] = []
    for order in orders:
        outcome = found[order.reference]
        if isinstance(outcome, ShopUnavailable):
            outcome = not_begun(order.reference, str(outcome), outcome.retry_after)
        assert outcome is not None, order.reference
        outcomes.append(outcome)
    return outcomes


def _pools(url: str, connections: int) -> urllib3.PoolManager:
    proxies = get_environ_proxies(url)
    proxy = proxies.get(urlsplit(url).scheme) or proxies.get("all")
    options: dict[str, Any] = {"maxsize": connections}
    if "https" in (urlsplit(url).scheme, urlsplit(proxy or "").scheme):
        options["ssl_context"] = _trusted()
    if proxy is None:
        pools = urllib3.PoolManager(**options)
    else:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
        headers = urllib3.make_headers(proxy_basic_auth=login) if login else None
        pools = urllib3.ProxyManager(parts.geturl(), proxy_headers=headers, **options)
    pools.pool_classes_by_scheme = TIMED_POOLS
    return pools


def _trusted() -> ssl.SSLContext:
    """The certificates of `requests`: its own, or those that the environment names, a file or a folder."""
    path = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or DEFAULT_CA_BUNDLE_PATH
    if os.path.isdir(path):
        return ssl.create_default_context(capath=path)
    return ssl.create_default_context(cafile=path)
