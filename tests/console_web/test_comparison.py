"""The comparison of Lengow, the store and the shops in the browser; and the pieces of a line that left by themselves."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from lengow.connector.discrepancies import Kind, Remedy
from lengow.connector.importer import COMPLETE_SINCE, COMPLETE_UNTIL
from lengow.console.web import compared, jobs, labels

Browsing = Callable[..., Any]


def forgotten(merchant: Any) -> str:
    """An order that was sold, imported, and then deleted in the shop; and one whose number Lengow does not know."""
    gone, _ = merchant.sells(2)
    merchant.sync()
    merchant.run("DELETE FROM shop_orders WHERE marketplace_order_id = ?", gone)
    return str(gone)


def passed_over(merchant: Any, count: int) -> None:
    """Orders that the connector believes to have read, and has not."""
    merchant.sells(count)
    now = merchant.connector.now()
    with merchant.connector.store.transaction() as tx:
        tx.set_value("main", COMPLETE_SINCE, (now - timedelta(days=30)).isoformat())
        tx.set_value("main", COMPLETE_UNTIL, now.isoformat())


def test_nothing_is_compared_until_it_is_asked_for(operator: Any) -> None:
    assert "Not compared yet." in operator.sees("/compare")


def test_what_differs_is_shown_and_nothing_is_written(merchant: Any, operator: Any) -> None:
    gone = forgotten(merchant)
    before = merchant.rows("SELECT * FROM shop_orders")
    operator.sends("/compare", account="main", days="7")
    operator.waits()
    page = operator.sees("/compare")
    assert "Missing in the shop" in page
    assert gone in page
    assert "found: 1, left: 1" in page
    assert merchant.rows("SELECT * FROM shop_orders") == before


def test_all_well_is_said_so(merchant: Any, operator: Any) -> None:
    merchant.sells(3)
    merchant.sync()
    operator.sends("/compare", account="main", days="7")
    operator.waits()
    assert "nothing is amiss" in operator.sees("/compare")


def test_what_is_safe_is_mended_after_it_was_shown(merchant: Any, operator: Any) -> None:
    passed_over(merchant, 2)
    operator.sends("/compare", account="main", days="7")
    operator.waits()
    page = operator.sees("/compare")
    assert page.count("can be mended") >= 2
    assert merchant.in_shop() == []
    operator.sends("/compare", account="main", days="7", mends="yes")
    operator.waits()
    page = operator.sees("/compare")
    assert "found: 2, left: 0" in page
    assert len(merchant.in_shop()) == 2
    operator.sends("/compare", account="main", days="7")
    operator.waits()
    assert "nothing is amiss" in operator.sees("/compare")


def test_nothing_is_mended_that_was_not_shown(merchant: Any, operator: Any) -> None:
    passed_over(merchant, 2)
    assert "Compare first" in operator.sends("/compare", account="main", days="7", mends="yes")
    assert "Not compared yet." in operator.sees("/compare")


@pytest.mark.parametrize("form", [{"account": "other", "days": "7"}, {"account": "main", "days": "-1"}, {}])
def test_what_cannot_be_meant_is_refused(operator: Any, form: dict[str, str]) -> None:
    assert "There is no such account." in operator.sends("/compare", **form)


def test_only_the_first_are_kept_and_what_is_left_comes_before_what_was_mended(
    merchant: Any, operator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compared, "MOST_SHOWN", 2)
    passed_over(merchant, 5)
    operator.sends("/compare", account="main", days="7")
    operator.waits()
    assert "The first 2 are shown" in operator.sees("/compare")


def test_one_that_says_nothing_for_long_is_still_under_way(
    merchant: Any, operator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shop is listed before Lengow's first page comes, and a feed says nothing until it is built."""
    may_end, begun = threading.Event(), []

    def slow(**_: object) -> list[Any]:
        begun.append(1)
        may_end.wait(30)
        return []

    monkeypatch.setattr(merchant.connector, "reconcile", slow)
    operator.sends("/compare", account="main", days="90")
    merchant.sandbox.advance(minutes=6)
    again = operator.sends("/compare", account="main", days="90")
    may_end.set()
    for thread in threading.enumerate():  # the page takes it for dead, six minutes later
        if thread.name == "lengow-console-main":
            thread.join(30)
    assert "under way already" in again
    assert begun == [1]


