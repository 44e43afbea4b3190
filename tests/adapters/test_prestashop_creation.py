"""How the PrestaShop adapter makes orders: once, as sold, and with nothing half made left behind."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

import msgspec
import pytest
import requests
from prestashop_shop import ContractPrestaShop

from lengow.adapters.contract import created, new_order
from lengow.adapters.prestashop import PrestaShopAdapter
from lengow.connector.adapter import Cancel, Created, MarkShipped, Refund, Rejected, ShopOrder, Unknown, Updated
from lengow.connector.errors import ShopUnavailable
from lengow.connector.model import Address, NewOrder
from lengow.sandbox.shops.prestashop import KEY
from lengow.sandbox.shops.prestashop.access import METHODS
from lengow.sandbox.shops.prestashop.resources import RESOURCES

SETTLED = 121


@pytest.fixture
def shop() -> Iterator[ContractPrestaShop]:
    shop = ContractPrestaShop()
    yield shop
    shop.close()


@pytest.fixture
def adapter(shop: ContractPrestaShop) -> Iterator[PrestaShopAdapter]:
    adapter = shop.adapter()
    yield adapter
    adapter.close()


def order_of(reference: str, shop: ContractPrestaShop, **more: object) -> NewOrder:
    lines = [(shop.simple, 2, "49.80"), (shop.another, 1, "9.99")]
    return new_order(reference, lines, shipping="4.90", fee="1.50", **more)  # type: ignore[arg-type]


def rejected(adapter: PrestaShopAdapter, order: NewOrder) -> Rejected:
    [outcome] = adapter.create_orders([order])
    assert isinstance(outcome, Rejected), outcome
    return outcome


def nothing_is_left(shop: ContractPrestaShop) -> None:
    """No cart, price or address that belongs to no order."""
    carts = {order["id_cart"] for order in shop.standin.rows("orders")}
    assert [row["id"] for row in shop.standin.rows("carts") if row["id"] not in carts] == []
    assert shop.standin.rows("specific_prices") == []
    used = {
        order[name] for order in shop.standin.rows("orders") for name in ("id_address_delivery", "id_address_invoice")
    }
    assert [row["id"] for row in shop.standin.rows("addresses") if row["id"] not in used] == []


# What it costs


@pytest.mark.parametrize(
    ("shipping", "settings", "wanted"),
    [("0", {}, 7), ("4.90", {}, 9), ("0", {"order_state": 3}, 8), ("4.90", {"order_state": 3}, 10)],
)
def test_requests_an_order_in_steady_state(
    shop: ContractPrestaShop, shipping: str, settings: dict[str, int], wanted: int
) -> None:
    adapter = shop.adapter(**settings)
    created(adapter, new_order("W-0", [(shop.simple, 1, "24.90")], shipping=shipping))
    before = Counter(shop.standin.ledger().requests)
    for number in range(1, 6):
        created(adapter, new_order(f"W-{number}", [(shop.simple, 1, "24.90")], shipping=shipping))
    spent = Counter(shop.standin.ledger().requests) - before
    assert spent.total() / 5 == wanted, spent
    adapter.close()


def test_products_are_looked_up_for_a_batch_and_kept(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    """As the core asks: first whether the products are known, then for the orders."""
    skus = [f"SKU-{number}" for number in range(5)]
    for sku in skus:
        shop.standin.add_product(sku)
    created(adapter, order_of("V-0", shop))
    for cold in (4, 0):
        before = Counter(shop.standin.ledger().requests)
        assert len(adapter.find_products(skus)) == 5
        orders = [new_order(f"V-{cold}-{sku}", [(sku, 1, "5.00")]) for sku in skus]
        assert {type(one) for one in adapter.create_orders(orders)} == {Created}
        spent = Counter(shop.standin.ledger().requests) - before
        assert spent.total() == cold + 5 * 7, spent


def test_a_product_that_was_deleted_meanwhile(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    """PrestaShop takes it into the cart, and dies over the order (captures 151, 152)."""
    id_ = shop.standin.add_product("GONE")
    created(adapter, new_order("V-1", [("GONE", 1, "5.00")]))
    del shop.standin.data.tables["products"][id_]
    assert rejected(adapter, new_order("V-2", [("GONE", 1, "5.00")])).retry
    again = rejected(adapter, new_order("V-2", [("GONE", 1, "5.00")]))
    assert (again.field, again.retry) == ("sku", False)
    nothing_is_left(shop)


def test_a_shop_that_goes_down_in_a_batch(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    answer, seen = shop.standin.answer, [0]

    def closing(request: object, killed_at: str) -> object:
        given = answer(request, killed_at)  # type: ignore[arg-type]
        seen[0] += (request.method, request.path) == ("POST", "/api/orders")  # type: ignore[attr-defined]
        if seen[0] == 1 and request.method == "GET" and request.path == "/api/orders":  # type: ignore[attr-defined]
            threading.Thread(target=shop.standin.server.down).start()
            time.sleep(0.2)
        return given

    shop.standin.server._platform.answer = closing  # type: ignore[method-assign, assignment]
    outcomes = adapter.create_orders([new_order(f"V-3-{number}", [(shop.simple, 1, "5.00")]) for number in range(4)])
    assert [type(one) for one in outcomes[1:]] == [Rejected] * 3
    assert all(isinstance(one, Rejected) and one.retry for one in outcomes[1:])
    shop.mend()
    assert len(shop.standin.rows("orders")) == 1


def test_orders_are_made_one_at_a_time(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    """Parallel orders gained nothing there, and lost a piece of stock (FINDINGS)."""
    running, most = 0, 0
    answer = shop.standin.answer

    def counted(request: object, killed_at: str) -> object:
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.005)
        try:
            return answer(request, killed_at)  # type: ignore[arg-type]
        finally:
            running -= 1

    shop.standin.server._platform.answer = counted  # type: ignore[method-assign, assignment]
    threads = [
        threading.Thread(target=created, args=(adapter, new_order(f"P-{number}", [(shop.simple, 1, "5.00")])))
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert len(shop.standin.rows("orders")) == 4


# What an order looks like


def test_an_order_tells_the_merchant_what_he_must_know(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    made = created(adapter, order_of("M-1", shop))
    view = shop.standin.order_view(int(made.id))
    assert view["note"].splitlines()[:2] == ["Lengow reference: M-1", "manomano_fr M-M-1"]
    assert "zoe.martin@example.com" in view["note"]
    assert (view["payment"], view["valid"]) == ("Lengow manomano_fr", "1")
    assert (view["total_shipping"], view["total_wrapping"]) == ("4.900000", "1.500000")
    assert (view["total_paid"], view["total_paid_real"]) == ("66.190000", "66.190000")
    assert view["total_products_wt"] == "59.790000"
    net = sum(Decimal(view[name]) for name in ("total_products", "total_shipping_tax_excl", "total_wrapping_tax_excl"))
    assert Decimal(view["total_paid_tax_excl"]) == net
    [carrier] = shop.standin.rows("order_carriers", id_order=made.id)
    assert (carrier["shipping_cost_tax_incl"], carrier["shipping_cost_tax_excl"]) == ("4.900000", "4.083333")


def test_the_buyer_is_never_mailed(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    shop.standin.set("PS_MAIL_METHOD", "2")
    made = created(adapter, order_of("M-2", shop))
    adapter.update_order(made, MarkShipped())
    mails = shop.standin.ledger().mails
    assert {mail.to.rpartition("@")[2] for mail in mails} == {"lengow.invalid"}
    assert [mail.subject for mail in mails] == ["Remote payment accepted", "Order confirmation"]


def test_an_order_is_moved_to_the_mapped_state(shop: ContractPrestaShop) -> None:
    adapter = shop.adapter(order_state=3, shipped_state=5)
    made = created(adapter, order_of("M-3", shop))
    assert shop.standin.order_view(int(made.id))["current_state"] == "3"
    sent = created(adapter, order_of("M-4", shop, status="shipped"))
    assert shop.standin.order_view(int(sent.id))["current_state"] == "5"
    assert list(adapter.shipments_of(sent.id)) == [], "it was shipped before it came"
    adapter.close()


def test_an_order_of_the_marketplace_has_its_own_state_and_tells_no_shipment(shop: ContractPrestaShop) -> None:
    adapter = shop.adapter(marketplace_state=5)
    stock = shop.stock(shop.simple)
    made = created(adapter, order_of("M-5", shop, delivered_by_marketplace=True))
    view = shop.standin.order_view(int(made.id))
    assert view["current_state"] == "5"
    assert "Shipped by the marketplace" in view["note"]
    assert shop.stock(shop.simple) == stock
    assert list(adapter.shipments_of(made.id)) == []
    adapter.close()


def test_another_billing_address_is_kept_apart(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    order = order_of("M-6", shop)
    billing = Address(
        first_name="Ada", last_name="Berg", first_line="Weg 2", zipcode="10115", city="Berlin", country="DE"
    )
    order = msgspec.structs.replace(order, order=msgspec.structs.replace(order.order, billing=billing))
    view = shop.standin.order_view(int(created(adapter, order).id))
    addresses = shop.standin.data.tables["addresses"]
    assert addresses[int(view["id_address_delivery"])]["city"] == "Lyon"
    assert addresses[int(view["id_address_invoice"])]["city"] == "Berlin"


def test_the_carrier_is_chosen_by_the_marketplaces(shop: ContractPrestaShop) -> None:
    other = shop.standin.add_carrier("Relay", free=True)
    adapter = shop.adapter(carriers_of_methods={"Mondial Relay": other})
    order = order_of("M-7", shop)
    order = msgspec.structs.replace(order, package=msgspec.structs.replace(order.package, carrier="Mondial Relay"))
    assert shop.standin.order_view(int(created(adapter, order).id))["id_carrier"] == str(other)
    adapter.close()


@pytest.mark.parametrize("reference", ["m&s+é-1", "a b/c?d=e#f;g", 'O\'Hara "x" <1>'])
def test_notes_that_the_shop_purifies_as_html(shop: ContractPrestaShop, reference: str) -> None:
    adapter = shop.adapter(order_state=3)
    shop.standin.data.purifies = True
    order = order_of(reference, shop, company="Dupré & Fils")
    shop.standin.fail("killed", stage="payment")
    adapter.create_orders([order])
    shop.pass_time(SETTLED)
    found = adapter.find_order(reference)
    assert found is not None
    assert created(adapter, order) == found
    assert adapter.update_order(found, Refund("r&1", Decimal(1))) == Updated(reference)
    assert adapter.update_order(found, Refund("r&1", Decimal(1))) == Updated(reference)
    assert len(shop.standin.rows("order_slip")) == 1
    adapter.close()


# What PrestaShop would get wrong


def test_a_carrier_that_is_replaced_in_silence(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    stock = shop.stock(shop.simple)
    shop.standin.data.zones[shop.carrier] = frozenset({2})
    outcome = rejected(adapter, order_of("N-1", shop))
    assert (outcome.field, outcome.retry) == ("id_carrier", False)
    assert "'Marketplace' by 'Click and collect'" in outcome.reason
    assert "serve the zone" in outcome.reason
    assert [row["current_state"] for row in shop.standin.rows("orders")] == ["6"]
    assert (shop.orders("N-1"), shop.stock(shop.simple)) == ([], stock)
    shop.standin.data.zones[shop.carrier] = frozenset({1})
    created(adapter, order_of("N-1", shop))
    assert len(shop.orders("N-1")) == 1
    nothing_is_left(shop)


def test_products_tied_to_different_carriers(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    shop.standin.add_product("HEAVY", "10.00", carriers=(shop.colissimo,))
    order = new_order("N-2", [(shop.simple, 1, "24.90"), ("HEAVY", 1, "12.00")])
    outcome = rejected(adapter, order)
    assert (outcome.field, outcome.retry) == ("order_rows", False)
    assert [row["current_state"] for row in shop.standin.rows("orders")] == ["6", "6"]
    assert (shop.stock("HEAVY"), shop.stock(shop.simple)) == (100, 500)


def test_a_tax_rate_that_changed_meanwhile_is_read_anew(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    created(adapter, order_of("N-3", shop))
    shop.set_taxes("by the invoice's address")
    created(adapter, order_of("N-4", shop))
    [held] = shop.orders("N-4")
    assert (held.status, held.total) == ("to_ship", Decimal("66.19"))
    states = [row["current_state"] for row in shop.standin.rows("orders")]
    assert states == ["11", "6", "11"], "the one in the payment-error state was set aside"
    nothing_is_left(shop)


def test_a_total_that_a_module_changes(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    created(adapter, order_of("N-5", shop))
    shop.standin.data.tables["carriers"][shop.carrier].update(is_free="0", shipping_handling="5.00")
    outcome = rejected(adapter, order_of("N-6", shop))
    assert (outcome.field, outcome.retry) == ("current_state", False)
    assert "'Payment error'" in outcome.reason
    assert shop.orders("N-6") == []


def test_a_request_that_a_proxy_repeats_is_one_order(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    """Three posts of one cart at once are three orders (capture 205)."""
    stock = shop.stock(shop.simple)
    shop.standin.race_seconds = 0.3
    bodies: list[bytes] = []
    answer = shop.standin.answer

    def spied(request: object, killed_at: str) -> object:
        if request.method == "POST" and request.path == "/api/orders" and not bodies:  # type: ignore[attr-defined]
            bodies.append(request.body)  # type: ignore[attr-defined]
        return answer(request, killed_at)  # type: ignore[arg-type]

    shop.standin.server._platform.answer = spied  # type: ignore[method-assign, assignment]

    def repeat() -> None:
        while not bodies:
            time.sleep(0.01)
        requests.post(f"{shop.standin.url}/api/orders", data=bodies[0], auth=(KEY, ""), timeout=10)

    proxy = threading.Thread(target=repeat)
    proxy.start()
    [outcome] = adapter.create_orders([new_order("N-7", [(shop.simple, 1, "24.90")])])
    proxy.join()
    assert len(shop.standin.rows("orders")) == 2
    shop.pass_time(SETTLED)
    found = adapter.find_order("N-7")
    assert isinstance(outcome, Created)
    assert found == outcome.shop_order
    [held] = shop.orders("N-7")
    assert held.status == "to_ship"
    assert shop.stock(shop.simple) == stock - 1


# What an interruption leaves


@pytest.mark.parametrize("stage", ["before", "detail", "payment", "history"])
@pytest.mark.parametrize("kept", [False, True])
def test_killed_wherever_it_is(shop: ContractPrestaShop, adapter: PrestaShopAdapter, stage: str, *, kept: bool) -> None:
    stocks = shop.stock(shop.simple), shop.stock(shop.another)
    order = order_of("K-1", shop, decrease_stock=not kept)
    shop.standin.fail("killed", stage=stage)
    [outcome] = adapter.create_orders([order])
    assert isinstance(outcome, Unknown)
    shop.pass_time(SETTLED)
    found = adapter.find_order("K-1")
    if found is None:
        created(adapter, order)
    [held] = shop.orders("K-1")
    assert (held.status, held.total) == ("to_ship", order.total)
    assert sorted(held.lines) == sorted([(shop.simple, 2), (shop.another, 1)])
    taken = (0, 0) if kept else (2, 1)
    assert (shop.stock(shop.simple), shop.stock(shop.another)) == (stocks[0] - taken[0], stocks[1] - taken[1])
    states = {row["current_state"] for row in shop.standin.rows("orders")}
    assert states <= {"11", "6"}, "nothing is half made"
    nothing_is_left(shop)
    assert adapter.find_order("K-1") == ShopOrder(held.id, "K-1")


def test_killed_before_it_took_any_stock(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    """The shop does not tell it from a death just after the stock was taken, so the merchant is told to look."""
    shop.standin.fail("killed", stage="order")
    adapter.create_orders([order_of("K-0", shop)])
    shop.pass_time(SETTLED)
    assert adapter.find_order("K-0") is None
    [order] = shop.standin.rows("orders")
    assert order["current_state"] == "6"
    assert "2 of the product 1 were put back on stock: check that they are there." in (order["note"] or "")


@pytest.mark.parametrize("path", ["/orders", "/order_carriers", "/stock_availables", "/order_histories", "/customers"])
@pytest.mark.parametrize("fault", ["lost_before", "lost_after", "error_500", "html_502"])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_interrupted_anywhere_it_ends_as_one_order(shop: ContractPrestaShop, path: str, fault: str, after: int) -> None:
    """Whatever request of the sequence fails, and however: the connector's two questions mend it."""
    adapter = shop.adapter(marketplace_state=5)
    order = order_of("K-2", shop, delivered_by_marketplace=True)
    stock = shop.stock(shop.simple)
    for method in ("POST", "PATCH", "GET"):
        suffix = {"POST": path, "GET": path}.get(method, "")
        shop.standin.fail(fault, method=method, path=suffix, after=after, effect=True)
    for _ in range(8):
        if len(shop.orders("K-2")) == 1 and shop.orders("K-2")[0].status == "shipped":
            break
        shop.pass_time(SETTLED)
        try:
            if adapter.find_order("K-2") is None:
                adapter.create_orders([order])
        except ShopUnavailable:
            continue
    shop.mend()
    shop.pass_time(SETTLED)
    found = adapter.find_order("K-2")
    [held] = shop.orders("K-2")
    assert found == ShopOrder(held.id, "K-2")
    assert (held.status, held.total) == ("shipped", order.total)
    assert stock - 2 <= shop.stock(shop.simple) <= stock, "rather too little than too much"
    adapter.close()


