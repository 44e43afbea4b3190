"""The neutral contract `shop-shipment/1`: what a shop without webhooks of its own sends. Reference platforms.md §6.2."""

from typing import Any, Literal

import msgspec

from lengow.connector.adapter import Event
from lengow.connector.decode import clean
from lengow.connector.errors import PayloadInvalid
from lengow.connector.model import Tracking
from lengow.connector.prepared import prepare

CONTRACT = "shop-shipment/1"
SHIPMENTS = frozenset({"shipment.created", "shipment.tracking_updated"})
CLOSINGS: dict[str, Literal["cancelled", "refunded"]] = {"order.cancelled": "cancelled", "order.refunded": "refunded"}

Text = str | int | None


class _Order(msgspec.Struct):
    id: Text = None
    external_reference: Text = None


class _Line(msgspec.Struct):
    order_line_id: Text = None
    quantity: int | float | str | None = None


class _Shipment(msgspec.Struct):
    id: Text = None
    carrier_code: Text = None
    carrier_label: Text = None
    tracking_number: Text = None
    tracking_url: Text = None
    lines: list[_Line] = []


class _Data(msgspec.Struct):
    contract: str
    order: _Order
    shipment: _Shipment | None = None
    lines: list[_Line] = []
    """Of a cancellation or refund; none: the whole order."""


class _Envelope(msgspec.Struct):
    type: str
    data: Any = None


def event_of(body: bytes) -> Event:
    """The event in a verified body; a type that the contract does not have gives kind `other`.

    Raises PayloadInvalid.
    """
    envelope = _decoded(body)
    if not envelope.type:
        raise PayloadInvalid("type is empty.", field="type")
    if envelope.type not in SHIPMENTS and envelope.type not in CLOSINGS:
        return Event(id=envelope.type[:200], kind="other", raw_kind=envelope.type[:200])
    try:
        data = msgspec.convert(envelope.data, _Data)
    except (msgspec.ValidationError, RecursionError) as error:
        raise PayloadInvalid(f"data: {error}.", what_to_do=f"Send data of the contract {CONTRACT}.") from error
    if data.contract != CONTRACT:
        raise PayloadInvalid(f"data.contract is not {CONTRACT}.", field="data.contract")
    order_id, reference = clean(data.order.id), clean(data.order.external_reference)
    if not (order_id or reference):
        raise PayloadInvalid("data.order has neither id nor external_reference.", field="data.order.id")
    if envelope.type in CLOSINGS:
        return Event(
            id=f"{envelope.type} {order_id or reference}",
            kind=CLOSINGS[envelope.type],
            shop_order_id=order_id,
            reference=reference,
            line_ids=_line_ids(data.lines, "data.lines"),
            quantities=_quantities(data.lines),
            raw_kind=envelope.type,
        )
    return _shipment(envelope.type, data.shipment, order_id, reference)


def _decoded(body: bytes) -> _Envelope:
    try:
        return msgspec.json.decode(body, type=_Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PayloadInvalid(f"The body is not an event: {error}.") from error


def _shipment(kind: str, shipment: _Shipment | None, order_id: str, reference: str) -> Event:
    if shipment is None or not clean(shipment.id):
        raise PayloadInvalid("data.shipment.id is missing.", field="data.shipment.id")
    return Event(
        id=clean(shipment.id),
        kind="shipment",
        shop_order_id=order_id,
        reference=reference,
        tracking=Tracking(
            carrier_code=clean(shipment.carrier_code),
            carrier_name=clean(shipment.carrier_label),
            number=clean(shipment.tracking_number),
            url=clean(shipment.tracking_url),
        ),
        line_ids=_line_ids(shipment.lines, "data.shipment.lines"),
        quantities=_quantities(shipment.lines),
        parcel=clean(shipment.id),
        raw_kind=kind,
    )


def _quantities(lines: list[_Line]) -> dict[str, int]:
    """Pieces by line, where they are told: all of a line is the line, the connector sees to that."""
    told = [(clean(line.order_line_id), line.quantity) for line in lines if line.quantity not in (None, "")]
    return {line_id: _pieces(quantity) for line_id, quantity in told if line_id}


def _pieces(quantity: int | float | str | None) -> int:
    try:
        pieces = float(quantity or 0)
    except (ValueError, OverflowError):
        pieces = 0.0
    if not (pieces.is_integer() and pieces > 0):
        raise PayloadInvalid(f"{str(quantity)[:50]!r} is not a number of pieces.", field="lines.quantity")
    return int(pieces)


def _line_ids(lines: list[_Line], field: str) -> tuple[str, ...]:
    """Those that the marketplace sold; a line without an id may be a gift that the shop added."""
    found = tuple(filter(None, (clean(line.order_line_id) for line in lines)))
    if lines and not found:  # without any line the whole order is meant, which is not what this says
        raise PayloadInvalid(
            f"{field} names no line by order_line_id.",
            what_to_do="Send order_line_id, Lengow's id of the line, or no lines where the whole order is meant.",
            field=field,
        )
    return found


prepare(_Envelope, _Data)
