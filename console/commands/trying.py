"""`lengow-connector init`, `sandbox` and `demo`: to begin with."""

import click

from lengow.console.commands.common import FAILURES_LEFT, as_json


@click.command()
@click.argument("path", default="lengow.toml", required=False)
def init(path: str) -> None:
    """Write a commented settings file to PATH (lengow.toml)."""
    from lengow.console.template import write_template

    write_template(path)
    click.echo(f"Wrote {path}. Put the keys into the environment variables it names, then: lengow-connector sync")


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def sandbox(arguments: tuple[str, ...]) -> int:
    """Run a Lengow of your own, with ManoMano behind it, on this machine. `sandbox --help` lists its options."""
    from lengow.sandbox import main as run_sandbox

    return run_sandbox(list(arguments)) or 0


@click.command()
@click.option("--orders", "count", default=200, show_default=True, type=click.IntRange(20, 20_000))
@as_json
def demo(count: int, as_json: bool) -> int:
    """Do the main job against a sandbox: sell, import into a shop of each platform, ship, confirm, compare the ledgers."""
    from lengow.console.demo import run_demo

    result = run_demo(count, as_json=as_json)
    return 0 if result.lost == result.doubled == 0 else FAILURES_LEFT
