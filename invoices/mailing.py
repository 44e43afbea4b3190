"""Mails what is issued, each document once: the intent is kept before, what became of it after.

A mail server cannot be asked whether it has taken a mail. Where the answer was lost, the mail is not sent again by
itself; a person may, and its Message-ID is the same then.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from email import message_from_bytes, message_from_string
from email.message import Message as LegacyMessage

import msgspec

from lengow.connector.context import Context
from lengow.connector.mail import (
    Attachment,
    Mail,
    MailOutcome,
    Message,
    Refused,
    Sent,
    TryAgain,
    Unknown,
    message_id,
    send_mail,
)
from lengow.connector.retry import steady_pause
from lengow.invoices.document import Document
from lengow.invoices.ledger import InvoiceRow, InvoiceState, Ledger
from lengow.invoices.notes import note
from lengow.invoices.texts import WORDS, kind_of

log = logging.getLogger("lengow.invoices.mailing")

LONGEST_FACT = 200
"""Characters of a name or number in the mail."""

TRIES = 20
"""How often a server that says "later" is asked: about a day."""


class Mailer:
    """Mails for one account. One at a time holds the account's step; what it finds begun was left by a crash."""

    def __init__(self, context: Context, ledger: Ledger, mail: Mail) -> None:
        self._context = context
        self._ledger = ledger
        self._mail = mail

    def mail_due(self, account: str, keep: Callable[[], None]) -> int:
        """Settle what was left, then mail what is due; returns how many were sent.

        `keep` is called before each mail, to renew the lease of who mails.
        """
        for row in self._ledger.being_mailed(account):
            self._save(row, InvoiceState.MAIL_UNKNOWN, "outcome_unknown", "The process ended while it was being sent.")
        sent = 0
        for row in self._ledger.to_mail(account, self._context.now()):
            if self._context.stopping.is_set():
                break
            keep()
            sent += self._mail_one(row)
        return sent

    def _mail_one(self, row: InvoiceRow) -> bool:
        found = self._ledger.document(row.id)
        assert found is not None, "a numbered invoice has its document"
        message = message_of(row, *found, at=self._context.now())
        row = msgspec.structs.replace(
            row,
            state=InvoiceState.MAILING,
            attempts=row.attempts + 1,
            message_id=message_id(self._mail, message),
            changed_at=self._context.now(),
        )
        with self._ledger.transaction() as tx:
            current = tx.invoice(row.id)
            if current is None or current.state is not InvoiceState.TO_MAIL:
                return False
            tx.save(row)
        outcome = send_mail(self._mail, message)
        self._settle(row, outcome)
        return isinstance(outcome, Sent)

    def _settle(self, row: InvoiceRow, outcome: MailOutcome) -> None:
        if isinstance(outcome, Sent):
            self._save(row, InvoiceState.MAILED)
        elif isinstance(outcome, Refused):
            self._save(row, InvoiceState.MAIL_FAILED, "mail_refused", outcome.reason)
        elif isinstance(outcome, Unknown):
            self._save(row, InvoiceState.MAIL_UNKNOWN, "outcome_unknown", outcome.reason)
        else:
            self._later(row, outcome)

    def _later(self, row: InvoiceRow, outcome: TryAgain) -> None:
        if row.attempts >= TRIES:
            self._save(row, InvoiceState.MAIL_FAILED, "gave_up", outcome.reason)
            return
        pause = timedelta(seconds=steady_pause(row.attempts, jitter=self._context.jitter()))
        row = msgspec.structs.replace(row, due_at=self._context.now() + pause)
        self._save(row, InvoiceState.TO_MAIL, "mail_unavailable", outcome.reason)

    def _save(self, row: InvoiceRow, state: InvoiceState, reason: str = "", about: str = "") -> None:
        changed = msgspec.structs.replace(
            row,
            state=state,
            reason=reason,
            about=about,
            due_at=row.due_at if state is InvoiceState.TO_MAIL else None,
            changed_at=self._context.now(),
        )
        with self._ledger.transaction() as tx:
            tx.save(changed)
        if state is not InvoiceState.TO_MAIL:
            note(self._context, changed, f"invoice_{state}", f"{row.number}: {reason}" if reason else row.number)


def message_of(row: InvoiceRow, document: Document, pdf: bytes, *, at: datetime) -> Message:
    """The mail of a document. Names and numbers come from outside: each is one line of it, whatever it holds."""
    words, kind = WORDS[document.language], kind_of(document)
    facts = {
        "kind": kind,
        "number": _one_line(document.number),
        "order": _one_line(document.order_number),
        "seller": document.seller.name,
        "name": _one_line(document.buyer.name),
    }
    body = words.body if document.kind == "invoice" else words.credit_body
    file = "".join(one if one.isalnum() or one in "+-_." else "-" for one in document.number)
    return Message(
        id=f"invoice {row.account} {document.number}",
        to=(row.recipient.strip(),),
        subject=words.subject.format(**facts),
        text=body.format(**facts),
        date=at,
        attachments=(Attachment(f"{file}.pdf", pdf, "application/pdf"),),
        reply_to=document.seller.email,
        language=document.language,
    )


def _one_line(text: str) -> str:
    """White space as single blanks, and nothing that cannot be seen."""
    seen = "".join(one if one.isprintable() or one.isspace() else "" for one in text)
    return " ".join(seen.split())[:LONGEST_FACT]


def bounced_message_id(raw: bytes) -> str:
    """The Message-ID of the mail that a delivery status notification (RFC 3464) sends back; empty when it is none.

    Read by the old rules of Python's mail package, as its new ones raise for headers that are not well-formed.
    """
    try:
        report = message_from_bytes(raw)
        parts = list(report.walk())
    except RecursionError:  # parts in parts without end
        return ""
    if report.get_content_type() != "multipart/report" or not any(map(_tells_failure, parts)):
        return ""
    for part in parts:
        if part.get_content_type() in ("message/rfc822", "text/rfc822-headers") and (found := _inner_id(part)):
            return found
    return ""


def _tells_failure(part: LegacyMessage) -> bool:
    fields = part.get_payload() if part.get_content_type() == "message/delivery-status" else None
    groups = fields if isinstance(fields, list) else ()
    return any("failed" in str(group.get("Action", "")).lower() for group in groups if isinstance(group, LegacyMessage))


def _inner_id(part: LegacyMessage) -> str:
    """Of the mail, or of its headers alone, that the report has in it."""
    payload = part.get_payload()
    inner = payload[0] if isinstance(payload, list) and payload else message_from_string(str(payload))
    return str(inner.get("Message-ID", "")).strip() if isinstance(inner, LegacyMessage) else ""
