"""`searchCriteria`: groups are ANDed, the filters in one are ORed; only top-level fields (reference platforms.md §3.1)."""

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from lengow.sandbox.shops.magento.errors import Refused

Row = dict[str, Any]
FILTER = re.compile(r"searchCriteria\[(?:filter_groups|filterGroups)\]\[(\d+)\]\[filters\]\[(\d+)\]\[(\w+)\]")
NESTED = re.compile(r"\[[^\[\]]*\]")
SORT = re.compile(r"searchCriteria\[sortOrders\]\[(\d+)\]\[(field|direction)\]")


def search(rows: Iterable[Row], columns: frozenset[str], query: Mapping[str, str]) -> Row:
    """Raises Refused for a field that is no column. A page beyond the end gives the last one again."""
    found = [row for row in rows if _fits(row, columns, query)]
    for field, down in reversed(_orders(query)):
        found.sort(key=lambda row: (row.get(field) is not None, row.get(field) or 0), reverse=down)
    size = int(query.get("searchCriteria[pageSize]", "0")) or max(len(found), 1)
    last = max((len(found) + size - 1) // size, 1)
    page = min(int(query.get("searchCriteria[currentPage]", "1")), last)
    return {"items": found[(page - 1) * size : page * size], "search_criteria": {}, "total_count": len(found)}


def only(fields: str, found: Row) -> Row:
    """What `fields=items[a,b[c]],total_count` leaves: the fields that are named, as deep as the rows themselves."""
    inner = fields.partition("items[")[2].rpartition("]")[0]
    while NESTED.search(inner):
        inner = NESTED.sub("", inner)
    wanted = [name.strip() for name in inner.split(",") if name.strip()]
    if not wanted:
        return found
    items = [{name: row[name] for name in wanted if name in row} for row in found["items"]]
    return {"items": items, "total_count": found["total_count"]}


def _fits(row: Row, columns: frozenset[str], query: Mapping[str, str]) -> bool:
    groups: dict[str, dict[str, dict[str, str]]] = {}
    for key, value in query.items():
        part = FILTER.fullmatch(key)
        if part is not None:
            groups.setdefault(part[1], {}).setdefault(part[2], {})[part[3]] = value
    return all(any(_matches(row, columns, one) for one in group.values()) for group in groups.values())


def _matches(row: Row, columns: frozenset[str], one: Mapping[str, str]) -> bool:
    field = one.get("field", "")
    if field not in columns:
        raise Refused(400, f"Column not found: 1054 Unknown column '{field}' in 'where clause'")
    condition = one.get("condition_type", "eq")
    if condition not in CONDITIONS:
        raise Refused(400, "Invalid condition type %1", [condition])
    return CONDITIONS[condition](row.get(field), one.get("value", ""))


def _orders(query: Mapping[str, str]) -> list[tuple[str, bool]]:
    found: dict[str, dict[str, str]] = {}
    for key, value in query.items():
        part = SORT.fullmatch(key)
        if part is not None:
            found.setdefault(part[1], {})[part[2]] = value
    return [(one["field"], one.get("direction", "DESC").upper() == "DESC") for _, one in sorted(found.items())]


def _equal(held: Any, value: str) -> bool:
    """As MySQL compares: numbers as such, texts without looking at case."""
    if isinstance(held, int | float | Decimal):
        try:
            return Decimal(str(held)) == Decimal(value)
        except InvalidOperation:
            return False
    return held is not None and str(held).casefold() == value.casefold()


def _ordered(held: Any, value: str) -> int:
    """As MySQL orders: numbers as such, dates and texts letter by letter."""
    one: Any = Decimal(str(held)) if isinstance(held, int | float | Decimal) else str(held)
    other: Any = Decimal(value) if isinstance(one, Decimal) else value
    return int(one > other) - int(one < other)


def _like(held: Any, value: str) -> bool:
    pattern = re.escape(value).replace("%", ".*").replace("_", ".")
    return held is not None and re.fullmatch(pattern, str(held), re.IGNORECASE | re.DOTALL) is not None


CONDITIONS: Mapping[str, Callable[[Any, str], bool]] = {
    "eq": _equal,
    "neq": lambda held, value: not _equal(held, value),
    "in": lambda held, value: any(_equal(held, one) for one in value.split(",")),
    "nin": lambda held, value: not any(_equal(held, one) for one in value.split(",")),
    "like": _like,
    "gteq": lambda held, value: held is not None and _ordered(held, value) >= 0,
    "lteq": lambda held, value: held is not None and _ordered(held, value) <= 0,
    "null": lambda held, _: held is None,
    "notnull": lambda held, _: held is not None,
}
