"""What the store keeps, as frozen structs; the same for every implementation."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from lengow.connector.adapter import Change
from lengow.connector.model import ActionState, ChangeKind, ChangeState, EventState, OrderState, StepKind


class OrderKey(msgspec.Struct, frozen=True, gc=False):
    account: str
    marketplace: str
    marketplace_order_id: str

    def __str__(self) -> str:
        return f"{self.account}/{self.marketplace}/{self.marketplace_order_id}"


class OrderRow(msgspec.Struct, frozen=True, gc=False):
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
    shop: str = ""
    """The shop that takes it by the settings as they were when it last came; empty when none does."""
    erased_at: datetime | None = None
    """When its buyer's data was erased here; what comes of it later is kept without."""

    @property
    def key(self) -> OrderKey:
        return OrderKey(self.account, self.marketplace, self.marketplace_order_id)


class RecordRow(msgspec.Struct, frozen=True, gc=False):
    """What Lengow sent of an order, apart from the row that lists and decisions read."""

    order_id: int
    raw: bytes
    decoded: bytes
    """The model, packed; empty when `raw` cannot be read."""
    unreadable: bytes | None = None
    """The newest record from Lengow, where it could not be read; `raw` is then the last that could."""


class PackageRow(msgspec.Struct, frozen=True, gc=False):
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


class StoredOrder(msgspec.Struct, frozen=True, gc=False):
    order: OrderRow
    packages: tuple[PackageRow, ...]


class Step(msgspec.Struct, frozen=True, gc=False):
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


class NewStep(msgspec.Struct, frozen=True, gc=False):
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
    asked_by: str = ""
    """Who began it: `shop NAME` for an event of a shop, `host`, or a person."""
    parcel: str = ""
    """The teller's id of the parcel, else its tracking number."""
    quantity: int | None = None
    """Pieces of its line, where it is about a part; None: the whole line, or the whole order."""
    handled: str = ""
    """How what was held, refused or failed was dealt with: told with another action, or dismissed by whom and why."""


class ChangeRow(msgspec.Struct, frozen=True):
    """What happened at Lengow to a package that is in a shop, and what became of it there."""

    id: int
    order_id: int
    package_id: int
    account: str
    shop: str
    kind: ChangeKind
    body: Change | None
    """None: no adapter can bring it."""
    state: ChangeState
    reason: str
    about: str
    created_at: datetime
    changed_at: datetime
    who: str
    """Who settled it last."""


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


class JournalEntry(msgspec.Struct, frozen=True, gc=False):
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


class ProductMatch(msgspec.Struct, frozen=True):
    """Which product of a shop is meant by a SKU that the marketplace sells."""

    shop: str
    sku: str
    """As it stands in the order's line."""
    reference: str
    """By which the shop knows the product."""
    set_at: datetime
    set_by: str


class MappedCarrier(msgspec.Struct, frozen=True):
    """Which carrier of a marketplace is meant by one of a shop's, as a person said."""

    shop: str
    marketplace: str
    code: str
    """What the shop calls it: its code, else its name."""
    carrier: str
    """The marketplace's code."""
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


class OrderSearch(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the list of orders that a person looks through. What is None or empty does not narrow it."""

    text: str = ""
    """Words that must all be found: the beginning of a name, an e-mail address, an order's, a parcel's number; or a whole
    number of a shop order, or reference."""
    shop: str | None = None
    marketplace: str | None = None
    state: str | None = None
    reason: str | None = None
    order_type: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """By the order's date, else when it came: from `since`, and before `until`."""
    sort: Literal["newest", "oldest", "deadline"] = "newest"
    """`deadline`: only those that are to be shipped."""
    after: tuple[datetime, int] | None = None
    """Date (or deadline) and id of the order after which the page begins; `backwards`: before which it ends."""
    backwards: bool = False
    limit: int = 50


class UserRow(msgspec.Struct, frozen=True):
    """Who may enter the console."""

    name: str
    role: str
    password: str
    """Hashed."""
    created_at: datetime


class SessionRow(msgspec.Struct, frozen=True):
    """A login to the console that has not ended."""

    digest: str
    """Of the token that the browser holds."""
    user: str
    created_at: datetime
    expires_at: datetime


class QueueRow(msgspec.Struct, frozen=True):
    """How the steps of one kind stand."""

    kind: StepKind
    held: bool
    due: int
    """How many are due now."""
    count: int
    oldest: datetime
    """The nearest `due_at`."""
