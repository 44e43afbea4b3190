"""What the commands share: opening the connector, naming things in it, options. No heavy imports outside functions."""

import os
import sys
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from datetime import datetime

    from lengow.connector import Connector

FAILURES_LEFT = 3
"""Exit code: done, but something failed and waits for a person."""
USAGE = 2
"""Exit code: usage or settings are wrong."""

ROW_ID = click.IntRange(0, 2**63 - 1)
"""No row of a database has a greater number."""
limited = click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000))
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def one_of(words: Callable[[], Iterable[str]]) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """Refuse an option's value that is none of `words`, which are asked for only then: `--help` need not import them."""

    def check(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
        known = [str(word) for word in words()] if value is not None else []
        if value is not None and value not in known:
            text = f"{value!r} is none of: {', '.join(known)}. {nearest(value, known)}".rstrip()
            raise click.BadParameter(text, context, option)
        return value

    return check


def connector_of(config: str | None) -> "Connector":
    from lengow.connector import Connector, Settings

    return Connector(Settings.load(config))


def stop(connector: "Connector") -> None:
    """End the schedule; where a thread does not end, end the process, which would wait for that thread for ever."""
    if not connector.stop():
        click.echo("Not all ended in time. Nothing is lost: the next start takes up what was under way.", err=True)
        sys.stdout.flush()
        os._exit(FAILURES_LEFT)


def refuse_unknown(
    connector: "Connector", *, account: str | None = None, shop: str | None = None, marketplace: str | None = None
) -> None:
    """Refuse a name that is not in the settings, or a marketplace that Lengow does not describe and has no order."""
    from lengow.connector.store.rows import OrderFilter

    _refuse(account, connector.settings.accounts, "account")
    _refuse(shop, connector.settings.shops, "shop")
    if marketplace and not connector.store.list_orders(OrderFilter(marketplace=marketplace, limit=1)):
        described = {name for one in connector.settings.accounts for name in connector.store.marketplaces(one)}
        if described:  # else nothing was imported yet
            _refuse(marketplace, sorted(described), "marketplace")


def _refuse(name: str | None, among: Collection[str], what: str) -> None:
    from lengow.connector.errors import SettingsError

    if name is not None and name not in among:
        raise SettingsError(
            f"There is no {what} {name!r}; there are: {', '.join(among)}.",
            what_to_do=nearest(name, among) or f"Name one of these for the {what}.",
        )


def nearest(name: str, among: Collection[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, among, 1)
    return f"Did you mean {near[0]}?" if near else ""


def found_order(connector: "Connector", name: str) -> Any:
    """The one order of this number, or of account/marketplace/number."""
    from lengow.connector.errors import OrderUnknown

    parts = name.split("/", 2)
    if len(parts) == 3 and parts[0] in connector.settings.accounts:
        return connector.order(*parts)
    found = connector.store.find_orders(name)
    if not found:
        raise OrderUnknown(f"There is no order {name}.", order=name)
    if len(found) > 1:
        keys = ", ".join(str(one.order.key) for one in found)
        raise click.UsageError(f"{name} is the number of several orders; name one of: {keys}")
    return found[0]


def order_key(connector: "Connector", name: str) -> tuple[str, str, str]:
    """Account, marketplace and number, of an order that need not be known where all three are named."""
    parts = name.split("/", 2)
    if len(parts) == 3 and parts[0] in connector.settings.accounts:
        return parts[0], parts[1], parts[2]
    key = found_order(connector, name).order.key
    return key.account, key.marketplace, key.marketplace_order_id


def utc(moment: "datetime | None") -> "datetime | None":
    from datetime import UTC

    return moment.replace(tzinfo=UTC) if moment else None


def operator() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "operator"
