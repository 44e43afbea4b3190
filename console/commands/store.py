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
    generic shops that are in the same database come along, and invoices with their numbers. The source stays as it is.
    """
    from lengow.adapters import generic
    from lengow.connector.errors import SettingsError
    from lengow.connector.secret import NoSecret, read_secret
    from lengow.connector.store.copying import copy_store
    from lengow.connector.store.database import Handle
    from lengow.console import tables
    from lengow.invoices import ledger

    def make_tables(database: Handle) -> None:
        generic.create_tables(database)
        ledger.create_tables(database)

    try:
        urls = [read_secret(one).reveal() for one in (source, target)]
    except NoSecret as error:
        raise SettingsError(f"No database is named: {error}.", what_to_do=error.what_to_do) from None
    copied = copy_store(urls[0], urls[1], others=[*generic.TABLE_NAMES, *ledger.TABLE_NAMES], make_others=make_tables)
    totals = {currency: str(total) for currency, total in copied.totals.items()}
    if as_json:
        tables.print_json({"rows": dict(copied.counts), "totals": totals})
        return
    tables.show_table(("table", "rows"), [(table, str(count)) for table, count in copied.counts.items() if count])
    tables.show_table(("orders come to", "currency"), [(total, currency) for currency, total in totals.items()])
