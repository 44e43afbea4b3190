"""`[invoices]` of the settings file: who sells, which shops invoice, and how.

Legal mentions: reference platforms.md §7.3. Everything is off by default (§7.4).
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from importlib.util import find_spec
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from lengow.connector.adapter import adapter_class
from lengow.connector.errors import SettingsError
from lengow.connector.settings import Settings, convert_table

NUMBER = re.compile(r"[A-Za-z0-9+\-_/]{1,35}")
"""What the French rules let a number be (reference platforms.md §7.2, BT-1)."""

WIDEST = 10**9
"""A number is checked for its length as if this many were issued."""


class Seller(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who sells, as it must stand on each invoice."""

    name: str
    address: tuple[str, ...]
    """One to three street lines."""
    zipcode: str
    city: str
    country: str = "FR"
    siren: str = ""
    """9 digits; needed of a seller in France."""
    vat_number: str = ""
    """Needed unless `vat_exempt`."""
    vat_exempt: bool = False
    """Franchise en base: no VAT is charged (art. 293 B du CGI)."""
    legal_form: str = ""
    capital: str = ""
    register: str = ""
    """Such as RCS Lyon 732 829 320."""
    email: str = ""
    phone: str = ""
    late_penalty: str = "Pénalités de retard : trois fois le taux d'intérêt légal."
    recovery: str = "Indemnité forfaitaire pour frais de recouvrement : 40 €."
    discount: str = "Pas d'escompte pour paiement anticipé."


class ShopInvoices(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How one shop invoices."""

    send: Literal["off", "on_shipment"] = "off"
    marketplace_shipped: Literal["off", "on_shipment"] = "off"
    """The same for orders that the marketplace ships itself."""
    billed_by_marketplace: tuple[str, ...] = ()
    """Marketplaces whose mandate bills the buyer: their orders are never invoiced here."""
    source: Literal["own", "shop"] = "own"
    """`shop`: the invoice that the shop makes itself is fetched and mailed, where its platform has one; none is made."""
    mail: bool = True
    """False: the invoice is made, and not mailed."""
    number: str = "F{year}-{n:06}"
    credit_note_number: str = "A{year}-{n:06}"
    """The text around `{n}` is the series; each is numbered for itself, without gaps."""
    french_b2b: Literal["send", "hold"] = "send"
    """Between businesses in France an e-mail is no invoice any more once the duty to use a platform binds the seller
    (1 September 2026 for large and mid-size companies, 2027 for others); then `hold`."""


class InvoiceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    seller: Seller
    shops: Mapping[str, ShopInvoices]
    timezone: str = "Europe/Paris"
    """Of the dates on the documents."""
    languages: Mapping[str, str] = {}
    """From a country or marketplace to the language of its buyers: fr, en, de, es or it. Else the country's own."""
    default_vat_rates: Mapping[str, Decimal] = {}
    """From a country to the VAT rate of lines whose tax the marketplace does not tell."""
    extra_vat_rates: tuple[Decimal, ...] = ()
    """Rates beside those of `vat_rates.py` that amounts may be of."""

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


def invoice_settings(settings: Settings) -> InvoiceSettings | None:
    """None when there is no `[invoices]`. Raises SettingsError."""
    table = settings.sections.get("invoices")
    if table is None:
        return None
    _expect_libraries()
    read = convert_table(table, InvoiceSettings, "invoices")
    _check_seller(read.seller)
    _check_zone(read.timezone)
    for name, shop in read.shops.items():
        if name not in settings.shops:
            raise SettingsError(
                f"invoices.shops.{name}: there is no such shop; there are: {', '.join(settings.shops)}.",
                field=f"invoices.shops.{name}",
            )
        for key in ("number", "credit_note_number"):
            _check_number(f"invoices.shops.{name}.{key}", getattr(shop, key))
        if series_of(shop.number, 2026) == series_of(shop.credit_note_number, 2026):
            raise SettingsError(
                f"invoices.shops.{name}.credit_note_number: credit notes would share the series of invoices, {shop.number}.",
                what_to_do="Give credit_note_number another beginning.",
                field=f"invoices.shops.{name}.credit_note_number",
            )
        if shop.source == "shop" and not adapter_class(settings.shops[name].platform).capabilities.invoices:
            raise SettingsError(
                f"invoices.shops.{name}.source: {settings.shops[name].platform} has no invoices to fetch.",
                what_to_do='Write source = "own".',
                field=f"invoices.shops.{name}.source",
            )
        if shop.mail and (shop.send, shop.marketplace_shipped) != ("off", "off") and settings.mail is None:
            raise SettingsError(
                f"invoices.shops.{name} mails its invoices, and the settings have no [mail].",
                what_to_do="Write [mail] with host and sender, or mail = false for the shop.",
                field=f"invoices.shops.{name}.mail",
            )
    return read


def series_of(pattern: str, year: int) -> str:
    """What the numbers of a pattern have in common: each series counts for itself."""
    return pattern.format(year=year, n=0)


def number_of(pattern: str, year: int, n: int) -> str:
    return pattern.format(year=year, n=n)


def _expect_libraries() -> None:
    if not all(find_spec(name) for name in ("facturx", "reportlab")):
        raise SettingsError(
            "[invoices] needs libraries that are not installed.",
            what_to_do="pip install 'lengow-connector[invoices]'",
            field="invoices",
        )


def _check_seller(seller: Seller) -> None:
    where = "invoices.seller"
    if not 1 <= len(seller.address) <= 3 or not all(line.strip() for line in seller.address):
        raise SettingsError(f"{where}.address must have one to three lines.", field=f"{where}.address")
    for key in ("name", "zipcode", "city"):
        if not getattr(seller, key).strip():
            raise SettingsError(f"{where}.{key} is empty.", field=f"{where}.{key}")
    if not re.fullmatch(r"[A-Z]{2}", seller.country):
        raise SettingsError(f"{where}.country must be two capital letters, such as FR.", field=f"{where}.country")
    if seller.country == "FR" and not re.fullmatch(r"\d{9}", seller.siren):
        raise SettingsError(f"{where}.siren must be 9 digits.", field=f"{where}.siren")
    if not seller.vat_exempt and not seller.vat_number:
        raise SettingsError(
            f"{where}.vat_number is missing.",
            what_to_do="Write it, or vat_exempt = true if no VAT is charged (franchise en base).",
            field=f"{where}.vat_number",
        )
    if seller.vat_number and not seller.vat_number.startswith({"GR": "EL"}.get(seller.country, seller.country)):
        raise SettingsError(f"{where}.vat_number must begin with the seller's country.", field=f"{where}.vat_number")


def _check_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise SettingsError(f"invoices.timezone: there is no {name!r}.", field="invoices.timezone") from error


def _check_number(where: str, pattern: str) -> None:
    example = "F{year}-{n:06}"
    try:
        first, last = number_of(pattern, 2026, 1), number_of(pattern, 2026, WIDEST)
        counts = number_of(pattern, 2026, 2) != first
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise SettingsError(
            f"{where} is no pattern: {pattern!r}.", what_to_do=f'Write "{example}".', field=where
        ) from error
    if not counts:
        raise SettingsError(f"{where} lacks {{n}}.", what_to_do=f'Write "{example}".', field=where)
    if not NUMBER.fullmatch(first) or not NUMBER.fullmatch(last):
        raise SettingsError(
            f"{where} makes numbers such as {last!r}: at most 35 letters, digits and + - _ / are allowed.", field=where
        )
