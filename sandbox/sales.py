"""What a marketplace knows of an order it sold. All frozen: a change makes a new `Sale`, and what Lengow
collected is simply the sale as it was then."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from lengow.sandbox.catalogue import Product

# How far a line has come. The order stands where its least advanced live line stands.
PROGRESS = ("waiting_acceptance", "waiting_shipment", "shipped", "refunding", "refunded")
DROPPED = frozenset({"canceled", "refused"})
# All that Lengow knows (reference 2.7), and those among them at which an order is to be imported.
STATUSES = frozenset(
    "new waiting_acceptance accepted waiting_shipment shipped closed partial_refunded refused canceled refunding "
    "refunded to_refund pickup_to_prepare to_pickup pickup_completed pickup_canceled".split()
)
IMPORTABLE = frozenset({"waiting_shipment", "shipped", "closed", "partial_refunded"})


@dataclass(frozen=True, slots=True)
class Address:
    """`country`: ISO 3166 alpha-2. What is None comes as null."""

    country: str | None
    company: str | None = None
    civility: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    full_name: str | None = None
    first_line: str | None = None
    second_line: str | None = None
    complement: str | None = None
    zipcode: str | None = None
    city: str | None = None
    phone_home: str | None = None
    phone_mobile: str | None = None
    email: str | None = None
    vat_number: str | None = None


@dataclass(frozen=True, slots=True)
class Relay:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Line:
    """`amount`: for the whole quantity, tax included, in the sale's currency."""

    id: str
    product: Product
    quantity: int
    amount: Decimal
    state: str
    refunded_quantity: int = 0
    shipped_quantity: int = 0
    canceled_quantity: int = 0


@dataclass(frozen=True, slots=True)
class Parcel:
    """Lines that left together."""

    number: str | None
    carrier: str | None
    url: str | None
    shipped_at: datetime
    line_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Package:
    """A delivery within the order."""

    lines: tuple[Line, ...]
    delivery: Address
    relay: Relay | None = None
    parcels: tuple[Parcel, ...] = ()


@dataclass(frozen=True, slots=True)
class Raw:
    """How the order's JSON differs from an honest one (`sell_raw`)."""

    overrides: dict[str, Any] = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    raw_bytes: bytes | None = None
    importable: bool | None = None


@dataclass(frozen=True, slots=True)
class Sale:
    """An order at the marketplace. `state` and the lines' states are Lengow's words (reference 2.7);
    the marketplace's own word for each stands in its description."""

    account_id: int
    marketplace: str
    id: str
    serial: int
    kind: str
    state: str
    ordered_at: datetime
    packages: tuple[Package, ...]
    billing: Address
    currency: str
    shipping: Decimal
    processing_fee: Decimal | None = None
    customer_id: str | None = None
    comments: str | tuple[str, ...] | None = None
    catalog_id: int = 0
    fulfilment: bool = False
    siret: str | None = None
    anonymized: bool = False
    missing: str | None = None
    raw: Raw | None = None

    @property
    def key(self) -> tuple[int, str, str]:
        return self.account_id, self.marketplace, self.id

    @property
    def business(self) -> bool:
        return self.billing.vat_number is not None

    def lines(self) -> Iterator[Line]:
        for package in self.packages:
            yield from package.lines

    @property
    def total(self) -> Decimal:
        """As sold: lines that were dropped later still count, as in Lengow's `total_order`."""
        return sum((line.amount for line in self.lines()), self.shipping + (self.processing_fee or Decimal(0)))


def with_lines(sale: Sale, change: Callable[[Line], Line]) -> Sale:
    """The sale with each line changed, standing where its lines now stand."""
    packages = tuple(replace(package, lines=tuple(map(change, package.lines))) for package in sale.packages)
    changed = replace(sale, packages=packages)
    return replace(changed, state=state_of(changed))


def state_of(sale: Sale) -> str:
    states = {line.state for line in sale.lines()}
    live = states - DROPPED
    if live:
        return min(live, key=PROGRESS.index)
    return "canceled" if "canceled" in states else "refused"
