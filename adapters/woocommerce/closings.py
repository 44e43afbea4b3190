"""Cancellations and refunds in an order as WooCommerce shows it. What the connector brought there itself is no news."""

from collections.abc import Sequence
from decimal import Decimal

from lengow.adapters.answers import Entry
from lengow.adapters.woocommerce.body import LINE_ID
from lengow.adapters.woocommerce.changes import CANCELLED_HERE, REFUND_ID
from lengow.adapters.woocommerce.comparison import meta_of, meta_text
from lengow.adapters.woocommerce.finding import SET_ASIDE
from lengow.adapters.woocommerce.shipments import reference_of
from lengow.connector.adapter import Event

CENT, NONE = Decimal("0.01"), Decimal(0)
REFUNDED_ITEM = "_refunded_item_id"
"""Meta of a refund's line: the line of the order that it is about."""


def has_refunds(view: Entry) -> bool:
    """Whose they are, and what they are about, only their own route tells."""
    return bool(view.entries("refunds"))


def closings_in(view: Entry, refunds: Sequence[Entry] = ()) -> list[Event]:
    """The cancellation and the refunds of one of our orders; none for another's, and none for one that is set aside."""
    if not reference_of(view) or meta_of(view, SET_ASIDE) == "yes":
        return []
    oldest_first = sorted(refunds, key=lambda refund: refund.whole("id"))
    found = [_refund(view, refund, refunds) for refund in oldest_first if meta_of(refund, REFUND_ID) is None]
    if view.text("status") == "cancelled" and meta_of(view, CANCELLED_HERE) != "yes":
        order_id = str(view.whole("id"))
        cancelled = Event(
            id=f"{order_id}-cancelled",
            kind="cancelled",
            shop_order_id=order_id,
            reference=reference_of(view),
            raw_kind="status cancelled",
        )
        found.append(cancelled)
    return found


def _refund(view: Entry, refund: Entry, refunds: Sequence[Entry]) -> Event:
    """A refund of lines or pieces, or of all that is left where it closes the order; of money only, it is none."""
    order_id, refund_id = str(view.whole("id")), str(refund.whole("id"))
    pieces = _pieces(view, refund)
    if not pieces and view.text("status") == "refunded":
        pieces = _left(view, refunds)
    sold = _sold(view)
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


def _sold(view: Entry) -> dict[str, int]:
    """Pieces by line."""
    return {meta_text(line, LINE_ID): line.whole("quantity") for line in view.entries("line_items", needed=True)}


def _pieces(view: Entry, refund: Entry) -> dict[str, int]:
    """How many of each line a refund gives back, at what they were sold for. Lines without our id are nobody's."""
    lines = {line.text("id"): line for line in view.entries("line_items", needed=True)}
    pieces: dict[str, int] = {}
    for row in refund.entries("line_items", needed=True):
        line, count = lines.get(meta_text(row, REFUNDED_ITEM)), abs(row.whole("quantity", 0))
        line_id = meta_text(line, LINE_ID) if line is not None else ""
        if line is not None and line_id and count and _is_whole(line, row, count):
            pieces[line_id] = pieces.get(line_id, 0) + count
    return pieces


def _is_whole(line: Entry, refunded: Entry, count: int) -> bool:
    """The marketplace refunds whole pieces: told of ones that went for less, it would give back more than the merchant."""
    sold, back = (abs(one.decimal("total", NONE)) for one in (line, refunded))  # tax stands apart, in both
    return back * line.whole("quantity") >= sold * count - CENT * line.whole("quantity") * (count + 1)


def _left(view: Entry, refunds: Sequence[Entry]) -> dict[str, int]:
    """What of the order no refund names; nothing where the connector booked one, whose amount names no lines either."""
    if any(meta_of(refund, REFUND_ID) is not None for refund in refunds):
        return {}
    left = _sold(view)
    for refund in refunds:
        for line_id, count in _pieces(view, refund).items():
            left[line_id] -= count
    return {line_id: count for line_id, count in left.items() if line_id and count > 0}
