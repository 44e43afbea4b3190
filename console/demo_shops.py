"""The shops of the demo: the generic one, which is tables of this process, and a stand-in of each platform over HTTP.

Each is filled with what the marketplace sells, ships what it has to ship, and shows its own order list. What a shop
holds is read from the shop, never from the connector.
"""

import base64
import hashlib
import hmac
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Protocol

import msgspec
import requests

from lengow.sandbox import catalogue
from lengow.sandbox.clock import Clock

PLENTY = 100_000
"""Pieces of each product."""

SECRETS = tuple("whsec_" + base64.b64encode(hashlib.sha256(bytes([n])).digest()).decode() for n in range(5))


class Parcel(msgspec.Struct, frozen=True):
    carrier: str
    url: str = ""
    """With `{number}` in it."""

    def link(self, number: str) -> str:
        return self.url.replace("{number}", number)


PARCELS = (
    Parcel("Colissimo"),
    Parcel("Chronopost"),
    Parcel("DPD"),
    Parcel("Geodis", "https://track.example.com/{number}"),
    Parcel("Heppner"),
)
"""What the shops ship with, in turn. The fourth is none of the marketplace's carriers: it goes as Other, with name and
tracking URL. The fifth lacks the URL, which ManoMano demands with Other, and is stopped."""


class Listed(msgspec.Struct, frozen=True):
    """One order of a shop's own list."""

    number: str
    """The marketplace's."""
    goods: tuple[tuple[str, int], ...]
    """SKU and pieces."""
    total: Decimal
    tracking: str = ""
    """The number of the parcel, once the shop has sent it."""


class DemoShop(Protocol):
    platform: ClassVar[str]
    tells: ClassVar[str]
    """How it tells the connector of its shipments."""
    takes_foreign_currency: ClassVar[bool]

    def __init__(self, clock: Clock, folder: Path) -> None: ...

    @property
    def options(self) -> Mapping[str, Any]:
        """The platform's own keys of the settings."""

    @property
    def secret(self) -> str:
        """What its webhooks are signed with."""

    def listen(self, url: str, connect: Callable[[], Any]) -> None:
        """Have its webhooks sent to `url`; `connect` is `lengow-connector shop connect`."""

    def ship(self) -> int:
        """Send a parcel for each order that is to be shipped; returns how many."""

    def tell(self) -> None:
        """Send the webhooks that wait, if the shop has any."""

    def orders(self) -> Iterator[Listed]: ...

    def requests(self) -> int:
        """How many requests it was sent so far."""

    def close(self) -> None: ...


