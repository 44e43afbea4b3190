"""Several workers on one PostgreSQL: together they do what one would, whatever befalls them."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cluster import Cluster, until

from lengow.sandbox import SandboxControl, start_process


@pytest.fixture
def sandbox() -> Iterator[SandboxControl]:  # type: ignore[override]
    with start_process(quota_per_minute=0) as running:
        yield running


@pytest.fixture
def cluster(sandbox: SandboxControl, postgres_url: str, tmp_path: Path) -> Iterator[Cluster]:
    with closing(Cluster(sandbox, postgres_url, tmp_path)) as running:
        yield running


@pytest.fixture
def settled(cluster: Cluster) -> Callable[..., None]:
    def check(**options: Any) -> None:
        compared = cluster.settles(**options)
        assert compared.clean, cluster.told(compared)
        assert compared.all_confirmed, cluster.told(compared)
        assert compared.held > 0

    return check


def test_three_workers_bring_everything_once_and_end_when_asked(cluster: Cluster, settled: Callable[..., None]) -> None:
    cluster.sells(40)
    workers = [cluster.worker() for _ in range(3)]
    settled()
    for one in workers:
        one.send_signal(signal.SIGTERM)
    assert [one.wait(60) for one in workers] == [0, 0, 0], cluster.logs()
    assert cluster.rows("SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing'") == [(0,)]
    assert cluster.rows("SELECT count(*) FROM procrastinate_workers") == [(0,)]


def test_what_a_killed_worker_was_at_is_taken_up_by_another(cluster: Cluster, settled: Callable[..., None]) -> None:
    cluster.sells(30)
    with cluster.shop_that_answers_nothing() as creating:
        killed = cluster.worker()
        until(creating)
        killed.send_signal(signal.SIGKILL)
    cluster.worker()
    settled()


def test_a_worker_that_wakes_up_after_its_lease_was_taken_over_writes_nothing(
    cluster: Cluster, settled: Callable[..., None]
) -> None:
    """It is stopped in the middle of a call to the shop, and goes on there when another has done it all."""
    cluster.sells(30)
    with cluster.shop_that_answers_nothing() as creating:
        paused = cluster.worker()
        until(creating)
        paused.send_signal(signal.SIGSTOP)
    tokens = cluster.rows("SELECT id, token FROM steps WHERE kind = 'create' AND lease_until IS NOT NULL")
    assert tokens
    cluster.worker()
    settled()
    before = cluster.rows("SELECT id, reference FROM shop_orders ORDER BY id")
    paused.send_signal(signal.SIGCONT)
    until(lambda: "outcomes left to another worker" in (cluster.folder / "process-0.log").read_text())
    settled()
    assert cluster.rows("SELECT id, reference FROM shop_orders ORDER BY id") == before
    paused.send_signal(signal.SIGTERM)
    assert paused.wait(60) == 0
