"""Lengow, the store and the shops side by side: what the last comparison found, a new one, and mending what is safe."""

from flask import Response, request

from lengow.console.web.compared import last_of, names_of
from lengow.console.web.language import N_
from lengow.console.web.pages.overview import account_facts, is_busy
from lengow.console.web.visit import Visit

DAYS = (1, 7, 30, 90)


def show(visit: Visit) -> Response:
    site = visit.site
    accounts = [account_facts(site, name) for name in site.connector.settings.accounts]
    compared = {one.name: last for one in accounts if (last := last_of(site.connector, one.name))}
    return visit.page(
        "compare.html",
        accounts=accounts,
        busy=any(is_busy(site, one) for one in accounts),
        compared=compared,
        orders={name: site.store.orders_named(name, names_of(one.shown)) for name, one in compared.items()},
        days=DAYS,
    )


def begin(visit: Visit) -> Response:
    """Mending is for what was shown before: it is compared once more, and what is still so is mended."""
    account, mends = request.form.get("account", ""), request.form.get("mends") == "yes"
    days = request.form.get("days", "")
    if account not in visit.site.connector.settings.accounts or days not in map(str, DAYS):
        return visit.go("compare", visit.say(N_("There is no such account.")), wrong=True)
    last = last_of(visit.site.connector, account)
    if mends and (last is None or not last.mendable):
        return visit.go("compare", visit.say(N_("Compare first: it is shown what would be mended.")), wrong=True)
    if not visit.site.jobs.compare(account, visit.who, int(days), mends=mends):
        return visit.go("compare", visit.say(N_("Work on this account is under way already.")), wrong=True)
    return visit.go("compare")
