"""Compares Lengow, the store and the shops, order by order, and mends what is safe.

First each shop's orders of ours are set down (`Held`). Then Lengow's orders of the window are read page by page, each
looked up in the store and in what the shops hold. What nobody asked for is left over: the store may know it from before
the window, or not at all. Memory is that of a few pages, whatever the window.

Only what no other way could see differently is mended: a remedy looks at the shop once more by the order's own reference
before it writes, and never makes a shop order where one is.
"""

import logging
import math
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial

import msgspec

from lengow.connector.adapter import ShopOrder
from lengow.connector.client.answers import PAGE_SIZE, OrdersPage
from lengow.connector.context import Context
from lengow.connector.decode import Identity, amended_fields, decode_order, identify
from lengow.connector.discrepancies import (
    Discrepancy,
    Kind,
    Remedy,
    Sides,
    adoptable,
    judge,
    missing_at_store,
    needs_actions,
    not_compared,
    outdated_at_store,
    unknown_in_shop,
)
from lengow.connector.erasure import without_buyer
from lengow.connector.errors import ApiError, CannotMend, OrderUndecodable, ShopUnavailable, StoreError
from lengow.connector.events import take_told
from lengow.connector.fetching import fetch_orders
from lengow.connector.held import Held
from lengow.connector.importer import COMPLETE_SINCE, COMPLETE_UNTIL, Progress
from lengow.connector.listing import ListedOrder, Listing
from lengow.connector.marketplaces import refresh_marketplaces
from lengow.connector.mending import adopt, create_anew, resync_ids
from lengow.connector.model import Order, OrderState, StepKind
from lengow.connector.pages import Fetched, read_page
from lengow.connector.recorder import Recorder
from lengow.connector.store.rows import PackageRow, StoredOrder
from lengow.connector.windows import slices

log = logging.getLogger("lengow.connector.reconciling")

LISTED_BEFORE = timedelta(days=1)
"""How much earlier than the window the shops' lists begin: their clocks and zones may be wrong."""
ORDERED_AHEAD = timedelta(days=1)
"""A marketplace's clock may be ahead, and some give only a day."""

Name = tuple[str, str]


def reconcile_account(
    context: Context,
    account: str,
    *,
    days: float,
    shop: str | None = None,
    mends_as: str = "",
    progress: Progress | None = None,
) -> Iterator[Discrepancy]:
    """What is amiss with the account's orders of the last `days`, by the marketplace's date; of one `shop` only.

    `mends_as`: in whose name what is safe is mended; empty: nothing is written. What cannot be compared, because Lengow
    or a shop does not answer, is told as a discrepancy too.
    """
    since = context.now() - timedelta(days=days)
    shops = [name for name in context.settings.shops_of(account) if shop in (None, name)]
    with _temporary_file(), Held() as held:
        listed: set[str] = set()
        for name in shops:
            try:
                if _list(context, name, since - LISTED_BEFORE, held):
                    listed.add(name)
            except ShopUnavailable as error:
                yield not_compared(account, f"The shop {name} cannot be listed: {error}", shop=name)
        read = 0
        try:
            if mends_as:
                refresh_marketplaces(context, account)  # what is fetched is decided on by them
            comparison = _Comparison(context, account, frozenset(shops), frozenset(listed), held, mends_as)
            for page, count in _pages(context, account, since):
                if isinstance(page, ApiError):
                    yield not_compared(account, f"Some of Lengow's orders cannot be read: {page}")
                    continue
                yield from comparison.compare([bytes(raw) for raw in page.results])
                read += len(page.results)
                if progress:
                    progress(account, read, count)
        except ApiError as error:
            yield not_compared(account, f"Lengow's orders cannot be read: {error}")
            return
        yield from comparison.rest()


@contextmanager
def _temporary_file() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(
            f"The temporary file of the comparison: {error}.",
            what_to_do="Make room where temporary files are, or name another folder in SQLITE_TMPDIR.",
        ) from error


