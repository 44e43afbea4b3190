"""`lengow-connector changes`."""

from collections.abc import Iterable

import click

from lengow.console.commands.common import ROW_ID, as_json, connector_of, limited, one_of, operator, refuse_unknown


def _change_states() -> Iterable[str]:
    from lengow.connector.model import ChangeState

    return ChangeState


@click.group()
def changes() -> None:
    """Look at what happened at Lengow to orders that are in a shop, and decide on what waits."""


@changes.command("list")
@click.option("--account")
@click.option("--shop")
@click.option(
    "--state",
    metavar="STATE",
    callback=one_of(_change_states),
    help="Such as pending, applied, ignored; without it what waits for a person.",
)
@click.option("--all", "every", is_flag=True, help="In every state.")
@limited
@as_json
@click.pass_obj
def changes_list(
    config: str | None,
    account: str | None,
    shop: str | None,
    state: str | None,
    every: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List changes that wait for a person, newest first."""
    from lengow.connector.model import ChangeState
    from lengow.console import output

    if state and every:
        raise click.UsageError("--state and --all exclude each other")
    states = list(ChangeState) if every else [ChangeState(state or ChangeState.WAITING)]
    with connector_of(config) as connector:
        refuse_unknown(connector, account=account, shop=shop)
        found = connector.changes(account=account, shop=shop, states=states, limit=limit)
        output.show_changes(found, connector.store.orders([row.order_id for row in found]), as_json=as_json)


@changes.command("apply")
@click.argument("change_id", type=ROW_ID, metavar="ID")
@as_json
@click.pass_obj
def changes_apply(config: str | None, change_id: int, as_json: bool) -> None:
    """Have the change ID, which waits or was ignored, brought to the shop with the next round."""
    from lengow.console import output

    with connector_of(config) as connector:
        row = connector.apply_change(change_id, who=operator())
        output.show_changes([row], connector.store.orders([row.order_id]), as_json=as_json)


@changes.command("dismiss")
@click.argument("change_id", type=ROW_ID, metavar="ID")
@click.option("--reason", required=True, help="Why the shop stays as it is, or what was done by hand.")
@as_json
@click.pass_obj
def changes_dismiss(config: str | None, change_id: int, reason: str, as_json: bool) -> None:
    """Leave the shop as it is; the reason goes to the journal."""
    from lengow.console import output

    with connector_of(config) as connector:
        row = connector.dismiss_change(change_id, reason=reason, who=operator())
        output.show_changes([row], connector.store.orders([row.order_id]), as_json=as_json)
