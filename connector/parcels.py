"""Which messages to Lengow an action becomes, when a parcel may hold some lines, or a part of a line. Pure.

Where the marketplace's rule takes a quantity, each part of a line is told as it leaves. Where it takes only whole lines
(or the whole order), the parts are held until they make it whole, and are told by one message with the tracking of the
parcel that did. Nothing is told as shipped that is not; the deadline of what is held is told of like any other's, and a
person may tell it at once (docs/actions.md). As the official Magento plugin does (reference lengow.md §4.9).
"""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from lengow.connector.errors import ActionInvalid
from lengow.connector.marketplace import ActionRule, Marketplace
from lengow.connector.model import ActionState, Line, Order
from lengow.connector.rules import quantity_argument
from lengow.connector.store.rows import ActionRow

HELD_IN_PARTS = "ship"
"""The action whose parts are held where only whole lines are taken; a part of any other is refused."""


class Ask(msgspec.Struct, frozen=True):
    """What was told: by a host, a person or a shop's event."""

    action: str
    arguments: Mapping[str, str]
    line_ids: tuple[str, ...] | None = None
    """None: the whole order."""
    quantities: Mapping[str, int] = {}
    """Pieces of the lines of which only a part is meant; any other line is meant with all that is left of it."""
    parcel: str = ""
    """The teller's own id of the parcel: told again, it is not counted twice."""
    whole: bool = False
    """Tell the lines whole, whatever is held of them: a person has decided so."""


class Message(msgspec.Struct, frozen=True):
    """One action to be: told to Lengow, or held."""

    arguments: Mapping[str, str] = {}
    """As they go to Lengow; of a held one, with its line."""
    identity: tuple[str, ...] = ()
    """What, beside the arguments, makes it the same one when it is told again."""
    quantity: int | None = None
    """Pieces of its line, where it is a part."""
    held: bool = False
    covers: tuple[int, ...] = ()
    """The held actions that it tells along, or replaces."""
    same_as: ActionRow | None = None
    """The action by which it was told before; there is nothing new to tell."""


class _Before(msgspec.Struct, frozen=True):
    """What was asked of the same kind before."""

    rows: tuple[ActionRow, ...]
    """Without what was refused."""
    told: tuple[ActionRow, ...]
    held: tuple[ActionRow, ...]
    """Not told and not dealt with."""

    def whole(self, line_id: str) -> list[ActionRow]:
        return [row for row in self.told if row.quantity is None and _line(row) in ("", line_id)]

    def parts(self, line_id: str) -> list[ActionRow]:
        return [row for row in self.told if row.quantity is not None and _line(row) == line_id]

    def waiting(self, line_id: str, *, without: str = "") -> list[ActionRow]:
        """`without`: not those of this parcel, which is being told anew."""
        return [row for row in self.held if _line(row) == line_id and not (without and row.parcel == without)]


def normalised(description: Marketplace, order: Order, ask: Ask) -> Ask:
    """The same ask with its line and quantity, where they were given as arguments, in their own places.

    A parcel without an id is known by its tracking number.
    """
    rule = description.actions.get(ask.action)
    arguments = dict(ask.arguments)
    line_ids, quantities = ask.line_ids, dict(ask.quantities)
    if line_ids is None and arguments.get("line"):
        line_ids = (arguments["line"],)
    counter = quantity_argument(rule) if rule else ""
    counted = arguments.get(counter, "")
    open_ids = tuple(line.id for line in order.lines if line.open)
    about = line_ids or (open_ids if len(open_ids) == 1 else ())
    if about and counted.isascii() and counted.isdigit():
        quantities = {line_id: int(counted) for line_id in about} | quantities
        line_ids = about
        del arguments[counter]
    if line_ids is not None:
        arguments.pop("line", None)
    parcel = ask.parcel or arguments.get("tracking_number", "")
    return msgspec.structs.replace(ask, arguments=arguments, line_ids=line_ids, quantities=quantities, parcel=parcel)


def messages_of(description: Marketplace, order: Order, ask: Ask, rows: Collection[ActionRow]) -> list[Message]:
    """The messages for one ask; `rows` are all actions of the order. Raises ActionInvalid.

    Whether the marketplace takes them is for `check_action` to say; that no more is told than was sold, for this.
    """
    rule = description.actions.get(ask.action)
    if rule is None:
        return [Message(ask.arguments)]
    lines = {line.id: line for line in order.lines}
    open_ids = [line.id for line in order.lines if line.open]
    _check_asked(ask, lines)
    before = _before(ask, rows)
    ask = _without_whole_quantities(ask, lines, before)
    asked = list(open_ids if ask.line_ids is None else ask.line_ids)
    if not asked:
        return [Message(ask.arguments)]  # every line is closed: for `check_action` to refuse
    in_parts = bool(ask.quantities) or any(row.quantity for row in before.told)
    if set(asked) >= set(open_ids) and not in_parts and "line" not in rule.required:
        return [Message(ask.arguments, covers=_ids(before.held))]
    if not rule.takes("line"):
        return _of_order(description, ask, lines, open_ids, asked, before)
    found = [_of_line(description, rule, ask, line_id, lines.get(line_id), before) for line_id in asked]
    if told := [message for message in found if message is not None]:
        return told
    raise _too_high(ask, lines[asked[0]], 0, told=lines[asked[0]].quantity)


