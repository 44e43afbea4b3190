"""`python -m lengow.sandbox`: a Lengow to try things against, for a person."""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from lengow.sandbox.errors import SandboxError
from lengow.sandbox.sandbox import Sandbox


def main(argv: Sequence[str] | None = None) -> int:
    """Serves until it is interrupted. The first line it prints is its URL; then the keys of its accounts."""
    options = _parser().parse_args(argv)
    # What is sold is collected before the first call: so the clock starts a collection earlier.
    start = options.start or datetime.now(UTC) - timedelta(minutes=15 if options.sell else 0)
    sandbox = Sandbox(options.port, options.quota, options.token_life, options.seed, start)
    try:
        sandbox.start()
    except OSError as error:
        print(f"cannot listen on port {options.port}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    if options.until_stdin_closes:
        threading.Thread(target=_wait_for_stdin, args=(stop,), daemon=True).start()
    try:
        _open_accounts(sandbox, options.accounts, options.sell)
        stop.wait()
    except SandboxError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    finally:
        sandbox.close()
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


def _open_accounts(sandbox: Sandbox, count: int, orders: int) -> None:
    lines = [sandbox.url]
    for number in range(1, count + 1):
        account = sandbox.add_account("main" if number == 1 else f"account-{number}")
        if orders:
            sandbox.sell(account.account_id, orders)
        lines.append(f"account {account.name}: account_id={account.account_id}")
        lines.append(f"  access_token={account.access_token}\n  secret={account.secret}")
    if orders:
        sandbox.advance(minutes=15)
    lines.append(f"controls: curl -d '{{\"minutes\": 15}}' {sandbox.url}/_sandbox/advance  (Ctrl-C ends)")
    print("\n".join(lines), flush=True)  # noqa: T201


def _wait_for_stdin(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lengow.sandbox", description="A local stand-in for Lengow, with ManoMano behind it."
    )
    parser.add_argument("--port", type=int, default=8700, help="0 takes a free one (default: 8700)")
    parser.add_argument("--quota", type=int, default=500, help="calls a minute per route; 0: no limit (default: 500)")
    parser.add_argument("--accounts", type=int, default=1, help="how many accounts (default: 1)")
    parser.add_argument("--sell", type=int, default=0, metavar="N", help="orders that each account has at the start")
    parser.add_argument("--seed", type=int, default=1, help="the same seed sells the same orders (default: 1)")
    parser.add_argument("--token-life", type=float, default=3600, metavar="SECONDS", help="default: 3600")
    parser.add_argument("--start", type=_instant, metavar="ISO", help="the first instant of its clock (default: now)")
    parser.add_argument("--until-stdin-closes", action="store_true", help=argparse.SUPPRESS)
    return parser


def _instant(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise argparse.ArgumentTypeError("needs its offset, such as 2026-09-01T08:00:00Z")
    return value
