"""A sale as Lengow's JSON (reference 2.3-2.9): amounts partly strings, partly numbers, as the real answers mix them."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from lengow.sandbox.clock import iso, iso_seconds
from lengow.sandbox.descriptions import Description
from lengow.sandbox.errors import SandboxError
from lengow.sandbox.money import CURRENCIES, cents, rate, tax_within
from lengow.sandbox.sales import Address, Line, Package, Parcel, Raw, Sale

Json = dict[str, Any]
Convert = Callable[[Decimal], Decimal]

# Stands for a delivery id in rendered bytes; each read of the page puts a fresh one there (reference 2.6).
DELIVERY_ID = 7_700_770_077_007_700
WORKFLOW_RANKS = ("new", "waiting_acceptance", "accepted", "refused", "waiting_shipment", "shipped", "closed")
COMMISSION = Decimal("0.15")


def order_pieces(order: Json, raw: Raw | None) -> tuple[bytes, ...]:
    """The order's bytes, cut where a delivery id goes."""
    if raw is not None and raw.raw_bytes is not None:
        return (raw.raw_bytes,)
    # json also writes what no honest order holds: lone surrogates, NaN, integers without end.
    whole = msgspec.json.encode(order) if raw is None else json.dumps(order, separators=(",", ":")).encode()
    return tuple(whole.split(b"%d" % DELIVERY_ID))


def order_json(
    sale: Sale,
    description: Description | None,
    merchant_ids: tuple[str, ...] | None,
    imported_at: datetime,
    updated_at: datetime,
    currency: str,
) -> Json:
    """The order object, amounts in `currency`. Where no rate is known `total_order` is -1, and the other amounts
    stay in the marketplace's currency (inferred)."""
    factor = rate(sale.currency, currency)
    words = description["orders"]["status"] if description else {}
    writer = _Writer(sale, words, factor)
    order = writer.order(merchant_ids, imported_at, updated_at, sale.currency if factor is None else currency)
    if factor is None:
        order["total_order"] = -1
    if sale.missing:
        _MISSING[sale.missing](order)
    if sale.raw:
        order = altered(order, sale.raw)
    return order


def converted_total(sale: Sale, currency: str) -> Decimal | None:
    """The order's total in `currency`; None where there is no rate. Converted parts add up to it exactly."""
    factor = rate(sale.currency, currency)
    return None if factor is None else _Writer(sale, {}, factor).totals(_Writer(sale, {}, factor).convert)[0]


