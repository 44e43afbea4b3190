"""Our orders as they stand, by their ids, which only grow (§3.1)."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Deadline
from lengow.adapters.magento.api import Api, Refusal
from lengow.adapters.magento.body import ANCHOR
from lengow.adapters.magento.facts import COMPLETE
from lengow.adapters.magento.reading import cancelled, id_of, pending, reference_of
from lengow.connector.listing import ListedOrder, ListedOrders

FIELDS = (
    "entity_id,ext_order_id,state,created_at,grand_total,order_currency_code,total_refunded,"
    "payment[additional_information],items[item_id,qty_ordered,qty_shipped,qty_canceled]"
)
NONE = Decimal(0)


class Lister:
    def __init__(self, api: Api) -> None:
        self._api = api

    def since(self, since: datetime, cursor: str, deadline: Deadline) -> ListedOrders:
        """One page. Raises ShopUnavailable."""
        start = int(cursor or 0)
        groups = (
            (("ext_order_id", "like", f"{ANCHOR}%"),),
            (("created_at", "gteq", f"{since.astimezone(UTC):%Y-%m-%d %H:%M:%S}"),),
            (("entity_id", "gteq", str(start)),),
        )
        try:
            views, total = self._api.search("orders", groups, deadline, fields=FIELDS)
        except Refusal as refusal:
            raise self._api.unreadable(refusal) from refusal
        found = tuple(_listed(view) for view in views if reference_of(view) and not pending(view))
        following = views[-1].whole("entity_id") + 1 if views else start
        return ListedOrders(found, str(following), total > len(views) > 0)


def _listed(view: Entry) -> ListedOrder:
    return ListedOrder(
        id=id_of(view),
        reference=reference_of(view),
        total=view.decimal("grand_total"),
        currency=view.text("order_currency_code"),
        state=_state(view),
        created_at=view.moment("created_at"),
    )


def _state(view: Entry) -> Literal["open", "shipped", "cancelled", "refunded"]:
    """An order whose pieces have all left is shipped, also before it is invoiced, when its state stays `processing`."""
    if cancelled(view):
        return "cancelled"
    if view.decimal("total_refunded", NONE) >= view.decimal("grand_total") > 0:
        return "refunded"
    items = view.entries("items", needed=True)
    sent = bool(items) and all(
        row.decimal("qty_shipped", NONE) + row.decimal("qty_canceled", NONE) >= row.decimal("qty_ordered")
        for row in items
    )
    return "shipped" if sent or view.text("state") == COMPLETE[0] else "open"
