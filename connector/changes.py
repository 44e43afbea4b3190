"""What changed at Lengow in an order that is in a shop, and what the shop is to be told of it. Pure.

Two readings of an order are compared for the lines of one package. What the shop itself began, and the connector told
the marketplace, is no news when it comes back. Lengow's statuses: reference lengow.md §2.7; the official plugins follow
status only (§6.9), this follows addresses, lines and amounts too.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal

import msgspec

from lengow.connector.adapter import (
    AmendAmounts,
    AmendedLine,
    Cancel,
    CancelLines,
    Change,
    CorrectAddress,
    MarkShipped,
    Refund,
)
from lengow.connector.currencies import unit_of
from lengow.connector.model import (
    CLOSED_LINE_STATUSES,
    ActionState,
    Address,
    ChangeKind,
    ChangeState,
    Line,
    Order,
    Package,
    Tracking,
)
from lengow.connector.store.rows import ActionRow, PackageRow

SHIPPED = frozenset({"shipped", "closed"})
REFUNDED = "refunded"
PARTLY_REFUNDED = "partial_refunded"
TO_SHIP = frozenset({"new", "waiting_acceptance", "accepted", "waiting_shipment"})
"""Statuses of what has not left (reference lengow.md §2.7)."""

LINES = "lines "
REFUNDED_BEFORE = "refunded_before"
SHIPMENT_TAKEN_BACK = "shipment_taken_back"

NO_RATE = -1
"""The total of an order for which Lengow has no exchange rate (reference lengow.md §2)."""

ENDED = (ActionState.REFUSED, ActionState.FAILED)
"""An action in one of these has no effect at the marketplace."""

HOST = "host"
SHOP = "shop "
"""How an action begins to be `asked_by` when a shop's event asked for it."""


class Found(msgspec.Struct, frozen=True):
    """One change of a package. `verdict` goes before the settings where it is given."""

    kind: ChangeKind
    change: Change | None
    """None: no adapter can bring it; a person can, by hand."""
    verdict: ChangeState | None = None
    reason: str = ""
    about: str = ""
    always: bool = False
    """A person is told of it also where the settings ignore what is of its kind."""


class Own(msgspec.Struct, frozen=True):
    """What the connector told the marketplace of an order's lines, and was not refused."""

    shipped: frozenset[str] = frozenset()
    cancelled: frozenset[str] = frozenset()
    """Begun in the shop: it has cancelled them whole itself."""
    refunded: Mapping[str, Decimal] = {}
    """Begun in the shop, by line: it has booked them itself."""
    withdrawn: frozenset[str] = frozenset()
    """Cancelled in the shop, by itself or as it was told: what is given back of them is no loss to it."""
    shipped_past_shop: frozenset[str] = frozenset()
    """By the host, whose shop's records do not know of it; see `Capabilities.shipped_past_it`."""


def own_effects(actions: Iterable[ActionRow], order: Order) -> Own:
    """What the order's actions do, or did, at the marketplace."""
    lines = {line.id: line for line in order.lines}
    shipped: set[str] = set()
    past_shop: set[str] = set()
    cancelled: set[str] = set()
    refunds: dict[str, list[ActionRow]] = {}
    for action in actions:
        if action.state in ENDED:
            continue
        named = action.arguments.get("line")
        concerned = [named] if named else list(lines)
        begun_in_shop = _begun_in_shop(action)
        if action.action_type == "ship":
            shipped.update(concerned)
            past_shop.update(concerned if action.asked_by == HOST else ())
        elif action.action_type in ("cancel", "refuse") and begun_in_shop and action.quantity is None:
            cancelled.update(concerned)  # of a line cancelled in part, the rest is still to be shipped
        elif action.action_type == "refund" and begun_in_shop:
            for line_id in concerned:
                if line_id in lines:
                    refunds.setdefault(line_id, []).append(action)
    refunded = {line_id: _asked_back(lines[line_id], rows, order) for line_id, rows in refunds.items()}
    return Own(frozenset(shipped), frozenset(cancelled), refunded, shipped_past_shop=frozenset(past_shop))


