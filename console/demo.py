"""`lengow-connector demo`: the main job against a sandbox, over real HTTP, and at the end the two ledgers compared.

The figures come from the ledgers: what the marketplace sold and was told, and the shops' own tables. Only the reasons
of what is not in a shop are read from the connector's store.
"""

import base64
import hashlib
import hmac
import json
import secrets
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import requests
from rich.console import Console
from rich.table import Table

from lengow.connector import Account, Connector, Settings, Shop, Store
from lengow.connector.model import EventState
from lengow.connector.secret import Secret
from lengow.connector.settings import IMPORT_SHIPPED_BY_MARKETPLACE
from lengow.console.serving import webhook_server
from lengow.sandbox import (
    HeldOrder,
    Ledger,
    Reconciliation,
    SandboxControl,
    ShopHoldings,
    Tracking,
    reconcile,
    start_process,
)

MARKETPLACE = "manomano_fr"
SHARES = {
    "standard": 0.40,
    "fulfilment": 0.20,
    "multi_line": 0.10,
    "multi_package": 0.05,
    "relay": 0.05,
    "business": 0.05,
    "pending": 0.05,
    "foreign_currency": 0.05,
    "canceled": 0.05,
}
"""Of the orders sold; what rounding leaves is standard."""

SHOPS = {"toggle_off": False, "toggle_on": True}
"""Shop, and whether it imports orders shipped by marketplaces. Each has a Lengow account of its own."""

PARCELS: tuple[dict[str, str], ...] = (
    {"carrier_code": "colissimo", "carrier_label": "Colissimo"},
    {"carrier_code": "chrono13", "carrier_label": "Chronopost"},
    {"carrier_code": "dpd", "carrier_label": "DPD"},
    {"carrier_code": "geodis", "carrier_label": "Geodis", "tracking_url": "https://track.example.com/{number}"},
    {"carrier_code": "geodis", "carrier_label": "Geodis"},
)
"""What the shops ship with, in turn. The fourth is none of the marketplace's carriers: it goes as Other, with name and
tracking URL. The fifth lacks the URL, which ManoMano demands with Other, and is stopped."""


class DemoResult(msgspec.Struct, frozen=True):
    sold: int
    imported: int
    skipped: dict[str, int]
    waiting: dict[str, int]
    shipped: int
    confirmed: int
    rejected: dict[str, int]
    lost: int
    doubled: int
    seconds: float


def run_demo(count: int, *, as_json: bool) -> DemoResult:
    """Sell `count` orders, import, ship, confirm, compare; prints a table, or JSON."""
    say = _silent if as_json else partial(Console(highlight=False).print, soft_wrap=True)
    started = time.monotonic()
    with start_process() as sandbox, tempfile.TemporaryDirectory(prefix="lengow-demo-") as folder:
        demo = _Demo(sandbox, Path(folder), say)
        try:
            result = demo.run(count, started)
        finally:
            demo.connector.close()
        if as_json:
            print(msgspec.json.encode(result).decode())  # noqa: T201
        else:
            demo.show(result)
    return result


