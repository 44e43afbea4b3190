"""Who may call, and how often (reference 1.1, 1.4)."""

import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from lengow.sandbox.answers import Request, error
from lengow.sandbox.clock import iso

WINDOW = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Account:
    """One Lengow account and its two long-lived keys."""

    name: str
    account_id: int
    access_token: str
    secret: str


@dataclass(frozen=True, slots=True)
class Token:
    text: str
    account_id: int
    expire_at: datetime


class Access:
    """Accounts and the tokens that they were given. Several tokens of one account may be good at once."""

    def __init__(self, seed: int, life: timedelta) -> None:
        self.life = life
        self.accounts: dict[int, Account] = {}
        self._seed = seed
        self._tokens: dict[str, Token] = {}

    def add_account(self, name: str) -> Account:
        """The same seed and order of calls give the same ids and keys."""
        number = 4242 + len(self.accounts)
        access_token, secret = (
            uuid.uuid5(uuid.NAMESPACE_URL, f"sandbox/{self._seed}/{number}/{key}").hex for key in ("access", "secret")
        )
        self.accounts[number] = Account(name, number, access_token, secret)
        return self.accounts[number]

    def issue(self, access_token: str, secret: str, now: datetime) -> Token:
        """Raises Refusal (400) for keys that are not an account's."""
        for account in self.accounts.values():
            if (account.access_token, account.secret) == (access_token, secret):
                token = Token(str(uuid.uuid4()), account.account_id, now + self.life)
                self._tokens[token.text] = token
                return token
        raise error(400, "Invalid access_token or secret")

    def revoke_all(self) -> None:
        self._tokens.clear()

    def token_of(self, request: Request, now: datetime) -> Token:
        """Raises Refusal: 403 on orders and 401 elsewhere where the header is missing, 401 for a stale token."""
        given = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        if not given:
            status = 403 if request.path.startswith("/v3.0/orders") else 401
            raise error(status, "No token in headers, Authorization header is required")
        token = self._tokens.get(given)
        if token is None or token.expire_at <= now:
            raise error(401, "Token is invalid or has expired")
        return token


def describe_token(token: Token) -> dict[str, object]:
    """The answer to `GET /me`."""
    return {
        "token": token.text,
        "account_id": token.account_id,
        "expire_at": iso(token.expire_at),
        "scopes": {"account_id": token.account_id, "catalog_id": "*", "feed_id": "*", "product_id": "*"},
    }


class Quotas:
    """A fixed window of a minute per route and account, opened by its first call. `per_minute` 0: no limit."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._windows: dict[tuple[int, str], tuple[datetime, int]] = {}

    def count(self, account_id: int, route: str, now: datetime) -> None:
        """Raises Refusal (429) when the window's credit is used up."""
        if not self.per_minute:
            return
        start, used = self._window(account_id, route, now)
        if used >= self.per_minute:
            wait = max(1, math.ceil((start + WINDOW - now).total_seconds()))
            message = f"Request limitation: {self.per_minute} reached on {route}"
            raise error(429, message, {"Retry-After": str(wait)})
        self._windows[account_id, route] = (start, used + 1)

    def describe(self, account_id: int, routes: Mapping[str, object], now: datetime) -> dict[str, object]:
        """The answer to `GET /rate-limits`; its shape is inferred from the prose."""
        return {route: self._credit(account_id, route, now) for route in routes}

    def _credit(self, account_id: int, route: str, now: datetime) -> dict[str, int | None]:
        if not self.per_minute:
            return {"quota": None, "remaining_credit": None, "remaining_time": None}
        start, used = self._window(account_id, route, now)
        left = math.ceil((start + WINDOW - now).total_seconds())
        return {"quota": self.per_minute, "remaining_credit": self.per_minute - used, "remaining_time": left}

    def _window(self, account_id: int, route: str, now: datetime) -> tuple[datetime, int]:
        start, used = self._windows.get((account_id, route), (now, 0))
        return (start, used) if now < start + WINDOW else (now, 0)
