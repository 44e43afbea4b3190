"""From an order ready for the shop to the entity that is saved: whole, because `POST /V1/orders` calculates nothing (§3.3).

`ext_order_id` and `increment_id` are drawn from the reference; the second one is unique in the shop, so that the same
order sent twice is refused (§3.4).
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import msgspec

from lengow.adapters.answers import Entry
from lengow.adapters.magento.addresses import address_of, names, plain
from lengow.adapters.magento.api import Row
from lengow.adapters.magento.facts import COMPLETE, LONGEST_EMAIL, LONGEST_TEXT, PENDING, PROCESSING
from lengow.adapters.magento.products import MagentoProduct
from lengow.adapters.magento.profile import Profile
from lengow.adapters.magento.settings import MagentoSettings
from lengow.adapters.magento.taxes import CENT, HUNDRED, Share, spread
from lengow.adapters.outcomes import Problem
from lengow.connector.model import Line, NewOrder

ANCHOR = "lgw"
"""`ext_order_id` of our orders begins so."""
REFERENCE, EMAIL, STOCK = "Lengow reference: ", "Buyer's address: ", "Lengow stock: "
"""In the payment's `additional_information`, which is read back as a list of texts."""
TAKEN, KEPT = "taken", "kept"
ALREADY_SHIPPED = frozenset({"shipped", "closed"})
"""Lengow statuses of an order that is on its way before it is imported."""
MAIL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+")
SCALE = Decimal("0.0001")
BASED = (
    "subtotal",
    "subtotal_incl_tax",
    "shipping_amount",
    "shipping_incl_tax",
    "shipping_tax_amount",
    "tax_amount",
    "discount_amount",
    "grand_total",
    "total_due",
    "total_paid",
    "total_invoiced",
    "price",
    "original_price",
    "price_incl_tax",
    "row_total",
    "row_total_incl_tax",
    "row_invoiced",
    "tax_invoiced",
    "amount_ordered",
)
"""Amounts that are told in the base currency too: the same number, as both currencies are one."""


class Composed(msgspec.Struct, frozen=True):
    reference: str
    entity: Row
    takes_stock: bool

    @property
    def anchor(self) -> str:
        return str(self.entity["ext_order_id"])


def anchor_of(reference: str) -> str:
    """32 characters, as many as `ext_order_id` keeps."""
    return ANCHOR + hashlib.sha256(reference.encode()).hexdigest()[: 32 - len(ANCHOR)]


def number_of(order: NewOrder) -> str:
    """`increment_id`: the marketplace's number, for people, and what makes it unique."""
    told = re.sub(r"[^A-Za-z0-9_-]", "", order.order.marketplace_order_id)[:26]
    return f"{told}-{hashlib.sha256(order.reference.encode()).hexdigest()[:12]}"


