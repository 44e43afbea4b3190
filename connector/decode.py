"""From the bytes of one order in Lengow's answer to the model, and to the fingerprint by which a change is seen.

The wire structs name only what is used; everything else stays in the raw record. Field list: reference lengow.md §2.3-2.5.
"""

import hashlib
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from lengow.connector.errors import OrderUndecodable
from lengow.connector.model import Address, Line, Order, Package

AMOUNT_DIGITS = range(-30, 12)
"""Where the first digit of an amount may stand; it keeps `1e999999` and `1e-999999` from becoming a million digits."""

CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u0080-\u009f\ufffe\uffff]")

Text = str | int | None
Quantity = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]
"""As far as shops and databases can count."""
Whole = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]


class WireAddress(msgspec.Struct, gc=False):
    first_name: Text = None
    last_name: Text = None
    full_name: Text = None
    company: Text = None
    civility: Text = None
    first_line: Text = None
    second_line: Text = None
    complement: Text = None
    zipcode: Text = None
    city: Text = None
    state_region: Text = None
    common_country_iso_a2: Text = None
    phone_mobile: Text = None
    phone_home: Text = None
    phone_office: Text = None
    email: Text = None
    vat_number: Text = None


class WireRelay(msgspec.Struct, gc=False):
    id: Text = None


class WireTracking(msgspec.Struct, gc=False):
    number: Text = None
    method: Text = None
    carrier: Text = None
    url: Text = None
    relay: WireRelay | None = None


class WireDelivery(WireAddress, gc=False):
    trackings: list[WireTracking] | None = None


class WireProduct(msgspec.Struct, gc=False):
    id: Text = None


class WireLine(msgspec.Struct, gc=False):
    quantity: Quantity
    amount: Decimal
    marketplace_order_line_id: Text = None
    id: Text = None
    merchant_product_id: WireProduct | None = None
    marketplace_product_id: Text = None
    title: Text = None
    tax: Decimal | None = None
    lengow_status: Text = None
    max_shipping_date: datetime | None = None
    refunded_amount: Decimal | None = None
    feed_id: Whole | None = None


class WirePackage(msgspec.Struct, gc=False):
    cart: list[WireLine]
    delivery: WireDelivery | None = None


class WireCurrency(msgspec.Struct, gc=False):
    iso_a3: Text = None


class WireType(msgspec.Struct, gc=False):
    type: str


class WireOrder(msgspec.Struct, gc=False):
    marketplace: str
    marketplace_order_id: str | int
    lengow_status: str
    imported_at: datetime
    updated_at: datetime
    total_order: Decimal
    packages: list[WirePackage]
    currency: WireCurrency | None = None
    marketplace_status: Text = None
    marketplace_order_date: datetime | None = None
    marketplace_customer_id: Text = None
    total_tax: Decimal | None = None
    shipping: Decimal | None = None
    processing_fee: Decimal | None = None
    commission: Decimal | None = None
    comments: str | list[Text] | None = None
    billing_address: WireAddress | None = None
    anonymized: bool | None = None
    order_types: list[WireType] | None = None
    merchant_order_id: str | int | list[str | int] | None = None


class WireName(msgspec.Struct, gc=False):
    marketplace: str
    marketplace_order_id: str | int


WIRE = msgspec.json.Decoder(WireOrder)
NAME = msgspec.json.Decoder(WireName)
PACK = msgspec.msgpack.Encoder()
UNPACK = msgspec.msgpack.Decoder(Order)
PLAIN = msgspec.json.Decoder()
CANONICAL = msgspec.json.Encoder(order="deterministic")

UNSTABLE = re.compile(rb'"(?:updated_at|delivery": ?\{"id)": ?(?:"[^"\\]*"|[0-9]+|null)')
"""What changes between two reads of an order that does not change, as Lengow writes it."""

