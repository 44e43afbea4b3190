"""What hostile inputs have found, so that it stays mended."""

import json

import pytest
from hostile import payload

from lengow.adapters.contract import context_for
from lengow.adapters.shop_shipment import event_of
from lengow.adapters.shopware import ShopwareAdapter
from lengow.adapters.woocommerce import WooCommerceAdapter
from lengow.connector.adapter import Request
from lengow.connector.errors import PayloadInvalid, SignatureError
from lengow.connector.secret import Secret
from lengow.invoices.mailing import bounced_message_id

SECRET = Secret("a secret of the shop")
WOOCOMMERCE = {"url": "http://127.0.0.1:9", "consumer_key": "ck_a", "consumer_secret": "cs_a"}
SHOPWARE = {"url": "http://127.0.0.1:9", "access_key": "SWIA", "secret_key": "a", "sales_channel": "0" * 32}


def test_a_signature_that_is_no_text_is_refused() -> None:
    for kind, settings, header in (
        (WooCommerceAdapter, WOOCOMMERCE, "x-wc-webhook-signature"),
        (ShopwareAdapter, SHOPWARE, "shopware-shop-signature"),
    ):
        adapter = kind(context_for(kind, settings, [SECRET]))
        with pytest.raises(SignatureError):
            adapter.verify(Request({header: "\ud800"}, b"{}"))
        adapter.close()


@pytest.mark.parametrize("line_id", [[], None, "x"])
def test_an_order_whose_lines_have_no_ids_is_read(line_id: object) -> None:
    view = payload("woocommerce")
    view["line_items"][0]["id"] = line_id
    adapter = WooCommerceAdapter(context_for(WooCommerceAdapter, WOOCOMMERCE, [SECRET]))
    assert [event.kind for event in adapter.events(Request({}, json.dumps(view).encode()))] == ["shipment"]
    adapter.close()


def test_a_line_whose_id_is_an_object_is_named() -> None:
    view = payload("woocommerce")
    view["line_items"][0]["id"] = {"id": 1}
    adapter = WooCommerceAdapter(context_for(WooCommerceAdapter, WOOCOMMERCE, [SECRET]))
    with pytest.raises(PayloadInvalid, match=r"line_items\[0\].id is an object"):
        adapter.events(Request({}, json.dumps(view).encode()))
    adapter.close()


def test_an_event_without_a_type_is_invalid() -> None:
    with pytest.raises(PayloadInvalid, match="type is empty"):
        event_of(b'{"type": ""}')


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(
            b'Content-Type: multipart/report; boundary="b"\n\n' + b"--b\n" * 3000, id="boundaries without end"
        ),
        pytest.param(b"Content-Type: multipart/report; boundary*0*=''b\n\n--b\n", id="a boundary in pieces"),
        pytest.param(b"Content-Type: multipart/report;" + b'"(' * 3000 + b"\n\n", id="comments in comments"),
        pytest.param(b"Content-Type: message/rfc822\n\n" * 3000, id="mails in mails"),
    ],
)
def test_a_mail_that_is_none_is_of_no_invoice(raw: bytes) -> None:
    assert bounced_message_id(raw) == ""
