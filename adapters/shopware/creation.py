"""Creating orders: many by one sync call, and whatever one order has wrong fails that one only.

A sync call is one transaction (§4.9): a refused one is sent again without the rows that it names.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from lengow.adapters.calls import TOO_LATE, Busy, Deadline, Lost, in_order, not_begun
from lengow.adapters.outcomes import Problem
from lengow.adapters.shopware.api import Api, Refusal
from lengow.adapters.shopware.body import CANCELLED as CANCELLED_HERE
from lengow.adapters.shopware.body import Composed, compose
from lengow.adapters.shopware.comparison import difference
from lengow.adapters.shopware.facts import CANCELLED, FOREIGN_KEY_BROKEN, STATE_NOT_WRITABLE
from lengow.adapters.shopware.ids import id_of
from lengow.adapters.shopware.products import Products
from lengow.adapters.shopware.profile import Profiles
from lengow.adapters.shopware.reading import WRITTEN, Orders
from lengow.adapters.shopware.refusals import by_row, rejected
from lengow.adapters.shopware.settings import ShopwareSettings
from lengow.connector.adapter import Created, Outcome, Rejected, ShopOrder, Unknown
from lengow.connector.errors import ShopUnavailable
from lengow.connector.model import NewOrder

log = logging.getLogger("lengow.adapters.shopware")

KEY = "orders"
SENT = None
"""Of an order that the shop took, and that is still to be compared."""

Found = dict[str, Outcome | ShopUnavailable | None]
"""By reference. ShopUnavailable: it was surely not sent."""


class Creator:
    def __init__(
        self,
        api: Api,
        settings: ShopwareSettings,
        profiles: Profiles,
        products: Products,
        orders: Orders,
        clock: Callable[[], datetime],
        *,
        free_lines: bool,
    ) -> None:
        self._api, self._settings, self._profiles = api, settings, profiles
        self._products, self._orders, self._clock = products, orders, clock
        self._free_lines = free_lines

    def create(self, orders: Sequence[NewOrder], deadline: Deadline) -> list[Outcome]:
        """One outcome for each that was given. Raises ShopUnavailable where nothing was done for any."""
        wanted = {order.reference: order for order in orders}
        try:
            composed, found = self._composed(list(wanted.values()), deadline)
            held = self._orders.held([one.id for one in composed], deadline)
        except Refusal as refusal:
            return [rejected(order.reference, refusal) for order in orders]
        except Problem as problem:
            return [problem.outcome(order.reference) for order in orders]
        found |= {one.reference: _created(one) for one in composed if one.id in held}
        new = [one for one in composed if one.id not in held]
        found |= self._send(new, deadline)
        taken = [one for one in new if found[one.reference] is SENT]
        found |= self._compared(taken, deadline)
        return in_order(orders, found)

    def find(self, reference: str, deadline: Deadline) -> ShopOrder | None:
        """An order is written whole or not at all, so that one that is there is complete.

        Raises ShopUnavailable and Refusal.
        """
        if not reference:
            return None
        id_ = id_of(reference)
        return ShopOrder(id_, reference) if self._orders.held([id_], deadline) else None

    def _composed(self, orders: Sequence[NewOrder], deadline: Deadline) -> tuple[list[Composed], Found]:
        """The rows to write, and the outcomes of those that cannot be. Raises as the look-ups do."""
        profile = self._profiles.get(deadline)
        products = self._products.find([line.sku for order in orders for line in order.lines], deadline)
        composed: list[Composed] = []
        found: Found = {}
        for order in orders:
            try:
                composed.append(
                    compose(order, products, profile, self._settings, self._clock(), free_lines=self._free_lines)
                )
            except Problem as problem:
                found[order.reference] = problem.outcome(order.reference)
        return composed, found

    def _send(self, orders: Sequence[Composed], deadline: Deadline) -> Found:
        if not orders:
            return {}
        if deadline.late:
            return {one.reference: not_begun(one.reference, TOO_LATE) for one in orders}
        try:
            self._api.sync({KEY: ("order", [one.row for one in orders])}, deadline)
        except ShopUnavailable as unavailable:
            return {one.reference: unavailable for one in orders}
        except Busy as busy:
            return {one.reference: busy.outcome(one.reference) for one in orders}
        except Refusal as refusal:
            return self._refused(orders, refusal, deadline)
        except Lost as lost:
            return self._lost(orders, lost, deadline)
        return {one.reference: SENT for one in orders}

    def _refused(self, orders: Sequence[Composed], refusal: Refusal, deadline: Deadline) -> Found:
        """Those that are named fail; where none is, the two halves are tried apart."""
        told = by_row(refusal, len(orders))
        if len(orders) == 1:
            told = {0: refusal}
        if not told:
            middle = len(orders) // 2
            return {**self._send(orders[:middle], deadline), **self._send(orders[middle:], deadline)}
        found: Found = {orders[row].reference: self._outcome(orders[row], part) for row, part in told.items()}
        return found | self._send([one for row, one in enumerate(orders) if row not in told], deadline)

    def _outcome(self, order: Composed, refusal: Refusal) -> Outcome | None:
        if any(STATE_NOT_WRITABLE in one.detail for one in refusal.violations):
            return SENT  # another attempt, given up here, came through meanwhile
        if any(FOREIGN_KEY_BROKEN in one.detail for one in refusal.violations):
            self._profiles.forget()
            self._products.forget()
        return rejected(order.reference, refusal)

    def _lost(self, orders: Sequence[Composed], lost: Lost, deadline: Deadline) -> Found:
        """Where Shopware itself failed over a batch, each order alone shows which one it fails over."""
        unknown: Found = {one.reference: lost.outcome(one.reference) for one in orders}
        if not lost.by_shop or len(orders) == 1:
            return unknown
        try:
            held = self._orders.held([one.id for one in orders], deadline)
        except (ShopUnavailable, Refusal):
            return unknown
        found: Found = {}
        for one in orders:
            found |= {one.reference: SENT} if one.id in held else self._send([one], deadline)
        return found

    def _compared(self, orders: Sequence[Composed], deadline: Deadline) -> Found:
        if not orders:
            return {}
        try:
            views = self._orders.views([one.id for one in orders], WRITTEN, deadline)
        except (ShopUnavailable, Refusal) as error:
            return {one.reference: _not_read_back(one, error) for one in orders}
        found: Found = {}
        for one in orders:
            view = views.get(one.id)
            if view is None:
                found[one.reference] = Unknown(one.reference, "the shop took it, and does not show it")
                continue
            try:
                differs = difference(one.row, view)
            except ShopUnavailable as error:
                found[one.reference] = _not_read_back(one, error)
                continue
            found[one.reference] = _created(one) if differs is None else self._set_aside(one, deadline)
            if differs is not None and isinstance(found[one.reference], Rejected):
                reason = f"{differs.sentence}. The order was removed again; look which app or plugin changes orders."
                found[one.reference] = Rejected(one.reference, reason, field=differs.field)
        return found

    def _set_aside(self, order: Composed, deadline: Deadline) -> Outcome:
        """Cancelled first, which gives its stock back once, then deleted; marked, so that this is not told as news."""
        try:
            marked = {"id": order.id, "customFields": {CANCELLED_HERE: "set aside"}}
            self._api.sync({KEY: ("order", [marked])}, deadline)
            self._api.move("order", order.id, "cancel", deadline, mail=False)
            self._api.sync({KEY: ("order", [{"id": order.id}])}, deadline, "delete")
        except (Lost, Busy, Refusal, ShopUnavailable) as error:
            log.error("a wrong order stays in the shop", extra={"shop_order": order.id, "error": str(error)})
            reason = f"it differs from what was sold, and could not be removed again ({error}): correct it by hand"
            return Unknown(order.reference, reason)
        log.warning("order set aside", extra={"shop_order": order.id, "state": CANCELLED})
        return Rejected(order.reference, "it differs from what was sold")


def _created(order: Composed) -> Created:
    return Created(order.reference, ShopOrder(order.id, order.reference))


def _not_read_back(order: Composed, error: Exception) -> Unknown:
    return Unknown(order.reference, f"it was taken, and could not be read back: {error}")
