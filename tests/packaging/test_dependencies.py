"""Dependencies point one way (DESIGN §2)."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAY_IMPORT = {
    "connector": set(),
    "adapters": {"connector"},
    "webhooks": {"connector"},
    "feeds": {"connector"},
    "invoices": {"connector"},
    "sandbox": set(),
    "console": {"connector", "adapters", "webhooks", "sandbox", "feeds", "invoices"},
}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_is_below_it(package: str) -> None:
    for file in (ROOT / package).rglob("*.py"):
        for imported in _imports(file):
            parts = imported.split(".")
            if parts[0] == "lengow" and len(parts) > 1 and parts[1] != package:
                assert parts[1] in MAY_IMPORT[package], f"{file}: {imported}"


def _imports(file: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}.{name.name}" if node.module == "lengow" else node.module for name in node.names]
    return found
