"""Calls to the REST API: pooled connections, a time-out for all of it, outcomes that tell (§3.1)."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import msgspec
import requests
from urllib3.exceptions import MaxRetryError, NameResolutionError, NewConnectionError

from lengow.adapters.magento.facts import PAGE
from lengow.connector.client.deadline import DeadlineAdapter
from lengow.connector.errors import ShopUnavailable
from lengow.connector.secret import Secret

CONNECT_SECONDS = 5.0
LONGEST_WORDS = 500
"""Of the shop's own words in a reason."""
ENCODER = msgspec.json.Encoder(decimal_format="number")
PLACEHOLDER = re.compile(r"%(\w+)")

Row = dict[str, Any]
Filter = tuple[str, str, str]
"""Field, condition, value."""


class Refusal(Exception):
    """The shop says no, and did nothing."""

    def __init__(self, status: int, words: str, field: str = "") -> None:
        super().__init__(words[:LONGEST_WORDS])
        self.status, self.field = status, field


class Busy(Exception):
    """429: a limit. Nothing was done."""


class Lost(Exception):
    """The request was sent, and what became of it is not known."""


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


class Answer(msgspec.Struct, frozen=True):
    value: Any
    text: str
    at: datetime | None
    """When it was answered, by the shop's clock; UTC."""


