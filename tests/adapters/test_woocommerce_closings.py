"""Cancellations and refunds of WooCommerce: by webhook and polling, of the order, of lines and pieces; none of our own."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from woocommerce_shop import ContractWooCommerce, delivery

from lengow.adapters.contract import created, new_order
from lengow.adapters.woocommerce import WooCommerceAdapter
from lengow.connector.adapter import Cancel, Event, Refund, ShopOrder


@pytest.fixture
def shop() -> Iterator[ContractWooCommerce]:
    shop = ContractWooCommerce()
    yield shop
    shop.close()


@pytest.fixture
def adapter(shop: ContractWooCommerce) -> Iterator[WooCommerceAdapter]:
    adapter = shop.adapter()
    yield adapter
    adapter.close()


@pytest.fixture
def order_id(shop: ContractWooCommerce, adapter: WooCommerceAdapter) -> int:
    order = new_order("R-1", [(shop.simple, 2, "49.80"), (shop.another, 1, "9.99")])
    return int(created(adapter, order).id)


def told(adapter: WooCommerceAdapter, shop: ContractWooCommerce, order_id: int) -> list[Event]:
    """What a webhook of the order as it stands tells."""
    return list(adapter.events(delivery(json.dumps(shop.standin.view(order_id)).encode())))


def refunds(
    shop: ContractWooCommerce, order_id: int, amount: str, lines: dict[int, int] | None = None, *, share: str = "1"
) -> None:
    """The merchant refunds in the shop; `lines`: pieces by the line's place; `share`: of what they were sold for."""
    order = shop.standin.orders.all[order_id]
    held = shop.standin.view(order_id)["line_items"]
    items: list[dict[str, Any]] = [
        {
            "id": order.lines[place].id,
            "quantity": pieces,
            "refund_total": float(Decimal(held[place]["total"]) * pieces / held[place]["quantity"] * Decimal(share)),
        }
        for place, pieces in (lines or {}).items()
    ]
    shop.standin.orders.refund(order, Decimal(amount), {"line_items": items, "api_restock": False})


def test_a_cancelled_order_is_told_by_webhook_and_polling_alike(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce, order_id: int
) -> None:
    shop.standin.set_status(order_id, "cancelled")
    [event] = told(adapter, shop, order_id)
    assert (event.kind, event.shop_order_id, event.reference, event.line_ids) == (
        "cancelled",
        str(order_id),
        "R-1",
        (),
    )
    assert list(adapter.shipments_since("").events) == [event] == list(adapter.shipments_of(str(order_id)))


def test_what_the_connector_cancelled_itself_is_no_news(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce, order_id: int
) -> None:
    adapter.update_order(ShopOrder(str(order_id), "R-1"), Cancel("gone"))
    assert shop.standin.orders.all[order_id].status == "cancelled"
    assert told(adapter, shop, order_id) == []
    assert adapter.shipments_since("").events == ()


def test_an_order_that_was_set_aside_is_none(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce, order_id: int
) -> None:
    shop.standin.set_status(order_id, "cancelled")
    view = shop.standin.view(order_id)
    view["meta_data"].append({"id": 1, "key": "_lengow_set_aside", "value": "yes"})
    assert list(adapter.events(delivery(json.dumps(view).encode()))) == []


def test_a_refund_is_asked_for_because_the_webhook_does_not_tell_its_lines(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce, order_id: int
) -> None:
    refunds(shop, order_id, "5.00", {0: 1, 1: 1})
    [changed] = told(adapter, shop, order_id)
    [event] = adapter.shipments_of(str(order_id))
    assert (changed.kind, event.kind) == ("changed", "refunded")
    assert (event.line_ids, event.quantities) == (("R-1-1", "R-1-2"), {"R-1-1": 1})
    assert list(adapter.shipments_since("").events) == [event]


def test_two_refunds_are_two(adapter: WooCommerceAdapter, shop: ContractWooCommerce, order_id: int) -> None:
    refunds(shop, order_id, "5.00", {0: 1})
    refunds(shop, order_id, "5.00", {0: 1})
    first, second = adapter.shipments_of(str(order_id))
    assert first.parcel != second.parcel
    assert first.quantities == second.quantities == {"R-1-1": 1}


def test_an_order_of_many_refunds_tells_the_oldest_too(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce, order_id: int
) -> None:
    refunds(shop, order_id, "5.00", {0: 1})
    for _ in range(11):  # a list has ten, where nobody asks for more
        refunds(shop, order_id, "0.01")
    assert [event.kind for event in adapter.shipments_of(str(order_id))] == ["refunded", *["other"] * 11]


def test_money_only_is_no_refund_of_goods(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce, order_id: int
) -> None:
    refunds(shop, order_id, "5.00")
    [event] = adapter.shipments_of(str(order_id))
    assert event.kind == "other"
    assert event.raw_kind.endswith("of money only")


def test_pieces_that_are_given_back_for_less_are_money_only(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce, order_id: int
) -> None:
    """The marketplace refunds whole pieces, which would be more than the merchant gave."""
    refunds(shop, order_id, "12.45", {0: 1}, share="0.5")
    [event] = adapter.shipments_of(str(order_id))
    assert (event.kind, event.line_ids) == ("other", ())


def test_what_closes_the_order_refunds_all_that_is_left(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce, order_id: int
) -> None:
    refunds(shop, order_id, "5.00", {0: 1})
    refunds(shop, order_id, "54.79")
    assert shop.standin.orders.all[order_id].status == "refunded"
    _, rest = adapter.shipments_of(str(order_id))
    assert (rest.kind, rest.line_ids, rest.quantities) == ("refunded", ("R-1-1", "R-1-2"), {"R-1-1": 1})


@pytest.mark.parametrize("amount", ["5.00", "59.79"])
def test_what_the_connector_booked_itself_is_no_news(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce, order_id: int, amount: str
) -> None:
    adapter.update_order(ShopOrder(str(order_id), "R-1"), Refund("r1", Decimal(amount)))
    assert list(adapter.shipments_of(str(order_id))) == []
    assert adapter.shipments_since("").events == ()


def test_orders_of_the_shop_itself_are_none(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce, order_id: int
) -> None:
    shop.standin.set_status(order_id, "cancelled")
    view = shop.standin.view(order_id) | {"meta_data": []}
    assert list(adapter.events(delivery(json.dumps(view).encode()))) == []
