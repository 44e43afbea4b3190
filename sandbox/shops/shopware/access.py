"""Who may call: an integration's client credentials give a token for ten minutes (reference platforms.md §4.1)."""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lengow.sandbox.answers import Answer, Request
from lengow.sandbox.shops.shopware.errors import refused

LIFETIME = timedelta(minutes=10)
THROTTLE = ((20, 60), (15, 30), (10, 10))
"""Wrong tries, and for how many seconds the token route is closed after them."""


@dataclass(frozen=True, slots=True)
class Integration:
    access_key: str
    secret: str
    privileges: frozenset[str] | None = None
    """As `order:read`; None: an administrator's."""


class Access:
    def __init__(self, now: Callable[[], datetime]) -> None:
        self.integrations: dict[str, Integration] = {}
        self._now = now
        self._tokens: dict[str, tuple[Integration, datetime]] = {}
        self._wrong = 0
        self._closed_until: datetime | None = None

    def token(self, request: Request) -> Answer:
        """Raises Refused. The tries of all integrations are counted together."""
        if self._closed_until is not None and self._now() < self._closed_until:
            seconds = (self._closed_until - self._now()).total_seconds()
            raise refused(429, "FRAMEWORK__RATE_LIMIT_EXCEEDED", f"Too many requests, try again in {seconds:.0f} s.")
        body = request.json()
        if body.get("grant_type") != "client_credentials":
            raise refused(400, "2", "The authorization grant type is not supported by the authorization server.")
        integration = self.integrations.get(str(body.get("client_id")))
        given = str(body.get("client_secret")).encode()
        if integration is None or not hmac.compare_digest(integration.secret.encode(), given):
            self._wrong += 1
            wait = next((seconds for tries, seconds in THROTTLE if self._wrong >= tries), 0)
            self._closed_until = self._now() + timedelta(seconds=wait)
            raise refused(401, "4", "Client authentication failed")
        self._wrong = 0
        token = secrets.token_urlsafe(40)
        self._tokens[token] = (integration, self._now() + LIFETIME)
        seconds = int(LIFETIME.total_seconds())
        return Answer.json({"token_type": "Bearer", "expires_in": seconds, "access_token": token})

    def check(self, request: Request) -> Integration:
        """Raises Refused unless the request carries a token that holds."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        integration, until = self._tokens.get(token, (None, self._now()))
        if kind != "Bearer" or integration is None or until <= self._now():
            raise refused(401, "9", "The resource owner or authorization server denied the request.")
        return integration

    def end_tokens(self) -> None:
        self._tokens.clear()


def demand(integration: Integration, *privileges: str) -> None:
    """Raises Refused, naming every privilege that is missing."""
    held: Any = integration.privileges
    missing = [one for one in privileges if held is not None and one not in held]
    if missing:
        text = ", ".join(f'"{one}"' for one in missing)
        detail = f'{{"message":"Missing permissions","missingPrivileges":[{text}]}}'
        raise refused(403, "FRAMEWORK__MISSING_PRIVILEGE_ERROR", detail)
