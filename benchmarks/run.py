"""Figures beside their bars. `python benchmarks/run.py NAME… --json` runs some, without NAME all.

Each prints, last, {"name":…, "figures":{figure:{"value":…, "bar":…, "ok":true}}, "machine":…}. A bar is "≤ x" or "≥ x".
Ratios are of two runs in one process of this script; the sandbox runs in a process of its own.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import actions
import feed
import follow
import imports
import invoice
import platforms
import reconcile
import scale
import startup

import console
import webhooks

Figures = dict[str, tuple[float, str]]

BENCHMARKS: dict[str, Callable[[], Figures]] = {
    "import": imports.measure_import,
    "unchanged": imports.measure_unchanged,
    "memory": imports.measure_memory,
    "actions": actions.measure_actions,
    "platforms": platforms.measure_platforms,
    "woocommerce": platforms.measure_woocommerce,
    "requests": platforms.measure_requests,
    "cpu": platforms.measure_cpu,
    "feed": feed.measure_feed,
    "follow": follow.measure_follow,
    "invoice": invoice.measure_invoice,
    "reconcile": reconcile.measure_reconcile,
    "console": console.measure_console,
    "console_postgresql": console.measure_console_on_postgresql,
    "scale": scale.measure_scale,
    "startup": startup.measure_startup,
    "webhooks": webhooks.measure_webhooks,
}

PARTS = frozenset({"woocommerce", "requests", "cpu"})
"""Of `platforms`, by themselves."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--json", action="store_true", help="print only the JSON lines")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    ok = True
    for name in options.names or [name for name in BENCHMARKS if name not in PARTS]:
        figures = {
            figure: {"value": value, "bar": bar, "ok": meets(value, bar)}
            for figure, (value, bar) in BENCHMARKS[name]().items()
        }
        ok = ok and all(figure["ok"] for figure in figures.values())
        if not options.json:
            for figure, facts in figures.items():
                print(f"{name}: {figure}: {facts['value']} ({facts['bar']}) {'ok' if facts['ok'] else 'NOT MET'}")
        print(json.dumps({"name": name, "figures": figures, "machine": machine()}, ensure_ascii=False), flush=True)
    return 0 if ok else 1


def meets(value: float, bar: str) -> bool:
    sign, _, bound = bar.partition(" ")
    return value <= float(bound) if sign == "≤" else value >= float(bound)


def machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
