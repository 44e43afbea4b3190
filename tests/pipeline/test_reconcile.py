"""Lengow, store and shop compared: what is amiss is told with what to do, what is safe is mended, and only once."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from lengow.connector import Connector
from lengow.connector.discrepancies import Discrepancy
from lengow.connector.errors import ShopUnavailable, StoreError
from lengow.connector.held import Held
from lengow.connector.listing import ListedOrders
from lengow.connector.model import OrderState, StepKind
from lengow.connector.steps import run_import, schedule
from lengow.connector.store.rows import NewStep
from lengow.sandbox import Fault

ORDERS = "/v3.0/orders/"


def found_in(merchant: Any, **options: Any) -> list[Discrepancy]:
    return list(merchant.connector.reconcile(**options))


def kinds(found: list[Discrepancy]) -> list[str]:
    return [str(one.kind) for one in found]


def collected(merchant: Any) -> None:
    merchant.sandbox.advance(minutes=20)
    merchant.sync()
    merchant.sandbox.advance(minutes=20)
    merchant.sync()


def ship_in_shop(merchant: Any, order_id: str) -> None:
    merchant.run(
        "INSERT INTO shop_shipments (shop_order_id, carrier_code, tracking_number)"
        " SELECT id, 'DPD', 'T1' FROM shop_orders WHERE marketplace_order_id = ?",
        order_id,
    )


def test_an_order_that_spoils_its_page_keeps_no_other_from_being_compared(merchant: Any) -> None:
    [gone, *_] = merchant.sells(3)
    merchant.sells_raw(raw_bytes=b"[" * 5000 + b"]" * 5000)
    merchant.sells(2)
    merchant.sync()
    merchant.run("DELETE FROM shop_order_lines")
    merchant.run("DELETE FROM shop_orders WHERE marketplace_order_id = ?", gone)
    [unread, missing] = found_in(merchant)
    assert (str(unread.kind), str(missing.kind)) == ("not_compared", "missing_in_shop")
    assert missing.order.endswith(gone)


@pytest.mark.parametrize(
    "kind", ["standard", "multi_line", "multi_package", "relay", "foreign_currency", "pending", "fulfilment", "refused",
             "canceled", "anonymized"]
)  # fmt: skip
def test_what_is_the_same_on_all_sides_is_not_told(merchant: Any, kind: str) -> None:
    merchant.sells(3, kind)
    merchant.sync()
    assert found_in(merchant) == []


def test_also_after_shipments_were_confirmed(merchant: Any) -> None:
    ids = merchant.sells(3, "multi_package")
    merchant.sync()
    for order_id in ids:
        ship_in_shop(merchant, order_id)
    collected(merchant)
    collected(merchant)
    assert merchant.sandbox.ledger().told
    assert found_in(merchant) == []


def test_what_the_next_sync_brings_is_not_missing(merchant: Any) -> None:
    merchant.sync()
    merchant.sells(2)
    assert found_in(merchant) == []


class TestMissingAtTheStore:
    def test_an_order_that_was_passed_over_is_fetched_and_created(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        _believe_synced(merchant)
        [found] = found_in(merchant)
        assert (found.kind, found.marketplace_order_id, found.shop) == ("missing_at_store", order_id, "b2c")
        [mended] = found_in(merchant, fix=True)
        assert mended.mended
        assert merchant.in_shop() == [order_id]
        assert found_in(merchant, fix=True) == []

    def test_after_the_store_was_lost_orders_are_taken_over_not_doubled(self, merchant: Any) -> None:
        ids = merchant.sells(3) + merchant.sells(2, "multi_package")
        merchant.sync()
        before = merchant.rows("SELECT id, reference FROM shop_orders ORDER BY id")
        merchant.sandbox.advance(minutes=15)
        merchant.connector.close()
        for path in merchant.folder.glob("lengow.db*"):
            path.unlink()
        merchant.restart()
        assert set(kinds(found_in(merchant))) == {"missing_at_store", "unknown_in_shop"}
        found_in(merchant, fix=True)
        assert found_in(merchant) == []
        assert merchant.rows("SELECT id, reference FROM shop_orders ORDER BY id") == before
        assert {merchant.state(one) for one in ids} == {("created", "")}
        merchant.sync()
        assert merchant.compared().clean

    def test_several_who_mend_at_once_make_nothing_twice(self, merchant: Any) -> None:
        merchant.sells(30)
        merchant.sync()
        before = merchant.rows("SELECT id, reference FROM shop_orders ORDER BY id")
        merchant.sells(5)
        merchant.connector.close()
        for path in merchant.folder.glob("lengow.db*"):
            path.unlink()
        merchant.restart()

        def mend(_: int) -> None:
            with Connector(merchant.settings(), clock=merchant.sandbox.now) as connector:
                list(connector.reconcile(fix=True))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(mend, range(4)))
        assert found_in(merchant, fix=True) == []
        after = merchant.rows("SELECT id, reference FROM shop_orders ORDER BY id")
        assert (after[:30], len(after)) == (before, 35)
        assert merchant.compared().clean

    def test_a_change_that_was_passed_over_is_taken_in(self, merchant: Any) -> None:
        [order_id] = merchant.sells(kind="pending")
        merchant.sync()
        merchant.sandbox.accept(order_id)
        merchant.sandbox.advance(minutes=15)
        _believe_synced(merchant)
        assert kinds(found_in(merchant)) == ["outdated_at_store"]
        found_in(merchant, fix=True)
        assert merchant.in_shop() == [order_id]
        assert found_in(merchant, fix=True) == []

    def test_what_is_older_than_the_first_sync_is_left_alone(self, merchant: Any) -> None:
        """Another system may have dealt with it."""
        merchant.sells(2)
        merchant.sandbox.advance(days=5)
        [order_id] = merchant.sells()
        merchant.sync()
        assert found_in(merchant, fix=True) == []
        assert merchant.in_shop() == [order_id]


class TestMissingInTheShop:
    def test_a_deleted_order_is_told_and_never_made_anew_by_itself(self, merchant: Any) -> None:
        first, second = merchant.sells(2)
        merchant.sync()
        _delete(merchant, first)
        [found] = found_in(merchant, fix=True)
        assert (found.kind, found.marketplace_order_id, found.remedy) == ("missing_in_shop", first, None)
        assert f"orders reimport main/manomano_fr/{first}" in found.what_to_do
        assert merchant.in_shop() == [second]

    def test_one_that_was_cancelled_at_lengow_may_be_deleted(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        merchant.sync()
        merchant.sandbox.cancel(order_id)
        collected(merchant)
        _delete(merchant, order_id)
        assert found_in(merchant) == []

    def test_one_that_waits_for_a_person_is_told_with_its_reason(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(options={"products_table": "products"})
        merchant.run("CREATE TABLE products (sku TEXT, stock INTEGER)")
        merchant.sells()
        merchant.sync()
        [found] = found_in(merchant, fix=True)
        assert found.kind == "missing_in_shop"
        assert "unknown_product" in found.sentence
        assert "Create the product" in found.what_to_do

    def test_one_whose_step_was_lost_is_created(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        schedule(merchant.connector._context, "main")
        run_import(merchant.connector._context, "main", StepKind.IMPORT, force=True)
        [package] = merchant.order(order_id).packages
        with merchant.connector.store.transaction() as tx:
            tx.drop_step(StepKind.CREATE, str(package.id))
        [found] = found_in(merchant)
        assert (found.kind, found.remedy) == ("missing_in_shop", "create")
        found_in(merchant, fix=True)
        assert merchant.in_shop() == [order_id]
        assert found_in(merchant, fix=True) == []

    def test_one_that_the_shop_made_all_the_same_is_taken_over(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        merchant.sync()
        [shop_order_id] = [str(row[0]) for row in merchant.rows("SELECT id FROM shop_orders")]
        _forget(merchant, order_id)
        [found] = found_in(merchant)
        assert (found.kind, found.remedy, found.shop_order_ids) == ("unknown_in_shop", "adopt", (shop_order_id,))
        found_in(merchant, fix=True)
        assert merchant.order(order_id).packages[0].shop_order_id == shop_order_id
        assert merchant.state(order_id) == ("created", "")
        assert "adopted" in merchant.journal(order_id)
        assert len(merchant.in_shop()) == 1
        assert found_in(merchant, fix=True) == []

    def test_what_happened_at_lengow_meanwhile_is_brought_to_it(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        merchant.sync()
        _forget(merchant, order_id, state=OrderState.CREATING)
        merchant.sandbox.cancel(order_id)
        collected(merchant)
        assert merchant.rows("SELECT status FROM shop_orders") == [("to_ship",)]
        assert kinds(found_in(merchant, fix=True)) == ["unknown_in_shop"]
        assert merchant.rows("SELECT status FROM shop_orders") == [("cancelled",)]
        assert found_in(merchant, fix=True) == []

    def test_one_that_a_worker_is_creating_is_left_to_it(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        merchant.sync()
        _forget(merchant, order_id)
        [package] = merchant.order(order_id).packages
        store, now = merchant.connector.store, merchant.sandbox.now()
        with store.transaction() as tx:
            tx.add_steps([NewStep(StepKind.CREATE, str(package.id), now, account="main", shop="b2c")])
            [step] = tx.claim(StepKind.CREATE, now, now + timedelta(minutes=2), limit=1, subject=str(package.id))
        [found] = found_in(merchant, fix=True)
        assert found.mended == ""
        assert "being worked on right now" in found.what_to_do
        assert merchant.order(order_id).packages == (package,)
        with store.transaction() as tx:
            assert tx.mine([step]) == {step.id}


class TestAmounts:
    def test_an_amount_that_was_edited_in_the_shop_is_told(self, merchant: Any) -> None:
        first, _ = merchant.sells(2)
        merchant.sync()
        merchant.run("UPDATE shop_orders SET total = '1.00' WHERE marketplace_order_id = ?", first)
        [found] = found_in(merchant, fix=True)
        assert (found.kind, found.marketplace_order_id, found.mended) == ("amount_differs", first, "")
        assert "1.00 EUR" in found.sentence

    def test_a_line_that_is_cancelled_later_may_stay_in_the_amount(self, merchant: Any) -> None:
        [order_id] = merchant.sells(kind="multi_line")
        merchant.sync()
        [sold] = merchant.sandbox.ledger().sold
        merchant.sandbox.cancel(order_id, line_ids=[sold.lines[0].id])
        collected(merchant)
        assert found_in(merchant) == []


class TestShipments:
    def test_a_shipment_whose_webhook_was_lost_is_confirmed(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        merchant.sync()
        ship_in_shop(merchant, order_id)
        _poll_from_the_end(merchant)
        merchant.sync()
        [found] = found_in(merchant)
        assert (found.kind, found.marketplace_order_id, found.remedy) == ("shipped_not_confirmed", order_id, "confirm")
        assert merchant.sandbox.ledger().told == ()
        [mended] = found_in(merchant, fix=True)
        assert mended.mended
        [told] = merchant.sandbox.ledger().told
        assert (told.order_id, told.arguments["tracking_number"]) == (order_id, "T1")
        assert found_in(merchant, fix=True) == []
        assert len(merchant.sandbox.ledger().told) == 1

    def test_a_confirmation_that_was_refused_is_told_with_its_reason(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        merchant.sync()
        merchant.sandbox.fault(Fault("status", method="POST", path="/v3.0/orders/actions/", status=400, times=None))
        ship_in_shop(merchant, order_id)
        merchant.sync()
        [found] = found_in(merchant, fix=True)
        [action] = merchant.connector.store.list_actions()
        assert (found.kind, found.remedy) == ("shipped_not_confirmed", None)
        assert f"actions retry {action.id}" in found.what_to_do
        merchant.connector.dismiss_action(action.id, reason="told on the marketplace's own pages", who="anna")
        assert found_in(merchant) == []

    def test_what_the_marketplace_has_as_shipped_and_the_shop_has_not(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        merchant.sync()
        merchant.connector.ship("main", "manomano_fr", order_id, carrier="DPD", tracking_number="T1")
        merchant.sync()
        collected(merchant)
        merchant.run("UPDATE shop_orders SET status = 'to_ship'")
        merchant.sync()
        merchant.run("UPDATE shop_orders SET status = 'to_ship'")
        [found] = found_in(merchant, fix=True)
        assert (found.kind, found.marketplace_order_id, found.mended) == ("confirmed_not_shipped", order_id, "")

    def test_what_the_host_had_confirmed_is_shipped_in_its_tables_too(self, merchant: Any) -> None:
        """The host tells the connector of it, and not its own tables."""
        [order_id] = merchant.sells()
        merchant.sync()
        merchant.connector.ship("main", "manomano_fr", order_id, carrier="DPD", tracking_number="T1")
        merchant.sync()
        collected(merchant)
        assert merchant.rows("SELECT status, tracking_number FROM shop_orders") == [("shipped", "T1")]
        assert found_in(merchant) == []


class TestCancellations:
    def test_cancelled_in_the_shop_only(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        merchant.sync()
        merchant.run("UPDATE shop_orders SET status = 'cancelled'")
        [found] = found_in(merchant, fix=True)
        assert (found.kind, found.mended) == ("cancelled_in_shop_only", "")
        assert f"actions send cancel main/manomano_fr/{order_id}" in found.what_to_do

    def test_cancelled_at_lengow_only(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        merchant.sync()
        merchant.sandbox.cancel(order_id)
        collected(merchant)
        merchant.run("UPDATE shop_orders SET status = 'to_ship'")
        assert kinds(found_in(merchant, fix=True)) == ["cancelled_at_lengow_only"]


class TestMerchantIds:
    def test_an_id_that_was_erased_at_lengow_is_reported_again(self, merchant: Any) -> None:
        first, _ = merchant.sells(2)
        merchant.sync()
        merchant.connector._context.client("main").set_merchant_order_ids("manomano_fr", first, [])
        merchant.sandbox.advance(minutes=15)
        [found] = found_in(merchant)
        assert (found.kind, found.marketplace_order_id) == ("merchant_id_missing", first)
        found_in(merchant, fix=True, who="anna")
        assert all(order.merchant_order_ids for order in merchant.sandbox.ledger().sold)
        entries = merchant.connector.store.journal(merchant.order(first).order.id)
        assert ("resync_ids", "anna") in [(entry.what, entry.who) for entry in entries]
        assert found_in(merchant, fix=True) == []

    def test_a_report_that_is_still_to_come_is_not_missing(self, merchant: Any) -> None:
        merchant.sells()
        merchant.connector.sync(report=False)
        assert found_in(merchant) == []


class TestUnknownInTheShop:
    def test_a_copy_that_was_made_by_hand_is_told(self, merchant: Any) -> None:
        merchant.sells()
        merchant.sync()
        columns = ", ".join(
            row[1] for row in merchant.rows("PRAGMA table_info(shop_orders)") if row[1] not in ("id", "reference")
        )
        merchant.run(f"INSERT INTO shop_orders (reference, {columns}) SELECT 'copy', {columns} FROM shop_orders")
        [found] = found_in(merchant, fix=True)
        assert (found.kind, found.reference, found.mended) == ("unknown_in_shop", "copy", "")

    def test_what_is_older_than_the_window_is_known(self, merchant: Any) -> None:
        merchant.sells()
        merchant.sync()
        merchant.sandbox.advance(days=2)
        assert found_in(merchant, days=1.5) == []


class TestWhatDoesNotAnswer:
    def test_lengow(self, merchant: Any) -> None:
        merchant.sells()
        merchant.sync()
        merchant.sandbox.fault(Fault("status", path=ORDERS, status=503, times=None))
        [found] = found_in(merchant)
        assert (found.kind, found.account) == ("not_compared", "main")

    def test_a_shop_is_left_out_and_the_rest_is_compared(self, merchant: Any) -> None:
        first, _ = merchant.sells(2)
        merchant.sync()
        merchant.connector._context.client("main").set_merchant_order_ids("manomano_fr", first, [])
        merchant.run("ALTER TABLE shop_orders RENAME TO gone")
        assert kinds(found_in(merchant)) == ["not_compared", "merchant_id_missing"]


def test_what_a_list_left_out_is_asked_for_once_more(merchant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    merchant.sells(2)
    merchant.sync()
    adapter = merchant.connector._context.adapter("b2c")
    monkeypatch.setattr(type(adapter), "orders_since", lambda *_: ListedOrders((), "", more=False))
    assert found_in(merchant) == []
    monkeypatch.setattr(type(adapter), "find_order", _no_answer)
    assert kinds(found_in(merchant)) == ["not_compared"] * 2


def test_a_full_disk_is_said_so(merchant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    merchant.sync()
    monkeypatch.setattr(Held, "add", full)
    with pytest.raises(StoreError, match="disk is full") as raised:
        found_in(merchant)
    assert "Make room" in raised.value.what_to_do


def _no_answer(*_: object) -> None:
    raise ShopUnavailable("no answer")


def test_pages_that_move_while_they_are_read_give_no_order_twice_and_miss_none(merchant: Any) -> None:
    ids = merchant.sells(250)
    merchant.sync()
    for order_id in (ids[0], ids[120], ids[249]):
        _delete(merchant, order_id)
    merchant.sandbox.fault(Fault("insert", path=ORDERS, page=2, count=30))
    found = found_in(merchant)
    assert sorted(one.marketplace_order_id for one in found if one.kind == "missing_in_shop") == sorted(
        [ids[0], ids[120], ids[249]]
    )


def test_nothing_is_written_without_fix(merchant: Any) -> None:
    first, second = merchant.sells(2)
    merchant.sync()
    _delete(merchant, first)
    _forget(merchant, second)
    before = _whole_store(merchant)
    assert len(found_in(merchant)) == 2
    assert _whole_store(merchant) == before


def _believe_synced(merchant: Any) -> None:
    """As if a window had been closed too early."""
    merchant.sandbox.advance(minutes=1)
    with merchant.connector.store.transaction() as tx:
        tx.set_value("main", "complete_until", merchant.sandbox.now().isoformat())


def _delete(merchant: Any, order_id: str) -> None:
    merchant.run("DELETE FROM shop_order_lines WHERE shop_order_id IN (SELECT id FROM shop_orders"
                 " WHERE marketplace_order_id = ?)", order_id)  # fmt: skip
    merchant.run("DELETE FROM shop_orders WHERE marketplace_order_id = ?", order_id)


def _forget(merchant: Any, order_id: str, state: OrderState = OrderState.SKIPPED) -> None:
    """As if an older copy of the store had been put back."""
    [package] = merchant.order(order_id).packages
    with merchant.connector.store.transaction() as tx:
        tx.set_package_states([msgspec.structs.replace(package, state=state, shop_order_id="", reason="no_shop")])


def _poll_from_the_end(merchant: Any) -> None:
    """As if the shipments so far had been polled, and their events lost."""
    [(last,)] = merchant.rows("SELECT max(id) FROM shop_shipments")
    with merchant.connector.store.transaction() as tx:
        tx.set_value("shop:b2c", "poll_cursor", str(last))


def _whole_store(merchant: Any) -> list[Any]:
    with closing(sqlite3.connect(merchant.folder / "lengow.db")) as db:
        return list(db.iterdump())
