"""Changes at the marketplace, brought to a shop order. Each is safe to repeat, and sends only what is not there yet."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Deadline
from lengow.adapters.outcomes import Problem, outcome_of
from lengow.adapters.shopware.addresses import address_of
from lengow.adapters.shopware.api import Api, Refusal, Row
from lengow.adapters.shopware.body import CANCELLED, REFUNDS, SHIPPED
from lengow.adapters.shopware.comparison import address_difference
from lengow.adapters.shopware.facts import MOVES
from lengow.adapters.shopware.profile import Profiles
from lengow.adapters.shopware.reading import WHOLE, Orders, custom, line_id_of, state_of
from lengow.adapters.shopware.refusals import rejected
from lengow.adapters.shopware.settings import ShopwareSettings
from lengow.connector.adapter import (
    Cancel,
    Change,
    CorrectAddress,
    MarkShipped,
    Refund,
    ShopOrder,
    UpdateOutcome,
)

SENT = ("shipped", "shipped_partially", "returned", "returned_partially")
"""States of a delivery that has left the shop."""


class Changer:
    def __init__(self, api: Api, settings: ShopwareSettings, profiles: Profiles, orders: Orders) -> None:
        self._api, self._settings, self._profiles, self._orders = api, settings, profiles, orders

    def update(self, shop_order: ShopOrder, change: Change, deadline: Deadline) -> UpdateOutcome:
        """Raises ShopUnavailable."""
        return outcome_of(shop_order.reference, lambda: self._bring(shop_order.id, change, deadline), Refusal, rejected)

    def _bring(self, order_id: str, change: Change, deadline: Deadline) -> None:
        view = self._orders.views([order_id], WHOLE, deadline).get(order_id)
        if view is None:
            raise Problem("id", f"The shop has no order {order_id} any more: dismiss the change.")
        sent = [row for row in view.entries("deliveries", needed=True) if state_of(row) in SENT]
        by_shop = SHIPPED not in custom(view)
        if sent and by_shop and not isinstance(change, Refund | MarkShipped):
            raise Problem("deliveries", f"The order is shipped in the shop ({state_of(sent[0])}).")
        if isinstance(change, Cancel):
            self._cancel(view, change, deadline)
        elif isinstance(change, MarkShipped):
            self._mark_shipped(view, change, deadline)
        elif isinstance(change, CorrectAddress):
            self._correct_address(view, change, deadline)
        elif isinstance(change, Refund):
            self._refund(view, change, deadline)
        else:
            raise Problem("lineItems", "Shopware's orders are amended by hand.")

    def _cancel(self, view: Entry, change: Cancel, deadline: Deadline) -> None:
        """The order's own machine gives the stock back, once; delivery and payment follow where they can (§4.5)."""
        self._note(view, {CANCELLED: change.reason or "yes"}, deadline)
        self._move("order", view, "cancelled", deadline)
        for delivery in view.entries("deliveries", needed=True):
            self._move("order_delivery", delivery, "cancelled", deadline, needed=False)
        for transaction in view.entries("transactions", needed=True):
            self._move("order_transaction", transaction, "refunded", deadline, needed=False)

    def _mark_shipped(self, view: Entry, change: MarkShipped, deadline: Deadline) -> None:
        """Deliveries that the shop sent keep their tracking; the last step of an interrupted marking is made again."""
        if state_of(view) == "cancelled":
            raise Problem("state", "The order is cancelled in the shop.")
        if all(state_of(row) == "shipped" for row in view.entries("deliveries", needed=True)):
            if SHIPPED in custom(view):
                self._move("order", view, "completed", deadline, needed=False)
            return
        tracking = change.tracking
        told = {
            SHIPPED: "yes",
            "lengow_carrier": tracking.carrier_name or tracking.carrier_code,
            "lengow_tracking_url": tracking.url,
        }
        deliveries = view.entries("deliveries", needed=True)
        coded: list[Row] = []
        for delivery in deliveries:
            codes = delivery.texts("trackingCodes")
            if tracking.number and tracking.number not in codes:
                coded.append({"id": delivery.text("id"), "trackingCodes": [*codes, tracking.number]})
        fields = {key: value for key, value in told.items() if value}
        operations: dict[str, tuple[str, list[Row]]] = {
            "order": ("order", [{"id": view.text("id"), "customFields": fields}]),
            "deliveries": ("order_delivery", coded),
        }
        self._api.sync(operations, deadline)
        for delivery in deliveries:
            self._move("order_delivery", delivery, "shipped", deadline)
        self._move("order", view, "completed", deadline, needed=False)

    def _correct_address(self, view: Entry, change: CorrectAddress, deadline: Deadline) -> None:
        """Shopware calculates nothing anew by the API, so that the amounts stay."""
        profile = self._profiles.get(deadline)
        sent: dict[str, dict[str, Any]] = {}
        if change.billing is not None:
            sent[view.text("billingAddressId")] = address_of(change.billing, profile, "billing", [])
        if change.delivery is not None:
            address = address_of(change.delivery, profile, "shipping", [])
            sent |= {one.text("shippingOrderAddressId"): address for one in view.entries("deliveries", needed=True)}
        if not sent:
            return
        self._api.sync({"addresses": ("order_address", [{"id": id_, **one} for id_, one in sent.items()])}, deadline)
        id_ = view.text("id")
        after = self._orders.views([id_], {"addresses": {}}, deadline).get(id_, view)
        held = {row.text("id"): row for row in after.entries("addresses", needed=True)}
        for id_, address in sent.items():
            differs = address_difference(address, held.get(id_), "addresses")
            if differs is not None:
                raise Problem(differs.field, f"{differs.sentence}. Correct the order in the shop by hand.")

    def _refund(self, view: Entry, refund: Refund, deadline: Deadline) -> None:
        """Booked in a custom field, in one transaction with the stock; the payment's state tells the merchant.

        Shopware writes a product's stock as a whole: a sale between reading and writing it would be lost (§4.5).
        """
        held, sold = custom(view).entries(REFUNDS), view.decimal("amountTotal")
        total = sum((one.decimal("amount") for one in held), Decimal(0))
        if refund.id not in [one.text("id") for one in held]:
            booked = [*held, {"id": refund.id, "amount": f"{refund.amount:f}", "reason": refund.reason}]
            total += refund.amount
            returned = _returned(view, refund) if refund.line_ids else {}
            operations = {
                "order": ("order", [{"id": view.text("id"), "customFields": {REFUNDS: booked}}]),
                "stock": ("product", self._restocked(returned, deadline) if refund.restock else []),
            }
            self._api.sync(operations, deadline)
        state = "refunded" if total >= sold else "refunded_partially"
        for transaction in view.entries("transactions", needed=True):
            self._move("order_transaction", transaction, state, deadline, needed=False)

    def _restocked(self, returned: Mapping[str, int], deadline: Deadline) -> list[Row]:
        if not returned:
            return []
        criteria = {"ids": list(returned), "includes": {"product": ["id", "stock"]}}
        products = self._api.search("product", criteria, deadline)
        stocks = {row.text("id"): row.whole("stock") for row in products}
        return [{"id": id_, "stock": stock + returned[id_]} for id_, stock in stocks.items() if id_ in returned]

    def _note(self, view: Entry, fields: Mapping[str, Any], deadline: Deadline) -> None:
        """Custom fields of the order, before a transition, so that its webhook is known for ours."""
        if any(custom(view).get(key) != value for key, value in fields.items()):
            self._api.sync({"order": ("order", [{"id": view.text("id"), "customFields": dict(fields)}])}, deadline)

    def _move(self, entity: str, row: Entry, target: str, deadline: Deadline, *, needed: bool = True) -> None:
        """Raises Problem where it is `needed` and there is no way."""
        state = state_of(row)
        if state == target:
            return
        way = MOVES[entity, target].get(state)
        if way is None and needed:
            sentence = f"The {entity} is {state!r} in the shop, and no way leads to {target!r}: move it by hand."
            raise Problem("state", sentence)
        for action in way or ():
            self._api.move(entity, row.text("id"), action, deadline, mail=self._settings.mail_buyer)


def _returned(view: Entry, refund: Refund) -> dict[str, int]:
    """Pieces by product, of the lines that took stock. Raises Problem."""
    lines = {line_id_of(row): row for row in view.entries("lineItems", needed=True)}
    found: dict[str, int] = {}
    for line_id in refund.line_ids:
        line = lines.get(line_id)
        if line is None:
            raise Problem("lineItems", f"The shop order has no line {line_id!r}: book the refund by hand.")
        if line.get("type") == "product":
            product = line.text("productId")
            found[product] = found.get(product, 0) + line.whole("quantity")
    return found
