"""`lengow-connector steps`."""

from collections.abc import Iterable

import click

from lengow.console.commands.common import ROW_ID, as_json, connector_of, limited, one_of, operator


def _step_kinds() -> Iterable[str]:
    from lengow.connector.model import StepKind

    return StepKind


@click.group()
def steps() -> None:
    """Look at the work that is due, and at what is held for a person."""


@steps.command("list")
@click.option("--held", is_flag=True, help="Only what failed for good and waits for a person.")
@click.option(
    "--kind", metavar="KIND", callback=one_of(_step_kinds), help="Such as import, create, report, event, send."
)
@limited
@as_json
@click.pass_obj
def steps_list(config: str | None, held: bool, kind: str | None, limit: int, as_json: bool) -> None:
    """List steps, in the order in which they are due."""
    from lengow.connector.model import StepKind
    from lengow.console import output

    with connector_of(config) as connector:
        found = connector.store.steps(kind=StepKind(kind) if kind else None, held=True if held else None, limit=limit)
    output.show_steps(found, as_json=as_json)


@steps.command("retry")
@click.argument("step_id", type=ROW_ID, metavar="ID")
@click.pass_obj
def steps_retry(config: str | None, step_id: int) -> None:
    """Take up the held step ID again with the next round, after what stopped it was mended."""
    with connector_of(config) as connector:
        connector.retry_step(step_id, who=operator())
    click.echo(f"Step {step_id} is taken up again with the next round.")
