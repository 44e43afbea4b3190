"""Calls to the REST API: `woocommerce.API` on pooled connections, with time-outs of ours and outcomes that tell.

The package opens a connection for each call, so its verbs are carried out here, with its own settings and its own OAuth.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, unquote, urlencode

import msgspec
import requests
from urllib3.exceptions import MaxRetryError
from woocommerce import API
from woocommerce.oauth import OAuth

from lengow.adapters.calls import Busy, Deadline, Lost, not_sent, shop_session
from lengow.connector.errors import ShopUnavailable

VERSION = "wc/v3"
CONNECT_SECONDS = 5.0
LONGEST_TEXT = 500
"""Of the shop's own words in a reason."""

REFUSALS_WITH_500 = frozenset({"woocommerce_rest_cannot_create_order_refund"})
"""Codes that WooCommerce answers with 500 although it refuses, for good, what was sent (FINDINGS (l))."""


class Refusal(Exception):
    """The shop says no, and did nothing."""

    def __init__(self, status: int, code: str, message: str, field: str = "", draft: int | None = None) -> None:
        super().__init__(f"{message} ({code or f'HTTP {status}'})")
        self.status, self.code, self.message, self.field = status, code, message, field
        self.draft = draft
        """An order that the refusal left behind (FINDINGS (m))."""


class Answer(msgspec.Struct, frozen=True):
    value: Any
    pages: int
    """How many pages there are of a list."""
    at: datetime
    """When it was answered, by the shop's clock; UTC."""


class Shop:
    """The REST API of one shop. Safe to share between threads.

    Every call raises ShopUnavailable when nothing was done and none was refused; changes raise Refusal, Busy and Lost
    too, and reads Refusal.
    """

    def __init__(self, api: API, name: str, lane: "Lane") -> None:
        self._api = api
        self._name = name
        self.lane = lane

    def get(self, endpoint: str, deadline: Deadline, **params: Any) -> Answer:
        try:
            return self._call("GET", endpoint, None, params, deadline)
        except (Lost, Busy) as error:
            raise self._unavailable(str(error)) from error

    def post(self, endpoint: str, body: Mapping[str, Any], deadline: Deadline) -> Answer:
        return self._call("POST", endpoint, body, {}, deadline)

    def put(self, endpoint: str, body: Mapping[str, Any], deadline: Deadline) -> Answer:
        return self._call("PUT", endpoint, body, {}, deadline)

    def delete(self, endpoint: str, deadline: Deadline, **params: Any) -> Answer:
        return self._call("DELETE", endpoint, None, params, deadline)

    def pages(self, endpoint: str, deadline: Deadline, **params: Any) -> Iterator[list[dict[str, Any]]]:
        """All pages of a list, 100 rows each."""
        page, pages = 1, 1
        while page <= pages:
            answer = self.get(endpoint, deadline, per_page=100, page=page, **params)
            pages = answer.pages
            yield rows(answer.value)
            page += 1

    def _call(
        self, method: str, endpoint: str, body: Mapping[str, Any] | None, params: Mapping[str, Any], deadline: Deadline
    ) -> Answer:
        left = deadline.left
        if left <= 0:
            raise self._unavailable("there was no time left to ask it")
        arguments: dict[str, Any] = {"params": params, "timeout": (min(CONNECT_SECONDS, left), left)}
        try:
            verb = getattr(self._api, method.lower())
            response = verb(endpoint, body, **arguments) if body is not None else verb(endpoint, **arguments)
        except requests.RequestException as error:
            if not_sent(error):
                raise self._unavailable(_plain(error)) from error
            raise Lost(f"no answer to {method} {endpoint}: {_plain(error)}") from error
        return self._read(method, endpoint, response)

    def _read(self, method: str, endpoint: str, response: requests.Response) -> Answer:
        status, value = response.status_code, _json(response)
        if status == 429:
            wait = response.headers.get("Retry-After", "")
            raise Busy(f"HTTP 429 to {method} {endpoint}{f', asks to wait {wait} s' if wait else ''}")
        if status >= 500 and not (isinstance(value, dict) and value.get("code") in REFUSALS_WITH_500):
            raise Lost(f"HTTP {status} to {method} {endpoint}: {_words(value, response)}")
        if status >= 400:
            raise _refusal(status, value, response)
        if value is None or status >= 300:
            raise Lost(f"HTTP {status} to {method} {endpoint} without the JSON of the API: {_words(value, response)}")
        return Answer(value, _count(response.headers.get("X-WP-TotalPages")), _date(response.headers.get("Date")))

    def _unavailable(self, reason: str) -> ShopUnavailable:
        return ShopUnavailable(f"The shop {self._name} cannot be reached: {reason}.", shop=self._name)


