"""Orders as `OrderRepository::save` keeps them: what is given, without prices, stock or mails of its own (§3.3).

What follows (invoices, shipments, credit memos, cancelling) alters stock as MSI does.
"""

from collections.abc import Mapping
from typing import Any

from lengow.sandbox.shops.magento.data import Data, Row, written
from lengow.sandbox.shops.magento.errors import NO_ENTITY, REQUIRED, Refused, internal
from lengow.sandbox.shops.standin import Killed

LENGTHS = {"increment_id": 50, "ext_order_id": 32, "customer_email": 128, "customer_firstname": 128}
LENGTHS |= {"customer_lastname": 128, "customer_taxvat": 32, "shipping_description": 255}
AMOUNTS = frozenset(
    f"{base}{name}"
    for base in ("", "base_")
    for name in (
        "subtotal subtotal_incl_tax shipping_amount shipping_incl_tax shipping_tax_amount tax_amount discount_amount "
        "grand_total total_due total_paid total_invoiced total_refunded total_qty_ordered"
    ).split()
)
RATES = frozenset(("base_to_global_rate", "base_to_order_rate", "store_to_base_rate", "store_to_order_rate"))
ORDER = (
    AMOUNTS
    | RATES
    | set(LENGTHS)
    | set(
        "entity_id store_id state status is_virtual email_sent customer_note customer_note_notify customer_is_guest "
        "customer_group_id base_currency_code order_currency_code store_currency_code global_currency_code total_item_count "
        "weight created_at updated_at billing_address payment items status_histories extension_attributes".split()
    )
)
"""The fields that OrderInterface has; any other is refused."""
ADDRESS = ("postcode", "lastname", "street", "city", "email", "country_id", "firstname", "address_type", "telephone")
STREET = 255
COMMITTED = "committed"
"""The stage at which a worker can die: the order is in the database, and nobody is told."""


