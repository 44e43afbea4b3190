"""From an order to its invoice. Pure; what does not add up is InvoiceHeld."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import msgspec
from markupsafe import Markup

from lengow.connector import model as order_model
from lengow.connector.currencies import unit_of
from lengow.connector.model import Address, Order
from lengow.connector.store.rows import PackageRow
from lengow.invoices.document import Document, Line, Party, Tax
from lengow.invoices.errors import InvoiceHeld
from lengow.invoices.settings import InvoiceSettings, Seller
from lengow.invoices.texts import OF_COUNTRY, WORDS
from lengow.invoices.vat import CENT, Group, Part, Situation, grouped, rated, rounded
from lengow.invoices.vat_rates import UNION

SHIPPING = "shipping"
FEE = "fee"

EXEMPTIONS = {
    "E": "TVA non applicable, art. 293 B du CGI",
    "K": "Exonération de TVA, art. 262 ter I du CGI (livraison intracommunautaire)",
    "G": "Exonération de TVA, art. 262 I du CGI (exportation)",
}
"""What must be said where no VAT is charged (reference platforms.md §7.3), by category."""


class Dates(msgspec.Struct, frozen=True):
    issued_on: date
    delivered_on: date
    paid_on: date


def compose(order: Order, package: PackageRow, settings: InvoiceSettings, *, number: str, dates: Dates) -> Document:
    """The invoice of one package: its lines that are sold, and the shipping and fee if it carries them.

    Raises InvoiceHeld: `anonymized`, `no_buyer_address`, `totals_differ`, and what `vat.py` holds.
    """
    _check_totals(order)
    sketch = outline(order, package, settings, number=number, dates=dates)
    buyer_address, destination = _addresses(order, package)
    parts = _parts(order, package, sketch.language)
    unit = unit_of(order.currency)
    groups = grouped(rated(parts, _situation(settings, buyer_address, destination, unit)), unit)
    delivery = _party(destination)
    return msgspec.structs.replace(
        sketch,
        delivery=None if _same_place(sketch.buyer, delivery) else delivery,
        lines=_lines(parts, groups),
        taxes=tuple(_tax(group) for group in groups),
        notes=_notes(settings.seller, sketch.buyer),
    )


def outline(order: Order, package: PackageRow, settings: InvoiceSettings, *, number: str, dates: Dates) -> Document:
    """What the mail of an invoice tells that the shop has made: no lines and taxes, which stand in the shop's own PDF."""
    buyer_address, _ = _addresses(order, package)
    language = _language(settings.languages, order.marketplace, buyer_address.country)
    return Document(
        kind="invoice",
        number=number,
        issued_on=dates.issued_on,
        delivered_on=dates.delivered_on,
        paid_on=dates.paid_on,
        order_number=_plain(order.marketplace_order_id),
        marketplace=order.marketplace,
        currency=order.currency,
        language=language,
        seller=seller_party(settings.seller),
        buyer=_party(buyer_address),
        delivery=None,
        lines=(),
        taxes=(),
        total=sum((part.gross for part in _parts(order, package, language)), Decimal(0)),
    )


def seller_party(seller: Seller) -> Party:
    capital = f"au capital de {seller.capital}" if seller.capital else ""
    legal = ", ".join(filter(None, (" ".join(filter(None, (seller.legal_form, capital))), seller.register)))
    return Party(
        name=seller.name,
        country=seller.country,
        lines=seller.address,
        zipcode=seller.zipcode,
        city=seller.city,
        vat_number=seller.vat_number,
        legal_id=seller.siren,
        email=seller.email,
        phone=seller.phone,
        legal_note=legal,
    )


def is_french_business(buyer: Party, seller: Party) -> bool:
    """A sale between businesses in France, which the reform of electronic invoicing binds (reference §7.4)."""
    return seller.country == "FR" and buyer.vat_number.startswith("FR")


def _addresses(order: Order, package: PackageRow) -> tuple[Address, Address]:
    """The buyer's, and where the goods go."""
    if order.anonymized:
        raise InvoiceHeld("anonymized", "The buyer's data was erased at Lengow.", what_to_do="Nothing.")
    sent = next((one.delivery for one in order.packages if set(one.line_ids) & set(package.line_ids)), None)
    buyer = order.billing if order.billing is not None and order.billing.name else sent
    if buyer is None or not buyer.name or not (buyer.country or (sent and sent.country)):
        raise InvoiceHeld("no_buyer_address", "The order has no buyer's name and country.")
    country = buyer.country or (sent.country if sent else "")
    buyer = msgspec.structs.replace(buyer, country=country)
    return buyer, sent if sent is not None and sent.country else buyer


def _check_totals(order: Order) -> None:
    """What the lines, shipping and fee add up to is the order's total, with or without its cancelled lines."""
    extra = order.shipping + order.processing_fee
    sold = sum((line.amount for line in order.lines if line.open), Decimal(0)) + extra
    all_lines = sum((line.amount for line in order.lines), Decimal(0)) + extra
    unit = unit_of(order.currency)
    if unit < CENT:
        raise InvoiceHeld(
            "currency_unsupported",
            f"Amounts in {order.currency} have more than the two decimals that Factur-X takes.",
            what_to_do="Issue it elsewhere; then `invoices dismiss ID`.",
        )
    if rounded(order.total, unit) not in (rounded(sold, unit), rounded(all_lines, unit)):
        raise InvoiceHeld(
            "totals_differ",
            f"The lines, shipping and fee add up to {sold} {order.currency}, and the order's total is {order.total}: "
            f"{order.total - sold:+} {order.currency}.",
            what_to_do="Ask Lengow or the marketplace which is right; then `invoices retry`.",
            field="total_order",
        )


