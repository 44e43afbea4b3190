"""The public door: look at invoices, preview, retry, mail again, credit, dismiss."""

from collections.abc import Sequence
from decimal import Decimal
from types import TracebackType
from typing import Self

import msgspec

from lengow.connector import Connector
from lengow.connector.context import Context
from lengow.connector.errors import OrderUnknown, SettingsError
from lengow.connector.model import OrderState
from lengow.invoices.document import Document
from lengow.invoices.errors import InvoiceHeld, InvoiceUnknown
from lengow.invoices.issuing import Issuer
from lengow.invoices.ledger import FOR_A_PERSON, InvoiceRow, InvoiceState, Ledger
from lengow.invoices.mailing import bounced_message_id
from lengow.invoices.notes import note
from lengow.invoices.settings import InvoiceSettings, invoice_settings

OPERATOR = "operator"

RESENDABLE = (
    InvoiceState.ISSUED,
    InvoiceState.MAILED,
    InvoiceState.MAIL_UNKNOWN,
    InvoiceState.MAIL_FAILED,
    InvoiceState.BOUNCED,
)


class Invoices:
    """The invoices of a connector. Close it, or use it in a `with` block."""

    def __init__(self, connector: Connector) -> None:
        """Raises SettingsError where the settings have no `[invoices]`, or wrong ones."""
        self._context: Context = connector.context
        self._settings = settings_of(self._context)
        self._ledger = Ledger(self._context.settings.store.url)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._ledger.close()

    def listed(
        self,
        *,
        account: str | None = None,
        shop: str | None = None,
        states: Sequence[InvoiceState] = (),
        limit: int = 50,
    ) -> list[InvoiceRow]:
        """Newest first."""
        return self._ledger.listed(account=account, shop=shop, states=states, limit=limit)

    def for_a_person(self, account: str) -> list[InvoiceRow]:
        """What waits for somebody to look: held, not mailed, sent back."""
        return self._ledger.listed(account=account, states=FOR_A_PERSON, limit=100_000)

    def find(self, name: str) -> InvoiceRow:
        """By number, or by id. Raises InvoiceUnknown."""
        row = self._ledger.numbered(name) or (self._ledger.invoice(int(name)) if name.isdecimal() else None)
        if row is None:
            raise InvoiceUnknown(f"There is no invoice {name!r}.")
        return row

    def of_order(self, account: str, marketplace: str, marketplace_order_id: str) -> list[InvoiceRow]:
        found = self._context.store.orders_named(account, [(marketplace, marketplace_order_id)])
        return [row for stored in found.values() for row in self._ledger.of_order(stored.order.id)]

    def pdf(self, invoice_id: int) -> bytes:
        """The document as it was issued. Raises InvoiceUnknown where it has none yet."""
        return self._issued(invoice_id)[1]

    def document(self, invoice_id: int) -> Document:
        """What is in it. Raises InvoiceUnknown where it has none yet."""
        return self._issued(invoice_id)[0]

    def preview(self, account: str, marketplace: str, marketplace_order_id: str) -> list[tuple[Document, bytes]]:
        """What the invoices of an order would be, one a shop order; nothing is written, no number is taken.

        Raises OrderUnknown and InvoiceHeld.
        """
        found = self._context.store.orders_named(account, [(marketplace, marketplace_order_id)])
        models = self._context.store.models([stored.order.id for stored in found.values()])
        if not models:
            raise OrderUnknown(f"There is no readable order {account}/{marketplace}/{marketplace_order_id}.")
        [stored] = found.values()
        issuer = self._issuer(account)
        packages = [one for one in stored.packages if one.state is not OrderState.WITHDRAWN]
        return [issuer.preview(stored, models[stored.order.id], package) for package in packages]

    def due(self, account: str) -> list[InvoiceRow]:
        """A dry run: what the next round would issue (`issued`) or hold, and why; nothing is written."""
        return [due.row for due in self._issuer(account).would_issue()]

    def retry(self, invoice_id: int, *, who: str = OPERATOR) -> InvoiceRow:
        """Try again what is held; mail again at once what waits for its next try. Raises InvoiceUnknown."""
        row = self._row(invoice_id)
        if row.state is InvoiceState.TO_MAIL:
            self._save(row, msgspec.structs.replace(row, due_at=self._context.now()), "retried", who)
        elif row.state is InvoiceState.HELD:
            note(self._context, row, "retried", f"invoice {row.id}", who=who)
            self._issuer(row.account).issue(row.order_id)
        else:
            raise InvoiceHeld(
                "not_held", f"Invoice {row.number} is {row.state}.", what_to_do="`invoices resend` mails it again."
            )
        return self._row(invoice_id)

    def resend(self, invoice_id: int, *, to: str = "", who: str = OPERATOR) -> InvoiceRow:
        """Mail it once more with the next round, to another address if one is given.

        Raises InvoiceUnknown; InvoiceHeld (`not_issued`) where there is no document yet.
        """
        row = self._row(invoice_id)
        if row.state not in RESENDABLE:
            raise InvoiceHeld("not_issued", f"Invoice {row.id} of {row.order_key} is {row.state}.")
        if not (to or row.recipient):
            raise InvoiceHeld("no_email", f"{row.order_key} has no address.", what_to_do="Give one: --to ADDRESS.")
        now = self._context.now()
        changed = msgspec.structs.replace(
            row,
            state=InvoiceState.TO_MAIL,
            reason="",
            about="",
            attempts=0,
            recipient=to or row.recipient,
            due_at=now,
            changed_at=now,
        )
        self._save(row, changed, "invoice_resent", who)
        return changed

    def credit(self, invoice_id: int, amount: Decimal, *, reason: str, who: str = OPERATOR) -> InvoiceRow:
        """A credit note over an amount, VAT included; `reason` tells one from another of the same invoice.

        Raises InvoiceUnknown, InvoiceHeld (`credit_too_high`, `already_credited`).
        """
        row = self._row(invoice_id)
        cause = f"credit of invoice {row.id}: {reason}"
        return self._issuer(row.account).credit_by_hand(row, cause, amount, who)

    def dismiss(self, invoice_id: int, reason: str, *, who: str = OPERATOR) -> InvoiceRow:
        """Nothing is to become of it: it is not shown as waiting for a person any more. Raises InvoiceUnknown."""
        row = self._row(invoice_id)
        if row.state not in FOR_A_PERSON:
            raise InvoiceHeld("not_held", f"Invoice {row.number or row.id} is {row.state}; nothing waits for you.")
        changed = msgspec.structs.replace(
            row, state=InvoiceState.DISMISSED, reason="dismissed", about=reason, changed_at=self._context.now()
        )
        self._save(row, changed, "dismissed", who)
        return changed

    def bounced(self, raw: bytes) -> InvoiceRow | None:
        """Take a mail that came back (RFC 3464), as a mail server pipes it; None when it is not of an invoice."""
        message_id = bounced_message_id(raw)
        row = self._ledger.of_message(message_id) if message_id else None
        if row is None:
            return None
        changed = msgspec.structs.replace(
            row, state=InvoiceState.BOUNCED, reason="bounced", about=row.recipient, changed_at=self._context.now()
        )
        self._save(row, changed, "invoice_bounced", "mail server")
        return changed

    def _issuer(self, account: str) -> Issuer:
        return Issuer(self._context, self._ledger, self._settings, account)

    def _row(self, invoice_id: int) -> InvoiceRow:
        row = self._ledger.invoice(invoice_id)
        if row is None:
            raise InvoiceUnknown(f"There is no invoice {invoice_id}.")
        return row

    def _issued(self, invoice_id: int) -> tuple[Document, bytes]:
        row = self._row(invoice_id)
        found = self._ledger.document(invoice_id)
        if found is None:
            raise InvoiceUnknown(
                f"The invoice {invoice_id} of {row.order_key} is {row.state}, and has no document yet."
            )
        return found

    def _save(self, seen: InvoiceRow, row: InvoiceRow, what: str, who: str) -> None:
        """Raises InvoiceHeld where a worker has gone on with it since it was `seen`, such as mailed it."""
        with self._ledger.transaction() as tx:
            current = tx.invoice(seen.id)
            if current is None or current.state is not seen.state:
                state = current.state if current else "gone"
                raise InvoiceHeld("not_held", f"Invoice {seen.number or seen.id} is {state} by now.")
            tx.save(row)
        note(self._context, row, what, f"invoice {row.number or row.id}: {row.about}".rstrip(": "), who=who)


def settings_of(context: Context) -> InvoiceSettings:
    """Raises SettingsError."""
    settings = invoice_settings(context.settings)
    if settings is None:
        raise SettingsError(
            "The settings have no [invoices].", what_to_do="docs/invoices.md says what to write.", field="invoices"
        )
    return settings
