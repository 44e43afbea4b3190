"""`lengow-connector demo`: five shops, one of each platform, from one marketplace; what it shows comes from the ledgers."""

import json
from typing import Any

import pytest
from click.testing import CliRunner

from lengow.console import cli, demo_shops

PLATFORMS = ["generic", "woocommerce", "prestashop", "magento", "shopware"]


@pytest.fixture(scope="module")
def result() -> Any:
    done = CliRunner().invoke(cli.cli, ["demo", "--orders", "100", "--json"])
    assert done.exception is None, done.output
    return json.loads(done.stdout)


def test_nothing_is_lost_or_doubled_in_any_shop(result: Any) -> None:
    assert list(result["shops"]) == PLATFORMS
    assert (result["lost"], result["doubled"], result["left_out"]) == (0, 0, {})
    for shop in result["shops"].values():
        assert (shop["lost"], shop["doubled"]) == (0, 0)
        assert shop["imported"] + sum(shop["skipped"].values()) + sum(shop["waiting"].values()) == shop["sold"] == 20


def test_while_the_toggle_is_off_what_the_marketplace_ships_is_skipped_with_a_reason(result: Any) -> None:
    for name, shop in result["shops"].items():
        reason = f"delivered_by_marketplace_{'unsupported' if name == 'woocommerce' else 'disabled'}"
        assert shop["skipped_with_toggle_off"] == {reason: shop["shipped_by_marketplace"]} == {reason: 4}


def test_switched_on_it_is_imported_and_woocommerce_refuses_the_toggle(result: Any) -> None:
    for name, shop in result["shops"].items():
        if name == "woocommerce":
            assert "WooCommerce has no place for orders that the marketplace ships" in shop["toggle_refused"]
            assert shop["imported_with_toggle_on"] == 0
            assert shop["skipped"]["delivered_by_marketplace_unsupported"] == 4
        else:
            assert (shop["imported_with_toggle_on"], shop["toggle_refused"]) == (4, "")


def test_every_parcel_is_confirmed_but_those_that_the_marketplace_would_refuse(result: Any) -> None:
    assert {shop["tells"] for shop in result["shops"].values()} == {"webhook", "polling"}
    for shop in result["shops"].values():
        assert set(shop["rejected"]) == {"argument_missing"}
        assert shop["confirmed"] == shop["shipped"] - shop["rejected"]["argument_missing"] > 0


def test_the_sums_are_those_of_the_shops(result: Any) -> None:
    for key in ("sold", "imported", "shipped", "confirmed"):
        assert result[key] == sum(shop[key] for shop in result["shops"].values()) > 0
    assert result["imported"] + sum(result["skipped"].values()) + sum(result["waiting"].values()) == 100


def test_a_shop_whose_extra_is_missing_is_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_shops, "NEEDED", {"woocommerce": "a_package_that_is_not_there"})
    done = CliRunner().invoke(cli.cli, ["demo", "--orders", "20"])
    assert done.exit_code == 0, done.output
    assert "woocommerce is left out: its extra is not installed" in done.stdout
    assert "pip install 'lengow-connector[woocommerce]'" in done.stdout
    assert "nothing lost, nothing doubled" in done.stdout
    assert "prestashop" in done.stdout
