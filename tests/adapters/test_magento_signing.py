"""Requests to Magento that are signed by OAuth 1.0a: what the stand-in verifies by hand, and what goes wrong."""

from collections.abc import Iterator
from typing import Any

import pytest
from magento_shop import ContractMagento

from lengow.adapters.contract import created, new_order
from lengow.adapters.magento import MagentoSettings
from lengow.connector.adapter import Cancel, Rejected, Updated
from lengow.connector.secret import Secret
from lengow.sandbox.shops.magento.shop import INTEGRATION

KEYS = {
    "consumer_key": INTEGRATION.consumer_key,
    "consumer_secret": INTEGRATION.consumer_secret,
    "access_token_secret": INTEGRATION.token_secret,
}


@pytest.fixture
def shop() -> Iterator[ContractMagento]:
    shop = ContractMagento()
    shop.standin.access.bearer_enabled = False
    yield shop
    shop.close()


@pytest.mark.parametrize("sku", ["PLATE", "A,B c&d=e#f", "50% é/~_-.'(x)*!", '"+%2B'])
def test_a_shop_that_takes_no_bearer_is_served_by_signed_requests(shop: ContractMagento, sku: str) -> None:
    if sku not in shop.standin.data.products:
        shop.standin.add_product(sku, 500)
    adapter = shop.adapter(**KEYS)
    made = created(adapter, new_order("A-1", [(sku, 1, "5.00")]))
    assert shop.stock(sku) == 499
    assert adapter.find_order("A-1") == made
    assert adapter.shipments_since("").events == ()
    assert [one for one in adapter.check() if not one.ok] == []
    assert adapter.update_order(made, Cancel()) == Updated("A-1")
    adapter.close()


@pytest.mark.parametrize("wrong", ["consumer_secret", "access_token_secret"])
def test_a_wrong_secret_is_told_with_what_to_do(shop: ContractMagento, wrong: str) -> None:
    adapter = shop.adapter(**{**KEYS, wrong: "x" * 32})
    [outcome] = adapter.create_orders([new_order("A-1", [("PLATE", 1, "5.00")])])
    assert isinstance(outcome, Rejected)
    assert "The signature is invalid" in outcome.reason
    assert "`consumer_secret`" in outcome.reason
    assert outcome.retry
    assert "x" * 32 not in outcome.reason
    adapter.close()


def test_a_bearer_that_the_shop_does_not_take_is_told_with_both_ways_out(shop: ContractMagento) -> None:
    adapter = shop.adapter()
    [outcome] = adapter.create_orders([new_order("A-1", [("PLATE", 1, "5.00")])])
    assert isinstance(outcome, Rejected)
    assert "sign requests or allow tokens as bearer" in outcome.reason
    adapter.close()


def test_a_key_that_is_missing_is_named() -> None:
    own: dict[str, Any] = {"url": "https://shop.example.com", "access_token": Secret("t"), "consumer_key": Secret("k")}
    with pytest.raises(ValueError, match="missing: access_token_secret, consumer_secret"):
        MagentoSettings(**own)


def test_signing_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lengow.adapters.magento.settings.find_spec", lambda _: None)
    own: dict[str, Any] = {"url": "https://shop.example.com", "access_token": Secret("t")}
    with pytest.raises(ValueError, match=r"pip install 'lengow-connector\[magento\]'"):
        MagentoSettings(**own, **{name: Secret("x") for name in KEYS})
