"""Tables for people, JSON for programs; standard output holds nothing else."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from lengow.connector import AccountRound, Shop
from lengow.connector.adapter import Finding
from lengow.connector.connector import DryRun
from lengow.connector.importer import Progress as Report
from lengow.connector.reasons import REASONS
from lengow.connector.rules import Suggestion
from lengow.connector.store.rows import ActionRow, EventRow, JournalEntry, StoredOrder

STYLES = {
    "failed": "red",
    "refused": "red",
    "waiting": "yellow",
    "skipped": "dim",
    "created": "green",
    "confirmed": "green",
}


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


def show_rounds(rounds: Sequence[AccountRound], *, as_json: bool) -> None:
    rows = [_round(one) for one in rounds]
    if as_json:
        _print_json(rows)
        return
    table = _table("account", "read", "new", "amended", "worked on", "events", "sent", "reported", "settled", "error")
    for row in rows:
        table.add_row(*(str(value) if value is not None else "" for value in row.values()))
    _print(table)


def show_dry_runs(runs: Sequence[DryRun], *, as_json: bool) -> None:
    if as_json:
        _print_json(
            [{**msgspec.to_builtins(one), "actions": [action_facts(row) for row in one.actions]} for one in runs]
        )
        return
    table = _table("account", "order", "shop", "would be", "total", "reference", title="Orders")
    for run in runs:
        for one in run.orders:
            would = _state("created" if one.decision.state == "ready" else one.decision.state, one.decision.reason)
            total = f"{one.total} {one.currency}"
            table.add_row(run.account, Text(str(one.order)), one.shop, would, total, one.reference)
    _print(table)
    show_actions([row for run in runs for row in run.actions], as_json=False)


def show_orders(found: Sequence[StoredOrder], *, as_json: bool) -> None:
    if as_json:
        _print_json([order_facts(one) for one in found])
        return
    table = _table(
        "account", "marketplace", "order", "date", "ship by", "total", "buyer", "status", "state", "shop order"
    )
    for one in found:
        order = one.order
        table.add_row(
            order.account,
            order.marketplace,
            Text(order.marketplace_order_id),
            _minute(order.ordered_at),
            _minute(order.ship_by),
            f"{order.total} {order.currency}",
            Text(order.buyer[:40]),
            order.status,
            _state(order.state, order.reason),
            ", ".join(f"{row.shop} {row.shop_order_id}" for row in one.packages if row.shop_order_id),
        )
    _print(table)


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
    table = _table("at", "what", "detail", "who", title="Journal")
    for entry in journal:
        table.add_row(entry.at.strftime("%Y-%m-%d %H:%M:%S"), entry.what, Text(entry.detail), entry.who)
    _print(table)
    if actions:
        show_actions(actions, as_json=False)


def show_actions(found: Sequence[ActionRow], *, as_json: bool) -> None:
    if as_json:
        _print_json([action_facts(row) for row in found])
        return
    table = _table("id", "account", "marketplace", "order", "action", "arguments", "state", "Lengow's id", "error")
    for row in found:
        table.add_row(
            str(row.id or ""),
            row.account,
            row.marketplace,
            Text(row.marketplace_order_id),
            row.action_type,
            Text(", ".join(f"{name} {value}" for name, value in row.arguments.items())),
            _state(row.state, ""),
            "" if row.lengow_id is None else str(row.lengow_id),
            Text(row.error),
        )
    _print(table)


def show_suggestions(rows: Sequence[tuple[str, Sequence[Suggestion]]], *, as_json: bool) -> None:
    if as_json:
        _print_json(
            [{"name": name, "suggestions": [msgspec.to_builtins(one) for one in found]} for name, found in rows]
        )
        return
    table = _table("name", "carrier", "label", "score")
    for name, found in rows:
        for one in found:
            table.add_row(Text(name), one.code, one.label, f"{one.score:.2f}")
        if not found:
            table.add_row(Text(name), "none is like it")
    _print(table)


def show_events(found: Sequence[EventRow], *, as_json: bool) -> None:
    if as_json:
        _print_json([msgspec.to_builtins(row) for row in found])
        return
    table = _table("id", "shop", "received", "delivery", "kind", "state", "about")
    for row in found:
        at = row.received_at.strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(
            str(row.id), row.shop, at, Text(row.delivery_id), row.kind, _state(row.state, row.reason), Text(row.about)
        )
    _print(table)


def show_shops(rows: Sequence[tuple[str, Shop, Mapping[str, bool]]], *, as_json: bool) -> None:
    facts = [
        {"shop": name, "account": shop.account, "platform": shop.platform, "toggles": dict(toggles)}
        for name, shop, toggles in rows
    ]
    if as_json:
        _print_json(facts)
        return
    table = _table("shop", "account", "platform", "toggles")
    for name, shop, toggles in rows:
        table.add_row(
            name, shop.account, shop.platform, "\n".join(f"{key}: {_on(value)}" for key, value in toggles.items())
        )
    _print(table)


def show_findings(findings: Sequence[Finding], *, as_json: bool) -> None:
    if as_json:
        _print_json([msgspec.to_builtins(one) for one in findings])
        return
    table = _table("what", "", "finding", "what to do")
    for one in findings:
        mark = Text("well", "green") if one.ok else Text("look", "red")
        table.add_row(one.what, mark, Text(one.sentence), Text(one.what_to_do))
    _print(table)


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
    error = "another process is importing" if imported is None else ""
    if imported and imported.error:
        error = f"{imported.error.code}: {imported.error}"
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
        "error": error,
    }


def _explain(stored: StoredOrder) -> None:
    """The reason of each package in words, with what to do."""
    told = {(row.reason, row.about) for row in stored.packages if row.reason}
    if stored.order.reason and not told:
        told = {(stored.order.reason, stored.order.about)}
    for reason, about in sorted(told):
        known = REASONS.get(reason)
        sentence = f"{known.sentence} {known.what_to_do}" if known else ""
        _print(Text(f"{reason}: {about}\n  {sentence}" if about else f"{reason}\n  {sentence}"))


def _state(state: str, reason: str) -> Text:
    return Text(f"{state}: {reason}" if reason else state, STYLES.get(state, ""))


def _minute(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M") if moment else ""


def _on(value: bool) -> str:
    return "on" if value else "off"


def _table(*columns: str, title: str | None = None) -> Table:
    table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column)
    return table


def _print(thing: Table | Text) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(thing)


def _print_json(facts: Any) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(facts), indent=2).decode() + "\n")
