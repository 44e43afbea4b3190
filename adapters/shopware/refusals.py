"""The shop's refusals as outcomes: its own words, the field, and what to do (reference platforms.md §4.1, §4.8)."""

import re

import msgspec

from lengow.adapters.shopware.api import Refusal, Violation
from lengow.connector.adapter import Rejected


class Remedy(msgspec.Struct, frozen=True):
    what_to_do: str
    field: str = ""
    """Used where the shop names none."""
    retry: bool = False


REMEDIES = {
    "4": Remedy(
        "Check `access_key` and `secret_key`; make a new secret at Settings > Integrations.", "access_key", True
    ),
    "9": Remedy(
        "Check `access_key` and `secret_key`; make a new secret at Settings > Integrations.", "access_key", True
    ),
    "FRAMEWORK__MISSING_PRIVILEGE_ERROR": Remedy(
        "Give the integration's role the named rights; docs/adapters/shopware.md lists them all.", "access_key", True
    ),
    "CONTENT__PRODUCT_LINE_ITEM_INCONSISTENT": Remedy("Report it to the connector.", "lineItems"),
    "CONTENT__PRODUCT_LINE_ITEM_DIFFERENT_ID": Remedy("Report it to the connector.", "lineItems"),
    "FRAMEWORK__INVALID_UUID": Remedy("Report it to the connector."),
    "FRAMEWORK__WRITE_UNEXPECTED_FIELD_ERROR": Remedy(
        "The shop's version keeps other fields: report its version to the connector."
    ),
    "FRAMEWORK__WRITE_PROTECTED": Remedy("The shop's version protects the field: report it to the connector."),
    "FRAMEWORK__LANGUAGE_NOT_FOUND": Remedy("Give the sales channel a language that is there.", "sales_channel", True),
    "SYSTEM__ILLEGAL_STATE_TRANSITION": Remedy("Move the order to the state by hand in the administration.", "state"),
    "SYSTEM__STATE_MACHINE_INVALID_ENTITY_ID": Remedy("The order was deleted in the shop: dismiss the change.", "id"),
    "FRAMEWORK__RESOURCE_NOT_FOUND": Remedy("The order was deleted in the shop: dismiss the change.", "id"),
    "0": Remedy(
        "Something that the order names was deleted in the shop meanwhile (product, country, method): it is looked up anew.",
        retry=True,
    ),
}
OF_A_FIELD = Remedy("Correct the named field of the order on the marketplace or at Lengow.")
OTHERS = Remedy("Look up the shop's words; an app or plugin may have its own rules.")
HOST = Remedy("Ask the host, or its firewall, to let the connector's requests through; check `url`.", "url", True)
PLACE = re.compile(r"/(?:[^/]+/)?(\d+)(?:/(.*))?")
"""A pointer: the operation's key (from 6.5 on), the row's number, the field within the row."""


def remedy_of(refusal: Refusal) -> Remedy:
    known = REMEDIES.get(refusal.code)
    if refusal.status == 404 and refusal.code == "0":
        return HOST  # no such route: not the address of a Shopware
    if known is not None:
        return known
    if not any(one.code or one.pointer for one in refusal.violations):
        return HOST
    return OF_A_FIELD if any(one.pointer for one in refusal.violations) else OTHERS


def rejected(reference: str, refusal: Refusal) -> Rejected:
    remedy = remedy_of(refusal)
    told = [one for one in refusal.violations if one.pointer]
    words = "; ".join(f"{field_of(one)}: {one.detail}" if one.pointer else one.detail for one in refusal.violations)
    field = field_of(told[0]) if told else ""
    return Rejected(
        reference, f"{words.rstrip('.')}. {remedy.what_to_do}", retry=remedy.retry, field=field or remedy.field
    )


def by_row(refusal: Refusal, count: int) -> dict[int, Refusal]:
    """The part of a sync call's refusal that each row has; empty where it names none."""
    found: dict[int, list[Violation]] = {}
    for one in refusal.violations:
        place = PLACE.fullmatch(one.pointer)
        if place is not None and int(place[1]) < count:
            found.setdefault(int(place[1]), []).append(one)
    return {row: Refusal(refusal.status, violations) for row, violations in found.items()}


def field_of(violation: Violation) -> str:
    """As `addresses.0.city`."""
    place = PLACE.fullmatch(violation.pointer)
    inner = place[2] if place is not None else violation.pointer.strip("/")
    return (inner or "").replace("/", ".")
