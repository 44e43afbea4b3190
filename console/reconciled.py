"""What `reconcile` found, printed as it is found, so that memory stays flat."""

import sys
from collections import Counter
from collections.abc import Iterable

import msgspec

from lengow.connector.discrepancies import Discrepancy
from lengow.console.tables import plain, print_rich


def show(found: Iterable[Discrepancy], *, fix: bool, dry_run: bool, as_json: bool) -> int:
    """Print each, in JSON as one object a line; returns how many are left that were not mended."""
    counts: Counter[str] = Counter()
    left = 0
    for one in found:
        counts[one.kind] += 1
        left += not one.mended
        if as_json:
            sys.stdout.write(msgspec.json.encode({**msgspec.to_builtins(one), "order": one.order}).decode() + "\n")
        else:
            _show(one, would=fix and dry_run)
    if not as_json:
        _show_sum(counts, left)
    return left


def _show(one: Discrepancy, *, would: bool) -> None:
    where = one.order or one.shop or one.account
    print_rich(plain(f"{one.kind}  {where}{f'  ({one.shop})' if one.order and one.shop else ''}", "bold"))
    print_rich(plain(f"  {one.sentence}"))
    if one.mended:
        print_rich(plain(f"  Mended. {one.mended}", "green"))
    elif would and one.remedy:
        print_rich(plain(f"  Would be mended: {one.remedy}.", "yellow"))
    else:
        print_rich(plain(f"  {one.what_to_do}", "yellow"))


def _show_sum(counts: Counter[str], left: int) -> None:
    if not counts:
        print_rich(plain("Nothing is amiss.", "green"))
        return
    told = ", ".join(f"{kind}: {count}" for kind, count in sorted(counts.items()))
    print_rich(plain(f"{sum(counts.values())} found, {left} left. {told}"))
