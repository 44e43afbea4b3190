"""What was sent against what the shop holds: a difference is a failed order, never a success."""

from collections.abc import Iterator
from typing import Any

import msgspec

from lengow.adapters.answers import Entry
from lengow.adapters.shopware.api import Row

ADDRESS = ("firstName", "lastName", "company", "street", "zipcode", "city", "countryId")
LINE = ("label", "quantity", "type", "productId")


class Difference(msgspec.Struct, frozen=True):
    field: str
    sentence: str


def difference(sent: Row, view: Entry) -> Difference | None:
    """The first, in the order of weight."""
    return next(_differences(sent, view), None)


def address_difference(sent: Row, held: Entry | None, field: str) -> Difference | None:
    return next(_of_fields(field, ADDRESS, sent, held), None)


def _differences(sent: Row, view: Entry) -> Iterator[Difference]:
    total = sent["price"]["totalPrice"]
    held_total = view.decimal("amountTotal")
    if held_total != total:
        yield Difference("price", f"The order was sold for {total}, and the shop holds {held_total}")
    yield from _of_fields("order", ("currencyId", "salesChannelId"), sent, view)
    lines = {row.text("id"): row for row in view.entries("lineItems", needed=True)}
    if set(lines) != {row["id"] for row in sent["lineItems"]}:
        yield Difference(
            "lineItems", f"{len(sent['lineItems'])} lines were sent, and the shop holds {len(lines)}, or others"
        )
    for row in sent["lineItems"]:
        yield from _of_fields(f"lineItems.{row['position']}", LINE, row, lines.get(row["id"]))
    addresses = {row.text("id"): row for row in view.entries("addresses", needed=True)}
    for row in sent["addresses"]:
        yield from _of_fields("addresses", ADDRESS, row, addresses.get(row["id"]))


def _of_fields(place: str, fields: tuple[str, ...], sent: Row, held: Entry | None) -> Iterator[Difference]:
    for name in fields:
        given = sent.get(name)
        kept = None if held is None else held.whole(name, 0) if isinstance(given, int) else held.text(name, "")
        if _plain(given) != _plain(kept):
            yield Difference(f"{place}.{name}", f"{name} was sent as {given!r}, and the shop holds {kept!r}")


def _plain(value: Any) -> Any:
    return (" ".join(value.split()) if isinstance(value, str) else value) or None
