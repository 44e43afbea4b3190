"""From an order ready for the shop to the row that is written: whole, because Shopware calculates nothing (§4.3).

Every id is drawn from the reference, so that the same order is the same row however often it is sent.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from lengow.adapters.outcomes import Problem
from lengow.adapters.shopware.addresses import address_of, plain
from lengow.adapters.shopware.api import Row
from lengow.adapters.shopware.facts import LONGEST_ORDER_NUMBER, LONGEST_TEXT
from lengow.adapters.shopware.ids import id_of
from lengow.adapters.shopware.products import ShopwareProduct
from lengow.adapters.shopware.profile import Currency, Profile
from lengow.adapters.shopware.settings import ShopwareSettings
from lengow.adapters.shopware.taxes import (
    Share,
    Tax,
    Where,
    calculated,
    calculated_taxes,
    spread,
    tax_rules,
    tax_within,
)
from lengow.connector.model import Line, NewOrder

REFERENCE, LINE_ID, SHIPPED, CANCELLED, REFUNDS = (
    "lengow_reference",
    "lengow_line_id",
    "lengow_shipped",
    "lengow_cancelled",
    "lengow_refunds",
)
"""Custom fields of ours that are read back."""
SOURCE = "lengow"
"""`affiliateCode` of our orders, by which they are told from others in every version."""
ALREADY_SHIPPED = frozenset({"shipped", "closed"})
"""Lengow statuses of an order that is on its way before it is imported."""
EMAIL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+")
LONGEST_COMMENT = 15_000
DELIVERY_DAYS = 3


class Composed(msgspec.Struct, frozen=True):
    reference: str
    total: Decimal
    row: Row

    @property
    def id(self) -> str:
        return str(self.row["id"])


def compose(
    order: NewOrder,
    products: Mapping[str, tuple[ShopwareProduct, ...]],
    profile: Profile,
    settings: ShopwareSettings,
    now: datetime,
    *,
    free_lines: bool,
) -> Composed:
    """The `order` row. `free_lines`: whether an unknown product becomes a line without one. Raises Problem."""
    currency = profile.currencies.get(order.order.currency)
    if currency is None:
        known = ", ".join(sorted(profile.currencies))
        raise Problem("currency", f"The shop has no currency {order.order.currency!r} (it has {known}): add it there.")
    _check(order, currency)
    chosen = [_product_of(line, products, free_lines=free_lines) for line in order.lines]
    delivery = order.package.delivery or order.order.billing
    if delivery is None:
        raise Problem("addresses", "The order has no address: complete it on the marketplace or at Lengow.")
    ids = {part: id_of(order.reference, part) for part in ("order", "billing", "shipping", "delivery", "transaction")}
    shortened: list[str] = []
    shipped = order.delivered_by_marketplace or order.order.status in ALREADY_SHIPPED
    shipping = address_of(delivery, profile, "shipping", shortened, relay_id=order.package.relay_id, shipped=shipped)
    billing = address_of(order.order.billing or delivery, profile, "billing", shortened, shipped=shipped)
    where = Where(shipping["countryId"], shipping["countryStateId"] or "", delivery.zipcode, f"{now:%Y-%m-%d}")
    money = _Money(order, chosen, profile, where, currency, exempt=settings.taxes == "exempt")
    lines = [
        _line(order, number, line, product, money)
        for number, (line, product) in enumerate(zip(order.lines, chosen, strict=True), 1)
    ]
    if order.processing_fee:
        lines.append(_fee(order, len(lines) + 1, money))
    email = _email(order)
    row = {
        "id": ids["order"],
        "orderNumber": _number(order),
        "salesChannelId": profile.channel_id,
        "languageId": profile.language_id,
        "currencyId": currency.id,
        "currencyFactor": currency.factor,
        "itemRounding": currency.item_rounding,
        "totalRounding": currency.total_rounding,
        "orderDateTime": moment(order.order.date),
        "stateId": profile.state("order", "completed" if shipped else settings.order_state),
        "billingAddressId": ids["billing"],
        "deepLinkCode": id_of(order.reference, "deep link"),
        "affiliateCode": SOURCE,
        "campaignCode": plain(order.order.marketplace)[:LONGEST_TEXT],
        "source": SOURCE,
        "customerComment": plain(order.order.comment)[:LONGEST_COMMENT] or None,
        "price": money.cart,
        "shippingCosts": money.shipping,
        "orderCustomer": {
            "id": id_of(order.reference, "customer"),
            "email": email if settings.mail_buyer and EMAIL.fullmatch(email) else unreachable(order.reference),
            "salutationId": billing["salutationId"],
            "firstName": billing["firstName"],
            "lastName": billing["lastName"],
            "company": billing["company"],
        },
        "addresses": [{"id": ids["billing"], **billing}, {"id": ids["shipping"], **shipping}],
        "lineItems": lines,
        "deliveries": [
            {
                "id": ids["delivery"],
                "stateId": profile.state("order_delivery", "shipped" if shipped else "open"),
                "shippingMethodId": profile.shipping_method_id,
                "shippingOrderAddressId": ids["shipping"],
                "shippingDateEarliest": moment(now),
                "shippingDateLatest": moment(_latest(order, now)),
                "trackingCodes": [order.package.tracking_number] if shipped and order.package.tracking_number else [],
                "shippingCosts": money.shipping,
                "positions": [
                    {
                        "id": id_of(order.reference, f"position {line['position']}"),
                        "orderLineItemId": line["id"],
                        "price": line["price"],
                    }
                    for line in lines
                ],
            }
        ],
        "transactions": [
            {
                "id": ids["transaction"],
                "paymentMethodId": profile.payment_method_id,
                "stateId": profile.state("order_transaction", "paid"),
                "amount": money.paid,
            }
        ],
        "primaryOrderDeliveryId": ids["delivery"],
        "primaryOrderTransactionId": ids["transaction"],
        "customFields": _custom(order, email, shortened, shipped=shipped),
    }
    return Composed(order.reference, order.total, row)


def moment(instant: datetime) -> str:
    """UTC with milliseconds, as the API writes it."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{instant.microsecond // 1000:03}Z"