class _Comparison:
    """One account's. Holds what does not change within it."""

    def __init__(
        self,
        context: Context,
        account: str,
        shops: frozenset[str],
        listed: frozenset[str],
        held: Held,
        mends_as: str,
    ) -> None:
        self._context, self._account, self._shops, self._listed, self._held = context, account, shops, listed, held
        self._mends_as = mends_as
        self._recorder = Recorder(context, account)
        self._synced_since = _moment(context.store.get_value(account, COMPLETE_SINCE))
        self._synced_until = _moment(context.store.get_value(account, COMPLETE_UNTIL))

    def compare(self, raws: Sequence[bytes]) -> Iterator[Discrepancy]:
        """A page of Lengow's."""
        orders = {(one.marketplace, one.marketplace_order_id): (one, raw) for one, raw in _identified(raws)}
        fresh = self._held.first_time(list(orders))
        orders = {name: one for name, one in orders.items() if name in fresh}
        stored = self._context.store.orders_named(self._account, list(orders))
        held = self._held.take(
            [(row.shop, row.reference) for one in stored.values() for row in one.packages if row.shop in self._listed]
        )
        sides = []
        for name, (identity, raw) in orders.items():
            order = _decoded(raw)
            if order is None or not self._is_wanted(order, stored.get(name)):
                continue
            found, one = self._at_store(identity, raw, order, stored.get(name))
            yield from found
            if one is not None:
                if one is not stored.get(name):  # what was just recorded may be in a shop all the same
                    held = {**held, **self._held.take([(row.shop, row.reference) for row in one.packages])}
                sides.append((order, one))
        yield from self._judged(sides, held)

    def rest(self) -> Iterator[Discrepancy]:
        """What the shops hold beside Lengow's orders of the window."""
        for shop, held in self._held.rest():
            row = self._context.store.package_in_shop(shop, reference=held.reference)
            if row is None:
                yield unknown_in_shop(self._account, shop, held)
            elif row.state is not OrderState.CREATED and row.id not in self._creating([row]):
                stored = self._context.store.orders([row.order_id])[row.order_id]
                yield self._mended(adoptable(row, held, self._account, stored), stored)

    def _is_wanted(self, order: Order, stored: StoredOrder | None) -> bool:
        """Where one shop is asked for: whether the order is, or would be, in it."""
        if self._shops == frozenset(self._context.settings.shops_of(self._account)):
            return True
        if stored is not None and stored.packages:
            return any(row.shop in self._shops for row in stored.packages)
        return self._shop_for(order) in self._shops

    def _shop_for(self, order: Order) -> str:
        return self._context.settings.shop_for(self._account, order.marketplace, order.catalogues) or ""

    def _at_store(
        self, identity: Identity, raw: bytes, order: Order, stored: StoredOrder | None
    ) -> tuple[list[Discrepancy], StoredOrder | None]:
        """What the store lacks of an order; and the order as the store has it then."""
        if stored is not None and identity.fingerprint == stored.order.fingerprint:
            return [], stored
        if self._synced_until is not None and order.updated_at > self._synced_until:
            return [], stored  # the next sync brings it
        if self._synced_since is not None and order.updated_at < self._synced_since:
            return [], stored  # older than the first sync, which was to leave it out
        if stored is not None and not self._has_changed(raw, stored):
            return [], stored
        shop, name = self._shop_for(order), (order.marketplace, order.marketplace_order_id)
        if stored is None:
            found = missing_at_store(self._account, shop, *name, order.status)
        else:
            found = outdated_at_store(self._account, shop, *name)
        if not self._mends_as:
            return [found], stored
        if self._recorder.record([raw]).dated_back and fetch_orders(
            self._context, self._recorder, self._account, [name]
        ):
            return [found], stored
        recorded = self._context.store.orders_named(self._account, [name]).get(name)
        if recorded is None:
            return [found], stored
        with self._context.store.transaction() as tx:
            tx.note([self._context.entry(recorded.order.id, "mended", found.kind, who=self._mends_as)])
        return [msgspec.structs.replace(found, mended=f"Fetched: {recorded.order.state}.")], recorded

    def _has_changed(self, raw: bytes, stored: StoredOrder) -> bool:
        """In more than the ids that were reported to Lengow."""
        record = self._context.store.records([stored.order.id]).get(stored.order.id)
        sent = without_buyer(raw) if stored.order.erased_at else raw
        return record is None or bool({*amended_fields(record.raw, sent)} - {"merchant_order_id"})

    def _judged(
        self, orders: Sequence[tuple[Order, StoredOrder]], held: Mapping[str, Sequence[ListedOrder]]
    ) -> Iterator[Discrepancy]:
        creating = self._creating([row for _, one in orders for row in one.packages])
        unreported = [str(one.order.id) for order, one in orders if _lacks_an_id(order, one)]
        reports = self._context.store.steps_of(StepKind.REPORT, unreported)
        for order, one in orders:
            report = reports.get(str(one.order.id))
            actions = self._context.store.actions_of(one.order.id) if needs_actions(order, one, held) else ()
            sides = Sides(
                account=self._account,
                order=order,
                stored=one,
                held=held,
                listed_shops=self._listed,
                actions=actions,
                creating=frozenset(creating),
                reporting=report is not None and not report.held,
            )
            for judged in judge(sides):
                found = self._sure(judged) if judged.shop in self._shops else None
                if found is not None:
                    yield self._mended(found, one)

    def _creating(self, rows: Sequence[PackageRow]) -> set[int]:
        """Those that a worker will see to."""
        subjects = [str(row.id) for row in rows if row.state is not OrderState.CREATED]
        steps = self._context.store.steps_of(StepKind.CREATE, subjects)
        return {int(subject) for subject, step in steps.items() if not step.held}

    def _sure(self, found: Discrepancy) -> Discrepancy | None:
        """A shop's list may lag, and was read earlier: whether an order is really gone, the shop is asked once more."""
        if found.kind is not Kind.MISSING_IN_SHOP or found.remedy is not None:
            return found
        row = self._context.store.package_in_shop(found.shop, reference=found.reference)
        if row is None or row.state is not OrderState.CREATED:
            return found
        try:
            return found if self._context.adapter(found.shop).find_order(found.reference) is None else None
        except ShopUnavailable as error:
            sentence = f"The shop {found.shop} does not list {found.reference}, and cannot be asked for it: {error}"
            return not_compared(self._account, sentence, shop=found.shop)

    def _mended(self, found: Discrepancy, stored: StoredOrder) -> Discrepancy:
        """The discrepancy, with what was done about it."""
        if not self._mends_as or found.remedy is None or found.mended:
            return found
        try:
            done = REMEDIES[found.remedy](self._context, found, stored, self._mends_as)
        except (CannotMend, ShopUnavailable) as error:
            log.warning("not mended", extra={"order": found.order, "kind": found.kind, "error": str(error)})
            return msgspec.structs.replace(found, what_to_do=f"{error} {error.what_to_do}")
        return msgspec.structs.replace(found, mended=done)


