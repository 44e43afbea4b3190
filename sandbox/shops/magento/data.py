"""What the shop holds, and what a fresh installation brings."""

import itertools
from collections.abc import Callable
from datetime import datetime
from typing import Any

Row = dict[str, Any]

CURRENCY = "EUR"
COUNTRIES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "FR": (("257", "69", "Rhône"),),
    "DE": (("82", "BER", "Berlin"),),
    "IT": (),
    "ES": (("130", "B", "Barcelona"), ("161", "M", "Madrid")),
    "GB": (),
    "US": (("12", "CA", "California"),),
}
"""Regions: id, code, name."""
STANDARD, REDUCED = 2, 3
"""Product tax classes."""


def written(instant: datetime) -> str:
    """As Magento writes dates: UTC."""
    return f"{instant:%Y-%m-%d %H:%M:%S}"


class Data:
    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self._ids = itertools.count(1)
        self.products: dict[str, Row] = {}
        self.attributes: list[Row] = [
            {"attribute_id": 73, "attribute_code": "name", "frontend_input": "text", "options": []},
            {
                "attribute_id": 83,
                "attribute_code": "manufacturer",
                "frontend_input": "select",
                "options": [{"label": " ", "value": ""}, {"label": "Acme", "value": "5"}],
            },
            {
                "attribute_id": 144,
                "attribute_code": "size",
                "frontend_input": "select",
                "options": [
                    {"label": " ", "value": ""},
                    {"label": "S", "value": "166"},
                    {"label": "M", "value": "167"},
                ],
            },
        ]
        self.orders: dict[int, Row] = {}
        self.shipments: dict[int, Row] = {}
        self.invoices: dict[int, Row] = {}
        self.creditmemos: dict[int, Row] = {}
        self.sources: dict[tuple[str, str], Row] = {}
        """By source and SKU."""
        self.reservations: list[tuple[str, float, str]] = []
        """SKU, quantity, event. The salable quantity is the sources' and these."""
        self.rates = [
            {"id": 1, "tax_country_id": country, "tax_region_id": 0, "tax_postcode": "*", "rate": rate, "code": country}
            for country, rate in (("FR", 20), ("DE", 19), ("IT", 22))
        ]
        self.rates += [{"id": 4, "tax_country_id": "FR", "tax_region_id": 0, "tax_postcode": "*", "rate": 5.5}]
        for number, rate in enumerate(self.rates, 1):
            rate["id"] = number
        self.rules = [
            {"id": 1, "code": "standard", "product_tax_class_ids": [STANDARD], "tax_rate_ids": [1, 2, 3]},
            {"id": 2, "code": "reduced", "product_tax_class_ids": [REDUCED], "tax_rate_ids": [4]},
        ]
        for rule in self.rules:
            rule |= {"priority": 0, "position": 0, "customer_tax_class_ids": [3]}

    def next_id(self) -> int:
        return next(self._ids)

    def salable(self, sku: str) -> float:
        held = sum(row["quantity"] for (_, name), row in self.sources.items() if name == sku)
        return float(held + sum(quantity for name, quantity, _ in self.reservations if name == sku))

    def touch(self, row: Row) -> None:
        row["updated_at"] = written(self.now())
