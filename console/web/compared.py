"""What the last comparison with Lengow and the shops found, kept beside an account's syncs for every process to show."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from lengow.connector import Connector
from lengow.connector.discrepancies import Discrepancy
from lengow.connector.prepared import prepare

VALUE = "console_compared"
MOST_SHOWN = 200


class Compared(msgspec.Struct, frozen=True, omit_defaults=True):
    account: str
    at: datetime
    who: str
    days: int
    mends: bool
    """Whether what is safe was mended, or only looked at."""
    count: int = 0
    left: int = 0
    """Of them, not mended."""
    mendable: int = 0
    """Of those left, what `mends` would do something about."""
    shown: tuple[Discrepancy, ...] = ()
    """The first MOST_SHOWN; what was not mended comes first."""


def summed_up(compared: Compared, found: Iterable[Discrepancy]) -> Compared:
    """Takes in all that is found, as it is found; holds the first of them."""
    left: list[Discrepancy] = []
    mended: list[Discrepancy] = []
    count = mendable = still = 0
    for one in found:
        count += 1
        still += not one.mended
        mendable += one.remedy is not None and not one.mended
        kept = mended if one.mended else left
        if len(kept) < MOST_SHOWN:
            kept.append(one)
    shown = tuple([*left, *mended][:MOST_SHOWN])
    return msgspec.structs.replace(compared, count=count, left=still, mendable=mendable, shown=shown)


def keep(connector: Connector, compared: Compared) -> None:
    with connector.store.transaction() as tx:
        tx.set_value(compared.account, VALUE, msgspec.json.encode(compared).decode())


def last_of(connector: Connector, account: str) -> Compared | None:
    text = connector.store.get_value(account, VALUE)
    return msgspec.json.decode(text, type=Compared) if text else None


def names_of(found: Sequence[Discrepancy]) -> list[tuple[str, str]]:
    """The orders that they are about."""
    return [(one.marketplace, one.marketplace_order_id) for one in found if one.marketplace]


prepare(Compared)
