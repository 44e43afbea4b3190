"""Creating orders in WooCommerce: what is refused before it is sent, what its answers are worth, and what is left behind."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from woocommerce_shop import TAXES, ContractWooCommerce

from lengow.adapters.contract import created, new_order, outcomes_of
from lengow.adapters.woocommerce import WooCommerceAdapter
from lengow.connector.adapter import Created, Rejected, ShopOrder, Unknown
from lengow.connector.errors import ShopUnavailable
from lengow.connector.model import NewOrder
from lengow.sandbox.answers import Answer
from lengow.sandbox.shops.woocommerce.records import Order

CAPTURES = Path(__file__).parent.parent / "captures" / "woocommerce"
SETTLED = timedelta(seconds=121)


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


def posts(shop: ContractWooCommerce) -> int:
    return shop.standin.ledger().requests.get("POST /wp-json/wc/v3/orders", 0)


def an_order(shop: ContractWooCommerce, reference: str = "R-1", **more: Any) -> NewOrder:
    return new_order(reference, [(shop.simple, 2, "49.80")], shipping="4.90", **more)


def rejection(adapter: WooCommerceAdapter, order: NewOrder) -> Rejected:
    [outcome] = adapter.create_orders([order])
    assert isinstance(outcome, Rejected), outcome
    assert outcome.reference == order.reference
    return outcome


# What is sent


def test_everything_that_the_merchant_needs_is_in_the_order(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce
) -> None:
    made = created(adapter, an_order(shop, complement="Bât. B", second_line="2e étage", region="Rhône"))
    view = shop.standin.view(int(made.id))
    assert view["transaction_id"] == "R-1"
    assert view["created_via"] == "lengow"
    assert view["customer_note"] == "manomano_fr M-R-1"
    assert view["payment_method_title"] == "Lengow: manomano_fr"
    assert view["shipping"]["address_2"] == "2e étage, Bât. B"
    assert (view["status"], bool(view["date_paid"])) == ("processing", True)
    metas = {one["key"]: one["value"] for one in view["meta_data"]}
    assert metas["_lengow_order_id"] == "M-R-1"
    assert metas["_lengow_marketplace"] == "manomano_fr"
    assert metas["_lengow_email"] == "zoe.martin@example.com"
    assert metas["_lengow_total"] == "54.70"
    [line] = view["line_items"]
    assert {one["key"]: one["value"] for one in line["meta_data"]}["_lengow_line_id"] == "R-1-1"


def test_nobody_is_mailed_unless_asked_to(shop: ContractWooCommerce) -> None:
    for settings, mails in (
        ({}, []),
        ({"mail_merchant": True}, ["new order"]),
        ({"mail_buyer": True}, ["received"]),
    ):
        adapter = shop.adapter(**settings)
        made = created(adapter, an_order(shop, f"R-{settings}"))
        assert [mail.what for mail in shop.standin.ledger().mails if str(mail.order_id) == made.id] == mails
        adapter.close()


def test_an_order_shipped_before_its_import_is_completed_and_tells_no_shipment(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce
) -> None:
    made = created(adapter, an_order(shop, status="shipped"))
    assert shop.standin.view(int(made.id))["status"] == "completed"
    assert adapter.shipments_of(made.id) == []


def test_a_private_note_where_it_is_wanted(shop: ContractWooCommerce) -> None:
    adapter = shop.adapter(private_note=True)
    made = created(adapter, an_order(shop))
    [note] = shop.standin.orders.all[int(made.id)].notes
    assert (note["note"], note["customer_note"]) == ("manomano_fr M-R-1", False)
    shop.standin.fail("error_500", path="/notes")
    assert created(adapter, an_order(shop, "R-2")).id
    adapter.close()


def test_vat_is_shown_by_the_shops_rates_or_not_at_all(shop: ContractWooCommerce) -> None:
    shop.set_taxes("without tax")
    for setting, tax in (("shop", Decimal("9.12")), ("exempt", Decimal(0))):
        adapter = shop.adapter(taxes=setting)
        made = created(adapter, an_order(shop, f"R-{setting}"))
        view = shop.standin.view(int(made.id))
        assert (Decimal(view["total"]), Decimal(view["total_tax"])) == (Decimal("54.70"), tax)
        adapter.close()


def test_what_rounding_cannot_reach_is_a_fee_that_says_so(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce
) -> None:
    """9.99 at 20 % is 10.00 by WooCommerce's rounding (FINDINGS (g)); it is known before, and costs no further request."""
    shop.set_taxes("without tax")
    made = created(adapter, new_order("R-1", [(shop.simple, 1, "9.99")]))
    [fee] = shop.standin.view(int(made.id))["fee_lines"]
    assert (fee["name"], fee["total"], fee["tax_status"]) == ("Rounding", "-0.01", "none")
    assert shop.orders("R-1")[0].total == Decimal("9.99")
    assert not [route for route in shop.standin.ledger().requests if route.startswith("PUT")]


