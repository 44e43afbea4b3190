"""Changes at the marketplace, brought to a shop order. Each is safe to repeat."""

from decimal import Decimal
from typing import Any

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Deadline
from lengow.adapters.outcomes import Problem, outcome_of
from lengow.adapters.woocommerce.api import Refusal, Shop
from lengow.adapters.woocommerce.body import LINE_ID, SHIPPED, address_of, meta, money
from lengow.adapters.woocommerce.comparison import Difference, mended_amounts, meta_of, meta_text, total_of
from lengow.adapters.woocommerce.refusals import rejected
from lengow.adapters.woocommerce.settings import WooCommerceSettings
from lengow.adapters.woocommerce.shipments import shipments_in
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
from lengow.connector.decode import clean
from lengow.connector.model import Address

REFUND_ID = "_lengow_refund_id"
CANCELLED_HERE = "_lengow_cancelled"
"""`yes` where the connector cancelled the order: the shop's echo of it is no news."""
CANCELLED = ("cancelled", "refunded", "failed", "trash")
"""Statuses of an order that is not delivered any more."""

TRIES_AT_TOTAL = 2


class Changer:
    def __init__(self, shop: Shop, settings: WooCommerceSettings) -> None:
        self._shop, self._settings = shop, settings

    def update(self, shop_order: ShopOrder, change: Change, deadline: Deadline) -> UpdateOutcome:
        """Raises ShopUnavailable."""
        path = f"orders/{shop_order.id}"
        return outcome_of(shop_order.reference, lambda: self._bring(path, change, deadline), Refusal, rejected)

    def _bring(self, path: str, change: Change, deadline: Deadline) -> None:
        """What the shop did later stays: shipped is not cancelled or sent elsewhere, cancelled is not shipped."""
        if isinstance(change, Refund):
            self._refund(path, change, deadline)
            return
        view = self._shop.get(path, deadline).entry
        number, status = view.text("number", "") or view.text("id"), view.text("status")
        shipped = status in (*self._settings.shipped_statuses, self._settings.shipped_status) or bool(
            shipments_in(view, self._settings)
        )
        if isinstance(change, MarkShipped):
            if status in CANCELLED:
                raise Problem("status", f"The order {number} is {status} in the shop.")
            if not shipped:
                self._shop.put(path, self._shipped(change), deadline)
        elif shipped:
            raise Problem("status", f"The order {number} is shipped in the shop ({status}).")
        elif isinstance(change, Cancel):
            if status not in CANCELLED:
                self._shop.put(path, {"status": "cancelled", "meta_data": [meta(CANCELLED_HERE, "yes")]}, deadline)
        elif isinstance(change, CorrectAddress):
            self._correct_address(path, change, deadline)
        elif isinstance(change, CancelLines):
            self._cancel_lines(path, view, change, deadline)
        else:
            raise Problem("line_items", "WooCommerce's orders are amended by hand.")

    def _cancel_lines(self, path: str, view: Entry, change: CancelLines, deadline: Deadline) -> None:
        """Booked as a refund of the whole lines, which packing lists take off, and their stock given back."""
        lines = [one for one in view.entries("line_items", needed=True) if meta_text(one, LINE_ID) in change.line_ids]
        amounts = [line.decimal("total") + line.decimal("total_tax", Decimal(0)) for line in lines]
        if lines and view.text("status") not in CANCELLED:
            ids = tuple(meta_text(line, LINE_ID) for line in lines)
            refund = Refund(
                f"lines {' '.join(sorted(ids))}", sum(amounts, Decimal(0)), change.reason, ids, restock=True
            )
            self._refund(path, refund, deadline)

    def _shipped(self, change: MarkShipped) -> dict[str, Any]:
        tracking = change.tracking
        told = {
            SHIPPED: "yes",
            "_lengow_carrier": tracking.carrier_name or tracking.carrier_code,
            "_lengow_tracking_number": tracking.number,
            "_lengow_tracking_url": tracking.url,
        }
        metas = [meta(key, value) for key, value in told.items() if value]
        return {"status": self._settings.shipped_status, "meta_data": metas}

    def _correct_address(self, path: str, change: CorrectAddress, deadline: Deadline) -> None:
        """WooCommerce taxes an order anew for another address, so its amounts are mended after (FINDINGS (g))."""
        shortened: list[str] = []
        given: tuple[tuple[str, Address | None], ...] = (("billing", change.billing), ("shipping", change.delivery))
        body = {kind: address_of(address, kind, shortened) for kind, address in given if address is not None}
        wanted = total_of(self._shop.get(path, deadline).entry)
        view = self._shop.put(path, body, deadline).entry
        for kind, address in body.items():
            held = view.entry(kind)
            for name, value in address.items():
                if name in held and held.text(name, "") != clean(value):
                    raise _mismatch(
                        Difference(f"{kind}.{name}", f"WooCommerce took {value!r} and keeps {held[name]!r}")
                    )
        for _ in range(TRIES_AT_TOTAL):
            if total_of(view) != wanted:
                view = self._shop.put(path, mended_amounts(view, wanted), deadline).entry
        if total_of(view) != wanted:
            raise _mismatch(
                Difference("total", f"The total was {wanted}, and the new address makes it {total_of(view)}")
            )

    def _refund(self, path: str, refund: Refund, deadline: Deadline) -> None:
        """Booked only: no gateway is asked for money, and nothing goes back on stock unasked (FINDINGS (l))."""
        for page in self._shop.pages(f"{path}/refunds", deadline):
            if any(meta_of(row, REFUND_ID) == refund.id for row in page):
                return
        lines = self._refunded_lines(path, refund, deadline) if refund.line_ids else []
        body = {
            "amount": money(refund.amount),
            "reason": refund.reason,
            "api_refund": False,
            "api_restock": refund.restock,
            "line_items": lines,
            "meta_data": [meta(REFUND_ID, refund.id)],
        }
        self._shop.post(f"{path}/refunds", body, deadline)

    def _refunded_lines(self, path: str, refund: Refund, deadline: Deadline) -> list[dict[str, Any]]:
        view = self._shop.get(path, deadline).entry
        by_id = {meta_text(line, LINE_ID): line for line in view.entries("line_items", needed=True)}
        unknown = [line for line in refund.line_ids if line not in by_id]
        if unknown:
            raise Problem("line_items", f"The shop order has no line {unknown[0]!r}: book the refund by hand.")
        return [_refunded(by_id[line]) for line in refund.line_ids]


def _refunded(line: Entry) -> dict[str, Any]:
    """The whole line: net, and the tax that the shop put on it."""
    taxes = [
        {"id": one.whole("id"), "refund_total": float(one.decimal("total", Decimal(0)))}
        for one in line.entries("taxes")
    ]
    return {
        "id": line.whole("id"),
        "quantity": line.whole("quantity"),
        "refund_total": float(line.decimal("total")),
        "refund_tax": taxes,
    }


def _mismatch(difference: Difference) -> Problem:
    return Problem(difference.field, f"{difference.sentence}. Correct the order in the shop by hand.")
