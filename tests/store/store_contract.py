"""What every store must do; a subclass gives the fixtures `store` and `again` (the same store, opened by another)."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from lengow.connector.adapter import (
    AmendAmounts,
    AmendedLine,
    Cancel,
    CancelLines,
    Change,
    CorrectAddress,
    MarkShipped,
    Refund,
)
from lengow.connector.errors import LeaseLost, StoreBusy, StoreError
from lengow.connector.model import (
    ActionState,
    Address,
    ChangeKind,
    ChangeState,
    EventState,
    OrderState,
    StepKind,
    Tracking,
)
from lengow.connector.store import Store
from lengow.connector.store.contract import Transaction
from lengow.connector.store.rows import (
    ActionRow,
    ChangeRow,
    EventRow,
    JournalEntry,
    MappedCarrier,
    NewStep,
    OrderFilter,
    OrderRow,
    OrderSearch,
    PackageRow,
    ProductMatch,
    QueueRow,
    RecordRow,
    SessionRow,
    ToggleRow,
    UserRow,
)

NOW = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
MUCH_LATER = NOW + timedelta(hours=5)


class StoreContract:
    def test_an_order_comes_back_as_it_was_saved_and_is_replaced_by_id(self, store: Store) -> None:
        with store.transaction() as tx:
            row = an_order()
            order_id = save_order(tx, row)
        row = msgspec.structs.replace(row, id=order_id)
        assert store.order(order_id) is not None
        assert store.order(order_id).order == row  # type: ignore[union-attr]
        changed = msgspec.structs.replace(row, state=OrderState.FAILED, reason="unknown_currency")
        with store.transaction() as tx:
            assert save_order(tx, changed) == order_id
        [found] = store.find_orders("M1")
        assert found.order == changed

    def test_orders_are_saved_many_at_once_and_each_by_its_own_id(self, store: Store) -> None:
        with store.transaction() as tx:
            old = save_order(tx, an_order(marketplace_order_id="M2", buyer="Ada"))
            stored = an_order(id=old, marketplace_order_id="M2", buyer="Zoe")
            ids = tx.save_orders([an_order(), stored, an_order(marketplace_order_id="M3", buyer="Ada")])
            assert tx.save_orders([]) == []
        assert ids[1] == old
        assert [store.order(one).order.marketplace_order_id for one in ids] == ["M1", "M2", "M3"]  # type: ignore[union-attr]
        assert store.search_orders(OrderSearch(text="ada")) == [store.order(ids[2])]
        assert store.search_orders(OrderSearch(text="zoe", limit=9))[-1] == store.order(ids[1])

    def test_packages_come_with_those_that_their_orders_have_beside_them(self, store: Store) -> None:
        with store.transaction() as tx:
            one, two = tx.save_orders([an_order(), an_order(marketplace_order_id="M2")])
            ids = tx.save_packages([a_package(one, 1), a_package(one, 2), a_package(two, 1)])
            assert tx.packages_with_siblings(ids[:1]) == tx.packages(ids[:2])
        assert store.packages_with_siblings([ids[1], ids[2], 0]).keys() == set(ids)
        assert store.packages_with_siblings([]) == {}

    def test_one_order_a_key(self, store: Store) -> None:
        with store.transaction() as tx:
            save_order(tx, an_order())
        with pytest.raises(StoreError), store.transaction() as tx:
            save_order(tx, an_order())
        with store.transaction() as tx:
            save_order(tx, an_order(account="other"))

    def test_known_gives_fingerprints_of_many_names_at_once(self, store: Store) -> None:
        names = [("manomano_fr", f"M{number}") for number in range(1203)]
        with store.transaction() as tx:
            for _, number in names[:1200]:
                save_order(tx, an_order(marketplace_order_id=number, fingerprint=number.encode()))
        known = store.known("main", names)
        assert len(known) == 1200
        assert known["manomano_fr", "M7"] == b"M7"
        assert store.known("other", names) == {}

    def test_what_other_accounts_have_begun_is_found_by_name(self, store: Store) -> None:
        with store.transaction() as tx:
            begun, waiting = save_order(tx, an_order()), save_order(tx, an_order(marketplace_order_id="M2"))
            save_package(tx, msgspec.structs.replace(a_package(begun, 1), state=OrderState.CREATED))
            save_package(tx, a_package(waiting, 1))
            assert list(tx.begun_elsewhere("other", [("manomano_fr", "M1")])) == [("manomano_fr", "M1")]
        names = [("manomano_fr", "M1"), ("manomano_fr", "M2"), ("manomano_es", "M1")]
        assert store.begun_elsewhere("other", names) == {("manomano_fr", "M1"): [("main", NOW, "131.70", NOW)]}
        assert store.begun_elsewhere("main", names) == {}
        assert store.begun_elsewhere("other", []) == {}
        assert [store.has_other_accounts(account) for account in ("main", "other")] == [False, True]

    def test_what_was_noted_of_many_orders_comes_with_its_details(self, store: Store) -> None:
        with store.transaction() as tx:
            first, second = save_order(tx, an_order()), save_order(tx, an_order(marketplace_order_id="M2"))
            whats = [("near", "one"), ("other", "x"), ("near", "two")]
            tx.note([JournalEntry(NOW, first, None, what, detail, "connector") for what, detail in whats])
        assert store.details_noted([first, second], "near") == {first: ["one", "two"]}

    def test_what_it_refuses_names_no_buyer(self, store: Store) -> None:
        """The sentence goes to logs, mails and journals."""
        order: Any = an_order(status=None, buyer="Jane Roe", email="jane@example.com")
        with pytest.raises(StoreError) as raised, store.transaction() as tx:
            tx.save_orders([order])
        assert "status" in str(raised.value)
        assert "Jane" not in str(raised.value)
        assert "jane" not in str(raised.value)

    def test_it_knows_the_time(self, store: Store) -> None:
        before = datetime.now(UTC) - timedelta(minutes=1)
        assert before < store.now() < before + timedelta(minutes=10)

    def test_a_text_with_a_nul_is_kept_without_harm(self, store: Store) -> None:
        """Such as in what a shop answers."""
        with store.transaction() as tx:
            order_id = save_order(tx, an_order(about="a\0b"))
        stored = store.order(order_id)
        assert stored is not None
        assert stored.order.about in ("a\0b", "a\ufffdb")

    def test_a_statement_that_failed_undoes_the_transaction_even_if_nobody_minds(self, store: Store) -> None:
        with pytest.raises(StoreError), store.transaction() as tx:  # noqa: PT012 - the block is the case
            save_order(tx, an_order())
            save_order(tx, an_order())
        assert store.find_orders("M1") == []

    def test_what_raises_in_a_transaction_undoes_all_of_it(self, store: Store) -> None:
        with pytest.raises(ZeroDivisionError), store.transaction() as tx:  # noqa: PT012 - the block is the case
            save_order(tx, an_order())
            tx.set_value("main", "cursor", "1")
            raise ZeroDivisionError
        assert store.find_orders("M1") == []
        assert store.get_value("main", "cursor") is None

    def test_who_does_not_want_to_wait_for_others_is_told_that_the_store_is_busy(
        self, store: Store, again: Store
    ) -> None:
        with store.transaction() as tx:
            tx.set_value("main", "cursor", "1")
            with pytest.raises(StoreBusy), again.transaction(wait=0.1) as other:
                other.set_value("main", "cursor", "2")
        with again.transaction(wait=0.1) as other:
            assert other.get_value("main", "cursor") == "1"
            other.set_value("main", "cursor", "2")
        assert store.get_value("main", "cursor") == "2"

    def test_another_reader_sees_only_what_is_committed(self, store: Store, again: Store) -> None:
        with store.transaction() as tx:
            save_order(tx, an_order())
            assert again.find_orders("M1") == []
        assert len(again.find_orders("M1")) == 1

    def test_records_are_kept_apart_and_replaced(self, store: Store) -> None:
        with store.transaction() as tx:
            order_id = save_order(tx, an_order())
            tx.save_records([RecordRow(order_id, b"{}", b"", None)])
            tx.save_records([RecordRow(order_id, b'{"a": 1}', b"", b"\xff")])
        assert store.records([order_id, 999]) == {order_id: RecordRow(order_id, b'{"a": 1}', b"", b"\xff")}
        assert store.models([order_id]) == {}

    def test_a_package_is_found_by_shop_order_and_by_reference(self, store: Store) -> None:
        package = self._package(store, shop_order_id="77")
        assert store.package_in_shop("b2c", shop_order_id="77") == package
        assert store.package_in_shop("b2c", reference=package.reference) == package
        assert store.package_in_shop("b2c", shop_order_id="78") is None
        assert store.package_in_shop("b2b", shop_order_id="77") is None
        assert store.package_in_shop("b2c") is None
        assert store.packages([package.id, 999]) == {package.id: package}
        assert store.packages_of_orders([package.order_id]) == {package.order_id: [package]}

    @pytest.mark.parametrize(
        ("state", "found"),
        [
            ("waiting", True),
            ("skipped", True),
            ("ready", True),
            ("creating", False),
            ("created", False),
            ("failed", False),
        ],
    )
    def test_orders_to_decide_have_a_package_that_may_still_change(self, store: Store, state: str, found: bool) -> None:
        package = self._package(store, state=OrderState(state))
        assert store.orders_to_decide("main", NOW - timedelta(days=1)) == [package.order_id] * found
        assert store.orders_to_decide("main", NOW + timedelta(days=1)) == []
        assert store.orders_to_decide("other", NOW - timedelta(days=1)) == []

    @pytest.mark.parametrize(
        ("narrowed", "found"),
        [
            pytest.param({}, ["M3", "M2", "M1", "M0"], id="newest first"),
            pytest.param({"sort": "oldest"}, ["M0", "M1", "M2", "M3"], id="oldest first"),
            pytest.param({"sort": "deadline"}, ["M3", "M0", "M2"], id="to ship: nearest deadline first"),
            pytest.param({"shop": "b2b"}, ["M1"], id="shop"),
            pytest.param({"marketplace": "fnac_fr"}, ["M2"], id="marketplace"),
            pytest.param({"state": "failed"}, ["M2"], id="state"),
            pytest.param({"state": "failed", "reason": "no_lines"}, [], id="state and reason"),
            pytest.param({"order_type": "is_express"}, ["M1"], id="type"),
            pytest.param({"order_type": "is_exp"}, [], id="no part of a type"),
            pytest.param({"since": NOW + timedelta(days=2)}, ["M3", "M2"], id="from a day"),
            pytest.param({"until": NOW + timedelta(days=2)}, ["M1", "M0"], id="before a day"),
            pytest.param({"text": "m1"}, ["M1"], id="number"),
            pytest.param({"text": "dupo"}, ["M3", "M0"], id="beginning of a name"),
            pytest.param({"text": "DUPONT jean"}, ["M0"], id="every word"),
            pytest.param({"text": "martin m2"}, ["M2"], id="name and number"),
            pytest.param({"text": "eloise"}, ["M3"], id="without accents"),
            pytest.param({"text": "du"}, [], id="a short word is meant whole"),
            pytest.param({"text": "anne.martin@example.com"}, ["M1"], id="e-mail"),
            pytest.param({"text": "martin", "state": "failed"}, ["M2"], id="name and state"),
            pytest.param({"text": "%"}, [], id="a metacharacter stands for itself"),
        ],
    )
    def test_orders_are_searched(self, store: Store, narrowed: dict[str, Any], found: list[str]) -> None:
        self._shown_orders(store)
        assert [one.order.marketplace_order_id for one in store.search_orders(OrderSearch(**narrowed))] == found

    def test_an_order_is_found_by_its_shop_orders_number_reference_and_tracking_number(self, store: Store) -> None:
        package = self._package(store, shop_order_id="000000123")
        with store.transaction() as tx:
            tx.add_action(an_action(package.order_id, arguments={"tracking_number": "6A123 456"}))
        for text in ("000000123", package.reference, "6a123"):
            assert [one.order.id for one in store.search_orders(OrderSearch(text=text))] == [package.order_id], text

    def test_a_name_that_was_erased_is_not_found_any_more(self, store: Store) -> None:
        order_id = self._shown_orders(store)[0]
        before = store.order(order_id)
        assert before is not None
        with store.transaction() as tx:
            save_order(tx, msgspec.structs.replace(before.order, buyer="", email=""))
        assert store.search_orders(OrderSearch(text="jean")) == []
        assert len(store.search_orders(OrderSearch(text="M0"))) == 1

    @pytest.mark.parametrize("sort", ["newest", "oldest"])
    def test_pages_follow_each_other_both_ways(self, store: Store, sort: Any) -> None:
        with store.transaction() as tx:
            for number in range(7):  # three at the same instant
                save_order(
                    tx, an_order(marketplace_order_id=f"M{number}", ordered_at=NOW + timedelta(hours=number // 3))
                )

        def page(**options: Any) -> list[tuple[Any, int]]:
            found = store.search_orders(OrderSearch(sort=sort, limit=3, **options))
            return [(one.order.ordered_at, one.order.id) for one in found]

        first = page()
        second = page(after=first[-1])
        third = page(after=second[-1])
        ordered = sorted([*first, *second, *third], reverse=sort == "newest")
        assert [*first, *second, *third] == ordered
        assert len(set(ordered)) == 7
        assert page(after=third[0], backwards=True) == second
        assert page(after=second[0], backwards=True) == first

    def test_orders_are_counted_by_shop_and_hour(self, store: Store) -> None:
        self._shown_orders(store)
        assert store.count_by_shop() == {
            ("b2c", "created", ""): 2,
            ("b2c", "failed", "unknown_currency"): 1,
            ("b2b", "created", ""): 1,
        }
        assert store.marketplaces_with_orders("main") == ["fnac_fr", "manomano_fr"]
        assert store.marketplaces_with_orders("other") == []
        assert store.reasons_of_orders("main") == ["unknown_currency"]
        hour = NOW.replace(minute=0, second=0, microsecond=0)
        days = {hour + timedelta(days=2): 1, hour + timedelta(days=3): 1}
        assert store.orders_per_hour(NOW + timedelta(days=2)) == days

    def test_confirmed_shipments_are_counted_by_hour(self, store: Store) -> None:
        order_id = self._package(store).order_id
        with store.transaction() as tx:
            for number, state in enumerate(["confirmed", "confirmed", "refused"]):
                row = an_action(order_id, dedupe=str(number), state=ActionState(state), changed_at=NOW)
                tx.add_action(row)
            tx.add_action(an_action(order_id, dedupe="9", state=ActionState.CONFIRMED, action_type="refund"))
        hour = NOW.replace(minute=0, second=0, microsecond=0)
        assert store.confirmations_per_hour("main", NOW - timedelta(days=1)) == {hour: 2}
        assert store.confirmations_per_hour("main", NOW + timedelta(days=1)) == {}
        assert store.confirmations_per_hour("other", NOW - timedelta(days=1)) == {}

    def test_the_actions_of_many_orders_come_at_once(self, store: Store) -> None:
        first, second, *_ = self._shown_orders(store)
        with store.transaction() as tx:
            tx.add_action(an_action(first, dedupe="1"))
            tx.add_action(an_action(first, dedupe="2"))
        found = store.actions_of_orders([first, second])
        assert {order_id: [row.dedupe for row in rows] for order_id, rows in found.items()} == {
            first: ["1", "2"],
            second: [],
        }

    def test_what_happened_to_no_order_is_read_newest_first(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.note([JournalEntry(NOW, 7, None, "received", "", "connector")])
            tx.note([JournalEntry(NOW, None, None, "toggled", detail, "anne") for detail in ("on", "off")])
        assert [entry.detail for entry in store.general_journal()] == ["off", "on"]
        assert [entry.detail for entry in store.general_journal(limit=1)] == ["off"]

    def test_users_and_their_sessions(self, store: Store, again: Store) -> None:
        anne = UserRow("anne", "admin", "hash", NOW)
        with store.transaction() as tx:
            tx.save_user(anne)
            tx.save_user(UserRow("bob", "viewer", "hash", NOW))
            tx.save_user(UserRow("bob", "operator", "other", LATER))
            tx.add_session(SessionRow("d1", "anne", NOW, LATER))
            tx.add_session(SessionRow("d2", "bob", NOW, MUCH_LATER))
        assert again.users() == [anne, UserRow("bob", "operator", "other", NOW)]
        assert again.session("d1") == SessionRow("d1", "anne", NOW, LATER)
        with store.transaction() as tx:
            tx.drop_expired_sessions(LATER)
            tx.drop_user("bob")
        assert (store.sessions(), again.session("d1"), again.user("bob")) == ([], None, None)

    def test_failed_logins_are_counted_until_they_are_forgotten(self, store: Store, again: Store) -> None:
        with store.transaction() as tx:
            tx.note_failed_login(["name", "address"], NOW)
            tx.note_failed_login(["address"], MUCH_LATER)
        assert again.failed_logins(["name", "address", "other"]) == {"name": 1, "address": 2, "other": 0}
        with store.transaction() as tx:
            tx.forget_failed_logins(before=LATER)
        assert again.failed_logins(["name", "address"]) == {"name": 0, "address": 1}
        with store.transaction() as tx:
            tx.forget_failed_logins(subjects=["address"])
        assert again.failed_logins(["address"]) == {"address": 0}

    def test_orders_are_listed_newest_first_by_any_filter(self, store: Store) -> None:
        with store.transaction() as tx:
            for number in range(5):
                state = OrderState.FAILED if number == 3 else OrderState.CREATED
                save_order(tx, an_order(marketplace_order_id=f"M{number}", state=state))
        listed = store.list_orders(OrderFilter(limit=2))
        assert [one.order.marketplace_order_id for one in listed] == ["M4", "M3"]
        following = store.list_orders(OrderFilter(limit=9, before_id=listed[-1].order.id))
        assert [one.order.marketplace_order_id for one in following] == ["M2", "M1", "M0"]
        assert len(store.list_orders(OrderFilter(state="failed"))) == 1
        assert store.list_orders(OrderFilter(account="other")) == []
        assert store.count_orders("main") == {("created", ""): 4, ("failed", ""): 1}

    def test_steps_are_claimed_when_due_oldest_first_and_by_one_only(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.add_steps([NewStep(StepKind.CREATE, str(n), NOW - timedelta(minutes=n), shop="b2c") for n in range(4)])
            tx.add_steps([NewStep(StepKind.CREATE, "future", LATER, shop="b2c")])
            tx.add_steps([NewStep(StepKind.CREATE, "elsewhere", NOW, shop="b2b")])
        with store.transaction() as tx:
            first = tx.claim(StepKind.CREATE, NOW, LATER, limit=2, shop="b2c")
            second = tx.claim(StepKind.CREATE, NOW, LATER, limit=9, shop="b2c")
        assert {step.subject for step in first} == {"3", "2"}
        assert {step.subject for step in second} == {"1", "0"}
        assert {step.attempts for step in first} == {1}

    def test_of_what_is_due_the_nearest_deadline_comes_first(self, store: Store) -> None:
        deadlines = {"none": None, "late": MUCH_LATER, "soon": LATER}
        steps = [NewStep(StepKind.SEND, name, NOW, account="main", deadline=at) for name, at in deadlines.items()]
        with store.transaction() as tx:
            tx.add_steps(steps)
            claimed = [tx.claim(StepKind.SEND, NOW, LATER, limit=1, account="main")[0].subject for _ in steps]
        assert claimed == ["soon", "late", "none"]

    def test_many_claim_at_once_and_each_step_goes_to_one(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.add_steps([NewStep(StepKind.SEND, str(n), NOW, account="main") for n in range(100)])
        claimed: list[str] = []

        def work() -> None:
            while True:
                with store.transaction() as tx:
                    steps = tx.claim(StepKind.SEND, NOW, LATER, limit=3, account="main")
                if not steps:
                    return
                claimed.extend(step.subject for step in steps)

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(claimed, key=int) == [str(n) for n in range(100)]

    def test_a_lease_that_ended_is_taken_over_and_the_first_holder_writes_nothing(self, store: Store) -> None:
        [old] = self._claimed(store)
        with store.transaction() as tx:
            [new] = tx.claim(StepKind.SEND, LATER, MUCH_LATER, limit=1)
        assert (new.id, new.token, new.attempts) == (old.id, old.token + 1, 2)
        writes: list[Callable[[Any], object]] = [
            lambda tx: tx.finish([old]),
            lambda tx: tx.postpone(old, MUCH_LATER),
            lambda tx: tx.hold(old, "no"),
            lambda tx: tx.renew(old, MUCH_LATER),
        ]
        for write in writes:
            with pytest.raises(LeaseLost), store.transaction() as tx:
                write(tx)
        with store.transaction() as tx:
            assert (tx.mine([old]), tx.mine([new])) == (set(), {new.id})
            tx.finish([new])
        assert store.steps() == []

    def test_whether_something_is_due_or_leased(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.add_steps([NewStep(StepKind.CREATE, "1", NOW, account="main", shop="b2c")])
        facts = [store.is_due(StepKind.CREATE, NOW, account="main"), store.is_leased(StepKind.CREATE, NOW, shop="b2c")]
        with store.transaction() as tx:
            tx.claim(StepKind.CREATE, NOW, LATER, limit=1, shop="b2c")
        facts += [store.is_due(StepKind.CREATE, NOW, account="main"), store.is_leased(StepKind.CREATE, NOW, shop="b2c")]
        facts += [
            store.is_leased(StepKind.CREATE, LATER, shop="b2c"),
            store.is_leased(StepKind.CREATE, NOW, shop="b2b"),
        ]
        assert facts == [True, False, False, True, False, False]

    def test_a_held_step_waits_until_it_is_renewed(self, store: Store) -> None:
        [step] = self._claimed(store)
        with store.transaction() as tx:
            tx.hold(step, "it failed")
            assert tx.claim(StepKind.SEND, MUCH_LATER, MUCH_LATER, limit=1) == []
        [held] = store.steps(held=True)
        assert held.error == "it failed"
        with store.transaction() as tx:
            tx.add_steps([NewStep(StepKind.SEND, "1", NOW, account="main")])
            [again] = tx.claim(StepKind.SEND, MUCH_LATER, MUCH_LATER, limit=1)
        assert again.attempts == 1

    def test_adding_a_step_that_is_being_worked_on_leaves_it_alone(self, store: Store) -> None:
        [step] = self._claimed(store)
        with store.transaction() as tx:
            tx.add_steps([NewStep(StepKind.SEND, "1", NOW, account="main")])
            tx.add_steps([NewStep(StepKind.SEND, "1", NOW, account="main")], renew=False)
            tx.finish([step])
        assert store.steps() == []

    def test_a_postponed_step_counts_its_attempts_or_starts_anew(self, store: Store) -> None:
        [step] = self._claimed(store)
        with store.transaction() as tx:
            tx.postpone(step, LATER, "busy")
            assert tx.claim(StepKind.SEND, NOW, LATER, limit=1) == []
            [step] = tx.claim(StepKind.SEND, LATER, MUCH_LATER, limit=1)
            assert (step.attempts, step.error) == (2, "busy")
            tx.postpone(step, LATER, restart=True)
            [step] = tx.claim(StepKind.SEND, LATER, MUCH_LATER, limit=1)
            assert step.attempts == 1
        assert store.step(step.id) == step
        assert store.step(999) is None

    def test_an_id_is_never_given_twice_so_that_a_fence_holds_for_good(self, store: Store) -> None:
        [old] = self._claimed(store)
        with store.transaction() as tx:
            tx.finish([old])
            tx.add_steps([NewStep(StepKind.SEND, "2", NOW, account="main")])
            [new] = tx.claim(StepKind.SEND, NOW, LATER, limit=1)
            assert tx.mine([old]) == set()
        assert new.id != old.id

    def test_renewing_a_step_moves_it_to_the_given_shop(self, store: Store) -> None:
        with store.transaction() as tx:
            for shop in ("b2c", "pro"):
                tx.add_steps([NewStep(StepKind.CREATE, "1", NOW, account="main", shop=shop)])
            assert tx.claim(StepKind.CREATE, NOW, LATER, limit=1, shop="b2c") == []
            assert len(tx.claim(StepKind.CREATE, NOW, LATER, limit=1, shop="pro")) == 1

    def test_by_force_what_is_not_due_is_claimed_but_never_what_another_holds(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.add_steps([NewStep(StepKind.IMPORT, "main", MUCH_LATER, account="main")])
            [step] = tx.claim(StepKind.IMPORT, NOW, LATER, limit=1, account="main", force=True)
            assert tx.claim(StepKind.IMPORT, NOW, LATER, limit=1, account="main", force=True) == []
            tx.drop_step(StepKind.IMPORT, step.subject)
        assert store.steps() == []

    def test_a_step_that_starts_anew_keeps_its_deadline(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.add_steps([NewStep(StepKind.SEND, "1", NOW, account="main", deadline=MUCH_LATER)])
            tx.add_steps([NewStep(StepKind.SEND, "2", NOW, account="main", deadline=LATER)])
            tx.add_steps([NewStep(StepKind.SEND, "2", NOW, account="main")])
            [first] = tx.claim(StepKind.SEND, NOW, LATER, limit=1, account="main")
            tx.add_steps([NewStep(StepKind.SEND, "3", NOW, account="main")])
            rest = tx.claim(StepKind.SEND, NOW, LATER, limit=9, account="main")
        assert [first.subject, *(step.subject for step in rest)] == ["2", "1", "3"]

    def test_one_action_under_way_a_dedupe(self, store: Store) -> None:
        order_id = self._order(store)
        with store.transaction() as tx:
            first, is_new = tx.add_action(an_action(order_id))
            assert is_new
            assert tx.add_action(an_action(order_id)) == (first, False)
            refused = msgspec.structs.replace(first, state=ActionState.REFUSED, error="no", lengow_id=7)
            tx.save_action(refused)
            second, is_new = tx.add_action(an_action(order_id))
            assert is_new
        assert second.id != first.id
        assert store.action(first.id) == refused
        assert store.actions_of(order_id) == [refused, second]
        assert store.list_actions(states=[ActionState.QUEUED]) == [second]
        assert store.list_actions(account="other") == []

    def test_a_part_is_kept_with_its_parcel_and_how_it_was_dealt_with(self, store: Store) -> None:
        action = an_action(self._order(store))
        part = msgspec.structs.replace(action, state=ActionState.HELD, parcel="p1", quantity=2)
        with store.transaction() as tx:
            held, _ = tx.add_action(part)
        assert store.action(held.id) == msgspec.structs.replace(part, id=held.id)
        assert store.list_actions(states=[ActionState.HELD], unhandled=True) == [held]
        with store.transaction() as tx:
            tx.save_action(msgspec.structs.replace(held, handled="told with action 7"))
            assert not tx.add_action(part)[1]
        assert store.list_actions(states=[ActionState.HELD], unhandled=True) == []
        assert store.action(held.id).handled == "told with action 7"

    def test_orders_actions_events_and_steps_are_counted(self, store: Store) -> None:
        with store.transaction() as tx:
            order_id = save_order(tx, an_order(shop="b2c"))
            save_order(tx, an_order(marketplace_order_id="M2", shop="b2c"))
            save_order(tx, an_order(marketplace_order_id="M3", state=OrderState.SKIPPED))
            tx.add_action(an_action(order_id))
            tx.add_events([an_event(), an_event(event_id="2"), an_event(shop="b2b")])
            tx.add_steps([NewStep(StepKind.CREATE, "1", NOW), NewStep(StepKind.CREATE, "2", MUCH_LATER)])
            tx.add_steps([NewStep(StepKind.SEND, "1", NOW)])
            tx.hold(*tx.claim(StepKind.SEND, NOW, NOW, limit=1), "no")
        assert store.count_orders_of_shops() == {
            ("main", "b2c", OrderState.READY): 2,
            ("main", "", OrderState.SKIPPED): 1,
        }
        assert store.count_actions() == {("main", ActionState.QUEUED): 1}
        assert store.count_events() == {("b2c", EventState.RECEIVED): 2, ("b2b", EventState.RECEIVED): 1}
        assert store.queue(LATER) == [
            QueueRow(StepKind.CREATE, False, 1, 2, NOW),
            QueueRow(StepKind.SEND, True, 1, 1, NOW),
        ]

    def test_what_is_old_and_settled_is_found_and_erased(self, store: Store) -> None:
        with store.transaction() as tx:
            old = save_order(tx, an_order(email="Zoe@Example.org"))
            save_order(tx, an_order(marketplace_order_id="M2", changed_at=MUCH_LATER))
            busy = save_order(tx, an_order(marketplace_order_id="M3"))
            save_package(tx, PackageRow(0, busy, 1, "b2c", "r3", ("1",), OrderState.READY, "", "", "", False, NOW))
            tx.add_action(an_action(old, state=ActionState.CONFIRMED, arguments={"tracking_number": "T1"}, parcel="T1"))
            tx.note([JournalEntry(NOW, old, None, what, "Zoe", "connector") for what in ("created", "decided")])
        assert store.orders_to_erase(LATER, unshipped_before=LATER, after_id=0, limit=10) == [old]
        assert store.orders_to_erase(LATER, unshipped_before=LATER, after_id=old, limit=10) == []
        assert store.orders_of_buyer("zoe@example.ORG") == [old]
        assert store.orders_under_way([old, busy]) == {busy}
        assert store.search_orders(OrderSearch(text="T1"))
        with store.transaction() as tx:
            tx.erase_order(tx.orders([old])[old].order, LATER, parcels=["T1"], kept_details=["created"])
        erased = store.orders([old])[old].order
        assert (erased.buyer, erased.email, erased.erased_at) == ("", "", LATER)
        assert [entry.detail for entry in store.journal(old)] == ["Zoe", ""]
        assert [row.parcel for row in store.actions_of(old)] == [""]
        assert store.search_orders(OrderSearch(text="T1")) == []
        assert [one.order.id for one in store.search_orders(OrderSearch(text="M1"))] == [old]
        assert store.orders_to_erase(LATER, unshipped_before=LATER, after_id=0, limit=10) == []

    def test_settled_events_that_tell_of_a_parcel_are_found(self, store: Store) -> None:
        parcel = {"id": "1", "tracking": {"number": "T1"}}
        with store.transaction() as tx:
            [told, _, _] = tx.add_events(
                [
                    msgspec.structs.replace(an_event(), body=parcel, state=EventState.DONE),
                    msgspec.structs.replace(an_event(event_id="2"), body=parcel),
                    msgspec.structs.replace(an_event(event_id="3"), state=EventState.DONE),
                ]
            )
        [found] = store.events_with_parcels(before=LATER, shop="b2c", limit=10)
        assert found.id == told
        assert store.events_with_parcels(before=NOW, limit=10) == []
        with store.transaction() as tx:
            tx.set_event_body(told, "{}")
        assert store.events_with_parcels(limit=10) == []

    def test_changes_keep_their_order_and_are_listed_by_state(self, store: Store) -> None:
        with store.transaction() as tx:
            order_id = save_order(tx, an_order())
            package = PackageRow(0, order_id, 1, "b2c", "r1", ("1",), OrderState.CREATED, "", "", "1", True, NOW)
            package_id = save_package(tx, package)
            bodies: list[Change | None] = [
                Cancel("why"),
                CancelLines(("1",), Decimal("9.90")),
                Refund("r1", Decimal("10.00"), line_ids=("1",)),
                MarkShipped(Tracking(number="6A1")),
                CorrectAddress(delivery=Address(city="Sète")),
                AmendAmounts((AmendedLine("1", 2, Decimal("1.10")),), shipping=Decimal(0)),
                None,
            ]
            rows = [a_change(order_id, package_id, body) for body in bodies]
            rows = [msgspec.structs.replace(row, id=tx.add_change(row)) for row in rows]
            applied = msgspec.structs.replace(
                rows[0], state=ChangeState.APPLIED, reason="r", about="a", changed_at=LATER, who="anna"
            )
            tx.save_change(applied)
            assert tx.change(applied.id) == applied
        assert store.changes_of([order_id, 99]) == {order_id: [applied, *rows[1:]], 99: []}
        assert store.list_changes(states=[ChangeState.WAITING], limit=2) == [rows[-1], rows[-2]]
        assert store.list_changes(account="main", shop="b2c") == [*reversed(rows[1:]), applied]
        assert store.list_changes(account="other") == store.list_changes(shop="other") == []
        assert store.count_changes("main") == {ChangeState.APPLIED: 1, ChangeState.WAITING: 6}
        assert store.count_changes("other") == {}
        assert store.change(99) is None

    def test_an_event_is_taken_once(self, store: Store) -> None:
        with store.transaction() as tx:
            [event_id] = tx.add_events([an_event()])
            assert tx.add_events([an_event()]) == []
            assert len(tx.add_events([an_event(shop="b2b"), an_event(event_id="2")])) == 2
        row = store.event(event_id)
        assert row == msgspec.structs.replace(an_event(), id=event_id)
        with store.transaction() as tx:
            tx.save_event(msgspec.structs.replace(row, state=EventState.FAILED, reason="order_unknown", about="?"))
        assert [one.id for one in store.list_events(state=EventState.FAILED)] == [event_id]

    def test_journal_toggles_values_and_marketplaces(self, store: Store) -> None:
        order_id = self._order(store)
        entries = [JournalEntry(NOW, order_id, None, what, "", "connector") for what in ("received", "created")]
        with store.transaction() as tx:
            tx.note(entries)
            for value in (True, False):
                tx.set_toggle(ToggleRow("b2c", "toggle", value, NOW, "anna"))
            for value in ("1", "2"):
                tx.set_value("main", "cursor", value)
            tx.save_marketplaces("main", {"a": b"{}", "b": b"{}"}, NOW)
            tx.save_marketplaces("main", {"a": b"{}"}, LATER)
        assert store.journal(order_id) == entries
        [(first, at, of), (second, _, _)] = store.journal_after("main", 0, 10)
        assert (at, of, store.newest_entry()) == (NOW, order_id, second)
        assert [entry[0] for entry in store.journal_after("main", first, 10)] == [second]
        assert store.journal_after("main", 0, 1) == [(first, NOW, order_id)]
        assert store.journal_after("other", 0, 10) == []
        assert store.toggles() == [ToggleRow("b2c", "toggle", False, NOW, "anna")]
        assert store.get_value("main", "cursor") == "2"
        assert (store.marketplaces("main"), store.marketplaces_read_at("main")) == ({"a": b"{}"}, LATER)
        assert (store.marketplaces("other"), store.marketplaces_read_at("other")) == ({}, None)

    def _order(self, store: Store) -> int:
        with store.transaction() as tx:
            return save_order(tx, an_order())

    def _shown_orders(self, store: Store) -> list[int]:
        """Four orders, each a day after the one before."""
        created = OrderState.CREATED
        differences: list[dict[str, Any]] = [
            {"buyer": "Jean Dupont", "state": created, "ship_by": NOW + timedelta(days=5)},
            {
                "buyer": "Anne Martin",
                "email": "anne.martin@example.com",
                "shop": "b2b",
                "state": created,
                "status": "shipped",
                "types": "is_business is_express",
            },
            {
                "buyer": "Luc Martin",
                "marketplace": "fnac_fr",
                "state": OrderState.FAILED,
                "reason": "unknown_currency",
                "ship_by": NOW + timedelta(days=6),
            },
            {"buyer": "Éloïse Dupont-Durand", "state": created, "ship_by": NOW + timedelta(days=4)},
        ]
        with store.transaction() as tx:
            return [
                save_order(
                    tx,
                    an_order(
                        marketplace_order_id=f"M{day}",
                        ordered_at=NOW + timedelta(days=day) if day else None,
                        **{"shop": "b2c", **different},
                    ),
                )
                for day, different in enumerate(differences)
            ]

    def _package(self, store: Store, **values: Any) -> PackageRow:
        row = PackageRow(
            id=0,
            order_id=self._order(store),
            position=1,
            shop="b2c",
            reference="main-manomano_fr-M1-1",
            line_ids=("M1-1", "M1-2"),
            state=OrderState.CREATED,
            reason="",
            about="",
            shop_order_id="",
            carries_shipping=True,
            changed_at=NOW,
        )
        row = msgspec.structs.replace(row, **values)
        with store.transaction() as tx:
            return msgspec.structs.replace(row, id=save_package(tx, row))

    def _claimed(self, store: Store) -> Any:
        with store.transaction() as tx:
            tx.add_steps([NewStep(StepKind.SEND, "1", NOW, account="main")])
            return tx.claim(StepKind.SEND, NOW, LATER, limit=1)

    def test_steps_are_found_by_what_they_are_about(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.add_steps([NewStep(StepKind.CREATE, str(number), NOW, shop="b2c") for number in range(1203)])
            tx.add_steps([NewStep(StepKind.REPORT, "7", NOW, account="main")])
            [claimed] = tx.claim(StepKind.CREATE, NOW, LATER, limit=1, subject="9")
            tx.hold(claimed, "no luck")
        found = store.steps_of(StepKind.CREATE, [*(str(number) for number in range(0, 1300, 2)), "9"])
        assert len(found) == 603
        assert (found["9"].held, found["8"].held, found["8"].kind) == (True, False, StepKind.CREATE)
        assert store.steps_of(StepKind.SEND, ["1"]) == {}

    def test_what_waits_can_be_made_due_at_once(self, store: Store) -> None:
        with store.transaction() as tx:
            tx.add_steps([NewStep(StepKind.CREATE, name, LATER, shop="b2c") for name in ("later", "held", "taken")])
            tx.add_steps([NewStep(StepKind.CREATE, "before", NOW - timedelta(hours=1), shop="b2c")])
            [held] = tx.claim(StepKind.CREATE, LATER, LATER, limit=1, subject="held")
            tx.hold(held, "no luck")
            [taken] = tx.claim(StepKind.CREATE, LATER, MUCH_LATER, limit=1, subject="taken")
            tx.make_due(NOW, LATER)
        found = store.steps_of(StepKind.CREATE, ["later", "held", "taken", "before"])
        due = {subject: step.due_at for subject, step in found.items()}
        assert due == {"later": NOW, "held": LATER, "taken": LATER, "before": NOW - timedelta(hours=1)}
        with store.transaction() as tx:
            assert tx.mine([taken]) == {taken.id}, "who works on it keeps it until then"
            assert len(tx.claim(StepKind.CREATE, LATER, MUCH_LATER, limit=9, subject="taken")) == 1
            assert tx.mine([taken]) == set()

    def test_carriers_are_mapped_one_a_shop_marketplace_and_code(self, store: Store) -> None:
        first = MappedCarrier("b2c", "manomano_fr", "geo", "Other", NOW, "anne")
        with store.transaction() as tx:
            tx.map_carrier(first)
            tx.map_carrier(msgspec.structs.replace(first, marketplace="fnac_fr", carrier="20001"))
            tx.map_carrier(msgspec.structs.replace(first, carrier="DPD", set_by="ben"))
        assert [(one.marketplace, one.carrier, one.set_by) for one in store.mapped_carriers()] == [
            ("fnac_fr", "20001", "anne"),
            ("manomano_fr", "DPD", "ben"),
        ]
        assert store.mapped_carriers("b2b") == []
        with store.transaction() as tx:
            assert tx.unmap_carrier("b2c", "fnac_fr", "geo")
            assert not tx.unmap_carrier("b2c", "fnac_fr", "geo")
        assert len(store.mapped_carriers("b2c")) == 1

    def test_product_matches_are_kept_one_a_shop_and_sku(self, store: Store) -> None:
        first = ProductMatch("b2c", "SKU-1", "P1", NOW, "anna")
        with store.transaction() as tx:
            tx.set_product_match(first)
            tx.set_product_match(msgspec.structs.replace(first, shop="b2b"))
            tx.set_product_match(msgspec.structs.replace(first, reference="P2", set_by="ben"))
        assert [(one.shop, one.reference, one.set_by) for one in store.product_matches()] == [
            ("b2b", "P1", "anna"),
            ("b2c", "P2", "ben"),
        ]
        with store.transaction() as tx:
            assert tx.drop_product_match("b2c", "SKU-1")
            assert not tx.drop_product_match("b2c", "SKU-1")
        assert store.product_matches("b2c") == []


def a_change(order_id: int, package_id: int, body: Change | None) -> ChangeRow:
    return ChangeRow(
        0,
        order_id,
        package_id,
        "main",
        "b2c",
        ChangeKind.LINES,
        body,
        ChangeState.WAITING,
        "",
        "",
        NOW,
        NOW,
        "connector",
    )


def save_order(tx: Transaction, row: OrderRow) -> int:
    [order_id] = tx.save_orders([row])
    return order_id


def save_package(tx: Transaction, row: PackageRow) -> int:
    [package_id] = tx.save_packages([row])
    return package_id


def a_package(order_id: int, position: int) -> PackageRow:
    reference, lines = f"r-{order_id}-{position}", (str(position),)
    return PackageRow(0, order_id, position, "b2c", reference, lines, OrderState.READY, "", "", "", False, NOW)


def an_order(**values: Any) -> OrderRow:
    row = OrderRow(
        id=0,
        account="main",
        marketplace="manomano_fr",
        marketplace_order_id="M1",
        fingerprint=b"\x00\x01",
        status="waiting_shipment",
        types="",
        ordered_at=NOW,
        updated_at=None,
        ship_by=None,
        total="131.70",
        currency="EUR",
        buyer="Zoë 🛠️",
        email="",
        state=OrderState.READY,
        reason="",
        about="",
        received_at=NOW,
        changed_at=NOW,
    )
    return msgspec.structs.replace(row, **values)


def an_action(order_id: int, **values: Any) -> ActionRow:
    row = ActionRow(
        id=0,
        order_id=order_id,
        package_id=None,
        account="main",
        marketplace="manomano_fr",
        marketplace_order_id="M1",
        action_type="ship",
        arguments={"carrier": "DPD"},
        dedupe="d1",
        state=ActionState.QUEUED,
        lengow_id=None,
        error="",
        created_at=NOW,
        changed_at=NOW,
        sent_at=None,
    )
    return msgspec.structs.replace(row, **values)


def an_event(shop: str = "b2c", event_id: str = "1") -> EventRow:
    return EventRow(
        id=0,
        shop=shop,
        delivery_id="d1",
        event_id=event_id,
        kind="shipment",
        body={"id": event_id},
        state=EventState.RECEIVED,
        reason="",
        about="",
        received_at=NOW,
    )
