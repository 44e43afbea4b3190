"""Our orders as they stand, by their time of creation; a page where many were made within one second."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Deadline
from lengow.adapters.woocommerce.api import Refusal, Shop
from lengow.adapters.woocommerce.body import CREATED_VIA, SHIPPED
from lengow.adapters.woocommerce.comparison import meta_of, total_of
from lengow.adapters.woocommerce.finding import SET_ASIDE
from lengow.adapters.woocommerce.settings import WooCommerceSettings
from lengow.adapters.woocommerce.shipments import FULFILMENT_STATUS, reference_of, shipments_in
from lengow.connector.listing import ListedOrder, ListedOrders

PAGE = 100
SECOND = timedelta(seconds=1)
FIELDS = "id,status,total,currency,date_created_gmt,date_paid_gmt,meta_data,line_items"
STATES: Mapping[str, Literal["cancelled", "refunded"]] = {"cancelled": "cancelled", "refunded": "refunded"}


class Lister:
    def __init__(self, shop: Shop, settings: WooCommerceSettings) -> None:
        self._shop, self._settings = shop, settings

    def since(self, since: datetime, cursor: str, deadline: Deadline) -> ListedOrders:
        """One page. Raises ShopUnavailable."""
        after, page = _read(cursor, since)
        views = self._made(after, page, deadline)
        found = tuple(self._listed(view) for view in views if reference_of(view) and not _half(view))
        if len(views) < PAGE:
            return ListedOrders(found, _written(after, page), more=False)
        last = _moment(views[-1])
        following = _written(after, page + 1) if last <= after + SECOND else _written(last - SECOND, 1)
        return ListedOrders(found, following, more=True)

    def _made(self, after: datetime, page: int, deadline: Deadline) -> Sequence[Entry]:
        """`created_via` is a filter since 9.9 only, so that each view is looked at."""
        try:
            return self._shop.page(
                "orders",
                deadline,
                after=f"{after:%Y-%m-%dT%H:%M:%S}",
                dates_are_gmt="true",
                created_via=CREATED_VIA,
                orderby="date",
                order="asc",
                per_page=PAGE,
                page=page,
                _fields=FIELDS,
            ).rows
        except Refusal as refusal:
            raise self._shop.unreadable(refusal) from refusal

    def _listed(self, view: Entry) -> ListedOrder:
        status = view.text("status")
        shipped = (
            meta_of(view, SHIPPED) == "yes"
            or meta_of(view, FULFILMENT_STATUS) == "fulfilled"
            or bool(shipments_in(view, self._settings))
        )
        return ListedOrder(
            id=str(view.whole("id")),
            reference=reference_of(view),
            total=total_of(view),
            currency=view.text("currency"),
            state=STATES.get(status, "shipped" if shipped else "open"),
            created_at=_moment(view),
        )


def _half(view: Entry) -> bool:
    """Left by a creation that was interrupted, or set aside: `find_order` settles these."""
    return meta_of(view, SET_ASIDE) == "yes" or (
        view.text("status") == "pending" and not view.text("date_paid_gmt", "")
    )


def _read(cursor: str, since: datetime) -> tuple[datetime, int]:
    """`after` leaves its own second out."""
    if not cursor:
        return since.astimezone(UTC) - SECOND, 1
    moment, _, page = cursor.partition("#")
    return datetime.fromisoformat(moment).replace(tzinfo=UTC), int(page)


def _written(moment: datetime, page: int) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}#{page}"


def _moment(view: Entry) -> datetime:
    return view.moment("date_created_gmt")
