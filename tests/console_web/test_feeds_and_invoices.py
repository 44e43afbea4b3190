"""The pages of invoices and feeds, for who has them in the settings."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

sys.path.insert(0, str(Path(__file__).parents[1] / "invoices"))

from selling import invoicing

from lengow.connector.mail import Mail
from lengow.console.web import Role, User, blueprint
from lengow.invoices import Invoices, InvoiceState
from tests.feeds.conftest import product


@pytest.fixture
def merchant(make_merchant: Callable[..., Any], tmp_path: Path) -> Any:
    """Invoices at shipment, and a feed."""
    feed = {"shop": "b2c", "marketplace": "manomano_fr", "path": str(tmp_path / "tools.csv")}
    return make_merchant(
        sections={**invoicing(), "feeds": {"tools": feed}},
        mail=Mail(host="127.0.0.1", port=9, security="none", sender="Martin <shop@martin.example>"),
    )


def test_who_has_neither_sees_neither(make_merchant: Callable[..., Any]) -> None:
    plain = make_merchant()
    host = Flask("host")
    host.register_blueprint(blueprint(plain.connector, authenticate=lambda: User("otto", Role.OPERATOR)))
    client = host.test_client()
    assert "/invoices" not in client.get("/").text
    assert client.get("/invoices").status_code == client.get("/feeds").status_code == 404


def test_an_invoice_that_is_held_says_why_and_is_dismissed(merchant: Any, operator: Any) -> None:
    row = held_invoice(merchant)
    page = operator.sees("/")
    assert "1 invoice is held, or was not mailed." in page
    page = operator.sees("/invoices")
    assert row.order_key in page
    assert row.reason in page
    operator.sends(f"/invoices/{row.id}/dismiss", reason="told by phone")
    with Invoices(merchant.connector) as invoices:
        assert invoices.find(str(row.id)).state is InvoiceState.DISMISSED
    assert "There is no such invoice." in operator.sees("/invoices")
    assert row.order_key in operator.sees("/invoices?state=all")
    pdf = operator.client.get(f"/console/invoices/{row.id}.pdf")
    assert (pdf.mimetype, pdf.data[:5]) == ("application/pdf", b"%PDF-")
    operator.sees("/invoices/999.pdf", 404)
    operator.sends("/invoices/999/retry", 400)


def test_a_feed_is_listed_and_built_and_a_refusal_is_told(
    merchant: Any, operator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = operator.sees("/feeds")
    assert "tools" in page
    assert "not built yet" in page
    operator.sends("/feeds/tools/build")
    operator.waits()
    assert "lists no products" in operator.sees("/progress")  # as a generic shop without a table of them
    page = operator.sees("/feeds")
    assert "last build failed" in page
    assert "lists no products" in page
    assert "lists no products" in operator.sees("/health"), "without asking the doctor, who calls the shops"
    monkeypatch.setattr(merchant.connector, "products", lambda _: iter([product()]))
    operator.sends("/feeds/tools/build")
    operator.waits()
    assert "Feed built by otto" in operator.sees("/progress")
    page = operator.sees("/feeds")
    assert re.search(r"tools.*?<td class=\"n\">1</td>", page, re.DOTALL)
    assert "last build failed" not in page
    assert "offers: tools 1" in operator.sees("/health")
    operator.sends("/feeds/nosuch/build", 404)


def held_invoice(merchant: Any) -> Any:
    """One whose order has no e-mail address."""
    merchant.sync()
    nobody = {"billing_address": {"email": None}, "packages": [{"delivery": {"email": None}}]}
    number = merchant.sells_raw(nobody)
    merchant.sync()
    merchant.connector.ship("main", "manomano_fr", number, carrier="DPD", tracking_number="1")
    merchant.sync()
    merchant.sandbox.advance(hours=1)
    merchant.sync()
    with Invoices(merchant.connector) as invoices:
        [row] = invoices.for_a_person("main")
    return row
