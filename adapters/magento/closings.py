"""Cancellations and refunds in an order as Magento shows it: its state, and its credit memos (§3.5)."""

from collections.abc import Iterable

from lengow.adapters.magento.api import Row
from lengow.adapters.magento.profile import decimal
from lengow.adapters.magento.reading import View, cancelled, reference_of, rows, text
from lengow.connector.adapter import Event

FIELDS = "entity_id,order_id,items[order_item_id,qty],comments[comment]"
OURS = "Lengow refund "
"""How the comment of a credit memo begins that the connector booked."""


def has_memos(view: View) -> bool:
    return decimal(view.get("total_refunded") or 0) > 0


def closings_in(view: View, memos: Iterable[Row]) -> list[Event]:
    """The cancellation and the refunds of one of our orders; none for another's, and none that the connector booked."""
    if not reference_of(view):
        return []
    merchants = [memo for memo in memos if not _is_ours(memo)]
    found = [_refund(view, memo) for memo in sorted(merchants, key=lambda memo: int(memo["entity_id"]))]
    if cancelled(view):
        order_id = text(view.get("entity_id"))
        cancelled_event = Event(
            id=f"{order_id}-cancelled",
            kind="cancelled",
            shop_order_id=order_id,
            reference=reference_of(view),
            raw_kind="state canceled",
        )
        found.append(cancelled_event)
    return found


def _is_ours(memo: View) -> bool:
    return any(text(one.get("comment")).startswith(OURS) for one in rows(memo.get("comments")))


def _refund(view: View, memo: Row) -> Event:
    """Of lines or pieces; of money only, it is none."""
    order_id, memo_id = text(view.get("entity_id")), text(memo.get("entity_id"))
    back = {str(row.get("order_item_id")): decimal(row.get("qty") or 0) for row in rows(memo.get("items"))}
    given = [
        (text(item.get("ext_order_item_id")), int(back[str(item["item_id"])]), decimal(item.get("qty_ordered")))
        for item in rows(view.get("items"))
        if back.get(str(item.get("item_id")), 0) >= 1
    ]
    lines = [(line_id, pieces, ordered) for line_id, pieces, ordered in given if line_id]
    return Event(
        id=f"{order_id}-memo-{memo_id}",
        kind="refunded" if lines else "other",
        shop_order_id=order_id,
        reference=reference_of(view),
        line_ids=tuple(line_id for line_id, _, _ in lines),
        quantities={line_id: pieces for line_id, pieces, ordered in lines if pieces < ordered},
        parcel=f"memo {memo_id}",
        raw_kind=f"credit memo {memo_id}" if lines else f"credit memo {memo_id} of money only",
    )
