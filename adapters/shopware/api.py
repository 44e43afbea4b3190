"""Calls to the Admin API: one token a shop, pooled connections, a time-out for all of it, outcomes that tell (§4.1)."""

import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from lengow.adapters.answers import Entry, entry_of
from lengow.adapters.calls import Busy, Caller, Deadline, Lost, Reply
from lengow.adapters.shopware.facts import FOREIGN_KEY_BROKEN, PAGE, TOKEN_PAUSE_SECONDS, TOKEN_SHARE
from lengow.connector.errors import ShopUnavailable
from lengow.connector.secret import Secret

LONGEST_WORDS = 500
"""Of the shop's own words in a reason."""
ENCODER = msgspec.json.Encoder(decimal_format="number")
TOKEN = "oauth/token"  # noqa: S105
TOKEN_CHARACTERS = re.compile(r"[\x21-\x7e]{1,16384}")
"""What a header can carry."""
LONGEST_TOKEN_SECONDS = 3600

Row = dict[str, Any]


class Violation(msgspec.Struct, frozen=True):
    """One of the errors in a refusal."""

    code: str
    detail: str
    pointer: str
    """Such as `/orders/3/addresses/0/city`; empty where Shopware names no place."""


class Refusal(Exception):
    """The shop says no, and did nothing."""

    def __init__(self, status: int, violations: Sequence[Violation]) -> None:
        super().__init__("; ".join(one.detail for one in violations)[:LONGEST_WORDS])
        self.status, self.violations = status, tuple(violations)

    @property
    def code(self) -> str:
        return self.violations[0].code if self.violations else ""


class Answer(msgspec.Struct, frozen=True):
    value: Any
    at: datetime
    """When it was answered, by the shop's clock; UTC."""


