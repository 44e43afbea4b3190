"""Cancellations and refunds in an order as Shopware shows it. What the connector brought there itself is no news (§4.5)."""

from typing import Literal

from lengow.adapters.answers import Entry
from lengow.adapters.shopware.body import CANCELLED, REFUNDS
from lengow.adapters.shopware.facts import CANCELLED as CANCELLED_STATE
from lengow.adapters.shopware.facts import CANCELLED_EVENT, REFUNDED, REFUNDED_EVENT
from lengow.adapters.shopware.reading import custom, reference_of, state_of
from lengow.adapters.shopware.shipments import is_news
from lengow.connector.adapter import Event


def closings_in(view: Entry) -> list[Event]:
    """Of an order with its state and the states of its transactions; none for another's."""
    found: list[Event] = []
    if state_of(view) == CANCELLED_STATE:
        found += cancellation_of(view)
    if any(state_of(row) == REFUNDED for row in view.entries("transactions", needed=True)):
        found += refund_of(view)
    return found


def cancellation_of(view: Entry) -> list[Event]:
    """Of a cancelled order; none where the connector cancelled it."""
    if not is_news(view) or custom(view).get(CANCELLED):
        return []
    return [_event(view, "cancelled", CANCELLED_EVENT)]


def refund_of(view: Entry) -> list[Event]:
    """The whole payment was given back; of no lines. Ours is booked in the order, or goes with its cancelling."""
    if not reference_of(view) or custom(view).get(CANCELLED) or custom(view).get(REFUNDS):
        return []
    return [_event(view, "refunded", REFUNDED_EVENT)]


def _event(view: Entry, kind: Literal["cancelled", "refunded"], raw_kind: str) -> Event:
    """Of the whole order, which goes by its kind, as it happens to an order once."""
    order_id = view.text("id")
    return Event(
        id=f"{order_id}-{kind}", kind=kind, shop_order_id=order_id, reference=reference_of(view), raw_kind=raw_kind
    )
