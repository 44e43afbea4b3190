"""The contract suite: what every adapter, ours or a third party's, must keep. Needs pytest.

Subclass `AdapterContract` and give two fixtures: `shop`, a `ContractShop` that stands for the other side (a stand-in or a
real throw-away shop), and `adapter`, connected to it. docs/adapters/write-an-adapter.md shows one whole.

What a platform cannot do is skipped with the reason, by its `Capabilities` and by the faults that the shop can play.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Literal, Protocol

import msgspec
import pytest

from lengow.connector.adapter import (
    Adapter,
    AdapterContext,
    AmendAmounts,
    AmendedLine,
    Cancel,
    CancelLines,
    Change,
    CorrectAddress,
    Created,
    MarkShipped,
    Outcome,
    Refund,
    Rejected,
    Request,
    ShopOrder,
    Unknown,
    Updated,
)
from lengow.connector.catalogue import Catalogue
from lengow.connector.errors import PayloadInvalid, ShopUnavailable, SignatureError
from lengow.connector.listing import ListedOrder, Listing
from lengow.connector.model import Address, Line, NewOrder, Order, Package, Tracking
from lengow.connector.secret import Secret

Fault = Literal[
    "lost_before", "lost_after", "killed", "error_500", "html_502", "busy_429", "slow", "down", "interrupted"
]
"""What the next creation meets: `killed` ends the shop's process in the middle of it; `slow` outlasts the adapter's
time-out; `down` refuses connections until `mend`; `interrupted` is played by `ContractShop.interrupt`."""


class Held(msgspec.Struct, frozen=True):
    """A shop order as the shop itself shows it. Amounts with tax."""

    id: str
    status: Literal["to_ship", "shipped", "cancelled", "refunded", "unfinished"]
    total: Decimal
    lines: tuple[tuple[str, int], ...]
    """SKU and quantity."""
    delivery_name: str
    delivery_city: str
    refunded: Decimal = Decimal(0)


class ContractShop(Protocol):
    """The other side, as the suite needs it. It must not use the adapter under test."""

    simple: str
    """The SKU of a simple product that keeps stock."""
    another: str
    """The SKU of a second one."""
    variant: str
    """The SKU of a variant; empty where the platform has none."""
    ambiguous: str
    """A SKU that two products have; empty where the platform forbids that."""
    unknown: str
    faults: frozenset[Fault]
    tax_settings: Sequence[str]
    """Names of tax settings that the shop can be put in; the first is the one it starts in."""

    def orders(self, reference: str) -> Sequence[Held]:
        """Every order that carries exactly this reference and that a merchant sees in his list."""

    def stock(self, sku: str) -> int: ...

    def fail(self, fault: Fault) -> None:
        """Let the next creation (`down`: everything) meet a fault."""

    def interrupt(self, after: int, *, effect: bool) -> Callable[[], bool]:
        """Lose the connection at whatever request comes after so many more, with or without its effect.

        The answer tells whether it came to that. Asked for only where `interrupted` is among `faults`.
        """

    def mend(self) -> None:
        """End all faults."""

    def pass_time(self, seconds: float) -> None:
        """Let what is under way at the shop end, and so much of the shop's time go by."""

    def set_taxes(self, name: str) -> None: ...

    def refused(self, reference: str) -> NewOrder:
        """An order that this platform has a reason to refuse."""

    def ship(self, shop_order_id: str, tracking: Tracking) -> None:
        """The merchant ships an order."""

    def webhook(self, shop_order_id: str, tracking: Tracking, secret: Secret) -> Request | None:
        """The delivery that tells of a shipment, signed by hand; None where the platform has no webhooks."""

    def spoiled(self, delivery: Request) -> Mapping[str, Request]:
        """The same delivery with one part spoiled each: signature missing, not decodable, body changed, ..."""