class Api:
    """The REST API of one store view. Safe to share between threads.

    Every call raises ShopUnavailable when nothing was done and none was refused; changes raise Refusal, Busy and Lost
    too, and reads Refusal.
    """

    def __init__(self, url: str, store: str, token: Secret, name: str) -> None:
        self._name, self._token = name, token
        self._site = url.rstrip("/")
        self._base = f"{self._site}/rest/{store}/V1/"
        self._session = session = requests.Session()
        session.proxies.update(requests.utils.get_environ_proxies(url))
        session.trust_env = False
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        session.headers.update({"User-Agent": "lengow-connector", "Accept": "application/json"})
        for scheme in ("http://", "https://"):
            session.mount(scheme, DeadlineAdapter(pool_maxsize=6))

    def version(self, deadline: Deadline) -> Answer:
        """Such as `Magento/2.4 (Community)`; anybody may ask."""
        return self._read(f"{self._site}/magento_version", {}, deadline)

    def get(self, path: str, deadline: Deadline, **query: str) -> Any:
        return self._read(self._base + path, query, deadline).value

    def search(
        self,
        path: str,
        groups: Sequence[Sequence[Filter]],
        deadline: Deadline,
        *,
        fields: str = "",
        sort: Sequence[str] = ("entity_id",),
        page: int = 1,
    ) -> tuple[list[Row], int]:
        """One page, and how many there are in all. `groups` are ANDed, the filters in one are ORed."""
        query = {"searchCriteria[pageSize]": str(PAGE), "searchCriteria[currentPage]": str(page)}
        for i, group in enumerate(groups):
            for j, (field, condition, value) in enumerate(group):
                place = f"searchCriteria[filter_groups][{i}][filters][{j}]"
                query |= {f"{place}[field]": field, f"{place}[condition_type]": condition, f"{place}[value]": value}
        for i, field in enumerate(sort):
            query |= {
                f"searchCriteria[sortOrders][{i}][field]": field,
                f"searchCriteria[sortOrders][{i}][direction]": "ASC",
            }
        if fields:
            query["fields"] = f"items[{fields}],total_count"
        value = self.get(path, deadline, **query)
        found = value.get("items") if isinstance(value, dict) else None
        if not isinstance(value, dict) or not isinstance(found, list | None) or "total_count" not in value:
            raise self._unavailable(f"its answer to a search for {path} is none")
        return [row for row in found or [] if isinstance(row, dict)], int(value["total_count"])

    def search_all(
        self, path: str, groups: Sequence[Sequence[Filter]], deadline: Deadline, **more: Any
    ) -> Iterator[Row]:
        """All pages, ended by the count: a page beyond the end would be the last one again (§3.1)."""
        seen, page, total = 0, 1, 1
        while seen < total:
            rows, total = self.search(path, groups, deadline, page=page, **more)
            yield from rows
            seen, page = seen + PAGE, page + 1

    def send(self, method: str, path: str, body: Mapping[str, Any], deadline: Deadline) -> Any:
        return self._call(method, self._base + path, {}, body, deadline).value

    def close(self) -> None:
        self._session.close()

    def _read(self, url: str, query: Mapping[str, str], deadline: Deadline) -> Answer:
        try:
            return self._call("GET", url, query, None, deadline)
        except (Lost, Busy) as error:
            raise self._unavailable(str(error)) from error

    def _call(
        self, method: str, url: str, query: Mapping[str, str], body: Mapping[str, Any] | None, deadline: Deadline
    ) -> Answer:
        left = deadline.left
        if left <= 0:
            raise self._unavailable("there was no time left to ask it")
        own = {"Content-Type": "application/json"} if body is not None else {}
        path = url.removeprefix(self._site)
        try:
            response = self._session.request(
                method,
                url,
                params=query,
                data=None if body is None else ENCODER.encode(body),
                headers={**own, "Authorization": f"Bearer {self._token.reveal()}"},
                timeout=(min(CONNECT_SECONDS, left), left),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            if _not_sent(error):
                raise self._unavailable(_plain(error)) from error
            raise Lost(f"no answer to {method} {path}: {_plain(error)}") from error
        return _answer(method, path, response)

    def _unavailable(self, reason: str) -> ShopUnavailable:
        return ShopUnavailable(f"The shop {self._name} cannot be reached: {reason}.", shop=self._name)


def words_of(value: Any) -> tuple[str, str]:
    """The message of a refusal with its placeholders filled, and the field that it names."""
    if not isinstance(value, dict) or not isinstance(value.get("message"), str):
        return "", ""
    given = value.get("parameters")
    if isinstance(given, dict):
        parameters = {str(key): str(one) for key, one in given.items()}
    else:
        parameters = {str(place): str(one) for place, one in enumerate(given if isinstance(given, list) else (), 1)}
    words = PLACEHOLDER.sub(lambda found: parameters.get(found[1], found[0]), value["message"])
    return words, parameters.get("fieldName", "")


def _not_sent(error: requests.RequestException) -> bool:
    """Whether the request surely did not reach the shop. A lost connection may mean either, so it does not count."""
    if isinstance(error, requests.ConnectTimeout | requests.exceptions.SSLError | requests.exceptions.InvalidURL):
        return True
    reason = error.args[0] if error.args else None
    reason = reason.reason if isinstance(reason, MaxRetryError) else reason
    return isinstance(reason, NewConnectionError | NameResolutionError)


def _answer(method: str, path: str, response: requests.Response) -> Answer:
    """Raises Refusal, Busy, Lost."""
    status = response.status_code
    try:
        value = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = None
    words, field = words_of(value)
    words = words or " ".join(response.text[:100].split())
    if status == 429:
        raise Busy(f"HTTP 429 to {method} {path}: {words}")
    if status >= 500:
        raise Lost(f"HTTP {status} to {method} {path}: {words}")
    if status >= 300:
        raise Refusal(status, words or f"HTTP {status} to {method} {path}", field)
    if value is None and path != "/magento_version":
        raise Lost(f"the answer to {method} {path} is not JSON: {words}")
    return Answer(value, response.text, _date(response))


def _plain(error: requests.RequestException) -> str:
    """What went wrong, without the URL."""
    reason = error.args[0] if error.args else None
    reason = reason.reason if isinstance(reason, MaxRetryError) else reason
    kind = type(reason).__name__ if isinstance(reason, Exception) else type(error).__name__
    return kind if isinstance(error, requests.Timeout) else f"{type(error).__name__}, {kind}"


def _date(response: requests.Response) -> datetime | None:
    try:
        return parsedate_to_datetime(response.headers.get("Date") or "").astimezone(UTC)
    except (TypeError, ValueError):
        return None
