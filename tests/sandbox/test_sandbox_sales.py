"""What is sold: the same from the same seed, adding up, and with the letters of its countries."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lengow.sandbox import KINDS, Sandbox, SandboxError, catalogue
from lengow.sandbox.descriptions import descriptions
from lengow.sandbox.generator import Generator, apportion
from lengow.sandbox.rendering import order_json

NOW = datetime(2026, 9, 1, 8, tzinfo=UTC)


def rendered(sale, currency="EUR"):
    return order_json(sale, descriptions()[sale.marketplace], None, NOW, NOW, currency)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), kind=st.sampled_from([kind for kind in KINDS if kind != "no_rate"]))
def test_totals_add_up_exactly_in_both_currencies(seed, kind):
    [sale] = Generator(seed, 0).sales(1, 1, NOW, {kind: 1})
    for order, prefix in ((rendered(sale), ""), (rendered(sale), "original_"), (rendered(sale, sale.currency), "")):
        lines = [line for package in order["packages"] for line in package["cart"]]
        goods = sum(Decimal(line[f"{prefix}amount"]) for line in lines)
        extra = Decimal(str(order[f"{prefix}shipping"])) + Decimal(order[f"{prefix}processing_fee"] or 0)
        assert Decimal(str(order[f"{prefix}total_order"])) == goods + extra
        if sale.missing != "taxes":
            assert Decimal(order[f"{prefix}total_tax"]) == sum(Decimal(line[f"{prefix}tax"]) for line in lines)


def test_the_same_seed_sells_the_same():
    first, second = (Generator(7, 0).sales(1, 60, NOW) for _ in range(2))
    assert first == second
    assert Generator(8, 0).sales(1, 60, NOW) != first
    with Sandbox(seed=7) as one, Sandbox(seed=7) as other:
        assert one.add_account("main") == other.add_account("main")
        assert one.sell(4242, 9) == other.sell(4242, 9)


def test_orders_are_unique_over_kinds_and_accounts():
    sales = Generator(1, 0).sales(1, 500, NOW) + Generator(1, 1).sales(2, 500, NOW)
    assert len({sale.id for sale in sales}) == 1000
    assert len({line.id for sale in sales for line in sale.lines()}) == sum(len(list(s.lines())) for s in sales)


def test_kinds_are_exact_counts_or_weights():
    assert apportion(10, {"standard": 7, "fulfilment": 3}) == {"standard": 7, "fulfilment": 3}
    assert apportion(10, {"standard": 2, "fulfilment": 1}) == {"standard": 7, "fulfilment": 3}
    assert sum(apportion(7, dict.fromkeys(KINDS, 1)).values()) == 7
    with pytest.raises(SandboxError, match="fulfilled"):
        apportion(1, {"fulfilled": 1})
    counts = Counter(sale.kind for sale in Generator(1, 0).sales(1, 9, NOW, {"pending": 4, "relay": 5}))
    assert counts == {"pending": 4, "relay": 5}


def test_several_lines_and_packages():
    for sale in Generator(1, 0).sales(1, 40, NOW, {"multi_line": 20, "multi_package": 20}):
        if sale.kind == "multi_line":
            assert 2 <= len(sale.packages[0].lines) <= 6
        else:
            assert 2 <= len(sale.packages) <= 3


def test_only_the_given_skus_are_sold():
    sales = Generator(1, 0).sales(1, 30, NOW, skus=["HAMMER-1", "MY-SKU"])
    assert {line.product.sku for sale in sales for line in sale.lines()} == {"HAMMER-1", "MY-SKU"}
    assert "HAMMER-1" in {product.sku for product in catalogue()}


def test_each_field_that_may_be_missing_is_missing_somewhere():
    sales = Generator(1, 0).sales(1, 200, NOW, {"missing_fields": 200})
    orders = {sale.missing: rendered(sale) for sale in sales}
    assert orders["billing"]["billing_address"] is None
    assert orders["order_date"]["marketplace_order_date"] is None
    assert orders["trackings"]["packages"][0]["delivery"]["trackings"] == []
    assert orders["names"]["billing_address"]["last_name"] is None
    assert orders["names"]["billing_address"]["full_name"]
    assert orders["phones"]["packages"][0]["delivery"]["phone_mobile"] is None


def test_names_have_accents_apostrophes_and_hyphens():
    french = "".join(f"{sale.billing.last_name}{sale.billing.city}" for sale in Generator(1, 0).sales(1, 80, NOW))
    assert {"é", "'", "-"} <= set(french)
    spanish = Generator(1, 0).sales(1, 40, NOW, {"spanish": 1})
    assert "ñ" in "".join(f"{sale.billing.last_name}" for sale in spanish)
