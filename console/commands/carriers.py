"""`lengow-connector carriers`."""

import click

from lengow.console.commands.common import as_json, connector_of, operator, refuse_unknown


@click.group()
def carriers() -> None:
    """Find and map the marketplaces' carriers for a shop's."""


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


@carriers.command("list")
@click.option("--shop")
@as_json
@click.pass_obj
def carriers_list(config: str | None, shop: str | None, as_json: bool) -> None:
    """List the carriers that were mapped by hand; those of the settings file stand there."""
    from lengow.console.tables import minute, print_json, show_table

    with connector_of(config) as connector:
        refuse_unknown(connector, shop=shop)
        found = connector.mapped_carriers(shop)
    if as_json:
        print_json(found)
        return
    rows = [(one.shop, one.marketplace, one.code, one.carrier, minute(one.set_at), one.set_by) for one in found]
    show_table(("shop", "marketplace", "shop's carrier", "carrier", "set at", "by"), rows)


@carriers.command("map")
@click.argument("shop")
@click.argument("marketplace")
@click.argument("code")
@click.argument("carrier")
@click.pass_obj
def carriers_map(config: str | None, shop: str, marketplace: str, code: str, carrier: str) -> None:
    """From now on SHOP's carrier CODE (or name) is CARRIER of MARKETPLACE; events that failed for it are tried again."""
    with connector_of(config) as connector:
        refuse_unknown(connector, shop=shop)
        again = connector.map_carrier(shop, marketplace, code, carrier, who=operator())
    click.echo(
        f"{shop}, {marketplace}: {code} is {carrier}. Events to be worked off with the next round: {len(again)}."
    )


@carriers.command("unmap")
@click.argument("shop")
@click.argument("marketplace")
@click.argument("code")
@click.pass_obj
def carriers_unmap(config: str | None, shop: str, marketplace: str, code: str) -> None:
    """SHOP's carrier CODE is again what the settings file says."""
    with connector_of(config) as connector:
        refuse_unknown(connector, shop=shop)
        connector.unmap_carrier(shop, marketplace, code, who=operator())
    click.echo(f"{shop}, {marketplace}: {code} is not mapped by hand any more.")
