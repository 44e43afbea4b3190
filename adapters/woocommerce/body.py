"""From an order ready for the shop to the body that is posted: checked first, because WooCommerce hardly checks anything.

What it would lose, blank or misread in silence (FINDINGS, the seven traps) is refused here, with the field and a remedy.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from lengow.adapters.outcomes import Problem
from lengow.adapters.woocommerce.products import WooProduct
from lengow.adapters.woocommerce.profile import Profile
from lengow.adapters.woocommerce.settings import WooCommerceSettings
from lengow.adapters.woocommerce.taxes import Amount, Location, location, nets, predicted_total
from lengow.connector.model import Address, Line, NewOrder

CREATED_VIA = "lengow"
REFERENCE, TOTAL, STOCK, STATUS, SHIPPED, LINE_ID, AMOUNT = (
    "_lengow_reference",
    "_lengow_total",
    "_lengow_stock",
    "_lengow_status",
    "_lengow_shipped",
    "_lengow_line_id",
    "_lengow_amount",
)
"""Metas of ours that are read back."""
STOCK_TAKEN, STOCK_KEPT = "taken", "kept"
ROUNDING = "Rounding"
LONGEST_TRANSACTION_ID = 100
LONGEST_PHONE = 100
"""One character more, and WooCommerce stores neither of the addresses (FINDINGS, trap 2)."""
LONGEST_NOTE = 15_000
"""Characters; the column holds 65,535 bytes."""
ADDRESS_FIELDS = (
    "first_name",
    "last_name",
    "company",
    "address_1",
    "address_2",
    "city",
    "state",
    "postcode",
    "country",
    "phone",
)
ALREADY_SHIPPED = frozenset({"shipped", "closed"})
"""Lengow statuses of an order that is on its way before it is imported."""
UNSELLABLE = {
    "variable": "has variations, and only one of these can be sold: give the marketplace the variation's SKU",
    "grouped": "is a group of products: give the marketplace the SKU of one of them",
}
EMAIL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+")

Body = dict[str, Any]


class Composed(msgspec.Struct, frozen=True):
    body: Body
    where: Location
    """The address that decides the tax rates."""


def compose(
    order: NewOrder,
    products: Mapping[str, tuple[WooProduct, ...]],
    profile: Profile,
    settings: WooCommerceSettings,
    *,
    free_lines: bool,
) -> Composed:
    """The body of `POST orders`. `free_lines`: whether an unknown product becomes a line without one.

    Raises Problem.
    """
    _check(order, profile)
    chosen = [_product_of(line, products, free_lines=free_lines) for line in order.lines]
    delivery = order.package.delivery or order.order.billing
    if delivery is None:
        raise Problem("shipping", "The order has no address: complete it on the marketplace or at Lengow.")
    shortened: list[str] = []
    shipping = address_of(delivery, "shipping", shortened)
    billing = address_of(order.order.billing or delivery, "billing", shortened)
    where = location(profile.taxes, billing, shipping)
    amounts = _amounts(order, chosen)
    exempt = settings.taxes == "exempt"
    sent = [one.gross for one in amounts] if exempt else nets(profile.taxes, amounts, where)
    total = order.total if exempt else predicted_total(profile.taxes, amounts, sent, where)
    count = len(order.lines)
    shipped = order.delivered_by_marketplace or order.order.status in ALREADY_SHIPPED
    email = _email(order)
    if settings.mail_buyer and email and EMAIL.fullmatch(email):
        billing["email"] = email
    body: Body = {
        "status": settings.shipped_status if shipped else settings.order_status,
        "currency": order.order.currency,
        "set_paid": True,
        "created_via": CREATED_VIA,
        "transaction_id": order.reference,
        "payment_method": "lengow",
        "payment_method_title": f"Lengow: {order.order.marketplace}",
        "customer_note": note_of(order),
        "billing": billing,
        "shipping": shipping,
        "line_items": [
            _line(line, product, net) for line, product, net in zip(order.lines, chosen, sent[:count], strict=True)
        ],
        "shipping_lines": [
            {
                "method_id": "lengow",
                "method_title": order.package.method or order.package.carrier or "Marketplace shipping",
                "total": money(sent[count]),
            }
        ],
        "fee_lines": _fees(order, order.total - total),
        "meta_data": _metas(order, email, settings, shortened, shipped=shipped),
    }
    return Composed(body, where)


def address_of(address: Address, kind: str, shortened: list[str]) -> dict[str, str]:
    """WooCommerce's address fields. A phone that is too long is cut, and named in `shortened`. Raises Problem."""
    if not re.fullmatch(r"[A-Z]{2}", address.country):
        raise Problem(
            f"{kind}.country",
            f"The country {address.country!r} is not a code of two letters, and WooCommerce would take it as it is: "
            "correct the address on the marketplace or at Lengow.",
        )
    phone = address.phone
    if len(phone) > LONGEST_PHONE:
        shortened.append(f"{kind}.phone")
        phone = phone[:LONGEST_PHONE]
    first, last = address.first_name, address.last_name
    if not first and not last:
        last = address.full_name or address.company
    values = (
        first,
        last,
        address.company,
        address.first_line,
        ", ".join(filter(None, (address.second_line, address.complement))),
        address.city,
        address.region,
        address.zipcode,
        address.country,
        phone,
    )
    return {name: unicodedata.normalize("NFC", value) for name, value in zip(ADDRESS_FIELDS, values, strict=True)}


