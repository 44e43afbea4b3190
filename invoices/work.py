"""The recurring work of invoices, which the connector runs for each account (`lengow.work`)."""

from contextlib import closing
from datetime import datetime, timedelta

from lengow.connector.context import Context
from lengow.connector.settings import Settings
from lengow.connector.store.rows import Step
from lengow.invoices.invoices import settings_of
from lengow.invoices.issuing import Issuer
from lengow.invoices.ledger import Ledger
from lengow.invoices.mailing import Mailer
from lengow.invoices.settings import invoice_settings

EVERY = timedelta(minutes=1)


class InvoiceWork:
    def check(self, settings: Settings) -> None:
        """Raises SettingsError."""
        invoice_settings(settings)

    def __call__(self, context: Context, step: Step) -> datetime:
        """Issue what is due for the step's account, then mail it; returns when to look again."""
        settings = settings_of(context)
        shops = [settings.shops[name] for name in context.settings.shops_of(step.account) if name in settings.shops]
        with closing(Ledger(context.settings.store.url)) as ledger:
            Issuer(context, ledger, settings, step.account).issue_due()
            if context.settings.mail is not None and any(shop.mail for shop in shops):
                Mailer(context, ledger, context.settings.mail).mail_due(step)
        return context.now() + EVERY


work = InvoiceWork()
