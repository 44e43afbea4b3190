"""How many pieces of each line left in which parcel, and what the marketplace knows of it. Pure."""

from collections.abc import Iterable, Mapping

import msgspec

from lengow.connector.model import ActionState, Order
from lengow.connector.store.rows import ActionRow

SHIP = "ship"
NOT_TOLD = (ActionState.REFUSED, ActionState.FAILED)


class Part(msgspec.Struct, frozen=True):
    """The pieces of a line in one parcel."""

    count: int
    parcel: str
    """The teller's id of it, or its tracking number; empty: not known."""
    state: ActionState
    handled: str
    """How it was dealt with: told with another parcel, or dismissed."""


class Pieces(msgspec.Struct, frozen=True):
    """A line of which a part left by itself."""

    parts: tuple[Part, ...]
    left: int
    """Pieces that nobody told to have left."""


def pieces_of(order: Order, actions: Iterable[ActionRow]) -> Mapping[str, Pieces]:
    """By line id; only lines of which parts were told."""
    told = [row for row in actions if row.action_type == SHIP]
    whole = {row.arguments.get("line", "") for row in told if row.quantity is None and row.state not in NOT_TOLD}
    found = {}
    for line in order.lines:
        rows = [row for row in told if row.quantity is not None and row.arguments.get("line", "") == line.id]
        if rows:
            gone = sum(row.quantity or 0 for row in rows if row.state not in NOT_TOLD)
            left = 0 if {"", line.id} & whole else max(line.quantity - gone, 0)
            parts = tuple(Part(row.quantity or 0, row.parcel, row.state, row.handled) for row in rows)
            found[line.id] = Pieces(parts, left)
    return found
