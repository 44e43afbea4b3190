"""The Shopware stand-in is as strict as the reference says (platforms.md §4), so that the adapter is held to that."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests
from shopware_shop import ContractShopware

from lengow.adapters.contract import created, new_order
from lengow.adapters.shopware.ids import id_of
from lengow.sandbox.shops.shopware import INTEGRATION

Call = Callable[..., requests.Response]
ORDER = id_of("A-1")


@pytest.fixture
def shop() -> Iterator[ContractShopware]:
    shop = ContractShopware()
    adapter = shop.adapter()
    created(adapter, new_order("A-1", [("PLATE", 2, "49.80")], shipping="4.90"))
    adapter.close()
    yield shop
    shop.close()


def token_of(shop: ContractShopware, secret: str = INTEGRATION.secret) -> requests.Response:
    body = {"grant_type": "client_credentials", "client_id": INTEGRATION.access_key, "client_secret": secret}
    return requests.post(f"{shop.standin.url}/api/oauth/token", json=body, timeout=5)


@pytest.fixture
def call(shop: ContractShopware) -> Call:
    headers = {"Authorization": f"Bearer {token_of(shop).json()['access_token']}", "Accept": "application/json"}

    def call(method: str, path: str, body: Any = None, **more: str) -> requests.Response:
        given = {**headers, **{name.replace("_", "-"): value for name, value in more.items()}}
        return requests.request(method, f"{shop.standin.url}/api/{path}", json=body, headers=given, timeout=5)

    return call


def codes(answer: requests.Response) -> list[tuple[str, str]]:
    return [(one["code"], one.get("source", {}).get("pointer", "")) for one in answer.json()["errors"]]


def upsert(entity: str, *rows: dict[str, Any]) -> dict[str, Any]:
    return {"orders": {"entity": entity, "action": "upsert", "payload": list(rows)}}


# Access


def test_a_token_ends_after_ten_minutes(shop: ContractShopware, call: Call) -> None:
    assert call("GET", "_info/version").json() == {"version": "6.6.10.4"}
    shop.standin.clock.jump(timedelta(minutes=10))
    answer = call("GET", "_info/version")
    assert (answer.status_code, codes(answer)) == (401, [("9", "")])


def test_wrong_tries_close_the_token_route_for_everybody(shop: ContractShopware) -> None:
    assert [token_of(shop, "wrong").status_code for _ in range(10)] == [401] * 10
    assert token_of(shop).status_code == 429
    shop.standin.clock.jump(timedelta(seconds=11))
    assert token_of(shop).status_code == 200


def test_a_missing_right_is_named(shop: ContractShopware) -> None:
    shop.standin.limit("order:read")
    headers = {"Authorization": f"Bearer {token_of(shop).json()['access_token']}"}
    answer = requests.post(f"{shop.standin.url}/api/search/product", json={}, headers=headers, timeout=5)
    assert answer.status_code == 403
    assert "product:read" in answer.json()["errors"][0]["detail"]


# Searching


def test_without_the_accept_header_it_is_json_api(call: Call) -> None:
    answer = call("POST", "search/order", {"ids": [ORDER]}, Accept="application/vnd.api+json").json()
    assert answer["data"][0]["attributes"]["orderNumber"] == "M-A-1"


def test_associations_are_null_unless_they_are_named(call: Call) -> None:
    [bare] = call("POST", "search/order", {"ids": [ORDER]}).json()["data"]
    assert (bare["stateMachineState"], bare["lineItems"]) == (None, None)
    [full] = call("POST", "search/order", {"ids": [ORDER], "associations": {"stateMachineState": {}}}).json()["data"]
    assert full["stateMachineState"]["technicalName"] == "open"


@pytest.mark.parametrize(
    ("criteria", "code"),
    [
        ({"limit": 501}, "FRAMEWORK__QUERY_LIMIT_EXCEEDED"),
        ({"page": 0}, "FRAMEWORK__INVALID_PAGE_QUERY"),
        ({"ids": [ORDER.upper()]}, "FRAMEWORK__INVALID_UUID"),
        ({"filter": [{"type": "equals", "field": "nothing", "value": 1}]}, "FRAMEWORK__UNMAPPED_FIELD"),
        ({"filter": [{"type": "like", "field": "orderNumber", "value": 1}]}, "FRAMEWORK__INVALID_FILTER_QUERY"),
        ({"associations": {"nothing": {}}}, "FRAMEWORK__ASSOCIATION_NOT_FOUND"),
    ],
)
def test_criteria_that_are_refused(call: Call, criteria: dict[str, Any], code: str) -> None:
    answer = call("POST", "search/order", criteria)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, code)


def test_texts_are_compared_without_case_and_totals_counted_where_asked(call: Call) -> None:
    criteria = {"filter": [{"type": "equals", "field": "productNumber", "value": "plate "}], "limit": 1}
    assert [row["productNumber"] for row in call("POST", "search/product", criteria).json()["data"]] == ["PLATE"]
    assert call("POST", "search/product", {"limit": 2}).json()["total"] == 2
    assert call("POST", "search/product", {"limit": 2, "total-count-mode": 1}).json()["total"] == 6


def test_a_variant_inherits_only_where_asked(call: Call) -> None:
    criteria = {"filter": [{"type": "equals", "field": "ean", "value": "3700000000024"}]}
    assert [row["productNumber"] for row in call("POST", "search/product", criteria).json()["data"]] == ["SHIRT"]
    rows = call("POST", "search/product", criteria, sw_inheritance="1").json()["data"]
    assert sorted(row["productNumber"] for row in rows) == ["SHIRT", "SHIRT-M"]


# Writing


def test_an_error_in_one_row_keeps_all_out(call: Call, shop: ContractShopware) -> None:
    answer = call(
        "POST",
        "_action/sync",
        upsert("product", {"id": "d" * 32, "productNumber": "NEW", "stock": 1}, {"id": "e" * 32}),
    )
    assert answer.status_code == 400
    assert codes(answer) == [
        ("c1051bb4-d103-4f74-8988-acbcafc7fdc3", "/orders/1/productNumber"),
        ("c1051bb4-d103-4f74-8988-acbcafc7fdc3", "/orders/1/stock"),
    ]
    assert "d" * 32 not in shop.standin.data.tables["product"]


@pytest.mark.parametrize(
    ("row", "pointer"),
    [
        ({"price": {"totalPrice": 1}}, "/orders/0/price/netPrice"),
        ({"price": {"surplus": 1}}, "/orders/0/price/surplus"),
        ({"shippingCosts": {"calculatedTaxes": {}}}, "/orders/0/shippingCosts/calculatedTaxes"),
        ({"amountTotal": 5}, "/orders/0/amountTotal"),
        ({"stateId": "a" * 32}, "/orders/0/stateId"),
        ({"currencyId": "A" * 32}, "/orders/0/currencyId"),
        ({"currencyFactor": "1.0"}, "/orders/0/currencyFactor"),
        ({"orderDateTime": "yesterday"}, "/orders/0/orderDateTime"),
        ({"lineItems": [{"id": id_of("A-1", "line 1"), "productId": "a" * 32}]}, "/orders/0/lineItems/0"),
        ({"orderCustomer": {"id": id_of("A-1", "customer"), "email": "no"}}, "/orders/0/orderCustomer/email"),
        ({"addresses": [{"id": id_of("A-1", "billing"), "firstName": "A" * 51}]}, "/orders/0/addresses/0/firstName"),
    ],
)
def test_rows_that_are_refused(call: Call, row: dict[str, Any], pointer: str) -> None:
    answer = call("POST", "_action/sync", upsert("order", {"id": ORDER, **row}))
    assert answer.status_code == 400
    assert pointer in [where for _, where in codes(answer)]


def test_what_is_not_there_breaks_the_query(call: Call) -> None:
    answer = call("POST", "_action/sync", upsert("order", {"id": ORDER, "currencyId": "a" * 32}))
    assert answer.status_code == 500
    assert "SQLSTATE[23000]" in answer.json()["errors"][0]["detail"]


def test_unknown_fields_are_passed_over_and_custom_fields_are_merged(call: Call, shop: ContractShopware) -> None:
    row = {"id": ORDER, "primaryOrderDeliveryId": "x", "customFields": {"mine": 1}}
    assert call("POST", "_action/sync", upsert("order", row)).status_code == 200
    held = shop.standin.data.tables["order"][ORDER]["customFields"]
    assert (held["mine"], held["lengow_reference"]) == (1, "A-1")


def test_tags_are_stripped_to_the_end_where_they_are_not_closed(call: Call, shop: ContractShopware) -> None:
    row = {"id": id_of("A-1", "shipping"), "street": "a<b>c</b> < d <e", "city": "Lyon"}
    assert call("POST", "_action/sync", upsert("order_address", row)).status_code == 200
    assert shop.standin.data.tables["order_address"][row["id"]]["street"] == "ac < d "


def test_a_second_post_of_one_id_is_refused(call: Call) -> None:
    answer = call("POST", "order", {"id": ORDER})
    assert (answer.status_code, codes(answer)[0][0]) == (400, "FRAMEWORK__WRITE_TYPE_INTEND_ERROR")


@pytest.mark.parametrize(
    ("headers", "status"), [({"sw_language_id": "a" * 32}, 412), ({"indexing_behavior": "sometimes"}, 400)]
)
def test_headers_that_are_refused(call: Call, headers: dict[str, str], status: int) -> None:
    assert call("POST", "search/order", {}, **headers).status_code == status


# States and stock


def test_stock_follows_lines_and_cancellation(call: Call, shop: ContractShopware) -> None:
    assert shop.stock("PLATE") == 498
    call("POST", "_action/sync", upsert("order_line_item", {"id": id_of("A-1", "line 1"), "quantity": 5}))
    assert shop.stock("PLATE") == 495
    assert call("POST", f"_action/order/{ORDER}/state/cancel", {}).json()["technicalName"] == "cancelled"
    assert shop.stock("PLATE") == 500
    assert call("POST", f"_action/order/{ORDER}/state/cancel", {}).status_code == 200, "as if it had been made"
    assert shop.stock("PLATE") == 500
    call("POST", f"_action/order/{ORDER}/state/reopen", {})
    assert shop.stock("PLATE") == 495


def test_a_transition_that_does_not_exist_names_those_that_do(call: Call) -> None:
    answer = call("POST", f"_action/order/{ORDER}/state/complete", {})
    assert (answer.status_code, codes(answer)[0][0]) == (400, "SYSTEM__ILLEGAL_STATE_TRANSITION")
    assert "process, cancel" in answer.json()["errors"][0]["detail"]


def test_a_transition_mails_unless_told_not_to(call: Call, shop: ContractShopware) -> None:
    delivery = shop.standin.delivery_of(ORDER)["id"]
    call("POST", f"_action/order_delivery/{delivery}/state/ship", {"sendMail": False})
    assert shop.standin.ledger().mails == ()
    call("POST", f"_action/order_delivery/{delivery}/state/retour", {})
    assert shop.standin.ledger().mails == (("state_enter.order_delivery.state.returned", ORDER),)


def test_a_webhook_that_nobody_takes_is_ended_after_ten_events(shop: ContractShopware) -> None:
    for _ in range(5):
        shop.standin.move("order", ORDER, "cancel")
        shop.standin.move("order", ORDER, "reopen")
        shop.standin.run_queue()
    hook = shop.standin.data.one("webhook", eventName="state_enter.order.state.cancelled")
    assert (hook["active"], hook["errorCount"]) == (True, 5)
    for _ in range(5):
        shop.standin.move("order", ORDER, "cancel")
        shop.standin.move("order", ORDER, "reopen")
        shop.standin.run_queue()
    assert (hook["active"], hook["errorCount"]) == (False, 0)
