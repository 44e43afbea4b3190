"""The recurring work of invoices, which the connector runs for each account (`lengow.work`)."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import msgspec

from lengow.connector.context import Context
from lengow.connector.errors import LeaseLost
from lengow.connector.leases import Leases
from lengow.connector.settings import Settings
from lengow.connector.store.rows import Step
from lengow.connector.works import Gauge, Waiting
from lengow.invoices.invoices import settings_of
from lengow.invoices.issuing import Issuer
from lengow.invoices.ledger import FOR_A_PERSON, InvoiceState, Ledger
from lengow.invoices.mailing import Mailer
from lengow.invoices.settings import invoice_settings

EVERY = timedelta(minutes=1)

MOST_WAITING = 1000


class InvoiceWork:
    def check(self, settings: Settings) -> None:
        """Raises SettingsError."""
        invoice_settings(settings)

    def __call__(self, context: Context, step: Step) -> datetime:
        """Issue what is due for the step's account, then mail it; returns when to look again."""
        settings = settings_of(context)
        shops = [settings.shops[name] for name in context.settings.shops_of(step.account) if name in settings.shops]
        leases = Leases(context, [step])

        def keep() -> None:
            if not leases.hold(step):
                raise LeaseLost(f"The invoices of {step.account} were taken over by another worker.")

        with closing(Ledger(context.settings.store.url)) as ledger:
            Issuer(context, ledger, settings, step.account).issue_due(keep)
            if context.settings.mail is not None and any(shop.mail for shop in shops):
                Mailer(context, ledger, context.settings.mail).mail_due(step.account, keep)
        return context.now() + EVERY

    def waiting(self, context: Context, account: str) -> Sequence[Waiting]:
        """Invoices that are held, or whose mail did not arrive."""
        with closing(Ledger(context.settings.store.url)) as ledger:
            rows = ledger.listed(account=account, states=FOR_A_PERSON, limit=MOST_WAITING)
        return [
            Waiting(
                f"{row.id} {row.state} {row.changed_at.isoformat()}",
                row.order_key,
                f"{row.kind} {row.number} {row.state}".replace("  ", " "),
                ": ".join(filter(None, (row.reason, row.about))),
                row.changed_at,
            )
            for row in rows
        ]

    def gauges(self, context: Context) -> Sequence[Gauge]:
        with closing(Ledger(context.settings.store.url)) as ledger:
            counts: dict[tuple[str, ...], float] = {key: float(count) for key, count in ledger.counts().items()}
        return [
            Gauge("lengow_invoices", "Invoices and credit notes, by where they stand.", ("account", "state"), counts)
        ]

    def export_buyers(self, context: Context, order_ids: Sequence[int]) -> Sequence[Mapping[str, Any]]:
        """Each invoice of these orders, with what stands in it."""
        with closing(Ledger(context.settings.store.url)) as ledger:
            rows = [row for order_id in order_ids for row in ledger.of_order(order_id)]
            documents = {row.id: ledger.document(row.id) for row in rows}
            return [
                {"invoice": msgspec.to_builtins(row), "document": msgspec.to_builtins(found[0]) if found else None}
                for row, found in ((row, documents[row.id]) for row in rows)
            ]

    def erase_buyers(self, context: Context, order_ids: Sequence[int]) -> None:
        """The address that a settled invoice was mailed to. The invoice itself is kept, as the law asks."""
        with closing(Ledger(context.settings.store.url)) as ledger, ledger.transaction() as tx:
            for row in (row for order_id in order_ids for row in tx.of_order(order_id)):
                if row.recipient and row.state not in (InvoiceState.TO_MAIL, InvoiceState.MAILING):
                    tx.save(msgspec.structs.replace(row, recipient=""))


work = InvoiceWork()
