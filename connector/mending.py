"""What a person mends by hand: orders dismissed, imported again or reported again, products matched. All in the journal.

Whatever touches a package takes its creation away from the workers first, so that none is at it meanwhile.
"""

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from lengow.connector.adapter import ShopOrder
from lengow.connector.context import Context
from lengow.connector.errors import CannotMend
from lengow.connector.following import after_creation
from lengow.connector.listing import Listing
from lengow.connector.model import OrderState, StepKind
from lengow.connector.recorder import DISMISSED, refresh_order_states
from lengow.connector.store.contract import Transaction
from lengow.connector.store.rows import NewStep, OrderFilter, PackageRow, ProductMatch, StoredOrder

LISTED_BEFORE = timedelta(days=1)
"""How much earlier than a package's own time its shop order is looked for in the shop's list."""

LET_GO = (OrderState.CREATED, OrderState.WITHDRAWN)
"""Packages that are in the shop, or have no line left: nothing of them can be dismissed."""

WAITING_FOR_PRODUCT = 10_000
"""How many orders that wait for a product are tried again at once when it is matched."""


def dismiss_order(context: Context, stored: StoredOrder, *, reason: str, who: str) -> None:
    """What of an order is not in a shop will not be imported, until `retry` decides it anew.

    Raises CannotMend where nothing of it can be dismissed, or the shop holds it after all; ShopUnavailable where a
    creation is in doubt and the shop cannot be asked.
    """
    if not reason.strip():
        raise CannotMend("An order is dismissed with a reason.", what_to_do="Say why, for whoever reads the journal.")
    order = stored.order
    left = [row for row in stored.packages if row.state not in LET_GO]
    if not left and (stored.packages or order.state not in (OrderState.FAILED, OrderState.WAITING)):
        raise CannotMend(
            f"The order {order.key} is {order.state}: there is nothing to dismiss.",
            what_to_do="What is in a shop is cancelled there, or at the marketplace.",
            order=str(order.key),
        )
    for row in left:
        if row.state is OrderState.CREATING:
            _expect_not_in_shop(context, row)
    now = context.now()
    with context.store.transaction() as tx:
        rows = [_taken(context, tx, row) for row in left]
        dismissed = [
            msgspec.structs.replace(
                row,
                state=OrderState.SKIPPED,
                reason=DISMISSED,
                about=reason.strip(),
                carries_shipping=False,
                changed_at=now,
            )
            for row in rows
        ]
        tx.set_package_states(dismissed)
        after_creation(context, tx, order.account, dismissed)
        if dismissed:
            refresh_order_states(tx, dismissed, now)
        else:
            tx.set_order_states([(order.id, OrderState.SKIPPED, DISMISSED, reason.strip(), now)])
        tx.note([context.entry(order.id, "dismissed", reason.strip(), who=who)])


def reimport_order(context: Context, stored: StoredOrder, *, who: str, dry_run: bool = False) -> list[PackageRow]:
    """Have those shop orders of an order made anew that are gone from their shop; returns their packages as they were.

    They keep their references, by which the shop is asked once more right before each is made. Until then the old
    shop order id stays, by which Lengow's own copy of it is known to be ours. Raises CannotMend where none is gone, and
    ShopUnavailable.
    """
    order = stored.order
    created = [row for row in stored.packages if row.state is OrderState.CREATED]
    if not created:
        raise CannotMend(
            f"The order {order.key} is not in a shop: it is {order.state}.",
            what_to_do=f"lengow-connector orders retry {order.key}",
            order=str(order.key),
        )
    places = {row.id: _place_in_shop(context, row) for row in created}
    gone = [row for row in created if places[row.id] is None]
    if not gone:
        held = ", ".join(f"{row.shop} {places[row.id]}" for row in created)
        raise CannotMend(
            f"The order {order.key} is in the shop: {held}.",
            what_to_do="Delete it there first, if it is to be made anew.",
            order=str(order.key),
        )
    if dry_run:
        return gone
    now = context.now()
    with context.store.transaction() as tx:
        again = [
            msgspec.structs.replace(_taken(context, tx, row), state=OrderState.CREATING, reason="", changed_at=now)
            for row in gone
        ]
        tx.set_package_states(again)
        refresh_order_states(tx, again, now)
        tx.add_steps(
            [NewStep(StepKind.CREATE, str(row.id), now, account=order.account, shop=row.shop) for row in again]
        )
        tx.note(
            context.entry(order.id, "reimport", f"{row.shop} {row.shop_order_id} is gone", package_id=row.id, who=who)
            for row in gone
        )
    return gone


def resync_ids(context: Context, stored: StoredOrder, *, who: str) -> None:
    """Have the order's shop order ids reported to Lengow once more. Raises CannotMend where there is none."""
    order = stored.order
    ids = [row.shop_order_id for row in stored.packages if row.state is OrderState.CREATED]
    if not ids:
        raise CannotMend(
            f"The order {order.key} is not in a shop: there is no id to report.",
            what_to_do=f"lengow-connector orders retry {order.key}",
            order=str(order.key),
        )
    with context.store.transaction() as tx:
        tx.add_steps([NewStep(StepKind.REPORT, str(order.id), context.now(), account=order.account)])
        tx.note([context.entry(order.id, "resync_ids", ", ".join(ids), who=who)])


