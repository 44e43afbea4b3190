"""Shipments from WooCommerce: webhooks as recorded, plugins' metas, core fulfilments, polling."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from woocommerce_shop import SECRETS, ContractWooCommerce, delivery, sign

from lengow.adapters.contract import context_for, created, new_order
from lengow.adapters.woocommerce import WooCommerceAdapter
from lengow.connector.adapter import Event, MarkShipped, Request
from lengow.connector.errors import PayloadInvalid, ShopUnavailable, SignatureError
from lengow.connector.model import Tracking
from lengow.connector.secret import Secret

CAPTURES = Path(__file__).parent.parent / "captures" / "woocommerce"
DELIVERIES = [
    "webhook_delivery_order_created",
    "webhook_delivery_order_deleted",
    "webhook_delivery_order_gone_error_body",
    "webhook_delivery_order_updated",
    "webhook_delivery_order_updated_after_fulfillment",
    "webhook_delivery_order_updated_wc_8_2_1",
    "webhook_delivery_product_updated_stock",
]
URL = "https://shop.example.com"
KEYS = {"url": URL, "consumer_key": "ck_1", "consumer_secret": "cs_1"}


def recorded(name: str) -> tuple[Request, Secret]:
    found = json.loads((CAPTURES / f"{name}.json").read_text())
    headers = {key.lower(): value for key, value in found["headers"].items()}
    return Request(headers, found["raw_body"].encode()), Secret(found["secret"])


@pytest.fixture
def shop() -> Iterator[ContractWooCommerce]:
    shop = ContractWooCommerce(fulfilments=True)
    yield shop
    shop.close()


@pytest.fixture
def adapter(shop: ContractWooCommerce) -> Iterator[WooCommerceAdapter]:
    adapter = shop.adapter()
    yield adapter
    adapter.close()


def offline(*secrets: Secret, **settings: Any) -> WooCommerceAdapter:
    return WooCommerceAdapter(context_for(WooCommerceAdapter, {**KEYS, **settings}, secrets))


def an_order(adapter: WooCommerceAdapter, shop: ContractWooCommerce, reference: str = "R-1") -> int:
    order = new_order(reference, [(shop.simple, 2, "49.80"), (shop.another, 1, "9.99")])
    return int(created(adapter, order).id)


def told(adapter: WooCommerceAdapter, shop: ContractWooCommerce, order_id: int) -> list[Event]:
    """What a webhook of the order as it stands tells."""
    return list(adapter.events(delivery(json.dumps(shop.standin.view(order_id)).encode())))


# Webhooks


@pytest.mark.parametrize("name", DELIVERIES)
def test_recorded_deliveries_are_proven_and_are_no_shipments_of_ours(name: str) -> None:
    request, secret = recorded(name)
    adapter = offline(Secret("an older one"), secret)
    assert adapter.verify(request)
    assert not adapter.greets(request)
    assert [one.kind for one in adapter.events(request)] == (["other"] if name.endswith("deleted") else [])
    with pytest.raises(SignatureError):
        offline(Secret("hook-secret2")).verify(request)
    with pytest.raises(SignatureError):
        adapter.verify(Request(request.headers, request.body.replace(b'"id"', b'"ID"', 1).replace(b"code", b"Code", 1)))


def test_the_recorded_ping_is_a_greeting_and_nothing_else() -> None:
    request, secret = recorded("webhook_ping")
    adapter = offline(secret)
    assert adapter.greets(request)
    with pytest.raises(SignatureError):
        adapter.verify(request)
    form = {"content-type": "application/x-www-form-urlencoded"}
    for headers, body in (
        ({**form, "x-wc-webhook-topic": "order.updated"}, request.body),
        (form, b"webhook_id=1&x=y"),
        (form, b"webhook_id="),
        (form, b""),
        ({"content-type": "application/json"}, request.body),
        ({}, request.body),
    ):
        assert not adapter.greets(Request(headers, body))


def test_a_secret_with_entities_signs_as_woocommerce_does() -> None:
    """It decodes HTML entities before it signs (reference platforms.md §1.7)."""
    body = b'{"id": 7}'
    request = Request({"x-wc-webhook-signature": sign(body, 'a"&b')}, body)
    assert offline(Secret("a&quot;&amp;b")).verify(request)


def test_another_delivery_id_makes_no_new_delivery() -> None:
    """WooCommerce does not sign it, so that anybody could repeat a body under another one."""
    request, secret = recorded("webhook_delivery_order_updated")
    adapter = offline(secret)
    again = Request({**request.headers, "x-wc-webhook-delivery-id": "other"}, request.body)
    assert adapter.verify(request) == adapter.verify(again)


@given(st.dictionaries(st.sampled_from(["x-wc-webhook-signature", "content-type"]), st.text()), st.binary())
def test_whatever_comes_is_a_signature_error(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(SignatureError):
        ADAPTER.verify(Request(headers, body))


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(
    st.sampled_from(["id", "status", "meta_data", "line_items", "key", "value", "_wc_shipment_tracking_items", "code"]), inner
)))  # fmt: skip
def test_whatever_is_signed_is_an_event_or_invalid(value: Any) -> None:
    try:
        events = ADAPTER.events(Request({}, json.dumps(value).encode()))
    except PayloadInvalid:
        return
    assert all(isinstance(event, Event) for event in events)


ADAPTER = offline(*SECRETS)


def test_echoes_of_our_own_writes_tell_nothing(adapter: WooCommerceAdapter, shop: ContractWooCommerce) -> None:
    order_id = an_order(adapter, shop)
    assert told(adapter, shop, order_id) == []
    made = adapter.find_order("R-1")
    assert made is not None
    adapter.update_order(made, MarkShipped(Tracking(number="X")))
    assert told(adapter, shop, order_id) == []
    shop.standin.add_tracking(order_id, "DPD", "Y")
    assert told(adapter, shop, order_id) == [], "the marketplace knows that it was shipped"


def test_orders_of_other_channels_tell_nothing(adapter: WooCommerceAdapter, shop: ContractWooCommerce) -> None:
    order = shop.standin.orders.create({"status": "processing", "line_items": [{"sku": shop.simple}]})
    shop.standin.add_tracking(order.id, "DPD", "Y")
    assert told(adapter, shop, order.id) == []
    assert adapter.shipments_since("").events == ()
    assert adapter.shipments_of(str(order.id)) == []


# Where plugins keep tracking

PLUGINS: list[tuple[str, dict[str, Any], Tracking]] = [
    (
        "Shipment Tracking, AST",
        {"_wc_shipment_tracking_items": json.loads((CAPTURES / "order_update_shipment_tracking_meta.json").read_text())[
            "request_body"]["meta_data"][0]["value"]},
        Tracking(carrier_code="fedex", number="12345678"),
    ),
    (
        "AST, a list that lost its first entry",
        {"_wc_shipment_tracking_items": {"1": {"custom_tracking_provider": "DPD", "tracking_number": "9"}}},
        Tracking(carrier_name="DPD", number="9"),
    ),
    ("AfterShip", {"_aftership_tracking_items": [{"slug": "gls", "tracking_number": "A1"}]}, Tracking("gls", number="A1")),
    (
        "AfterShip, old",
        {"_aftership_tracking_number": "A2", "_aftership_tracking_provider_name": "GLS"},
        Tracking(carrier_name="GLS", number="A2"),
    ),
    (
        "YITH",
        {"ywot_tracking_code": "Y1", "ywot_carrier_id": "LAPOSTE", "ywot_carrier_name": "La Poste"},
        Tracking("LAPOSTE", "La Poste", "Y1"),
    ),
    ("Colissimo Officiel", {"lpc_outward_parcel_number": "6A1"}, Tracking(carrier_name="Colissimo", number="6A1")),
    (
        "a number alone",
        {"_tracking_number": 4711, "_tracking_provider": "ups", "_tracking_url": "https://t.example.com/4711"},
        Tracking("ups", number="4711", url="https://t.example.com/4711"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("metas", "tracking"), [row[1:] for row in PLUGINS], ids=[row[0] for row in PLUGINS])
def test_the_common_plugins_metas_are_read(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce, metas: dict[str, Any], tracking: Tracking
) -> None:
    order_id = an_order(adapter, shop)
    for key, value in metas.items():
        shop.standin.set_meta(order_id, key, value)
    [event] = told(adapter, shop, order_id)
    assert (event.kind, event.tracking, event.line_ids) == ("shipment", tracking, ())
    assert (event.shop_order_id, event.reference) == (str(order_id), "R-1")


def test_metas_of_a_plugin_that_the_merchant_names_come_first(shop: ContractWooCommerce) -> None:
    adapter = shop.adapter(tracking_metas=[{"number": "_acme_no", "label": "Acme Express", "url": "_acme_url"}])
    order_id = an_order(adapter, shop)
    shop.standin.add_tracking(order_id, "DPD", "other")
    shop.standin.set_meta(order_id, "_acme_no", "AC1")
    [event] = told(adapter, shop, order_id)
    assert event.tracking == Tracking(carrier_name="Acme Express", number="AC1")
    adapter.close()


def test_tracking_at_the_lines_ships_these_lines(adapter: WooCommerceAdapter, shop: ContractWooCommerce) -> None:
    order_id = an_order(adapter, shop)
    entries = [
        {"tracking_number": "OLD", "carrier_name": "X"},
        {"tracking_number": "V1", "carrier_slug": "dpd", "carrier_url": "https://t.example.com/{tracking_number}"},
    ]
    [first, _] = shop.standin.orders.all[order_id].lines
    first.meta.append({"id": 1, "key": "_vi_wot_order_item_tracking_data", "value": json.dumps(entries)})
    [event] = told(adapter, shop, order_id)
    assert event.line_ids == ("R-1-1",)
    assert event.tracking == Tracking("dpd", number="V1", url="https://t.example.com/V1")


def test_a_status_alone_tells_a_shipment(shop: ContractWooCommerce) -> None:
    adapter = shop.adapter(shipped_statuses=["completed", "on-hold"])
    for status in ("completed", "on-hold"):
        order_id = an_order(adapter, shop, f"R-{status}")
        shop.standin.set_status(order_id, status)
        [event] = told(adapter, shop, order_id)
        assert event.tracking == Tracking()
    adapter.close()


def test_several_parcels_are_several_events(adapter: WooCommerceAdapter, shop: ContractWooCommerce) -> None:
    order_id = an_order(adapter, shop)
    shop.standin.add_tracking(order_id, "DPD", "1")
    [first] = told(adapter, shop, order_id)
    shop.standin.add_tracking(order_id, "DPD", "2")
    events = told(adapter, shop, order_id)
    assert [one.tracking.number for one in events] == ["1", "2"]
    assert events[0].id == first.id


# Core fulfilments


def test_a_fulfilment_is_asked_for_because_the_webhook_does_not_hold_it(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce
) -> None:
    order_id = an_order(adapter, shop)
    [first, second] = shop.standin.orders.all[order_id].lines
    shop.standin.fulfil(order_id, {first.id: 1}, "la-poste-colissimo", "6A1", "https://t.example.com/6A1")
    [event] = told(adapter, shop, order_id)
    assert (event.kind, event.shop_order_id) == ("changed", str(order_id))
    [part] = adapter.shipments_of(str(order_id))
    assert (part.line_ids, part.quantities) == (("R-1-1",), {"R-1-1": 1})
    shop.standin.fulfil(order_id, {first.id: 1, second.id: 1}, "dpd", "D2")
    [again, rest] = adapter.shipments_of(str(order_id))
    assert (rest.tracking, rest.line_ids) == (Tracking("dpd", number="D2"), ("R-1-1", "R-1-2"))
    assert rest.quantities == {"R-1-1": 1}
    assert (again, part.parcel != rest.parcel) == (part, True)
    assert [one.id for one in adapter.shipments_since("").events] == [part.id, rest.id]


def test_fulfilments_of_separate_lines_are_separate_shipments(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce
) -> None:
    order_id = an_order(adapter, shop)
    for line, number in zip(shop.standin.orders.all[order_id].lines, ("N1", "N2"), strict=True):
        shop.standin.fulfil(order_id, {line.id: line.quantity}, "dpd", number)
    events = adapter.shipments_of(str(order_id))
    assert [(one.tracking.number, one.line_ids) for one in events] == [("N1", ("R-1-1",)), ("N2", ("R-1-2",))]


def test_fulfilments_that_were_switched_off_again_are_no_error(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce
) -> None:
    order_id = an_order(adapter, shop)
    [first, _] = shop.standin.orders.all[order_id].lines
    shop.standin.fulfil(order_id, {first.id: 2}, "dpd", "D")
    shop.standin._rest.fulfilments = False
    assert adapter.shipments_of(str(order_id)) == []


# Polling


def test_polling_reads_on_where_many_orders_changed_in_one_second(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce
) -> None:
    """As after a bulk edit: the cursor cannot pass within a second, so the pages are counted."""
    ids = [an_order(adapter, shop, f"R-{number}") for number in range(230)]
    now = shop.standin.clock.now()
    for order_id in ids:
        shop.standin.add_tracking(order_id, "DPD", f"N{order_id}")
        shop.standin.orders.all[order_id].modified = now
    seen, cursor, pages = set(), "", 0
    while True:
        page = adapter.shipments_since(cursor)
        seen |= {one.shop_order_id for one in page.events}
        cursor, pages = page.cursor, pages + 1
        if not page.more:
            break
        assert pages < 10
    assert seen == {str(order_id) for order_id in ids}


def test_polling_gets_on_in_a_shop_that_answers_slowly(shop: ContractWooCommerce) -> None:
    """Each fulfilment is a call: those of a page may take longer than a call of the connector's may."""
    adapter = shop.adapter(call_timeout=4)
    ids = [an_order(adapter, shop, f"R-{number}") for number in range(12)]
    for order_id in ids:
        [first, _] = shop.standin.orders.all[order_id].lines
        shop.standin.fulfil(order_id, {first.id: 2}, "dpd", f"N{order_id}")
        shop.pass_time(5)
    shop.standin.fail("latency", method="GET", path="/fulfillments", times=None, seconds=0.4)
    seen, cursor, more = set(), "", True
    while more:
        page = adapter.shipments_since(cursor)
        seen |= {one.shop_order_id for one in page.events}
        assert page.cursor != cursor
        cursor, more = page.cursor, page.more
    assert seen == {str(order_id) for order_id in ids}
    adapter.close()


