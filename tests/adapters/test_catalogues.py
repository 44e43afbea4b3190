"""Catalogues beyond the contract: pages, variants, taxes, and what each platform has of an offer's attributes."""

import json
from decimal import Decimal

import pytest

from lengow.connector.errors import ShopUnavailable
from lengow.sandbox.answers import Answer
from lengow.sandbox.shops.standin import Fault
from tests.adapters.magento_shop import ContractMagento
from tests.adapters.prestashop_shop import ContractPrestaShop
from tests.adapters.shopware_shop import ContractShopware
from tests.adapters.woocommerce_shop import RATES, ContractWooCommerce

WOO_FACTS = {
    "name": "Shirt",
    "description": "<p>Soft</p>",
    "weight": "0.25",
    "brands": [{"id": 7, "name": "Acme", "slug": "acme"}],
    "categories": [{"id": 9, "name": "Clothes", "slug": "clothes"}],
    "images": [{"id": 1, "src": "https://shop.example.com/1.jpg"}, {"id": 2, "src": "https://shop.example.com/2.jpg"}],
    "attributes": [{"id": 0, "name": "Material", "options": ["wool", "silk"]}],
    "meta_data": [{"id": 3, "key": "icpe", "value": "4331"}, {"id": 4, "key": "list", "value": [1]}],
}


def test_woocommerce_pages_products_and_variations() -> None:
    shop = ContractWooCommerce()
    add = shop.standin.add_product
    for number in range(205):
        add(f"S{number}")
    parent = add("P", stock=None, type="variable")
    for number in range(101):
        add(f"V{number}", parent=parent)
    add("GROUP", type="grouped")
    add("DRAFT", status="draft")
    add("FREE-TO-ASK", shown={"price": "", "purchasable": False})
    with_variants = [one.sku for one in shop.adapter().products()]
    assert sorted(with_variants) == sorted(
        [shop.simple, shop.another, shop.variant, shop.ambiguous, shop.ambiguous]
        + [f"S{number}" for number in range(205)]
        + [f"V{number}" for number in range(101)]
    )
    shop.close()


def test_woocommerce_gives_a_variation_what_its_product_has() -> None:
    shop = ContractWooCommerce()
    shop.standin.set_taxes(*RATES, prices_include_tax=False)
    parent = shop.standin.add_product("P", stock=7, type="variable", shown=WOO_FACTS)
    own = {
        "attributes": [{"id": 1, "name": "Size", "option": "M"}],
        "image": {"id": 8, "src": "https://shop.example.com/m.jpg"},
        "meta_data": [{"id": 5, "key": "_ean", "value": "4006381333931"}],
        "on_sale": True,
        "regular_price": "20.00",
        "manage_stock": "parent",
        "stock_quantity": None,
    }
    child = shop.standin.add_product("P-M", "10.00", parent=parent, shown=own)
    [one] = [one for one in shop.adapter().products() if one.sku == "P-M"]
    assert (one.id, one.parent_id) == (f"{parent.id}_{child.id}", str(parent.id))
    assert (one.title, one.options, one.brand, one.category) == ("Shirt, M", {"Size": "M"}, "Acme", "Clothes")
    assert (one.price, one.price_before, one.tax_rate) == (Decimal("12.00"), Decimal("24.00"), Decimal(20))
    assert (one.stock, one.weight, one.ean, one.currency) == (7, Decimal("0.25"), "4006381333931", "EUR")
    assert one.images == tuple(f"https://shop.example.com/{name}.jpg" for name in ("m", "1", "2"))
    assert (one.attributes["Material"], one.attributes["icpe"]) == ("wool, silk", "4331")
    assert "list" not in one.attributes
    shop.close()


