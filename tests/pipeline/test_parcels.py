"""Parcels that hold some lines of an order, or a part of a line: told by quantity where the marketplace takes that, else
held until the line, or the order, is whole."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lengow.connector import ActionInvalid, Connector
from lengow.connector.adapter import Event
from lengow.connector.events import _row
from lengow.connector.model import ActionState, StepKind, Tracking
from lengow.connector.store.rows import NewStep
from lengow.sandbox import Fault

CARRIERS = {"decathlon_fr": "colissimo", "manomano_fr": "DPD", "fnac_fr": "20002", "darty_fr": "Colissimo"}
ACTIONS = "/v3.0/orders/actions/"


class Sold:
    """An order of one line (or of several), and the two ways to tell what left of it."""

    def __init__(self, merchant: Any, marketplace: str, pieces: int = 3, kind: str = "standard") -> None:
        self.merchant, self.marketplace = merchant, marketplace
        [self.id] = merchant.sells(kind=kind, marketplace=marketplace)
        merchant.sandbox.amend(self.id, {"quantity": pieces})
        merchant.sandbox.advance(minutes=15)
        merchant.sync()
        [sold] = [one for one in merchant.sandbox.ledger().sold if one.order_id == self.id]
        self.lines = [line.id for line in sold.lines]
        self.line = self.lines[0]

    def ships(self, number: str, pieces: int | None = None, **options: Any) -> list[Any]:
        quantities = {self.line: pieces} if pieces is not None else None
        rows: list[Any] = self.merchant.connector.ship(
            "main",
            self.marketplace,
            self.id,
            carrier=CARRIERS[self.marketplace],
            tracking_number=number,
            quantities=quantities,
            **options,
        )
        return rows

    def told(self) -> list[tuple[str, str | None, str | None, str]]:
        """What the marketplace was told, by number: number, line, pieces, outcome."""
        told = sorted(self.merchant.sandbox.ledger().told, key=lambda one: one.arguments["tracking_number"])
        return [
            (
                one.arguments["tracking_number"],
                one.arguments.get("line"),
                one.arguments.get("shipped_quantity"),
                one.outcome,
            )
            for one in told
        ]

    def settles(self) -> None:
        self.merchant.sync()
        self.merchant.sandbox.advance(hours=1)
        self.merchant.sync()

    def states(self) -> list[str]:
        return [str(row.state) for row in reversed(self.merchant.connector.store.list_actions())]


class TestByQuantity:
    """The marketplace takes parts of a line."""

    @pytest.fixture
    def sold(self, merchant: Any) -> Sold:
        return Sold(merchant, "decathlon_fr")

    def test_each_parcel_is_told_with_its_pieces(self, sold: Sold) -> None:
        sold.ships("T1", 1)
        sold.settles()
        sold.ships("T2", 2)
        sold.settles()
        assert sold.told() == [("T1", sold.line, "1", "confirmed"), ("T2", sold.line, "2", "confirmed")]
        assert sold.merchant.order(sold.id, "decathlon_fr").order.status == "shipped"

    def test_the_same_parcel_told_twice_is_one_action(self, sold: Sold) -> None:
        [first] = sold.ships("T1", 1)
        [again] = sold.ships("T1", 1)
        sold.settles()
        [later] = sold.ships("T1", 1)
        sold.settles()
        assert first.id == again.id == later.id
        assert sold.told() == [("T1", sold.line, "1", "confirmed")]

    def test_another_number_is_another_parcel(self, sold: Sold) -> None:
        sold.ships("T1", 1)
        sold.ships("T2", 1)
        sold.settles()
        assert [one[0] for one in sold.told()] == ["T1", "T2"]

    def test_of_one_parcel_with_another_number_the_pieces_do_not_count_twice(self, sold: Sold) -> None:
        sold.ships("T1", 1, parcel="p1")
        with pytest.raises(ActionInvalid) as stopped:
            sold.ships("T1-corrected", 1, parcel="p1")
        assert stopped.value.code == "parcel_already_told"
        sold.ships("T2", 2, parcel="p2")
        sold.settles()
        assert [one[2:] for one in sold.told()] == [("1", "confirmed"), ("2", "confirmed")]

    def test_what_is_told_without_a_quantity_is_the_rest(self, sold: Sold) -> None:
        sold.ships("T1", 1)
        sold.ships("T2", line_ids=[sold.line])
        sold.settles()
        assert [one[2] for one in sold.told()] == ["1", "2"]

    def test_all_pieces_are_the_line(self, sold: Sold) -> None:
        sold.ships("T1", 3)
        sold.settles()
        assert sold.told() == [("T1", None, None, "confirmed")]

    @pytest.mark.parametrize(
        ("before", "pieces"),
        [((), 4), ((1,), 3), ((2, 1), 1), ((3,), 1)],
        ids=["at once", "in sum", "after all", "after whole"],
    )
    def test_never_more_is_told_than_was_sold(self, sold: Sold, before: tuple[int, ...], pieces: int) -> None:
        for number, earlier in enumerate(before):
            sold.ships(f"T{number}", earlier)
        count = len(sold.merchant.connector.store.list_actions())
        with pytest.raises(ActionInvalid) as stopped:
            sold.ships("T9", pieces)
        assert stopped.value.code == "quantity_too_high"
        assert len(sold.merchant.connector.store.list_actions()) == count

    def test_a_refused_part_counts_no_more_and_can_be_told_anew(self, sold: Sold) -> None:
        [part] = sold.ships("T1", 2)
        sold.merchant.sandbox.fault(Fault("status", method="POST", path=ACTIONS, status=400, body="{}"))
        sold.merchant.sync()
        sold.ships("T2", 1)
        [again] = sold.merchant.connector.retry_action(part.id, who="anna")
        sold.settles()
        assert sold.told() == [("T1", sold.line, "2", "confirmed"), ("T2", sold.line, "1", "confirmed")]
        assert sold.merchant.connector.store.action(part.id).handled == f"told anew with action {again.id}"

    def test_a_quantity_may_stand_among_the_arguments(self, sold: Sold) -> None:
        sold.ships("T1", shipped_quantity="1", line=sold.line)
        sold.ships("T2", 2)
        sold.settles()
        assert [one[2] for one in sold.told()] == ["1", "2"]

    def test_two_parts_alike_in_doubt_are_told_once_each(self, sold: Sold) -> None:
        """One came to Lengow and its answer was lost, the other did not: what stands there is one of the two."""
        sold.ships("T1")
        sold.settles()
        for slip in ("slip 1", "slip 2"):
            sold.merchant.connector.act(
                "refund",
                "main",
                "decathlon_fr",
                sold.id,
                {"refund_reason": "damaged"},
                quantities={sold.line: 1},
                parcel=slip,
            )
        sold.merchant.sandbox.fault(Fault("lost_after", method="POST", path=ACTIONS))
        sold.merchant.sandbox.fault(Fault("lost_before", method="POST", path=ACTIONS, after=1))
        for _ in range(3):
            sold.merchant.sync()
            sold.merchant.sandbox.advance(minutes=5)
        sold.settles()
        refunds = [one.outcome for one in sold.merchant.sandbox.ledger().told if one.action_type == "refund"]
        assert refunds == ["confirmed"] * 2
        ids = [row.lengow_id for row in sold.merchant.connector.store.list_actions()]
        assert len(set(ids)) == 3

    def test_a_part_may_be_cancelled_and_refunded(self, sold: Sold) -> None:
        act = sold.merchant.connector.act
        act("cancel", "main", "decathlon_fr", sold.id, quantities={sold.line: 1})
        sold.settles()
        sold.ships("T1", 2)
        sold.settles()
        act("refund", "main", "decathlon_fr", sold.id, {"refund_reason": "damaged"}, quantities={sold.line: 1})
        sold.settles()
        told = [(one.action_type, one.outcome) for one in sold.merchant.sandbox.ledger().told]
        assert told == [("cancel", "confirmed"), ("ship", "confirmed"), ("refund", "confirmed")]


@pytest.mark.parametrize("marketplace", ["manomano_fr", "fnac_fr"])
class TestByLine:
    """The marketplace takes lines, and no parts of them."""

    def test_a_part_is_held_until_the_line_is_whole_and_told_with_the_last_number(
        self, merchant: Any, marketplace: str
    ) -> None:
        sold = Sold(merchant, marketplace)
        [part] = sold.ships("T1", 1)
        sold.settles()
        assert (part.state, part.quantity, sold.told()) == (ActionState.HELD, 1, [])
        [whole] = sold.ships("T2", 2)
        sold.settles()
        assert [(number, pieces, outcome) for number, _, pieces, outcome in sold.told()] == [("T2", None, "confirmed")]
        assert merchant.connector.store.action(part.id).handled == f"told with action {whole.id}"

    def test_parcels_told_twice_are_one(self, merchant: Any, marketplace: str) -> None:
        sold = Sold(merchant, marketplace)
        for number, pieces in (("T1", 1), ("T1", 1), ("T2", 2), ("T2", 2), ("T1", 1)):
            sold.ships(number, pieces)
        sold.settles()
        assert len(sold.told()) == 1
        assert sold.states() == ["held", "confirmed"]

    def test_a_corrected_number_replaces_that_of_a_held_part(self, merchant: Any, marketplace: str) -> None:
        sold = Sold(merchant, marketplace)
        [wrong] = sold.ships("T1", 1, parcel="p1")
        [right] = sold.ships("T1-corrected", 1, parcel="p1")
        assert merchant.connector.store.action(wrong.id).handled == f"told with action {right.id}"
        sold.ships("T2", 2, parcel="p2")
        sold.settles()
        assert [one[0] for one in sold.told()] == ["T2"]

    def test_a_person_may_tell_it_at_once(self, merchant: Any, marketplace: str) -> None:
        sold = Sold(merchant, marketplace)
        [part] = sold.ships("T1", 1)
        [shown] = merchant.connector.retry_action(part.id, dry_run=True)
        [told] = merchant.connector.retry_action(part.id, who="anna")
        assert (shown.id, shown.state, told.state) == (0, ActionState.QUEUED, ActionState.QUEUED)
        sold.settles()
        assert [(number, outcome) for number, _, _, outcome in sold.told()] == [("T1", "confirmed")]
        with pytest.raises(ActionInvalid) as stopped:
            sold.ships("T2", 2)
        assert stopped.value.code == "quantity_too_high"

    def test_what_is_told_whole_takes_the_held_part_along(self, merchant: Any, marketplace: str) -> None:
        sold = Sold(merchant, marketplace)
        [part] = sold.ships("T1", 1)
        [whole] = sold.ships("T2")
        sold.settles()
        assert [one[0] for one in sold.told()] == ["T2"]
        assert merchant.connector.store.action(part.id).handled == f"told with action {whole.id}"

    def test_a_dismissed_part_waits_no_more(self, merchant: Any, marketplace: str) -> None:
        sold = Sold(merchant, marketplace)
        [part] = sold.ships("T1", 1)
        merchant.connector.dismiss_action(part.id, reason="The parcel came back.", who="anna")
        sold.ships("T2", 2)
        assert sold.states() == ["held", "held"]

    def test_more_than_was_sold_is_refused(self, merchant: Any, marketplace: str) -> None:
        sold = Sold(merchant, marketplace)
        sold.ships("T1", 2)
        with pytest.raises(ActionInvalid) as stopped:
            sold.ships("T2", 2)
        assert stopped.value.code == "quantity_too_high"


class TestByOrder:
    """The marketplace takes only whole orders."""

    def test_lines_are_held_until_all_are_told(self, merchant: Any) -> None:
        sold = Sold(merchant, "darty_fr", pieces=2, kind="multi_line")
        for number, line in enumerate(sold.lines[:-1]):
            [row] = sold.ships(f"T{number}", line_ids=[line])
            assert row.state is ActionState.HELD
        sold.settles()
        assert sold.told() == []
        sold.ships("T9", line_ids=[sold.lines[-1]])
        sold.ships("T9", line_ids=[sold.lines[-1]])
        sold.ships("T0", line_ids=[sold.lines[0]])
        sold.settles()
        assert sold.told() == [("T9", None, None, "confirmed")]

    def test_pieces_are_held_until_all_are_told(self, merchant: Any) -> None:
        sold = Sold(merchant, "darty_fr")
        sold.ships("T1", 2)
        sold.settles()
        assert sold.told() == []
        sold.ships("T2", 1)
        sold.settles()
        assert sold.told() == [("T2", None, None, "confirmed")]

    @pytest.mark.parametrize("action", ["cancel", "refund", "accept", "refuse"])
    def test_any_other_action_for_a_line_is_refused(self, merchant: Any, action: str) -> None:
        sold = Sold(merchant, "darty_fr", kind="multi_line")
        with pytest.raises(ActionInvalid) as stopped:
            merchant.connector.act(action, "main", "darty_fr", sold.id, line_ids=[sold.line])
        assert stopped.value.code == "line_not_supported"


class TestReleased:
    """What was missing of a held part will not come: the marketplace took it off the order."""

    @pytest.mark.parametrize("marketplace", ["manomano_fr", "fnac_fr", "darty_fr"])
    def test_a_line_that_is_cut_down_to_what_is_held_is_told(self, merchant: Any, marketplace: str) -> None:
        sold = Sold(merchant, marketplace)
        sold.ships("T1", 1)
        merchant.sandbox.amend(sold.id, {"quantity": 1})
        merchant.sandbox.advance(minutes=15)
        sold.settles()
        assert [(number, outcome) for number, _, _, outcome in sold.told()] == [("T1", "confirmed")]
        assert merchant.connector.store.list_actions(states=[ActionState.HELD], unhandled=True) == []

    def test_an_order_whose_other_lines_are_cancelled_is_told(self, merchant: Any) -> None:
        sold = Sold(merchant, "darty_fr", kind="multi_line")
        sold.ships("T1", line_ids=[sold.line])
        merchant.sandbox.cancel(sold.id, line_ids=sold.lines[1:])
        merchant.sandbox.advance(minutes=15)
        sold.settles()
        assert [(number, outcome) for number, _, _, outcome in sold.told()] == [("T1", "confirmed")]

    @pytest.mark.parametrize("marketplace", ["manomano_fr", "fnac_fr", "darty_fr"])
    def test_of_an_order_that_is_cancelled_nothing_is_told(self, merchant: Any, marketplace: str) -> None:
        sold = Sold(merchant, marketplace)
        sold.ships("T1", 1)
        merchant.sandbox.cancel(sold.id)
        merchant.sandbox.advance(minutes=15)
        sold.settles()
        assert sold.told() == []
        with pytest.raises(ActionInvalid) as stopped:
            sold.ships("T2")
        assert stopped.value.code == "status_not_allowed"

    def test_a_closed_line_is_not_shipped_where_only_orders_are_taken(self, merchant: Any) -> None:
        sold = Sold(merchant, "darty_fr", kind="multi_line")
        merchant.sandbox.cancel(sold.id, line_ids=[sold.line])
        merchant.sandbox.advance(minutes=15)
        merchant.sync()
        with pytest.raises(ActionInvalid) as stopped:
            sold.ships("T1", line_ids=[sold.line])
        assert stopped.value.code == "line_closed"


@pytest.mark.parametrize("marketplace", ["decathlon_fr", "manomano_fr", "darty_fr"])
def test_parcels_told_at_once_are_counted_together(merchant: Any, marketplace: str) -> None:
    sold = Sold(merchant, marketplace)
    workers = [Connector(merchant.settings(), clock=merchant.sandbox.now) for _ in range(4)]

    def tell(number: int) -> str:
        try:
            workers[number].ship(
                "main",
                marketplace,
                sold.id,
                carrier=CARRIERS[marketplace],
                tracking_number=f"T{number}",
                quantities={sold.line: 2},
            )
        except ActionInvalid as error:
            return error.code
        return "taken"

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(tell, range(4)))
    for worker in workers:
        worker.close()
    assert outcomes == ["quantity_too_high"] * 3 + ["taken"]
    assert sum(row.quantity for row in merchant.connector.store.list_actions()) == 2


def test_the_rest_of_a_line_that_the_shop_cancelled_in_part_is_cancelled_in_the_shop_too(merchant: Any) -> None:
    sold = Sold(merchant, "decathlon_fr")
    merchant.connector.cancel("main", sold.marketplace, sold.id, quantities={sold.line: 1}, who="shop b2c")
    sold.settles()
    merchant.sandbox.cancel(sold.id)
    sold.settles()
    assert merchant.rows("SELECT status FROM shop_orders") == [("cancelled",)]


class TestLate:
    def test_an_order_of_which_a_part_is_held_is_listed_as_late_and_told_of(self, merchant: Any) -> None:
        sold, near = Sold(merchant, "manomano_fr"), []
        merchant.connector.signals.deadline_near.connect(
            lambda _, *, order, **__: near.append(order.marketplace_order_id), weak=False
        )
        sold.ships("T1", 1)
        merchant.sandbox.advance(days=6)
        merchant.sync()
        assert [one.order.marketplace_order_id for one in merchant.connector.late_orders()] == [sold.id]
        assert near == [sold.id]

    @pytest.mark.parametrize(("told", "is_late"), [((1,), True), ((1, 2), False), ((3,), False)])
    def test_pieces_that_are_not_told_are_late(self, merchant: Any, told: tuple[int, ...], is_late: bool) -> None:
        sold = Sold(merchant, "decathlon_fr")
        for number, pieces in enumerate(told):
            sold.ships(f"T{number}", pieces)
        merchant.sandbox.advance(days=6)
        assert bool(merchant.connector.late_orders()) is is_late

    def test_one_line_of_two_that_is_not_told_is_late(self, merchant: Any) -> None:
        sold = Sold(merchant, "manomano_fr", kind="multi_line")
        sold.ships("T1", line_ids=sold.lines[:-1])
        merchant.sandbox.advance(days=6)
        assert len(merchant.connector.late_orders()) == 1
        sold.ships("T2", line_ids=sold.lines[-1:])
        assert merchant.connector.late_orders() == []


class TestFromTheShop:
    @pytest.mark.parametrize(
        ("marketplace", "told"),
        [
            ("decathlon_fr", [("T1", "1"), ("T2", "2")]),
            ("manomano_fr", [("T2", None)]),
            ("fnac_fr", [("T2", None)]),
            ("darty_fr", [("T2", None)]),
        ],
    )
    def test_two_parcels_for_one_line(self, make_merchant: Callable[..., Any], marketplace: str, told: Any) -> None:
        merchant = make_merchant(carriers={"x": CARRIERS[marketplace]})
        sold = Sold(merchant, marketplace)
        for number, pieces in (("T1", 1), ("T1", 1), ("T2", 2)):
            _parcel(merchant, sold.line, number, pieces)
            sold.settles()
        assert [(number, pieces) for number, _, pieces, outcome in sold.told() if outcome == "confirmed"] == told
        assert {row.state for row in merchant.connector.store.list_events()} == {"done"}

    @pytest.mark.parametrize("marketplace", ["decathlon_fr", "fnac_fr"])
    def test_what_was_refused_and_dismissed_is_not_told_again_when_the_shop_tells_it_again(
        self, make_merchant: Callable[..., Any], marketplace: str
    ) -> None:
        merchant = make_merchant(carriers={"x": CARRIERS[marketplace]})
        sold = Sold(merchant, marketplace)
        merchant.sandbox.fault(Fault("status", method="POST", path=ACTIONS, status=400, body='{"carrier": ["No"]}'))
        _parcel(merchant, sold.line, "T1", 3)
        merchant.sync()
        [refused] = merchant.connector.store.list_actions()
        merchant.connector.dismiss_action(refused.id, reason="told on the marketplace's pages", who="anna")
        _parcel(merchant, sold.line, "T1", 3, event="told once more")
        sold.settles()
        [row] = merchant.connector.store.list_actions()
        assert (row.id, row.state) == (refused.id, ActionState.FAILED)
        assert {event.state for event in merchant.connector.store.list_events()} == {"done"}
        merchant.connector.retry_action(refused.id, who="anna")
        sold.settles()
        assert sold.states() == ["failed", "confirmed"], "a person may have it told all the same"

    def test_more_pieces_than_were_sold_wait_for_a_person(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(carriers={"x": "DPD"})
        sold = Sold(merchant, "manomano_fr")
        _parcel(merchant, sold.line, "T1", 2)
        _parcel(merchant, sold.line, "T2", 2)
        merchant.sync()
        events = {(row.state, row.reason) for row in merchant.connector.store.list_events()}
        assert events == {("done", ""), ("failed", "quantity_too_high")}


def _parcel(merchant: Any, line: str, number: str, pieces: int, event: str = "") -> None:
    """A parcel that the shop tells of, as if a verified webhook had told it."""
    context = merchant.connector._context
    tracking = Tracking(carrier_code="x", number=number)
    told = Event(
        event or f"e-{number}",
        "shipment",
        shop_order_id="1",
        tracking=tracking,
        quantities={line: pieces},
        parcel=f"p-{number}",
    )
    with merchant.connector.store.transaction() as tx:
        for event_id in tx.add_events([_row(context, "b2c", f"d-{context.now()}", told)]):
            tx.add_steps([NewStep(StepKind.EVENT, str(event_id), context.now(), shop="b2c")])