def _parts(order: Order, package: PackageRow, language: str) -> list[Part]:
    own = set(package.line_ids)
    lines = [line for line in order.lines if line.id in own and line.open]
    unit, exact, written, parts = unit_of(order.currency), Decimal(0), Decimal(0), []
    for line in lines:  # amounts of more decimals are rounded so that they add up
        exact += line.amount
        gross, written = rounded(exact, unit) - written, rounded(exact, unit)
        parts.append(Part(line.id, _title(line), line.quantity, gross, line.tax, _plain(line.sku)))
    if not package.carries_shipping:
        return parts
    words, left = WORDS[language], _tax_left(order)
    extras = [(SHIPPING, words.shipping, order.shipping), (FEE, words.fee, order.processing_fee)]
    charged = [(key, title, amount) for key, title, amount in extras if amount]
    taken = {part.id for part in parts}
    for key, title, amount in charged:
        tax = left if len(charged) == 1 else None  # told of both together only
        exact += amount
        gross, written = rounded(exact, unit) - written, rounded(exact, unit)
        parts.append(Part(_free(key, taken), title, 1, gross, tax))
    return parts


def _title(line: order_model.Line) -> str:
    """Without the markup and control characters that some marketplaces leave in titles."""
    return _plain(str(Markup(line.title).striptags())) or _plain(line.sku) or _plain(line.id)


def _plain(text: str) -> str:
    """On one line, without what cannot be seen: no XML takes control characters."""
    seen = "".join(character for character in text if character.isprintable() or character.isspace())
    return " ".join(seen.split())


def _tax_left(order: Order) -> Decimal | None:
    """The tax of shipping and fee: what the order's total has beyond its lines'. None where that cannot be said."""
    taxes = [line.tax for line in order.lines]
    if order.total_tax is None or any(tax is None for tax in taxes) or any(not line.open for line in order.lines):
        return None
    left = order.total_tax - sum((tax for tax in taxes if tax is not None), Decimal(0))
    return left if left > 0 else None


def _free(key: str, taken: set[str]) -> str:
    while key in taken:
        key += "_"
    return key


def _situation(settings: InvoiceSettings, buyer: Address, destination: Address, unit: Decimal) -> Situation:
    default = settings.default_vat_rates.get(destination.country)
    return Situation(
        seller_country=settings.seller.country,
        seller_exempt=settings.seller.vat_exempt,
        destination=destination.country,
        buyer_vat_number=buyer.vat_number,
        default_rate=default,
        extra_rates=settings.extra_vat_rates,
        unit=unit,
    )


def _party(address: Address) -> Party:
    company = address.company if address.vat_number or not address.name else ""
    street = [address.first_line, address.second_line, address.complement]
    if address.company and not company:
        street.insert(0, address.company)
    vat = _plain(address.vat_number).replace(" ", "").upper()
    return Party(
        name=_plain(company or address.name),
        country=address.country,
        lines=_three([line for line in map(_plain, street) if line]),
        zipcode=_plain(address.zipcode),
        city=_plain(address.city),
        vat_number=vat,
        legal_id=vat[-9:] if vat.startswith("FR") else "",
        email=address.email.strip(),
    )


def _three(lines: list[str]) -> tuple[str, ...]:
    """EN 16931 has three lines of an address; what is over stands in the third."""
    return (*lines[:2], ", ".join(lines[2:])) if len(lines) > 3 else tuple(lines)


def _same_place(one: Party, other: Party) -> bool:
    return (one.name, one.lines, one.zipcode, one.city, one.country) == (
        other.name,
        other.lines,
        other.zipcode,
        other.city,
        other.country,
    )


def _language(chosen: Mapping[str, str], marketplace: str, country: str) -> str:
    named = chosen.get(marketplace) or chosen.get(country) or OF_COUNTRY.get(country, "en")
    return named if named in WORDS else "en"


def _lines(parts: list[Part], groups: list[Group]) -> tuple[Line, ...]:
    """In the order of the parts."""
    nets = {part.id: (group, net) for group in groups for part, net in group.nets}
    made = []
    for part in parts:
        group, net = nets[part.id]
        made.append(Line(part.id, part.title, part.quantity, net, part.gross, group.rate, group.category, part.sku))
    return tuple(made)


def _tax(group: Group) -> Tax:
    return Tax(group.category, group.rate, group.base, group.tax, EXEMPTIONS.get(group.category, ""))


def _notes(seller: Seller, buyer: Party) -> tuple[str, ...]:
    if not buyer.vat_number:
        return ()
    notes = [seller.late_penalty, seller.recovery, seller.discount]
    if buyer.country in UNION and buyer.country != seller.country:
        notes.append(f"TVA acquéreur : {buyer.vat_number}")
    return tuple(filter(None, notes))
