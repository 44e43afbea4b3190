"""`lengow-connector actions`."""

from collections.abc import Collection, Iterable

import click

from lengow.console.commands.common import (
    ROW_ID,
    as_json,
    connector_of,
    found_order,
    limited,
    one_of,
    operator,
    refuse_unknown,
)


def _action_states() -> Iterable[str]:
    from lengow.connector.model import ActionState

    return ActionState


@click.group()
def actions() -> None:
    """Look at what was and will be told to the marketplaces."""


@actions.command("list")
@click.option("--account")
@click.option(
    "--state",
    metavar="STATE",
    callback=one_of(_action_states),
    help="Such as queued, sent, confirmed, refused, failed.",
)
@click.option("--waiting", is_flag=True, help="Only those that wait for a person: refused, failed or stuck.")
@limited
@as_json
@click.pass_obj
def actions_list(
    config: str | None, account: str | None, state: str | None, waiting: bool, limit: int, as_json: bool
) -> None:
    """List actions, newest first."""
    from lengow.connector.model import FOR_A_PERSON, ActionState
    from lengow.console import output

    states = [one for one in FOR_A_PERSON if waiting and state in (None, one)]
    if state and not waiting:
        states = [ActionState(state)]
    if state and waiting and not states:
        raise click.UsageError(f"Nothing {state} waits for a person; leave --state or --waiting out.")
    with connector_of(config) as connector:
        refuse_unknown(connector, account=account)
        found = connector.store.list_actions(account=account, states=states, unhandled=waiting, limit=limit)
    output.show_actions(found, as_json=as_json)


@actions.command("send")
@click.argument("action", type=click.Choice(["accept", "refuse", "ship", "cancel", "refund"]))
@click.argument("order")
@click.option("--arg", "pairs", multiple=True, metavar="NAME=VALUE", help="An argument, such as carrier=DPD.")
@click.option(
    "--line", "lines", multiple=True, metavar="ID[=N]", help="Only this line, or N pieces of it; may be repeated."
)
@click.option("--quantity", type=click.IntRange(1), help="Pieces of the one --line.")
@click.option("--parcel", default="", metavar="ID", help="Your id of the parcel, by which it is known when told again.")
@click.option("--dry-run", is_flag=True, help="Check, and show what would be sent; send nothing.")
@as_json
@click.pass_obj
def actions_send(
    config: str | None,
    action: str,
    order: str,
    pairs: tuple[str, ...],
    lines: tuple[str, ...],
    quantity: int | None,
    parcel: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Tell the marketplace of ORDER: checked against its rules, queued, and sent with the next round."""
    from lengow.console import output

    with connector_of(config) as connector:
        found = found_order(connector, order)
        key = found.order.key
        known = {line for package in found.packages for line in package.line_ids}
        line_ids, quantities = lines_of(lines, quantity, known)
        rows = connector.act(
            action,
            key.account,
            key.marketplace,
            key.marketplace_order_id,
            arguments_of(pairs),
            line_ids=line_ids or None,
            quantities=quantities,
            parcel=parcel,
            who=operator(),
            dry_run=dry_run,
        )
    output.show_actions(rows, as_json=as_json)


@actions.command("retry")
@click.argument("action_id", type=ROW_ID, metavar="ID")
@click.option("--dry-run", is_flag=True, help="Check, and show what would be sent; send nothing.")
@as_json
@click.pass_obj
def actions_retry(config: str | None, action_id: int, dry_run: bool, as_json: bool) -> None:
    """Try the refused, failed, given-up or stuck action ID again, or tell a held one at once, as a whole."""
    from lengow.console import output

    with connector_of(config) as connector:
        rows = connector.retry_action(action_id, who=operator(), dry_run=dry_run)
    output.show_actions(rows, as_json=as_json)


@actions.command("dismiss")
@click.argument("action_id", type=ROW_ID, metavar="ID")
@click.option("--reason", required=True, metavar="TEXT", help="How it was dealt with; kept in the journal.")
@as_json
@click.pass_obj
def actions_dismiss(config: str | None, action_id: int, reason: str, as_json: bool) -> None:
    """Note that the refused, failed, stuck or held action ID is dealt with: it waits for nobody any more."""
    from lengow.console import output

    with connector_of(config) as connector:
        row = connector.dismiss_action(action_id, reason=reason, who=operator())
    output.show_actions([row], as_json=as_json)


def lines_of(lines: Iterable[str], quantity: int | None, known: Collection[str]) -> tuple[list[str], dict[str, int]]:
    """ID and ID=N texts as lines, and pieces by line. An id may have a = of its own: what is a line is one."""
    line_ids: list[str] = []
    quantities: dict[str, int] = {}
    for text in lines:
        line_id, found, pieces = text.rpartition("=")
        if text in known or not found:
            line_ids.append(text)
            continue
        if not (pieces.isascii() and pieces.isdigit() and int(pieces)):
            raise click.UsageError(f"--line {text!r}: {pieces!r} is not a number of pieces")
        line_ids.append(line_id)
        quantities[line_id] = int(pieces)
    if quantity is not None:
        if len(line_ids) != 1 or quantities:
            raise click.UsageError("--quantity goes with one --line; for several: --line ID=N --line ID=N")
        quantities = {line_ids[0]: quantity}
    return line_ids, quantities


def arguments_of(pairs: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE texts as arguments."""
    arguments = {}
    for pair in pairs:
        name, found, value = pair.partition("=")
        if not found or not name:
            raise click.UsageError(f"--arg {pair!r} is not NAME=VALUE")
        arguments[name] = value
    return arguments
