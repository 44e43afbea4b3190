"""`lengow-connector actions`."""

from collections.abc import Iterable

import click

from lengow.console.commands.common import as_json, connector_of, found_order, limited, one_of, operator, refuse_unknown


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
@limited
@as_json
@click.pass_obj
def actions_list(config: str | None, account: str | None, state: str | None, limit: int, as_json: bool) -> None:
    """List actions, newest first."""
    from lengow.connector.model import ActionState
    from lengow.console import output

    states = [ActionState(state)] if state else []
    with connector_of(config) as connector:
        refuse_unknown(connector, account=account)
        found = connector.store.list_actions(account=account, states=states, limit=limit)
    output.show_actions(found, as_json=as_json)


@actions.command("send")
@click.argument("action", type=click.Choice(["accept", "refuse", "ship", "cancel", "refund"]))
@click.argument("order")
@click.option("--arg", "pairs", multiple=True, metavar="NAME=VALUE", help="An argument, such as carrier=DPD.")
@click.option("--line", "line_ids", multiple=True, metavar="ID", help="Only this line; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Check, and show what would be sent; send nothing.")
@as_json
@click.pass_obj
def actions_send(
    config: str | None,
    action: str,
    order: str,
    pairs: tuple[str, ...],
    line_ids: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Tell the marketplace of ORDER: checked against its rules, queued, and sent with the next round."""
    from lengow.console import output

    with connector_of(config) as connector:
        key = found_order(connector, order).order.key
        rows = connector.act(
            action,
            key.account,
            key.marketplace,
            key.marketplace_order_id,
            arguments_of(pairs),
            line_ids=line_ids or None,
            who=operator(),
            dry_run=dry_run,
        )
    output.show_actions(rows, as_json=as_json)


@actions.command("retry")
@click.argument("action_id", type=int, metavar="ID")
@as_json
@click.pass_obj
def actions_retry(config: str | None, action_id: int, as_json: bool) -> None:
    """Try the refused, failed, given-up or stuck action ID again."""
    from lengow.console import output

    with connector_of(config) as connector:
        rows = connector.retry_action(action_id, who=operator())
    output.show_actions(rows, as_json=as_json)


def arguments_of(pairs: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE texts as arguments."""
    arguments = {}
    for pair in pairs:
        name, found, value = pair.partition("=")
        if not found or not name:
            raise click.UsageError(f"--arg {pair!r} is not NAME=VALUE")
        arguments[name] = value
    return arguments
