"""CSV, XML and JSON lines: rows to text, and back. One offer is one line in each, so that lines are offers.

Reference lengow.md §9.2: CSV as Lengow's own plugins write it, `|` between values, `"` around those that need it, CRLF at
the ends; XML as `<catalog><product>`. All values are texts, the same in each format.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol
from xml.sax.saxutils import escape

import msgspec

from lengow.feeds.errors import FeedUnreadable

SEPARATOR = "|"
LINE_END = "\r\n"

Row = tuple[str, ...]


class Format(Protocol):
    mimetype: str

    def head(self, header: Row) -> str:
        """What the file begins with; ends with a line end, or is empty."""

    def lines(self, header: Row, rows: Sequence[Row]) -> str: ...

    @property
    def foot(self) -> str: ...

    def read(self, file: Iterable[str]) -> Iterator[Mapping[str, str]]:
        """The offers of a file, one after the other. Raises FeedUnreadable."""


class Csv:
    """What is written is byte for byte what `csv.writer` would write."""

    mimetype = "text/csv"
    foot = ""

    def head(self, header: Row) -> str:
        return self.lines(header, [header])

    def lines(self, header: Row, rows: Sequence[Row]) -> str:
        """Rows without a quote, separator or line end in a value, as nearly all are, are joined as they are."""
        lines = list(map(SEPARATOR.join, rows))
        quoted = [place for place, line in enumerate(lines) if '"' in line]
        for place in quoted:
            lines[place] = _quoted(rows[place])
        plain = [line for place, line in enumerate(lines) if place not in quoted] if quoted else lines
        if not _is_regular(plain, len(header)):
            return LINE_END.join(map(_quoted, rows)) + LINE_END
        return LINE_END.join(lines) + LINE_END

    def read(self, file: Iterable[str]) -> Iterator[Mapping[str, str]]:
        try:
            rows = csv.reader(file, delimiter=SEPARATOR, strict=True)
            header = next(rows, None)
            for row in rows:
                if header is None or len(row) != len(header):
                    raise FeedUnreadable(f"Line {rows.line_num} has {len(row)} values; the header has another number.")
                yield dict(zip(header, row, strict=True))
        except csv.Error as error:
            raise FeedUnreadable(f"Line {rows.line_num} is not CSV: {error}.") from error


class Xml:
    """`<product>` with one element an attribute that has a value."""

    mimetype = "application/xml"
    foot = "</catalog>\n"

    def head(self, header: Row) -> str:  # noqa: ARG002
        return '<?xml version="1.0" encoding="UTF-8"?>\n<catalog>\n'

    def lines(self, header: Row, rows: Sequence[Row]) -> str:
        return "".join(self._line(header, row) for row in rows)

    def _line(self, header: Row, row: Row) -> str:
        parts = [f"<{name}>{escape(text)}</{name}>" for name, text in zip(header, row, strict=True) if text]
        return f"<product>{''.join(parts)}</product>\n"

    def read(self, file: Iterable[str]) -> Iterator[Mapping[str, str]]:
        """Line by line: a line that is an offer is a document of its own, and small."""
        from xml.parsers.expat import ExpatError

        for number, line in enumerate(file, 1):
            if line.startswith("<product>"):
                try:
                    yield _elements(line)
                except (ExpatError, ValueError) as error:
                    raise FeedUnreadable(f"Line {number} is not the XML of a feed: {error}.") from error


class JsonLines:
    """An object a line, with the attributes that have a value."""

    mimetype = "application/x-ndjson"
    foot = ""

    def head(self, header: Row) -> str:  # noqa: ARG002
        return ""

    def lines(self, header: Row, rows: Sequence[Row]) -> str:
        objects = [{name: text for name, text in zip(header, row, strict=True) if text} for row in rows]
        return "".join(f"{msgspec.json.encode(one).decode()}\n" for one in objects)

    def read(self, file: Iterable[str]) -> Iterator[Mapping[str, str]]:
        decoder = msgspec.json.Decoder(dict[str, str])
        for number, line in enumerate(file, 1):
            try:
                yield decoder.decode(line)
            except msgspec.DecodeError as error:
                raise FeedUnreadable(f"Line {number} is not the JSON of an offer: {error}.") from error


FORMATS: Mapping[str, Format] = {"csv": Csv(), "xml": Xml(), "jsonl": JsonLines()}


def _is_regular(lines: Sequence[str], columns: int) -> bool:
    """Whether the only separators are those between values, and there is no line end."""
    text = "".join(lines)
    return text.count(SEPARATOR) == len(lines) * (columns - 1) and "\n" not in text and "\r" not in text and columns > 1


def _quoted(row: Row) -> str:
    """Without the line end."""
    file = io.StringIO()
    csv.writer(file, delimiter=SEPARATOR, lineterminator=LINE_END).writerow(row)
    return file.getvalue().removesuffix(LINE_END)


def _elements(line: str) -> dict[str, str]:
    from xml.parsers.expat import ParserCreate

    found: dict[str, str] = {}
    names: list[str] = []
    parser = ParserCreate()
    parser.buffer_text = True

    def opened(name: str, _: object) -> None:
        names.append(name)

    def text(data: str) -> None:
        if len(names) == 2:
            found[names[1]] = found.get(names[1], "") + data

    def closed(_: str) -> None:
        names.pop()

    def refused(*_: object) -> None:
        raise ValueError("it declares a document type")

    parser.StartElementHandler = opened
    parser.EndElementHandler = closed
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = refused
    parser.Parse(line, True)
    return found
