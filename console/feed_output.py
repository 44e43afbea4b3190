"""What `lengow-connector feed` prints: tables for people, CSV and JSON for programs, row by row where there may be many."""

import csv
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec
from rich.text import Text

from lengow.console.logs import printable
from lengow.console.tables import print_json, print_rich, show_table
from lengow.feeds import Change, Problem, Report
from lengow.feeds.building import Standing

SHOWN = 1000
"""Rows of a table; CSV and JSON have all."""
COLUMNS = ("feed", "sku", "product_id", "attribute", "code", "value", "left_out")


def show_feeds(feeds: Iterable[Standing], *, as_json: bool) -> None:
    feeds = list(feeds)
    if as_json:
        print_json([msgspec.to_builtins(one) for one in feeds])
        return
    columns = ("feed", "shop", "marketplace", "programme", "priority", "offers", "written", "every", "served", "path")
    rows = [
        (
            one.feed,
            one.shop,
            one.marketplace,
            one.programme,
            str(one.priority),
            "not built" if one.offers is None else str(one.offers),
            f"{one.written_at:%Y-%m-%d %H:%M}" if one.written_at else "-",
            f"{one.build_every_minutes:g} min" if one.build_every_minutes else "-",
            "yes" if one.served else "no",
            one.path,
        )
        for one in feeds
    ]
    show_table(columns, rows, spare=("priority", "every", "marketplace"))
    for one in feeds:
        if one.failure:
            print_rich(Text(f"{one.feed} was not written by the last build: {one.failure}", "red"))


def show_reports(reports: Iterable[Report], *, as_json: bool) -> None:
    reports = list(reports)
    if as_json:
        print_json([msgspec.to_builtins(one) for one in reports])
        return
    for report in reports:
        columns = ("feed", "offers", "before", "left out", "file")
        rows = [
            (one.feed, str(one.offers), "-" if one.previous is None else str(one.previous), str(one.left_out), one.path)
            for one in report.feeds
        ]
        title = f"{report.account}, {report.marketplace}: {report.products} products, {report.matched} in a feed"
        show_table(columns, rows, title=title)
        for name, other, count in report.overlaps:
            print_rich(Text(f"{count} products are in {name} and match {other} too: they are in {name} only."))
        for one in report.feeds:
            for flaw, count in sorted(one.flaws.items()):
                print_rich(Text(f"{one.feed}: {flaw}: {count}", "yellow"))
            if one.refusal:
                print_rich(Text(f"{one.feed} would not be written: {one.refusal}.", "red"))


def show_problems(problems: Iterator[Problem], form: str) -> int:
    """Prints them, and gives how many there are."""
    return {"csv": _as_csv, "json": _as_json, "table": _as_table}[form](problems)


def _as_csv(problems: Iterator[Problem]) -> int:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow((*COLUMNS, "sentence"))
    number = 0
    for one in problems:
        writer.writerow([*(getattr(one, column) for column in COLUMNS), one.sentence])
        number += 1
    return number


def _as_json(problems: Iterator[Problem]) -> int:
    """One array, written as it comes."""
    number = 0
    for one in problems:
        facts = {**msgspec.to_builtins(one), "sentence": one.sentence}
        sys.stdout.write(f"{',' if number else '['}\n{msgspec.json.encode(facts).decode()}")
        number += 1
    sys.stdout.write("\n]\n" if number else "[]\n")
    return number


def _as_table(problems: Iterator[Problem]) -> int:
    shown = list(islice(problems, SHOWN))
    rows = [
        (one.feed, one.sku, one.product_id, printable(one.sentence), "left out" if one.left_out else "value left empty")
        for one in shown
    ]
    if rows:
        show_table(
            ("feed", "sku", "product", "what is wrong", "so"), rows, folded=("what is wrong",), spare=("product",)
        )
    count = len(shown) + sum(1 for _ in problems)
    if count > SHOWN:
        print_rich(Text(f"{count - SHOWN} more; --format csv has all.", "dim"))
    print_rich(Text(f"{count} things are wrong." if count else "All offers are well."))
    return count


def show_changes(changes: Iterator[Change], *, as_json: bool) -> None:
    counts: Counter[str] = Counter()
    if as_json:
        for change in changes:
            sys.stdout.write(f"{msgspec.json.encode(change).decode()}\n")
        return
    rows: list[tuple[str, str, str]] = []
    for change in changes:
        counts[change.kind] += 1
        if len(rows) < SHOWN:
            told = "; ".join(f"{name}: {old!r} → {new!r}" for name, (old, new) in change.attributes.items())
            rows.append((change.kind, change.sku, printable(told)))
    if rows:
        show_table(("what", "sku", "values"), rows, folded=("values",))
    more = counts.total() - len(rows)
    if more:
        print_rich(Text(f"{more} more; --json has all, one a line.", "dim"))
    print_rich(Text(f"{counts['added']} added, {counts['removed']} removed, {counts['changed']} changed."))
