"""What becomes of an order: import, wait or skip, and why. Pure: everything it looks at is handed in.

Every reason is a code with a sentence in `connector/reasons.py`.
"""

from collections.abc import Collection
from datetime import datetime

import msgspec

from lengow.connector.currencies import CURRENCIES
from lengow.connector.model import Order, OrderState, Package

IMPORTABLE = frozenset({"waiting_shipment", "shipped", "closed", "partial_refunded"})
"""Lengow statuses that the official plugins import (reference lengow.md §2.7)."""

ENDED_BEFORE_IMPORT = {
    "refused": "refused_before_import",
    "canceled": "canceled_before_import",
    "refunded": "refunded_before_import",
    "refunding": "refunded_before_import",
    "to_refund": "refunded_before_import",
}


class Decision(msgspec.Struct, frozen=True, gc=False):
    state: OrderState
    reason: str = ""
    about: str = ""
    """What in the order the reason is about, such as the field or line."""


class ShopPolicy(msgspec.Struct, frozen=True):
    """What of a shop's settings and platform the decision depends on."""

    name: str
    platform: str
    imports_delivered_by_marketplace: bool
    """What the platform is able to do."""
    import_orders_shipped_by_marketplaces: bool
    """What the toggle says."""
    import_orders_with_merchant_order_id: bool
    starts_at: datetime | None


READY = Decision(OrderState.READY)


def decide(
    order: Order, package: Package, shop: ShopPolicy | None, *, own_ids: Collection[str], known_marketplace: bool
) -> Decision:
    """The decision on one package of an order.

    `own_ids`: the shop order ids that the connector created for this order. `known_marketplace`: whether Lengow
    describes the order's marketplace, without which no shipment could be confirmed.
    """
    return (
        _by_destination(order, shop, known_marketplace)
        or _by_status(order)
        or _by_history(order, shop, own_ids)
        or _by_delivery(order, shop)
        or _by_content(order, package)
        or READY
    )


def _by_destination(order: Order, shop: ShopPolicy | None, known_marketplace: bool) -> Decision | None:
    if shop is None:
        return _skip("no_shop", order.marketplace)
    if not known_marketplace:
        return _wait("unknown_marketplace", order.marketplace)
    return None


def _by_status(order: Order) -> Decision | None:
    if order.status in ENDED_BEFORE_IMPORT:
        return _skip(ENDED_BEFORE_IMPORT[order.status], order.status)
    if order.status == "waiting_acceptance" or any(line.status == "waiting_acceptance" for line in order.lines):
        return _wait("waiting_acceptance", order.status)
    if order.status not in IMPORTABLE:
        return _wait("not_yet_importable", order.status)
    return None


def _by_history(order: Order, shop: ShopPolicy | None, own_ids: Collection[str]) -> Decision | None:
    if shop is None:
        return None
    if shop.starts_at is not None and order.date < shop.starts_at:
        return _skip("before_start_date", order.date.date().isoformat())
    if order.anonymized:
        return _skip("anonymized")
    foreign = [one for one in order.merchant_order_ids if one not in own_ids]
    if foreign and not shop.import_orders_with_merchant_order_id:
        return _skip("already_imported_elsewhere", ", ".join(foreign))
    return None


def _by_delivery(order: Order, shop: ShopPolicy | None) -> Decision | None:
    if not order.delivered_by_marketplace or shop is None:
        return None
    if not shop.imports_delivered_by_marketplace:
        return _skip("delivered_by_marketplace_unsupported", shop.platform)
    if not shop.import_orders_shipped_by_marketplaces:
        return _skip("delivered_by_marketplace_disabled", shop.name)
    return None


def _by_content(order: Order, package: Package) -> Decision | None:
    lines = [line for line in package.lines if line.open]
    if not package.lines:
        return _skip("no_lines")
    if not lines:
        return _skip("canceled_before_import", "every line")
    if order.total == -1:
        return _fail("no_exchange_rate", "total_order")
    if order.currency not in CURRENCIES:
        return _fail("unknown_currency", order.currency or "currency")
    if order.total < 0 or order.shipping < 0 or order.processing_fee < 0:
        return _fail("negative_amount", "total_order, shipping or processing_fee")
    for line in lines:
        if line.quantity < 1:
            return _fail("invalid_quantity", f"line {line.id}: quantity {line.quantity}")
        if line.amount < 0:
            return _fail("negative_amount", f"line {line.id}: amount {line.amount}")
    if not order.delivered_by_marketplace and (package.delivery is None or not package.delivery.country):
        return _fail("no_delivery_country", "packages.delivery.common_country_iso_a2")
    return None


def _skip(reason: str, about: str = "") -> Decision:
    return Decision(OrderState.SKIPPED, reason, about)


def _wait(reason: str, about: str = "") -> Decision:
    return Decision(OrderState.WAITING, reason, about)


def _fail(reason: str, about: str = "") -> Decision:
    return Decision(OrderState.FAILED, reason, about)
