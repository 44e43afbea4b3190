"""One account's HTTP: pooled connections, token, time-outs, quota, repeats where repeating is safe, one error a fault."""

import logging
import math
import os
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import msgspec
import requests
import urllib3

from lengow.connector.client.deadline import DeadlineAdapter
from lengow.connector.client.limiter import LONGEST_WAIT, Limiter
from lengow.connector.errors import (
    ApiError,
    ApiRefused,
    ApiUnavailable,
    MalformedAnswer,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Unauthorized,
)
from lengow.connector.prepared import prepare
from lengow.connector.secret import Secret

log = logging.getLogger("lengow.connector.client")

T = TypeVar("T")


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds, as the official plugins have them (reference lengow.md §1.3)."""

    connect: float = 10.0
    default: float = 10.0
    """For a whole answer."""
    routes: Mapping[str, float] = {}
    """For a whole answer of these."""

    def of(self, route: str) -> float:
        return self.routes.get(route, self.default)


TIMEOUTS = Timeouts(
    routes={
        "/v3.0/orders/actions/": 15.0,
        "/v3.0/orders/moi/": 10.0,
        "/v3.0/orders/": 20.0,
        "/v3.0/marketplaces/": 15.0,
    }
)

QUOTA_ROUTES = {"/v3.0/orders/moi/": "/v3.0/orders/"}
"""Routes that the plugins count together (reference lengow.md §1.4)."""

TOKEN_ROUTE = "/access/get_token"  # noqa: S105
TOKEN = re.compile(r"[\x21-\x7e]{1,1000}")
"""What can stand in a header."""
TOKEN_LIFE = 3000.0
"""Lengow's tokens live 3600 s; the plugins renew after 3000 (reference lengow.md §1.1)."""