def refunded_past_shop(
    order: Order, package: PackageRow, actions: Iterable[ActionRow], booked: Decimal
) -> frozenset[str]:
    """The lines of a package of which the marketplace gave back more than the shop began, or than was `booked` there.

    By itself, in its back office, or because it was told without the shop: a refund in the shop may only book that.
    """
    rows = [row for row in actions if row.action_type == "refund" and row.state not in ENDED]
    past_shop = [row for row in rows if not row.asked_by.startswith(SHOP)]
    own = own_effects([row for row in rows if row.asked_by.startswith(SHOP)], order).refunded
    lines = [line for line in order.lines if line.id in package.line_ids and not is_cancelled(line, order)]
    past: dict[str, Decimal] = {}
    for line in lines:
        told = [row for row in past_shop if row.arguments.get("line", line.id) == line.id]
        more = max(_given_back(line, order) - own.get(line.id, Decimal(0)), _asked_back(line, told, order))
        if more > unit_of(order.currency) * line.quantity:  # told in pieces, and shown rounded
            past[line.id] = more
    if booked:
        return frozenset(past) if sum(past.values(), Decimal(0)) - booked > unit_of(order.currency) else frozenset()
    untold = order.status == PARTLY_REFUNDED and not any(_given_back(line, order) for line in order.lines)
    unsaid = [line.id for line in lines if not own and (untold or line.status == PARTLY_REFUNDED)]
    return frozenset([*past, *unsaid])


def tells_of_refunds(order: Order) -> bool:
    """Whether anything of it was given back; of an order that is new here, nothing else is looked for."""
    told = (REFUNDED, PARTLY_REFUNDED)
    return order.status in told or any(line.refunded or line.status in told for line in order.lines)


def changes_between(before: Order | None, after: Order, package: PackageRow, own: Own, booked: Decimal) -> list[Found]:
    """What happened to the package between two readings, in the order in which the shop is to be told.

    `before` is the reading that the shop order rests on; None: the shop order is yet to be made, from `after` or later,
    and only refunds are looked for, which creation knows nothing of. `booked`: what earlier refunds of the package came to.
    """
    if before is None:
        return _refunds(None, after, package, own, booked) or _untold_refund(None, after, package, own)
    was = {line.id: line for line in before.lines if line.id in package.line_ids}
    now = {line.id: line for line in after.lines if line.id in package.line_ids}
    sold = [line_id for line_id, line in was.items() if not is_cancelled(line, before)]
    left = [line_id for line_id in sold if line_id in now and not is_cancelled(now[line_id], after)]
    reopened = _reopened(before, after, package)
    refunds = _refunds(before, after, package, own, booked)
    if not left:
        return (_whole_cancelled(before, after, was, now, sold, own) if sold else []) + refunds + reopened
    found = _lines_cancelled(before, after, was, now, sold, own)
    told = bool(refunds) or _free_and_given_back(before, was, now, left)
    if told and _taken_back_unshipped(before, after, was, now, left, own):
        return [*reopened, Found(ChangeKind.CANCELLED, Cancel("refunded before it was shipped"))]
    found += _addresses(before, after, was, now, left, own)
    found += _amounts(before, after, was, now, left, carries_shipping=package.carries_shipping)
    found += _shipped(before, after, was, now, left, own)
    found += _not_shipped_after_all(before, after, was, now, left)
    if not refunds:
        refunds = _total_lowered(before, after, package, own, booked) or _untold_refund(before, after, package, own)
    return found + refunds + reopened


def reopened_lines(before: Order | None, after: Order, package: PackageRow) -> list[str]:
    """The package's lines whose cancellation was taken back between two readings."""
    if before is None:
        return []
    now = {line.id: line for line in after.lines}
    return [
        line.id
        for line in before.lines
        if line.id in package.line_ids and line.id in now and is_cancelled(line, before)
        if is_sold_again(now[line.id], after)
    ]


def overtakes(newer: Found, older: ChangeKind, change: Change | None) -> bool:
    """Whether an older change that was not brought to the shop yet is moot now, or is `merged` into the newer one."""
    if newer.kind is ChangeKind.CANCELLED and isinstance(newer.change, Cancel):
        return older not in (ChangeKind.REFUNDED, ChangeKind.SHIPPED)
    if newer.kind is ChangeKind.REFUNDED:
        return older is ChangeKind.REFUNDED and change is None
    says_more = newer.change is not None and newer.kind is older
    return says_more and newer.kind in (ChangeKind.ADDRESS, ChangeKind.AMOUNTS, ChangeKind.SHIPPED)