def _list(context: Context, shop: str, since: datetime, held: Held) -> bool:
    """Set down what a shop holds; False where its platform lists nothing. Raises ShopUnavailable."""
    adapter = context.adapter(shop)
    if not isinstance(adapter, Listing) or not adapter.capabilities.listing:
        log.warning("the platform lists no orders", extra={"shop": shop})
        return False
    cursor, more = "", True
    while more:
        page = adapter.orders_since(since, cursor)
        held.add(shop, page.orders)
        cursor, more = page.cursor, page.more
    return True


def _pages(context: Context, account: str, since: datetime) -> Iterator[tuple[OrdersPage | ApiError, int]]:
    """Lengow's orders of that date or later, and how many there are; one page is fetched ahead. What stays malformed is
    given as its error.

    What is collected meanwhile comes first in Lengow's order and pushes others towards pages that are still to be read,
    so that some may come twice and none is passed over.
    """
    client = context.client(account)
    before = 0
    with ThreadPoolExecutor(1, "lengow-reconcile") as ahead:
        for start, end in slices(since, context.now() + ORDERED_AHEAD):
            fetch = partial(read_page, partial(client.orders_page, ordered_from=start, ordered_to=end))
            number, count, coming = 1, 0, ahead.submit(fetch, 1)
            while True:
                parts = coming.result()
                count = max((one.count for one in parts if isinstance(one, OrdersPage)), default=count)
                more = number < math.ceil(count / PAGE_SIZE)
                following: Future[Fetched] | None = ahead.submit(fetch, number + 1) if more else None
                yield from ((one, before + count) for one in parts)
                if following is None:
                    break
                number, coming = number + 1, following
            before += count


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _identified(raws: Sequence[bytes]) -> Iterator[tuple[Identity, bytes]]:
    return ((identify(raw), raw) for raw in raws)


