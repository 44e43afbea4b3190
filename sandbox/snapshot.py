"""Fills the ledger from what the marketplaces and Lengow hold now."""

from datetime import datetime
from decimal import Decimal

from lengow.sandbox.actions import Action
from lengow.sandbox.answers import Refusal
from lengow.sandbox.ledger import Ledger, SoldLine, SoldOrder, Told
from lengow.sandbox.lengow import Lengow
from lengow.sandbox.money import ACCOUNT_CURRENCY
from lengow.sandbox.orders import Record
from lengow.sandbox.rendering import converted_total
from lengow.sandbox.sales import DROPPED, Sale


def snapshot(lengow: Lengow, now: datetime) -> Ledger:
    return Ledger(
        at=now,
        sold=tuple(_sold(sale, _record(lengow, sale), lengow) for sale in lengow.marketplaces.sales.values()),
        told=tuple(_told(action) for action in lengow.actions.all.values()),
        rejections=tuple(lengow.rejections),
        requests=dict(lengow.requests),
    )


def _record(lengow: Lengow, sale: Sale) -> Record | None:
    try:
        return lengow.book(sale.account_id).find(sale.marketplace, sale.id)
    except Refusal:
        return None


def _sold(sale: Sale, record: Record | None, lengow: Lengow) -> SoldOrder:
    seen = record.importable_lines if record else set()
    live = {line.id for line in record.sale.lines() if line.state not in DROPPED} if record else set()
    expected: bool | None = record is not None and record.importable
    if sale.raw is not None:
        expected = sale.raw.importable
    return SoldOrder(
        account_id=sale.account_id,
        marketplace=sale.marketplace,
        order_id=sale.id,
        kind=sale.kind,
        state=sale.state,
        marketplace_status=lengow.marketplaces.word_for(sale),
        lengow_status=record.lengow_status if record else None,
        ordered_at=sale.ordered_at,
        catalog_id=sale.catalog_id,
        fulfilment=sale.fulfilment,
        anonymized=sale.anonymized,
        currency=sale.currency,
        total=sale.total,
        converted_total=converted_total(sale, ACCOUNT_CURRENCY),
        shipping_and_fee=sale.shipping + (sale.processing_fee or Decimal(0)),
        lines=tuple(
            SoldLine(
                id=line.id,
                sku=line.product.sku,
                quantity=line.quantity,
                amount=line.amount,
                state=line.state,
                importable=bool(expected) and line.id in live,
                was_importable=line.id in seen,
            )
            for line in sale.lines()
        ),
        packages=tuple(tuple(line.id for line in package.lines) for package in sale.packages),
        merchant_order_ids=(record.merchant_ids or ()) if record else (),
        expected=expected,
        changed=sale.raw is not None or lengow.marketplaces.has_changed(sale),
    )


def _told(action: Action) -> Told:
    return Told(
        id=action.id,
        account_id=action.account_id,
        marketplace=action.marketplace,
        order_id=action.order_id,
        action_type=action.action_type,
        arguments=action.arguments,
        line_ids=action.line_ids,
        received_at=action.created_at,
        decided_at=action.decided_at,
        outcome=action.outcome,
        errors=action.errors,
    )
