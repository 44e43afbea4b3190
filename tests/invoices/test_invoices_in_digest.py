"""An invoice that did not reach the buyer is in the digest, as any failure."""

from typing import Any

from mail_server import MailServer
from test_issuing import confirmed, invoices, sold

from lengow.connector.digest_text import digest_text


def test_a_mail_that_was_refused_is_told(seller: Any, server: MailServer) -> None:
    [order_id] = sold(seller)
    server.says["DATA"] = "550 no such mailbox"
    confirmed(seller, order_id)
    [row] = invoices(seller)
    digest = seller.connector.digest("main")
    [one] = [one for one in digest.new if one.kind == "work"]
    assert one.subject == f"main/manomano_fr/{order_id}"
    assert one.reason == f"invoice {row.number} mail_failed"
    assert "550 no such mailbox" in one.about
    assert "Invoices and feeds that wait for a person" in digest_text(digest, "en")[1]
    assert "Factures et flux en attente" in digest_text(digest, "fr")[1]
