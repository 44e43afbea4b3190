"""Finding an order by its reference, and what to do with what an interrupted creation left.

The way: the order's own customer (by his e-mail address, which the shop gives out once), and his orders. A half-made
order blocks its cart for good (FINDINGS, Doubles), so it is completed or cancelled here, never left.
"""

import logging
from collections.abc import Sequence
from datetime import datetime

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Busy, Deadline, Lost
from lengow.adapters.prestashop.api import Refusal, Webservice, id_of, text
from lengow.adapters.prestashop.comparison import difference, rows_of
from lengow.adapters.prestashop.finishing import Finisher, NotAsSold
from lengow.adapters.prestashop.plan import Plan, email_of, is_aside, is_being_set_aside, mark_in, plan_in
from lengow.adapters.prestashop.profile import Profile, Profiles, number
from lengow.connector.adapter import ShopOrder
from lengow.connector.errors import ShopUnavailable

log = logging.getLogger("lengow.adapters.prestashop")

SETTLE_SECONDS = 120.0
"""After which a PHP worker that still makes an order is surely dead: hosts end them after 30 to 60 s."""
UNTOUCHED_SECONDS = 60
"""An order changed later than this after its creation has been in a person's hands, and is left as it is."""
CUSTOMER_FIELDS = "[id,secure_key,note,id_shop,id_shop_group,date_upd]"
"""Never all of them: the password hash is among them."""
FAILURES = (Lost, Busy, Refusal)
LOST = "The note of the customer {id} was changed, and with it what his order was to be: delete him, then retry."


class Found:
    """The order's own customer, and what he tells."""

    def __init__(self, row: Entry, now: datetime) -> None:
        self.row, self.id = row, id_of(row)
        self.plan: Plan | None = plan_in(text(row, "note"))
        self.now = now


