"""A shop's orders of ours as they stand: what an adapter with `Capabilities.listing` lists, and reconcile compares."""

from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol, runtime_checkable

import msgspec


class ListedOrder(msgspec.Struct, frozen=True):
    """One shop order that carries a reference of ours."""

    id: str
    """What the shop calls it, as `ShopOrder.id`."""
    reference: str
    total: Decimal
    """What the buyer paid for it, tax included, before refunds."""
    currency: str
    """ISO 4217."""
    state: Literal["open", "shipped", "cancelled", "refunded"]
    """`open`: still to be shipped, also where a part was."""
    created_at: datetime
    """When the shop made it; where the shop keeps only one date, when it was ordered."""


class ListedOrders(msgspec.Struct, frozen=True):
    """One page of what `orders_since` found."""

    orders: tuple[ListedOrder, ...]
    cursor: str
    """What the next call is given."""
    more: bool
    """Whether there is another page."""


@runtime_checkable
class Listing(Protocol):
    """What an adapter has besides `Adapter` where its `Capabilities.listing` is true."""

    def orders_since(self, since: datetime, cursor: str) -> ListedOrders:
        """A page of our orders whose `created_at` is `since` or later; the empty cursor gives the first page.

        Several orders with one reference are all listed. Not listed is what the merchant does not see in his list: what
        was deleted, set aside or is half made. An order may come twice, when the list moves meanwhile. The shop is only
        read. Raises ShopUnavailable.
        """