def made_whole(description: Marketplace, order: Order, rows: Collection[ActionRow]) -> list[ActionRow]:
    """Of the held parts, the last of each line (or of the order) that is whole by now, as the rest was cancelled."""
    rule = description.actions.get(HELD_IN_PARTS)
    held = [row for row in rows if row.state is ActionState.HELD and not row.handled]
    open_lines = [line for line in order.lines if line.open]
    parts = {line.id: [row for row in held if _line(row) == line.id] for line in open_lines}
    whole = [line.id for line in open_lines if sum(row.quantity or 0 for row in parts[line.id]) >= line.quantity]
    if rule is None or not held:
        return []
    if rule.takes("line"):
        return [parts[line_id][-1] for line_id in whole if parts[line_id]]
    return held[-1:] if open_lines and len(whole) == len(open_lines) else []


def _check_asked(ask: Ask, lines: Mapping[str, Line]) -> None:
    for line_id, quantity in ask.quantities.items():
        if line_id not in lines:
            raise _unknown(ask, line_id)
        if isinstance(quantity, bool) or not isinstance(quantity, int) or quantity < 1:
            raise ActionInvalid(
                "quantity_invalid", f"{quantity!r} of the line {line_id} is not a number of pieces.", field="quantity"
            )
        if quantity > lines[line_id].quantity:
            raise _too_high(ask, lines[line_id], quantity)


def _before(ask: Ask, rows: Collection[ActionRow]) -> _Before:
    refused = (ActionState.REFUSED, ActionState.FAILED)
    same = tuple(row for row in rows if row.action_type == ask.action and row.state not in refused)
    return _Before(
        same,
        told=tuple(row for row in same if row.state is not ActionState.HELD),
        held=tuple(row for row in same if row.state is ActionState.HELD and not row.handled),
    )


def _without_whole_quantities(ask: Ask, lines: Mapping[str, Line], before: _Before) -> Ask:
    """All pieces of a line are the line, where no part of it was told before."""
    parts = {
        line_id: quantity
        for line_id, quantity in ask.quantities.items()
        if quantity < lines[line_id].quantity or any(_line(row) == line_id and row.quantity for row in before.rows)
    }
    line_ids = tuple(dict.fromkeys([*(ask.line_ids or ()), *ask.quantities])) if ask.quantities else ask.line_ids
    return msgspec.structs.replace(ask, quantities=parts, line_ids=line_ids)


def _of_line(
    description: Marketplace, rule: ActionRule, ask: Ask, line_id: str, line: Line | None, before: _Before
) -> Message | None:
    """None: all of the line was told in parts before, and nothing is left of it."""
    arguments, counter = {**ask.arguments, "line": line_id}, quantity_argument(rule)
    if line is None:
        return Message(arguments)  # for `check_action` to refuse
    whole = Message(_counted(rule, counter, arguments, line), covers=_ids(before.waiting(line_id)))
    if ask.whole or not (line_id in ask.quantities or before.parts(line_id) or before.waiting(line_id)):
        return whole
    if (same := _told_before(ask, line_id, before)) is not None:
        return Message(same_as=same)
    if before.whole(line_id):
        return _after_whole(ask, line, before, whole)
    if counter:
        return _by_quantity(ask, line, counter, arguments, before.parts(line_id))
    if ask.action != HELD_IN_PARTS:
        raise ActionInvalid(
            "quantity_not_supported",
            f"{description.name} takes {ask.action} only for whole lines, and {ask.quantities[line_id]} of "
            f"{line.quantity} was chosen.",
            field="quantity",
            what_to_do="Choose the whole line, or do it on the marketplace's own pages.",
        )
    held = _held(ask, line, before)
    return held if held.held else whole