TRIES = 4
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0
LARGEST_ANSWER = 64 * 1024 * 1024
MOST_TEXT = 500
"""Of an error text."""
NO_TEXT = "it gave no text"
LOGICAL_ERROR = 530
"""Lengow's own status for what it understood and will not do (reference lengow.md §1.5)."""
USER_AGENT = "lengow-connector-python"

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding arbitrary bytes may raise."""


class Answer(msgspec.Struct, frozen=True):
    status: int
    body: bytes
    headers: Mapping[str, str]


MOST_SKEW = timedelta(days=1)
"""A `Date` further from this machine's clock is some proxy's mistake; a zone that is set wrongly is off by less."""


class Transport:
    """Sends requests to Lengow for one account; safe to share between threads."""

    def __init__(
        self,
        base_url: str,
        access_token: Secret,
        secret: Secret,
        limiter: Limiter,
        *,
        account: str,
        timeouts: Timeouts = TIMEOUTS,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        called: Callable[[str, str, str, float], None] = lambda *_: None,
    ) -> None:
        """`sleep` and `monotonic` pass the time between calls; a single call always takes real time.

        `clock` tells this machine's time of day.

        `called` is told of each: method, route, outcome (HTTP status, `lost`, `not_sent`), seconds.
        """
        self._base_url = base_url.rstrip("/")
        self._keys = (access_token, secret)
        self._limiter = limiter
        self._account = account
        self._timeouts = timeouts
        self._sleep = sleep
        self._monotonic = monotonic
        self._called = called
        self._session = requests.Session()
        self._session.headers["User-Agent"] = USER_AGENT
        # netrc would replace our Authorization header; proxies and CA bundle are taken from the environment once.
        self._session.trust_env = False
        self._session.proxies = dict(requests.utils.get_environ_proxies(self._base_url))
        self._session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, DeadlineAdapter(pool_connections=2, pool_maxsize=16))
        self._token_lock = threading.Lock()
        self._token = ""
        self._token_ends = 0.0
        self._account_id = 0
        self._clock = clock
        self._skew = timedelta(0)

    def now(self) -> datetime:
        """Lengow's time: this machine's clock, corrected by the `Date` of the last answer where that can be believed."""
        return self._clock() + (self._skew if abs(self._skew) <= MOST_SKEW else timedelta(0))

    def skew(self) -> timedelta:
        """How far Lengow's clock was ahead of this machine's when it last told, to be believed or not."""
        return self._skew

    def room(self, route: str) -> tuple[int, float]:
        """How many calls to this route fit the quota now, and in how many seconds the next one does."""
        return self._limiter.room(_quota_route(route))

    def account_id(self) -> int:
        self._valid_token()
        return self._account_id

    def close(self) -> None:
        self._session.close()

    def get(self, route: str, kind: type[T], params: Mapping[str, str] | None = None, *, tries: int = TRIES) -> T:
        """GET and decode. Repeated on faults; raises an ApiError that is not OutcomeUnknown."""
        self._valid_token()  # so that its own tries are not multiplied by those of the call
        return self._repeat(
            lambda: self._decoded(self._authorized("GET", route, params=params), kind, route), route, tries=tries
        )

    def patch(self, route: str, body: Mapping[str, Any]) -> None:
        """PATCH JSON to a route where sending the same again changes nothing; repeated on faults."""
        data = msgspec.json.encode({"account_id": self.account_id(), **body})
        headers = {"Content-Type": "application/json"}
        self._repeat(lambda: self._authorized("PATCH", route, data=data, headers=headers), route)

    def post_once(self, route: str, form: Mapping[str, str], kind: type[T], *, within: float) -> T:
        """POST a form to a route where a repeat would act twice; repeated only when it surely was not acted upon.

        It is sent within so many seconds, for which a caller may hold its step, or not at all. Raises OutcomeUnknown
        when it may have been acted upon.
        """
        ends = self._monotonic() + within
        data = {"account_id": str(self.account_id()), **form}
        try:
            answer = self._repeat(lambda: self._authorized("POST", route, data=data, ends=ends), route, safe=False)
        except _ConnectionLost as lost:
            raise OutcomeUnknown(f"The answer to POST {route} was lost: {lost}.", account=self._account) from lost
        if answer.status not in (200, 201):
            text = self._message(answer)
            raise OutcomeUnknown(
                f"Lengow answered HTTP {answer.status} to POST {route}: {text or NO_TEXT}",
                account=self._account,
                said=text if answer.status == LOGICAL_ERROR else "",
            )
        try:
            return self._decoded(answer, kind, route)
        except MalformedAnswer as error:
            said = self._message(answer)
            sentence = f"The answer to POST {route} cannot be read{f', it says: {said}' if said else ''}."
            raise OutcomeUnknown(sentence, account=self._account, said=said if _whole(answer) else "") from error

    def _repeat(self, call: Callable[[], T], route: str, *, safe: bool = True, tries: int = TRIES) -> T:
        """Run `call` until it succeeds, up to so many times; what is not `safe` is repeated only if nothing was done."""
        waited = 0.0
        for attempt in range(1, tries + 1):
            try:
                return call()
            except RateLimited as limited:
                self._limiter.pause(_quota_route(route), limited.retry_after)
                waited += limited.retry_after
                if attempt == tries or waited > LONGEST_WAIT:
                    raise
                log.info("quota reached", extra={"account": self._account, "route": route, "wait": limited.retry_after})
            except (_NotSent, _ConnectionLost, MalformedAnswer, ApiUnavailable) as error:
                if not safe and not isinstance(error, _NotSent):
                    raise
                if attempt == tries:
                    raise self._unavailable(route, error) from error
                log.info("repeat", extra={"account": self._account, "route": route, "attempt": attempt})
                self._sleep(pause_before(attempt + 1, random.random()))
        raise AssertionError("unreachable")

    def _unavailable(self, route: str, error: Exception) -> ApiError:
        if isinstance(error, ApiError):
            return error
        return ApiUnavailable(f"Lengow did not answer {route}: {error}.", account=self._account)

    def _authorized(
        self,
        method: str,
        route: str,
        *,
        params: Mapping[str, str] | None = None,
        data: bytes | Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        ends: float = math.inf,
    ) -> Answer:
        """Send with the token, and once more with a new one when Lengow refuses it (401 or 403, reference §1.1).

        Nothing is sent after `ends`.
        """
        token = self._valid_token()
        for last in (False, True):
            if method == "GET":
                params = {"account_id": str(self._account_id), **(params or {})}
            self._limiter.wait(_quota_route(route))
            if self._monotonic() > ends:
                raise ApiUnavailable(f"The wait for {route} was too long, and nothing was sent.", account=self._account)
            answer = self._send(
                method, route, params=params, data=data, headers={"Authorization": token, **(headers or {})}
            )
            if answer.status not in (401, 403):
                break
            if last:
                raise Unauthorized(self._message(answer) or None, account=self._account)
            token = self._valid_token(refused=token)
        self._raise_for_status(answer, route, safe=method != "POST")
        return answer

    def _valid_token(self, refused: str = "") -> str:
        """The shared token, renewed before it ends, or when it is the one that was just `refused`."""
        with self._token_lock:
            if self._token and self._token != refused and self._monotonic() < self._token_ends:
                return self._token
            form = {"access_token": self._keys[0].reveal(), "secret": self._keys[1].reveal()}
            granted = self._repeat(lambda: self._ask_for_token(form), TOKEN_ROUTE)
            self._token, self._account_id = granted.token, granted.account_id
            self._token_ends = self._monotonic() + TOKEN_LIFE
            return self._token

    def _ask_for_token(self, form: Mapping[str, str]) -> "_Granted":
        self._limiter.wait(TOKEN_ROUTE)
        answer = self._send("POST", TOKEN_ROUTE, data=form)
        if answer.status in (400, 401, 403):
            raise Unauthorized(
                f"Lengow refuses the keys of the account {self._account!r}: {self._message(answer) or NO_TEXT}",
                account=self._account,
            )
        self._raise_for_status(answer, TOKEN_ROUTE, safe=True)
        granted = self._decoded(answer, _GrantedByLengow, TOKEN_ROUTE)
        number = str(granted.account_id)
        if not TOKEN.fullmatch(granted.token) or not (number.isascii() and number.isdigit()):
            raise MalformedAnswer("Lengow gave no usable token and account id.", account=self._account)
        return _Granted(granted.token, int(number))

    def _send(
        self,
        method: str,
        route: str,
        *,
        params: Mapping[str, str] | None = None,
        data: bytes | Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One HTTP exchange within the route's time. Raises _NotSent or _ConnectionLost, whatever went wrong."""
        began, outcome = time.monotonic(), "lost"
        try:
            answer = self._exchange(method, route, params=params, data=data, headers=headers)
            outcome = str(answer.status)
        except _NotSent:
            outcome = "not_sent"
            raise
        finally:
            self._called(method, route, outcome, time.monotonic() - began)
        return answer

    def _exchange(
        self,
        method: str,
        route: str,
        *,
        params: Mapping[str, str] | None,
        data: bytes | Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
    ) -> Answer:
        try:
            with self._session.request(
                method,
                self._base_url + route,
                params=params,
                data=data,
                headers=headers,
                timeout=(self._timeouts.connect, self._timeouts.of(route)),
                allow_redirects=False,
                stream=True,
            ) as response:
                body = _body(response)
        except requests.exceptions.ConnectTimeout as error:
            raise _NotSent(f"no connection within {self._timeouts.connect:g} s") from error
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            if _caused_by(error, urllib3.exceptions.NewConnectionError):
                raise _NotSent("no connection") from error
            if _caused_by(error, (requests.exceptions.Timeout, urllib3.exceptions.ReadTimeoutError)):
                raise _ConnectionLost(f"no whole answer within {self._timeouts.of(route):g} s") from error
            raise _ConnectionLost(type(error).__name__) from error
        self._learn_clock(response.headers.get("Date"))
        return Answer(response.status_code, body, response.headers)

    def _learn_clock(self, date_header: str | None) -> None:
        """From `Date`, which is always in GMT (RFC 9110); what cannot be read is ignored."""
        try:
            told = parsedate_to_datetime(date_header or "").replace(tzinfo=UTC)
            skew = told - self._clock()
        except (ValueError, TypeError, OverflowError):
            return
        if abs(skew) > MOST_SKEW >= abs(self._skew):
            hours = round(skew.total_seconds() / 3600)
            log.warning("Lengow's clock is not believed", extra={"account": self._account, "hours_ahead": hours})
        self._skew = skew

    def _raise_for_status(self, answer: Answer, route: str, *, safe: bool) -> None:
        """Each error shape of reference §1.5 becomes one exception. What is not `safe` and may be done passes."""
        status = answer.status
        if status in (200, 201):
            return
        about = {"account": self._account, "route": route}
        text = self._message(answer)
        if status == 429:
            raise RateLimited(text or None, retry_after=_retry_after(answer), **about)
        if status >= 500 or status in (202, 204, 408):
            if safe:
                raise ApiUnavailable(f"Lengow answered HTTP {status} to {route}: {text or NO_TEXT}", **about)
            return
        if 300 <= status < 400:
            raise ApiUnavailable(
                f"Lengow answered HTTP {status} to {route}, a way to elsewhere; nothing was done.", **about
            )
        if status == 404:
            raise NotFound(text or None, **about)
        raise ApiRefused(
            f"Lengow refused {route} (HTTP {status}): {text or NO_TEXT}", status=status, fields=_fields(answer), **about
        )

    def _message(self, answer: Answer) -> str:
        """Lengow's text, without the keys, which it may repeat."""
        text = _message(answer)
        for key in self._keys:
            text = text.replace(key.reveal(), "***")
        return text[:MOST_TEXT]

    def _decoded(self, answer: Answer, kind: type[T], route: str) -> T:
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except UNREADABLE as error:
            raise MalformedAnswer(
                f"Lengow's answer to {route} cannot be read: {error}.", account=self._account
            ) from error


