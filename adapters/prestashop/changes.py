"""Changes at the marketplace, brought to a shop order. Each is safe to repeat."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import msgspec

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Deadline
from lengow.adapters.outcomes import Problem, outcome_of
from lengow.adapters.prestashop.addresses import address_fields, same
from lengow.adapters.prestashop.api import Refusal, Webservice, associated, id_of, text
from lengow.adapters.prestashop.cleaning import Cleaner, cleaned_text
from lengow.adapters.prestashop.closings import total_of
from lengow.adapters.prestashop.finishing import Finisher
from lengow.adapters.prestashop.plan import Mark, Plan, mark_in, order_note, plan_in, rest_of
from lengow.adapters.prestashop.profile import Profiles, number
from lengow.adapters.prestashop.refusals import rejected
from lengow.adapters.prestashop.settings import PrestaShopSettings
from lengow.adapters.prestashop.xml import Association
from lengow.connector.adapter import (
    Cancel,
    Change,
    CorrectAddress,
    MarkShipped,
    Refund,
    ShopOrder,
    UpdateOutcome,
)
from lengow.connector.model import Address, Tracking

CENT = Decimal("0.01")
MICRO = Decimal("0.000001")
SLIP_FIELDS = "[id,total_products_tax_incl,total_shipping_tax_incl]"


class Changer:
    def __init__(self, shop: Webservice, settings: PrestaShopSettings, profiles: Profiles, finisher: Finisher) -> None:
        self._shop, self._settings, self._profiles, self._finisher = shop, settings, profiles, finisher

    def update(self, shop_order: ShopOrder, change: Change, deadline: Deadline) -> UpdateOutcome:
        """Raises ShopUnavailable."""
        return outcome_of(
            shop_order.reference,
            lambda: self._bring(self._view(shop_order, deadline), change, deadline),
            Refusal,
            rejected,
        )

    def _view(self, shop_order: ShopOrder, deadline: Deadline) -> Entry:
        known = shop_order.id.isascii() and shop_order.id.isdigit()
        view = self._shop.one("orders", shop_order.id, deadline) if known else None
        if view is None:
            raise Problem("id", f"The shop has no order {shop_order.id} any more: reimport it, or dismiss the change.")
        return view

    def _bring(self, view: Entry, change: Change, deadline: Deadline) -> None:
        profile, state = self._profiles.get(deadline), number(view, "current_state")
        shipped = state in profile.shipped_states
        if isinstance(change, Refund):
            self._refund(view, change, deadline)
        elif isinstance(change, MarkShipped):
            if state == profile.number("PS_OS_CANCELED"):
                raise Problem("current_state", f"The order {id_of(view)} is cancelled in the shop.")
            if not shipped:
                self._mark_shipped(view, change.tracking, deadline)
        elif shipped:
            raise Problem("current_state", f"The order {id_of(view)} is shipped in the shop (state {state}).")
        elif isinstance(change, Cancel):
            self._cancel(view, deadline)
        elif isinstance(change, CorrectAddress):
            self._correct_address(view, change, deadline)
        else:
            raise Problem("order_rows", "PrestaShop's orders are amended by hand.")

    def _cancel(self, view: Entry, deadline: Deadline) -> None:
        """PrestaShop gives the stock back; what was given back at creation is taken again first."""
        state = self._profiles.get(deadline).number("PS_OS_CANCELED")
        if number(view, "current_state") == state:
            return
        mark = _mark(view)
        if mark.kept:
            for product, pieces in _rows(view):
                self._finisher.move_stock(product, -pieces, deadline)
            self._write(view, msgspec.structs.replace(mark, kept=False), deadline)
        self._finisher.enter(id_of(view), state, deadline)

    def _mark_shipped(self, view: Entry, tracking: Tracking, deadline: Deadline) -> None:
        profile, mark = self._profiles.get(deadline), _mark(view)
        if not mark.shipped:
            self._write(view, msgspec.structs.replace(mark, shipped=True), deadline)
        if tracking.number:
            self._set_tracking(id_of(view), tracking.number, deadline)
        if number(view, "current_state") not in profile.shipped_states:
            state = self._settings.shipped_state or profile.number("PS_OS_SHIPPING")
            if not state:
                raise Problem("shipped_state", "The shop names no state for shipped orders: set `shipped_state`.")
            self._finisher.enter(id_of(view), state, deadline)

    def _set_tracking(self, order_id: str, tracking_number: str, deadline: Deadline) -> None:
        cleaned = cleaned_text(tracking_number, "tracking")[:64]
        rows = self._shop.rows("order_carriers", deadline, "[id,tracking_number]", id_order=order_id)
        if rows and cleaned and text(rows[-1], "tracking_number") != cleaned:
            self._shop.patch("order_carriers", text(rows[-1], "id"), {"tracking_number": cleaned}, deadline)

    def _correct_address(self, view: Entry, change: CorrectAddress, deadline: Deadline) -> None:
        """Another address for the order; the old one stays the customer's. PrestaShop prices nothing anew."""
        profile = self._profiles.get(deadline)
        given: tuple[tuple[str, str, Address | None], ...] = (
            ("delivery", "id_address_delivery", change.delivery),
            ("billing", "id_address_invoice", change.billing),
        )
        changed: dict[str, object] = {}
        for kind, name, address in given:
            if address is not None:
                fields = address_fields(address, kind, profile, Cleaner(profile.lengths), needed=kind == "delivery")
                held = self._shop.one("addresses", text(view, name), deadline)
                if held is None or not same(fields, held):
                    fields["id_customer"] = text(view, "id_customer")
                    changed[name] = text(self._shop.post("addresses", fields, deadline), "id")
        if not changed:
            return
        self._shop.patch("orders", id_of(view), changed, deadline)
        kept = self._shop.one("orders", id_of(view), deadline) or view
        for name, wanted in changed.items():
            if text(kept, name) != wanted:
                raise Problem(name, f"PrestaShop keeps the address {text(kept, name)}: correct the order by hand.")

    def _refund(self, view: Entry, refund: Refund, deadline: Deadline) -> None:
        """A credit slip: it moves no stock, no state and no money (FINDINGS, States).

        The order's note says before it that it is to come, and after it that it is there.
        """
        mark = _mark(view)
        if refund.id in mark.refunds:
            return
        booked = self._booked(view, deadline)
        if mark.begun is None or mark.begun[0] != refund.id:
            mark = msgspec.structs.replace(mark, begun=(refund.id, refund.amount, booked))
            self._write(view, mark, deadline)
        begun = mark.begun
        slips = dict(mark.slips)
        if begun is None or booked < begun[2] + begun[1]:
            slips[refund.id] = self._add_slip(view, refund, deadline)
        refunds = {**mark.refunds, refund.id: refund.amount}
        self._write(view, msgspec.structs.replace(mark, refunds=refunds, slips=slips, begun=None), deadline)
        if refund.restock:
            # After the mark: after a crash rather too little stock is shown than too much.
            for line in self._lines(view, refund, deadline):
                self._finisher.move_stock((line.product, line.combination), line.quantity, deadline)

    def _booked(self, view: Entry, deadline: Deadline) -> Decimal:
        """What the order's slips come to."""
        slips = self._shop.rows("order_slip", deadline, SLIP_FIELDS, id_order=id_of(view))
        return sum((total_of(slip) for slip in slips), Decimal(0))

    def _add_slip(self, view: Entry, refund: Refund, deadline: Deadline) -> str:
        """Returns its id."""
        parts = self._parts(view, refund, deadline)
        goods = sum((amount for _, _, amount in parts), Decimal(0))
        goods_net = sum((_net(row, amount) for row, _, amount in parts), Decimal(0))
        shipping = refund.amount - goods
        rate = 1 + _number(view, "carrier_tax_rate") / 100
        shipping_net = (shipping / rate).quantize(MICRO, ROUND_HALF_UP)
        fields: dict[str, object] = {
            "id_customer": text(view, "id_customer"),
            "id_order": id_of(view),
            "conversion_rate": 1,
            "total_products_tax_excl": goods_net,
            "total_products_tax_incl": goods,
            "total_shipping_tax_excl": shipping_net,
            "total_shipping_tax_incl": shipping,
            "amount": goods,
            "shipping_cost": int(shipping > 0),
            "shipping_cost_amount": shipping,
            "partial": int(refund.amount < _number(view, "total_paid_tax_incl")),
            "order_slip_type": 0,
        }
        details = [
            {
                "id_order_detail": id_of(row),
                "product_quantity": pieces,
                "amount_tax_excl": _net(row, amount),
                "amount_tax_incl": amount,
            }
            for row, pieces, amount in parts
        ]
        association = Association("order_slip_details", "order_slip_detail", details)
        return id_of(self._shop.post("order_slip", fields, deadline, association if details else None))

    def _parts(self, view: Entry, refund: Refund, deadline: Deadline) -> list[tuple[Entry, int, Decimal]]:
        """The order's rows that are given back, with pieces and amount; what is beyond them is of the shipping."""
        rows = associated(view, "order_rows")
        if refund.line_ids:
            by_product = {(number(row, "product_id"), number(row, "product_attribute_id")): row for row in rows}
            wanted = []
            for line in self._lines(view, refund, deadline):
                row = by_product.get((line.product, line.combination))
                if row is None:
                    raise Problem("order_rows", f"The shop order has no row of line {line.id!r} any more: {BY_HAND}")
                wanted.append((row, line.quantity, line.amount))
        else:
            wanted = [(row, 1, _total(row)) for row in rows]
        left, parts = refund.amount, []
        for row, pieces, amount in wanted:
            part = min(left, amount)
            if part > 0:
                parts.append((row, pieces, part))
            left -= part
        return parts

    def _lines(self, view: Entry, refund: Refund, deadline: Deadline) -> Sequence[Any]:
        plan = self._plan(view, deadline)
        lines = {line.id: line for line in plan.lines}
        unknown = [one for one in refund.line_ids if one not in lines]
        if unknown:
            raise Problem("order_rows", f"The shop order has no line {unknown[0]!r}: {BY_HAND}")
        return [lines[one] for one in refund.line_ids]

    def _plan(self, view: Entry, deadline: Deadline) -> Plan:
        customers = self._shop.rows("customers", deadline, "[id,note]", id=text(view, "id_customer"))
        plan = plan_in(text(customers[0], "note")) if customers else None
        if plan is None:
            raise Problem(
                "order_rows", f"The note of the order's customer was changed, so its lines are lost: {BY_HAND}"
            )
        return plan

    def _write(self, view: Entry, mark: Mark, deadline: Deadline) -> None:
        note = order_note(mark, rest_of(text(view, "note")))
        self._shop.patch("orders", id_of(view), {"note": note}, deadline)


BY_HAND = "book the refund by hand."


def _mark(view: Entry) -> Mark:
    mark = mark_in(text(view, "note"))
    if mark is None:
        raise Problem(
            "note",
            f"The note of the order {id_of(view)} has lost its first line, by which the connector knows it: put it "
            "back, or make the change by hand.",
        )
    return mark


def _rows(view: Entry) -> list[tuple[tuple[int, int], int]]:
    return [
        ((number(row, "product_id"), number(row, "product_attribute_id")), number(row, "product_quantity"))
        for row in associated(view, "order_rows")
    ]


def _number(row: Entry, name: str) -> Decimal:
    return row.decimal(name, Decimal(0))


def _total(row: Entry) -> Decimal:
    return (_number(row, "unit_price_tax_incl") * number(row, "product_quantity")).quantize(CENT, ROUND_HALF_UP)


def _net(row: Entry, amount: Decimal) -> Decimal:
    gross, net = _number(row, "unit_price_tax_incl"), _number(row, "unit_price_tax_excl")
    return (amount * net / gross).quantize(MICRO, ROUND_HALF_UP) if gross else amount