def test_one_that_says_nothing_is_known_to_be_under_way_by_other_processes(
    merchant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "BEAT_SECONDS", 0.01)
    may_end, one, other = threading.Event(), jobs.Jobs(merchant.connector), jobs.Jobs(merchant.connector)
    monkeypatch.setattr(merchant.connector, "reconcile", lambda **_: iter([may_end.wait(30)][:0]))
    assert one.compare("main", "Ana", 7, mends=False)
    for _ in range(3):
        merchant.sandbox.advance(minutes=4)
        now = merchant.connector.now()
        for _ in range(500):
            job = other.of("main")
            assert job is not None
            if job.told_at >= now:
                break
            time.sleep(0.01)
        assert not other.compare("main", "Otto", 7, mends=True)
    may_end.set()
    one.wait()
    job = other.of("main")
    assert job is not None
    assert job.finished


@pytest.mark.parametrize("what", ["sync", "retry", "work", "feed", "compare"])
def test_one_whose_process_was_killed_keeps_no_page_from_being_shown(merchant: Any, operator: Any, what: str) -> None:
    now = merchant.connector.now()
    left = jobs.Job("main", what, "Ana", now, now)
    with merchant.connector.store.transaction() as tx:
        tx.set_value("main", jobs.VALUE, msgspec.json.encode(left).decode())
    merchant.sandbox.advance(minutes=6)
    for path in ("/", "/progress"):
        assert "its process has ended" in operator.sees(path)


def test_every_kind_and_remedy_has_its_words() -> None:
    assert set(labels.DISCREPANCIES) == set(Kind)
    assert set(labels.REMEDIES) == set(Remedy)


def test_a_viewer_sees_the_comparison_and_begins_none(merchant: Any, operator: Any, visit: Callable[..., Any]) -> None:
    passed_over(merchant, 2)
    operator.sends("/compare", account="main", days="7")
    operator.waits()
    page = visit("vera").sees("/compare")
    assert "can be mended" in page
    assert "<button>Mend" not in page


class TestPieces:
    def of(self, merchant: Any, marketplace: str, *parcels: tuple[str, int]) -> str:
        """The page's path of an order of five pieces, of which these parcels left."""
        [number] = merchant.sells(marketplace=marketplace)
        merchant.sandbox.amend(number, {"quantity": 5})
        merchant.sandbox.advance(minutes=15)
        merchant.sync()
        [stored] = merchant.connector.store.find_orders(number)
        [line] = merchant.connector.store.models([stored.order.id])[stored.order.id].lines
        for name, count in parcels:
            carrier = {"decathlon_fr": "colissimo", "manomano_fr": "DPD"}[marketplace]
            merchant.connector.ship(
                "main", marketplace, number, carrier=carrier, tracking_number=name, quantities={line.id: count}
            )
        return f"/orders/{stored.order.id}"

    def test_of_a_line_are_shown_by_parcel_with_what_is_left(self, merchant: Any, operator: Any) -> None:
        page = operator.sees(self.of(merchant, "decathlon_fr", ("T1", 1), ("T2", 2)))
        assert "1 piece in the parcel T1" in page
        assert "2 pieces in the parcel T2" in page
        assert "2 pieces not shipped yet" in page

    def test_that_are_held_say_so_until_the_line_is_whole(self, merchant: Any, operator: Any) -> None:
        path = self.of(merchant, "manomano_fr", ("T1", 2))
        page = operator.sees(path)
        assert "2 pieces in the parcel T1" in page
        assert labels.ACTION_STATES["held"] in page
        assert "3 pieces not shipped yet" in page

    def test_a_line_that_left_whole_shows_none(self, merchant: Any, operator: Any) -> None:
        assert "in the parcel" not in operator.sees(self.of(merchant, "manomano_fr", ("T1", 5)))

    def test_of_a_line_that_became_whole_none_is_left(self, merchant: Any, operator: Any) -> None:
        page = operator.sees(self.of(merchant, "manomano_fr", ("T1", 2), ("T2", 3)))
        assert "2 pieces in the parcel T1" in page
        assert "not shipped yet" not in page


def test_an_operator_compares_and_mends_in_the_browser(merchant: Any, browsing: Browsing) -> None:
    passed_over(merchant, 2)
    operator = browsing()
    operator.opens("/health")
    operator.page.get_by_role("link", name="To the comparison").click()
    operator.page.get_by_role("button", name="Compare").click()
    operator.page.get_by_text("found: 2, left: 2", exact=True).wait_for()
    assert merchant.in_shop() == []
    operator.page.get_by_role("button", name="Mend what can be mended (2)").click()
    operator.page.get_by_text("found: 2, left: 0", exact=True).wait_for()
    assert len(merchant.in_shop()) == 2
    operator.page.get_by_role("button", name="Français").click()
    operator.page.get_by_text("écarts : 2, restants : 0", exact=True).wait_for()