@pytest.mark.parametrize("name", list(TAXES))
def test_what_woocommerce_will_compute_is_known_before(shop: ContractWooCommerce, name: str) -> None:
    """So that an order is right at once, also in the mails and invoices that other plugins make at its creation."""
    shop.set_taxes(name)
    adapter = shop.adapter()
    for number in range(40):
        cents = (number * 7919 + 1) % 20_000
        lines = [(shop.simple, 1 + number % 3, f"{cents / 100:.2f}"), (shop.another, 1, f"{(cents // 3) / 100:.2f}")]
        created(adapter, new_order(f"R-{number}", lines, shipping="3.99", country=("FR", "DE", "IT")[number % 3]))
    adapter.close()
    assert not [route for route in shop.standin.ledger().requests if route.startswith("PUT")]
    fees = [fee for order in shop.standin.ledger().orders for fee in order.fee_lines]
    assert all(abs(fee.total) <= Decimal("0.02") for fee in fees)


def test_new_tax_rates_are_met_with_a_mended_order(adapter: WooCommerceAdapter, shop: ContractWooCommerce) -> None:
    created(adapter, an_order(shop))
    shop.set_taxes("compound")
    created(adapter, an_order(shop, "R-2"))
    assert shop.orders("R-2")[0].total == Decimal("54.70")
    before = dict(shop.standin.ledger().requests)
    created(adapter, an_order(shop, "R-3"))
    changed = {route for route, count in shop.standin.ledger().requests.items() if count != before.get(route)}
    assert not [route for route in changed if route.startswith("PUT")], "the rates were read anew"


def test_an_unknown_product_is_a_free_line_where_the_shop_imports_them(shop: ContractWooCommerce) -> None:
    adapter = shop.adapter(unknown_products="import")
    created(adapter, new_order("R-1", [(shop.unknown, 3, "45.30"), (shop.simple, 1, "5.00")]))
    [held] = shop.orders("R-1")
    assert (held.total, sorted(held.lines)) == (Decimal("50.30"), [(shop.unknown, 3), (shop.simple, 1)])
    adapter.close()


def test_a_phone_that_would_lose_both_addresses_is_cut(adapter: WooCommerceAdapter, shop: ContractWooCommerce) -> None:
    """FINDINGS, trap 2: with 101 characters WooCommerce answers 201 and keeps no address at all."""
    made = created(adapter, an_order(shop, phone="0" * 101))
    view = shop.standin.view(int(made.id))
    assert (view["billing"]["phone"], view["shipping"]["city"]) == ("0" * 100, "Lyon")
    metas = {one["key"]: one["value"] for one in view["meta_data"]}
    assert metas["_lengow_shortened"] == "shipping.phone, billing.phone"


# What is not sent at all


def with_lines(order: NewOrder, **changes: Any) -> NewOrder:
    lines = tuple(msgspec.structs.replace(line, **changes) for line in order.lines)
    return msgspec.structs.replace(order, lines=lines)


