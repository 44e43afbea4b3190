"""The shop's answer against what was sent: WooCommerce answers 201 to much that it did not do (FINDINGS, the traps)."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from lengow.adapters.answers import Entry
from lengow.adapters.woocommerce.body import AMOUNT, LINE_ID, ROUNDING, Body, money, rounding_fee
from lengow.adapters.woocommerce.taxes import net_of
from lengow.connector.decode import clean

PRODUCT_FIELDS = ("product_id", "variation_id", "quantity")
ROUNDING_STEP = Decimal("0.01")
NONE = Decimal(0)


class Difference(msgspec.Struct, frozen=True):
    field: str
    sentence: str


def difference(body: Body, view: Entry) -> Difference | None:
    """The first thing but the amounts in which the order is not what was sent."""
    for name in ("transaction_id", "currency"):
        if view.text(name) != body[name]:
            return _differs(name, body[name], view.get(name))
    return (
        _address_difference(body, view, "billing")
        or _address_difference(body, view, "shipping")
        or _line_difference(body["line_items"], view.entries("line_items", needed=True))
    )


def total_of(view: Entry) -> Decimal:
    return view.decimal("total")


def mended_amounts(view: Entry, wanted: Decimal) -> Body:
    """What to PUT so that the order comes nearer to its total.

    By the tax that the shop has put on each line, where it is more than cents; else by the rounding fee.
    """
    off = wanted - total_of(view)
    lines = view.entries("line_items", needed=True)
    if abs(off) <= ROUNDING_STEP * (len(lines) + 2):
        return {"fee_lines": [_rounding(view, off)]}
    amounts = [(line, amount) for line in lines if (amount := meta_amount(line, AMOUNT)) is not None]
    goods = sum((amount for _, amount in amounts), NONE)
    return {
        "line_items": [_mended(line, amount) for line, amount in amounts],
        "shipping_lines": _mended_shipping(view, wanted, goods),
    }


def meta_of(view: Entry, key: str) -> Any:
    """The value of a meta of an order or line; None when it has none."""
    return next((one.get("value") for one in view.entries("meta_data") if one.get("key") == key), None)


def meta_text(view: Entry, key: str) -> str:
    """A meta of ours, which is a text; nothing when it has none."""
    return next((one.text("value", "") for one in view.entries("meta_data") if one.get("key") == key), "")


def meta_amount(view: Entry, key: str) -> Decimal | None:
    """A meta of ours, which is an amount."""
    found = (one for one in view.entries("meta_data") if one.get("key") == key)
    return next((one.decimal("value") for one in found), None)


def _differs(field: str, sent: Any, held: Any) -> Difference:
    return Difference(field, f"WooCommerce took {sent!r} and keeps {held!r}")


def _address_difference(body: Body, view: Entry, kind: str) -> Difference | None:
    held = view.entry(kind)
    for name, sent in body[kind].items():
        if name in held and held.text(name, "") != clean(sent):
            return _differs(f"{kind}.{name}", sent, held[name])
        if name not in held and sent and name != "phone":  # shops before 5.6 have no phone of the delivery
            return _differs(f"{kind}.{name}", sent, None)
    return None


def _line_difference(sent: Sequence[Body], held: Sequence[Entry]) -> Difference | None:
    if len(sent) != len(held):
        return Difference("line_items", f"WooCommerce took {len(sent)} lines and keeps {len(held)}")
    by_id = {meta_text(line, LINE_ID): line for line in held}
    for line in sent:
        line_id = line["meta_data"][0]["value"]
        kept = by_id.get(line_id)
        if kept is None:
            return Difference("line_items.meta_data", f"WooCommerce keeps no line {line_id!r}")
        for name in PRODUCT_FIELDS:
            if kept.whole(name) != line.get(name, 0):
                return _differs(f"line_items.{name} of {line_id}", line.get(name, 0), kept.get(name))
    return None


def _rounding(view: Entry, off: Decimal) -> Body:
    known = next((fee for fee in view.entries("fee_lines") if fee.text("name", "") == ROUNDING), None)
    if known is None:
        return rounding_fee(off)
    return {"id": known.whole("id"), **rounding_fee(known.decimal("total") + off)}


def _mended(line: Entry, amount: Decimal) -> Body:
    net = money(net_of(amount, _factor_of(line)))
    return {"id": line.whole("id"), "subtotal": net, "total": net}


def _mended_shipping(view: Entry, wanted: Decimal, goods: Decimal) -> list[Body]:
    """The shipping takes what the lines and fees leave of the total."""
    fees = sum((fee.decimal("total") + fee.decimal("total_tax", NONE) for fee in _fees(view)), NONE)
    first = next(iter(view.entries("shipping_lines")), None)
    if first is None:
        return []
    return [{"id": first.whole("id"), "total": money(net_of(max(wanted - goods - fees, NONE), _factor_of(first)))}]


def _fees(view: Entry) -> list[Entry]:
    return [fee for fee in view.entries("fee_lines") if fee.text("name", "") != ROUNDING]


def _factor_of(item: Entry) -> Decimal:
    """Of gross to net, as the shop has taxed this item; from `taxes`, which has more decimals than `total_tax`."""
    net = item.decimal("total")
    taxes = sum((one.decimal("total", NONE) for one in item.entries("taxes")), NONE)
    return max(1 + (taxes / net).quantize(Decimal("0.0001")), Decimal(1)) if net else Decimal(1)
