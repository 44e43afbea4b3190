"""`make chaos`: a month of a merchant with five shops and two accounts, in which a fifth of all calls fails.

    python tests/chaos/chaos.py [--orders 10000] [--rounds 15] [--faults 0.2] [--seed N] [--store sqlite|postgresql]

Lengow, the shops, the mail server and the way of the webhooks fail in every way that their stand-ins know, at random.
The connector's process is killed at its work and started again; orders are cancelled and corrected, shops ship, feeds
are built, invoices are mailed, and 30 days pass. Then the faults end, and after some quiet rounds the ledgers must be
equal: nothing lost, nothing doubled, each order created or explained, each shipment confirmed and invoiced. What was
given up waits for a person, who has it tried again then; how often is told.
"""

import argparse
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "crash"))
sys.path.insert(0, str(Path(__file__).parent.parent))

from broken import BROKEN
from chaos_life import STACKS, SYNC, WORK, Said
from chaos_storm import Storm
from chaos_wire import Wire
from chaos_world import ChaosWorld, chaos_world

from lengow.connector.errors import LengowError
from lengow.connector.model import ChangeState, EventState, OrderState
from lengow.invoices import InvoiceState

DAYS = 30
SHARES = {
    "standard": 0.5,
    "fulfilment": 0.15,
    "multi_line": 0.15,
    "multi_package": 0.08,
    "relay": 0.04,
    "business": 0.04,
    "canceled": 0.04,
}
TRIES = 2
QUIET_ROUNDS = 12
LONGEST_ROUND = 900.0
"""Seconds after which a round of the connector hangs."""
OPEN = (OrderState.READY, OrderState.CREATING, OrderState.WAITING, OrderState.FAILED)
GROWTH = {"kib": 20_000, "files": 10, "sockets": 10, "threads": 4}
"""By how much the last third of a process's life may be above its second third."""


