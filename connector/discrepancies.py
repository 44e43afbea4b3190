"""What can be amiss between Lengow, the store and a shop, and how one order is judged. Pure.

Each kind has a sentence of what to do; docs/operations.md explains them all.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum

import msgspec

from lengow.connector.listing import ListedOrder
from lengow.connector.model import ActionState, Line, Order, OrderState
from lengow.connector.policy import ENDED_BEFORE_IMPORT
from lengow.connector.reasons import REASONS
from lengow.connector.store.rows import ActionRow, PackageRow, StoredOrder

TO_SHIP = "waiting_shipment"
SENT = frozenset({"shipped", "closed"})
"""Statuses at Lengow of what has left."""
CANCELLED = frozenset({"canceled", "refused"})
NOT_TOLD = (ActionState.REFUSED, ActionState.FAILED)
"""An action in one of these tells the marketplace nothing any more."""
WITHDRAWING = ("cancel", "refund")
LATER = frozenset({"waiting_acceptance", "not_yet_importable"})
"""Reasons for which an order is rightly in no shop yet."""


class Kind(StrEnum):
    MISSING_AT_STORE = "missing_at_store"
    OUTDATED_AT_STORE = "outdated_at_store"
    MISSING_IN_SHOP = "missing_in_shop"
    UNKNOWN_IN_SHOP = "unknown_in_shop"
    DOUBLED = "doubled"
    AMOUNT_DIFFERS = "amount_differs"
    CANCELLED_AT_LENGOW_ONLY = "cancelled_at_lengow_only"
    CANCELLED_IN_SHOP_ONLY = "cancelled_in_shop_only"
    SHIPPED_NOT_CONFIRMED = "shipped_not_confirmed"
    CONFIRMED_NOT_SHIPPED = "confirmed_not_shipped"
    MERCHANT_ID_MISSING = "merchant_id_missing"
    NOT_COMPARED = "not_compared"


class Remedy(StrEnum):
    """What `--fix` does about a discrepancy."""

    RECORD = "record"
    CREATE = "create"
    ADOPT = "adopt"
    CONFIRM = "confirm"
    REPORT = "report"


WHAT_TO_DO: Mapping[Kind, str] = {
    Kind.MISSING_AT_STORE: "`--fix` fetches it; so does `sync --order ORDER`.",
    Kind.OUTDATED_AT_STORE: "`--fix` fetches it; so does `sync --order ORDER`.",
    Kind.MISSING_IN_SHOP: "`orders reimport ORDER` makes it anew, once it is sure that it is gone.",
    Kind.UNKNOWN_IN_SHOP: "See in the shop where it comes from; `sync --order ORDER` fetches an order that is older.",
    Kind.DOUBLED: "Cancel those in the shop that are too many; the first is the one that shipments are taken from.",
    Kind.AMOUNT_DIFFERS: "See who changed it; correct the order in the shop, or refund at the marketplace.",
    Kind.CANCELLED_AT_LENGOW_ONLY: "Cancel it in the shop, and do not ship it.",
    Kind.CANCELLED_IN_SHOP_ONLY: "Tell the marketplace with `actions send cancel ORDER`, or open it again in the shop.",
    Kind.SHIPPED_NOT_CONFIRMED: "Confirm it with `actions send ship ORDER`.",
    Kind.CONFIRMED_NOT_SHIPPED: "Ship it, or mark it as shipped in the shop.",
    Kind.MERCHANT_ID_MISSING: "`--fix` reports it again; so does `orders resync-ids ORDER`.",
    Kind.NOT_COMPARED: "Try again when it answers.",
}


class Discrepancy(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not the same on all sides."""

    kind: Kind
    account: str
    sentence: str
    shop: str = ""
    marketplace: str = ""
    marketplace_order_id: str = ""
    reference: str = ""
    shop_order_ids: tuple[str, ...] = ()
    what_to_do: str = ""
    remedy: Remedy | None = None
    """What `--fix` can do; None: it is for a person."""
    mended: str = ""
    """What was done; empty: nothing, or it did not help."""

    @property
    def order(self) -> str:
        """As commands take it."""
        return f"{self.account}/{self.marketplace}/{self.marketplace_order_id}" if self.marketplace else ""


