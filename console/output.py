"""Tables for people, JSON for programs; standard output holds nothing else."""

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import compress
from typing import Any

import msgspec
from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from lengow.connector import AccountRound, Connector, Shop
from lengow.connector.adapter import Finding
from lengow.connector.connector import DryRun
from lengow.connector.doctor import Examined
from lengow.connector.importer import Progress as Report
from lengow.connector.model import OrderState
from lengow.connector.reasons import REASONS
from lengow.connector.rules import Suggestion
from lengow.connector.store.rows import ActionRow, EventRow, JournalEntry, Step, StoredOrder
from lengow.console.logs import printable

STYLES = {
    "failed": "red",
    "refused": "red",
    "waiting": "yellow",
    "skipped": "dim",
    "created": "green",
    "confirmed": "green",
}

STEP_FACTS = ("id", "kind", "subject", "account", "shop", "due_at", "attempts", "held", "error")
MANY = 100_000
PIPED = 100_000
GAP = 2
"""Between two columns."""
TEXT_WIDTH = 20
"""A column of text is not folded to less, unless it is narrower."""


@contextmanager
def progress(*, quiet: bool) -> Iterator[Report | None]:
    """A bar on standard error while it is a terminal; nothing otherwise."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def report(account: str, read: int, count: int) -> None:
            if account not in tasks:
                tasks[account] = bar.add_task(f"{account}: orders read")
            bar.update(tasks[account], completed=read, total=count)

        yield report


class Waiting(msgspec.Struct, frozen=True):
    """How much of an account was given up and waits for a person."""

    failed_orders: int
    held_steps: int

    def __bool__(self) -> bool:
        return bool(self.failed_orders or self.held_steps)


LOOK_AT = {"failed_orders": "orders list --state failed", "held_steps": "steps list --held"}


def waiting_for_a_person(connector: Connector, account: str) -> Waiting:
    counts = connector.store.count_orders(account)
    shops = connector.settings.shops_of(account)
    held = connector.store.steps(held=True, limit=MANY)
    return Waiting(
        failed_orders=sum(count for (state, _), count in counts.items() if state == OrderState.FAILED),
        held_steps=sum(step.account == account or step.shop in shops for step in held),
    )


def show_rounds(rounds: Sequence[AccountRound], waiting: Sequence[Waiting], *, as_json: bool) -> None:
    """What was done; below it in sentences what failed, and what waits for a person."""
    rows = [_round(one) | msgspec.structs.asdict(left) for one, left in zip(rounds, waiting, strict=True)]
    if as_json:
        _print_json(rows)
        return
    columns = ("account", "read", "new", "amended", "worked_on", "events", "sent", "reported", "settled")
    cells = [["" if row[name] is None else str(row[name]) for name in columns] for row in rows]
    _show([name.replace("_", " ") for name in columns], cells)
    for row in rows:
        account = row["account"]
        if row["error"]:
            _print(_plain(f"{account}: {row['error']}", "red"))
        for name, command in LOOK_AT.items():
            if count := row[name]:
                what = f"{account}: {name.replace('_', ' ')}: {count}, for a person to look at"
                _print(_plain(f"{what}: lengow-connector {command}", "yellow"))


def show_dry_runs(runs: Sequence[DryRun], *, as_json: bool) -> None:
    if as_json:
        _print_json(
            [{**msgspec.to_builtins(one), "actions": [action_facts(row) for row in one.actions]} for one in runs]
        )
        return
    rows = [
        (
            run.account,
            one.order.marketplace,
            one.order.marketplace_order_id,
            one.shop,
            _state("created" if one.decision.state == "ready" else one.decision.state, one.decision.reason),
            f"{one.total} {one.currency}",
            one.reference,
        )
        for run in runs
        for one in run.orders
    ]
    _show(
        ("account", "marketplace", "order", "shop", "would be", "total", "reference"),
        rows,
        folded=["would be"],
        spare=["reference", "account", "marketplace", "total"],
        title="Orders",
    )
    show_actions([row for run in runs for row in run.actions], as_json=False)


def show_orders(found: Sequence[StoredOrder], *, as_json: bool) -> None:
    if as_json:
        _print_json([order_facts(one) for one in found])
        return
    rows = [
        (
            one.order.account,
            one.order.marketplace,
            one.order.marketplace_order_id,
            _minute(one.order.ordered_at),
            _minute(one.order.ship_by),
            f"{one.order.total} {one.order.currency}",
            one.order.buyer[:40],
            one.order.status,
            _state(one.order.state, one.order.reason),
            _lines(f"{row.shop} {row.shop_order_id}" for row in one.packages if row.shop_order_id),
        )
        for one in found
    ]
    _show(
        ("account", "marketplace", "order", "date", "ship by", "total", "buyer", "status", "state", "shop order"),
        rows,
        folded=["buyer", "state"],
        spare=["buyer", "date", "status", "account", "ship by", "marketplace", "total", "shop order"],
    )


def show_order(
    stored: StoredOrder, journal: Sequence[JournalEntry], actions: Sequence[ActionRow], *, as_json: bool
) -> None:
    if as_json:
        facts = order_facts(stored) | {
            "journal": [msgspec.to_builtins(entry) for entry in journal],
            "actions": [action_facts(row) for row in actions],
        }
        _print_json(facts)
        return
    show_orders([stored], as_json=False)
    _explain(stored)
    rows = [(_second(entry.at), entry.what, entry.detail, entry.who) for entry in journal]
    _show(("at", "what", "detail", "who"), rows, folded=["detail"], title="Journal")
    if actions:
        show_actions(actions, as_json=False)


def show_actions(found: Sequence[ActionRow], *, as_json: bool) -> None:
    if as_json:
        _print_json([action_facts(row) for row in found])
        return
    rows = [
        (
            str(row.id or ""),
            row.account,
            row.marketplace,
            row.marketplace_order_id,
            row.action_type,
            ", ".join(f"{name} {value}" for name, value in row.arguments.items()),
            _state(row.state, ""),
            "" if row.lengow_id is None else str(row.lengow_id),
            row.error,
        )
        for row in found
    ]
    _show(
        ("id", "account", "marketplace", "order", "action", "arguments", "state", "Lengow's id", "error"),
        rows,
        folded=["arguments", "error"],
        spare=["Lengow's id", "account", "marketplace", "arguments"],
    )


def show_suggestions(rows: Sequence[tuple[str, Sequence[Suggestion]]], *, as_json: bool) -> None:
    if as_json:
        _print_json(
            [{"name": name, "suggestions": [msgspec.to_builtins(one) for one in found]} for name, found in rows]
        )
        return
    cells: list[tuple[str, str, str, str]] = []
    for name, found in rows:
        cells += [(name, one.code, one.label, f"{one.score:.2f}") for one in found]
        if not found:
            cells.append((name, "none is like it", "", ""))
    _show(("name", "carrier", "label", "score"), cells, folded=["name", "label"])


def show_events(found: Sequence[EventRow], *, as_json: bool) -> None:
    if as_json:
        _print_json([msgspec.to_builtins(row) for row in found])
        return
    rows = [
        (
            str(row.id),
            row.shop,
            _second(row.received_at),
            row.delivery_id,
            row.kind,
            _state(row.state, row.reason),
            row.about,
        )
        for row in found
    ]
    _show(
        ("id", "shop", "received", "delivery", "kind", "state", "about"),
        rows,
        folded=["state", "about"],
        spare=["delivery", "kind", "received", "shop"],
    )


def show_steps(found: Sequence[Step], *, as_json: bool) -> None:
    if as_json:
        _print_json([{name: getattr(row, name) for name in STEP_FACTS} for row in found])
        return
    rows = [
        (
            str(row.id),
            row.kind,
            row.subject,
            row.account,
            row.shop,
            _second(row.due_at),
            str(row.attempts),
            Text("held", "red") if row.held else "",
            row.error,
        )
        for row in found
    ]
    _show(
        ("id", "kind", "subject", "account", "shop", "due", "attempts", "held", "error"),
        rows,
        folded=["error"],
        spare=["attempts", "account", "shop", "due"],
    )


def show_shops(rows: Sequence[tuple[str, Shop, Mapping[str, bool]]], *, as_json: bool) -> None:
    facts = [
        {"shop": name, "account": shop.account, "platform": shop.platform, "toggles": dict(toggles)}
        for name, shop, toggles in rows
    ]
    if as_json:
        _print_json(facts)
        return
    cells = [
        (name, shop.account, shop.platform, _lines(f"{key}: {_on(value)}" for key, value in toggles.items()))
        for name, shop, toggles in rows
    ]
    _show(("shop", "account", "platform", "toggles"), cells, spare=["account", "platform"])


def show_findings(findings: Sequence[Finding], *, as_json: bool) -> None:
    if as_json:
        _print_json([msgspec.to_builtins(one) for one in findings])
        return
    _show(FINDING_COLUMNS, [_finding(one) for one in findings], folded=FINDING_COLUMNS)


def show_examined(examined: Sequence[Examined], *, as_json: bool) -> None:
    if as_json:
        _print_json([msgspec.to_builtins(one) for one in examined])
        return
    rows = [(f"{one.kind} {one.name}", *_finding(finding)) for one in examined for finding in one.findings]
    _show(("of", *FINDING_COLUMNS), rows, folded=FINDING_COLUMNS)


FINDING_COLUMNS = ("what", "", "finding", "what to do")


def _finding(one: Finding) -> tuple[str, Text, str, str]:
    return one.what, Text("well", "green") if one.ok else Text("look", "red"), one.sentence, one.what_to_do


def order_facts(stored: StoredOrder) -> dict[str, Any]:
    order = stored.order
    return {
        "account": order.account,
        "marketplace": order.marketplace,
        "marketplace_order_id": order.marketplace_order_id,
        "ordered_at": order.ordered_at,
        "ship_by": order.ship_by,
        "status": order.status,
        "types": order.types.split(),
        "total": order.total,
        "currency": order.currency,
        "buyer": order.buyer,
        "state": order.state,
        "reason": order.reason,
        "about": order.about,
        "packages": [
            {
                "shop": row.shop,
                "reference": row.reference,
                "line_ids": row.line_ids,
                "state": row.state,
                "reason": row.reason,
                "about": row.about,
                "shop_order_id": row.shop_order_id,
            }
            for row in stored.packages
        ],
    }


def action_facts(row: ActionRow) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(row)
    return {name: value for name, value in facts.items() if name not in ("dedupe", "order_id", "package_id")}


def _round(one: AccountRound) -> dict[str, Any]:
    imported = one.imported
    failed = list(one.errors)
    if imported is None and not failed:
        failed.append("another process is importing")
    if imported and imported.error:
        failed.insert(0, f"{imported.error.code}: {imported.error}")
    return {
        "account": one.account,
        "read": imported.read if imported else None,
        "new": imported.new if imported else None,
        "amended": imported.amended if imported else None,
        "worked_on": one.worked_on,
        "events": one.events,
        "sent": one.sent,
        "reported": one.reported,
        "settled": one.settled,
        "error": "; ".join(failed),
    }


def _explain(stored: StoredOrder) -> None:
    """The reason of each package in words, with what to do."""
    told = {(row.reason, row.about) for row in stored.packages if row.reason}
    if stored.order.reason and not told:
        told = {(stored.order.reason, stored.order.about)}
    for reason, about in sorted(told):
        known = REASONS.get(reason)
        sentence = f"{known.sentence} {known.what_to_do}" if known else ""
        _print(_lines([f"{reason}: {about}" if about else reason, f"  {sentence}"]))


def _state(state: str, reason: str) -> Text:
    return Text(printable(f"{state}: {reason}" if reason else state), STYLES.get(state, ""))


def _minute(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M") if moment else ""


def _second(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _on(value: bool) -> str:
    return "on" if value else "off"


def _show(
    columns: Sequence[str],
    rows: Iterable[Sequence[str | Text]],
    *,
    folded: Collection[str] = (),
    spare: Sequence[str] = (),
    title: str | None = None,
) -> None:
    """Print a table. Where a terminal is too narrow, the columns of `folded` are folded between words; where that is
    not enough, those of `spare` are left out, the first first, and it is said which. All others stay in one piece.
    """
    cells = [[_plain(cell) for cell in row] for row in rows]
    console = _console()
    wanted = {name: _Column.of(name, [row[i] for row in cells], name in folded) for i, name in enumerate(columns)}
    widths = _widths(wanted, spare, console.width)
    table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for name, width in widths.items():
        table.add_column(name, width=width, overflow="fold")
    for row in cells:
        table.add_row(*compress(row, [name in widths for name in columns]))
    _print(table)
    if left_out := [name for name in columns if name not in widths]:
        _print(Text(f"Not shown, for want of room: {', '.join(left_out)} (see --json)", "dim"))


class _Column(msgspec.Struct, frozen=True):
    least: int
    """Narrower, and its words would be broken."""
    most: int
    folded: bool

    @classmethod
    def of(cls, name: str, cells: Sequence[Text], folded: bool) -> "_Column":
        most = max([cell_len(name), *(cell_len(line) for cell in cells for line in cell.plain.splitlines())])
        if not folded:
            return cls(most, most, folded)
        word = max([cell_len(name), *(cell_len(word) for cell in cells for word in cell.plain.split())])
        return cls(min(most, max(word, TEXT_WIDTH)), most, folded)


def _widths(columns: Mapping[str, _Column], spare: Sequence[str], room: int) -> dict[str, int]:
    """The columns that are shown, each at its least, and what is left shared out among those that want more."""
    shown = {name: one.least for name, one in columns.items() if name not in spare}
    if _total(shown.values()) > room:  # then words are broken, where there is text
        shown = {name: min(least, TEXT_WIDTH) if columns[name].folded else least for name, least in shown.items()}
    for name in reversed(spare):
        if _total([*shown.values(), columns[name].least]) <= room:
            shown[name] = columns[name].least
    widths = {name: shown[name] for name in columns if name in shown}
    free = max(0, room - _total(widths.values()))
    wanting = sorted((columns[name].most - width, name) for name, width in widths.items())
    for position, (want, name) in enumerate(wanting):
        given = min(want, free // (len(wanting) - position))
        widths[name] += given
        free -= given
    return widths


def _total(widths: Iterable[int]) -> int:
    all_widths = list(widths)
    return sum(all_widths) + GAP * (len(all_widths) - 1)


def _plain(text: str | Text, style: str = "") -> Text:
    """Taken as it is, on one line: no markup, and no control character reaches the terminal."""
    return text if isinstance(text, Text) else Text(printable(text), style)


def _lines(texts: Iterable[str]) -> Text:
    return Text("\n".join(map(printable, texts)))


def _console() -> Console:
    """As wide as the terminal; what is piped is not cut to a width."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPED)


def _print(thing: Table | Text) -> None:
    console = _console()
    with console.capture() as capture:
        console.print(thing)
    sys.stdout.writelines(line.rstrip() + "\n" for line in capture.get().splitlines())


def _print_json(facts: Any) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(facts), indent=2).decode() + "\n")
