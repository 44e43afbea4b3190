"""The WooCommerce adapter keeps the contract, on a shop of today and on an old one with legacy order storage."""

from collections.abc import Iterator
from typing import ClassVar

import pytest
from woocommerce_shop import HOOK, SECRETS, ContractWooCommerce

from lengow.adapters.contract import AdapterContract
from lengow.adapters.woocommerce import WooCommerceAdapter


@pytest.fixture
def shop() -> Iterator[ContractWooCommerce]:
    shop = ContractWooCommerce()
    yield shop
    shop.close()


@pytest.fixture
def adapter(shop: ContractWooCommerce) -> Iterator[WooCommerceAdapter]:
    adapter = shop.adapter()
    adapter.connect(HOOK)
    yield adapter
    adapter.close()


class TestWooCommerceContract(AdapterContract):
    secrets: ClassVar = SECRETS


class TestLegacyContract(AdapterContract):
    """WooCommerce 8.2.1 with orders as posts: no `created_via`, no search for transaction ids."""

    secrets: ClassVar = SECRETS

    @pytest.fixture
    def shop(self) -> Iterator[ContractWooCommerce]:
        shop = ContractWooCommerce(version="8.2.1", hpos=False)
        yield shop
        shop.close()