def test_polling_finds_what_was_told_while_the_connector_was_down(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce
) -> None:
    order_id = an_order(adapter, shop)
    cursor = adapter.shipments_since("").cursor
    shop.standin.add_tracking(order_id, "DPD", "1")
    shop.standin.clock.jump(timedelta(days=40))
    page = adapter.shipments_since(cursor)
    assert [one.shop_order_id for one in page.events] == [str(order_id)]
    quiet = adapter.shipments_since(page.cursor)
    assert {one.id for one in quiet.events} <= {one.id for one in page.events}
    assert adapter.shipments_since(quiet.cursor).cursor == quiet.cursor, "a cursor that rests does not wander back"


def test_an_order_that_is_gone_has_no_shipments(adapter: WooCommerceAdapter) -> None:
    assert adapter.shipments_of("999999") == []
    assert adapter.shipments_of("no number") == []


def test_a_key_without_rights_is_unavailable_and_says_why(shop: ContractWooCommerce) -> None:
    adapter = shop.adapter(consumer_secret="cs_wrong")
    for call in (
        lambda: adapter.shipments_since(""),
        lambda: adapter.shipments_of("1"),
        lambda: adapter.find_order("R"),
        lambda: adapter.find_products(["x"]),
    ):
        with pytest.raises(ShopUnavailable, match="signature"):
            call()
    adapter.close()
