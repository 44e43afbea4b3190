"""`python slow_shop.py SECONDS ARGUMENTS…`: lengow-connector with a generic shop that takes so long for each order."""

import sys
import time
from collections.abc import Sequence

import msgspec

from lengow.adapters.generic import GenericAdapter
from lengow.connector.adapter import Outcome
from lengow.connector.model import NewOrder
from lengow.console.cli import main

LATENCY = float(sys.argv.pop(1))
BATCH = 5

create_at_once = GenericAdapter.create_orders


def create_slowly(self: GenericAdapter, orders: Sequence[NewOrder]) -> Sequence[Outcome]:
    outcomes: list[Outcome] = []
    for order in orders:
        time.sleep(LATENCY)
        outcomes += create_at_once(self, [order])
    return outcomes


GenericAdapter.create_orders = create_slowly  # type: ignore[method-assign]
GenericAdapter.capabilities = msgspec.structs.replace(GenericAdapter.capabilities, batch_size=BATCH)
main()
