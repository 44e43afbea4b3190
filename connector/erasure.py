"""What is left of an order once its buyer's data is erased: amounts, ids, lines, statuses. Pure."""

import msgspec

from lengow.connector.decode import UNREADABLE, WIRE, WireAddress, WireDelivery, WireOrder, WirePackage, WireTracking

ERASED_RECORD = b"{}"
"""Of what could not be read, nothing is kept."""

KEPT_ARGUMENTS = frozenset(
    {"line", "carrier", "quantity", "reason", "refund_reason", "refund_price", "refund_mode", "refund_shipping_fees"}
)
"""Arguments of actions that say nothing of the buyer."""

KEPT_DETAILS = (
    "received",
    "amended",
    "created",
    "found",
    "reported",
    "reimport",
    "resync_ids",
    "retried",
    "deadline_near",
    "action_sent",
    "action_found",
    "action_stuck",
    "mended",
    "invoiced",
    "erased",
)
"""Entries of the journal whose detail is ours alone; in the others may stand what a shop or a marketplace wrote."""


def without_buyer(raw: bytes) -> bytes:
    """Lengow's record of an order as if Lengow had anonymized it; of addresses the country is left.

    Only what the connector reads is kept, so that no field that nobody knows of holds a name.
    """
    try:
        wire = WIRE.decode(raw)
    except UNREADABLE:
        return ERASED_RECORD
    return msgspec.json.encode(_anonymized(wire))


def _anonymized(wire: WireOrder) -> WireOrder:
    return msgspec.structs.replace(
        wire,
        anonymized=True,
        marketplace_customer_id=None,
        comments=None,
        billing_address=_country(wire.billing_address) if wire.billing_address else None,
        packages=[_package(package) for package in wire.packages],
    )


def _package(package: WirePackage) -> WirePackage:
    if package.delivery is None:
        return package
    trackings = [WireTracking(method=one.method, carrier=one.carrier) for one in package.delivery.trackings or ()]
    country = package.delivery.common_country_iso_a2
    return msgspec.structs.replace(
        package, delivery=WireDelivery(common_country_iso_a2=country, trackings=trackings or None)
    )


def _country(address: WireAddress) -> WireAddress:
    return WireAddress(common_country_iso_a2=address.common_country_iso_a2)


def without_parcel(arguments: dict[str, str]) -> dict[str, str]:
    """The arguments of an action, those emptied that lead to the buyer, such as a tracking number."""
    return {name: value if name in KEPT_ARGUMENTS else "" for name, value in arguments.items()}