BEFORE_SENDING: list[tuple[str, Callable[[NewOrder], NewOrder], str, str]] = [
    ("unknown SKU", lambda one: with_lines(one, sku="NOPE"), "sku", "create the product"),
    ("no SKU", lambda one: with_lines(one, sku=""), "sku", "correct the SKU"),
    ("ambiguous SKU", lambda one: with_lines(one, sku="TWICE"), "sku", "Give all but one another SKU"),
    ("SKU of all variations", lambda one: with_lines(one, sku="SHIRT"), "sku", "the variation's SKU"),
    ("no lines", lambda one: msgspec.structs.replace(one, lines=()), "line_items", "empty order"),
    ("quantity 0", lambda one: with_lines(one, quantity=0), "line_items.quantity", "not at least 1"),
    ("quantity -1", lambda one: with_lines(one, quantity=-1), "line_items.quantity", "not at least 1"),
    ("negative amount", lambda one: with_lines(one, amount=Decimal("-1")), "total", "report the order"),
    ("no number", lambda one: with_lines(one, amount=Decimal("NaN")), "total", "report the order"),
    ("half cents", lambda one: with_lines(one, amount=Decimal("1.005")), "total", "Number of decimals"),
    (
        "country in words",
        lambda one: msgspec.structs.replace(
            one,
            package=msgspec.structs.replace(
                one.package, delivery=msgspec.structs.replace(one.package.delivery, country="FRANCE")
            ),
        ),
        "shipping.country",
        "correct the address",
    ),
    (
        "no address",
        lambda one: msgspec.structs.replace(
            one,
            package=msgspec.structs.replace(one.package, delivery=None),
            order=msgspec.structs.replace(one.order, billing=None),
        ),
        "shipping",
        "complete it",
    ),
    (
        "currency in lower case",
        lambda one: msgspec.structs.replace(one, order=msgspec.structs.replace(one.order, currency="eur")),
        "currency",
        "report it to Lengow",
    ),
    (
        "reference of 101 characters",
        lambda one: msgspec.structs.replace(one, reference="R" * 101),
        "transaction_id",
        "longer than 100",
    ),
]


@pytest.mark.parametrize(
    ("change", "field", "words"), [row[1:] for row in BEFORE_SENDING], ids=[row[0] for row in BEFORE_SENDING]
)
def test_what_woocommerce_would_not_check_is_refused_before_it_is_sent(
    adapter: WooCommerceAdapter,
    shop: ContractWooCommerce,
    change: Callable[[NewOrder], NewOrder],
    field: str,
    words: str,
) -> None:
    refused = rejection(adapter, change(an_order(shop)))
    assert (refused.field, refused.retry) == (field, False)
    assert words in refused.reason
    assert posts(shop) == 0
    assert shop.standin.ledger().orders == ()


def test_an_ambiguous_sku_is_refused_with_both_ids(adapter: WooCommerceAdapter, shop: ContractWooCommerce) -> None:
    ids = [str(one.id) for one in shop.standin.orders.products.values() if one.sku == shop.ambiguous]
    refused = rejection(adapter, new_order("R-1", [(shop.ambiguous, 1, "5.00")]))
    assert len(ids) == 2
    assert all(one in refused.reason for one in ids)


def test_a_sku_that_differs_in_case_from_another_is_not_ambiguous(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce
) -> None:
    exact = shop.standin.add_product("plate")
    found = adapter.find_products(["plate", "PLATE", "Plate"])
    assert (found["plate"].shop_product_id, found["plate"].also) == (str(exact.id), ())
    assert found["PLATE"].shop_product_id != str(exact.id)
    assert found["Plate"].also, "neither is meant more than the other"


def test_a_sku_with_a_comma_is_one_sku(adapter: WooCommerceAdapter, shop: ContractWooCommerce) -> None:
    shop.standin.add_product("A,PLATE")
    found = adapter.find_products(["A,PLATE", "B,PLATE"])
    assert set(found) == {"A,PLATE"}


def test_a_shop_without_decimals_cannot_keep_cents(adapter: WooCommerceAdapter, shop: ContractWooCommerce) -> None:
    shop.standin.taxes.decimals = 0
    refused = rejection(adapter, an_order(shop))
    assert refused.field == "total"
    assert "Settings > General" in refused.reason
    created(adapter, new_order("R-2", [(shop.simple, 1, "50.00")]))


# What the shop refuses: its own words, the field, what to do


