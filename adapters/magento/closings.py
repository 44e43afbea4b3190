"""Cancellations and refunds in an order as Magento shows it: its state, and its credit memos (§3.5)."""

from collections.abc import Iterable
from decimal import Decimal

from lengow.adapters.answers import Entry
from lengow.adapters.magento.reading import cancelled, id_of, reference_of
from lengow.connector.adapter import Event

FIELDS = "entity_id,order_id,adjustment_negative,items[order_item_id,qty],comments[comment]"
OURS = "Lengow refund "
"""How the comment of a credit memo begins that the connector booked."""


def has_memos(view: Entry) -> bool:
    return view.decimal("total_refunded", Decimal(0)) > 0


def closings_in(view: Entry, memos: Iterable[Entry]) -> list[Event]:
    """The cancellation and the refunds of one of our orders; none for another's, and none that the connector booked."""
    if not reference_of(view):
        return []
    merchants = [memo for memo in memos if not _is_ours(memo)]
    found = [_refund(view, memo) for memo in sorted(merchants, key=lambda memo: memo.whole("entity_id"))]
    if cancelled(view):
        order_id = id_of(view)
        cancelled_event = Event(
            id=f"{order_id}-cancelled",
            kind="cancelled",
            shop_order_id=order_id,
            reference=reference_of(view),
            raw_kind="state canceled",
        )
        found.append(cancelled_event)
    return found


def _is_ours(memo: Entry) -> bool:
    return any(one.text("comment", "").startswith(OURS) for one in memo.entries("comments"))


def _refund(view: Entry, memo: Entry) -> Event:
    """Of lines or pieces; of money only, it is none."""
    order_id, memo_id = id_of(view), id_of(memo)
    back = {row.whole("order_item_id"): row.decimal("qty", Decimal(0)) for row in memo.entries("items")}
    given = [
        (item.text("ext_order_item_id", ""), int(back[item.whole("item_id")]), item.decimal("qty_ordered"))
        for item in view.entries("items", needed=True)
        if back.get(item.whole("item_id"), 0) >= 1
    ]
    # Less a fee, it is less than the pieces were sold for; the marketplace would give all of that back.
    whole = memo.decimal("adjustment_negative", Decimal(0)) <= 0
    lines = [(line_id, pieces, ordered) for line_id, pieces, ordered in given if line_id and whole]
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
