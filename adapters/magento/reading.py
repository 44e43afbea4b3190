"""Orders as the shop shows them, what of ours is in them, and how they differ from what was sent."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from lengow.adapters.calls import Deadline
from lengow.adapters.magento.api import Api, Refusal, Row
from lengow.adapters.magento.body import ANCHOR, REFERENCE, STOCK, TAKEN, anchor_of
from lengow.adapters.magento.facts import CANCELED, PENDING
from lengow.adapters.magento.profile import decimal
from lengow.connector.decode import clean

ADDRESS = ("firstname", "lastname", "company", "street", "city", "postcode", "country_id")
ITEM = ("sku", "product_id")
AMOUNTS = ("qty_ordered", "row_total_incl_tax", "tax_amount")

View = Mapping[str, Any]


class Difference(msgspec.Struct, frozen=True):
    field: str
    sentence: str


class Orders:
    def __init__(self, api: Api) -> None:
        self._api = api

    def by_anchor(self, anchors: Sequence[str], deadline: Deadline) -> dict[str, Row]:
        """By `ext_order_id`. Raises ShopUnavailable and Refusal."""
        if not anchors:
            return {}
        groups = ((("ext_order_id", "in", ",".join(anchors)),),)
        return {str(row["ext_order_id"]): row for row in self._api.search_all("orders", groups, deadline)}

    def pending(self, deadline: Deadline) -> list[Row]:
        """Those of ours whose stock is still to be taken. Raises ShopUnavailable and Refusal."""
        groups = ((("ext_order_id", "like", f"{ANCHOR}%"),), (("state", "eq", PENDING[0]),))
        return list(self._api.search_all("orders", groups, deadline))

    def save(self, view: View, deadline: Deadline, **changed: object) -> None:
        """A plain save. `increment_id` must go with it: older versions made a new one (§3.4).

        Raises ShopUnavailable, Refusal, Busy and Lost.
        """
        entity = {"entity_id": view["entity_id"], "increment_id": view["increment_id"], **changed}
        self._api.send("POST", "orders", {"entity": entity}, deadline)

    def one(self, order_id: str, deadline: Deadline) -> Row | None:
        """None where there is none. Raises ShopUnavailable and Refusal."""
        if not (order_id.isascii() and order_id.isdigit()):
            return None
        try:
            found = self._api.get(f"orders/{order_id}", deadline)
        except Refusal as refusal:
            if refusal.status == 404:
                return None
            raise
        return found if isinstance(found, dict) else None


def reference_of(view: View) -> str:
    """Our reference, where the order is one of ours; else nothing."""
    reference = _told(view, REFERENCE)
    return reference if view.get("ext_order_id") == anchor_of(reference) else ""


def takes_stock(view: View) -> bool:
    return _told(view, STOCK) == TAKEN


def pending(view: View) -> bool:
    """Whether its stock is still to be taken."""
    return str(view.get("ext_order_id")).startswith(ANCHOR) and view.get("state") == PENDING[0]


def cancelled(view: View) -> bool:
    return view.get("state") == CANCELED[0]


def shipping_address(view: View) -> Row:
    assignments = rows((view.get("extension_attributes") or {}).get("shipping_assignments"))
    address = (assignments[0].get("shipping") or {}).get("address") if assignments else None
    return address if isinstance(address, dict) else {}


def difference(sent: View, view: View) -> Difference | None:
    """The first, in the order of weight."""
    return next(_differences(sent, view), None)


def address_difference(sent: View, held: View, place: str) -> Difference | None:
    return next(_of_fields(place, ADDRESS, sent, held), None)


def rows(value: Any) -> list[Row]:
    found: Iterable[Any] = value if isinstance(value, list) else ()
    return [row for row in found if isinstance(row, dict)]


def text(value: Any) -> str:
    return clean(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _told(view: View, key: str) -> str:
    payment = view.get("payment")
    told = payment.get("additional_information") if isinstance(payment, dict) else None
    found = (one.removeprefix(key) for one in told or () if isinstance(one, str) and one.startswith(key))
    return next(found, "")


def _differences(sent: View, view: View) -> Iterator[Difference]:
    total = sent["grand_total"]
    if decimal(view.get("grand_total")) != total:
        yield Difference("grand_total", f"The order was sold for {total}, and the shop holds {view.get('grand_total')}")
    fields = ("increment_id", "ext_order_id", "store_id", "order_currency_code")
    yield from _of_fields("order", fields, sent, view)
    held = {str(row.get("ext_order_item_id")): row for row in rows(view.get("items"))}
    if set(held) != {row["ext_order_item_id"] for row in sent["items"]}:
        yield Difference("items", f"{len(sent['items'])} lines were sent, and the shop holds {len(held)}, or others")
    for row in sent["items"]:
        kept = held.get(row["ext_order_item_id"], {})
        yield from _of_fields("items", ITEM, row, kept)
        for name in AMOUNTS:
            if decimal(row[name]) != decimal(kept.get(name)):
                yield Difference(
                    f"items.{name}", f"{name} was sent as {row[name]}, and the shop holds {kept.get(name)}"
                )
    yield from _of_fields("billing_address", ADDRESS, sent["billing_address"], view.get("billing_address") or {})
    yield from _of_fields("shipping_address", ADDRESS, shipping_address(sent), shipping_address(view))


def _of_fields(place: str, fields: tuple[str, ...], sent: View, held: View) -> Iterator[Difference]:
    for name in fields:
        given, kept = sent.get(name), held.get(name)
        if (given or None) != (kept or None):
            yield Difference(f"{place}.{name}", f"{name} was sent as {given!r}, and the shop holds {kept!r}")
