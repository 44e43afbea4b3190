"""Packages are known by their lines: whatever Lengow moves between reads, no line is ever in two shop orders."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lengow.connector.packages import Assignment, Match, StoredPackage, assign


def open_package(number, *lines):
    return StoredPackage(number, lines, begun=False)


def begun_package(number, *lines):
    return StoredPackage(number, lines, begun=True)


@pytest.mark.parametrize(
    ("stored", "incoming", "matches", "withdrawn"),
    [
        pytest.param([], [("a",), ("b",)], [Match(0, ("a",), None), Match(1, ("b",), None)], (), id="all new"),
        pytest.param([], [], [], (), id="nothing"),
        pytest.param([open_package(1, "a", "b")], [("a", "b")], [Match(0, ("a", "b"), 1)], (), id="the same again"),
        pytest.param(
            [open_package(1, "a", "b")], [("b", "a")], [Match(0, ("b", "a"), 1)], (), id="other order of lines"
        ),
        pytest.param(
            [open_package(1, "a"), open_package(2, "b")],
            [("b",), ("a",)],
            [Match(0, ("b",), 2), Match(1, ("a",), 1)],
            (),
            id="other order of packages",
        ),
        pytest.param([open_package(1, "a")], [("a", "b")], [Match(0, ("a", "b"), 1)], (), id="a line more"),
        pytest.param([open_package(1, "a", "b")], [("a",)], [Match(0, ("a",), 1)], (), id="a line less"),
        pytest.param(
            [open_package(1, "a", "b")], [("a",), ("b",)], [Match(0, ("a",), 1), Match(1, ("b",), None)], (), id="split"
        ),
        pytest.param(
            [open_package(1, "a"), open_package(2, "b")], [("a", "b")], [Match(0, ("a", "b"), 1)], (2,), id="joined"
        ),
        pytest.param([open_package(1, "a")], [("b",)], [Match(0, ("b",), None)], (1,), id="replaced"),
        pytest.param([open_package(1, "a")], [], [], (1,), id="gone"),
        pytest.param([begun_package(1, "a", "b")], [("a", "b")], [], (), id="begun: stays"),
        pytest.param([begun_package(1, "a", "b")], [], [], (), id="begun: stays though it is gone"),
        pytest.param([begun_package(1, "a", "b")], [("a",), ("b",)], [], (), id="begun: stays though it is split"),
        pytest.param(
            [begun_package(1, "a")], [("a", "b")], [Match(0, ("b",), None)], (), id="begun: what is new goes alone"
        ),
        pytest.param(
            [begun_package(1, "a"), open_package(2, "b", "c")],
            [("a", "c"), ("b",)],
            [Match(0, ("c",), 2), Match(1, ("b",), None)],
            (),
            id="a line moves to the begun one's package: not into its shop order",
        ),
        pytest.param([], [()], [Match(0, (), None)], (), id="empty"),
        pytest.param([open_package(1)], [()], [Match(0, (), 1)], (), id="empty again"),
        pytest.param([open_package(1)], [("a",)], [Match(0, ("a",), None)], (1,), id="empty, then a line"),
        pytest.param(
            [], [("a",), ("a", "b")], [Match(0, ("a",), None), Match(1, ("b",), None)], (), id="a line told twice"
        ),
        pytest.param([], [("a", "a")], [Match(0, ("a",), None)], (), id="a line told twice in one package"),
    ],
)
def test_an_incoming_package_is_the_stored_one_with_a_line_of_it(stored, incoming, matches, withdrawn):
    assert assign(stored, incoming) == Assignment(tuple(matches), withdrawn)


LINES = st.sampled_from("abcdefg")
READS = st.lists(
    st.tuples(st.dictionaries(LINES, st.integers(0, 2)), st.sets(st.integers(0, 20))), min_size=1, max_size=12
)
"""Each: in which package every line is told to be, and which stored packages are begun afterwards."""


class History:
    """A store of packages as the recorder keeps it."""

    def __init__(self):
        self.packages: dict[int, StoredPackage] = {}

    def read(self, incoming):
        assignment = assign(list(self.packages.values()), incoming)
        before = {number: one for number, one in self.packages.items() if one.begun}
        for number in assignment.withdrawn:
            del self.packages[number]
        for match in assignment.matches:
            number = match.stored if match.stored is not None else max(self.packages, default=0) + 1
            self.packages[number] = StoredPackage(number, match.line_ids, begun=False)
        assert before.items() <= self.packages.items(), "what is begun is never touched"

    def begin(self, positions):
        for position, number in enumerate(sorted(self.packages)):
            if position in positions:
                self.packages[number] = msgspec.structs.replace(self.packages[number], begun=True)

    def holders(self, line):
        return [package for package in self.packages.values() if line in package.line_ids]


@given(READS)
def test_no_line_is_ever_in_two_begun_packages_and_every_line_of_a_read_is_in_one(reads):
    history = History()
    for places, begun in reads:
        incoming = [tuple(line for line, place in places.items() if place == number) for number in range(3)]
        history.read([lines for lines in incoming if lines])
        for line in places:
            assert len(history.holders(line)) == 1
        history.begin(begun)
        for line in "abcdefg":
            assert sum(package.begun for package in history.holders(line)) <= 1


@given(READS, READS)
def test_the_same_read_twice_changes_nothing(reads, last):
    history = History()
    for places, begun in [*reads, *last]:
        incoming = [tuple(line for line, place in places.items() if place == number) for number in range(3)]
        history.read(incoming)
        once = dict(history.packages)
        history.read(incoming)
        assert history.packages == once
        history.begin(begun)