def captured(name: str) -> Answer:
    recorded = json.loads((CAPTURES / f"{name}.json").read_text())
    return Answer.json(recorded["response_body"], recorded["status"])


def error(status: int, code: str, message: str) -> Answer:
    return Answer.json({"code": code, "message": message, "data": {"status": status}}, status)


def refusal(code: str, status: int = 400) -> Answer:
    return error(status, f"woocommerce_rest_{code}", "its words")


HTML = Answer(403, b"<html><title>Wordfence</title>blocked</html>", {"Content-Type": "text/html"})

REFUSALS: list[tuple[str, Answer, str, bool, str, str]] = [
    ("email", captured("order_create_invalid_email_400"), "billing", False, "Invalid email address", "Correct"),
    ("status", captured("order_create_invalid_status_400"), "status", False, "status is not one of", "Correct"),
    (
        "quantity",
        captured("order_create_quantity_fraction_400"),
        "line_items[0][quantity]",
        False,
        "is not of type integer",
        "Correct",
    ),
    ("no product", captured("order_create_line_without_product"), "line_items.sku", False, "SKU is required", "feed"),
    ("customer", captured("order_create_unknown_customer_400"), "customer_id", False, "Customer ID is invalid", "Report"),
    ("JSON", captured("orders_malformed_json_400"), "", False, "Invalid JSON body", "Report"),
    ("key", captured("auth_bad_key_401"), "consumer_key", True, "you cannot list resources", "shop manager"),
    ("secret", captured("auth_bad_secret_401"), "consumer_key", True, "Consumer secret is invalid", "read and write"),
    ("read key", captured("auth_read_key_post_401"), "consumer_key", True, "write permissions", "read and write"),
    ("customer's key", captured("auth_customer_key_403"), "consumer_key", True, "you cannot list", "shop manager"),
    ("no route", captured("route_404"), "url", True, "No route was found", "Permalinks"),
    ("shipping", refusal("invalid_shipping_item"), "shipping_lines.method_id", False, "its words", "Report"),
    ("fee", refusal("invalid_fee_item"), "fee_lines.name", False, "its words", "Report"),
    ("item", refusal("invalid_item_id"), "line_items.id", False, "its words", "retry"),
    ("exists", refusal("shop_order_exists"), "id", False, "its words", "Report"),
    ("create", refusal("cannot_create", 403), "consumer_key", True, "its words", "shop manager"),
    ("edit", refusal("cannot_edit", 403), "consumer_key", True, "its words", "shop manager"),
    ("a plugin's", error(422, "acme_rule_7", "No orders on Sundays."), "", False, "No orders on Sundays", "plugin"),
    ("a firewall", HTML, "", True, "HTTP 403", "firewall"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "field", "retry", "words", "to_do"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS]
)
def test_a_refusal_keeps_the_shops_words_and_says_what_to_do(
    adapter: WooCommerceAdapter,
    shop: ContractWooCommerce,
    answer: Answer,
    field: str,
    retry: bool,
    words: str,
    to_do: str,
) -> None:
    shop.standin.fail("answer", answer=answer)
    refused = rejection(adapter, an_order(shop))
    assert (refused.field, refused.retry) == (field, retry)
    assert words in refused.reason
    assert to_do in refused.reason
    shop.mend()
    assert shop.orders("R-1") == []
    created(adapter, an_order(shop))


def test_the_draft_that_a_refusal_leaves_is_removed(adapter: WooCommerceAdapter, shop: ContractWooCommerce) -> None:
    """FINDINGS (m): `data.new_draft_order_id`."""
    created(adapter, an_order(shop))
    draft = next(iter(shop.standin.orders.all.values()))
    draft.status = "checkout-draft"
    recorded = json.loads((CAPTURES / "order_create_unknown_coupon_400.json").read_text())["response_body"]
    recorded["data"]["new_draft_order_id"] = draft.id
    shop.standin.fail("answer", answer=Answer.json(recorded, 400))
    refused = rejection(adapter, an_order(shop, "R-2"))
    assert (refused.field, "does not exist" in refused.reason) == ("coupon_lines", True)
    assert draft.id not in shop.standin.orders.all


# What the shop answers 201 to, and did not do