class _GrantedByLengow(msgspec.Struct, frozen=True):
    token: str
    account_id: int | str


class _Granted(msgspec.Struct, frozen=True):
    token: str
    account_id: int


class _NotSent(Exception):
    """The request did not leave: it surely had no effect."""


class _ConnectionLost(Exception):
    """The request left, or may have; no whole answer came."""


def pause_before(attempt: int, jitter: float) -> float:
    """Seconds to wait before this attempt (2, 3, …): doubling, up to LONGEST_PAUSE, with half of it as jitter 0..1."""
    pause = min(FIRST_PAUSE * 2.0 ** (attempt - 2), LONGEST_PAUSE)
    return pause * (0.5 + jitter / 2)


def _caused_by(error: BaseException, kinds: type[BaseException] | tuple[type[BaseException], ...]) -> bool:
    """Whether the error is of such a kind, or wraps one: `requests` tells some things by inner errors only."""
    seen: object = error
    while isinstance(seen, BaseException):
        if isinstance(seen, kinds):
            return True
        inner = getattr(seen, "reason", None) or getattr(seen, "original_error", None)
        seen = inner or next((one for one in seen.args if isinstance(one, BaseException)), None)
    return False


def _body(response: requests.Response) -> bytes:
    """The body, given up when it is larger than any of Lengow's."""
    chunks, size = [], 0
    for chunk in response.iter_content(256 * 1024):
        chunks.append(chunk)
        size += len(chunk)
        if size > LARGEST_ANSWER:
            raise requests.exceptions.ContentDecodingError("the answer is too large")
    return b"".join(chunks)


