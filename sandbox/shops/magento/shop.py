"""A Magento shop on 127.0.0.1: the handle by which tests and the demo set it up, act as its merchant, and look in."""

import copy
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lengow.sandbox.answers import Answer, Request
from lengow.sandbox.clock import Clock
from lengow.sandbox.shops.magento.access import Access, Integration
from lengow.sandbox.shops.magento.data import STANDARD, Data, Row
from lengow.sandbox.shops.magento.errors import Refused, fatal, unauthorized
from lengow.sandbox.shops.magento.ordering import Ordering
from lengow.sandbox.shops.magento.rest import Rest
from lengow.sandbox.shops.standin import Fault, StandIn

INTEGRATION = Integration("k" * 32, "c" * 32, "t" * 32, "s" * 32)
TOKEN = INTEGRATION.token
VERSION = "Magento/2.4 (Community)"


@dataclass(frozen=True, slots=True)
class Ledger:
    """Everything at one moment. `stock`: salable. `requests`: as `"POST /rest/default/V1/orders"`.

    `mails`: the orders whose buyer asynchronous sending would mail, as `email_sent` is not set (§3.3).
    """

    orders: tuple[Row, ...]
    shipments: tuple[Row, ...]
    invoices: tuple[Row, ...]
    creditmemos: tuple[Row, ...]
    stock: Mapping[str, float]
    mails: tuple[str, ...]
    requests: Mapping[str, int]


class MagentoShop:
    """Serves until `close`. An integration with all rights is there; its token is taken as bearer too."""

    def __init__(self, port: int = 0, *, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.data = Data(self.clock.now)
        self.ordering = Ordering(self.data)
        self.rights: frozenset[str] | None = None
        """ACL resources of the integration; None: all."""
        self.access = Access(INTEGRATION)
        self._rest = Rest(self.data, self.ordering)
        self._lock = threading.RLock()
        self.server = StandIn(self, self.clock, port)
        self.url = self.server.url

    def close(self) -> None:
        self.server.close()

    # The platform, as the server calls it

    def answer(self, request: Request, killed_at: str) -> Answer:
        with self._lock:
            try:
                if request.path == "/magento_version":
                    return Answer(200, VERSION.encode(), {"Content-Type": "text/html"})
                return self._rest.answer(request, self._allowed(request), killed_at)
            except Refused as no:
                return no.answer

    def fatal(self) -> Answer:
        return fatal()

    # Setting it up

    def add_product(
        self,
        sku: str,
        stock: int = 100,
        *,
        tax_class: int = STANDARD,
        kind: str = "simple",
        ean: str = "",
        parent: str = "",
        **shown: Any,
    ) -> None:
        """A product, or a child of the configurable product `parent`. `kind`: Magento's `type_id`.

        `shown`: further fields as the API shows them, such as `price`; `custom`: custom attributes by code.
        """
        with self._lock:
            row = {"entity_id": self.data.next_id(), "sku": sku, "name": f"Product {sku}", "type_id": kind, "status": 1}
            more = {"weight": 0.5, "ean": ean or None, "tax_class_id": tax_class, "parent": parent or None}
            usual: dict[str, Any] = {
                "price": 10,
                "visibility": 1 if parent else 4,
                "media_gallery_entries": [],
                "custom": {},
            }
            self.data.products[sku] = row | more | usual | shown
            if kind == "simple":
                source = {"source_code": "default", "sku": sku, "quantity": stock, "status": 1}
                self.data.sources["default", sku] = source

    def fail(self, kind: Any, **rule: Any) -> None:
        """A fault (see `Fault`) on the next order that is posted, or as `rule` says."""
        self.server.fail(Fault(kind, **{"path": "/V1/orders", **rule}))

    # Being its merchant

    def ship(self, order_id: int, *tracks: Mapping[str, Any], items: Mapping[int, float] | None = None) -> int:
        """In the administration; `items`: quantities by order item, none: all. Returns the shipment's id."""
        with self._lock:
            lines = [{"order_item_id": id_, "qty": quantity} for id_, quantity in (items or {}).items()]
            return self.ordering.ship(order_id, {"items": lines, "tracks": tracks})

    def add_track(self, shipment_id: int, track: Mapping[str, Any]) -> None:
        with self._lock:
            self.ordering.add_track(shipment_id, track)

    def stock(self, sku: str) -> int:
        """The salable quantity."""
        with self._lock:
            return int(self.data.salable(sku))

    def ledger(self) -> Ledger:
        with self._lock:
            data = copy.deepcopy([self.data.orders, self.data.shipments, self.data.invoices, self.data.creditmemos])
            orders, shipments, invoices, memos = (tuple(table.values()) for table in data)
            stock = {sku: self.data.salable(sku) for sku in self.data.products}
            mails = tuple(row["increment_id"] for row in orders if not row.get("email_sent"))
            return Ledger(orders, shipments, invoices, memos, stock, mails, dict(self.server.requests))

    def _allowed(self, request: Request) -> Any:
        known = self.access.known(request)

        def allowed(resource: str) -> bool:
            if not known:
                raise unauthorized(resource)
            return self.rights is None or resource in self.rights

        return allowed