class GenericShop:
    """Tables of the host, beside the connector's own."""

    platform: ClassVar[str] = "generic"
    tells: ClassVar[str] = "webhook"
    takes_foreign_currency: ClassVar[bool] = True

    def __init__(self, clock: Clock, folder: Path) -> None:
        self.secret = SECRETS[0]
        self._clock, self._path = clock, folder / "generic.db"
        self._url = ""
        self._waiting: list[dict[str, Any]] = []

    @property
    def options(self) -> Mapping[str, Any]:
        return {"database": f"sqlite:///{self._path}"}

    def listen(self, url: str, connect: Callable[[], Any]) -> None:  # noqa: ARG002
        self._url = url

    def ship(self) -> int:
        with closing(sqlite3.connect(self._path)) as db, db:
            rows = db.execute("SELECT id, reference FROM shop_orders WHERE status = 'to_ship' ORDER BY id").fetchall()
            for place, (order_id, reference) in enumerate(rows):
                number, parcel = number_of("GE", place), parcel_of(place)
                shipment = {
                    "id": str(order_id),
                    "carrier_code": parcel.carrier,
                    "carrier_label": parcel.carrier,
                    "tracking_number": number,
                    "tracking_url": parcel.link(number),
                }
                order = {"id": str(order_id), "external_reference": reference}
                self._waiting.append({"contract": "shop-shipment/1", "order": order, "shipment": shipment})
                db.execute(
                    "UPDATE shop_orders SET status = 'shipped', tracking_number = ? WHERE id = ?", [number, order_id]
                )
        return len(rows)

    def tell(self) -> None:
        """By Standard Webhooks requests, signed as a shop would."""
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        waiting, self._waiting = self._waiting, []
        with requests.Session() as session:
            session.trust_env = False
            for data in waiting:
                delivery_id, timestamp = f"shipment-{data['shipment']['id']}", f"{self._clock.now().timestamp():.0f}"
                body = json.dumps({"type": "shipment.created", "timestamp": timestamp, "data": data}).encode()
                signed = f"{delivery_id}.{timestamp}.".encode() + body
                signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
                headers = {
                    "Content-Type": "application/json",
                    "webhook-id": delivery_id,
                    "webhook-timestamp": timestamp,
                    "webhook-signature": f"v1,{signature}",
                }
                session.post(self._url, data=body, headers=headers, timeout=30).raise_for_status()

    def orders(self) -> Iterator[Listed]:
        with closing(sqlite3.connect(self._path)) as db:
            goods: dict[int, list[tuple[str, int]]] = {}
            for order_id, sku, quantity in db.execute("SELECT shop_order_id, sku, quantity FROM shop_order_lines"):
                goods.setdefault(order_id, []).append((sku, quantity))
            for order_id, number, total, tracking in db.execute(
                "SELECT id, marketplace_order_id, total, tracking_number FROM shop_orders"
            ):
                yield Listed(number, tuple(goods.get(order_id, ())), Decimal(total), tracking or "")

    def requests(self) -> int:
        return 0

    def close(self) -> None:
        """Its file goes with the demo's folder."""


class _StandIn:
    """What the stand-ins have in common. Those without webhooks of their own are polled."""

    _shop: Any

    def listen(self, url: str, connect: Callable[[], Any]) -> None: ...

    def tell(self) -> None: ...

    def requests(self) -> int:
        return sum(self._shop.server.requests.values())

    def close(self) -> None:
        self._shop.close()


class WooCommerceDemo(_StandIn):
    platform: ClassVar[str] = "woocommerce"
    tells: ClassVar[str] = "webhook"
    takes_foreign_currency: ClassVar[bool] = True

    def __init__(self, clock: Clock, folder: Path) -> None:  # noqa: ARG002
        from lengow.sandbox.shops.woocommerce import KEY, TaxRate, WooCommerceShop

        self.secret = SECRETS[1].removeprefix("whsec_").replace("=", "")
        self._shop = WooCommerceShop(clock=clock)
        self._keys = {"consumer_key": KEY.consumer_key, "consumer_secret": KEY.consumer_secret}
        for product in catalogue():
            self._shop.add_product(product.sku, str(product.price), PLENTY)
        self._shop.set_taxes(TaxRate(1, "", Decimal(20)), prices_include_tax=True)

    @property
    def options(self) -> Mapping[str, Any]:
        return {"url": self._shop.url, **self._keys}

    def listen(self, url: str, connect: Callable[[], Any]) -> None:  # noqa: ARG002
        connect()

    def ship(self) -> int:
        """With the plugin Shipment Tracking, as many shops do."""
        waiting = [order for order in self._shop.ledger().orders if order.status == "processing"]
        for place, order in enumerate(waiting):
            number, parcel = number_of("WC", place), parcel_of(place)
            self._shop.add_tracking(order.id, parcel.carrier, number, parcel.link(number))
            self._shop.set_status(order.id, "completed")
        return len(waiting)

    def tell(self) -> None:
        while self._shop.run_cron():
            pass

    def orders(self) -> Iterator[Listed]:
        for order in self._shop.ledger().orders:
            number = order.meta_value("_lengow_order_id")
            if number and order.status != "trash":
                items = order.meta_value("_wc_shipment_tracking_items") or [{"tracking_number": ""}]
                goods = tuple((self._sku(line), line.quantity) for line in order.lines)
                yield Listed(number, goods, order.total, items[-1]["tracking_number"])

    def _sku(self, line: Any) -> str:
        product = self._shop.orders.products.get(line.variation_id or line.product_id)
        return str(product.sku if product else line.name)


