"""Feeds that the connector builds by itself: when they are due, beside orders, and what is told of the last build."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lengow import feeds
from lengow.connector import Connector, Settings, lanes
from lengow.connector.errors import SettingsError, ShopUnavailable
from lengow.connector.metrics import exposition
from lengow.connector.model import StepKind
from lengow.connector.steps import run_works, schedule
from lengow.feeds import work as work_module
from lengow.feeds.history import LastBuild, last_build
from lengow.feeds.settings import Group, groups
from lengow.feeds.work import due_at, stale
from tests.feeds.conftest import product

NOW = datetime(2026, 11, 24, 22, tzinfo=UTC)


class Scheduled:
    """A merchant with one WooCommerce shop, whose products come from `listed`, and a clock of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **tables: dict[str, Any]) -> None:
        self.folder, self.clock = folder, NOW
        self.listed: Callable[[], Iterator[Any]] = lambda: iter([product("A"), product("B")])
        monkeypatch.setattr(work_module, "products_of", lambda _context, _shop: self.listed())
        common = {"shop": "b2c", "marketplace": "manomano_fr"}
        keys = {"url": "https://shop.example", "consumer_key": "ck", "consumer_secret": "cs"}
        document = {
            "accounts": {"main": {"access_token": "t", "secret": "s"}},
            "shops": {"b2c": {"account": "main", "platform": "woocommerce", **keys}},
            "store": {"url": f"sqlite:///{folder / 'lengow.db'}"},
            "feeds": {
                name: {**common, "path": f"{name}.csv", "build_every_minutes": 60, **table}
                for name, table in (tables or {"feed": {}}).items()
            },
        }
        self.settings = Settings.from_dict(document, base=folder)
        self.connector = Connector(self.settings, clock=lambda: self.clock)

    def works(self, **after: float) -> None:
        """Some time later, the work that is due then is done."""
        self.clock += timedelta(**after)
        schedule(self.connector.context, "main")
        run_works(self.connector.context, "main")

    def last(self) -> LastBuild:
        found = last_build(self.connector.store, self.group)
        assert found is not None
        return found

    @property
    def group(self) -> Group:
        return groups(self.settings)[0]

    def lines(self, name: str = "feed") -> int:
        return len((self.folder / f"{name}.csv").read_text().splitlines()) - 1

    def findings(self) -> list[Any]:
        return [finding for one in self.connector.examine_works() for finding in one.findings]


@pytest.fixture
def make_scheduled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Scheduled]]:
    made: list[Scheduled] = []

    def make(**tables: dict[str, Any]) -> Scheduled:
        made.append(Scheduled(tmp_path, monkeypatch, **tables))
        return made[-1]

    yield make
    for one in made:
        one.connector.close()


def test_a_feed_is_built_at_once_and_then_as_often_as_the_settings_say(
    make_scheduled: Callable[..., Scheduled],
) -> None:
    merchant = make_scheduled()
    merchant.works()
    assert merchant.lines() == 2
    merchant.listed = lambda: iter([product("A"), product("B"), product("C")])
    merchant.works(minutes=55)
    assert merchant.lines() == 2
    merchant.works(minutes=6)
    assert merchant.lines() == 3
    assert (merchant.last().code, merchant.last().offers) == ("", {"feed": 3})


def test_a_round_by_hand_builds_what_is_due_and_nothing_before(make_scheduled: Callable[..., Scheduled]) -> None:
    merchant = make_scheduled()
    read = []
    merchant.listed = lambda: read.append(1) or iter([product("A")])  # type: ignore[func-returns-value]
    for minutes, builds in ((0, 1), (10, 1), (50, 2)):
        merchant.clock += timedelta(minutes=minutes)
        schedule(merchant.connector.context, "main")
        run_works(merchant.connector.context, "main", force=True)
        assert len(read) == builds


def test_without_the_setting_nothing_is_built(make_scheduled: Callable[..., Scheduled]) -> None:
    merchant = make_scheduled(feed={"build_every_minutes": 0})
    merchant.works()
    merchant.works(days=1)
    assert not (merchant.folder / "feed.csv").exists()


def test_the_shortest_time_of_those_that_share_offers_counts(make_scheduled: Callable[..., Scheduled]) -> None:
    merchant = make_scheduled(
        one={"priority": 1, "filter": 'sku == "A"', "build_every_minutes": 0},
        two={"priority": 2, "build_every_minutes": 30},
        three={"priority": 3, "build_every_minutes": 300},
    )
    assert merchant.group.every == timedelta(minutes=30)
    merchant.works()
    assert (merchant.lines("one"), merchant.lines("two"), merchant.lines("three")) == (1, 1, 0)