def merged(newer: Found, older: Change | None) -> Found:
    """The newer change, with what the overtaken one says beside it."""
    change = newer.change
    if isinstance(change, CorrectAddress) and isinstance(older, CorrectAddress):
        both: Change = CorrectAddress(change.billing or older.billing, change.delivery or older.delivery)
    elif isinstance(change, AmendAmounts) and isinstance(older, AmendAmounts):
        lines = {line.line_id: line for line in (*older.lines, *change.lines)}
        shipping = older.shipping if change.shipping is None else change.shipping
        fee = older.processing_fee if change.processing_fee is None else change.processing_fee
        both = AmendAmounts(tuple(lines.values()), shipping, fee)
    else:
        return newer
    return msgspec.structs.replace(newer, change=both)


def in_words(kind: ChangeKind, change: Change | None) -> str:
    """A change in a few words, without personal data: for the journal and for lists."""
    if isinstance(change, Cancel):
        return ": ".join(filter(None, ("the order is cancelled", change.reason)))
    if isinstance(change, CancelLines):
        return f"cancelled: lines {', '.join(change.line_ids)} of {change.amount}"
    if isinstance(change, Refund):
        lines = f" for lines {', '.join(change.line_ids)}" if change.line_ids else ""
        return f"refunded: {change.amount}{lines}"
    if isinstance(change, MarkShipped):
        told = " ".join(filter(None, (change.tracking.carrier_name, change.tracking.number)))
        return f"shipped without the shop{': ' if told else ''}{told}"
    if isinstance(change, CorrectAddress):
        names = [name for name in ("billing", "delivery") if getattr(change, name)]
        return f"corrected: {' and '.join(names)} address"
    if isinstance(change, AmendAmounts):
        parts = [f"line {line.line_id}: {line.quantity} for {line.amount}" for line in change.lines]
        parts += [f"shipping {change.shipping}"] if change.shipping is not None else []
        parts += [f"fee {change.processing_fee}"] if change.processing_fee is not None else []
        return f"amended: {', '.join(parts)}"
    return f"{kind}: to be done by hand"


_Lines = Mapping[str, Line]


def _whole_cancelled(
    before: Order, after: Order, was: _Lines, now: _Lines, sold: Sequence[str], own: Own
) -> list[Found]:
    if set(sold) <= own.cancelled:
        return []
    if not now:
        cancel = Cancel("its lines are gone")
        return [Found(ChangeKind.CANCELLED, cancel, ChangeState.WAITING, "lines_vanished", _named(sold))]
    cancel = Cancel("cancelled at the marketplace")
    if gone := _on_their_way(before, after, was, sold, own):
        return [Found(ChangeKind.CANCELLED, cancel, ChangeState.WAITING, "cancelled_after_shipment", _named(gone))]
    return [Found(ChangeKind.CANCELLED, cancel)]


def _on_their_way(before: Order, after: Order, was: _Lines, line_ids: Sequence[str], own: Own) -> list[str]:
    """Those of the lines that had left, as far as Lengow or we know: what is in a parcel is not back on the shelf."""
    if after.delivered_by_marketplace:
        return []
    return [one for one in line_ids if is_shipped(was[one], before) or one in own.shipped]


def _lines_cancelled(
    before: Order, after: Order, was: _Lines, now: _Lines, sold: Sequence[str], own: Own
) -> list[Found]:
    gone = [one for one in sold if one in now and is_cancelled(now[one], after) and one not in own.cancelled]
    given_back = [one for one in gone if _given_back(was[one], before)]
    shipped = _on_their_way(before, after, was, [one for one in gone if one not in given_back], own)
    plain = [one for one in gone if one not in given_back and one not in shipped]
    vanished = [one for one in sold if one not in now]
    found = []
    if plain:
        found.append(Found(ChangeKind.LINES, _without(plain, was)))
    if given_back:
        about, change = _named(given_back), _without(given_back, was)
        found.append(Found(ChangeKind.LINES, change, ChangeState.WAITING, REFUNDED_BEFORE, about))
    if shipped:
        about, change = _named(shipped), _without(shipped, was)
        found.append(Found(ChangeKind.LINES, change, ChangeState.WAITING, "cancelled_after_shipment", about))
    if vanished:
        about, change = _named(vanished), _without(vanished, was)
        found.append(Found(ChangeKind.LINES, change, ChangeState.WAITING, "lines_vanished", about))
    return found


def _named(line_ids: Sequence[str]) -> str:
    return f"{LINES}{', '.join(line_ids)}"


def are_named(about: str, line_ids: Iterable[str]) -> set[str]:
    """Those of the lines that the `about` of a change names; all where it is not told."""
    named = about.removeprefix(LINES).split(", ")
    return {one for one in line_ids if not about or one in named}


