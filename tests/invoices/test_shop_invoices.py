"""The shop's own invoice, fetched and mailed: Shopware makes them itself."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mail_server import MailServer
from selling import SELLER, invoicing
from test_issuing import invoices

from lengow.connector import Account, Connector, Settings, SettingsError, Shop, Store
from lengow.connector.mail import Mail
from lengow.connector.secret import Secret
from lengow.connector.store.rows import OrderFilter
from lengow.invoices import Invoices, InvoiceState
from lengow.sandbox import Sandbox
from lengow.sandbox.catalogue import catalogue
from lengow.sandbox.shops.shopware import INTEGRATION, ShopwareShop

PDF = b"%PDF-1.7 the shop's own"


class Seller:
    """A merchant whose Shopware makes the invoices."""

    def __init__(self, sandbox: Sandbox, shopware: ShopwareShop, folder: Path, port: int) -> None:
        self.sandbox, self.shopware = sandbox, shopware
        account = sandbox.add_account("main")
        self.account_id = account.account_id
        options = {
            "url": shopware.url,
            "access_key": INTEGRATION.access_key,
            "secret_key": INTEGRATION.secret,
            "sales_channel": "Marketplace",
        }
        settings = Settings(
            accounts={
                "main": Account(
                    access_token=Secret(account.access_token),
                    secret=Secret(account.secret),
                    base_url=sandbox.url,
                    requests_per_minute=0,
                )
            },
            shops={"b2c": Shop(account="main", platform="shopware", options=options)},
            store=Store(url=f"sqlite:///{folder / 'lengow.db'}"),
            mail=Mail(host="127.0.0.1", port=port, security="none", sender="shop@martin.example"),
            sections=invoicing(shop={"source": "shop"}),
        )
        self.connector = Connector(settings, clock=sandbox.now)

    def sells_and_ships(self) -> str:
        """The order's id in the shop."""
        self.connector.sync()
        [order_id] = self.sandbox.sell(self.account_id, 1, {"standard": 1})
        self.sandbox.advance(minutes=15)
        self.connector.sync()
        self.sandbox.ship(order_id, carrier="DPD", tracking_number="1")
        [row] = self.shopware.ledger().orders
        return str(row["id"])

    def round(self) -> None:
        self.sandbox.advance(minutes=30)
        self.connector.sync()


@pytest.fixture
def selling(sandbox: Sandbox, server: MailServer, tmp_path: Path) -> Iterator[Seller]:
    shopware = ShopwareShop(clock=sandbox._clock)
    for product in catalogue():
        shopware.add_product(product.sku, 10_000)
    with closing(shopware):
        made = Seller(sandbox, shopware, tmp_path, server.port)
        yield made
        made.connector.close()


def test_the_shops_invoice_is_mailed_under_its_number(selling: Seller, server: MailServer) -> None:
    selling.shopware.make_document(selling.sells_and_ships(), "RE-1001", PDF)
    selling.round()
    [row] = invoices(selling)
    assert (row.number, row.state, row.position) == ("RE-1001", InvoiceState.MAILED, 0)
    [mail] = server.mails
    [attachment] = mail.iter_attachments()
    assert (attachment.get_filename(), attachment.get_content()) == ("RE-1001.pdf", PDF)
    selling.round()
    assert len(server.mails) == 1


def test_one_that_is_not_made_yet_is_waited_for(selling: Seller, server: MailServer) -> None:
    order_id = selling.sells_and_ships()
    selling.round()
    selling.round()
    [row] = invoices(selling)
    assert (row.state, row.reason) == (InvoiceState.HELD, "no_shop_invoice")
    selling.shopware.make_document(order_id, "RE-1001", PDF)
    selling.round()
    assert [row.state for row in invoices(selling)] == [InvoiceState.MAILED]


def test_one_that_was_cancelled_in_the_shop_is_none(selling: Seller, server: MailServer) -> None:
    order_id = selling.sells_and_ships()
    wrong = selling.shopware.make_document(order_id, "RE-1001", PDF)
    selling.shopware.make_document(order_id, "ST-1", b"%PDF storno", kind="storno", of=wrong)
    selling.shopware.make_document(order_id, "RE-1002", PDF)
    selling.round()
    assert [row.number for row in invoices(selling)] == ["RE-1002"]


def test_a_shop_that_fails_is_asked_again(selling: Seller) -> None:
    order_id = selling.sells_and_ships()
    selling.shopware.make_document(order_id, "RE-1001", PDF)
    selling.connector.sync()
    selling.shopware.fail("error_500", path="/api/search/document", times=2)
    selling.round()
    [row] = invoices(selling)
    assert (row.state, row.reason) == (InvoiceState.HELD, "shop_unavailable")
    selling.round()
    assert [one.state for one in invoices(selling)] == [InvoiceState.MAILED]


def test_a_preview_is_the_shops_own(selling: Seller) -> None:
    selling.shopware.make_document(selling.sells_and_ships(), "RE-1001", PDF)
    [stored] = selling.connector.store.list_orders(OrderFilter())
    with Invoices(selling.connector) as door:
        [(document, pdf)] = door.preview("main", "manomano_fr", stored.order.marketplace_order_id)
    assert (document.number, pdf) == ("RE-1001", PDF)


def test_a_platform_without_invoices_is_refused_at_load() -> None:
    settings = {
        "accounts": {"main": Account(access_token=Secret("a"), secret=Secret("b"))},
        "shops": {"b2c": Shop(account="main", platform="generic")},
        "mail": Mail(host="127.0.0.1", security="none", sender="a@b.example"),
    }
    sections: dict[str, Any] = {"invoices": {"seller": SELLER, "shops": {"b2c": {"source": "shop"}}}}
    with pytest.raises(SettingsError, match="generic has no invoices to fetch"):
        Connector(Settings(**settings, sections=sections))
