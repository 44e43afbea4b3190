"""What becomes of an order body, in WooCommerce's own sequence: checked, inserted, filled, summed, moved to its status.

Killed between two of these stages, the worker leaves what the ones before did (FINDINGS (n)): `inserted` (pending, 0.00,
addresses, no lines), `filled` (lines, still pending and 0.00), `moved` (complete, but stock and mails not done).
"""

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from lengow.sandbox.shops.standin import Killed
from lengow.sandbox.shops.woocommerce.errors import Fatal, Refused
from lengow.sandbox.shops.woocommerce.records import (
    BILLING,
    SHIPPING,
    Extra,
    Line,
    Mail,
    Order,
    Product,
    Refund,
)
from lengow.sandbox.shops.woocommerce.schema import STATUSES
from lengow.sandbox.shops.woocommerce.totals import TaxSettings, calculate, php_decimal

TAKES_STOCK = ("processing", "completed", "on-hold")
GIVES_STOCK_BACK = ("cancelled", "pending")
RECALCULATING = ("billing", "shipping", "line_items", "shipping_lines", "fee_lines", "coupon_lines")
CUT_AT_100 = ("transaction_id", "payment_method")
"""Columns of HPOS of 100 characters; what is longer is cut."""
LONGEST_PHONE, LONGEST_EMAIL, LONGEST_META_KEY = 100, 320, 255
INTERNAL_META = {"_order_stock_reduced", "_new_order_email_sent", "_date_paid"}
"""Metas that become properties of the order and are not shown."""
PLAIN = ("payment_method", "payment_method_title", "transaction_id", "customer_note")