class Sides(msgspec.Struct, frozen=True, kw_only=True):
    """One order, as Lengow, the store and the shops have it."""

    account: str
    order: Order
    """At Lengow, now."""
    stored: StoredOrder
    held: Mapping[str, Sequence[ListedOrder]]
    """What the shops list, by reference."""
    listed_shops: frozenset[str]
    """Those whose orders were listed: of others it is not known what they hold."""
    actions: Sequence[ActionRow]
    creating: frozenset[int]
    """The packages whose creation some worker will see to."""
    reporting: bool
    """Whether the shop order ids are about to be reported."""


def missing_at_store(account: str, shop: str, marketplace: str, number: str, status: str) -> Discrepancy:
    return _found(
        Kind.MISSING_AT_STORE,
        account,
        f"Lengow has it ({status}), and the store does not know it.",
        marketplace,
        number,
        shop=shop,
        remedy=Remedy.RECORD,
    )


def outdated_at_store(account: str, shop: str, marketplace: str, number: str) -> Discrepancy:
    return _found(
        Kind.OUTDATED_AT_STORE,
        account,
        "It has changed at Lengow, and the store has not taken that in.",
        marketplace,
        number,
        shop=shop,
        remedy=Remedy.RECORD,
    )


def unknown_in_shop(account: str, shop: str, held: ListedOrder) -> Discrepancy:
    return Discrepancy(
        kind=Kind.UNKNOWN_IN_SHOP,
        account=account,
        shop=shop,
        reference=held.reference,
        shop_order_ids=(held.id,),
        sentence=f"The shop holds {held.id} with the reference {held.reference!r}, which the store does not know.",
        what_to_do=WHAT_TO_DO[Kind.UNKNOWN_IN_SHOP],
    )


def not_compared(account: str, sentence: str, *, shop: str = "") -> Discrepancy:
    return Discrepancy(
        kind=Kind.NOT_COMPARED, account=account, shop=shop, sentence=sentence, what_to_do=WHAT_TO_DO[Kind.NOT_COMPARED]
    )


def needs_actions(order: Order, stored: StoredOrder, held: Mapping[str, Sequence[ListedOrder]]) -> bool:
    """Whether judging the order takes its actions: most orders are the same on all sides."""
    expected = {TO_SHIP: "open", **dict.fromkeys(SENT, "shipped")}.get(order.status)
    return any(one.state != expected for row in stored.packages for one in held.get(row.reference, ()))


def judge(sides: Sides) -> list[Discrepancy]:
    """Everything that is amiss with one order."""
    found = [one for row in sides.stored.packages for one in _of_package(sides, row)]
    missing = _merchant_id_missing(sides)
    return [*found, missing] if missing else found


def adoptable(row: PackageRow, held: ListedOrder, account: str, order: StoredOrder) -> Discrepancy:
    """The shop holds what the store believes not to be there."""
    return _found(
        Kind.UNKNOWN_IN_SHOP,
        account,
        f"The shop holds it as {held.id}, and the store says {row.state}{f' ({row.reason})' if row.reason else ''}.",
        order.order.marketplace,
        order.order.marketplace_order_id,
        shop=row.shop,
        reference=row.reference,
        shop_order_ids=(held.id,),
        remedy=None if row.state is OrderState.WITHDRAWN else Remedy.ADOPT,
        what_to_do="`--fix` takes it for the order's own.",
    )