def adopt(context: Context, package: PackageRow, shop_order: ShopOrder, *, account: str, who: str) -> None:
    """Take a shop order that carries the package's reference for the package's own, and report its id.

    Raises CannotMend where the package has changed meanwhile, or is being created.
    """
    now = context.now()
    with context.store.transaction() as tx:
        row = _taken(context, tx, package)
        siblings = tx.packages_of_orders([row.order_id])[row.order_id]
        carried = any(one.carries_shipping for one in siblings)
        adopted = msgspec.structs.replace(
            row,
            state=OrderState.CREATED,
            reason="",
            about="",
            shop_order_id=shop_order.id,
            carries_shipping=row.carries_shipping or not carried,
            changed_at=now,
        )
        tx.set_package_states([adopted])
        after_creation(context, tx, account, [adopted])
        refresh_order_states(tx, [adopted], now)
        tx.add_steps([NewStep(StepKind.REPORT, str(row.order_id), now, account=account)])
        detail = f"{row.shop} {shop_order.id}"
        tx.note([context.entry(row.order_id, "adopted", detail, package_id=row.id, who=who)])


def create_anew(context: Context, package: PackageRow, *, account: str, who: str) -> None:
    """Have a package created whose creation nobody works on. Raises CannotMend where it has changed meanwhile."""
    with context.store.transaction() as tx:
        row = _taken(context, tx, package)
        tx.add_steps([NewStep(StepKind.CREATE, str(row.id), context.now(), account=account, shop=row.shop)])
        tx.note([context.entry(row.order_id, "retried", f"{row.shop}: {row.state}", package_id=row.id, who=who)])


def match_product(context: Context, shop: str, sku: str, reference: str, *, who: str) -> ProductMatch:
    """From now on a line's `sku` is the shop's product `reference`; orders that wait for it are tried again at once.

    Raises CannotMend where the shop knows no such product, and ShopUnavailable.
    """
    sku, reference = sku.strip(), reference.strip()
    if not sku or not reference:
        raise CannotMend("A match needs the marketplace's SKU and the shop's reference.", shop=shop)
    known = context.adapter(shop).find_products([reference])
    if known is not None and reference not in known:
        raise CannotMend(
            f"The shop {shop} has no product {reference!r}.",
            what_to_do="Copy the reference from the shop's own product page.",
            shop=shop,
        )
    row = ProductMatch(shop, sku, reference, context.now(), who)
    waiting = _waiting_for(context, shop, sku)
    with context.store.transaction() as tx:
        tx.set_product_match(row)
        tx.add_steps(waiting)
        tx.note([context.entry(None, "product_matched", f"{shop}: {sku} = {reference}", who=who)])
    return row


def unmatch_product(context: Context, shop: str, sku: str, *, who: str) -> None:
    """A line's `sku` stands for itself again. Raises CannotMend where it was not matched."""
    with context.store.transaction() as tx:
        if not tx.drop_product_match(shop, sku.strip()):
            raise CannotMend(
                f"The shop {shop} has no match for {sku!r}.",
                what_to_do="lengow-connector products list shows them.",
                shop=shop,
            )
        tx.note([context.entry(None, "product_unmatched", f"{shop}: {sku.strip()}", who=who)])


def _taken(context: Context, tx: Transaction, seen: PackageRow) -> PackageRow:
    """The package, its creation taken away from the workers. Raises CannotMend unless it is still as it was seen."""
    subject = str(seen.id)
    row = tx.packages([seen.id]).get(seen.id)
    if row != seen:
        raise _busy(seen)
    if subject in tx.steps_of(StepKind.CREATE, [subject]):
        if not tx.claim(StepKind.CREATE, context.now(), context.lease_end(), limit=1, subject=subject, force=True):
            raise _busy(seen)
        tx.drop_step(StepKind.CREATE, subject)
    return row


def _busy(row: PackageRow) -> CannotMend:
    return CannotMend(
        f"The shop order {row.reference} is being worked on right now.",
        what_to_do="Look at the order, and try again in a minute if it is still needed.",
        shop=row.shop,
    )


def _expect_not_in_shop(context: Context, row: PackageRow) -> None:
    """Raises CannotMend where the shop holds it, or may still come to hold it."""
    adapter = context.adapter(row.shop)
    if context.now() - row.changed_at < timedelta(seconds=adapter.capabilities.settle_seconds):
        raise _busy(row)
    found = adapter.find_order(row.reference)
    if found is not None:
        raise CannotMend(
            f"The shop {row.shop} holds it as {found.id}.",
            what_to_do="`orders retry` takes it up; then cancel it in the shop, or at the marketplace.",
            shop=row.shop,
        )


def _place_in_shop(context: Context, row: PackageRow) -> str | None:
    """The id of a package's shop order as the shop holds it, by its reference or by its id; None: it is gone."""
    adapter = context.adapter(row.shop)
    found = adapter.find_order(row.reference)
    if found is not None:
        return found.id
    if not isinstance(adapter, Listing):
        return None
    ordered_at = context.store.orders([row.order_id])[row.order_id].order.ordered_at
    since, cursor, more = min(ordered_at or row.changed_at, row.changed_at) - LISTED_BEFORE, "", True
    while more:
        page = adapter.orders_since(since, cursor)
        for one in page.orders:
            if one.reference == row.reference or one.id == row.shop_order_id:
                return one.id
        cursor, more = page.cursor, page.more
    return None


def _waiting_for(context: Context, shop: str, sku: str) -> Sequence[NewStep]:
    """The creations that wait for a product of this SKU, to be tried at once."""
    wanted = OrderFilter(shop=shop, state=OrderState.WAITING, reason="unknown_product", limit=WAITING_FOR_PRODUCT)
    return [
        NewStep(StepKind.CREATE, str(row.id), context.now(), account=one.order.account, shop=shop)
        for one in context.store.list_orders(wanted)
        for row in one.packages
        if row.shop == shop and row.reason == "unknown_product" and sku in row.about.split(", ")
    ]