def _of_order(
    description: Marketplace,
    ask: Ask,
    lines: Mapping[str, Line],
    open_ids: Sequence[str],
    asked: Sequence[str],
    before: _Before,
) -> list[Message]:
    """Where the marketplace takes no lines: held, line by line, until the order is whole."""
    everything = Message(ask.arguments, covers=_ids(before.held))
    if ask.whole:
        return [everything]
    if ask.action != HELD_IN_PARTS:
        raise ActionInvalid(
            "line_not_supported",
            f"{description.name} takes {ask.action} only for the whole order, and not for {', '.join(asked)[:200]}.",
            field="line",
            what_to_do=f"Send {ask.action} once for the whole order, or do it on the marketplace's own pages.",
        )
    for line_id in asked:
        if line_id not in lines:
            raise _unknown(ask, line_id)
        if not lines[line_id].open:
            status = lines[line_id].status
            raise ActionInvalid(
                "line_closed", f"The line {line_id} is {status}; there is nothing to ship.", field="line"
            )
    found = []
    for line_id in asked:
        same = _told_before(ask, line_id, before)
        if same is not None:
            found.append(Message(same_as=same))
        elif before.told:
            found.append(_after_whole(ask, lines[line_id], before, everything))
        else:
            found.append(_held(ask, lines[line_id], before))
    if everything in found:
        return [everything]
    new = {line_id: message.quantity or 0 for line_id, message in zip(asked, found, strict=True)}
    pieces = {
        line_id: new.get(line_id, 0)
        + sum(row.quantity or 0 for row in before.waiting(line_id, without=ask.parcel if new.get(line_id) else ""))
        for line_id in open_ids
    }
    if any(new.values()) and all(pieces[line_id] >= lines[line_id].quantity for line_id in open_ids):
        return [everything]
    return [msgspec.structs.replace(one, held=one.same_as is None) for one in found]


def _told_before(ask: Ask, line_id: str, before: _Before) -> ActionRow | None:
    """The action that told the same part of the line of the same parcel; or that held it until the line was whole,
    whose tracking is not told any more."""
    asked = ask.quantities.get(line_id)
    for row in before.rows:
        if _line(row) != line_id or row.quantity is None or row.parcel != ask.parcel:
            continue
        same = asked in (None, row.quantity) and ask.arguments.items() <= row.arguments.items()
        if same or (ask.parcel and row.handled):
            return row
    return None


def _after_whole(ask: Ask, line: Line, before: _Before, whole: Message) -> Message:
    """The line is told as whole. News is only what the very parcel that told it has new, such as another number."""
    facts = ask.arguments.items()
    for row in before.whole(line.id):
        if row.parcel == ask.parcel and (ask.parcel or facts <= row.arguments.items()):
            return whole
    raise _too_high(ask, line, ask.quantities.get(line.id, line.quantity), told=line.quantity)


def _by_quantity(
    ask: Ask, line: Line, counter: str, arguments: Mapping[str, str], parts: Sequence[ActionRow]
) -> Message | None:
    told = sum(row.quantity or 0 for row in parts)
    quantity = ask.quantities.get(line.id, line.quantity - told)
    if quantity == 0:
        return None
    if ask.parcel and any(row.parcel == ask.parcel for row in parts):
        raise ActionInvalid(
            "parcel_already_told",
            f"A part of the line {line.id} was told with the parcel {ask.parcel} before, with other facts. Told anew, "
            "its pieces would count twice.",
            field="line",
            what_to_do="Correct it on the marketplace's own pages, then dismiss this.",
        )
    if told + quantity > line.quantity:
        raise _too_high(ask, line, quantity, told=told)
    return Message({**arguments, counter: str(quantity)}, ("part", ask.parcel), quantity)


def _held(ask: Ask, line: Line, before: _Before) -> Message:
    """The part, which waits for the rest; it is not `held` where the line is whole with it."""
    told = sum(row.quantity or 0 for row in before.waiting(line.id, without=ask.parcel))
    quantity = ask.quantities.get(line.id, line.quantity - told)
    if quantity < 1 or told + quantity > line.quantity:
        raise _too_high(ask, line, quantity, told=told)
    mine = [row for row in before.waiting(line.id) if row.parcel == ask.parcel and ask.parcel]
    return Message(
        {**ask.arguments, "line": line.id},
        ("held", ask.parcel, str(quantity)),
        quantity,
        held=told + quantity < line.quantity,
        covers=_ids(mine),
    )


def _counted(rule: ActionRule, counter: str, arguments: Mapping[str, str], line: Line) -> Mapping[str, str]:
    """A whole line needs no quantity, unless the rule demands one, or would take another for granted."""
    default = rule.arguments[counter].default_value if counter in rule.arguments else ""
    demanded = bool(counter) and not arguments.get(counter) and (counter in rule.required or bool(default))
    return {**arguments, counter: str(line.quantity)} if demanded else arguments


def _line(row: ActionRow) -> str:
    return row.arguments.get("line", "")


def _ids(rows: Collection[ActionRow]) -> tuple[int, ...]:
    return tuple(row.id for row in rows)


def _unknown(ask: Ask, line_id: str) -> ActionInvalid:
    return ActionInvalid("line_unknown", f"The order has no line {line_id[:100]!r} to {ask.action}.", field="line")


def _too_high(ask: Ask, line: Line, quantity: int, *, told: int = 0) -> ActionInvalid:
    before = f", of which {told} were told or held before" if told else ""
    return ActionInvalid(
        "quantity_too_high",
        f"{quantity} of the line {line.id} is too much to {ask.action}: {line.quantity} were sold{before}.",
        field="quantity",
        what_to_do="Compare the parcels with the order; what is told already needs nothing.",
    )