def _of_package(sides: Sides, row: PackageRow) -> list[Discrepancy]:
    held = sides.held.get(row.reference, ())
    alive = [one for one in held if one.state != "cancelled"]
    if row.state is not OrderState.CREATED:
        if row.id in sides.creating and row.state is not OrderState.WAITING and not row.reason:
            return []
        if held:
            return [adoptable(row, held[0], sides.account, sides.stored)]
        return _not_created(sides, row)
    if row.shop not in sides.listed_shops:
        return []
    if not held:
        return _gone(sides, row)
    if len(alive) > 1:
        ids = tuple(one.id for one in alive)
        sentence = f"The shop holds it {len(alive)} times: {', '.join(ids)}; the store knows {row.shop_order_id}."
        return [_of(sides, row, Kind.DOUBLED, sentence, shop_order_ids=ids)]
    mine = next((one for one in held if one.id == row.shop_order_id), None)
    if mine is None:
        other = (alive or held)[0]
        sentence = f"The shop order {row.shop_order_id} is gone, and {other.id} carries its reference."
        what_to_do = "`--fix` takes it for the order's own."
        return [
            _of(sides, row, Kind.MISSING_IN_SHOP, sentence, (other.id,), remedy=Remedy.ADOPT, what_to_do=what_to_do)
        ]
    return [*_amount_differs(sides, row, mine), *_states_differ(sides, row, mine)]


def _not_created(sides: Sides, row: PackageRow) -> list[Discrepancy]:
    """It should be in the shop, and is not. What a rule or a person keeps out is as it should be."""
    if row.state in (OrderState.SKIPPED, OrderState.WITHDRAWN) or row.reason in LATER or _ended(sides.order):
        return []
    reason = REASONS.get(row.reason)
    why = f": {row.reason}{f', {row.about}' if row.about else ''}" if row.reason else ""
    to_create = row.state in (OrderState.READY, OrderState.CREATING) and row.id not in sides.creating
    what_to_do = "`--fix` has it created." if to_create else reason.what_to_do if reason else ""
    sentence = f"It is not in the shop; the store says {row.state}{why}."
    return [
        _of(
            sides,
            row,
            Kind.MISSING_IN_SHOP,
            sentence,
            remedy=Remedy.CREATE if to_create else None,
            what_to_do=what_to_do,
        )
    ]


def _gone(sides: Sides, row: PackageRow) -> list[Discrepancy]:
    """It was in the shop. One that has ended since may be deleted there."""
    if _ended(sides.order):
        return []
    ids = (row.shop_order_id,)
    return [
        _of(sides, row, Kind.MISSING_IN_SHOP, f"The shop order {row.shop_order_id} is not in the shop any more.", ids)
    ]


def _amount_differs(sides: Sides, row: PackageRow, held: ListedOrder) -> list[Discrepancy]:
    """What was cancelled after the creation may or may not have been taken off in the shop."""
    order, lines = sides.order, _lines(sides.order, row)
    extra = order.shipping + order.processing_fee if row.carries_shipping else Decimal(0)
    still_sold = sum((line.amount for line in lines if line.open), extra)
    once_sold = sum((line.amount for line in lines), extra)
    same_currency = held.currency in ("", order.currency)
    if same_currency and (held.total in (still_sold, once_sold) or _ended(order)):
        return []
    sentence = f"The shop order {held.id} is of {held.total} {held.currency}; sold for {still_sold} {order.currency}."
    return [_of(sides, row, Kind.AMOUNT_DIFFERS, sentence, (held.id,))]


def _states_differ(sides: Sides, row: PackageRow, held: ListedOrder) -> list[Discrepancy]:
    order = sides.order
    lines = [line for line in _lines(order, row) if line.open]
    cancelled = order.status in CANCELLED or not lines
    if cancelled:
        if held.state not in ("open", "shipped"):
            return []
        sentence = f"The marketplace has it as cancelled; in the shop, {held.id} is {held.state}."
        return [_of(sides, row, Kind.CANCELLED_AT_LENGOW_ONLY, sentence, (held.id,))]
    sent = order.status in SENT or all(line.status in SENT for line in lines)
    if order.delivered_by_marketplace:
        return []
    if held.state == "open" and sent:
        sentence = f"The marketplace has it as shipped; in the shop, {held.id} is still to be shipped."
        return [_of(sides, row, Kind.CONFIRMED_NOT_SHIPPED, sentence, (held.id,))]
    if order.status != TO_SHIP or sent:
        return []
    if held.state == "shipped":
        return _not_confirmed(sides, row, held)
    if held.state in ("cancelled", "refunded") and not _told(sides, row, WITHDRAWING):
        sentence = f"In the shop, {held.id} is {held.state}; the marketplace waits for its shipment."
        return [_of(sides, row, Kind.CANCELLED_IN_SHOP_ONLY, sentence, (held.id,))]
    return []


