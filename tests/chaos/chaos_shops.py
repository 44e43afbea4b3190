"""The shops of `make chaos`: quick with thousands of orders, with parcel numbers of their own, and webhooks by the wire."""

import base64
import hashlib
import hmac
import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from chaos_wire import Wire
from world import MagentoWithoutCaptures, PrestaShopWithUnfinished, StockedGenericShop

from lengow.adapters.prestashop.plan import is_aside
from lengow.console.demo_shops import PARCELS, Listed, ShopwareDemo, WooCommerceDemo
from lengow.sandbox.shops.shopware.writing import COMMITTED
from lengow.sandbox.shops.standin import Killed

PUT_BACK = re.compile(r"(\d+) of the product \d+ were put back on stock")
SHIPPED_WITH = PARCELS[:4]
"""Without the one that lacks what the marketplace demands: a person would have to map it."""


class StormyGenericShop(StockedGenericShop):
    """A host's outbox: each shipment is told until the receiver has taken it."""

    wire: ClassVar[Wire]
    waiting: list[dict[str, Any]]

    def ship(self) -> int:
        with closing(sqlite3.connect(self._path, timeout=60)) as db, db:
            rows = db.execute("SELECT id, reference FROM shop_orders WHERE status = 'to_ship' ORDER BY id").fetchall()
            for order_id, reference in rows:
                number, parcel = f"GE{order_id:06}", SHIPPED_WITH[order_id % len(SHIPPED_WITH)]
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
                "UPDATE shop_orders SET status = 'shipped', tracking_number = printf('GE%06d', id)"
                " WHERE status = 'to_ship'"
            )
        return len(rows)

    def tell(self) -> None:
        self._waiting = [data for data in self._waiting if not 200 <= self._told(data) < 300]

    def _told(self, data: dict[str, Any]) -> int:
        """By a Standard Webhooks request; the delivery's id is the same on each try, its time is not."""
        delivery_id, timestamp = f"shipment-{data['shipment']['id']}", f"{self._clock.now().timestamp():.0f}"
        body = json.dumps({"type": "shipment.created", "timestamp": timestamp, "data": data}).encode()
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        signature = hmac.digest(key, f"{delivery_id}.{timestamp}.".encode() + body, hashlib.sha256)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": delivery_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
        }
        return self.wire.post(self._url, headers, body)


class StormyWooCommerce(WooCommerceDemo):
    def ship(self) -> int:
        waiting = [order for order in self._shop.ledger().orders if order.status == "processing"]
        for order in waiting:
            number, parcel = f"WC{order.id:06}", SHIPPED_WITH[order.id % len(SHIPPED_WITH)]
            self._shop.add_tracking(order.id, parcel.carrier, number, parcel.link(number))
            self._shop.set_status(order.id, "completed")
        return len(waiting)

    def switched_off(self) -> bool:
        """Whether the shop has given up on its webhook."""
        return not any(hook.status == "active" for hook in self._shop.webhooks.all.values())


class StormyPrestaShop(PrestaShopWithUnfinished):
    def ship(self) -> int:
        waiting = [int(row["id"]) for row in self._shop.rows("orders") if row["current_state"] in ("11", "2")]
        noted = [one for one in waiting if (self._shop.order_view(one)["note"] or "").startswith("Lengow reference: ")]
        for order_id in noted:
            self._shop.add_tracking(order_id, f"PS{order_id:06}", self._carriers[order_id % len(SHIPPED_WITH)])
            self._shop.set_state(order_id, 4)
        return len(noted)

    def orders(self) -> Iterator[Listed]:
        goods: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for row in self._shop.rows("order_details"):
            goods[row["id_order"]].append((row["product_reference"], int(row["product_quantity"])))
        tracking = {row["id_order"]: row["tracking_number"] or "" for row in self._shop.rows("order_carriers")}
        for row in self._shop.rows("orders"):
            note = row["note"] or ""
            if is_aside(note):
                continue
            if note.startswith("Lengow reference: "):
                number = note.splitlines()[1].partition(" ")[2]
                yield Listed(number, tuple(goods[row["id"]]), Decimal(row["total_paid"]), tracking.get(row["id"], ""))
            else:
                yield Listed(f"without a note: {row['id']}", (("?", 1),), Decimal(0))

    def unsure(self) -> int:
        """Pieces that were put back on stock for a worker that died, and that the merchant is asked to count."""
        return sum(int(pieces) for row in self._shop.rows("orders") for pieces in PUT_BACK.findall(row["note"] or ""))


class StormyMagento(MagentoWithoutCaptures):
    def ship(self) -> int:
        data = self._shop.data
        with self._shop._lock:
            sent = {row["order_id"] for row in data.shipments.values()}
            waiting = [
                row["entity_id"]
                for row in data.orders.values()
                if row["state"] == "processing" and row["entity_id"] not in sent
            ]
        for order_id in waiting:
            track = {"track_number": f"MA{order_id:06}", "title": "DPD", "carrier_code": "custom"}
            self._shop.ship(order_id, track)
        return len(waiting)


class StormyShopware(ShopwareDemo):
    def __init__(self, clock: Any, folder: Path) -> None:
        super().__init__(clock, folder)
        self._untaken = 0
        writer = self._shop._rest._writer
        commit = writer.commit

        def counted(commands: Any, killed_at: str = "") -> Any:
            try:
                return commit(commands, killed_at)
            except Killed:
                if killed_at == COMMITTED:
                    lines = [one for one in commands if one.entity == "order_line_item" and one.is_new]
                    self._untaken += sum(int(one.values.get("quantity") or 0) for one in lines)
                raise

        writer.commit = counted  # type: ignore[method-assign]

    def unsure(self) -> int:
        """Pieces whose stock was never taken, as the worker died between order and stock (docs/adapters/shopware.md)."""
        return self._untaken

    def ship(self) -> int:
        data = self._shop.data
        opened = data.state("order_delivery.state", "open")
        waiting = [row["id"] for row in data.rows("order_delivery", stateId=opened)]
        for place, id_ in enumerate(waiting):
            parcel = place % len(SHIPPED_WITH)
            tracking = {"trackingCodes": [f"SW{id_[:10]}"], "shippingMethodId": self._methods[parcel]}
            self._shop.change("order_delivery", id_, **tracking)
            self._shop.move("order_delivery", id_, "ship")
        return len(waiting)

    def orders(self) -> Iterator[Listed]:
        data = self._shop.data
        goods: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for line in data.rows("order_line_item"):
            if line["payload"]:
                goods[line["orderId"]].append((line["payload"]["productNumber"], int(line["quantity"])))
        codes = {row["orderId"]: (row["trackingCodes"] or [""])[-1] for row in data.rows("order_delivery")}
        for row in self._shop.ledger().orders:
            total = Decimal(str(row["price"]["totalPrice"])).quantize(Decimal("0.01"))
            number = row["customFields"]["lengow_order_id"]
            yield Listed(number, tuple(goods[row["id"]]), total, codes.get(row["id"], ""))

    def switched_off(self) -> bool:
        return not all(row["active"] for row in self._shop.data.rows("webhook"))

    def switch_on(self) -> None:
        """In the administration."""
        for row in self._shop.data.rows("webhook"):
            row["active"] = True


KIND_OF = {
    "generic": StormyGenericShop,
    "woocommerce": StormyWooCommerce,
    "prestashop": StormyPrestaShop,
    "magento": StormyMagento,
    "shopware": StormyShopware,
}
