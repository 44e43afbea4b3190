"""Calls to the REST API: `woocommerce.API` on pooled connections, with time-outs of ours and outcomes that tell.

The package opens a connection for each call, so its verbs are carried out here, with its own settings and its own OAuth.
"""

import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote, urlencode

import msgspec
import urllib3
from woocommerce import API
from woocommerce.oauth import OAuth

from lengow.adapters.answers import Entry, Wrong, entries_of, entry_of
from lengow.adapters.calls import Busy, Caller, Deadline, Lost, Reply, wrong_after
from lengow.connector.errors import ShopUnavailable

VERSION = "wc/v3"
LONGEST_TEXT = 500
"""Of the shop's own words in a reason."""
FULL_PAGE = 100
"""Rows of a page; WooCommerce gives no more."""
MANY_PAGES = 1_000_000
LONGEST_COUNT = 10
"""Digits."""

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
    wrong: Wrong
    """What is raised where the value is not what the API gives."""
    pages: int
    """How many pages there are of a list."""
    at: datetime
    """When it was answered, by the shop's clock; UTC."""

    @property
    def entry(self) -> Entry:
        return entry_of(self.value, self.wrong)


class Page(msgspec.Struct, frozen=True):
    """One page of a list."""

    rows: list[Entry]
    pages: int
    at: datetime


class Shop:
    """The REST API of one shop. Safe to share between threads.

    Every call raises ShopUnavailable when nothing was done and none was refused; changes raise Refusal, Busy and Lost
    too, and reads Refusal.
    """

    def __init__(self, api: "PooledApi", lane: "Lane") -> None:
        self._api = api
        self.lane = lane

    def get(self, endpoint: str, deadline: Deadline, **params: Any) -> Answer:
        try:
            return self._call("GET", endpoint, None, params, deadline)
        except (Lost, Busy) as error:
            raise self._api.caller.unread(error) from error

    def page(self, endpoint: str, deadline: Deadline, **params: Any) -> Page:
        """One page of a list. What a plugin or proxy says instead with 200 must not be taken for an empty one."""
        answer = self.get(endpoint, deadline, **params)
        rows = entries_of(answer.value, answer.wrong)
        return Page(rows, answer.pages if rows else 0, answer.at)

    def post(self, endpoint: str, body: Mapping[str, Any], deadline: Deadline) -> Answer:
        return self._call("POST", endpoint, body, {}, deadline)

    def put(self, endpoint: str, body: Mapping[str, Any], deadline: Deadline) -> Answer:
        return self._call("PUT", endpoint, body, {}, deadline)

    def delete(self, endpoint: str, deadline: Deadline, **params: Any) -> Answer:
        return self._call("DELETE", endpoint, None, params, deadline)

    def unreadable(self, refusal: Exception) -> ShopUnavailable:
        return self._api.caller.unreadable(refusal)

    def pages(self, endpoint: str, deadline: Deadline, **params: Any) -> Iterator[list[Entry]]:
        """All pages of a list, 100 rows each."""
        page, pages = 1, 1
        while page <= pages:
            answer = self.page(endpoint, deadline, per_page=100, page=page, **params)
            pages = answer.pages
            yield answer.rows
            page += 1

    def _call(
        self, method: str, endpoint: str, body: Mapping[str, Any] | None, params: Mapping[str, Any], deadline: Deadline
    ) -> Answer:
        return self._read(method, endpoint, self._api.call(method, endpoint, body, params, deadline))

    def _read(self, method: str, endpoint: str, reply: Reply) -> Answer:
        status, value = reply.status, reply.json
        if status >= 500 and not (isinstance(value, dict) and value.get("code") in REFUSALS_WITH_500):
            raise Lost(f"HTTP {status} to {method} {endpoint}: {_words(value, reply)}", retry_after=reply.retry_after)
        if status >= 400:
            raise _refusal(status, value, reply)
        if value is None or status >= 300:
            raise Lost(f"HTTP {status} to {method} {endpoint} without the JSON of the API: {_words(value, reply)}")
        call = f"{method} {endpoint}"
        wrong = self._api.caller.wrong(call) if method == "GET" else wrong_after(call)
        return Answer(value, wrong, _count(reply.headers.get("X-WP-TotalPages"), value), reply.at or datetime.now(UTC))


class PooledApi(API):
    """`woocommerce.API` whose calls share connections. Cookies are not kept, proxies are read once."""

    def __init__(
        self, url: str, consumer_key: str, consumer_secret: str, name: str, *, pool: int, **options: Any
    ) -> None:
        super().__init__(url.rstrip("/"), consumer_key, consumer_secret, version=VERSION, **options)
        headers = {"User-Agent": self.user_agent, "Accept": "application/json"}
        if self.is_ssl and not self.query_string_auth:
            headers |= urllib3.make_headers(basic_auth=f"{consumer_key}:{consumer_secret}")
        self.caller = Caller(url, name, connections=pool, headers=headers)
        self._base = f"{self.url}/wp-json/{self.version}/"

    def call(self, method: str, endpoint: str, data: Any, params: Mapping[str, Any], deadline: Deadline) -> Reply:
        given = dict(params)
        if self.is_ssl and self.query_string_auth:
            given |= {"consumer_key": self.consumer_key, "consumer_secret": self.consumer_secret}
        url = f"{self._base}{endpoint}?{urlencode(given)}" if given else f"{self._base}{endpoint}"
        if not self.is_ssl:
            url = _SignedUrl(
                url, self.consumer_key, self.consumer_secret, version=VERSION, method=method
            ).get_oauth_url()
        body = None if data is None else msgspec.json.encode(data)
        own = {"Content-Type": "application/json"} if body is not None else {}
        return self.caller.call(method, url, deadline, about=endpoint, body=body, headers=own)

    def close(self) -> None:
        self.caller.close()


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
    """The package's OAuth 1.0a; as it leaves `/` in a value as it is, WooCommerce would not know the signature.

    Its nonces come from `random`, and repeat in a host that seeds it.
    """

    @staticmethod
    def generate_nonce() -> str:
        return secrets.token_hex(20)

    @staticmethod
    def normalize_parameters(params: Mapping[str, Any]) -> dict[str, str]:
        def twice(text: object) -> str:
            return quote(unquote(str(text)), safe="~").replace("%", "%25")

        return {twice(name): twice(value) for name, value in params.items()}


def _refusal(status: int, value: Any, reply: Reply) -> Refusal:
    if not isinstance(value, dict):
        return Refusal(status, "", f"the host answers HTTP {status}: {_words(value, reply)}")
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


def _words(value: Any, reply: Reply) -> str:
    if isinstance(value, dict) and value.get("message"):
        return str(value["message"])[:LONGEST_TEXT]
    return reply.glimpse


def _count(text: str | None, value: Any) -> int:
    """How many pages there are. Where a proxy took the count away, a full page may be followed by any number."""
    if text and text.isascii() and text.isdigit() and len(text) < LONGEST_COUNT:
        return int(text)
    return MANY_PAGES if isinstance(value, list) and len(value) >= FULL_PAGE else 1