def test_an_order_that_may_still_be_in_the_making_is_left_alone(
    shop: ContractPrestaShop, adapter: PrestaShopAdapter
) -> None:
    shop.standin.fail("killed", stage="payment")
    adapter.create_orders([order_of("K-3", shop)])
    for call in (lambda: adapter.find_order("K-3"), lambda: adapter.create_orders([order_of("K-3", shop)])):
        with pytest.raises(ShopUnavailable, match="may still be making"):
            call()
    assert len(shop.standin.rows("orders")) == 1


def test_a_setting_aside_that_was_interrupted_is_ended(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    shop.standin.data.zones[shop.carrier] = frozenset({2})
    shop.standin.fail("lost_before", method="POST", path="/order_histories")
    [outcome] = adapter.create_orders([order_of("K-4", shop)])
    assert isinstance(outcome, Unknown)
    shop.pass_time(SETTLED)
    assert adapter.find_order("K-4") is None
    assert [row["current_state"] for row in shop.standin.rows("orders")] == ["6"]
    shop.standin.data.zones[shop.carrier] = frozenset({1})
    created(adapter, order_of("K-4", shop))
    assert len(shop.orders("K-4")) == 1


def test_an_order_that_the_merchant_cancelled_is_not_made_again(
    shop: ContractPrestaShop, adapter: PrestaShopAdapter
) -> None:
    made = created(adapter, order_of("K-5", shop))
    shop.standin.set_state(int(made.id), 6)
    assert adapter.find_order("K-5") == made
    assert created(adapter, order_of("K-5", shop)) == made


def test_a_merchants_own_order_for_the_customer_is_left_alone(
    shop: ContractPrestaShop, adapter: PrestaShopAdapter
) -> None:
    made = created(adapter, order_of("K-6", shop))
    view = shop.standin.order_view(int(made.id))
    own = {name: view[name] for name in RESOURCES["orders"].names if name != "id"}
    replacement = shop.standin.data.insert("orders", {**own, "id_cart": "999", "payment": "Bank wire", "note": ""})
    assert adapter.find_order("K-6") == made
    assert replacement["current_state"] == "11"


def test_an_order_whose_state_was_not_reached_gets_it(shop: ContractPrestaShop) -> None:
    adapter = shop.adapter(order_state=3)
    shop.standin.fail("lost_before", path="/order_histories")
    [outcome] = adapter.create_orders([order_of("K-7", shop)])
    assert isinstance(outcome, Unknown)
    found = adapter.find_order("K-7")
    assert found is not None
    assert shop.standin.order_view(int(found.id))["current_state"] == "3"
    adapter.close()


# Refusals on the way


@pytest.mark.parametrize("resource", ["customers", "addresses", "carts", "specific_prices", "orders"])
def test_a_right_that_is_missing_leaves_nothing_behind(
    shop: ContractPrestaShop, adapter: PrestaShopAdapter, resource: str
) -> None:
    created(adapter, order_of("R-0", shop))
    rights = shop.standin.access.keys[KEY].rights
    rights[resource] = frozenset(METHODS) - {"POST"}
    outcome = rejected(adapter, order_of("R-1", shop))
    assert (outcome.field, outcome.retry) == ("key", True)
    assert f"Method POST is not allowed for the resource {resource}" in outcome.reason
    assert "Give the key the rights" in outcome.reason
    assert len(shop.standin.rows("orders")) == 1
    nothing_is_left(shop)
    rights[resource] = frozenset(METHODS)
    created(adapter, order_of("R-1", shop))


def test_a_payment_module_that_is_not_active(shop: ContractPrestaShop) -> None:
    adapter = shop.adapter(payment_module="ps_cashondelivery")
    outcome = rejected(adapter, order_of("R-2", shop))
    assert (outcome.field, outcome.retry) == ("module", False)
    assert "Fatal error" in outcome.reason
    assert "Install and activate" in outcome.reason
    nothing_is_left(shop)
    adapter.close()


def test_a_death_of_php_without_an_order_is_tried_again(shop: ContractPrestaShop) -> None:
    """An unknown module, or the race of a cache file: 500 and no word (FINDINGS; capture 146)."""
    adapter = shop.adapter(payment_module="unknown_module")
    outcome = rejected(adapter, order_of("R-3", shop))
    assert (outcome.field, outcome.retry) == ("module", True)
    nothing_is_left(shop)
    adapter.close()


def test_a_webservice_that_is_switched_off(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    created(adapter, order_of("R-4", shop))
    shop.standin.access.enabled = False
    outcome = rejected(adapter, order_of("R-5", shop))
    assert (outcome.field, outcome.retry) == ("url", True)
    assert "The PrestaShop webservice is disabled" in outcome.reason


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"country": "US"}, "delivery.country", "does not sell to the country 'US'"),
        ({"first_line": " ", "country": "FR"}, "delivery.address1", "has no address1"),
        ({"city": "@@", "country": "FR"}, "delivery.city", "has no city"),
        ({"currency": "XTS"}, "currency", "no active currency 'XTS'"),
    ],
)
def test_what_is_refused_before_anything_is_sent(
    shop: ContractPrestaShop, adapter: PrestaShopAdapter, change: dict[str, str], field: str, words: str
) -> None:
    shop.standin.data.tables["countries"][21]["active"] = "0"
    outcome = rejected(adapter, new_order("R-6", [(shop.simple, 1, "5.00")], **change))  # type: ignore[arg-type]
    assert (outcome.field, outcome.retry) == (field, False)
    assert words in outcome.reason
    assert shop.standin.rows("customers") == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"carrier": 2}, "is not free"), ({"carrier": 4}, "no active"), ({"carrier": 99}, "no active")],
)
def test_a_carrier_that_cannot_be_used(shop: ContractPrestaShop, settings: dict[str, int], words: str) -> None:
    adapter = shop.adapter(**settings)
    outcome = rejected(adapter, order_of("R-7", shop))
    assert outcome.field == "carrier"
    assert words in outcome.reason
    assert shop.standin.rows("customers") == []
    adapter.close()