class AdapterContract:
    """Every test below runs for each subclass. `secrets` are the shop's webhook secrets, in the order configured."""

    secrets: ClassVar[Sequence[Secret]]
    keeps_tracking_urls: ClassVar[bool] = True
    """False where the platform keeps no tracking link; the shop's setting `tracking_urls` then stands in."""

    # Creation, exactly once

    def test_an_order_is_created_as_it_was_sold(self, adapter: Adapter, shop: ContractShop) -> None:
        order = new_order("A-1", [(shop.simple, 2, "49.80"), (shop.another, 1, "9.99")], shipping="4.90", fee="1.50")
        [outcome] = adapter.create_orders([order])
        assert isinstance(outcome, Created), outcome
        [held] = shop.orders("A-1")
        assert held.id == outcome.shop_order.id
        assert (held.status, held.total) == ("to_ship", Decimal("66.19"))
        assert sorted(held.lines) == sorted([(shop.simple, 2), (shop.another, 1)])
        assert (held.delivery_name, held.delivery_city) == ("Zoé Martin", "Lyon")

    def test_the_same_reference_twice_is_one_order(self, adapter: Adapter, shop: ContractShop) -> None:
        order = new_order("A-2", [(shop.simple, 1, "24.90")])
        first, second = created(adapter, order), created(adapter, order)
        assert first.id == second.id
        assert len(shop.orders("A-2")) == 1

    def test_the_same_reference_twice_in_one_batch_is_one_order(self, adapter: Adapter, shop: ContractShop) -> None:
        order = new_order("A-3", [(shop.simple, 1, "24.90")])
        outcomes = adapter.create_orders([order, order])
        assert {type(outcome) for outcome in outcomes} == {Created}, outcomes
        assert len(shop.orders("A-3")) == 1

    def test_lost_before_the_effect(self, adapter: Adapter, shop: ContractShop) -> None:
        order = self._failed_once(adapter, shop, "lost_before", "B-1")
        assert adapter.find_order("B-1") is None
        created(adapter, order)
        assert len(shop.orders("B-1")) == 1

    def test_lost_after_the_effect(self, adapter: Adapter, shop: ContractShop) -> None:
        self._failed_once(adapter, shop, "lost_after", "B-2")
        found = adapter.find_order("B-2")
        [held] = shop.orders("B-2")
        assert found is not None
        assert found.id == held.id

    def test_lost_after_the_effect_and_sent_again(self, adapter: Adapter, shop: ContractShop) -> None:
        order = self._failed_once(adapter, shop, "lost_after", "B-3")
        again = created(adapter, order)
        [held] = shop.orders("B-3")
        assert again.id == held.id

    def test_killed_in_the_middle_leaves_nothing_half_made(self, adapter: Adapter, shop: ContractShop) -> None:
        stock = shop.stock(shop.simple)
        order = self._failed_once(adapter, shop, "killed", "B-4")
        if adapter.find_order("B-4") is None:
            created(adapter, order)
        [held] = shop.orders("B-4")
        assert (held.status, held.total) == ("to_ship", order.total)
        assert shop.stock(shop.simple) == stock - 1

    @pytest.mark.parametrize("fault", ["error_500", "html_502", "slow"])
    def test_a_broken_answer_leaves_the_outcome_unknown(
        self, adapter: Adapter, shop: ContractShop, fault: Fault
    ) -> None:
        order = self._failed_once(adapter, shop, fault, f"B-{fault}")
        if adapter.find_order(order.reference) is None:
            created(adapter, order)
        assert len(shop.orders(order.reference)) == 1

    def test_a_busy_shop_is_asked_again_later(self, adapter: Adapter, shop: ContractShop) -> None:
        self._needs(shop, "busy_429")
        shop.fail("busy_429")
        order = new_order("B-5", [(shop.simple, 1, "24.90")])
        [outcome] = adapter.create_orders([order])
        assert isinstance(outcome, Rejected)
        assert outcome.retry
        shop.mend()
        assert shop.orders("B-5") == []
        created(adapter, order)

    def test_a_shop_that_is_down_did_nothing(self, adapter: Adapter, shop: ContractShop) -> None:
        self._needs(shop, "down")
        shop.fail("down")
        order = new_order("B-6", [(shop.simple, 1, "24.90")])
        for call in self._calls(adapter, order):
            with pytest.raises(ShopUnavailable):
                call()
        shop.mend()
        assert shop.orders("B-6") == []
        created(adapter, order)

    def test_a_shop_that_breaks_within_a_batch_has_an_outcome_for_each(
        self, adapter: Adapter, shop: ContractShop
    ) -> None:
        """What was not created is unknown, or surely was not sent; nothing is raised for what was."""
        self._needs(shop, "lost_before")
        orders = [new_order(f"B-7-{number}", [(shop.simple, 1, "5.00")]) for number in range(3)]
        shop.fail("lost_before")
        outcomes = outcomes_of(adapter, orders)
        shop.mend()
        shop.pass_time(adapter.capabilities.settle_seconds)
        assert [one for one in outcomes.values() if not isinstance(one, Created)]
        for order in orders:
            outcome = outcomes[order.reference]
            assert isinstance(outcome, Created | Unknown) or outcome.retry, outcome
            if not isinstance(outcome, Created) and adapter.find_order(order.reference) is None:
                created(adapter, order)
            assert len(shop.orders(order.reference)) == 1

    @pytest.mark.parametrize("effect", [False, True], ids=["without its effect", "with its effect"])
    def test_interrupted_at_any_of_its_requests(self, adapter: Adapter, shop: ContractShop, *, effect: bool) -> None:
        """As if the connector were killed there: whoever comes after finds the order whole, or makes it, once."""
        self._needs(shop, "interrupted")
        created(adapter, new_order("B-8", [(shop.simple, 1, "5.00")]))
        for after in range(MOST_REQUESTS):
            stock = shop.stock(shop.simple)
            order = new_order(f"B-8-{after}", [(shop.simple, 2, "24.90")], shipping="4.90")
            happened = shop.interrupt(after, effect=effect)
            with contextlib.suppress(ShopUnavailable):
                adapter.create_orders([order])
            shop.mend()
            shop.pass_time(adapter.capabilities.settle_seconds)
            if adapter.find_order(order.reference) is None:
                created(adapter, order)
            [held] = shop.orders(order.reference)
            assert (held.status, held.total) == ("to_ship", order.total), f"after {after} requests"
            assert shop.stock(shop.simple) == stock - 2, f"after {after} requests"
            if not happened():
                break
        else:
            pytest.fail(f"an order takes more than {MOST_REQUESTS} requests")

    def test_what_the_merchant_did_meanwhile_is_not_undone(self, adapter: Adapter, shop: ContractShop) -> None:
        order = new_order("A-4", [(shop.simple, 1, "24.90")])
        made = created(adapter, order)
        shop.ship(made.id, SHIPPED)
        shipped, stock = shop.orders("A-4"), shop.stock(shop.simple)
        assert created(adapter, order).id == made.id
        assert adapter.find_order("A-4") == ShopOrder(made.id, "A-4")
        assert (shop.orders("A-4"), shop.stock(shop.simple)) == (shipped, stock)

    # Finding

    def test_an_order_is_found_by_its_whole_reference_only(self, adapter: Adapter, shop: ContractShop) -> None:
        one, other = new_order("C-1", [(shop.simple, 1, "5.00")]), new_order("C-10", [(shop.simple, 1, "5.00")])
        assert adapter.find_order("C-1") is None
        longer = created(adapter, other)
        assert adapter.find_order("C-1") is None
        shorter = created(adapter, one)
        assert adapter.find_order("C-1") == ShopOrder(shorter.id, "C-1")
        assert adapter.find_order("C-10") == ShopOrder(longer.id, "C-10")
        for near in ("C-", "c-1", "C_1", "C%", "-1", ""):
            assert adapter.find_order(near) is None, near

    @pytest.mark.parametrize("reference", ["m&s+é-1", "50%-_-1", "a b/c?d=e#f", 'O\'Hara "x" <1>'])
    def test_special_characters_in_a_reference(self, adapter: Adapter, shop: ContractShop, reference: str) -> None:
        made = created(adapter, new_order(reference, [(shop.simple, 1, "5.00")]))
        assert adapter.find_order(reference) == ShopOrder(made.id, reference)

    def test_products_are_found_in_bulk(self, adapter: Adapter, shop: ContractShop) -> None:
        wanted = [one for one in (shop.simple, shop.another, shop.variant, shop.unknown) if one]
        found = adapter.find_products(wanted)
        if found is None:
            pytest.skip("the adapter keeps no products to compare with")
        assert set(found) == set(wanted) - {shop.unknown}
        assert all(found[one].reference == one and found[one].shop_product_id for one in found)
        assert found[shop.simple].stock == shop.stock(shop.simple)
        assert adapter.find_products([]) == {}

    def test_many_products_are_all_found(self, adapter: Adapter, shop: ContractShop) -> None:
        wanted = [shop.simple, *(f"{shop.unknown}-{number}" for number in range(250)), shop.another]
        found = adapter.find_products(wanted)
        if found is None:
            pytest.skip("the adapter keeps no products to compare with")
        assert set(found) == {shop.simple, shop.another}

    def test_the_catalogue_has_each_thing_for_sale_once(self, adapter: Adapter, shop: ContractShop) -> None:
        products = list(self._catalogue(adapter).products())
        ids = [one.id for one in products]
        assert len(set(ids)) == len(ids)
        by_sku = {one.sku: one for one in products}
        wanted = [sku for sku in (shop.simple, shop.another, shop.variant) if sku]
        assert sorted(one.sku for one in products if one.sku in wanted) == sorted(wanted)
        assert shop.unknown not in by_sku
        for sku in wanted:
            one = by_sku[sku]
            assert (one.stock, bool(one.title), len(one.currency)) == (shop.stock(sku), True, 3), one
            assert one.price > 0
        assert by_sku[shop.simple].parent_id == ""
        if shop.variant:
            assert by_sku[shop.variant].parent_id not in ("", by_sku[shop.variant].id)
            assert by_sku[shop.variant].parent_id not in ids, "a product with variants is listed as these"

    def test_the_catalogue_of_a_shop_that_is_down(self, adapter: Adapter, shop: ContractShop) -> None:
        self._needs(shop, "down")
        catalogue = self._catalogue(adapter)
        shop.fail("down")
        with pytest.raises(ShopUnavailable):
            list(catalogue.products())

    def _catalogue(self, adapter: Adapter) -> Catalogue:
        assert isinstance(adapter, Catalogue) == adapter.capabilities.catalogue
        if not isinstance(adapter, Catalogue):
            pytest.skip("the adapter lists no products")
        return adapter

    def test_a_variant_is_sold_as_itself(self, adapter: Adapter, shop: ContractShop) -> None:
        if not shop.variant:
            pytest.skip("the platform has no variants")
        stock = shop.stock(shop.variant)
        created(adapter, new_order("C-2", [(shop.variant, 2, "30.00")]))
        [held] = shop.orders("C-2")
        assert held.lines == ((shop.variant, 2),)
        assert shop.stock(shop.variant) == stock - 2

    def test_an_ambiguous_sku_is_refused(self, adapter: Adapter, shop: ContractShop) -> None:
        if not shop.ambiguous:
            pytest.skip("the platform forbids that two products have one SKU")
        found = adapter.find_products([shop.ambiguous])
        assert found is not None
        assert found[shop.ambiguous].also, "the further products are named"
        [outcome] = adapter.create_orders([new_order("C-3", [(shop.ambiguous, 1, "5.00")])])
        assert isinstance(outcome, Rejected)
        assert (outcome.retry, outcome.field) == (False, "sku")
        assert shop.ambiguous in outcome.reason
        assert shop.orders("C-3") == []

    def test_an_unknown_sku_never_becomes_a_blank_line(self, adapter: Adapter, shop: ContractShop) -> None:
        order = new_order("C-4", [(shop.unknown, 3, "45.30")])
        [outcome] = adapter.create_orders([order])
        if isinstance(outcome, Rejected):
            assert shop.unknown in outcome.reason
            assert shop.orders("C-4") == []
        else:
            [held] = shop.orders("C-4")
            assert (held.total, held.lines) == (order.total, ((shop.unknown, 3),))

    # Batches and totals

    def test_a_batch_with_a_bad_order_fails_only_that_one(self, adapter: Adapter, shop: ContractShop) -> None:
        good = [new_order(f"D-{number}", [(shop.simple, 1, "5.00")]) for number in range(4)]
        outcomes = outcomes_of(adapter, [*good[:2], shop.refused("D-bad"), *good[2:]])
        assert isinstance(outcomes["D-bad"], Rejected), outcomes["D-bad"]
        assert not outcomes["D-bad"].retry
        assert outcomes["D-bad"].reason
        assert shop.orders("D-bad") == []
        for order in good:
            assert isinstance(outcomes[order.reference], Created)
            assert len(shop.orders(order.reference)) == 1

    def test_a_full_batch(self, adapter: Adapter, shop: ContractShop) -> None:
        stock, size = shop.stock(shop.simple), adapter.capabilities.batch_size
        orders = [new_order(f"D-{number:03}", [(shop.simple, 1, "5.00")]) for number in range(size)]
        assert {type(one) for one in outcomes_of(adapter, orders).values()} == {Created}
        assert all(len(shop.orders(order.reference)) == 1 for order in orders)
        assert shop.stock(shop.simple) == stock - size

    def test_totals_are_right_to_the_cent(self, adapter: Adapter, shop: ContractShop) -> None:
        for name in shop.tax_settings or ("none",):
            if shop.tax_settings:
                shop.set_taxes(name)
            for number, (lines, shipping, fee) in enumerate(AMOUNTS):
                order = new_order(
                    f"E-{name}-{number}",
                    [((shop.simple, shop.another)[place % 2], *line) for place, line in enumerate(lines)],
                    shipping=shipping,
                    fee=fee,
                    country=("FR", "DE", "IT")[number % 3],
                )
                created(adapter, order)
                [held] = shop.orders(order.reference)
                assert held.total == order.total, (name, lines, shipping, fee)

    # Stock, and what the marketplace delivers

    def test_a_sale_takes_its_stock(self, adapter: Adapter, shop: ContractShop) -> None:
        stock = shop.stock(shop.simple)
        created(adapter, new_order("F-1", [(shop.simple, 3, "15.00")]))
        assert shop.stock(shop.simple) == stock - 3

    def test_stock_stays_where_it_is_asked_to(self, adapter: Adapter, shop: ContractShop) -> None:
        stock = shop.stock(shop.simple)
        made = created(adapter, new_order("F-2", [(shop.simple, 3, "15.00")], decrease_stock=False))
        assert shop.stock(shop.simple) == stock
        assert adapter.find_order("F-2") == ShopOrder(made.id, "F-2")
        assert shop.stock(shop.simple) == stock

    @pytest.mark.parametrize("decrease_stock", [False, True])
    def test_an_order_that_the_marketplace_delivers(
        self, adapter: Adapter, shop: ContractShop, *, decrease_stock: bool
    ) -> None:
        capabilities = adapter.capabilities
        if not capabilities.imports_delivered_by_marketplace:
            assert capabilities.delivered_by_marketplace_reason, "a platform that cannot says why"
            pytest.skip(capabilities.delivered_by_marketplace_reason)
        stock = shop.stock(shop.simple)
        order = new_order(
            "F-3", [(shop.simple, 2, "15.00")], delivered_by_marketplace=True, decrease_stock=decrease_stock
        )
        created(adapter, order)
        [held] = shop.orders("F-3")
        assert (held.status, held.total) == ("shipped", Decimal("15.00"))
        assert shop.stock(shop.simple) == stock - (2 if decrease_stock else 0)

    @pytest.mark.parametrize("address", ["without lines", "none"])
    def test_an_order_whose_address_the_marketplace_keeps_to_itself(
        self, adapter: Adapter, shop: ContractShop, address: str
    ) -> None:
        if not adapter.capabilities.imports_delivered_by_marketplace:
            pytest.skip(adapter.capabilities.delivered_by_marketplace_reason)
        order = new_order("F-4", [(shop.simple, 1, "15.00")], delivered_by_marketplace=True)
        billing = Address(first_name="Zoé", last_name="Martin", country="FR")
        delivery = billing if address == "without lines" else None
        package = msgspec.structs.replace(order.package, delivery=delivery)
        known = msgspec.structs.replace(order.order, packages=(package,), billing=billing)
        created(adapter, msgspec.structs.replace(order, order=known, package=package))
        [held] = shop.orders("F-4")
        assert (held.status, held.total) == ("shipped", order.total)

    # Changes at the marketplace

    def test_a_cancelled_order_gives_its_stock_back_once(self, adapter: Adapter, shop: ContractShop) -> None:
        stock = shop.stock(shop.simple)
        made = self._with_update(adapter, shop, "cancel", "G-1")
        for _ in range(2):
            self._updated(adapter, made, Cancel("the buyer cancelled"))
        [held] = shop.orders("G-1")
        assert held.status == "cancelled"
        assert shop.stock(shop.simple) == stock

    def test_an_order_shipped_elsewhere_is_marked_so(self, adapter: Adapter, shop: ContractShop) -> None:
        made = self._with_update(adapter, shop, "ship", "G-2")
        stock = shop.stock(shop.simple)
        for _ in range(2):
            self._updated(adapter, made, MarkShipped(Tracking(carrier_name="DPD", number="X1")))
        [held] = shop.orders("G-2")
        assert held.status == "shipped"
        assert shop.stock(shop.simple) == stock
        assert list(adapter.shipments_of(made.id)) == [], "what the connector told the shop is not told back"

    def test_a_corrected_address_keeps_the_total(self, adapter: Adapter, shop: ContractShop) -> None:
        for name in shop.tax_settings or ("none",):
            if shop.tax_settings:
                shop.set_taxes(name)
            made = self._with_update(adapter, shop, "address", f"G-3-{name}")
            moved = Address(
                first_name="Max", last_name="Weiß", first_line="Ring 1", zipcode="10115", city="Berlin", country="DE"
            )
            self._updated(adapter, made, CorrectAddress(delivery=moved))
            [held] = shop.orders(f"G-3-{name}")
            assert (held.delivery_name, held.delivery_city) == ("Max Weiß", "Berlin")
            assert held.total == Decimal("54.70"), name

    def test_a_refund_is_booked_once(self, adapter: Adapter, shop: ContractShop) -> None:
        made = self._with_update(adapter, shop, "refund", "G-4")
        stock = shop.stock(shop.simple)
        for _ in range(2):
            self._updated(adapter, made, Refund("r1", Decimal("10.00"), "damaged"))
        self._updated(adapter, made, Refund("r2", Decimal("2.50")))
        [held] = shop.orders("G-4")
        assert held.refunded == Decimal("12.50")
        assert shop.stock(shop.simple) == stock

    def test_returned_goods_go_back_on_stock(self, adapter: Adapter, shop: ContractShop) -> None:
        made = self._with_update(adapter, shop, "refund", "G-5")
        stock = shop.stock(shop.simple)
        for _ in range(2):
            self._updated(adapter, made, Refund("r1", Decimal("49.80"), line_ids=("G-5-1",), restock=True))
        [held] = shop.orders("G-5")
        assert held.refunded == Decimal("49.80")
        assert shop.stock(shop.simple) == stock + 2

    def test_cancelled_lines_give_their_stock_back_once_and_the_rest_stays(
        self, adapter: Adapter, shop: ContractShop
    ) -> None:
        if "lines" not in adapter.capabilities.updates:
            pytest.skip("the adapter does not bring the change 'lines'")
        stock = shop.stock(shop.simple), shop.stock(shop.another)
        order = new_order("G-6", [(shop.simple, 2, "49.80"), (shop.another, 1, "9.90")], shipping="4.90")
        made = created(adapter, order)
        for _ in range(2):
            self._updated(adapter, made, CancelLines(("G-6-2",), Decimal("9.90"), "out of stock"))
        [held] = shop.orders("G-6")
        assert (held.status, held.total - held.refunded) == ("to_ship", Decimal("54.70"))
        assert (shop.stock(shop.simple), shop.stock(shop.another)) == (stock[0] - 2, stock[1])

    def test_amended_amounts_are_what_the_order_comes_to(self, adapter: Adapter, shop: ContractShop) -> None:
        made = self._with_update(adapter, shop, "amounts", "G-7")
        stock = shop.stock(shop.simple)
        for _ in range(2):
            line = AmendedLine("G-7-1", 1, Decimal("24.90"))
            self._updated(adapter, made, AmendAmounts((line,), shipping=Decimal("5.90")))
        [held] = shop.orders("G-7")
        assert (held.total, held.lines) == (Decimal("30.80"), ((shop.simple, 1),))
        assert shop.stock(shop.simple) == stock + 1

    def test_what_the_shop_shipped_is_not_cancelled_and_keeps_its_tracking(
        self, adapter: Adapter, shop: ContractShop
    ) -> None:
        made = self._with_update(adapter, shop, "cancel", "G-8")
        shop.ship(made.id, SHIPPED)
        told = [event.tracking.number for event in adapter.shipments_of(made.id)]
        stock = shop.stock(shop.simple)
        moved = Address(first_name="Max", last_name="Weiß", first_line="Ring 1", zipcode="1", city="Bonn", country="DE")
        changes: dict[str, Change] = {"cancel": Cancel(), "address": CorrectAddress(delivery=moved)}
        changes |= {"lines": CancelLines(("G-8-1",), Decimal("49.80"))}
        for name in adapter.capabilities.updates:
            if name in changes:
                outcome = adapter.update_order(made, changes[name])
                assert isinstance(outcome, Rejected), name
                assert (outcome.reference, outcome.retry) == ("G-8", False), name
                assert "shipped" in outcome.reason, name
        if "ship" in adapter.capabilities.updates:
            self._updated(adapter, made, MarkShipped(Tracking(carrier_name="DPD", number="X1")))
        assert [event.tracking.number for event in adapter.shipments_of(made.id)] == told == [SHIPPED.number]
        [held] = shop.orders("G-8")
        assert (held.status != "cancelled", held.delivery_city, held.total) == (True, "Lyon", Decimal("54.70"))
        assert shop.stock(shop.simple) == stock

    def test_what_the_shop_cancelled_is_not_shipped(self, adapter: Adapter, shop: ContractShop) -> None:
        made = self._with_update(adapter, shop, "ship", "G-9")
        if "cancel" not in adapter.capabilities.updates:
            pytest.skip("the suite cancels by the adapter")
        self._updated(adapter, made, Cancel())
        outcome = adapter.update_order(made, MarkShipped())
        assert isinstance(outcome, Rejected)
        assert not outcome.retry
        [held] = shop.orders("G-9")
        assert held.status == "cancelled"

    def test_a_change_to_an_order_that_is_gone_is_refused(self, adapter: Adapter) -> None:
        changes: dict[str, Change] = {"cancel": Cancel(), "ship": MarkShipped()}
        for name in adapter.capabilities.updates:
            if name in changes:
                outcome = adapter.update_order(ShopOrder("999999999", "gone"), changes[name])
                assert isinstance(outcome, Rejected)
                assert (outcome.reference, outcome.retry) == ("gone", False)

    # Shipments

    def test_a_shipment_is_found_by_polling(self, adapter: Adapter, shop: ContractShop) -> None:
        if not adapter.capabilities.polling:
            pytest.skip("the adapter does not poll")
        made = created(adapter, new_order("H-1", [(shop.simple, 1, "5.00")]))
        first = self._poll(adapter, "")
        assert [one for one in first[0] if one.kind == "shipment"] == []
        shop.ship(made.id, SHIPPED)
        events, cursor = self._poll(adapter, first[1])
        [event] = [one for one in events if one.kind == "shipment"]
        assert (event.shop_order_id, event.reference) == (made.id, "H-1")
        link = SHIPPED.url if self.keeps_tracking_urls else ""
        assert (event.tracking.number, event.tracking.url) == (SHIPPED.number, link)
        assert SHIPPED.carrier_name in (event.tracking.carrier_name, event.tracking.carrier_code)
        again, _ = self._poll(adapter, cursor)
        assert {one.id for one in again} <= {event.id}, "the same shipment keeps its event id"
        assert [one.id for one in adapter.shipments_of(made.id)] == [event.id]

    def test_polling_pages_through_many_orders(self, adapter: Adapter, shop: ContractShop) -> None:
        if not adapter.capabilities.polling:
            pytest.skip("the adapter does not poll")
        orders = [new_order(f"H-2-{number}", [(shop.simple, 1, "5.00")]) for number in range(105)]
        made = []
        for start in range(0, len(orders), adapter.capabilities.batch_size):
            outcomes = adapter.create_orders(orders[start : start + adapter.capabilities.batch_size])
            made += [one.shop_order.id for one in outcomes if isinstance(one, Created)]
        for shop_order_id in made:
            shop.ship(shop_order_id, SHIPPED)
        events, _ = self._poll(adapter, "")
        assert {one.shop_order_id for one in events if one.kind == "shipment"} == set(made)
        assert len(made) == len(orders)

    def test_a_signed_delivery_tells_the_shipment(self, adapter: Adapter, shop: ContractShop) -> None:
        for secret in self.secrets:
            made, delivery = self._delivery(adapter, shop, f"I-{self.secrets.index(secret)}", secret)
            assert adapter.verify(delivery)
            [event] = adapter.events(delivery)
            assert event.id
            assert (event.kind, event.shop_order_id) == ("shipment", made.id)
            assert event.tracking.number == SHIPPED.number
            assert not adapter.greets(delivery)

    def test_a_repeated_delivery_is_known_by_its_ids(self, adapter: Adapter, shop: ContractShop) -> None:
        _, delivery = self._delivery(adapter, shop, "I-7", self.secrets[0])
        assert adapter.verify(delivery) == adapter.verify(delivery)
        assert [one.id for one in adapter.events(delivery)] == [one.id for one in adapter.events(delivery)]

    def test_webhook_and_polling_tell_one_event(self, adapter: Adapter, shop: ContractShop) -> None:
        if not adapter.capabilities.polling:
            pytest.skip("the adapter does not poll")
        made, delivery = self._delivery(adapter, shop, "I-8", self.secrets[0], ship=True)
        told = {one.id for one in adapter.events(delivery)}
        assert told == {one.id for one in adapter.shipments_of(made.id)}

    def test_an_unproven_delivery_is_refused(self, adapter: Adapter, shop: ContractShop) -> None:
        _, delivery = self._delivery(adapter, shop, "I-9", self.secrets[0])
        foreign = shop.webhook("1", SHIPPED, STRANGER)
        assert foreign is not None
        spoiled = {**shop.spoiled(delivery), "another shop's secret": foreign, "nothing at all": Request({}, b"")}
        for what, request in spoiled.items():
            with pytest.raises(SignatureError):
                pytest.fail(f"accepted: {what} as {adapter.verify(request)}")

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"\xff\xfe", b"[]", b"null", b'"x"', b"1e999999", b"[" * 100_000], ids=lambda body: body[:9]
    )
    def test_a_signed_body_that_is_no_event(self, adapter: Adapter, body: bytes) -> None:
        with pytest.raises(PayloadInvalid):
            pytest.fail(f"taken for {adapter.events(Request({}, body))}")

    # Listing

    def test_its_orders_are_listed_as_they_stand(self, adapter: Adapter, shop: ContractShop) -> None:
        since = datetime.now(UTC) - timedelta(hours=3)
        opened = self._with_listing(adapter, "J-1", [(shop.simple, 2, "49.80")], "4.90")
        shipped = self._with_listing(adapter, "J-2", [(shop.another, 1, "9.99")])
        shop.ship(shipped.id, SHIPPED)
        listed = {one.reference: one for one in self._listed(adapter, since)}
        assert set(listed) == {"J-1", "J-2"}
        assert (listed["J-1"].id, listed["J-1"].state) == (opened.id, "open")
        assert (listed["J-2"].id, listed["J-2"].state) == (shipped.id, "shipped")
        assert (listed["J-1"].total, listed["J-1"].currency) == (Decimal("54.70"), "EUR")
        assert abs(listed["J-1"].created_at - datetime.now(UTC)) < timedelta(hours=3)
        assert self._listed(adapter, datetime.now(UTC) + timedelta(days=1)) == []

    def test_a_listed_order_tells_what_the_connector_did_to_it(self, adapter: Adapter, shop: ContractShop) -> None:
        changes: dict[str, Change] = {
            "cancel": Cancel(),
            "ship": MarkShipped(),
            "refund": Refund("r1", Decimal("9.90")),
        }
        for name, change in changes.items():
            made = self._with_listing(adapter, f"J-{name}", [(shop.simple, 1, "5.00")], "4.90")
            if name in adapter.capabilities.updates:
                self._updated(adapter, made, change)
        told = {one.reference: one.state for one in self._listed(adapter, datetime.now(UTC) - timedelta(hours=3))}
        words = {"cancel": "cancelled", "ship": "shipped", "refund": "refunded"}
        assert told == {
            f"J-{name}": words[name] if name in adapter.capabilities.updates else "open" for name in changes
        }

    def test_many_orders_are_all_listed(self, adapter: Adapter, shop: ContractShop) -> None:
        self._with_listing(adapter, "J-3", [(shop.simple, 1, "5.00")])
        orders = [new_order(f"J-3-{number}", [(shop.simple, 1, "5.00")]) for number in range(205)]
        for start in range(0, len(orders), adapter.capabilities.batch_size):
            adapter.create_orders(orders[start : start + adapter.capabilities.batch_size])
        listed = self._listed(adapter, datetime.now(UTC) - timedelta(hours=3))
        assert {one.reference for one in listed} == {"J-3", *(order.reference for order in orders)}

    # For the person who sets it up

    def test_check_is_content_with_a_shop_that_is_well(self, adapter: Adapter) -> None:
        findings = adapter.check()
        assert findings
        assert [one for one in findings if not one.ok] == []

    def test_check_tells_what_to_do_when_the_shop_is_down(self, adapter: Adapter, shop: ContractShop) -> None:
        self._needs(shop, "down")
        shop.fail("down")
        bad = [one for one in adapter.check() if not one.ok]
        shop.mend()
        assert bad
        assert all(one.sentence and one.what_to_do for one in bad)

    # What the tests share

    def _failed_once(self, adapter: Adapter, shop: ContractShop, fault: Fault, reference: str) -> NewOrder:
        """Creates an order that meets a fault; the outcome is unknown."""
        self._needs(shop, fault)
        order = new_order(reference, [(shop.simple, 1, "24.90")], shipping="4.90")
        shop.fail(fault)
        [outcome] = adapter.create_orders([order])
        shop.mend()
        shop.pass_time(adapter.capabilities.settle_seconds)
        assert isinstance(outcome, Unknown), outcome
        assert (outcome.reference, bool(outcome.reason)) == (reference, True)
        return order

    def _needs(self, shop: ContractShop, fault: Fault) -> None:
        if fault not in shop.faults:
            pytest.skip(f"the shop cannot play the fault {fault}")

    def _calls(self, adapter: Adapter, order: NewOrder) -> list[Callable[[], object]]:
        calls: list[Callable[[], object]] = [
            lambda: adapter.create_orders([order]),
            lambda: adapter.find_order(order.reference),
            lambda: adapter.shipments_of("1"),
        ]
        if adapter.capabilities.updates:
            calls.append(lambda: adapter.update_order(ShopOrder("1"), Cancel()))
        if adapter.capabilities.polling:
            calls.append(lambda: adapter.shipments_since(""))
        return calls

    def _with_update(self, adapter: Adapter, shop: ContractShop, change: str, reference: str) -> ShopOrder:
        if change not in adapter.capabilities.updates:
            pytest.skip(f"the adapter does not bring the change {change!r}")
        return created(adapter, new_order(reference, [(shop.simple, 2, "49.80")], shipping="4.90"))

    def _updated(self, adapter: Adapter, shop_order: ShopOrder, change: Change) -> None:
        outcome = adapter.update_order(shop_order, change)
        assert outcome == Updated(shop_order.reference), outcome

    def _poll(self, adapter: Adapter, cursor: str) -> tuple[list[Any], str]:
        events: list[Any] = []
        while True:
            page = adapter.shipments_since(cursor)
            events += page.events
            cursor = page.cursor
            if not page.more:
                return events, cursor

    def _with_listing(self, adapter: Adapter, reference: str, lines: Any, shipping: str = "0") -> ShopOrder:
        if not adapter.capabilities.listing:
            pytest.skip("the adapter does not list its orders")
        return created(adapter, new_order(reference, lines, shipping=shipping))

    def _listed(self, adapter: Adapter, since: datetime) -> list[ListedOrder]:
        assert isinstance(adapter, Listing)
        found: list[ListedOrder] = []
        cursor, more = "", True
        while more:
            page = adapter.orders_since(since, cursor)
            found += page.orders
            cursor, more = page.cursor, page.more
        return found

    def _delivery(
        self, adapter: Adapter, shop: ContractShop, reference: str, secret: Secret, *, ship: bool = False
    ) -> tuple[ShopOrder, Request]:
        made = created(adapter, new_order(reference, [(shop.simple, 1, "5.00")]))
        if ship:
            shop.ship(made.id, SHIPPED)
        delivery = shop.webhook(made.id, SHIPPED, secret)
        if delivery is None:
            pytest.skip("the platform has no webhooks")
        return made, delivery


