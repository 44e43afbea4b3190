"""Sending one mail: what becomes of it is told apart, as each asks for something else."""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from mail_server import CERTIFICATE, PASSWORD, USER, MailServer, mail_server

from lengow.connector import SettingsError
from lengow.connector.mail import (
    Attachment,
    Mail,
    Message,
    Refused,
    Sent,
    TryAgain,
    Unknown,
    check_mail,
    compose,
    is_address,
    send_mail,
)
from lengow.connector.secret import Secret

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")

MESSAGE = Message(
    id="digest main 2026-08-01T09",
    to=("ops@shop.example",),
    subject="3 commandes attendent – à traiter",
    text="Bonjour,\n.\nune ligne qui n'est qu'un point.\n",
    date=datetime(2026, 8, 1, 9, 0, tzinfo=UTC),
)


def settings(server: MailServer, **changes: Any) -> Mail:
    given = {"host": "127.0.0.1", "port": server.port, "security": "none", "sender": "Boutique É <shop@shop.example>"}
    return Mail(**(given | {"timeout": 20} | changes))


def message(**changes: Any) -> Message:
    return msgspec.structs.replace(MESSAGE, **changes)


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as running:
        yield running


def test_a_mail_arrives_as_it_was_written(server: MailServer) -> None:
    pdf = Attachment("Facture n° 7.pdf", b"%PDF-1.7 \x00\xff", "application/pdf")
    sent = send_mail(settings(server), message(attachments=(pdf,), html="<p>Bonjour é</p>", language="fr"))
    assert isinstance(sent, Sent)
    [mail] = server.mails
    assert mail["Message-ID"] == sent.message_id
    assert (mail["Subject"], mail["To"]) == (MESSAGE.subject, "ops@shop.example")
    assert mail["From"] == "Boutique É <shop@shop.example>"
    assert mail["Date"].datetime == MESSAGE.date
    assert (mail["Auto-Submitted"], mail["Content-Language"]) == ("auto-generated", "fr")
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().splitlines() == MESSAGE.text.splitlines()
    assert html.get_content().strip() == "<p>Bonjour é</p>"
    [attached] = mail.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == (pdf.name, pdf.content)


