"""`make chaos`: a month of a merchant with five shops, in which a fifth of all calls fails.

    python tests/chaos/chaos.py [--orders 10000] [--rounds 20] [--faults 0.2] [--store sqlite|postgresql]

Lengow and the four shops with a server fail in every way that their stand-ins know, at random; the connector's process
is killed and started again, orders are cancelled and corrected, shops ship, and 30 days pass. Then the faults end, and
after some quiet rounds the ledgers must be equal: nothing lost, nothing doubled, each order created or explained, each
shipment confirmed. A step that was given up waits for a person, who has it tried again then; how many is told.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "crash"))
sys.path.insert(0, str(Path(__file__).parent.parent))

from lives import ACCOUNT, serve
from matrix import store_urls
from world import Happenings, World, worlds

from lengow.connector.store.rows import OrderFilter
from lengow.sandbox import Fault
from lengow.sandbox.faults import KINDS as LENGOW_KINDS
from lengow.sandbox.shops.standin import BAD_GATEWAY
from lengow.sandbox.shops.standin import Fault as ShopFault

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
QUIET_ROUNDS = 25
STAGES = {"woocommerce": "filled", "prestashop": "payment", "magento": "committed", "shopware": "written"}
"""Where a worker of the platform dies while it makes an order."""


class Storm:
    """While it blows, each call fails with a chance of `share`: in a way of Lengow's, or of the shops'."""

    def __init__(self, world: World, share: float, seed: int) -> None:
        self.hits: Counter[str] = Counter()
        self._chance = random.Random(seed)
        self._share = share
        self._world = world
        self.blows = True
        world.sandbox._faults.hitting = self._at_lengow  # type: ignore[method-assign]
        for name, shop in world.shops.items():
            if name != "generic":
                self._over(name, shop._shop.server)

    def _over(self, name: str, server: Any) -> None:
        faulty, hitting = server._faulty, server._hitting

        def hit(request: Any) -> list[ShopFault]:
            hitting(request)  # counts the request
            if not self._now():
                return []
            effect = self._chance.random() < 0.5
            kinds = ["latency", "lost_before", "lost_after", "error_500", "html_502", "busy_429"]
            if request.method == "POST":
                kinds.append("killed")
            kind: Any = self._chance.choice(kinds)
            self.hits[f"{name} {kind}"] += 1
            seconds = 1 if kind == "busy_429" else 0.02
            return [ShopFault(kind, seconds=seconds, effect=effect, stage=STAGES[name])]

        def survive(request: Any, fault: ShopFault) -> Any:
            try:
                return faulty(request, fault)
            except AssertionError:  # the request has no such stage: it was carried out, and its answer is lost
                return BAD_GATEWAY

        server._hitting, server._faulty = hit, survive

    def _at_lengow(self, _request: Any) -> list[Fault]:
        if not self._now():
            return []
        kind = self._chance.choice(LENGOW_KINDS)
        self.hits[f"lengow {kind}"] += 1
        return [Fault(kind, seconds=0.02, status=self._chance.choice((500, 503, 504)))]

    def _now(self) -> bool:
        return self.blows and self._chance.random() < self._share


class Chaos:
    def __init__(self, world: World, orders: int, rounds: int, share: float, minutes: float, seed: int = 1) -> None:
        self.world = world
        self.happenings = Happenings(world)
        self.storm = Storm(world, share, seed)
        self._chance = random.Random(seed + 1)
        self._orders, self._rounds = orders, rounds
        self._ends = time.monotonic() + minutes * 60
        self._child: Any = None
        self._pipe: Any = None
        self.used: list[dict[str, int]] = []
        self.sold = self.starts = self.tried_again = self.quiet_rounds = 0

    def run(self) -> list[str]:
        """Returns what is not as it should be."""
        world = self.world
        self.storm.blows = False
        self._start(connect=True)
        self._work()
        self.storm.blows = True
        for number in range(self._rounds):
            if time.monotonic() > self._ends:
                break
            each = self._orders * (number + 1) // self._rounds - self.sold
            self._sell(each)
            if number < self._rounds // 2 and self._chance.random() < 0.4:
                self._die_at_it()
            self._work()
            self.happenings.happens()
            self._work()
            self.happenings.ships()
            self._work()
            world.advance(DAYS * 24 * 60 / self._rounds - 31)
        self.storm.blows = False
        findings = self._calm()
        self._stop()
        return findings + self._flat()

    def _sell(self, count: int) -> None:
        each = max(count // len(self.world.shops), 3)
        kinds = {kind: int(each * part) for kind, part in SHARES.items()}
        kinds["standard"] += each - sum(kinds.values())
        self.happenings.sell({kind: number for kind, number in kinds.items() if number})
        self.sold += each * len(self.world.shops)

    def _calm(self) -> list[str]:
        """Quiet rounds, until nothing is amiss any more."""
        findings = ["not compared"]
        while findings and self.quiet_rounds < QUIET_ROUNDS:
            self.quiet_rounds += 1
            self.world.advance(61)
            self._person()
            self._work()
            self.happenings.ships()
            self._work()
            self.world.advance(61)
            self._work()
            if self.sold < 1000 or self.quiet_rounds % 3 == 0:
                findings = self._findings()
        return findings

    def _findings(self) -> list[str]:
        world, found = self.world, []
        ledger = world.sandbox.ledger()
        for name in world.shops:
            compared, own = world.compared(name, ledger)
            for kind in ("lost", "doubled", "unexpected", "wrong_totals", "unconfirmed"):
                found += [f"{name}: {kind}: {one}" for one in getattr(compared, kind)]
            wanted = OrderFilter(shop=name, limit=1_000_000)
            explained = {one.order.marketplace_order_id: one.order for one in world.connector.store.list_orders(wanted)}
            for order in own:
                stored = explained.get(order.order_id)
                if stored is None:
                    found.append(f"{name}: {order.order_id} is not in the store")
                elif str(stored.state) != "created" and not (str(stored.state) == "skipped" and stored.reason):
                    found.append(f"{name}: {order.order_id} is {stored.state} ({stored.reason}: {stored.about})")
        return found

    def _person(self) -> None:
        """Has tried again what was given up in the storm."""
        for step in self.world.connector.store.steps(held=True, limit=100_000):
            self.world.connector.retry_step(step.id, who="person")
            self.tried_again += 1

    def _flat(self) -> list[str]:
        """Of the process that lived through the last half: memory and connections at its middle and its end."""
        middle, end = self.used[len(self.used) // 2], self.used[-1]
        found = []
        if end["files"] > middle["files"] + 10:
            found.append(f"open files grow from {middle['files']} to {end['files']}")
        if end["threads"] > middle["threads"] + 10:
            found.append(f"threads grow from {middle['threads']} to {end['threads']}")
        if end["kib"] > middle["kib"] * 1.3 + 20_000:
            found.append(f"memory grows from {middle['kib']} to {end['kib']} KiB")
        return found

    def _start(self, **changes: Any) -> None:
        self.starts += 1
        self.used = []
        self._child, self._pipe = self.world.start(serve, None, **changes)
        self._pipe.recv()

    def _work(self) -> None:
        self._pipe.send(True)
        self.used.append(self._pipe.recv())

    def _die_at_it(self) -> None:
        """In the middle of its work."""
        self._pipe.send(True)
        time.sleep(self._chance.uniform(0, 2))
        self._child.kill()
        self._child.join()
        self._pipe.close()
        self.world.advance(3)
        self._start()

    def _stop(self) -> None:
        self._pipe.send(False)
        self._child.join(60)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--faults", type=float, default=0.2)
    parser.add_argument("--minutes", type=float, default=7, help="no new orders after so long")
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    options = parser.parse_args()
    started = time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lengow-chaos-")))
        make = stack.enter_context(worlds(folder))
        new_store = stack.enter_context(store_urls(options.store))
        chaos = Chaos(make("chaos", new_store()), options.orders, options.rounds, options.faults, options.minutes)
        findings = chaos.run()
        for finding in findings[:50]:
            print(f"*** {finding}")
        told = {
            "orders": chaos.sold,
            "days": DAYS,
            "faults": sum(chaos.storm.hits.values()),
            "starts": chaos.starts,
            "tried_again_by_a_person": chaos.tried_again,
            "quiet_rounds": chaos.quiet_rounds,
            "findings": len(findings),
            "middle": chaos.used[len(chaos.used) // 2],
            "end": chaos.used[-1],
            "seconds": round(time.monotonic() - started),
        }
        for kind, hits in sorted(chaos.storm.hits.items()):
            print(f"{kind:32}{hits:>8}")
        print(json.dumps(told, indent=1))
        states = chaos.world.connector.store.count_orders(ACCOUNT)
        print({f"{state} {reason}": count for (state, reason), count in states.items()})
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())