SHIPPED = Tracking(carrier_name="Colissimo", number="6A00000000001", url="https://track.example.com/6A00000000001")

MOST_REQUESTS = 40
"""That one order may take."""

STRANGER = Secret("whsec_" + "c3RyYW5nZXI" * 4)

AMOUNTS: Sequence[tuple[Sequence[tuple[int, str]], str, str]] = (
    ([(1, "9.99")], "0", "0"),
    ([(3, "0.01")], "0", "0"),
    ([(3, "10.00"), (1, "0.10")], "4.90", "0"),
    ([(1, "3.33"), (1, "3.33"), (1, "3.34")], "3.99", "1.00"),
    ([(7, "99.99"), (2, "19.90"), (1, "4.95"), (5, "12.35")], "5.95", "2.49"),
    ([(1, "1234.56"), (11, "87.89")], "0.01", "0.01"),
    ([(1, "0.00")], "2.00", "0"),
    ([(13, "13.13"), (17, "17.17"), (19, "19.19")], "6.66", "0.05"),
)
"""Lines (quantity, line total), shipping, fee: three-way splits, odd cents, free lines."""


def new_order(
    reference: str,
    lines: Sequence[tuple[str, int, str]],
    *,
    shipping: str = "0",
    fee: str = "0",
    country: str = "FR",
    delivered_by_marketplace: bool = False,
    decrease_stock: bool | None = None,
    currency: str = "EUR",
    status: str = "waiting_shipment",
    **address: str,
) -> NewOrder:
    """An order ready for `create_orders`. `lines`: SKU, quantity, line total. Line ids are the reference and a number."""
    delivery = Address(
        **{
            "first_name": "Zoé",
            "last_name": "Martin",
            "first_line": "3 rue des Tests",
            "zipcode": "69001",
            "city": "Lyon",
            "country": country,
            "phone": "+33100000000",
            "email": "zoe.martin@example.com",
            **address,
        }
    )
    cart = tuple(
        Line(
            id=f"{reference}-{number}",
            sku=sku,
            title=f"Article {sku}",
            quantity=quantity,
            amount=Decimal(amount),
            tax=None,
            status="waiting_shipment",
        )
        for number, (sku, quantity, amount) in enumerate(lines, 1)
    )
    ordered_at = datetime.now(UTC) - timedelta(hours=2)
    package = Package(lines=cart, delivery=delivery)
    order = Order(
        marketplace="manomano_fr",
        marketplace_order_id=f"M-{reference}",
        status=status,
        marketplace_status=status,
        ordered_at=ordered_at,
        imported_at=ordered_at,
        updated_at=ordered_at,
        currency=currency,
        total=sum((line.amount for line in cart), Decimal(shipping) + Decimal(fee)),
        total_tax=None,
        shipping=Decimal(shipping),
        processing_fee=Decimal(fee),
        commission=None,
        packages=(package,),
        billing=delivery,
        customer_id="C1",
        comment="",
        types=("is_delivered_by_marketplace",) if delivered_by_marketplace else (),
        anonymized=False,
        merchant_order_ids=(),
        catalogues=(),
    )
    return NewOrder(
        reference=reference,
        order=order,
        package=package,
        lines=cart,
        shipping=Decimal(shipping),
        processing_fee=Decimal(fee),
        delivered_by_marketplace=delivered_by_marketplace,
        decrease_stock=not delivered_by_marketplace if decrease_stock is None else decrease_stock,
    )


