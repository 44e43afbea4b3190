"""The Magento stand-in as the contract suite sees a shop. Signatures are made here, by hand."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from lengow.adapters.contract import Fault, Held, context_for, new_order
from lengow.adapters.magento import MagentoAdapter
from lengow.connector.adapter import Request
from lengow.connector.model import NewOrder, Tracking
from lengow.connector.secret import Secret
from lengow.sandbox.shops.magento import TOKEN, MagentoShop
from lengow.sandbox.shops.magento.data import REDUCED

SECRETS = tuple(Secret(f"whsec_{base64.b64encode(letter * 32).decode()}") for letter in (b"a", b"b"))
STATES = {
    "new": "unfinished",
    "processing": "to_ship",
    "complete": "shipped",
    "canceled": "cancelled",
    "closed": "refunded",
}
RATES: Mapping[str, Sequence[float]] = {
    "the shop's rates": (20, 19, 22, 5.5),
    "odd rates": (8.5, 7, 21.3, 2.1),
    "no tax": (0, 0, 0, 0),
}


class ContractMagento:
    simple, another, variant, ambiguous, unknown = "PLATE", "BOWL", "SHIRT-M", "4006381333931", "NOPE"
    faults: frozenset[Fault] = frozenset(
        {"lost_before", "lost_after", "killed", "error_500", "html_502", "busy_429", "slow", "down", "interrupted"}
    )
    tax_settings: Sequence[str] = ()
    """An adapter reads the rates once a day; test_magento_creation.py has one for each of `RATES`."""

    def __init__(self) -> None:
        self.standin = MagentoShop()
        add = self.standin.add_product
        add(self.simple, 500)
        add(self.another, 500, tax_class=REDUCED, ean="3700000000017")
        add("SHIRT", kind="configurable")
        add(self.variant, 500, parent="SHIRT")
        add("CUP-1", 500, ean=self.ambiguous)
        add("CUP-2", 500, ean=self.ambiguous)

    def adapter(self, call_timeout: float = 4, unknown_products: Any = "hold", **settings: Any) -> MagentoAdapter:
        own = {
            "url": self.standin.url,
            "access_token": TOKEN,
            "product_attribute": "ean",
        }
        return MagentoAdapter(
            context_for(
                MagentoAdapter,
                {**own, **settings},
                SECRETS,
                call_timeout=call_timeout,
                clock=self.standin.clock.now,
                unknown_products=unknown_products,
            )
        )

    def orders(self, reference: str) -> Sequence[Held]:
        wanted = "lgw" + hashlib.sha256(reference.encode()).hexdigest()[:29]
        return [self._held(row) for row in self.standin.ledger().orders if row["ext_order_id"] == wanted]

    def stock(self, sku: str) -> int:
        return self.standin.stock(sku)

    def fail(self, fault: Fault) -> None:
        if fault == "down":
            self.standin.server.down()
        elif fault == "slow":
            self.standin.fail("latency", seconds=6)
        elif fault == "killed":
            self.standin.fail("killed", stage="committed")
        elif fault == "error_500":
            self.standin.fail("error_500", effect=True)
        else:
            self.standin.fail(fault)

    def interrupt(self, after: int, *, effect: bool) -> Callable[[], bool]:
        return self.standin.server.interrupt(after, effect=effect)

    def mend(self) -> None:
        self.standin.server.mend()

    def pass_time(self, seconds: float) -> None:
        assert self.standin.server.wait_until_idle()
        self.standin.clock.jump(timedelta(seconds=seconds))

    def set_taxes(self, name: str) -> None:
        for row, rate in zip(self.standin.data.rates, RATES[name], strict=True):
            row["rate"] = rate

    def refused(self, reference: str) -> NewOrder:
        return new_order(reference, [(self.simple, 1, "5.00")], country="ZZ")

    def ship(self, shop_order_id: str, tracking: Tracking) -> None:
        track = {"track_number": tracking.number, "title": tracking.carrier_name, "carrier_code": "custom"}
        self.standin.ship(int(shop_order_id), *([track] if tracking.number else []))

    def webhook(self, shop_order_id: str, tracking: Tracking, secret: Secret) -> Request | None:
        own = [row for row in self.standin.ledger().shipments if str(row["order_id"]) == shop_order_id]
        body = {
            "type": "shipment.created",
            "timestamp": "2026-03-03T14:20:05Z",
            "data": {
                "contract": "shop-shipment/1",
                "platform": "magento",
                "order": {"id": shop_order_id},
                "shipment": {
                    "id": own[-1]["entity_id"] if own else "1",
                    "carrier_code": "custom",
                    "carrier_label": tracking.carrier_name,
                    "tracking_number": tracking.number,
                    "tracking_url": tracking.url,
                },
            },
        }
        return signed(json.dumps(body).encode(), secret, f"{self.standin.clock.now().timestamp():.0f}")

    def spoiled(self, delivery: Request) -> Mapping[str, Request]:
        def changed(**headers: str) -> Request:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            return Request({**delivery.headers, **names}, delivery.body)

        return {
            "body changed": Request(delivery.headers, delivery.body + b" "),
            "no signature": changed(webhook_signature=""),
            "not base64": changed(webhook_signature="v1,%%%"),
            "without version": changed(webhook_signature=delivery.headers["webhook-signature"][3:]),
            "another id": changed(webhook_id="evt-2"),
            "another time": changed(webhook_timestamp=str(int(delivery.headers["webhook-timestamp"]) - 3600)),
            "time is no number": changed(webhook_timestamp="now"),
        }

    def close(self) -> None:
        self.standin.close()

    def _held(self, order: dict[str, Any]) -> Held:
        address = order["extension_attributes"]["shipping_assignments"][0]["shipping"]["address"]
        memos = [row for row in self.standin.ledger().creditmemos if row["order_id"] == order["entity_id"]]
        return Held(
            id=str(order["entity_id"]),
            status=STATES[order["state"]],  # type: ignore[arg-type]
            total=Decimal(str(order["grand_total"])),
            lines=tuple((row["sku"], row["qty_ordered"]) for row in order["items"]),
            delivery_name=f"{address['firstname']} {address['lastname']}",
            delivery_city=address["city"],
            refunded=sum((Decimal(str(row["grand_total"])) for row in memos), Decimal(0)),
        )


def signed(body: bytes, secret: Secret, timestamp: str, delivery_id: str = "magento-1-shipment-887") -> Request:
    key = base64.b64decode(secret.reveal().removeprefix("whsec_"))
    content = f"{delivery_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    headers = {
        "content-type": "application/json",
        "webhook-id": delivery_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{signature}",
    }
    return Request(headers, body)
