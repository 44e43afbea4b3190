"""What Lengow collects, when, and how it lists it."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from lengow.sandbox import SandboxError


def ids(orders):
    return [order["marketplace_order_id"] for order in orders]


def test_an_order_is_there_after_the_next_collection(api, sandbox, account):
    [order_id] = sandbox.sell(account.account_id, 1, {"standard": 1})
    assert api.orders() == []
    sandbox.advance(minutes=14)
    assert api.orders() == []
    sandbox.advance(minutes=1)
    order = api.order(order_id)
    assert order["imported_at"] == order["updated_at"] == "2026-09-01T08:15:00.000000Z"


def test_a_jump_over_several_collections_runs_each_at_its_time(api, sandbox, account):
    [first] = sandbox.sell(account.account_id, 1, {"pending": 1})
    sandbox.advance(minutes=60)
    sandbox.accept(first)
    sandbox.advance(hours=5)
    api.log_in()
    order = api.order(first)
    assert order["imported_at"] == "2026-09-01T08:15:00.000000Z"
    assert order["updated_at"] == "2026-09-01T09:15:00.000000Z"
    assert order["lengow_status"] == "waiting_shipment"


def test_an_unchanged_order_keeps_its_update_date(api, sandbox):
    order_id = api.sells()
    before = api.order(order_id)["updated_at"]
    sandbox.advance(days=2)
    api.log_in()
    assert api.order(order_id)["updated_at"] == before


def test_a_late_order_is_seen_by_the_daily_reading_only(api, sandbox):
    order_id = api.sells("late")
    sandbox.advance(hours=23)
    api.log_in()
    assert api.orders() == []
    sandbox.advance(hours=1)
    api.log_in()
    assert api.order(order_id)["imported_at"] == "2026-09-02T08:00:00.000000Z"


def test_a_late_change_of_an_order_older_than_three_days_is_never_seen(api, sandbox):
    recent, old = api.sells(), api.sells(ordered_at=sandbox.now() - timedelta(days=4))
    sandbox.cancel(recent, late=True)
    sandbox.cancel(old, late=True)
    sandbox.advance(days=2)
    api.log_in()
    assert api.order(recent)["lengow_status"] == "canceled"
    assert api.order(old)["lengow_status"] == "waiting_shipment"


def test_the_order_object_has_every_key_of_the_reference(api):
    order = api.order(api.sells())
    assert order.keys() >= set(
        "marketplace account_id marketplace_country_iso2 marketplace_order_id merchant_order_id marketplace_status "
        "lengow_status workflow_rank marketplace_order_date marketplace_customer_id total_order total_tax shipping "
        "discount commission processing_fee currency original_currency original_total_order original_total_tax "
        "original_shipping original_discount original_commission original_processing_fee comments invoice_number "
        "original_total_buyer_amount original_total_buyer_tax original_buyer_currency invoice_url payments packages "
        "billing_address contact_address documents imported_at updated_at order_meta anonymized order_types".split()
    )
    assert order["merchant_order_id"] is None
    assert isinstance(order["total_order"], float)
    [package] = order["packages"]
    assert isinstance(package["cart"][0]["amount"], str)
    assert package["delivery"]["trackings"][0]["relay"] == {"id": None, "name": None}


def test_delivery_ids_change_on_every_read(api, sandbox, account):
    order_id = api.sells("multi_package")
    reads = [[package["delivery"].pop("id") for package in api.order(order_id)["packages"]] for _ in range(2)]
    assert len(set(reads[0] + reads[1])) == len(reads[0]) * 2 >= 4


def test_a_fulfilment_order_is_born_shipped_without_an_address(api):
    order = api.order(api.sells("fulfilment"))
    assert (order["lengow_status"], order["marketplace_status"]) == ("shipped", "SHIPPED")
    assert order["order_types"][0]["type"] == "is_delivered_by_marketplace"
    assert order["billing_address"]["first_line"] is None
    assert order["packages"][0]["delivery"]["trackings"][0]["is_delivered_by_marketplace"] is True


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("pending", "waiting_acceptance"),
        ("refused", "refused"),
        ("canceled", "canceled"),
        ("standard", "waiting_shipment"),
    ],
)
def test_kinds_have_their_status(api, kind, status):
    order = api.order(api.sells(kind))
    assert order["lengow_status"] == order["packages"][0]["cart"][0]["lengow_status"] == status


def test_a_business_has_a_vat_number_and_a_relay_order_its_relay(api):
    business = api.order(api.sells("business"))
    assert business["billing_address"]["vat_number"].startswith("FR")
    assert business["payments"][0]["payment_terms"]["siret_number"].isdigit()
    assert {kind["type"] for kind in business["order_types"]} == {"is_business"}
    relay = api.order(api.sells("relay"))["packages"][0]["delivery"]["trackings"][0]
    assert (relay["method"], len(relay["relay"]["id"])) == ("relay", 6)


def test_spanish_orders_come_from_manomano_es(api):
    order = api.order(api.sells("spanish"))
    assert (order["marketplace"], order["marketplace_country_iso2"]) == ("manomano_es", "ES")
    assert order["billing_address"]["common_country_iso_a2"] == "ES"


def test_amounts_are_converted_unless_told_otherwise(api):
    order_id = api.sells("foreign_currency")
    converted = api.order(order_id)
    [original] = api.orders(marketplace_order_id=order_id, no_currency_conversion="1")
    assert converted["currency"]["iso_a3"] == "EUR"
    assert original["currency"] == original["original_currency"] == converted["original_currency"]
    assert original["total_order"] == converted["original_total_order"] != converted["total_order"]
    [dollars] = api.orders(marketplace_order_id=order_id, set_currency="USD")
    assert dollars["currency"]["iso_a3"] == "USD"


def test_without_a_rate_the_total_is_minus_one(api):
    order_id = api.sells("no_rate")
    assert api.order(order_id)["total_order"] == -1
    [original] = api.orders(marketplace_order_id=order_id, no_currency_conversion="1")
    assert original["total_order"] > 0


def test_the_default_window_is_the_last_seven_days_of_orders(api, sandbox):
    old = api.sells(ordered_at=sandbox.now() - timedelta(days=8))
    new = api.sells()
    assert ids(api.orders()) == [new]
    assert ids(api.orders(marketplace_order_id=old)) == [old]
    assert set(ids(api.orders(updated_from="2026-08-01T00:00:00Z"))) == {old, new}


def test_filters(api, sandbox):
    first = api.sells(catalog_id=11)
    second = api.sells("fulfilment", catalog_id=12)
    spanish = api.sells("spanish", catalog_id=11)
    api.set_merchant_ids(first, ["1001"])
    expected = [
        ({"catalog_ids": "11"}, {first, spanish}),
        ({"catalog_ids": "11,12"}, {first, second, spanish}),
        ({"marketplace": "manomano_es"}, {spanish}),
        ({"lengow_status": "shipped"}, {second}),
        ({"lengow_line_status": "waiting_shipment"}, {first, spanish}),
        ({"merchant_order_id": "None"}, {second, spanish}),
        ({"imported_from": "2026-09-01T08:20:00+00:00"}, {second, spanish}),
        ({"imported_to": "2026-09-01T10:20:00+02:00"}, {first}),
        ({"updated_from": "2026-09-01T08:30:00Z", "updated_to": "2026-09-01T08:30:00Z"}, {second}),
        ({"marketplace_order_date_from": "2026-09-01T08:16:00+0000"}, {spanish}),
    ]
    for filters, wanted in expected:
        assert set(ids(api.orders(**filters))) == wanted, filters


@pytest.mark.parametrize(
    "filters",
    [
        {"updated_from": "yesterday"},
        {"updated_from": "2026-09-01T08:00:00"},
        {"updated_from": "2026-09-01T08:00:00 02:00"},
        {"page": "x"},
        {"page_size": "101"},
        {"page_size": "0"},
        {"lengow_status": "cancelled"},
        {"lengow_line_status": "sold"},
        {"catalog_ids": "a,b"},
        {"no_currency_conversion": "maybe"},
        {"set_currency": "XXX"},
        {"ordering": "price"},
    ],
)
def test_a_value_that_a_filter_cannot_take_is_refused(api, filters):
    answer = api.get("/v3.0/orders", **filters)
    assert answer.status_code == 400
    assert list(answer.json()) == [next(iter(filters))]


def test_pages(api, sandbox, account):
    sold = sandbox.sell(account.account_id, 250, {"standard": 1})
    sandbox.advance(minutes=15)
    first = api.get("/v3.0/orders", page_size=None).json()
    assert (first["count"], len(first["results"]), first["previous"]) == (250, 100, None)
    second = api.session.get(first["next"]).json()
    third = api.session.get(second["next"]).json()
    assert (len(third["results"]), third["next"]) == (50, None)
    assert "page=2" in third["previous"]
    assert sorted(ids(first["results"] + second["results"] + third["results"])) == sorted(sold)
    beyond = api.get("/v3.0/orders", page=4)
    assert (beyond.status_code, beyond.json()) == (404, {"detail": "Invalid page."})


def test_orderings(api, sandbox, account):
    sandbox.sell(account.account_id, 20, {"standard": 1, "spanish": 1})
    sandbox.advance(minutes=15)
    default = [(order["marketplace"], order["marketplace_order_date"]) for order in api.orders()]
    assert default == sorted(sorted(default, key=lambda one: one[1], reverse=True), key=lambda one: one[0])
    by_id = ids(api.orders(ordering="-marketplace_order_id"))
    assert by_id == sorted(by_id, reverse=True)


def test_merchant_ids_replace_and_count_as_a_change(api, sandbox):
    order_id = api.sells()
    before = api.order(order_id)["updated_at"]
    assert api.set_merchant_ids(order_id, ["1", "2"]).json()["merchant_order_id"] == ["1", "2"]
    assert api.set_merchant_ids(order_id, [3], method="POST").status_code == 200
    order = api.order(order_id)
    assert order["merchant_order_id"] == ["3"]
    assert order["updated_at"] > before
    assert sandbox.ledger().sold[0].merchant_order_ids == ("3",)


def test_merchant_ids_of_an_unknown_order(api):
    answer = api.set_merchant_ids("M1", ["1"])
    assert (answer.status_code, answer.json()) == (404, {"detail": "Pas trouvé."})


@pytest.mark.parametrize("wrong", ["1", None, [True], [1.5], {"a": 1}])
def test_merchant_ids_are_a_list_of_ids(api, wrong):
    answer = api.set_merchant_ids(api.sells(), wrong)
    assert (answer.status_code, list(answer.json())) == (400, ["merchant_order_id"])


def test_merchant_ids_are_json(api):
    assert api.session.patch(f"{api.sandbox.url}/v3.0/orders/moi/", data={"account_id": 1}).status_code == 415
    headers = {"Content-Type": "application/json"}
    assert api.session.patch(f"{api.sandbox.url}/v3.0/orders/moi/", data="{", headers=headers).status_code == 400
    assert api.session.patch(f"{api.sandbox.url}/v3.0/orders/moi/", data="[]", headers=headers).status_code == 400


def test_changes_at_the_marketplace_are_seen_after_the_next_collection(api, sandbox):
    order_id = api.sells("multi_line")
    line = api.order(order_id)["packages"][0]["cart"][1]["marketplace_order_line_id"]
    sandbox.amend(order_id, {"city": "Sète", "shipping": "12.00", "quantity": 7})
    sandbox.cancel(order_id, line_ids=[line])
    assert api.order(order_id)["billing_address"]["city"] != "Sète"
    sandbox.advance(minutes=15)
    order = api.order(order_id)
    cart = order["packages"][0]["cart"]
    assert order["packages"][0]["delivery"]["city"] == order["billing_address"]["city"] == "Sète"
    assert (order["shipping"], cart[0]["quantity"]) == (12.0, 7)
    assert (order["lengow_status"], cart[1]["lengow_status"]) == ("waiting_shipment", "canceled")
    sandbox.anonymize(order_id)
    sandbox.advance(minutes=15)
    order = api.order(order_id)
    assert order["anonymized"] is True
    assert order["billing_address"]["last_name"] is None


def test_a_raw_order_is_as_hostile_as_told(api, sandbox, account):
    hostile = {"total_order": "a lot", "packages": [{"cart": [{"quantity": 0, "title": "ع\u0000🛠" * 3000}]}]}
    order_id = sandbox.sell_raw(account.account_id, hostile, remove=["billing_address.city", "payments"])
    empty = sandbox.sell_raw(account.account_id, {"packages": [], "marketplace_order_id": "M-EMPTY"})
    sandbox.sell_raw(account.account_id, raw_bytes=b'"not an order"')
    sandbox.advance(minutes=15)
    order = api.order(order_id)
    assert order["total_order"] == "a lot"
    assert order["packages"][0]["cart"][0]["quantity"] == 0
    assert order["packages"][0]["cart"][0]["amount"]
    assert "city" not in order["billing_address"]
    assert "payments" not in order
    assert empty == "M-EMPTY"
    assert api.order("M-EMPTY")["packages"] == []
    assert "not an order" in api.orders()


@pytest.mark.parametrize("remove", ["packages.5", "nothing", "total_order.cents"])
def test_a_path_that_is_not_there_cannot_be_removed(sandbox, account, remove):
    with pytest.raises(SandboxError, match=remove):
        sandbox.sell_raw(account.account_id, remove=[remove])


def test_raw_bytes_may_break_the_whole_page(api, sandbox, account):
    api.sells()
    sandbox.sell_raw(account.account_id, raw_bytes=b'{"marketplace_order_id": ')
    sandbox.advance(minutes=15)
    with pytest.raises(json.JSONDecodeError):
        json.loads(api.get("/v3.0/orders").content)


def test_many_clients_at_once(api, sandbox, account):
    sold = sandbox.sell(account.account_id, 40, {"standard": 1})
    sandbox.advance(minutes=15)
    with ThreadPoolExecutor(8) as pool:
        deliveries = pool.map(lambda one: api.order(one)["packages"][0]["delivery"]["id"], sold)
        actions = pool.map(lambda one: api.ship(one).json()["id"], sold)
        assert len(set(deliveries)) == len(set(actions)) == 40
