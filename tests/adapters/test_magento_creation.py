"""Creating orders in Magento: what is written, what is refused and how, and what a batch costs."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from magento_shop import RATES, ContractMagento

from lengow.adapters.contract import AMOUNTS, created, new_order, outcomes_of
from lengow.adapters.magento import MagentoAdapter
from lengow.adapters.magento.api import Refusal, words_of
from lengow.adapters.magento.finishing import Taking
from lengow.adapters.magento.refusals import REMEDIES, rejected
from lengow.adapters.magento.settings import MagentoSettings
from lengow.connector.adapter import Cancel, Created, Refund, Rejected, Unknown, Updated
from lengow.connector.errors import ShopUnavailable
from lengow.connector.model import NewOrder
from lengow.connector.secret import Secret
from lengow.sandbox.answers import Answer

ORDERS = "POST /rest/default/V1/orders"


@pytest.fixture
def shop() -> Iterator[ContractMagento]:
    shop = ContractMagento()
    yield shop
    shop.close()


@pytest.fixture
def adapter(shop: ContractMagento) -> Iterator[MagentoAdapter]:
    adapter = shop.adapter()
    yield adapter
    adapter.close()


def order(reference: str = "A-1", **changed: Any) -> NewOrder:
    return new_order(reference, [("PLATE", 2, "49.80"), ("BOWL", 1, "10.55")], shipping="4.90", **changed)


def held(shop: ContractMagento, number: int = 0) -> dict[str, Any]:
    return shop.standin.ledger().orders[number]


def refused(adapter: MagentoAdapter, bad: NewOrder) -> Rejected:
    [outcome] = adapter.create_orders([bad])
    assert isinstance(outcome, Rejected), outcome
    return outcome


def amount(value: Any) -> Decimal:
    return Decimal(str(value))


# What is written


def test_an_order_is_what_a_merchant_needs_to_see(shop: ContractMagento, adapter: MagentoAdapter) -> None:
    created(adapter, order(fee="1.50"))
    row = held(shop)
    assert row["increment_id"].startswith("M-A-1-")
    assert len(row["ext_order_id"]) == 32
    assert (row["state"], row["status"], row["email_sent"]) == ("processing", "processing", 1)
    assert row["customer_email"].endswith("@marketplace.invalid"), "nobody is mailed"
    assert "Buyer's address: zoe.martin@example.com" in row["payment"]["additional_information"]
    assert [item["ext_order_item_id"] for item in row["items"]] == ["A-1-1", "A-1-2"]
    assert all(item["product_id"] for item in row["items"])
    assert row["shipping_incl_tax"] == 6.4, "shipping and fee"
    assert shop.standin.ledger().mails == ()


@pytest.mark.parametrize("name", RATES)
@pytest.mark.parametrize("number", range(len(AMOUNTS)))
def test_the_totals_agree_with_each_other_under_any_rates(shop: ContractMagento, name: str, number: int) -> None:
    shop.set_taxes(name)
    adapter = shop.adapter()
    lines, shipping, fee = AMOUNTS[number]
    sold = [(("PLATE", "BOWL")[place % 2], *line) for place, line in enumerate(lines)]
    bought = new_order("E-1", sold, shipping=shipping, fee=fee)
    created(adapter, bought)
    adapter.close()
    row = {key: amount(value) for key, value in held(shop).items() if isinstance(value, int | float)}
    assert row["grand_total"] == bought.total == row["base_grand_total"]
    assert row["grand_total"] == row["subtotal"] + row["tax_amount"] + row["shipping_amount"] + row["discount_amount"]
    items = held(shop)["items"]
    assert row["subtotal"] == sum(amount(one["row_total"]) for one in items)
    assert row["tax_amount"] == row["shipping_tax_amount"] + sum(amount(one["tax_amount"]) for one in items)


def test_vat_is_at_the_rates_of_the_products(shop: ContractMagento, adapter: MagentoAdapter) -> None:
    created(adapter, order())
    assert [(one["tax_percent"], one["tax_amount"]) for one in held(shop)["items"]] == [(20, 8.3), (5.5, 0.55)]


def test_exempt_orders_have_no_vat(shop: ContractMagento) -> None:
    adapter = shop.adapter(taxes="exempt")
    created(adapter, order())
    adapter.close()
    assert (held(shop)["tax_amount"], held(shop)["grand_total"]) == (0, 65.25)


@pytest.mark.parametrize(("given", "region"), [("ca", 12), ("California", 12), ("Ohio", None), ("", None)])
def test_the_region_is_the_shops_own(
    shop: ContractMagento, adapter: MagentoAdapter, given: str, region: int | None
) -> None:
    created(adapter, order(country="US", region=given))
    assert held(shop)["billing_address"]["region_id"] == region


def test_an_unknown_product_can_be_a_free_line(shop: ContractMagento) -> None:
    adapter = shop.adapter(unknown_products="import")
    created(adapter, new_order("A-1", [("NOPE", 1, "5.00")]))
    adapter.close()
    [item] = held(shop)["items"]
    assert (item["sku"], item.get("product_id")) == ("NOPE", None)


def test_a_sku_with_a_comma_is_found(shop: ContractMagento, adapter: MagentoAdapter) -> None:
    shop.standin.add_product("A,B", 10)
    created(adapter, new_order("A-1", [("A,B", 1, "5.00")]))
    assert shop.stock("A,B") == 9


def test_a_batch_costs_at_most_three_requests_an_order(shop: ContractMagento, adapter: MagentoAdapter) -> None:
    created(adapter, order("warm"))
    before = shop.standin.server.requests.total()
    outcomes = outcomes_of(adapter, [order(f"A-{number}") for number in range(10)])
    assert {type(one) for one in outcomes.values()} == {Created}
    requests = shop.standin.server.requests.total() - before
    assert requests == 26, (
        "two saves each; a look, a reading back, what is pending, the stock read, told and written for all"
    )
    assert requests / 10 <= 3


def test_an_order_alone_without_stock_is_one_save(shop: ContractMagento, adapter: MagentoAdapter) -> None:
    created(adapter, order("warm"))
    before = shop.standin.server.requests[ORDERS]
    created(adapter, order(decrease_stock=False))
    assert shop.standin.server.requests[ORDERS] - before == 1


# What is refused


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"country": "ZZ"}, "shipping_address.country_id"),
        ({"city": ""}, "shipping_address.city"),
        ({"first_line": ""}, "shipping_address.street"),
        ({"first_line": "x" * 256}, "shipping_address.street"),
        ({"city": "x" * 256}, "shipping_address.city"),
        ({"currency": "GBP"}, "currency"),
    ],
)
def test_what_magento_would_take_and_spoil_is_not_sent(
    shop: ContractMagento, adapter: MagentoAdapter, changed: dict[str, Any], field: str
) -> None:
    outcome = refused(adapter, order(**changed))
    assert (outcome.field, outcome.retry) == (field, False)
    assert shop.standin.ledger().orders == ()


@pytest.mark.parametrize(
    ("lines", "field"),
    [
        ([], "items"),
        ([("PLATE", 0, "5.00")], "items.qty_ordered"),
        ([("PLATE", 1, "-5.00")], "grand_total"),
        ([("PLATE", 1, "5.005")], "grand_total"),
        ([("SHIRT", 1, "5.00")], "sku"),
        ([("NOPE", 1, "5.00")], "sku"),
    ],
)
def test_lines_that_cannot_be_sold(adapter: MagentoAdapter, lines: list[tuple[str, int, str]], field: str) -> None:
    assert refused(adapter, new_order("A-1", lines)).field == field


@pytest.mark.parametrize(
    ("status", "message", "parameters", "retry", "field"),
    [
        (401, "The consumer isn't authorized to access %resources.", {"resources": "A::b"}, True, "access_token"),
        (400, "Specified request cannot be processed.", None, True, "store"),
        (404, "Request does not match any route.", None, True, "url"),
        (404, "The entity that was requested doesn't exist. Verify the entity and try again.", None, False, "entity_id"),
        (400, "We can't save the address:\n%1", ['"city" is required. Enter and try again.'], False, "billing_address"),
        (400, '"%fieldName" is required. Enter and try again.', {"fieldName": "entity"}, False, "entity"),
        (400, "An extension's own words", None, False, ""),
    ],
)  # fmt: skip
def test_a_refusal_has_the_shops_words_the_field_and_what_to_do(
    shop: ContractMagento, adapter: MagentoAdapter, status: int, message: str, parameters: Any, retry: bool, field: str
) -> None:
    answer = Answer.json({"message": message, "parameters": parameters}, status)
    shop.standin.fail("answer", answer=answer)
    outcome = refused(adapter, order())
    assert (outcome.retry, outcome.field) == (retry, field)
    words, _ = words_of({"message": message, "parameters": parameters})
    assert "%" not in words
    assert outcome.reason.startswith(words.rstrip(".")), "the shop's own words"
    assert len(outcome.reason) > len(words) + 20, "and what to do"


@pytest.mark.parametrize("words", REMEDIES)
def test_each_known_refusal_says_what_to_do(words: str) -> None:
    outcome = rejected("A-1", Refusal(400, f"so {words} so"))
    assert outcome.reason.endswith(REMEDIES[words].what_to_do)


def test_a_firewalls_page_is_the_hosts(shop: ContractMagento, adapter: MagentoAdapter) -> None:
    shop.standin.fail("answer", answer=Answer(403, b"<html>Forbidden</html>", {"Content-Type": "text/html"}))
    outcome = refused(adapter, order())
    assert (outcome.field, outcome.retry) == ("url", True)


def test_a_wrong_token_fails_all_that_can_be_tried_again(shop: ContractMagento, adapter: MagentoAdapter) -> None:
    shop.standin.access.bearer_enabled = False
    outcome = refused(adapter, order())
    assert outcome.retry
    assert "bearer" in outcome.reason
    with pytest.raises(ShopUnavailable, match="authorized"):
        adapter.find_order("A-1")


# What is half made


def test_an_order_that_an_extension_changed_is_set_aside(shop: ContractMagento, adapter: MagentoAdapter) -> None:
    save = shop.standin.ordering.save

    def meddling(entity: Any, killed_at: str) -> dict[str, Any]:
        row = save(entity, killed_at)
        if "items" in entity:
            row["grand_total"] += 1
        return row

    shop.standin.ordering.save = meddling  # type: ignore[method-assign]
    stock = shop.stock("PLATE")
    outcome = refused(adapter, order())
    assert outcome.field == "grand_total"
    assert (held(shop)["state"], held(shop)["ext_order_id"]) == ("canceled", "")
    assert shop.stock("PLATE") == stock
    shop.standin.ordering.save = save  # type: ignore[method-assign]
    created(adapter, order())
    assert held(shop, 1)["grand_total"] == 65.25


def test_an_order_whose_stock_could_not_be_taken_is_completed(shop: ContractMagento, adapter: MagentoAdapter) -> None:
    stock = shop.stock("PLATE")
    shop.standin.fail("lost_before", path="/inventory/source-items")
    [outcome] = adapter.create_orders([order()])
    assert isinstance(outcome, Unknown)
    assert (held(shop)["state"], shop.stock("PLATE")) == ("new", stock)
    assert adapter.find_order("A-1") is not None
    assert (held(shop)["state"], shop.stock("PLATE")) == ("processing", stock - 2)


SKUS = ("PLATE", "BOWL", "A b,c;%")


@pytest.mark.parametrize("finished", [0, 1, 2])
def test_orders_whose_stock_was_taken_when_the_connector_died_take_it_once(
    shop: ContractMagento, adapter: MagentoAdapter, finished: int
) -> None:
    """However many of them were moved on, and whichever is looked for first."""
    shop.standin.add_product(SKUS[2], 500)
    stock = {sku: shop.stock(sku) for sku in SKUS}
    orders = [new_order(f"A-{number}", [(sku, 2, "5.00") for sku in SKUS]) for number in range(3)]
    shop.standin.fail("lost_before", after=3 + 1 + finished, times=None)
    outcomes = outcomes_of(adapter, orders)
    assert sum(isinstance(one, Unknown) for one in outcomes.values()) == 3 - finished
    shop.mend()
    for one in reversed(orders):
        assert adapter.find_order(one.reference) is not None
    assert {row["state"] for row in shop.standin.ledger().orders} == {"processing"}
    assert {sku: shop.stock(sku) for sku in SKUS} == {sku: before - 6 for sku, before in stock.items()}


def test_stock_that_was_told_and_not_taken_is_taken_before_that_of_later_orders(
    shop: ContractMagento, adapter: MagentoAdapter
) -> None:
    """After they have lowered the quantity, nobody could see any more that it was not."""
    stock = shop.stock("PLATE")
    shop.standin.fail("lost_before", path="/inventory/source-items")
    assert isinstance(outcomes_of(adapter, [order("A-1")])["A-1"], Unknown)
    assert created(adapter, order("A-2"))
    assert created(adapter, order("A-1"))
    assert shop.stock("PLATE") == stock - 4


def test_a_shipment_does_not_hide_that_the_stock_was_not_taken(shop: ContractMagento, adapter: MagentoAdapter) -> None:
    """It lowers the quantity too."""
    shipped = created(adapter, order("A-0"))
    stock = shop.stock("PLATE")
    shop.standin.fail("lost_before", path="/inventory/source-items")
    assert isinstance(outcomes_of(adapter, [order("A-1")])["A-1"], Unknown)
    shop.standin.ship(int(shipped.id), {"track_number": "1", "title": "DPD", "carrier_code": "custom"})
    assert created(adapter, order("A-1"))
    assert shop.stock("PLATE") == stock - 2


def test_no_stock_is_taken_while_it_cannot_be_seen_what_was_taken_before(
    shop: ContractMagento, adapter: MagentoAdapter
) -> None:
    stock = shop.stock("PLATE")
    shop.standin.fail("lost_before", path="/inventory/source-items", method="", times=None)
    for reference in ("A-1", "A-2"):
        assert isinstance(outcomes_of(adapter, [order(reference)])[reference], Unknown)
    shop.mend()
    for reference in ("A-2", "A-1"):
        assert created(adapter, order(reference))
    assert shop.stock("PLATE") == stock - 4


def test_orders_whose_stock_was_told_and_not_taken_take_it(shop: ContractMagento, adapter: MagentoAdapter) -> None:
    stock = shop.stock("PLATE")
    shop.standin.fail("lost_before", path="/inventory/source-items")
    outcomes_of(adapter, [order("A-1"), order("A-2")])
    shop.standin.data.sources["default", "PLATE"]["quantity"] -= 1
    assert created(adapter, order("A-2"))
    assert created(adapter, order("A-1"))
    assert {row["state"] for row in shop.standin.ledger().orders} == {"processing"}
    assert shop.stock("PLATE") == stock - 1 - 4


@pytest.mark.parametrize(
    ("now", "written"),
    [
        ({"A": 8, "B": 4}, True),
        ({"A": 10, "B": 5}, False),
        ({"A": 7, "B": 4}, True),
        ({"A": 9, "B": 4}, False),
        ({"A": 8, "B": 5}, False),
        ({}, True),
    ],
)
def test_quantities_tell_whether_they_were_written(now: dict[str, int], written: bool) -> None:
    quantities = {"A": (Decimal(10), Decimal(8)), "B": (Decimal(5), Decimal(4))}
    assert Taking(("lgw1",), quantities).written({sku: Decimal(held) for sku, held in now.items()}) == written


def test_the_number_is_unique_where_the_search_does_not_see_it(shop: ContractMagento, adapter: MagentoAdapter) -> None:
    made = created(adapter, order())
    nothing = Answer.json({"items": [], "total_count": 0})
    shop.standin.fail("answer", method="GET", answer=nothing)
    assert created(adapter, order()).id == made.id
    assert len(shop.standin.ledger().orders) == 1


# Changes that the contract does not ask for


def test_an_order_that_took_no_stock_gives_none_back(shop: ContractMagento, adapter: MagentoAdapter) -> None:
    stock = shop.stock("PLATE")
    made = created(adapter, order(decrease_stock=False))
    assert adapter.update_order(made, Cancel("gone")) == Updated("A-1")
    assert (held(shop)["state"], shop.stock("PLATE")) == ("canceled", stock)


def test_an_invoiced_order_is_not_cancelled(adapter: MagentoAdapter) -> None:
    made = created(adapter, order())
    assert adapter.update_order(made, Refund("r1", Decimal("1.00"))) == Updated("A-1")
    outcome = adapter.update_order(made, Cancel())
    assert isinstance(outcome, Rejected)
    assert (outcome.field, outcome.retry) == ("state", False)


def test_a_refund_of_money_alone_needs_shipping_costs(adapter: MagentoAdapter) -> None:
    made = created(adapter, new_order("A-1", [("PLATE", 1, "5.00")]))
    outcome = adapter.update_order(made, Refund("r1", Decimal("1.00")))
    assert isinstance(outcome, Rejected)
    assert "without products" in outcome.reason


# Setting it up


def test_check_names_the_rights_that_are_missing(shop: ContractMagento, adapter: MagentoAdapter) -> None:
    shop.standin.rights = frozenset({"Magento_Backend::store", "Magento_Sales::actions_view"})
    bad = {one.what: one.sentence for one in adapter.check() if not one.ok}
    assert "Magento_Catalog::products" in bad["may read"]
    assert "Magento_Sales::create" in bad["may write"]
    assert shop.standin.ledger().orders == ()


def test_check_names_a_store_view_that_is_none(shop: ContractMagento) -> None:
    adapter = shop.adapter(store="other")
    assert any(not one.ok and "`store`" in one.what_to_do for one in adapter.check())
    adapter.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://shop.example.com"},
        {"url": "shop.example.com"},
        {"url": "https://me:pass@shop.example.com"},
        {"store": "all"},
    ],
)
def test_settings_that_cannot_be_meant(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MagentoSettings(**{"url": "https://shop.example.com", "access_token": Secret("t"), **wrong})


def test_an_answer_that_is_no_json_leaves_the_outcome_unknown(shop: ContractMagento, adapter: MagentoAdapter) -> None:
    shop.standin.fail("answer", answer=Answer(200, b"<b>Notice</b>", {"Content-Type": "text/html"}))
    [outcome] = adapter.create_orders([order()])
    assert isinstance(outcome, Unknown)
    assert msgspec.structs.asdict(outcome)["reference"] == "A-1"
