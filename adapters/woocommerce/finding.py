"""Finding an order by its reference, and what to do with what an interrupted creation left (FINDINGS (d), (n)).

A killed worker leaves a pending order of 0.00 with some lines, or a complete one whose stock was not taken. Both carry
our `transaction_id`, which is in the very first INSERT.
"""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Busy, Deadline, Lost
from lengow.adapters.woocommerce.api import Refusal, Shop
from lengow.adapters.woocommerce.body import CREATED_VIA, STATUS, STOCK, STOCK_TAKEN, TOTAL, meta
from lengow.adapters.woocommerce.comparison import mended_amounts, meta_amount, meta_of, meta_text, total_of
from lengow.adapters.woocommerce.products import Products
from lengow.adapters.woocommerce.profile import Profiles
from lengow.connector.adapter import ShopOrder
from lengow.connector.decode import clean
from lengow.connector.errors import ShopUnavailable

log = logging.getLogger("lengow.adapters.woocommerce")

SETTLE_SECONDS = 120.0
"""After which a PHP worker that still fills an order is surely dead: hosts end them after 30 to 60 s."""
LOOK_BACK = timedelta(days=30)
"""How far back an order is looked for where the shop cannot search by transaction id."""
UNTOUCHED_SECONDS = 60
"""An order changed later than this after its creation has been in a person's hands, and is left as it is."""
FIELDS = (
    "id,status,transaction_id,total,date_created_gmt,date_modified_gmt,date_paid_gmt,"
    "shipping,line_items,shipping_lines,fee_lines,meta_data"
)
NO_TRASH = 501
TRIES_AT_TOTAL = 2
STATUSES_WITH_STOCK = frozenset({"processing", "completed", "on-hold"})
"""Ours have one of these, in which WooCommerce takes the stock."""
SETTLING, SET_ASIDE = "_lengow_settling", "_lengow_set_aside"
"""Marks of a work of several requests, so that it is ended where it was interrupted."""


