"""What happens at Lengow to an order that is in a shop is brought there, put to a person, or ignored, as configured."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from lengow.adapters.generic import GenericAdapter
from lengow.connector.adapter import Capabilities, CorrectAddress, MarkShipped, Rejected, Unknown
from lengow.connector.errors import ChangeSettled, ChangeUnknown, SettingsError, ShopUnavailable
from lengow.connector.model import ChangeState, StepKind
from lengow.connector.settings import Follow, Settings
from lengow.connector.store.rows import ChangeRow

ALL = tuple(ChangeState)
SHIP = {"carrier": "COLISSIMO", "tracking_number": "6A1"}
APPLY_ALL = Follow(refunded="apply", amounts="apply")


def bought(merchant: Any, kind: str = "standard") -> str:
    """An order that is in the shop, and known to be there at Lengow."""
    [order_id] = merchant.sells(1, kind)
    merchant.sync()
    assert merchant.state(order_id) == ("created", "")
    return str(order_id)


def later(merchant: Any) -> None:
    """Lengow collects, and the connector looks."""
    merchant.sandbox.advance(minutes=15)
    merchant.sync()


def changes(merchant: Any, order_id: str) -> list[ChangeRow]:
    """Oldest first."""
    order = merchant.order(order_id).order
    return list(merchant.connector.store.changes_of([order.id])[order.id])


def told(merchant: Any, order_id: str) -> list[tuple[str, str, str]]:
    return [(str(row.kind), str(row.state), row.reason) for row in changes(merchant, order_id)]


def in_shop(merchant: Any, columns: str) -> tuple[Any, ...]:
    [row] = merchant.rows(f"SELECT {columns} FROM shop_orders")
    return tuple(row)


class TestEachKind:
    def test_a_cancellation(self, merchant: Any) -> None:
        order_id = bought(merchant)
        merchant.sandbox.cancel(order_id)
        later(merchant)
        assert told(merchant, order_id) == [("cancelled", "applied", "")]
        assert in_shop(merchant, "status") == ("cancelled",)
        assert {"amended", "change_found", "change_applied"} <= set(merchant.journal(order_id))

    def test_cancelled_lines(self, merchant: Any) -> None:
        order_id = bought(merchant, "multi_line")
        lines = merchant.rows("SELECT line_id, amount FROM shop_order_lines ORDER BY id")
        total = Decimal(in_shop(merchant, "total")[0])
        merchant.sandbox.cancel(order_id, line_ids=[lines[0][0]])
        later(merchant)
        assert told(merchant, order_id) == [("lines", "applied", "")]
        assert merchant.rows("SELECT line_id FROM shop_order_lines ORDER BY id") == [(line,) for line, _ in lines[1:]]
        status, after = in_shop(merchant, "status, total")
        assert (status, Decimal(after)) == ("to_ship", total - Decimal(lines[0][1]))
        merchant.sandbox.cancel(order_id)
        later(merchant)
        assert told(merchant, order_id)[1:] == [("cancelled", "applied", "")]
        assert in_shop(merchant, "status") == ("cancelled",)

    def test_a_shipment_without_the_shop(self, merchant: Any) -> None:
        order_id = bought(merchant)
        merchant.sandbox.ship(
            order_id, carrier="COLISSIMO", tracking_number="6A1", tracking_url="https://track.example"
        )
        later(merchant)
        assert told(merchant, order_id) == [("shipped", "applied", "")]
        [row] = changes(merchant, order_id)
        assert isinstance(row.body, MarkShipped)
        assert (row.body.tracking.carrier_name, row.body.tracking.url) == ("COLISSIMO", "https://track.example")
        assert in_shop(merchant, "status, tracking_number") == ("shipped", "6A1")
        later(merchant)
        assert merchant.sandbox.ledger().told == (), "and is not told back"

    def test_corrected_addresses(self, merchant: Any) -> None:
        order_id = bought(merchant)
        merchant.sandbox.amend(order_id, {"delivery": {"city": "Sète", "zipcode": "34200"}})
        later(merchant)
        merchant.sandbox.amend(order_id, {"billing": {"city": "Nice"}})
        later(merchant)
        assert told(merchant, order_id) == [("address", "applied", "")] * 2
        assert in_shop(merchant, "delivery_city, delivery_zipcode, billing_city") == ("Sète", "34200", "Nice")

    def test_amended_amounts_wait_for_a_person_unless_configured(self, make_merchant: Callable[..., Any]) -> None:
        for follow, state, reason in ((Follow(), "waiting", "asked_by_settings"), (APPLY_ALL, "applied", "")):
            merchant = make_merchant(follow=follow)
            order_id = bought(merchant)
            before = in_shop(merchant, "shipping")
            merchant.sandbox.amend(order_id, {"shipping": "17.00", "quantity": 4})
            later(merchant)
            assert told(merchant, order_id) == [("amounts", state, reason)]
            assert in_shop(merchant, "shipping") == (("17.0",) if state == "applied" else before)
            if state == "applied":
                [(quantity, amount)] = merchant.rows("SELECT quantity, amount FROM shop_order_lines")
                fee, total = map(Decimal, in_shop(merchant, "processing_fee, total"))
                assert (quantity, total) == (4, Decimal(amount) + 17 + fee)

    def test_refunds_are_booked_once_each(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(follow=APPLY_ALL)
        order_id = bought(merchant, "multi_line")
        lines = dict(merchant.rows("SELECT line_id, amount FROM shop_order_lines ORDER BY id"))
        one, *_, other = lines
        merchant.sandbox.ship(order_id, carrier="COLISSIMO", tracking_number="6A1")
        later(merchant)
        for line_id in (one, other):
            merchant.sandbox.refund(order_id, line_ids=[line_id])
            later(merchant)
            later(merchant)
        assert told(merchant, order_id) == [("shipped", "applied", "")] + [("refunded", "applied", "")] * 2
        booked = merchant.rows("SELECT amount FROM shop_refunds ORDER BY rowid")
        assert [Decimal(amount) for (amount,) in booked] == [Decimal(lines[one]), Decimal(lines[other])]
        assert in_shop(merchant, "status") == ("shipped",)

    def test_what_is_given_back_before_it_is_shipped_is_cancelled(self, merchant: Any) -> None:
        order_id = bought(merchant)
        merchant.sandbox.refund(order_id)
        later(merchant)
        assert told(merchant, order_id) == [("cancelled", "applied", "")]
        assert in_shop(merchant, "status") == ("cancelled",)
        assert merchant.rows("SELECT * FROM shop_refunds") == []

    def test_what_was_given_back_before_the_shop_had_it_is_booked_once_it_has(
        self, make_merchant: Callable[..., Any]
    ) -> None:
        merchant = make_merchant(follow=APPLY_ALL)
        [order_id] = merchant.sandbox.sell(merchant.account.account_id, 1, {"multi_line": 1})
        merchant.sandbox.ship(order_id, carrier="COLISSIMO", tracking_number="6A1")
        merchant.sandbox.refund(order_id, line_ids=[f"{order_id}-1"])
        later(merchant)
        assert told(merchant, order_id) == [("refunded", "applied", "")]
        [(amount,)] = merchant.rows("SELECT amount FROM shop_refunds")
        [(sold,)] = merchant.rows("SELECT amount FROM shop_order_lines WHERE line_id = ?", f"{order_id}-1")
        assert Decimal(amount) == Decimal(sold)

    def test_an_erased_address_is_no_correction(self, merchant: Any) -> None:
        order_id = bought(merchant)
        before = in_shop(merchant, "delivery_first_line, delivery_city")
        merchant.sandbox.anonymize(order_id)
        later(merchant)
        assert told(merchant, order_id) == []
        assert in_shop(merchant, "delivery_first_line, delivery_city") == before

    def test_each_package_is_followed_by_itself(self, merchant: Any) -> None:
        order_id = bought(merchant, "multi_package")
        first = merchant.rows("SELECT line_id FROM shop_order_lines WHERE shop_order_id = 1")
        merchant.sandbox.cancel(order_id, line_ids=[line for (line,) in first])
        later(merchant)
        assert told(merchant, order_id) == [("cancelled", "applied", "")]
        statuses = merchant.rows("SELECT status FROM shop_orders ORDER BY id")
        assert statuses[0] == ("cancelled",)
        assert set(statuses[1:]) == {("to_ship",)}


class TestTheSettings:
    def test_ask_puts_it_to_a_person_and_ignore_leaves_it(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(follow=Follow(cancelled="ask", address="ignore"))
        order_id = bought(merchant)
        merchant.sandbox.amend(order_id, {"city": "Sète"})
        later(merchant)
        merchant.sandbox.cancel(order_id)
        later(merchant)
        assert told(merchant, order_id) == [
            ("address", "ignored", "ignored_by_settings"),
            ("cancelled", "waiting", "asked_by_settings"),
        ]
        assert in_shop(merchant, "status") == ("to_ship",)
        assert {"change_ignored", "change_waiting"} <= set(merchant.journal(order_id))

    def test_they_stand_in_a_table_of_the_shop(self) -> None:
        document: dict[str, Any] = {
            "accounts": {"main": {"access_token": "a", "secret": "b"}},
            "shops": {"b2c": {"account": "main", "platform": "generic", "follow": {"refunded": "apply"}}},
        }
        assert Settings.from_dict(document).shops["b2c"].follow == Follow(refunded="apply")
        document["shops"]["b2c"]["follow"] = {"refunded": "perhaps"}
        with pytest.raises(SettingsError, match=r"shops\.b2c\.follow\.refunded"):
            Settings.from_dict(document)

    def test_what_the_platform_cannot_do_waits_for_a_person(
        self, merchant: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order_id = bought(merchant)
        monkeypatch.setattr(GenericAdapter, "capabilities", Capabilities(imports_delivered_by_marketplace=True))
        merchant.sandbox.cancel(order_id)
        later(merchant)
        assert told(merchant, order_id) == [("cancelled", "waiting", "platform_cannot")]
        [row] = merchant.connector.changes()
        with pytest.raises(ChangeSettled, match="by hand"):
            merchant.connector.apply_change(row.id)


class TestAPerson:
    def test_applies_what_waits(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(follow=Follow(cancelled="ask"))
        order_id = bought(merchant)
        merchant.sandbox.cancel(order_id)
        later(merchant)
        [row] = merchant.connector.changes(account=merchant.name)
        assert merchant.connector.apply_change(row.id, who="anna").state is ChangeState.PENDING
        merchant.sync()
        assert in_shop(merchant, "status") == ("cancelled",)
        assert told(merchant, order_id) == [("cancelled", "applied", "")]
        entries = merchant.connector.store.journal(merchant.order(order_id).order.id)
        assert [(entry.what, entry.who) for entry in entries if entry.what == "change_approved"] == [
            ("change_approved", "anna")
        ]
        with pytest.raises(ChangeSettled, match="applied"):
            merchant.connector.apply_change(row.id)

    def test_dismisses_it_with_a_reason(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(follow=Follow(cancelled="ask"))
        order_id = bought(merchant)
        merchant.sandbox.cancel(order_id)
        later(merchant)
        [row] = merchant.connector.changes()
        dismissed = merchant.connector.dismiss_change(row.id, reason="the buyer takes it after all", who="anna")
        assert (dismissed.state, dismissed.about, dismissed.who) == (
            ChangeState.DISMISSED,
            "the buyer takes it after all",
            "anna",
        )
        merchant.sync()
        assert in_shop(merchant, "status") == ("to_ship",)
        assert merchant.connector.changes() == []
        with pytest.raises(ChangeUnknown):
            merchant.connector.dismiss_change(999, reason="x")


class TestWhatTheShopDidLater:
    def test_an_order_that_the_shop_shipped_is_not_cancelled(self, merchant: Any) -> None:
        order_id = bought(merchant)
        merchant.run("UPDATE shop_orders SET status = 'shipped', tracking_number = 'OURS'")
        merchant.sandbox.cancel(order_id)
        later(merchant)
        assert told(merchant, order_id) == [("cancelled", "waiting", "refused_by_shop")]
        [row] = changes(merchant, order_id)
        assert "is shipped" in row.about
        assert in_shop(merchant, "status, tracking_number") == ("shipped", "OURS")

    def test_an_order_that_the_shop_cancelled_is_not_shipped(self, merchant: Any) -> None:
        order_id = bought(merchant)
        merchant.run("UPDATE shop_orders SET status = 'cancelled'")
        merchant.sandbox.ship(order_id, carrier="COLISSIMO", tracking_number="6A1")
        later(merchant)
        assert told(merchant, order_id) == [("shipped", "waiting", "refused_by_shop")]
        assert in_shop(merchant, "status") == ("cancelled",)

    def test_our_own_shipment_is_no_news_when_it_comes_back(self, merchant: Any) -> None:
        order_id = bought(merchant)
        merchant.connector.ship("main", "manomano_fr", order_id, **SHIP, who="shop b2c")
        later(merchant)
        later(merchant)
        assert merchant.order(order_id).order.status == "shipped"
        assert told(merchant, order_id) == []

    def test_what_the_host_shipped_is_marked_in_its_tables(self, merchant: Any) -> None:
        order_id = bought(merchant)
        merchant.connector.ship("main", "manomano_fr", order_id, **SHIP)
        later(merchant)
        later(merchant)
        assert told(merchant, order_id) == [("shipped", "applied", "")]
        assert merchant.rows("SELECT status, tracking_number FROM shop_orders") == [("shipped", "6A1")]

    def test_a_refund_that_began_in_the_shop_is_not_booked_again(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(follow=APPLY_ALL)
        order_id = bought(merchant, "multi_line")
        merchant.connector.ship("main", "manomano_fr", order_id, **SHIP, who="shop b2c")
        later(merchant)
        later(merchant)
        arguments = {"refund_reason": "DAMAGED", "refund_shipping_fees": "false"}
        line_ids = [f"{order_id}-1"]
        merchant.connector.refund(
            "main", "manomano_fr", order_id, arguments=arguments, line_ids=line_ids, who="shop b2c"
        )
        later(merchant)
        later(merchant)
        assert told(merchant, order_id) == []
        merchant.sandbox.refund(order_id, line_ids=[f"{order_id}-2"])
        later(merchant)
        assert told(merchant, order_id) == [("refunded", "applied", "")]
        [(amount,)] = merchant.rows("SELECT amount FROM shop_refunds")
        [(sold,)] = merchant.rows("SELECT amount FROM shop_order_lines WHERE line_id = ?", f"{order_id}-2")
        assert Decimal(amount) == Decimal(sold)

    def test_an_address_corrected_after_the_parcel_left_is_ignored(self, merchant: Any) -> None:
        order_id = bought(merchant)
        merchant.connector.ship("main", "manomano_fr", order_id, **SHIP, who="shop b2c")
        later(merchant)
        later(merchant)
        merchant.sandbox.amend(order_id, {"city": "Sète"})
        later(merchant)
        assert told(merchant, order_id) == [("address", "ignored", "already_shipped")]


class Shop:
    """Answers `update_order` as it is told, then as the generic shop does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: list[Any] = []
        self.asked: list[Any] = []
        real = GenericAdapter.update_order

        def update_order(adapter: GenericAdapter, shop_order: Any, change: Any) -> Any:
            self.asked.append(change)
            answer = self.answers.pop(0) if self.answers else None
            if isinstance(answer, Exception):
                raise answer
            return answer or real(adapter, shop_order, change)

        monkeypatch.setattr(GenericAdapter, "update_order", update_order)


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    return Shop(monkeypatch)