class Chaos:
    """`every_kind`: a kind of fault that never hit is a finding."""

    def __init__(
        self,
        world: ChaosWorld,
        storm: Storm,
        wire: Wire,
        *,
        orders: int,
        rounds: int,
        minutes: float,
        seed: int = 1,
        every_kind: bool = True,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.world, self.storm, self.wire = world, storm, wire
        self.said: list[Said] = []
        """By the process that lived through the second half."""
        self.sold = self.starts = self.tried_again = self.quiet_rounds = self.rounds = 0
        self.days = 0.0
        self.connector_cpu = 0.0
        """Of the processes before the last."""
        self.cut_short = False
        self.seconds: dict[str, float] = {}
        """Where the time went."""
        self._chance = random.Random(seed)
        self._orders, self._planned = orders, rounds
        self._every_kind = every_kind
        self.progress = progress
        self._ends = time.monotonic() + minutes * 60
        self._began = world.sandbox.now()
        self._child: Any = None
        self._pipe: Any = None
        self._longest = 0.0

    def run(self) -> list[str]:
        """Returns what is not as it should be."""
        self._start(connect=True)
        self._work()
        self.storm.blows = True
        for number in range(self._planned):
            if time.monotonic() > self._ends:
                self.cut_short = True
                break
            self._round(number)
        self.storm.blows = False
        self.wire.come_late()
        findings = self._calm()
        self.days = (self.world.sandbox.now() - self._began) / timedelta(days=1)
        self._pipe.send("")
        self._child.join(60)
        return [*findings, *self._ended()]

    def _round(self, number: int) -> None:
        world, begins = self.world, self.world.sandbox.now()
        sold = self._sell(self._orders * (number + 1) // self._planned - self.sold)
        if number < self._planned // 2:
            self._die_at_it()
        with self._one_shop_down(number):
            self._work()
        self._catch_up()
        self._work(lambda: self._happens(sold))
        world.advance(16)
        self._work()
        self._catch_up()
        self._ship()
        self._work(self._tell)
        self.wire.catch_up()
        world.advance(61)
        self._work(self.wire.come_late)
        self._merchant_looks()
        rest = timedelta(days=DAYS / self._planned) - (world.sandbox.now() - begins)
        world.advance(max(rest / timedelta(minutes=1), 0))
        self.rounds += 1
        waiting = sum(count for (state, _), count in world.connector.store.count_orders().items() if state in OPEN)
        self.progress(f"{self.rounds} of {self._planned} rounds, {self.sold} orders, {waiting} not yet in a shop")

    def _sell(self, count: int) -> list[dict[str, list[str]]]:
        each = max(count // len(self.world.shops), 3)
        kinds = {kind: int(each * part) for kind, part in SHARES.items()}
        kinds["standard"] += each - sum(kinds.values())
        with self._timed("selling"):
            sold = self.world.sell({kind: number for kind, number in kinds.items() if number})
        self.sold += each * len(self.world.shops)
        return [sold]

    def _happens(self, sold: Sequence[dict[str, list[str]]]) -> None:
        """Of each shop's orders of one sale the address of the first is corrected and the second is cancelled."""
        for by_shop in sold:
            for ids in by_shop.values():
                self.world.sandbox.amend(ids[0], {"city": "Sète"})
                self.world.sandbox.cancel(ids[1])

    def _ship(self) -> None:
        with self._timed("shipping"):
            for shop in self.world.shops.values():
                shop.ship()

    def _tell(self) -> None:
        for shop in self.world.shops.values():
            shop.tell()

    def _merchant_looks(self) -> None:
        """Has a webhook sent again that the shop has switched off for its failures."""
        for name in ("woocommerce", "shopware"):
            shop = self.world.shops[name]
            if shop.switched_off():
                self.storm.count(f"webhook switched off by {name}")
                if name == "shopware":
                    shop.switch_on()
                else:
                    self.world.connector.connect(name, self.world.url_of(name))

    @contextmanager
    def _one_shop_down(self, number: int) -> Iterator[None]:
        served = [name for name in self.world.shops if name != "generic"]
        name = served[number % len(served)]
        self.storm.count(f"{name} down")
        server = self.world.shops[name]._shop.server
        server.down()
        try:
            yield
        finally:
            server.mend()

    def _calm(self) -> list[str]:
        """Quiet rounds, until nothing is amiss any more."""
        findings = ["not compared"]
        while findings and self.quiet_rounds < QUIET_ROUNDS:
            self.quiet_rounds += 1
            self.world.advance(61)
            self._merchant_looks()
            self._person()
            self._work()
            self._ship()
            self._work(self._tell)
            self.world.advance(61)
            self._work()
            self.world.advance(61)
            self._work()
            if self._nothing_waits():
                with self._timed("comparing"):
                    findings = self.world.findings()
        if findings == ["not compared"]:
            findings = self.world.findings()
        return findings

    def _nothing_waits(self) -> bool:
        return self.quiet_rounds > 1 or self._orders < 1000

    def _person(self) -> None:
        """Has tried again what was given up in the storm, mailed again what was refused, and put up with what is too late."""
        connector = self.world.connector
        for step in connector.store.steps(held=True, limit=100_000):
            connector.retry_step(step.id, who="person")
            self.tried_again += 1
        for event in connector.store.list_events(state=EventState.FAILED, limit=100_000):
            self.tried_again += 1
            if event.reason == "line_closed":
                connector.dismiss_event(event.id, reason="it was cancelled while it was sent", who="person")
                continue
            with suppress(LengowError):
                connector.retry_event(event.id, who="person")
        for change in connector.store.list_changes(states=[ChangeState.WAITING]):
            connector.dismiss_change(change.id, reason="it is sent", who="person")
            self.tried_again += 1
        for row in self.world.invoices.listed(states=[InvoiceState.MAIL_FAILED], limit=100_000):
            self.world.invoices.resend(row.id, who="person")
            self.tried_again += 1

    def _ended(self) -> Iterator[str]:
        """What is amiss beside the ledgers."""
        if self.cut_short:
            yield f"cut short: {self.rounds} of {self._planned} rounds, {self.sold} of {self._orders} orders"
        if self.days < DAYS and not self.cut_short:
            yield f"only {self.days:.1f} days have passed"
        if self._every_kind:
            yield from (f"never hit: {kind}" for kind in self.storm.never())
        yield from self.said[-1].findings
        for what, (middle, end) in self.held().items():
            if end > middle + GROWTH[what]:
                yield f"{what} grow from {middle} to {end}"

    def held(self) -> dict[str, tuple[int, int]]:
        """Of the process that lived last: what it held in the second and in the last third of its rounds."""
        third = max(len(self.said) // 3, 1)
        parts = self.said[third : 2 * third] or self.said, self.said[-third:]
        return {
            what: (
                round(median(getattr(one, what) for one in parts[0])),
                round(median(getattr(one, what) for one in parts[1])),
            )
            for what in GROWTH
        }

    def _start(self, **changes: Any) -> None:
        self.starts += 1
        self.connector_cpu += self.said[-1].cpu if self.said else 0.0
        self.said = []
        self._child, self._pipe = self.world.begins(**changes)
        self._hear()

    def _catch_up(self) -> None:
        """What failed is tried again, as the schedule does all the time."""
        for _ in range(TRIES):
            self.world.advance(4)
            self._work(asked=WORK)

    def _work(self, meanwhile: Callable[[], None] = lambda: None, asked: str = SYNC) -> None:
        """One round of the connector, and what happens in the world meanwhile."""
        began = time.monotonic()
        with self._timed("rounds"):
            self._pipe.send(asked)
            meanwhile()
            self.said.append(self._hear())
        self._longest = max(self._longest, time.monotonic() - began)

    def _hear(self) -> Said:
        if not self._pipe.poll(LONGEST_ROUND):
            os.kill(self._child.pid, signal.SIGUSR1)
            time.sleep(3)
            raise AssertionError(f"the connector hangs:\n{(self.world.folder / STACKS).read_text()}")
        said: Said = self._pipe.recv()
        return said

    def _die_at_it(self) -> None:
        """In the middle of its work; meanwhile the shops ship, and nobody hears them."""
        with self._timed("dying"):
            self._pipe.send(SYNC)
            time.sleep(self._chance.uniform(0, self._longest))
            self._child.kill()
            self._child.join()
            self._pipe.close()
            self.world.advance(3)
            self._ship()
            self._tell()
            self._start()

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.seconds[what] = self.seconds.get(what, 0) + time.monotonic() - began


@contextmanager
def store_url(kind: str) -> Iterator[str]:
    """Of an empty store; empty: a file beside the world."""
    if kind == "sqlite":
        yield ""
        return
    from postgres_server import own_schema, running_server

    with running_server() as server, own_schema(server) as url:
        yield url


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--faults", type=float, default=0.2)
    parser.add_argument("--minutes", type=float, default=8, help="no new orders after so long; the run has failed then")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--without", action="append", default=[], choices=sorted(BROKEN), help="break a protection")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    began = time.monotonic()
    storm = Storm(options.faults, options.seed)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lengow-chaos-")))
        url = stack.enter_context(store_url(options.store))
        world, wire = stack.enter_context(chaos_world(folder, storm, url, options.seed, options.without))
        chaos = Chaos(
            world,
            storm,
            wire,
            orders=options.orders,
            rounds=options.rounds,
            minutes=options.minutes,
            seed=options.seed,
            progress=lambda text: print(f"{time.monotonic() - began:5.0f} s  {text}", flush=True),
        )
        try:
            findings = chaos.run()
        except Exception:  # noqa: BLE001 - `make chaos` does not show what goes to stderr
            traceback.print_exc(file=sys.stdout)
            return 1
        tell(chaos, findings, time.monotonic() - began)
    return int(bool(findings))


def tell(chaos: Chaos, findings: Sequence[str], seconds: float) -> None:
    for kind, hits in sorted(chaos.storm.hits.items()):
        print(f"{kind:48}{hits:>8}")
    states = chaos.world.connector.store.count_orders()
    print({f"{state} {reason}".strip(): count for (state, reason), count in states.items()})
    invoiced: dict[str, int] = {}
    for row in chaos.world.invoices.listed(limit=10_000_000):
        invoiced[f"{row.kind} {row.state}"] = invoiced.get(f"{row.kind} {row.state}", 0) + 1
    print(invoiced)
    print({befell or "nothing": answers for befell, answers in chaos.wire.answers.items()})
    told = {
        "orders": chaos.sold,
        "days": round(chaos.days, 1),
        "faults": sum(chaos.storm.hits.values()),
        "starts": chaos.starts,
        "tried_again_by_a_person": chaos.tried_again,
        "quiet_rounds": chaos.quiet_rounds,
        "feeds": {"built": chaos.said[-1].feeds_built, "failed": chaos.said[-1].feeds_failed},
        "held_in_the_second_and_last_third": chaos.held(),
        "mib_after_each_round": [one.kib // 1024 for one in chaos.said],
        "seconds_of": {what: round(spent) for what, spent in chaos.seconds.items()},
        "cpu_seconds_of": {
            "connector": round(chaos.connector_cpu + chaos.said[-1].cpu),
            "world": round(time.process_time()),
        },
        "findings": len(findings),
        "seconds": round(seconds),
    }
    print(re.sub(r"\n +(?=[\d\]])", " ", json.dumps(told, indent=1)))
    for finding in findings[:50]:
        print(f"*** {finding}")


if __name__ == "__main__":
    sys.exit(main())
