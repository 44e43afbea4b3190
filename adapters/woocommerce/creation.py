"""Creating orders: known ones are not posted again, several at once, each answer compared with what was sent."""

import logging
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal

from lengow.adapters.answers import Entry
from lengow.adapters.calls import TOO_LATE, Busy, Deadline, Lost, in_order, not_begun
from lengow.adapters.outcomes import Problem
from lengow.adapters.woocommerce.api import Refusal, Shop
from lengow.adapters.woocommerce.body import CREATED_VIA, Body, compose, note_of
from lengow.adapters.woocommerce.comparison import difference, mended_amounts, total_of
from lengow.adapters.woocommerce.finding import Finder
from lengow.adapters.woocommerce.products import Products, WooProduct
from lengow.adapters.woocommerce.profile import Profile, Profiles
from lengow.adapters.woocommerce.refusals import rejected
from lengow.adapters.woocommerce.settings import WooCommerceSettings
from lengow.connector.adapter import Created, Outcome, Rejected, ShopOrder, Unknown
from lengow.connector.errors import ShopUnavailable
from lengow.connector.model import NewOrder

log = logging.getLogger("lengow.adapters.woocommerce")

MOST_PAGES = 30
"""Of orders read to know which references the shop holds; where there are more, each is searched for."""
MARGIN = timedelta(days=1)
TRIES_AT_TOTAL = 2


class Creator:
    def __init__(
        self,
        shop: Shop,
        settings: WooCommerceSettings,
        profiles: Profiles,
        products: Products,
        finder: Finder,
        *,
        free_lines: bool,
    ) -> None:
        self._shop, self._settings = shop, settings
        self._profiles, self._products, self._finder = profiles, products, finder
        self._free_lines = free_lines
        self._known = KnownReferences(shop)
        self._pool = ThreadPoolExecutor(settings.parallel, "woocommerce")

    def create(self, orders: Sequence[NewOrder], deadline: Deadline) -> list[Outcome]:
        """One outcome an order. Raises ShopUnavailable when none was sent."""
        unique = {order.reference: order for order in orders}
        try:
            profile = self._profiles.get(deadline)
            products = self._products.find((line.sku for order in unique.values() for line in order.lines), deadline)
            searched = not self._known.cover(min(order.order.date for order in unique.values()) - MARGIN, deadline)
        except Refusal as refusal:
            return [rejected(order.reference, refusal) for order in orders]

        def one(order: NewOrder) -> Outcome | ShopUnavailable:
            with self._shop.lane.place():
                try:
                    return self._one(order, products, profile, deadline, searched=searched)
                except ShopUnavailable as error:
                    return error

        found = dict(zip(unique, self._pool.map(one, unique.values()), strict=True))
        return in_order(orders, found)

    def close(self) -> None:
        self._pool.shutdown()

    def _one(
        self,
        order: NewOrder,
        products: Mapping[str, tuple[WooProduct, ...]],
        profile: Profile,
        deadline: Deadline,
        *,
        searched: bool,
    ) -> Outcome:
        try:
            body = compose(order, products, profile, self._settings, free_lines=self._free_lines).body
        except Problem as problem:
            return problem.outcome(order.reference)
        try:
            if searched or self._known.holds(order.reference):
                held = self._finder.find(order.reference, deadline)
                if held is not None:
                    return Created(order.reference, held)
        except ShopUnavailable as error:
            return Unknown(order.reference, str(error))
        if deadline.late:
            return not_begun(order.reference, TOO_LATE)
        return self._post(order, body, deadline)

    def _post(self, order: NewOrder, body: Body, deadline: Deadline) -> Outcome:
        reference = order.reference
        self._known.sent(reference)
        try:
            view = self._shop.post("orders", body, deadline).entry
        except Refusal as refusal:
            self._clear_draft(refusal, deadline)
            self._known.refused(reference)
            return rejected(reference, refusal)
        except Busy as busy:
            self._shop.lane.trouble()
            self._known.refused(reference)
            return busy.outcome(reference)
        except ShopUnavailable:
            self._known.refused(reference)
            raise
        except Lost as lost:
            self._shop.lane.trouble()
            return lost.outcome(reference)
        self._shop.lane.went_well()
        return self._compared(order, body, view, deadline)

    def _compared(self, order: NewOrder, body: Body, view: Entry, deadline: Deadline) -> Outcome:
        """Created only if the order is what was sent, to the cent; what cannot be mended is set aside."""
        try:
            order_id = view.whole("id")
            found = difference(body, view)
            if found is not None:
                return self._not_as_sent(order, order_id, found.field, found.sentence, deadline)
            view = self._to_the_cent(view, order.total, deadline)
            if total_of(view) != order.total:
                sentence = f"The marketplace's total is {order.total}, and WooCommerce makes it {view.get('total')}"
                return self._not_as_sent(order, order_id, "total", sentence, deadline)
        except (Refusal, Busy, Lost, ShopUnavailable) as error:
            return Unknown(order.reference, f"The order was made and could not be completed: {error}.")
        if self._settings.private_note:
            self._add_note(order_id, order, deadline)
        return Created(order.reference, ShopOrder(str(order_id), order.reference))

    def _to_the_cent(self, view: Entry, wanted: Decimal, deadline: Deadline) -> Entry:
        for _ in range(TRIES_AT_TOTAL):
            if total_of(view) == wanted:
                break
            self._profiles.forget()  # its rates have changed, or something else than its rates makes its totals
            view = self._shop.put(f"orders/{view.whole('id')}", mended_amounts(view, wanted), deadline).entry
        return view

    def _not_as_sent(self, order: NewOrder, order_id: int, field: str, sentence: str, deadline: Deadline) -> Rejected:
        self._finder.set_aside(order_id, deadline, give_stock_back=True)
        self._known.refused(order.reference)
        reason = (
            f"{sentence}; the order {order_id} is in the shop's trash. Correct what is named in the order or the shop "
            "(a plugin that changes orders, or its settings), then retry the order."
        )
        return Rejected(order.reference, reason, field=field)

    def _clear_draft(self, refusal: Refusal, deadline: Deadline) -> None:
        """The draft that some refusals leave behind (FINDINGS (m))."""
        if refusal.draft is None:
            return
        try:
            self._shop.delete(f"orders/{refusal.draft}", deadline, force="true")
        except (Refusal, Busy, Lost, ShopUnavailable) as error:
            log.warning("a draft was left in the shop", extra={"shop_order": refusal.draft, "error": str(error)})

    def _add_note(self, order_id: int, order: NewOrder, deadline: Deadline) -> None:
        """Its failure fails nothing: the same text is the order's customer note."""
        try:
            self._shop.post(f"orders/{order_id}/notes", {"note": note_of(order)}, deadline)
        except (Refusal, Busy, Lost, ShopUnavailable) as error:
            log.warning("a note was not added", extra={"shop_order": order_id, "error": str(error)})