class _Demo:
    def __init__(self, sandbox: SandboxControl, folder: Path, say: Any) -> None:
        self._sandbox = sandbox
        self._folder = folder
        self._say = say
        self._accounts = {shop: sandbox.add_account(shop) for shop in SHOPS}
        self._secrets = {shop: secrets.token_bytes(32) for shop in SHOPS}
        self.connector = Connector(self._settings())

    def run(self, count: int, started: float) -> DemoResult:
        self._sell(count)
        self._say("Lengow collects from ManoMano (15 minutes of sandbox time) …")
        self._sandbox.advance(minutes=15)
        self._say("The connector syncs two shops on two accounts …")
        self.connector.sync()
        with webhook_server(self.connector, "127.0.0.1", 0, threads=4) as url:
            self._say(f"The shops ship, and tell it by signed webhooks to {url}SHOP …")
            shipped = sum(self._ship(url, shop) for shop in SHOPS)
        self.connector.sync()
        self._say("ManoMano answers to the confirmations (an hour of sandbox time) …")
        self._sandbox.advance(hours=1)
        self.connector.sync()
        return self._result(shipped, started)

    def show(self, result: DemoResult) -> None:
        """What happened, a column a shop."""
        ledger = self._sandbox.ledger()
        table = Table("", *(f"shop {shop}" for shop in SHOPS), box=None, pad_edge=False, header_style="bold")
        table.add_row("import_orders_shipped_by_marketplaces", *("on" if on else "off" for on in SHOPS.values()))
        columns = [self._column(ledger, shop) for shop in SHOPS]
        for label in dict.fromkeys(label for column in columns for label in column):
            table.add_row(label, *(str(column.get(label, 0)) for column in columns))
        self._say(table)
        verdict = "nothing lost, nothing doubled" if result.lost == result.doubled == 0 else "SOMETHING IS WRONG"
        self._say(
            f"Ledgers compared: {result.sold} sold, {result.imported} in the shops, {result.confirmed} of "
            f"{result.shipped} shipments confirmed, {result.lost} lost, {result.doubled} doubled: {verdict}. "
            f"{result.seconds:.1f} s."
        )

    def _settings(self) -> Settings:
        return Settings(
            accounts={
                shop: Account(
                    access_token=Secret(account.access_token),
                    secret=Secret(account.secret),
                    base_url=self._sandbox.url,
                )
                for shop, account in self._accounts.items()
            },
            shops={
                shop: Shop(
                    account=shop,
                    platform="generic",
                    webhook_secrets=(Secret("whsec_" + base64.b64encode(self._secrets[shop]).decode()),),
                    options={"database": f"sqlite:///{self._database(shop)}"},
                    **{IMPORT_SHIPPED_BY_MARKETPLACE: on},  # type: ignore[arg-type]
                )
                for shop, on in SHOPS.items()
            },
            store=Store(url=f"sqlite:///{self._folder / 'lengow.db'}"),
        )

    def _sell(self, count: int) -> None:
        self._say(f"ManoMano FR sells {count} orders …")
        for position, account in enumerate(self._accounts.values()):
            own = count // len(SHOPS) + (position < count % len(SHOPS))
            kinds = {kind: int(own * share) for kind, share in SHARES.items()}
            kinds["standard"] += own - sum(kinds.values())
            self._sandbox.sell(account.account_id, own, kinds, marketplace=MARKETPLACE)

    def _ship(self, url: str, shop: str) -> int:
        """Ship all that the shop has to ship, and tell the connector; returns how many it told."""
        told = 0
        with closing(sqlite3.connect(self._database(shop))) as db, requests.Session() as session:
            for order_id, reference in db.execute(
                "SELECT id, reference FROM shop_orders WHERE status = 'to_ship' ORDER BY id"
            ).fetchall():
                number = f"{shop.upper()}{order_id:06}"
                parcel = {key: value.format(number=number) for key, value in PARCELS[told % len(PARCELS)].items()}
                shipment = {"id": str(order_id), "tracking_number": number, **parcel}
                answer = session.post(url + shop, timeout=30, **self._delivery(shop, order_id, reference, shipment))
                answer.raise_for_status()
                with db:
                    db.execute(
                        "UPDATE shop_orders SET status = 'shipped', tracking_number = ? WHERE id = ?",
                        [number, order_id],
                    )
                told += 1
        return told

    def _delivery(self, shop: str, order_id: int, reference: str, shipment: Mapping[str, str]) -> dict[str, Any]:
        """A Standard Webhooks request, signed as a shop would."""
        delivery_id, timestamp = f"{shop}-shipment-{order_id}", str(int(time.time()))
        data = {
            "contract": "shop-shipment/1",
            "order": {"id": str(order_id), "external_reference": reference},
            "shipment": shipment,
        }
        body = json.dumps({"type": "shipment.created", "timestamp": timestamp, "data": data}).encode()
        signed = f"{delivery_id}.{timestamp}.".encode() + body
        signature = base64.b64encode(hmac.new(self._secrets[shop], signed, hashlib.sha256).digest()).decode()
        headers = {
            "Content-Type": "application/json",
            "webhook-id": delivery_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": f"v1,{signature}",
        }
        return {"data": body, "headers": headers}

    def _result(self, shipped: int, started: float) -> DemoResult:
        ledger = self._sandbox.ledger()
        compared = reconcile(ledger, {self._accounts[shop].account_id: self._holdings(shop) for shop in SHOPS})
        reasons = [self._reasons(shop) for shop in SHOPS]
        refused = Counter("refused_by_marketplace" for told in ledger.told if told.outcome == "refused")
        return DemoResult(
            sold=len(ledger.sold),
            imported=sum(len(self._held_numbers(shop)) for shop in SHOPS),
            skipped=dict(sum((one["skipped"] for one in reasons), Counter())),
            waiting=dict(sum((one["waiting"] + one["failed"] for one in reasons), Counter())),
            shipped=shipped,
            confirmed=shipped - sum(self._unconfirmed(shop, compared) for shop in SHOPS),
            rejected=dict(sum((self._stopped(shop) for shop in SHOPS), refused)),
            lost=len(compared.lost) + len(compared.wrong_totals),
            doubled=len(compared.doubled) + len(compared.unexpected),
            seconds=round(time.monotonic() - started, 2),
        )

    def _column(self, ledger: Ledger, shop: str) -> dict[str, int]:
        account = self._accounts[shop]
        own = [order for order in ledger.sold if order.account_id == account.account_id]
        told = [one for one in ledger.told if one.account_id == account.account_id]
        facts = {
            "sold on ManoMano FR": len(own),
            "  of which shipped by the marketplace": sum(order.fulfilment for order in own),
            "in the shop": len(self._held_numbers(shop)),
        }
        for state, reasons in self._reasons(shop).items():
            facts |= {f"{state}: {reason}": count for reason, count in sorted(reasons.items())}
        facts["shop orders (an order of several packages is several)"] = len(self._holdings(shop).orders)
        facts["confirmations that ManoMano took"] = sum(one.outcome == "confirmed" for one in told)
        facts["  of which with carrier Other"] = sum(
            one.outcome == "confirmed" and one.arguments.get("carrier") == "Other" for one in told
        )
        facts |= {f"shipment stopped: {reason}": count for reason, count in self._stopped(shop).items()}
        facts["merchant order ids known to Lengow"] = sum(bool(order.merchant_order_ids) for order in own)
        return facts

    def _holdings(self, shop: str) -> ShopHoldings:
        """What the shop holds, read from its own tables."""
        return ShopHoldings(orders=list(self._held(shop)), imports_fulfilment=SHOPS[shop])

    def _held(self, shop: str) -> Iterator[HeldOrder]:
        with closing(sqlite3.connect(self._database(shop))) as db:
            lines: dict[int, list[str]] = {}
            for order_id, line_id in db.execute("SELECT shop_order_id, line_id FROM shop_order_lines"):
                lines.setdefault(order_id, []).append(line_id)
            for row in db.execute(
                "SELECT id, marketplace, marketplace_order_id, total, tracking_number, delivered_by_marketplace"
                " FROM shop_orders"
            ):
                shipped = Tracking(number=row[4]) if row[4] and not row[5] else None
                yield HeldOrder(row[1], row[2], tuple(lines.get(row[0], ())), Decimal(row[3]), shipped)

    def _unconfirmed(self, shop: str, compared: Reconciliation) -> int:
        """Shipments of the shop that the marketplace has not taken, in whole or for some line."""
        open_lines = {(one.order_id, one.line_id) for one in compared.unconfirmed}
        return sum(
            any((order.marketplace_order_id, line) in open_lines for line in (None, *order.line_ids))
            for order in self._held(shop)
            if order.shipped
        )

    def _held_numbers(self, shop: str) -> set[str]:
        return {order.marketplace_order_id for order in self._held(shop)}

    def _reasons(self, shop: str) -> dict[str, Counter[str]]:
        found: dict[str, Counter[str]] = {state: Counter() for state in ("skipped", "waiting", "failed")}
        for (state, reason), count in self.connector.store.count_orders(shop).items():
            if state in found:
                found[state][reason] += count
        return found

    def _stopped(self, shop: str) -> Counter[str]:
        failed = self.connector.store.list_events(shop=shop, state=EventState.FAILED, limit=100_000)
        return Counter(row.reason for row in failed)

    def _database(self, shop: str) -> Path:
        return self._folder / f"{shop}.db"


def _silent(*_: object) -> None:
    """Nothing is said when JSON is asked for."""