def _decoded(raw: bytes) -> Order | None:
    """None for what cannot be read: the store keeps it as failed, in plain sight."""
    try:
        return decode_order(raw)
    except OrderUndecodable:
        return None


def _lacks_an_id(order: Order, stored: StoredOrder) -> bool:
    created = [row.shop_order_id for row in stored.packages if row.state is OrderState.CREATED]
    return not set(created) <= set(order.merchant_order_ids)


def _package(context: Context, found: Discrepancy) -> PackageRow:
    """As it stands now. Raises CannotMend."""
    row = context.store.package_in_shop(found.shop, reference=found.reference)
    if row is None:
        raise CannotMend(f"The store has no {found.reference} of the shop {found.shop} any more.", shop=found.shop)
    return row


def _create(context: Context, found: Discrepancy, stored: StoredOrder, who: str) -> str:
    row = _package(context, found)
    shop_order = context.adapter(row.shop).find_order(row.reference)
    if shop_order is not None:
        adopt(context, row, shop_order, account=stored.order.account, who=who)
        return f"Taken over as {shop_order.id}."
    create_anew(context, row, account=stored.order.account, who=who)
    return "Its creation follows."


def _adopt(context: Context, found: Discrepancy, stored: StoredOrder, who: str) -> str:
    """By the shop's own answer to the reference, which completes what is half made."""
    row = _package(context, found)
    shop_order = context.adapter(row.shop).find_order(row.reference)
    if shop_order is None or shop_order.id not in found.shop_order_ids:
        raise CannotMend(
            f"The shop {row.shop} lists {', '.join(found.shop_order_ids)}, and finds "
            f"{shop_order.id if shop_order else 'none'} by the reference {row.reference}.",
            what_to_do="Look at them in the shop.",
            shop=row.shop,
        )
    adopt(context, row, ShopOrder(shop_order.id, row.reference), account=stored.order.account, who=who)
    return f"Taken over as {shop_order.id}."


def _confirm(context: Context, found: Discrepancy, stored: StoredOrder, who: str) -> str:
    """The shop's shipments are taken as polling would: one that was taken before is not taken again."""
    [shop_order_id] = found.shop_order_ids
    told = context.adapter(found.shop).shipments_of(shop_order_id)
    shipments = [one for one in told if one.kind == "shipment"]  # of money, nothing is told by the way
    if not shipments:
        raise CannotMend(
            f"The shop {found.shop} tells no shipment of {shop_order_id}.",
            what_to_do=f"Confirm it with `actions send ship {found.order}`.",
            shop=found.shop,
        )
    taken = take_told(context, found.shop, shipments)
    if not taken:
        raise CannotMend(
            f"The shipment of {shop_order_id} was taken before, and is not confirmed.",
            what_to_do="`events list` shows why; `events retry` works it off once more.",
            shop=found.shop,
        )
    with context.store.transaction() as tx:
        tx.note([context.entry(stored.order.id, "mended", f"{found.kind}: shipments taken: {taken}", who=who)])
    return "Its shipment is taken, and its confirmation follows."


def _report(context: Context, found: Discrepancy, stored: StoredOrder, who: str) -> str:  # noqa: ARG001
    resync_ids(context, stored, who=who)
    return "The report follows."


REMEDIES: Mapping[Remedy, Callable[[Context, Discrepancy, StoredOrder, str], str]] = {
    Remedy.CREATE: _create,
    Remedy.ADOPT: _adopt,
    Remedy.CONFIRM: _confirm,
    Remedy.REPORT: _report,
}
"""`RECORD` is done where the order is read, because what it brings is compared at once."""