class KnownReferences:
    """Which references the shop may hold: read once for a time, then kept by what is sent here.

    It only spares searches: a reference that it holds is searched for in the shop before it is posted.
    """

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._references: set[str] = set()
        self._since: datetime | None = None
        self._lock = threading.Lock()

    def cover(self, since: datetime, deadline: Deadline) -> bool:
        """Read the orders made since `since`, where they are not known yet; False when they are too many.

        No order can have been made here before it was sold on the marketplace.
        """
        with self._lock:
            if self._since is not None and self._since <= since:
                return True
            window = {"after": _text(since), "dates_are_gmt": "true", "created_via": CREATED_VIA}
            if self._since is not None:
                window["before"] = _text(self._since + MARGIN)
            page, pages, found = 1, 1, set()
            while page <= pages:
                answer = self._shop.page(
                    "orders", deadline, per_page=100, page=page, orderby="id", order="asc",
                    _fields="id,transaction_id", **window,
                )  # fmt: skip
                if answer.pages > MOST_PAGES:
                    return False
                found |= {row.text("transaction_id", "") for row in answer.rows}
                page, pages = page + 1, answer.pages
            self._references |= found
            self._since = since
            return True

    def holds(self, reference: str) -> bool:
        with self._lock:
            return reference in self._references

    def sent(self, reference: str) -> None:
        with self._lock:
            self._references.add(reference)

    def refused(self, reference: str) -> None:
        with self._lock:
            self._references.discard(reference)


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}"
