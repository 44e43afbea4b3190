"""Calls to the webservice on pooled connections, with time-outs of ours and outcomes that tell (FINDINGS, Authentication)."""

import html
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import urllib3

from lengow.adapters.answers import Entry, Wrong, entry_of
from lengow.adapters.calls import BYTE_ORDER_MARK, Busy, Caller, Deadline, Lost, Reply, wrong_after
from lengow.adapters.prestashop.xml import Association, entity
from lengow.connector.errors import ShopUnavailable

LONGEST_TEXT = 500
"""Of the shop's own words in a reason."""
LONGEST_ERRORS = 20_000
"""Characters of an answer in which XML errors are looked for, which takes time by the square of them."""
NODES = {
    "addresses": "address",
    "carts": "cart",
    "customers": "customer",
    "order_carriers": "order_carrier",
    "order_histories": "order_history",
    "order_slip": "order_slip",
    "orders": "order",
    "specific_prices": "specific_price",
    "stock_availables": "stock_available",
}
LISTED_AS = {"order_slip": "order_slips"}
"""What a list is called where that is not its resource's name (capture 143)."""
CODES_OF_PHP = frozenset(range(1, 16))
"""PHP's warnings as errors: the object may have been saved all the same (platforms.md §2.1)."""
CART_USED = "Cart cannot be loaded or an order has already been placed using this cart"
FIELD = re.compile(r'[Pp]roperty \w+->(\w+)|parameter "(\w+)" required')
XML_ERROR = re.compile(r"<code><!\[CDATA\[(\d+)\]\]></code>\s*<message><!\[CDATA\[(.*?)\]\]></message>", re.DOTALL)
"""An error as the webservice writes it in XML (capture 006); no other XML is read so."""
ECHOED = re.compile(r"Original XML : .*", re.DOTALL)
"""Code 127 repeats the whole request, with personal data."""


class Refusal(Exception):
    """The shop says no, and did nothing."""

    def __init__(self, status: int, code: int, message: str, field: str = "") -> None:
        super().__init__(f"{message} ({f'code {code}' if code else f'HTTP {status}'})")
        self.status, self.code, self.message, self.field = status, code, message, field


class Died(Lost):
    """PHP ended in the middle, and is not at work any more: a look will tell what it did."""

    def __init__(self, sentence: str, words: str) -> None:
        super().__init__(sentence)
        self.words = words


class Webservice:
    """The webservice of one shop. Safe to share between threads.

    Every call raises ShopUnavailable when nothing was done and none was refused; changes raise Refusal, Busy and Lost
    too, and reads Refusal.
    """

    def __init__(self, url: str, key: str, name: str, *, key_in_query: bool, user_agent: str) -> None:
        self._base = f"{url.rstrip('/')}/api"
        self._key = {"ws_key": key} if key_in_query else {}
        login = {} if key_in_query else urllib3.make_headers(basic_auth=f"{key}:")
        headers = {"User-Agent": user_agent, "Content-Type": "text/xml; charset=utf-8", **login}
        self._caller = Caller(url, name, connections=4, headers=headers)

    def rows(self, resource: str, deadline: Deadline, display: str = "full", **arguments: str) -> list[Entry]:
        """A list. Arguments are filters, but for those with a trailing underscore, such as `limit_`."""
        return self.listed(resource, deadline, display, **arguments)[0]

    def listed(
        self, resource: str, deadline: Deadline, display: str = "full", **arguments: str
    ) -> tuple[list[Entry], datetime]:
        """A list, and when it was answered by the shop's clock; UTC."""
        filters = {name if name.endswith("_") else f"filter[{name}]": value for name, value in arguments.items()}
        params = {name.removesuffix("_"): value for name, value in filters.items()}
        response, value = self._read(resource, {**params, **JSON, "display": display}, deadline)
        wrong = self._caller.wrong(f"a search for {resource}")
        if value == []:  # where there are none (FINDINGS, JSON)
            return [], when(response)
        # What a module or proxy says instead with 200 must not be taken for an empty list.
        return entry_of(value, wrong).entries(LISTED_AS.get(resource, resource), needed=True), when(response)

    def one(self, resource: str, id_: object, deadline: Deadline) -> Entry | None:
        """A single object; None when there is none: 404 and an empty body (capture 043)."""
        try:
            _, value = self._read(f"{resource}/{id_}", JSON, deadline)
        except Refusal as refusal:
            if refusal.status == 404 and not refusal.message:
                return None
            raise
        return _inner(value, resource, self._caller.wrong(f"GET {resource}/{id_}"))

    def document(self, path: str, deadline: Deadline, **params: str) -> Reply:
        """An answer that is XML."""
        try:
            return self._send("GET", path, params, None, deadline)
        except (Lost, Busy) as error:
            raise self._caller.unread(error) from error

    def post(
        self,
        resource: str,
        fields: Mapping[str, object],
        deadline: Deadline,
        association: Association | None = None,
    ) -> Entry:
        """The answer, which echoes the request. An answer without an id tells nothing: Lost (capture 077)."""
        body = entity(NODES[resource], fields, association)
        value = _decoded(self._send("POST", resource, JSON, body, deadline))
        made = _inner(value, resource, wrong_after(f"POST {resource}"))
        if made.whole("id") <= 0:
            raise made.wrong("id", "is none")
        return made

    def patch(self, resource: str, id_: object, fields: Mapping[str, object], deadline: Deadline) -> None:
        body = entity(NODES[resource], {"id": id_, **fields})
        _decoded(self._send("PATCH", f"{resource}/{id_}", JSON, body, deadline))

    def delete(self, resource: str, id_: object, deadline: Deadline) -> None:
        """One that is gone already is as well."""
        try:
            self._send("DELETE", f"{resource}/{id_}", {}, None, deadline)
        except Refusal as refusal:
            if refusal.status != 404:
                raise

    def unreadable(self, refusal: Exception) -> ShopUnavailable:
        return self._caller.unreadable(refusal)

    def close(self) -> None:
        self._caller.close()

    def _read(self, path: str, params: Mapping[str, str], deadline: Deadline) -> tuple[Reply, Any]:
        try:
            response = self._send("GET", path, params, None, deadline)
            return response, _decoded(response)
        except (Lost, Busy) as error:
            raise self._caller.unread(error) from error

    def _send(self, method: str, path: str, params: Mapping[str, str], body: bytes | None, deadline: Deadline) -> Reply:
        url, query = f"{self._base}/{path}", {**params, **self._key}
        reply = self._caller.call(method, url, deadline, about=path, query=query, body=body)
        _check(method, path, reply)
        return reply


