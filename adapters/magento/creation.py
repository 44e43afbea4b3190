"""Creating orders: each by one save, with one look, one reading back and one taking of stock for all of a batch.

An order that takes stock is saved as *pending* first, and set to *processing* when its stock is taken: so the shop itself
tells what an interrupted creation left to do.
"""

import logging
from collections.abc import Mapping, Sequence

from lengow.adapters.answers import Entry
from lengow.adapters.calls import TOO_LATE, Busy, Deadline, Lost, in_order, not_begun
from lengow.adapters.magento.api import Api, Refusal
from lengow.adapters.magento.body import Composed, anchor_of, compose, note
from lengow.adapters.magento.facts import CANCELED, DUPLICATE
from lengow.adapters.magento.finishing import FAILURES, Finisher
from lengow.adapters.magento.products import Products
from lengow.adapters.magento.profile import Profiles
from lengow.adapters.magento.reading import Orders, difference, id_of, pending
from lengow.adapters.magento.refusals import rejected
from lengow.adapters.magento.settings import MagentoSettings
from lengow.adapters.magento.stock import Stock
from lengow.adapters.outcomes import Problem
from lengow.connector.adapter import Created, Outcome, Rejected, ShopOrder, Unknown
from lengow.connector.errors import ShopUnavailable
from lengow.connector.model import NewOrder

log = logging.getLogger("lengow.adapters.magento")

SENT = None
"""Of an order that the shop took, and that is still to be compared."""

Found = dict[str, Outcome | ShopUnavailable | None]
"""By reference. ShopUnavailable: it was surely not sent."""


