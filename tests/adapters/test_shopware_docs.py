"""The page on Shopware tells of every setting, right and refusal, and its manifest of every webhook."""

import re
from pathlib import Path

import msgspec
from defusedxml.ElementTree import fromstring

from lengow.adapters.shopware import ShopwareAdapter, ShopwareSettings
from lengow.adapters.shopware.facts import EVENTS, PRIVILEGES
from lengow.adapters.shopware.refusals import REMEDIES
from lengow.adapters.shopware.registration import APP
from lengow.connector.settings import Settings

PAGE = (Path(__file__).parent.parent.parent / "docs" / "adapters" / "shopware.md").read_text()


def test_the_settings_of_the_page_can_be_loaded(tmp_path: Path) -> None:
    [block] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "lengow.toml"
    path.write_text(re.sub(r'"env:(\w+)"', r'"\1"', block))
    assert Settings.load(path).shops["b2c"].platform == ShopwareAdapter.platform


def test_every_setting_is_told_of() -> None:
    for field in msgspec.structs.fields(ShopwareSettings):
        assert f"`{field.encode_name}`" in PAGE, field.encode_name


def test_the_rights_of_the_page_are_those_that_are_needed() -> None:
    table = PAGE.partition("### The least rights")[2].partition("\n\n")[2].partition("\n\n")[0]
    told = {
        entity: tuple(rights.strip().split(", "))
        for names, rights in re.findall(r"^\| (`.*`) \| ([a-z, ]+) \|$", table, re.MULTILINE)
        for entity in re.findall(r"`(\w+)`", names)
    }
    assert told == dict(PRIVILEGES)


def test_every_refusal_is_told_of() -> None:
    for code in REMEDIES:
        assert f"`{code}`" in PAGE, code


def test_the_manifest_has_the_webhooks_that_are_read() -> None:
    [block] = re.findall(r"```xml\n(.*?)```", PAGE, re.DOTALL)
    manifest = fromstring(block.strip())
    assert manifest.findtext("meta/name") == APP
    assert {hook.get("event") for hook in manifest.iter("webhook")} == set(EVENTS)