def note_of(order: NewOrder) -> str:
    """What the merchant sees at the order: the marketplace's number first."""
    source = order.order
    parts = [f"{source.marketplace} {source.marketplace_order_id}"]
    if order.package.relay_id:
        parts.append(f"Pickup point {order.package.relay_id}")
    if source.comment:
        parts.append(source.comment)
    return "\n".join(parts)[:LONGEST_NOTE]


def money(amount: Decimal) -> str:
    """As WooCommerce reads it rightly: a text with a point, and never an exponent (FINDINGS, trap 3)."""
    return format(amount, "f")


def meta(key: str, value: Any) -> dict[str, Any]:
    return {"key": key, "value": value}


def _check(order: NewOrder, profile: Profile) -> None:
    if not order.lines:
        raise Problem("line_items", "The order has no lines, and WooCommerce would make an empty order of it.")
    if len(order.reference) > LONGEST_TRANSACTION_ID:
        raise Problem("transaction_id", f"The reference {order.reference!r} is longer than 100 characters.")
    if not re.fullmatch(r"[A-Z]{3}", order.order.currency):
        raise Problem("currency", f"{order.order.currency!r} is not the code of a currency: report it to Lengow.")
    for line in order.lines:
        if line.quantity < 1:
            raise Problem("line_items.quantity", f"Line {line.id}: the quantity {line.quantity} is not at least 1.")
    amounts = [line.amount for line in order.lines] + [order.shipping, order.processing_fee]
    for amount in amounts:
        if not amount.is_finite() or amount < 0:
            raise Problem("total", f"The amount {amount} is not one to sell at: report the order to Lengow.")
        if amount != round(amount, profile.taxes.decimals):
            raise Problem(
                "total",
                f"The shop keeps {profile.taxes.decimals} decimals, and the amount {money(amount)} has more: raise "
                "'Number of decimals' at WooCommerce > Settings > General.",
            )


def _product_of(line: Line, products: Mapping[str, tuple[WooProduct, ...]], *, free_lines: bool) -> WooProduct | None:
    found = products.get(line.sku, ())
    if len(found) > 1:
        ids = ", ".join(str(one.id) for one in found)
        raise Problem("sku", f"Several products have the SKU {line.sku!r}: {ids}. Give all but one another SKU.")
    if not found:
        if free_lines and line.sku.strip():
            return None
        raise Problem(
            "sku",
            f"The shop has no product with the SKU {line.sku!r}, and WooCommerce would make a blank line of it: "
            "create the product, or correct the SKU.",
        )
    [product] = found
    if product.kind in UNSELLABLE:
        raise Problem("sku", f"The product {product.id} ({line.sku!r}) {UNSELLABLE[product.kind]}.")
    return product


def _amounts(order: NewOrder, chosen: Sequence[WooProduct | None]) -> list[Amount]:
    """The lines, the shipping, the fee."""
    lines = [
        Amount(line.amount, product.tax_class if product else "", product.taxable if product else True)
        for line, product in zip(order.lines, chosen, strict=True)
    ]
    return [*lines, Amount(order.shipping, shipping=True), Amount(order.processing_fee, taxable=False)]


def _line(line: Line, product: WooProduct | None, net: Decimal) -> Body:
    """Ids rather than the SKU: a SKU wins over them, and one that differs in case would do too."""
    if product is None:
        which: Body = {"sku": line.sku}
    elif product.parent_id:
        which = {"product_id": product.parent_id, "variation_id": product.id}
    else:
        which = {"product_id": product.id}
    return {
        **which,
        "quantity": line.quantity,
        "name": line.title or line.sku,
        "subtotal": money(net),
        "total": money(net),
        "meta_data": [meta(LINE_ID, line.id), meta(AMOUNT, money(line.amount))],
    }


def _fees(order: NewOrder, rounding: Decimal) -> list[Body]:
    fees = []
    if order.processing_fee:
        fees.append({"name": "Marketplace fee", "total": money(order.processing_fee), "tax_status": "none"})
    if rounding:
        fees.append(rounding_fee(rounding))
    return fees


def rounding_fee(amount: Decimal) -> Body:
    """What no net amount could reach by the shop's rounding, in a line that says what it is."""
    return {"name": ROUNDING, "total": money(amount), "tax_status": "none"}


def _metas(
    order: NewOrder, email: str, settings: WooCommerceSettings, shortened: Sequence[str], *, shipped: bool
) -> list[Body]:
    source = order.order
    metas = {
        REFERENCE: order.reference,
        TOTAL: money(order.total),
        STOCK: STOCK_TAKEN if order.decrease_stock else STOCK_KEPT,
        STATUS: settings.shipped_status if shipped else settings.order_status,
        "_lengow_marketplace": source.marketplace,
        "_lengow_order_id": source.marketplace_order_id,
        "_lengow_ordered_at": source.date.isoformat(),
        "_lengow_email": email,
        "_lengow_relay_id": order.package.relay_id,
        "_lengow_vat_number": source.billing.vat_number if source.billing else "",
        "_lengow_shortened": ", ".join(shortened),
        SHIPPED: "yes" if shipped else "",
        "is_vat_exempt": "yes" if settings.taxes == "exempt" else "",
        "_order_stock_reduced": "" if order.decrease_stock else "yes",
        "_new_order_email_sent": "" if settings.mail_merchant else "true",
    }
    return [meta(key, value) for key, value in metas.items() if value]


def _email(order: NewOrder) -> str:
    billing, delivery = order.order.billing, order.package.delivery
    return (billing.email if billing else "") or (delivery.email if delivery else "")
