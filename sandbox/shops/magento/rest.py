"""The routes of the REST API that an integration uses, and the right that each asks for (reference platforms.md §3)."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from lengow.sandbox.answers import Answer, Request
from lengow.sandbox.shops.magento.data import COUNTRIES, CURRENCY, Data, Row
from lengow.sandbox.shops.magento.errors import REQUIRED, Refused, unauthorized
from lengow.sandbox.shops.magento.ordering import ORDER, Ordering
from lengow.sandbox.shops.magento.searching import only, search

STORES = {"default": 1}
PRODUCT = frozenset(("sku", "entity_id", "type_id", "status", "ean", "name", "visibility"))
ATTRIBUTE = frozenset(("attribute_id", "attribute_code", "frontend_input"))
ORDERS = frozenset(ORDER - {"items", "payment", "billing_address", "extension_attributes", "status_histories"})
SOURCE = frozenset(("sku", "source_code", "status"))
OF_ORDER = frozenset(("entity_id", "order_id", "created_at", "updated_at"))
ANY = frozenset(("id", "code"))

Handler = Callable[["Rest", re.Match[str], Request, str], object]


class Rest:
    def __init__(self, data: Data, ordering: Ordering) -> None:
        self._data, self._ordering = data, ordering

    def answer(self, request: Request, allowed: Callable[[str], bool], killed_at: str) -> Answer:
        """`allowed` tells of an ACL resource. Raises Refused, Killed."""
        parts = request.path.split("/", 4)
        if parts[1] != "rest" or len(parts) < 4:
            raise Refused(404, "Request does not match any route.")
        store, path = (parts[2], request.path.split("/V1/", 1)[-1]) if parts[2] != "V1" else ("default", "")
        if store not in STORES and store != "all":
            raise Refused(400, "Specified request cannot be processed.")
        for method, pattern, resource, handler in ROUTES:
            match = re.fullmatch(pattern, path)
            if match is not None and method == request.method:
                if resource and not allowed(resource):
                    raise unauthorized(resource)
                found = handler(self, match, request, killed_at)
                if isinstance(found, dict) and "total_count" in found:
                    found = only(request.query.get("fields", ""), found)
                return Answer.json(found)
        raise Refused(404, "Request does not match any route.")

    def save(self, _: re.Match[str], request: Request, killed_at: str) -> Row:
        return self._ordering.save(_json(request).get("entity"), killed_at)

    def address(self, match: re.Match[str], request: Request, _: str) -> Row:
        return self._ordering.save_address(int(match[1]), _json(request).get("entity"))

    def orders(self, _: re.Match[str], request: Request, __: str) -> Row:
        return search(self._data.orders.values(), ORDERS, request.query)

    def order(self, match: re.Match[str], _: Request, __: str) -> Row:
        return self._ordering.order(int(match[1]))

    def cancel(self, match: re.Match[str], _: Request, __: str) -> bool:
        return self._ordering.cancel(int(match[1]))

    def comment(self, match: re.Match[str], request: Request, _: str) -> bool:
        return self._ordering.comment(int(match[1]), _json(request).get("statusHistory"))

    def invoice(self, match: re.Match[str], _: Request, __: str) -> int:
        return self._ordering.invoice(int(match[1]))

    def ship(self, match: re.Match[str], request: Request, _: str) -> int:
        return self._ordering.ship(int(match[1]), _json(request))

    def refund(self, match: re.Match[str], request: Request, _: str) -> int:
        return self._ordering.refund(int(match[1]), _json(request))

    def shipments(self, _: re.Match[str], request: Request, __: str) -> Row:
        return search(self._data.shipments.values(), OF_ORDER, request.query)

    def creditmemos(self, _: re.Match[str], request: Request, __: str) -> Row:
        return search(self._data.creditmemos.values(), OF_ORDER, request.query)

    def products(self, _: re.Match[str], request: Request, __: str) -> Row:
        found = search(self._data.products.values(), PRODUCT, request.query)
        return {**found, "items": [self._product(row) for row in found["items"]]}

    def children(self, match: re.Match[str], _: Request, __: str) -> list[Row]:
        parent = unquote(match[1])
        return [self._product(row) for row in self._data.products.values() if row["parent"] == parent]

    def source_items(self, _: re.Match[str], request: Request, __: str) -> Row:
        return search(self._data.sources.values(), SOURCE, request.query)

    def save_source_items(self, _: re.Match[str], request: Request, __: str) -> list[Row]:
        items = _json(request).get("sourceItems")
        if not isinstance(items, list):
            raise Refused(400, REQUIRED, {"fieldName": "sourceItems"})
        if not items:
            raise Refused(400, "Input data is empty")
        for item in items:
            if item.get("sku") not in self._data.products or item.get("source_code") != "default":
                raise Refused(400, "Validation Failed", [])
        for item in items:
            self._data.sources[item["source_code"], item["sku"]] = dict(item)
        return []

    def salable(self, match: re.Match[str], _: Request, __: str) -> float:
        return self._data.salable(unquote(match[1]))

    def store_configs(self, _: re.Match[str], __: Request, ___: str) -> list[Row]:
        media = "https://shop.example.com/media/"
        more = {"base_currency_code": CURRENCY, "weight_unit": "kgs", "secure_base_media_url": media}
        return [{"id": id_, "code": code, **more} for code, id_ in STORES.items()]

    def countries(self, _: re.Match[str], __: Request, ___: str) -> list[Row]:
        return [
            {
                "id": iso,
                "two_letter_abbreviation": iso,
                "available_regions": [{"id": id_, "code": code, "name": name} for id_, code, name in regions],
            }
            for iso, regions in COUNTRIES.items()
        ]

    def attributes(self, _: re.Match[str], request: Request, __: str) -> Row:
        return search(self._data.attributes, ATTRIBUTE, request.query)

    def _product(self, row: Mapping[str, Any]) -> Row:
        """Of a configurable product with the ids of its children, and what they differ in."""
        given = {**{key: str(row[key]) for key in ("ean", "tax_class_id") if row[key]}, **row["custom"]}
        extension: Row = {"website_ids": [1]}
        if row["type_id"] == "configurable":
            children = [one["entity_id"] for one in self._data.products.values() if one["parent"] == row["sku"]]
            option = {"id": 1, "attribute_id": "144", "label": "Size", "position": 0, "values": []}
            extension |= {"configurable_product_links": children, "configurable_product_options": [option]}
        plain = ("sku", "name", "type_id", "status", "weight", "price", "visibility", "media_gallery_entries")
        return {
            "id": row["entity_id"],
            **{key: row[key] for key in plain if row[key] is not None},
            "extension_attributes": extension,
            "custom_attributes": [{"attribute_code": key, "value": value} for key, value in given.items()],
        }

    def rates(self, _: re.Match[str], request: Request, __: str) -> Row:
        return search(self._data.rates, ANY, request.query)

    def rules(self, _: re.Match[str], request: Request, __: str) -> Row:
        return search(self._data.rules, ANY, request.query)


def _json(request: Request) -> Row:
    try:
        return msgspec.json.decode(request.body or b"{}", type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as broken:
        raise Refused(400, "Decoding error: Syntax error") from broken


SALES = "Magento_Sales"
ROUTES: tuple[tuple[str, str, str, Handler], ...] = (
    ("POST", "orders", f"{SALES}::create", Rest.save),
    ("PUT", "orders/create", f"{SALES}::create", Rest.save),
    ("PUT", r"orders/(\d+)", f"{SALES}::create", Rest.address),
    ("GET", "orders", f"{SALES}::actions_view", Rest.orders),
    ("GET", r"orders/(\d+)", f"{SALES}::actions_view", Rest.order),
    ("POST", r"orders/(\d+)/cancel", f"{SALES}::cancel", Rest.cancel),
    ("POST", r"orders/(\d+)/comments", f"{SALES}::comment", Rest.comment),
    ("POST", r"order/(\d+)/invoice", f"{SALES}::sales_invoice", Rest.invoice),
    ("POST", r"order/(\d+)/ship", f"{SALES}::ship", Rest.ship),
    ("POST", r"order/(\d+)/refund", f"{SALES}::creditmemo", Rest.refund),
    ("GET", "shipments", f"{SALES}::shipment", Rest.shipments),
    ("GET", "creditmemos", f"{SALES}::sales_creditmemo", Rest.creditmemos),
    ("GET", "products", "Magento_Catalog::products", Rest.products),
    ("GET", "products/attributes", "Magento_Catalog::attributes_attributes", Rest.attributes),
    ("GET", "configurable-products/([^/]+)/children", "Magento_Catalog::products", Rest.children),
    ("GET", "inventory/source-items", "Magento_InventoryApi::source", Rest.source_items),
    ("POST", "inventory/source-items", "Magento_InventoryApi::source", Rest.save_source_items),
    ("GET", r"inventory/get-product-salable-quantity/([^/]+)/\d+", "Magento_InventoryApi::source", Rest.salable),
    ("GET", "store/storeConfigs", "Magento_Backend::store", Rest.store_configs),
    ("GET", "directory/countries", "", Rest.countries),
    ("GET", "taxRates/search", "Magento_Tax::manage_tax", Rest.rates),
    ("GET", "taxRules/search", "Magento_Tax::manage_tax", Rest.rules),
)
