"""`lengow-connector worker`."""

import click

from lengow.console.commands.common import connector_of, refuse_unknown
from lengow.console.commands.rounds import ENDING

AT_THE_END = 120.0
"""Seconds for what is under way, before the process ends all the same; it is taken up elsewhere."""


@click.command()
@click.option(
    "--concurrency", default=8, show_default=True, type=click.IntRange(1, 256), help="How much is worked on at once."
)
@click.option("--account", "accounts", multiple=True, help="Only this account; may be given several times.")
@click.pass_obj
def worker(config: str | None, concurrency: int, accounts: tuple[str, ...]) -> None:
    """Work together with any number of others, on any machines, on a store in PostgreSQL.

    Schedule and steps as of `run`. SIGTERM ends it cleanly; what a killed one was at is taken up by others.
    """
    from lengow.connector.errors import SettingsError
    from lengow.console.serving import ended_by_signal

    try:
        from lengow.connector.worker import Worker
    except ImportError as error:
        raise SettingsError(
            f"Workers need what is not installed: {error.name}.",
            what_to_do="pip install 'lengow-connector[postgres]'",
        ) from error

    with ended_by_signal() as wait, connector_of(config) as connector:
        for account in accounts:
            refuse_unknown(connector, account=account)
        running = Worker(connector.context, concurrency=concurrency, accounts=accounts)
        running.start()
        click.echo("Working; SIGTERM or Ctrl-C ends it.", err=True)
        wait()
        click.echo(ENDING, err=True)
        if not running.stop(AT_THE_END):
            click.echo("Something is still under way; it is taken up by others.", err=True)
