"""Whatever is told in whatever order: no more pieces than were sold, and what is held is told once it is whole."""

import hashlib
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from lengow.connector.errors import ActionInvalid
from lengow.connector.marketplace import ActionRule, Argument, Marketplace
from lengow.connector.model import ActionState, Line, Order, Package
from lengow.connector.parcels import Ask, messages_of, normalised
from lengow.connector.store.rows import ActionRow

NOW = datetime(2026, 11, 24, tzinfo=UTC)
SOLD = {"L1": 3, "L2": 1, "L3": 2}
CLOSED = "L3"
BY_QUANTITY = ActionRule(
    (), ("tracking_number",), ("line", "shipped_quantity"), {"shipped_quantity": Argument(kind="quantity")}
)
BY_LINE = ActionRule((), ("tracking_number",), ("line",), {})
LINE_BY_LINE = ActionRule((), ("line", "tracking_number"), (), {})
BY_ORDER = ActionRule((), ("tracking_number",), (), {})


def order():
    lines = [
        Line(name, "S", "T", quantity, Decimal(1), None, "canceled" if name == CLOSED else "waiting_shipment")
        for name, quantity in SOLD.items()
    ]
    fields = dict.fromkeys(Order.__struct_fields__, "")
    return Order(**{**fields, "packages": (Package(tuple(lines), None),), "types": ()})


ORDER = order()


class Outbox:
    """What the store would keep of each message."""

    def __init__(self, rule):
        self.marketplace = Marketplace("x_fr", "X", {"ship": rule, "refund": rule}, {})
        self.rows = []

    def tells(self, ask):
        try:
            messages = messages_of(self.marketplace, ORDER, normalised(self.marketplace, ORDER, ask), self.rows)
        except ActionInvalid:
            return []
        return [self._keep(ask, message) for message in messages]

    def _keep(self, ask, message):
        if message.same_as is not None:
            return message.same_as
        dedupe = hashlib.sha256(repr([sorted(message.arguments.items()), message.identity]).encode()).hexdigest()
        for row in self.rows:
            if row.dedupe == dedupe and row.state is not ActionState.REFUSED:
                return row
        state = ActionState.HELD if message.held else ActionState.SENT
        parcel = ask.parcel or ask.arguments.get("tracking_number", "")
        row = ActionRow(
            id=len(self.rows) + 1,
            order_id=1,
            package_id=None,
            account="main",
            marketplace="x_fr",
            marketplace_order_id="M1",
            action_type=ask.action,
            arguments=dict(message.arguments),
            dedupe=dedupe,
            state=state,
            lengow_id=None,
            error="",
            created_at=NOW,
            changed_at=NOW,
            sent_at=None,
            parcel=parcel,
            quantity=message.quantity,
        )
        self.rows = [
            msgspec.structs.replace(one, handled="told") if one.id in message.covers else one for one in self.rows
        ]
        self.rows.append(row)
        return row

    def refuses(self, number):
        if self.rows:
            chosen = self.rows[number % len(self.rows)]
            if chosen.state is ActionState.SENT:
                self.rows[number % len(self.rows)] = msgspec.structs.replace(chosen, state=ActionState.REFUSED)

    def pieces(self, line, states):
        return sum(
            row.quantity
            for row in self.rows
            if row.arguments.get("line") == line and row.quantity and row.state in states and not row.handled
        )

    def whole(self, line):
        return [
            row
            for row in self.rows
            if row.state is ActionState.SENT and row.quantity is None and row.arguments.get("line") in (None, line)
        ]


NUMBERS = st.sampled_from(["T1", "T2", "T3"])
ASKS = st.builds(
    Ask,
    action=st.just("ship"),
    arguments=st.builds(lambda number: {"tracking_number": number}, NUMBERS),
    line_ids=st.none() | st.lists(st.sampled_from([*SOLD, "L9"]), min_size=1, max_size=3).map(tuple),
    quantities=st.dictionaries(st.sampled_from([*SOLD, "L9"]), st.integers(-1, 4), max_size=2),
    parcel=st.sampled_from(["", "p1", "p2"]),
    whole=st.sampled_from([False, False, False, True]),
)
RULES = st.sampled_from([BY_QUANTITY, BY_LINE, LINE_BY_LINE, BY_ORDER])


@settings(max_examples=300, deadline=None)
@given(RULES, st.lists(st.tuples(ASKS, st.none() | st.integers(0, 9)), max_size=8))
def test_no_more_is_told_or_held_than_was_sold(rule, asks):
    outbox = Outbox(rule)
    for ask, refused in asks:
        outbox.tells(ask)
        for line, sold in SOLD.items():
            assert outbox.pieces(line, (ActionState.SENT,)) <= sold
            assert outbox.pieces(line, (ActionState.HELD,)) <= sold
        if refused is not None:
            outbox.refuses(refused)


@settings(max_examples=200, deadline=None)
@given(RULES, ASKS)
def test_the_same_told_twice_is_one(rule, ask):
    outbox = Outbox(rule)
    first = outbox.tells(ask)
    count = len(outbox.rows)
    assert outbox.tells(ask) == first or len(outbox.rows) == count
    assert len(outbox.rows) == count


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([BY_LINE, LINE_BY_LINE, BY_ORDER]), st.permutations([("L1", 1), ("L1", 2), ("L2", 1)]))
def test_once_all_parcels_are_told_every_line_is_told_once(rule, parcels):
    outbox = Outbox(rule)
    for number, (line, pieces) in enumerate(parcels):
        outbox.tells(Ask("ship", {"tracking_number": f"T{number}"}, quantities={line: pieces}))
    for line in ("L1", "L2"):
        assert len(outbox.whole(line)) == 1
        assert outbox.pieces(line, (ActionState.HELD,)) == 0


@given(st.sampled_from([BY_LINE, BY_ORDER]), st.permutations([("L1", 1), ("L2", 1)]))
def test_while_a_part_is_missing_it_is_not_told(rule, parcels):
    outbox = Outbox(rule)
    for number, (line, pieces) in enumerate(parcels):
        outbox.tells(Ask("ship", {"tracking_number": f"T{number}"}, quantities={line: pieces}))
    assert outbox.whole("L1") == []
    assert outbox.pieces("L1", (ActionState.HELD,)) == 1
