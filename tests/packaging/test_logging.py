"""Facts in `extra` must not be called as what every log record has; logging would raise."""

import ast
import logging
from pathlib import Path

ROOT = Path(__file__).parents[2]
TAKEN = {*vars(logging.LogRecord("", 0, "", 0, "", None, None)), "message", "asctime"}


def test_no_fact_of_a_log_line_is_called_as_a_field_of_every_record() -> None:
    facts = []
    for package in ("connector", "adapters", "webhooks", "feeds", "console"):
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.keyword) and node.arg == "extra" and isinstance(node.value, ast.Dict):
                    facts += [(file.name, key.value) for key in node.value.keys if isinstance(key, ast.Constant)]
    assert len(facts) > 20
    assert [(name, key) for name, key in facts if key in TAKEN] == []
