"""The Shopware adapter keeps the contract."""

from collections.abc import Iterator
from typing import ClassVar

import pytest
from shopware_shop import SECRETS, ContractShopware

from lengow.adapters.contract import AdapterContract
from lengow.adapters.shopware import ShopwareAdapter


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


class TestShopwareContract(AdapterContract):
    secrets: ClassVar = SECRETS
