"""An invoice or credit note as it was issued: every amount and name is in it, so it can be drawn again at any time."""

from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec

Kind = Literal["invoice", "credit_note"]


class Party(msgspec.Struct, frozen=True, omit_defaults=True):
    name: str
    country: str
    """ISO 3166-1 alpha-2."""
    lines: tuple[str, ...] = ()
    """Street lines, at most three."""
    zipcode: str = ""
    city: str = ""
    vat_number: str = ""
    legal_id: str = ""
    """SIREN, 9 digits, or the company number of another country."""
    email: str = ""
    phone: str = ""
    legal_note: str = ""
    """Legal form, capital and register, as they must stand on each invoice."""


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    id: str
    title: str
    quantity: int
    net: Decimal
    """Line total without VAT, in the decimals of the currency."""
    gross: Decimal
    """What the buyer paid for the line, VAT included."""
    rate: Decimal
    """VAT in percent."""
    category: str = "S"
    """VAT category of EN 16931: S standard, E exempt, G export, K within the Union, Z zero."""
    sku: str = ""
    part: bool = False
    """Of a credit note: so much money of the line, and none of its pieces."""


class Tax(msgspec.Struct, frozen=True):
    """What is due of one VAT rate."""

    category: str
    rate: Decimal
    base: Decimal
    amount: Decimal
    exemption: str = ""


class Reference(msgspec.Struct, frozen=True):
    """The invoice that a credit note takes back."""

    number: str
    issued_on: date


class Document(msgspec.Struct, frozen=True):
    kind: Kind
    number: str
    issued_on: date
    delivered_on: date
    paid_on: date
    order_number: str
    marketplace: str
    currency: str
    language: str
    seller: Party
    buyer: Party
    delivery: Party | None
    """Where it went, when that is not the buyer's address."""
    lines: tuple[Line, ...]
    taxes: tuple[Tax, ...]
    total: Decimal
    """What the buyer paid, VAT included; positive on a credit note too."""
    notes: tuple[str, ...] = ()
    corrects: Reference | None = None

    @property
    def net(self) -> Decimal:
        return sum((line.net for line in self.lines), Decimal(0))

    @property
    def vat(self) -> Decimal:
        return sum((tax.amount for tax in self.taxes), Decimal(0))
