"""How long a person waits for `--help`, and a host for the import."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 9


def measure_startup() -> dict[str, tuple[float, str]]:
    """Medians of whole processes, in milliseconds. The import is less what Python itself takes to start.

    Of modules that are compiled, as pip leaves them; an editable install may hold newer ones.
    """
    subprocess.run([sys.executable, "-m", "compileall", "-q", *_packages()], check=True)
    command = str(Path(sys.executable).parent / "lengow-connector")
    python = [sys.executable, "-c", "pass"]
    importing = [sys.executable, "-c", "import lengow.connector, sys; assert not {'flask', 'rich'} & set(sys.modules)"]
    return {
        "help_milliseconds": (_median([command, "--help"]), "≤ 200"),
        "import_milliseconds": (round(_median(importing) - _median(python), 1), "≤ 120"),
        "python_alone_milliseconds": (_median(python), "≥ 0"),
    }


def _packages() -> list[str]:
    root = Path(__file__).parent.parent
    return [str(one) for one in sorted(root.iterdir()) if (one / "py.typed").exists()]


def _median(command: list[str]) -> float:
    return round(statistics.median(_once(command) for _ in range(RUNS)) * 1000, 1)


def _once(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started
