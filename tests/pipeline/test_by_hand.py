"""What a person does about actions and events: look at what a retry would do, try again, or dismiss with a reason."""

from collections.abc import Callable
from typing import Any

import pytest

from lengow.connector import ActionInvalid, OrderUnknown
from lengow.connector.adapter import Event
from lengow.connector.events import _row
from lengow.connector.model import FOR_A_PERSON, ActionState, StepKind, Tracking
from lengow.connector.store.rows import NewStep
from lengow.sandbox import Fault

ACTIONS = "/v3.0/orders/actions/"
SHIP = {"carrier": "DPD", "tracking_number": "T1"}


@pytest.fixture
def sold(merchant: Any) -> str:
    [order_id] = merchant.sells()
    merchant.sync()
    return str(order_id)


@pytest.fixture
def failed(merchant: Any, sold: str) -> Any:
    """An action that Lengow would not take."""
    [action] = merchant.connector.act("ship", "main", "manomano_fr", sold, SHIP)
    merchant.sandbox.fault(Fault("status", method="POST", path=ACTIONS, status=400, body="{}"))
    merchant.sync()
    return merchant.connector.store.action(action.id)


def _waiting(merchant: Any) -> list[int]:
    rows = merchant.connector.store.list_actions(account="main", states=FOR_A_PERSON, unhandled=True)
    return [row.id for row in rows]


def _happens(merchant: Any, event: Event) -> int:
    """As if a verified webhook had told it."""
    context = merchant.connector._context
    with merchant.connector.store.transaction() as tx:
        [event_id] = tx.add_events([_row(context, "b2c", f"d-{event.id}", event)])
        tx.add_steps([NewStep(StepKind.EVENT, str(event_id), context.now(), shop="b2c")])
    return int(event_id)


@pytest.fixture
def failed_event(merchant: Any, sold: str) -> int:
    """A shipment by a carrier that needs a tracking page, and has none."""
    tracking = Tracking(carrier_code="geodis", number="T1")
    event_id = _happens(merchant, Event("e1", "shipment", shop_order_id="1", tracking=tracking))
    merchant.sync()
    return event_id


def _everything(merchant: Any) -> Any:
    """What a dry run must leave alone."""
    store = merchant.connector.store
    return (
        merchant.orders(),
        store.list_actions(),
        store.list_events(),
        store.steps(limit=1000),
        [store.journal(one.order.id) for one in merchant.orders()],
        merchant.in_shop(),
        merchant.sandbox.ledger().told,
    )


