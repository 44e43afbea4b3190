"""`lengow-connector shop` and `doctor`."""

import click

from lengow.console.commands.common import FAILURES_LEFT, as_json, connector_of, operator, refuse_unknown


@click.group()
def shop() -> None:
    """Look at shops, and switch their toggles."""


@shop.command("list")
@as_json
@click.pass_obj
def shop_list(config: str | None, as_json: bool) -> None:
    """List shops with their toggles."""
    from lengow.console import output

    with connector_of(config) as connector:
        rows = [(name, one, connector.toggles(name)) for name, one in connector.settings.shops.items()]
    output.show_shops(rows, as_json=as_json)


@shop.command("set")
@click.argument("name")
@click.argument("toggle")
@click.argument("value", type=click.BOOL)
@click.pass_obj
def shop_set(config: str | None, name: str, toggle: str, value: bool) -> None:
    """Switch TOGGLE of shop NAME to VALUE (true or false). Orders skipped for it are decided again at the next sync."""
    with connector_of(config) as connector:
        refuse_unknown(connector, shop=name)
        connector.set_toggle(name, toggle, value, who=operator())
    click.echo(f"{name}: {toggle} = {str(value).lower()}")


@shop.command("connect")
@click.argument("name")
@click.argument("url")
@as_json
@click.pass_obj
def shop_connect(config: str | None, name: str, url: str, as_json: bool) -> int:
    """Have shop NAME send its webhooks to URL, such as https://…/webhooks/NAME. Safe to repeat."""
    from lengow.console import output

    with connector_of(config) as connector:
        refuse_unknown(connector, shop=name)
        findings = connector.connect(name, url)
    output.show_findings(findings, as_json=as_json)
    return 0 if all(one.ok for one in findings) else FAILURES_LEFT


@shop.command("register")
@click.argument("url")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65_535), help="Of 127.0.0.1.")
def shop_register(url: str, port: int) -> None:
    """Wait for a Shopware shop to install the connector's app, and show the keys that it gives. Once a shop.

    URL is the https address in the app's manifest, at which a proxy leads to this command. The secrets are read from
    LENGOW_SHOPWARE_APP_SECRET and LENGOW_SHOPWARE_SHOP_SECRET.
    """
    import os

    from lengow.adapters.shopware.registration import registered

    keys = registered(url, port, os.environ)
    click.echo(f'url = "{keys.shop_url}"')
    click.echo(f'access_key = "{keys.access_key}"')
    click.echo(f'secret_key = "{keys.secret_key.reveal()}"')


@shop.command("check")
@click.argument("name")
@as_json
@click.pass_obj
def shop_check(config: str | None, name: str, as_json: bool) -> int:
    """Check that shop NAME is reachable and set up."""
    from lengow.console import output

    with connector_of(config) as connector:
        refuse_unknown(connector, shop=name)
        findings = connector.check(name)
    output.show_findings(findings, as_json=as_json)
    return 0 if all(one.ok for one in findings) else FAILURES_LEFT


@click.command()
@as_json
@click.pass_obj
def doctor(config: str | None, as_json: bool) -> int:
    """Look at every account and shop: credentials, rights, clocks, toggles, last sync. Exit code 3 if one is not well."""
    from lengow.console import output

    with connector_of(config) as connector:
        examined = connector.doctor()
    output.show_examined(examined, as_json=as_json)
    return 0 if all(finding.ok for one in examined for finding in one.findings) else FAILURES_LEFT
