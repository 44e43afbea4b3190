"""Our orders as they stand, by their ids, which only grow. The shop's dates are of its own zone (FINDINGS, Lists)."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Deadline
from lengow.adapters.prestashop.api import Refusal, Webservice, id_of, text
from lengow.adapters.prestashop.plan import MARK, Mark, mark_in
from lengow.adapters.prestashop.profile import Profile, Profiles, number
from lengow.connector.listing import ListedOrder, ListedOrders

PAGE = 100
FIELDS = "[id,current_state,date_add,note,total_paid_tax_incl,id_currency]"
HIGHEST, FAR = "4294967295", "2099-12-31 23:59:59"
CLOCK_CHANGE = timedelta(hours=1)
"""An hour of local time comes twice in autumn: what is listed begins that much earlier."""


class Lister:
    def __init__(self, shop: Webservice, profiles: Profiles) -> None:
        self._shop, self._profiles = shop, profiles

    def since(self, since: datetime, cursor: str, deadline: Deadline) -> ListedOrders:
        """One page. Raises ShopUnavailable."""
        try:
            profile = self._profiles.get(deadline)
            first = (since - CLOCK_CHANGE).astimezone(profile.zone)
            views = self._shop.rows(
                "orders",
                deadline,
                FIELDS,
                id=f"[{cursor or 1},{HIGHEST}]",
                note=f"%[{MARK.strip()}]%",
                date_add=f"[{first:%Y-%m-%d %H:%M:%S},{FAR}]",
                date_="1",
                sort_="[id_ASC]",
                limit_=f"0,{PAGE}",
            )
        except Refusal as refusal:
            raise self._shop.unreadable(refusal) from refusal
        found = [_listed(view, mark, profile) for view in views if (mark := mark_in(text(view, "note"))) is not None]
        following = str(views[-1].whole("id") + 1) if views else cursor
        orders = tuple(one for one in found if one is not None and one.created_at >= since)
        return ListedOrders(orders, following, len(views) == PAGE)


def _listed(view: Entry, mark: Mark, profile: Profile) -> ListedOrder | None:
    """None where a creation that was interrupted left it: `find_order` settles that."""
    state = number(view, "current_state")
    if state in (0, profile.number("PS_OS_ERROR")):
        return None
    currency, total = number(view, "id_currency"), view.decimal("total_paid_tax_incl")
    return ListedOrder(
        id=id_of(view),
        reference=mark.reference,
        total=total,
        currency=next((code for code, id_ in profile.currencies.items() if id_ == currency), ""),
        state=_state(state, mark, total, profile),
        created_at=view.moment("date_add", profile.zone),
    )


def _state(
    state: int, mark: Mark, total: Decimal, profile: Profile
) -> Literal["open", "shipped", "cancelled", "refunded"]:
    if state == profile.number("PS_OS_CANCELED"):
        return "cancelled"
    if mark.refunds and sum(mark.refunds.values()) >= total:
        return "refunded"
    return "shipped" if mark.shipped or state in profile.shipped_states else "open"