class Ordering:
    def __init__(self, data: Data) -> None:
        self._data = data

    def save(self, entity: Any, killed_at: str) -> Row:
        """Raises Refused, Killed. An `entity_id` changes that order, and leaves what is not given."""
        if not isinstance(entity, dict):
            raise Refused(400, REQUIRED, {"fieldName": "entity"})
        _check_fields(entity)
        if "entity_id" in entity:
            order = self.order(entity["entity_id"])
            self._unique(entity, order)
            order |= {key: value for key, value in entity.items() if key not in ("items", "status_histories")}
        else:
            order = self._new(entity)
        for history in entity.get("status_histories") or []:
            self._comment(order, history)
        self._settle(order)
        self._data.orders[order["entity_id"]] = order
        if killed_at == COMMITTED:
            raise Killed
        return order

    def save_address(self, order_id: int, entity: Any) -> Row:
        """`PUT /V1/orders/{parent_id}`. Raises Refused."""
        order = self.order(order_id)
        if not isinstance(entity, dict):
            raise Refused(400, REQUIRED, {"fieldName": "entity"})
        _check_address(entity)
        for address in (order["billing_address"], shipping_of(order)["address"]):
            if address["entity_id"] == entity.get("entity_id"):
                address |= entity
                self._data.touch(order)
                return dict(address)
        raise Refused(404, NO_ENTITY)

    def cancel(self, order_id: int) -> bool:
        order = self.order(order_id)
        invoiced = all(item["qty_invoiced"] >= item["qty_ordered"] for item in order["items"])
        if order["state"] in ("canceled", "complete", "closed", "holded") or invoiced:
            return False
        for item in order["items"]:
            item["qty_canceled"] = item["qty_ordered"] - item["qty_invoiced"]
            self._data.reservations.append((item["sku"], item["qty_canceled"], "order_canceled"))
        order |= {"state": "canceled", "status": "canceled"}
        self._data.touch(order)
        return True

    def comment(self, order_id: int, history: Any) -> bool:
        order = self.order(order_id)
        self._comment(order, history)
        self._data.touch(order)
        return True

    def invoice(self, order_id: int) -> int:
        order = self.order(order_id)
        open_ = [item for item in order["items"] if item["qty_ordered"] > item["qty_invoiced"] + item["qty_canceled"]]
        if order["state"] in ("canceled", "closed", "holded") or not open_:
            raise Refused(400, "Invoice Document Validation Error(s):\nThe invoice can't be created without products.")
        for item in open_:
            item["qty_invoiced"] = item["qty_ordered"] - item["qty_canceled"]
        self._begin(order)
        order |= {"total_paid": order["grand_total"], "total_invoiced": order["grand_total"], "total_due": 0}
        id_ = self._data.next_id()
        self._data.invoices[id_] = {"entity_id": id_, "order_id": order_id, "grand_total": order["grand_total"]}
        self._settle(order)
        return id_

    def ship(self, order_id: int, body: Mapping[str, Any]) -> int:
        """The source is lowered, and the reservation that should be there is compensated (§3.3)."""
        order = self.order(order_id)
        wanted = {item["order_item_id"]: item["qty"] for item in body.get("items") or []}
        lines = []
        for item in order["items"]:
            left = item["qty_ordered"] - item["qty_shipped"] - item["qty_canceled"]
            quantity = min(wanted.get(item["item_id"], 0) if wanted else left, left)
            if quantity > 0:
                item["qty_shipped"] += quantity
                lines.append({"order_item_id": item["item_id"], "sku": item["sku"], "qty": quantity})
                self._deduct(item["sku"], quantity)
        if not lines or order["state"] in ("canceled", "closed", "holded"):
            raise Refused(400, "Shipment Document Validation Error(s):\nYou can't create a shipment without products.")
        self._begin(order)
        id_ = self._data.next_id()
        now = written(self._data.now())
        shipment = {"entity_id": id_, "order_id": order_id, "items": lines, "tracks": [], "created_at": now}
        self._data.shipments[id_] = shipment | {"updated_at": now}
        for track in body.get("tracks") or []:
            self.add_track(id_, track)
        self._settle(order)
        return id_

    def add_track(self, shipment_id: int, track: Mapping[str, Any]) -> None:
        """Neither the shipment's nor the order's time of change moves (§3.7)."""
        shipment = self._data.shipments[shipment_id]
        now = written(self._data.now())
        shipment["tracks"].append(
            {**track, "entity_id": self._data.next_id(), "parent_id": shipment_id, "created_at": now}
        )

    def refund(self, order_id: int, body: Mapping[str, Any]) -> int:
        order = self.order(order_id)
        arguments = body.get("arguments") or {}
        back = (arguments.get("extension_attributes") or {}).get("return_to_stock_items") or []
        quantities = {one["order_item_id"]: one["qty"] for one in body.get("items") or []}
        if not quantities:
            quantities = {item["item_id"]: item["qty_invoiced"] - item["qty_refunded"] for item in order["items"]}
        total, count = 0.0, 0.0
        for item in order["items"]:
            quantity = quantities.get(item["item_id"], 0)
            if quantity > item["qty_invoiced"] - item["qty_refunded"]:
                message = (
                    'The quantity to creditmemo must not be greater than the unrefunded quantity for product SKU "%1".'
                )
                raise Refused(400, f"Creditmemo Document Validation Error(s):\n{message}", [item["sku"]])
            total += item["row_total_incl_tax"] * quantity / item["qty_ordered"]
            count += quantity
        total += arguments.get("shipping_amount", 0) + arguments.get("adjustment_positive", 0)
        total = round(total - arguments.get("adjustment_negative", 0), 4)
        self._check_refund(order, total, count)
        for item in order["items"]:
            quantity = quantities.get(item["item_id"], 0)
            item["qty_refunded"] += quantity
            if item["item_id"] in back:
                self._data.reservations.append((item["sku"], quantity, "creditmemo_created"))
        order["total_refunded"] = round((order.get("total_refunded") or 0) + total, 4)
        id_ = self._data.next_id()
        comment = body.get("comment")
        comments = [comment] if comment and body.get("appendComment") else []
        self._data.creditmemos[id_] = {
            "entity_id": id_,
            "order_id": order_id,
            "grand_total": total,
            "adjustment_positive": arguments.get("adjustment_positive", 0),
            "adjustment_negative": arguments.get("adjustment_negative", 0),
            "items": [
                {"order_item_id": item["item_id"], "qty": quantities[item["item_id"]], "sku": item["sku"]}
                for item in order["items"]
                if item["item_id"] in quantities
            ],
            "comments": comments,
        }
        self._settle(order)
        return id_

    def order(self, order_id: Any) -> Row:
        order = self._data.orders.get(order_id)
        if order is None:
            raise Refused(404, NO_ENTITY)
        return order

    def _new(self, entity: Row) -> Row:
        if not isinstance(entity.get("payment"), dict):
            raise internal()  # Error: Call to a member function on null (magento2#15652)
        items = entity.get("items") or []
        assignments = (entity.get("extension_attributes") or {}).get("shipping_assignments") or []
        _check_address(entity.get("billing_address") or {})
        for one in assignments:
            _check_address(one["shipping"]["address"])
        id_, now = self._data.next_id(), written(self._data.now())
        increment_id = entity.get("increment_id") or f"{id_:09}"
        self._unique({"increment_id": increment_id}, {})
        order = {"store_id": 1, "created_at": now, **entity, "entity_id": id_, "increment_id": increment_id}
        order |= {"updated_at": now, "status_histories": []}
        order["items"] = [self._item(id_, item) for item in items]
        order["billing_address"] = self._address(id_, entity["billing_address"])
        for one in assignments:
            one["shipping"]["address"] = self._address(id_, one["shipping"]["address"])
        return order

    def _item(self, order_id: int, item: Row) -> Row:
        if not item.get("sku"):
            raise Refused(400, REQUIRED, {"fieldName": "sku"})
        empty = dict.fromkeys(("qty_invoiced", "qty_shipped", "qty_canceled", "qty_refunded"), 0)
        return {**empty, **item, "item_id": self._data.next_id(), "order_id": order_id}

    def _address(self, order_id: int, address: Row) -> Row:
        return {**address, "entity_id": self._data.next_id(), "parent_id": order_id}

    def _unique(self, entity: Row, order: Row) -> None:
        for other in self._data.orders.values():
            same = str(other["increment_id"]).casefold() == str(entity.get("increment_id")).casefold()
            if same and other is not order:
                raise Refused(400, "Unique constraint violation found")

    def _comment(self, order: Row, history: Any) -> None:
        if not isinstance(history, dict) or not {"comment", "is_customer_notified", "parent_id"} <= set(history):
            raise Refused(400, REQUIRED, {"fieldName": "comment"})
        order["status_histories"].append(
            {**history, "entity_id": self._data.next_id(), "created_at": written(self._data.now())}
        )

    def _begin(self, order: Row) -> None:
        if order["state"] == "new":
            order |= {"state": "processing", "status": "processing"}

    def _settle(self, order: Row) -> None:
        """State.php: an order with nothing left to do moves on at each save."""
        self._data.touch(order)
        billed = all(item["qty_invoiced"] + item["qty_canceled"] >= item["qty_ordered"] for item in order["items"])
        sent = all(item["qty_shipped"] + item["qty_canceled"] >= item["qty_ordered"] for item in order["items"])
        if order.get("state") not in ("processing", "complete"):
            return
        if (order.get("total_paid") or 0) - (order.get("total_refunded") or 0) <= 0 and billed:
            order |= {"state": "closed", "status": "closed"}
        elif billed and sent:
            order |= {"state": "complete", "status": "complete"}

    def _check_refund(self, order: Row, total: float, count: float) -> None:
        prefix = "Creditmemo Document Validation Error(s):\n"
        left = (order.get("total_paid") or 0) - (order.get("total_refunded") or 0)
        if order["state"] in ("canceled", "closed", "holded", "new") or left <= 0:
            raise Refused(
                400, f"{prefix}A creditmemo can not be created when an order has a status of %1", [order["status"]]
            )
        if total > left + 0.0001:
            raise Refused(400, f"{prefix}The most money available to refund is %1.", [f"{left:.2f}"])
        if total <= 0:
            raise Refused(400, f"{prefix}The credit memo's total must be positive.")
        if count <= 0 and not order.get("shipping_amount"):
            raise Refused(
                400, f"{prefix}The credit memo can't be created without products. Add products and try again."
            )

    def _deduct(self, sku: str, quantity: float) -> None:
        row = self._data.sources.get(("default", sku))
        if row is not None:
            row["quantity"] -= quantity
        self._data.reservations.append((sku, quantity, "shipment_created"))


