"""`python skewed.py SECONDS ARGUMENTS…`: lengow-connector on a machine whose clock is wrong by so much."""

import sys
import time
from datetime import UTC, datetime, timedelta

SKEW = timedelta(seconds=float(sys.argv.pop(1)))
real_time = time.time
time.time = lambda: real_time() + SKEW.total_seconds()

from lengow.connector.client.api import LengowClient  # noqa: E402
from lengow.console.cli import main  # noqa: E402

defaults = LengowClient.__init__.__kwdefaults__
assert defaults is not None
defaults["clock"] = lambda: datetime.now(UTC) + SKEW

main()