def _whole(answer: Answer) -> bool:
    """Whether it is JSON to its end: what was cut, or is some proxy's page, is not what Lengow says."""
    try:
        msgspec.json.decode(answer.body)
    except UNREADABLE:
        return False
    return True


def _quota_route(route: str) -> str:
    return QUOTA_ROUTES.get(route, route)


def _retry_after(answer: Answer) -> float:
    """Seconds from `Retry-After`, which Lengow gives as an integer; half a minute where it is missing or odd."""
    value = answer.headers.get("Retry-After", "")
    return min(float(value), 3600.0) if value.isascii() and value.isdigit() else 30.0


def _message(answer: Answer) -> str:
    """The text in any of Lengow's error shapes; the beginning of a body that has none of them."""
    try:
        body = msgspec.json.decode(answer.body)
        if isinstance(body, dict):
            body = body.get("error", body.get("detail", body))
        if isinstance(body, dict):
            body = body.get("message", body)
        return _text(body)
    except UNREADABLE:
        return answer.body[:200].decode("utf-8", "replace").strip()


def _text(value: object) -> str:
    """Lists of texts, {field: texts}, and the {"loc": …, "msg": …} of the catalogue routes, as one text."""
    if value is None:
        return ""
    if isinstance(value, list):
        return "; ".join(map(_text, value))
    if not isinstance(value, dict):
        return str(value)
    if "msg" in value:
        places = value.get("loc")
        where = ".".join(map(str, places)) if isinstance(places, list) else ""
        return f"{where}: {_text(value['msg'])}" if where else _text(value["msg"])
    return "; ".join(f"{field}: {_text(text)}" for field, text in value.items())


def _fields(answer: Answer) -> dict[str, str]:
    """Field errors, such as {"carrier": ["…"]} (inferred, reference §1.5)."""
    try:
        body = msgspec.json.decode(answer.body, type=dict[str, list[str]])
    except UNREADABLE:
        return {}
    return {field: _text(texts) for field, texts in body.items()}


prepare(_GrantedByLengow, _Granted)
