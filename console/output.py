"""Tables for people, JSON for programs; standard output holds nothing else."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from lengow.connector import AccountRound, Connector, Shop
from lengow.connector.adapter import Finding
from lengow.connector.changes import in_words
from lengow.connector.connector import DryRun
from lengow.connector.doctor import Examined
from lengow.connector.importer import Progress as Report
from lengow.connector.model import FOR_A_PERSON, ChangeState, EventState, OrderState
from lengow.connector.reasons import REASONS
from lengow.connector.rules import Suggestion
from lengow.connector.store.rows import ActionRow, ChangeRow, EventRow, JournalEntry, Step, StoredOrder
from lengow.console.facts import action_facts, change_facts, event_facts, journal_facts, order_facts
from lengow.console.logs import printable
from lengow.console.tables import minute, plain, plain_lines, print_json, print_rich, second, show_table

STYLES = {
    "failed": "red",
    "refused": "red",
    "waiting": "yellow",
    "skipped": "dim",
    "created": "green",
    "confirmed": "green",
    "applied": "green",
}

STEP_FACTS = ("id", "kind", "subject", "account", "shop", "due_at", "attempts", "held", "error")
MANY = 100_000


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
    failed_actions: int
    """Refused, failed or stuck, and nobody has dealt with them."""
    failed_events: int
    waiting_changes: int

    def __bool__(self) -> bool:
        return any(msgspec.structs.astuple(self))


LOOK_AT = {
    "failed_orders": "orders list --state failed",
    "held_steps": "steps list --held",
    "failed_actions": "actions list --waiting",
    "failed_events": "events list --state failed",
    "waiting_changes": "changes list",
}


def waiting_for_a_person(connector: Connector, account: str) -> Waiting:
    counts = connector.store.count_orders(account)
    shops = connector.settings.shops_of(account)
    held = connector.store.steps(held=True, limit=MANY)
    return Waiting(
        failed_orders=sum(count for (state, _), count in counts.items() if state == OrderState.FAILED),
        held_steps=sum(step.account == account or step.shop in shops for step in held),
        failed_actions=len(connector.store.list_actions(account=account, states=FOR_A_PERSON, unhandled=True)),
        failed_events=sum(
            len(connector.store.list_events(shop=shop, state=EventState.FAILED, limit=MANY)) for shop in shops
        ),
        waiting_changes=connector.store.count_changes(account).get(ChangeState.WAITING, 0),
    )


def show_rounds(rounds: Sequence[AccountRound], waiting: Sequence[Waiting], *, as_json: bool) -> None:
    """What was done; below it in sentences what failed, and what waits for a person."""
    rows = [_round(one) | msgspec.structs.asdict(left) for one, left in zip(rounds, waiting, strict=True)]
    if as_json:
        print_json(rows)
        return
    columns = ("account", "read", "new", "amended", "worked_on", "followed", "events", "sent", "reported", "settled")
    cells = [["" if row[name] is None else str(row[name]) for name in columns] for row in rows]
    show_table([name.replace("_", " ") for name in columns], cells)
    for row in rows:
        account = row["account"]
        if row["error"]:
            print_rich(plain(f"{account}: {row['error']}", "red"))
        for name, command in LOOK_AT.items():
            if count := row[name]:
                what = f"{account}: {name.replace('_', ' ')}: {count}, for a person to look at"
                print_rich(plain(f"{what}: lengow-connector {command}", "yellow"))


def show_dry_runs(runs: Sequence[DryRun], *, as_json: bool) -> None:
    if as_json:
        print_json(
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
    show_table(
        ("account", "marketplace", "order", "shop", "would be", "total", "reference"),
        rows,
        folded=["would be"],
        spare=["reference", "account", "marketplace", "total"],
        title="Orders",
    )
    changed = [
        (
            one.order.account,
            one.order.marketplace,
            one.order.marketplace_order_id,
            one.change.shop,
            in_words(one.change.kind, one.change.body),
            _state("applied" if one.change.state == ChangeState.PENDING else one.change.state, one.change.reason),
        )
        for run in runs
        for one in run.changes
    ]
    show_table(
        ("account", "marketplace", "order", "shop", "change", "would be"),
        changed,
        folded=["change", "would be"],
        spare=["account", "marketplace"],
        title="Changes",
    )
    show_actions([row for run in runs for row in run.actions], as_json=False)
    for run in runs:
        for what, found in (("The shop would be asked for", run.asked_for), ("Lengow would be told of", run.reported)):
            if found:
                print_rich(plain(f"{what}: {', '.join(found)}"))


def show_orders(found: Sequence[StoredOrder], *, as_json: bool) -> None:
    if as_json:
        print_json([order_facts(one) for one in found])
        return
    rows = [
        (
            one.order.account,
            one.order.marketplace,
            one.order.marketplace_order_id,
            minute(one.order.ordered_at),
            minute(one.order.ship_by),
            f"{one.order.total} {one.order.currency}",
            one.order.buyer[:40] or ("(erased)" if one.order.erased_at else ""),
            one.order.status,
            _state(one.order.state, one.order.reason),
            plain_lines(f"{row.shop} {row.shop_order_id}" for row in one.packages if row.shop_order_id),
        )
        for one in found
    ]
    show_table(
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
            "journal": [journal_facts(entry) for entry in journal],
            "actions": [action_facts(row) for row in actions],
        }
        print_json(facts)
        return
    show_orders([stored], as_json=False)
    _explain(stored)
    rows = [(second(entry.at), entry.what, entry.detail, entry.who) for entry in journal]
    show_table(("at", "what", "detail", "who"), rows, folded=["detail"], title="Journal")
    if actions:
        show_actions(actions, as_json=False)


def show_changes(found: Sequence[ChangeRow], orders: Mapping[int, StoredOrder], *, as_json: bool) -> None:
    """`orders`: those that the changes are of, by id."""
    if as_json:
        print_json([change_facts(row, orders[row.order_id]) for row in found])
        return
    rows = [
        (
            str(row.id),
            str(orders[row.order_id].order.key),
            row.shop,
            in_words(row.kind, row.body),
            _state(row.state, row.reason),
            row.about,
            second(row.changed_at),
            row.who,
        )
        for row in found
    ]
    show_table(
        ("id", "order", "shop", "change", "state", "about", "changed", "by"),
        rows,
        folded=["change", "state", "about"],
        spare=["by", "changed", "shop", "about"],
    )


def show_actions(found: Sequence[ActionRow], *, as_json: bool) -> None:
    if as_json:
        print_json([action_facts(row) for row in found])
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
            "" if row.quantity is None else str(row.quantity),
            "" if row.lengow_id is None else str(row.lengow_id),
            "; ".join(filter(None, (row.error, row.handled))),
        )
        for row in found
    ]
    show_table(
        ("id", "account", "marketplace", "order", "action", "arguments", "state", "pieces", "Lengow's id", "error"),
        rows,
        folded=["arguments", "error"],
        spare=["pieces", "Lengow's id", "account", "marketplace", "arguments"],
    )


def show_suggestions(rows: Sequence[tuple[str, Sequence[Suggestion]]], *, as_json: bool) -> None:
    if as_json:
        print_json([{"name": name, "suggestions": [msgspec.to_builtins(one) for one in found]} for name, found in rows])
        return
    cells: list[tuple[str, str, str, str]] = []
    for name, found in rows:
        cells += [(name, one.code, one.label, f"{one.score:.2f}") for one in found]
        if not found:
            cells.append((name, "none is like it", "", ""))
    show_table(("name", "carrier", "label", "score"), cells, folded=["name", "label"])


def show_events(found: Sequence[EventRow], *, as_json: bool) -> None:
    if as_json:
        print_json([event_facts(row) for row in found])
        return
    rows = [
        (
            str(row.id),
            row.shop,
            second(row.received_at),
            row.delivery_id,
            row.kind,
            _state(row.state, row.reason),
            row.about,
        )
        for row in found
    ]
    show_table(
        ("id", "shop", "received", "delivery", "kind", "state", "about"),
        rows,
        folded=["state", "about"],
        spare=["delivery", "kind", "received", "shop"],
    )


def show_steps(found: Sequence[Step], *, as_json: bool) -> None:
    if as_json:
        print_json([{name: getattr(row, name) for name in STEP_FACTS} for row in found])
        return
    rows = [
        (
            str(row.id),
            row.kind,
            row.subject,
            row.account,
            row.shop,
            second(row.due_at),
            str(row.attempts),
            Text("held", "red") if row.held else "",
            row.error,
        )
        for row in found
    ]
    show_table(
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
        print_json(facts)
        return
    cells = [
        (name, shop.account, shop.platform, plain_lines(f"{key}: {_on(value)}" for key, value in toggles.items()))
        for name, shop, toggles in rows
    ]
    show_table(("shop", "account", "platform", "toggles"), cells, spare=["account", "platform"])


def show_findings(findings: Sequence[Finding], *, as_json: bool) -> None:
    if as_json:
        print_json([msgspec.to_builtins(one) for one in findings])
        return
    show_table(FINDING_COLUMNS, [_finding(one) for one in findings], folded=FINDING_COLUMNS)


def show_examined(examined: Sequence[Examined], *, as_json: bool) -> None:
    if as_json:
        print_json([msgspec.to_builtins(one) for one in examined])
        return
    rows = [(f"{one.kind} {one.name}", *_finding(finding)) for one in examined for finding in one.findings]
    show_table(("of", *FINDING_COLUMNS), rows, folded=FINDING_COLUMNS)


FINDING_COLUMNS = ("what", "", "finding", "what to do")


def _finding(one: Finding) -> tuple[str, Text, str, str]:
    return one.what, Text("well", "green") if one.ok else Text("look", "red"), one.sentence, one.what_to_do


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
        "followed": one.followed,
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
        print_rich(plain_lines([f"{reason}: {about}" if about else reason, f"  {sentence}"]))


def _state(state: str, reason: str) -> Text:
    return Text(printable(f"{state}: {reason}" if reason else state), STYLES.get(state, ""))


def _on(value: bool) -> str:
    return "on" if value else "off"
