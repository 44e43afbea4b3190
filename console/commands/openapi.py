"""`lengow-connector openapi`."""

import click


@click.command()
def openapi() -> None:
    """Print the OpenAPI description of what `serve` answers: webhooks, health, feeds, the console's JSON."""
    from importlib.resources import files

    click.echo(files("lengow.console").joinpath("openapi.json").read_text(encoding="utf-8"), nl=False)
