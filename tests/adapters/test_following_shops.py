"""Both sides stay in step on every platform: what changes at Lengow is in the shop, what the shop ships is told once."""

from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from magento_shop import ContractMagento
from pipeline import connectors, told
from prestashop_shop import ContractPrestaShop
from shopware_shop import ContractShopware
from woocommerce_shop import ContractWooCommerce

from lengow.adapters.contract import Held
from lengow.connector import Connector
from lengow.connector.model import Tracking
from lengow.connector.settings import Follow
from lengow.sandbox import Sandbox

SHOPS = {
    "woocommerce": ContractWooCommerce,
    "prestashop": ContractPrestaShop,
    "magento": ContractMagento,
    "shopware": ContractShopware,
}


class Both:
    """A shop, the connector before it, and Lengow; time goes by for all of them."""

    def __init__(self, sandbox: Sandbox, platform: str, shop: Any, connector: Connector) -> None:
        self.sandbox, self.platform, self.shop, self.connector = sandbox, platform, shop, connector
        [account] = sandbox.accounts()
        self._account = account.account_id

    def buy(self, count: int) -> list[str]:
        """Orders of several lines, in the shop."""
        ids = self.sandbox.sell(self._account, count, {"multi_line": count}, skus=["PLATE", "BOWL"])
        self.later()
        assert self.connector.store.count_orders() == {("created", ""): count}
        return ids

    def later(self) -> None:
        self.sandbox.advance(minutes=15)
        self.shop.pass_time(15 * 60)
        self.connector.sync()

    def package(self, order_id: str) -> Any:
        [package] = self.connector.order("main", "manomano_fr", order_id).packages
        return package

    def held(self, order_id: str) -> Held:
        [held] = self.shop.orders(self.package(order_id).reference)
        assert isinstance(held, Held)
        return held

    def amounts(self, order_id: str) -> dict[str, Decimal]:
        [sold] = [one for one in self.sandbox.ledger().sold if one.order_id == order_id]
        return {line.id: line.amount for line in sold.lines}

    def changes(self, order_id: str) -> list[tuple[str, str, str]]:
        key = self.connector.order("main", "manomano_fr", order_id).order.id
        rows = self.connector.store.changes_of([key])[key]
        return [(str(row.kind), str(row.state), row.reason) for row in rows]


@pytest.fixture(params=SHOPS)
def both(sandbox: Sandbox, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Both]:
    with ExitStack() as stack:
        shop = SHOPS[request.param]()
        stack.callback(shop.close)
        make = stack.enter_context(connectors(sandbox, tmp_path, request.param, shop.own(), shop.secrets))
        yield Both(sandbox, request.param, shop, make(follow=Follow(refunded="apply")))


def test_what_changes_at_lengow_is_in_the_shop(both: Both) -> None:
    sandbox = both.sandbox
    cancelled, shorter, corrected, shipped, kept = ids = both.buy(5)
    totals = {order_id: both.held(order_id).total for order_id in ids}
    both.shop.ship(both.package(kept).shop_order_id, Tracking(carrier_name="Colissimo", number="6A9"))
    sandbox.cancel(cancelled)
    sandbox.cancel(shorter, line_ids=[f"{shorter}-1"])
    sandbox.amend(corrected, {"city": "Sète"})
    sandbox.ship(shipped, carrier="COLISSIMO", tracking_number="6A1", tracking_url="https://track.example.com/6A1")
    sandbox.cancel(kept)
    both.later()
    sandbox.refund(shipped, line_ids=[f"{shipped}-1"])
    both.later()
    both.later()

    assert both.held(cancelled).status == "cancelled"
    assert both.changes(cancelled) == [("cancelled", "applied", "")]

    gone = both.amounts(shorter)[f"{shorter}-1"]
    able = "lines" in both.connector._context.capabilities(both.platform).updates
    held = both.held(shorter)
    assert (held.status, held.total - held.refunded) == ("to_ship", totals[shorter] - (gone if able else 0))
    assert both.changes(shorter) == [("lines", "applied", "") if able else ("lines", "waiting", "platform_cannot")]

    held = both.held(corrected)
    assert (held.delivery_city, held.total) == ("Sète", totals[corrected])
    assert both.changes(corrected) == [("address", "applied", "")]

    held = both.held(shipped)
    assert (held.status, held.refunded) == ("shipped", both.amounts(shipped)[f"{shipped}-1"])
    assert both.changes(shipped) == [("shipped", "applied", ""), ("refunded", "applied", "")]
    for order_id in (cancelled, shorter, corrected, shipped):
        assert told(sandbox, order_id) == [], "what the connector told the shop is not told back"

    assert both.held(kept).status != "cancelled", "the shop had shipped it"
    assert both.changes(kept) == [("cancelled", "waiting", "refused_by_shop")]


def test_a_shipment_is_told_once_whether_its_webhook_comes_twice_late_or_never(both: Both) -> None:
    twice, late, never = ids = both.buy(3)
    numbers = {order_id: f"6A{place}" for place, order_id in enumerate(ids)}

    def ship(order_id: str) -> Tracking:
        number = numbers[order_id]
        tracking = Tracking(carrier_name="Colissimo", number=number, url=f"https://track.example.com/{number}")
        both.shop.ship(both.package(order_id).shop_order_id, tracking)
        return tracking

    def deliver(order_id: str, tracking: Tracking) -> None:
        delivery = both.shop.webhook(both.package(order_id).shop_order_id, tracking, both.shop.secrets[0])
        both.connector.receive(both.platform, delivery)

    tracking = ship(twice)
    deliver(twice, tracking)
    deliver(twice, tracking)
    both.later()
    tracking = ship(late)
    ship(never)
    both.later()
    both.later()
    deliver(late, tracking)
    both.later()
    both.later()
    for order_id in ids:
        assert told(both.sandbox, order_id) == [numbers[order_id]]
        assert both.changes(order_id) == [], "and is no news when Lengow shows it"


def test_what_is_given_back_before_it_is_shipped_is_cancelled_in_the_shop_and_not_at_the_marketplace(
    both: Both,
) -> None:
    whole, several = both.buy(2)
    both.sandbox.refund(whole)
    both.sandbox.refund(several, line_ids=list(both.amounts(several))[:1])
    for _ in range(4):
        both.later()
    assert both.held(whole).status == "cancelled"
    asked = [(one.order_id, one.action_type) for one in both.sandbox.ledger().told]
    failed = [(row.kind, row.reason) for row in both.connector.store.list_events() if row.state == "failed"]
    assert (asked, failed) == ([], [])
