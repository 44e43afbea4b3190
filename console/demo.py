"""`lengow-connector demo`: the main job against a sandbox, over real HTTP: five shops side by side, one of each platform.

One Lengow account sells for all of them, and each takes the orders of its own catalogue. What the toggle "Import orders
shipped by marketplaces" does is seen on each: first it is off, then it is switched on where the platform can do it.

The figures come from the ledgers: what the marketplace sold and was told, and the shops' own order lists. Only the
reasons of what is not in a shop are read from the connector's store.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from lengow.connector import Account, Connector, Settings, Shop, Store
from lengow.connector.errors import ToggleUnsupported
from lengow.connector.model import EventState
from lengow.connector.secret import Secret
from lengow.connector.settings import IMPORT_SHIPPED_BY_MARKETPLACE
from lengow.connector.store.rows import OrderFilter
from lengow.console.demo_shops import PARCELS, SHOPS, DemoShop, missing_extras
from lengow.console.serving import webhook_server
from lengow.sandbox import (
    HeldOrder,
    Ledger,
    Reconciliation,
    SandboxControl,
    ShopHoldings,
    SoldOrder,
    Tracking,
    reconcile,
    start_process,
)
from lengow.sandbox.clock import Clock

ACCOUNT = "main"
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
FIRST_CATALOGUE = 3131
NARROWEST = 118
"""Columns that the table needs, where the output is no terminal."""


class ShopResult(msgspec.Struct, frozen=True):
    """What happened in one shop."""

    platform: str
    tells: str
    """How it tells the connector of its shipments."""
    sold: int
    shipped_by_marketplace: int
    """Of those sold."""
    skipped_with_toggle_off: dict[str, int]
    """By reason."""
    imported_with_toggle_on: int
    toggle_refused: str
    """Why the toggle cannot be switched on; empty where it can."""
    imported: int
    skipped: dict[str, int]
    waiting: dict[str, int]
    shipped: int
    confirmed: int
    rejected: dict[str, int]
    shop_requests: int
    """HTTP requests that the connector sent to the shop, polling included."""
    lost: int
    doubled: int


class DemoResult(msgspec.Struct, frozen=True):
    sold: int
    imported: int
    skipped: dict[str, int]
    skipped_with_toggle_off: dict[str, int]
    waiting: dict[str, int]
    shipped: int
    confirmed: int
    rejected: dict[str, int]
    lost: int
    doubled: int
    seconds: float
    shops: dict[str, ShopResult]
    left_out: dict[str, str]
    """Platforms whose extra is not installed, and how to install it."""


def run_demo(count: int, *, as_json: bool) -> DemoResult:
    """Sell `count` orders, import, ship, confirm, compare; prints a table, or JSON."""
    screen = Console(highlight=False, markup=False)
    if not screen.is_terminal:
        screen = Console(highlight=False, markup=False, width=NARROWEST)
    say = _silent if as_json else partial(screen.print, soft_wrap=True)
    started = time.monotonic()
    with ExitStack() as stack:
        sandbox = stack.enter_context(start_process())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lengow-demo-")))
        demo = _Demo(sandbox, folder, say, stack)
        result = demo.run(count, started)
        if as_json:
            print(msgspec.json.encode(result).decode())  # noqa: T201
        else:
            demo.show(result)
    return result


class _Demo:
    def __init__(self, sandbox: SandboxControl, folder: Path, say: Any, stack: ExitStack) -> None:
        self._sandbox, self._say = sandbox, say
        self._clock = Clock()
        self._account = sandbox.add_account(ACCOUNT)
        self._left_out = missing_extras()
        self._shops: dict[str, DemoShop] = {}
        for kind in SHOPS:
            if kind.platform not in self._left_out:
                self._shops[kind.platform] = shop = kind(self._clock, folder)
                stack.callback(shop.close)
        self._catalogues = {name: FIRST_CATALOGUE + place for place, name in enumerate(self._shops)}
        self._connector = Connector(self._settings(folder), clock=self._clock.now)
        stack.callback(self._connector.close)

    def run(self, count: int, started: float) -> DemoResult:
        for platform, how in self._left_out.items():
            self._say(f"{platform} is left out: its extra is not installed ({how}).")
        self._sell(count)
        self._say("Lengow collects from ManoMano (15 minutes of sandbox time) …")
        self._advance(minutes=15)
        self._say(f"The connector syncs one account into {len(self._shops)} shops; the toggle is off …")
        self._connector.sync()
        off = {name: self._reasons(name)["skipped"] for name in self._shops}
        off = {
            name: Counter({why: n for why, n in found.items() if "marketplace" in why}) for name, found in off.items()
        }
        before = {name: self._numbers(name) for name in self._shops}
        refused = self._switch_on()
        self._connector.sync()
        on = {name: len(self._numbers(name) - before[name]) for name in self._shops}
        with webhook_server(self._connector, "127.0.0.1", 0, threads=4) as url:
            self._say(f"The shops ship, and tell it by webhooks to {url}SHOP, or are polled …")
            shipped = {name: self._ship(name, url) for name in self._shops}
        self._advance(minutes=15)
        self._connector.sync()
        self._say("ManoMano answers to the confirmations (an hour of sandbox time) …")
        self._advance(hours=1)
        self._connector.sync()
        return self._result(off, on, refused, shipped, started)

    def show(self, result: DemoResult) -> None:
        """What happened, a column a shop."""
        table = Table("", *result.shops, box=None, pad_edge=False, header_style="bold")
        columns = [_column(one, sorted(result.skipped_with_toggle_off)) for one in result.shops.values()]
        for label in dict.fromkeys(label for column in columns for label in column):
            table.add_row(label, *(str(column.get(label, 0)) for column in columns))
        self._say(table)
        for name, one in result.shops.items():
            if one.toggle_refused:
                self._say(f"{name}: {one.toggle_refused}")
        verdict = "nothing lost, nothing doubled" if result.lost == result.doubled == 0 else "SOMETHING IS WRONG"
        self._say(
            f"Ledgers compared: {result.sold} sold, {result.imported} in the shops, {result.confirmed} of "
            f"{result.shipped} shipments confirmed, {result.lost} lost, {result.doubled} doubled: {verdict}. "
            f"{result.seconds:.1f} s."
        )

    def _settings(self, folder: Path) -> Settings:
        account = Account(
            access_token=Secret(self._account.access_token),
            secret=Secret(self._account.secret),
            base_url=self._sandbox.url,
        )
        shops = {
            name: Shop(
                account=ACCOUNT,
                platform=shop.platform,
                catalogues=(self._catalogues[name],),
                webhook_secrets=(Secret(shop.secret),),
                tracking_urls={parcel.carrier: parcel.url for parcel in PARCELS if parcel.url},
                options=shop.options,
            )
            for name, shop in self._shops.items()
        }
        return Settings(accounts={ACCOUNT: account}, shops=shops, store=Store(url=f"sqlite:///{folder / 'lengow.db'}"))

    def _sell(self, count: int) -> None:
        self._say(f"ManoMano FR sells {count} orders …")
        for place, (name, shop) in enumerate(self._shops.items()):
            own = count // len(self._shops) + (place < count % len(self._shops))
            kinds = {kind: int(own * share) for kind, share in SHARES.items()}
            if not shop.takes_foreign_currency:
                kinds["foreign_currency"] = 0
            kinds["standard"] += own - sum(kinds.values())
            catalogue = self._catalogues[name]
            self._sandbox.sell(self._account.account_id, own, kinds, marketplace=MARKETPLACE, catalog_id=catalogue)

    def _advance(self, **by: float) -> None:
        """The marketplace's time, and that of the connector and the shops with it."""
        self._sandbox.advance(**by)
        self._clock.jump(timedelta(**by))

    def _switch_on(self) -> dict[str, str]:
        """The toggle of every shop that can have it; what the others say."""
        self._say(f"{IMPORT_SHIPPED_BY_MARKETPLACE} is switched on where the platform can do it …")
        refused = {}
        for name in self._shops:
            try:
                self._connector.set_toggle(name, IMPORT_SHIPPED_BY_MARKETPLACE, True, who="demo")
            except ToggleUnsupported as error:
                refused[name] = str(error)
        return refused

    def _ship(self, name: str, url: str) -> int:
        """Ship all that the shop has to ship, and have it tell; returns how many parcels."""
        shop = self._shops[name]
        shop.listen(f"{url}{name}", partial(self._connector.connect, name, f"{url}{name}"))
        shipped = shop.ship()
        shop.tell()
        return shipped

    def _result(
        self,
        off: dict[str, Counter[str]],
        on: dict[str, int],
        refused: dict[str, str],
        shipped: dict[str, int],
        started: float,
    ) -> DemoResult:
        ledger = self._sandbox.ledger()
        shops = {}
        for name in self._shops:
            own = [order for order in ledger.sold if order.catalog_id == self._catalogues[name]]
            compared = self._compared(ledger, name, own)
            reasons = self._reasons(name)
            shops[name] = ShopResult(
                platform=self._shops[name].platform,
                tells=self._shops[name].tells,
                sold=len(own),
                shipped_by_marketplace=sum(order.fulfilment for order in own),
                skipped_with_toggle_off=dict(off[name]),
                imported_with_toggle_on=on[name],
                toggle_refused=refused.get(name, ""),
                imported=len(self._numbers(name)),
                skipped=dict(reasons["skipped"]),
                waiting=dict(reasons["waiting"] + reasons["failed"]),
                shipped=shipped[name],
                confirmed=shipped[name] - self._unconfirmed(name, own, compared),
                rejected=dict(self._stopped(name)),
                shop_requests=self._shops[name].requests(),
                lost=len(compared.lost) + len(compared.wrong_totals),
                doubled=len(compared.doubled) + len(compared.unexpected),
            )
        refusals = Counter("refused_by_marketplace" for told in ledger.told if told.outcome == "refused")
        return DemoResult(
            sold=len(ledger.sold),
            imported=sum(one.imported for one in shops.values()),
            skipped=_summed(one.skipped for one in shops.values()),
            skipped_with_toggle_off=_summed(one.skipped_with_toggle_off for one in shops.values()),
            waiting=_summed(one.waiting for one in shops.values()),
            shipped=sum(shipped.values()),
            confirmed=sum(one.confirmed for one in shops.values()),
            rejected=_summed([*(one.rejected for one in shops.values()), refusals]),
            lost=sum(one.lost for one in shops.values()),
            doubled=sum(one.doubled for one in shops.values()),
            seconds=round(time.monotonic() - started, 2),
            shops=shops,
            left_out=self._left_out,
        )

    def _compared(self, ledger: Ledger, name: str, own: list[SoldOrder]) -> Reconciliation:
        """What the marketplace sold for this shop with what this shop holds."""
        numbers = {order.order_id for order in own}
        part = Ledger(
            at=ledger.at,
            sold=tuple(own),
            told=tuple(one for one in ledger.told if one.order_id in numbers),
            rejections=ledger.rejections,
            requests=ledger.requests,
        )
        holdings = ShopHoldings(
            orders=list(self._held(name, own)),
            imports_fulfilment=self._connector.toggles(name)[IMPORT_SHIPPED_BY_MARKETPLACE],
            catalogues=(self._catalogues[name],),
        )
        return reconcile(part, {self._account.account_id: holdings})

    def _held(self, name: str, own: list[SoldOrder]) -> Iterator[HeldOrder]:
        """The shop's list in the marketplace's lines: by SKU and pieces, as a person would compare them."""
        sold = {order.order_id: order for order in own}
        given: set[str] = set()
        for listed in self._shops[name].orders():
            lines = tuple(lines_of(listed.goods, sold.get(listed.number), given))
            tracking = Tracking(number=listed.tracking) if listed.tracking else None
            yield HeldOrder(MARKETPLACE, listed.number, lines, listed.total, tracking)

    def _unconfirmed(self, name: str, own: list[SoldOrder], compared: Reconciliation) -> int:
        """Shipments of the shop that the marketplace has not taken, in whole or for some line."""
        open_lines = {(one.order_id, one.line_id) for one in compared.unconfirmed}
        return sum(
            any((order.marketplace_order_id, line) in open_lines for line in order.line_ids)
            for order in self._held(name, own)
            if order.shipped
        )

    def _numbers(self, name: str) -> set[str]:
        return {order.number for order in self._shops[name].orders()}

    def _reasons(self, name: str) -> dict[str, Counter[str]]:
        """Why orders of the shop's catalogue are not in it."""
        found: dict[str, Counter[str]] = {state: Counter() for state in ("skipped", "waiting", "failed")}
        for state, reasons in found.items():
            wanted = OrderFilter(shop=name, state=state, limit=100_000)
            reasons.update(stored.order.reason for stored in self._connector.store.list_orders(wanted))
        return found

    def _stopped(self, name: str) -> Counter[str]:
        """Shipments by the reason that stopped them; one that was told by webhook and polling is one."""
        failed = self._connector.store.list_events(shop=name, state=EventState.FAILED, limit=100_000)
        return Counter({row.event_id: row.reason for row in failed}.values())


