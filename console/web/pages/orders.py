"""The list of orders: narrowed, searched, sorted, paged, exported; and many tried again at once."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Literal, get_args

import msgspec
from flask import Response, request

from lengow.connector.model import OrderState
from lengow.connector.store.rows import OrderRow, OrderSearch, StoredOrder
from lengow.console.facts import order_facts
from lengow.console.web import labels
from lengow.console.web.language import N2_, N_, Language
from lengow.console.web.visit import Known, Site, Visit

PAGE = 50
EXPORTED_AT_ONCE = 500
LONGEST_TEXT = 200
MOST_RETRIED = 200

Sort = Literal["newest", "oldest", "deadline"]
FILTERS = ("text", "shop", "marketplace", "state", "reason", "type", "since", "until", "sort")
COLUMNS = (
    "account",
    "marketplace",
    "marketplace_order_id",
    "ordered_at",
    "ship_by",
    "status",
    "types",
    "buyer",
    "email",
    "total",
    "currency",
    "state",
    "reason",
    "about",
    "shop",
    "shop_order_ids",
)
RETRIED = N2_("%(num)s order is being tried again.", "%(num)s orders are being tried again.")
FORMULA = re.compile(r"[=+\-@\t\r]")
"""What a spreadsheet takes for the beginning of a formula."""
NUMBER = re.compile(r"-?\d+(\.\d+)?")


def show(visit: Visit) -> Response:
    given = _given(visit)
    wanted = search_of(given, visit.language)
    before, after = (cursor_of(visit.asked(name, cursor_of)) for name in ("before", "after"))
    wanted = msgspec.structs.replace(wanted, after=before or after, backwards=before is not None, limit=PAGE + 1)
    found = visit.site.store.search_orders(wanted)
    more = len(found) > PAGE
    if wanted.backwards:
        shown, newer, older = found[-PAGE:], more, True
    else:
        shown, newer, older = found[:PAGE], after is not None, more
    newer_than = cursor_text(shown[0], wanted.sort) if shown and newer else ""
    older_than = cursor_text(shown[-1], wanted.sort) if shown and older else ""
    if visit.as_json:
        rows = [order_facts(one) | {"id": one.order.id} for one in shown]
        return visit.json({"orders": rows, "before": newer_than or None, "after": older_than or None})
    kept = {name: value for name, value in given.items() if value}
    return visit.page(
        "orders.html",
        orders=shown,
        given=given,
        kept=kept,
        narrowed=any(value for name, value in kept.items() if name != "sort"),
        choices=_choices(visit.site),
        before=newer_than,
        after=older_than,
    )


def export(visit: Visit) -> Response:
    """All orders that fit, as CSV for a spreadsheet; streamed, so that there may be many."""
    given = {name: request.args.get(name, "")[:LONGEST_TEXT] for name in FILTERS}
    rows = _rows(visit.site, search_of(given, visit.language))
    answer = Response(rows, mimetype="text/csv")
    answer.headers["Content-Disposition"] = f'attachment; filename="orders-{visit.site.now():%Y-%m-%d}.csv"'
    return answer


def retry(visit: Visit) -> Response:
    ids = [int(text) for text in request.form.getlist("order") if text.isascii() and text.isdecimal()][:MOST_RETRIED]
    found = visit.site.store.orders(ids)
    if not found:
        return visit.go("orders", visit.say(N_("Tick the orders that are to be tried again.")), wrong=True)
    begun, busy = 0, False
    for account in dict.fromkeys(one.order.account for one in found.values()):
        keys = [one.order.key for one in found.values() if one.order.account == account]
        if visit.site.jobs.retry(account, keys, visit.who):
            begun += len(keys)
        else:
            busy = True
    if busy and not begun:
        return visit.go("overview", visit.say(N_("Work on this account is under way already.")), wrong=True)
    return visit.go("overview", visit.language.say_many(RETRIED, begun))


def _given(visit: Visit) -> dict[str, str]:
    """The filters, as they were asked for."""
    known: dict[str, Known] = {
        "state": set(OrderState),
        "type": labels.TYPES,
        "sort": get_args(Sort),
        "since": day_of,
        "until": day_of,
    }
    return {name: visit.asked(name, known.get(name, str))[:LONGEST_TEXT] for name in FILTERS}


def search_of(given: Mapping[str, str], language: Language) -> OrderSearch:
    """What the filters ask for; what cannot be meant is left out."""
    until = day_of(given["until"])
    since = day_of(given["since"])
    sort = given["sort"]
    return OrderSearch(
        text=given["text"],
        shop=given["shop"] or None,
        marketplace=given["marketplace"] or None,
        state=given["state"] or None,
        reason=given["reason"] or None,
        order_type=given["type"] or None,
        since=language.midnight(since) if since else None,
        until=language.midnight(until + timedelta(days=1)) if until else None,
        sort=sort if sort in get_args(Sort) else "newest",  # type: ignore[arg-type]
    )


def day_of(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 2000 <= day.year <= 2100 else None


def cursor_text(stored: StoredOrder, sort: str) -> str:
    return f"{_moment(stored.order, sort).isoformat()}_{stored.order.id}"


def cursor_of(text: str) -> tuple[datetime, int] | None:
    moment, _, number = text.partition("_")
    try:
        parsed = datetime.fromisoformat(moment)
        return (parsed, int(number)) if parsed.tzinfo and 0 < int(number) < 2**63 else None
    except ValueError:
        return None


def safe_cell(value: str) -> str:
    """A text that no spreadsheet runs as a formula."""
    return f"'{value}" if FORMULA.match(value) and not NUMBER.fullmatch(value) else value


def _moment(order: OrderRow, sort: str) -> datetime:
    if sort == "deadline" and order.ship_by is not None:
        return order.ship_by
    return order.ordered_at or order.received_at


def _rows(site: Site, wanted: OrderSearch) -> Iterator[str]:
    yield "\ufeff" + _line(COLUMNS)  # the mark by which Excel knows UTF-8
    wanted = msgspec.structs.replace(wanted, limit=EXPORTED_AT_ONCE)
    while found := site.store.search_orders(wanted):
        for one in found:
            yield _line([safe_cell(value) for value in _cells(one)])
        wanted = msgspec.structs.replace(wanted, after=(_moment(found[-1].order, wanted.sort), found[-1].order.id))


def _cells(stored: StoredOrder) -> list[str]:
    order = stored.order
    shop_order_ids = " ".join(package.shop_order_id for package in stored.packages if package.shop_order_id)
    facts = {**msgspec.structs.asdict(order), "shop_order_ids": shop_order_ids}
    cells = [facts[name] for name in COLUMNS]
    return [
        cell.isoformat(timespec="seconds") if isinstance(cell, datetime) else str("" if cell is None else cell)
        for cell in cells
    ]


def _line(cells: object) -> str:
    file = io.StringIO()
    csv.writer(file).writerow(cells)  # type: ignore[arg-type]
    return file.getvalue()


def _choices(site: Site) -> dict[str, list[tuple[str, str]]]:
    """What each filter may be set to: (value, label)."""
    connector = site.connector
    reasons = {reason for account in connector.settings.accounts for reason in site.store.reasons_of_orders(account)}
    sold = {name for account in connector.settings.accounts for name in site.store.marketplaces_with_orders(account)}
    return {
        "shop": [(name, name) for name in connector.settings.shops],
        "marketplace": [(name, name) for name in sorted(sold)],
        "state": [(state, labels.ORDER_STATES[state]) for state in OrderState],
        "reason": [(code, code) for code in sorted(reasons)],
        "type": list(labels.TYPES.items()),
        "sort": list(labels.SORTS.items()),
    }
