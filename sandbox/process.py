"""The sandbox in a process of its own, for benchmarks and for tests that kill things."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from lengow.sandbox.control import SandboxControl
from lengow.sandbox.errors import SandboxError


@contextmanager
def start_process(
    port: int = 0,
    quota_per_minute: int = 500,
    token_life_seconds: float = 3600,
    seed: int = 1,
    start: datetime | None = None,
) -> Iterator[SandboxControl]:
    """Runs `python -m lengow.sandbox` until the block ends (or this process does), and gives its controls."""
    options = [f"--port={port}", f"--quota={quota_per_minute}", f"--token-life={token_life_seconds}", f"--seed={seed}"]
    if start is not None:
        options.append(f"--start={start.isoformat()}")
    command = [sys.executable, "-m", "lengow.sandbox", "--accounts=0", "--until-stdin-closes", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            if not url:
                raise SandboxError(f"the sandbox did not start: {' '.join(command)}")
            with SandboxControl(url) as control:
                yield control
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
