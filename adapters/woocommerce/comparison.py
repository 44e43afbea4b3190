"""The shop's answer against what was sent: WooCommerce answers 201 to much that it did not do (FINDINGS, the traps)."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from lengow.adapters.woocommerce.body import AMOUNT, LINE_ID, ROUNDING, Body, money, rounding_fee
from lengow.adapters.woocommerce.taxes import net_of

PRODUCT_FIELDS = ("product_id", "variation_id", "quantity")
ROUNDING_STEP = Decimal("0.01")


class Difference(msgspec.Struct, frozen=True):
    field: str
    sentence: str


def difference(body: Body, view: Mapping[str, Any]) -> Difference | None:
    """The first thing but the amounts in which the order is not what was sent."""
    if view.get("transaction_id") != body["transaction_id"]:
        return _differs("transaction_id", body["transaction_id"], view.get("transaction_id"))
    if view.get("currency") != body["currency"]:
        return _differs("currency", body["currency"], view.get("currency"))
    return (
        _address_difference(body, view, "billing")
        or _address_difference(body, view, "shipping")
        or _line_difference(body["line_items"], items(view, "line_items"))
    )


def total_of(view: Mapping[str, Any]) -> Decimal:
    return decimal(view.get("total"))


def mended_amounts(view: Mapping[str, Any], wanted: Decimal) -> Body:
    """What to PUT so that the order comes nearer to its total.

    By the tax that the shop has put on each line, where it is more than cents; else by the rounding fee.
    """
    off = wanted - total_of(view)
    lines = items(view, "line_items")
    if abs(off) <= ROUNDING_STEP * (len(lines) + 2):
        return {"fee_lines": [_rounding(view, off)]}
    mended = [_mended(line) for line in lines if meta_of(line, AMOUNT) is not None]
    return {"line_items": mended, "shipping_lines": _mended_shipping(view, wanted)}


def items(view: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    found = view.get(kind)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def meta_of(view: Mapping[str, Any], key: str) -> Any:
    """The value of a meta of an order or line; None when it has none."""
    return next((one.get("value") for one in items(view, "meta_data") if one.get("key") == key), None)


def decimal(text: Any) -> Decimal:
    try:
        return Decimal(str(text))
    except InvalidOperation:
        return Decimal("NaN")


def _differs(field: str, sent: Any, held: Any) -> Difference:
    return Difference(field, f"WooCommerce took {sent!r} and keeps {held!r}")


def _address_difference(body: Body, view: Mapping[str, Any], kind: str) -> Difference | None:
    held = view.get(kind)
    held = held if isinstance(held, dict) else {}
    for name, sent in body[kind].items():
        if name in held and str(held[name]).strip() != sent.strip():
            return _differs(f"{kind}.{name}", sent, held[name])
        if name not in held and sent and name != "phone":  # shops before 5.6 have no phone of the delivery
            return _differs(f"{kind}.{name}", sent, None)
    return None


def _line_difference(sent: Sequence[Body], held: Sequence[Mapping[str, Any]]) -> Difference | None:
    if len(sent) != len(held):
        return Difference("line_items", f"WooCommerce took {len(sent)} lines and keeps {len(held)}")
    by_id = {str(meta_of(line, LINE_ID)): line for line in held}
    for line in sent:
        line_id = line["meta_data"][0]["value"]
        kept = by_id.get(line_id)
        if kept is None:
            return Difference("line_items.meta_data", f"WooCommerce keeps no line {line_id!r}")
        for name in PRODUCT_FIELDS:
            if kept.get(name) != line.get(name, 0):
                return _differs(f"line_items.{name} of {line_id}", line.get(name, 0), kept.get(name))
    return None


def _rounding(view: Mapping[str, Any], off: Decimal) -> Body:
    known = next((fee for fee in items(view, "fee_lines") if fee.get("name") == ROUNDING), None)
    if known is None:
        return rounding_fee(off)
    return {"id": known["id"], **rounding_fee(decimal(known.get("total")) + off)}


def _mended(line: Mapping[str, Any]) -> Body:
    net = money(net_of(decimal(meta_of(line, AMOUNT)), _factor_of(line)))
    return {"id": line["id"], "subtotal": net, "total": net}


def _mended_shipping(view: Mapping[str, Any], wanted: Decimal) -> list[Body]:
    """The shipping takes what the lines and fees leave of the total."""
    fees = sum((decimal(fee.get("total")) + decimal(fee.get("total_tax")) for fee in _fees(view)), Decimal(0))
    goods = sum((decimal(meta_of(line, AMOUNT)) for line in items(view, "line_items")), Decimal(0))
    first = next(iter(items(view, "shipping_lines")), None)
    if first is None:
        return []
    return [{"id": first["id"], "total": money(net_of(max(wanted - goods - fees, Decimal(0)), _factor_of(first)))}]


def _fees(view: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [fee for fee in items(view, "fee_lines") if fee.get("name") != ROUNDING]


def _factor_of(item: Mapping[str, Any]) -> Decimal:
    """Of gross to net, as the shop has taxed this item; from `taxes`, which has more decimals than `total_tax`."""
    net = decimal(item.get("total"))
    taxes = sum((decimal(one.get("total") or "0") for one in items(item, "taxes")), Decimal(0))
    if not net or not (net.is_finite() and taxes.is_finite()):
        return Decimal(1)
    return 1 + (taxes / net).quantize(Decimal("0.0001"))
