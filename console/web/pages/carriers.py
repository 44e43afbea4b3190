"""Which of the shop's carriers is which of the marketplace's; those that were not understood first, with suggestions."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

import msgspec
from flask import Response, request

from lengow.connector.errors import ActionInvalid, CannotMend, LengowError
from lengow.connector.model import EventState
from lengow.connector.rules import Suggestion, carriers_of
from lengow.connector.store.rows import EventRow
from lengow.console.web.language import N_
from lengow.console.web.visit import Visit

MANY = 500
LONGEST_NAME = 80
ABOUT_CARRIERS = ("carrier_unmapped", "value_not_allowed", "argument_missing")
"""Reasons for which a mapping can be the answer."""


class Unmapped(msgspec.Struct, frozen=True):
    """A carrier with which shipments of a shop could not be told to a marketplace."""

    shop: str
    account: str
    marketplace: str
    code: str
    """As the shop calls it: the code, else the name."""
    name: str
    count: int
    carriers: Mapping[str, str]
    """The marketplace's: code and label."""
    near: tuple[Suggestion, ...]


class Mapped(msgspec.Struct, frozen=True):
    shop: str
    marketplace: str
    """Empty: for all."""
    code: str
    carrier: str
    set_at: datetime | None = None
    """By hand; None: by the settings."""
    set_by: str = ""


def show(visit: Visit) -> Response:
    return _page(visit)


def map_carrier(visit: Visit) -> Response:
    form = request.form
    shop, marketplace, code = form.get("shop", ""), form.get("marketplace", ""), form.get("code", "")
    try:
        again = visit.site.connector.map_carrier(shop, marketplace, code, form.get("carrier", ""), who=visit.who)
    except (CannotMend, ActionInvalid) as error:
        return _page(visit, str(error), 422)
    if again:
        visit.site.jobs.work(visit.site.connector.settings.shops[shop].account, visit.who)
    return visit.go(
        "carriers", visit.say(N_("%(carrier)s is mapped; shipments that waited for it are told."), carrier=code)
    )


def unmap_carrier(visit: Visit) -> Response:
    form = request.form
    shop, marketplace, code = form.get("shop", ""), form.get("marketplace", ""), form.get("code", "")
    visit.site.connector.unmap_carrier(shop, marketplace, code, who=visit.who)
    return visit.go("carriers", visit.say(N_("%(carrier)s is not mapped by hand any more."), carrier=code))


def _page(visit: Visit, wrong: str = "", status: int = 200) -> Response:
    connector = visit.site.connector
    pairs = [
        (account, marketplace)
        for account in connector.settings.accounts
        for marketplace in visit.site.store.marketplaces_with_orders(account)
    ]
    chosen = request.args.get("of", "")
    of = next((pair for pair in pairs if "/".join(pair) == chosen), pairs[0] if pairs else None)
    name = request.args.get("name", "")[:LONGEST_NAME].strip()
    carriers = _carriers(visit, *of) if of else {}
    return visit.page(
        "carriers.html",
        status,
        pairs=pairs,
        of=of,
        name=name,
        carriers=carriers,
        suggestions=connector.suggest_carriers(*of, name) if of and carriers and name else [],
        mapped=_mapped(visit),
        unmapped=_unmapped(visit),
        shops=list(connector.settings.shops),
        wrong=wrong,
    )


def _unmapped(visit: Visit) -> list[Unmapped]:
    """From the shops' events that could not be followed for that."""
    seen: Counter[tuple[str, str, str, str, str]] = Counter()
    for row in visit.site.store.list_events(state=EventState.FAILED, limit=MANY):
        tracking = row.body.get("tracking") or {}
        code, name = str(tracking.get("carrier_code") or ""), str(tracking.get("carrier_name") or "")
        place = _place(visit, row) if row.reason in ABOUT_CARRIERS and (code or name) else None
        if place is not None:
            seen[row.shop, *place, code or name, name or code] += 1
    found = []
    for (shop, account, marketplace, code, name), count in seen.most_common():
        carriers = _carriers(visit, account, marketplace)
        near = visit.site.connector.suggest_carriers(account, marketplace, name) if carriers else []
        found.append(Unmapped(shop, account, marketplace, code, name, count, carriers, tuple(near)))
    return found


def _place(visit: Visit, row: EventRow) -> tuple[str, str] | None:
    """Account and marketplace of the order that an event is about."""
    package = visit.site.store.package_in_shop(
        row.shop, shop_order_id=str(row.body.get("shop_order_id", "")), reference=str(row.body.get("reference", ""))
    )
    stored = visit.site.store.order(package.order_id) if package else None
    return (stored.order.account, stored.order.marketplace) if stored else None


def _carriers(visit: Visit, account: str, marketplace: str) -> Mapping[str, str]:
    """None where Lengow does not describe the marketplace."""
    try:
        return carriers_of(visit.site.connector.marketplace(account, marketplace))
    except LengowError:
        return {}


def _mapped(visit: Visit) -> list[Mapped]:
    connector = visit.site.connector
    found = [
        Mapped(one.shop, one.marketplace, one.code, one.carrier, one.set_at, one.set_by)
        for one in connector.mapped_carriers()
    ]
    for shop, settings in connector.settings.shops.items():
        for code, carrier in settings.carriers.items():
            if isinstance(carrier, str):
                found.append(Mapped(shop, "", code, carrier))
            else:
                found += [Mapped(shop, code, own, mapped) for own, mapped in carrier.items()]
    return found
