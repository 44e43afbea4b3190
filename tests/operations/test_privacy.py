"""Buyers' data goes when its time is over, or when a buyer asks; what the merchant needs for the books stays."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from lengow.adapters.generic import GenericAdapter
from lengow.connector.decode import decode_order
from lengow.connector.erasure import ERASED_RECORD, without_buyer
from lengow.connector.lanes import sliced
from lengow.connector.model import StepKind
from lengow.connector.steps import run_erasure
from lengow.connector.store.rows import OrderSearch
from lengow.console.cli import cli

TRACKING = "XY123456789FR"


@pytest.fixture
def shipped(merchant: Any) -> str:
    """An order that was imported and shipped, and whose buyer wrote a comment."""
    [order_id] = merchant.sandbox.sell(merchant.account.account_id, 1, {"standard": 1})
    merchant.sandbox.amend(order_id, {"comments": "Sonner chez Mme Personne"})
    merchant.sandbox.advance(minutes=15)
    merchant.sync()
    merchant.connector.ship("main", "manomano_fr", order_id, carrier="DPD", tracking_number=TRACKING)
    for _ in range(3):
        merchant.sandbox.advance(hours=1)
        merchant.sync()
    assert merchant.order(order_id).order.status == "shipped"
    return str(order_id)


def personal(merchant: Any, order_id: str) -> set[str]:
    """What leads to the buyer, as the marketplace gave it."""
    order = decode_order(merchant.record(order_id).raw)
    addresses = [one for one in (order.billing, order.packages[0].delivery) if one]
    found = {
        text
        for one in addresses
        for text in (one.first_line, one.email, one.phone, one.last_name, one.city, one.zipcode)
        if text
    }
    assert len(found) >= 5
    return found | {TRACKING, "Mme Personne"}


def everything_in(database: Any) -> str:
    """Every row of every table, as text."""
    texts = []
    with closing(sqlite3.connect(database)) as db:
        names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in names:
            texts += [repr(row) for row in db.execute(f'SELECT * FROM "{name}"')]
    return "\n".join(texts)


def held(merchant: Any, words: set[str]) -> set[str]:
    """Those of the words that stand anywhere in the store or in the generic shop's tables."""
    text = everything_in(merchant.folder / "lengow.db") + everything_in(merchant.shop_database)
    return {word for word in words if word in text or word.casefold() in text}


def days_pass(merchant: Any, days: int) -> None:
    merchant.sandbox.advance(days=days)
    merchant.sync()


