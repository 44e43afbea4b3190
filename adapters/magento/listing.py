"""Our orders as they stand, by their ids, which only grow (§3.1)."""

from datetime import UTC, datetime
from typing import Literal

from lengow.adapters.calls import Deadline
from lengow.adapters.magento.api import Api, Refusal
from lengow.adapters.magento.body import ANCHOR
from lengow.adapters.magento.facts import COMPLETE
from lengow.adapters.magento.profile import decimal
from lengow.adapters.magento.reading import View, cancelled, pending, reference_of, rows, text
from lengow.connector.errors import ShopUnavailable
from lengow.connector.listing import ListedOrder, ListedOrders

FIELDS = (
    "entity_id,ext_order_id,state,created_at,grand_total,order_currency_code,total_refunded,"
    "payment[additional_information],items[item_id,qty_ordered,qty_shipped,qty_canceled]"
)


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
            raise ShopUnavailable(f"The shop does not let its orders be read: {refusal}.") from refusal
        found = tuple(_listed(view) for view in views if reference_of(view) and not pending(view))
        following = int(views[-1]["entity_id"]) + 1 if views else start
        return ListedOrders(found, str(following), total > len(views) > 0)


def _listed(view: View) -> ListedOrder:
    return ListedOrder(
        id=text(view["entity_id"]),
        reference=reference_of(view),
        total=decimal(view["grand_total"]),
        currency=text(view.get("order_currency_code")),
        state=_state(view),
        created_at=datetime.fromisoformat(str(view["created_at"])).replace(tzinfo=UTC),
    )


def _state(view: View) -> Literal["open", "shipped", "cancelled", "refunded"]:
    """An order whose pieces have all left is shipped, also before it is invoiced, when its state stays `processing`."""
    if cancelled(view):
        return "cancelled"
    if decimal(view.get("total_refunded") or 0) >= decimal(view["grand_total"]) > 0:
        return "refunded"
    items = rows(view.get("items"))
    sent = bool(items) and all(
        decimal(row.get("qty_shipped") or 0) + decimal(row.get("qty_canceled") or 0) >= decimal(row["qty_ordered"])
        for row in items
    )
    return "shipped" if sent or view.get("state") == COMPLETE[0] else "open"
