"""Taking the stock of orders that are saved, and moving them on: once, wherever it is interrupted.

A quantity of a source is written as a whole and without a trace. So it is told before, in a comment of one of the orders
(the *first*), what the quantities are to become, and for which orders. Whoever comes after an interruption reads that,
and sees from the quantities whether they were written. The first order is moved on last: as long as any of them is
pending, what was told can be found. Before the quantities are written again, what was told before is settled: afterwards
nobody could see any more whether it was written.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import chain
from urllib.parse import quote, unquote

import msgspec

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Busy, Deadline, Lost
from lengow.adapters.magento.api import Refusal
from lengow.adapters.magento.body import final_of, note
from lengow.adapters.magento.facts import PENDING
from lengow.adapters.magento.reading import Orders
from lengow.adapters.magento.stock import Stock, pieces_of, quantities
from lengow.connector.errors import ShopUnavailable

log = logging.getLogger("lengow.adapters.magento")

FAILURES = (Refusal, Busy, Lost, ShopUnavailable)
TOLD = re.compile(r"Lengow takes stock for ([\w,]+): (.+)")
OF_SKU = re.compile(r"(\S+) (-?[\d.]+) to (-?[\d.]+)")

Problems = dict[str, str]
"""By `ext_order_id`: why an order is still pending."""


class Taking(msgspec.Struct, frozen=True):
    """What the quantities of the source are to become, and for which orders (their `ext_order_id`)."""

    anchors: tuple[str, ...]
    quantities: Mapping[str, tuple[Decimal, Decimal]]
    """By SKU: before and after."""
    told_at: str = ""
    """As Magento writes times."""

    def touched(self, now: Mapping[str, Decimal]) -> bool:
        """Whether the quantities were changed since, by this or by others."""
        return any(sku in now and now[sku] != before for sku, (before, _) in self.quantities.items())

    def written(self, now: Mapping[str, Decimal]) -> bool:
        """Whether the quantities were written: all of them are, or none (one transaction).

        Others may have lowered them further. Shipments, which lower them too, are left out of `now` by who asks.
        """
        known = [(now[sku], *both) for sku, both in self.quantities.items() if sku in now]
        untouched = any(held == before for held, before, _ in known)
        return not untouched and all(held <= after for held, _, after in known)


class Finisher:
    def __init__(self, orders: Orders, stock: Stock) -> None:
        self._orders, self._stock = orders, stock

    def finish(self, views: Sequence[Entry], deadline: Deadline) -> Problems:
        """Of pending orders that were saved just now."""
        try:
            self._settle_told(views, deadline)
        except FAILURES as error:
            return dict.fromkeys(map(_anchor, views), f"what was taken before could not be seen: {error}")
        return self._finish(views, deadline)

    def _settle_told(self, views: Sequence[Entry], deadline: Deadline) -> None:
        """What was told of the same goods, of other orders, and may not be written. Raises as the calls do."""
        own, skus = set(map(_anchor, views)), pieces_of(_items(views)).keys()
        pending = {_anchor(row): row for row in self._orders.pending(deadline)}
        for first in pending.values():
            taking = taking_in(first)
            if taking is None or own & {_anchor(first), *taking.anchors} or not skus & taking.quantities.keys():
                continue
            others = [pending[one] for one in taking.anchors if one in pending and one != _anchor(first)]
            if not self._written(taking, deadline):
                self._take([first, *others], deadline)
            self._move_on([first, *others], deadline)

    def _written(self, taking: Taking, deadline: Deadline) -> bool:
        now = self._stock.held(taking.quantities, deadline)
        if taking.told_at and taking.touched(now):
            shipped = self._orders.shipped_since(taking.told_at, deadline)
            now = {sku: held + shipped.get(sku, Decimal(0)) for sku, held in now.items()}
        return taking.written(now)

    def _finish(self, views: Sequence[Entry], deadline: Deadline) -> Problems:
        try:
            self._take(views, deadline)
        except FAILURES as error:
            return dict.fromkeys(map(_anchor, views), f"its stock could not be taken: {error}")
        return self._move_on(views, deadline)

    def resume(self, views: Sequence[Entry], deadline: Deadline) -> Problems:
        """Of pending orders that an interruption left, with all that were begun together with them."""
        try:
            pending = {_anchor(row): row for row in self._orders.pending(deadline)}
            tellings = [(row, taking_in(row)) for row in pending.values()]
        except FAILURES as error:
            return dict.fromkeys(map(_anchor, views), f"its stock could not be looked at: {error}")
        problems: Problems = {}
        open_ = {_anchor(view): view for view in views if _anchor(view) in pending}
        for first, taking in tellings:
            if taking is None or not open_.keys() & set(taking.anchors):
                continue
            others = [pending[one] for one in taking.anchors if one in pending and one != _anchor(first)]
            together = [first, *others]
            open_ = {one: view for one, view in open_.items() if one not in taking.anchors}
            problems |= self._again(together, taking, deadline)
        return problems | (self.finish(list(open_.values()), deadline) if open_ else {})

    def _again(self, views: Sequence[Entry], taking: Taking, deadline: Deadline) -> Problems:
        try:
            written = self._written(taking, deadline)
        except FAILURES as error:
            return dict.fromkeys(map(_anchor, views), f"its stock could not be looked at: {error}")
        return self._move_on(views, deadline) if written else self._finish(views, deadline)

    def _take(self, views: Sequence[Entry], deadline: Deadline) -> None:
        pieces = pieces_of(_items(views))
        held = self._stock.rows(list(pieces), deadline)
        lowered = {sku: (quantity, quantity - pieces[sku]) for sku, quantity in quantities(held).items()}
        if lowered:
            taking = Taking(tuple(map(_anchor, views)), lowered)
            told = [note(text_of(taking), PENDING[1])]
            self._orders.save(views[0], deadline, state=PENDING[0], status=PENDING[1], status_histories=told)
            self._stock.write(held, lowered, deadline)

    def _move_on(self, views: Sequence[Entry], deadline: Deadline) -> Problems:
        """The first one last, and only when all others are."""
        problems: Problems = {}
        for view in (*views[1:], views[0]):
            if view is views[0] and problems:
                problems[_anchor(view)] = "another order that was begun with it is not finished"
                break
            try:
                state, status = final_of(view)
                self._orders.save(view, deadline, state=state, status=status)
            except FAILURES as error:
                log.warning("an order whose stock is taken stays pending", extra={"shop_order": view.get("entity_id")})
                problems[_anchor(view)] = f"its stock is taken, and it could not be moved on: {error}"
        return problems


def _items(views: Sequence[Entry]) -> Iterator[Entry]:
    return chain.from_iterable(one.entries("items", needed=True) for one in views)


def text_of(taking: Taking) -> str:
    """For the order's comments, where people read it too."""
    skus = "; ".join(
        f"{quote(sku, safe='')} {before:f} to {after:f}" for sku, (before, after) in taking.quantities.items()
    )
    return f"Lengow takes stock for {','.join(taking.anchors)}: {skus}"


def taking_in(view: Entry) -> Taking | None:
    """The newest that is told in an order's comments."""
    comments = sorted(view.entries("status_histories"), key=lambda row: row.whole("entity_id", 0))
    for comment in reversed(comments):
        found = TOLD.fullmatch(comment.text("comment", ""))
        if found is not None:
            skus = {unquote(sku): (Decimal(before), Decimal(after)) for sku, before, after in OF_SKU.findall(found[2])}
            return Taking(tuple(found[1].split(",")), skus, comment.text("created_at", ""))
    return None


def _anchor(view: Entry) -> str:
    return view.text("ext_order_id")