class Finder:
    def __init__(self, shop: Webservice, profiles: Profiles, finisher: Finisher, email_domain: str) -> None:
        self._shop, self._profiles, self._finisher = shop, profiles, finisher
        self._email_domain = email_domain

    def find(self, reference: str, deadline: Deadline) -> ShopOrder | None:
        """The complete order of exactly this reference; half ones are settled. Raises ShopUnavailable and Refusal."""
        customer = self.customer(reference, deadline) if reference else None
        return self.settled(reference, customer, deadline) if customer else None

    def customer(self, reference: str, deadline: Deadline) -> Found | None:
        email = email_of(reference, self._email_domain)
        rows, now = self._shop.listed("customers", deadline, CUSTOMER_FIELDS, email=email)
        return Found(rows[0], now) if rows else None

    def settled(self, reference: str, customer: Found, deadline: Deadline) -> ShopOrder | None:
        """Of several complete ones, the first that was made. None: none is there, and none is being made."""
        profile = self._profiles.get(deadline)
        by_cart: dict[str, list[Entry]] = {}
        for view in self._orders(customer, deadline):
            if is_being_set_aside(text(view, "note"), reference):
                self._set_aside(view, customer, profile, deadline)
            elif _is_ours(view, reference, customer.plan):
                by_cart.setdefault(text(view, "id_cart"), []).append(view)
        complete = []
        for first, *doubles in by_cart.values():
            if self._is_settled(first, reference, customer, profile, deadline):
                complete.append(id_of(first))
                self._clear_doubles(doubles, customer, profile, deadline)
        if len(complete) > 1:
            log.error("several orders with one reference", extra={"reference": reference, "orders": complete})
        if complete:
            return ShopOrder(complete[0], reference)
        if not (customer.plan and customer.plan.released):
            changed = customer.row.moment("date_upd", profile.zone)
            self._check_age(changed, f"the order for customer {customer.id}", customer.now)
        return None

    def _clear_doubles(self, views: Sequence[Entry], customer: Found, profile: Profile, deadline: Deadline) -> None:
        """Further orders of a cart (capture 205). One that a person has changed since is left to him."""
        for double in views:
            view = self._shop.one("orders", id_of(double), deadline)
            if view is None or is_aside(text(view, "note")):
                continue
            if _untouched(view):
                self._set_aside(view, customer, profile, deadline)
            else:
                log.error("a second order of one cart", extra={"shop_order": id_of(view)})

    def _set_aside(self, view: Entry, customer: Found, profile: Profile, deadline: Deadline) -> None:
        if customer.plan is None:
            raise ShopUnavailable(LOST.format(id=customer.id))
        try:
            self._finisher.set_aside([view], customer.plan, profile, "It was not as sold, or a second one.", deadline)
        except FAILURES as error:
            raise _unsettled(view, error) from error

    def _orders(self, customer: Found, deadline: Deadline) -> Sequence[Entry]:
        return self._shop.rows("orders", deadline, id_customer=customer.id, sort_="[id_ASC]")

    def _is_settled(self, view: Entry, reference: str, customer: Found, profile: Profile, deadline: Deadline) -> bool:
        """Whether the order is complete, or could be completed; what is neither is set aside."""
        state, mark = number(view, "current_state"), mark_in(text(view, "note"))
        unfinished = mark is None or state in (0, profile.number("PS_OS_ERROR"))
        if not unfinished and state in profile.bad_states:
            return True  # the merchant, or the marketplace, has cancelled it
        plan = customer.plan
        if plan is None or plan.reference != reference:
            if not unfinished:
                return True
            raise ShopUnavailable(LOST.format(id=customer.id))
        if unfinished:
            made = view.moment("date_add", profile.zone)
            self._check_age(made, f"the order {id_of(view)}", customer.now)
        try:
            return self._settle(view, plan, profile, deadline, marked=mark is not None)
        except FAILURES as error:
            raise _unsettled(view, error) from error

    def _settle(self, view: Entry, plan: Plan, profile: Profile, deadline: Deadline, *, marked: bool) -> bool:
        order_id, cart_id, state = id_of(view), text(view, "id_cart"), number(view, "current_state")
        try:
            if state == 0 and rows_of(view) == plan.quantities():
                # Its stock is taken and nothing is paid: the paid state adds payment and invoice (captures 233, 293).
                self._finisher.enter(order_id, profile.first_state, deadline)
                self._finisher.finish(order_id, cart_id, plan, profile, deadline)
            elif state in profile.bad_states:
                self._finisher.set_cart_aside(cart_id, plan, profile, "It was half made.", deadline)
                return False
            elif not marked:
                self._finisher.finish(order_id, cart_id, plan, profile, deadline)
            else:
                found = difference(plan, view, profile) if _untouched(view) else None
                if found is not None:
                    raise NotAsSold(found)
                self._finisher.rest(view, plan, profile, deadline)
        except NotAsSold as problem:
            self._finisher.set_cart_aside(cart_id, plan, profile, f"{problem}.", deadline)
            return False
        return True

    def _check_age(self, made: datetime, what: str, now: datetime) -> None:
        age = (now - made).total_seconds()
        if age < SETTLE_SECONDS:
            raise ShopUnavailable(f"The shop may still be making {what}: it is {age:.0f} s old and not complete.")


def _unsettled(view: Entry, error: Exception) -> ShopUnavailable:
    return ShopUnavailable(f"The order {id_of(view)}, left unfinished, could not be settled: {error}.")


def _is_ours(view: Entry, reference: str, plan: Plan | None) -> bool:
    """Marked so, or made for our customer by our payment and not marked yet."""
    note = text(view, "note")
    if is_aside(note):
        return False
    mark = mark_in(note)
    if mark is not None:
        return mark.reference == reference
    return plan is not None and text(view, "payment") == plan.payment


def _untouched(view: Entry) -> bool:
    added, changed = (view.moment(name) for name in ("date_add", "date_upd"))
    return abs((changed - added).total_seconds()) <= UNTOUCHED_SECONDS
