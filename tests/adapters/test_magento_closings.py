"""Cancellations and credit memos of Magento: of the order, of lines and pieces; what the connector booked is no news."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
from magento_shop import ContractMagento

from lengow.adapters.contract import created, new_order
from lengow.adapters.magento import MagentoAdapter
from lengow.connector.adapter import Refund, ShopOrder


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


@pytest.fixture
def made(adapter: MagentoAdapter) -> ShopOrder:
    return created(adapter, new_order("A-1", [("PLATE", 1, "5.00"), ("BOWL", 3, "9.00")], shipping="4.90"))


def gives_back(shop: ContractMagento, made: ShopOrder, pieces: list[int], money: float = 0, fee: float = 0) -> None:
    """The merchant makes a credit memo; `pieces` of each line."""
    ordering, order_id = shop.standin.ordering, int(made.id)
    if not shop.standin.data.orders[order_id].get("total_invoiced"):
        ordering.invoice(order_id)
    items = [
        {"order_item_id": item["item_id"], "qty": count}
        for item, count in zip(shop.standin.data.orders[order_id]["items"], pieces, strict=True)
    ]
    ordering.refund(order_id, {"items": items, "arguments": {"adjustment_positive": money, "adjustment_negative": fee}})


def test_a_cancelled_order_is_told(shop: ContractMagento, adapter: MagentoAdapter, made: ShopOrder) -> None:
    assert shop.standin.ordering.cancel(int(made.id))
    [event] = adapter.shipments_since("").events
    assert (event.kind, event.shop_order_id, event.reference, event.line_ids) == ("cancelled", made.id, "A-1", ())
    assert list(adapter.shipments_of(made.id)) == [event]


def test_a_credit_memo_tells_its_lines_and_pieces(
    shop: ContractMagento, adapter: MagentoAdapter, made: ShopOrder
) -> None:
    gives_back(shop, made, [1, 2])
    [event] = adapter.shipments_since("").events
    assert (event.kind, event.line_ids, event.quantities) == ("refunded", ("A-1-1", "A-1-2"), {"A-1-2": 2})
    gives_back(shop, made, [0, 1])
    first, second = adapter.shipments_of(made.id)
    assert (first, second.line_ids, second.quantities) == (event, ("A-1-2",), {"A-1-2": 1})


def test_money_only_is_no_refund_of_goods(shop: ContractMagento, adapter: MagentoAdapter, made: ShopOrder) -> None:
    gives_back(shop, made, [0, 0], money=2)
    [event] = adapter.shipments_of(made.id)
    assert (event.kind, event.raw_kind.endswith("of money only")) == ("other", True)


def test_goods_less_a_fee_are_no_refund_of_goods(
    shop: ContractMagento, adapter: MagentoAdapter, made: ShopOrder
) -> None:
    """The marketplace refunds whole pieces, which would be more than the merchant gave."""
    gives_back(shop, made, [1, 0], fee=2)
    [event] = adapter.shipments_of(made.id)
    assert (event.kind, event.line_ids) == ("other", ())


def test_what_the_connector_booked_itself_is_no_news(
    shop: ContractMagento, adapter: MagentoAdapter, made: ShopOrder
) -> None:
    adapter.update_order(made, Refund("r1", Decimal("9.00"), "gone", ("A-1-2",)))
    assert shop.standin.ledger().creditmemos
    assert adapter.shipments_since("").events == ()
    assert list(adapter.shipments_of(made.id)) == []


def test_orders_of_the_shop_itself_are_none(shop: ContractMagento, adapter: MagentoAdapter, made: ShopOrder) -> None:
    shop.standin.data.orders[int(made.id)]["ext_order_id"] = "another's"
    shop.standin.ordering.cancel(int(made.id))
    assert adapter.shipments_since("").events == ()
