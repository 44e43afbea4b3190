"""The Magento adapter keeps the contract."""

from collections.abc import Iterator
from typing import ClassVar

import pytest
from magento_shop import SECRETS, ContractMagento

from lengow.adapters.contract import AdapterContract
from lengow.adapters.magento import MagentoAdapter


@pytest.fixture
def shop() -> Iterator[ContractMagento]:
    shop = ContractMagento()
    yield shop
    shop.close()


@pytest.fixture
def adapter(shop: ContractMagento) -> Iterator[MagentoAdapter]:
    adapter = shop.adapter()
    yield adapter
    adapter.close()


class TestMagentoContract(AdapterContract):
    secrets: ClassVar = SECRETS
    keeps_tracking_urls: ClassVar = False