def context_for(
    adapter: type[Adapter],
    settings: Mapping[str, Any],
    secrets: Sequence[Secret] = (),
    *,
    store_url: str = "sqlite:///:none:",
    call_timeout: float = 30,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    unknown_products: Literal["hold", "import"] = "hold",
) -> AdapterContext:
    """The context of a shop called `main`; `settings` are the platform's own keys."""

    def secret(kind: type, value: Any) -> Any:
        return Secret(value) if kind is Secret else value

    return AdapterContext(
        shop="main",
        settings=msgspec.convert(dict(settings), adapter.settings_type, dec_hook=secret),
        store_url=store_url,
        webhook_secrets=tuple(secrets),
        clock=clock,
        call_timeout=call_timeout,
        unknown_products=unknown_products,
    )


def created(adapter: Adapter, order: NewOrder) -> ShopOrder:
    """The shop order of one that must succeed."""
    [outcome] = adapter.create_orders([order])
    assert isinstance(outcome, Created), outcome
    return outcome.shop_order


def outcomes_of(adapter: Adapter, orders: Sequence[NewOrder]) -> dict[str, Outcome]:
    """The outcomes by reference; there must be one for each."""
    outcomes = {outcome.reference: outcome for outcome in adapter.create_orders(orders)}
    assert set(outcomes) == {order.reference for order in orders}
    return outcomes