def unreachable(reference: str) -> str:
    """An address that no mail arrives at (RFC 2606): Shopware takes no order without one."""
    return f"{hashlib.sha256(reference.encode()).hexdigest()[:32]}@marketplace.invalid"


class _Money:
    """The prices of an order, all from the marketplace's gross amounts."""

    def __init__(
        self,
        order: NewOrder,
        chosen: Sequence[ShopwareProduct | None],
        profile: Profile,
        where: Where,
        currency: Currency,
        *,
        exempt: bool,
    ) -> None:
        self._cent = cent = Decimal(1).scaleb(-currency.decimals)
        self.lines = [] if exempt else [
            Share(_rate(product, profile.taxes, where), line.amount) for line, product in zip(order.lines, chosen, strict=True)
        ]  # fmt: skip
        self.fee = spread(order.processing_fee, self.lines, cent)
        sent = spread(order.shipping, self.lines, cent)
        shares = [*self.lines, *self.fee, *sent]
        taxes = sum((tax_within(one, cent) for one in shares), Decimal(0))
        self.shipping = calculated(order.shipping, 1, sent, cent)
        self.paid = {
            **calculated(order.total, 1, (), cent),
            "calculatedTaxes": calculated_taxes(shares, cent),
            "taxRules": tax_rules(shares),
        }
        self.cart = {
            "netPrice": order.total - taxes,
            "totalPrice": order.total,
            "rawTotal": order.total,
            "positionPrice": order.total - order.shipping,
            "taxStatus": "tax-free" if exempt else "gross",
            "calculatedTaxes": self.paid["calculatedTaxes"],
            "taxRules": self.paid["taxRules"],
        }

    def of_line(self, number: int, line: Line) -> dict[str, Any]:
        return calculated(line.amount, line.quantity, self.lines[number - 1 : number], self._cent)

    def of_fee(self, amount: Decimal) -> dict[str, Any]:
        return calculated(amount, 1, self.fee, self._cent)


def _number(order: NewOrder) -> str:
    """The marketplace's own, and for a further package which one it is. Shopware's need not be unique (§4.3)."""
    packages = [one.line_ids for one in order.order.packages]
    place = packages.index(order.package.line_ids) if order.package.line_ids in packages else 0
    suffix = f"-{place + 1}" if place else ""
    return plain(order.order.marketplace_order_id)[: LONGEST_ORDER_NUMBER - len(suffix)] + suffix


