"""Our orders as they stand, by their time of creation (§4.1)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Deadline
from lengow.adapters.shopware.api import Api, Refusal
from lengow.adapters.shopware.body import SHIPPED, SOURCE, moment
from lengow.adapters.shopware.facts import CANCELLED
from lengow.adapters.shopware.facts import SHIPPED as SHIPPED_STATE
from lengow.adapters.shopware.reading import custom, reference_of, state_of
from lengow.connector.listing import ListedOrder, ListedOrders

PAGE = 200
ASSOCIATIONS: Mapping[str, Any] = {
    "currency": {},
    "stateMachineState": {},
    "deliveries": {"associations": {"stateMachineState": {}}},
    "transactions": {"associations": {"stateMachineState": {}}},
}
REFUNDED_STATE = "refunded"
GONE = frozenset({SHIPPED_STATE, "returned", "returned_partially"})
"""States of a delivery that has left."""


class Lister:
    def __init__(self, api: Api) -> None:
        self._api = api

    def since(self, since: datetime, cursor: str, deadline: Deadline) -> ListedOrders:
        """One page. Raises ShopUnavailable."""
        start, page = _read(cursor, since)
        criteria: Mapping[str, Any] = {
            "page": page,
            "limit": PAGE,
            "filter": [
                {"type": "equals", "field": "affiliateCode", "value": SOURCE},
                {"type": "range", "field": "createdAt", "parameters": {"gte": start}},
            ],
            "sort": [{"field": "createdAt", "order": "ASC"}, {"field": "id", "order": "ASC"}],
            "associations": ASSOCIATIONS,
        }
        try:
            views = self._api.search("order", criteria, deadline)
        except Refusal as refusal:
            raise self._api.unreadable(refusal) from refusal
        found = tuple(_listed(view) for view in views if reference_of(view))
        newest = moment(_made(views[-1])) if views else start
        following = f"{newest}#1" if newest > start else f"{start}#{page + 1}"
        return ListedOrders(found, following, len(views) == PAGE)


def _listed(view: Entry) -> ListedOrder:
    return ListedOrder(
        id=view.text("id"),
        reference=reference_of(view),
        total=view.decimal("amountTotal"),
        currency=view.entry("currency").text("isoCode"),
        state=_state(view),
        created_at=_made(view),
    )


def _state(view: Entry) -> Literal["open", "shipped", "cancelled", "refunded"]:
    deliveries, transactions = _states(view, "deliveries"), _states(view, "transactions")
    if state_of(view) == CANCELLED:
        return "cancelled"
    if transactions and set(transactions) == {REFUNDED_STATE}:
        return "refunded"
    gone = bool(deliveries) and set(deliveries) <= GONE
    return "shipped" if gone or custom(view).get(SHIPPED) == "yes" else "open"


def _states(view: Entry, name: str) -> Sequence[str]:
    return [state_of(row) for row in view.entries(name, needed=True)]


def _read(cursor: str, since: datetime) -> tuple[str, int]:
    start, _, page = (cursor or f"{moment(since)}#1").partition("#")
    return start, int(page)


def _made(view: Entry) -> datetime:
    return view.moment("createdAt")
