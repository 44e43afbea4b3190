"""`lengow-connector carriers`."""

import click

from lengow.console.commands.common import as_json, connector_of, refuse_unknown


@click.group()
def carriers() -> None:
    """Find the marketplaces' carriers for a shop's."""


@carriers.command("suggest")
@click.argument("account")
@click.argument("marketplace")
@click.argument("names", nargs=-1, required=True)
@as_json
@click.pass_obj
def carriers_suggest(config: str | None, account: str, marketplace: str, names: tuple[str, ...], as_json: bool) -> None:
    """The carriers of MARKETPLACE that are most like each of NAMES, with a score from 0 to 1."""
    from lengow.console import output

    with connector_of(config) as connector:
        refuse_unknown(connector, account=account)
        rows = [(name, connector.suggest_carriers(account, marketplace, name)) for name in names]
    output.show_suggestions(rows, as_json=as_json)
