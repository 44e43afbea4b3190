"""`lengow-connector store`."""

import click

from lengow.console.commands.common import as_json


@click.group()
def store() -> None:
    """The connector's own database."""


@store.command("copy")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@as_json
def copy(source: str, target: str, as_json: bool) -> None:
    """Move a store to an empty database: sqlite:///PATH, postgresql://…, or env:NAME that holds it.

    End all workers and receivers first. Everything is copied in one transaction and compared row by row; the tables of
    generic shops that are in the same database come along. The source stays as it is.
    """
    from lengow.adapters.generic import TABLE_NAMES, create_tables
    from lengow.connector.errors import SettingsError
    from lengow.connector.secret import NoSecret, read_secret
    from lengow.connector.store.copying import copy_store
    from lengow.console import tables

    try:
        urls = [read_secret(one).reveal() for one in (source, target)]
    except NoSecret as error:
        raise SettingsError(f"No database is named: {error}.", what_to_do=error.what_to_do) from None
    copied = copy_store(urls[0], urls[1], others=TABLE_NAMES, make_others=create_tables)
    totals = {currency: str(total) for currency, total in copied.totals.items()}
    if as_json:
        tables.print_json({"rows": dict(copied.counts), "totals": totals})
        return
    tables.show_table(("table", "rows"), [(table, str(count)) for table, count in copied.counts.items() if count])
    tables.show_table(("orders come to", "currency"), [(total, currency) for currency, total in totals.items()])
