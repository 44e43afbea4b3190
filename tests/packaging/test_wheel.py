"""What is installed: only `lengow` at top level, every package in it, and it runs from an empty environment."""

import configparser
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
        timeout=300,
    )
    assert [path.suffixes[-2:] for path in folder.glob("*.tar.gz")] == [[".tar", ".gz"]]
    [built] = folder.glob("*.whl")
    return built


@pytest.mark.timeout(400)
def test_only_lengow_is_at_top_level_and_every_package_is_in_it(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert top == {"lengow"}
    assert "lengow/__init__.py" not in names
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    for package in config["options"]["packages"].split():
        assert f"{package.replace('.', '/')}/__init__.py" in names
    assert "lengow/console/lengow.toml" in names
    assert "lengow/console/openapi.json" in names
    for file in ("templates/base.html", "static/console.css", "static/console.js", "translations/fr/console.po"):
        assert f"lengow/console/web/{file}" in names


def test_every_folder_of_python_is_a_declared_package() -> None:
    """A folder that is forgotten in setup.cfg would be missing in the wheel only."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    declared = set(config["options"]["packages"].split())
    for top in ("connector", "adapters", "webhooks", "feeds", "invoices", "console", "sandbox"):
        for file in (ROOT / top).rglob("__init__.py"):
            assert "lengow." + ".".join(file.parent.relative_to(ROOT).parts) in declared


@pytest.mark.timeout(400)
def test_it_runs_from_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True, timeout=120)
    python = tmp_path / "venv/bin/python"
    subprocess.run([python, "-m", "pip", "install", "-q", str(wheel)], check=True, capture_output=True, timeout=300)
    command = "from lengow.connector import Connector, Settings; import lengow.webhooks; print(Connector.__name__)"
    done = subprocess.run([python, "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "Connector\n"
    help_text = subprocess.run(
        [tmp_path / "venv/bin/lengow-connector", "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert "marketplace orders" in help_text.stdout
