"""What was recorded from the real WooCommerce, read by the adapter: the same captures that the stand-in is held to."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from woocommerce_shop import ContractWooCommerce

from lengow.adapters.answers import Entry, entries_of, entry_of
from lengow.adapters.woocommerce.api import Deadline, Lane, PooledApi, Refusal, Shop
from lengow.adapters.woocommerce.body import LINE_ID, REFERENCE, meta
from lengow.adapters.woocommerce.comparison import difference, total_of
from lengow.adapters.woocommerce.products import Products, WooProduct
from lengow.adapters.woocommerce.profile import Profiles
from lengow.adapters.woocommerce.settings import WooCommerceSettings
from lengow.adapters.woocommerce.shipments import shipments_in
from lengow.adapters.woocommerce.taxes import Amount, Location, Rate, nets
from lengow.connector.model import Tracking
from lengow.connector.secret import Secret
from lengow.sandbox.answers import Answer
from lengow.sandbox.shops.standin import Fault
from lengow.sandbox.shops.woocommerce import KEY

CAPTURES = Path(__file__).parent.parent / "captures" / "woocommerce"
SETTINGS = WooCommerceSettings(url="https://shop.example.com", consumer_key=Secret("ck"), consumer_secret=Secret("cs"))


def capture(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CAPTURES / f"{name}.json").read_text())
    return found


def with_line_ids(order: dict[str, Any]) -> dict[str, Any]:
    for number, line in enumerate(order.get("line_items", ())):
        line["meta_data"] = [meta(LINE_ID, str(number)), *line.get("meta_data", ())]
    return order


CREATIONS = [
    ("order_create_recommended_marketplace_shipped", 12, None),
    ("order_create_line_by_sku_only", 12, None),
    ("order_create_processing_set_paid", 10, None),
    ("order_create_phone_101_chars_address_lost_201", 10, "billing.first_name"),
    ("order_create_unknown_product_id_silently_201", 999999, "line_items.product_id of 0"),
    ("order_create_unknown_sku", 12, "line_items.product_id of 0"),
    ("order_create_unknown_sku_with_name_and_total_201", 12, "line_items.product_id of 0"),
]


@pytest.mark.parametrize(("name", "product_id", "field"), CREATIONS, ids=[row[0] for row in CREATIONS])
def test_the_recorded_creations_are_told_right_from_wrong(name: str, product_id: int, field: str | None) -> None:
    """Each was answered 201. `product_id` is the one that the look-up would have given."""
    recorded = capture(name)
    sent, held = with_line_ids(recorded["request_body"]), with_line_ids(recorded["response_body"])
    sent = {"transaction_id": "", **sent}
    for line in sent["line_items"]:
        line["product_id"] = product_id
    for address in (sent["billing"], sent["shipping"]):
        address.pop("email", None)
    found = difference(sent, entry_of(held, AssertionError))
    assert (found.field if found else None) == field


def test_the_recorded_comma_is_seen_in_the_total() -> None:
    """FINDINGS, trap 3: "10,50" became 1050.00."""
    order = capture("order_create_decimal_comma_1050_201")["response_body"]
    assert total_of(entry_of(order, AssertionError)) == Decimal("1050.00")


class Recorded:
    """A shop that gives recorded answers, by the end of the path."""

    def __init__(self) -> None:
        self.contract = ContractWooCommerce()
        self.api = PooledApi(self.contract.standin.url, KEY.consumer_key, KEY.consumer_secret, "main", pool=1)
        self.shop = Shop(self.api, Lane(1))

    def answers(self, path: str, name: str) -> None:
        recorded = capture(name)
        headers = {key: value for key, value in recorded["response_headers"].items() if key.startswith("X-WP")}
        answer = Answer.json(recorded["response_body"], recorded["status"], headers)
        self.contract.standin.server.fail(Fault("answer", "GET", path, times=None, answer=answer))


@pytest.fixture
def recorded() -> Any:
    made = Recorded()
    yield made
    made.api.close()
    made.contract.close()


def test_recorded_products_with_a_variation(recorded: Recorded) -> None:
    recorded.answers("/products", "products_by_sku_with_variation")
    found = Products(recorded.shop).find(["VAR-S", "VAR-PARENT", "SKU-0001", "NOPE"], Deadline(5))
    [variation] = found["VAR-S"]
    assert (variation.id, variation.parent_id, variation.kind) == (234, 233, "variation")
    assert [one.kind for one in found["VAR-PARENT"]] == ["variable"]
    assert [one.id for one in found["SKU-0001"]] == [10]
    assert found["NOPE"] == ()


def test_recorded_stock(recorded: Recorded) -> None:
    recorded.answers("/products", "products_by_sku_list")
    found = Products(recorded.shop).find(["SKU-0003"], Deadline(5))
    assert found["SKU-0003"] == (WooProduct(12, 0, "SKU-0003", "", "simple", 99993, False, "", True),)


def test_recorded_settings_and_tax_rates(recorded: Recorded) -> None:
    recorded.contract.set_taxes("without tax")
    recorded.answers("/system_status", "system_status")
    recorded.answers("/taxes", "taxes_list")
    profile = Profiles(recorded.shop).get(Deadline(5))
    assert (profile.version, profile.hpos, profile.searches_transaction_id) == ((11, 0, 1), True, True)
    assert profile.taxes.rates == (
        Rate(country="FR", percent=Decimal("20.0000"), order=0),
        Rate(country="DE", percent=Decimal("19.0000"), order=0),
    )
    amounts = [Amount(Decimal("24.00")), Amount(Decimal("9.99"))]
    assert nets(profile.taxes, amounts, Location("FR")) == [Decimal(20), Decimal("8.325")]
    assert nets(profile.taxes, amounts, Location("BE")) == [Decimal(24), Decimal("9.99")]


def test_recorded_fulfilments() -> None:
    view = {
        "id": 2601,
        "meta_data": [meta(REFERENCE, "R-1")],
        "line_items": [
            {"id": 7134, "quantity": 1, "meta_data": [meta(LINE_ID, "L-1")]},
            {"id": 7135, "quantity": 1, "meta_data": [meta(LINE_ID, "L-2")]},
        ],
    }
    tracking = Tracking(
        carrier_code="la-poste-colissimo",
        number="XX123456789FR",
        url="https://carrier.example.com/t/XX123456789FR",
    )
    for fulfilments in (
        capture("fulfillments_list")["response_body"],
        [capture("fulfillment_create_201")["response_body"]],
    ):
        [event] = shipments_in(Entry(view, AssertionError), SETTINGS, entries_of(fulfilments, AssertionError))
        assert (event.tracking, event.line_ids) == (tracking, ("L-1",))


@pytest.mark.parametrize(
    ("name", "path", "status", "code", "field"),
    [
        ("products_per_page_101_400", "/products", 400, "rest_invalid_param", "per_page"),
        ("order_get_404", "/orders/999999", 404, "woocommerce_rest_shop_order_invalid_id", ""),
        ("product_get_404", "/products/999999", 404, "woocommerce_rest_product_invalid_id", ""),
        ("refund_create_too_much_400", "/refunds", 500, "woocommerce_rest_cannot_create_order_refund", ""),
        ("order_create_invalid_email_400", "/orders", 400, "rest_invalid_param", "billing"),
        ("order_create_quantity_fraction_400", "/orders", 400, "rest_invalid_param", "line_items[0][quantity]"),
    ],
)
def test_recorded_refusals_are_read(
    recorded: Recorded, name: str, path: str, status: int, code: str, field: str
) -> None:
    answer = capture(name)
    given = Answer.json(answer["response_body"], answer["status"])
    recorded.contract.standin.server.fail(Fault("answer", "GET", path, times=None, answer=given))
    with pytest.raises(Refusal) as caught:
        recorded.shop.get(path.lstrip("/"), Deadline(5))
    assert (caught.value.status, caught.value.code, caught.value.field) == (status, code, field)
    assert answer["response_body"]["message"] in str(caught.value)