def shipping_of(order: Row) -> Row:
    shipping: Row = order["extension_attributes"]["shipping_assignments"][0]["shipping"]
    return shipping


def _check_fields(entity: Row) -> None:
    for key, value in entity.items():
        if key not in ORDER:
            name = "".join(part.capitalize() for part in key.split("_"))
            text = 'Property "%s" does not have accessor method "get%s" in class "Magento\\Sales\\Api\\Data\\OrderInterface".'
            raise Refused(400, text % (name, name))
        if key in AMOUNTS | RATES and not isinstance(value, int | float):
            message = 'The "%value" value\'s type is invalid. The "%type" type was expected. Verify and try again.'
            raise Refused(400, message, {"value": value, "type": "float"})
        if len(str(value)) > LENGTHS.get(key, 10**9):
            raise internal()  # SQLSTATE[22001]: Data too long for column


def _check_address(address: Row) -> None:
    warnings = [f'"{key}" is required. Enter and try again.' for key in ADDRESS if key not in address]
    if "@" not in str(address.get("email", "@")):
        warnings.append("Email has a wrong format")
    if address.get("address_type") not in ("billing", "shipping", None):
        warnings.append("Address type doesn't match required options")
    if warnings:
        raise Refused(400, "We can't save the address:\n%1", ["\n".join(warnings)])
    if len("\n".join(address["street"])) > STREET:
        raise internal()
