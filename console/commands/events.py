"""`lengow-connector events`."""

from collections.abc import Iterable

import click

from lengow.console.commands.common import ROW_ID, as_json, connector_of, limited, one_of, operator, refuse_unknown


def _event_states() -> Iterable[str]:
    from lengow.connector.model import EventState

    return EventState


@click.group()
def events() -> None:
    """Look at what the shops told."""


@events.command("list")
@click.option("--shop")
@click.option(
    "--state", metavar="STATE", callback=one_of(_event_states), help="received, done, ignored, failed, dismissed."
)
@limited
@as_json
@click.pass_obj
def events_list(config: str | None, shop: str | None, state: str | None, limit: int, as_json: bool) -> None:
    """List shop events, newest first; failed ones with their reason."""
    from lengow.connector.model import EventState
    from lengow.console import output

    chosen = EventState(state) if state else None
    with connector_of(config) as connector:
        refuse_unknown(connector, shop=shop)
        found = connector.store.list_events(shop=shop, state=chosen, limit=limit)
    output.show_events(found, as_json=as_json)


@events.command("retry")
@click.argument("event_id", type=ROW_ID, metavar="ID")
@click.option("--dry-run", is_flag=True, help="Check, and show the actions it would queue; queue and send nothing.")
@as_json
@click.pass_obj
def events_retry(config: str | None, event_id: int, dry_run: bool, as_json: bool) -> None:
    """Work off event ID once more with the next round, after what stopped it was mended."""
    from lengow.console import output

    with connector_of(config) as connector:
        if dry_run:
            output.show_actions(connector.retry_event(event_id, dry_run=True), as_json=as_json)
            return
        row = connector.retry_event(event_id, who=operator())
    if as_json:
        output.show_events([row], as_json=True)
    else:
        click.echo(f"Event {event_id} is worked off with the next round.")


@events.command("dismiss")
@click.argument("event_id", type=ROW_ID, metavar="ID")
@click.option("--reason", required=True, metavar="TEXT", help="How it was dealt with; kept in the journal.")
@as_json
@click.pass_obj
def events_dismiss(config: str | None, event_id: int, reason: str, as_json: bool) -> None:
    """Note that the failed event ID is dealt with: it waits for nobody any more."""
    from lengow.console import output

    with connector_of(config) as connector:
        row = connector.dismiss_event(event_id, reason=reason, who=operator())
    output.show_events([row], as_json=as_json)