def test_woocommerce_prices_that_include_tax_stay() -> None:
    shop = ContractWooCommerce()
    shop.standin.set_taxes(*RATES, prices_include_tax=True)
    shop.standin.add_product("GONE", "8.00", 0)
    shop.standin.add_product("ANY", "8.00", None)
    found = {one.sku: one for one in shop.adapter().products()}
    assert (found["GONE"].price, found["GONE"].stock) == (Decimal("8.00"), 0)
    assert found["ANY"].stock is None
    assert found[shop.another].tax_rate == Decimal("5.5")
    shop.close()


def test_shopware_pages_products() -> None:
    shop = ContractShopware()
    for number in range(1003):
        shop.standin.add_product(f"S{number}")
    shop.standin.add_product("OFF", active=False)
    found = [one.sku for one in shop.adapter().products()]
    assert sorted(found) == sorted(
        [shop.simple, shop.another, shop.variant, "CUP-1", "CUP-2", *(f"S{number}" for number in range(1003))]
    )
    shop.close()


def test_shopware_gives_a_variant_what_its_product_has() -> None:
    shop = ContractShopware()
    parent = shop.standin.add_product("P", 0, ean="4006381333931")
    images = ["https://shop.example.com/1.jpg", "https://shop.example.com/2.jpg", "https://shop.example.com/3.jpg"]
    shop.standin.describe(
        parent,
        manufacturer="Acme",
        images=images,
        properties={"Material": "wool"},
        price="12.5",
        before="20",
        name="Shirt",
        description="<p>Soft</p>",
        weight=0.25,
        customFields={"icpe": "4331", "is_fragile": True, "list": [1]},
    )
    child = shop.standin.add_product("P-M", 7, parent=parent)
    shop.standin.describe(child, options={"Size": "M"})
    [one] = [one for one in shop.adapter().products() if one.sku == "P-M"]
    assert (one.id, one.parent_id) == (f"{parent}_{child}", parent)
    assert (one.title, one.options, one.brand, one.description) == ("Shirt, M", {"Size": "M"}, "Acme", "<p>Soft</p>")
    assert (one.price, one.price_before, one.tax_rate) == (Decimal("12.50"), Decimal("20.00"), Decimal(20))
    assert (one.stock, one.weight, one.ean, one.currency) == (7, Decimal("0.25"), "4006381333931", "EUR")
    assert one.images == (images[0], images[2], images[1]), "the cover, then by position"
    assert one.attributes == {"Material": "wool", "icpe": "4331", "is_fragile": "true"}
    shop.close()


def test_magento_pages_products_and_children() -> None:
    shop = ContractMagento()
    for number in range(205):
        shop.standin.add_product(f"S{number}")
    shop.standin.add_product("P", kind="configurable")
    for number in range(120):
        shop.standin.add_product(f"V{number}", parent="P")
    shop.standin.add_product("OFF", status=2)
    shop.standin.add_product("BUNDLE", kind="bundle")
    shop.standin.add_product("CHILD-OF-NONE", visibility=1)
    shop.standin.add_product("CHILD-SEEN-ALONE", parent="P", visibility=4)
    found = [one.sku for one in shop.adapter().products()]
    assert sorted(found) == sorted(
        [shop.simple, shop.another, shop.variant, "CUP-1", "CUP-2", "CHILD-SEEN-ALONE"]
        + [f"S{number}" for number in range(205)]
        + [f"V{number}" for number in range(120)]
    )
    shop.standin.close()


