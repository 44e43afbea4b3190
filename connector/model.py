"""A marketplace order as Lengow gives it, and what becomes of it in the shop. Frozen; amounts are Decimal, tax included.

The currency of every amount is the order's `currency`. Times are aware UTC.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

DELIVERED_BY_MARKETPLACE = "is_delivered_by_marketplace"

CLOSED_LINE_STATUSES = frozenset({"canceled", "refused"})
"""A line in one of these is not sold any more and is left out of the shop order (reference lengow.md §6.6)."""


class Address(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    first_name: str = ""
    last_name: str = ""
    full_name: str = ""
    company: str = ""
    civility: str = ""
    first_line: str = ""
    second_line: str = ""
    complement: str = ""
    zipcode: str = ""
    city: str = ""
    region: str = ""
    country: str = ""
    """ISO 3166-1 alpha-2, upper case; empty when Lengow gives none."""
    phone: str = ""
    """The first of mobile, home and office that is given."""
    email: str = ""
    vat_number: str = ""

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip() or self.full_name or self.company


class Line(msgspec.Struct, frozen=True, gc=False):
    id: str
    """Lengow's `marketplace_order_line_id`; unique within the order."""
    sku: str
    """The merchant's own product reference, else the marketplace's."""
    title: str
    quantity: int
    amount: Decimal
    """Line total, tax included (unit price × quantity)."""
    tax: Decimal | None
    """Line total of tax; None when the marketplace does not tell."""
    status: str
    marketplace_sku: str = ""
    ship_by: datetime | None = None
    refunded: Decimal = Decimal(0)
    """What of `amount` the marketplace gave back."""

    @property
    def open(self) -> bool:
        return self.status not in CLOSED_LINE_STATUSES


class Package(msgspec.Struct, frozen=True, gc=False):
    """A delivery within the order. Its identity is its line ids: `delivery.id` changes between reads."""

    lines: tuple[Line, ...]
    delivery: Address | None
    relay_id: str = ""
    carrier: str = ""
    method: str = ""
    tracking_number: str = ""
    tracking_url: str = ""

    @property
    def line_ids(self) -> tuple[str, ...]:
        return tuple(line.id for line in self.lines)


class Order(msgspec.Struct, frozen=True, gc=False):
    marketplace: str
    marketplace_order_id: str
    status: str
    """Lengow's own status, such as `waiting_shipment` (reference lengow.md §2.7)."""
    marketplace_status: str
    ordered_at: datetime | None
    imported_at: datetime
    updated_at: datetime
    currency: str
    """ISO 4217, or empty when Lengow gives none."""
    total: Decimal
    total_tax: Decimal | None
    shipping: Decimal
    processing_fee: Decimal
    commission: Decimal | None
    packages: tuple[Package, ...]
    billing: Address | None
    customer_id: str
    comment: str
    types: tuple[str, ...]
    anonymized: bool
    merchant_order_ids: tuple[str, ...]
    catalogues: tuple[int, ...]
    """The feeds that the order's lines were sold from (`feed_id`)."""

    @property
    def date(self) -> datetime:
        """When it was ordered; Lengow's own import date where the marketplace does not tell."""
        return self.ordered_at or self.imported_at

    @property
    def delivered_by_marketplace(self) -> bool:
        return DELIVERED_BY_MARKETPLACE in self.types

    @property
    def lines(self) -> tuple[Line, ...]:
        if len(self.packages) == 1:
            return self.packages[0].lines
        return tuple(line for package in self.packages for line in package.lines)


class NewOrder(msgspec.Struct, frozen=True, gc=False):
    """One package, ready to become one shop order: what `Adapter.create_orders` is given."""

    reference: str
    """Chosen by the connector, the same on every try: the shop order must carry it, and be found by it."""
    order: Order
    package: Package
    lines: tuple[Line, ...]
    """The package's lines that are still sold."""
    shipping: Decimal
    """The order's shipping on its first package, zero on the others. Tax included."""
    processing_fee: Decimal
    delivered_by_marketplace: bool
    decrease_stock: bool

    @property
    def total(self) -> Decimal:
        """What the shop order must sum to, tax included."""
        return sum((line.amount for line in self.lines), Decimal(0)) + self.shipping + self.processing_fee


class Tracking(msgspec.Struct, frozen=True, omit_defaults=True):
    carrier_code: str = ""
    carrier_name: str = ""
    number: str = ""
    url: str = ""


class OrderState(StrEnum):
    """Where a package (or its order) stands in the connector."""

    WAITING = "waiting"
    SKIPPED = "skipped"
    READY = "ready"
    CREATING = "creating"
    CREATED = "created"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"
    """Its lines moved to other packages before it was created."""


class ActionState(StrEnum):
    HELD = "held"
    """A part, where the marketplace takes only what is whole: told with the parcel that makes it so."""
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    STUCK = "stuck"
    """Sent, and not answered for longer than it should take; still asked for."""
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    FAILED = "failed"
    """Lengow would not take it; it waits for a person."""


FOR_A_PERSON = (ActionState.REFUSED, ActionState.FAILED, ActionState.STUCK)
"""Nothing more becomes of these by itself."""

UNDER_WAY = (ActionState.SENT, ActionState.STUCK)
"""At Lengow, and not answered by the marketplace."""


class EventState(StrEnum):
    RECEIVED = "received"
    DONE = "done"
    IGNORED = "ignored"
    FAILED = "failed"
    DISMISSED = "dismissed"
    """It failed, and a person has dealt with it."""


class ChangeKind(StrEnum):
    """What happened at Lengow to an order that is in a shop; the settings `follow` have one key each."""

    CANCELLED = "cancelled"
    """The package is not to be delivered any more."""
    LINES = "lines"
    """Some of its lines are not to be delivered any more."""
    REFUNDED = "refunded"
    SHIPPED = "shipped"
    """By the marketplace or elsewhere, without the shop."""
    ADDRESS = "address"
    AMOUNTS = "amounts"


class ChangeState(StrEnum):
    PENDING = "pending"
    """It is brought to the shop by itself."""
    WAITING = "waiting"
    """It waits for a person."""
    APPLIED = "applied"
    IGNORED = "ignored"
    DISMISSED = "dismissed"
    """A person decided that the shop is not told."""
    OVERTAKEN = "overtaken"
    """A later change says more, or the shop order was not made after all."""


class StepKind(StrEnum):
    IMPORT = "import"
    IMPORT_DAILY = "import_daily"
    CREATE = "create"
    REPORT = "report"
    FOLLOW = "follow"
    EVENT = "event"
    POLL = "poll"
    SEND = "send"
    OUTCOMES = "outcomes"
    DIGEST = "digest"
    ERASE = "erase"
    WORK = "work"
    """Of another package: its subject is `NAME/ACCOUNT`, by `connector/works.py`."""


Arguments = Mapping[str, str]
