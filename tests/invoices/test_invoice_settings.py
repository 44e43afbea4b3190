"""Every mistake in `[invoices]` is named with its key."""

from typing import Any

import pytest
from selling import SELLER, invoicing

from lengow.connector import Account, Settings, SettingsError, Shop
from lengow.connector.mail import Mail
from lengow.connector.secret import Secret
from lengow.invoices import invoice_settings
from lengow.invoices.settings import number_of, series_of

MAIL = Mail(host="127.0.0.1", security="none", sender="a@b.example")


def read(sections: dict[str, Any], *, mail: Mail | None = MAIL) -> Any:
    settings = Settings(
        accounts={"main": Account(access_token=Secret("a"), secret=Secret("b"))},
        shops={"b2c": Shop(account="main", platform="generic")},
        mail=mail,
        sections=sections,
    )
    return invoice_settings(settings)


def test_everything_is_off_by_default() -> None:
    assert read({}) is None
    read_back = read({"invoices": {"seller": SELLER, "shops": {"b2c": {}}}}, mail=None)
    assert (read_back.shops["b2c"].send, read_back.shops["b2c"].marketplace_shipped) == ("off", "off")


@pytest.mark.parametrize(
    ("sections", "key"),
    [
        (invoicing({"name": " "}), "invoices.seller.name"),
        (invoicing({"address": []}), "invoices.seller.address"),
        (invoicing({"address": ["1", "2", "3", "4"]}), "invoices.seller.address"),
        (invoicing({"siren": "123"}), "invoices.seller.siren"),
        (invoicing({"vat_number": ""}), "invoices.seller.vat_number"),
        (invoicing({"vat_number": "DE123456789"}), "invoices.seller.vat_number"),
        (invoicing({"country": "France"}), "invoices.seller.country"),
        (invoicing({"adress": []}), "invoices.seller"),
        (invoicing(shop={"send": "always"}), "invoices.shops"),
        (invoicing(shop={"number": "F{year}"}), "invoices.shops.b2c.number"),
        (invoicing(shop={"number": "F {n}"}), "invoices.shops.b2c.number"),
        (invoicing(shop={"number": "F{month}{n}"}), "invoices.shops.b2c.number"),
        (invoicing(shop={"number": "F{n:q}"}), "invoices.shops.b2c.number"),
        (invoicing(shop={"number": "F{year}-{n:040}"}), "invoices.shops.b2c.number"),
        (invoicing(shop={"credit_note_number": "F{year}-{n:06}"}), "invoices.shops.b2c.credit_note_number"),
        (invoicing(timezone="Mars/Olympus"), "invoices.timezone"),
        (invoicing(timezone="../etc/passwd"), "invoices.timezone"),
        ({"invoices": {"seller": SELLER, "shops": {"b2b": {}}}}, "invoices.shops.b2b"),
        ({"invoices": {"shops": {}}}, "invoices"),
    ],
)
def test_a_mistake_is_named_with_its_key(sections: dict[str, Any], key: str) -> None:
    with pytest.raises(SettingsError) as error:
        read(sections)
    assert key in str(error.value)


def test_mail_is_needed_where_invoices_are_mailed() -> None:
    with pytest.raises(SettingsError, match="no \\[mail\\]"):
        read(invoicing(), mail=None)
    assert read(invoicing(shop={"mail": False}), mail=None)


def test_a_series_is_what_its_numbers_have_in_common() -> None:
    assert number_of("F{year}-{n:06}", 2026, 12) == "F2026-000012"
    assert series_of("F{year}-{n:06}", 2026) != series_of("F{year}-{n:06}", 2027)
    assert series_of("F-{n}", 2026) == series_of("F-{n}", 2027)