class TestDryRuns:
    def test_of_a_failed_action_shows_what_would_be_sent(self, merchant: Any, failed: Any) -> None:
        before = _everything(merchant)
        [row] = merchant.connector.retry_action(failed.id, dry_run=True)
        assert (row.id, row.state, dict(row.arguments)) == (0, ActionState.QUEUED, SHIP)
        assert _everything(merchant) == before

    def test_of_an_action_that_breaks_a_rule_by_now_says_so(self, merchant: Any, failed: Any) -> None:
        merchant.sandbox.cancel(failed.marketplace_order_id)
        merchant.sandbox.advance(minutes=15)
        merchant.sync()
        with pytest.raises(ActionInvalid) as stopped:
            merchant.connector.retry_action(failed.id, dry_run=True)
        assert stopped.value.code == "status_not_allowed"

    def test_of_a_queued_action_shows_it(self, merchant: Any, sold: str) -> None:
        [action] = merchant.connector.act("ship", "main", "manomano_fr", sold, SHIP)
        before = _everything(merchant)
        assert merchant.connector.retry_action(action.id, dry_run=True) == [merchant.connector.store.action(action.id)]
        assert _everything(merchant) == before

    def test_of_an_event_shows_the_actions_or_what_stops_it(self, merchant: Any, failed_event: int) -> None:
        before = _everything(merchant)
        with pytest.raises(ActionInvalid) as stopped:
            merchant.connector.retry_event(failed_event, dry_run=True)
        assert stopped.value.code == "argument_missing"
        assert _everything(merchant) == before
        merchant.restart(tracking_urls={"geodis": "https://t.example.com/{number}"})
        [row] = merchant.connector.retry_event(failed_event, dry_run=True)
        assert (row.id, row.arguments["tracking_url"]) == (0, "https://t.example.com/T1")
        assert _everything(merchant) == before

    def test_of_an_order_shows_what_would_be_created(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant()
        [order_id] = merchant.sells(kind="fulfilment")
        merchant.sync()
        before = _everything(merchant)
        run = merchant.connector.retry("main", "manomano_fr", order_id, dry_run=True)
        assert [(one.decision.state, one.decision.reason) for one in run.orders] == [
            ("skipped", "delivered_by_marketplace_disabled")
        ]
        merchant.restart(import_orders_shipped_by_marketplaces=True)
        run = merchant.connector.retry("main", "manomano_fr", order_id, dry_run=True)
        assert [(one.shop, one.decision.state) for one in run.orders] == [("b2c", "ready")]
        assert (run.actions, run.reported) == ([], [])
        assert _everything(merchant) == before

    def test_of_an_order_in_the_shop_shows_what_would_be_sent_and_reported(self, merchant: Any, sold: str) -> None:
        [action] = merchant.connector.act("ship", "main", "manomano_fr", sold, SHIP)
        before = _everything(merchant)
        run = merchant.connector.retry("main", "manomano_fr", sold, dry_run=True)
        assert (run.orders, [row.id for row in run.actions], run.reported) == ([], [action.id], ["1"])
        assert _everything(merchant) == before

    def test_of_an_order_while_lengow_is_down_goes_by_what_is_stored(self, merchant: Any, sold: str) -> None:
        merchant.sandbox.fault(Fault("status", path="/", times=None))
        run = merchant.connector.retry("main", "manomano_fr", sold, dry_run=True)
        assert run.reported == ["1"]


class TestDismissals:
    def test_a_failed_action_waits_for_nobody_any_more(self, merchant: Any, failed: Any) -> None:
        assert _waiting(merchant) == [failed.id]
        row = merchant.connector.dismiss_action(failed.id, reason="Told them by phone.", who="anna")
        assert (row.state, row.handled) == (ActionState.FAILED, "dismissed by anna: Told them by phone.")
        assert _waiting(merchant) == []
        entry = merchant.connector.store.journal(failed.order_id)[-1]
        assert (entry.what, entry.who) == ("dismissed", "anna")
        assert "Told them by phone." in entry.detail

    def test_what_is_told_anew_waits_no_more(self, merchant: Any, failed: Any) -> None:
        corrected = {**SHIP, "tracking_number": "T2"}
        [again] = merchant.connector.act("ship", "main", "manomano_fr", failed.marketplace_order_id, corrected)
        assert _waiting(merchant) == []
        assert merchant.connector.store.action(failed.id).handled == f"told anew with action {again.id}"

    def test_of_two_lines_only_the_one_told_anew_waits_no_more(self, merchant: Any) -> None:
        [order_id] = merchant.sells(kind="multi_line")
        merchant.sync()
        [sold] = merchant.sandbox.ledger().sold
        lines = [line.id for line in sold.lines[:2]]
        rows = merchant.connector.act("ship", "main", "manomano_fr", order_id, SHIP, line_ids=lines)
        merchant.sandbox.fault(Fault("status", method="POST", path=ACTIONS, status=400, body="{}", times=2))
        merchant.sync()
        merchant.connector.act("ship", "main", "manomano_fr", order_id, SHIP, line_ids=lines[:1])
        assert _waiting(merchant) == [rows[1].id]

    def test_a_stuck_one_is_still_asked_for_and_a_refusal_is_news(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(account={"action_stuck_after_hours": 2})
        merchant.sandbox.configure(queue_minutes=24 * 60)
        [order_id] = merchant.sells()
        merchant.sync()
        [action] = merchant.connector.act("ship", "main", "manomano_fr", order_id, SHIP)
        merchant.sync()
        merchant.sandbox.advance(hours=3)
        merchant.sync()
        merchant.connector.dismiss_action(action.id, reason="The marketplace is slow.")
        assert _waiting(merchant) == []
        merchant.sandbox.cancel(order_id)
        merchant.sandbox.advance(hours=30)
        merchant.sync()
        assert merchant.connector.store.action(action.id).state is ActionState.REFUSED
        assert _waiting(merchant) == [action.id]

    @pytest.mark.parametrize(("reason", "code"), [(" ", "reason_missing"), ("Done.", "nothing_to_dismiss")])
    def test_what_waits_for_nobody_or_has_no_reason_is_not_dismissed(
        self, merchant: Any, sold: str, reason: str, code: str
    ) -> None:
        [action] = merchant.connector.act("ship", "main", "manomano_fr", sold, SHIP)
        with pytest.raises(ActionInvalid) as stopped:
            merchant.connector.dismiss_action(action.id, reason=reason)
        assert stopped.value.code == code

    def test_an_unknown_one_is_unknown(self, merchant: Any) -> None:
        with pytest.raises(ActionInvalid) as stopped:
            merchant.connector.dismiss_action(99, reason="Done.")
        assert stopped.value.code == "action_unknown"
        with pytest.raises(OrderUnknown):
            merchant.connector.dismiss_event(99, reason="Done.")

    def test_a_failed_event_waits_for_nobody_any_more(self, merchant: Any, failed_event: int, sold: str) -> None:
        row = merchant.connector.dismiss_event(failed_event, reason="Shipped by hand.", who="anna")
        assert (row.state, row.reason) == ("dismissed", "argument_missing")
        assert row.about.startswith("dismissed by anna: Shipped by hand. (was: ")
        assert merchant.journal(sold)[-1] == "dismissed"
        with pytest.raises(ActionInvalid) as stopped:
            merchant.connector.dismiss_event(failed_event, reason="Again.")
        assert stopped.value.code == "nothing_to_dismiss"

    def test_a_dismissed_event_can_still_be_tried_again(self, merchant: Any, failed_event: int) -> None:
        merchant.connector.dismiss_event(failed_event, reason="Shipped by hand.")
        merchant.restart(tracking_urls={"geodis": "https://t.example.com/{number}"})
        merchant.connector.retry_event(failed_event)
        merchant.sync()
        assert [one.order_id for one in merchant.sandbox.ledger().told] == merchant.in_shop()


class TestRepeats:
    """Shops repeat themselves: a webhook at each change of the order, and polling beside it."""

    TRACKING = Tracking(carrier_code="geodis", number="T1")

    def _again(self, merchant: Any, tracking: Tracking = TRACKING) -> Any:
        event = Event("e1", "shipment", shop_order_id="1", tracking=tracking)
        context = merchant.connector._context
        merchant.sandbox.advance(minutes=1)
        with merchant.connector.store.transaction() as tx:
            [event_id] = tx.add_events([_row(context, "b2c", f"d-{context.now()}", event)])
            tx.add_steps([NewStep(StepKind.EVENT, str(event_id), context.now(), shop="b2c")])
        merchant.sync()
        return merchant.connector.store.event(event_id)

    def test_what_waits_for_a_person_is_asked_once(self, merchant: Any, failed_event: int) -> None:
        again = self._again(merchant)
        assert (again.state, again.reason, again.about) == ("ignored", "told_before", f"event {failed_event}")

    def test_what_was_dismissed_stays_so(self, merchant: Any, failed_event: int) -> None:
        merchant.connector.dismiss_event(failed_event, reason="Shipped by hand.")
        assert self._again(merchant).reason == "told_before"

    def test_what_goes_well_then_settles_what_failed(self, merchant: Any, failed_event: int) -> None:
        merchant.restart(tracking_urls={"geodis": "https://t.example.com/{number}"})
        again = self._again(merchant)
        assert again.state == "done"
        before = merchant.connector.store.event(failed_event)
        assert before.state == "dismissed"
        assert before.about.startswith(f"worked off as event {again.id} (was: ")

    def test_another_number_is_news(self, merchant: Any, failed_event: int) -> None:
        merchant.connector.dismiss_event(failed_event, reason="Shipped by hand.")
        again = self._again(merchant, Tracking(carrier_code="DPD", number="T2"))
        assert again.state == "done"


class TestEchoes:
    """A shop that is told of a cancellation tells of it in turn."""

    def test_what_the_marketplace_cancelled_itself_is_no_news(self, merchant: Any, sold: str) -> None:
        merchant.sandbox.cancel(sold)
        merchant.sandbox.advance(minutes=15)
        merchant.sync()
        event_id = _happens(merchant, Event("e1", "cancelled", shop_order_id="1"))
        merchant.sync()
        event = merchant.connector.store.event(event_id)
        assert (event.state, event.reason) == ("ignored", "already_at_marketplace")

    def test_nor_are_lines_that_it_cancelled(self, merchant: Any) -> None:
        [order_id] = merchant.sells(kind="multi_line")
        merchant.sync()
        [sold] = merchant.sandbox.ledger().sold
        line = sold.lines[0].id
        merchant.sandbox.cancel(order_id, line_ids=[line])
        merchant.sandbox.advance(minutes=15)
        merchant.sync()
        event_id = _happens(merchant, Event("e1", "refunded", shop_order_id="1", line_ids=(line,)))
        merchant.sync()
        assert merchant.connector.store.event(event_id).reason == "already_at_marketplace"


class TestMerchantOrderIds:
    def test_those_of_another_system_are_kept_beside_ours(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(import_orders_with_merchant_order_id=True)
        order_id = merchant.sells_raw({"merchant_order_id": ["ERP-77"]})
        for _ in range(2):
            merchant.sync()
            [sold] = merchant.sandbox.ledger().sold
            assert sold.merchant_order_ids == ("1", "ERP-77")
            merchant.connector.retry("main", "manomano_fr", order_id)
