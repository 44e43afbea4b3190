"""`lengow-connector products`."""

import click

from lengow.console.commands.common import as_json, connector_of, operator, refuse_unknown


@click.group()
def products() -> None:
    """Tell which of a shop's products is meant by a marketplace's SKU."""


@products.command("list")
@click.option("--shop")
@as_json
@click.pass_obj
def products_list(config: str | None, shop: str | None, as_json: bool) -> None:
    """List the matches."""
    from lengow.console.tables import minute, print_json, show_table

    with connector_of(config) as connector:
        refuse_unknown(connector, shop=shop)
        found = connector.product_matches(shop)
    if as_json:
        print_json(found)
        return
    rows = [(one.shop, one.sku, one.reference, minute(one.set_at), one.set_by) for one in found]
    show_table(("shop", "marketplace SKU", "shop reference", "set at", "by"), rows)


@products.command("match")
@click.argument("shop")
@click.argument("marketplace_sku")
@click.argument("shop_reference")
@click.pass_obj
def products_match(config: str | None, shop: str, marketplace_sku: str, shop_reference: str) -> None:
    """From now on MARKETPLACE_SKU is the product SHOP_REFERENCE of SHOP; orders that wait for it are tried at once."""
    with connector_of(config) as connector:
        connector.match_product(shop, marketplace_sku, shop_reference, who=operator())
    click.echo(f"{shop}: {marketplace_sku} is {shop_reference}.")


@products.command("unmatch")
@click.argument("shop")
@click.argument("marketplace_sku")
@click.pass_obj
def products_unmatch(config: str | None, shop: str, marketplace_sku: str) -> None:
    """MARKETPLACE_SKU stands for itself again in SHOP."""
    with connector_of(config) as connector:
        connector.unmatch_product(shop, marketplace_sku, who=operator())
    click.echo(f"{shop}: {marketplace_sku} stands for itself.")
