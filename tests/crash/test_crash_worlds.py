"""A sample of `make crash` (matrix.py): killed at some boundary, each platform ends as if nothing had been; and the
ledgers do notice where a protection is missing."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from deaths import survived
from lives import Point
from world import Happenings, World, worlds

CREATED = "connector.creation._write_outcomes commit"

SAMPLE = {
    "generic": Point("connector.events.receive commit", "within"),
    "woocommerce": Point("adapters.woocommerce.creation._post POST", "after"),
    "prestashop": Point(CREATED, "within"),
    "magento": Point("connector.sending._post POST", "after", 1),
    "shopware": Point("connector.reporting.report_order PATCH", "after"),
}


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    with worlds(tmp_path) as make:
        yield make


@pytest.mark.timeout(300)
@pytest.mark.parametrize("platform", SAMPLE)
def test_killed_in_the_middle_nothing_is_lost_doubled_or_left_unexplained(
    platform: str, make_world: Callable[..., World]
) -> None:
    world = make_world(platform, platforms=(platform,))
    happenings = Happenings(world)
    happenings.sell()
    assert world.lives(happenings, SAMPLE[platform], connect=True) is None
    assert survived(world, happenings) == []


@pytest.mark.timeout(300)
def test_killed_on_postgresql(make_world: Callable[..., World], postgres_url: str) -> None:
    world = make_world("pg", postgres_url, platforms=("shopware",))
    happenings = Happenings(world)
    happenings.sell()
    assert world.lives(happenings, Point(CREATED, "within"), connect=True) is None
    assert survived(world, happenings) == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("without", "die", "doubled"),
    [
        ("asking_the_shop", Point(CREATED, "within"), "prestashop: doubled"),
        ("asking_lengow", Point("connector.sending._write_outcomes commit", "within"), "the action ship is failed"),
    ],
)
def test_without_a_protection_the_ledgers_tell(
    without: str, die: Point, doubled: str, make_world: Callable[..., World]
) -> None:
    world = make_world(without, platforms=("prestashop",))
    happenings = Happenings(world)
    happenings.sell()
    assert world.lives(happenings, die) is None
    world.advance(16)
    world.lives(happenings, without=(without,))
    assert any(doubled in finding for finding in happenings.findings())


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fenced", [True, False], ids=["fenced", "without the fence"])
def test_a_process_that_stood_still_longer_than_its_lease_does_nothing_again(
    fenced: bool, make_world: Callable[..., World]
) -> None:
    world = make_world("standing", platforms=("woocommerce",))
    happenings = Happenings(world)
    happenings.sell()
    world.lives(happenings, connect=True)
    happenings.sell()
    assert world.overtaken(
        happenings, Point("connector.sending._claim commit", "after"), without=() if fenced else ("fence",)
    )
    assert (survived(world, happenings) == []) is fenced


@pytest.mark.timeout(300)
def test_what_a_worker_of_postgresql_was_at_when_it_died_is_done_by_the_next(
    make_world: Callable[..., World], postgres_url: str
) -> None:
    world = make_world("worker", postgres_url, platforms=("generic",), runner="worker")
    happenings = Happenings(world)
    happenings.sell()
    assert world.lives(happenings, Point("procrastinate finish_job", "before", 2), connect=True) is None
    world.passes_for_the_dead()
    assert survived(world, happenings) == []


@pytest.mark.timeout(300)
def test_a_mail_whose_sending_was_interrupted_is_not_sent_again(make_world: Callable[..., World]) -> None:
    world = make_world("mailing", platforms=("generic",), invoices=True)
    happenings = Happenings(world)
    happenings.sell({"standard": 2})
    assert world.lives(happenings, Point("invoices.mailing mail", "after")) is None
    assert survived(world, happenings) == []
    assert len(world.mails.mails) == 1


@pytest.mark.timeout(300)
def test_without_its_intent_a_mail_is_sent_twice_and_that_is_noticed(make_world: Callable[..., World]) -> None:
    world = make_world("mailing", platforms=("generic",), invoices=True)
    happenings = Happenings(world)
    happenings.sell({"standard": 2})
    assert world.lives(happenings, Point("invoices.mailing mail", "after")) is None
    world.advance(16)
    world.lives(happenings, without=("mail_intent",))
    assert any("mailed 2 times" in finding for finding in happenings.findings())
