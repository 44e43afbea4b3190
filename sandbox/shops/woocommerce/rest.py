"""`/wp-json/wc/v3`: routes, paging and filters, with the recorded refusals. What it does not know it ignores."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from lengow.sandbox.answers import Answer, Request
from lengow.sandbox.shops.woocommerce import schema, views
from lengow.sandbox.shops.woocommerce.errors import RefundRefused, Refused, invalid_param
from lengow.sandbox.shops.woocommerce.hooks import Webhooks
from lengow.sandbox.shops.woocommerce.orders import Orders
from lengow.sandbox.shops.woocommerce.records import Order, Product, Webhook
from lengow.sandbox.shops.woocommerce.totals import TaxSettings, php_decimal

BASE = "/wp-json/wc/v3/"
HIDDEN = ("trash", "checkout-draft", "auto-draft")
BATCH_LIMIT = 100
GTIN_SINCE, VARIATIONS_SINCE = (9, 2), (10, 3)
"""Versions from which products are filtered by `global_unique_id`, and variations are listed across parents."""
JSON = {"Content-Type": "application/json; charset=UTF-8"}

Row = dict[str, Any]


class Rest:
    """One shop's API. `fulfilments`: whether that feature is on (WooCommerce ≥ 10.1, off by default)."""

    def __init__(
        self,
        orders: Orders,
        hooks: Webhooks,
        taxes: TaxSettings,
        *,
        site: str,
        version: str,
        hpos: bool,
        fulfilments: bool,
    ) -> None:
        self._orders, self._hooks, self._taxes = orders, hooks, taxes
        self._site, self._version, self._hpos = site, version, hpos
        self._numbers = tuple(int(part) for part in version.split("."))
        self.fulfilments = fulfilments

    def answer(self, request: Request, killed_at: str) -> Answer:
        """Raises Refused, Fatal, RefundRefused and Killed."""
        path = request.path.removeprefix(BASE)
        for method, pattern, handler in ROUTES:
            found = re.fullmatch(pattern, path)
            if found and method == request.method:
                return handler(self, request, killed_at, *found.groups())
        raise Refused(404, "rest_no_route", "No route was found matching the URL and request method.")

    def order_view(self, order: Order) -> Row:
        return views.order_view(
            order,
            site=self._site,
            version=self._version,
            decimals=self._taxes.decimals,
            products=self._orders.products,
        )

    # Orders

    def list_orders(self, request: Request, _killed_at: str) -> Answer:
        query = request.query
        rows = [order for order in self._orders.all.values() if self._order_fits(order, query)]
        return self._page(query, rows, self.order_view, lambda order: (order.created, order.id))

    def get_order(self, request: Request, _killed_at: str, number: str) -> Answer:
        return _answer(_fields(request.query, self.order_view(self._order(number, 404))))

    def create_order(self, request: Request, killed_at: str) -> Answer:
        body = _body(request)
        schema.check_order(body)
        if "id" in body:
            raise Refused(400, "woocommerce_rest_shop_order_exists", "Cannot create existing shop_order.")
        order = self._orders.create(body, killed_at)
        location = f"{self._site}{BASE}orders/{order.id}"
        return _answer(_fields(request.query, self.order_view(order)), 201, {"Location": location})

    def update_order(self, request: Request, _killed_at: str, number: str) -> Answer:
        body = _body(request)
        schema.check_order(body)
        return _answer(self.order_view(self._orders.update(self._order(number, 400), body)))

    def delete_order(self, request: Request, _killed_at: str, number: str) -> Answer:
        order = self._order(number, 404)
        if order.status == "trash" and request.query.get("force") != "true":
            raise Refused(410, "woocommerce_rest_already_trashed", "The order has already been deleted.")
        view = self.order_view(order)
        self._orders.trash(order, force=request.query.get("force") == "true")
        return _answer(view)

    def batch_orders(self, request: Request, _killed_at: str) -> Answer:
        """No schema check; each item answers for itself; a fatal error ends it all with what was done."""
        body = _body(request)
        if sum(len(body.get(kind) or ()) for kind in ("create", "update", "delete")) > BATCH_LIMIT:
            raise Refused(
                413,
                "woocommerce_rest_request_entity_too_large",
                f"Unable to accept more than {BATCH_LIMIT} items for this request.",
            )
        answer: dict[str, list[Row]] = {}
        for kind, act in BATCH.items():
            for item in body.get(kind) or ():
                try:
                    result = act(self, item)
                except Refused as refused:
                    number = 0 if kind == "create" else item if kind == "delete" else item.get("id", 0)
                    result = {"id": number, "error": refused.body}
                answer.setdefault(kind, []).append(result)
        return _answer(answer)

    def create_note(self, request: Request, _killed_at: str, number: str) -> Answer:
        order, body = self._order(number, 404), _body(request)
        note = {
            "id": self._orders.next_id(),
            "author": "WooCommerce",
            "date_created": views.local(datetime.now(UTC)),
            "note": str(body.get("note", "")),
            "customer_note": bool(body.get("customer_note")),
        }
        order.notes.append(note)
        return _answer(note, 201)

    def list_notes(self, _request: Request, _killed_at: str, number: str) -> Answer:
        return _answer(list(self._order(number, 404).notes))

    def list_refunds(self, request: Request, _killed_at: str, number: str) -> Answer:
        order = self._order(number, 404)
        return self._page(
            request.query,
            order.refunds,
            lambda one: views.refund_view(one, order, site=self._site, decimals=self._taxes.decimals),
            lambda one: (one.created, one.id),
        )

    def create_refund(self, request: Request, _killed_at: str, number: str) -> Answer:
        order, body = self._order(number, 404), _body(request)
        if body.get("api_refund", True):
            raise RefundRefused("The payment gateway for this order does not exist.")
        lines = sum((php_decimal(one.get("refund_total", 0)) for one in body.get("line_items") or ()), Decimal(0))
        amount = php_decimal(body["amount"]) if "amount" in body else lines
        left = order.total - sum((one.amount for one in order.refunds), Decimal(0))
        if amount < 0 or amount > left:
            raise RefundRefused("Invalid refund amount.")
        refund = self._orders.refund(order, amount, body)
        view = views.refund_view(refund, order, site=self._site, decimals=self._taxes.decimals)
        return _answer(view, 201)

    def list_fulfilments(self, _request: Request, _killed_at: str, number: str) -> Answer:
        """In lists `is_fulfilled` is a text (FINDINGS (i))."""
        order = self._with_fulfilments(number)
        return _answer([{**one, "is_fulfilled": "1" if one["is_fulfilled"] else ""} for one in order.fulfilments])

    def create_fulfilment(self, request: Request, _killed_at: str, number: str) -> Answer:
        order = self._with_fulfilments(number)
        return _answer(add_fulfilment(self._orders, order, _body(request)), 201)

    # Products

    def list_products(self, request: Request, _killed_at: str) -> Answer:
        query = request.query
        rows = [one for one in self._orders.products.values() if _product_fits(one, query)]
        if self._numbers >= GTIN_SINCE:
            rows = [one for one in rows if _gtin_fits(one, query)]
        return self._page(query, rows, self._product_view, lambda one: (one.id,))

    def list_all_variations(self, request: Request, _killed_at: str) -> Answer:
        """Of all products; read only, since 10.3 (reference platforms.md §1.2)."""
        if self._numbers < VARIATIONS_SINCE:
            raise Refused(404, "rest_no_route", "No route was found matching the URL and request method.")
        query, every = request.query, self._orders.products.values()
        rows = [one for one in every if one.parent_id and one.status != "trash" and _has_status(one, query)]
        rows = [one for one in rows if _gtin_fits(one, query)]
        return self._page(query, rows, lambda one: views.variation_view(one, site=self._site), lambda one: (one.id,))

    def list_variations(self, request: Request, _killed_at: str, number: str) -> Answer:
        parent, query = self._product(number), request.query
        every = self._orders.products.values()
        rows = [
            one for one in every if one.parent_id == parent.id and one.status != "trash" and _has_status(one, query)
        ]
        return self._page(query, rows, lambda one: views.variation_view(one, site=self._site), lambda one: (one.id,))

    def get_product(self, request: Request, _killed_at: str, number: str) -> Answer:
        return _answer(_fields(request.query, self._product_view(self._product(number))))

    def update_product(self, request: Request, _killed_at: str, number: str) -> Answer:
        product, body = self._product(number), _body(request)
        if "stock_quantity" in body:
            product.stock = int(body["stock_quantity"])
        return _answer(self._product_view(product))

    # The shop

    def list_taxes(self, request: Request, _killed_at: str) -> Answer:
        rates = list(self._taxes.rates)
        return self._page(
            {"order": "asc", **request.query},
            rates,
            lambda one: views.tax_view(one, rates.index(one)),
            lambda one: (one.id,),
        )

    def settings(self, request: Request, _killed_at: str, group: str) -> Answer:
        values = self._settings().get(group)
        if values is None:
            raise Refused(404, "rest_setting_setting_group_invalid", "Invalid setting group.")
        return _answer([_fields(request.query, {"id": name, "value": value}) for name, value in values.items()])

    def system_status(self, request: Request, _killed_at: str) -> Answer:
        status: dict[str, Row] = {
            "environment": {"version": self._version, "wp_version": "6.9"},
            "settings": {
                "currency": self._orders.currency,
                "HPOS_enabled": self._hpos,
                "taxes_enabled": self._taxes.enabled,
            },
        }
        wanted = [name.split(".") for name in request.query.get("_fields", "").split(",") if name]
        if not wanted:
            return _answer(status)
        chosen: dict[str, Row] = {}
        for top, *rest in wanted:
            for name in rest:
                if name in status.get(top, {}):
                    chosen.setdefault(top, {})[name] = status[top][name]
        return _answer(chosen)

    # Webhooks

    def list_webhooks(self, request: Request, _killed_at: str) -> Answer:
        rows = list(self._hooks.all.values())
        return self._page(request.query, rows, self._webhook_view, lambda one: (one.created, one.id))

    def get_webhook(self, _request: Request, _killed_at: str, number: str) -> Answer:
        return _answer(self._webhook_view(self._webhook(number)))

    def create_webhook(self, request: Request, _killed_at: str) -> Answer:
        return _answer(self._webhook_view(self._hooks.create(_body(request))), 201)

    def update_webhook(self, request: Request, _killed_at: str, number: str) -> Answer:
        return _answer(self._webhook_view(self._hooks.update(self._webhook(number), _body(request))))

    def delete_webhook(self, request: Request, _killed_at: str, number: str) -> Answer:
        hook = self._webhook(number)
        if request.query.get("force") != "true":
            raise Refused(501, "woocommerce_rest_trash_not_supported", "Webhooks do not support trashing.")
        del self._hooks.all[hook.id]
        return _answer(self._webhook_view(hook))

    # Shared

    def _order(self, number: str, missing: int) -> Order:
        order = self._orders.all.get(int(number))
        if order is None:
            message = "Invalid ID." if missing == 404 else "ID is invalid."
            raise Refused(missing, "woocommerce_rest_shop_order_invalid_id", message)
        return order

    def _with_fulfilments(self, number: str) -> Order:
        if not self.fulfilments:
            raise Refused(404, "rest_no_route", "No route was found matching the URL and request method.")
        return self._order(number, 404)

    def _product(self, number: str) -> Product:
        product = self._orders.products.get(int(number))
        if product is None:
            raise Refused(404, "woocommerce_rest_product_invalid_id", "Invalid ID.")
        return product

    def _webhook(self, number: str) -> Webhook:
        hook = self._hooks.all.get(int(number))
        if hook is None:
            raise Refused(404, "woocommerce_rest_shop_webhook_invalid_id", "Invalid ID.")
        return hook

    def _product_view(self, product: Product) -> Row:
        view = views.product_view(product, site=self._site)
        if product.type == "variable":
            view["variations"] = [one.id for one in self._orders.products.values() if one.parent_id == product.id]
        return view

    def _webhook_view(self, hook: Webhook) -> Row:
        return views.webhook_view(hook, site=self._site)

    def _order_fits(self, order: Order, query: Mapping[str, str]) -> bool:
        statuses = query.get("status", "any").split(",")
        if "any" in statuses:
            if order.status in HIDDEN:
                return False
        elif order.status not in statuses:
            return False
        if self._numbers >= (9, 9) and query.get("created_via") and order.created_via != query["created_via"]:
            return False
        if query.get("include") and str(order.id) not in query["include"].split(","):
            return False
        if query.get("search") and not self._search_fits(order, query["search"]):
            return False
        return _dates_fit(query, order.created, order.modified)

    def _search_fits(self, order: Order, term: str) -> bool:
        """A part of the text, in any case. Legacy storage does not know transaction ids (FINDINGS (d))."""
        texts = [str(order.id), order.billing["email"], order.billing["last_name"], order.billing["company"]]
        if self._hpos and self._numbers >= (8, 9):
            texts += [order.transaction_id, *(line.name for line in order.lines)]
        if not self._hpos:
            texts.append(order.customer_note)
        return any(term.casefold() in text.casefold() for text in texts)

    def _settings(self) -> dict[str, dict[str, str]]:
        taxes = self._taxes
        return {
            "general": {
                "woocommerce_default_country": taxes.base_country,
                "woocommerce_calc_taxes": "yes" if taxes.enabled else "no",
                "woocommerce_currency": self._orders.currency,
                "woocommerce_price_num_decimals": str(taxes.decimals),
            },
            "products": {"woocommerce_weight_unit": "kg", "woocommerce_dimension_unit": "cm"},
            "tax": {
                "woocommerce_prices_include_tax": "yes" if taxes.prices_include_tax else "no",
                "woocommerce_tax_based_on": taxes.based_on,
                "woocommerce_shipping_tax_class": taxes.shipping_class,
                "woocommerce_tax_round_at_subtotal": "yes" if taxes.round_at_subtotal else "no",
                "woocommerce_tax_classes": "\n".join(taxes.classes),
            },
        }

    def _page(
        self, query: Mapping[str, str], rows: list[Any], view: Callable[[Any], Row], by_date: Callable[[Any], Any]
    ) -> Answer:
        size, page = _whole(query, "per_page", 10, 100), _whole(query, "page", 1, None)
        order_by, descending = query.get("orderby", "date"), query.get("order", "desc") == "desc"
        if order_by not in ("date", "id", "include", "title", "slug", "modified"):
            message = "orderby is not one of date, id, include, title, slug, and modified."
            raise invalid_param("orderby", message, "rest_not_in_enum")
        keys: dict[str, Callable[[Any], Any]] = {
            "id": lambda row: row.id,
            "modified": lambda row: (row.modified, row.id),
        }
        rows = sorted(rows, key=keys.get(order_by, by_date), reverse=descending)
        start = int(query.get("offset", (page - 1) * size))
        headers = {"X-WP-Total": str(len(rows)), "X-WP-TotalPages": str(-(-len(rows) // size))}
        return _answer([_fields(query, view(row)) for row in rows[start : start + size]], 200, headers)


def add_fulfilment(orders: Orders, order: Order, body: Mapping[str, Any]) -> Row:
    """The status of the order stays; its meta tells how far it is (FINDINGS (i))."""
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    metas = [{"id": orders.next_id(), "key": one["key"], "value": one["value"]} for one in body.get("meta_data") or ()]
    fulfilment = {
        "id": orders.next_id(),
        "entity_type": "WC_Order",
        "entity_id": str(order.id),
        "status": body.get("status", "unfulfilled"),
        "is_fulfilled": bool(body.get("is_fulfilled")),
        "date_updated": now,
        "date_deleted": None,
        "meta_data": [*metas, {"id": orders.next_id(), "key": "_date_fulfilled", "value": now}],
    }
    order.fulfilments.append(fulfilment)
    done: dict[int, int] = {}
    for one in order.fulfilments:
        items: list[Row] = next((meta["value"] for meta in one["meta_data"] if meta["key"] == "_items"), [])
        for item in items if one["is_fulfilled"] else ():
            done[item["item_id"]] = done.get(item["item_id"], 0) + item["qty"]
    whole = all(done.get(line.id, 0) >= line.quantity for line in order.lines)
    orders.set_meta(order, "_fulfillment_status", "fulfilled" if whole else "partially_fulfilled")
    return fulfilment


def _batch_create(rest: Rest, item: Any) -> Row:
    return rest.order_view(rest._orders.create(item or {}))


def _batch_update(rest: Rest, item: Any) -> Row:
    return rest.order_view(rest._orders.update(rest._order(str(item.get("id", 0)), 400), item))


def _batch_delete(rest: Rest, item: Any) -> Row:
    order = rest._order(str(item), 404)
    view = rest.order_view(order)
    rest._orders.trash(order, force=True)
    return view


BATCH: Mapping[str, Callable[[Rest, Any], Row]] = {
    "create": _batch_create,
    "update": _batch_update,
    "delete": _batch_delete,
}

ROUTES: tuple[tuple[str, str, Callable[..., Answer]], ...] = (
    ("GET", "orders", Rest.list_orders),
    ("POST", "orders", Rest.create_order),
    ("POST", "orders/batch", Rest.batch_orders),
    ("GET", r"orders/(\d+)", Rest.get_order),
    ("PUT", r"orders/(\d+)", Rest.update_order),
    ("DELETE", r"orders/(\d+)", Rest.delete_order),
    ("GET", r"orders/(\d+)/notes", Rest.list_notes),
    ("POST", r"orders/(\d+)/notes", Rest.create_note),
    ("GET", r"orders/(\d+)/refunds", Rest.list_refunds),
    ("POST", r"orders/(\d+)/refunds", Rest.create_refund),
    ("GET", r"orders/(\d+)/fulfillments", Rest.list_fulfilments),
    ("POST", r"orders/(\d+)/fulfillments", Rest.create_fulfilment),
    ("GET", "products", Rest.list_products),
    ("GET", "variations", Rest.list_all_variations),
    ("GET", r"products/(\d+)", Rest.get_product),
    ("GET", r"products/(\d+)/variations", Rest.list_variations),
    ("PUT", r"products/(\d+)", Rest.update_product),
    ("GET", "taxes", Rest.list_taxes),
    ("GET", r"settings/(\w+)", Rest.settings),
    ("GET", "system_status", Rest.system_status),
    ("GET", "webhooks", Rest.list_webhooks),
    ("POST", "webhooks", Rest.create_webhook),
    ("GET", r"webhooks/(\d+)", Rest.get_webhook),
    ("PUT", r"webhooks/(\d+)", Rest.update_webhook),
    ("DELETE", r"webhooks/(\d+)", Rest.delete_webhook),
)


def _answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer.json(value, status, {**JSON, **(headers or {})})


def _body(request: Request) -> Row:
    """Without a JSON content type, without a body, or with a JSON list, there are no parameters (FINDINGS, trap 4)."""
    if request.content_type != "application/json" or not request.body:
        return {}
    try:
        value = msgspec.json.decode(request.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(
            400,
            "rest_invalid_json",
            "Invalid JSON body passed.",
            json_error_code=4,
            json_error_message="Syntax error",
        ) from error
    return value if isinstance(value, dict) else {}


def _fields(query: Mapping[str, str], row: Row) -> Row:
    wanted = query.get("_fields")
    if not wanted:
        return row
    names = {name.partition(".")[0] for name in wanted.split(",")}
    return {name: value for name, value in row.items() if name in names}


def _whole(query: Mapping[str, str], name: str, default: int, most: int | None) -> int:
    text = query.get(name, str(default))
    if not schema.is_integer(text):
        raise invalid_param(name, f"{name} is not of type integer.", "rest_invalid_type", {"param": name})
    if int(text) < 1 or (most is not None and int(text) > most):
        message = f"{name} must be between 1 (inclusive) and {most} (inclusive)"
        raise invalid_param(name, message, "rest_out_of_bounds")
    return int(text)


def _product_fits(product: Product, query: Mapping[str, str]) -> bool:
    """With `sku`, variations are among the results; without, they are not. Of `sku` the whole text is tried too."""
    if product.status == "trash" or not _has_status(product, query):
        return False
    if "sku" in query:
        wanted = {one.strip().casefold() for one in (*query["sku"].split(","), query["sku"])} - {""}
        return product.sku.casefold() in wanted
    if product.type == "variation":
        return False
    return not query.get("include") or str(product.id) in query["include"].split(",")


def _gtin_fits(product: Product, query: Mapping[str, str]) -> bool:
    return not query.get("global_unique_id") or product.gtin in query["global_unique_id"].split(",")


def _has_status(product: Product, query: Mapping[str, str]) -> bool:
    return query.get("status", "any") in ("any", product.status)


def _dates_fit(query: Mapping[str, str], created: datetime, modified: datetime) -> bool:
    limits = (
        ("after", created, 1),
        ("before", created, -1),
        ("modified_after", modified, 1),
        ("modified_before", modified, -1),
    )
    for name, moment, direction in limits:
        if query.get(name):
            limit = datetime.fromisoformat(query[name])
            limit = limit.replace(tzinfo=UTC) if limit.tzinfo is None else limit
            seconds = (moment.replace(microsecond=0) - limit).total_seconds()
            if seconds * direction <= 0:
                return False
    return True