class PrestaShopDemo(_StandIn):
    platform: ClassVar[str] = "prestashop"
    tells: ClassVar[str] = "polling"
    takes_foreign_currency: ClassVar[bool] = True

    def __init__(self, clock: Clock, folder: Path) -> None:  # noqa: ARG002
        from lengow.sandbox.shops.prestashop import KEY, PrestaShop

        self.secret = SECRETS[2]
        self._key = KEY
        self._shop = PrestaShop(clock=clock)
        for product in catalogue():
            self._shop.add_product(product.sku, str(product.price), PLENTY)
        self._shop.add_tax("20", "FR", "ES")
        self._free = self._shop.add_carrier("Marketplace", free=True)
        self._carriers = [
            self._shop.add_carrier(parcel.carrier, cost="6.00", url=parcel.url.replace("{number}", "@"))
            for parcel in PARCELS
        ]
        for code, rate in FOREIGN.items():
            self._shop.add_currency(code, rate)

    @property
    def options(self) -> Mapping[str, Any]:
        return {"url": self._shop.url, "key": self._key, "carrier": self._free}

    def ship(self) -> int:
        waiting = [view for view in self._views() if view["current_state"] in ("11", "2")]
        for place, view in enumerate(waiting):
            order_id = int(view["id"])
            self._shop.add_tracking(order_id, number_of("PS", place), self._carriers[place % len(PARCELS)])
            self._shop.set_state(order_id, 4)
        return len(waiting)

    def orders(self) -> Iterator[Listed]:
        for view in self._views():
            number = view["note"].splitlines()[1].partition(" ")[2]
            goods = tuple((row["product_reference"], int(row["product_quantity"])) for row in view["order_rows"])
            carrier = self._shop.rows("order_carriers", id_order=view["id"])[-1]
            yield Listed(number, goods, Decimal(view["total_paid"]), carrier["tracking_number"] or "")

    def _views(self) -> list[dict[str, Any]]:
        views = [self._shop.order_view(int(row["id"] or 0)) for row in self._shop.rows("orders")]
        return [view for view in views if view["note"].startswith("Lengow reference: ")]


class MagentoDemo(_StandIn):
    platform: ClassVar[str] = "magento"
    tells: ClassVar[str] = "polling"
    takes_foreign_currency: ClassVar[bool] = False
    """Only the base currency of its store view."""

    def __init__(self, clock: Clock, folder: Path) -> None:  # noqa: ARG002
        from lengow.sandbox.shops.magento import TOKEN, MagentoShop

        self.secret = SECRETS[3]
        self._token = TOKEN
        self._shop = MagentoShop(clock=clock)
        for product in catalogue():
            self._shop.add_product(product.sku, PLENTY)

    @property
    def options(self) -> Mapping[str, Any]:
        return {"url": self._shop.url, "access_token": self._token}

    def ship(self) -> int:
        waiting = [row for row in self._shop.ledger().orders if row["state"] == "processing"]
        for place, row in enumerate(waiting):
            track = {"track_number": number_of("MA", place), "title": parcel_of(place).carrier}
            self._shop.ship(row["entity_id"], {**track, "carrier_code": "custom"})
        return len(waiting)

    def orders(self) -> Iterator[Listed]:
        ledger = self._shop.ledger()
        numbers = {row["order_id"]: row["tracks"][-1]["track_number"] for row in ledger.shipments if row["tracks"]}
        for row in ledger.orders:
            number = row["increment_id"].partition("-")[0]
            goods = tuple((item["sku"], int(item["qty_ordered"])) for item in row["items"])
            yield Listed(number, goods, Decimal(str(row["grand_total"])), numbers.get(row["entity_id"], ""))


