"""Invoices for people and programs."""

from collections.abc import Sequence

import msgspec
from rich.text import Text

from lengow.console.tables import plain_lines, print_json, print_rich, second, show_table
from lengow.invoices import Document, InvoiceRow

STYLES = {"held": "red", "mail_failed": "red", "bounced": "red", "mail_unknown": "yellow", "mailed": "green"}


def show_invoices(rows: Sequence[InvoiceRow], *, as_json: bool) -> None:
    if as_json:
        print_json([msgspec.to_builtins(row) for row in rows])
        return
    cells = [
        (
            str(row.id),
            row.number,
            row.kind,
            row.order_key,
            f"{row.total} {row.currency}".strip(),
            second(row.issued_at) if row.issued_at else "",
            row.recipient,
            Text(f"{row.state}: {row.reason}" if row.reason else str(row.state), STYLES.get(row.state, "")),
        )
        for row in rows
    ]
    show_table(
        ("id", "number", "kind", "order", "total", "issued", "to", "state"),
        cells,
        folded=["state", "order"],
        spare=["to", "kind", "issued"],
    )
    for row in rows:
        if row.about:
            print_rich(plain_lines([f"{row.number or row.id}: {row.about}"]))


def show_documents(documents: Sequence[Document], *, as_json: bool) -> None:
    if as_json:
        print_json([msgspec.to_builtins(document) for document in documents])
        return
    for document in documents:
        facts = [f"{document.kind} of order {document.order_number} to {document.buyer.name}, in {document.language}"]
        print_rich(plain_lines(facts))
        show_table(
            ("line", "quantity", "net", "VAT", "gross"),
            [
                (line.title, str(line.quantity), str(line.net), f"{line.rate:f} %", str(line.gross))
                for line in document.lines
            ],
            folded=["line"],
        )
        taxes = [f"VAT {tax.rate:f} % of {tax.base}: {tax.amount} {tax.exemption}".rstrip() for tax in document.taxes]
        print_rich(plain_lines([*taxes, f"total {document.total} {document.currency}"]))