def test_the_same_mail_has_the_same_message_id_on_every_try_and_another_mail_another(server: MailServer) -> None:
    for one in (MESSAGE, message(text="again"), message(id="digest main 2026-08-01T10")):
        send_mail(settings(server), one)
    first, second, other = [mail["Message-ID"] for mail in server.mails]
    assert first == second
    assert first != other
    assert first.endswith("@shop.example>")


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_it_is_secured_and_logged_in(security: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with mail_server(security=security, login=True) as server:
        chosen = settings(server, host="localhost", security=security, user=USER, password=Secret(PASSWORD))
        assert isinstance(send_mail(chosen, MESSAGE), Sent)
        assert server.secure == [True]


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_that_nobody_vouches_for_is_not_trusted(security: str) -> None:
    with mail_server(security=security, login=True) as server:
        chosen = settings(server, host="localhost", security=security, user=USER, password=Secret(PASSWORD))
        outcome = send_mail(chosen, MESSAGE)
        assert isinstance(outcome, TryAgain)
        assert "CERTIFICATE_VERIFY_FAILED" in outcome.reason
        assert server.mails == []


def test_a_server_without_starttls_gets_neither_password_nor_mail(server: MailServer) -> None:
    outcome = send_mail(settings(server, security="starttls", user=USER, password=Secret(PASSWORD)), MESSAGE)
    assert isinstance(outcome, TryAgain)
    assert "STARTTLS" in outcome.reason
    assert server.mails == []


@pytest.mark.parametrize("password", ["wrong-one", "pässwörd"])
def test_a_wrong_password_is_for_a_person_to_mend_and_is_not_shown(password: str) -> None:
    with mail_server(login=True) as server:
        outcome = send_mail(settings(server, user=USER, password=Secret(password)), MESSAGE)
    assert isinstance(outcome, TryAgain)
    assert "mail.password" in outcome.reason
    assert password not in outcome.reason
    assert "ä" not in outcome.reason


@pytest.mark.parametrize("asked", ["MAIL", "ops@shop.example", "DATA"])
@pytest.mark.parametrize(
    ("reply", "outcome"),
    [("550 5.1.1 No such user", Refused), ("451 4.3.0 Greylisted", TryAgain), ("421 4.3.2 Closing", TryAgain)],
)
def test_a_refusal_is_for_good_or_for_now(server: MailServer, asked: str, reply: str, outcome: type) -> None:
    server.says[asked] = reply
    answer = send_mail(settings(server), MESSAGE)
    assert isinstance(answer, outcome)
    assert reply in answer.reason  # type: ignore[attr-defined]
    assert server.mails == []


def test_one_bad_recipient_does_not_keep_it_from_the_others(server: MailServer) -> None:
    server.says["gone@shop.example"] = "550 No such user"
    sent = send_mail(settings(server), message(to=("gone@shop.example", "Ops <ops@shop.example>")))
    assert isinstance(sent, Sent)
    assert sent.refused == {"gone@shop.example": "550 No such user"}
    assert server.recipients == [["ops@shop.example"]]


def test_recipients_refused_for_good_and_for_now_are_tried_again(server: MailServer) -> None:
    server.says |= {"gone@shop.example": "550 No such user", "ops@shop.example": "451 Greylisted"}
    assert isinstance(send_mail(settings(server), message(to=("gone@shop.example", "ops@shop.example"))), TryAgain)


def test_a_connection_lost_after_the_mail_was_handed_over_leaves_it_unknown(server: MailServer) -> None:
    server.hangs_up = "after"
    outcome = send_mail(settings(server), MESSAGE)
    assert isinstance(outcome, Unknown)
    assert outcome.message_id == server.mails[0]["Message-ID"]


def test_a_connection_lost_before_sends_nothing(server: MailServer) -> None:
    server.hangs_up = "before"
    assert isinstance(send_mail(settings(server), MESSAGE), TryAgain)
    assert server.mails == []


def test_no_server_sends_nothing() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = Mail(host="127.0.0.1", port=taken.getsockname()[1], security="none", sender="shop@shop.example")
        outcome = send_mail(nobody, MESSAGE)
    assert isinstance(outcome, TryAgain)
    assert "127.0.0.1" in outcome.reason


def test_a_server_that_drips_its_replies_is_given_up_in_time() -> None:
    with dripping_server() as port:
        mail = Mail(host="127.0.0.1", port=port, security="none", sender="shop@shop.example", timeout=1)
        assert isinstance(send_mail(mail, MESSAGE), TryAgain)


def test_addresses_beyond_ascii_are_sent_as_they_are(server: MailServer) -> None:
    assert isinstance(send_mail(settings(server), message(to=("élodie@exemple.fr",))), Sent)
    assert server.recipients == [["élodie@exemple.fr"]]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nobody",
        "@shop.example",
        "a@",
        "a b@shop.example",
        "a@b.example\nBcc: c@d.example",
        "a@b.example, c@d.example",
        "Ops <a@b.example>, c@d.example",
        "a@b.example; c@d.example",
        "Friends: a@b.example, c@d.example;",
        "a@b.example\x00",
        "a@b.example\u2028c@d.example",
        "<script>@b.example",
        "a@b.example (" * 500,
    ],
)
def test_what_is_no_address_is_refused_and_no_server_is_asked(server: MailServer, address: str) -> None:
    assert not is_address(address)
    assert isinstance(send_mail(settings(server), message(to=(address,))), Refused)
    assert isinstance(send_mail(settings(server), message(to=("ops@shop.example", address))), Refused)
    assert server.recipients == []


@given(
    st.text(max_size=40)
    | st.text('ab@.<>,;:"()\\ \r\n\té', max_size=30)
    | st.builds("{}@{}".format, st.text("aé.-+", min_size=1, max_size=9), st.text("b.-é", min_size=1, max_size=9))
)
@hypothesis_settings(max_examples=300, deadline=None)
def test_whatever_stands_for_an_address_is_one_reader_or_none(text: str) -> None:
    mail = Mail(host="127.0.0.1", security="none", sender="shop@shop.example")
    try:
        composed = compose(mail, message(to=(text,)))
    except ValueError:
        return
    read = message_from_bytes(composed.as_bytes(policy=policy.SMTPUTF8), policy=policy.default)
    assert len(read["To"].addresses) == 1
    assert set(read.keys()) == set(composed.keys())
    assert read["Bcc"] is None


STAGES = ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "end")


