"""What the store keeps, as frozen structs; the same for every implementation."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from lengow.connector.model import ActionState, EventState, OrderState, StepKind


class OrderKey(msgspec.Struct, frozen=True):
    account: str
    marketplace: str
    marketplace_order_id: str

    def __str__(self) -> str:
        return f"{self.account}/{self.marketplace}/{self.marketplace_order_id}"


class OrderRow(msgspec.Struct, frozen=True):
    """An order as it last came from Lengow. `id` is 0 before it is stored."""

    id: int
    account: str
    marketplace: str
    marketplace_order_id: str
    fingerprint: bytes
    status: str
    types: str
    ordered_at: datetime | None
    updated_at: datetime | None
    ship_by: datetime | None
    """The nearest shipping deadline of its open lines."""
    total: str
    currency: str
    buyer: str
    email: str
    state: OrderState
    reason: str
    about: str
    received_at: datetime
    changed_at: datetime

    @property
    def key(self) -> OrderKey:
        return OrderKey(self.account, self.marketplace, self.marketplace_order_id)


class RecordRow(msgspec.Struct, frozen=True):
    """What Lengow sent of an order, apart from the row that lists and decisions read."""

    order_id: int
    raw: bytes
    decoded: bytes
    """The model, packed; empty when `raw` cannot be read."""
    unreadable: bytes | None = None
    """The newest record from Lengow, where it could not be read; `raw` is then the last that could."""


class PackageRow(msgspec.Struct, frozen=True):
    """One package, and the shop order that it is or will be. `id` is 0 before it is stored."""

    id: int
    order_id: int
    position: int
    """1 for the first package that the order had, and so on."""
    shop: str
    reference: str
    line_ids: tuple[str, ...]
    state: OrderState
    reason: str
    about: str
    shop_order_id: str
    carries_shipping: bool
    """It is the one whose shop order has the order's shipping and fee: the first whose creation was begun."""
    changed_at: datetime

    @property
    def begun(self) -> bool:
        return self.state in (OrderState.CREATING, OrderState.CREATED)


class StoredOrder(msgspec.Struct, frozen=True):
    order: OrderRow
    packages: tuple[PackageRow, ...]


class Step(msgspec.Struct, frozen=True):
    """One unit of work, claimed: `token` is the fence that only the newest claim passes."""

    id: int
    kind: StepKind
    subject: str
    account: str
    shop: str
    due_at: datetime
    attempts: int
    token: int
    lease_until: datetime | None
    held: bool
    """It failed for good and waits for a person."""
    error: str


class NewStep(msgspec.Struct, frozen=True):
    kind: StepKind
    subject: str
    due_at: datetime
    account: str = ""
    shop: str = ""
    deadline: datetime | None = None
    """By when it should be done: of the steps that are due, those with the nearest deadline come first."""


class ActionRow(msgspec.Struct, frozen=True):
    id: int
    order_id: int
    package_id: int | None
    account: str
    marketplace: str
    marketplace_order_id: str
    action_type: str
    arguments: Mapping[str, str]
    dedupe: str
    """The same for the same action told twice."""
    state: ActionState
    lengow_id: int | None
    error: str
    created_at: datetime
    changed_at: datetime
    sent_at: datetime | None


class EventRow(msgspec.Struct, frozen=True):
    id: int
    shop: str
    delivery_id: str
    event_id: str
    kind: str
    body: Mapping[str, Any]
    state: EventState
    reason: str
    about: str
    received_at: datetime


class JournalEntry(msgspec.Struct, frozen=True):
    """What happened to an order, when, why and by whom."""

    at: datetime
    order_id: int | None
    package_id: int | None
    what: str
    detail: str
    who: str


class ToggleRow(msgspec.Struct, frozen=True):
    shop: str
    name: str
    value: bool
    set_at: datetime
    set_by: str


class OrderFilter(msgspec.Struct, frozen=True, kw_only=True):
    account: str | None = None
    shop: str | None = None
    marketplace: str | None = None
    state: str | None = None
    reason: str | None = None
    limit: int = 50
    before_id: int | None = None
    """For the next page: the smallest id seen."""