def _without(line_ids: Sequence[str], was: _Lines) -> CancelLines:
    amount = sum((was[one].amount for one in line_ids), Decimal(0))
    return CancelLines(tuple(line_ids), amount, "cancelled at the marketplace")


def _reopened(before: Order, after: Order, package: PackageRow) -> list[Found]:
    """A cancellation was taken back. What the shop cancelled is not opened again by itself."""
    lines = reopened_lines(before, after, package)
    if not lines:
        return []
    return [Found(ChangeKind.CANCELLED, None, ChangeState.WAITING, "reopened", _named(lines))]


def _refunds(before: Order | None, after: Order, package: PackageRow, own: Own, booked: Decimal) -> list[Found]:
    """What the marketplace gave back since, less what the shop booked itself or was told before.

    Lines given back whole are named, so that the shop can book them as such; the rest is money only.
    """
    now = [line for line in after.lines if line.id in package.line_ids and line.id not in own.withdrawn]
    was = {line.id: _given_back(line, before) for line in before.lines} if before else {}
    back = {line.id: _given_back(line, after) for line in now}
    more = {line_id: amount - was.get(line_id, Decimal(0)) for line_id, amount in back.items()}
    risen = sum((amount for amount in more.values() if amount > 0), Decimal(0))
    explained = sum((_explained(line, back[line.id], own, after) for line in now), Decimal(0))
    owed = min(risen, sum(back.values(), Decimal(0)) - explained - booked)
    if owed > 0:
        whole = [line for line in now if 0 < line.amount <= more[line.id] and line.id not in own.refunded]
        goods = sum((line.amount for line in whole), Decimal(0))
        named = tuple(line.id for line in whole) if goods <= owed else ()
        identity = msgspec.json.encode([package.reference, sorted((one, str(back[one])) for one in back)])
        number = hashlib.blake2b(identity, digest_size=8).hexdigest()
        reason, about = "refunded at the marketplace", _about_shipping(after, package)
        if 0 < goods < owed:
            return [
                Found(ChangeKind.REFUNDED, Refund(f"{number}-1", goods, reason, named), about=about),
                Found(ChangeKind.REFUNDED, Refund(f"{number}-2", owed - goods, reason)),
            ]
        return [Found(ChangeKind.REFUNDED, Refund(number, owed, reason, named), about=about)]
    return []


def _explained(line: Line, amount: Decimal, own: Own, order: Order) -> Decimal:
    """What of an amount that was given back the shop began; the marketplace may round pieces in another way."""
    begun = own.refunded.get(line.id, Decimal(0))
    rounded = begun and amount - begun <= unit_of(order.currency) * line.quantity
    return amount if rounded else min(amount, begun)


def _about_shipping(after: Order, package: PackageRow) -> str:
    """Lengow tells what was given back of lines only; of a whole order, shipping and fee may have been, too."""
    extra = after.shipping + after.processing_fee
    if after.status != REFUNDED or not package.carries_shipping or extra <= 0:
        return ""
    return f"whether shipping and fee, {extra}, were given back too, Lengow does not tell"


def _untold_refund(before: Order | None, after: Order, package: PackageRow, own: Own) -> list[Found]:
    """Given back in part, and Lengow tells no amount of it."""
    carries = package.position == 1 if before is None else package.carries_shipping
    was = {line.id: line.status for line in before.lines} if before else {}
    lines = [
        line.id
        for line in after.lines
        if line.id in package.line_ids and line.status == PARTLY_REFUNDED != was.get(line.id) and not line.refunded
    ]
    told = any(_given_back(line, after) for line in after.lines)
    whole = carries and not told and after.status == PARTLY_REFUNDED != (before.status if before else "")
    if own.refunded or not (lines or whole):
        return []
    about = _named(lines) if lines else after.status
    return [Found(ChangeKind.REFUNDED, None, ChangeState.WAITING, "refund_amount_unknown", about)]


def _total_lowered(before: Order, after: Order, package: PackageRow, own: Own, booked: Decimal) -> list[Found]:
    """The order comes to less, and nothing else says why: money was given back, as it seems. For a person to tell."""
    comparable = before.currency == after.currency and min(before.total, after.total) >= 0
    if not package.carries_shipping or not comparable or after.total >= before.total:
        return []
    back = sum((_given_back(line, after) for line in after.lines), Decimal(0))
    elsewhere = max(sum(own.refunded.values(), Decimal(0)), booked) - back
    owed = _unexplained(after) - _unexplained(before) - max(elsewhere, Decimal(0))
    if owed <= unit_of(after.currency):  # a total that was rounded line by line
        return []
    about = f"total {before.total}, now {after.total}"
    identity = msgspec.json.encode([package.reference, str(before.total), str(after.total)])
    refund = Refund(hashlib.blake2b(identity, digest_size=8).hexdigest(), owed, "refunded at the marketplace")
    return [Found(ChangeKind.REFUNDED, refund, ChangeState.WAITING, "total_lowered", about)]