@contextmanager
def scripted(said: Mapping[str, str]) -> Iterator[int]:
    """A server that answers as it is told at each stage of one mail, and else well."""
    usual = {
        "greeting": "220 here",
        "EHLO": "250 here",
        "MAIL": "250 OK",
        "RCPT": "250 OK",
        "DATA": "354 go",
        "end": "250 OK",
    }
    replies = usual | {"HELO": said.get("EHLO", "250 here"), "QUIT": "221 bye"} | said

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rwb") as file:
            file.write(f"{replies['greeting']}\r\n".encode())
            file.flush()
            in_data = False
            for line in file:
                verb = "end" if in_data and line == b".\r\n" else line[:4].decode(errors="replace").strip().upper()
                if in_data and verb != "end":
                    continue
                in_data = verb == "DATA" and replies["DATA"].startswith("354")
                file.write(f"{replies.get(verb, '250 OK')}\r\n".encode())
                file.flush()

    def quietly(listener: socket.socket) -> None:
        with suppress(OSError):
            serve(listener)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=quietly, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(20)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("reply", ["421 4.3.2 Closing", "451 4.3.0 Later", "550 5.7.1 No", "999 what", "hello"])
def test_whatever_is_said_at_whatever_stage_the_outcome_is_known_for_what_it_is(stage: str, reply: str) -> None:
    with scripted({stage: reply}) as port:
        outcome = send_mail(
            Mail(host="127.0.0.1", port=port, security="none", sender="a@b.example", timeout=10), MESSAGE
        )
    if stage in ("greeting", "EHLO"):
        assert isinstance(outcome, TryAgain)
    elif reply.startswith("5"):
        assert isinstance(outcome, Refused)
    elif reply.startswith("4"):
        assert isinstance(outcome, TryAgain)
    else:  # no SMTP: once the mail was handed over, it may have been taken
        assert isinstance(outcome, Unknown if stage == "end" else TryAgain)


def test_a_server_that_says_how_much_it_takes_is_sent_no_more() -> None:
    with scripted({"EHLO": "250-here\r\n250 SIZE 100000"}) as port:
        pdf = Attachment("large.pdf", b"x" * 200_000, "application/pdf")
        mail = Mail(host="127.0.0.1", port=port, security="none", sender="a@b.example", timeout=10)
        outcome = send_mail(mail, message(attachments=(pdf,)))
    assert isinstance(outcome, Refused)
    assert "100000" in outcome.reason


def test_the_certificate_must_be_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _host, *more, **options: resolve("127.0.0.1", *more, **options))
    for security in ("starttls", "tls"):
        with mail_server(security=security, login=True) as server:
            chosen = settings(server, host="smtp.shop.example", security=security, user=USER, password=Secret(PASSWORD))
            outcome = send_mail(chosen, MESSAGE)
            assert isinstance(outcome, TryAgain)
            assert "CERTIFICATE_VERIFY_FAILED" in outcome.reason
            assert server.mails == []


def test_a_starttls_that_is_refused_or_followed_by_words_in_clear_ends_it() -> None:
    """Whoever sits between cannot have it go on in clear, nor put words before the handshake."""
    for reply in ("454 TLS not available", "220 go\r\n250 OK\r\n250 OK"):
        with scripted({"EHLO": "250-here\r\n250 STARTTLS", "STAR": reply}) as port:
            secret = {"user": USER, "password": Secret(PASSWORD)}
            mail = Mail(host="localhost", port=port, security="starttls", sender="a@b.example", timeout=10, **secret)  # type: ignore[arg-type]
            outcome = send_mail(mail, MESSAGE)
        assert isinstance(outcome, TryAgain)
        assert PASSWORD not in repr(outcome)


def test_a_subject_can_bring_in_no_header_of_its_own(server: MailServer) -> None:
    assert isinstance(send_mail(settings(server), message(subject="Hello\nBcc: all@shop.example")), Refused)
    assert server.mails == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"host": "smtp.shop.example", "security": "none"}, "mail.security"),
        ({"host": "10.0.0.2", "security": "none"}, "mail.security"),
        ({"sender": "Shop"}, "mail.sender"),
        ({"user": "shop"}, "mail.password"),
        ({"password": Secret("x")}, "mail.user"),
    ],
)
def test_settings_that_cannot_work_are_told(changes: dict[str, Any], says: str) -> None:
    good = {"host": "localhost", "security": "none", "sender": "Shop <shop@shop.example>"}
    check_mail(Mail(**good))  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match=says):
        check_mail(Mail(**(good | changes)))


@contextmanager
def dripping_server() -> Iterator[int]:
    """Answers EHLO with one more line each tenth of a second, for ever: in time with each, and never done."""
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection:
            connection.sendall(b"220 here\r\n")
            send: Callable[[bytes], None] = connection.sendall
            try:
                while not over.wait(0.1):
                    send(b"250-still\r\n")
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            drip(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            thread.join()
