"""Each invoice is mailed once; what became of it is known, or said to be unknown."""

import signal
import subprocess
import sys
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import msgspec
import pytest
from mail_server import MailServer
from test_documents import MIXED, NOW, address, invoice, order
from test_issuing import REFUND, confirmed, invoices, settle, sold

from lengow.connector.mail import Mail, Sent, send_mail
from lengow.invoices import InvoiceHeld, Invoices, InvoiceState
from lengow.invoices.ledger import InvoiceRow
from lengow.invoices.mailing import message_of


def state(merchant: Any) -> tuple[InvoiceState, str]:
    [row] = invoices(merchant)
    return row.state, row.reason


def test_the_buyer_gets_it_once_in_their_language_with_the_pdf(seller: Any, server: MailServer) -> None:
    [order_id] = sold(seller)
    confirmed(seller, order_id)
    [mail] = server.mails
    [row] = invoices(seller)
    assert row.state is InvoiceState.MAILED
    assert mail["To"] == row.recipient, "the marketplace's relay address, as given"
    assert mail["Subject"] == f"Facture F2026-000001 – commande {order_id}"
    assert mail["Reply-To"] == "contact@martin.example"
    [attachment] = mail.iter_attachments()
    assert attachment.get_filename() == "F2026-000001.pdf"
    with Invoices(seller.connector) as door:
        assert attachment.get_content() == door.pdf(row.id)
    settle(seller)
    assert len(server.mails) == 1
    assert seller.journal(order_id)[-2:] == ["invoiced", "invoice_mailed"]


def test_a_credit_note_is_mailed_too(seller: Any, server: MailServer) -> None:
    [order_id] = sold(seller)
    confirmed(seller, order_id)
    seller.connector.refund("main", "manomano_fr", order_id, arguments=REFUND)
    settle(seller)
    assert [mail["Subject"].split(" – ")[0] for mail in server.mails] == ["Facture F2026-000001", "Avoir A2026-000001"]


def test_a_shop_may_make_invoices_and_mail_none(make_seller: Any, server: MailServer) -> None:
    seller = make_seller(shop={"mail": False})
    [order_id] = sold(seller)
    confirmed(seller, order_id)
    assert state(seller) == (InvoiceState.ISSUED, "")
    assert server.mails == []


HOSTILE = "Zoé\r\nBcc: everybody@x.example\r\n\r\n<b>{seller}</b>\x00\u2028\u202e" + "x" * 5000


def test_no_word_of_the_buyer_or_the_marketplace_becomes_a_header(server: MailServer) -> None:
    """Names and numbers come from outside: what would end a line is a blank, and the mail goes out all the same."""
    sold_order = order(*MIXED, marketplace_order_id=HOSTILE, billing=address(first_name=HOSTILE, last_name="Martin"))
    document = msgspec.structs.replace(invoice(sold_order), number='F"1\r\nX: y/../é')
    row = InvoiceRow(
        account="main",
        shop="b2c",
        order_id=1,
        package_id=1,
        order_key="k",
        kind="invoice",
        cause="c",
        state=InvoiceState.TO_MAIL,
        changed_at=NOW,
        recipient=" m_12.ab+c@message.manomano.com ",
    )
    message = message_of(row, document, b"%PDF", at=NOW)
    mail = Mail(host="127.0.0.1", port=server.port, security="none", sender="Martin <shop@martin.example>")
    assert isinstance(send_mail(mail, message), Sent)
    [arrived] = server.mails
    assert server.recipients == [["m_12.ab+c@message.manomano.com"]]
    assert (arrived["Bcc"], arrived["X"]) == (None, None)
    assert len(arrived["Subject"]) < 300
    [attachment] = arrived.iter_attachments()
    assert attachment.get_filename() == "F-1--X--y-..-é.pdf"
    body = arrived.get_body(("plain",))
    assert body is not None
    assert "{seller}" in body.get_content()
    assert not [one for one in body.get_content().splitlines() if one.startswith("Bcc")]


def test_a_server_that_says_later_is_asked_again(seller: Any, server: MailServer) -> None:
    server.says["DATA"] = "451 try again"
    [order_id] = sold(seller)
    confirmed(seller, order_id)
    assert state(seller) == (InvoiceState.TO_MAIL, "mail_unavailable")
    server.says.clear()
    settle(seller)
    assert (state(seller), len(server.mails)) == ((InvoiceState.MAILED, ""), 1)