def _not_confirmed(sides: Sides, row: PackageRow, held: ListedOrder) -> list[Discrepancy]:
    if _told(sides, row, ("ship",)):
        return []
    failed = [one for one in _actions(sides, row, ("ship",)) if not _tells(one)]
    if failed:
        last = failed[-1]
        sentence = f"In the shop, {held.id} is shipped; its confirmation is {last.state}: {last.error}"
        what_to_do = f"Mend what it names; then `actions retry {last.id}`."
        return [_of(sides, row, Kind.SHIPPED_NOT_CONFIRMED, sentence, (held.id,), what_to_do=what_to_do)]
    sentence = f"In the shop, {held.id} is shipped; no confirmation is under way."
    what_to_do = "`--fix` asks the shop for its shipments; else `actions send ship ORDER`."
    remedy = Remedy.CONFIRM
    return [_of(sides, row, Kind.SHIPPED_NOT_CONFIRMED, sentence, (held.id,), remedy=remedy, what_to_do=what_to_do)]


def _merchant_id_missing(sides: Sides) -> Discrepancy | None:
    created = [row for row in sides.stored.packages if row.state is OrderState.CREATED]
    missing = [row for row in created if row.shop_order_id not in sides.order.merchant_order_ids]
    if not missing or sides.reporting:
        return None
    ids = tuple(row.shop_order_id for row in missing)
    sentence = f"Lengow does not have its shop order id {', '.join(ids)}."
    return _of(sides, missing[0], Kind.MERCHANT_ID_MISSING, sentence, ids, remedy=Remedy.REPORT)


def _told(sides: Sides, row: PackageRow, kinds: Sequence[str]) -> bool:
    """Whether the marketplace was, or is about to be, told such a thing of the package, or of a line of it."""
    return any(_tells(one) for one in _actions(sides, row, kinds))


def _tells(action: ActionRow) -> bool:
    """Whether it is, or will be, known to the marketplace; what a person dismissed, he has told in another way."""
    return action.state not in NOT_TOLD or action.handled.startswith("dismissed")


def _actions(sides: Sides, row: PackageRow, kinds: Sequence[str]) -> list[ActionRow]:
    lines = {"", *row.line_ids}
    return [one for one in sides.actions if one.action_type in kinds and one.arguments.get("line", "") in lines]


def _ended(order: Order) -> bool:
    return order.status in ENDED_BEFORE_IMPORT


def _lines(order: Order, row: PackageRow) -> list[Line]:
    return [line for line in order.lines if line.id in row.line_ids]


def _of(
    sides: Sides,
    row: PackageRow,
    kind: Kind,
    sentence: str,
    shop_order_ids: tuple[str, ...] = (),
    *,
    remedy: Remedy | None = None,
    what_to_do: str = "",
) -> Discrepancy:
    order = sides.order
    return _found(
        kind,
        sides.account,
        sentence,
        order.marketplace,
        order.marketplace_order_id,
        shop=row.shop,
        reference=row.reference,
        shop_order_ids=shop_order_ids,
        remedy=remedy,
        what_to_do=what_to_do,
    )


def _found(
    kind: Kind,
    account: str,
    sentence: str,
    marketplace: str,
    number: str,
    *,
    shop: str,
    reference: str = "",
    shop_order_ids: tuple[str, ...] = (),
    remedy: Remedy | None = None,
    what_to_do: str = "",
) -> Discrepancy:
    found = Discrepancy(
        kind=kind,
        account=account,
        sentence=sentence,
        shop=shop,
        marketplace=marketplace,
        marketplace_order_id=number,
        reference=reference,
        shop_order_ids=shop_order_ids,
        remedy=remedy,
    )
    told = (what_to_do or WHAT_TO_DO[kind]).replace("ORDER", found.order)
    return msgspec.structs.replace(found, what_to_do=told)