def _unexplained(order: Order) -> Decimal:
    """By how much the total is less than what is sold comes to, without what was given back."""
    sold = sum((line.amount for line in order.lines if not is_cancelled(line, order)), Decimal(0))
    back = sum((_given_back(line, order) for line in order.lines), Decimal(0))
    return max(sold + order.shipping + order.processing_fee - order.total - back, Decimal(0))


def _taken_back_unshipped(before: Order, after: Order, was: _Lines, now: _Lines, left: Sequence[str], own: Own) -> bool:
    """Everything was given back while nothing was on its way: there is nothing to deliver any more."""
    moved = any(is_shipped(was[one], before) or one in own.shipped for one in left)
    tracked = any(package.tracking_number for package in after.packages if set(package.line_ids) & set(left))
    whole = all(is_given_back(now[one], after) for one in left)
    return whole and not moved and not tracked and not after.delivered_by_marketplace


def _free_and_given_back(before: Order, was: _Lines, now: _Lines, left: Sequence[str]) -> bool:
    """What costs nothing is given back without any money."""
    free = not any(now[one].amount for one in left)
    return free and not all(is_given_back(was[one], before) for one in left)


def _addresses(before: Order, after: Order, was: _Lines, now: _Lines, left: Sequence[str], own: Own) -> list[Found]:
    if after.anonymized:
        return []
    old, new = _package_of(before, left), _package_of(after, left)
    relay = new.relay_id if new.relay_id != old.relay_id else ""
    if (before.billing, old.delivery) == (after.billing, new.delivery) and not relay:
        return []
    billing = after.billing if after.billing != before.billing else None
    delivery = new.delivery if new.delivery != old.delivery else None
    kept = CorrectAddress(_whole(billing), _whole(delivery))
    change = kept if kept.billing or kept.delivery else None
    if any(is_shipped(one, order) for order, lines in ((before, was), (after, now)) for one in _some(lines, left)) or (
        own.shipped & set(left)
    ):
        return [Found(ChangeKind.ADDRESS, change, ChangeState.IGNORED, "already_shipped")]
    if relay:
        return [Found(ChangeKind.ADDRESS, change, ChangeState.WAITING, "relay_changed", f"relay {relay}")]
    if change is None:
        return [Found(ChangeKind.ADDRESS, None, ChangeState.IGNORED, "address_erased")]
    return [Found(ChangeKind.ADDRESS, change)]


def _amounts(
    before: Order, after: Order, was: _Lines, now: _Lines, left: Sequence[str], *, carries_shipping: bool
) -> list[Found]:
    lines = tuple(
        AmendedLine(one, now[one].quantity, now[one].amount)
        for one in left
        if (was[one].quantity, was[one].amount) != (now[one].quantity, now[one].amount)
    )
    shipping = after.shipping if carries_shipping and after.shipping != before.shipping else None
    fee = after.processing_fee if carries_shipping and after.processing_fee != before.processing_fee else None
    if not lines and shipping is None and fee is None:
        return []
    if reason := _unusable(before, after, lines, shipping, fee):
        return [Found(ChangeKind.AMOUNTS, None, ChangeState.WAITING, reason)]
    return [Found(ChangeKind.AMOUNTS, AmendAmounts(lines, shipping, fee))]


def _unusable(
    before: Order, after: Order, lines: Sequence[AmendedLine], shipping: Decimal | None, fee: Decimal | None
) -> str:
    """Why no shop order can be brought to these amounts; empty if it can. As for what is not created (policy.py)."""
    if after.total == NO_RATE:
        return "no_exchange_rate"
    if after.currency != before.currency:
        return "currency_changed"
    if any(line.quantity < 1 for line in lines):
        return "invalid_quantity"
    amounts = [*(line.amount for line in lines), shipping, fee]
    return "negative_amount" if any(amount is not None and amount < 0 for amount in amounts) else ""


