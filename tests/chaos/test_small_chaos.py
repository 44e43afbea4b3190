"""A small `make chaos` (chaos.py): five shops, faults everywhere, a process that dies; nothing lost, doubled or unexplained."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "crash"))

from chaos import Chaos
from chaos_storm import Storm
from chaos_world import chaos_world


@pytest.mark.timeout(300)
def test_a_month_in_which_a_fifth_of_all_calls_fails(tmp_path: Path) -> None:
    storm = Storm(share=0.2, seed=1)
    with chaos_world(tmp_path, storm) as (world, wire):
        chaos = Chaos(world, storm, wire, orders=60, rounds=2, minutes=4, every_kind=False)
        assert chaos.run() == []
        assert chaos.sold >= 60
        assert chaos.days >= 30
        assert sum(storm.hits.values()) > 30


def test_a_kind_of_fault_that_never_hit_is_told() -> None:
    storm = Storm(share=1, seed=1)
    storm.expect(["lengow latency", "mail hangs up"])
    storm.blows = True
    assert storm.draws(["latency"], "lengow") == "latency"
    assert storm.never() == ["mail hangs up"]