class PooledApi(API):
    """`woocommerce.API` whose verbs share connections. Cookies are not kept, proxies are read once."""

    def __init__(self, url: str, consumer_key: str, consumer_secret: str, *, pool: int, **options: Any) -> None:
        super().__init__(url.rstrip("/"), consumer_key, consumer_secret, version=VERSION, **options)
        self._session = shop_session(url, connections=pool)
        self._session.headers.update({"User-Agent": self.user_agent, "Accept": "application/json"})
        self._base = f"{self.url}/wp-json/{self.version}/"
        if self.is_ssl and not self.query_string_auth:
            self._session.auth = (consumer_key, consumer_secret)

    def get(self, endpoint: str, **kwargs: Any) -> requests.Response:
        return self._send("GET", endpoint, None, **kwargs)

    def post(self, endpoint: str, data: Any, **kwargs: Any) -> requests.Response:
        return self._send("POST", endpoint, data, **kwargs)

    def put(self, endpoint: str, data: Any, **kwargs: Any) -> requests.Response:
        return self._send("PUT", endpoint, data, **kwargs)

    def delete(self, endpoint: str, **kwargs: Any) -> requests.Response:
        return self._send("DELETE", endpoint, None, **kwargs)

    def options(self, endpoint: str, **kwargs: Any) -> requests.Response:
        return self._send("OPTIONS", endpoint, None, **kwargs)

    def close(self) -> None:
        self._session.close()

    def _send(
        self, method: str, endpoint: str, data: Any, params: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> requests.Response:
        given = dict(params or {})
        if self.is_ssl and self.query_string_auth:
            given |= {"consumer_key": self.consumer_key, "consumer_secret": self.consumer_secret}
        url = f"{self._base}{endpoint}?{urlencode(given)}" if given else f"{self._base}{endpoint}"
        if not self.is_ssl:
            url = _SignedUrl(
                url, self.consumer_key, self.consumer_secret, version=VERSION, method=method
            ).get_oauth_url()
        body = None if data is None else msgspec.json.encode(data)
        headers = {"Content-Type": "application/json"} if body is not None else None
        kwargs.setdefault("timeout", self.timeout)
        return self._session.request(
            method, url, data=body, headers=headers, allow_redirects=False, verify=self.verify_ssl, **kwargs
        )


class Lane:
    """How many creations may run at once: halved when the shop is in trouble, widened again as it goes well."""

    def __init__(self, width: int) -> None:
        self._most = width
        self._width = width
        self._running = 0
        self._well = 0
        self._changed = threading.Condition()

    @property
    def width(self) -> int:
        return self._width

    @contextmanager
    def place(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: self._running < self._width)
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def went_well(self) -> None:
        with self._changed:
            self._well += 1
            if self._well >= 2 * self._width and self._width < self._most:
                self._width, self._well = self._width + 1, 0
                self._changed.notify_all()

    def trouble(self) -> None:
        with self._changed:
            self._width, self._well = max(1, self._width // 2), 0


class _SignedUrl(OAuth):
    """The package's OAuth 1.0a; as it leaves `/` in a value as it is, WooCommerce would not know the signature."""

    @staticmethod
    def normalize_parameters(params: Mapping[str, Any]) -> dict[str, str]:
        def twice(text: object) -> str:
            return quote(unquote(str(text)), safe="~").replace("%", "%25")

        return {twice(name): twice(value) for name, value in params.items()}


def rows(value: Any) -> list[dict[str, Any]]:
    """The rows of a list's answer; none when it is no list."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _json(response: requests.Response) -> Any:
    try:
        return msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _refusal(status: int, value: Any, response: requests.Response) -> Refusal:
    if not isinstance(value, dict):
        return Refusal(status, "", f"the host answers HTTP {status}: {_words(value, response)}")
    data = value.get("data")
    details = data if isinstance(data, dict) else {}
    draft = details.get("new_draft_order_id")
    return Refusal(
        status,
        str(value.get("code", "")),
        _sentence(value, details),
        _field(details),
        draft if isinstance(draft, int) else None,
    )


def _sentence(value: Mapping[str, Any], details: Mapping[str, Any]) -> str:
    """`message`, and for a field what `params` says of it, in the shop's own words."""
    params = details.get("params")
    told = "; ".join(str(text) for text in params.values()) if isinstance(params, dict) else ""
    message = str(value.get("message", ""))
    return f"{message}: {told}"[:LONGEST_TEXT] if told else message[:LONGEST_TEXT]


def _field(details: Mapping[str, Any]) -> str:
    """The narrowest name that the error gives: `line_items[0][quantity]` rather than `line_items`."""
    inner = details.get("details")
    for name, one in inner.items() if isinstance(inner, dict) else ():
        data = one.get("data") if isinstance(one, dict) else None
        return str(data["param"]) if isinstance(data, dict) and data.get("param") else str(name)
    params = details.get("params")
    return str(next(iter(params))) if isinstance(params, dict) and params else ""


def _words(value: Any, response: requests.Response) -> str:
    if isinstance(value, dict) and value.get("message"):
        return str(value["message"])[:LONGEST_TEXT]
    return response.text[:100].strip().replace("\r\n", " ").replace("\n", " ")


def _plain(error: requests.RequestException) -> str:
    """What went wrong, without the URL, which may hold keys."""
    reason = error.args[0] if error.args else None
    reason = reason.reason if isinstance(reason, MaxRetryError) else reason
    kind = type(reason).__name__ if isinstance(reason, Exception) else type(error).__name__
    return f"{kind}" if isinstance(error, requests.Timeout) else f"{type(error).__name__}, {kind}"


def _count(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else 1


def _date(text: str | None) -> datetime:
    try:
        return parsedate_to_datetime(text or "").astimezone(UTC)
    except (TypeError, ValueError):
        return datetime.now(UTC)
