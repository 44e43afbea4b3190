"""Lists: filters, display, sort and limit (FINDINGS, Lists; captures 113 to 123, 178, 179, 225 to 228)."""

import re
from collections.abc import Mapping, Sequence

from lengow.sandbox.shops.prestashop.data import Row
from lengow.sandbox.shops.prestashop.errors import Refused
from lengow.sandbox.shops.prestashop.resources import DATES, Resource

BRACKETS = re.compile(r"([^\[\]]*)\[(.*)\]([^\[\]]*)", re.DOTALL)


def selected(resource: Resource, rows: Sequence[Row], query: Mapping[str, str]) -> list[Row]:
    for name, wanted in query.items():
        if name.startswith("filter["):
            field = name[len("filter[") : -1]
            _check_filter(resource, field, query)
            rows = [row for row in rows if matches(row[field] or "", wanted)]
    return _limited(_sorted(resource, rows, query.get("sort", "")), query.get("limit", ""))


def displayed(resource: Resource, query: Mapping[str, str]) -> tuple[str, ...] | None:
    """The fields to show, in the model's order; None: all, and the associations."""
    display = query.get("display", "")
    if display == "full":
        return None
    if not display:
        return ("id",)
    names = display.strip("[]").split(",")
    unknown = next((name for name in names if name not in resource.names), None)
    if unknown is not None:
        available = ", ".join(resource.names)
        sentence = f'Unable to display this field "{unknown}". However, these are available: {available}'
        raise Refused(400, (35, sentence))
    return tuple(name for name in resource.names if name in names)


def matches(value: str, wanted: str) -> bool:
    """Case never counts (collation); without brackets, or with one value in them, the whole text is compared."""
    found = BRACKETS.fullmatch(wanted)
    if found is None:
        return value.lower() == wanted.lower()
    before, inner, after = found.groups()
    values = inner.lower().split("|")
    if before == "%" or after == "%":
        low = value.lower()
        return any(
            (before == "%" or low.startswith(one)) and (after == "%" or low.endswith(one)) and one in low
            for one in values
        )
    if before == "!":
        return value.lower() not in values
    if before in ("<", ">"):
        return _compare(value, inner) > 0 if before == ">" else _compare(value, inner) < 0
    first, comma, last = inner.partition(",")
    if comma and "|" not in inner:
        return _compare(value, first) >= 0 and _compare(value, last) <= 0
    return value.lower() in values


def _check_filter(resource: Resource, field: str, query: Mapping[str, str]) -> None:
    known = resource.field(field)
    if field == "id" or (known is not None and known.filterable and (field not in DATES or query.get("date") == "1")):
        return
    names = ", ".join(f'"{name}"' for name in _without_dates(resource))
    sentence = f'This filter does not exist. Did you mean: "note"? The full list is: {names}'
    raise Refused(400, (32, sentence))


def _without_dates(resource: Resource) -> list[str]:
    return [name for name in resource.names if name not in DATES]


def _sorted(resource: Resource, rows: Sequence[Row], sort: str) -> list[Row]:
    found = sorted(rows, key=lambda row: int(row["id"] or 0))
    for one in reversed([part for part in sort.strip("[]").split(",") if part]):
        name, _, direction = one.rpartition("_")
        if name not in resource.names or direction not in ("ASC", "DESC"):
            available = ", ".join(_without_dates(resource))
            sentence = f"Unable to filter by this field. However, these are available: {available}, for i18n fields:"
            raise Refused(400, (38, sentence))
        found.sort(key=lambda row: _key(row[name] or ""), reverse=direction == "DESC")
    return found


def _limited(rows: list[Row], limit: str) -> list[Row]:
    if not limit:
        return rows
    first, comma, count = limit.partition(",")
    if not first.isdigit() or (comma and not count.isdigit()):
        return []
    return rows[int(first) : int(first) + int(count)] if comma else rows[: int(first)]


def _compare(value: str, other: str) -> int:
    one, two = _key(value), _key(other)
    return (one > two) - (one < two)


def _key(text: str) -> tuple[int, int, str]:
    return (0, int(text), "") if re.fullmatch(r"-?\d+", text) else (1, 0, text)
