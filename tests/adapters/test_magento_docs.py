"""The page on Magento tells of every setting, right and refusal."""

import re
from pathlib import Path

import msgspec

from lengow.adapters.magento import MagentoAdapter, MagentoSettings
from lengow.adapters.magento.facts import READS, WRITES
from lengow.adapters.magento.refusals import REMEDIES
from lengow.connector.settings import Settings

PAGE = (Path(__file__).parent.parent.parent / "docs" / "adapters" / "magento.md").read_text()


def test_the_settings_of_the_page_can_be_loaded(tmp_path: Path) -> None:
    [block] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "lengow.toml"
    path.write_text(re.sub(r'"env:(\w+)"', r'"\1"', block))
    assert Settings.load(path).shops["b2c"].platform == MagentoAdapter.platform


def test_every_setting_is_told_of() -> None:
    for field in msgspec.structs.fields(MagentoSettings):
        assert f"`{field.encode_name}`" in PAGE, field.encode_name


def test_the_rights_are_those_that_check_asks_for() -> None:
    told = set(re.findall(r"`(Magento_\w+::\w+)`", PAGE))
    assert told == {*READS.values(), *WRITES.values()}


def test_every_refusal_is_told_of() -> None:
    for words in REMEDIES:
        assert f"`{words}`" in PAGE, words
