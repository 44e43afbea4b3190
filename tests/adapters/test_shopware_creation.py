"""Creating orders in Shopware: what is written, what is refused and how, and what a batch costs."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shopware_shop import ContractShopware

from lengow.adapters.contract import created, new_order, outcomes_of
from lengow.adapters.shopware import ShopwareAdapter
from lengow.adapters.shopware.addresses import names
from lengow.adapters.shopware.ids import id_of
from lengow.adapters.shopware.refusals import REMEDIES
from lengow.adapters.shopware.taxes import Rule, Share, Tax, Where, calculated, calculated_taxes, spread, tax_within
from lengow.connector.adapter import Created, Rejected, Unknown
from lengow.connector.errors import ShopUnavailable
from lengow.connector.model import Address, NewOrder
from lengow.sandbox.answers import Answer
from lengow.sandbox.shops.shopware.errors import BLANK, LENGTH, violation

CENT = Decimal("0.01")


@pytest.fixture
def shop() -> Iterator[ContractShopware]:
    shop = ContractShopware()
    yield shop
    shop.close()


@pytest.fixture
def adapter(shop: ContractShopware) -> Iterator[ShopwareAdapter]:
    adapter = shop.adapter()
    yield adapter
    adapter.close()


def order(reference: str = "A-1", **changed: Any) -> NewOrder:
    return new_order(reference, [("PLATE", 2, "49.80"), ("BOWL", 1, "10.55")], shipping="4.90", **changed)


def rows(shop: ContractShopware, entity: str, **wanted: Any) -> list[dict[str, Any]]:
    return list(shop.standin.data.rows(entity, **wanted))


def syncs(shop: ContractShopware) -> int:
    return shop.standin.server.requests["POST /api/_action/sync"]


# What is written


def test_an_order_is_what_a_merchant_needs_to_see(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    made = created(adapter, order(fee="1.50"))
    [row] = shop.standin.orders_named("A-1")
    assert made.id == row["id"] == id_of("A-1")
    assert (row["orderNumber"], row["affiliateCode"], row["campaignCode"]) == ("M-A-1", "lengow", "manomano_fr")
    assert shop.standin.place(row) == "open"
    [transaction] = rows(shop, "order_transaction", orderId=made.id)
    assert (shop.standin.place(transaction), transaction["amount"]["totalPrice"]) == ("paid", 66.75)
    [customer] = rows(shop, "order_customer", orderId=made.id)
    assert customer["email"].endswith("@marketplace.invalid"), "nobody is mailed"
    assert row["customFields"]["lengow_email"] == "zoe.martin@example.com"
    lines = rows(shop, "order_line_item", orderId=made.id)
    assert [(line["type"], line["label"]) for line in lines] == [
        ("product", "Article PLATE"),
        ("product", "Article BOWL"),
        ("custom", "Marketplace fee"),
    ]
    assert shop.standin.ledger().mails == ()


def test_vat_is_within_the_gross_amounts_at_the_rates_of_the_products(
    shop: ContractShopware, adapter: ShopwareAdapter
) -> None:
    created(adapter, order())
    [row] = shop.standin.orders_named("A-1")
    assert row["price"]["taxStatus"] == "gross"
    # 49.80 at 20 % and 10.55 at 5.5 %; of the shipping 4.04 and 0.86 in proportion
    assert row["price"]["calculatedTaxes"] == [
        {"tax": 0.59, "taxRate": 5.5, "price": 11.41},
        {"tax": 8.97, "taxRate": 20, "price": 53.84},
    ]
    assert row["price"]["netPrice"] == 55.69
    assert row["price"]["positionPrice"] == 60.35
    assert row["shippingCosts"]["taxRules"] == [
        {"taxRate": 5.5, "percentage": 17.551},
        {"taxRate": 20, "percentage": 82.449},
    ]


@pytest.mark.parametrize(
    ("taxes", "country", "rates"),
    [
        ("the shop's rates", "DE", [5.5, 20]),
        ("by country", "DE", [7, 19]),
        ("by country", "IT", [5.5, 22]),
        ("by postcode", "FR", [5.5, 8.5]),
        ("by postcode", "DE", [0, 5.5]),
    ],
)
def test_the_rate_is_that_of_the_address(shop: ContractShopware, taxes: str, country: str, rates: list[float]) -> None:
    shop.set_taxes(taxes)
    adapter = shop.adapter()
    created(adapter, order(country=country))
    [row] = shop.standin.orders_named("A-1")
    assert [one["taxRate"] for one in row["price"]["calculatedTaxes"]] == rates
    adapter.close()


def test_of_several_rules_the_one_that_began_last_counts() -> None:
    rules = [Rule("entire_country", "fr", Decimal(rate), {}, f"20{rate}-01-01T00:00:00+00:00") for rate in (19, 25, 30)]
    tax = Tax(Decimal(20), tuple(rules))
    for today, rate in (("2018-12-31", 20), ("2019-01-01", 19), ("2026-11-24", 25), ("2030-01-01", 30)):
        assert tax.rate_at(Where("fr", today=today)) == rate
    assert tax.rate_at(Where("de", today="2026-11-24")) == 20


def test_orders_without_vat_where_the_settings_say_so(shop: ContractShopware) -> None:
    adapter = shop.adapter(taxes="exempt")
    created(adapter, order())
    [row] = shop.standin.orders_named("A-1")
    assert (row["price"]["taxStatus"], row["price"]["calculatedTaxes"]) == ("tax-free", [])
    assert row["price"]["netPrice"] == row["price"]["totalPrice"] == 65.25
    adapter.close()


def test_lines_that_keep_their_stock_are_no_product_lines(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    made = created(adapter, order(delivered_by_marketplace=True))
    lines = rows(shop, "order_line_item", orderId=made.id)
    assert {line["type"] for line in lines} == {"custom"}
    assert [line["payload"]["productNumber"] for line in lines] == ["PLATE", "BOWL"]
    [row] = shop.standin.orders_named("A-1")
    [delivery] = rows(shop, "order_delivery", orderId=made.id)
    assert (shop.standin.place(row), shop.standin.place(delivery)) == ("completed", "shipped")
    assert list(adapter.shipments_of(made.id)) == []


def test_what_the_marketplace_keeps_to_itself_is_filled_in_where_nothing_is_sent(
    shop: ContractShopware, adapter: ShopwareAdapter
) -> None:
    hidden = {"first_name": "", "last_name": "", "first_line": "", "zipcode": "", "city": ""}
    made = created(adapter, order("A-1", delivered_by_marketplace=True, **hidden))
    assert {(one["lastName"], one["street"], one["city"]) for one in rows(shop, "order_address", orderId=made.id)} == {
        ("-", "-", "-")
    }
    [outcome] = adapter.create_orders([order("A-2", **hidden)])
    assert isinstance(outcome, Rejected)
    assert outcome.field == "addresses.0.street"


def test_the_settings_choose_state_methods_and_mail(shop: ContractShopware) -> None:
    adapter = shop.adapter(order_state="in_progress", shipping_method="Colissimo", mail_buyer=True)
    made = created(adapter, order())
    [row] = shop.standin.orders_named("A-1")
    [delivery] = rows(shop, "order_delivery", orderId=made.id)
    [customer] = rows(shop, "order_customer", orderId=made.id)
    assert shop.standin.place(row) == "in_progress"
    assert delivery["shippingMethodId"] == shop.carrier
    assert customer["email"] == "zoe.martin@example.com"
    adapter.close()


def test_the_further_packages_of_an_order_have_numbers_of_their_own(
    shop: ContractShopware, adapter: ShopwareAdapter
) -> None:
    whole = order("P-1")
    packages = tuple(msgspec.structs.replace(whole.package, lines=(line,)) for line in whole.lines)
    sold = msgspec.structs.replace(whole.order, packages=packages)
    for number, package in enumerate(packages, 1):
        part = msgspec.structs.replace(whole, reference=f"P-{number}", order=sold, package=package, lines=package.lines)
        created(adapter, part)
    assert sorted(row["orderNumber"] for row in rows(shop, "order")) == ["M-P-1", "M-P-1-2"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"first_name": "Ana", "last_name": "Martin"}, ("Ana", "Martin")),
        ({"full_name": "Ana de la Cruz"}, ("Ana", "de la Cruz")),
        ({"last_name": "Martin"}, ("-", "Martin")),
        ({"company": "Ferme"}, ("-", "Ferme")),
        ({}, ("-", "-")),
    ],
)
def test_no_name_is_blank(given: dict[str, str], expected: tuple[str, str]) -> None:
    assert names(Address(**given)) == expected


def test_a_salutation_that_was_deleted_is_replaced(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    data = shop.standin.data
    wanted = data.one("salutation", salutationKey="not_specified")["id"]
    del data.tables["salutation"][data.one("salutation", salutationKey="mrs")["id"]]
    made = created(adapter, order(civility="Mme"))
    assert {one["salutationId"] for one in rows(shop, "order_address", orderId=made.id)} == {wanted}


def test_long_names_are_cut_and_long_streets_go_on(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    street = "rue " * 100
    made = created(
        adapter, order(first_name="A" * 60, first_line=street.strip(), second_line="étage 3", civility="Mme")
    )
    [row] = shop.standin.orders_named("A-1")
    [address] = [one for one in rows(shop, "order_address", orderId=made.id) if one["id"] == id_of("A-1", "shipping")]
    assert address["firstName"] == "A" * 50
    assert row["customFields"]["lengow_shortened"] == "shipping.firstName, billing.firstName"
    kept = " ".join([address["street"], address["additionalAddressLine1"], address["additionalAddressLine2"]])
    assert kept == f"{street.strip()} étage 3"
    salutations = shop.standin.data.tables["salutation"]
    assert salutations[address["salutationId"]]["salutationKey"] == "mrs"


def test_nothing_is_lost_to_what_looks_like_a_tag(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    sold = order(first_line="Bâtiment <3 rue A>", last_name="Martin <b")
    titled = msgspec.structs.replace(sold.lines[0], title="Vis <5 mm, lot de 10")
    made = created(adapter, msgspec.structs.replace(sold, lines=(titled, *sold.lines[1:])))
    [address] = [one for one in rows(shop, "order_address", orderId=made.id) if one["id"] == id_of("A-1", "shipping")]
    assert (address["street"], address["lastName"]) == ("Bâtiment ‹3 rue A›", "Martin ‹b")
    assert shop.standin.data.one("order_line_item", orderId=made.id, position=1)["label"] == "Vis ‹5 mm, lot de 10"


# Products


@pytest.mark.parametrize("how", ["number", "ean", "id", "parent and variant"])
def test_a_product_is_meant_by_number_ean_or_id(shop: ContractShopware, adapter: ShopwareAdapter, how: str) -> None:
    bowl = shop.standin.data.one("product", productNumber="BOWL")["id"]
    shirt = shop.standin.data.one("product", productNumber="SHIRT-M")
    reference, meant = {
        "number": ("BOWL", bowl),
        "ean": ("3700000000017", bowl),
        "id": (bowl, bowl),
        "parent and variant": (f"{shirt['parentId']}_{shirt['id']}", shirt["id"]),
    }[how]
    assert adapter.find_products([reference])[reference].shop_product_id == meant


def test_the_ean_of_a_parent_means_its_only_variant_and_its_number_means_no_one(
    shop: ContractShopware, adapter: ShopwareAdapter
) -> None:
    found = adapter.find_products(["3700000000024"])
    assert found["3700000000024"].shop_product_id == shop.standin.data.one("product", productNumber="SHIRT-M")["id"]
    [outcome] = adapter.create_orders([new_order("A-1", [("SHIRT", 1, "5.00")])])
    assert isinstance(outcome, Rejected)
    assert "has variants" in outcome.reason


def test_a_number_that_differs_in_case_only_is_another(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    small = shop.standin.add_product("plate")
    assert adapter.find_products(["plate"])["plate"].shop_product_id == small
    assert adapter.find_products(["PLATE"])["PLATE"].shop_product_id != small
    assert adapter.find_products(["Plate"])["Plate"].also, "neither is meant"


def test_an_unknown_product_becomes_a_free_line_where_asked_for(shop: ContractShopware) -> None:
    adapter = shop.adapter(unknown_products="import")
    made = created(adapter, new_order("A-1", [("NOPE", 1, "12.00")]))
    [line] = rows(shop, "order_line_item", orderId=made.id)
    assert (line["type"], line["payload"]["productNumber"]) == ("custom", "NOPE")
    assert line["price"]["calculatedTaxes"] == [{"tax": 2, "taxRate": 20, "price": 12}]
    adapter.close()


# Exactly once


def test_what_the_merchant_changed_is_not_overwritten(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    created(adapter, order())
    shop.standin.change("order_address", id_of("A-1", "shipping"), city="Grenoble")
    before = syncs(shop)
    created(adapter, order())
    assert syncs(shop) == before
    [held] = shop.orders("A-1")
    assert held.delivery_city == "Grenoble"


def test_an_order_that_another_attempt_wrote_meanwhile_is_created(
    shop: ContractShopware, adapter: ShopwareAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    created(adapter, order())
    monkeypatch.setattr("lengow.adapters.shopware.reading.Orders.held", lambda *_: set())
    outcomes = outcomes_of(adapter, [order(), order("A-2")])
    assert {type(one) for one in outcomes.values()} == {Created}
    assert len(shop.orders("A-1")) == len(shop.orders("A-2")) == 1
    assert shop.stock("PLATE") == 500 - 2 * 2


def test_a_worker_that_dies_before_the_stock_is_altered_leaves_a_whole_order(
    shop: ContractShopware, adapter: ShopwareAdapter
) -> None:
    """A limit, told of in the docs: Shopware alters the stock after the commit, and does not say whether it did."""
    shop.standin.fail("killed", stage="committed")
    [outcome] = adapter.create_orders([order()])
    assert isinstance(outcome, Unknown)
    assert adapter.find_order("A-1") is not None
    [held] = shop.orders("A-1")
    assert held.total == Decimal("65.25")
    assert shop.stock("PLATE") == 500


def test_a_token_that_ended_is_renewed(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    created(adapter, order())
    shop.pass_time(700)
    created(adapter, order("A-2"))
    shop.standin.access.end_tokens()
    created(adapter, order("A-3"))
    assert shop.standin.server.requests["POST /api/oauth/token"] == 3


@pytest.mark.parametrize("entity", ["currency", "sales_channel"])
def test_an_order_that_went_elsewhere_is_removed(shop: ContractShopware, adapter: ShopwareAdapter, entity: str) -> None:
    created(adapter, order())
    writer = shop.standin._rest._writer
    commit = writer.commit
    field = {"currency": "currencyId", "sales_channel": "salesChannelId"}[entity]

    def tampered(commands: Any, killed_at: str = "") -> Any:
        done = commit(commands, killed_at)
        shop.standin.data.tables["order"][id_of("A-2")][field] = "f" * 32
        return done

    writer.commit = tampered  # type: ignore[method-assign]
    [outcome] = adapter.create_orders([order("A-2")])
    assert isinstance(outcome, Rejected)
    assert outcome.field == f"order.{field}"
    assert shop.orders("A-2") == []


def test_an_order_that_a_plugin_changed_is_removed_and_fails(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    writer = shop.standin._rest._writer
    commit = writer.commit

    def tampered(commands: Any, killed_at: str = "") -> Any:
        for command in commands:
            if command.entity == "order" and command.is_new and command.id == id_of("A-2"):
                command.values["price"]["totalPrice"] = 1
        return commit(commands, killed_at)

    writer.commit = tampered  # type: ignore[method-assign]
    outcomes = outcomes_of(adapter, [order(), order("A-2")])
    assert isinstance(outcomes["A-1"], Created)
    failed = outcomes["A-2"]
    assert isinstance(failed, Rejected)
    assert (failed.field, failed.retry) == ("price", False)
    assert "sold for 65.25, and the shop holds 1" in failed.reason
    assert shop.orders("A-2") == []
    assert shop.stock("PLATE") == 498


def test_an_order_that_cannot_be_read_back_is_unknown(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    created(adapter, order())  # the look-ups are made
    shop.standin.fail("error_500", path="/search/order", after=1)
    [outcome] = adapter.create_orders([order("A-2")])
    assert isinstance(outcome, Unknown)
    assert adapter.find_order("A-2") is not None


# Batches


def test_the_steady_state_costs_less_than_a_request_an_order(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    """Issue 4: at most one. A batch: products (for a minute), which are there already, write, read back."""
    created(adapter, order("W-1"))
    before = sum(shop.standin.ledger().requests.values())
    size = adapter.capabilities.batch_size
    for start in range(0, 100, size):
        batch = [
            new_order(f"S-{number}", [("PLATE", 1, "5.00"), ("BOWL", 1, "7.00")])
            for number in range(start, start + size)
        ]
        assert {type(one) for one in adapter.create_orders(batch)} == {Created}
    cost = (sum(shop.standin.ledger().requests.values()) - before) / 100
    print(f"shopware: {cost:.2f} requests an order in batches of {size}")  # noqa: T201
    assert cost <= 0.2


def test_several_bad_orders_fail_alone_and_each_with_its_own_words(
    shop: ContractShopware, adapter: ShopwareAdapter
) -> None:
    bad = {3: {"city": ""}, 7: {"zipcode": "9" * 256}}
    orders = [order(f"D-{number}", **bad.get(number, {})) for number in range(10)]
    outcomes = outcomes_of(adapter, orders)
    for reference, outcome in outcomes.items():
        assert isinstance(outcome, Rejected if reference in ("D-3", "D-7") else Created), outcome
    blank, long = outcomes["D-3"], outcomes["D-7"]
    assert isinstance(blank, Rejected)
    assert isinstance(long, Rejected)
    assert (blank.field, long.field) == ("addresses.0.city", "addresses.0.zipcode")
    assert "addresses.0.city: This value should not be blank." in blank.reason
    assert "255 characters or less" in long.reason
    assert syncs(shop) == 2


def test_a_refusal_that_names_no_row_is_narrowed_down(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    """A product that was deleted since it was looked up breaks a foreign key: 500, and nothing is written."""
    lines = [[("PLATE", 1, "5.00")], [("CUP-1", 1, "5.00")]]
    created(adapter, new_order("W-1", lines[1]))
    gone = shop.standin.data.one("product", productNumber="CUP-1")["id"]
    del shop.standin.data.tables["product"][gone]
    orders = [new_order(f"D-{number}", lines[number == 2]) for number in range(6)]
    outcomes = outcomes_of(adapter, orders)
    failed = outcomes.pop("D-2")
    assert isinstance(failed, Rejected)
    assert failed.retry
    assert "1452" in failed.reason
    assert {type(one) for one in outcomes.values()} == {Created}
    [again] = adapter.create_orders([orders[2]])
    assert isinstance(again, Rejected)
    assert again.field == "sku", "it is looked up anew"


@pytest.mark.parametrize("effect", [False, True])
def test_a_failure_over_a_batch_is_tried_order_by_order(
    shop: ContractShopware, adapter: ShopwareAdapter, effect: bool
) -> None:
    shop.standin.fail("error_500", effect=effect)
    outcomes = outcomes_of(adapter, [order(f"D-{number}") for number in range(4)])
    assert {type(one) for one in outcomes.values()} == {Created}
    assert [len(shop.orders(reference)) for reference in outcomes] == [1] * 4
    assert shop.stock("PLATE") == 500 - 4 * 2


def test_an_order_over_which_the_shop_fails_does_not_hold_up_the_others(
    shop: ContractShopware, adapter: ShopwareAdapter
) -> None:
    writer = shop.standin._rest._writer
    commit = writer.commit

    def failing(commands: Any, killed_at: str = "") -> Any:
        if id_of("D-1") in [command.id for command in commands]:
            from lengow.sandbox.shops.shopware.writing import BrokenQuery

            raise BrokenQuery("Call to a member function on null")
        return commit(commands, killed_at)

    writer.commit = failing  # type: ignore[method-assign]
    outcomes = outcomes_of(adapter, [order(f"D-{number}") for number in range(3)])
    assert [type(outcomes[f"D-{number}"]) for number in range(3)] == [Created, Unknown, Created]


# Refusals

REFUSALS: list[tuple[int, str, str, str, bool, str]] = [
    # status, code, pointer, then: field, whether trying again helps, words of what to do
    (400, BLANK, "/orders/0/orderCustomer/email", "orderCustomer.email", False, "named field"),
    (400, LENGTH, "/0/addresses/1/street", "addresses.1.street", False, "named field"),
    (400, "VIOLATION::SOME_PLUGIN", "", "", False, "may have its own rules"),
    (400, "CONTENT__PRODUCT_LINE_ITEM_INCONSISTENT", "/orders/0/lineItems/0", "lineItems.0", False, "Report it"),
    (403, "FRAMEWORK__MISSING_PRIVILEGE_ERROR", "", "access_key", True, "Give the integration's role the named rights"),
    (401, "9", "", "access_key", True, "access_key"),
    (412, "FRAMEWORK__LANGUAGE_NOT_FOUND", "", "sales_channel", True, "language"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "code", "pointer", "field", "retry", "words"), REFUSALS, ids=lambda one: str(one)[:40]
)
def test_a_refusal_tells_the_shops_words_the_field_and_what_to_do(
    shop: ContractShopware,
    adapter: ShopwareAdapter,
    status: int,
    code: str,
    pointer: str,
    field: str,
    retry: bool,
    words: str,
) -> None:
    said = {**violation(pointer, code, "The shop's own words"), "status": str(status)}
    shop.standin.fail("answer", answer=Answer.json({"errors": [said]}, status), times=2)
    [outcome] = adapter.create_orders([order()])
    assert isinstance(outcome, Rejected)
    assert "The shop's own words" in outcome.reason
    assert words in outcome.reason
    assert (outcome.field, outcome.retry) == (field, retry)
    assert shop.orders("A-1") == []


def test_every_remedy_says_what_to_do() -> None:
    assert all(remedy.what_to_do.endswith(".") for remedy in REMEDIES.values())


def test_a_firewalls_page_is_no_word_of_the_shop(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    shop.standin.fail("answer", answer=Answer(403, b"<h1>Forbidden</h1>", {"Content-Type": "text/html"}))
    [outcome] = adapter.create_orders([order()])
    assert isinstance(outcome, Rejected)
    assert (outcome.field, outcome.retry) == ("url", True)
    assert "firewall" in outcome.reason


def test_an_address_without_the_api_is_told_so(shop: ContractShopware) -> None:
    adapter = shop.adapter(url=f"{shop.standin.url}/shop")
    [outcome] = adapter.create_orders([order()])
    assert isinstance(outcome, Rejected)
    assert "check `url`" in outcome.reason
    adapter.close()


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_is_not_followed_with_the_buyers_data(
    shop: ContractShopware, adapter: ShopwareAdapter, status: int
) -> None:
    shop.standin.fail("answer", answer=Answer(status, b"", {"Location": "http://127.0.0.1:9/"}))
    [outcome] = adapter.create_orders([order()])
    assert isinstance(outcome, Unknown)


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"currency": "XTS"}, "currency", "it has EUR, GBP"),
        ({"country": "ZZ"}, "shipping.country", "no country 'ZZ'"),
        ({"shipping": Decimal("0.001")}, "price", "has more"),
        ({"shipping": Decimal(-1)}, "price", "not one to sell at"),
        ({"shipping": Decimal("NaN")}, "price", "not one to sell at"),
        ({"lines": ()}, "lineItems", "no lines"),
        ({"quantity": 0}, "lineItems.quantity", "not at least 1"),
        ({"address": None}, "addresses", "no address"),
    ],
)
def test_what_shopware_would_take_wrongly_is_refused_before(
    shop: ContractShopware, adapter: ShopwareAdapter, changed: dict[str, Any], field: str, words: str
) -> None:
    sold = order(**{key: value for key, value in changed.items() if key in ("currency", "country")})
    replace = msgspec.structs.replace
    if "shipping" in changed or "lines" in changed:
        sold = replace(sold, **changed)
    if "quantity" in changed:
        sold = replace(sold, lines=(replace(sold.lines[0], quantity=0),))
    if "address" in changed:
        sold = replace(sold, order=replace(sold.order, billing=None), package=replace(sold.package, delivery=None))
    [outcome] = adapter.create_orders([sold])
    assert isinstance(outcome, Rejected)
    assert (outcome.field, outcome.retry) == (field, False)
    assert words in outcome.reason
    assert syncs(shop) == 0


@pytest.mark.parametrize("key", ["sales_channel", "payment_method", "shipping_method"])
def test_a_setting_that_names_nothing_is_told_with_what_there_is(shop: ContractShopware, key: str) -> None:
    adapter = shop.adapter(**{key: "Nowhere"})
    [outcome] = adapter.create_orders([order()])
    assert isinstance(outcome, Rejected)
    assert (outcome.field, outcome.retry) == (key, True)
    assert "Marketplace" in outcome.reason
    adapter.close()


def test_a_wrong_secret_is_told_and_not_tried_again_at_once(shop: ContractShopware) -> None:
    """Ten wrong tries close the token route for every integration."""
    adapter = shop.adapter(secret_key="wrong")
    for _ in range(20):
        [outcome] = adapter.create_orders([order()])
        assert isinstance(outcome, Rejected)
        assert (outcome.field, outcome.retry) == ("access_key", True)
    assert shop.standin.server.requests["POST /api/oauth/token"] == 1
    adapter.close()


def test_a_shop_that_goes_down_before_the_write_did_nothing(shop: ContractShopware, adapter: ShopwareAdapter) -> None:
    shop.standin.fail("lost_before", path="/search/order")
    with pytest.raises(ShopUnavailable):
        adapter.create_orders([order()])
    assert shop.orders("A-1") == []


# Amounts

amounts = st.integers(0, 10**7).map(lambda cents: Decimal(cents) / 100)
shares = st.lists(
    st.builds(Share, st.sampled_from([Decimal(0), Decimal("5.5"), Decimal(20)]), amounts), min_size=1, max_size=6
)


@settings(max_examples=200, deadline=None)
@given(amounts, shares)
def test_an_amount_is_spread_whole(gross: Decimal, over: list[Share]) -> None:
    parts = spread(gross, over, CENT)
    assert sum(one.gross for one in parts) == gross
    assert {one.rate for one in parts} <= {one.rate for one in over}


@settings(max_examples=200, deadline=None)
@given(shares, st.integers(1, 20))
def test_taxes_of_the_whole_are_the_sum_of_the_parts(over: list[Share], quantity: int) -> None:
    total = sum((one.gross for one in over), Decimal(0))
    price = calculated(total, quantity, over, CENT)
    assert price["totalPrice"] == total
    assert sum(one["tax"] for one in price["calculatedTaxes"]) == sum(tax_within(one, CENT) for one in over)
    assert sum(one["price"] for one in calculated_taxes(over, CENT)) == total
    assert abs(sum(one["percentage"] for one in price["taxRules"]) - 100) < Decimal("0.001")