class TestInTime:
    def test_after_180_days_without_a_change_nothing_leads_to_the_buyer(self, merchant: Any, shipped: str) -> None:
        words = personal(merchant, shipped)
        days_pass(merchant, 179)
        assert held(merchant, words) == words
        days_pass(merchant, 3)
        assert held(merchant, words) == set()

    def test_amounts_ids_lines_and_the_journal_stay(self, merchant: Any, shipped: str) -> None:
        before, journal = merchant.order(shipped), merchant.journal(shipped)
        model = decode_order(merchant.record(shipped).raw)
        [total] = merchant.rows("SELECT total FROM shop_orders")
        days_pass(merchant, 182)
        after = merchant.order(shipped)
        kept = ("marketplace_order_id", "total", "currency", "status", "state", "ordered_at", "shop")
        assert [getattr(after.order, name) for name in kept] == [getattr(before.order, name) for name in kept]
        assert [one.shop_order_id for one in after.packages] == [one.shop_order_id for one in before.packages]
        assert decode_order(merchant.record(shipped).raw).lines == model.lines
        assert merchant.rows("SELECT total FROM shop_orders") == [total]
        assert merchant.journal(shipped) == [*journal, "erased"]
        assert after.order.erased_at is not None

    def test_an_erased_order_is_still_found_by_its_number(self, merchant: Any, shipped: str) -> None:
        days_pass(merchant, 182)
        found = merchant.connector.store.search_orders(OrderSearch(text=shipped))
        assert [one.order.marketplace_order_id for one in found] == [shipped]
        assert merchant.connector.store.search_orders(OrderSearch(text=TRACKING)) == []

    def test_a_change_begins_the_time_anew(self, merchant: Any, shipped: str) -> None:
        words = personal(merchant, shipped)
        days_pass(merchant, 150)
        merchant.sandbox.amend(shipped, {"comments": "Mme Personne, encore"})
        days_pass(merchant, 150)
        assert held(merchant, words) == words

    def test_never_where_the_settings_say_so(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(store={"keep_personal_data_days": 0})
        [order_id] = merchant.sells()
        merchant.sync()
        buyer = merchant.order(order_id).order.buyer
        assert buyer
        days_pass(merchant, 400)
        assert merchant.order(order_id).order.buyer == buyer

    def test_what_is_still_being_worked_on_is_left(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(store={"keep_personal_data_days": 1})
        [order_id] = merchant.sells()
        merchant.sync()
        merchant.connector.ship("main", "manomano_fr", order_id, carrier="DPD", tracking_number=TRACKING)
        merchant.sandbox.advance(days=3)
        assert merchant.connector.run_step("erase", "all")
        [action] = merchant.connector.store.list_actions()
        assert action.arguments["tracking_number"] == TRACKING
        assert merchant.order(order_id).order.erased_at is None

    def test_who_still_waits_for_a_parcel_is_kept_until_it_leaves(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(store={"keep_personal_data_days": 30})
        [order_id] = merchant.sells()
        merchant.sync()
        buyer, address = merchant.order(order_id).order.buyer, merchant.rows("SELECT delivery_city FROM shop_orders")
        days_pass(merchant, 60)
        assert merchant.order(order_id).order.buyer == buyer
        assert merchant.rows("SELECT delivery_city FROM shop_orders") == address != [("",)]
        merchant.sandbox.ship(order_id, carrier="DPD", tracking_number=TRACKING)
        merchant.sandbox.advance(minutes=30)
        merchant.sync()
        days_pass(merchant, 32)
        assert merchant.order(order_id).order.buyer == ""

    def test_who_never_gets_one_is_kept_for_a_year_more(self, make_merchant: Callable[..., Any]) -> None:
        merchant = make_merchant(store={"keep_personal_data_days": 30})
        [order_id] = merchant.sells()
        merchant.sync()
        days_pass(merchant, 1)
        days_pass(merchant, 390)
        assert merchant.order(order_id).order.buyer != ""
        days_pass(merchant, 10)
        assert merchant.order(order_id).order.buyer == ""

    def test_it_is_done_once_a_day_and_survives_a_restart(self, merchant: Any) -> None:
        merchant.sync()
        [step] = merchant.connector.store.steps(kind=StepKind.ERASE)
        assert 23 * 3600 < (step.due_at - merchant.sandbox.now()).total_seconds() <= 24 * 3600
        merchant.restart()
        merchant.sync()
        assert merchant.connector.store.steps(kind=StepKind.ERASE) == [step]

    def test_what_is_broken_off_goes_on_at_once(self, merchant: Any, shipped: str) -> None:
        """Such as at the end of a worker's turn, or of the process."""
        merchant.sandbox.advance(days=181)
        run_erasure(sliced(merchant.connector.context, 0))
        assert merchant.order(shipped).order.erased_at is None
        run_erasure(merchant.connector.context)
        assert merchant.order(shipped).order.erased_at is not None


class TestAfterwards:
    def test_what_lengow_sends_later_is_kept_without_the_buyer(self, merchant: Any, shipped: str) -> None:
        words = personal(merchant, shipped)
        days_pass(merchant, 182)
        merchant.sandbox.amend(shipped, {"comments": "Mme Personne revient", "shipping": "0.00"})
        days_pass(merchant, 1)
        assert "amended" in merchant.journal(shipped)
        assert held(merchant, words) == set()
        assert len(merchant.in_shop()) == 1

    def test_lengow_erasing_it_later_changes_nothing(self, merchant: Any, shipped: str) -> None:
        days_pass(merchant, 182)
        merchant.sandbox.anonymize(shipped)
        days_pass(merchant, 1)
        assert merchant.state(shipped) == ("created", "")
        assert len(merchant.in_shop()) == 1

    def test_an_order_that_never_came_in_does_not_come_in_without_its_buyer(
        self, make_merchant: Callable[..., Any]
    ) -> None:
        merchant = make_merchant(store={"keep_personal_data_days": 5}, catch_up_days=365)
        [order_id] = merchant.sells(1, "fulfilment")
        merchant.sync()
        assert merchant.state(order_id) == ("skipped", "delivered_by_marketplace_disabled")
        days_pass(merchant, 7)
        merchant.connector.set_toggle("b2c", "import_orders_shipped_by_marketplaces", True, who="anna")
        merchant.sync()
        merchant.connector.retry("main", "manomano_fr", order_id)
        merchant.sync()
        assert merchant.in_shop() == []
        assert merchant.state(order_id) == ("skipped", "anonymized")

    def test_reconciling_finds_no_fault_in_that(self, merchant: Any, shipped: str) -> None:
        before = list(merchant.connector.reconcile(days=30))
        merchant.connector.erase_buyer(merchant.order(shipped).order.email)
        assert list(merchant.connector.reconcile(days=30)) == before
        merchant.sandbox.amend(shipped, {"comments": "Mme Personne"})
        merchant.sandbox.advance(minutes=15)
        merchant.sync()
        assert list(merchant.connector.reconcile(days=30)) == before

    @pytest.mark.parametrize("raw", [b"", b"not json", b'{"marketplace": 1}', b"\xff", b"[" * 100_000])
    def test_of_a_record_that_cannot_be_read_nothing_is_kept(self, raw: bytes) -> None:
        assert without_buyer(raw) == ERASED_RECORD

    def test_erasing_twice_is_erasing_once(self, merchant: Any) -> None:
        [order_id] = merchant.sells()
        merchant.sync()
        once = without_buyer(merchant.record(order_id).raw)
        assert without_buyer(once) == once
        assert decode_order(once).anonymized


class TestOneBuyer:
    @pytest.fixture
    def run(self, merchant: Any, tmp_path: Any) -> Callable[..., Result]:
        file = tmp_path / "lengow.toml"
        text = f"""
            [store]
            url = "{merchant.settings().store.url}"
            [accounts.main]
            access_token = "{merchant.account.access_token}"
            secret = "{merchant.account.secret}"
            [shops.b2c]
            account = "main"
            platform = "generic"
            database = "sqlite:///{merchant.shop_database}"
            """
        file.write_text(text, encoding="utf-8")

        def run(*words: str, group: str = "privacy") -> Result:
            return CliRunner().invoke(cli, ["--config", str(file), group, *words], standalone_mode=False)

        return run

    def test_everything_that_is_held_is_shown(self, merchant: Any, shipped: str, run: Any) -> None:
        email = merchant.order(shipped).order.email
        shown = run("export", "--email", email.upper())
        told = json.loads(shown.output)
        [order] = told["orders"]
        assert order["record"]["billing_address"]["email"] == email
        assert order["order"]["marketplace_order_id"] == shipped
        assert order["actions"][0]["arguments"]["tracking_number"] == TRACKING
        assert order["in_shop"][0]["billing_email"] == email
        assert [entry["what"] for entry in order["journal"]] == merchant.journal(shipped)
        assert all(word in shown.output for word in personal(merchant, shipped))

    def test_a_dry_run_shows_what_would_go_and_leaves_it(self, merchant: Any, shipped: str, run: Any) -> None:
        email = merchant.order(shipped).order.email
        assert run("erase", "--email", email, "--dry-run").output == f"main/manomano_fr/{shipped}: would be erased\n"
        assert merchant.order(shipped).order.email == email

    def test_it_is_erased_and_noted_without_saying_of_whom(self, merchant: Any, shipped: str, run: Any) -> None:
        words, email = personal(merchant, shipped), merchant.order(shipped).order.email
        done = run("erase", "--email", email)
        assert (done.output, done.return_value) == (f"main/manomano_fr/{shipped}: erased\n", 0)
        assert held(merchant, words | {email}) == set()
        entry = merchant.connector.store.journal(merchant.order(shipped).order.id)[-1]
        assert (entry.what, entry.detail) == ("erased", "asked for")
        assert entry.who
        [listed] = json.loads(run("list", "--json", group="orders").output)
        assert (listed["buyer"], listed["state"]) == ("", "created")
        assert listed["erased_at"]
        again = run("erase", "--email", email)
        assert again.output == "No order has this e-mail address.\n"

    def test_an_order_that_is_still_to_be_delivered_is_kept_and_said(self, merchant: Any, run: Any) -> None:
        [order_id] = merchant.sells()
        merchant.sync()
        email = merchant.order(order_id).order.email
        done = run("erase", "--email", email)
        assert "kept: it is still to be delivered (waiting_shipment)" in done.output
        assert done.return_value == 3
        assert merchant.order(order_id).order.email == email

    def test_a_webhooks_parcel_is_shown_and_erased(self, merchant: Any, shipped: str) -> None:
        from lengow.connector.adapter import Event
        from lengow.connector.events import _row
        from lengow.connector.model import Tracking

        order = merchant.order(shipped)
        event = Event(
            "e1", "shipment", shop_order_id=order.packages[0].shop_order_id, tracking=Tracking(number="SECRET-PARCEL")
        )
        row = _row(merchant.connector._context, "b2c", "d1", event)
        with merchant.connector.store.transaction() as tx:
            tx.add_events([msgspec.structs.replace(row, state="done")])
        assert "SECRET-PARCEL" in json.dumps(merchant.connector.export_buyer(order.order.email))
        merchant.connector.erase_buyer(order.order.email)
        assert held(merchant, {"SECRET-PARCEL"}) == set()
        [kept] = [one for one in merchant.connector.store.list_events() if one.event_id == "e1"]
        assert msgspec.convert(kept.body, Event).shop_order_id == order.packages[0].shop_order_id


class TestAnOrderThatCannotBeErased:
    """It keeps none of the others from being erased, is told of, and is tried again the next day."""

    @pytest.fixture
    def stuck(self, merchant: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
        """Have the shop fail at the buyers of an order; of none with an empty text."""
        real, failing = GenericAdapter.erase_buyers, [""]

        def erase(adapter: GenericAdapter, references: Any) -> None:
            if any(failing[0] and failing[0] in reference for reference in references):
                raise RuntimeError("the shop's table is broken for Mme Personne")
            real(adapter, references)

        monkeypatch.setattr(GenericAdapter, "erase_buyers", erase)

        def fail(order_id: str) -> None:
            failing[0] = order_id

        return fail

    @pytest.fixture
    def old(self, merchant: Any, stuck: Callable[[str], None]) -> list[str]:
        """Three shipped orders whose time is over; the first cannot be erased."""
        ids = merchant.sandbox.sell(merchant.account.account_id, 3, {"standard": 3})
        for order_id in ids:
            merchant.sandbox.ship(order_id, carrier="DPD", tracking_number=TRACKING)
        for _ in range(2):
            merchant.sandbox.advance(minutes=15)
            merchant.sync()
        stuck(ids[0])
        days_pass(merchant, 182)
        return list(ids)

    def test_the_others_are_erased_all_the_same(self, merchant: Any, old: list[str]) -> None:
        erased = [merchant.order(order_id).order.erased_at is not None for order_id in old]
        assert erased == [False, True, True]
        assert merchant.journal(old[0])[-1] == "erase_failed"

    def test_it_is_said_by_doctor_digest_and_signal(self, merchant: Any, old: list[str]) -> None:
        [finding] = [
            one
            for examined in merchant.connector.doctor()
            for one in examined.findings
            if one.what == "personal data" and not one.ok
        ]
        key = f"main/manomano_fr/{old[0]}"
        assert key in finding.sentence
        assert "RuntimeError" in finding.sentence
        assert [(one.subject, one.reason) for one in merchant.connector.digest("main").new] == [(key, "not_erased")]
        heard: list[tuple[str, str]] = []

        def failed(_sender: Any, *, order: Any, about: str) -> None:
            heard.append((str(order), about.partition(":")[0]))

        with merchant.connector.signals.erasure_failed.connected_to(failed):
            days_pass(merchant, 2)
        assert heard == [(key, "RuntimeError")]
        assert merchant.journal(old[0]).count("erase_failed") == 1, "the same failure is noted once"

    def test_it_is_tried_again_the_next_day_and_then_said_no_more(
        self, merchant: Any, old: list[str], stuck: Callable[[str], None]
    ) -> None:
        [step] = merchant.connector.store.steps(kind=StepKind.ERASE)
        assert 23 * 3600 < (step.due_at - merchant.sandbox.now()).total_seconds() <= 24 * 3600
        assert "1 order" in step.error
        stuck("")
        days_pass(merchant, 2)
        assert merchant.order(old[0]).order.erased_at is not None
        assert all(
            one.ok for each in merchant.connector.doctor() for one in each.findings if one.what == "personal data"
        )
        assert held(merchant, {"Mme Personne"}) == set()
        assert merchant.connector.digest("main").new == ()

    def test_one_buyers_other_orders_are_erased_too(
        self, make_merchant: Callable[..., Any], stuck: Callable[[str], None]
    ) -> None:
        merchant = make_merchant()
        first, second = merchant.sandbox.sell(merchant.account.account_id, 2, {"standard": 2})
        for order_id in (first, second):
            merchant.sandbox.amend(order_id, {"billing": {"email": "same@example.org"}})
            merchant.sandbox.ship(order_id, carrier="DPD", tracking_number=TRACKING)
        merchant.sandbox.advance(minutes=15)
        merchant.sync()
        stuck(first)
        done = merchant.connector.erase_buyer("same@example.org")
        assert {one.order.marketplace_order_id: one.erased for one in done} == {first: False, second: True}
        assert ["RuntimeError" in one.why for one in done if not one.erased] == [True]
        assert merchant.order(second).order.erased_at is not None
