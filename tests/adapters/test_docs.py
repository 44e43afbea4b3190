"""The adapter pages: their code runs, and they tell of every setting, reason and plugin that there is."""

import re
import subprocess
import sys
from pathlib import Path

import msgspec

from lengow.adapters.woocommerce import TrackingMeta, WooCommerceAdapter, WooCommerceSettings
from lengow.adapters.woocommerce.refusals import REMEDIES
from lengow.adapters.woocommerce.shipments import LINE_META, LIST_METAS, PLAIN_METAS
from lengow.connector.settings import Settings

PAGES = Path(__file__).parent.parent.parent / "docs" / "adapters"
BLOCK = re.compile(r"```python\n# (\w+\.py)\n(.*?)```", re.DOTALL)


def test_the_adapter_of_the_page_keeps_the_contract(tmp_path: Path) -> None:
    page = (PAGES / "write-an-adapter.md").read_text()
    blocks = dict(BLOCK.findall(page))
    assert set(blocks) == {"acme.py", "acme_standin.py", "test_acme.py"}
    for name, code in blocks.items():
        (tmp_path / name).write_text(code)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_acme.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    passed = re.search(r"(\d+) passed", ran.stdout)
    assert passed is not None
    assert int(passed.group(1)) >= 25, ran.stdout


def woocommerce() -> str:
    return (PAGES / "woocommerce.md").read_text()


def test_the_settings_of_the_page_can_be_loaded(tmp_path: Path) -> None:
    [block] = re.findall(r"```toml\n(.*?)```", woocommerce(), re.DOTALL)
    path = tmp_path / "lengow.toml"
    path.write_text(re.sub(r'"env:(\w+)"', r'"\1"', block))
    settings = Settings.load(path)
    assert settings.shops["b2c"].platform == WooCommerceAdapter.platform


def test_every_setting_is_told_of() -> None:
    for kind in (WooCommerceSettings, TrackingMeta):
        for field in msgspec.structs.fields(kind):
            assert f"`{field.encode_name}`" in woocommerce(), field.encode_name


def test_every_plugin_meta_is_told_of() -> None:
    for key in (LINE_META, *LIST_METAS, *(one.number for one in PLAIN_METAS)):
        assert f"`{key}`" in woocommerce(), key


def test_every_refusal_is_told_of() -> None:
    for code in REMEDIES:
        assert f"`{code}`" in woocommerce(), code


def test_the_reason_for_the_toggle_is_told_in_the_same_words() -> None:
    words = " ".join(woocommerce().replace("\n> ", " ").split())
    assert WooCommerceAdapter.capabilities.delivered_by_marketplace_reason in words
