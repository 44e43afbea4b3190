"""A merchant with feeds: one account, one or several generic shops, products of our own."""

import csv
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lengow import feeds
from lengow.connector import Connector, Settings
from lengow.connector.catalogue import CatalogueProduct

FULFILMENT = {
    "weight_net": "1.4",
    "icpe": "0",
    "onu": "1263",
    "security_file_number": "FDS-1",
    "has_batch_number": "no",
    "has_serial_number": "no",
    "has_dluo": "no",
    "is_fragile": "yes",
    "is_overpackaged": "no",
}


def product(sku: str = "DRILL-18V", **fields: Any) -> CatalogueProduct:
    """A product that lacks nothing; `attributes` are added to those of fulfilment."""
    attributes = {**FULFILMENT, **fields.pop("attributes", {})}
    given = {
        "id": f"id-{sku}",
        "sku": sku,
        "title": "Drill 18 V",
        "price": Decimal("99.90"),
        "currency": "EUR",
        "stock": 5,
        "ean": "4006381333931",
        "brand": "Acme",
        "images": ("https://cdn.example.com/1.jpg",),
    }
    return CatalogueProduct(attributes=attributes, **{**given, **fields})


class FeedMerchant:
    def __init__(self, folder: Path, tables: Mapping[str, Mapping[str, Any]], shops: tuple[str, ...]) -> None:
        self.folder = folder
        common = {"shop": shops[0], "marketplace": "manomano_fr"}
        document = {
            "accounts": {"main": {"access_token": "t", "secret": "s"}},
            "shops": {
                shop: {"account": "main", "platform": "generic", "catalogues": [number]}
                for number, shop in enumerate(shops)
            },
            "feeds": {
                name: {**common, "path": f"{name}.{table.get('format', 'csv')}", "priority": number, **table}
                for number, (name, table) in enumerate(tables.items())
            },
        }
        self.connector = Connector(Settings.from_dict(document, base=folder))

    def build(self, *products: CatalogueProduct, name: str = "", **options: Any) -> feeds.Report:
        name = name or next(iter(feeds.read_feeds(self.connector.settings)))
        return feeds.build(self.connector, name, products=products, **options)

    def problems(self, *products: CatalogueProduct, name: str = "feed") -> list[feeds.Problem]:
        return list(feeds.check(self.connector, name, products=products))

    def offers(self, name: str = "feed") -> list[dict[str, str]]:
        """Read by Python's own csv, not by ours."""
        with (self.folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file, delimiter="|"))


@pytest.fixture
def make_feeds(tmp_path: Path) -> Iterator[Callable[..., FeedMerchant]]:
    made: list[FeedMerchant] = []

    def make(*, shops: tuple[str, ...] = ("b2c",), **tables: Mapping[str, Any]) -> FeedMerchant:
        folder = tmp_path / f"feeds-{len(made)}"
        folder.mkdir()
        made.append(FeedMerchant(folder, tables or {"feed": {}}, shops))
        return made[-1]

    yield make
    for one in made:
        one.connector.close()
