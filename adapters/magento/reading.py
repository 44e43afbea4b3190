"""Orders as the shop shows them, what of ours is in them, and how they differ from what was sent."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

import msgspec

from lengow.adapters.answers import Entry
from lengow.adapters.calls import Deadline
from lengow.adapters.magento.api import Api, Refusal, Row
from lengow.adapters.magento.body import ANCHOR, REFERENCE, STOCK, TAKEN, anchor_of
from lengow.adapters.magento.facts import CANCELED, PENDING

ADDRESS = ("firstname", "lastname", "company", "street", "city", "postcode", "country_id")
ITEM = ("sku", "product_id")
AMOUNTS = ("qty_ordered", "row_total_incl_tax", "tax_amount")


class Difference(msgspec.Struct, frozen=True):
    field: str
    sentence: str


class Orders:
    def __init__(self, api: Api) -> None:
        self._api = api

    def by_anchor(self, anchors: Sequence[str], deadline: Deadline) -> dict[str, Entry]:
        """By `ext_order_id`. Raises ShopUnavailable and Refusal."""
        if not anchors:
            return {}
        groups = ((("ext_order_id", "in", ",".join(anchors)),),)
        return {row.text("ext_order_id"): row for row in self._api.search_all("orders", groups, deadline)}

    def pending(self, deadline: Deadline) -> list[Entry]:
        """Those of ours whose stock is still to be taken. Raises ShopUnavailable and Refusal."""
        groups = ((("ext_order_id", "like", f"{ANCHOR}%"),), (("state", "eq", PENDING[0]),))
        return list(self._api.search_all("orders", groups, deadline))

    def shipped_since(self, moment: str, deadline: Deadline) -> dict[str, Decimal]:
        """Pieces by SKU, of all orders of the shop. Raises ShopUnavailable and Refusal."""
        pieces: dict[str, Decimal] = {}
        groups = ((("created_at", "gteq", moment),),)
        for shipment in self._api.search_all("shipments", groups, deadline, fields="items[sku,qty]"):
            for item in shipment.entries("items", needed=True):
                sku = item.text("sku", "")
                pieces[sku] = pieces.get(sku, Decimal(0)) + item.decimal("qty")
        return pieces

    def save(self, view: Entry, deadline: Deadline, **changed: object) -> None:
        """A plain save. `increment_id` must go with it: older versions made a new one (§3.4).

        Raises ShopUnavailable, Refusal, Busy and Lost.
        """
        entity = {"entity_id": view.whole("entity_id"), "increment_id": view.text("increment_id"), **changed}
        self._api.send("POST", "orders", {"entity": entity}, deadline)

    def one(self, order_id: str, deadline: Deadline) -> Entry | None:
        """None where there is none. Raises ShopUnavailable and Refusal."""
        if not (order_id.isascii() and order_id.isdigit()):
            return None
        try:
            return self._api.get(f"orders/{order_id}", deadline)
        except Refusal as refusal:
            if refusal.status == 404:
                return None
            raise


def id_of(view: Entry) -> str:
    return str(view.whole("entity_id"))


def reference_of(view: Entry) -> str:
    """Our reference, where the order is one of ours; else nothing."""
    reference = _told(view, REFERENCE)
    return reference if view.text("ext_order_id", "") == anchor_of(reference) else ""


def takes_stock(view: Entry) -> bool:
    return _told(view, STOCK) == TAKEN


def pending(view: Entry) -> bool:
    """Whether its stock is still to be taken."""
    return view.text("ext_order_id", "").startswith(ANCHOR) and view.text("state") == PENDING[0]


def cancelled(view: Entry) -> bool:
    return view.text("state") == CANCELED[0]


def shipping_address(view: Entry) -> Entry | None:
    assignments = view.entry("extension_attributes").entries("shipping_assignments")
    return assignments[0].entry("shipping").entry("address") if assignments else None


def difference(sent: Row, view: Entry) -> Difference | None:
    """The first, in the order of weight."""
    return next(_differences(sent, view), None)


def address_difference(sent: Row, held: Entry | None, place: str) -> Difference | None:
    return next(_of_fields(place, ADDRESS, sent, held), None)


def _told(view: Entry, key: str) -> str:
    told = view.entry("payment").texts("additional_information")
    return next((one.removeprefix(key) for one in told if one.startswith(key)), "")


def _differences(sent: Row, view: Entry) -> Iterator[Difference]:
    total = sent["grand_total"]
    if view.decimal("grand_total") != total:
        yield Difference("grand_total", f"The order was sold for {total}, and the shop holds {view.get('grand_total')}")
    fields = ("increment_id", "ext_order_id", "store_id", "order_currency_code")
    yield from _of_fields("order", fields, sent, view)
    held = {row.text("ext_order_item_id", ""): row for row in view.entries("items", needed=True)}
    if set(held) != {row["ext_order_item_id"] for row in sent["items"]}:
        yield Difference("items", f"{len(sent['items'])} lines were sent, and the shop holds {len(held)}, or others")
    for row in sent["items"]:
        kept = held.get(row["ext_order_item_id"])
        if kept is None:
            continue
        yield from _of_fields("items", ITEM, row, kept)
        for name in AMOUNTS:
            if row[name] != kept.decimal(name, Decimal(0)):
                yield Difference(
                    f"items.{name}", f"{name} was sent as {row[name]}, and the shop holds {kept.get(name)}"
                )
    yield from _of_fields("billing_address", ADDRESS, sent["billing_address"], view.entry("billing_address"))
    [assignment] = sent["extension_attributes"]["shipping_assignments"]
    yield from _of_fields("shipping_address", ADDRESS, assignment["shipping"]["address"], shipping_address(view))


def _of_fields(place: str, fields: tuple[str, ...], sent: Row, held: Entry | None) -> Iterator[Difference]:
    for name in fields:
        given = sent.get(name)
        kept = None if held is None else _kept(held, name, given)
        if (given or None) != (kept or None):
            yield Difference(f"{place}.{name}", f"{name} was sent as {given!r}, and the shop holds {kept!r}")


def _kept(held: Entry, name: str, given: object) -> object:
    """As the kind of what was sent. Magento leaves out what is null."""
    if isinstance(given, list):
        return held.texts(name)
    return held.whole(name, 0) if isinstance(given, int) else held.text(name, "")