def test_magento_gives_a_child_what_its_product_has() -> None:
    shop = ContractMagento()
    now = shop.standin.clock.now()
    parent = {
        "name": "Shirt",
        "custom": {"manufacturer": "5", "description": "<p>Soft</p>", "icpe": "4331", "list": ["1"]},
        "media_gallery_entries": [
            {"file": "/s/h/back.jpg", "types": [], "disabled": False},
            {"file": "/s/h/front.jpg", "types": ["image"], "disabled": False},
            {"file": "/s/h/old.jpg", "types": [], "disabled": True},
        ],
    }
    shop.standin.add_product("P", kind="configurable", **parent)
    special = {"size": "167", "special_price": "10.00", "special_from_date": f"{now:%Y-%m-%d} 00:00:00"}
    shop.standin.add_product("P-M", 7, parent="P", ean="4006381333931", price=12.5, weight=0.25, custom=special)
    over = {"size": "166", "special_price": "10.00", "special_to_date": "2020-01-01 00:00:00"}
    shop.standin.add_product("P-S", 7, parent="P", price=12.5, custom=over)
    products = {one.sku: one for one in shop.adapter(catalogue_prices="without_tax").products()}
    ids = shop.standin.data.products
    one = products["P-M"]
    assert (one.id, one.parent_id) == (
        f"{ids['P']['entity_id']}_{ids['P-M']['entity_id']}",
        str(ids["P"]["entity_id"]),
    )
    assert (one.title, one.options, one.brand, one.description) == ("Shirt, M", {"Size": "M"}, "Acme", "<p>Soft</p>")
    assert (one.price, one.price_before, one.tax_rate) == (Decimal("12.00"), Decimal("15.00"), Decimal(20))
    assert (one.stock, one.weight, one.ean, one.currency) == (7, Decimal("0.25"), "4006381333931", "EUR")
    media = "https://shop.example.com/media/catalog/product/s/h"
    assert one.images == (f"{media}/front.jpg", f"{media}/back.jpg")
    assert one.attributes["icpe"] == "4331"
    assert "list" not in one.attributes
    assert (products["P-S"].price, products["P-S"].price_before) == (Decimal("15.00"), None)
    with_tax = {one.sku: one for one in shop.adapter().products()}
    assert with_tax["P-M"].price == Decimal("10.00")
    shop.standin.close()


def test_magento_names_the_right_that_is_missing() -> None:
    shop = ContractMagento()
    shop.standin.rights = frozenset({"Magento_Catalog::products", "Magento_Backend::store", "Magento_Tax::manage_tax"})
    with pytest.raises(ShopUnavailable, match="attributes_attributes"):
        list(shop.adapter().products())
    shop.standin.close()


def test_prestashop_pages_products_and_combinations() -> None:
    shop = ContractPrestaShop()
    for number in range(100):
        shop.standin.add_product(f"S{number}")
    parent = shop.standin.add_product("P")
    for number in range(60):
        shop.standin.add_combination(parent, f"V{number}")
    shop.standin.add_product("OFF", active=False)
    shop.standin.add_product("SHOWN-ONLY", available_for_order="0")
    found = [one.sku for one in shop.adapter().products()]
    assert sorted(found) == sorted(
        [shop.simple, shop.another, shop.variant, "SHIRT-L", shop.ambiguous, shop.ambiguous]
        + [f"S{number}" for number in range(100)]
        + [f"V{number}" for number in range(60)]
    )
    shop.standin.close()


def test_prestashop_gives_a_combination_what_its_product_has() -> None:
    shop = ContractPrestaShop()
    parent = shop.standin.add_product("P", "10.00", ean13="3700000000017")
    child = shop.standin.add_combination(parent, "P-M", 7, ean13="4006381333931")
    shop.standin.describe(
        parent,
        images=(12, 13),
        features={"icpe": "4331", "Matière": "laine"},
        name="Shirt",
        description="<p>Soft</p>",
        manufacturer_name="Acme",
        weight="0.200000",
        id_default_image="13",
    )
    shop.standin.describe(parent, child, options={"Size": "M"}, price="2.500000", weight="0.050000")
    [one] = [one for one in shop.adapter().products() if one.sku == "P-M"]
    assert (one.id, one.parent_id) == (f"{parent}_{child}", str(parent))
    assert (one.title, one.options, one.brand, one.description) == ("Shirt, M", {"Size": "M"}, "Acme", "<p>Soft</p>")
    assert (one.price, one.price_before, one.tax_rate) == (Decimal("15.00"), None, Decimal(20))
    assert (one.stock, one.weight, one.ean, one.currency) == (7, Decimal("0.25"), "4006381333931", "EUR")
    assert one.images == (f"{shop.standin.url}/img/p/1/3/13.jpg", f"{shop.standin.url}/img/p/1/2/12.jpg")
    assert one.attributes == {"icpe": "4331", "Matière": "laine"}
    shop.standin.close()


