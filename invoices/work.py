"""The recurring work of invoices, which the connector runs for each account (`lengow.work`)."""

from contextlib import closing
from datetime import datetime, timedelta

from lengow.connector.context import Context
from lengow.connector.store.rows import Step
from lengow.invoices.invoices import settings_of
from lengow.invoices.issuing import Issuer
from lengow.invoices.ledger import Ledger
from lengow.invoices.mailing import Mailer

EVERY = timedelta(minutes=1)


def work(context: Context, step: Step) -> datetime:
    """Issue what is due for the step's account, then mail it. Returns when to look again."""
    settings = settings_of(context)
    with closing(Ledger(context.settings.store.url)) as ledger:
        Issuer(context, ledger, settings, step.account).issue_due()
        mails = any(
            shop.mail for name, shop in settings.shops.items() if name in context.settings.shops_of(step.account)
        )
        if mails:
            mail = context.settings.mail
            assert mail is not None, "the settings of invoices ask for it"
            Mailer(context, ledger, mail).mail_due(step)
    return context.now() + EVERY
