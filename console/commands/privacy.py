"""`lengow-connector privacy`."""

import click

from lengow.console.commands.common import FAILURES_LEFT, connector_of, operator

email = click.option("--email", required=True, help="The buyer's address, as the marketplace gave it.")


@click.group()
def privacy() -> None:
    """Answer a buyer who asks what is held on him, or asks to be forgotten."""


@privacy.command("export")
@email
@click.pass_obj
def privacy_export(config: str | None, email: str) -> None:
    """Print everything that is held on one buyer, as JSON."""
    import json

    with connector_of(config) as connector:
        click.echo(json.dumps(connector.export_buyer(email), indent=2, ensure_ascii=False))


@privacy.command("erase")
@email
@click.option("--dry-run", is_flag=True, help="Show what would be erased; erase nothing.")
@click.pass_obj
def privacy_erase(config: str | None, email: str, dry_run: bool) -> int:
    """Erase one buyer's data; amounts, ids and the journal stay. It cannot be undone.

    Exit code 3 when an order was left, as it is still to be delivered: ask again afterwards.
    """
    with connector_of(config) as connector:
        plan = connector.erase_buyer(email, who=operator(), dry_run=dry_run)
    verb = "would be erased" if dry_run else "erased"
    for one in plan:
        click.echo(f"{one.order}: {verb}" if one.erased else f"{one.order}: kept: {one.why}")
    if not plan:
        click.echo("No order has this e-mail address.")
    return 0 if all(one.erased for one in plan) else FAILURES_LEFT
