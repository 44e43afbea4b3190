"""The page of the PrestaShop adapter tells of every setting, right and refusal that there is."""

import re
from pathlib import Path

import msgspec

from lengow.adapters.prestashop import PrestaShopAdapter, PrestaShopSettings
from lengow.adapters.prestashop.health import NEEDED
from lengow.adapters.prestashop.refusals import DEATHS, REMEDIES
from lengow.connector.settings import Settings

PAGE = (Path(__file__).parent.parent.parent / "docs" / "adapters" / "prestashop.md").read_text()


def test_the_settings_of_the_page_can_be_loaded(tmp_path: Path) -> None:
    [block] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "lengow.toml"
    path.write_text(re.sub(r'"env:(\w+)"', r'"\1"', block))
    settings = Settings.load(path)
    assert settings.shops["b2c"].platform == PrestaShopAdapter.platform
    assert settings.shops["b2c"].import_orders_shipped_by_marketplaces


def test_every_setting_is_told_of() -> None:
    for field in msgspec.structs.fields(PrestaShopSettings):
        assert f"| `{field.encode_name}` |" in PAGE, field.encode_name


def test_the_rights_are_those_that_check_asks_for() -> None:
    assert dict(re.findall(r"^\| `(\w+)` \| ([A-Z ]+) \|$", PAGE, re.MULTILINE)) == NEEDED


def test_every_refusal_is_told_of() -> None:
    for code in REMEDIES:
        assert f"`{code}`" in PAGE, code
    for words in DEATHS:
        assert f"`{words}`" in PAGE, words