def lose_addresses(order: Order) -> None:
    order.billing = dict.fromkeys(order.billing, "")
    order.shipping = dict.fromkeys(order.shipping, "")


def change(**values: Any) -> Callable[[Order], None]:
    def plugin(order: Order) -> None:
        for name, value in values.items():
            setattr(order, name, value)

    return plugin


def blank_line(order: Order) -> None:
    order.lines[0].product_id = 0


def no_line(order: Order) -> None:
    order.lines.clear()


def fewer(order: Order) -> None:
    order.lines[0].quantity = 1


def another_street(order: Order) -> None:
    order.shipping["address_1"] = "PO Box"


def a_rounded_total(order: Order) -> None:
    """A plugin that makes the order 5 % cheaper, whatever is done to its lines."""
    order.total = order.total * Decimal("0.95")


DIFFERENCES: list[tuple[str, Callable[[Order], None], str]] = [
    ("both addresses lost", lose_addresses, "billing.first_name"),
    ("another street", another_street, "shipping.address_1"),
    ("a blank line", blank_line, "line_items.product_id of R-1-1"),
    ("no line", no_line, "line_items"),
    ("another quantity", fewer, "line_items.quantity of R-1-1"),
    ("another currency", change(currency="USD"), "currency"),
    ("no reference", change(transaction_id=""), "transaction_id"),
]


@pytest.mark.parametrize(("plugin", "field"), [row[1:] for row in DIFFERENCES], ids=[row[0] for row in DIFFERENCES])
def test_an_order_that_is_not_what_was_sent_is_a_failed_order(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce, plugin: Callable[[Order], None], field: str
) -> None:
    stock = shop.stock(shop.simple)
    shop.standin.orders.plugin = plugin
    refused = rejection(adapter, an_order(shop))
    assert (refused.field, refused.retry) == (field, False)
    [order] = shop.standin.orders.all.values()
    assert order.status == "trash", "set aside, where the merchant can look at it"
    assert str(order.id) in refused.reason
    assert adapter.find_order("R-1") is None
    if plugin not in (no_line, blank_line, fewer):
        assert shop.stock(shop.simple) == stock
    shop.standin.orders.plugin = change()
    created(adapter, an_order(shop))


def test_a_total_that_cannot_be_mended_is_a_failed_order(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce
) -> None:
    real = shop.standin.orders.update

    def stubborn(order: Order, body: Any) -> Order:
        updated = real(order, body)
        a_rounded_total(updated)
        return updated

    shop.standin.orders.plugin = a_rounded_total
    shop.standin.orders.update = stubborn  # type: ignore[method-assign]
    refused = rejection(adapter, an_order(shop))
    assert refused.field == "total"
    assert "54.70" in refused.reason
    assert [order.status for order in shop.standin.orders.all.values()] == ["trash"]


def test_a_difference_that_cannot_be_set_aside_stays_in_doubt(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce
) -> None:
    shop.standin.orders.plugin = lose_addresses
    for method in ("PUT", "DELETE"):
        shop.standin.server.fail(fault(method))
    [outcome] = adapter.create_orders([an_order(shop)])
    assert isinstance(outcome, Unknown)
    shop.mend()
    with pytest.raises(ShopUnavailable, match="still be making"):
        adapter.find_order("R-1")
    shop.standin.clock.jump(SETTLED)
    assert adapter.find_order("R-1") is None, "found without addresses, and set aside now"
    assert [order.status for order in shop.standin.orders.all.values()] == ["trash"]


def test_setting_aside_survives_a_crash_between_its_two_steps(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce
) -> None:
    stock = shop.stock(shop.simple)
    shop.standin.orders.plugin = another_street
    shop.standin.server.fail(fault("DELETE"))
    [outcome] = adapter.create_orders([an_order(shop)])
    assert isinstance(outcome, Unknown)
    shop.mend()
    assert [held.status for held in shop.orders("R-1")] == ["cancelled"]
    assert adapter.find_order("R-1") is None, "it is cancelled, and no success"
    assert [order.status for order in shop.standin.orders.all.values()] == ["trash"]
    assert shop.stock(shop.simple) == stock