def test_a_file_that_was_taken_away_is_made_anew(make_scheduled: Callable[..., Scheduled]) -> None:
    merchant = make_scheduled()
    merchant.works()
    (merchant.folder / "feed.csv").unlink()
    [finding] = merchant.findings()
    assert not finding.ok
    assert "There is no" in finding.sentence
    merchant.works(minutes=5)
    assert merchant.lines() == 2


def test_a_shop_that_does_not_answer_leaves_the_old_file_and_is_asked_again_soon(
    make_scheduled: Callable[..., Scheduled],
) -> None:
    merchant = make_scheduled()
    merchant.works()

    def failing() -> Iterator[Any]:
        yield product("A")
        raise ShopUnavailable("The shop did not answer.")

    merchant.listed = failing
    merchant.works(minutes=60)
    assert merchant.lines() == 2
    assert (merchant.last().code, merchant.last().written_at) == ("shop_unavailable", NOW)
    [finding] = merchant.findings()
    assert (finding.ok, "shop_unavailable" in finding.sentence) == (False, True)
    [waiting] = work_module.work.waiting(merchant.connector.context, "main")
    assert (waiting.subject, waiting.reason) == ("feed", "shop_unavailable")
    merchant.listed = lambda: iter([product("A")] * 1 + [product("C"), product("D")])
    merchant.works(minutes=10)
    assert merchant.lines() == 2
    merchant.works(minutes=5)
    assert merchant.lines() == 3
    assert merchant.findings()[0].ok
    assert work_module.work.waiting(merchant.connector.context, "main") == []


def test_what_collapsed_is_told_and_tried_again_in_its_turn(make_scheduled: Callable[..., Scheduled]) -> None:
    merchant = make_scheduled()
    merchant.works()
    merchant.listed = lambda: iter([])
    merchant.works(minutes=60)
    assert (merchant.lines(), merchant.last().code) == (2, "feed_collapsed")
    merchant.listed = lambda: iter([product("A"), product("B")])
    merchant.works(minutes=30)
    assert merchant.last().code == "feed_collapsed"
    merchant.works(minutes=30)
    assert merchant.last().code == ""


def test_a_disk_that_cannot_be_written_to_is_tried_again_soon(make_scheduled: Callable[..., Scheduled]) -> None:
    merchant = make_scheduled(feed={"path": "feeds/feed.csv", "build_every_minutes": 24 * 60})
    (merchant.folder / "feeds").write_text("in the way")
    merchant.works()
    assert merchant.last().code == "feed_unwritable"
    (merchant.folder / "feeds").unlink()
    merchant.works(minutes=15)
    assert (merchant.lines("feeds/feed"), merchant.last().code) == (2, "")


def test_one_marketplace_that_fails_keeps_no_other_from_its_feed(make_scheduled: Callable[..., Scheduled]) -> None:
    merchant = make_scheduled(bad={"missing": "refuse"}, good={"marketplace": "other_fr"})
    merchant.listed = lambda: iter([product("A", ean="1")])
    merchant.works()
    assert not (merchant.folder / "bad.csv").exists()
    assert merchant.lines("good") == 0

    def breaking() -> Iterator[Any]:
        raise RuntimeError("a fault of an adapter")
        yield

    merchant.listed = breaking
    merchant.works(minutes=60)
    assert {last_build(merchant.connector.store, one).code for one in groups(merchant.settings)} == {"RuntimeError"}  # type: ignore[union-attr]


def test_a_process_that_ends_gives_the_build_up_and_the_next_one_builds(
    make_scheduled: Callable[..., Scheduled], monkeypatch: pytest.MonkeyPatch
) -> None:
    merchant = make_scheduled()
    merchant.works()
    monkeypatch.setattr(work_module, "KEEP_SECONDS", 0)

    def ending() -> Iterator[Any]:
        yield product("A")
        merchant.connector.context.ending.set()
        yield product("B")
        raise AssertionError("it was not given up")

    merchant.listed = ending
    merchant.works(minutes=60)
    assert merchant.lines() == 2
    assert sorted(path.name for path in merchant.folder.glob(".feed*")) == [".feed.csv.lock"]
    merchant.connector.context.ending.clear()
    merchant.listed = lambda: iter([product("A"), product("B"), product("C")])
    merchant.works()
    assert merchant.lines() == 3


def test_a_turn_that_is_over_does_not_end_a_build(make_scheduled: Callable[..., Scheduled], monkeypatch: Any) -> None:
    from lengow.connector.lanes import sliced

    merchant = make_scheduled()
    monkeypatch.setattr(work_module, "KEEP_SECONDS", 0)
    schedule(merchant.connector.context, "main")
    turn = sliced(merchant.connector.context, 0)
    assert turn.stopping.is_set()
    run_works(turn, "main")
    assert merchant.lines() == 2


