"""A PrestaShop shop on 127.0.0.1: the handle by which tests and the demo set it up, act as its merchant, and look in."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from lengow.sandbox.answers import Answer, Request
from lengow.sandbox.clock import Clock
from lengow.sandbox.shops.prestashop.access import KEY, Access, Key
from lengow.sandbox.shops.prestashop.data import Data, Mail, Row
from lengow.sandbox.shops.prestashop.errors import Fatal, Raw, Refused, rendered
from lengow.sandbox.shops.prestashop.ordering import Ordering
from lengow.sandbox.shops.prestashop.resources import RESOURCES
from lengow.sandbox.shops.prestashop.rest import Rest, wants_json
from lengow.sandbox.shops.standin import Fault, StandIn


@dataclass(frozen=True, slots=True)
class Ledger:
    """Everything at one moment. `requests`: how often each route was called, as `"POST /api/orders"`."""

    orders: tuple[Row, ...]
    stock: Mapping[str, int]
    """By reference, or by EAN where there is none."""
    mails: tuple[Mail, ...]
    requests: Mapping[str, int]


class PrestaShop:
    """Serves until `close`. `race_seconds`: between the look whether a cart is used and the order (capture 205)."""

    def __init__(self, port: int = 0, *, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.race_seconds = 0.0
        self._lock = threading.Lock()
        self.data = Data(self.clock.now)
        self.access = Access()
        self._ordering = Ordering(self.data, self._pause)
        self._rest = Rest(self.data, self.access, self._ordering)
        self.server = StandIn(self, self.clock, port)
        self.url = self.server.url
        self.add_carrier("Click and collect", free=True, zones=(1,))
        self.add_carrier("My carrier", cost="7.00", zones=(1, 2))
        self.add_carrier("My cheap carrier", cost="2.00", active=False)
        self.add_carrier("My light carrier", cost="3.00", active=False)

    def close(self) -> None:
        self.server.close()

    # The platform, as the server calls it

    def answer(self, request: Request, killed_at: str) -> Answer:
        with self._lock:
            return self._signed(self._answered(request, killed_at))

    def fatal(self) -> Answer:
        return Fatal().answer

    # Setting it up

    def add_tax(self, rate: str, *countries: str, group: int = 1) -> None:
        """A rate for a group of tax rules."""
        with self._lock:
            tax = self.data.insert("taxes", {"rate": f"{float(rate):.3f}", "active": "1"})
            for code in countries:
                country = next(self.data.rows("countries", iso_code=code))
                row: Row = {"id_tax_rules_group": str(group), "id_country": country["id"], "id_tax": tax["id"]}
                more: Row = {"id_state": "0", "zipcode_from": "0", "zipcode_to": "0", "behavior": "0"}
                self.data.insert("tax_rules", {**row, **more})

    def clear_taxes(self) -> None:
        with self._lock:
            self.data.tables["taxes"].clear()
            self.data.tables["tax_rules"].clear()

    def add_product(
        self, reference: str, price: str = "10.00", stock: int = 100, *, ean13: str = "", tax_group: int = 1,
        active: bool = True, carriers: tuple[int, ...] = (), **more: str,
    ) -> int:  # fmt: skip
        """A product without combinations; returns its id. `carriers`: the only ones that may carry it."""
        with self._lock:
            row = self.data.insert(
                "products",
                {
                    "reference": reference,
                    "name": f"Product {reference}",
                    "price": f"{float(price):.6f}",
                    "ean13": ean13,
                    "id_tax_rules_group": str(tax_group),
                    "active": str(int(active)),
                    "available_for_order": "1",
                    **more,
                },
            )
            id_ = int(row["id"] or 0)
            if carriers:
                self.data.tied[id_] = carriers
            self._add_stock(id_, 0, stock)
            return id_

    def add_combination(self, product: int, reference: str, stock: int = 100, *, ean13: str = "") -> int:
        with self._lock:
            row = self.data.insert(
                "combinations",
                {"id_product": str(product), "reference": reference, "ean13": ean13, "price": "0.000000"},
            )
            id_ = int(row["id"] or 0)
            self._add_stock(product, id_, stock)
            self.data.sum_up(product)
            return id_

    def describe(
        self,
        product: int,
        combination: int = 0,
        *,
        images: Sequence[int] = (),
        options: Mapping[str, str] | None = None,
        features: Mapping[str, str] | None = None,
        **fields: str,
    ) -> None:
        """What a feed needs of a product, or of one of its combinations; `fields` are its own."""
        with self._lock:
            table, id_ = ("combinations", combination) if combination else ("products", product)
            self.data.tables[table][id_].update(fields)
            values = [
                self._value("product_option", "id_attribute_group", "name", *one) for one in (options or {}).items()
            ]
            owned = [self._value("product_feature", "id_feature", "value", *one) for one in (features or {}).items()]
            found = {
                "images": [{"id": str(one)} for one in images],
                "product_option_values": [{"id": value} for _, value in values],
                "product_features": [{"id": group, "id_feature_value": value} for group, value in owned],
            }
            self.data.described[table, id_] = {name: rows for name, rows in found.items() if rows}

    def _value(self, node: str, key: str, field: str, group: str, value: str) -> tuple[str, str]:
        """The ids of a group and a value of it, both new."""
        made = str(self.data.insert(f"{node}s", {"name": group})["id"])
        return made, str(self.data.insert(f"{node}_values", {key: made, field: value})["id"])

    def reduce(self, product: int, **fields: str) -> None:
        """A specific price for everybody, as a merchant makes it."""
        with self._lock:
            zero = dict.fromkeys(("id_shop", "id_cart", "id_product_attribute", "id_currency", "id_country"), "0")
            zero |= dict.fromkeys(("id_group", "id_customer", "id_specific_price_rule", "id_shop_group"), "0")
            never = {"from": "0000-00-00 00:00:00", "to": "0000-00-00 00:00:00"}
            usual = {"price": "-1.000000", "from_quantity": "1", "reduction": "0.000000", "reduction_tax": "1"}
            row: Row = {**zero, **never, **usual, "reduction_type": "amount", "id_product": str(product), **fields}
            self.data.insert("specific_prices", row)

    def add_carrier(
        self, name: str, *, free: bool = False, cost: str = "0", zones: tuple[int, ...] = (1, 2), active: bool = True,
        url: str = "",
    ) -> int:  # fmt: skip
        with self._lock:
            id_ = self.data.next_id("carriers")
            self.data.put(
                "carriers",
                id_,
                {
                    "id_reference": str(id_),
                    "name": name,
                    "deleted": "0",
                    "active": str(int(active)),
                    "is_free": str(int(free)),
                    "shipping_handling": cost,
                    "url": url,
                    "id_tax_rules_group": "1",
                    "is_module": "0",
                },
            )
            self.data.zones[id_] = frozenset(zones)
            return id_

    def add_currency(self, code: str, rate: str) -> None:
        """`rate`: what one unit of the default currency is in it."""
        with self._lock:
            row: Row = {"iso_code": code, "precision": "2", "conversion_rate": f"{float(rate):.6f}", "active": "1"}
            self.data.insert("currencies", row)

    def set(self, name: str, value: str) -> None:
        """A value of its configuration, such as PS_ROUND_TYPE."""
        with self._lock:
            self.data.set_setting(name, value)

    def limit_key(self, **rights: str) -> None:
        """The key's methods by resource, as `orders="GET POST"`; resources that are not named are forbidden."""
        self.access.keys[KEY] = Key(KEY, {name: frozenset(methods.split()) for name, methods in rights.items()})

    def fail(self, kind: Any, **rule: Any) -> None:
        """A fault (see `Fault`) on the next creation of an order, or as `rule` says."""
        self.server.fail(Fault(kind, **rule))

    # Being its merchant

    def set_state(self, order_id: int, state: int) -> None:
        """In the back office, where it mails."""
        with self._lock:
            self._ordering.move(self.data.tables["orders"][order_id], str(state), mail=True)

    def add_slip(self, order_id: int, *rows: tuple[str, int, str], shipping: str = "0") -> int:
        """A credit slip, in the back office: product, pieces and amount with tax of each row. Returns its id.

        It touches neither the order nor its state, and gives back no money (FINDINGS, States).
        """
        with self._lock:
            order = self.data.tables["orders"][order_id]
            held = {row["product_reference"]: row for row in self.data.rows("order_details", id_order=order_id)}
            goods = sum((Decimal(amount) for _, _, amount in rows), Decimal(0))
            now = self.data.local_now()
            slip = self.data.insert(
                "order_slip",
                {
                    "id_customer": order["id_customer"],
                    "id_order": str(order_id),
                    "conversion_rate": "1.000000",
                    "total_products_tax_excl": f"{goods:.6f}",
                    "total_products_tax_incl": f"{goods:.6f}",
                    "total_shipping_tax_excl": f"{Decimal(shipping):.6f}",
                    "total_shipping_tax_incl": f"{Decimal(shipping):.6f}",
                    "amount": f"{goods:.6f}",
                    "shipping_cost": str(int(Decimal(shipping) > 0)),
                    "shipping_cost_amount": f"{Decimal(shipping):.6f}",
                    "partial": "1",
                    "order_slip_type": "0",
                    "date_add": now,
                    "date_upd": now,
                },
            )
            self.data.associated["order_slip", int(slip["id"] or 0)] = [
                {
                    "id": str(number),
                    "id_order_detail": str(held[product]["id"]),
                    "product_quantity": str(pieces),
                    "amount_tax_excl": amount,
                    "amount_tax_incl": amount,
                }
                for number, (product, pieces, amount) in enumerate(rows, 1)
            ]
            return int(slip["id"] or 0)

    def add_tracking(self, order_id: int, number: str, carrier: int | None = None) -> int:
        """A tracking number, and with it another carrier; `orders.date_upd` stays. Returns the order carrier's id."""
        with self._lock:
            row = list(self.data.rows("order_carriers", id_order=order_id))[-1]
            row["tracking_number"] = number
            if carrier is not None:
                row["id_carrier"] = str(carrier)
            return int(row["id"] or 0)

    # Looking in

    def order_view(self, order_id: int) -> dict[str, Any]:
        with self._lock:
            return self._rest.view(RESOURCES["orders"], self.data.tables["orders"][order_id])

    def rows(self, table: str, **wanted: object) -> list[Row]:
        with self._lock:
            return list(self.data.rows(table, **wanted))

    def stock(self, reference: str) -> int:
        with self._lock:
            return self._stock()[reference]

    def ledger(self) -> Ledger:
        with self._lock:
            return Ledger(
                orders=tuple(dict(row) for row in self.data.rows("orders")),
                stock=self._stock(),
                mails=tuple(self.data.mails),
                requests=dict(self.server.requests),
            )

    def _stock(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for row in self.data.rows("stock_availables"):
            combination = self.data.get("combinations", row["id_product_attribute"])
            what = combination or self.data.get("products", row["id_product"])
            if what is not None:
                found.setdefault(str(what["reference"] or what["ean13"]), int(row["quantity"] or 0))
        return found

    def _add_stock(self, product: int, combination: int, quantity: int) -> None:
        self.data.insert(
            "stock_availables",
            {
                "id_product": str(product),
                "id_product_attribute": str(combination),
                "id_shop": "1",
                "id_shop_group": "0",
                "quantity": str(quantity),
                "depends_on_stock": "0",
                "out_of_stock": "2",
            },
        )

    def _pause(self) -> None:
        """Between look and order the shop holds no lock, so that others get in (capture 205)."""
        if self.race_seconds:
            self._lock.release()
            time.sleep(self.race_seconds)
            self._lock.acquire()

    def _answered(self, request: Request, killed_at: str) -> Answer:
        try:
            if not f"{request.path}/".startswith("/api/"):
                raise Raw(404, b"<h1>Not Found</h1>")
            return self._rest.answer(request, killed_at)
        except Refused as refused:
            return rendered(refused, as_json=wants_json(request))
        except Raw as raw:
            return raw.answer

    def _signed(self, answer: Answer) -> Answer:
        """With the headers of the webservice's own answers (every capture)."""
        now = self.clock.now()
        own = {
            "Access-Time": f"{now.timestamp():.0f}",
            "X-Powered-By": "PrestaShop Webservice",
            "PSWS-Version": self.data.setting("PS_VERSION_DB"),
        }
        if answer.headers.get("Content-type", "").startswith("text/html"):
            own = {"X-Powered-By": "PHP/8.2.36"}
        return replace(answer, headers={**own, **answer.headers})