class Orders:
    """The orders of one shop, its stock, and the mails that their changes cause."""

    def __init__(
        self, now: Callable[[], datetime], taxes: TaxSettings, *, hpos: bool, version: tuple[int, ...]
    ) -> None:
        self.all: dict[int, Order] = {}
        self.products: dict[int, Product] = {}
        self.mails: list[Mail] = []
        self.currency = "EUR"
        self.changed: Callable[[str, Order], None] = lambda _event, _order: None
        """Told of `created`, `updated` and `deleted`."""
        self.plugin: Callable[[Order], None] = lambda _order: None
        """A plugin of the merchant's that changes new orders, before they are answered."""
        self._now = now
        self._taxes = taxes
        self._hpos = hpos
        self._version = version
        self._last_id = 200

    def create(self, body: Mapping[str, Any], killed_at: str = "") -> Order:
        """Raises Refused and Fatal with nothing stored but where the original leaves something, and Killed."""
        self._check(body)
        order = self._insert(body)
        if self._loses_addresses(body):
            self._fill(order, body)
            calculate(order, self._taxes)
            order.lines, order.shipping_lines, order.fee_lines, order.meta = [], [], [], []
            self._move(order, body.get("status") or "pending", set_paid=body.get("set_paid") in (True, "true", "1"))
            return order
        self._stage("inserted", killed_at)
        self._fill(order, body)
        self._stage("filled", killed_at)
        calculate(order, self._taxes)
        wanted = body.get("status") or "pending"
        if killed_at == "moved":
            order.status = wanted
            raise Killed
        self._move(order, wanted, set_paid=body.get("set_paid") in (True, "true", "1"))
        self.plugin(order)
        self.changed("created", order)
        self.changed("updated", order)
        return order

    def update(self, order: Order, body: Mapping[str, Any]) -> Order:
        self._check(body)
        for kind, fields in (("billing", BILLING), ("shipping", SHIPPING)):
            if isinstance(body.get(kind), dict):
                _set_address(getattr(order, kind), body[kind], fields)
        self._set_plain(order, body)
        self._set_meta(order, body.get("meta_data") or ())
        self._put_lines(order, body)
        if any(name in body for name in RECALCULATING):
            calculate(order, self._taxes)
        order.modified = self._now()
        if body.get("status") and body["status"] != order.status:
            self._move(order, body["status"], set_paid=False)
        if body.get("set_paid") in (True, "true", "1") and order.status in ("pending", "on-hold", "failed"):
            self._move(order, "processing", set_paid=True)
        self.changed("updated", order)
        return order

    def trash(self, order: Order, *, force: bool) -> None:
        """Stock is not given back (FINDINGS (e))."""
        if order.status != "trash":
            self.changed("deleted", order)
        order.status = "trash"
        order.modified = self._now()
        if force:
            del self.all[order.id]

    def refund(self, order: Order, amount: Decimal, body: Mapping[str, Any]) -> Refund:
        lines = []
        for item in body.get("line_items") or ():
            line = next((one for one in order.lines if one.id == item.get("id")), None)
            if line is not None:
                lines.append((line.id, int(item.get("quantity") or 0), php_decimal(item.get("refund_total", 0))))
        refund = Refund(
            id=self.next_id(),
            amount=amount,
            reason=str(body.get("reason") or ""),
            created=self._now(),
            meta=[{"id": self.next_id(), **_plain(one)} for one in body.get("meta_data") or ()],
            lines=lines,
        )
        order.refunds.append(refund)
        if body.get("api_restock", True):
            for line_id, quantity, _ in lines:
                line = next(one for one in order.lines if one.id == line_id)
                self._add_stock(line, quantity)
        self._mail(order, "buyer", "refunded")
        order.modified = self._now()
        if sum((one.amount for one in order.refunds), Decimal(0)) >= order.total:
            order.status = "refunded"
        self.changed("updated", order)
        return refund

    def touch(self, order: Order) -> None:
        """A change by a plugin or a person that moves the time of change, and fires the webhook."""
        order.modified = self._now()
        self.changed("updated", order)

    def move(self, order: Order, status: str) -> None:
        """By a person in the back office."""
        self._move(order, status, set_paid=False)
        self.touch(order)

    def set_meta(self, order: Order, key: str, value: Any) -> None:
        self._set_meta(order, [{"key": key, "value": value}])
        self.touch(order)

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def find_product(self, item: Mapping[str, Any]) -> Product | None:
        """The SKU wins over ids, the variation over the product (FINDINGS (a), (b))."""
        if item.get("sku"):
            sku = str(item["sku"]).casefold()
            return next(
                (one for one in self.products.values() if one.sku.casefold() == sku and one.status != "trash"), None
            )
        return self.products.get(int(item.get("variation_id") or item.get("product_id") or 0))

    def _check(self, body: Mapping[str, Any]) -> None:
        if int(body.get("customer_id") or 0) not in (0, 1):
            raise Refused(400, "woocommerce_rest_invalid_customer_id", "Customer ID is invalid.")
        for item in body.get("line_items") or ():
            if not (item.get("id") or item.get("product_id") or item.get("variation_id") or item.get("sku")):
                raise Refused(400, "woocommerce_rest_required_product_reference", "Product ID or SKU is required.")
            if (
                not item.get("id")
                and "quantity" in item
                and int(float(item["quantity"])) == 0
                and self._version >= (9,)
            ):
                raise Fatal
        for item in body.get("shipping_lines") or ():
            if not item.get("id") and not item.get("method_id"):
                raise Refused(400, "woocommerce_rest_invalid_shipping_item", "Shipping method ID is required.")
        for item in body.get("fee_lines") or ():
            if not item.get("id") and not item.get("name"):
                raise Refused(400, "woocommerce_rest_invalid_fee_item", "Fee name is required.")
        if body.get("coupon_lines"):
            code = str(body["coupon_lines"][0].get("code", "")).lower()
            draft = self._insert(body)
            draft.status = "checkout-draft"
            raise Refused(
                400,
                "woocommerce_rest_invalid_coupon",
                f"Coupon &quot;{code}&quot; cannot be applied because it does not exist.",
                new_draft_order_id=draft.id,
            )

    def _insert(self, body: Mapping[str, Any]) -> Order:
        now = self._now()
        order = Order(
            id=self.next_id(),
            created=now,
            modified=now,
            key=f"wc_order_{secrets.token_hex(7)[:13]}",
            currency=body.get("currency") or self.currency,
            customer_id=int(body.get("customer_id") or 0),
            prices_include_tax=self._taxes.prices_include_tax,
        )
        if body.get("created_via") and self._version >= (9, 9):
            order.created_via = body["created_via"]
        self._set_plain(order, body)
        if not self._loses_addresses(body):
            _set_address(order.billing, body.get("billing") or {}, BILLING)
            _set_address(order.shipping, body.get("shipping") or {}, SHIPPING)
        self.all[order.id] = order
        return order

    def _fill(self, order: Order, body: Mapping[str, Any]) -> None:
        self._set_meta(order, body.get("meta_data") or ())
        self._put_lines(order, body)
        order.needs_processing = any(line.product_id for line in order.lines)

    def _loses_addresses(self, body: Mapping[str, Any]) -> bool:
        if not self._hpos:
            return False
        return any(
            len(str((body.get(kind) or {}).get(name) or "")) > longest
            for kind in ("billing", "shipping")
            for name, longest in (("phone", LONGEST_PHONE), ("email", LONGEST_EMAIL))
        )

    def _stage(self, name: str, killed_at: str) -> None:
        if name == killed_at:
            raise Killed

    def _set_plain(self, order: Order, body: Mapping[str, Any]) -> None:
        for name in PLAIN:
            if name in body and body[name] is not None:
                setattr(order, name, str(body[name])[:100] if name in CUT_AT_100 else str(body[name]))

    def _set_meta(self, order: Order, given: Any) -> None:
        for one in given:
            key, value = str(one.get("key", "")), one.get("value")
            if key in INTERNAL_META:
                self._set_internal(order, key, value)
            elif key and len(key) <= LONGEST_META_KEY:
                known = next((meta for meta in order.meta if meta["key"] == key), None)
                if known is not None:
                    known["value"] = value
                else:
                    order.meta.append({"id": self.next_id(), "key": key, "value": value})

    def _set_internal(self, order: Order, key: str, value: Any) -> None:
        if key == "_order_stock_reduced":
            order.stock_reduced = value in ("yes", "true", "1", True)
        elif key == "_new_order_email_sent":
            order.new_order_mail_sent = value in ("yes", "true", "1", True)

    def _put_lines(self, order: Order, body: Mapping[str, Any]) -> None:
        for item in body.get("line_items") or ():
            self._put_line(order, item)
        for kind, title in (("shipping_lines", "method_title"), ("fee_lines", "name")):
            extras: list[Extra] = getattr(order, kind)
            for item in body.get(kind) or ():
                known = next((one for one in extras if one.id == item.get("id")), None)
                if item.get("id") and known is None:
                    raise Refused(
                        400, "woocommerce_rest_invalid_item_id", "Order item ID provided is not associated with order."
                    )
                extra = known or Extra(self.next_id(), str(item.get(title) or ""), Decimal(0))
                if known is None:
                    extras.append(extra)
                _set_extra(extra, item, title)

    def _put_line(self, order: Order, item: Mapping[str, Any]) -> None:
        known = next((one for one in order.lines if one.id == item.get("id")), None)
        if item.get("id") and known is None:
            raise _not_of_order()
        if known is not None and "quantity" in item and int(float(item["quantity"])) == 0:
            self._give_back(known)
            order.lines.remove(known)
            return
        line = known or self._new_line(order, item)
        if "quantity" in item and known is not None:
            self._adjust(line, int(float(item["quantity"])))
        if "name" in item and item["name"] is not None:
            line.name = item["name"]
        if "total" in item:
            line.total = php_decimal(item["total"])
            line.subtotal = php_decimal(item.get("subtotal", item["total"]))
        if item.get("tax_class") is not None:
            line.tax_class = item["tax_class"]
        for one in item.get("meta_data") or ():
            if len(str(one.get("key", ""))) <= LONGEST_META_KEY:
                line.meta = [meta for meta in line.meta if meta["key"] != one.get("key")]
                line.meta.append({"id": self.next_id(), **_plain(one)})

    def _new_line(self, order: Order, item: Mapping[str, Any]) -> Line:
        product = self.find_product(item)
        quantity = int(float(item.get("quantity", 1)))
        line = Line(self.next_id(), product.name if product else "", quantity=quantity)
        if product is not None:
            line.product_id = product.parent_id or product.id
            line.variation_id = product.id if product.parent_id else 0
            line.tax_class = product.tax_class
            line.taxable = product.tax_status == "taxable"
            line.total = line.subtotal = product.price * php_decimal(item.get("quantity", 1))
        order.lines.append(line)
        return line

    def _move(self, order: Order, status: str, *, set_paid: bool) -> None:
        """To a status, with what hooks on the transition: payment, stock, mails."""
        before, linked = order.status, order.needs_processing
        if status not in STATUSES:
            status = "pending"
        if set_paid and status in ("pending", "on-hold", "failed"):
            self._transition(order, status)
            before, status = status, "processing" if linked or not order.lines else "completed"
        order.status = status
        if status in ("processing", "completed") and order.paid is None and (linked or status == "completed"):
            order.paid = self._now()
        if status == "completed" and before != "completed":
            order.completed = self._now()
        self._transition(order, status)
        if before != status:
            self._mail_transition(order, before, status)

    def _transition(self, order: Order, status: str) -> None:
        if status in TAKES_STOCK and not order.stock_reduced:
            for line in order.lines:
                if self._add_stock(line, -line.quantity):
                    line.reduced = line.quantity
            order.stock_reduced = True
        elif status in GIVES_STOCK_BACK and order.stock_reduced:
            for line in order.lines:
                self._give_back(line)
            order.stock_reduced = False

    def _give_back(self, line: Line) -> None:
        if line.reduced is not None:
            self._add_stock(line, line.reduced)
            line.reduced = None

    def _adjust(self, line: Line, quantity: int) -> None:
        if line.reduced is not None:
            self._add_stock(line, line.reduced - quantity)
            line.reduced = quantity
        line.quantity = quantity

    def _add_stock(self, line: Line, pieces: int) -> bool:
        product = self.products.get(line.variation_id or line.product_id)
        if product is None or product.stock is None:
            return False
        product.stock += pieces
        product.modified = self._now()
        return True

    def _mail_transition(self, order: Order, before: str, status: str) -> None:
        for to, what in MAILS.get(status, ()):
            if what == "new order":
                if order.new_order_mail_sent or before not in ("pending", "failed", "cancelled"):
                    continue
                order.new_order_mail_sent = True
            self._mail(order, to, what)

    def _mail(self, order: Order, to: str, what: str) -> None:
        address = "admin@shop.example.com" if to == "admin" else order.billing["email"]
        if address:
            self.mails.append(Mail(address, what, order.id))


