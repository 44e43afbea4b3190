"""The tables of a PrestaShop shop, rows as texts as in the database, and its settings."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from lengow.sandbox.shops.prestashop.resources import RESOURCES

Row = dict[str, str | None]
Rows = list[dict[str, str]]

NEVER = "0000-00-00 00:00:00"
STATES = (
    # id, name, paid, shipped, logable, invoice, delivery, send_email (captures 039 and 257)
    (1, "Awaiting check payment", 0, 0, 0, 0, 0, 1),
    (2, "Payment accepted", 1, 0, 1, 1, 0, 1),
    (3, "Processing in progress", 1, 0, 1, 1, 1, 1),
    (4, "Shipped", 1, 1, 1, 1, 1, 1),
    (5, "Delivered", 1, 1, 1, 1, 1, 0),
    (6, "Canceled", 0, 0, 0, 0, 0, 1),
    (7, "Refunded", 0, 0, 0, 1, 0, 1),
    (8, "Payment error", 0, 0, 0, 0, 0, 1),
    (9, "On backorder (paid)", 1, 0, 0, 1, 0, 1),
    (10, "Awaiting bank wire payment", 0, 0, 0, 0, 0, 1),
    (11, "Remote payment accepted", 1, 0, 1, 1, 0, 1),
    (12, "On backorder (not paid)", 0, 0, 0, 0, 0, 1),
)
CONFIGURATION = {
    "PS_OS_CANCELED": "6",
    "PS_OS_DELIVERED": "5",
    "PS_OS_ERROR": "8",
    "PS_OS_OUTOFSTOCK_PAID": "9",
    "PS_OS_PAYMENT": "2",
    "PS_OS_PREPARATION": "3",
    "PS_OS_REFUND": "7",
    "PS_OS_SHIPPING": "4",
    "PS_OS_WS_PAYMENT": "11",
    "PS_COUNTRY_DEFAULT": "8",
    "PS_CURRENCY_DEFAULT": "1",
    "PS_LANG_DEFAULT": "1",
    "PS_MAIL_METHOD": "3",
    "PS_PRICE_ROUND_MODE": "2",
    "PS_ROUND_TYPE": "2",
    "PS_SHOP_NAME": "DemoShop",
    "PS_STOCK_MANAGEMENT": "1",
    "PS_TAX": "1",
    "PS_TAX_ADDRESS_TYPE": "id_address_delivery",
    "PS_TIMEZONE": "Europe/Paris",
    "PS_VERSION_DB": "8.1.2",
    "PS_WEIGHT_UNIT": "kg",
}
COUNTRIES = ((1, "DE", 1), (6, "ES", 1), (8, "FR", 1), (10, "IT", 1), (21, "US", 2))
"""Id, code and zone; the ids of a new shop."""
MODULES = {"ps_checkpayment": True, "ps_wirepayment": True, "ps_cashondelivery": False}
"""Payment modules, and whether each is active."""


@dataclass(frozen=True, slots=True)
class Mail:
    to: str
    subject: str
    order_id: int


@dataclass(slots=True)
class Data:
    now: Callable[[], datetime]
    tables: dict[str, dict[int, Row]] = field(default_factory=lambda: {name: {} for name in RESOURCES})
    associated: dict[tuple[str, int], Rows] = field(default_factory=dict)
    """Rows of an object's association: of carts and slips as they were sent."""
    described: dict[tuple[str, int], dict[str, Rows]] = field(default_factory=dict)
    """Rows of several associations by their names: of products and combinations."""
    zones: dict[int, frozenset[int]] = field(default_factory=dict)
    """The zones that a carrier serves; not to be had through the webservice."""
    tied: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """The only carriers of a product, by id."""
    reserved: dict[int, int] = field(default_factory=dict)
    purifies: bool = False
    """Whether notes go through HTMLPurifier (PS_USE_HTMLPURIFIER; not recorded)."""
    modules: dict[str, bool] = field(default_factory=lambda: dict(MODULES))
    mails: list[Mail] = field(default_factory=list)

    def __post_init__(self) -> None:
        for number, (name, value) in enumerate(CONFIGURATION.items(), 1):
            self.put("configurations", number, {"name": name, "value": value})
        for id_, name, paid, shipped, logable, invoice, delivery, send_email in STATES:
            flags = {"paid": paid, "shipped": shipped, "logable": logable, "invoice": invoice, "delivery": delivery}
            row: Row = {key: str(flag) for key, flag in flags.items()}
            self.put(
                "order_states",
                id_,
                {**row, "name": name, "send_email": str(send_email), "deleted": "0", "hidden": "0"},
            )
        for id_, code, zone in COUNTRIES:
            states = str(int(code in ("US", "ES", "IT")))
            self.put(
                "countries",
                id_,
                {"iso_code": code, "id_zone": str(zone), "active": "1", "contains_states": states,
                 "need_identification_number": str(int(code == "ES")), "zip_code_format": "NNNNN"},
            )  # fmt: skip
        self.put("currencies", 1, {"iso_code": "EUR", "precision": "2", "conversion_rate": "1.000000", "active": "1"})
        self.put("languages", 1, {"iso_code": "en", "active": "1"})
        self.put("languages", 2, {"iso_code": "fr", "active": "1"})
        self.put("states", 1, {"id_country": "21", "id_zone": "2", "iso_code": "CA", "name": "California"})
        self.put("states", 2, {"id_country": "6", "id_zone": "1", "iso_code": "ES-M", "name": "Madrid"})
        self.put("states", 3, {"id_country": "10", "id_zone": "1", "iso_code": "RM", "name": "Roma"})

    def put(self, table: str, id_: int, row: Row) -> Row:
        full: Row = {"id": str(id_), **{one.name: "" for one in RESOURCES[table].fields}, **row}
        self.tables[table][id_] = full
        return full

    def insert(self, table: str, row: Row) -> Row:
        return self.put(table, self.next_id(table), row)

    def next_id(self, table: str) -> int:
        return max(self.tables[table], default=0) + 1

    def rows(self, table: str, **wanted: object) -> Iterator[Row]:
        for row in list(self.tables[table].values()):
            if all(row[name] == str(value) for name, value in wanted.items()):
                yield row

    def get(self, table: str, id_: object) -> Row | None:
        text = str(id_)
        return self.tables[table].get(int(text)) if text.isdigit() else None

    def setting(self, name: str) -> str:
        return next(str(row["value"]) for row in self.rows("configurations", name=name))

    def set_setting(self, name: str, value: str) -> None:
        next(self.rows("configurations", name=name))["value"] = value

    def local_now(self) -> str:
        """In the shop's zone, without one (FINDINGS, Lists)."""
        return f"{self.now().astimezone(ZoneInfo(self.setting('PS_TIMEZONE'))):%Y-%m-%d %H:%M:%S}"

    # Stock

    def stock_row(self, product: object, combination: object) -> Row | None:
        found = self.rows("stock_availables", id_product=product, id_product_attribute=combination)
        return next(found, None)

    def move_stock(self, product: object, combination: object, pieces: int) -> None:
        """`quantity` may fall below zero (capture 156). A combination's pieces are its product's too."""
        row = self.stock_row(product, combination)
        if row is not None:
            row["quantity"] = str(int(row["quantity"] or 0) + pieces)
            if combination not in ("0", 0):
                self.sum_up(product)

    def sum_up(self, product: object) -> None:
        total = self.stock_row(product, 0)
        if total is not None:
            parts = [one for one in self.rows("stock_availables", id_product=product) if one is not total]
            total["quantity"] = str(sum(int(one["quantity"] or 0) for one in parts))

    # Tax

    def tax_rate(self, group: object, country: object) -> Decimal:
        """Per cent; a country without a rule has none (capture 219)."""
        if self.setting("PS_TAX") != "1":
            return Decimal(0)
        for rule in self.rows("tax_rules", id_tax_rules_group=group, id_country=country):
            tax = self.get("taxes", rule["id_tax"])
            if tax is not None and tax["active"] == "1":
                return Decimal(str(tax["rate"]))
        return Decimal(0)


def amount(value: Decimal) -> str:
    return f"{value:.6f}"
