"""A Lengow that tells of one order whatever a test wants, by HTTP like the sandbox whose order it is."""

import json
from decimal import Decimal
from typing import Any

from lengow.sandbox.faults import Fault

ORDERS = "/v3.0/orders"


class Told:
    """One order, its record, and what became of it here."""

    def __init__(self, merchant: Any, kind: str = "multi_line", *, raw: dict[str, Any] | None = None) -> None:
        """`raw`: fields of the first record that are not the sandbox's own."""
        self.merchant = merchant
        self.order_id = merchant.sells(1, kind)[0] if raw is None else merchant.sells_raw(raw, kind=kind)
        merchant.sync()
        self.record = json.loads(merchant.record(self.order_id).raw)
        self.lines = [
            line["marketplace_order_line_id"] for package in self.record["packages"] for line in package["cart"]
        ]

    def says(self, status: str = "", lines: dict[str, dict[str, Any]] | None = None, **fields: Any) -> None:
        """Lengow gives it so from now on, and the connector looks. `lines`: fields by line id."""
        self.record |= fields
        if status:
            self.record["lengow_status"] = status
        for package in self.record["packages"]:
            for line in package["cart"]:
                line |= {"lengow_status": status} if status else {}
                line |= (lines or {}).get(line["marketplace_order_line_id"], {})
        now = self.merchant.sandbox.advance(minutes=15)
        self.record["updated_at"] = fields.get("updated_at", now.isoformat())
        body = json.dumps({"count": 1, "next": None, "previous": None, "results": [self.record]})
        self.merchant.sandbox.clear_faults()
        self.merchant.sandbox.fault(Fault("status", path=ORDERS, exact=True, status=200, body=body, times=None))
        self.merchant.sync()

    def cancels(self, *line_ids: str, **fields: Any) -> None:
        self.says(lines={line_id: {"lengow_status": "canceled"} for line_id in line_ids}, **fields)

    @property
    def state(self) -> tuple[str, str]:
        state: tuple[str, str] = self.merchant.state(self.order_id)
        return state

    @property
    def changes(self) -> list[Any]:
        order = self.merchant.order(self.order_id).order
        return list(self.merchant.connector.store.changes_of([order.id])[order.id])

    @property
    def told(self) -> list[tuple[str, str, str]]:
        return [(str(row.kind), str(row.state), row.reason) for row in self.changes]

    @property
    def in_shop(self) -> tuple[str, list[str]]:
        [(status,)] = self.merchant.rows("SELECT status FROM shop_orders")
        return status, [line for (line,) in self.merchant.rows("SELECT line_id FROM shop_order_lines ORDER BY id")]

    @property
    def refunds(self) -> list[Decimal]:
        return [Decimal(amount) for (amount,) in self.merchant.rows("SELECT amount FROM shop_refunds ORDER BY rowid")]

    def amount(self, line_id: str) -> Decimal:
        lines = [line for package in self.record["packages"] for line in package["cart"]]
        return next(Decimal(line["amount"]) for line in lines if line["marketplace_order_line_id"] == line_id)
