"""The pages of a window, one ahead: each is fetched while the one before is recorded, and read while that is committed.

A page that is no JSON is read in parts.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import msgspec

from lengow.connector.client.answers import PAGE_SIZE, OrdersPage
from lengow.connector.errors import ApiError, MalformedAnswer, NotFound
from lengow.connector.incoming import Incoming, named, read

Fetched = Sequence[OrdersPage | ApiError]
"""What came of one page: it, or its parts, or why it cannot be read."""


class FetchPage(Protocol):
    """`LengowClient.orders_page`, its window given."""

    def __call__(self, page: int, *, page_size: int = ..., tries: int = ...) -> OrdersPage: ...


class Page(msgspec.Struct, frozen=True):
    count: int
    """How many orders Lengow counts in the window."""
    orders: list[Incoming]


class Pages:
    """Page 1, then the last down to the second, then page 1 again if there were several. To be gone through once."""

    def __init__(self, fetch: Callable[[int], Fetched]) -> None:
        """`fetch`: a page by its number."""
        self._fetch = fetch
        self._next: Future[Fetched] | None = None
        self._read: Future[list[Incoming]] | None = None
        self._workers = ThreadPoolExecutor(2, "lengow-pages")

    def __iter__(self) -> Iterator[Page | ApiError]:
        """Raises what `fetch` raises."""
        with self._workers:
            pages = self._fetch(1)
            count = max((page.count for page in pages if isinstance(page, OrdersPage)), default=0)
            for number in [*range(math.ceil(count / PAGE_SIZE), 1, -1), 1] if count > PAGE_SIZE else []:
                following = self._next = self._workers.submit(self._fetch, number)
                yield from self._given(pages)
                pages = following.result()
            self._next = None
            yield from self._given(pages)

    def read_ahead(self) -> None:
        """Have the next page read, if it has come. For when this thread is about to wait for the disk or the network.

        At any other time the two would take turns, which gains nothing.
        """
        if self._read is not None or self._next is None or not self._next.done() or self._next.exception() is not None:
            return
        pages = self._next.result()
        if len(pages) == 1 and isinstance(pages[0], OrdersPage):
            self._read = self._workers.submit(_read_all, pages[0])

    def _given(self, pages: Fetched) -> Iterator[Page | ApiError]:
        reading, self._read = self._read, None
        for page in pages:
            if isinstance(page, ApiError):
                yield page
            else:
                yield Page(page.count, reading.result() if reading else _named_all(page))


def read_page(fetch: FetchPage, number: int) -> Fetched:
    """A page, or its parts where it is malformed. Raises what `fetch` raises of any other kind."""
    try:
        return [fetch(number)]
    except MalformedAnswer as error:
        return _in_parts(fetch, number, PAGE_SIZE) or [error]


def _in_parts(fetch: FetchPage, number: int, size: int) -> list[OrdersPage | ApiError]:
    """A malformed page in tenths, and what of them is malformed in tenths again, down to the one order that spoils it.

    Empty where nothing of it can be read: after two tenths of a page without an order in them, none is expected in the
    others. Single orders are all tried, as those of one buyer may stand side by side.
    """
    if size == 1:
        return []
    part, found = size // 10, list[OrdersPage | ApiError]()
    for position in range((number - 1) * 10 + 1, number * 10 + 1):
        try:
            page = fetch(position, page_size=part, tries=2)
        except MalformedAnswer as error:
            found += _in_parts(fetch, position, part) or [error]
            if part > 1 and len(found) == 2 and not _holds_any(found):
                break
            continue
        except NotFound:
            break
        found.append(page)
        if position * part >= page.count:
            break
    return found if _holds_any(found) else []


def _holds_any(found: Fetched) -> bool:
    return any(isinstance(one, OrdersPage) for one in found)


def _named_all(page: OrdersPage) -> list[Incoming]:
    return [named(bytes(raw)) for raw in page.results]


def _read_all(page: OrdersPage) -> list[Incoming]:
    return [read(one) for one in _named_all(page)]
