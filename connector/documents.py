"""The shop's own invoice of an order: what an adapter with `Capabilities.invoices` fetches."""

from datetime import date
from typing import Protocol, runtime_checkable

import msgspec

from lengow.connector.adapter import ShopOrder


class ShopInvoice(msgspec.Struct, frozen=True):
    """An invoice that the shop has made, in a series of its own."""

    number: str
    issued_on: date
    pdf: bytes


@runtime_checkable
class Invoicing(Protocol):
    """What an adapter has besides `Adapter` where its `Capabilities.invoices` is true."""

    def invoice_of(self, shop_order: ShopOrder) -> ShopInvoice | None:
        """The newest invoice of a shop order that was not cancelled; None while the shop has made none.

        Raises ShopUnavailable.
        """
