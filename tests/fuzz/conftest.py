"""Tells at the end how many inputs were tried."""

from typing import Any

from hostile import TRIED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if TRIED:
        terminalreporter.write_line(f"fuzz: {sum(TRIED.values()):,} inputs")
        for name, count in sorted(TRIED.items()):
            terminalreporter.write_line(f"  {count:>8,}  {name}")
