"""A table as wide as the terminal, or whole where it is piped; JSON for programs."""

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import compress
from typing import Any

import msgspec
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lengow.console.logs import printable

PIPED = 100_000
GAP = 2
"""Between two columns."""
TEXT_WIDTH = 20
"""A column of text is not folded to less, unless it is narrower."""


def show_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str | Text]],
    *,
    folded: Collection[str] = (),
    spare: Sequence[str] = (),
    title: str | None = None,
) -> None:
    """Print a table. Where a terminal is too narrow, the columns of `folded` are folded between words; where that is
    not enough, those of `spare` are left out, the first first, and it is said which. All others stay in one piece.
    """
    cells = [[plain(cell) for cell in row] for row in rows]
    console = _console()
    wanted = {name: _Column.of(name, [row[i] for row in cells], name in folded) for i, name in enumerate(columns)}
    widths = _widths(wanted, spare, console.width)
    table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for name, width in widths.items():
        table.add_column(name, width=width, overflow="fold")
    for row in cells:
        table.add_row(*compress(row, [name in widths for name in columns]))
    print_rich(table)
    if left_out := [name for name in columns if name not in widths]:
        print_rich(Text(f"Not shown, for want of room: {', '.join(left_out)} (see --json)", "dim"))


class _Column(msgspec.Struct, frozen=True):
    least: int
    """Narrower, and its words would be broken."""
    most: int
    folded: bool

    @classmethod
    def of(cls, name: str, cells: Sequence[Text], folded: bool) -> "_Column":
        most = max([cell_len(name), *(cell_len(line) for cell in cells for line in cell.plain.splitlines())])
        if not folded:
            return cls(most, most, folded)
        word = max([cell_len(name), *(cell_len(word) for cell in cells for word in cell.plain.split())])
        return cls(min(most, max(word, TEXT_WIDTH)), most, folded)


def _widths(columns: Mapping[str, _Column], spare: Sequence[str], room: int) -> dict[str, int]:
    """The columns that are shown, each at its least, and what is left shared out among those that want more."""
    shown = {name: one.least for name, one in columns.items() if name not in spare}
    if _total(shown.values()) > room:  # then words are broken, where there is text
        shown = {name: min(least, TEXT_WIDTH) if columns[name].folded else least for name, least in shown.items()}
    for name in reversed(spare):
        if _total([*shown.values(), columns[name].least]) <= room:
            shown[name] = columns[name].least
    widths = {name: shown[name] for name in columns if name in shown}
    free = max(0, room - _total(widths.values()))
    wanting = sorted((columns[name].most - width, name) for name, width in widths.items())
    for position, (want, name) in enumerate(wanting):
        given = min(want, free // (len(wanting) - position))
        widths[name] += given
        free -= given
    return widths


def _total(widths: Iterable[int]) -> int:
    all_widths = list(widths)
    return sum(all_widths) + GAP * (len(all_widths) - 1)


def plain(text: str | Text, style: str = "") -> Text:
    """Taken as it is, on one line: no markup, and no control character reaches the terminal."""
    return text if isinstance(text, Text) else Text(printable(text), style)


def plain_lines(texts: Iterable[str]) -> Text:
    return Text("\n".join(map(printable, texts)))


def _console() -> Console:
    """As wide as the terminal; what is piped is not cut to a width."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPED)


def print_rich(thing: Table | Text) -> None:
    console = _console()
    with console.capture() as capture:
        console.print(thing)
    sys.stdout.writelines(line.rstrip() + "\n" for line in capture.get().splitlines())


def print_json(facts: Any) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(facts), indent=2).decode() + "\n")


def minute(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M") if moment else ""


def second(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")
