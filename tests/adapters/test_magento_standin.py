"""The Magento stand-in is as strict as the reference says (platforms.md §3)."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from magento_shop import ContractMagento

from lengow.sandbox.shops.magento import TOKEN

ADDRESS = {
    "address_type": "billing",
    "firstname": "Anna",
    "lastname": "Martin",
    "street": ["3 rue des Tests"],
    "city": "Lyon",
    "postcode": "69001",
    "country_id": "FR",
    "telephone": "+33100000000",
    "email": "buyer@example.com",
}


@pytest.fixture
def shop() -> Iterator[ContractMagento]:
    shop = ContractMagento()
    yield shop
    shop.close()


def call(shop: ContractMagento, method: str, path: str, body: Any = None, token: str = TOKEN, **query: str) -> Any:
    url = f"{shop.standin.url}/rest/default/V1/{path}"
    headers = {"Authorization": f"Bearer {token}"}
    return requests.request(method, url, json=body, params=query, headers=headers, timeout=5)


def entity(**changed: Any) -> dict[str, Any]:
    item = {"sku": "PLATE", "product_id": 1, "qty_ordered": 2, "row_total_incl_tax": 10}
    return {
        "entity": {
            "state": "processing",
            "status": "processing",
            "grand_total": 10,
            "billing_address": ADDRESS,
            "payment": {"method": "checkmo"},
            "items": [item],
            **changed,
        }
    }


def searched(shop: ContractMagento, field: str, value: str, condition: str, **more: str) -> Any:
    place = "searchCriteria[filter_groups][0][filters][0]"
    query = {f"{place}[field]": field, f"{place}[value]": value, f"{place}[condition_type]": condition}
    return call(shop, "GET", "products", **{**query, **more})


def test_no_call_without_a_token(shop: ContractMagento) -> None:
    answer = call(shop, "GET", "orders", token="wrong")
    assert answer.status_code == 401
    assert answer.json()["parameters"] == {"resources": "Magento_Sales::actions_view"}


def test_a_saved_order_takes_no_stock_and_its_totals_are_what_was_given(shop: ContractMagento) -> None:
    stock = shop.stock("PLATE")
    made = call(shop, "POST", "orders", entity()).json()
    assert (made["grand_total"], made["state"]) == (10, "processing")
    assert made["increment_id"] == f"{made['entity_id']:09}", "generated where none is given"
    assert shop.stock("PLATE") == stock


def test_a_number_is_kept_and_unique(shop: ContractMagento) -> None:
    assert call(shop, "POST", "orders", entity(increment_id="LGW-1")).json()["increment_id"] == "LGW-1"
    again = call(shop, "PUT", "orders/create", entity(increment_id="lgw-1"))
    assert (again.status_code, again.json()["message"]) == (400, "Unique constraint violation found")


@pytest.mark.parametrize(
    ("changed", "status", "words"),
    [
        ({"payment": None}, 500, "Internal Error"),
        ({"ext_order_id": "x" * 33}, 500, "Internal Error"),
        ({"increment_id": "x" * 51}, 500, "Internal Error"),
        ({"billing_address": {**ADDRESS, "street": ["x" * 256]}}, 500, "Internal Error"),
        ({"billing_address": {"city": "Lyon"}}, 400, "We can't save the address"),
        ({"grand_total": "10"}, 400, "type is invalid"),
        ({"lengow": 1}, 400, "does not have accessor method"),
        ({"items": [{"qty_ordered": 1}]}, 400, "is required"),
    ],
)
def test_what_is_refused(shop: ContractMagento, changed: dict[str, Any], status: int, words: str) -> None:
    answer = call(shop, "POST", "orders", entity(**changed))
    assert answer.status_code == status
    assert words in answer.json()["message"]
    assert shop.standin.ledger().orders == ()


def test_an_order_without_email_sent_would_be_mailed(shop: ContractMagento) -> None:
    call(shop, "POST", "orders", entity(increment_id="A"))
    call(shop, "POST", "orders", entity(increment_id="B", email_sent=1))
    assert shop.standin.ledger().mails == ("A",)


def test_a_page_beyond_the_end_is_the_last_one_again(shop: ContractMagento) -> None:
    pages = [
        searched(shop, "sku", "%", "like", **{"searchCriteria[pageSize]": "4", "searchCriteria[currentPage]": page})
        for page in ("2", "3")
    ]
    assert pages[0].json() == pages[1].json()
    assert (len(pages[0].json()["items"]), pages[0].json()["total_count"]) == (2, 6)


def test_only_named_fields_are_shown(shop: ContractMagento) -> None:
    found = searched(shop, "sku", "plate", "eq", fields="items[sku,custom_attributes[value]],total_count").json()
    assert [set(row) for row in found["items"]] == [{"sku", "custom_attributes"}]


def test_a_field_that_is_none_is_refused(shop: ContractMagento) -> None:
    assert searched(shop, "gtin", "1", "eq").status_code == 400


def test_children_are_products_of_their_own(shop: ContractMagento) -> None:
    assert [row["sku"] for row in call(shop, "GET", "configurable-products/SHIRT/children").json()] == ["SHIRT-M"]


def test_shipping_what_was_never_reserved_leaves_a_compensation(shop: ContractMagento) -> None:
    made = call(shop, "POST", "orders", entity()).json()
    assert call(shop, "POST", f"order/{made['entity_id']}/ship", {}).status_code == 200
    assert call(shop, "GET", "inventory/get-product-salable-quantity/PLATE/1").json() == 500
    assert shop.standin.data.sources["default", "PLATE"]["quantity"] == 498


def test_an_order_with_all_done_is_complete_and_then_closed(shop: ContractMagento) -> None:
    id_ = call(shop, "POST", "orders", entity()).json()["entity_id"]
    call(shop, "POST", f"order/{id_}/invoice", {})
    call(shop, "POST", f"order/{id_}/ship", {})
    assert call(shop, "GET", f"orders/{id_}").json()["state"] == "complete"
    assert call(shop, "POST", f"orders/{id_}/cancel").json() is False
    call(shop, "POST", f"order/{id_}/refund", {"items": []})
    assert call(shop, "GET", f"orders/{id_}").json()["state"] == "closed"
