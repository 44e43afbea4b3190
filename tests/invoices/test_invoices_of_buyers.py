"""What a buyer is told of the invoices that are kept, and what is erased of them."""

import json
from typing import Any

from mail_server import MailServer
from test_issuing import confirmed, invoices, settle, sold

from lengow.invoices import Invoices


def test_a_buyer_is_told_of_the_invoice_and_what_stands_in_it(seller: Any, server: MailServer) -> None:
    [order_id] = sold(seller)
    confirmed(seller, order_id)
    email = seller.order(order_id).order.email
    [told] = seller.connector.export_buyer(email)["invoices"]
    assert told["invoice"]["number"] == "F2026-000001"
    assert told["invoice"]["recipient"] == email
    assert seller.order(order_id).order.buyer in json.dumps(told["document"], ensure_ascii=False)


def test_the_invoice_stays_and_the_address_it_was_mailed_to_goes(seller: Any, server: MailServer) -> None:
    [order_id] = sold(seller)
    confirmed(seller, order_id)
    settle(seller)
    [row] = invoices(seller)
    with Invoices(seller.connector) as door:
        pdf = door.pdf(row.id)
    [erasure] = seller.connector.erase_buyer(seller.order(order_id).order.email)
    assert erasure.erased
    [row] = invoices(seller)
    assert (row.number, row.recipient, row.state) == ("F2026-000001", "", "mailed")
    with Invoices(seller.connector) as door:
        assert door.pdf(row.id) == pdf
    settle(seller)
    assert len(server.mails) == 1, "it is not mailed again"
