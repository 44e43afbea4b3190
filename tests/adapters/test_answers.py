"""What a shop answers is read by what each field is to be; what is otherwise names the shop, the call and the field."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from magento_shop import ContractMagento
from prestashop_shop import ContractPrestaShop
from shopware_shop import ContractShopware
from woocommerce_shop import ContractWooCommerce

from lengow.adapters.answers import Entry, entries_of, entry_of
from lengow.adapters.contract import created, new_order
from lengow.connector.adapter import Cancel, Created, Rejected, Unknown
from lengow.connector.errors import ShopUnavailable
from lengow.sandbox.answers import Answer
from lengow.sandbox.shops.standin import Fault


class Odd(Exception):
    pass


def entry(**fields: Any) -> Entry:
    return Entry(fields, Odd)


@pytest.mark.parametrize(("value", "number"), [(7, 7), ("7", 7), (7.0, 7), ("7.000000", 7), (" 7 ", 7), ("-7", -7)])
def test_numbers_that_php_writes_as_texts_are_numbers(value: Any, number: int) -> None:
    assert entry(qty=value).whole("qty") == entry(qty=value).decimal("qty") == number


@pytest.mark.parametrize("value", ["x", "7x", "NaN", "Infinity", "1e999999", "9" * 5000, True, [7], {"a": 7}, "७७x"])
def test_what_is_no_number_is_none(value: Any) -> None:
    with pytest.raises(Odd, match=r"qty is .*, not a number"):
        entry(qty=value).decimal("qty")
    with pytest.raises(Odd, match=r"qty is .*, not a whole number"):
        entry(qty=value).whole("qty")


@pytest.mark.parametrize("nothing", [None, [], False])
def test_what_php_has_for_nothing_is_what_is_said_for_it(nothing: Any) -> None:
    row = entry(a=nothing)
    assert (row.text("a", ""), row.whole("a", 0), row.decimal("a", Decimal(0)), row.entry("a")) == ("", 0, 0, {})
    for read in (row.text, row.whole, row.decimal):
        with pytest.raises(Odd):
            read("a")


def test_what_is_missing_is_named_by_its_place() -> None:
    row = entry(order={"items": [{"sku": "A"}, {"sku": "B"}]})
    [_, second] = row.entry("order").entries("items")
    for read in (second.whole, second.__getitem__):
        with pytest.raises(Odd, match=r"order\.items\[1\]\.qty is missing"):
            read("qty")


def test_a_list_with_gaps_is_an_object_in_php() -> None:
    row = entry(items={"0": {"sku": "A"}, "2": {"sku": "C"}})
    assert [one.text("sku") for one in row.entries("items")] == ["A", "C"]


@pytest.mark.parametrize("value", ["", "x", 7, True, [None], [[]], ["x"]])
def test_a_list_of_something_else_is_none(value: Any) -> None:
    with pytest.raises(Odd, match="items"):
        entry(items=value).entries("items", needed=True)
    with pytest.raises(Odd):
        entries_of({"message": "closed"}, Odd)
    with pytest.raises(Odd, match="it is a list, not an object"):
        entry_of([], Odd)


def test_times_have_a_zone_and_a_year() -> None:
    assert entry(at="2026-11-24 22:30:00").moment("at") == datetime(2026, 11, 24, 22, 30, tzinfo=UTC)
    for value in ("", "soon", "0000-00-00 00:00:00", "0001-01-01", "9999-12-31T23:59:59-12:00", None, 7, []):
        with pytest.raises(Odd, match="at is"):
            entry(at=value).moment("at")


def test_a_value_is_not_repeated_because_it_may_be_personal() -> None:
    with pytest.raises(Odd) as odd:
        entry(city=["Zoé Martin"]).text("city")
    assert "Zoé" not in str(odd.value)


# Through the adapters

SHOPS = [ContractMagento, ContractPrestaShop, ContractShopware, ContractWooCommerce]


@pytest.fixture(params=SHOPS, ids=lambda one: one.__name__.removeprefix("Contract"))
def shop(request: pytest.FixtureRequest) -> Iterator[Any]:
    shop = request.param()
    yield shop
    shop.close()


@pytest.fixture
def adapter(shop: Any) -> Iterator[Any]:
    adapter = shop.adapter()
    yield adapter
    adapter.close()


def garbles(shop: Any, path: str, change: Callable[[str], str], method: str = "", times: int | None = None) -> None:
    """Of every answer whose request ends with this path."""

    def changed(answer: Answer) -> Answer:
        return Answer(answer.status, change(answer.body.decode()).encode(), answer.headers)

    shop.standin.server.fail(Fault("changed", method, path, times, change=changed))


PRODUCTS = {
    "magento": ("/products", "id", "GET products", "items[0].id is an object, not a whole number"),
    "prestashop": ("/products", "id", "a search for products", "products[0].id is an object, not a whole number"),
    "shopware": ("/product", "id", "a search for product", "data[0].id is an object, not a text"),
    "woocommerce": ("/products", "id", "GET products", "[0].id is an object, not a whole number"),
}


def test_an_error_names_shop_call_and_field(shop: Any, adapter: Any) -> None:
    path, name, call, field = PRODUCTS[adapter.platform]

    def with_an_object(text: str) -> str:
        document = json.loads(text)
        rows = (
            document if isinstance(document, list) else next(one for one in document.values() if isinstance(one, list))
        )
        rows[0][name] = {"a": 1}
        return json.dumps(document)

    garbles(shop, path, with_an_object)
    with pytest.raises(ShopUnavailable) as told:
        adapter.find_products([shop.simple])
    sentence = f"The shop main answers {call} with something else than its API gives: {field}."
    assert str(told.value) == sentence
    assert "plugin" in told.value.what_to_do


def test_a_byte_order_mark_before_every_answer_does_no_harm(shop: Any, adapter: Any) -> None:
    """Some editors put it into PHP files, and PHP before what it answers."""
    garbles(shop, "", lambda text: f"\ufeff{text}" if text[:1] in "{[" else text)
    made = created(adapter, new_order("A-1", [(shop.simple, 1, "24.90")]))
    assert [one.id for one in shop.orders("A-1")] == [made.id]
    assert adapter.find_order("A-1") == made


def test_an_order_whose_answer_cannot_be_read_is_found_and_not_made_again(shop: Any, adapter: Any) -> None:
    """A notice of PHP stands before the JSON of whatever changes something."""
    for method in ("POST", "PUT", "PATCH"):
        garbles(shop, "", lambda text: f"<br />\n<b>Notice</b>: x<br />\n{text}" if text else text, method)
    order = new_order("A-2", [(shop.simple, 1, "24.90")])
    try:
        [outcome] = adapter.create_orders([order])
    except ShopUnavailable:
        outcome = None
    assert outcome is None or isinstance(outcome, Unknown) or (isinstance(outcome, Rejected) and outcome.retry)
    shop.mend()
    shop.pass_time(adapter.capabilities.settle_seconds)
    if adapter.find_order("A-2") is None:
        [outcome] = adapter.create_orders([order])
        assert isinstance(outcome, Created)
    assert len(shop.orders("A-2")) == 1


def test_a_state_that_cannot_be_read_changes_nothing(shop: Any, adapter: Any) -> None:
    """It is not taken for a half-made order, which would be cancelled."""
    order = new_order("A-3", [(shop.simple, 1, "24.90")])
    made = created(adapter, order)
    for name in ("current_state", "status", "state", "technicalName"):
        garbles(shop, "", lambda text, name=name: text.replace(f'"{name}":"', f'"{name}":[1],"_":"'))
        garbles(shop, "", lambda text, name=name: text.replace(f'"{name}": "', f'"{name}": [1], "_": "'))
    with suppress(ShopUnavailable):
        assert adapter.find_order("A-3") == made
    with suppress(ShopUnavailable):
        assert not isinstance(adapter.update_order(made, Cancel()), Rejected)
    shop.mend()
    [held] = shop.orders("A-3")
    assert held.id == made.id
    assert adapter.find_order("A-3") == made


# Nothing, as shops have it


def test_what_a_shop_has_nothing_for_keeps_no_order_out(shop: Any, adapter: Any) -> None:
    """An empty setting, a stock that is not kept, a tax class that was never chosen: one row would stop all imports."""
    empties = {
        "magento": ("/products", r'("attribute_code": ?"tax_class_id", ?"value": ?)"\w+"', r'\1""'),
        "prestashop": ("/configurations", r'("value": ?)"\d+"(, ?"name": ?"PS_OS_OUTOFSTOCK_PAID")', r"\1null\2"),
        "shopware": ("/product", r'("ean": ?)"\d*"', r"\1null"),
        "woocommerce": ("/products", r'("stock_quantity": ?)\d+', r'\1""'),
    }
    path, pattern, instead = empties[adapter.platform]
    seen = []

    def emptied(text: str) -> str:
        text, count = re.subn(pattern, instead, text)
        seen.append(count)
        return text

    garbles(shop, path, emptied)
    created(adapter, new_order("A-1", [(shop.simple, 1, "24.90")]))
    assert adapter.platform == "shopware" or sum(seen)


@pytest.mark.parametrize("options", [{}, {"version": "8.2.1", "hpos": False}], ids=["new", "old"])
def test_orders_of_the_shop_itself_need_no_transaction(options: dict[str, Any]) -> None:
    """WooCommerce before 9.9 gives those too; a plugin leaves null where there was no payment."""
    shop = ContractWooCommerce(**options)
    adapter = shop.adapter()
    created(adapter, new_order("A-1", [(shop.simple, 1, "24.90")]))
    garbles(shop, "/orders", lambda text: text.replace('"transaction_id":"A-1"', '"transaction_id":null'), "GET")
    again = shop.adapter()
    created(again, new_order("A-2", [(shop.simple, 1, "24.90")]))
    assert again.find_order("A-2") is not None
    for one in (adapter, again):
        one.close()
    shop.close()
