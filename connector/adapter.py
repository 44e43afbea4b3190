"""The port between the connector and a shop. An adapter holds all knowledge of its platform, and no state or policy.

Adapters are found by entry points (group `lengow.adapters`): the value is a class with the attributes and methods of
`Adapter`. The shared contract suite `lengow.adapters.contract` tells whether one keeps the port's promises.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import msgspec

from lengow.connector.errors import SettingsError
from lengow.connector.model import Address, NewOrder, Tracking
from lengow.connector.secret import Secret

GROUP = "lengow.adapters"


class Capabilities(msgspec.Struct, frozen=True):
    """What a platform can do. The same fact in code, docs, console and refusals."""

    imports_delivered_by_marketplace: bool
    """Whether orders shipped by the marketplace can be imported at all."""
    batch_size: int = 1
    """How many orders `create_orders` takes at once."""
    one_at_a_time: bool = False
    """Whether the shop must not be given orders by two workers at once, however many there are."""
    settle_seconds: float = 30
    """How long after an unknown outcome `find_order` can be trusted to see the order."""
    delivered_by_marketplace_reason: str = ""
    """Why not, where `imports_delivered_by_marketplace` is false."""
    updates: tuple[str, ...] = ()
    """The changes that `update_order` can bring to the shop: tags of `Change`."""
    polling: bool = False
    """Whether `shipments_since` finds shipments that no webhook told."""
    shipped_past_it: bool = False
    """Whether the host is the shop, so that what it has the connector confirm (`Connector.ship`) is to be marked as shipped
    in the shop's records too."""
    catalogue: bool = False
    """Whether the adapter is a `catalogue.Catalogue` too: lists the shop's products, for feeds."""
    invoices: bool = False
    """Whether the adapter is a `documents.Invoicing` too: fetches the shop's own invoices, to mail them."""
    listing: bool = False
    """Whether the adapter is a `listing.Listing` too: lists the shop's orders of ours, to reconcile them."""


class AdapterContext(msgspec.Struct, frozen=True):
    """What the connector tells an adapter about its shop."""

    shop: str
    settings: msgspec.Struct
    """An instance of the adapter's `settings_type`: the platform's own keys of the settings file."""
    store_url: str
    webhook_secrets: tuple[Secret, ...]
    clock: Callable[[], datetime]
    call_timeout: float
    """Seconds that one call to the shop may take at most; shorter than a step's lease."""
    unknown_products: Literal["hold", "import"] = "hold"
    """What becomes of a line whose product the shop does not know: refuse the order, or import a free line."""


class Request(msgspec.Struct, frozen=True):
    """An incoming webhook, free of any web framework. Header names are lower case."""

    headers: Mapping[str, str]
    body: bytes


class Product(msgspec.Struct, frozen=True):
    reference: str
    shop_product_id: str
    stock: int | None = None
    also: tuple[str, ...] = ()
    """Further products of the shop with the same reference; an order with it is refused until one is left."""


class ShopOrder(msgspec.Struct, frozen=True, gc=False):
    id: str
    """What the shop calls the order; reported to Lengow as the merchant order id."""
    reference: str = ""


class Created(msgspec.Struct, frozen=True, gc=False):
    reference: str
    shop_order: ShopOrder


class Rejected(msgspec.Struct, frozen=True):
    """The shop does not hold the order, and said why."""

    reference: str
    reason: str
    retry: bool = False
    """Whether trying again can help without anybody changing anything."""
    field: str = ""
    retry_after: float = 0
    """Seconds that the shop asks to wait; 0: it names none."""
    begun: bool = True
    """False, with `retry`: the shop was too busy to even look at it, so that it is no try of the order's."""


class Unknown(msgspec.Struct, frozen=True):
    """A time-out, a lost connection or a 5xx after the request was sent: `find_order` will tell."""

    reference: str
    reason: str
    retry_after: float = 0
    """Seconds that the shop asks to wait; 0: it names none."""


Outcome = Created | Rejected | Unknown


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """The order is not to be delivered any more: what it took from the stock is given back."""

    reason: str = ""


class MarkShipped(msgspec.Struct, frozen=True, tag="ship"):
    """The order was shipped without the shop: it is marked so, and no shipment is told back for it."""

    tracking: Tracking = Tracking()


class CorrectAddress(msgspec.Struct, frozen=True, tag="address"):
    """None: that address stays. What the order costs stays the same to the cent."""

    billing: Address | None = None
    delivery: Address | None = None


class Refund(msgspec.Struct, frozen=True, tag="refund"):
    """Money that the marketplace gave back. The shop only books it: no payment is made there."""

    id: str
    """Chosen by the connector, the same on every try: a refund of this id is booked once."""
    amount: Decimal
    reason: str = ""
    line_ids: tuple[str, ...] = ()
    """The lines given back whole; none: only money."""
    restock: bool = False
    """Whether the goods of `line_ids` go back on stock."""


class CancelLines(msgspec.Struct, frozen=True, tag="lines"):
    """Some lines are not to be delivered any more: what they took from the stock is given back. The rest stays.

    Lines that the shop order does not have any more are no mistake.
    """

    line_ids: tuple[str, ...]
    amount: Decimal
    """What the lines cost, tax included: by as much the shop order comes to less, or is refunded."""
    reason: str = ""


class AmendedLine(msgspec.Struct, frozen=True):
    line_id: str
    quantity: int
    amount: Decimal
    """Line total, tax included."""


class AmendAmounts(msgspec.Struct, frozen=True, tag="amounts"):
    """What was sold costs another amount, or is another number of pieces. None: that amount stays."""

    lines: tuple[AmendedLine, ...] = ()
    shipping: Decimal | None = None
    processing_fee: Decimal | None = None


