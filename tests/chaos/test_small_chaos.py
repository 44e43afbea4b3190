"""A small `make chaos` (chaos.py): five shops, every fault, a process that dies; nothing lost, doubled or unexplained."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "crash"))

from chaos import Chaos
from world import worlds


@pytest.mark.timeout(300)
def test_a_month_in_which_a_fifth_of_all_calls_fails(tmp_path: Path) -> None:
    with worlds(tmp_path) as make:
        chaos = Chaos(make("chaos"), orders=60, rounds=2, share=0.2, minutes=1)
        assert chaos.run() == []
        assert chaos.sold >= 60
        assert sum(chaos.storm.hits.values()) > 30
