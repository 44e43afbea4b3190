"""Sends one mail over SMTP, and tells what became of it: sent, refused for good, to be tried again, or unknown.

    outcome = send_mail(settings.mail, Message(id="digest main 2026-08-01T09", to=("ops@shop.example",), …))

The message id is drawn from `Message.id`, so that it is the same on every try, and a mail that was sent twice after an
unknown outcome is known as one by its reader's mail system.
"""

import hashlib
import logging
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from lengow.connector.errors import SettingsError
from lengow.connector.secret import Secret

if TYPE_CHECKING:
    import smtplib
    from email.message import EmailMessage

log = logging.getLogger("lengow.connector.mail")

PORTS = {"starttls": 587, "tls": 465, "none": 25}

ADDRESS = re.compile(r"""[^\s@<>()\[\],;:\\"]+@[^\s@<>()\[\],;:\\"]+""")

LONGEST_ADDRESS = 512
"""Characters, with its name; RFC 5321 has 254 for the address."""

TAKEN, LATER, NEVER = range(200, 300), range(400, 500), range(500, 600)
"""Replies: done; not now; not later either (RFC 5321 §4.2.1)."""


class Mail(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The table `[mail]`: the server that takes our mail."""

    host: str
    port: int = 0
    """0: the usual one of `security`."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """`none` is for a server on this machine only."""
    user: str = ""
    password: Secret | None = None
    sender: str
    """The address in From, with a name or without: `Shop <orders@shop.example>`."""
    timeout: float = 30
    """Seconds to connect, and then for the whole mail."""


class Attachment(msgspec.Struct, frozen=True):
    name: str
    content: bytes
    media_type: str
    """Such as `application/pdf`."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    """Chosen by the caller, the same on every try of the same mail; any text, which is hashed."""
    to: tuple[str, ...]
    subject: str
    text: str
    html: str = ""
    date: datetime
    attachments: tuple[Attachment, ...] = ()
    reply_to: str = ""
    language: str = ""
    """Such as `fr`."""


class Sent(msgspec.Struct, frozen=True):
    """The server has taken it."""

    message_id: str
    refused: Mapping[str, str] = {}
    """Those of several recipients that it would not take, and why."""


class Refused(msgspec.Struct, frozen=True):
    """The server will not take it, now or later: no such recipient, too large, not allowed."""

    reason: str


class TryAgain(msgspec.Struct, frozen=True):
    """It was surely not sent. Later, or with other settings, it may be."""

    reason: str


class Unknown(msgspec.Struct, frozen=True):
    """The connection was lost after the mail was handed over: it may have been sent."""

    message_id: str
    reason: str


MailOutcome = Sent | Refused | TryAgain | Unknown


def send_mail(mail: Mail, message: Message) -> MailOutcome:
    """Send it now; takes at most about twice `mail.timeout`. Never raises for what mail servers do.

    The system's certificates are trusted; others are named by the environment variable SSL_CERT_FILE.
    """
    import smtplib

    try:
        composed = compose(mail, message)
    except ValueError as error:
        return Refused(f"The mail cannot be written: {error}")
    try:
        with _session(mail) as smtp:
            return _deliver(smtp, mail, message, composed)
    except smtplib.SMTPAuthenticationError as error:
        return TryAgain(f"The mail server does not take mail.user and mail.password: {_reply(error)}")
    except (smtplib.SMTPException, OSError, ValueError) as error:
        return TryAgain(f"{mail.host} did not take the mail: {_reply(error)}")


def look_at_server(mail: Mail) -> str:
    """Why the server would take no mail from us now: no connection, no trust, no login; empty if it would. Sends none."""
    import smtplib

    try:
        with _session(mail) as smtp:
            smtp.noop()
    except (smtplib.SMTPException, OSError, ValueError) as error:
        return _reply(error)
    return ""


def message_id(mail: Mail, message: Message) -> str:
    """The Message-ID header, in the sender's domain."""
    digest = hashlib.sha256(message.id.encode()).hexdigest()[:32]
    return f"<{digest}@{_bare(mail.sender).rpartition('@')[2]}>"


def compose(mail: Mail, message: Message) -> "EmailMessage":
    """The mail as it is sent. Raises ValueError for an address or header that cannot be."""
    from email.message import EmailMessage
    from email.utils import format_datetime

    for address in (*message.to, *filter(None, [message.reply_to])):
        if not is_address(address):
            raise ValueError(f"{address!r} is not a mail address")
    composed = EmailMessage()
    composed["Message-ID"] = message_id(mail, message)
    composed["Date"] = format_datetime(message.date)
    composed["From"] = mail.sender
    composed["To"] = ", ".join(message.to)
    composed["Subject"] = message.subject
    if message.reply_to:
        composed["Reply-To"] = message.reply_to
    composed["Auto-Submitted"] = "auto-generated"  # RFC 3834: absence notes are not sent back
    composed.set_content(message.text)
    if message.html:
        composed.add_alternative(message.html, subtype="html")
    for one in message.attachments:
        main, _, sub = one.media_type.partition("/")
        composed.add_attachment(one.content, maintype=main, subtype=sub, filename=one.name)
    if message.language:
        composed["Content-Language"] = message.language
    return composed


def is_address(text: str) -> bool:
    """Whether it is one mail address, with a name or without. What its server takes, only that knows."""
    if not text.isprintable() or len(text) > LONGEST_ADDRESS:
        return False
    from email.utils import getaddresses

    found = getaddresses([text])
    return len(found) == 1 and ADDRESS.fullmatch(found[0][1]) is not None


def check_mail(mail: Mail) -> None:
    """Raises SettingsError for what cannot work, or would send a password in clear over a network."""
    if mail.security == "none" and not is_loopback(mail.host):
        raise SettingsError(
            f"mail.security is none, and mail.host {mail.host!r} is not this machine.",
            what_to_do='Write security = "starttls" (port 587) or "tls" (port 465).',
            field="mail.security",
        )
    if not is_address(mail.sender):
        raise SettingsError(
            f"mail.sender {mail.sender!r} is not a mail address.",
            what_to_do='Write sender = "Shop <orders@shop.example>".',
            field="mail.sender",
        )
    if bool(mail.user) != bool(mail.password):
        missing = "password" if mail.user else "user"
        raise SettingsError(
            f"mail.{missing} is missing.",
            what_to_do="Give both user and password, or neither.",
            field=f"mail.{missing}",
        )


def _bare(address: str) -> str:
    from email.utils import parseaddr

    return parseaddr(address)[1]


def is_loopback(host: str) -> bool:
    from ipaddress import ip_address

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


@contextmanager
def _session(mail: Mail) -> "Iterator[smtplib.SMTP]":
    """A connection that may be used for `mail.timeout` seconds; secured and logged in."""
    import smtplib
    import ssl

    port = mail.port or PORTS[mail.security]
    if mail.security == "tls":
        tls = ssl.create_default_context()
        smtp: smtplib.SMTP = smtplib.SMTP_SSL(mail.host, port, timeout=mail.timeout, context=tls)
    else:
        smtp = smtplib.SMTP(mail.host, port, timeout=mail.timeout)
    late = threading.Timer(mail.timeout, _cut, [smtp, mail.host])
    late.daemon = True
    late.start()
    try:
        if mail.security == "starttls":
            smtp.starttls(context=ssl.create_default_context())
        smtp.ehlo_or_helo_if_needed()
        if mail.user:
            _log_in(smtp, mail)
        yield smtp
    finally:
        with suppress(smtplib.SMTPException, OSError, ValueError):  # what was sent is sent, however the server parts
            smtp.quit()
        late.cancel()
        smtp.close()


def _log_in(smtp: "smtplib.SMTP", mail: Mail) -> None:
    import smtplib

    try:
        smtp.login(mail.user, mail.password.reveal() if mail.password else "")
    except UnicodeEncodeError:  # its text has the character and its place
        raise smtplib.SMTPException("mail.user and mail.password must be ASCII to log in") from None


def _cut(smtp: "smtplib.SMTP", host: str) -> None:
    """End what the other thread waits for: a server that drips its replies is in time with each of them."""
    import socket

    log.warning("mail server too slow", extra={"server": host})
    if smtp.sock is not None:
        with suppress(OSError):  # gone already
            socket.socket.shutdown(smtp.sock, socket.SHUT_RDWR)  # TLS's own would let what follows pass in clear


def _deliver(smtp: "smtplib.SMTP", mail: Mail, message: Message, composed: "EmailMessage") -> MailOutcome:
    import smtplib
    from email import policy

    sender, recipients = _bare(mail.sender), [_bare(one) for one in message.to]
    international = not all(one.isascii() for one in (sender, *recipients))
    if international and not smtp.has_extn("smtputf8"):
        return Refused(f"{mail.host} takes no addresses beyond ASCII (SMTPUTF8).")
    options = ["SMTPUTF8", "BODY=8BITMIME"] if international else []
    content = composed.as_bytes(policy=policy.SMTPUTF8 if international else policy.SMTP)
    most = smtp.esmtp_features.get("size", "")
    if most.isascii() and most.isdigit() and 0 < int(most) < len(content):  # RFC 1870; 0: no limit
        return Refused(f"The mail has {len(content)} bytes, and {mail.host} takes {most}.")
    code, reply = smtp.mail(sender, options)
    if code not in TAKEN:
        return _refusal(code, f"{sender}: {_text(code, reply)}")
    refused = {}
    for one in recipients:
        code, reply = smtp.rcpt(one)
        if code not in TAKEN:
            refused[one] = (code, _text(code, reply))
    if len(refused) == len(recipients):
        reasons = "; ".join(f"{one}: {text}" for one, (_, text) in refused.items())
        return _refusal(min(code for code, _ in refused.values()), reasons)
    try:
        code, reply = smtp.data(content)
    except smtplib.SMTPDataError as error:
        return _refusal(error.smtp_code, _reply(error))
    except (smtplib.SMTPException, OSError, ValueError) as error:
        return Unknown(message_id(mail, message), f"The connection to {mail.host} was lost: {_reply(error)}")
    if code in TAKEN:
        return Sent(message_id(mail, message), {one: text for one, (_, text) in refused.items()})
    if code in LATER or code in NEVER:
        return _refusal(code, _text(code, reply))
    return Unknown(message_id(mail, message), f"{mail.host} answered no SMTP: {_text(code, reply)}")


def _refusal(code: int, reason: str) -> Refused | TryAgain:
    return Refused(reason) if code in NEVER else TryAgain(reason)


def _reply(error: Exception) -> str:
    import smtplib

    if isinstance(error, smtplib.SMTPResponseException):
        return _text(error.smtp_code, error.smtp_error)
    return str(error) or type(error).__name__


def _text(code: int, reply: bytes | str) -> str:
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    return f"{code} {text}"