class Creator:
    def __init__(
        self,
        api: Api,
        settings: MagentoSettings,
        profiles: Profiles,
        products: Products,
        orders: Orders,
        stock: Stock,
        *,
        free_lines: bool,
    ) -> None:
        self._api, self._settings, self._profiles = api, settings, profiles
        self._products, self._orders = products, orders
        self._finisher = Finisher(orders, stock)
        self._free_lines = free_lines

    def create(self, orders: Sequence[NewOrder], deadline: Deadline) -> list[Outcome]:
        """One outcome for each that was given. Raises ShopUnavailable where nothing was done for any."""
        wanted = {order.reference: order for order in orders}
        try:
            composed, found = self._composed(list(wanted.values()), deadline)
            held = self._orders.by_anchor([one.anchor for one in composed], deadline)
        except Refusal as refusal:
            return [rejected(order.reference, refusal) for order in orders]
        except Problem as problem:
            return [problem.outcome(order.reference) for order in orders]
        known = {anchor: (id_of(view), pending(view)) for anchor, view in held.items()}  # read before anything is sent
        for one in composed:
            found[one.reference] = (
                _created(one, known[one.anchor][0]) if one.anchor in known else self._send(one, deadline)
            )
        new = [one for one in composed if found[one.reference] is SENT]
        views, compared = self._compared(new, deadline)
        found |= compared
        unfinished = {one.reference: held[one.anchor] for one in composed if known.get(one.anchor, ("", False))[1]}
        found |= self._finished(views, unfinished, found, deadline)
        return in_order(orders, found)

    def find(self, reference: str, deadline: Deadline) -> ShopOrder | None:
        """An order whose stock is still to be taken is completed. Raises ShopUnavailable and Refusal."""
        if not reference:
            return None
        anchor = anchor_of(reference)
        view = self._orders.by_anchor([anchor], deadline).get(anchor)
        if view is None:
            return None
        if pending(view):
            problem = self._finisher.resume([view], deadline).get(anchor)
            if problem:
                raise ShopUnavailable(
                    f"The order {view.text('increment_id')} is there, and could not be completed: {problem}"
                )
        return ShopOrder(id_of(view), reference)

    def _composed(self, orders: Sequence[NewOrder], deadline: Deadline) -> tuple[list[Composed], Found]:
        """The entities to save, and the outcomes of those that cannot be. Raises as the look-ups do."""
        profile = self._profiles.get(deadline)
        products = self._products.find([line.sku for order in orders for line in order.lines], deadline)
        composed: list[Composed] = []
        found: Found = {}
        for order in orders:
            try:
                composed.append(compose(order, products, profile, self._settings, free_lines=self._free_lines))
            except Problem as problem:
                found[order.reference] = problem.outcome(order.reference)
        return composed, found

    def _send(self, order: Composed, deadline: Deadline) -> Outcome | ShopUnavailable | None:
        if deadline.late:
            return not_begun(order.reference, TOO_LATE)
        try:
            self._api.send("POST", "orders", {"entity": order.entity}, deadline)
        except ShopUnavailable as unavailable:
            return unavailable
        except Busy as busy:
            return busy.outcome(order.reference)
        except Refusal as refusal:
            # The number may be there because another attempt, given up here, came through meanwhile.
            return SENT if DUPLICATE in str(refusal) else rejected(order.reference, refusal)
        except Lost as lost:
            return lost.outcome(order.reference)
        return SENT

    def _compared(self, orders: Sequence[Composed], deadline: Deadline) -> tuple[dict[str, Entry], Found]:
        """The orders that are as they were sent, read back, and the outcomes of all."""
        if not orders:
            return {}, {}
        try:
            views = self._orders.by_anchor([one.anchor for one in orders], deadline)
        except (ShopUnavailable, Refusal) as error:
            return {}, {one.reference: _not_read_back(one, error) for one in orders}
        good: dict[str, Entry] = {}
        found: Found = {}
        for one in orders:
            view = views.get(one.anchor)
            if view is None:
                found[one.reference] = Unknown(one.reference, "the shop took it, and does not show it")
                continue
            try:
                differs = difference(one.entity, view)
                if differs is None:
                    good[one.reference], found[one.reference] = view, _created(one, id_of(view))
                else:
                    found[one.reference] = self._set_aside(one, view, differs.field, differs.sentence, deadline)
            except ShopUnavailable as error:
                found[one.reference] = _not_read_back(one, error)
        return good, found

    def _finished(
        self, views: Mapping[str, Entry], left_over: Mapping[str, Entry], found: Found, deadline: Deadline
    ) -> Found:
        """With the stock taken of those that are pending. `left_over`: were there before, pending."""
        new = {reference: view for reference, view in views.items() if pending(view)}
        problems = self._finisher.finish(list(new.values()), deadline) if new else {}
        problems |= self._finisher.resume(list(left_over.values()), deadline) if left_over else {}
        outcomes: Found = {}
        for reference, view in (new | dict(left_over)).items():
            problem = problems.get(view.text("ext_order_id"))
            outcomes[reference] = (
                Unknown(reference, f"it is in the shop, and {problem}") if problem else found[reference]
            )
        return outcomes

    def _set_aside(self, order: Composed, view: Entry, field: str, sentence: str, deadline: Deadline) -> Outcome:
        """The API deletes no order: it is cancelled under another number, so that the right one can be made."""
        state, status = CANCELED
        aside = {
            "increment_id": f"{view.text('increment_id')}-X{id_of(view)}"[-50:],
            "ext_order_id": "",
            "state": state,
            "status": status,
            "status_histories": [note(f"Not as it was sold: {sentence}", status)],
        }
        try:
            self._orders.save(view, deadline, **aside)
        except FAILURES as error:
            log.error("a wrong order stays in the shop", extra={"shop_order": id_of(view), "error": str(error)})
            reason = f"{sentence}; it could not be set aside ({error}): correct it by hand"
            return Unknown(order.reference, reason)
        reason = f"{sentence}. The order was cancelled as {aside['increment_id']}; look which extension changes orders."
        return Rejected(order.reference, reason, field=field)


def _created(order: Composed, order_id: str) -> Created:
    return Created(order.reference, ShopOrder(order_id, order.reference))


def _not_read_back(order: Composed, error: Exception) -> Unknown:
    return Unknown(order.reference, f"it was taken, and could not be read back: {error}")
