"""What is done once, by a person or a schedule, is killed at statements and file operations: it is done or it is not, and
doing it again ends as if nothing had been."""

import contextlib
import json
import multiprocessing
import signal
import sys
import time
from multiprocessing.sharedctypes import RawValue
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from commands import COMMANDS, act, connector, copied, products, rows, write_for_ever

from lengow import feeds
from lengow.connector.store import open_store

DEATHS = 6
"""Of each, spread evenly over all that it does."""


@pytest.fixture(scope="module")
def context() -> Any:
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(["commands"])
    return made


@pytest.fixture
def before(merchant: Any, tmp_path: Path) -> Path:
    """A store with an order that is shipped and one that waits for its product; and a feed."""
    [shipped] = merchant.sells(1)
    merchant.sync()
    merchant.connector.ship("main", "manomano_fr", shipped, carrier="COLISSIMO", tracking_number="T1")
    for _ in range(3):
        merchant.sandbox.advance(hours=1)
        merchant.sync()
    merchant.run("CREATE TABLE products (sku TEXT PRIMARY KEY, stock INTEGER)")
    merchant.restart(options={"products_table": "products"})
    [waiting] = merchant.sells(1)
    merchant.sync()
    assert merchant.state(waiting) == ("waiting", "unknown_product")
    email = merchant.order(shipped).order.email
    merchant.connector.close()
    folder = tmp_path / "before"
    folder.mkdir()
    for name in ("lengow.db", "shop.db"):
        (merchant.folder / name).rename(folder / name)
    (folder / "facts.json").write_text(json.dumps({"waiting": waiting, "email": email}), encoding="utf-8")
    with connector(folder) as opened:
        feeds.build(opened, "feed", products=products(20))
    return folder


def lives(context: Any, name: str, folder: Path, die_at: int | None) -> int | None:
    """How many boundaries it passed; None when it was killed. Another end is an error."""
    passed = RawValue("i", 0)
    child = context.Process(target=act, args=(name, folder, die_at, passed))
    child.start()
    child.join(60)
    assert child.exitcode in (0, -signal.SIGKILL), f"the child ended with {child.exitcode}"
    return int(passed.value) if child.exitcode == 0 else None


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", COMMANDS)
def test_killed_at_some_statement_it_is_done_again_as_if_nothing_had_been(
    name: str, context: Any, before: Path, tmp_path: Path
) -> None:
    undisturbed = copied(before, tmp_path / "undisturbed")
    passed = lives(context, name, undisturbed, None)
    assert passed is not None
    assert passed >= 10
    old, new = (before / "feed.csv").read_bytes(), (undisturbed / "feed.csv").read_bytes()
    for die_at in sorted({passed * part // DEATHS for part in range(DEATHS)}):
        folder = copied(before, tmp_path / str(die_at))
        assert lives(context, name, folder, die_at) is None
        assert (folder / "feed.csv").read_bytes() in (old, new), "the feed is whole, the old one or the new one"
        lives(context, name, folder, None)
        for file in ("lengow.db", "shop.db", "target.db", "new.db"):
            assert rows(folder / file) == rows(undisturbed / file), f"{file}, killed at {die_at} of {passed}"
        assert (folder / "feed.csv").read_bytes() == new


@pytest.mark.timeout(300)
def test_what_was_committed_outlives_a_kill_while_the_journal_is_folded_into_the_file(
    context: Any, tmp_path: Path
) -> None:
    store = f"sqlite:///{tmp_path / 'lengow.db'}"
    known = 0
    for number in range(8):
        ours, theirs = context.Pipe(duplex=False)
        child = context.Process(target=write_for_ever, args=(tmp_path, theirs))
        child.start()
        theirs.close()
        ours.recv()  # it is under way
        time.sleep(0.013 * number)
        child.kill()
        child.join(60)
        told = -1
        with contextlib.suppress(EOFError):
            while True:
                told = max(told, ours.recv())
        with contextlib.closing(open_store(store)) as opened:
            assert all(opened.get_value("main", f"number-{one}") for one in range(told + 1))
        assert rows(tmp_path / "lengow.db")["sync_state"], "it is whole"
        known = max(known, told)
    assert known > 10
