"""What Lengow answers, as structs. Apart from the client, so that it can be imported without an HTTP library."""

from collections.abc import Mapping
from typing import Any

import msgspec

from lengow.connector.prepared import prepare

ACTIONS = "/v3.0/orders/actions/"
ORDERS = "/v3.0/orders/"
"""Routes whose quota callers look at before they begin."""

PAGE_SIZE = 100
"""The most that Lengow gives at once (reference lengow.md §2.1)."""


class OrdersPage(msgspec.Struct, frozen=True):
    """One page: each order as the bytes it came in, so that a broken one does not break the page."""

    count: int
    results: list[msgspec.Raw]
    next: str | None = None


class Action(msgspec.Struct, frozen=True):
    """An action as Lengow lists it. `errors` is null or empty when there is none (§4.2)."""

    id: int
    marketplace_order_id: str = ""
    marketplace: str = ""
    action_type: str = ""
    queued: bool = False
    processed: bool = False
    errors: Any = None
    arguments: Mapping[str, str] = {}
    """Every other text that Lengow gives of it, such as `carrier`."""

    @property
    def error_text(self) -> str:
        return "" if self.errors is None else str(self.errors).strip()


class ActionsPage(msgspec.Struct, frozen=True):
    results: list[dict[str, Any]]
    next: str | None = None


def action_of(entry: dict[str, Any]) -> Action:
    """The action in one entry of Lengow's list."""
    texts = {key: str(value) for key, value in entry.items() if key not in OWN_FIELDS and value not in (None, "")}
    return msgspec.convert({**{k: v for k, v in entry.items() if k in OWN_FIELDS}, "arguments": texts}, Action)


OWN_FIELDS = frozenset(Action.__struct_fields__) | {"account_id", "created_at", "updated_at"}


prepare(OrdersPage, ActionsPage, Action)