def test_a_refused_address_waits_for_a_person_who_gives_another(seller: Any, server: MailServer) -> None:
    [order_id] = sold(seller)
    model = seller.connector.store.models([seller.order(order_id).order.id]).popitem()[1]
    assert model.billing is not None
    server.says[model.billing.email] = "550 no such user"
    confirmed(seller, order_id)
    [row] = invoices(seller)
    assert (row.state, row.reason) == (InvoiceState.MAIL_FAILED, "mail_refused")
    assert "550" in row.about
    settle(seller)
    assert server.mails == []
    with Invoices(seller.connector) as door:
        door.resend(row.id, to="right@example.com", who="anna")
    settle(seller)
    assert (state(seller)[0], server.recipients) == (InvoiceState.MAILED, [["right@example.com"]])


def test_tried_again_while_it_is_being_mailed_it_is_not_mailed_twice(
    seller: Any, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    [order_id] = sold(seller)
    server.says["DATA"] = "451 try again"
    confirmed(seller, order_id)
    [row] = invoices(seller)
    assert row.state is InvoiceState.TO_MAIL
    server.says.clear()
    with Invoices(seller.connector) as door:
        read = door._row

        def mailed_meanwhile(invoice_id: int) -> Any:
            seen = read(invoice_id)
            monkeypatch.undo()
            seller.sandbox.advance(days=1)
            seller.sync()
            return seen

        monkeypatch.setattr(door, "_row", mailed_meanwhile)
        with pytest.raises(InvoiceHeld, match="mailed by now"):
            door.retry(row.id)
    seller.sync()
    assert len(server.mails) == 1


def test_an_unknown_outcome_is_not_sent_again_by_itself(seller: Any, server: MailServer) -> None:
    server.hangs_up = "after"
    [order_id] = sold(seller)
    confirmed(seller, order_id)
    assert state(seller) == (InvoiceState.MAIL_UNKNOWN, "outcome_unknown")
    server.hangs_up = ""
    settle(seller)
    assert len(server.mails) == 1
    [row] = invoices(seller)
    with Invoices(seller.connector) as door:
        assert [one.id for one in door.for_a_person("main")] == [row.id]
        door.resend(row.id)
    settle(seller)
    first, second = server.mails
    assert first["Message-ID"] == second["Message-ID"], "a reader's mail system sees that it is one"


def test_a_process_killed_while_it_mails_leaves_it_unknown_and_never_doubled(
    seller: Any, server: MailServer, tmp_path: Path
) -> None:
    server.says["DATA"] = "451 later"
    [order_id] = sold(seller)
    confirmed(seller, order_id)
    server.says.clear()
    [row] = invoices(seller)
    begun = f"""
import os, signal, msgspec
from lengow.invoices.ledger import InvoiceState, Ledger
ledger = Ledger({seller.connector.settings.store.url!r})
with ledger.transaction() as tx:
    tx.save(msgspec.structs.replace(tx.invoice({row.id}), state=InvoiceState.MAILING))
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", begun], timeout=60).returncode == -signal.SIGKILL
    settle(seller)
    assert state(seller) == (InvoiceState.MAIL_UNKNOWN, "outcome_unknown")
    assert server.mails == []


class TestBounces:
    @pytest.fixture
    def mailed(self, seller: Any, server: MailServer) -> EmailMessage:
        [order_id] = sold(seller)
        confirmed(seller, order_id)
        return server.mails[0]

    def _report(self, message_id: str, action: str) -> bytes:
        return f"""From: MAILER-DAEMON@mx.example
To: shop@martin.example
Subject: Undelivered
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

It came back.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; buyer@example.com
Action: {action}
Status: 5.1.1

--b
Content-Type: text/rfc822-headers

Message-ID: {message_id}
Subject: Facture

--b--
""".encode()

    def test_a_mail_that_came_back_is_shown(self, seller: Any, mailed: EmailMessage) -> None:
        with Invoices(seller.connector) as door:
            row = door.bounced(self._report(mailed["Message-ID"], "failed"))
            assert row is not None
            assert [one.state for one in door.for_a_person("main")] == [InvoiceState.BOUNCED]

    @pytest.mark.parametrize("raw", [b"", b"\xff\xfe", b"Subject: I am on holiday\n\nbye"])
    def test_other_mail_is_left_alone(self, seller: Any, mailed: EmailMessage, raw: bytes) -> None:
        with Invoices(seller.connector) as door:
            assert door.bounced(raw) is None
            assert door.bounced(self._report("<other@x>", "failed")) is None
            assert door.bounced(self._report(mailed["Message-ID"], "delayed")) is None
        assert state(seller)[0] is InvoiceState.MAILED