DIGEST_PIECE = 2047
"""hashlib lets other threads run while it digests more than this at once; taking turns costs more than digesting."""

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding arbitrary bytes may raise."""


class Identity(msgspec.Struct, frozen=True, gc=False):
    """What an order is called and what it contains, in the cheapest form: enough to see that nothing changed."""

    marketplace: str
    marketplace_order_id: str
    fingerprint: bytes


def identify(raw: bytes) -> Identity:
    """Name and fingerprint of an order's JSON bytes; never raises, so that a broken record can be kept.

    The fingerprint is that of the text without `updated_at` and `delivery.id`, which change while the order does not.
    Records of one fingerprint say the same; two that say the same may have different ones, when they are written
    differently: `amended_fields` tells. A record without a readable name is named after its bytes.
    """
    try:
        name = NAME.decode(raw)
        marketplace, number = clean(name.marketplace), clean(name.marketplace_order_id)
    except UNREADABLE:
        marketplace = number = ""
    if not marketplace or not number:
        digest = _fingerprint(raw)
        return Identity("unreadable", digest.hex(), digest)
    return Identity(marketplace, number, _fingerprint(raw))


def decode_order(raw: bytes) -> Order:
    """The model of an order's JSON bytes.

    Raises OrderUndecodable, naming the field, when a field that is needed is missing or has a wrong type or value.
    """
    try:
        raw.decode()  # msgspec passes over what is no UTF-8 in fields that are not asked for
        wire = WIRE.decode(raw)
    except UNREADABLE as error:
        raise OrderUndecodable(f"The order cannot be read: {error}.", field=_path_of(error)) from error
    return Order(
        marketplace=_needed(wire.marketplace, "marketplace"),
        marketplace_order_id=_needed(wire.marketplace_order_id, "marketplace_order_id"),
        status=clean(wire.lengow_status),
        marketplace_status=clean(wire.marketplace_status),
        ordered_at=_optional_utc(wire.marketplace_order_date, "marketplace_order_date"),
        imported_at=_utc(wire.imported_at, "imported_at"),
        updated_at=_utc(wire.updated_at, "updated_at"),
        currency=clean(wire.currency.iso_a3) if wire.currency else "",
        total=_amount(wire.total_order, "total_order"),
        total_tax=_optional_amount(wire.total_tax, "total_tax"),
        shipping=_amount(wire.shipping or Decimal(0), "shipping"),
        processing_fee=_amount(wire.processing_fee or Decimal(0), "processing_fee"),
        commission=_optional_amount(wire.commission, "commission"),
        packages=tuple(_package(package) for package in wire.packages),
        billing=_address(wire.billing_address) if wire.billing_address else None,
        customer_id=clean(wire.marketplace_customer_id),
        comment=_comment(wire.comments),
        types=tuple(clean(one.type) for one in wire.order_types or ()),
        anonymized=bool(wire.anonymized),
        merchant_order_ids=_merchant_order_ids(wire.merchant_order_id),
        catalogues=_catalogues(wire),
    )


def pack_order(order: Order) -> bytes:
    """The model in the form in which the store keeps it beside the raw record: read back without any cleaning."""
    return PACK.encode(order)


def unpack_order(decoded: bytes) -> Order:
    """The model as it was packed. A field that came later must have a default, so that older packs can be read."""
    return UNPACK.decode(decoded)


def amended_fields(before: bytes, after: bytes) -> list[str]:
    """The top-level fields in which two readings of one order differ; none: they say the same."""
    try:
        old, new = _stable(PLAIN.decode(before)), _stable(PLAIN.decode(after))
        return sorted(key for key in old.keys() | new.keys() if _written(old, key) != _written(new, key))
    except (*UNREADABLE, AttributeError, TypeError):
        return ["unreadable"]


def _written(record: dict[str, Any], key: str) -> bytes:
    """A field as canonical JSON, which tells 0 from false as Python's `==` does not; empty where it is not there."""
    return CANONICAL.encode(record[key]) if key in record else b""


def clean(text: Text) -> str:
    """Text without control characters, which neither a database nor XML can hold, and without outer white space."""
    if text is None:
        return ""
    if isinstance(text, int):
        return str(text)
    if not text.isprintable():
        text = CONTROL_CHARACTERS.sub("", text)
    return text.strip()


def _fingerprint(raw: bytes) -> bytes:
    text = memoryview(UNSTABLE.sub(b"", raw))
    digest = hashlib.blake2b(digest_size=16)
    for start in range(0, len(text), DIGEST_PIECE):
        digest.update(text[start : start + DIGEST_PIECE])
    return digest.digest()


