"""From the shop's shipment to the marketplace's answer."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from lengow.connector import ActionInvalid, OrderUnknown
from lengow.connector.adapter import Request
from lengow.connector.errors import SettingsError
from lengow.connector.model import ActionState
from lengow.sandbox import Fault

ACTIONS = "/v3.0/orders/actions/"
KEY = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

OTHER = {"carrier": "Other", "carrier_name": "Geodis", "tracking_url": "https://track.example.com/1"}


@pytest.fixture
def sold(merchant: Any) -> str:
    [order_id] = merchant.sells()
    merchant.sync()
    return order_id


def _confirmed(merchant: Any) -> None:
    merchant.sync()
    merchant.sandbox.advance(hours=1)
    merchant.sync()


def _action(merchant: Any, order_id: str) -> Any:
    return merchant.connector.store.actions_of(merchant.order(order_id).order.id)[-1]


class TestFromPython:
    def test_a_shipment_is_confirmed_to_the_marketplace(self, merchant: Any, sold: str) -> None:
        merchant.connector.ship("main", "manomano_fr", sold, carrier="COLISSIMO", tracking_number="6A1")
        _confirmed(merchant)
        [told] = merchant.sandbox.ledger().told
        assert (told.outcome, told.arguments["carrier"], told.arguments["tracking_number"]) == (
            "confirmed",
            "COLISSIMO",
            "6A1",
        )
        assert _action(merchant, sold).state is ActionState.CONFIRMED
        told = [what for what in merchant.journal(sold) if what.startswith("action")]
        assert told == ["action_queued", "action_sent", "action_confirmed"]

    def test_other_goes_with_name_and_url(self, merchant: Any, sold: str) -> None:
        merchant.connector.ship("main", "manomano_fr", sold, tracking_number="1", **OTHER)
        _confirmed(merchant)
        [told] = merchant.sandbox.ledger().told
        assert told.outcome == "confirmed"
        assert {name: told.arguments[name] for name in OTHER} == OTHER

    @pytest.mark.parametrize("missing", ["carrier_name", "tracking_url"])
    def test_other_without_name_or_url_is_stopped_before_anything_is_queued(
        self, merchant: Any, sold: str, missing: str
    ) -> None:
        arguments = {name: value for name, value in OTHER.items() if name != missing}
        with pytest.raises(ActionInvalid) as stopped:
            merchant.connector.ship("main", "manomano_fr", sold, tracking_number="1", **arguments)
        assert (stopped.value.code, stopped.value.about["field"]) == ("argument_missing", missing)
        assert merchant.connector.store.list_actions() == []

    def test_the_same_shipment_told_twice_is_one_action(self, merchant: Any, sold: str) -> None:
        for _ in range(2):
            merchant.connector.ship("main", "manomano_fr", sold, carrier="DPD", tracking_number="1")
        _confirmed(merchant)
        merchant.connector.ship("main", "manomano_fr", sold, carrier="DPD", tracking_number="1")
        _confirmed(merchant)
        assert len(merchant.sandbox.ledger().told) == 1

    def test_a_changed_tracking_number_is_another(self, merchant: Any, sold: str) -> None:
        merchant.connector.ship("main", "manomano_fr", sold, carrier="DPD", tracking_number="1")
        merchant.connector.ship("main", "manomano_fr", sold, carrier="DPD", tracking_number="2")
        assert len(merchant.connector.store.list_actions()) == 2

    def test_an_order_shipped_by_the_marketplace_takes_no_shipment(self, merchant: Any) -> None:
        [order_id] = merchant.sells(kind="fulfilment")
        merchant.sync()
        with pytest.raises(ActionInvalid) as stopped:
            merchant.connector.ship("main", "manomano_fr", order_id, carrier="DPD", tracking_number="1")
        assert stopped.value.code == "delivered_by_marketplace"

    def test_unknown_names_are_told_apart(self, merchant: Any, sold: str) -> None:
        with pytest.raises(OrderUnknown):
            merchant.connector.ship("main", "manomano_fr", "nowhere", carrier="DPD", tracking_number="1")
        with pytest.raises(OrderUnknown):
            merchant.connector.ship("main", "manomano_es", sold, carrier="DPD", tracking_number="1")
        with pytest.raises(SettingsError):
            merchant.connector.ship("other", "manomano_fr", sold, carrier="DPD", tracking_number="1")

    def test_where_lines_are_demanded_each_line_is_told(self, merchant: Any) -> None:
        [order_id] = merchant.sells(kind="multi_line", marketplace="fnac_fr")
        merchant.sync()
        [sold] = merchant.sandbox.ledger().sold
        carrier = next(iter(json.loads(merchant.connector.store.marketplaces("main")["fnac_fr"])["orders"]["carriers"]))
        merchant.connector.ship("main", "fnac_fr", order_id, carrier=carrier, tracking_number="1")
        _confirmed(merchant)
        ledger = merchant.sandbox.ledger()
        assert sorted(told.arguments["line"] for told in ledger.told) == sorted(line.id for line in sold.lines)
        assert {told.outcome for told in ledger.told} == {"confirmed"}

    def test_one_package_of_several_is_told_by_its_lines(self, merchant: Any) -> None:
        [order_id] = merchant.sells(kind="multi_package")
        merchant.sync()
        [sold] = merchant.sandbox.ledger().sold
        merchant.connector.ship(
            "main", "manomano_fr", order_id, carrier="DPD", tracking_number="1", line_ids=sold.packages[0]
        )
        merchant.sync()
        told = merchant.sandbox.ledger().told
        assert sorted(one.arguments["line"] for one in told) == sorted(sold.packages[0])


class TestRefusals:
    def test_the_marketplaces_text_is_kept(self, merchant: Any, sold: str) -> None:
        told: list[str] = []

        @merchant.connector.signals.action_failed.connect
        def failed(sender: Any, *, reason: str, about: str, **_: Any) -> None:
            told.append(f"{reason}: {about}")

        merchant.connector.ship("main", "manomano_fr", sold, carrier="DPD", tracking_number="1")
        merchant.sync()
        merchant.sandbox.cancel(sold)
        merchant.sandbox.advance(hours=1)
        merchant.connector.work("main")
        action = _action(merchant, sold)
        assert action.state is ActionState.REFUSED
        assert action.error
        assert told == [f"refused_by_marketplace: {action.error}"]

    def test_errors_null_is_no_error(self, merchant: Any, sold: str) -> None:
        merchant.sandbox.configure(null_errors=True)
        merchant.connector.ship("main", "manomano_fr", sold, carrier="DPD", tracking_number="1")
        _confirmed(merchant)
        assert _action(merchant, sold).state is ActionState.CONFIRMED

    def test_what_lengow_itself_refuses_fails_with_its_words(self, merchant: Any, sold: str) -> None:
        merchant.connector.ship("main", "manomano_fr", sold, carrier="DPD", tracking_number="1")
        body = json.dumps({"tracking_number": ["Not a number of DPD."]})
        merchant.sandbox.fault(Fault("status", method="POST", path=ACTIONS, status=400, body=body))
        merchant.sync()
        action = _action(merchant, sold)
        assert action.state is ActionState.FAILED
        assert "Not a number of DPD." in action.error

    def test_a_refused_action_can_be_told_again(self, merchant: Any, sold: str) -> None:
        merchant.connector.ship("main", "manomano_fr", sold, carrier="DPD", tracking_number="1")
        merchant.sandbox.fault(Fault("status", method="POST", path=ACTIONS, status=400, body="{}"))
        merchant.sync()
        merchant.connector.ship("main", "manomano_fr", sold, carrier="DPD", tracking_number="1")
        _confirmed(merchant)
        assert _action(merchant, sold).state is ActionState.CONFIRMED


class TestLostAnswers:
    @pytest.mark.parametrize("kind", ["lost_before", "lost_after", "status", "html_502", "truncate"])
    def test_the_confirmation_is_told_exactly_once(self, merchant: Any, sold: str, kind: str) -> None:
        merchant.connector.ship("main", "manomano_fr", sold, carrier="DPD", tracking_number="1")
        merchant.sandbox.fault(Fault(kind, method="POST", path=ACTIONS))
        merchant.sync()
        merchant.sandbox.advance(minutes=2)
        merchant.sync()
        _confirmed(merchant)
        assert [one.outcome for one in merchant.sandbox.ledger().told] == ["confirmed"]
        assert _action(merchant, sold).state is ActionState.CONFIRMED

    def test_an_answer_that_was_cut_is_no_refusal(self, merchant: Any, sold: str) -> None:
        merchant.connector.ship("main", "manomano_fr", sold, carrier="DPD", tracking_number="1")
        merchant.sandbox.fault(Fault("lost_before", method="POST", path=ACTIONS))
        merchant.sandbox.fault(Fault("malformed", method="POST", path=ACTIONS, after=1))
        for _ in range(3):
            merchant.sync()
            merchant.sandbox.advance(minutes=5)
        _confirmed(merchant)
        assert [one.outcome for one in merchant.sandbox.ledger().told] == ["confirmed"]
        assert _action(merchant, sold).state is ActionState.CONFIRMED

    def test_an_action_in_doubt_is_not_posted_while_lengows_list_cannot_be_read(self, merchant: Any, sold: str) -> None:
        merchant.connector.ship("main", "manomano_fr", sold, carrier="DPD", tracking_number="1")
        merchant.sandbox.fault(Fault("lost_after", method="POST", path=ACTIONS))
        merchant.sandbox.fault(Fault("status", method="GET", path=ACTIONS, times=None))
        merchant.sync()
        merchant.sandbox.advance(minutes=2)
        merchant.connector.work("main")
        assert merchant.sandbox.ledger().requests[f"POST {ACTIONS.rstrip('/')}"] == 1
        merchant.sandbox.clear_faults()
        merchant.sandbox.advance(minutes=5)
        _confirmed(merchant)
        assert [one.outcome for one in merchant.sandbox.ledger().told] == ["confirmed"]

    @pytest.mark.parametrize("status", [400, 404])
    def test_nor_is_it_given_up_where_that_list_is_refused(self, merchant: Any, sold: str, status: int) -> None:
        merchant.connector.ship("main", "manomano_fr", sold, carrier="DPD", tracking_number="1")
        merchant.sandbox.fault(Fault("lost_after", method="POST", path=ACTIONS))
        merchant.sandbox.fault(Fault("status", method="GET", path=ACTIONS, status=status, times=None))
        merchant.sync()
        merchant.sandbox.advance(minutes=2)
        merchant.connector.work("main")
        assert _action(merchant, sold).state is ActionState.SENDING
        merchant.sandbox.clear_faults()
        merchant.sandbox.advance(minutes=5)
        _confirmed(merchant)
        assert _action(merchant, sold).state is ActionState.CONFIRMED

    def test_with_lengow_down_nothing_is_lost(self, merchant: Any, sold: str) -> None:
        merchant.sandbox.fault(Fault("status", path="/", times=None))
        merchant.connector.ship("main", "manomano_fr", sold, carrier="DPD", tracking_number="1")
        assert merchant.sync().imported.error.code == "lengow_unavailable"
        merchant.sandbox.clear_faults()
        merchant.sandbox.advance(minutes=5)
        _confirmed(merchant)
        assert [one.outcome for one in merchant.sandbox.ledger().told] == ["confirmed"]


class TestFromTheShop:
    """Standard Webhooks deliveries of the generic shop."""

    @pytest.mark.parametrize(
        ("shipment", "arguments"),
        [
            pytest.param({"carrier_code": "COLISSIMO"}, {"carrier": "COLISSIMO"}, id="the marketplace's code"),
            pytest.param(
                {"carrier_code": "x", "carrier_label": "chronopost"}, {"carrier": "CHRONOPOST"}, id="its label"
            ),
            pytest.param(
                {"carrier_code": "geodis", "carrier_label": "Geodis", "tracking_url": "https://t.example.com/1"},
                {"carrier": "Other", "carrier_name": "Geodis", "tracking_url": "https://t.example.com/1"},
                id="another carrier",
            ),
        ],
    )
    def test_the_carrier_is_the_marketplaces(
        self, merchant: Any, sold: str, shipment: dict[str, str], arguments: dict[str, str]
    ) -> None:
        _deliver(merchant, {"tracking_number": "T1", **shipment})
        _confirmed(merchant)
        [told] = merchant.sandbox.ledger().told
        assert told.outcome == "confirmed"
        assert {name: told.arguments[name] for name in arguments} == arguments

    def test_a_mapped_carrier_comes_first(self, make_merchant: Any) -> None:
        merchant = make_merchant(carriers={"home": "DPD"})
        merchant.sells()
        merchant.sync()
        _deliver(merchant, {"carrier_code": "home", "tracking_number": "T1"})
        merchant.sync()
        [told] = merchant.sandbox.ledger().told
        assert told.arguments["carrier"] == "DPD"

    def test_one_that_lacks_the_url_is_stopped_and_says_why(self, merchant: Any, sold: str) -> None:
        _deliver(merchant, {"carrier_code": "geodis", "carrier_label": "Geodis", "tracking_number": "T1"})
        merchant.sync()
        [event] = merchant.connector.store.list_events()
        assert (event.state, event.reason) == ("failed", "argument_missing")
        assert "tracking_url" in event.about
        assert merchant.journal(sold)[-1] == "event_failed"
        assert merchant.sandbox.ledger().told == ()

    def test_told_twice_it_is_one_confirmation(self, merchant: Any, sold: str) -> None:
        for delivery in ("one", "one", "another"):
            _deliver(merchant, {"carrier_code": "DPD", "tracking_number": "T1"}, delivery=delivery)
        _confirmed(merchant)
        assert len(merchant.sandbox.ledger().told) == 1

    def test_each_parcel_of_an_order_of_several_packages_tells_its_lines(self, merchant: Any) -> None:
        merchant.sells(kind="multi_package")
        merchant.sync()
        [order] = merchant.sandbox.ledger().sold
        for number, (shop_order,) in enumerate(merchant.rows("SELECT id FROM shop_orders ORDER BY id")):
            _deliver(
                merchant,
                {"carrier_code": "DPD", "tracking_number": f"T{number}"},
                delivery=f"d{number}",
                shop_order=str(shop_order),
            )
        _confirmed(merchant)
        told = merchant.sandbox.ledger().told
        assert sorted(one.arguments["line"] for one in told) == sorted(line.id for line in order.lines)
        assert {one.outcome for one in told} == {"confirmed"}

    def test_two_parcels_for_one_line_are_told_with_their_pieces(self, merchant: Any) -> None:
        [order_id] = merchant.sells(marketplace="decathlon_fr")
        merchant.sandbox.amend(order_id, {"quantity": 3})
        merchant.sandbox.advance(minutes=15)
        merchant.sync()
        [sold] = merchant.sandbox.ledger().sold
        for parcel, pieces in (("p1", 1), ("p1", 1), ("p2", 2)):
            lines = [{"order_line_id": sold.lines[0].id, "quantity": pieces}]
            shipment = {"id": parcel, "carrier_code": "colissimo", "tracking_number": f"T-{parcel}", "lines": lines}
            _deliver(merchant, shipment, delivery=f"d{int(merchant.sandbox.now().timestamp())}")
            _confirmed(merchant)
        told = merchant.sandbox.ledger().told
        assert [(one.arguments["tracking_number"], one.arguments["shipped_quantity"]) for one in told] == [
            ("T-p1", "1"),
            ("T-p2", "2"),
        ]
        assert {one.outcome for one in told} == {"confirmed"}

    def test_an_event_of_another_kind_is_ignored_in_plain_sight(self, merchant: Any) -> None:
        _deliver(merchant, None, kind="connection.ping")
        merchant.sync()
        [event] = merchant.connector.store.list_events()
        assert (event.state, event.about) == ("ignored", "connection.ping")

    def test_an_order_that_is_not_ours_is_looked_for_again_then_failed(self, merchant: Any) -> None:
        _deliver(merchant, {"carrier_code": "DPD", "tracking_number": "T1"}, shop_order="999")
        for _ in range(6):
            merchant.sync()
            merchant.sandbox.advance(minutes=30)
        [event] = merchant.connector.store.list_events()
        assert (event.state, event.reason) == ("failed", "order_unknown")


def _deliver(
    merchant: Any,
    shipment: dict[str, Any] | None,
    *,
    kind: str = "shipment.created",
    delivery: str = "d1",
    shop_order: str = "1",
) -> None:
    data = {"contract": "shop-shipment/1", "order": {"id": shop_order}, "shipment": {"id": "s1", **(shipment or {})}}
    body = json.dumps({"type": kind, "data": data}).encode()
    timestamp = str(int(merchant.sandbox.now().timestamp()))
    digest = hmac.new(KEY, f"{delivery}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    headers = {
        "webhook-id": delivery,
        "webhook-timestamp": timestamp,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }
    merchant.connector.receive("b2c", Request(headers, body))