def compose(
    order: NewOrder,
    products: Mapping[str, tuple[MagentoProduct, ...]],
    profile: Profile,
    settings: MagentoSettings,
    *,
    free_lines: bool,
) -> Composed:
    """The order's entity. `free_lines`: whether an unknown product becomes a line without one. Raises Problem."""
    _check(order, profile)
    chosen = [_product_of(line, products, free_lines=free_lines) for line in order.lines]
    delivery = order.package.delivery or order.order.billing
    if delivery is None:
        raise Problem("billing_address", "The order has no address: complete it on the marketplace or at Lengow.")
    shipped = order.delivered_by_marketplace or order.order.status in ALREADY_SHIPPED
    email = _email(order, settings)
    relay_id = order.package.relay_id
    shipping = address_of(delivery, profile, "shipping", email, relay_id=relay_id, shipped=shipped)
    billing = address_of(order.order.billing or delivery, profile, "billing", email, shipped=shipped)
    exempt = settings.taxes == "exempt"
    shares = [
        Share(Decimal(0) if exempt else _rate(product, profile, delivery.country), line.amount)
        for line, product in zip(order.lines, chosen, strict=True)
    ]
    pairs = zip(order.lines, chosen, shares, strict=True)
    items = [_item(line, product, share, profile, shipped=shipped) for line, product, share in pairs]
    money = _totals(order, shares, shipped=shipped)
    takes_stock = order.decrease_stock and any(chosen)
    state, status = COMPLETE if shipped else PENDING if takes_stock else PROCESSING
    if shipped and takes_stock:
        state, status = PENDING
    first, last = names(order.order.billing or delivery)
    source = order.order
    text = f"{source.marketplace} - {order.package.method or 'delivery'}"
    entity = {
        "increment_id": number_of(order),
        "ext_order_id": anchor_of(order.reference),
        "store_id": profile.store_id,
        "state": state,
        "status": status,
        "is_virtual": 0,
        "email_sent": 1,
        "customer_note_notify": 0,
        "customer_is_guest": 1,
        "customer_group_id": 0,
        "customer_email": email,
        "customer_firstname": first[:128],
        "customer_lastname": last[:128],
        "created_at": f"{source.date.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        **dict.fromkeys(("base_currency_code", "order_currency_code"), source.currency),
        **dict.fromkeys(("store_currency_code", "global_currency_code"), source.currency),
        **dict.fromkeys(("base_to_global_rate", "base_to_order_rate", "store_to_base_rate", "store_to_order_rate"), 1),
        **based(money),
        "total_qty_ordered": sum(line.quantity for line in order.lines),
        "total_item_count": len(items),
        "shipping_description": plain(text)[:LONGEST_TEXT],
        "billing_address": billing,
        "payment": {
            "method": settings.payment_method,
            "account_status": None,
            "cc_last4": None,
            "additional_information": _information(order, takes_stock=takes_stock),
            **based({"amount_ordered": money["grand_total"], "shipping_amount": money["shipping_amount"]}),
        },
        "items": items,
        "status_histories": [note(_told(order), status)],
        "extension_attributes": {
            "shipping_assignments": [
                {
                    "items": [],
                    "shipping": {
                        "method": settings.shipping_method,
                        "address": shipping,
                        "total": based({key: money[key] for key in ("shipping_amount", "shipping_incl_tax")}),
                    },
                }
            ]
        },
    }
    return Composed(order.reference, entity, takes_stock)


def final_of(view: Entry) -> tuple[str, str]:
    """The state of an order once its stock is taken: what was imported as shipped is so in its items."""
    items = view.entries("items", needed=True)
    shipped = items and all(one.decimal("qty_shipped", Decimal(0)) == one.decimal("qty_ordered") for one in items)
    return COMPLETE if shipped else PROCESSING


def note(comment: str, status: str) -> Row:
    return {
        "comment": comment,
        "is_customer_notified": 0,
        "is_visible_on_front": 0,
        "parent_id": 0,
        "status": status,
    }


def based(amounts: Mapping[str, Any]) -> Row:
    return {**amounts, **{f"base_{name}": amount for name, amount in amounts.items() if name in BASED}}


def _totals(order: NewOrder, shares: Sequence[Share], *, shipped: bool) -> Row:
    """Magento has no fee of its own: it is shipping, as Lengow's plugin has it (lengow.md §6.7)."""
    sent = order.shipping + order.processing_fee
    shipping_tax = sum((one.tax for one in spread(sent, shares)), Decimal(0))
    gross = sum((one.gross for one in shares), Decimal(0))
    tax = sum((one.tax for one in shares), Decimal(0))
    total = gross + sent
    found = {
        "subtotal": gross - tax,
        "subtotal_incl_tax": gross,
        "shipping_amount": sent - shipping_tax,
        "shipping_incl_tax": sent,
        "shipping_tax_amount": shipping_tax,
        "tax_amount": tax + shipping_tax,
        "discount_amount": Decimal(0),
        "grand_total": total,
        "total_due": Decimal(0) if shipped else total,
    }
    return found | ({"total_paid": total, "total_invoiced": total} if shipped else {})