def _stable(plain: dict[str, Any]) -> dict[str, Any]:
    """The record without what changes between reads while the order does not."""
    plain.pop("updated_at", None)
    packages = plain.get("packages")
    for package in packages if isinstance(packages, list) else ():
        delivery = package.get("delivery") if isinstance(package, dict) else None
        if isinstance(delivery, dict):
            delivery.pop("id", None)
    return plain


def _package(wire: WirePackage) -> Package:
    tracking = wire.delivery.trackings[0] if wire.delivery and wire.delivery.trackings else WireTracking()
    return Package(
        lines=tuple(_line(line) for line in wire.cart),
        delivery=_address(wire.delivery) if wire.delivery else None,
        relay_id=clean(tracking.relay.id) if tracking.relay else "",
        carrier=clean(tracking.carrier),
        method=clean(tracking.method),
        tracking_number=clean(tracking.number),
        tracking_url=clean(tracking.url),
    )


def _line(wire: WireLine) -> Line:
    line_id = clean(wire.marketplace_order_line_id) or clean(wire.id)
    if not line_id:
        raise OrderUndecodable("A line has neither marketplace_order_line_id nor id.", field="packages.cart.id")
    marketplace_sku = clean(wire.marketplace_product_id)
    return Line(
        id=line_id,
        sku=(clean(wire.merchant_product_id.id) if wire.merchant_product_id else "") or marketplace_sku,
        title=clean(wire.title),
        quantity=wire.quantity,
        amount=_amount(wire.amount, "packages.cart.amount"),
        tax=_optional_amount(wire.tax, "packages.cart.tax"),
        status=clean(wire.lengow_status),
        marketplace_sku=marketplace_sku,
        ship_by=_optional_utc(wire.max_shipping_date, "packages.cart.max_shipping_date"),
        refunded=_amount(wire.refunded_amount or Decimal(0), "packages.cart.refunded_amount"),
    )


def _address(wire: WireAddress) -> Address:
    return Address(
        first_name=clean(wire.first_name),
        last_name=clean(wire.last_name),
        full_name=clean(wire.full_name),
        company=clean(wire.company),
        civility=clean(wire.civility),
        first_line=clean(wire.first_line),
        second_line=clean(wire.second_line),
        complement=clean(wire.complement),
        zipcode=clean(wire.zipcode),
        city=clean(wire.city),
        region=clean(wire.state_region),
        country=clean(wire.common_country_iso_a2).upper(),
        phone=clean(wire.phone_mobile) or clean(wire.phone_home) or clean(wire.phone_office),
        email=clean(wire.email),
        vat_number=clean(wire.vat_number),
    )


def _amount(value: Decimal, field: str) -> Decimal:
    if not value.is_finite() or value.adjusted() not in AMOUNT_DIGITS:
        raise OrderUndecodable(f"{field} is not an amount: {value}.", field=field)
    return value


def _optional_amount(value: Decimal | None, field: str) -> Decimal | None:
    return None if value is None else _amount(value, field)


def _needed(text: Text, field: str) -> str:
    cleaned = clean(text)
    if not cleaned:
        raise OrderUndecodable(f"{field} is blank.", field=field)
    return cleaned


def _utc(moment: datetime, field: str) -> datetime:
    """Aware UTC. A date without zone is taken as UTC, which is what Lengow's own documents show."""
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise OrderUndecodable(f"{field} is outside the calendar: {moment}.", field=field) from error


def _optional_utc(moment: datetime | None, field: str) -> datetime | None:
    return None if moment is None else _utc(moment, field)


def _comment(comments: str | list[Text] | None) -> str:
    return ", ".join(filter(None, map(clean, comments))) if isinstance(comments, list) else clean(comments)


def _merchant_order_ids(value: str | int | list[str | int] | None) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(text for text in map(clean, values) if text)


def _catalogues(wire: WireOrder) -> tuple[int, ...]:
    feeds = {line.feed_id for package in wire.packages for line in package.cart if line.feed_id is not None}
    return tuple(sorted(feeds))


def _path_of(error: Exception) -> str:
    """The field that a message of msgspec is about, such as `packages[0].cart[1].amount`."""
    sentence, _, place = str(error).partition(" - at `$")
    _, _, missing = sentence.partition("missing required field `")
    return ".".join(filter(None, (place.rstrip("`").lstrip("."), missing.rstrip("`"))))