def _shipped(before: Order, after: Order, was: _Lines, now: _Lines, left: Sequence[str], own: Own) -> list[Found]:
    """Once all of it has left; a shop order is shipped as a whole."""
    told = set(left) <= own.shipped - own.shipped_past_shop
    if not left or after.delivered_by_marketplace or told:
        return []
    if all(is_shipped(was[one], before) for one in left) or not all(is_shipped(now[one], after) for one in left):
        return []
    package = _package_of(after, left)
    tracking = Tracking(carrier_name=package.carrier, number=package.tracking_number, url=package.tracking_url)
    return [Found(ChangeKind.SHIPPED, MarkShipped(tracking))]


def _not_shipped_after_all(before: Order, after: Order, was: _Lines, now: _Lines, left: Sequence[str]) -> list[Found]:
    """The marketplace counts as not shipped what it counted as shipped: its confirmation is lost, or was wrong."""
    if after.delivered_by_marketplace:
        return []
    lines = [one for one in left if is_shipped(was[one], before) and is_to_ship(now[one], after)]
    if not lines:
        return []
    return [Found(ChangeKind.SHIPPED, None, ChangeState.WAITING, SHIPMENT_TAKEN_BACK, _named(lines), always=True)]


def is_cancelled(line: Line, order: Order) -> bool:
    return line.status in CLOSED_LINE_STATUSES or order.status in CLOSED_LINE_STATUSES


def is_shipped(line: Line, order: Order) -> bool:
    return (line.status or order.status) in SHIPPED or order.status in SHIPPED


def is_to_ship(line: Line, order: Order) -> bool:
    return (line.status or order.status) in TO_SHIP and order.status in TO_SHIP


def is_sold_again(line: Line, order: Order) -> bool:
    """Of one that was cancelled. Money that is given back for it is no sale."""
    return not is_cancelled(line, order) and (is_to_ship(line, order) or is_shipped(line, order))


def is_given_back(line: Line, order: Order) -> bool:
    """As a whole."""
    return _is(line, order, REFUNDED) and _given_back(line, order) >= line.amount


def _is(line: Line, order: Order, status: str) -> bool:
    return status in (line.status, order.status)


def _given_back(line: Line, order: Order) -> Decimal:
    """What the marketplace gave back for a line. A line that is cancelled was not paid for."""
    if is_cancelled(line, order):
        return Decimal(0)
    if line.refunded > 0:
        return line.refunded
    return line.amount if _is(line, order, REFUNDED) else Decimal(0)


def _begun_in_shop(action: ActionRow) -> bool:
    return action.asked_by == HOST or action.asked_by.startswith(SHOP)


def _asked_back(line: Line, actions: Sequence[ActionRow], order: Order) -> Decimal:
    """What refund actions give back for a line: prices, pieces, or all of it."""
    prices = [_price(line, action) for action in actions]
    pieces = sum(_pieces(line, action) for action, price in zip(actions, prices, strict=True) if price is None)
    return _cost(line, pieces, order) + sum((price for price in prices if price is not None), Decimal(0))


def _price(line: Line, action: ActionRow) -> Decimal | None:
    """The money that an action gives back for this very line; None where it goes by pieces, or cannot be told."""
    try:
        price = Decimal(action.arguments.get("refund_price", "").replace(",", ".") or "NaN")
    except ArithmeticError:
        return None
    return price if action.arguments.get("line") == line.id and price.is_finite() and 0 < price < line.amount else None


def _pieces(line: Line, action: ActionRow) -> int:
    """How many pieces of a line a refund action gives back; all, where it names no number."""
    told = action.arguments.get("refund_quantity", "")
    pieces = int(told) if told.isascii() and told.isdecimal() else action.quantity
    return max(line.quantity, 1) if pieces is None else pieces


def _cost(line: Line, pieces: int, order: Order) -> Decimal:
    """What so many pieces of a line come to, in the currency's smallest amount."""
    if pieces < 1:
        return Decimal(0)
    if pieces >= line.quantity:
        return line.amount
    return (line.amount * pieces / line.quantity).quantize(unit_of(order.currency), ROUND_HALF_UP)


def _package_of(order: Order, line_ids: Sequence[str]) -> Package:
    """The package that most of the lines stand in."""
    wanted = set(line_ids)
    return max(order.packages, key=lambda one: len(wanted & set(one.line_ids)), default=Package((), None))


def _some(lines: _Lines, line_ids: Sequence[str]) -> list[Line]:
    return [lines[one] for one in line_ids]


def _whole(address: Address | None) -> Address | None:
    """An address that one could deliver to; None for what was erased or hidden."""
    if address is None or not (address.name and address.country and (address.first_line or address.city)):
        return None
    return address
