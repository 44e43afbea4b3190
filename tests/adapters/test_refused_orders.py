"""Every known refusal of every platform, through the whole connector: the order is not in the shop, and a person reads
the shop's own words, the field, and what to do. What can mend by itself is tried again."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from magento_shop import ContractMagento
from pipeline import connectors
from prestashop_shop import ContractPrestaShop
from shopware_shop import ContractShopware
from woocommerce_shop import ContractWooCommerce

from lengow.adapters.magento import refusals as magento
from lengow.adapters.magento.facts import DUPLICATE
from lengow.adapters.prestashop import refusals as prestashop
from lengow.adapters.shopware import refusals as shopware
from lengow.adapters.woocommerce import refusals as woocommerce
from lengow.sandbox import Sandbox
from lengow.sandbox.answers import Answer

WORDS = "The shop's own words"
SHOPS: Mapping[str, type[Any]] = {
    "woocommerce": ContractWooCommerce,
    "prestashop": ContractPrestaShop,
    "magento": ContractMagento,
    "shopware": ContractShopware,
}


def of_woocommerce(code: str) -> Answer:
    return Answer.json({"code": code, "message": WORDS, "data": {"status": 400}}, 400)


def of_prestashop(code: int) -> Answer:
    return Answer.json({"errors": [{"code": code, "message": WORDS}]}, 400)


def of_magento(words: str) -> Answer:
    return Answer.json({"message": f"{WORDS}: {words}."}, 400)


def of_shopware(code: str) -> Answer:
    return Answer.json({"errors": [{"status": "400", "code": code, "title": "Bad Request", "detail": WORDS}]}, 400)


REFUSALS = [
    *(("woocommerce", of_woocommerce(code), remedy) for code, remedy in woocommerce.REMEDIES.items()),
    *(("prestashop", of_prestashop(code), remedy) for code, remedy in prestashop.REMEDIES.items()),
    *(("magento", of_magento(words), remedy) for words, remedy in magento.REMEDIES.items() if words != DUPLICATE),
    *(("shopware", of_shopware(code), remedy) for code, remedy in shopware.REMEDIES.items()),
    *((name, of(unknown), other) for name, of, unknown, other in (
        ("woocommerce", of_woocommerce, "a_plugins_own_code", woocommerce.OTHERS),
        ("prestashop", of_prestashop, 4711, prestashop.OTHERS),
        ("magento", of_magento, "an extension's", magento.OTHERS),
        ("shopware", of_shopware, "AN_APPS_OWN_CODE", shopware.OTHERS),
    )),
]  # fmt: skip
"""Platform, answer to the order, remedy. Magento's duplicate number is none: the order is there already."""


@pytest.fixture
def shops() -> Iterator[dict[str, Any]]:
    made: dict[str, Any] = {}
    yield made
    for shop in made.values():
        shop.close()


@pytest.mark.parametrize("platform", SHOPS)
def test_a_refused_order_tells_words_field_and_what_to_do(
    sandbox: Sandbox, tmp_path: Path, shops: dict[str, Any], platform: str
) -> None:
    shop = shops[platform] = SHOPS[platform]()
    with connectors(sandbox, tmp_path, platform, shop.own(), shop.secrets) as make:
        connector = make()
        [account] = sandbox.accounts()
        for answer, remedy in [(answer, remedy) for name, answer, remedy in REFUSALS if name == platform]:
            [order_id] = sandbox.sell(account.account_id, 1, {"standard": 1}, skus=[shop.simple])
            sandbox.advance(minutes=15)
            shop.standin.fail("answer", answer=answer, times=None)
            connector.sync()
            shop.mend()
            stored = connector.order("main", "manomano_fr", order_id)
            state = "ready" if remedy.retry else "failed"
            assert (stored.order.state, stored.order.reason) == (state, "rejected_by_shop"), answer.body
            assert WORDS in stored.order.about
            assert remedy.what_to_do in stored.order.about
            assert remedy.retry or not remedy.field or stored.order.about.startswith(f"{remedy.field}: ")
            if remedy.retry:
                sandbox.cancel(order_id)
        assert shop.standin.ledger().orders == ()
