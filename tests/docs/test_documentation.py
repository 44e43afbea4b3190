"""The docs name everything that there is, and their examples run."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click
import pytest
from blinker import Signal

from lengow.connector import Account, Settings, Shop, Store, errors
from lengow.connector.adapter import adapter_class
from lengow.connector.mail import Mail
from lengow.connector.reasons import REASONS
from lengow.connector.settings import SECTIONS, Digest, Metrics
from lengow.connector.signals import Signals
from lengow.console.cli import cli
from lengow.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(str(page.relative_to(ROOT)) for page in ROOT.glob("docs/**/*.md")), "README.md", "CONTRIBUTING.md"]
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _codes_raised() -> set[str]:
    """The codes given to ActionInvalid anywhere in the packages."""
    found = set()
    for file in [*(ROOT / "connector").rglob("*.py"), *(ROOT / "adapters").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ActionInvalid":
                found |= {one.value for one in node.args[:1] if isinstance(one, ast.Constant)}
    return found


@pytest.mark.parametrize("code", sorted({*REASONS, *_codes_raised()}))
def test_each_reason_code_is_explained(code: str) -> None:
    assert f"| `{code}` |" in _text("docs/reason-codes.md")


@pytest.mark.parametrize(
    "code",
    sorted(
        {one.code for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.LengowError)}
        - {"error"}
    ),
)
def test_each_error_code_is_explained(code: str) -> None:
    assert f"| `{code}` |" in _text("docs/reason-codes.md")


@pytest.mark.parametrize(
    "key",
    sorted(
        {*Account.__struct_fields__, *Store.__struct_fields__, *Shop.__struct_fields__} - {"options"}
        | {*Mail.__struct_fields__, *Digest.__struct_fields__, *Metrics.__struct_fields__}
        | set(adapter_class("generic").settings_type.__struct_fields__)
    ),
)
def test_each_setting_is_explained(key: str) -> None:
    assert f"`{key}`" in _text("docs/settings.md")


@pytest.mark.parametrize("name", [name for name, one in vars(Signals()).items() if isinstance(one, Signal)])
def test_each_signal_is_explained(name: str) -> None:
    assert f"| `{name}` |" in _text("docs/embedding.md")


def _commands(group: click.Group, path: str = "lengow-connector") -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}"


@pytest.mark.parametrize("command", list(_commands(cli)))
def test_each_command_is_explained(command: str) -> None:
    assert f"`{command}" in _text("docs/command-line.md")


PLATFORMS = [point.name for point in entry_points(group="lengow.adapters")]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_readme_says_what_each_platform_can(platform: str) -> None:
    [row] = [line for line in _text("README.md").splitlines() if line.startswith(f"| {platform} |")]
    able = adapter_class(platform).capabilities.imports_delivered_by_marketplace
    assert row.split("|")[2].strip() == ("toggle" if able else "no: refused with the reason")


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A folder with a lengow.toml that leads to a sandbox with one order of the README's number."""
    with Sandbox() as sandbox:
        account = sandbox.add_account("main")
        sandbox.sell_raw(account.account_id, {"marketplace_order_id": "M240900012345"})
        sandbox.advance(minutes=15)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("LENGOW_ACCESS_TOKEN", account.access_token)
        monkeypatch.setenv("LENGOW_SECRET", account.secret)
        template = _text("console/lengow.toml").replace("https://api.lengow.io", sandbox.url)
        (tmp_path / "lengow.toml").write_text(template, encoding="utf-8")
        yield sandbox


def test_the_readmes_python_runs(at_home: Any, tmp_path: Path) -> None:
    blocks = PYTHON.findall(_text("README.md"))
    assert len(blocks) == 2
    (tmp_path / "host.py").write_text("\n".join([*blocks, "connector.close()"]), encoding="utf-8")
    done = subprocess.run([sys.executable, "host.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "manomano_fr M240900012345 is order 1 of the shop\n"


@pytest.mark.parametrize("number", range(len(PYTHON.findall(_text("docs/embedding.md")))))
def test_the_embedding_examples_run(at_home: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    block = PYTHON.findall(_text("docs/embedding.md"))[number]
    (tmp_path / f"host_{number}.py").write_text(block, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    host = importlib.import_module(f"host_{number}")
    if hasattr(host, "create_app"):
        app = host.create_app()
        answer = app.test_client().post("/lengow/webhooks/b2c", json={})
        assert answer.status_code == 401
        app.extensions["lengow"].close()
    if "shop_shipments" in block:
        [told] = at_home.ledger().told
        assert (told.action_type, told.arguments["carrier_name"]) == ("ship", "Geodis")


def test_the_example_of_the_first_page_runs(at_home: Any) -> None:
    [block] = PYTHON.findall(_text("docs/index.md"))
    done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


SHOP: dict[str, Any] = {"account": "main", "platform": "generic"}


@pytest.mark.parametrize(
    ("page", "block"),
    [
        pytest.param(page, block, id=f"{page}-{number}")
        for page in PAGES
        for number, block in enumerate(re.findall(r"```toml\n(.*?)```", _text(page), re.DOTALL))
    ],
)
def test_the_settings_of_a_page_are_valid(page: str, block: str) -> None:
    document = tomllib.loads(re.sub(r'"env:\w+"', '"0123456789abcdef"', block))
    keys = {"access_token": "t", "secret": "s"}
    accounts = {name: {**keys, **one} for name, one in {"main": {}, **document.get("accounts", {})}.items()}
    shops = {name: {**SHOP, **one} for name, one in {"b2c": {}, **document.get("shops", {})}.items()}
    settings = Settings.from_dict({**document, "accounts": accounts, "shops": shops})
    assert set(settings.sections) == set(document) & set(SECTIONS)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)", _text(page)):
        if not target.startswith("http"):
            assert ((ROOT / page).parent / target).exists(), target
