"""Lengow's own copy of the orders: collected, listed, paged, and given merchant ids (reference 2, 3)."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from lengow.sandbox.answers import Answer, Request, detail, field_errors, flag, instant, whole_number
from lengow.sandbox.descriptions import Description
from lengow.sandbox.money import ACCOUNT_CURRENCY, CURRENCIES
from lengow.sandbox.rendering import order_json, order_pieces
from lengow.sandbox.sales import DROPPED, IMPORTABLE, STATUSES, Sale

DEFAULT_WINDOW = timedelta(days=7)
MAX_PAGE_SIZE = 100
DEFAULT_ORDERING = "marketplace,-marketplace_order_date,-imported_at"
ORDERED_BY: Mapping[str, Callable[["Record"], Any]] = {
    "marketplace": attrgetter("sale.marketplace"),
    "marketplace_order_id": attrgetter("sale.id"),
    "marketplace_order_date": attrgetter("ordered_at"),
    "imported_at": attrgetter("imported_at"),
    "updated_at": attrgetter("updated_at"),
    "lengow_status": attrgetter("lengow_status"),
}
KEPT_LISTS = 8


@dataclass(slots=True)
class Record:
    """One collected order. `importable_lines`: line ids that were ever there to be imported."""

    sale: Sale
    imported_at: datetime
    updated_at: datetime
    description: Description | None
    merchant_ids: tuple[str, ...] | None = None
    lengow_status: str = ""
    importable_lines: set[str] = field(default_factory=set)
    _pieces: dict[str, tuple[bytes, ...]] = field(default_factory=dict)

    @property
    def ordered_at(self) -> datetime:
        """Where the marketplace gives no date, Lengow's own stands in (reference 2.3)."""
        return self.imported_at if self.sale.missing == "order_date" else self.sale.ordered_at

    @property
    def importable(self) -> bool:
        return self.lengow_status in IMPORTABLE and not self.sale.anonymized

    def take(self, sale: Sale, at: datetime) -> None:
        """What the marketplace shows now."""
        self.sale, self.updated_at = sale, at
        self._pieces.clear()
        overridden = sale.raw.overrides.get("lengow_status") if sale.raw else None
        self.lengow_status = overridden if isinstance(overridden, str) else sale.state
        if self.importable:
            self.importable_lines.update(line.id for line in sale.lines() if line.state not in DROPPED)
        self.pieces(sale.currency)

    def touch(self, at: datetime) -> None:
        self.updated_at = at
        self._pieces.clear()

    def pieces(self, currency: str) -> tuple[bytes, ...]:
        """The order's JSON with amounts in `currency`, cut where a fresh delivery id goes."""
        if currency not in self._pieces:
            order = order_json(
                self.sale, self.description, self.merchant_ids, self.imported_at, self.updated_at, currency
            )
            self._pieces[currency] = order_pieces(order, self.sale.raw)
        return self._pieces[currency]


@dataclass(frozen=True, slots=True)
class Query:
    """The filters of reference 2.1, checked."""

    updated: tuple[datetime | None, datetime | None]
    ordered: tuple[datetime | None, datetime | None]
    imported: tuple[datetime | None, datetime | None]
    marketplace: str | None
    order_id: str | None
    merchant_order_id: str | None
    lengow_status: str | None
    line_status: str | None
    catalog_ids: frozenset[int] | None
    ordering: tuple[str, ...]

    def takes(self, record: Record) -> bool:
        sale = record.sale
        return (
            _within(record.updated_at, self.updated)
            and _within(record.ordered_at, self.ordered)
            and _within(record.imported_at, self.imported)
            and self.marketplace in (None, sale.marketplace)
            and self.order_id in (None, sale.id)
            and self.lengow_status in (None, record.lengow_status)
            and (self.catalog_ids is None or sale.catalog_id in self.catalog_ids)
            and (self.line_status is None or any(line.state == self.line_status for line in sale.lines()))
            and (self.merchant_order_id is None or self._has_merchant_id(record))
        )

    def _has_merchant_id(self, record: Record) -> bool:
        if self.merchant_order_id == "None":
            return not record.merchant_ids
        return self.merchant_order_id in (record.merchant_ids or ())


class Book:
    """The collected orders of one account."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], Record] = {}
        self._in_order: list[Record] = []
        self._lists: dict[Query, list[Record]] = {}

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records.values())

    def collect(self, sales: Iterable[Sale], at: datetime, descriptions: Mapping[str, Description]) -> None:
        """Takes new and changed sales; one that is as it was known keeps its `updated_at`."""
        for sale in sales:
            record = self._records.get(sale.key[1:])
            if record is None:
                record = Record(sale, at, at, descriptions.get(sale.marketplace))
                self._records[sale.key[1:]] = record
                self._in_order.append(record)
                record.take(sale, at)
            elif record.sale != sale:
                record.take(sale, at)
        self._sort()

    def find(self, marketplace: str, order_id: str) -> Record:
        """Raises Refusal (404) for an order that Lengow has not collected."""
        record = self._records.get((marketplace, order_id))
        if record is None:
            raise detail(404, "Pas trouvé.")
        return record

    def touch(self, record: Record, at: datetime) -> None:
        """Something of Lengow's own changed in this order."""
        record.touch(at)
        self._lists.clear()

    def select(self, query: Query) -> list[Record]:
        """All that the query takes, in its order. Kept until something changes: a page is then a slice."""
        if query not in self._lists:
            if len(self._lists) >= KEPT_LISTS:
                self._lists.clear()
            self._lists[query] = _ordered(filter(query.takes, self._in_order), query.ordering)
        return self._lists[query]

    def _sort(self) -> None:
        self._lists.clear()
        self._in_order = _ordered(self._in_order, tuple(DEFAULT_ORDERING.split(",")))


