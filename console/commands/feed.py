"""`lengow-connector feed`."""

from pathlib import Path

import click

from lengow.console.commands.common import FAILURES_LEFT, as_json, connector_of, one_of

given_products = click.option(
    "--products",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Products from a file of JSON lines, not from the shop of NAME.",
)

FORMATS = ("table", "csv", "json")


@click.group()
def feed() -> None:
    """Build, check and compare product feeds."""


@feed.command("list")
@as_json
@click.pass_obj
def feed_list(config: str | None, as_json: bool) -> None:
    """List feeds: programme, priority, file, offers in it, when it was written, whether it is served."""
    from lengow.console import feed_output
    from lengow.feeds.building import standing

    with connector_of(config) as connector:
        feed_output.show_feeds(standing(connector), as_json=as_json)


@feed.command("url")
@click.argument("name")
@click.pass_obj
def feed_url(config: str | None, name: str) -> None:
    """Print the path of feed NAME's URL under `serve`, with its secret: for Lengow."""
    from lengow.connector.errors import SettingsError
    from lengow.feeds.serving import url_path
    from lengow.feeds.settings import group_of

    with connector_of(config) as connector:
        path = url_path(name, group_of(connector.settings, name).feeds[name])
    if not path:
        raise SettingsError(
            f"feeds.{name} has no `secret`, and is not served.",
            what_to_do=f'Write secret = "env:FEED_SECRET" in [feeds.{name}].',
        )
    click.echo(path)


@feed.command("build")
@click.argument("name", required=False)
@given_products
@click.option("--dry-run", is_flag=True, help="Read and check all, and write nothing.")
@click.option("--force", is_flag=True, help="Write a feed although it loses more offers than `collapse_guard` allows.")
@as_json
@click.pass_obj
def feed_build(
    config: str | None, name: str | None, file: Path | None, dry_run: bool, force: bool, as_json: bool
) -> int:
    """Build feed NAME with those that share its offers; without NAME all. What is refused keeps its old file."""
    from lengow import feeds
    from lengow.connector.errors import LengowError, SettingsError
    from lengow.console import feed_output
    from lengow.feeds.settings import group_of, groups

    _need_name(name, file)
    reports: list[feeds.Report] = []
    failed = False
    with connector_of(config) as connector:
        settings = connector.settings
        for group in groups(settings) if name is None else [group_of(settings, name)]:
            try:
                products = feeds.read_products(file) if file else None
                one = name or next(iter(group.feeds))
                reports.append(feeds.build(connector, one, products=products, force=force, dry_run=dry_run))
            except SettingsError:
                raise
            except LengowError as error:
                failed = True
                click.echo(f"{error.code}: {error}\n{error.what_to_do}", err=True)
    feed_output.show_reports(reports, as_json=as_json)
    refused = any(one.refusal for report in reports for one in report.feeds)
    return FAILURES_LEFT if failed or refused else 0


@feed.command("check")
@click.argument("name", required=False)
@given_products
@click.option("--format", "form", default="table", show_default=True, callback=one_of(lambda: FORMATS))
@click.pass_obj
def feed_check(config: str | None, name: str | None, file: Path | None, form: str) -> int:
    """List what is wrong with each product's offer in feed NAME, or in all. Exit code 3 if anything is."""
    from lengow import feeds
    from lengow.console import feed_output

    _need_name(name, file)
    with connector_of(config) as connector:
        products = feeds.read_products(file) if file else None
        found = feed_output.show_problems(feeds.check(connector, name, products=products), form)
    return FAILURES_LEFT if found else 0


@feed.command("diff")
@click.argument("old", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("new", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@as_json
def feed_diff(old: Path, new: Path, as_json: bool) -> None:
    """Compare two builds of a feed: offers added, removed and changed."""
    from lengow import feeds
    from lengow.console import feed_output

    feed_output.show_changes(feeds.diff(old, new), as_json=as_json)


def _need_name(name: str | None, file: Path | None) -> None:
    if file is not None and name is None:
        raise click.UsageError("With --products, name the feed whose shop they are of.")
