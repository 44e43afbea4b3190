"""`lengow-connector orders`."""

from collections.abc import Iterable
from typing import Any

import click

from lengow.console.commands.common import (
    FAILURES_LEFT,
    as_json,
    connector_of,
    found_order,
    limited,
    one_of,
    operator,
    refuse_unknown,
)


def _order_states() -> Iterable[str]:
    from lengow.connector.model import OrderState

    return OrderState


def _reasons() -> Iterable[str]:
    from lengow.connector.reasons import REASONS

    return REASONS


@click.group()
def orders() -> None:
    """Look at orders, and try failed ones again."""


@orders.command("list")
@click.option("--account")
@click.option("--shop")
@click.option("--marketplace")
@click.option(
    "--state", metavar="STATE", callback=one_of(_order_states), help="Such as waiting, skipped, created, failed."
)
@click.option("--reason", metavar="CODE", callback=one_of(_reasons), help="Such as delivered_by_marketplace_disabled.")
@limited
@as_json
@click.pass_obj
def orders_list(config: str | None, /, limit: int, as_json: bool, **wanted: Any) -> None:
    """List orders, newest first."""
    from lengow.connector.store.rows import OrderFilter
    from lengow.console import output

    with connector_of(config) as connector:
        refuse_unknown(connector, **{name: wanted[name] for name in ("account", "shop", "marketplace")})
        found = connector.store.list_orders(OrderFilter(limit=limit, **wanted))
    output.show_orders(found, as_json=as_json)


@orders.command("late")
@click.option("--hours", default=24.0, show_default=True, help="How near the deadline.")
@click.option("--account")
@as_json
@click.pass_obj
def orders_late(config: str | None, hours: float, account: str | None, as_json: bool) -> int:
    """Orders whose shipping deadline is past or near and whose shipment was not told; exit code 3 if there are any."""
    from lengow.console import output

    with connector_of(config) as connector:
        refuse_unknown(connector, account=account)
        found = connector.late_orders(within_hours=hours, account=account)
    output.show_orders(found, as_json=as_json)
    return FAILURES_LEFT if found else 0


@orders.command("show")
@click.argument("order")
@as_json
@click.pass_obj
def orders_show(config: str | None, order: str, as_json: bool) -> None:
    """Show one order: its packages, journal and actions. ORDER: number, or account/marketplace/number."""
    from lengow.console import output

    with connector_of(config) as connector:
        stored = found_order(connector, order)
        output.show_order(
            stored,
            connector.store.journal(stored.order.id),
            connector.store.actions_of(stored.order.id),
            as_json=as_json,
        )


@orders.command("retry")
@click.argument("order")
@click.option("--dry-run", is_flag=True, help="Show what would be created and sent; write and send nothing.")
@as_json
@click.pass_obj
def orders_retry(config: str | None, order: str, dry_run: bool, as_json: bool) -> int:
    """Read ORDER anew from Lengow, decide again, and create it now if it can be."""
    from lengow.connector.model import OrderState
    from lengow.console import output

    with connector_of(config) as connector:
        key = found_order(connector, order).order.key
        if dry_run:
            run = connector.retry(key.account, key.marketplace, key.marketplace_order_id, dry_run=True)
            output.show_dry_runs([run], as_json=as_json)
            return 0
        connector.retry(key.account, key.marketplace, key.marketplace_order_id, who=operator())
        connector.work(key.account)
        stored = connector.order(key.account, key.marketplace, key.marketplace_order_id)
    output.show_orders([stored], as_json=as_json)
    return FAILURES_LEFT if stored.order.state is OrderState.FAILED else 0


@orders.command("reimport")
@click.argument("order")
@click.option("--dry-run", is_flag=True, help="Ask the shop whether it is gone, and write nothing.")
@as_json
@click.pass_obj
def orders_reimport(config: str | None, order: str, dry_run: bool, as_json: bool) -> int:
    """Make ORDER anew in the shop, after its shop order was deleted there; refused while the shop holds it."""
    from lengow.connector.model import OrderState
    from lengow.console import output

    with connector_of(config) as connector:
        key = found_order(connector, order).order.key
        names = (key.account, key.marketplace, key.marketplace_order_id)
        gone = connector.reimport(*names, who=operator(), dry_run=dry_run)
        if dry_run:
            for row in gone:
                click.echo(f"{row.shop}: {row.shop_order_id} is gone, and would be made anew as {row.reference}.")
            return 0
        connector.work(key.account)
        stored = connector.order(*names)
    output.show_orders([stored], as_json=as_json)
    return 0 if stored.order.state is OrderState.CREATED else FAILURES_LEFT


@orders.command("resync-ids")
@click.argument("order")
@click.pass_obj
def orders_resync_ids(config: str | None, order: str) -> int:
    """Report ORDER's shop order ids to Lengow again."""
    from lengow.connector.model import StepKind

    with connector_of(config) as connector:
        stored = found_order(connector, order)
        key = stored.order.key
        connector.resync_ids(key.account, key.marketplace, key.marketplace_order_id, who=operator())
        connector.run_step(StepKind.REPORT, str(stored.order.id))
        left = connector.store.steps_of(StepKind.REPORT, [str(stored.order.id)])
    for step in left.values():
        click.echo(f"Not yet reported: {step.error}. It is tried again by itself.", err=True)
    return FAILURES_LEFT if left else 0


@orders.command("dismiss")
@click.argument("order")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the journal.")
@as_json
@click.pass_obj
def orders_dismiss(config: str | None, order: str, reason: str, as_json: bool) -> None:
    """ORDER failed or waits, and will not be imported; `orders retry` takes that back."""
    from lengow.console import output

    with connector_of(config) as connector:
        key = found_order(connector, order).order.key
        names = (key.account, key.marketplace, key.marketplace_order_id)
        stored = connector.dismiss(*names, reason=reason, who=operator())
    output.show_orders([stored], as_json=as_json)
