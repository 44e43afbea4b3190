"""Setting a Shopware shop up: its settings, `check` and `connect`."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from shopware_shop import HOOK, ContractShopware

from lengow.adapters.contract import context_for, created, new_order
from lengow.adapters.shopware import ShopwareAdapter
from lengow.adapters.shopware.facts import PRIVILEGES
from lengow.connector.adapter import Finding
from lengow.connector.errors import ShopUnavailable

OWN = {"url": "https://shop.example.com", "access_key": "SWIA", "secret_key": "very secret", "sales_channel": "M"}
ALL = [f"{entity}:{right}" for entity, rights in PRIVILEGES.items() for right in rights]


@pytest.fixture
def shop() -> Iterator[ContractShopware]:
    shop = ContractShopware()
    yield shop
    shop.close()


def checked(shop: ContractShopware, **settings: Any) -> dict[str, Finding]:
    adapter = shop.adapter(**settings)
    try:
        return {one.what: one for one in adapter.check()}
    finally:
        adapter.close()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"url": "http://shop.example.com"}, "not https"),
        ({"url": "shop.example.com"}, "not the address of a shop"),
        ({"url": "https://a:b@shop.example.com"}, "holds a password"),
        ({"sales_channel": " "}, "sales_channel is empty"),
        ({"order_state": "completed"}, "Invalid enum value"),
        ({"taxes": "none"}, "Invalid enum value"),
        ({"sales_chanel": "M"}, "unknown field"),
    ],
)
def test_settings_that_cannot_be_meant(given: dict[str, Any], words: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=words):
        context_for(ShopwareAdapter, {**OWN, **given})


def test_errors_do_not_show_the_secret() -> None:
    context = context_for(ShopwareAdapter, {**OWN, "url": "https://127.0.0.1:9"})
    adapter = ShopwareAdapter(context)
    with pytest.raises(ShopUnavailable) as caught:
        adapter.find_order("R-1")
    assert "very secret" not in str(caught.value) + repr(context)
    adapter.close()


def test_a_shop_that_is_well_is_told_so(shop: ContractShopware) -> None:
    found = checked(shop)
    assert [one for one in found.values() if not one.ok] == []
    assert set(found) == {
        "reachable", "version", "clock", "credentials", "may read", "may write", "sales channel", "currencies", "states",
        "salutations", "taxes", "webhook",
    }  # fmt: skip
    assert "Not tried yet" in found["may write"].sentence


def test_the_documented_rights_are_enough_and_no_more_is_needed(shop: ContractShopware) -> None:
    shop.standin.limit(*ALL)
    adapter = shop.adapter()
    created(adapter, new_order("A-1", [("PLATE", 1, "5.00")]))
    assert [one for one in adapter.check() if not one.ok] == []
    adapter.close()


@pytest.mark.parametrize("right", [one for one in ALL if one.endswith(":read")])
def test_a_missing_right_to_read_is_named(shop: ContractShopware, right: str) -> None:
    shop.standin.limit(*(one for one in ALL if one != right))
    finding = checked(shop)["may read"]
    assert not finding.ok
    assert right in finding.sentence
    assert finding.what_to_do


def test_a_missing_right_to_write_is_named(shop: ContractShopware) -> None:
    adapter = shop.adapter()
    created(adapter, new_order("A-1", [("PLATE", 1, "5.00")]))
    shop.standin.limit(*(one for one in ALL if one != "order:update"))
    found = {one.what: one for one in adapter.check()}
    assert not found["may write"].ok
    assert "order:update" in found["may write"].sentence
    adapter.close()


def test_a_wrong_secret_is_told(shop: ContractShopware) -> None:
    finding = checked(shop, secret_key="wrong")["reachable"]
    assert not finding.ok
    assert "Client authentication failed" in finding.sentence
    assert "secret_key" in finding.what_to_do


def test_an_old_version_is_told() -> None:
    shop = ContractShopware(version="6.4.20.2")
    finding = checked(shop)["version"]
    assert (finding.ok, "6.4.20.2" in finding.sentence, bool(finding.what_to_do)) == (False, True, True)
    shop.close()


def test_a_clock_that_goes_wrong_is_told(shop: ContractShopware) -> None:
    from datetime import timedelta

    behind = shop.standin.clock.now
    adapter = ShopwareAdapter(
        msgspec.structs.replace(shop.adapter()._context, clock=lambda: behind() - timedelta(minutes=5))
    )
    finding = {one.what: one for one in adapter.check()}["clock"]
    assert not finding.ok
    assert "NTP" in finding.what_to_do
    adapter.close()


@pytest.mark.parametrize(
    ("settings", "what", "words"),
    [
        ({"sales_channel": "Nowhere"}, "settings", "there are 'Marketplace'"),
        ({"shipping_method": "Nowhere"}, "settings", "'Marketplace delivery'"),
        ({"webhook_url": "https://elsewhere.example/webhooks/main"}, "webhook", "No app sends"),
    ],
)
def test_settings_that_do_not_fit_the_shop(
    shop: ContractShopware, settings: dict[str, Any], what: str, words: str
) -> None:
    finding = checked(shop, **settings)[what]
    assert not finding.ok
    assert words in finding.sentence
    assert finding.what_to_do


def test_states_and_salutations_that_are_gone_are_told(shop: ContractShopware) -> None:
    data = shop.standin.data
    del data.tables["state_machine_state"][data.state("order_transaction.state", "paid")]
    data.tables["salutation"].clear()
    found = checked(shop)
    assert "order_transaction.state paid" in found["states"].sentence
    assert [found[one].ok for one in ("states", "salutations")] == [False, False]


def test_webhooks_that_were_ended_are_told_and_switched_on_again(shop: ContractShopware) -> None:
    for hook in shop.standin.data.rows("webhook"):
        hook["active"] = False
    finding = checked(shop)["webhook"]
    assert not finding.ok
    assert "shop connect main" in finding.what_to_do
    adapter = shop.adapter()
    [connected] = adapter.connect(HOOK)
    assert connected.ok
    assert "3 of them had been switched off" in connected.sentence
    assert all(hook["active"] for hook in shop.standin.data.rows("webhook"))
    adapter.close()


def test_polling_keeps_the_webhooks_up(shop: ContractShopware) -> None:
    adapter = shop.adapter(webhook_url=HOOK)
    for hook in shop.standin.data.rows("webhook"):
        hook["active"] = False
    adapter.shipments_since("")
    assert all(hook["active"] for hook in shop.standin.data.rows("webhook"))
    adapter.shipments_since("")
    assert shop.standin.server.requests["POST /api/search/webhook"] == 1, "looked at once an hour"
    adapter.close()


def test_a_webhook_of_no_app_is_not_taken_for_one(shop: ContractShopware) -> None:
    """It would not be signed."""
    for hook in shop.standin.data.rows("webhook"):
        hook["appId"] = None
    adapter = shop.adapter()
    [finding] = adapter.connect(HOOK)
    assert not finding.ok
    assert "Install the app" in finding.what_to_do
    adapter.close()


def test_no_webhook_without_a_secret(shop: ContractShopware) -> None:
    adapter = ShopwareAdapter(msgspec.structs.replace(shop.adapter()._context, webhook_secrets=()))
    assert [one.ok for one in adapter.connect(HOOK)] == [False]
    assert [one.ok for one in adapter.check() if one.what == "webhook"] == [False]
    adapter.close()
