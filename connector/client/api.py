"""Lengow's calls by name. Facts: reference lengow.md §1-5."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from lengow.connector.client.answers import ACTIONS, ORDERS, PAGE_SIZE, Action, ActionsPage, OrdersPage, action_of
from lengow.connector.client.limiter import Limiter
from lengow.connector.client.transport import TIMEOUTS, TRIES, Timeouts, Transport
from lengow.connector.errors import MalformedAnswer
from lengow.connector.prepared import prepare
from lengow.connector.secret import Secret

log = logging.getLogger("lengow.connector.client")

MERCHANT_ORDER_ID = "/v3.0/orders/moi/"
MARKETPLACES = "/v3.0/marketplaces/"

SEND_WITHIN = 75.0
"""Seconds to wait for token and quota before an action is sent; with the call itself less than a step's lease, after
which another worker may be sending the same."""


class LengowClient:
    """Lengow's API for one account; safe to share between threads."""

    def __init__(
        self,
        *,
        account: str,
        base_url: str,
        access_token: Secret,
        secret: Secret,
        requests_per_minute: int = 500,
        timeouts: Timeouts = TIMEOUTS,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        called: Callable[[str, str, str, float], None] = lambda *_: None,
    ) -> None:
        """`sleep` and `monotonic`: how time passes between calls, for a test; `clock`: this machine's time of day.

        `called` is told method, route, outcome and seconds of each.
        """
        limiter = Limiter(requests_per_minute, now=monotonic, sleep=sleep)
        self._transport = Transport(
            base_url,
            access_token,
            secret,
            limiter,
            account=account,
            timeouts=timeouts,
            sleep=sleep,
            monotonic=monotonic,
            clock=clock,
            called=called,
        )

    def close(self) -> None:
        self._transport.close()

    def room(self, route: str) -> tuple[int, float]:
        """How many calls to this route fit the quota now, and in how many seconds the next one does."""
        return self._transport.room(route)

    def now(self) -> datetime:
        """Lengow's time, as its last answer told it."""
        return self._transport.now()

    def skew(self) -> timedelta:
        """How far Lengow's clock is ahead of this machine's; `now` does not follow one that cannot be believed."""
        return self._transport.skew()

    def account_id(self) -> int:
        return self._transport.account_id()

    def me(self) -> dict[str, Any]:
        return self._transport.get("/me", dict[str, Any])

    def rate_limits(self) -> Any:
        return self._transport.get("/rate-limits", Any)

    def orders_page(
        self,
        page: int,
        *,
        updated_from: datetime | None = None,
        updated_to: datetime | None = None,
        ordered_from: datetime | None = None,
        ordered_to: datetime | None = None,
        filters: Mapping[str, str] | None = None,
        page_size: int = PAGE_SIZE,
        convert_currency: bool = False,
        tries: int = TRIES,
    ) -> OrdersPage:
        """One page of orders. `filters` are Lengow's own names (§2.1). Amounts stay in the marketplace's currency."""
        bounds = {
            "updated_from": updated_from,
            "updated_to": updated_to,
            "marketplace_order_date_from": ordered_from,
            "marketplace_order_date_to": ordered_to,
        }
        params = {name: moment.isoformat() for name, moment in bounds.items() if moment is not None}
        params |= {"page": str(page), "page_size": str(page_size), **(filters or {})}
        params["no_currency_conversion"] = "0" if convert_currency else "1"
        return self._transport.get(ORDERS, OrdersPage, params, tries=tries)

    def order(self, marketplace: str, marketplace_order_id: str) -> OrdersPage:
        """The one order of this name, or an empty page."""
        return self.orders_page(1, filters={"marketplace": marketplace, "marketplace_order_id": marketplace_order_id})

    def set_merchant_order_ids(self, marketplace: str, marketplace_order_id: str, ids: Sequence[str]) -> None:
        """Tell Lengow all shop order ids of a marketplace order; the list replaces the former one (§3)."""
        self._transport.patch(
            MERCHANT_ORDER_ID,
            {
                "marketplace_order_id": marketplace_order_id,
                "marketplace": marketplace,
                "merchant_order_id": list(ids),
            },
        )

    def post_action(
        self,
        marketplace: str,
        marketplace_order_id: str,
        action_type: str,
        arguments: Mapping[str, str],
        *,
        within: float = SEND_WITHIN,
    ) -> int:
        """Ask Lengow to tell the marketplace; returns Lengow's id of the action.

        What cannot be sent `within` so many seconds is not sent (ApiUnavailable, RateLimited). Raises OutcomeUnknown
        when the answer is lost: read `actions` before sending again (§4.3).
        """
        form = {
            **arguments,
            "marketplace_order_id": marketplace_order_id,
            "marketplace": marketplace,
            "action_type": action_type,
        }
        return self._transport.post_once(ACTIONS, form, _Posted, within=within).id

    def actions_of(self, marketplace: str, marketplace_order_id: str) -> list[Action]:
        """Every action of one order. Raises MalformedAnswer if one of them cannot be read: it might be the one."""
        filters = {"marketplace": marketplace, "marketplace_order_id": marketplace_order_id}
        return [_listed(entry) for entry in self._action_entries(filters)]

    def actions_updated(self, since: datetime, until: datetime) -> Iterator[Action]:
        """Every action that changed in the window. One that cannot be read is logged and left out."""
        for entry in self._action_entries({"updated_from": since.isoformat(), "updated_to": until.isoformat()}):
            try:
                yield _listed(entry)
            except MalformedAnswer as error:
                log.warning("an action cannot be read", extra={"action": entry.get("id"), "error": str(error)})

    def _action_entries(self, filters: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        page = 1
        while True:
            params = {**filters, "page": str(page), "page_size": str(PAGE_SIZE)}
            answer = self._transport.get(ACTIONS, ActionsPage, params)
            yield from answer.results
            if not answer.next or not answer.results:
                return
            page += 1

    def marketplaces(self) -> dict[str, msgspec.Raw]:
        """Each marketplace's description by its key, as bytes (§5)."""
        return self._transport.get(MARKETPLACES, dict[str, msgspec.Raw])


def _listed(entry: dict[str, Any]) -> Action:
    try:
        return action_of(entry)
    except msgspec.ValidationError as error:
        raise MalformedAnswer(f"Lengow lists an action that cannot be read: {error}.") from error


class _Posted(msgspec.Struct, frozen=True):
    id: int


prepare(_Posted)
