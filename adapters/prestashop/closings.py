"""Cancellations and refunds in an order as PrestaShop shows it: its state, and its order slips (§2.5).

A slip is the only thing by which PrestaShop keeps that money was given back. Its state `Refunded` is a name and gives back
nothing, so that it is not told. Pieces that a slip holds at less than they were sold for, or gives less for, were not given
back whole: the marketplace would refund more than the merchant did, so that these count as money only, and a person decides.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from lengow.adapters.answers import Entry
from lengow.adapters.prestashop.api import associated, id_of, text
from lengow.adapters.prestashop.plan import Mark, Plan, mark_in
from lengow.adapters.prestashop.profile import Profile, number
from lengow.connector.adapter import Event

CENT = Decimal("0.01")
NONE = Decimal(0)


def cancellation_in(view: Entry, profile: Profile) -> Event | None:
    """That an order of ours is cancelled in the shop. One that was set aside carries no mark of ours any more."""
    mark = mark_in(text(view, "note"))
    if mark is None or number(view, "current_state") != profile.number("PS_OS_CANCELED"):
        return None
    order_id = id_of(view)
    return Event(
        id=f"{order_id}-cancelled",
        kind="cancelled",
        shop_order_id=order_id,
        reference=mark.reference,
        raw_kind=f"state {number(view, 'current_state')}",
    )


def refunds_in(view: Entry, slips: Iterable[Entry], plan: Plan | None) -> list[Event]:
    """One a slip of an order of ours, but for those that the connector booked; none for another's.

    `slips`: all of the order's. `plan`: which of its rows is which of the marketplace's lines; None where that is lost.
    """
    mark = mark_in(text(view, "note"))
    if mark is None:
        return []
    lines = _Lines(view, plan)
    found = []
    for slip in sorted(slips, key=lambda one: one.whole("id")):
        pieces = lines.taken_by(slip)  # also of ours: what they took cannot be given back again
        if not _is_ours(slip, mark):
            found.append(_event(view, slip, mark, pieces, lines))
    return found


def slip_event_id(slip: Entry) -> str:
    return f"{slip.whole('id_order')}-slip-{id_of(slip)}"


def total_of(slip: Entry) -> Decimal:
    total = slip.decimal("total_products_tax_incl", NONE) + slip.decimal("total_shipping_tax_incl", NONE)
    return total.quantize(CENT)


def _is_ours(slip: Entry, mark: Mark) -> bool:
    """By its id; by its amount where a crash, or an older version, left the id unknown."""
    unknown = [amount for id_, amount in mark.refunds.items() if id_ not in mark.slips]
    begun = [mark.begun[1]] if mark.begun is not None else []
    return id_of(slip) in mark.slips.values() or total_of(slip) in (*unknown, *begun)


def _event(view: Entry, slip: Entry, mark: Mark, pieces: dict[str, int], lines: "_Lines") -> Event:
    order_id, slip_id = id_of(view), id_of(slip)
    return Event(
        id=slip_event_id(slip),
        kind="refunded" if pieces else "other",
        shop_order_id=order_id,
        reference=mark.reference,
        line_ids=tuple(pieces),
        quantities={line_id: count for line_id, count in pieces.items() if count < lines.sold[line_id]},
        parcel=f"slip {slip_id}",
        raw_kind=f"order slip {slip_id}" if pieces else f"order slip {slip_id} of money only",
    )


class _Lines:
    """The marketplace's lines of an order, and how many pieces of each no slip has taken yet."""

    def __init__(self, view: Entry, plan: Plan | None) -> None:
        planned = plan.lines if plan is not None else ()
        self.sold = {line.id: line.quantity for line in planned}
        self._left = dict(self.sold)
        self._rows = {row.whole("id"): row for row in associated(view, "order_rows")}
        self._of: dict[tuple[int, int], list[str]] = {}
        for line in planned:
            self._of.setdefault((line.product, line.combination), []).append(line.id)

    def taken_by(self, slip: Entry) -> dict[str, int]:
        """Pieces by line, of those that the slip gives back at what they were sold for."""
        found: dict[str, int] = {}
        if _gives_less(slip):
            return found
        for detail in associated(slip, "order_slip_details"):
            for line_id, pieces in self._taken(detail):
                found[line_id] = found.get(line_id, 0) + pieces
        return found

    def _taken(self, detail: Entry) -> Iterator[tuple[str, int]]:
        """PrestaShop has one row of the same product: its pieces are those of the lines in their order."""
        row, pieces = self._rows.get(detail.whole("id_order_detail")), detail.whole("product_quantity", 0)
        if row is None or pieces < 1 or not _is_whole(detail, row, pieces):
            return
        for line_id in self._of.get((number(row, "product_id"), number(row, "product_attribute_id")), ()):
            taken = min(pieces, self._left[line_id])
            if taken:
                self._left[line_id] -= taken
                pieces -= taken
                yield line_id, taken


def _gives_less(slip: Entry) -> bool:
    """Than its rows come to, which stay at what they were sold for: a voucher is taken off one of the totals, and what the
    merchant chose instead is the amount, else with or without tax as he entered it (`OrderSlip::create`).
    """
    details = associated(slip, "order_slip_details")
    near = CENT * max(sum(one.whole("product_quantity", 0) for one in details), 1)
    with_tax, without = (
        sum((one.decimal(f"amount_tax_{kind}", NONE) for one in details), NONE) for kind in ("incl", "excl")
    )
    off = any(
        slip.decimal(f"total_products_tax_{kind}", rows) < rows - near
        for kind, rows in (("incl", with_tax), ("excl", without))
    )
    amount = slip.decimal("amount", NONE)
    return off or (0 < amount < with_tax - near and abs(amount - without) > near)


def _is_whole(detail: Entry, row: Entry, pieces: int) -> bool:
    sold = row.decimal("unit_price_tax_incl") * pieces
    return detail.decimal("amount_tax_incl", NONE) >= sold - CENT * pieces
