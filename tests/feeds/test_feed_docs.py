"""docs/feeds.md names every setting, attribute and code, and its examples run."""

import importlib
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from lengow import feeds
from lengow.connector import Settings
from lengow.feeds import errors
from lengow.feeds.facts import FLAWS, FULFILMENT_ATTRIBUTES, OFFER
from lengow.feeds.filters import read_filter

PAGE = (Path(__file__).parents[2] / "docs" / "feeds.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
[TOML] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
[FILTERS] = re.findall(r"```\n(stock.*?)```", PAGE, re.DOTALL)
ACCOUNT = """
[accounts.main]
access_token = "t"
secret = "s"
[shops.b2c]
account = "main"
platform = "generic"
"""


@pytest.mark.parametrize("key", feeds.Feed.__struct_fields__)
def test_every_setting_is_told_of(key: str) -> None:
    assert f"| `{key}` |" in PAGE


@pytest.mark.parametrize("attribute", [one.name for one in (*OFFER, *FULFILMENT_ATTRIBUTES)])
def test_every_attribute_is_told_of(attribute: str) -> None:
    assert f"`{attribute}`" in PAGE


@pytest.mark.parametrize("code", FLAWS)
def test_every_flaw_is_told_of(code: str) -> None:
    assert f"`{code}`" in PAGE


@pytest.mark.parametrize("code", [errors.FeedRefused.code, errors.FeedCollapsed.code, errors.FeedUnreadable.code])
def test_every_refusal_is_told_of(code: str) -> None:
    assert f"| `{code}` |" in (Path(__file__).parents[2] / "docs" / "reason-codes.md").read_text(encoding="utf-8")


def test_the_settings_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEED_SECRET", "0123456789abcdef")
    given = feeds.read_feeds(Settings.from_dict(tomllib.loads(ACCOUNT + TOML)))
    assert list(given) == ["fulfilment", "standard"]


@pytest.mark.parametrize("text", FILTERS.strip().splitlines())
def test_the_filters_are_valid(text: str) -> None:
    read_filter(text, "")


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("FEED_SECRET", "0123456789abcdef")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "lengow.toml").write_text(ACCOUNT + TOML)
    for number, block in enumerate(PYTHON):
        (tmp_path / f"feed_host_{number}.py").write_text(block)
    importlib.import_module("feed_host_0")
    assert capsys.readouterr().out == "[('fulfilment', 0), ('standard', 1)]\n"
    app = importlib.import_module("feed_host_1").create_app()
    answer = app.test_client().get("/lengow/feeds/standard/0123456789abcdef/feed.csv", buffered=True)
    assert b"Acme Drill 18 V" in answer.data
