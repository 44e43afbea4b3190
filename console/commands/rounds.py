"""`lengow-connector sync`, `run` and `serve`."""

from typing import TYPE_CHECKING

import click

from lengow.console.commands.common import FAILURES_LEFT, as_json, connector_of, order_key, refuse_unknown, stop

if TYPE_CHECKING:
    from datetime import datetime

ENDING = "Ending what is under way; a second signal ends it at once."


@click.command()
@click.option("--account", help="Only this account.")
@click.option(
    "--since", type=click.DateTime(), help="UTC: what changed at Lengow from then on, not since the last sync."
)
@click.option("--until", type=click.DateTime(), help="UTC: up to then; together with --since.")
@click.option("--order", metavar="ORDER", help="Only ACCOUNT/MARKETPLACE/NUMBER, known or not.")
@click.option("--dry-run", is_flag=True, help="Show what would be created and sent; write and send nothing.")
@as_json
@click.pass_obj
def sync(
    config: str | None,
    account: str | None,
    since: "datetime | None",
    until: "datetime | None",
    order: str | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """One round now, to its end: import, create, events, send, report, outcomes.

    Exit code 3 when a round had an error or was not run, or something waits for a person: a failed order or event, a
    held step, a refused, failed or stuck action that nobody has dealt with.
    """
    from lengow.console import output

    if order is not None:
        if account or since or until or dry_run:
            raise click.UsageError("--order stands alone: it names its account, and has no window.")
        return _sync_order(config, order, as_json=as_json)
    if dry_run:
        with connector_of(config) as connector:
            refuse_unknown(connector, account=account)
            accounts = [account] if account else list(connector.settings.accounts)
            output.show_dry_runs([connector.preview(name) for name in accounts], as_json=as_json)
        return 0
    with connector_of(config) as connector:
        refuse_unknown(connector, account=account)
        with output.progress(quiet=as_json) as progress:
            rounds = connector.sync(account, since=utc(since), until=utc(until), progress=progress)
        waiting = [output.waiting_for_a_person(connector, one.account) for one in rounds]
    output.show_rounds(rounds, waiting, as_json=as_json)
    failed = any(one.imported is None or one.imported.error is not None or one.errors for one in rounds)
    return FAILURES_LEFT if failed or any(waiting) else 0


def _sync_order(config: str | None, order: str, *, as_json: bool) -> int:
    from lengow.connector.model import OrderState
    from lengow.console import output

    with connector_of(config) as connector:
        stored = connector.sync_order(*order_key(connector, order))
    output.show_orders([stored], as_json=as_json)
    return FAILURES_LEFT if stored.order.state is OrderState.FAILED else 0


@click.command()
@click.pass_obj
def run(config: str | None) -> None:
    """Run the schedule: changed orders every 15 minutes, the last 3 days once a day. SIGTERM ends it cleanly."""
    from lengow.console.serving import ended_by_signal

    with ended_by_signal() as wait, connector_of(config) as connector:
        connector.start()
        click.echo("Running; SIGTERM or Ctrl-C ends it.", err=True)
        wait()
        click.echo(ENDING, err=True)
        stop(connector)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535))
@click.option("--threads", default=8, show_default=True, type=click.IntRange(1, 256))
@click.option("--run/--no-run", "with_schedule", default=False, help="Run the schedule in the same process.")
@click.option(
    "--console/--no-console", "with_console", default=False, help="Serve the operator's console at /console/."
)
@click.pass_obj
def serve(config: str | None, host: str, port: int, threads: int, with_schedule: bool, with_console: bool) -> None:
    """Serve the webhook receiver under waitress: POST /webhooks/SHOP; and the operator's console, if asked for."""
    from lengow.console.serving import ended_by_signal, webhook_server

    with ended_by_signal() as wait, connector_of(config) as connector:
        with webhook_server(connector, host, port, threads, with_console=with_console) as url:
            if with_schedule:
                connector.start()
            if with_console:
                click.echo(f"The console: {url.removesuffix('webhooks/')}console/", err=True)
                if not connector.store.users():
                    click.echo("Nobody may enter yet: lengow-connector users add NAME --role admin", err=True)
            click.echo(f"Serving {url}SHOP; SIGTERM or Ctrl-C ends it.", err=True)
            wait()
            click.echo(ENDING, err=True)
        stop(connector)


def utc(moment: "datetime | None") -> "datetime | None":
    from datetime import UTC

    return moment.replace(tzinfo=UTC) if moment else None
