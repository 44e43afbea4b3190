"""All five actions: checked before anything is queued, followed until the marketplace has answered."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from told import Told

from lengow.connector import ActionInvalid, Connector, LengowError
from lengow.connector.actions import _go_on
from lengow.connector.adapter import Event
from lengow.connector.events import _row
from lengow.connector.model import ActionState, StepKind, Tracking
from lengow.connector.store.rows import NewStep
from lengow.sandbox import Fault, Sandbox

ACTIONS = "/v3.0/orders/actions/"
SHIP = {"carrier": "DPD", "tracking_number": "T1"}
OTHER = {**SHIP, "carrier": "Other", "carrier_name": "Geodis", "tracking_url": "https://t.example.com/1"}
COLISSIMO = {"carrier": "colissimo", "tracking_number": "T1"}
REFUND = {"refund_reason": "DAMAGED", "refund_shipping_fees": "false"}


def _settle(merchant: Any) -> None:
    merchant.sync()
    merchant.sandbox.advance(hours=1)
    merchant.sync()


def _told(merchant: Any) -> list[tuple[str, str]]:
    return [(one.action_type, one.outcome) for one in merchant.sandbox.ledger().told]


class TestAllFive:
    def test_accept_lets_the_order_in(self, merchant: Any) -> None:
        [order_id] = merchant.sells(kind="pending")
        merchant.sync()
        merchant.connector.accept("main", "manomano_fr", order_id)
        _settle(merchant)
        assert _told(merchant) == [("accept", "confirmed")]
        assert merchant.in_shop() == [order_id]

    def test_refuse_keeps_it_out(self, merchant: Any) -> None:
        [order_id] = merchant.sells(kind="pending")
        merchant.sync()
        merchant.connector.refuse("main", "manomano_fr", order_id)
        _settle(merchant)
        assert _told(merchant) == [("refuse", "confirmed")]
        assert merchant.state(order_id) == ("skipped", "refused_before_import")

    def test_refund_after_shipment(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        merchant.sync()
        merchant.connector.act("ship", "main", "manomano_fr", order_id, SHIP)
        _settle(merchant)
        merchant.connector.refund("main", "manomano_fr", order_id, arguments=REFUND)
        _settle(merchant)
        assert _told(merchant) == [("ship", "confirmed"), ("refund", "confirmed")]

    def test_cancel_where_the_marketplace_takes_it(self, merchant: Any) -> None:
        [order_id] = merchant.sells(marketplace="fnac_fr")
        merchant.sync()
        merchant.connector.cancel("main", "fnac_fr", order_id, arguments={"reason": "no_stock"})
        _settle(merchant)
        assert _told(merchant) == [("cancel", "confirmed")]

    def test_one_line(self, merchant: Any) -> None:
        [order_id] = merchant.sells(kind="multi_line")
        merchant.sync()
        [sold] = merchant.sandbox.ledger().sold
        merchant.connector.act("ship", "main", "manomano_fr", order_id, SHIP, line_ids=[sold.lines[0].id])
        merchant.sync()
        [told] = merchant.sandbox.ledger().told
        assert told.arguments["line"] == sold.lines[0].id

    def test_a_dry_run_shows_what_would_be_sent_and_queues_nothing(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        merchant.sync()
        [row] = merchant.connector.act("ship", "main", "manomano_fr", order_id, SHIP, dry_run=True)
        assert (row.id, dict(row.arguments)) == (0, SHIP)
        with pytest.raises(ActionInvalid):
            merchant.connector.act("ship", "main", "manomano_fr", order_id, {}, dry_run=True)
        merchant.sync()
        assert (merchant.connector.store.list_actions(), _told(merchant)) == ([], [])


WRONG = [
    # action, order, arguments, line, code
    ("ship", "ready", {}, None, "argument_missing"),
    ("ship", "ready", {"carrier": "DPD"}, None, "argument_missing"),
    ("ship", "ready", {"tracking_number": "T1"}, None, "argument_missing"),
    ("ship", "ready", {**SHIP, "carrier": ""}, None, "argument_missing"),
    ("ship", "ready", {**SHIP, "carrier": "  "}, None, "argument_missing"),
    ("ship", "ready", {**SHIP, "tracking_number": ""}, None, "argument_missing"),
    ("ship", "ready", {**SHIP, "carrier": "dpd"}, None, "value_not_allowed"),
    ("ship", "ready", {**SHIP, "carrier": "UPS"}, None, "value_not_allowed"),
    ("ship", "ready", {**SHIP, "carrier": "COLIS SIMO"}, None, "value_not_allowed"),
    ("ship", "ready", {**SHIP, "carrier": "x" * 10_000}, None, "value_not_allowed"),
    ("ship", "ready", {**SHIP, "carrier": "Other"}, None, "argument_missing"),
    ("ship", "ready", {**OTHER, "carrier_name": ""}, None, "argument_missing"),
    ("ship", "ready", {**OTHER, "tracking_url": ""}, None, "argument_missing"),
    ("ship", "ready", {**OTHER, "tracking_url": "t.example.com/1"}, None, "url_invalid"),
    ("ship", "ready", {**OTHER, "tracking_url": "ftp://t.example.com/1"}, None, "url_invalid"),
    ("ship", "ready", {**OTHER, "tracking_url": "javascript:alert(1)"}, None, "url_invalid"),
    ("ship", "ready", {**OTHER, "tracking_url": "https://"}, None, "url_invalid"),
    ("ship", "ready", {**OTHER, "tracking_url": "https://a b/1"}, None, "url_invalid"),
    ("ship", "ready", {**OTHER, "tracking_url": "https://[::1"}, None, "url_invalid"),
    ("ship", "ready", {**SHIP, "trackingnumber": "T1"}, None, "argument_unknown"),
    ("ship", "ready", {**SHIP, "shipping_method": "express"}, None, "argument_unknown"),
    ("ship", "ready", {**SHIP, "refund_reason": "DAMAGED"}, None, "argument_unknown"),
    ("ship", "ready", {**SHIP, "line": "M1"}, None, "line_unknown"),
    ("ship", "ready", SHIP, "M1", "line_unknown"),
    ("ship", "ready", SHIP, "of another order", "line_unknown"),
    ("ship", "ready", SHIP, "cancelled", "line_closed"),
    ("ship", "waiting", SHIP, None, "status_not_allowed"),
    ("ship", "shipped", {**SHIP, "tracking_number": "T2"}, None, "status_not_allowed"),
    ("ship", "refunded", {**SHIP, "tracking_number": "T2"}, None, "status_not_allowed"),
    ("ship", "canceled", SHIP, None, "status_not_allowed"),
    ("ship", "refused", SHIP, None, "status_not_allowed"),
    ("ship", "fulfilment", SHIP, None, "delivered_by_marketplace"),
    ("accept", "ready", {}, None, "status_not_allowed"),
    ("accept", "shipped", {}, None, "status_not_allowed"),
    ("accept", "refused", {}, None, "status_not_allowed"),
    ("accept", "waiting", {"carrier": "DPD"}, None, "argument_unknown"),
    ("accept", "waiting", {}, "M1", "line_unknown"),
    ("accept", "fulfilment", {}, None, "delivered_by_marketplace"),
    ("refuse", "ready", {}, None, "status_not_allowed"),
    ("refuse", "shipped", {}, None, "status_not_allowed"),
    ("refuse", "waiting", {"reason": "no_stock"}, None, "argument_unknown"),
    ("refuse", "waiting", {}, "M1", "line_unknown"),
    ("cancel", "ready", {}, None, "action_unknown"),
    ("cancel", "shipped", {}, None, "action_unknown"),
    ("refund", "ready", REFUND, None, "status_not_allowed"),
    ("refund", "waiting", REFUND, None, "status_not_allowed"),
    ("refund", "refunded", {**REFUND, "refund_reason": "CUSTOMER_CHANGED_MIND"}, None, "status_not_allowed"),
    ("refund", "canceled", REFUND, None, "status_not_allowed"),
    ("refund", "shipped", {}, None, "argument_missing"),
    ("refund", "shipped", {"refund_reason": "DAMAGED"}, None, "argument_missing"),
    ("refund", "shipped", {"refund_shipping_fees": "true"}, None, "argument_missing"),
    ("refund", "shipped", {**REFUND, "refund_reason": "damaged"}, None, "value_not_allowed"),
    ("refund", "shipped", {**REFUND, "refund_reason": "BROKEN"}, None, "value_not_allowed"),
    ("refund", "shipped", {**REFUND, "refund_shipping_fees": "yes"}, None, "value_not_allowed"),
    ("refund", "shipped", {**REFUND, "amount": "5"}, None, "argument_unknown"),
    ("refund", "shipped", {**REFUND, "refund_quantity": "0"}, None, "quantity_invalid"),
    ("refund", "shipped", {**REFUND, "refund_quantity": "-1"}, None, "quantity_invalid"),
    ("refund", "shipped", {**REFUND, "refund_quantity": "1.5"}, None, "quantity_invalid"),
    ("refund", "shipped", {**REFUND, "refund_quantity": "two"}, None, "quantity_invalid"),
    ("refund", "shipped", {**REFUND, "refund_quantity": "９"}, None, "quantity_invalid"),
    ("refund", "shipped", {**REFUND, "refund_quantity": "999"}, None, "quantity_too_high"),
    ("refund", "shipped", {**REFUND, "refund_quantity": "999"}, "first", "quantity_too_high"),
    ("refund", "shipped", REFUND, "M1", "line_unknown"),
    ("fly", "ready", {}, None, "action_unknown"),
    ("", "ready", {}, None, "action_unknown"),
    ("Ship", "ready", SHIP, None, "action_unknown"),
    ("ship", "unknown", SHIP, None, "order_unknown"),
    ("ship", "unknown marketplace", SHIP, None, "order_unknown"),
    ("ship", "undescribed", SHIP, None, "marketplace_unknown"),
    ("ship", "unreadable", SHIP, None, "order_undecodable"),
]


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory, merchant_class: Any) -> Any:
    """One merchant with an order in each situation; none of the tests changes anything."""
    with Sandbox(quota_per_minute=0) as sandbox:
        merchant = merchant_class(sandbox, tmp_path_factory.mktemp("merchant"))
        names = {
            "ready": merchant.sells(kind="multi_line")[0],
            "waiting": merchant.sells(kind="pending")[0],
            "refused": merchant.sells(kind="refused")[0],
            "canceled": merchant.sells(kind="canceled")[0],
            "fulfilment": merchant.sells(kind="fulfilment")[0],
            "shipped": merchant.sells()[0],
            "refunded": merchant.sells()[0],
            "undescribed": merchant.sells_raw({"marketplace": "nowhere_fr"}),
            "unreadable": merchant.sells_raw({"total_order": "a lot"}),
            "unknown": "M-nowhere",
        }
        lines = {one.order_id: one.lines for one in merchant.sandbox.ledger().sold}
        merchant.sandbox.cancel(names["ready"], line_ids=[lines[names["ready"]][1].id])
        merchant.sandbox.advance(minutes=15)
        merchant.sync()
        for name in ("shipped", "refunded"):
            merchant.connector.act("ship", "main", "manomano_fr", names[name], SHIP)
        _settle(merchant)
        merchant.connector.act("refund", "main", "manomano_fr", names["refunded"], REFUND)
        _settle(merchant)
        yield merchant, names, lines
        merchant.connector.close()


@pytest.mark.parametrize(("action", "order", "arguments", "line", "code"), WRONG)
def test_a_wrong_action_is_stopped_with_its_code_before_anything_is_queued(
    orders: Any, action: str, order: str, arguments: dict[str, str], line: str | None, code: str
) -> None:
    merchant, names, lines = orders
    number = names.get(order, names["ready"])
    marketplace = {"undescribed": "nowhere_fr", "unknown marketplace": "nowhere_fr"}.get(order, "manomano_fr")
    chosen = {
        "first": lambda: lines[number][0].id,
        "cancelled": lambda: lines[number][1].id,
        "of another order": lambda: lines[names["shipped"]][0].id,
    }.get(line or "", lambda: line)()
    before = len(merchant.connector.store.list_actions())
    with pytest.raises(LengowError) as stopped:
        merchant.connector.act(action, "main", marketplace, number, arguments, line_ids=[chosen] if chosen else None)
    assert stopped.value.code == code
    assert stopped.value.what_to_do
    assert len(merchant.connector.store.list_actions()) == before


WRONG_PARTS = [
    # marketplace, action, arguments, pieces of the line, code
    ("manomano_fr", "ship", SHIP, 0, "quantity_invalid"),
    ("manomano_fr", "ship", SHIP, -1, "quantity_invalid"),
    ("manomano_fr", "ship", SHIP, 1.5, "quantity_invalid"),
    ("manomano_fr", "ship", SHIP, "1", "quantity_invalid"),
    ("manomano_fr", "ship", SHIP, True, "quantity_invalid"),
    ("manomano_fr", "ship", SHIP, 4, "quantity_too_high"),
    ("manomano_fr", "ship", {**SHIP, "quantity": "1"}, None, "argument_unknown"),
    ("manomano_fr", "ship", {**SHIP, "shipped_quantity": "1"}, None, "argument_unknown"),
    ("manomano_fr", "ship", {"carrier": "DPD"}, 1, "argument_missing"),
    ("manomano_fr", "ship", {**SHIP, "carrier": "UPS"}, 1, "value_not_allowed"),
    ("manomano_fr", "ship", {**OTHER, "tracking_url": ""}, 1, "argument_missing"),
    ("fnac_fr", "cancel", {"reason": "no_stock"}, 1, "quantity_not_supported"),
    ("decathlon_fr", "ship", {**COLISSIMO, "shipped_quantity": "0"}, None, "quantity_invalid"),
    ("decathlon_fr", "ship", {**COLISSIMO, "shipped_quantity": "two"}, None, "quantity_invalid"),
    ("decathlon_fr", "ship", {**COLISSIMO, "shipped_quantity": "4"}, None, "quantity_too_high"),
    ("decathlon_fr", "ship", COLISSIMO, 4, "quantity_too_high"),
    ("decathlon_fr", "cancel", {}, 4, "quantity_too_high"),
    ("decathlon_fr", "cancel", {"shipped_quantity": "1"}, None, "argument_unknown"),
    ("decathlon_fr", "ship", {**COLISSIMO, "carrier_name": "Geodis"}, None, "argument_not_allowed"),
    ("decathlon_fr", "ship", {**COLISSIMO, "carrier_name": "Geodis"}, 1, "argument_not_allowed"),
    ("decathlon_fr", "ship", {**COLISSIMO, "carrier": "chronopost", "carrier_name": "x"}, None, "argument_not_allowed"),
    ("darty_fr", "cancel", {}, 1, "line_not_supported"),
    ("darty_fr", "ship", {}, 1, "argument_missing"),
    ("darty_fr", "ship", {"tracking_number": "T1"}, 4, "quantity_too_high"),
    ("darty_fr", "ship", {"tracking_number": "T1", "shipped_quantity": "1"}, None, "argument_unknown"),
]


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory, merchant_class: Any) -> Any:
    """One merchant with an order of one line of three pieces on each marketplace; none of the tests changes anything."""
    with Sandbox(quota_per_minute=0) as sandbox:
        merchant = merchant_class(sandbox, tmp_path_factory.mktemp("pieces"))
        names = {key: merchant.sells(marketplace=key)[0] for key in dict.fromkeys(case[0] for case in WRONG_PARTS)}
        for order_id in names.values():
            sandbox.amend(order_id, {"quantity": 3})
        sandbox.advance(minutes=15)
        merchant.sync()
        yield merchant, names, {one.order_id: one.lines[0].id for one in sandbox.ledger().sold}
        merchant.connector.close()


@pytest.mark.parametrize(("marketplace", "action", "arguments", "count", "code"), WRONG_PARTS)
def test_a_wrong_part_is_stopped_with_its_code_before_anything_is_queued(
    pieces: Any, marketplace: str, action: str, arguments: dict[str, str], count: Any, code: str
) -> None:
    merchant, names, lines = pieces
    number = names[marketplace]
    chosen = {"quantities": {lines[number]: count}} if count is not None else {"line_ids": [lines[number]]}
    with pytest.raises(ActionInvalid) as stopped:
        merchant.connector.act(action, "main", marketplace, number, arguments, **chosen)
    assert stopped.value.code == code
    assert stopped.value.what_to_do
    assert merchant.connector.store.list_actions() == []


@pytest.mark.parametrize("marketplace", ["manomano_fr", "decathlon_fr", "darty_fr"])
def test_pieces_of_a_line_of_another_order_are_unknown(pieces: Any, marketplace: str) -> None:
    merchant, names, lines = pieces
    other = lines[names["fnac_fr"]]
    with pytest.raises(ActionInvalid) as stopped:
        merchant.connector.act("ship", "main", marketplace, names[marketplace], COLISSIMO, quantities={other: 1})
    assert stopped.value.code == "line_unknown"


def test_a_wrong_value_names_the_nearest_allowed_one(orders: Any) -> None:
    merchant, names, _ = orders
    with pytest.raises(ActionInvalid, match=r"it takes: COLISSIMO, .*Did you mean CHRONOPOST\?"):
        merchant.connector.act("ship", "main", "manomano_fr", names["ready"], {**SHIP, "carrier": "Chronopst"})


class TestLife:
    def test_what_is_not_answered_is_shown_as_stuck_and_still_asked_for(
        self, make_merchant: Callable[..., Any]
    ) -> None:
        merchant = make_merchant(account={"action_stuck_after_hours": 2})
        told: list[str] = []
        merchant.connector.signals.action_failed.connect(lambda _, *, reason, **__: told.append(reason), weak=False)
        merchant.sandbox.configure(queue_minutes=24 * 60)
        [order_id] = merchant.sells()
        merchant.sync()
        [action] = merchant.connector.act("ship", "main", "manomano_fr", order_id, SHIP)
        merchant.sync()
        merchant.sandbox.advance(hours=3)
        merchant.sync()
        assert merchant.connector.store.action(action.id).state is ActionState.STUCK
        assert told == ["no_answer"]
        with pytest.raises(ActionInvalid, match="nothing to try again"):
            merchant.connector.retry_action(action.id)
        merchant.sandbox.advance(hours=30)
        merchant.sync()
        assert merchant.connector.store.action(action.id).state is ActionState.CONFIRMED

    @pytest.mark.parametrize(
        ("status", "body"), [(404, {}), (200, {"count": 1, "next": None, "results": [{"id": "x"}]})]
    )
    def test_one_that_cannot_be_asked_for_keeps_no_other_from_its_answer(
        self, make_merchant: Callable[..., Any], status: int, body: dict[str, Any]
    ) -> None:
        merchant = make_merchant(account={"action_stuck_after_hours": 2})
        merchant.sandbox.configure(queue_minutes=24 * 60)
        names = merchant.sells(2)
        merchant.sync()
        stuck, sent = [
            merchant.connector.act("ship", "main", "manomano_fr", order_id, SHIP)[0].id for order_id in names
        ]
        merchant.sync()
        merchant.sandbox.advance(hours=3)
        merchant.sync()
        answered = {
            "id": merchant.connector.store.action(sent).lengow_id,
            "action_type": "ship",
            "marketplace": "manomano_fr",
            "marketplace_order_id": names[1],
            "parameters": SHIP,
            "queued": False,
            "processed": True,
            "errors": None,
        }
        listed = json.dumps({"count": 1, "next": None, "previous": None, "results": [answered]})
        merchant.sandbox.fault(Fault("status", method="GET", path=ACTIONS, status=200, body=listed))
        alone = json.dumps(body)
        merchant.sandbox.fault(
            Fault("status", method="GET", path=ACTIONS, status=status, body=alone, after=1, times=None)
        )
        merchant.sandbox.advance(minutes=15)
        merchant.sync()
        states = [str(merchant.connector.store.action(one).state) for one in (stuck, sent)]
        assert states == ["stuck", "confirmed"]

    def test_a_refused_one_is_told_anew_by_a_retry(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        merchant.sync()
        [action] = merchant.connector.act("ship", "main", "manomano_fr", order_id, SHIP)
        merchant.sandbox.fault(Fault("status", method="POST", path=ACTIONS, status=400, body="{}"))
        merchant.sync()
        [again] = merchant.connector.retry_action(action.id, who="anna")
        assert again.id != action.id
        _settle(merchant)
        assert _told(merchant) == [("ship", "confirmed")]

    def test_lengow_down_for_a_week_costs_no_confirmation(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        merchant.sync()
        [action] = merchant.connector.act("ship", "main", "manomano_fr", order_id, SHIP)
        merchant.sandbox.fault(Fault("lost_after", method="POST", path=ACTIONS))
        merchant.sandbox.fault(Fault("status", method="GET", path=ACTIONS, times=None))
        merchant.sync()
        for _ in range(2):
            merchant.sandbox.advance(days=4)
            merchant.connector.work("main")
        assert merchant.connector.store.steps(held=True) == []
        merchant.sandbox.clear_faults()
        merchant.sandbox.advance(hours=1)
        _settle(merchant)
        assert _told(merchant) == [("ship", "confirmed")]
        assert merchant.connector.store.action(action.id).state is ActionState.CONFIRMED

    def test_one_lost_answer_after_a_long_outage_is_tried_again(self, merchant: Any) -> None:
        """What Lengow did not take at all uses up none of the tries."""
        [order_id] = merchant.sells()
        merchant.sync()
        merchant.connector.act("ship", "main", "manomano_fr", order_id, SHIP)
        merchant.sandbox.fault(Fault("status", path=ACTIONS, status=403, times=None))
        for _ in range(16):
            merchant.connector.work("main")
            merchant.sandbox.advance(hours=1)
        merchant.sandbox.clear_faults()
        merchant.sandbox.fault(Fault("lost_before", method="POST", path=ACTIONS))
        merchant.connector.work("main")
        assert merchant.connector.store.steps(held=True) == []
        merchant.sandbox.advance(hours=3)
        _settle(merchant)
        assert _told(merchant) == [("ship", "confirmed")]

    def test_a_retry_of_what_was_sent_meanwhile_sends_nothing(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        merchant.sync()
        [action] = merchant.connector.act("ship", "main", "manomano_fr", order_id, SHIP)
        merchant.connector.work("main")
        with pytest.raises(ActionInvalid) as stopped:
            _go_on(merchant.connector._context, action, ActionState.QUEUED, "anna")
        assert stopped.value.code == "action_under_way"
        _settle(merchant)
        assert _told(merchant) == [("ship", "confirmed")]

    def test_more_than_a_lease_takes_is_told_once(self, make_merchant: Callable[..., Any]) -> None:
        """Two workers, slow answers, a short lease: it is renewed while its batch is worked on."""
        merchant = make_merchant(lease_seconds=1.6)
        ids = merchant.sells(24)
        merchant.sync()
        for order_id in ids:
            merchant.connector.act("ship", "main", "manomano_fr", order_id, SHIP)
        merchant.sandbox.fault(Fault("latency", method="POST", path=ACTIONS, times=None, seconds=0.5))
        workers = [Connector(merchant.settings(), clock=merchant.sandbox.now) for _ in range(2)]

        def work(worker: Connector) -> None:
            ends = time.monotonic() + 6
            while time.monotonic() < ends:
                worker.work("main")
                time.sleep(0.02)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(work, workers))
        for worker in workers:
            worker.close()
        assert sorted(one.order_id for one in merchant.sandbox.ledger().told) == sorted(ids)

    def test_one_that_is_led_elsewhere_is_sent_again(self, merchant: Any) -> None:
        """Such as to a page of maintenance: it was surely not taken."""
        [order_id] = merchant.sells()
        merchant.sync()
        headers = {"Location": "https://lengow.example/maintenance"}
        merchant.sandbox.fault(
            Fault("status", method="POST", path=ACTIONS, status=302, body="", headers=headers, times=None)
        )
        merchant.connector.act("ship", "main", "manomano_fr", order_id, SHIP)
        merchant.sync()
        assert [str(row.state) for row in merchant.connector.store.list_actions()] == ["queued"]
        merchant.sandbox.clear_faults()
        merchant.sandbox.advance(hours=1)
        _settle(merchant)
        assert _told(merchant) == [("ship", "confirmed")]

    @pytest.mark.parametrize(
        ("status", "body"), [(200, '{"carrier": ["Unknown carrier."]}'), (530, '{"error": "Unknown carrier."}')]
    )
    def test_one_that_is_answered_with_words_and_no_id_is_a_persons(
        self, merchant: Any, status: int, body: str
    ) -> None:
        """As Lengow does (reference lengow.md §1.5, §4.1); it may have been taken all the same, so it is looked for."""
        [order_id] = merchant.sells()
        merchant.sync()
        merchant.sandbox.fault(Fault("status", method="POST", path=ACTIONS, status=status, body=body, times=None))
        merchant.connector.act("ship", "main", "manomano_fr", order_id, SHIP)
        merchant.sync()
        assert [str(row.state) for row in merchant.connector.store.list_actions()] == ["sending"]
        merchant.sandbox.advance(minutes=15)
        merchant.sync()
        [row] = merchant.connector.store.list_actions()
        assert (str(row.state), "Unknown carrier." in row.error) == ("failed", True)

    def test_an_answer_is_asked_for_again_when_nothing_does_so_any_more(self, merchant: Any) -> None:
        """Such as after a store was restored."""
        [order_id] = merchant.sells()
        merchant.sync()
        merchant.connector.act("ship", "main", "manomano_fr", order_id, SHIP)
        merchant.sync()
        with merchant.connector.store.transaction() as tx:
            tx.drop_step(StepKind.OUTCOMES, "main")
        _settle(merchant)
        assert _told(merchant) == [("ship", "confirmed")]

    def test_one_refused_action_never_holds_up_the_next(self, merchant: Any) -> None:
        ids = merchant.sells(6)
        merchant.sync()
        for order_id in ids:
            merchant.connector.act("ship", "main", "manomano_fr", order_id, SHIP)
        merchant.sandbox.fault(Fault("status", method="POST", path=ACTIONS, status=400, body="{}", times=2))
        _settle(merchant)
        assert _told(merchant) == [("ship", "confirmed")] * 4


class TestDeadlines:
    def test_an_order_near_its_deadline_is_listed_and_told_once(self, merchant: Any) -> None:
        told: list[str] = []
        merchant.connector.signals.deadline_near.connect(
            lambda _, *, order, **__: told.append(order.marketplace_order_id), weak=False
        )
        ids = merchant.sells(2)
        merchant.sync()
        assert merchant.connector.late_orders(within_hours=1) == []
        merchant.sandbox.advance(days=6)
        merchant.connector.act("ship", "main", "manomano_fr", ids[0], SHIP)
        merchant.sandbox.fault(Fault("status", path=ACTIONS, times=None))
        merchant.sync()
        merchant.sync()
        assert [one.order.marketplace_order_id for one in merchant.connector.late_orders()] == [ids[1]]
        assert told == [ids[1]]

    def test_one_whose_deadline_is_moved_is_told_of_once_more(self, merchant: Any) -> None:
        told: list[str] = []
        merchant.connector.signals.deadline_near.connect(
            lambda _, *, ship_by, **__: told.append(ship_by.isoformat()), weak=False
        )
        order = Told(merchant)
        deadlines = [(merchant.sandbox.now() + timedelta(hours=hours)).isoformat() for hours in (10, 60)]
        for deadline in deadlines:
            order.says(lines={line: {"max_shipping_date": deadline} for line in order.lines})
        merchant.sandbox.advance(hours=48)
        merchant.sync()
        merchant.sync()
        assert told == deadlines

    def test_a_shipment_that_cannot_be_sent_for_hours_does_not_hide_it(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        merchant.sync()
        merchant.sandbox.advance(days=6)
        merchant.connector.act("ship", "main", "manomano_fr", order_id, SHIP)
        merchant.sandbox.fault(Fault("status", path=ACTIONS, status=403, times=None))
        merchant.sync()
        assert merchant.connector.late_orders() == []
        merchant.sandbox.advance(hours=2)
        merchant.sync()
        assert [one.order.marketplace_order_id for one in merchant.connector.late_orders()] == [order_id]
        assert [(one.kind, one.subject) for one in merchant.connector.digest("main").new] == [
            ("late_order", f"main/manomano_fr/{order_id}")
        ]
        merchant.sandbox.clear_faults()
        merchant.sandbox.advance(hours=1)
        merchant.sync()
        assert merchant.connector.late_orders() == []

    def test_the_nearest_deadline_is_sent_first(self, merchant: Any) -> None:
        later = merchant.sells_raw(_ship_by(merchant, days=5))
        sooner = merchant.sells_raw(_ship_by(merchant, days=1))
        merchant.sync()
        for order_id in (later, sooner):
            merchant.connector.act("ship", "main", "manomano_fr", order_id, SHIP)
        now = merchant.sandbox.now()
        with merchant.connector.store.transaction() as tx:
            [step] = tx.claim(StepKind.SEND, now, now, limit=1, account="main")
        first = merchant.connector.store.action(int(step.subject))
        assert first.marketplace_order_id == sooner

    @pytest.mark.parametrize("by", ["action", "step"])
    def test_so_it_is_after_a_retry_by_hand(self, merchant: Any, by: str) -> None:
        later = merchant.sells_raw(_ship_by(merchant, days=5))
        sooner = merchant.sells_raw(_ship_by(merchant, days=1))
        merchant.sync()
        [action] = merchant.connector.act("ship", "main", "manomano_fr", sooner, SHIP)
        merchant.connector.act("ship", "main", "manomano_fr", later, SHIP)
        if by == "action":
            merchant.connector.retry_action(action.id)
        else:
            [step] = [
                one for one in merchant.connector.store.steps(kind=StepKind.SEND) if one.subject == str(action.id)
            ]
            merchant.connector.retry_step(step.id)
        now = merchant.sandbox.now()
        with merchant.connector.store.transaction() as tx:
            [claimed] = tx.claim(StepKind.SEND, now, now, limit=1, account="main")
        assert claimed.subject == str(action.id)


class TestCarriers:
    def test_a_mapping_of_the_marketplace_goes_before_the_general_one(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(carriers={"home": "COLISSIMO", "manomano_fr": {"home": "DPD"}})
        assert _shipped_with(merchant, "home") == {"carrier": "DPD", "tracking_number": "T1"}

    def test_a_tracking_page_is_made_from_the_carriers_template(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(tracking_urls={"geodis": "https://t.example.com/?n={number}"})
        assert _shipped_with(merchant, "geodis", number="A/1") == {
            "carrier": "Other",
            "carrier_name": "geodis",
            "tracking_number": "A/1",
            "tracking_url": "https://t.example.com/?n=A%2F1",
        }

    def test_an_unmapped_one_can_be_held_for_a_person_and_goes_on_once_mapped(
        self, make_merchant: Callable[..., Any]
    ) -> None:
        merchant = make_merchant(unmapped_carriers="hold")
        assert _shipped_with(merchant, "chronpst") is None
        [event] = merchant.connector.store.list_events()
        assert event.reason == "carrier_unmapped"
        assert "nearest: CHRONOPOST" in event.about
        merchant.restart(carriers={"chronpst": "CHRONOPOST"})
        merchant.connector.retry_event(event.id)
        merchant.sync()
        [told] = merchant.sandbox.ledger().told
        assert told.arguments["carrier"] == "CHRONOPOST"

    def test_suggestions_come_with_a_score_best_first(self, merchant: Any) -> None:
        merchant.sync()
        [best, *_] = merchant.connector.suggest_carriers("main", "manomano_fr", "La Poste - Colissimo")
        assert (best.code, best.score) == ("COLISSIMO", 0.9)
        assert merchant.connector.suggest_carriers("main", "manomano_fr", "qwzx") == []


class TestFromTheShop:
    def test_a_package_whose_lines_are_all_cancelled_confirms_nothing(self, merchant: Any) -> None:
        merchant.sells(kind="multi_package")
        merchant.sync()
        [sold] = merchant.sandbox.ledger().sold
        merchant.sandbox.cancel(sold.order_id, line_ids=sold.packages[0])
        merchant.sandbox.advance(minutes=15)
        merchant.sync()
        _tell(merchant, Event("e1", "shipment", shop_order_id="1", tracking=Tracking(carrier_code="DPD", number="T1")))
        merchant.sync()
        [event] = merchant.connector.store.list_events()
        assert (event.state, event.reason, _told(merchant)) == ("failed", "line_closed", [])

    def test_what_else_is_in_the_parcel_of_a_cancelled_line_is_confirmed_and_a_person_told(self, merchant: Any) -> None:
        [order_id] = merchant.sells(kind="multi_line")
        merchant.sync()
        [sold] = merchant.sandbox.ledger().sold
        cancelled, other, *rest = [line.id for line in sold.lines]
        assert rest
        merchant.sandbox.cancel(order_id, line_ids=[cancelled])
        merchant.sandbox.advance(minutes=15)
        merchant.sync()
        tracking = Tracking(carrier_code="DPD", number="T1")
        _tell(merchant, Event("e1", "shipment", shop_order_id="1", tracking=tracking, line_ids=(cancelled, other)))
        merchant.sync()
        [event] = merchant.connector.store.list_events()
        assert (event.state, event.reason) == ("failed", "line_closed")
        assert cancelled in event.about
        assert [row.arguments.get("line") for row in merchant.connector.store.list_actions()] == [other]

    def test_a_parcel_that_cannot_be_told_keeps_no_other_of_its_order_waiting(
        self, merchant: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        merchant.sells(kind="multi_line")
        merchant.sync()
        [sold] = merchant.sandbox.ledger().sold
        parcels = [
            Event(line, "shipment", tracking=Tracking(carrier_code="DPD", number=number), line_ids=(line,))
            for line, number in (("no-such-line", "T1"), (sold.lines[0].id, "T2"))
        ]
        adapter = merchant.connector.context.adapter("b2c")
        monkeypatch.setattr(type(adapter), "shipments_of", lambda *_: parcels)
        _tell(merchant, Event("e1", "changed", shop_order_id="1"))
        merchant.sync()
        [event] = merchant.connector.store.list_events()
        assert (event.state, event.reason) == ("failed", "line_unknown")
        [row] = merchant.connector.store.list_actions()
        assert (row.arguments["line"], row.arguments["tracking_number"]) == (sold.lines[0].id, "T2")

    def test_a_refund_goes_with_the_arguments_of_the_settings(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(action_arguments={"refund": REFUND})
        [order_id] = merchant.sells()
        merchant.sync()
        merchant.connector.act("ship", "main", "manomano_fr", order_id, SHIP)
        _settle(merchant)
        _tell(merchant, Event("e1", "refunded", shop_order_id="1"))
        _settle(merchant)
        assert _told(merchant) == [("ship", "confirmed"), ("refund", "confirmed")]

    def test_a_cancellation_that_the_marketplace_does_not_take_is_in_plain_sight(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        merchant.sync()
        _tell(merchant, Event("e1", "cancelled", shop_order_id="1"))
        merchant.sync()
        [event] = merchant.connector.store.list_events()
        assert (event.state, event.reason) == ("failed", "action_unknown")
        assert merchant.journal(order_id)[-1] == "event_failed"


def _tell(merchant: Any, event: Event) -> None:
    """As if a verified webhook had told it."""
    context = merchant.connector._context
    with merchant.connector.store.transaction() as tx:
        [event_id] = tx.add_events([_row(context, "b2c", f"d-{event.id}", event)])
        tx.add_steps([NewStep(StepKind.EVENT, str(event_id), context.now(), shop="b2c")])


def _shipped_with(merchant: Any, carrier_code: str, number: str = "T1") -> dict[str, str] | None:
    """The arguments that reach the marketplace when the shop ships with this carrier; None when it is stopped."""
    merchant.sells()
    merchant.sync()
    tracking = Tracking(carrier_code=carrier_code, number=number)
    _tell(merchant, Event("e1", "shipment", shop_order_id="1", tracking=tracking))
    merchant.sync()
    told = merchant.sandbox.ledger().told
    return {name: value for name, value in told[0].arguments.items() if value} if told else None


def _ship_by(merchant: Any, days: int) -> dict[str, Any]:
    from datetime import timedelta

    by = (merchant.sandbox.now() + timedelta(days=days)).isoformat()
    return {"packages": [{"cart": [{"max_shipping_date": by}]}]}
