"""The geometry of a bar chart: two series over days. The template draws it as inline SVG."""

from collections.abc import Mapping, Sequence
from datetime import date

import msgspec

WIDTH, HEIGHT = 900, 180
LEFT, BOTTOM, TOP = 44, 22, 8
STEPS = (1, 2, 5)


class Bar(msgspec.Struct, frozen=True):
    x: float
    y: float
    width: float
    height: float


class Day(msgspec.Struct, frozen=True):
    day: date
    sold: int
    confirmed: int
    sold_bar: Bar
    confirmed_bar: Bar
    x: float
    """Of the middle, for the label."""


class Chart(msgspec.Struct, frozen=True):
    days: tuple[Day, ...]
    marks: tuple[tuple[int, float], ...]
    """(value, y) of the lines across."""
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    baseline: int = HEIGHT - BOTTOM

    @property
    def sold(self) -> int:
        return sum(one.sold for one in self.days)

    @property
    def confirmed(self) -> int:
        return sum(one.confirmed for one in self.days)


def chart_of(days: Sequence[date], sold: Mapping[date, int], confirmed: Mapping[date, int]) -> Chart:
    most = max([1, *(sold.get(day, 0) for day in days), *(confirmed.get(day, 0) for day in days)])
    step = _step(most)
    top = -(-most // step) * step
    slot = (WIDTH - LEFT) / max(len(days), 1)
    floor = HEIGHT - BOTTOM

    def height(value: int) -> float:
        return round((floor - TOP) * value / top, 1)

    def bar(position: int, value: int, place: float) -> Bar:
        return Bar(
            round(LEFT + slot * (position + place), 1),
            round(floor - height(value), 1),
            round(slot * 0.36, 1),
            height(value),
        )

    return Chart(
        days=tuple(
            Day(
                day,
                sold.get(day, 0),
                confirmed.get(day, 0),
                bar(i, sold.get(day, 0), 0.12),
                bar(i, confirmed.get(day, 0), 0.52),
                round(LEFT + slot * (i + 0.5), 1),
            )
            for i, day in enumerate(days)
        ),
        marks=tuple((value, round(floor - height(value), 1)) for value in range(0, top + 1, step)),
    )


def _step(most: int) -> int:
    """A round number of which three or four reach the highest bar."""
    size = 1
    while True:
        for one in STEPS:
            if most <= one * size * 4:
                return one * size
        size *= 10