class _Writer:
    def __init__(self, sale: Sale, words: Mapping[str, list[str]], factor: Decimal | None) -> None:
        self.sale = sale
        self.words = words
        self.convert: Convert = (lambda amount: cents(amount * factor)) if factor not in (None, 1) else _same

    def order(
        self, merchant_ids: tuple[str, ...] | None, imported_at: datetime, updated_at: datetime, currency: str
    ) -> Json:
        sale, convert = self.sale, self.convert
        total, tax, commission = self.totals(convert)
        original_total, original_tax, original_commission = self.totals(_same)
        fee = sale.processing_fee
        country = sale.marketplace.rpartition("_")[2].upper()
        return {
            "marketplace": sale.marketplace,
            "account_id": sale.account_id,
            "marketplace_country_iso2": country,
            "marketplace_order_id": sale.id,
            "merchant_order_id": list(merchant_ids) if merchant_ids is not None else None,
            "marketplace_status": self.word(sale.state),
            "lengow_status": sale.state,
            "workflow_rank": WORKFLOW_RANKS.index(sale.state) if sale.state in WORKFLOW_RANKS else 9,
            "marketplace_order_date": iso_seconds(sale.ordered_at),
            "marketplace_customer_id": sale.customer_id,
            "total_order": float(total),
            "total_tax": str(tax),
            "shipping": float(convert(sale.shipping)),
            "discount": 0,
            "commission": str(commission),
            "processing_fee": None if fee is None else str(convert(fee)),
            "currency": _currency(currency),
            "original_currency": _currency(sale.currency),
            "original_total_order": float(original_total),
            "original_total_tax": str(original_tax),
            "original_shipping": float(sale.shipping),
            "original_discount": 0,
            "original_commission": str(original_commission),
            "original_processing_fee": None if fee is None else str(fee),
            "original_total_buyer_amount": None,
            "original_total_buyer_tax": None,
            "original_buyer_currency": None,
            "comments": sale.comments,
            "invoice_number": None,
            "invoice_url": None,
            "payments": [self.payment()],
            "packages": [self.package(package, index == 0) for index, package in enumerate(sale.packages)],
            "billing_address": _address(sale.billing, "billing", 880_000_000 + sale.serial),
            "contact_address": None,
            "documents": [],
            "imported_at": iso(imported_at),
            "updated_at": iso(updated_at),
            "order_meta": {"feed_id": sale.catalog_id, "checksum": f"{sale.serial:08x}"},
            "anonymized": sale.anonymized,
            "order_types": self.types(),
        }

    def totals(self, convert: Convert) -> tuple[Decimal, Decimal, Decimal]:
        """Total, tax of the lines (reference 2.9: shipping's is not in it), commission."""
        amounts = [convert(line.amount) for line in self.sale.lines()]
        goods = sum(amounts, Decimal(0))
        extra = convert(self.sale.shipping) + convert(self.sale.processing_fee or Decimal(0))
        return goods + extra, sum(map(tax_within, amounts), Decimal(0)), cents(goods * COMMISSION)

    def types(self) -> list[Json]:
        types = []
        if self.sale.fulfilment:
            types.append({"type": "is_delivered_by_marketplace", "label": "Fulfillment"})
        if self.sale.business:
            types.append({"type": "is_business", "label": "Business"})
        return types

    def payment(self) -> Json:
        sale = self.sale
        terms = {
            "external_transaction_id": None,
            "fiscalnb": None,
            "vat_number": sale.billing.vat_number,
            "siret_number": sale.siret,
        }
        return {
            "id": 9000 + sale.serial,
            "checkout": None,
            "status": None,
            "type": "marketplace",
            "settled_at": iso_seconds(sale.ordered_at + timedelta(seconds=2)),
            "channel_order_marketplace": 50_000 + sale.serial,
            "payment_terms": terms,
        }

    def package(self, package: Package, first: bool) -> Json:
        delivery = _address(package.delivery, "delivery", DELIVERY_ID)
        delivery["trackings"] = self.trackings(package)
        cart = [self.line(line, first and index == 0) for index, line in enumerate(package.lines)]
        return {"cart": cart, "delivery": delivery}

    def trackings(self, package: Package) -> list[Json]:
        """One for each parcel that left, and one for the lines that wait; no line is in two of them."""
        gone: set[str] = set()
        trackings = []
        for parcel in package.parcels:
            trackings.append(self.tracking(package, parcel, [one for one in parcel.line_ids if one not in gone]))
            gone.update(parcel.line_ids)
        waiting = [line.id for line in package.lines if line.id not in gone]
        return trackings + ([self.tracking(package, None, waiting)] if waiting else [])

    def tracking(self, package: Package, parcel: Parcel | None, line_ids: list[str]) -> Json:
        relay = package.relay
        return {
            "number": parcel.number if parcel else None,
            "method": "relay" if relay else None,
            "carrier": parcel.carrier if parcel else None,
            "url": parcel.url if parcel else None,
            "is_delivered_by_marketplace": self.sale.fulfilment,
            "parcel_weight": None,
            "shipped_at": iso_seconds(parcel.shipped_at) if parcel else None,
            "relay": {"id": relay.id, "name": relay.name} if relay else {"id": None, "name": None},
            "marketplace_order_line_ids": line_ids,
        }

    def line(self, line: Line, carries_shipping: bool) -> Json:
        sale, convert = self.sale, self.convert
        amount = convert(line.amount)
        shipping = sale.shipping if carries_shipping else None
        refunded = cents(line.amount * line.refunded_quantity / line.quantity) if line.refunded_quantity else None
        due = sale.ordered_at.replace(hour=22, minute=0, second=0) + timedelta(days=3)
        return {
            "id": sale.serial * 100 + int(line.id.rpartition("-")[2]),
            "marketplace_order_line_id": line.id,
            "marketplace_product_id": line.product.marketplace_product_id,
            "merchant_product_id": {"field": "sku", "id": line.product.sku},
            "feed_id": sale.catalog_id,
            "marketplace_package_id": None,
            "marketplace_status": self.word(line.state),
            "lengow_status": line.state,
            "max_shipping_date": iso_seconds(due),
            "title": line.product.title,
            "category": line.product.category,
            "url_product": None,
            "url_image": None,
            "order_line_meta": [],
            "amount": str(amount),
            "tax": str(tax_within(amount)),
            "discount": None,
            "shipping": None if shipping is None else str(convert(shipping)),
            "refunded_amount": None if refunded is None else str(convert(refunded)),
            "original_amount": str(line.amount),
            "original_tax": str(tax_within(line.amount)),
            "original_discount": None,
            "original_shipping": None if shipping is None else str(shipping),
            "original_refunded_amount": None if refunded is None else str(refunded),
            "original_buyer_tax": None,
            "original_buyer_amount": None,
            "quantity": line.quantity,
            "documents": [],
            "created_at": None,
            "updated_at": None,
            "orderline_types": [],
        }

    def word(self, state: str) -> str:
        """The marketplace's own word for one of Lengow's states."""
        return next(iter(self.words.get(state, ())), state.upper())


