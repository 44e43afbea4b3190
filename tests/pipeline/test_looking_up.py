"""Adapters are found by entry points, once."""

import importlib.metadata
from typing import Any

import pytest


def test_rounds_do_not_go_through_all_that_is_installed_again(merchant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    merchant.sells(2)
    merchant.sync()
    looked: list[str] = []
    real = importlib.metadata.entry_points

    def counted(*, group: str) -> Any:
        looked.append(group)
        return real(group=group)

    monkeypatch.setattr(importlib.metadata, "entry_points", counted)
    merchant.sells(2)
    merchant.sync()
    assert len(merchant.in_shop()) == 4
    assert looked == []