class Listing:
    """`GET /v3.0/orders`. Every read gives fresh delivery ids, over all accounts (reference 2.6)."""

    def __init__(self) -> None:
        self._delivery_ids = itertools.count(880_001)

    def page(self, book: Book, request: Request, now: datetime) -> Answer:
        query = parse(request.query, now)
        records = book.select(query)
        number, size = page_of(request)
        before, after = _neighbours(request, number, size, len(records))
        currency_of = _currency(request.query)
        orders = b",".join(
            self._rendered(record.pieces(currency_of(record.sale)))
            for record in records[(number - 1) * size : number * size]
        )
        head = msgspec.json.encode({"count": len(records), "next": after, "previous": before})
        return Answer(200, b'%b,"results":[%b]}' % (head[:-1], orders), {"Content-Type": "application/json"})

    def _rendered(self, pieces: tuple[bytes, ...]) -> bytes:
        if len(pieces) == 2:
            return b"%b%d%b" % (pieces[0], next(self._delivery_ids), pieces[1])
        first, *others = pieces
        return first + b"".join(b"%d%b" % (next(self._delivery_ids), piece) for piece in others)


def page_of(request: Request) -> tuple[int, int]:
    """Page number and size. Raises Refusal: 400 for no number or a size outside 1-100, 404 for page 0."""
    number = whole_number(request.query, "page", 1)
    size = whole_number(request.query, "page_size", MAX_PAGE_SIZE)
    if not 1 <= size <= MAX_PAGE_SIZE:
        raise field_errors({"page_size": f"Ensure this value is between 1 and {MAX_PAGE_SIZE}."})
    if number < 1:
        raise detail(404, "Invalid page.")
    return number, size


def paged(request: Request, results: list[Any]) -> Answer:
    """The envelope of reference 2.2 around one page of `results`."""
    number, size = page_of(request)
    before, after = _neighbours(request, number, size, len(results))
    shown = results[(number - 1) * size : number * size]
    return Answer.json({"count": len(results), "next": after, "previous": before, "results": shown})


def _neighbours(request: Request, number: int, size: int, count: int) -> tuple[str | None, str | None]:
    """The URLs before and after a page. Raises Refusal (404) beyond the end, as Django REST does."""
    if number > 1 and (number - 1) * size >= count:
        raise detail(404, "Invalid page.")
    before = _at_page(request.url, number - 1) if number > 1 else None
    return before, _at_page(request.url, number + 1) if number * size < count else None


def _at_page(url: str, number: int) -> str:
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True)) | {"page": str(number)}
    return urlunsplit(parts._replace(query=urlencode(query)))


def parse(arguments: Mapping[str, str], now: datetime) -> Query:
    """Raises Refusal (400) for a value that is not what the filter takes. Unknown arguments count for nothing."""
    query = Query(
        updated=_range(arguments, "updated"),
        ordered=_range(arguments, "marketplace_order_date"),
        imported=_range(arguments, "imported"),
        marketplace=arguments.get("marketplace") or None,
        order_id=arguments.get("marketplace_order_id") or None,
        merchant_order_id=arguments.get("merchant_order_id") or None,
        lengow_status=_status(arguments, "lengow_status"),
        line_status=_status(arguments, "lengow_line_status"),
        catalog_ids=_numbers(arguments, "catalog_ids"),
        ordering=_ordering(arguments.get("ordering") or DEFAULT_ORDERING),
    )
    dated = any(bound for bounds in (query.updated, query.ordered, query.imported) for bound in bounds)
    if dated or query.order_id:
        return query
    # To the minute, so that the pages of one reading share one list.
    since = (now - DEFAULT_WINDOW).replace(second=0, microsecond=0)
    return replace(query, ordered=(since, None))


def _range(arguments: Mapping[str, str], name: str) -> tuple[datetime | None, datetime | None]:
    return instant(arguments, f"{name}_from"), instant(arguments, f"{name}_to")


def _within(value: datetime, bounds: tuple[datetime | None, datetime | None]) -> bool:
    since, until = bounds
    return (since is None or value >= since) and (until is None or value <= until)


def _status(arguments: Mapping[str, str], name: str) -> str | None:
    text = arguments.get(name) or None
    if text is not None and text not in STATUSES:
        raise field_errors({name: f"Select a valid choice. {text} is not one of the available choices."})
    return text


def _numbers(arguments: Mapping[str, str], name: str) -> frozenset[int] | None:
    text = arguments.get(name)
    if not text:
        return None
    if not all(part.isascii() and part.isdigit() for part in text.split(",")):
        raise field_errors({name: "Enter whole numbers separated by commas."})
    return frozenset(map(int, text.split(",")))


def _ordering(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := [name for name in names if name.removeprefix("-") not in ORDERED_BY]:
        raise field_errors({"ordering": f"{', '.join(unknown)} cannot be ordered by."})
    return names


def _ordered(records: Iterable[Record], ordering: tuple[str, ...]) -> list[Record]:
    ordered = list(records)
    for name in reversed(ordering):
        ordered.sort(key=ORDERED_BY[name.removeprefix("-")], reverse=name.startswith("-"))
    return ordered


def _currency(arguments: Mapping[str, str]) -> Callable[[Sale], str]:
    """Which currency an order's amounts are shown in: the account's unless told otherwise (reference 2.1)."""
    target = arguments.get("set_currency") or None
    if target is not None and target not in CURRENCIES:
        raise field_errors({"set_currency": f"{target} is not a currency that Lengow knows."})
    if flag(arguments, "no_currency_conversion"):
        return attrgetter("currency")
    return lambda _sale: target or ACCOUNT_CURRENCY