Change = Cancel | MarkShipped | CorrectAddress | Refund | CancelLines | AmendAmounts
"""A tag of `Capabilities.updates` each; one that an adapter does not name there is never given to it."""


class Updated(msgspec.Struct, frozen=True):
    """The shop holds the change; it may have held it before."""

    reference: str


UpdateOutcome = Updated | Rejected | Unknown


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a shop told us, by webhook or by polling."""

    id: str
    """The sender's own id of the event, the same on each repeat, by webhook and by polling."""
    kind: Literal["shipment", "cancelled", "refunded", "changed", "other"]
    """`changed`: something about the shop order changed that only `shipments_of` can tell."""
    shop_order_id: str = ""
    reference: str = ""
    tracking: Tracking = Tracking()
    line_ids: tuple[str, ...] = ()
    """The lines that it is about, whole but for those in `quantities`; none: all that is left of the shop order."""
    quantities: Mapping[str, int] = {}
    """Pieces of the lines of which it is about a part only, by line."""
    parcel: str = ""
    """The shop's own id of the parcel, the same when its tracking changes; empty where the shop has none."""
    raw_kind: str = ""


class Polled(msgspec.Struct, frozen=True):
    """One page of what `shipments_since` found."""

    events: tuple[Event, ...]
    cursor: str
    """To be kept once the events are; what the next call is given."""
    more: bool
    """Whether there is another page now."""


class Finding(msgspec.Struct, frozen=True):
    """One result of `check`: what was looked at, whether it is well, and what to do if not."""

    what: str
    ok: bool
    sentence: str
    what_to_do: str = ""


class Adapter(Protocol):
    """A shop, as the connector sees it.

    Every method may raise ShopUnavailable when the shop cannot be reached and surely did nothing.
    """

    platform: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    settings_type: ClassVar[type[msgspec.Struct]]
    """A frozen struct with `forbid_unknown_fields`: the platform's own keys in `[shops.NAME]`."""

    def __init__(self, context: AdapterContext) -> None: ...

    def find_products(self, references: Sequence[str]) -> Mapping[str, Product] | None:
        """The products that the shop knows by these references; None when it keeps no products to compare with."""

    def create_orders(self, orders: Sequence[NewOrder]) -> Sequence[Outcome]:
        """One outcome an order, in any order. A reference that the shop already holds gives Created, not a second."""

    def find_order(self, reference: str) -> ShopOrder | None:
        """The shop order that carries exactly this reference, and is complete.

        What an interrupted creation left is completed, or set aside and not found. Raises ShopUnavailable also while
        the shop may still be creating the order.
        """

    def update_order(self, shop_order: ShopOrder, change: Change) -> UpdateOutcome:
        """Bring a change at the marketplace to the shop order. Safe to repeat: the same change twice is one.

        What the shop did later is never undone. What it did itself already is Updated, and stays as it is: an order
        that is shipped keeps its tracking. What contradicts it is Rejected in the shop's words: to cancel, or to
        correct the delivery address of, an order that the shop has shipped; to ship one that it has cancelled.
        """

    def shipments_since(self, cursor: str) -> Polled:
        """Shipments of our orders that the shop learnt of since `cursor`; the empty cursor begins some days back.

        The same shipment may come again after a while, with the same event id. Adapters without
        `Capabilities.polling` answer with no events.
        """

    def shipments_of(self, shop_order_id: str) -> Sequence[Event]:
        """All shipments of one shop order as they stand, its cancellation and refunds, where the platform tells them; what
        an event of kind `changed` asks for.
        """

    def greets(self, request: Request) -> bool:
        """Whether a request is the platform's unsigned hello to a new webhook: answered 200, and forgotten."""

    def verify(self, request: Request) -> str:
        """The delivery's id, by which a repeat is known. Raises SignatureError for anything unproven."""

    def events(self, request: Request) -> Sequence[Event]:
        """What a verified request tells. Raises PayloadInvalid. Unknown kinds give events of kind `other`.

        What is no news, such as the echo of our own writes, gives none. The shop is not called.
        """

    def connect(self, url: str) -> Sequence[Finding]:
        """Have the shop send its webhooks to `url`, also again after it stopped. Safe to repeat."""

    def check(self) -> Sequence[Finding]:
        """Reachability, rights, versions: for a person who sets the shop up. Never raises: what fails is a finding."""

    def close(self) -> None: ...


@runtime_checkable
class KeepsBuyers(Protocol):
    """What an adapter has besides where the shop is beside the connector, and has no way of its own to erase buyers."""

    def erase_buyers(self, references: Sequence[str]) -> None:
        """Empty names, addresses and parcel numbers of the orders with these references. Safe to repeat."""

    def export_buyers(self, references: Sequence[str]) -> Sequence[Mapping[str, Any]]:
        """Everything that is kept of these orders, one mapping an order."""


@cache
def adapter_class(platform: str) -> type[Adapter]:
    """The adapter of a platform, by entry point. Raises SettingsError naming the platforms that are installed.

    One that was found is kept: going through all that is installed takes 13 ms, and this is asked everywhere.
    """
    from importlib.metadata import entry_points

    installed = {point.name: point for point in entry_points(group=GROUP)}
    if platform not in installed:
        names = ", ".join(sorted(installed)) or "none"
        raise SettingsError(
            f"There is no adapter for the platform {platform!r}; installed: {names}.",
            what_to_do="Write one of these, or install the package that has the platform's adapter.",
            field="platform",
        )
    try:
        found: type[Adapter] = installed[platform].load()
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"The adapter for the platform {platform!r} needs the package {error.name!r}, which is not installed.",
            what_to_do=f"Run: pip install 'lengow-connector[{platform}]'",
            field="platform",
        ) from error
    return found
