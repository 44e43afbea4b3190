"""A real SMTP server on this machine, whose replies a test can choose."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

CERTIFICATE = Path(__file__).with_name("localhost.pem")
"""Of `localhost`, signed by itself, with its key."""

USER, PASSWORD = "connector", "pa55-w0rd"


class MailServer:
    """Takes mail and keeps it; `says` holds its replies to MAIL, RCPT (by address) and DATA."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.says: dict[str, str] = {}
        self.hangs_up: str = ""
        """Where it drops the connection: `before` or `after` it has taken the mail."""
        self.port = 0
        self.secure: list[bool] = []

    async def handle_MAIL(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if self.hangs_up == "before":
            server.transport.abort()
        if "MAIL" in self.says:
            return self.says["MAIL"]
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if address in self.says:
            return self.says[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        if "DATA" in self.says:
            return self.says["DATA"]
        taken = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(taken, EmailMessage)
        self.mails.append(taken)
        self.recipients.append(envelope.rcpt_tos)
        self.secure.append(server.transport.get_extra_info("sslcontext") is not None)
        if self.hangs_up == "after":
            server.transport.abort()
        return "250 OK"


def _log_in(server: SMTP, session: Any, envelope: Any, mechanism: str, auth_data: LoginPassword) -> AuthResult:
    good = (auth_data.login, auth_data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=good, handled=good)


class _OnAnyPort(Controller):
    """aiosmtpd's controller calls the port that it was given, which may be any."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def mail_server(
    server: MailServer | None = None, *, security: str = "none", login: bool = False
) -> Iterator[MailServer]:
    server = server or MailServer()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(CERTIFICATE)
    controller = _OnAnyPort(
        server,
        hostname="127.0.0.1",
        port=0,
        ready_timeout=60,
        ssl_context=tls if security == "tls" else None,
        tls_context=tls if security == "starttls" else None,
        require_starttls=security == "starttls",
        authenticator=_log_in if login else None,
        auth_required=login,
        auth_require_tls=False,
        enable_SMTPUTF8=True,
    )
    controller.start()
    try:
        server.port = controller.port
        yield server
    finally:
        controller.stop()