def _item(line: Line, product: MagentoProduct | None, share: Share, profile: Profile, *, shipped: bool) -> Row:
    net = share.gross - share.tax
    price = (net / line.quantity).quantize(SCALE, ROUND_HALF_UP)
    money = {
        "price": price,
        "original_price": price,
        "price_incl_tax": (share.gross / line.quantity).quantize(SCALE, ROUND_HALF_UP),
        "row_total": net,
        "row_total_incl_tax": share.gross,
        "tax_amount": share.tax,
    }
    if shipped:
        money |= {"row_invoiced": net, "tax_invoiced": share.tax}
    done = {"qty_invoiced": line.quantity, "qty_shipped": line.quantity} if shipped else {}
    own = {"product_id": product.id} if product else {}
    return {
        **own,
        "sku": product.sku if product else line.sku,
        "name": plain(line.title or line.sku)[:LONGEST_TEXT],
        "product_type": product.kind if product else "simple",
        "store_id": profile.store_id,
        "is_virtual": 0,
        "qty_ordered": line.quantity,
        "tax_percent": share.rate,
        "ext_order_item_id": line.id,
        **done,
        **based(money),
    }


def _check(order: NewOrder, profile: Profile) -> None:
    if order.order.currency != profile.currency:
        raise Problem(
            "currency",
            f"The order is in {order.order.currency!r}, and the store view's base currency is {profile.currency}: give "
            "such orders a shop of their own, with a store view of that currency.",
        )
    if not order.lines:
        raise Problem("items", "The order has no lines: Magento would make an empty order of it.")
    for line in order.lines:
        if line.quantity < 1:
            raise Problem("items.qty_ordered", f"Line {line.id}: the quantity {line.quantity} is not at least 1.")
        if len(line.id) > LONGEST_TEXT:
            raise Problem("items.ext_order_item_id", f"The line id {line.id[:40]!r}... is too long for Magento.")
    for amount in [*(line.amount for line in order.lines), order.shipping, order.processing_fee]:
        if not amount.is_finite() or amount < 0 or amount != amount.quantize(CENT):
            raise Problem("grand_total", f"The amount {amount} is not one to sell at: report the order to Lengow.")


def _product_of(
    line: Line, products: Mapping[str, tuple[MagentoProduct, ...]], *, free_lines: bool
) -> MagentoProduct | None:
    found = products.get(line.sku, ())
    if len(found) > 1:
        several = ", ".join(f"{one.sku} ({one.id})" for one in found)
        raise Problem("sku", f"Several products are meant by {line.sku!r}: {several}. Give all but one another number.")
    if not found:
        if free_lines and line.sku.strip():
            return None
        raise Problem("sku", f"The shop has no product with the SKU {line.sku!r}: create it, or correct the number.")
    [product] = found
    if not product.sellable:
        raise Problem(
            "sku",
            f"The product {product.sku} ({line.sku!r}) is {product.kind}, and only its simple products can be sold: give "
            "the marketplace their SKUs.",
        )
    return product


def _rate(product: MagentoProduct | None, profile: Profile, country: str) -> Decimal:
    rate = profile.rate(product.tax_class if product else None, country)
    if rate < 0 or rate > HUNDRED:
        raise Problem("tax_percent", f"The shop's tax rate {rate} is none: correct it at Stores > Tax Zones and Rates.")
    return rate


def _information(order: NewOrder, *, takes_stock: bool) -> list[str]:
    return [
        plain(order.order.marketplace),
        REFERENCE + order.reference,
        EMAIL + _told_email(order),
        STOCK + (TAKEN if takes_stock else KEPT),
    ]


def _told(order: NewOrder) -> str:
    source = order.order
    comment = f" The buyer says: {plain(source.comment)}" if source.comment.strip() else ""
    return f"Marketplace order {plain(source.marketplace_order_id)} ({plain(source.marketplace)}), by Lengow.{comment}"


def _told_email(order: NewOrder) -> str:
    billing, delivery = order.order.billing, order.package.delivery
    return (billing.email if billing else "") or (delivery.email if delivery else "")


def _email(order: NewOrder, settings: MagentoSettings) -> str:
    """The buyer's, or one that no mail arrives at (RFC 2606): Magento takes no order without one."""
    given = _told_email(order)
    if settings.mail_buyer and len(given) <= LONGEST_EMAIL and MAIL.fullmatch(given):
        return given
    return f"{hashlib.sha256(order.reference.encode()).hexdigest()[:32]}@marketplace.invalid"