def _same(amount: Decimal) -> Decimal:
    return amount


def _currency(code: str) -> Json:
    symbol, name = CURRENCIES.get(code, (code, code))
    return {"iso_a3": code, "symbol": symbol, "name": name}


def _address(address: Address, kind: str, number: int) -> Json:
    return {
        "id": number,
        "type": kind,
        "company": address.company,
        "civility": address.civility,
        "first_name": address.first_name,
        "last_name": address.last_name,
        "full_name": address.full_name,
        "first_line": address.first_line,
        "second_line": address.second_line,
        "complement": address.complement,
        "zipcode": address.zipcode,
        "city": address.city,
        "state_region": None,
        "common_country_iso_a2": address.country,
        "full_address": None,
        "phone_home": address.phone_home,
        "phone_office": None,
        "phone_mobile": address.phone_mobile,
        "email": address.email,
        "vat_number": address.vat_number,
        "metas": None,
    }


def _addresses(order: Json) -> list[Json]:
    return [order["billing_address"], *(package["delivery"] for package in order["packages"])]


def _no_names(order: Json) -> None:
    """Only `full_name` is known, as some marketplaces give it."""
    for address in _addresses(order):
        address["full_name"] = f"{address['first_name']} {address['last_name']}"
        address["first_name"] = address["last_name"] = address["civility"] = None


def _no_taxes(order: Json) -> None:
    order["total_tax"] = order["original_total_tax"] = None
    for package in order["packages"]:
        for line in package["cart"]:
            line["tax"] = line["original_tax"] = None


def _no_phones(order: Json) -> None:
    for address in _addresses(order):
        address["phone_home"] = address["phone_mobile"] = None


def _no_email(order: Json) -> None:
    for address in _addresses(order):
        address["email"] = None


def _no_trackings(order: Json) -> None:
    for package in order["packages"]:
        package["delivery"]["trackings"] = []


_MISSING: Mapping[str, Callable[[Json], None]] = {
    "billing": lambda order: order.update(billing_address=None),
    "phones": _no_phones,
    "order_date": lambda order: order.update(marketplace_order_date=None),
    "customer": lambda order: order.update(marketplace_customer_id=None),
    "taxes": _no_taxes,
    "trackings": _no_trackings,
    "payments": lambda order: order.update(payments=[]),
    "names": _no_names,
    "email": _no_email,
}


def altered(order: Json, raw: Raw) -> Json:
    """`overrides` merged deep into the order, then the dotted paths of `remove` taken out.

    Lists merge element by element; an empty list replaces.
    """
    merged: Json = _merged(order, raw.overrides)
    for path in raw.remove:
        _remove(merged, path.split("."))
    return merged


def check_raw(sale: Sale) -> None:
    """Raises SandboxError where the changes cannot be made, rather than at some later collection."""
    try:
        order_json(sale, None, None, sale.ordered_at, sale.ordered_at, sale.currency)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise SandboxError(f"cannot remove {', '.join(sale.raw.remove if sale.raw else ())}: {error!r}") from error


def _merged(old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{name: _merged(old.get(name), value) for name, value in new.items()}}
    if isinstance(old, list) and isinstance(new, list) and new:
        return [*map(_merged, old, new), *old[len(new) :], *new[len(old) :]]
    return new


def _remove(value: Any, path: list[str]) -> None:
    *parents, last = path
    for name in parents:
        value = value[int(name)] if isinstance(value, list) else value[name]
    if isinstance(value, list):
        del value[int(last)]
    else:
        del value[last]
