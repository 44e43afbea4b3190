"""Shipments of Magento: tracks, late ones, parts of an order, and what is none of ours."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from magento_shop import ContractMagento

from lengow.adapters.contract import created, new_order
from lengow.adapters.magento import MagentoAdapter
from lengow.connector.adapter import Event
from lengow.connector.model import Tracking

DHL = {"track_number": "00340", "title": "DHL Paket", "carrier_code": "dhl"}


@pytest.fixture
def shop() -> Iterator[ContractMagento]:
    shop = ContractMagento()
    yield shop
    shop.close()


@pytest.fixture
def adapter(shop: ContractMagento) -> Iterator[MagentoAdapter]:
    adapter = shop.adapter(shipped_without_tracking=False)
    yield adapter
    adapter.close()


def test_a_track_that_comes_days_later_is_found(shop: ContractMagento, adapter: MagentoAdapter) -> None:
    made = created(adapter, new_order("A-1", [("PLATE", 1, "5.00")]))
    shipment = shop.standin.ship(int(made.id))
    polled = adapter.shipments_since("")
    assert polled.events == ()
    shop.pass_time(timedelta(days=2).total_seconds())
    polled = adapter.shipments_since(polled.cursor)
    assert polled.events == ()
    shop.standin.add_track(shipment, DHL)
    [event] = adapter.shipments_since(polled.cursor).events
    assert event.tracking == Tracking("dhl", "DHL Paket", "00340")


def test_the_tracks_of_a_whole_day_may_come_late(shop: ContractMagento, adapter: MagentoAdapter) -> None:
    sold = [created(adapter, new_order(f"A-{number}", [("PLATE", 1, "5.00")])) for number in range(103)]
    shipments = [shop.standin.ship(int(made.id)) for made in sold]
    _, cursor = drained(adapter, "")
    shop.pass_time(timedelta(hours=2).total_seconds())
    shop.standin.ship(int(created(adapter, new_order("B-1", [("PLATE", 1, "5.00")])).id), DHL)
    _, cursor = drained(adapter, cursor)  # which moves on
    shop.standin.add_track(shipments[0], DHL)
    assert sold[0].id in {event.shop_order_id for event in drained(adapter, cursor)[0]}


def drained(adapter: MagentoAdapter, cursor: str) -> tuple[list[Event], str]:
    events, more = list[Event](), True
    while more:
        polled = adapter.shipments_since(cursor)
        events, cursor, more = [*events, *polled.events], polled.cursor, polled.more
    return events, cursor


def test_a_track_that_never_comes_is_not_waited_for_for_ever(shop: ContractMagento, adapter: MagentoAdapter) -> None:
    made = created(adapter, new_order("A-1", [("PLATE", 1, "5.00")]))
    shipment = shop.standin.ship(int(made.id))
    cursor = adapter.shipments_since("").cursor
    shop.pass_time(timedelta(days=15).total_seconds())
    cursor = adapter.shipments_since(cursor).cursor
    shop.standin.data.orders[int(made.id)]["updated_at"] = "2020-01-01 00:00:00"
    shop.standin.add_track(shipment, DHL)
    assert adapter.shipments_since(cursor).events == ()


def test_a_part_confirms_its_lines(shop: ContractMagento, adapter: MagentoAdapter) -> None:
    made = created(adapter, new_order("A-1", [("PLATE", 1, "5.00"), ("BOWL", 2, "9.00")]))
    [plate, bowl] = shop.standin.data.orders[int(made.id)]["items"]
    shop.standin.ship(int(made.id), DHL, items={plate["item_id"]: 1})
    shop.standin.ship(int(made.id), {**DHL, "track_number": "2"}, items={bowl["item_id"]: 2})
    assert [event.line_ids for event in adapter.shipments_of(made.id)] == [("A-1-1",), ("A-1-2",)]


def test_a_part_of_a_line_confirms_its_pieces(shop: ContractMagento, adapter: MagentoAdapter) -> None:
    made = created(adapter, new_order("A-1", [("PLATE", 1, "5.00"), ("BOWL", 3, "9.00")]))
    [plate, bowl] = shop.standin.data.orders[int(made.id)]["items"]
    shop.standin.ship(int(made.id), DHL, items={bowl["item_id"]: 1})
    rest = {**DHL, "track_number": "2"}
    shop.standin.ship(int(made.id), rest, {**DHL, "track_number": "3"}, items={plate["item_id"]: 1, bowl["item_id"]: 2})
    first, second = adapter.shipments_of(made.id)
    assert (first.line_ids, first.quantities) == (("A-1-2",), {"A-1-2": 1})
    assert (second.line_ids, second.quantities, second.tracking.number) == (("A-1-1", "A-1-2"), {"A-1-2": 2}, "2")
    assert first.parcel != second.parcel


def test_only_a_part_of_the_only_line_is_not_the_order(shop: ContractMagento, adapter: MagentoAdapter) -> None:
    made = created(adapter, new_order("A-1", [("BOWL", 3, "9.00")]))
    [bowl] = shop.standin.data.orders[int(made.id)]["items"]
    shop.standin.ship(int(made.id), DHL, items={bowl["item_id"]: 2})
    [event] = adapter.shipments_of(made.id)
    assert (event.line_ids, event.quantities) == (("A-1-1",), {"A-1-1": 2})


def test_shipped_without_a_track_counts_where_it_is_set_so(shop: ContractMagento) -> None:
    adapter = shop.adapter()
    made = created(adapter, new_order("A-1", [("PLATE", 1, "5.00")]))
    shop.standin.ship(int(made.id))
    [event] = adapter.shipments_of(made.id)
    assert event.tracking == Tracking()
    adapter.close()


def test_orders_of_the_shop_itself_are_not_told(shop: ContractMagento, adapter: MagentoAdapter) -> None:
    made = created(adapter, new_order("A-1", [("PLATE", 1, "5.00")]))
    shop.standin.data.orders[int(made.id)]["ext_order_id"] = "another's"
    shop.standin.ship(int(made.id), DHL)
    assert adapter.shipments_since("").events == ()
    assert adapter.shipments_of(made.id) == []


def test_shipping_leaves_the_salable_quantity_as_the_import_made_it(
    shop: ContractMagento, adapter: MagentoAdapter
) -> None:
    stock = shop.stock("PLATE")
    made = created(adapter, new_order("A-1", [("PLATE", 3, "5.00")]))
    shop.standin.ship(int(made.id), DHL)
    assert shop.stock("PLATE") == stock - 3
