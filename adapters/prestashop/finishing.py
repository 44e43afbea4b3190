"""After PrestaShop has made an order: its amounts put right, read back and compared, its stock and state; or set aside.

Each step can be repeated, so that an order that a crash left in between is finished by whoever finds it.
"""

import logging
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Deadline, Lost
from lengow.adapters.prestashop.api import Webservice, id_of, text
from lengow.adapters.prestashop.comparison import Difference, difference, off_of, rows_of
from lengow.adapters.prestashop.plan import Mark, Plan, aside_note, is_aside, mark_in, order_note, rest_of
from lengow.adapters.prestashop.profile import Profile, number

log = logging.getLogger("lengow.adapters.prestashop")


class NotAsSold(Exception):
    """The shop's order differs from what was sold."""

    def __init__(self, found: Difference) -> None:
        super().__init__(found.sentence)
        self.found = found


class Finisher:
    """All methods raise ShopUnavailable, Refusal, Busy and Lost."""

    def __init__(self, shop: Webservice) -> None:
        self._shop = shop

    def finish(
        self,
        order_id: str,
        cart_id: str,
        plan: Plan,
        profile: Profile,
        deadline: Deadline,
        addresses: tuple[str, str] | None = None,
    ) -> None:
        """Make a fresh order what was sold. Raises NotAsSold when it cannot be made so."""
        mark = Mark(plan.reference, shipped=plan.shipped)
        self._shop.patch("orders", order_id, {"note": order_note(mark, plan.note), **amounts(plan)}, deadline)
        if plan.shipping:
            self._set_shipping_cost(order_id, plan, deadline)
        views = [
            view for view in self._shop.rows("orders", deadline, id_cart=cart_id) if not is_aside(text(view, "note"))
        ]
        own = next((view for view in views if id_of(view) == order_id), None)
        if own is None:
            raise Lost(f"the order {order_id} cannot be read back")
        found = difference(plan, own, profile, addresses)
        if found is not None:
            raise NotAsSold(found)
        # A request that a proxy repeated is a second order of the cart (capture 205).
        doubles = [view for view in views if view is not own]
        self.set_aside(doubles, plan, profile, f"A second order beside {order_id}.", deadline)
        self.rest(own, plan, profile, deadline)

    def rest(self, view: Entry, plan: Plan, profile: Profile, deadline: Deadline) -> None:
        """Stock and state of an order whose amounts are right."""
        order_id, mark = id_of(view), mark_in(text(view, "note"))
        if plan.kept and mark is not None and not mark.kept:
            # The mark comes first: after a crash rather too little stock is shown than too much.
            kept = msgspec.structs.replace(mark, kept=True)
            self._shop.patch("orders", order_id, {"note": order_note(kept, rest_of(text(view, "note")))}, deadline)
            for product, pieces in plan.quantities().items():
                self.move_stock(product, pieces, deadline)
        if plan.state and number(view, "current_state") in profile.first_states - {plan.state}:
            self.enter(order_id, plan.state, deadline)

    def enter(self, order_id: str, state: int, deadline: Deadline) -> None:
        """By a history line: a change of the order itself would mail the buyer (FINDINGS, Mails)."""
        self._shop.post("order_histories", {"id_order": order_id, "id_order_state": state}, deadline)

    def set_cart_aside(self, cart_id: str, plan: Plan, profile: Profile, reason: str, deadline: Deadline) -> list[str]:
        """Every order of a cart: there can be several (captures 205, 255). Returns their ids."""
        return self.set_aside(self._shop.rows("orders", deadline, id_cart=cart_id), plan, profile, reason, deadline)

    def set_aside(
        self, views: Sequence[Entry], plan: Plan, profile: Profile, reason: str, deadline: Deadline
    ) -> list[str]:
        """Cancel orders, give back what they took from the stock, and say so in their notes. Returns their ids."""
        for view in views:
            order_id = id_of(view)
            if is_aside(text(view, "note")):
                continue
            begun = {"note": aside_note(plan.reference, reason, done=False)}
            self._shop.patch("orders", order_id, begun, deadline)
            unsure = self._cancel(view, plan, profile, deadline)
            done = {"note": aside_note(plan.reference, f"{reason} {unsure}".strip(), done=True)}
            self._shop.patch("orders", order_id, done, deadline)
            log.warning("order set aside", extra={"shop_order": order_id, "reason": reason})
        return [id_of(view) for view in views]

    def move_stock(self, product: tuple[int, int], pieces: int, deadline: Deadline) -> None:
        row = self._stock(product, deadline)
        if row is None:
            return
        quantity = number(row, "quantity") + pieces
        self._shop.patch("stock_availables", id_of(row), {"quantity": quantity}, deadline)
        log.info("stock moved", extra={"product": product, "pieces": pieces})

    def _cancel(self, view: Entry, plan: Plan, profile: Profile, deadline: Deadline) -> str:
        """Returns what the merchant has to look after; nothing where all is sure."""
        state, cancelled = number(view, "current_state"), profile.number("PS_OS_CANCELED")
        if state == cancelled:
            return ""
        if state != 0:
            self.enter(id_of(view), cancelled, deadline)
            return ""
        taken, unsure = _taken(view, plan)
        before = {product: self._quantity(product, deadline) for product in taken}
        self.enter(id_of(view), cancelled, deadline)
        for product, pieces in taken.items():
            # An order without a state is not known to give anything back: only what did not come back is put back.
            missing = pieces - (self._quantity(product, deadline) - before[product])
            if missing > 0:
                self.move_stock(product, missing, deadline)
        return unsure

    def _set_shipping_cost(self, order_id: str, plan: Plan, deadline: Deadline) -> None:
        rows = self._shop.rows("order_carriers", deadline, "[id]", id_order=order_id)
        if rows:
            cost = {"shipping_cost_tax_excl": plan.shipping_net, "shipping_cost_tax_incl": plan.shipping}
            self._shop.patch("order_carriers", id_of(rows[0]), cost, deadline)

    def _quantity(self, product: tuple[int, int], deadline: Deadline) -> int:
        row = self._stock(product, deadline)
        return number(row, "quantity") if row else 0

    def _stock(self, product: tuple[int, int], deadline: Deadline) -> Entry | None:
        wanted = {"id_product": str(product[0]), "id_product_attribute": str(product[1])}
        rows = self._shop.rows("stock_availables", deadline, "[id,quantity]", **wanted)
        return rows[0] if rows else None


