"""The PrestaShop adapter keeps the contract, wherever in the making of an order the shop dies."""

from collections.abc import Iterator
from typing import ClassVar

import pytest
from prestashop_shop import SECRETS, ContractPrestaShop

from lengow.adapters.contract import AdapterContract
from lengow.adapters.prestashop import PrestaShopAdapter


@pytest.fixture
def shop() -> Iterator[ContractPrestaShop]:
    shop = ContractPrestaShop()
    yield shop
    shop.close()


@pytest.fixture
def adapter(shop: ContractPrestaShop) -> Iterator[PrestaShopAdapter]:
    adapter = shop.adapter()
    yield adapter
    adapter.close()


class TestPrestaShopContract(AdapterContract):
    secrets: ClassVar = SECRETS
