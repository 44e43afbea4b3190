"""Which changes that were not brought to a shop yet are moot, because Lengow has taken them back or says more. Pure.

A change waits: for its shop, or for a person. What it says may not be so any more by then, such as a cancellation of an
order of which a line is sold again. It must not be brought, by nobody, and what is left of it goes in its place.
"""

from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal

import msgspec

from lengow.connector.adapter import Cancel, CancelLines, MarkShipped, Refund
from lengow.connector.changes import (
    REFUNDED_BEFORE,
    SHIPMENT_TAKEN_BACK,
    Found,
    are_named,
    is_cancelled,
    is_shipped,
    is_sold_again,
    is_to_ship,
)
from lengow.connector.model import ChangeKind, ChangeState, Line, Order, OrderState
from lengow.connector.store.rows import ChangeRow, PackageRow

OPEN = (ChangeState.PENDING, ChangeState.WAITING)
"""Not brought to the shop, and not settled."""

IN_DOUBT = "change_given_up"
"""The reason of a change that waits for a person and may be in the shop all the same."""


class TakenBack(msgspec.Struct, frozen=True):
    moot: tuple[ChangeRow, ...]
    """Not to be brought any more."""
    found: tuple[Found, ...]
    """What is new by this reading, in the light of that."""


def take_back(
    after: Order, package: PackageRow, found: Sequence[Found], rows: Sequence[ChangeRow], reopened: Collection[str]
) -> TakenBack:
    """`rows`: the package's changes so far; `reopened`: its lines whose cancellation this reading takes back."""
    lines = {line.id: line for line in after.lines if line.id in package.line_ids}
    waiting = [row for row in rows if row.state in OPEN]
    stale = [row for row in waiting if is_stale(row, after, package)]
    settled = [one for one in found if one.reason != SHIPMENT_TAKEN_BACK or not _was_untold(stale, package)]
    if reopened and set(reopened) <= _uncancelled(stale, package):
        settled = [one for one in settled if one.reason != "reopened"]
    settled += _left_of(stale, [row for row in rows if row not in stale], lines, after, package)
    covered = [row for row in waiting if row not in stale and _is_covered(row, settled, package)]
    names = {line_id for row in covered if isinstance(row.body, Refund) for line_id in row.body.line_ids}
    settled = [_plain(one, names) for one in settled]
    return TakenBack((*stale, *covered), tuple(settled))


def withdrawn(rows: Sequence[ChangeRow], package: PackageRow) -> frozenset[str]:
    """The lines that the shop has cancelled, or will, as it was told; `rows` oldest first."""
    lines: set[str] = set()
    for row in rows:
        if row.reason == "reopened":
            waits = row.state is ChangeState.WAITING  # else it holds the words of who dismissed it
            lines -= are_named(row.about if waits else "", lines)
        elif row.state in (ChangeState.APPLIED, ChangeState.PENDING):
            lines.update(_cancels(row, package))
    return frozenset(lines)


def left_of(refund: Refund, sold: Iterable[Line]) -> Refund | None:
    """What counts of a refund by now, where only these lines are still sold; None: nothing, its lines are all cancelled."""
    left = [line for line in sold if line.id in refund.line_ids]
    if len(left) == len(refund.line_ids):
        return refund
    if not left:
        return None
    amount = min(refund.amount, sum((line.amount for line in left), Decimal(0)))
    return msgspec.structs.replace(refund, amount=amount, line_ids=tuple(line.id for line in left))


def is_stale(row: ChangeRow, after: Order, package: PackageRow) -> bool:
    """Whether what it says is not so any more."""
    lines = {line.id: line for line in after.lines if line.id in package.line_ids}
    left = [line for line in lines.values() if not is_cancelled(line, after)]
    shipped = bool(left) and all(is_shipped(line, after) for line in left)
    if row.reason == SHIPMENT_TAKEN_BACK:
        return shipped or not left
    if isinstance(row.body, MarkShipped):
        return bool(left) and all(is_to_ship(line, after) for line in left)
    return any(is_sold_again(lines[one], after) for one in _cancels(row, package) if one in lines)


def _cancels(row: ChangeRow, package: PackageRow) -> tuple[str, ...]:
    if isinstance(row.body, Cancel):
        return package.line_ids
    return row.body.line_ids if isinstance(row.body, CancelLines) else ()


def _is_untold(row: ChangeRow, package: PackageRow) -> bool:
    """Whether the shop surely knows nothing of it."""
    return package.state is not OrderState.CREATED or (row.state is ChangeState.WAITING and row.reason != IN_DOUBT)


def _was_untold(stale: Sequence[ChangeRow], package: PackageRow) -> bool:
    """Whether a shipment that is taken back never came to the shop's ears."""
    return any(isinstance(row.body, MarkShipped) and _is_untold(row, package) for row in stale)


def _uncancelled(stale: Sequence[ChangeRow], package: PackageRow) -> set[str]:
    """Lines that the shop has not cancelled, as it was not told."""
    return {one for row in stale if _is_untold(row, package) for one in _cancels(row, package)}


def _left_of(
    stale: Sequence[ChangeRow], others: Sequence[ChangeRow], lines: dict[str, Line], after: Order, package: PackageRow
) -> list[Found]:
    """The lines of a stale cancellation that are cancelled all the same, and that no other change cancels."""
    elsewhere = {
        one
        for row in others
        if row.state in OPEN or (row.state is ChangeState.APPLIED and isinstance(row.body, CancelLines))
        for one in _cancels(row, package)
    }
    named = dict.fromkeys(one for row in stale for one in _cancels(row, package) if one in lines)
    left = tuple(one for one in named if one not in elsewhere and is_cancelled(lines[one], after))
    if not left:
        return []
    amount = sum((lines[one].amount for one in left), Decimal(0))
    return [Found(ChangeKind.LINES, CancelLines(left, amount, "cancelled at the marketplace"))]


def _is_covered(row: ChangeRow, found: Sequence[Found], package: PackageRow) -> bool:
    """A refund that the shop was not told of, of lines that are cancelled now: they come to nothing as it is."""
    if not isinstance(row.body, Refund) or not row.body.line_ids or not _is_untold(row, package):
        return False
    cancelled = [one.change.line_ids for one in found if isinstance(one.change, CancelLines)]
    everything = any(isinstance(one.change, Cancel) and one.verdict is None for one in found)
    return everything or any(set(row.body.line_ids) <= set(line_ids) for line_ids in cancelled)


def _plain(found: Found, covered: Collection[str]) -> Found:
    """A cancellation of lines that were given back before, where the shop knows nothing of that."""
    change = found.change
    if (
        found.reason != REFUNDED_BEFORE
        or not isinstance(change, CancelLines)
        or not set(change.line_ids) <= set(covered)
    ):
        return found
    return msgspec.structs.replace(found, verdict=None, reason="", about="")