class Api:
    """The Admin API of one shop. Safe to share between threads.

    Every call raises ShopUnavailable when nothing was done and none was refused; changes raise Refusal, Busy and Lost
    too, and reads Refusal.
    """

    def __init__(self, url: str, access_key: str, secret_key: Secret, name: str) -> None:
        self._base = f"{url.rstrip('/')}/api/"
        self._credentials = (access_key, secret_key)
        self._lock = threading.Lock()
        self._token: tuple[str, float] | None = None
        self._refused: tuple[Refusal, float] | None = None
        headers = {"User-Agent": "lengow-connector", "Accept": "application/json"}
        self._caller = Caller(url, name, connections=6, headers=headers)

    def get(self, path: str, deadline: Deadline) -> Answer:
        return self._read("GET", path, None, deadline)

    def download(self, path: str, deadline: Deadline) -> bytes:
        """A PDF."""
        answer = self._read("GET", path, None, deadline, {"Accept": "application/pdf"})
        if not isinstance(answer.value, bytes):
            raise self._caller.unavailable(f"its answer to {path.partition('/')[0]} is no PDF")
        return answer.value

    def search(self, entity: str, criteria: Mapping[str, Any], deadline: Deadline, **headers: str) -> list[Entry]:
        """One page; `entity` as in the database, such as `order_delivery`."""
        given = {"limit": PAGE, "total-count-mode": 0, **criteria}
        value = self._read("POST", f"search/{entity.replace('_', '-')}", given, deadline, headers).value
        return entry_of(value, self._caller.wrong(f"a search for {entity}")).entries("data", needed=True)

    def search_all(
        self, entity: str, criteria: Mapping[str, Any], deadline: Deadline, **headers: str
    ) -> Iterator[Entry]:
        """All pages."""
        page, more = 1, True
        while more:
            rows = self.search(entity, {"sort": [{"field": "id"}], **criteria, "page": page}, deadline, **headers)
            yield from rows
            page, more = page + 1, len(rows) == PAGE

    def sync(
        self, operations: Mapping[str, tuple[str, Sequence[Row]]], deadline: Deadline, action: str = "upsert"
    ) -> Answer:
        """Entities and rows by a key that refusals name: all of them, or none.

        Shopware has no part of a sync call (§4.9): an error in one row keeps the others out.
        """
        body = {
            key: {"entity": entity, "action": action, "payload": rows}
            for key, (entity, rows) in operations.items()
            if rows
        }
        return self._call("POST", "_action/sync", body, deadline, {"indexing-behavior": "use-queue-indexing"})

    def move(self, entity: str, id_: str, action: str, deadline: Deadline, *, mail: bool) -> Answer:
        """A transition of a state machine. Asking for the state that it is in does nothing."""
        return self._call("POST", f"_action/{entity}/{id_}/state/{action}", {"sendMail": mail}, deadline)

    def unreadable(self, refusal: Exception) -> ShopUnavailable:
        return self._caller.unreadable(refusal)

    def close(self) -> None:
        self._caller.close()

    def _read(
        self, method: str, path: str, body: Any, deadline: Deadline, headers: Mapping[str, str] | None = None
    ) -> Answer:
        try:
            return self._call(method, path, body, deadline, headers)
        except (Lost, Busy) as error:
            raise self._caller.unread(error) from error

    def _call(
        self, method: str, path: str, body: Any, deadline: Deadline, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """With a token that is taken anew once, when the shop does not know the kept one any more."""
        for again in (False, True):
            token = self._token_for(deadline)
            try:
                return self._send(method, path, body, deadline, {**(headers or {}), "Authorization": f"Bearer {token}"})
            except Refusal as refusal:
                if refusal.status != 401 or again:
                    raise
                self._forget(token)
        raise AssertionError("unreachable")

    def _token_for(self, deadline: Deadline) -> str:
        with self._lock:
            now = time.monotonic()
            if self._refused is not None and now < self._refused[1]:
                raise self._refused[0]
            if self._token is None or now >= self._token[1]:
                self._token = self._new_token(deadline)
            return self._token[0]

    def _new_token(self, deadline: Deadline) -> tuple[str, float]:
        body = {
            "grant_type": "client_credentials",
            "client_id": self._credentials[0],
            "client_secret": self._credentials[1].reveal(),
        }
        try:
            value = self._send("POST", TOKEN, body, deadline, {}).value
        except Refusal as refusal:
            self._refused = (refusal, time.monotonic() + TOKEN_PAUSE_SECONDS)
            raise
        except (Lost, Busy) as error:
            raise self._caller.unread(error) from error
        given = entry_of(value, self._caller.wrong(f"POST {TOKEN}"))
        token = given.text("access_token")
        if not TOKEN_CHARACTERS.fullmatch(token):
            raise given.wrong("access_token", "is no token")
        return token, time.monotonic() + min(given.whole("expires_in"), LONGEST_TOKEN_SECONDS) * TOKEN_SHARE

    def _forget(self, token: str) -> None:
        with self._lock:
            if self._token is not None and self._token[0] == token:
                self._token = None

    def _send(self, method: str, path: str, body: Any, deadline: Deadline, headers: Mapping[str, str]) -> Answer:
        own = {"Content-Type": "application/json"} if body is not None else {}
        sent = None if body is None else ENCODER.encode(body)
        reply = self._caller.call(
            method, self._base + path, deadline, about=path, body=sent, headers={**own, **headers}
        )
        return _answer(method, path, reply)


def _answer(method: str, path: str, reply: Reply) -> Answer:
    """Raises Refusal, Lost."""
    status, value, at = reply.status, reply.json, reply.at or datetime.now(UTC)
    violations = _violations(value)
    words = "; ".join(one.detail for one in violations)[:LONGEST_WORDS] or reply.glimpse
    if status >= 500 and not any(FOREIGN_KEY_BROKEN in one.detail for one in violations):
        raise Lost(
            f"HTTP {status} to {method} {path}: {words}", by_shop=bool(violations), retry_after=reply.retry_after
        )
    if status >= 400:
        raise Refusal(status, violations or [Violation("", f"the host answers HTTP {status}: {words}", "")])
    if status == 204:
        return Answer(None, at)
    if status == 200 and (reply.headers.get("Content-Type") or "").startswith("application/pdf"):
        return Answer(reply.content, at)
    if value is None or status >= 300:
        raise Lost(f"HTTP {status} to {method} {path} without the JSON of the API: {words}")
    return Answer(value, at)


def _violations(value: Any) -> list[Violation]:
    errors = value.get("errors") if isinstance(value, dict) else None
    found = []
    for one in errors if isinstance(errors, list) else ():
        if isinstance(one, dict):
            source = one.get("source")
            pointer = source.get("pointer") if isinstance(source, dict) else ""
            words = str(one.get("detail") or one.get("title") or "")
            found.append(Violation(str(one.get("code") or ""), words[:LONGEST_WORDS], str(pointer or "")))
    return found
