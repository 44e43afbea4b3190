"""The PrestaShop stand-in as the contract suite sees a shop. Deliveries are signed here, by hand."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from lengow.adapters.contract import Fault, Held, context_for, new_order
from lengow.adapters.prestashop import PrestaShopAdapter
from lengow.connector.adapter import NewOrder, Request
from lengow.connector.model import Tracking
from lengow.connector.secret import Secret
from lengow.sandbox.shops.prestashop import KEY, PrestaShop

SECRETS = tuple(Secret("whsec_" + base64.b64encode(bytes([number]) * 32).decode()) for number in (1, 2))
TRACK = "https://track.example.com/@"

TAXES: dict[str, tuple[tuple[tuple[str, str], ...], dict[str, str]]] = {
    "by line": ((("20", "FR"), ("19", "DE"), ("22", "IT")), {}),
    "by item": ((("20", "FR"), ("19", "DE"), ("22", "IT")), {"PS_ROUND_TYPE": "1"}),
    "by total": ((("20", "FR"), ("5.5", "DE"), ("21", "IT")), {"PS_ROUND_TYPE": "3"}),
    "no rules": ((), {}),
    "switched off": ((("20", "FR"),), {"PS_TAX": "0"}),
    "by the invoice's address": ((("8.5", "FR"), ("19", "DE")), {"PS_TAX_ADDRESS_TYPE": "id_address_invoice"}),
}
DEFAULTS = {"PS_ROUND_TYPE": "2", "PS_TAX": "1", "PS_TAX_ADDRESS_TYPE": "id_address_delivery"}
STATES = {"11": "to_ship", "2": "to_ship", "3": "to_ship", "4": "shipped", "5": "shipped", "6": "cancelled"}


class ContractPrestaShop:
    simple, another, variant, ambiguous, unknown = "PLATE", "BOWL", "SHIRT-M", "TWICE", "NOPE"
    faults: frozenset[Fault] = frozenset(
        {"lost_before", "lost_after", "killed", "error_500", "html_502", "busy_429", "slow", "down", "interrupted"}
    )
    tax_settings: Sequence[str] = tuple(TAXES)

    def __init__(self) -> None:
        self.standin = PrestaShop()
        self.stage = "payment"
        add = self.standin.add_product
        add(self.simple, "20.75", 500)
        add(self.another, "9.99", 500)
        shirt = add("SHIRT", "15.00")
        self.standin.add_combination(shirt, self.variant, 500)
        self.standin.add_combination(shirt, "SHIRT-L", 500)
        add(self.ambiguous, "1.00", 500)
        add(self.ambiguous, "2.00", 500)
        self.carrier = self.standin.add_carrier("Marketplace", free=True)
        self.colissimo = self.standin.add_carrier("Colissimo", cost="6.00", url=TRACK)
        self.set_taxes("by line")

    def adapter(self, call_timeout: float = 4, unknown_products: Any = "hold", **settings: Any) -> PrestaShopAdapter:
        own = {"url": self.standin.url, "key": KEY, "carrier": self.carrier}
        return PrestaShopAdapter(
            context_for(
                PrestaShopAdapter,
                {**own, **settings},
                SECRETS,
                call_timeout=call_timeout,
                clock=self.standin.clock.now,
                unknown_products=unknown_products,
            )
        )

    def orders(self, reference: str) -> Sequence[Held]:
        """By the note, as a merchant finds them; those that were set aside are cancelled and carry another one."""
        mark = f"Lengow reference: {quote(reference, safe='')}"
        return [
            self._held(int(row["id"] or 0))
            for row in self.standin.rows("orders")
            if (row["note"] or "").partition("\n")[0].partition(";")[0] == mark
        ]

    def stock(self, sku: str) -> int:
        return self.standin.stock(sku)

    def fail(self, fault: Fault) -> None:
        if fault == "down":
            self.standin.server.down()
        elif fault == "slow":
            self.standin.fail("latency", seconds=6)
        elif fault == "killed":
            self.standin.fail("killed", stage=self.stage)
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
        rates, settings = TAXES[name]
        self.standin.clear_taxes()
        for rate, country in rates:
            self.standin.add_tax(rate, country)
        for key, value in {**DEFAULTS, **settings}.items():
            self.standin.set(key, value)

    def refused(self, reference: str) -> NewOrder:
        """PrestaShop has no such currency."""
        return new_order(reference, [(self.simple, 1, "5.00")], currency="XTS")

    def ship(self, shop_order_id: str, tracking: Tracking) -> None:
        self.standin.set_state(int(shop_order_id), 4)
        self.standin.add_tracking(int(shop_order_id), tracking.number, self.colissimo)

    def webhook(self, shop_order_id: str, tracking: Tracking, secret: Secret) -> Request | None:
        rows = self.standin.rows("order_carriers", id_order=shop_order_id)
        body = {
            "type": "shipment.created",
            "timestamp": "2026-03-03T14:20:05Z",
            "data": {
                "contract": "shop-shipment/1",
                "platform": "prestashop",
                "order": {"id": shop_order_id},
                "shipment": {
                    "id": rows[-1]["id"] if rows else "1",
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

        old = str(int(delivery.headers["webhook-timestamp"]) - 3600)
        return {
            "body changed": Request(delivery.headers, delivery.body + b" "),
            "body empty": Request(delivery.headers, b""),
            "no signature": changed(webhook_signature=""),
            "not base64": changed(webhook_signature="v1,%%%"),
            "without version": changed(webhook_signature=delivery.headers["webhook-signature"][3:]),
            "another id": changed(webhook_id="evt-2"),
            "another time": changed(webhook_timestamp=old),
            "time is no number": changed(webhook_timestamp="now"),
        }

    def close(self) -> None:
        self.standin.close()

    def _held(self, order_id: int) -> Held:
        view = self.standin.order_view(order_id)
        address = self.standin.data.tables["addresses"][int(view["id_address_delivery"])]
        slips = self.standin.rows("order_slip", id_order=order_id)
        refunded = [slip[name] for slip in slips for name in ("total_products_tax_incl", "total_shipping_tax_incl")]
        return Held(
            id=view["id"],
            status=STATES.get(view["current_state"], "unfinished"),  # type: ignore[arg-type]
            total=Decimal(view["total_paid"]),
            lines=tuple((row["product_reference"], int(row["product_quantity"])) for row in view["order_rows"]),
            delivery_name=f"{address['firstname']} {address['lastname']}",
            delivery_city=str(address["city"]),
            refunded=sum((Decimal(str(amount)) for amount in refunded), Decimal(0)),
        )


def signed(body: bytes, secret: Secret, timestamp: str, delivery_id: str = "prestashop-1-shipment-887") -> Request:
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