JSON = {"output_format": "JSON"}


def text(row: Entry, name: str) -> str:
    """A field as a text: JSON has ids as numbers or texts, null for nothing, or leaves it out (FINDINGS, JSON)."""
    value = row.get(name)
    return value if isinstance(value, str) else row.text(name, "")


def id_of(row: Entry) -> str:
    """Its own: there is nothing without."""
    return str(row.whole("id"))


def associated(row: Entry, name: str) -> list[Entry]:
    """The rows of an association; none where JSON leaves it out (capture 244)."""
    return row.entry("associations").entries(name)


def any_of(values: Sequence[object]) -> str:
    """A filter for several values."""
    return f"[{'|'.join(map(str, values))}]"


def _check(method: str, path: str, response: Reply) -> None:
    """Raises Lost, Died or Refusal unless the answer is a good one."""
    status = response.status
    if 200 <= status < 300:
        return
    errors = _errors(response)
    if errors and not CODES_OF_PHP & {code for code, _ in errors}:
        raise _refusal(status, errors)
    words = "; ".join(message for _, message in errors) or response.glimpse
    if words.startswith(CART_USED):
        raise Refusal(status, 0, CART_USED, "id_cart")
    if status == 500 and not errors and not words.startswith("<"):
        raise Died(f"HTTP 500 to {method} {path}: {words or 'PHP ended without a word'}", words)
    if status >= 500 or status < 400:
        raise Lost(f"HTTP {status} to {method} {path}: {words}", retry_after=response.retry_after)
    raise Refusal(status, 0, f"the host answers: {words}" if words else "")


def _errors(response: Reply) -> list[tuple[int, str]]:
    """Codes and messages, whether they come as JSON or as XML."""
    try:
        value = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = XML_ERROR.findall(response.text[:LONGEST_ERRORS])
        return [(int(code), html.unescape(message)) for code, message in found]
    errors = value.get("errors") if isinstance(value, dict) else None
    rows = [one for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []
    return [(_code(one.get("code")), html.unescape(str(one.get("message", "")))) for one in rows]


def _code(value: object) -> int:
    text_ = str(value)
    return int(text_) if text_.isascii() and text_.isdigit() and len(text_) < 10 else 0


def _refusal(status: int, errors: Sequence[tuple[int, str]]) -> Refusal:
    words = "; ".join(ECHOED.sub("", message).strip() for _, message in errors)[:LONGEST_TEXT]
    found = FIELD.search(words)
    return Refusal(status, errors[0][0], words, (found[1] or found[2]) if found else "")


def _decoded(response: Reply) -> Any:
    """The JSON of a good answer. Raises Lost: another answer with 200 is a host's or plugin's."""
    try:
        return msgspec.json.decode(response.content.removeprefix(BYTE_ORDER_MARK))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        words = response.glimpse
        raise Lost(f"HTTP {response.status} without the JSON of the webservice: {words}") from error


def _inner(value: Any, resource: str, wrong: Wrong) -> Entry:
    """What is inside `{"order": {...}}`."""
    found = entry_of(value, wrong)
    name = NODES[resource]
    if name not in found:
        raise found.wrong(name, "is missing")
    return found.entry(name)


def when(response: Reply) -> datetime:
    """`Access-Time` is the shop's own clock, in seconds (FINDINGS, Lists)."""
    seconds = response.headers.get("Access-Time", "")
    if seconds.isascii() and seconds.isdigit() and len(seconds) < 12:
        return datetime.fromtimestamp(int(seconds), UTC)
    return response.at or datetime.now(UTC)
