"""Feed files: written beside the old one and put in its place at once, so that a reader never sees half a feed."""

import fcntl
import glob
import gzip
import io
import os
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Self

import msgspec

from lengow.feeds.errors import FeedBusy, FeedUnreadable, FeedUnwritable
from lengow.feeds.formats import FORMATS, Format

BLOCK = 1 << 20
ZIPPED = b"\x1f\x8b"
DRAFT = ".draft"
MODE = 0o644
"""Of a feed: whoever serves it may be another user."""


class Draft:
    """A feed on its way to `path`. Nothing is seen there until `publish`; without it, nothing is left."""

    def __init__(self, path: Path, *, zipped: bool) -> None:
        """Raises FeedRefused where nothing can be written; so below."""
        self.path = path
        with _writable(path):
            handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=DRAFT, dir=_folder(path))
        self.name = Path(name)
        self._raw: IO[bytes] = os.fdopen(handle, "wb", BLOCK)
        self._file: IO[bytes] = (
            gzip.GzipFile("", "wb", 6, self._raw, mtime=0) if zipped else self._raw  # type: ignore[assignment]
        )

    def write(self, text: str) -> None:
        with _writable(self.path):
            self._file.write(text.encode())

    def finish(self) -> None:
        """All of it is on the disk."""
        with _writable(self.path):
            if self._file is not self._raw:
                self._file.close()
            self._raw.flush()
            os.fsync(self._raw.fileno())
            os.fchmod(self._raw.fileno(), MODE)
            self._raw.close()

    def publish(self) -> None:
        os.replace(self.name, self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # what a full disk does not take is given up
            self._file.close()
        with suppress(OSError):
            self._raw.close()
        self.name.unlink(missing_ok=True)


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FeedUnwritable(f"{path} cannot be written: {error.strerror or error}.") from error


def _folder(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.parent


def publish(drafts: Sequence[Draft]) -> None:
    """Put finished drafts in place, one right after the other. A list of them, written first, outlives a kill between
    two: `complete` then carries on, so that no offer stays in two feeds.
    """
    listed = _list_of(min(draft.path for draft in drafts))
    _write_durably(listed, msgspec.json.encode([(str(draft.name), str(draft.path)) for draft in drafts]))
    for draft in drafts:
        draft.publish()
    for folder in {draft.path.parent for draft in drafts}:
        _flush(folder)
    listed.unlink()


def complete(first: Path) -> None:
    """Put in place what a kill left over, of the feeds the first of whose paths this is."""
    listed = _list_of(first)
    if not listed.exists():
        return
    for draft, path in msgspec.json.decode(listed.read_bytes(), type=list[tuple[str, str]]):
        with suppress(FileNotFoundError):
            os.replace(draft, path)
    listed.unlink(missing_ok=True)


@contextmanager
def held(paths: Collection[Path]) -> Iterator[None]:
    """Only one process at a time builds these feeds, and begins with no leftovers. Raises FeedBusy at once for
    another.
    """
    first = min(paths)
    with _writable(first):
        lock = open(_folder(first) / f".{first.name}.lock", "w")  # noqa: SIM115 closed below
    with lock as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FeedBusy(f"Another process is building {first}.") from None
        complete(first)
        for path in paths:
            for left in path.parent.glob(f".{glob.escape(path.name)}.*{DRAFT}"):
                left.unlink(missing_ok=True)
        yield


def _list_of(first: Path) -> Path:
    return first.with_name(f".{first.name}.switch")


def _write_durably(path: Path, data: bytes) -> None:
    draft = path.with_name(f"{path.name}.new")
    with open(draft, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)
    _flush(path.parent)


def _flush(folder: Path) -> None:
    """What was renamed in it is on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def count_offers(path: Path, form: Format) -> int | None:
    """How many offers a file has; None where there is none. Lines are offers, so that it need not be read as a feed."""
    try:
        with _opened(path) as file:
            lines = sum(block.count(b"\n") for block in iter(lambda: file.read(BLOCK), b""))
    except FileNotFoundError:
        return None
    except (OSError, EOFError) as error:
        raise FeedUnreadable(f"{path} cannot be read: {error}.") from error
    around = form.head(("",)).count("\n") + form.foot.count("\n")
    return max(lines - around, 0)


def format_of(path: Path) -> Format:
    """By the file's name: `.csv`, `.xml`, `.jsonl`, each also with `.gz`."""
    name = path.name.removesuffix(".gz")
    form = FORMATS.get(name.rpartition(".")[2].lower())
    if form is None:
        raise FeedUnreadable(f"{path} has none of the endings of a feed: {', '.join(f'.{one}' for one in FORMATS)}.")
    return form


@contextmanager
def lines_of(path: Path) -> Iterator[IO[str]]:
    """The lines of a feed, zipped or not."""
    with _opened(path) as file:
        yield io.TextIOWrapper(file, encoding="utf-8", newline="")


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with open(path, "rb") as raw:
        zipped = raw.read(2) == ZIPPED
        raw.seek(0)
        if not zipped:
            yield raw
            return
        with gzip.GzipFile(fileobj=raw) as file:
            yield file  # type: ignore[misc]
