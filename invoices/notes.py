"""What happens to invoices stands in the journal of their order."""

from lengow.connector.context import CONNECTOR, Context
from lengow.invoices.ledger import InvoiceRow


def note(context: Context, row: InvoiceRow, what: str, detail: str, *, who: str = CONNECTOR) -> None:
    """What happened to an invoice, in its order's journal."""
    entry = context.entry(row.order_id, what, detail, package_id=row.package_id, who=who)
    with context.store.transaction() as tx:
        tx.note([entry])