class ShopwareDemo(_StandIn):
    platform: ClassVar[str] = "shopware"
    tells: ClassVar[str] = "webhook"
    takes_foreign_currency: ClassVar[bool] = True

    def __init__(self, clock: Clock, folder: Path) -> None:  # noqa: ARG002
        from lengow.sandbox.shops.shopware import INTEGRATION, ShopwareShop

        self.secret = SECRETS[4]
        self._integration = INTEGRATION
        self._shop = ShopwareShop(clock=clock)
        for product in catalogue():
            self._shop.add_product(product.sku, PLENTY)
        both = {row["isoCode"]: row for row in self._shop.data.rows("currency")}
        for code in FOREIGN:
            if code not in both:
                self._shop.data.insert(
                    "currency",
                    {
                        **both["GBP"],
                        "id": hashlib.md5(code.encode(), usedforsecurity=False).hexdigest(),
                        "isoCode": code,
                    },
                )
        self._methods = [
            self._shop.add_shipping_method(parcel.carrier, parcel.url.replace("{number}", "%s")) for parcel in PARCELS
        ]

    @property
    def options(self) -> Mapping[str, Any]:
        return {
            "url": self._shop.url,
            "access_key": self._integration.access_key,
            "secret_key": self._integration.secret,
            "sales_channel": "Marketplace",
        }

    def listen(self, url: str, connect: Callable[[], Any]) -> None:
        self._shop.install_app(url, self.secret)
        connect()

    def ship(self) -> int:
        waiting = [row for row in self._deliveries() if self._shop.place(row) == "open"]
        for place, delivery in enumerate(waiting):
            more = {"trackingCodes": [number_of("SW", place)], "shippingMethodId": self._methods[place % len(PARCELS)]}
            self._shop.change("order_delivery", delivery["id"], **more)
            self._shop.move("order_delivery", delivery["id"], "ship")
        return len(waiting)

    def tell(self) -> None:
        while self._shop.run_queue():
            pass

    def orders(self) -> Iterator[Listed]:
        data = self._shop.data
        for row in self._shop.ledger().orders:
            lines = [line for line in data.rows("order_line_item", orderId=row["id"]) if line["payload"]]
            goods = tuple((line["payload"]["productNumber"], int(line["quantity"])) for line in lines)
            codes = self._shop.delivery_of(row["id"])["trackingCodes"] or [""]
            total = Decimal(str(row["price"]["totalPrice"])).quantize(Decimal("0.01"))
            yield Listed(row["customFields"]["lengow_order_id"], goods, total, codes[-1])

    def _deliveries(self) -> list[dict[str, Any]]:
        return [self._shop.delivery_of(row["id"]) for row in self._shop.ledger().orders]


FOREIGN = {"GBP": "0.86", "PLN": "4.26", "SEK": "11.20"}
"""What the marketplace's foreign orders are in, and what a euro is in it."""

SHOPS: Sequence[type[DemoShop]] = (GenericShop, WooCommerceDemo, PrestaShopDemo, MagentoDemo, ShopwareDemo)

NEEDED = {"woocommerce": "woocommerce", "prestashop": "defusedxml"}
"""The module that a platform's adapter cannot do without; the extra is called as the platform."""


def missing_extras() -> dict[str, str]:
    """Platforms whose extra is not installed, and how to install it."""
    return {
        platform: f"pip install 'lengow-connector[{platform}]'"
        for platform, module in NEEDED.items()
        if find_spec(module) is None
    }


def number_of(prefix: str, place: int) -> str:
    return f"{prefix}{place + 1:06}"


def parcel_of(place: int) -> Parcel:
    return PARCELS[place % len(PARCELS)]