def _check(order: NewOrder, currency: Currency) -> None:
    if not order.lines:
        raise Problem("lineItems", "The order has no lines: Shopware would make an empty order of it.")
    for line in order.lines:
        if line.quantity < 1:
            raise Problem("lineItems.quantity", f"Line {line.id}: the quantity {line.quantity} is not at least 1.")
    for amount in [*(line.amount for line in order.lines), order.shipping, order.processing_fee]:
        if not amount.is_finite() or amount < 0:
            raise Problem("price", f"The amount {amount} is not one to sell at: report the order to Lengow.")
        if amount != round(amount, currency.decimals):
            raise Problem(
                "price",
                f"The shop keeps {currency.decimals} decimals of {order.order.currency}, and the amount {amount:f} has more: "
                "raise them at Settings > Currencies.",
            )


def _product_of(
    line: Line, products: Mapping[str, tuple[ShopwareProduct, ...]], *, free_lines: bool
) -> ShopwareProduct | None:
    found = products.get(line.sku, ())
    if len(found) > 1:
        names = ", ".join(f"{one.number} ({one.id})" for one in found)
        raise Problem("sku", f"Several products are meant by {line.sku!r}: {names}. Give all but one another EAN.")
    if not found:
        if free_lines and line.sku.strip():
            return None
        raise Problem(
            "sku", f"The shop has no product with the number, EAN or id {line.sku!r}: create it, or correct the number."
        )
    [product] = found
    if product.variants:
        raise Problem(
            "sku",
            f"The product {product.number} ({line.sku!r}) has variants, and only one of these can be sold: give the "
            "marketplace the variant's number.",
        )
    return product


def _rate(product: ShopwareProduct | None, taxes: Mapping[str, Tax], where: Where) -> Decimal:
    """Of a line without a product, the highest of the shop's."""
    if product is not None and product.tax_id in taxes:
        return taxes[product.tax_id].rate_at(where)
    return max((tax.rate_at(where) for tax in taxes.values()), default=Decimal(0))


def _line(order: NewOrder, number: int, line: Line, product: ShopwareProduct | None, money: _Money) -> Row:
    """A `product` line takes stock when it is written; a `custom` one never does (§4.3)."""
    price = money.of_line(number, line)
    takes_stock = product is not None and order.decrease_stock
    label = plain(line.title or line.sku)[:LONGEST_TEXT]
    row = _position(order, number, label, line.quantity, price)
    row["payload"] = {
        "productNumber": product.number if product else line.sku,
        LINE_ID: line.id,
        "lengow_product_id": product.id if product else None,
    }
    row["customFields"] = {LINE_ID: line.id}
    if product is not None and takes_stock:
        row |= {"type": "product", "productId": product.id, "referencedId": product.id, "identifier": product.id}
    return row


def _fee(order: NewOrder, number: int, money: _Money) -> Row:
    row = _position(order, number, "Marketplace fee", 1, money.of_fee(order.processing_fee))
    return {**row, "states": [], "payload": {}}


def _position(order: NewOrder, number: int, label: str, quantity: int, price: dict[str, Any]) -> Row:
    id_ = id_of(order.reference, f"line {number}")
    return {
        "id": id_,
        "identifier": id_,
        "type": "custom",
        "label": label,
        "quantity": quantity,
        "position": number,
        "states": ["is-physical"],
        "good": True,
        "removable": True,
        "stackable": True,
        "price": price,
        "priceDefinition": {
            "type": "quantity",
            "price": price["unitPrice"],
            "quantity": quantity,
            "isCalculated": True,
            "taxRules": price["taxRules"],
        },
    }


def _custom(order: NewOrder, email: str, shortened: Sequence[str], *, shipped: bool) -> dict[str, Any]:
    source = order.order
    fields = {
        REFERENCE: order.reference,
        "lengow_order_id": source.marketplace_order_id,
        "lengow_marketplace": source.marketplace,
        "lengow_email": email,
        "lengow_relay_id": order.package.relay_id,
        "lengow_shortened": ", ".join(shortened),
        SHIPPED: "yes" if shipped else "",
    }
    return {key: value for key, value in fields.items() if value}


def _latest(order: NewOrder, now: datetime) -> datetime:
    return max([now + timedelta(days=DELIVERY_DAYS), *(line.ship_by for line in order.lines if line.ship_by)])


def _email(order: NewOrder) -> str:
    billing, delivery = order.order.billing, order.package.delivery
    return (billing.email if billing else "") or (delivery.email if delivery else "")