# Products


@pytest.mark.parametrize(
    ("sku", "product"),
    [("2000000000008", "12"), ("shirt-m", "3_1"), ("TOP-1", "6_3"), ("a|b", "8"), ("c,d", "9"), ("e]f", "10")],
)
def test_products_are_found_however_they_are_named(
    shop: ContractPrestaShop, adapter: PrestaShopAdapter, sku: str, product: str
) -> None:
    """By EAN, in another case, by a combination that has its product's reference, and with signs of the filter."""
    add = shop.standin.add_product
    top = add("TOP-1")
    shop.standin.add_combination(top, "TOP-1")
    add("PLAIN")
    for reference in ("a|b", "c,d", "e]f", "dup"):
        add(reference)
    add("EAN", ean13="2000000000008")
    assert adapter.find_products([sku])[sku].shop_product_id == product


def test_a_product_with_combinations_is_not_sold_as_such(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    """PrestaShop itself would take it (capture 160)."""
    outcome = rejected(adapter, new_order("S-1", [("SHIRT", 1, "5.00")]))
    assert (outcome.field, outcome.retry) == ("sku", False)
    assert "give the marketplace the combination's reference" in outcome.reason


# Changes


def test_cancelling_an_order_whose_stock_was_kept(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    stock = shop.stock(shop.simple)
    made = created(adapter, order_of("T-1", shop, decrease_stock=False))
    assert shop.stock(shop.simple) == stock
    for _ in range(2):
        assert adapter.update_order(made, Cancel()) == Updated("T-1")
    assert shop.stock(shop.simple) == stock


def test_a_refund_is_a_slip_for_the_lines_and_the_shipping(
    shop: ContractPrestaShop, adapter: PrestaShopAdapter
) -> None:
    made = created(adapter, order_of("T-2", shop))
    adapter.update_order(made, Refund("r;1=%", Decimal("54.70"), line_ids=("T-2-1",)))
    [slip] = shop.standin.rows("order_slip")
    assert (slip["total_products_tax_incl"], slip["total_shipping_tax_incl"]) == ("49.800000", "4.900000")
    [detail] = shop.standin.data.associated["order_slip", 1]
    assert (detail["product_quantity"], detail["amount_tax_incl"]) == ("2", "49.80")


def test_a_refund_whose_answer_was_lost_is_booked_once(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    made = created(adapter, order_of("T-3", shop))
    refund = Refund("r1", Decimal("10.00"))
    shop.standin.fail("lost_after", path="/order_slip")
    assert isinstance(adapter.update_order(made, refund), Unknown)
    assert adapter.update_order(made, refund) == Updated("T-3")
    assert len(shop.standin.rows("order_slip")) == 1


def test_a_change_to_an_order_whose_mark_is_gone(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    made = created(adapter, order_of("T-4", shop))
    shop.standin.data.tables["orders"][int(made.id)]["note"] = "mine"
    outcome = adapter.update_order(made, MarkShipped())
    assert isinstance(outcome, Rejected)
    assert (outcome.field, outcome.retry) == ("note", False)


def test_two_workers_with_one_order_make_one(shop: ContractPrestaShop) -> None:
    """The shop takes the order's own customer once, so that the second worker learns of the first."""
    shop.standin.server.latency = 0.02
    adapters = [shop.adapter(), shop.adapter()]
    outcomes: list[object] = []

    def work(adapter: PrestaShopAdapter) -> None:
        try:
            outcomes.extend(adapter.create_orders([order_of("U-1", shop)]))
        except ShopUnavailable as error:
            outcomes.append(error)

    threads = [threading.Thread(target=work, args=(adapter,)) for adapter in adapters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {type(one) for one in outcomes} == {Created, ShopUnavailable}
    assert len(shop.standin.rows("orders")) == 1
    [again] = adapters[0].create_orders([order_of("U-1", shop)])
    assert isinstance(again, Created)
    for adapter in adapters:
        adapter.close()
