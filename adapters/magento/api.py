"""Calls to the REST API: pooled connections, a time-out for all of it, outcomes that tell (§3.1)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import msgspec

from lengow.adapters.answers import Entry, entries_of, entry_of
from lengow.adapters.calls import Busy, Caller, Deadline, Lost, Reply
from lengow.adapters.magento.facts import PAGE
from lengow.adapters.magento.settings import MagentoSettings
from lengow.adapters.magento.signing import signer_of
from lengow.connector.errors import ShopUnavailable

LONGEST_WORDS = 500
"""Of the shop's own words in a reason."""
ENCODER = msgspec.json.Encoder(decimal_format="number")
PRODUCTS = "products"
"""The count of these is without what extensions filter as they are loaded (magento2 issue 7730)."""
PLACEHOLDER = re.compile(r"%(\w+)")

Row = dict[str, Any]
Filter = tuple[str, str, str]
"""Field, condition, value."""


class Refusal(Exception):
    """The shop says no, and did nothing."""

    def __init__(self, status: int, words: str, field: str = "") -> None:
        super().__init__(words[:LONGEST_WORDS])
        self.status, self.field = status, field


class Answer(msgspec.Struct, frozen=True):
    value: Any
    """What the JSON of the answer is."""
    text: str
    at: datetime | None
    """When it was answered, by the shop's clock; UTC."""


class Api:
    """The REST API of one store view. Safe to share between threads.

    Every call raises ShopUnavailable when nothing was done and none was refused; changes raise Refusal, Busy and Lost
    too, and reads Refusal.
    """

    def __init__(self, settings: MagentoSettings, name: str) -> None:
        self._signer = signer_of(settings)
        self._site = settings.url.rstrip("/")
        self._base = f"{self._site}/rest/{settings.store}/V1/"
        headers = {"User-Agent": "lengow-connector", "Accept": "application/json"}
        self._caller = Caller(settings.url, name, connections=6, headers=headers)

    def version(self, deadline: Deadline) -> Answer:
        """Such as `Magento/2.4 (Community)`; anybody may ask."""
        return self._read(f"{self._site}/magento_version", {}, deadline)

    def ask(self, path: str, deadline: Deadline, **query: str) -> None:
        """Whatever the answer says, as long as it is JSON."""
        self._read(self._base + path, query, deadline)

    def get(self, path: str, deadline: Deadline, **query: str) -> Entry:
        """An object."""
        return entry_of(self._read(self._base + path, query, deadline).value, self._caller.wrong(f"GET {path}"))

    def rows(self, path: str, deadline: Deadline) -> list[Entry]:
        """A plain list, all of it."""
        return entries_of(self._read(self._base + path, {}, deadline).value, self._caller.wrong(f"GET {path}"))

    def search(
        self,
        path: str,
        groups: Sequence[Sequence[Filter]],
        deadline: Deadline,
        *,
        fields: str = "",
        sort: Sequence[str] = ("entity_id",),
        page: int = 1,
    ) -> tuple[list[Entry], int]:
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
        answer = self.get(path, deadline, **query)
        found, total = answer.entries("items"), answer.whole("total_count")
        counted = min(PAGE, total - (page - 1) * PAGE)
        hidden = path == PRODUCTS and (found or counted == 1)
        if len(found) < counted and not hidden:
            raise answer.wrong("items", f"has {len(found)} of {total}")
        return found, total

    def search_all(
        self, path: str, groups: Sequence[Sequence[Filter]], deadline: Deadline, **more: Any
    ) -> Iterator[Entry]:
        """All pages, ended by the count: a page beyond the end would be the last one again (§3.1)."""
        seen, page, total = 0, 1, 1
        while seen < total:
            rows, total = self.search(path, groups, deadline, page=page, **more)
            yield from rows
            seen, page = seen + PAGE, page + 1

    def unreadable(self, refusal: Exception) -> ShopUnavailable:
        return self._caller.unreadable(refusal)

    def send(self, method: str, path: str, body: Mapping[str, Any], deadline: Deadline) -> Any:
        return self._call(method, self._base + path, {}, body, deadline).value

    def close(self) -> None:
        self._caller.close()

    def _read(self, url: str, query: Mapping[str, str], deadline: Deadline) -> Answer:
        try:
            return self._call("GET", url, query, None, deadline)
        except (Lost, Busy) as error:
            raise self._caller.unread(error) from error

    def _call(
        self, method: str, url: str, query: Mapping[str, str], body: Mapping[str, Any] | None, deadline: Deadline
    ) -> Answer:
        path = url.removeprefix(self._site)
        url = f"{url}?{urlencode(query)}" if query else url
        headers = self._signer.headers(method, url)
        if body is not None:
            headers["Content-Type"] = "application/json"
        sent = None if body is None else ENCODER.encode(body)
        reply = self._caller.call(method, url, deadline, about=path, body=sent, headers=headers)
        return _answer(method, path, reply)


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


def _answer(method: str, path: str, reply: Reply) -> Answer:
    """Raises Refusal, Lost."""
    value = reply.json
    words, field = words_of(value)
    words = words or reply.glimpse
    if reply.status >= 500:
        raise Lost(f"HTTP {reply.status} to {method} {path}: {words}", retry_after=reply.retry_after)
    if 300 <= reply.status < 400:
        raise Lost(f"HTTP {reply.status} to {method} {path}, which leads elsewhere: check `url`")
    if reply.status >= 400:
        raise Refusal(reply.status, words or f"HTTP {reply.status} to {method} {path}", field)
    if value is None and path != "/magento_version":
        raise Lost(f"the answer to {method} {path} is not JSON: {words}")
    return Answer(value, reply.text, reply.at)