class Finder:
    def __init__(self, shop: Shop, profiles: Profiles, products: Products) -> None:
        self._shop, self._profiles, self._products = shop, profiles, products

    def find(self, reference: str, deadline: Deadline) -> ShopOrder | None:
        """The complete order of exactly this reference; half ones are set aside. Raises ShopUnavailable.

        Of several complete ones, the first that was made.
        """
        if not reference:
            return None
        complete = []
        for view, now in list(self._named(reference, deadline)):  # settling changes the list
            if self._settled(view, now, deadline):
                complete.append(view.whole("id"))
        if len(complete) > 1:
            log.error("several orders with one reference", extra={"reference": reference, "orders": complete})
        return ShopOrder(str(min(complete)), reference) if complete else None

    def set_aside(self, order_id: int, deadline: Deadline, *, give_stock_back: bool) -> None:
        """Into the trash, where the merchant can look at it. Raises Lost, Busy, Refusal, ShopUnavailable."""
        if give_stock_back:
            body = {"status": "cancelled", "meta_data": [meta(SET_ASIDE, "yes")]}
            self._shop.put(f"orders/{order_id}", body, deadline)
        try:
            self._shop.delete(f"orders/{order_id}", deadline)
        except Refusal as refusal:
            if refusal.status != NO_TRASH:
                raise
            self._shop.delete(f"orders/{order_id}", deadline, force="true")
        log.warning("order set aside", extra={"shop_order": order_id})

    def _named(self, reference: str, deadline: Deadline) -> Iterator[tuple[Entry, datetime]]:
        """The views with exactly this reference, and the shop's time. The filters are not to be trusted (trap 6)."""
        if self._profiles.get(deadline).searches_transaction_id:
            yield from self._listed(reference, deadline, FIELDS, search=reference, created_via=CREATED_VIA)
            return
        since = f"{datetime.now(UTC) - LOOK_BACK:%Y-%m-%dT%H:%M:%S}"
        light = self._listed(reference, deadline, "id,transaction_id", after=since, dates_are_gmt="true")
        for view, _ in list(light):
            yield from self._listed(reference, deadline, FIELDS, include=view.text("id"))

    def _listed(
        self, reference: str, deadline: Deadline, fields: str, **search: str
    ) -> Iterator[tuple[Entry, datetime]]:
        page, pages = 1, 1
        while page <= pages:
            answer = self._shop.page(
                "orders", deadline, per_page=100, page=page, orderby="id", order="asc", _fields=fields, **search
            )
            for view in answer.rows:
                if view.text("transaction_id", "") == clean(reference):
                    yield view, answer.at
            page, pages = page + 1, answer.pages

    def _settled(self, view: Entry, now: datetime, deadline: Deadline) -> bool:
        """Whether the order is complete, or could be completed; what is neither is set aside."""
        order_id = view.whole("id")
        try:
            if meta_of(view, SET_ASIDE) == "yes":
                self.set_aside(order_id, deadline, give_stock_back=False)
                return False
            if meta_of(view, SETTLING) == "yes":
                self._move(order_id, meta_text(view, STATUS), "", deadline)
            elif _half(view):
                self._check_age(view, now)
                self.set_aside(order_id, deadline, give_stock_back=False)
                return False
            elif _untouched(view) and view.text("status") in STATUSES_WITH_STOCK:
                return self._complete(view) or self._completed(view, now, deadline)
        except (Lost, Busy, Refusal) as error:
            raise ShopUnavailable(f"The order {order_id}, left unfinished, could not be settled: {error}.") from error
        return True

    def _check_age(self, view: Entry, now: datetime) -> None:
        age = (now - view.moment("date_created_gmt")).total_seconds()
        if age < SETTLE_SECONDS:
            raise ShopUnavailable(
                f"The shop may still be making the order {view.whole('id')}: it is {age:.0f} s old and not complete."
            )

    def _complete(self, view: Entry) -> bool:
        """Whether nothing is missing at first sight, which needs no request."""
        taken = _took_stock(view)
        wanted = meta_amount(view, TOTAL)
        return total_of(view) == wanted and _addressed(view) and (taken or meta_of(view, STOCK) != STOCK_TAKEN)

    def _completed(self, view: Entry, now: datetime, deadline: Deadline) -> bool:
        """The amounts mended to the cent and the stock taken; False when it was beyond mending, and is set aside."""
        self._check_age(view, now)
        order_id, wanted = view.whole("id"), meta_amount(view, TOTAL)
        for _ in range(TRIES_AT_TOTAL):
            if wanted is not None and total_of(view) != wanted:
                view = self._shop.put(f"orders/{order_id}", mended_amounts(view, wanted), deadline).entry
        if total_of(view) != wanted or not _addressed(view):
            self.set_aside(order_id, deadline, give_stock_back=True)
            return False
        if self._lacks_stock(view, deadline):
            # Stock is taken when an order comes to one of these statuses and was not taken before.
            status = view.text("status")
            self._move(order_id, "processing" if status == "on-hold" else "on-hold", "yes", deadline)
            self._move(order_id, status, "", deadline)
        return True

    def _move(self, order_id: int, status: str, settling: str, deadline: Deadline) -> None:
        """To a status; `settling` marks the order until it is back, so that no crash leaves it in between."""
        self._shop.put(f"orders/{order_id}", {"status": status, "meta_data": [meta(SETTLING, settling)]}, deadline)

    def _lacks_stock(self, view: Entry, deadline: Deadline) -> bool:
        """Whether stock was to be taken, no line says that it was, and a product of the order keeps stock."""
        if _took_stock(view) or meta_of(view, STOCK) != STOCK_TAKEN:
            return False
        found = self._products.find([line.text("sku", "") for line in _lines(view)], deadline)
        return any(product.manages_stock for products in found.values() for product in products)


def _half(view: Entry) -> bool:
    """Pending and never paid: ours get their status in the last step, and are paid then."""
    return view.text("status") == "pending" and not view.text("date_paid_gmt", "")


def _lines(view: Entry) -> list[Entry]:
    return view.entries("line_items", needed=True)


def _took_stock(view: Entry) -> bool:
    return any(meta_of(line, "_reduced_stock") is not None for line in _lines(view))


def _untouched(view: Entry) -> bool:
    created, modified = (view.moment(name) for name in ("date_created_gmt", "date_modified_gmt"))
    return (modified - created).total_seconds() <= UNTOUCHED_SECONDS


def _addressed(view: Entry) -> bool:
    return bool(view.entry("shipping").text("country", ""))
