"""Changes at the marketplace, brought to a shop order. Each is safe to repeat, and sends only what is not there yet."""

from decimal import Decimal

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Deadline
from lengow.adapters.magento.addresses import address_of
from lengow.adapters.magento.api import Api, Refusal
from lengow.adapters.magento.body import note
from lengow.adapters.magento.closings import OURS
from lengow.adapters.magento.facts import CANCELED, COMPLETE, PROCESSING
from lengow.adapters.magento.profile import Profiles
from lengow.adapters.magento.reading import (
    Orders,
    address_difference,
    cancelled,
    id_of,
    shipping_address,
    takes_stock,
)
from lengow.adapters.magento.refusals import rejected
from lengow.adapters.outcomes import Problem, outcome_of
from lengow.connector.adapter import (
    Cancel,
    CancelLines,
    Change,
    CorrectAddress,
    MarkShipped,
    Refund,
    ShopOrder,
    UpdateOutcome,
)
from lengow.connector.model import Address, Tracking

ENDED = frozenset({"complete", "closed"})


class Changer:
    def __init__(self, api: Api, profiles: Profiles, orders: Orders) -> None:
        self._api, self._profiles, self._orders = api, profiles, orders

    def update(self, shop_order: ShopOrder, change: Change, deadline: Deadline) -> UpdateOutcome:
        """Raises ShopUnavailable."""
        return outcome_of(shop_order.reference, lambda: self._bring(shop_order.id, change, deadline), Refusal, rejected)

    def _bring(self, order_id: str, change: Change, deadline: Deadline) -> None:
        view = self._orders.one(order_id, deadline)
        if view is None:
            raise Problem("entity_id", f"The shop has no order {order_id} any more: dismiss the change.")
        sent = view.text("state") == COMPLETE[0] or any(
            row.decimal("qty_shipped", Decimal(0)) > 0 for row in view.entries("items", needed=True)
        )
        if sent and isinstance(change, Cancel | CancelLines | CorrectAddress):
            number, state = view.text("increment_id"), view.text("state")
            raise Problem("state", f"The order {number} is shipped in the shop ({state}).")
        if isinstance(change, Cancel):
            self._cancel(view, change, deadline)
        elif isinstance(change, MarkShipped):
            self._mark_shipped(view, change.tracking, deadline)
        elif isinstance(change, CorrectAddress):
            self._correct_address(view, change, deadline)
        elif isinstance(change, CancelLines):
            self._cancel_lines(view, change, deadline)
        elif isinstance(change, Refund):
            self._refund(view, change, deadline)
        else:
            raise Problem("items", "Magento's orders are amended by hand.")

    def _cancel(self, view: Entry, change: Cancel, deadline: Deadline) -> None:
        """Magento's own cancelling gives the pieces back by a reservation, so it is for orders that took some (§3.3)."""
        if cancelled(view):
            return
        state, status = CANCELED
        number, now = view.text("increment_id"), view.text("state")
        if now in ENDED:
            raise Problem("state", f"The order {number} is {now} in the shop: refund it there by hand.")
        if not takes_stock(view):
            reason = f"Cancelled at the marketplace. {change.reason}".strip()
            self._orders.save(view, deadline, state=state, status=status, status_histories=[note(reason, status)])
        elif self._api.send("POST", f"orders/{id_of(view)}/cancel", {}, deadline) is not True:
            raise Problem(
                "state",
                f"The shop does not cancel the order {number}, which is {now}; it may be invoiced or on "
                "hold: cancel or refund it there by hand.",
            )

    def _mark_shipped(self, view: Entry, tracking: Tracking, deadline: Deadline) -> None:
        """By the state alone: a shipment would take the stock of the source, and be told back (§3.3)."""
        now = view.text("state")
        if now in ENDED:
            return
        if now != PROCESSING[0]:
            raise Problem("state", f"The order {view.text('increment_id')} is {now} in the shop: move it by hand.")
        state, status = COMPLETE
        told = " ".join(filter(None, (tracking.carrier_name or tracking.carrier_code, tracking.number, tracking.url)))
        history = note(f"Shipped without the shop, as the marketplace tells. {told}".strip(), status)
        self._orders.save(view, deadline, state=state, status=status, status_histories=[history])

    def _correct_address(self, view: Entry, change: CorrectAddress, deadline: Deadline) -> None:
        """Written over as they stand; nothing is calculated anew, so that the amounts stay."""
        billing = view.entry("billing_address")
        for kind, address, held in (
            ("billing", change.billing, billing),
            ("shipping", change.delivery, shipping_address(view)),
        ):
            if address is not None:
                self._write_address(view, kind, address, held, deadline)

    def _write_address(self, view: Entry, kind: str, address: Address, held: Entry | None, deadline: Deadline) -> None:
        if not held:
            number = view.text("increment_id")
            raise Problem(f"{kind}_address", f"The order {number} has no {kind} address in the shop.")
        wanted = address_of(address, self._profiles.get(deadline), kind, view.text("customer_email"))
        if address_difference(wanted, held, kind) is None:
            return
        entity = {**wanted, "entity_id": held.whole("entity_id"), "parent_id": view.whole("entity_id")}
        self._api.send("PUT", f"orders/{id_of(view)}", {"entity": entity}, deadline)
        after = self._orders.one(id_of(view), deadline) or view
        kept = shipping_address(after) if kind == "shipping" else after.entry("billing_address")
        differs = address_difference(wanted, kept, f"{kind}_address")
        if differs is not None:
            raise Problem(differs.field, f"{differs.sentence}. Correct the order in the shop by hand.")

    def _cancel_lines(self, view: Entry, change: CancelLines, deadline: Deadline) -> None:
        """A credit memo over the whole lines: what is refunded is not left to ship, and goes back on stock."""
        held = {line_id: row for line_id, row in _lines(view).items() if line_id in change.line_ids}
        ids = tuple(sorted(held))
        if ids and not cancelled(view):
            amount = sum((row.decimal("row_total_incl_tax") for row in held.values()), Decimal(0))
            restock = takes_stock(view)
            self._refund(view, Refund(f"lines {' '.join(ids)}", amount, change.reason, ids, restock), deadline)

    def _refund(self, view: Entry, refund: Refund, deadline: Deadline) -> None:
        """A credit memo, known by its comment. Magento makes one only for what is invoiced, so that comes first (§3.5)."""
        order_id, mark = id_of(view), f"{OURS}{refund.id}:"
        groups = ((("order_id", "eq", order_id),),)
        for memo in self._api.search_all("creditmemos", groups, deadline):
            if any(one.text("comment", "").startswith(mark) for one in memo.entries("comments")):
                return
        items = _returned(view, refund)
        goods = sum((row.decimal("row_total_incl_tax") for row in items), Decimal(0))
        given = [{"order_item_id": row.whole("item_id"), "qty": row.whole("qty_ordered")} for row in items]
        if not given:  # no items at all would give everything back
            given = [{"order_item_id": row.whole("item_id"), "qty": 0} for row in _lines(view).values()][:1]
        back = [row.whole("item_id") for row in items] if refund.restock else []
        if view.decimal("total_invoiced", Decimal(0)) < view.decimal("grand_total"):
            self._api.send("POST", f"order/{order_id}/invoice", {"capture": True, "notify": False}, deadline)
        body = {
            "items": given,
            "notify": False,
            "appendComment": True,
            "comment": {"comment": f"{mark} {refund.reason}".strip(), "is_visible_on_front": 0},
            "arguments": {
                "shipping_amount": 0,
                "adjustment_positive": max(refund.amount - goods, Decimal(0)),
                "adjustment_negative": max(goods - refund.amount, Decimal(0)),
                "extension_attributes": {"return_to_stock_items": back},
            },
        }
        self._api.send("POST", f"order/{order_id}/refund", body, deadline)


def _lines(view: Entry) -> dict[str, Entry]:
    """The order items by Lengow's ids of the lines."""
    return {row.text("ext_order_item_id", ""): row for row in view.entries("items", needed=True)}


def _returned(view: Entry, refund: Refund) -> list[Entry]:
    """The order items of the lines that are given back. Raises Problem."""
    items = _lines(view)
    missing = [line_id for line_id in refund.line_ids if line_id not in items]
    if missing:
        raise Problem("items", f"The shop order has no line {missing[0]!r}: book the refund by hand.")
    return [items[line_id] for line_id in refund.line_ids]