def fault(method: str) -> Any:
    from lengow.sandbox.shops.standin import Fault

    return Fault("html_502", method=method, path="", times=None)


@pytest.mark.parametrize("body", [b"", b"<br />PHP Notice: x {}", b"[]", b"null", b'{"id": "7"}'])
def test_an_answer_that_is_no_order_leaves_it_in_doubt(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce, body: bytes
) -> None:
    shop.standin.fail("answer", answer=Answer(201, body, {"Content-Type": "application/json"}))
    [outcome] = adapter.create_orders([an_order(shop)])
    assert isinstance(outcome, Unknown)


# What a killed worker leaves


@pytest.mark.parametrize("stage", ["inserted", "filled", "moved"])
def test_a_half_order_is_completed_or_set_aside(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce, stage: str
) -> None:
    """FINDINGS (n)."""
    stock = shop.stock(shop.simple)
    shop.standin.fail("killed", stage=stage)
    [outcome] = adapter.create_orders([an_order(shop)])
    assert isinstance(outcome, Unknown)
    with pytest.raises(ShopUnavailable, match="still be making"):
        adapter.find_order("R-1")
    shop.standin.clock.jump(SETTLED)
    found = adapter.find_order("R-1")
    if stage == "moved":
        assert found is not None
    else:
        assert found is None
        assert [order.status for order in shop.standin.orders.all.values()] == ["trash"]
        created(adapter, an_order(shop))
    [held] = shop.orders("R-1")
    assert (held.status, held.total) == ("to_ship", Decimal("54.70"))
    assert shop.stock(shop.simple) == stock - 2
    assert adapter.find_order("R-1") == ShopOrder(held.id, "R-1")
    assert shop.stock(shop.simple) == stock - 2


def test_a_half_order_is_not_posted_over_while_it_may_still_be_filled(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce
) -> None:
    shop.standin.fail("killed", stage="inserted")
    adapter.create_orders([an_order(shop)])
    [outcome] = adapter.create_orders([an_order(shop)])
    assert isinstance(outcome, Unknown)
    assert (posts(shop), len(shop.standin.orders.all)) == (1, 1)


@pytest.mark.parametrize("fails", [1, 2])
def test_taking_the_stock_late_survives_a_crash(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce, fails: int
) -> None:
    stock = shop.stock(shop.simple)
    shop.standin.fail("killed", stage="moved")
    adapter.create_orders([an_order(shop)])
    [order] = shop.standin.orders.all.values()
    shop.standin.clock.jump(SETTLED)
    shop.standin.fail("lost_before", method="PUT", path=f"/orders/{order.id}", after=fails - 1)
    with pytest.raises(ShopUnavailable):
        adapter.find_order("R-1")
    assert adapter.find_order("R-1") == ShopOrder(str(order.id), "R-1")
    assert (order.status, shop.stock(shop.simple)) == ("processing", stock - 2)


def test_products_without_stock_need_no_settling(adapter: WooCommerceAdapter, shop: ContractWooCommerce) -> None:
    shop.standin.add_product("GIFT", stock=None)
    created(adapter, new_order("R-1", [("GIFT", 1, "5.00")]))
    shop.standin.clock.jump(SETTLED)
    assert adapter.find_order("R-1") is not None
    assert not [route for route in shop.standin.ledger().requests if route.startswith("PUT")]


@pytest.mark.parametrize("status", ["pending", "processing", "completed", "cancelled", "failed"])
def test_what_the_merchant_did_to_his_order_is_left_alone(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce, status: str
) -> None:
    made = created(adapter, an_order(shop))
    order = shop.standin.orders.all[int(made.id)]
    shop.standin.clock.jump(timedelta(hours=1))
    shop.standin.set_status(order.id, status)
    order.total = Decimal("40.00")
    before = dict(shop.standin.ledger().requests)
    assert adapter.find_order("R-1") == ShopOrder(made.id, "R-1")
    changed = {route for route, count in shop.standin.ledger().requests.items() if count != before.get(route)}
    assert {route.partition(" ")[0] for route in changed} == {"GET"}