def test_one_that_lost_its_step_to_another_gives_the_build_up(
    make_scheduled: Callable[..., Scheduled], monkeypatch: pytest.MonkeyPatch
) -> None:
    merchant = make_scheduled()
    monkeypatch.setattr(work_module, "KEEP_SECONDS", 0)

    def slow() -> Iterator[Any]:
        yield product("A")
        merchant.clock += timedelta(minutes=10)
        with merchant.connector.store.transaction() as tx:
            taken = tx.claim(
                StepKind.WORK, merchant.clock, merchant.clock + timedelta(minutes=2), limit=1, subject="feeds/main"
            )
            assert taken
        yield product("B")

    merchant.listed = slow
    merchant.works()
    assert not (merchant.folder / "feed.csv").exists()
    assert last_build(merchant.connector.store, merchant.group) is None


def test_while_another_process_builds_it_is_looked_again_soon(make_scheduled: Callable[..., Scheduled]) -> None:
    from lengow.feeds.files import held

    merchant = make_scheduled()
    with held([merchant.folder / "feed.csv"]):
        merchant.works()
        assert last_build(merchant.connector.store, merchant.group) is None
    merchant.works(minutes=1)
    assert merchant.lines() == 2


def test_orders_are_brought_in_while_a_feed_is_being_built(
    make_scheduled: Callable[..., Scheduled], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The built-in runner: the shop's products take their time, and the other lanes go on."""
    merchant = make_scheduled()
    building, done, ran = threading.Event(), threading.Event(), threading.Event()

    def slow() -> Iterator[Any]:
        yield product("A")
        building.set()
        assert done.wait(60)

    merchant.listed = slow
    run_reports = lanes.run_reports

    def reports(context: Any, account: str) -> int:
        if building.is_set():
            ran.set()
        return run_reports(context, account)

    monkeypatch.setattr(lanes, "run_reports", reports)
    merchant.connector.start()
    try:
        assert building.wait(60)
        assert ran.wait(60)
        assert not (merchant.folder / "feed.csv").exists()
    finally:
        done.set()
        merchant.connector.stop()
    assert merchant.lines() == 1


def test_the_metrics_have_age_offers_and_result(make_scheduled: Callable[..., Scheduled]) -> None:
    merchant = make_scheduled()
    labels = '{account="main",feed="feed",marketplace="manomano_fr"}'
    assert f"lengow_feed_age_seconds{labels} +Inf" in exposition(merchant.connector).decode()
    merchant.works()
    merchant.clock += timedelta(minutes=30)
    told = exposition(merchant.connector).decode()
    for line in ("lengow_feed_age_seconds%s 1800.0", "lengow_feed_offers%s 2.0", "lengow_feed_failing%s 0.0"):
        assert line % labels in told


def test_a_stale_feed_is_told(make_scheduled: Callable[..., Scheduled]) -> None:
    merchant = make_scheduled()
    merchant.works()
    merchant.clock += timedelta(hours=4)
    [finding] = merchant.findings()
    assert (finding.ok, "every 60 minutes" in finding.sentence) == (False, True)
    [waiting] = work_module.work.waiting(merchant.connector.context, "main")
    assert waiting.reason == "feed_stale"


def test_a_build_by_hand_is_known_of_too_and_a_dry_run_is_none(make_scheduled: Callable[..., Scheduled]) -> None:
    merchant = make_scheduled()
    feeds.build(merchant.connector, "feed", products=[product("A")], dry_run=True)
    assert last_build(merchant.connector.store, merchant.group) is None
    feeds.build(merchant.connector, "feed", products=[product("A")])
    assert merchant.last().offers == {"feed": 1}
    merchant.works(minutes=59)
    assert merchant.lines() == 1


EVERY = Group("main", "m", {})


@given(
    ended=st.integers(-300, 300),
    failed=st.sampled_from(["", "shop_unavailable", "feed_collapsed", "feed_refused", "KeyError"]),
    complete=st.booleans(),
)
def test_it_is_never_due_later_than_its_time(ended: int, failed: str, complete: bool) -> None:
    settings = Settings.from_dict(
        {
            "accounts": {"main": {"access_token": "t", "secret": "s"}},
            "shops": {
                "b2c": {
                    "account": "main",
                    "platform": "woocommerce",
                    "url": "https://s.example",
                    "consumer_key": "k",
                    "consumer_secret": "s",
                }
            },
            "feeds": {"f": {"shop": "b2c", "marketplace": "m", "path": "f.csv", "build_every_minutes": 60}},
        }
    )
    [group] = groups(settings)
    last = LastBuild(NOW - timedelta(minutes=ended), code=failed, written_at=NOW - timedelta(minutes=ended))
    due = due_at(group, last, NOW, complete=complete)
    assert due <= max(NOW, last.ended_at + timedelta(minutes=60))
    assert due <= NOW + timedelta(minutes=60)
    if not failed and not complete:
        assert due == NOW
    assert stale(group, last, NOW) == (ended > 180)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"build_every_minutes": 0.5}, "must be 0, or from 1"),
        ({"build_every_minutes": -1}, "must be 0, or from 1"),
        ({"build_every_minutes": float("nan")}, "must be 0, or from 1"),
        ({"build_every_minutes": "often"}, "feeds.feed.build_every_minutes"),
        ({"filter": "stok > 0"}, "did you mean stock"),
    ],
)
def test_a_mistake_shows_as_soon_as_the_connector_is_opened(
    make_scheduled: Callable[..., Scheduled], table: dict[str, Any], says: str
) -> None:
    with pytest.raises(SettingsError, match=says):
        make_scheduled(feed=table)


