"""What a WooCommerce shop keeps: products, tax rates, orders, webhooks, and the mails it would have sent."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

ADDRESS = ("first_name", "last_name", "company", "address_1", "address_2", "city", "state", "postcode", "country")
BILLING = (*ADDRESS, "email", "phone")
SHIPPING = (*ADDRESS, "phone")


@dataclass(slots=True)
class Product:
    id: int
    sku: str
    name: str
    price: Decimal
    stock: int | None
    """None: stock is not managed."""
    type: str = "simple"
    parent_id: int = 0
    status: str = "publish"
    tax_class: str = ""
    tax_status: str = "taxable"
    modified: datetime | None = None
    gtin: str = ""
    shown: dict[str, Any] = field(default_factory=dict)
    """Further fields as the API shows them, such as `images`."""


@dataclass(frozen=True, slots=True)
class TaxRate:
    """A row of the shop's tax table. Empty country, state, postcodes, cities: any."""

    id: int
    country: str
    rate: Decimal
    """Per cent."""
    name: str = "VAT"
    state: str = ""
    postcodes: tuple[str, ...] = ()
    cities: tuple[str, ...] = ()
    priority: int = 1
    compound: bool = False
    shipping: bool = True
    tax_class: str = ""


@dataclass(slots=True)
class Line:
    id: int
    name: str
    product_id: int = 0
    variation_id: int = 0
    quantity: int = 1
    subtotal: Decimal = Decimal(0)
    total: Decimal = Decimal(0)
    tax_class: str = ""
    taxable: bool = True
    taxes: dict[int, Decimal] = field(default_factory=dict)
    meta: list[dict[str, Any]] = field(default_factory=list)
    reduced: int | None = None
    """How many were taken from the stock for it."""


@dataclass(slots=True)
class Extra:
    """A shipping or fee line."""

    id: int
    title: str
    total: Decimal
    method_id: str = ""
    instance_id: str = ""
    tax_class: str = ""
    tax_status: str = "taxable"
    taxes: dict[int, Decimal] = field(default_factory=dict)
    meta: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Refund:
    id: int
    amount: Decimal
    reason: str
    created: datetime
    meta: list[dict[str, Any]]
    lines: list[tuple[int, int, Decimal]]
    """Order line, quantity, amount without tax."""


@dataclass(slots=True)
class Order:
    id: int
    created: datetime
    modified: datetime
    key: str
    currency: str
    status: str = "pending"
    created_via: str = "rest-api"
    customer_id: int = 0
    billing: dict[str, str] = field(default_factory=lambda: dict.fromkeys(BILLING, ""))
    shipping: dict[str, str] = field(default_factory=lambda: dict.fromkeys(SHIPPING, ""))
    payment_method: str = ""
    payment_method_title: str = ""
    transaction_id: str = ""
    customer_note: str = ""
    prices_include_tax: bool = False
    total: Decimal = Decimal(0)
    cart_tax: Decimal = Decimal(0)
    shipping_tax: Decimal = Decimal(0)
    shipping_total: Decimal = Decimal(0)
    paid: datetime | None = None
    completed: datetime | None = None
    lines: list[Line] = field(default_factory=list)
    shipping_lines: list[Extra] = field(default_factory=list)
    fee_lines: list[Extra] = field(default_factory=list)
    meta: list[dict[str, Any]] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    fulfilments: list[dict[str, Any]] = field(default_factory=list)
    stock_reduced: bool = False
    new_order_mail_sent: bool = False
    needs_processing: bool = False

    def meta_value(self, key: str) -> Any:
        return next((one["value"] for one in self.meta if one["key"] == key), None)


@dataclass(slots=True)
class Webhook:
    id: int
    name: str
    topic: str
    delivery_url: str
    secret: str
    created: datetime
    status: str = "active"
    failure_count: int = 0
    modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class Mail:
    to: str
    what: str
    order_id: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook as it was sent, and the status that it was answered with (0: none)."""

    webhook_id: int
    topic: str
    headers: dict[str, str]
    body: bytes
    answered: int