MAILS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "processing": (("admin", "new order"), ("buyer", "received")),
    "on-hold": (("admin", "new order"), ("buyer", "on hold")),
    "completed": (("admin", "new order"), ("buyer", "complete")),
    "cancelled": (("admin", "cancelled"),),
    "failed": (("admin", "failed"), ("buyer", "failed")),
    "refunded": (("buyer", "refunded"),),
}
"""FINDINGS (f)."""


def _set_address(address: dict[str, str], given: Mapping[str, Any], fields: tuple[str, ...]) -> None:
    for name in fields:
        if name in given:
            address[name] = "" if given[name] is None else str(given[name])


def _set_extra(extra: Extra, item: Mapping[str, Any], title: str) -> None:
    if item.get(title) is not None:
        extra.title = str(item[title])
    if "total" in item:
        extra.total = php_decimal(item["total"])
    extra.method_id = str(item.get("method_id") or extra.method_id)
    extra.instance_id = str(item.get("instance_id") or extra.instance_id)
    if title == "name":
        extra.tax_class = str(item.get("tax_class") or extra.tax_class)
        extra.tax_status = str(item.get("tax_status") or extra.tax_status)
    extra.meta += [{"id": 0, **_plain(one)} for one in item.get("meta_data") or ()]


def _not_of_order() -> Refused:
    message = "Order item ID provided is not associated with order."
    return Refused(400, "woocommerce_rest_invalid_item_id", message)


def _plain(meta: Mapping[str, Any]) -> dict[str, Any]:
    return {"key": meta.get("key", ""), "value": meta.get("value")}
