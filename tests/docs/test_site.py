"""The documentation site builds without a warning, and asks nothing of the net."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OUTSIDE = re.compile(r"""(?:\bsrc=|<link[^>]+href=|@import\s|\burl\()["']?((?:https?:)?//[^"'\s)>]+)""")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it: a link or anchor that leads nowhere, a page that no menu has, or an object of
    the reference that the code does not have, ends the build."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert built.returncode == 0, built.stderr
    return folder


def test_every_page_is_built(site: Path) -> None:
    pages = [page.relative_to(ROOT / "docs").with_suffix(".html") for page in (ROOT / "docs").rglob("*.md")]
    assert [str(page) for page in pages if not (site / page).exists()] == []


def test_a_reader_asks_nothing_of_another_server(site: Path) -> None:
    files = [file for kind in ("*.html", "*.css") for file in site.rglob(kind)]
    asked = {link for file in files for link in OUTSIDE.findall(file.read_text(encoding="utf-8"))}
    assert len(files) > 20
    assert asked == set()


@pytest.mark.parametrize(
    ("page", "name"),
    [
        ("connector", "lengow.connector.Connector.ship"),
        ("settings", "lengow.connector.Settings.load"),
        ("adapter", "lengow.connector.adapter.Adapter.create_orders"),
        ("errors", "lengow.connector.errors.SignatureError"),
        ("signals", "lengow.connector.signals.Signals.order_created"),
        ("contract", "lengow.adapters.contract.AdapterContract"),
        ("webhooks", "lengow.webhooks.blueprint"),
        ("feeds", "lengow.feeds.build"),
        ("invoices", "lengow.invoices.Invoices.preview"),
        ("console", "lengow.console.web.blueprint"),
        ("sandbox", "lengow.sandbox.Sandbox.advance"),
    ],
)
def test_the_reference_has_the_public_doors(site: Path, page: str, name: str) -> None:
    assert f'id="{name}"' in (site / "reference" / f"{page}.html").read_text(encoding="utf-8")