def _column(shop: ShopResult, off: Iterable[str]) -> dict[str, object]:
    """`off`: the reasons for which shops skip while the toggle is off."""
    facts: dict[str, object] = {
        "sold on ManoMano FR": shop.sold,
        "  of which shipped by the marketplace": shop.shipped_by_marketplace,
    }
    facts |= {f"toggle off: skipped as {why}": shop.skipped_with_toggle_off.get(why, 0) for why in off}
    facts["toggle on: imported of these"] = "refused" if shop.toggle_refused else shop.imported_with_toggle_on
    facts["in the shop"] = shop.imported
    kept = {why: count for why, count in sorted(shop.skipped.items()) if why not in shop.skipped_with_toggle_off}
    facts |= {f"skipped: {why}": count for why, count in kept.items()}
    facts |= {f"waiting: {why}": count for why, count in sorted(shop.waiting.items())}
    facts["parcels sent (an order may have several)"] = shop.shipped
    facts["  told by"] = shop.tells
    facts["  confirmed by ManoMano"] = shop.confirmed
    facts |= {f"  stopped: {why}": count for why, count in sorted(shop.rejected.items())}
    facts["requests to the shop"] = shop.shop_requests
    facts["lost, doubled"] = f"{shop.lost}, {shop.doubled}"
    return facts


def lines_of(goods: Sequence[tuple[str, int]], sold: SoldOrder | None, given: set[str]) -> Iterator[str]:
    """The ids of the sold lines that these goods are. What no line is left for is that line a second time."""
    lines = list(sold.lines) if sold else []
    for sku, quantity in goods:
        same, left = [line for line in lines if line.sku == sku], quantity
        same.sort(key=lambda line: line.quantity != quantity)  # else another package's line of this SKU may be taken
        for line in [line for line in same if line.id not in given]:
            if left > 0:
                given.add(line.id)
                left -= line.quantity
                yield line.id
        if left:
            yield same[0].id if same else f"{quantity} x {sku}"


def _summed(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(total)


def _silent(*_: object) -> None:
    """Nothing is said when JSON is asked for."""
