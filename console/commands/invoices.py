"""`lengow-connector invoices`."""

import sys
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


def _invoice_states() -> Iterable[str]:
    from lengow.invoices import InvoiceState

    return InvoiceState


@click.group()
def invoices() -> None:
    """Look at invoices and credit notes; preview, retry, mail again, credit, dismiss."""


@invoices.command("list")
@click.option("--account")
@click.option("--shop")
@click.option("--state", metavar="STATE", callback=one_of(_invoice_states), help="Such as held, mailed, mail_failed.")
@click.option("--waiting", is_flag=True, help="Only what waits for a person; exit code 3 if there is any.")
@limited
@as_json
@click.pass_obj
def invoices_list(
    config: str | None,
    account: str | None,
    shop: str | None,
    state: str | None,
    waiting: bool,
    limit: int,
    as_json: bool,
) -> int:
    """List invoices and credit notes, newest first."""
    from lengow.console.invoice_output import show_invoices
    from lengow.invoices import Invoices, InvoiceState
    from lengow.invoices.ledger import FOR_A_PERSON

    states = FOR_A_PERSON if waiting else [InvoiceState(state)] if state else []
    with connector_of(config) as connector, Invoices(connector) as door:
        refuse_unknown(connector, account=account, shop=shop)
        rows = door.listed(account=account, shop=shop, states=states, limit=limit)
    show_invoices(rows, as_json=as_json)
    return FAILURES_LEFT if waiting and rows else 0


@invoices.command("due")
@click.option("--account")
@as_json
@click.pass_obj
def invoices_due(config: str | None, account: str | None, as_json: bool) -> None:
    """Show what the next round would issue, or hold and why; nothing is written or mailed."""
    from lengow.console.invoice_output import show_invoices
    from lengow.invoices import Invoices

    with connector_of(config) as connector, Invoices(connector) as door:
        refuse_unknown(connector, account=account)
        accounts = [account] if account else list(connector.settings.accounts)
        rows = [row for name in accounts for row in door.due(name)]
    show_invoices(rows, as_json=as_json)


@invoices.command("preview")
@click.argument("order")
@click.option("--pdf", "path", metavar="FILE", help="Write the PDF there; - is standard output.")
@as_json
@click.pass_obj
def invoices_preview(config: str | None, order: str, path: str | None, as_json: bool) -> None:
    """Show what the invoice of ORDER would be, under no number; nothing is written or mailed."""
    from lengow.console.invoice_output import show_documents
    from lengow.invoices import Invoices

    with connector_of(config) as connector, Invoices(connector) as door:
        key = found_order(connector, order).order.key
        found = door.preview(key.account, key.marketplace, key.marketplace_order_id)
    if path and len(found) > 1:
        raise click.UsageError(f"{key} has {len(found)} shop orders, and so as many invoices: leave --pdf out.")
    if path:
        _write(path, found[0][1])
    else:
        show_documents([document for document, _ in found], as_json=as_json)


@invoices.command("pdf")
@click.argument("invoice")
@click.argument("path", metavar="FILE")
@click.pass_obj
def invoices_pdf(config: str | None, invoice: str, path: str) -> None:
    """Write the PDF of INVOICE (number or id), as it was issued, to FILE; - is standard output."""
    from lengow.invoices import Invoices

    with connector_of(config) as connector, Invoices(connector) as door:
        _write(path, door.pdf(door.find(invoice).id))


@invoices.command("retry")
@click.argument("invoice")
@as_json
@click.pass_obj
def invoices_retry(config: str | None, invoice: str, as_json: bool) -> int:
    """Try again to make INVOICE (id), after what held it was mended."""
    from lengow.invoices import InvoiceState

    row = _changed(config, invoice, as_json, lambda door, found: door.retry(found.id, who=operator()))
    return FAILURES_LEFT if row.state is InvoiceState.HELD else 0


@invoices.command("resend")
@click.argument("invoice")
@click.option("--to", default="", metavar="ADDRESS", help="To this address instead of the order's.")
@as_json
@click.pass_obj
def invoices_resend(config: str | None, invoice: str, to: str, as_json: bool) -> None:
    """Mail INVOICE (number or id) once more, with the next round."""
    _changed(config, invoice, as_json, lambda door, found: door.resend(found.id, to=to, who=operator()))


@invoices.command("credit")
@click.argument("invoice")
@click.argument("amount")
@click.option("--reason", required=True, help="Tells this credit from another of the same invoice.")
@as_json
@click.pass_obj
def invoices_credit(config: str | None, invoice: str, amount: str, reason: str, as_json: bool) -> None:
    """Issue a credit note over AMOUNT (VAT included) of INVOICE."""
    from decimal import Decimal, InvalidOperation

    try:
        credited = Decimal(amount)
        exact = round(credited, 2)  # raises for Infinity, and for what is beyond all measure
    except InvalidOperation as error:
        raise click.BadParameter(f"{amount!r} is not an amount such as 12.50", param_hint="AMOUNT") from error
    if credited != exact:
        raise click.BadParameter(f"{amount!r} has more than two decimals", param_hint="AMOUNT")
    _changed(
        config, invoice, as_json, lambda door, found: door.credit(found.id, credited, reason=reason, who=operator())
    )


@invoices.command("dismiss")
@click.argument("invoice")
@click.option("--reason", required=True, help="Why nothing is to become of it.")
@as_json
@click.pass_obj
def invoices_dismiss(config: str | None, invoice: str, reason: str, as_json: bool) -> None:
    """Say that nothing is to become of INVOICE (id) that waits for a person."""
    _changed(config, invoice, as_json, lambda door, found: door.dismiss(found.id, reason, who=operator()))


@invoices.command("bounced")
@click.pass_obj
def invoices_bounced(config: str | None) -> int:
    """Take a mail that came back from standard input, as a mail server pipes it; exit code 3 if it is of no invoice."""
    from lengow.invoices import Invoices

    with connector_of(config) as connector, Invoices(connector) as door:
        row = door.bounced(sys.stdin.buffer.read())
    click.echo(f"{row.number} came back from {row.recipient}." if row else "It is of no invoice.", err=row is None)
    return 0 if row else FAILURES_LEFT


def _changed(config: str | None, invoice: str, as_json: bool, change: Any) -> Any:
    from lengow.console.invoice_output import show_invoices
    from lengow.invoices import Invoices

    with connector_of(config) as connector, Invoices(connector) as door:
        row = change(door, door.find(invoice))
    show_invoices([row], as_json=as_json)
    return row


def _write(path: str, content: bytes) -> None:
    from pathlib import Path

    if path == "-":
        sys.stdout.buffer.write(content)
    else:
        Path(path).write_bytes(content)
        click.echo(f"Wrote {path}.", err=True)
