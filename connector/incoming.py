"""Orders as they come from Lengow: what they are called, and what they say. Pure, so that any thread can read them."""

import logging

import msgspec

from lengow.connector.decode import Identity, decode_order, identify
from lengow.connector.errors import OrderUndecodable
from lengow.connector.model import Order, OrderState
from lengow.connector.policy import Decision

log = logging.getLogger("lengow.connector.incoming")


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """One order; as long as nobody read it, it has neither `order` nor `broken`."""

    identity: Identity
    raw: bytes
    order: Order | None = None
    broken: Decision | None = None
    """Why it fails as it is; of an order that can be read, too."""

    @property
    def name(self) -> tuple[str, str]:
        """(marketplace, marketplace_order_id)"""
        return self.identity.marketplace, self.identity.marketplace_order_id


def named(raw: bytes) -> Incoming:
    """Its name and fingerprint, which tell whether it is worth reading."""
    return Incoming(identify(raw), raw)


def read(incoming: Incoming) -> Incoming:
    """Never raises: what cannot be read is broken."""
    if incoming.order is not None or incoming.broken is not None:
        return incoming
    try:
        order = decode_order(incoming.raw)
        return Incoming(incoming.identity, incoming.raw, order, _broken_by_lines(order))
    except OrderUndecodable as error:
        broken = Decision(OrderState.FAILED, error.code, str(error))
    except Exception as error:  # a fault of ours must not stop the page
        log.exception("an order could not be decoded", extra={"order": incoming.identity.marketplace_order_id})
        broken = Decision(OrderState.FAILED, OrderUndecodable.code, repr(error))
    return Incoming(incoming.identity, incoming.raw, None, broken)


def _broken_by_lines(order: Order) -> Decision | None:
    ids = [line.id for line in order.lines]
    if len(set(ids)) == len(ids):
        return None
    double = next(one for one in ids if ids.count(one) > 1)
    return Decision(OrderState.FAILED, "duplicate_line", f"line {double}")
