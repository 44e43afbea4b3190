"""Whatever a shop answers, only the documented errors come out, and no order is doubled, lost, or believed made."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hostile import EXAMPLES, fuzz
from hypothesis import strategies as st
from shops import AMOUNT, LIES, SHOPS, Lie, World, changes, readings

from lengow.connector.adapter import Created, Rejected, Unknown, Updated
from lengow.connector.errors import ShopUnavailable
from lengow.connector.model import Tracking

MOST = 40
"""Orders in one shop; then another is opened, because a shop with many is slow to look through."""


class Worlds:
    """A shop of each platform."""

    def __init__(self) -> None:
        self._open: dict[str, World] = {}

    def of(self, platform: str) -> World:
        """With an adapter that knows nothing yet."""
        world = self._open.get(platform)
        if world is None or world.made > MOST:
            if world is not None:
                world.close()
            world = self._open[platform] = World(platform)
        world.adapter.close()
        world.adapter = world.shop.adapter(call_timeout=60)
        return world

    def close(self) -> None:
        for world in self._open.values():
            world.close()


@pytest.fixture(scope="module")
def worlds() -> Iterator[Worlds]:
    worlds = Worlds()
    yield worlds
    worlds.close()


CASES = min(EXAMPLES // 2, 30 + EXAMPLES // 16)
"""For each platform and test: one is a talk of many requests."""
every_platform = pytest.mark.parametrize("platform", sorted(SHOPS))
READINGS = (
    *("find_order", "find_order of none", "find_products", "shipments_since", "shipments_of", "orders_since"),
    *("products", "invoice_of"),
)
NEVER_RAISE = ("check", "connect")


def asked(world: World, lie: Lie, ask: Callable[[], Any]) -> tuple[Any, str]:
    """What comes out, and in what words the shop is unavailable; any other error is the test's."""
    with world.lying(lie):
        try:
            return ask(), ""
        except ShopUnavailable as error:
            words = str(error)
    assert "main" in words, "an error names the shop"
    return None, words


@every_platform
@fuzz(examples=CASES, lie=LIES, batch=st.sampled_from([1, 1, 3]))
def test_an_order_is_created_once_whatever_is_answered(worlds: Worlds, platform: str, lie: Lie, batch: int) -> None:
    world = worlds.of(platform)
    orders = [world.order() for _ in range(batch)]
    found, error = asked(world, lie, lambda: world.adapter.create_orders(orders))
    outcomes = {one.reference: one for one in found or ()}
    assert error or set(outcomes) == {order.reference for order in orders}
    world.settle()
    for order in orders:
        outcome = outcomes.get(order.reference)
        if isinstance(outcome, Rejected) and not outcome.retry:
            assert [held for held in world.shop.orders(order.reference) if held.status == "to_ship"] == [], outcome
            continue
        if not isinstance(outcome, Created):
            known = world.adapter.find_order(order.reference)
            if known is None:
                [outcome] = world.adapter.create_orders([order])
                assert isinstance(outcome, Created), outcome
            else:
                outcome = Created(order.reference, known)
        [held] = [one for one in world.shop.orders(order.reference) if one.status != "cancelled"]
        assert (held.id, held.status, held.total) == (outcome.shop_order.id, "to_ship", order.total)


@every_platform
@fuzz(examples=CASES, lie=LIES, name=st.sampled_from(["cancel", "ship", "address", "refund", "lines"]))
def test_a_change_is_brought_once_whatever_is_answered(worlds: Worlds, platform: str, lie: Lie, name: str) -> None:
    world = worlds.of(platform)
    if name not in world.adapter.capabilities.updates:
        return
    order, shop_order = world.placed()
    change = changes(order)[name]
    outcome, _ = asked(world, lie, lambda: world.adapter.update_order(shop_order, change))
    assert isinstance(outcome, Updated | Rejected | Unknown | None)
    if isinstance(outcome, Rejected) and not outcome.retry:
        return
    if not isinstance(outcome, Updated):
        assert isinstance(world.adapter.update_order(shop_order, change), Updated)
    [held] = world.shop.orders(order.reference)
    if name in ("cancel", "ship"):
        assert held.status == {"cancel": "cancelled", "ship": "shipped"}[name]
    if name == "address":
        assert (held.delivery_name, held.delivery_city) == ("Ana Lopez", "Paris")
    if name == "lines" and held.refunded == 0:
        return  # the line seemed to be none of the marketplace's any more, which is no mistake
    assert held.refunded == (AMOUNT if name in ("refund", "lines") else 0)


@every_platform
@fuzz(
    examples=CASES,
    lie=LIES,
    name=st.sampled_from([*READINGS, *NEVER_RAISE]),
)
def test_what_is_read_is_read_or_the_shop_is_unavailable(worlds: Worlds, platform: str, lie: Lie, name: str) -> None:
    world = worlds.of(platform)
    order, shop_order = world.placed()
    world.shop.ship(shop_order.id, Tracking("colissimo", "Colissimo", f"6A{order.reference}"))
    reading = readings(world, order, shop_order).get(name)
    if reading is None:
        return
    found, error = asked(world, lie, reading)
    assert not error or name not in NEVER_RAISE
    if name == "find_order":
        assert error or found == shop_order
    if name == "find_order of none":
        assert found is None