class TestFailures:
    @pytest.mark.parametrize(
        "answer",
        [
            Unknown("x", "the answer was lost"),
            Rejected("x", "busy", retry=True),
            ShopUnavailable("down"),
            RuntimeError("a fault of the adapter"),
        ],
        ids=["unknown", "busy", "down", "raises"],
    )
    def test_it_is_brought_again_later(self, merchant: Any, shop: Shop, answer: Any) -> None:
        order_id = bought(merchant)
        shop.answers = [answer]
        merchant.sandbox.cancel(order_id)
        later(merchant)
        [row] = changes(merchant, order_id)
        assert row.state is ChangeState.PENDING
        assert row.reason
        assert in_shop(merchant, "status") == ("to_ship",)
        later(merchant)
        assert told(merchant, order_id) == [("cancelled", "applied", "")]
        assert in_shop(merchant, "status") == ("cancelled",)

    def test_what_is_refused_waits_for_a_person_and_does_not_hold_up_what_follows(
        self, merchant: Any, shop: Shop
    ) -> None:
        order_id = bought(merchant)
        shop.answers = [Rejected("x", "The city is unknown.", field="city")]
        merchant.sandbox.amend(order_id, {"city": "Sète"})
        later(merchant)
        assert told(merchant, order_id) == [("address", "waiting", "refused_by_shop")]
        merchant.sandbox.cancel(order_id)
        later(merchant)
        assert told(merchant, order_id) == [("address", "overtaken", "overtaken"), ("cancelled", "applied", "")]

    def test_one_lost_answer_after_a_long_outage_is_tried_again(self, merchant: Any, shop: Shop) -> None:
        order_id = bought(merchant)
        busy = Rejected("x", "It is busy.", retry=True, begun=False)
        shop.answers = [*[busy] * 16, Unknown("x", "the answer was lost")]
        merchant.sandbox.cancel(order_id)
        later(merchant)
        for _ in range(18):
            merchant.sandbox.advance(hours=2)
            merchant.connector.work("main")
        assert shop.answers == []
        assert told(merchant, order_id) == [("cancelled", "applied", "")]

    def test_it_is_given_up_to_a_person_in_the_end(self, merchant: Any, shop: Shop) -> None:
        order_id = bought(merchant)
        shop.answers = [Unknown("x", "the answer was lost")] * 20
        merchant.sandbox.cancel(order_id)
        later(merchant)
        for _ in range(16):
            merchant.sandbox.advance(hours=14)
            merchant.connector.work("main")
        assert told(merchant, order_id) == [("cancelled", "waiting", "change_given_up")]

    def test_a_worker_whose_lease_was_taken_over_writes_nothing(
        self, merchant: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order_id = bought(merchant)
        real, store = GenericAdapter.update_order, merchant.connector.store
        taken: list[Any] = []

        def slow(adapter: GenericAdapter, shop_order: Any, change: Any) -> Any:
            if not taken:
                now = merchant.sandbox.advance(minutes=5)
                with store.transaction() as tx:
                    taken.extend(tx.claim(StepKind.FOLLOW, now, now + timedelta(minutes=2), limit=1))
            return real(adapter, shop_order, change)

        monkeypatch.setattr(GenericAdapter, "update_order", slow)
        merchant.sandbox.cancel(order_id)
        later(merchant)
        assert len(taken) == 1
        assert told(merchant, order_id) == [("cancelled", "pending", "")], "it is the other worker's to write"
        later(merchant)
        assert told(merchant, order_id) == [("cancelled", "applied", "")]
        assert merchant.journal(order_id).count("change_applied") == 1

    def test_the_order_in_which_things_happened_is_kept(self, merchant: Any, shop: Shop) -> None:
        order_id = bought(merchant, "multi_line")
        shop.answers = [ShopUnavailable("down")] * 2
        merchant.sandbox.amend(order_id, {"city": "Sète"})
        later(merchant)
        merchant.sandbox.cancel(order_id, line_ids=[f"{order_id}-1"])
        later(merchant)
        later(merchant)
        assert [type(change).__name__ for change in shop.asked] == ["CorrectAddress"] * 3 + ["CancelLines"]

    def test_a_newer_address_goes_in_place_of_one_that_is_not_there_yet(self, merchant: Any, shop: Shop) -> None:
        order_id = bought(merchant)
        shop.answers = [ShopUnavailable("down")]
        merchant.sandbox.amend(order_id, {"delivery": {"city": "Sète"}})
        later(merchant)
        merchant.sandbox.amend(order_id, {"billing": {"city": "Nice"}})
        later(merchant)
        assert told(merchant, order_id) == [("address", "overtaken", "overtaken"), ("address", "applied", "")]
        last = shop.asked[-1]
        assert isinstance(last, CorrectAddress)
        assert last.delivery is not None
        assert last.billing is not None
        assert in_shop(merchant, "delivery_city, billing_city") == ("Sète", "Nice")


class TestWhileItIsBeingCreated:
    def test_what_happens_meanwhile_follows_once_the_shop_order_is_found(
        self, merchant: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = GenericAdapter.create_orders

        def lost(adapter: GenericAdapter, orders: Any) -> Any:
            real(adapter, orders)
            return [Unknown(order.reference, "the answer was lost") for order in orders]

        monkeypatch.setattr(GenericAdapter, "create_orders", lost)
        [order_id] = merchant.sells()
        merchant.sync()
        assert merchant.state(order_id) == ("creating", "outcome_unknown")
        merchant.sandbox.amend(order_id, {"city": "Sète"})
        later(merchant)
        assert merchant.state(order_id) == ("created", "")
        assert told(merchant, order_id) == [("address", "applied", "")]
        assert in_shop(merchant, "delivery_city") == ("Sète",)

    def test_a_cancellation_meanwhile_withdraws_what_the_shop_does_not_hold(
        self, merchant: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def lost(_adapter: GenericAdapter, orders: Any) -> Any:
            return [Unknown(order.reference, "the answer was lost") for order in orders]

        monkeypatch.setattr(GenericAdapter, "create_orders", lost)
        [order_id] = merchant.sells()
        merchant.sync()
        merchant.sandbox.cancel(order_id)
        later(merchant)
        assert merchant.state(order_id) == ("skipped", "canceled_before_import")
        assert told(merchant, order_id) == [("cancelled", "overtaken", "not_created")]
        assert merchant.in_shop() == []


class TestWhatAHostHears:
    def test_of_what_was_applied_and_of_what_waits(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(follow=Follow(cancelled="ask"))
        heard: list[tuple[str, str, str]] = []
        signals = merchant.connector.signals

        def applied(_sender: Any, *, order: Any, change: Any, shop_order: Any) -> None:
            heard.append(("applied", str(order), f"{change.kind} {shop_order.id}"))

        def waiting(_sender: Any, *, order: Any, change: Any, reason: str, **_: Any) -> None:
            heard.append(("waiting", str(order), f"{change.kind} {reason}"))

        with signals.change_applied.connected_to(applied), signals.change_waiting.connected_to(waiting):
            order_id = bought(merchant)
            merchant.sandbox.amend(order_id, {"city": "Sète"})
            later(merchant)
            merchant.sandbox.cancel(order_id)
            later(merchant)
        key = f"main/manomano_fr/{order_id}"
        assert heard == [("applied", key, "address 1"), ("waiting", key, "cancelled asked_by_settings")]

    def test_a_dry_run_shows_what_would_be_brought(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(follow=Follow(address="ask"))
        first, second = bought(merchant), bought_too(merchant)
        merchant.sandbox.cancel(first)
        merchant.sandbox.amend(second, {"city": "Sète"})
        merchant.sandbox.advance(minutes=15)
        shown = merchant.connector.preview("main").changes
        assert sorted((one.order.marketplace_order_id, str(one.change.state)) for one in shown) == sorted(
            [(first, "pending"), (second, "waiting")]
        )
        assert merchant.connector.changes(states=ALL) == []


def bought_too(merchant: Any) -> str:
    [order_id] = merchant.sells()
    merchant.sync()
    return str(order_id)


def test_a_change_is_brought_by_the_background_and_by_a_job_engine_too(merchant: Any) -> None:
    order_id = bought(merchant)
    merchant.sandbox.cancel(order_id)
    merchant.sandbox.advance(minutes=15)
    assert merchant.connector.run_step("import", "main")
    [step] = [step for step in merchant.connector.due_steps() if step.kind == "follow"]
    assert merchant.connector.run_step(step.kind, step.subject)
    assert in_shop(merchant, "status") == ("cancelled",)
    assert not merchant.connector.run_step(step.kind, step.subject)


def test_an_unchanged_order_costs_no_call(merchant: Any, shop: Shop) -> None:
    bought(merchant)
    later(merchant)
    later(merchant)
    assert shop.asked == []


def test_a_fault_of_ours_in_one_order_is_shown_and_stops_no_other(
    merchant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = bought(merchant), bought(merchant)
    from lengow.connector import following

    compare = following.changes_between

    def faulty(before: Any, after: Any, *rest: Any) -> Any:
        if after.marketplace_order_id == bad:
            raise KeyError("a fault of ours")
        return compare(before, after, *rest)

    monkeypatch.setattr(following, "changes_between", faulty)
    for order_id in (bad, good):
        merchant.sandbox.cancel(order_id)
    later(merchant)
    assert told(merchant, good) == [("cancelled", "applied", "")]
    assert told(merchant, bad) == [("cancelled", "waiting", "not_compared")]
    assert [row.order_id for row in merchant.connector.changes()] == [merchant.order(bad).order.id]
