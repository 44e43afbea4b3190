"""What the marketplace gave back is booked in the shop by a person, as money is put to one: it is not given back again."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from pipeline import connectors
from prestashop_shop import SECRETS
from shop_handle import signed

from lengow.connector import Connector
from lengow.connector.model import ActionState, ChangeState
from lengow.sandbox import Fault, Sandbox
from lengow.sandbox.catalogue import catalogue
from lengow.sandbox.shops.prestashop import KEY, PrestaShop

REFUND = {"refund": {"refund_reason": "DAMAGED", "refund_shipping_fees": "false"}}
MARKETPLACE = "manomano_fr"
ACTIONS = "/v3.0/orders/actions/"


class Sold:
    """One order of three pieces; time goes by for the shop, the connector and Lengow."""

    def __init__(
        self, sandbox: Sandbox, shop: PrestaShop, connector: Connector, marketplace: str = MARKETPLACE
    ) -> None:
        self.sandbox, self.shop, self.connector = sandbox, shop, connector
        [account] = sandbox.accounts()
        [self.order_id] = sandbox.sell(account.account_id, 1, {"standard": 1}, marketplace=marketplace)
        sandbox.amend(self.order_id, {"quantity": 3})
        self.pass_time()
        [sold] = [one for one in sandbox.ledger().sold if one.order_id == self.order_id]
        [self.line] = sold.lines
        [package] = connector.order("main", marketplace, self.order_id).packages
        self.shop_order = int(package.shop_order_id)

    def ship(self) -> None:
        self.shop.set_state(self.shop_order, 4)
        self.shop.add_tracking(self.shop_order, "6A1", 6)

    def pass_time(self, times: int = 1) -> None:
        for _ in range(times):
            self.sandbox.advance(minutes=15)
            self.shop.clock.jump(timedelta(minutes=15))
            self.connector.sync()

    def book(self, pieces: int) -> None:
        """An order slip, in the back office of the shop."""
        amount = self.line.amount * pieces / 3
        self.shop.add_slip(self.shop_order, (self.line.sku, pieces, f"{amount:.2f}"))
        self.pass_time(3)

    def send(self, pieces: int) -> None:
        """A module of the shop tells of the refund as well."""
        lines = [{"order_line_id": self.line.id, "quantity": pieces}]
        data = {"contract": "shop-shipment/1", "order": {"id": str(self.shop_order)}, "lines": lines}
        body = json.dumps({"type": "order.refunded", "timestamp": "2026-03-03T14:20:05Z", "data": data}).encode()
        now = f"{self.sandbox.now().timestamp():.0f}"
        self.connector.receive("prestashop", signed(body, SECRETS[0], now, "refund-1"))
        self.pass_time()

    def refunds(self) -> list[str]:
        """The pieces that the marketplace was told to give back, a refund each; empty: all of the line."""
        told = [one for one in self.sandbox.ledger().told if one.order_id == self.order_id]
        return [one.arguments.get("refund_quantity", "") for one in told if one.action_type == "refund"]

    def events(self) -> list[tuple[str, str]]:
        rows = self.connector.store.list_events(shop="prestashop")
        return [(str(row.state), row.reason) for row in rows if row.kind == "refunded"]


@pytest.fixture
def sold(unshipped: Sold) -> Sold:
    """Shipped by the shop."""
    unshipped.ship()
    unshipped.pass_time(3)
    return unshipped


@pytest.fixture
def unshipped(sell: Callable[..., Sold]) -> Sold:
    return sell()


@pytest.fixture
def sell(sandbox: Sandbox, tmp_path: Path) -> Iterator[Callable[..., Sold]]:
    shop = PrestaShop()
    for product in catalogue():
        shop.add_product(product.sku, str(product.price), 10_000)
    shop.add_tax("20", "FR", "ES")
    shop.add_carrier("Marketplace", free=True)
    shop.add_carrier("Colissimo", cost="6.00", url="https://track.example.com/@")
    own = {"url": shop.url, "key": KEY, "carrier": 5}
    with connectors(sandbox, tmp_path, "prestashop", own, SECRETS) as make:
        connector = make(carriers={"Colissimo": "Other"}, action_arguments=REFUND)
        yield partial(Sold, sandbox, shop, connector)
    shop.close()


def test_what_the_shop_gives_back_first_is_told(sold: Sold) -> None:
    sold.book(1)
    assert sold.refunds() == ["1"]


def test_pieces_that_the_marketplace_gave_back_are_not_told_to_it_again(sold: Sold) -> None:
    sold.sandbox.refund(sold.order_id, line_ids=[sold.line.id], quantity=1)
    sold.pass_time(2)
    sold.book(1)
    assert sold.refunds() == []
    assert sold.events() == [("failed", "refunded_elsewhere")], "it may be more: a person says"


@pytest.mark.parametrize("who", ["Ana", "host"])
def test_what_others_told_the_marketplace_is_not_told_again_by_the_slip_that_books_it(sold: Sold, who: str) -> None:
    sold.connector.act(
        "refund",
        "main",
        MARKETPLACE,
        sold.order_id,
        REFUND["refund"],
        line_ids=[sold.line.id],
        quantities={sold.line.id: 1},
        who=who,
    )
    sold.book(1)
    assert sold.refunds() == ["1"]


def test_pieces_that_the_shop_gives_back_after_the_refund_was_brought_there_are_told(sold: Sold) -> None:
    sold.sandbox.refund(sold.order_id, line_ids=[sold.line.id], quantity=1)
    sold.pass_time(2)
    [change] = sold.connector.store.list_changes(states=[ChangeState.WAITING], limit=2)
    sold.connector.apply_change(change.id, who="Ana")
    sold.pass_time(2)
    assert sold.events() == []
    sold.book(1)
    assert sold.refunds() == ["1"]


def test_pieces_that_the_shop_gives_back_one_after_the_other_are_told(sold: Sold) -> None:
    sold.book(1)
    sold.book(1)
    assert sold.refunds() == ["1", "1"]


def test_a_line_that_the_marketplace_gave_back_is_not_told_to_it_again(sold: Sold) -> None:
    sold.sandbox.refund(sold.order_id, line_ids=[sold.line.id])
    sold.pass_time(2)
    sold.book(3)
    assert sold.refunds() == []


def test_what_a_person_had_told_anew_is_still_the_shops_own(sold: Sold) -> None:
    """Lengow shows it then: the shop has booked it, and it is not brought there, nor put to a person."""
    sold.sandbox.fault(Fault("status", method="POST", path=ACTIONS, status=400, body="{}"))
    sold.book(1)
    [refused] = sold.connector.store.list_actions(states=[ActionState.REFUSED, ActionState.FAILED])
    sold.connector.retry_action(refused.id, who="Ana")
    sold.pass_time(4)
    assert sold.refunds() == ["1"]
    assert sold.connector.store.list_changes(states=list(ChangeState), limit=9) == []
    sold.book(1)
    assert sold.refunds() == ["1", "1"]


def test_mending_a_confirmation_asks_the_marketplace_for_no_refund(unshipped: Sold) -> None:
    """What polling passed over, a comparison finds; of money, nothing is done by the way."""
    with unshipped.connector.store.transaction() as tx:
        past = {"since": "2099-01-01 00:00:00", "slips_since": "2099-01-01 00:00:00"}
        tx.set_value("shop:prestashop", "poll_cursor", json.dumps(past))
    unshipped.ship()
    unshipped.book(1)
    [found] = unshipped.connector.reconcile(fix=True)
    assert (found.kind, bool(found.mended)) == ("shipped_not_confirmed", True)
    unshipped.pass_time(3)
    told = [one.action_type for one in unshipped.sandbox.ledger().told]
    assert (told, unshipped.events()) == (["ship"], [])


def test_the_slip_of_an_order_that_the_shop_cancelled_asks_for_no_refund_beside_the_cancellation(
    sell: Callable[..., Sold],
) -> None:
    """A merchant who cancels a paid order writes a slip for it; the marketplace gives the money back as it cancels."""
    sold = sell("decathlon_fr")
    sold.shop.set_state(sold.shop_order, 6)
    sold.book(3)
    told = [one.action_type for one in sold.sandbox.ledger().told]
    assert (told, sold.events()) == (["cancel"], [("ignored", "already_at_marketplace")])


def test_pieces_that_are_given_back_as_the_order_is_shipped_are_told_once_it_is_shipped(unshipped: Sold) -> None:
    """One of three is missing: the merchant ships, and writes a slip at once; the marketplace refunds what is shipped."""
    unshipped.ship()
    unshipped.book(1)
    unshipped.pass_time(2)
    told = [one.action_type for one in unshipped.sandbox.ledger().told]
    assert (told, unshipped.refunds(), unshipped.events()) == (["ship", "refund"], ["1"], [("done", "")])


def test_a_refund_of_what_nobody_ships_waits_for_a_person(unshipped: Sold) -> None:
    unshipped.book(1)
    unshipped.pass_time(2)
    assert unshipped.events() == [("failed", "status_not_allowed")]


@pytest.mark.parametrize("first", ["send", "book"])
def test_a_refund_that_a_module_tells_beside_its_slip_is_told_once(sold: Sold, first: str) -> None:
    """Whether it is one or two nothing says, so that a person does."""
    for tell in (sold.send, sold.book) if first == "send" else (sold.book, sold.send):
        tell(1)
    assert sold.refunds() == ["1"]
    assert sorted(sold.events()) == [("done", ""), ("failed", "refunded_elsewhere")]