def test_prestashop_weights_are_in_the_shops_unit() -> None:
    shop = ContractPrestaShop()
    shop.standin.set("PS_WEIGHT_UNIT", "g")
    shop.standin.add_product("P", weight="250.000000")
    [one] = [one for one in shop.adapter().products() if one.sku == "P"]
    assert one.weight == Decimal("0.25")
    shop.standin.close()


@pytest.mark.parametrize(
    ("reduction", "price"),
    [
        ({"reduction": "0.200000", "reduction_type": "percentage"}, "9.60"),
        ({"reduction": "3.000000", "reduction_type": "amount", "reduction_tax": "1"}, "9.00"),
        ({"reduction": "3.000000", "reduction_type": "amount", "reduction_tax": "0"}, "8.40"),
        ({"price": "5.000000"}, "6.00"),
        ({"reduction": "0.200000", "reduction_type": "percentage", "id_group": "3"}, "12.00"),
        ({"reduction": "0.200000", "reduction_type": "percentage", "id_customer": "3"}, "12.00"),
        ({"reduction": "0.200000", "reduction_type": "percentage", "from_quantity": "10"}, "12.00"),
        ({"reduction": "0.200000", "reduction_type": "percentage", "to": "2020-01-01 00:00:00"}, "12.00"),
        ({"reduction": "0.200000", "reduction_type": "percentage", "from": "2990-01-01 00:00:00"}, "12.00"),
    ],
)
def test_prestashop_takes_off_what_every_visitor_gets(reduction: dict[str, str], price: str) -> None:
    shop = ContractPrestaShop()
    product = shop.standin.add_product("P", "10.00")
    shop.standin.reduce(product, **reduction)
    [one] = [one for one in shop.adapter().products() if one.sku == "P"]
    assert one.price == Decimal(price)
    assert one.price_before == (Decimal("12.00") if price != "12.00" else None)
    shop.standin.close()


def test_magento_lists_with_groups_of_values_end_no_feed() -> None:
    """An attribute whose values a module gives in groups: a group has a list for its value."""
    shop = ContractMagento()
    group = {"label": "Sizes", "value": [{"label": "M", "value": "167"}]}

    def grouped(answer: Answer) -> Answer:
        document = json.loads(answer.body)
        next(one for one in document["items"] if one.get("options"))["options"].append(group)
        return Answer(answer.status, json.dumps(document).encode(), answer.headers)

    shop.standin.server.fail(Fault("changed", "GET", "/products/attributes", None, change=grouped))
    assert shop.simple in [one.sku for one in shop.adapter().products()]
    shop.standin.close()


def test_magento_products_that_an_extension_hides_end_no_feed_and_no_import() -> None:
    """It filters what is loaded, and Magento counts without that filter (magento2 issue 7730)."""
    shop = ContractMagento()

    def hiding(answer: Answer) -> Answer:
        document = json.loads(answer.body)
        document["items"] = [one for one in document["items"] if one["sku"] != shop.another]
        return Answer(answer.status, json.dumps(document).encode(), answer.headers)

    shop.standin.server.fail(Fault("changed", "GET", "/products", None, change=hiding))
    adapter = shop.adapter()
    offered = [one.sku for one in adapter.products()]
    assert shop.simple in offered
    assert shop.another not in offered
    assert list(adapter.find_products([shop.simple, shop.another])) == [shop.simple]
    assert adapter.find_products([shop.another]) == {}
    shop.standin.close()
