"""What Shopware tells of shipments and cancellations, and what changes at the marketplace do to its orders."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shopware_shop import ContractShopware, body_of, delivery, sign

from lengow.adapters.contract import SHIPPED, created, new_order
from lengow.adapters.shopware import ShopwareAdapter
from lengow.adapters.shopware.ids import id_of
from lengow.connector.adapter import (
    Cancel,
    Change,
    CorrectAddress,
    MarkShipped,
    Refund,
    Rejected,
    Request,
    ShopOrder,
    Unknown,
    Updated,
)
from lengow.connector.errors import PayloadInvalid, ShopUnavailable, SignatureError
from lengow.connector.model import Address, Tracking
from lengow.sandbox.answers import Answer
from lengow.sandbox.shops.standin import Fault

CANCELLED = "state_enter.order.state.cancelled"
REFUNDED = "state_enter.order_transaction.state.refunded"


@pytest.fixture
def shop() -> Iterator[ContractShopware]:
    shop = ContractShopware()
    yield shop
    shop.close()


@pytest.fixture
def adapter(shop: ContractShopware) -> Iterator[ShopwareAdapter]:
    adapter = shop.adapter()
    yield adapter
    adapter.close()


def sold(adapter: ShopwareAdapter, reference: str = "A-1") -> str:
    return created(adapter, new_order(reference, [("PLATE", 2, "49.80"), ("BOWL", 1, "9.99")], shipping="4.90")).id


def second_delivery(shop: ContractShopware, order_id: str) -> None:
    """The merchant ships the second line apart."""
    data = shop.standin.data
    first = shop.standin.delivery_of(order_id)
    line = data.one("order_line_item", orderId=order_id, position=2)
    position = data.one("order_delivery_position", orderLineItemId=line["id"])
    made = data.insert("order_delivery", {**first, "id": "b" * 32, "trackingCodes": ["SECOND"]})
    position["orderDeliveryId"] = made


# Reading shipments


def test_each_tracking_code_is_a_shipment(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    order_id = sold(adapter)
    shop.ship(order_id, SHIPPED)
    shop.standin.change("order_delivery", shop.standin.delivery_of(order_id)["id"], trackingCodes=["A/1", " ", "B 2"])
    found = adapter.shipments_of(order_id)
    assert [(one.tracking.number, one.tracking.url, one.line_ids) for one in found] == [
        ("A/1", "https://track.example.com/A%2F1", ()),
        ("B 2", "https://track.example.com/B%202", ()),
    ]


@pytest.mark.parametrize(("counts", "expected"), [(True, [""]), (False, [])])
def test_a_shipment_without_a_code_counts_as_the_settings_say(
    shop: ContractShopware, counts: bool, expected: list[str]
) -> None:
    adapter = shop.adapter(shipped_without_tracking=counts)
    order_id = sold(adapter)
    shop.ship(order_id, Tracking())
    assert [one.tracking.number for one in adapter.shipments_of(order_id)] == expected
    shop.standin.change("order_delivery", shop.standin.delivery_of(order_id)["id"], trackingCodes=["LATE"])
    assert [one.tracking.number for one in adapter.shipments_of(order_id)] == ["LATE"]
    assert [one.tracking.number for one in adapter.shipments_since("").events] == ["LATE"]
    adapter.close()


def test_of_several_deliveries_each_has_its_lines(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    order_id = sold(adapter)
    second_delivery(shop, order_id)
    assert list(adapter.shipments_of(order_id)) == []
    shop.standin.move("order_delivery", "b" * 32, "ship")
    [event] = adapter.shipments_of(order_id)
    assert (event.tracking.number, event.line_ids) == ("SECOND", ("A-1-2",))
    [told] = adapter.events(delivery(body_of(shop.standin.order_view(order_id), shop.standin)))
    assert told.kind == "changed", "the event does not tell which delivery it is about"


def test_of_a_line_in_two_deliveries_each_has_its_pieces(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    order_id = sold(adapter)
    second_delivery(shop, order_id)
    data = shop.standin.data
    line = data.one("order_line_item", orderId=order_id, position=1)
    position = data.one("order_delivery_position", orderLineItemId=line["id"])
    position["price"] = {**position["price"], "quantity": 1}
    data.insert("order_delivery_position", {**position, "id": "c" * 32, "orderDeliveryId": "b" * 32})
    shop.standin.move("order_delivery", "b" * 32, "ship")
    [event] = adapter.shipments_of(order_id)
    assert (set(event.line_ids), event.quantities, event.parcel) == ({"A-1-1", "A-1-2"}, {"A-1-1": 1}, "b" * 32)


def test_orders_of_the_shop_itself_are_none_of_ours(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    order_id = sold(adapter)
    row = shop.standin.data.tables["order"][order_id]
    row["customFields"] = []
    shop.ship(order_id, SHIPPED)
    assert list(adapter.shipments_of(order_id)) == []
    assert list(adapter.events(delivery(body_of(shop.standin.order_view(order_id), shop.standin)))) == []
    assert adapter.shipments_since("").events == ()
    row["affiliateCode"] = None
    assert adapter.shipments_since("").cursor != ""


def test_a_cancellation_whose_webhook_was_lost_is_polled(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    order_id, other = sold(adapter, "A-1"), sold(adapter, "A-2")
    cursor = adapter.shipments_since("").cursor
    shop.pass_time(60)
    shop.standin.move("order", order_id, "cancel")
    polled = adapter.shipments_since(cursor)
    [event] = polled.events
    assert (event.kind, event.shop_order_id, event.reference) == ("cancelled", order_id, "A-1")
    body = body_of(shop.standin.order_view(order_id), shop.standin, CANCELLED)
    assert list(adapter.events(delivery(body))) == [event], "by webhook it is the same event"
    assert list(adapter.shipments_of(order_id)) == [event]
    assert list(adapter.shipments_of(other)) == []
    assert {one.id for one in adapter.shipments_since(polled.cursor).events} <= {event.id}


def test_a_refund_whose_webhook_was_lost_is_polled(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    order_id = sold(adapter)
    transaction = shop.standin.data.one("order_transaction", orderId=order_id)
    shop.standin.move("order_transaction", transaction["id"], "refund")
    [event] = adapter.shipments_since("").events
    assert (event.kind, event.shop_order_id, event.line_ids) == ("refunded", order_id, ())
    body = body_of(shop.standin.order_view(order_id), shop.standin, REFUNDED)
    assert list(adapter.events(delivery(body))) == [event]
    assert list(adapter.shipments_of(order_id)) == [event]


def test_what_the_connector_closed_itself_is_polled_as_no_news(
    shop: ContractShopware, adapter: ShopwareAdapter
) -> None:
    cancelled, refunded = sold(adapter, "A-1"), sold(adapter, "A-2")
    assert isinstance(adapter.update_order(ShopOrder(cancelled, "A-1"), Cancel()), Updated)
    everything = Refund("r-1", Decimal("64.69"), "", ())
    assert isinstance(adapter.update_order(ShopOrder(refunded, "A-2"), everything), Updated)
    assert adapter.shipments_since("").events == ()
    assert [list(adapter.shipments_of(one)) for one in (cancelled, refunded)] == [[], []]


def test_an_order_that_is_set_aside_is_polled_as_no_news(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    """It is cancelled before it is deleted; were it told, the marketplace would cancel what was sold."""
    shop.standin.fail("lost_before", after=2)  # its deleting
    shop.standin.server.fail(Fault("changed", "POST", "/search/order", after=1, change=_cheaper))
    adapter.create_orders([new_order("A-1", [("PLATE", 1, "24.90")])])
    shop.mend()
    assert [one.status for one in shop.orders("A-1")] == ["cancelled"]
    assert [one.kind for one in adapter.shipments_since("").events] == []


def _cheaper(answer: Answer) -> Answer:
    document = json.loads(answer.body)
    for row in document["data"]:
        row["amountTotal"] = 1
    return Answer.json(document, answer.status)


def test_a_cursor_from_before_cancellations_were_polled_looks_back(
    shop: ContractShopware, adapter: ShopwareAdapter
) -> None:
    order_id = sold(adapter)
    shop.standin.move("order", order_id, "cancel")
    first, _, _ = adapter.shipments_since("").cursor.split()
    assert [one.kind for one in adapter.shipments_since(first).events] == ["cancelled"]


@pytest.mark.parametrize("shop_order_id", ["", "1", "A" * 32, "f" * 32, "x/../y"])
def test_an_order_that_is_not_there_has_no_shipments(adapter: ShopwareAdapter, shop_order_id: str) -> None:
    assert list(adapter.shipments_of(shop_order_id)) == []


def test_polling_that_the_shop_refuses_says_so(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    shop.standin.limit("order:read")
    with pytest.raises(ShopUnavailable, match="Missing permissions"):
        adapter.shipments_since("")


def test_polling_goes_on_after_a_payment_was_given_back(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    cancelled, order_id = sold(adapter), sold(adapter, "A-2")
    updated(adapter, cancelled, Cancel())
    shop.ship(order_id, SHIPPED)
    assert [event.shop_order_id for event in adapter.shipments_since("").events] == [order_id]


def test_polling_looks_back_ten_minutes_for_what_became_visible_late(
    shop: ContractShopware, adapter: ShopwareAdapter
) -> None:
    first, late = sold(adapter, "A-1"), sold(adapter, "A-2")
    shop.ship(first, SHIPPED)
    shop.standin.delivery_of(first)["updatedAt"] = "2099-01-01T00:09:00.000+00:00"
    cursor = adapter.shipments_since("").cursor
    shop.ship(late, SHIPPED)
    shop.standin.delivery_of(late)["updatedAt"] = "2099-01-01T00:00:00.000+00:00"
    assert late in [one.shop_order_id for one in adapter.shipments_since(cursor).events]


def test_polling_goes_on_where_many_changed_at_one_moment(
    shop: ContractShopware, adapter: ShopwareAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lengow.adapters.shopware.polling.PAGE", 2)
    ids = [sold(adapter, f"A-{number}") for number in range(5)]
    for order_id in ids:
        shop.ship(order_id, SHIPPED)
        shop.standin.delivery_of(order_id)["updatedAt"] = "2099-01-01T00:00:00.123+00:00"
    found, cursor, more = [], "", True
    while more:
        page = adapter.shipments_since(cursor)
        found += [one.shop_order_id for one in page.events]
        cursor, more = page.cursor, page.more
    assert sorted(set(found)) == sorted(ids)


# Webhooks


def test_the_shop_really_sends_what_is_verified(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    order_id = sold(adapter)
    shop.ship(order_id, SHIPPED)
    assert shop.standin.run_queue() == 3, "nobody takes it: three tries"
    sent = shop.standin.ledger().deliveries
    requests = [Request({name.lower(): value for name, value in one.headers.items()}, one.body) for one in sent]
    assert len({adapter.verify(one) for one in requests}) == 1, "a repeat is known by its id"
    assert [one.tracking.number for one in adapter.events(requests[0])] == [SHIPPED.number]


def test_the_id_is_the_events_and_not_the_signature() -> None:
    shop = ContractShopware()
    adapter = shop.adapter()
    first = delivery(body_of({"id": "1"}, shop.standin))
    shop.pass_time(60)
    second = delivery(body_of({"id": "1"}, shop.standin))
    assert first.headers != second.headers
    assert adapter.verify(second) == "e" * 32
    adapter.close()
    shop.close()


def test_the_signature_is_that_of_openssl() -> None:
    """printf '{}' | openssl dgst -sha256 -hmac secret; the adapter is held to `sign` by every other test."""
    assert sign(b"{}", "secret") == "77325902caca812dc259733aacd046b73817372c777b8d95b402647474516e13"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(signature=st.text(max_size=80), body=st.binary(max_size=80))
def test_whatever_is_sent_is_refused_as_unsigned(adapter: ShopwareAdapter, signature: str, body: bytes) -> None:
    with pytest.raises(SignatureError):
        adapter.verify(Request({"shopware-shop-signature": signature}, body))


def test_a_merchants_refund_is_told_and_our_own_is_not(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    order_id, other, cancelled = sold(adapter), sold(adapter, "A-2"), sold(adapter, "A-3")
    [event] = adapter.events(delivery(body_of(shop.standin.order_view(order_id), shop.standin, REFUNDED)))
    assert (event.kind, event.shop_order_id, event.reference, event.line_ids) == ("refunded", order_id, "A-1", ())
    updated(adapter, other, Refund("r1", Decimal("5.00")))
    updated(adapter, cancelled, Cancel())
    for ours in (other, cancelled):
        assert list(adapter.events(delivery(body_of(shop.standin.order_view(ours), shop.standin, REFUNDED)))) == []


def test_a_merchants_cancellation_is_told_and_our_own_is_not(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    order_id = sold(adapter)
    shop.standin.move("order", order_id, "cancel")
    [event] = adapter.events(delivery(body_of(shop.standin.order_view(order_id), shop.standin, CANCELLED)))
    assert (event.kind, event.shop_order_id, event.reference) == ("cancelled", order_id, "A-1")
    other = sold(adapter, "A-2")
    assert updated(adapter, other, Cancel("sold out"))
    assert list(adapter.events(delivery(body_of(shop.standin.order_view(other), shop.standin, CANCELLED)))) == []


def test_other_events_are_taken_and_left(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    [event] = adapter.events(delivery(body_of({"id": "1"}, shop.standin, "order.written")))
    assert (event.kind, event.raw_kind, event.id) == ("other", "order.written", "e" * 32)


@pytest.mark.parametrize("order", [None, [], {}, {"id": None}, {"id": {}}])
def test_a_shipment_without_its_order_is_invalid(shop: ContractShopware, adapter: ShopwareAdapter, order: Any) -> None:
    with pytest.raises(PayloadInvalid):
        adapter.events(delivery(body_of(order, shop.standin)))


@pytest.mark.parametrize("deliveries", [None, {}, [], [None], [{"shippingMethod": None}], [{}, {}]])
def test_an_event_that_tells_too_little_has_the_order_read(
    shop: ContractShopware, adapter: ShopwareAdapter, deliveries: Any
) -> None:
    order = {"id": "c" * 32, "customFields": {"lengow_reference": "A-1"}, "deliveries": deliveries}
    [event] = adapter.events(delivery(body_of(order, shop.standin)))
    assert (event.kind, event.shop_order_id) == ("changed", "c" * 32)


# Changes


def updated(adapter: ShopwareAdapter, order_id: str, change: Change) -> bool:
    outcome = adapter.update_order(ShopOrder(order_id, "A-1"), change)
    assert outcome == Updated("A-1"), outcome
    return True


def places(shop: ContractShopware, order_id: str) -> tuple[str, str, str]:
    data, place = shop.standin.data, shop.standin.place
    transaction = data.one("order_transaction", orderId=order_id)
    return place(data.tables["order"][order_id]), place(shop.standin.delivery_of(order_id)), place(transaction)


def test_a_cancelled_order_is_cancelled_everywhere_and_nobody_is_mailed(
    shop: ContractShopware, adapter: ShopwareAdapter
) -> None:
    order_id = sold(adapter)
    updated(adapter, order_id, Cancel("the buyer cancelled"))
    assert places(shop, order_id) == ("cancelled", "cancelled", "refunded")
    assert shop.standin.ledger().mails == ()
    assert shop.standin.data.tables["order"][order_id]["customFields"]["lengow_cancelled"] == "the buyer cancelled"


def test_a_completed_order_can_be_cancelled(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    order_id = sold(adapter)
    updated(adapter, order_id, MarkShipped(Tracking(number="X1")))
    updated(adapter, order_id, Cancel())
    assert places(shop, order_id)[0] == "cancelled"
    assert shop.stock("PLATE") == 500


def test_an_order_shipped_elsewhere_keeps_the_codes_that_it_has(
    shop: ContractShopware, adapter: ShopwareAdapter
) -> None:
    order_id = sold(adapter)
    shop.standin.change("order_delivery", shop.standin.delivery_of(order_id)["id"], trackingCodes=["OLD"])
    for _ in range(2):
        updated(adapter, order_id, MarkShipped(Tracking(carrier_name="DPD", number="X1")))
    assert shop.standin.delivery_of(order_id)["trackingCodes"] == ["OLD", "X1"]
    assert places(shop, order_id) == ("completed", "shipped", "paid")


def test_a_delivery_that_came_back_is_not_shipped_again(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    order_id = sold(adapter)
    delivery_id = shop.standin.delivery_of(order_id)["id"]
    for action in ("ship", "retour"):
        shop.standin.move("order_delivery", delivery_id, action)
    outcome = adapter.update_order(ShopOrder(order_id, "A-1"), MarkShipped())
    assert isinstance(outcome, Rejected)
    assert (outcome.field, outcome.retry) == ("state", False)
    assert "'returned'" in outcome.reason


def test_refunds_are_booked_with_amount_and_reason_until_all_is_refunded(
    shop: ContractShopware, adapter: ShopwareAdapter
) -> None:
    order_id = sold(adapter)
    updated(adapter, order_id, Refund("r1", Decimal("10.00"), "damaged"))
    assert places(shop, order_id)[2] == "refunded_partially"
    updated(adapter, order_id, Refund("r2", Decimal("54.69")))
    assert places(shop, order_id)[2] == "refunded"
    assert shop.standin.data.tables["order"][order_id]["customFields"]["lengow_refunds"] == [
        {"id": "r1", "amount": "10.00", "reason": "damaged"},
        {"id": "r2", "amount": "54.69", "reason": ""},
    ]


def test_a_refund_of_a_line_that_is_not_there_is_refused(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    outcome = adapter.update_order(
        ShopOrder(sold(adapter), "A-1"), Refund("r1", Decimal(1), line_ids=("A-1-9",), restock=True)
    )
    assert isinstance(outcome, Rejected)
    assert outcome.field == "lineItems"


@pytest.mark.parametrize("fault", ["lost_before", "lost_after", "error_500", "html_502"])
@pytest.mark.parametrize("path", ["/_action/sync", "/state/refund_partially"])
def test_a_refund_whose_answer_was_lost_is_booked_once(
    shop: ContractShopware, adapter: ShopwareAdapter, fault: str, path: str
) -> None:
    order_id = sold(adapter)
    stock = shop.stock("PLATE")
    refund = Refund("r1", Decimal("49.80"), line_ids=("A-1-1",), restock=True)
    shop.standin.fail(fault, path=path)
    assert isinstance(adapter.update_order(ShopOrder(order_id, "A-1"), refund), Unknown)
    shop.mend()
    updated(adapter, order_id, refund)
    [held] = shop.orders("A-1")
    assert (held.refunded, shop.stock("PLATE")) == (Decimal("49.80"), stock + 2)
    assert places(shop, order_id)[2] == "refunded_partially"


def test_both_addresses_are_corrected_in_one_write(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    order_id = sold(adapter)
    moved = Address(
        first_name="Max",
        last_name="Weiß",
        first_line="Ring 1",
        zipcode="10115",
        city="Berlin",
        country="DE",
        region="BE",
    )
    before = shop.standin.server.requests["POST /api/_action/sync"]
    updated(adapter, order_id, CorrectAddress(billing=moved, delivery=moved))
    assert shop.standin.server.requests["POST /api/_action/sync"] == before + 1
    cities = {row["city"] for row in shop.standin.data.rows("order_address", orderId=order_id)}
    assert cities == {"Berlin"}
    [berlin] = {row["countryStateId"] for row in shop.standin.data.rows("order_address", orderId=order_id)}
    assert shop.standin.data.tables["country_state"][berlin]["shortCode"] == "DE-BE"


def test_an_address_that_the_shop_refuses_stays_as_it_was(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    order_id = sold(adapter)
    bad = Address(last_name="Weiß", first_line="Ring 1", zipcode="10115", city="B" * 256, country="DE")
    outcome = adapter.update_order(ShopOrder(order_id, "A-1"), CorrectAddress(delivery=bad))
    assert isinstance(outcome, Rejected)
    assert outcome.field == "city"
    [held] = shop.orders("A-1")
    assert held.delivery_city == "Lyon"


def test_a_change_of_an_order_that_was_deleted_is_refused(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    outcome = adapter.update_order(ShopOrder(id_of("never"), "A-1"), Cancel())
    assert isinstance(outcome, Rejected)
    assert (outcome.field, outcome.retry) == ("id", False)


def test_the_body_of_an_event_is_what_shopware_writes(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    body = json.loads(body_of(shop.standin.order_view(sold(adapter)), shop.standin))
    assert set(body) == {"data", "source", "timestamp"}
    assert body["data"]["payload"]["order"]["deliveries"][0]["stateMachineState"] is None, "not loaded since 6.6"