def test_an_order_that_was_rounded_too_late_is_mended_when_it_is_found(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce
) -> None:
    """The process ended between the creation and the PUT of the rounding fee."""
    created(adapter, an_order(shop))
    shop.set_taxes("compound")
    shop.standin.fail("lost_before", method="PUT", path="", times=None)
    [outcome] = adapter.create_orders([an_order(shop, "R-2")])
    assert isinstance(outcome, Unknown)
    shop.mend()
    shop.standin.clock.jump(SETTLED)
    assert adapter.find_order("R-2") is not None
    assert shop.orders("R-2")[0].total == Decimal("54.70")


# Exactly once


def test_nothing_is_posted_that_the_shop_holds_from_before_a_restart(shop: ContractWooCommerce) -> None:
    orders = [an_order(shop, f"R-{number}") for number in range(5)]
    first = shop.adapter()
    made = {one.reference: one for one in first.create_orders(orders)}
    first.close()
    second = shop.adapter()
    again = {one.reference: one for one in second.create_orders([*orders, an_order(shop, "R-new")])}
    second.close()
    assert all(again[reference] == outcome for reference, outcome in made.items())
    assert isinstance(again["R-new"], Created)
    assert posts(shop) == 6


def test_where_too_many_orders_are_held_each_is_searched_for(
    shop: ContractWooCommerce, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lengow.adapters.woocommerce.creation.MOST_PAGES", 0)
    first = shop.adapter()
    made = created(first, an_order(shop))
    first.close()
    second = shop.adapter()
    assert created(second, an_order(shop)).id == made.id
    second.close()
    assert posts(shop) == 1


def test_an_older_order_widens_what_is_known(shop: ContractWooCommerce) -> None:
    """The shop made it 20 days ago; the adapter has read the last days only."""
    old = an_order(shop, "R-old")
    long_ago = datetime.now(UTC) - timedelta(days=21)
    old = msgspec.structs.replace(old, order=msgspec.structs.replace(old.order, ordered_at=long_ago))
    first = shop.adapter()
    made = created(first, old)
    first.close()
    shop.standin.orders.all[int(made.id)].created = long_ago + timedelta(days=1)
    second = shop.adapter()
    created(second, an_order(shop, "R-new"))
    assert created(second, old).id == made.id
    second.close()
    assert posts(shop) == 2


def test_of_two_orders_with_one_reference_the_first_is_the_order(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce, caplog: pytest.LogCaptureFixture
) -> None:
    """As a person makes them who copies an order in the back office."""
    made = created(adapter, an_order(shop))
    body = {"transaction_id": "R-1", "created_via": "lengow", "status": "processing"}
    copy = shop.standin.orders.create(body)
    shop.standin.orders.all[copy.id].modified += timedelta(hours=1)
    assert adapter.find_order("R-1") == ShopOrder(made.id, "R-1")
    assert "several orders with one reference" in caplog.text


# Costs


def test_an_order_costs_one_request_and_a_share_of_a_look_up(
    adapter: WooCommerceAdapter, shop: ContractWooCommerce
) -> None:
    """Issue 4: at most 1.1 requests an order in steady state."""
    shop.set_taxes("without tax")
    created(adapter, an_order(shop, "R-first"))
    before = sum(shop.standin.ledger().requests.values())
    size, count = 20, 200
    for start in range(0, count, size):
        batch = [an_order(shop, f"R-{number}") for number in range(start, start + size)]
        adapter.find_products([shop.simple])
        assert {type(one) for one in adapter.create_orders(batch)} == {Created}
    spent = sum(shop.standin.ledger().requests.values()) - before
    assert spent / count <= 1.1, f"{spent} requests for {count} orders"


def test_creations_run_side_by_side_and_fewer_when_the_shop_is_in_trouble(shop: ContractWooCommerce) -> None:
    adapter = shop.adapter(parallel=4)
    created(adapter, an_order(shop, "R-first"))
    shop.standin.server.latency = 0.1
    started = time.monotonic()
    outcomes_of(adapter, [an_order(shop, f"R-{number}") for number in range(12)])
    assert time.monotonic() - started < 0.8, "twelve at 0.1 s, four at once"
    lane = adapter._creator._shop.lane
    shop.standin.fail("busy_429", times=4)
    outcomes = outcomes_of(adapter, [an_order(shop, f"S-{number}") for number in range(4)])
    assert {(type(one), getattr(one, "retry", None)) for one in outcomes.values()} == {(Rejected, True)}
    assert lane.width == 1
    shop.mend()
    shop.standin.server.latency = 0
    for number in range(3):
        outcomes_of(adapter, [an_order(shop, f"T-{number}-{place}") for place in range(20)])
    assert lane.width == 4
    adapter.close()


def test_a_slow_shop_gets_no_more_than_it_can_do_in_time(shop: ContractWooCommerce) -> None:
    adapter = shop.adapter(parallel=1, call_timeout=1)
    created(adapter, an_order(shop, "R-first"))
    shop.standin.server.latency = 0.2
    started = time.monotonic()
    outcomes = outcomes_of(adapter, [an_order(shop, f"R-{number}") for number in range(10)])
    assert time.monotonic() - started < 1.2
    done = [one for one in outcomes.values() if isinstance(one, Created)]
    left = [one for one in outcomes.values() if isinstance(one, Rejected) and one.retry]
    assert done
    assert len(done) + len(left) == 10
    assert len(shop.standin.orders.all) == 1 + len(done), "what was not begun in time was not sent"
    adapter.close()


# What the feed's SKUs are in the shop


MATCHED = {
    "by SKU": ("BOX", "PLATE"),
    "by GTIN": ("4006381333931", "4006381333948"),
    "by id": ("id of BOX", "id of SHIRT-M"),
}


@pytest.mark.parametrize("how", MATCHED)
def test_a_product_is_found_by_what_the_feed_calls_it(shop: ContractWooCommerce, how: str) -> None:
    box = shop.standin.add_product("BOX", "5.00", 100, gtin="4006381333931")
    shirt = next(one for one in shop.standin.orders.products.values() if one.sku == "SHIRT-M")
    shirt.gtin = "4006381333948"
    ids = {"id of BOX": str(box.id), "id of SHIRT-M": str(shirt.id)}
    adapter = shop.adapter(product_match=("sku", "gtin", "id"))
    references = [ids.get(one, one) for one in MATCHED[how]]
    found = adapter.find_products([*references, "NOPE", "99999999", "00000000000000"])
    assert found is not None
    assert set(found) == set(references)
    created(adapter, new_order("A-1", [(one, 1, "5.00") for one in references]))
    skus = [sku for sku, _ in shop.orders("A-1")[0].lines]
    assert skus == ["BOX", "PLATE" if how == "by SKU" else "SHIRT-M"]
    adapter.close()


def test_by_sku_alone_no_number_is_taken_for_an_id(shop: ContractWooCommerce, adapter: WooCommerceAdapter) -> None:
    product = shop.standin.add_product("BOX", "5.00", 100, gtin="4006381333931")
    assert adapter.find_products([str(product.id), "4006381333931"]) == {}


def test_two_products_of_one_gtin_are_refused(shop: ContractWooCommerce) -> None:
    for sku in ("BOX", "BOX-2"):
        shop.standin.add_product(sku, "5.00", 100, gtin="4006381333931")
    adapter = shop.adapter(product_match=("gtin",))
    [outcome] = adapter.create_orders([new_order("A-1", [("4006381333931", 1, "5.00")])])
    assert isinstance(outcome, Rejected)
    assert outcome.field == "sku"
    adapter.close()


@pytest.mark.parametrize("version", ["8.2.1", "9.9.5"])
def test_an_old_shop_that_ignores_the_filter_sells_nothing_wrong(version: str) -> None:
    """It answers a GTIN with its whole list, or has no list of all variations."""
    shop = ContractWooCommerce(version=version)
    shop.standin.add_product("BOX", "5.00", 100, gtin="4006381333931")
    adapter = shop.adapter(product_match=("gtin",))
    found = adapter.find_products(["4006381333931", "4006381333948"])
    assert found is not None
    assert set(found) == (set() if version == "8.2.1" else {"4006381333931"})
    adapter.close()
    shop.close()