def amounts(plan: Plan) -> dict[str, object]:
    """The order's totals: goods as the shop made them, the fee as wrapping, cents of rounding with it or as discount."""
    off = off_of(plan)
    more, discount = max(off, Decimal(0)), max(-off, Decimal(0))
    wrapping = plan.fee + more
    return {
        "total_discounts": discount,
        "total_discounts_tax_incl": discount,
        "total_discounts_tax_excl": discount,
        "total_paid": plan.total,
        "total_paid_tax_incl": plan.total,
        "total_paid_tax_excl": plan.total_net,
        "total_paid_real": plan.total,
        "total_shipping": plan.shipping,
        "total_shipping_tax_incl": plan.shipping,
        "total_shipping_tax_excl": plan.shipping_net,
        "total_wrapping": wrapping,
        "total_wrapping_tax_incl": wrapping,
        "total_wrapping_tax_excl": plan.fee_net + more,
    }


def _taken(view: Entry, plan: Plan) -> tuple[dict[tuple[int, int], int], str]:
    """What a half-made order took: its rows, and the line that it failed at (FINDINGS, Doubles and half-made orders).

    The shop goes through the cart by product and combination (capture 079). It takes the stock of a line just before it
    writes its row: where no row came, the stock was seen to be taken, yet a worker that was killed may have come less far.
    """
    rows = rows_of(view)
    failed_at = next((product for product in sorted(plan.quantities()) if product not in rows), None)
    if failed_at is None:
        return rows, ""
    pieces = rows[failed_at] = plan.quantities()[failed_at]
    return rows, f"{pieces} of the product {failed_at[0]} were put back on stock: check that they are there."
