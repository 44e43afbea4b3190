"""`lengow-connector reconcile`."""

import click

from lengow.console.commands.common import FAILURES_LEFT, as_json, connector_of, operator, refuse_unknown


@click.command()
@click.option(
    "--days", default=7.0, show_default=True, type=click.FloatRange(0, 3650, min_open=True), help="How far back."
)
@click.option("--account", help="Only this account.")
@click.option("--shop", help="Only this shop.")
@click.option("--fix", is_flag=True, help="Mend what is safe.")
@click.option("--dry-run", is_flag=True, help="With --fix: tell what would be mended, and write nothing.")
@as_json
@click.pass_obj
def reconcile(
    config: str | None, days: float, account: str | None, shop: str | None, fix: bool, dry_run: bool, as_json: bool
) -> int:
    """Compare Lengow, the store and the shops, and list what is amiss.

    Exit code 3 if anything is left that was not mended. Right after a `sync`, what is only under way is not listed.
    """
    from lengow.console import output, reconciled

    with connector_of(config) as connector:
        refuse_unknown(connector, account=account, shop=shop)
        with output.progress(quiet=as_json) as progress:
            found = connector.reconcile(
                days=days, account=account, shop=shop, fix=fix and not dry_run, who=operator(), progress=progress
            )
            left = reconciled.show(found, fix=fix, dry_run=dry_run, as_json=as_json)
    return FAILURES_LEFT if left else 0