def test_a_platform_that_lists_no_products_has_no_schedule(tmp_path: Path) -> None:
    document = {
        "accounts": {"main": {"access_token": "t", "secret": "s"}},
        "shops": {"b2c": {"account": "main", "platform": "generic"}},
        "feeds": {"feed": {"shop": "b2c", "marketplace": "m", "path": "f.csv", "build_every_minutes": 60}},
    }
    with pytest.raises(SettingsError, match="lists no products"):
        Connector(Settings.from_dict(document, base=tmp_path))


SHOP = """
[accounts.main]
access_token = "t"
secret = "s"
base_url = "http://127.0.0.1:9"

[shops.b2c]
account = "main"
platform = "woocommerce"
url = "{url}"
consumer_key = "{key}"
consumer_secret = "{secret}"

[feeds.manomano]
shop = "b2c"
marketplace = "manomano_fr"
path = "out/manomano.csv"
optional = ["ean", "brand", "image_url_1"]
{more}
"""


@pytest.fixture
def shop_folder(tmp_path: Path) -> Iterator[Path]:
    from lengow.sandbox.shops.woocommerce import KEY, WooCommerceShop

    shop = WooCommerceShop()
    for number in range(250):
        shop.add_product(f"P{number:03}", "20.75", 5)
    keys = {"url": shop.url, "key": KEY.consumer_key, "secret": KEY.consumer_secret}
    (tmp_path / "lengow.toml").write_text(SHOP.format(**keys, more="build_every_minutes = 60"))
    (tmp_path / "wrong.toml").write_text(SHOP.format(**keys, more='filter = "stok > 0"'))
    yield tmp_path
    shop.close()


def command(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).parent / "lengow-connector"), *arguments]


def test_run_builds_it_and_a_kill_leaves_the_old_file_whole(shop_folder: Path) -> None:
    """A real process that runs the schedule, killed in the middle of a build: then another one goes on."""
    file = shop_folder / "out/manomano.csv"
    old = "sku|title\r\n" + "A|B\r\n" * 250
    file.parent.mkdir()
    file.write_text(old, newline="")
    for killed in (True, False):
        process = subprocess.Popen(
            command("run"), cwd=shop_folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            deadline = time.monotonic() + 60
            sign = ".manomano.csv.*.draft" if killed else "manomano.csv"
            while time.monotonic() < deadline:
                if killed and list(file.parent.glob(sign)):
                    break
                if not killed and file.read_text() != old.replace("\r\n", "\n"):
                    break
                time.sleep(0.002)
            else:
                raise AssertionError("no build was seen")
            os.kill(process.pid, signal.SIGKILL if killed else signal.SIGTERM)
            process.wait(60)
        finally:
            process.kill()
            process.wait()
        lines = file.read_text().splitlines()
        assert len(lines) == 251  # the old one, or the new one, whole
        if killed:
            file.write_text(old, newline="")
            (shop_folder / "lengow.db").unlink()  # another machine's: the lease of the killed one need not run out
            for side in shop_folder.glob("lengow.db-*"):
                side.unlink()
    assert list(file.parent.glob(".manomano.csv.*.draft")) == []


def test_the_doctor_names_a_mistake_in_a_feed(shop_folder: Path) -> None:
    told = subprocess.run(
        command("--config", "wrong.toml", "doctor"), cwd=shop_folder, capture_output=True, text=True, timeout=60
    )
    assert told.returncode not in (0, 3)
    assert "did you mean stock" in told.stderr
    assert "Traceback" not in told.stderr
