"""Cancellations and refunds in an order as WooCommerce shows it. What the connector brought there itself is no news."""

from collections.abc import Sequence

from lengow.adapters.woocommerce.body import LINE_ID
from lengow.adapters.woocommerce.changes import CANCELLED_HERE, REFUND_ID
from lengow.adapters.woocommerce.comparison import items, meta_of
from lengow.adapters.woocommerce.finding import SET_ASIDE
from lengow.adapters.woocommerce.shipments import Row, clean_text, reference_of
from lengow.connector.adapter import Event

REFUNDED_ITEM = "_refunded_item_id"
"""Meta of a refund's line: the line of the order that it is about."""


def has_refunds(view: Row) -> bool:
    """Whose they are, and what they are about, only their own route tells."""
    return bool(items(view, "refunds"))


def closings_in(view: Row, refunds: Sequence[Row] = ()) -> list[Event]:
    """The cancellation and the refunds of one of our orders; none for another's, and none for one that is set aside."""
    if not reference_of(view) or meta_of(view, SET_ASIDE) == "yes":
        return []
    oldest_first = sorted(refunds, key=lambda refund: int(clean_text(refund.get("id")) or 0))
    found = [_refund(view, refund, refunds) for refund in oldest_first if meta_of(refund, REFUND_ID) is None]
    if view.get("status") == "cancelled" and meta_of(view, CANCELLED_HERE) != "yes":
        order_id = str(view["id"])
        cancelled = Event(
            id=f"{order_id}-cancelled",
            kind="cancelled",
            shop_order_id=order_id,
            reference=reference_of(view),
            raw_kind="status cancelled",
        )
        found.append(cancelled)
    return found


def _refund(view: Row, refund: Row, refunds: Sequence[Row]) -> Event:
    """A refund of lines or pieces, or of all that is left where it closes the order; of money only, it is none."""
    order_id, refund_id = str(view["id"]), clean_text(refund.get("id"))
    pieces = _pieces(view, refund)
    if not pieces and view.get("status") == "refunded":
        pieces = _left(view, refunds)
    sold = {clean_text(meta_of(line, LINE_ID)): line["quantity"] for line in items(view, "line_items")}
    return Event(
        id=f"{order_id}-refund-{refund_id}",
        kind="refunded" if pieces else "other",
        shop_order_id=order_id,
        reference=reference_of(view),
        line_ids=tuple(pieces),
        quantities={line_id: count for line_id, count in pieces.items() if count < sold[line_id]},
        parcel=f"refund {refund_id}",
        raw_kind=f"refund {refund_id}" if pieces else f"refund {refund_id} of money only",
    )


def _pieces(view: Row, refund: Row) -> dict[str, int]:
    """How many of each line a refund gives back. Lines without our id (added in the shop) are nobody's."""
    lines = {str(line.get("id")): clean_text(meta_of(line, LINE_ID)) for line in items(view, "line_items")}
    pieces: dict[str, int] = {}
    for row in items(refund, "line_items"):
        line_id, count = lines.get(str(meta_of(row, REFUNDED_ITEM)), ""), row.get("quantity")
        if line_id and isinstance(count, int) and count:
            pieces[line_id] = pieces.get(line_id, 0) + abs(count)
    return pieces


def _left(view: Row, refunds: Sequence[Row]) -> dict[str, int]:
    """What of the order no refund names; nothing where the connector booked one, whose amount names no lines either."""
    if any(meta_of(refund, REFUND_ID) is not None for refund in refunds):
        return {}
    left = {clean_text(meta_of(line, LINE_ID)): line["quantity"] for line in items(view, "line_items")}
    for refund in refunds:
        for line_id, count in _pieces(view, refund).items():
            left[line_id] -= count
    return {line_id: count for line_id, count in left.items() if line_id and count > 0}
