"""The first page: is anything wrong, and what is to be done. Below it how each shop stands, and the last 30 days."""

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, timedelta

import msgspec
from flask import Response, request

from lengow.connector.importer import COMPLETE_UNTIL, LAST_ERROR
from lengow.connector.model import ActionState, ChangeState, EventState, OrderState, StepKind
from lengow.connector.store.rows import Step, StoredOrder
from lengow.console.web.chart import Chart, chart_of
from lengow.console.web.jobs import Job
from lengow.console.web.language import N2_, N_, Language
from lengow.console.web.visit import Site, Visit

DAYS = 30
LATE_WITHIN_HOURS = 24
MANY = 1000
"""How many are counted; more are shown as so many and more."""
STALE_ROUNDS = 3
"""So many missed syncs are said to be wrong."""


class AccountFacts(msgspec.Struct, frozen=True):
    name: str
    complete_until: datetime | None
    next_sync: datetime | None
    error: str
    stale: bool
    importing: bool
    job: Job | None


class ShopFacts(msgspec.Struct, frozen=True):
    name: str
    platform: str
    account: AccountFacts
    counts: dict[str, int]
    late: int
    held: int


class Trouble(msgspec.Struct, frozen=True):
    """Something that a person has to look at."""

    count: int
    texts: tuple[str, str]
    """One, and many; without a number where there is nothing to count."""
    endpoint: str
    values: dict[str, str] = {}
    urgent: bool = True


def show(visit: Visit) -> Response:
    site = visit.site
    accounts = {name: account_facts(site, name) for name in site.connector.settings.accounts}
    held = site.store.steps(held=True, limit=MANY)
    late = site.connector.late_orders(within_hours=LATE_WITHIN_HOURS)
    shops = _shops(site, accounts, held, late)
    return visit.page(
        "overview.html",
        troubles=_troubles(site, list(accounts.values()), shops, held, late),
        accounts=list(accounts.values()),
        shops=shops,
        busy=any(is_busy(site, one) for one in accounts.values()),
        chart=_chart(visit),
    )


def progress(visit: Visit) -> Response:
    """The part of the page that tells how far a sync is: asked for again and again by the script."""
    accounts = [account_facts(visit.site, name) for name in visit.site.connector.settings.accounts]
    busy = any(is_busy(visit.site, one) for one in accounts)
    return visit.page("progress.html", accounts=accounts, busy=busy)


def sync(visit: Visit) -> Response:
    account = request.form.get("account", "")
    if account not in visit.site.connector.settings.accounts:
        return visit.go("overview", visit.say(N_("There is no such account.")), wrong=True)
    if not visit.site.jobs.sync(account, visit.who):
        return visit.go("overview", visit.say(N_("Work on this account is under way already.")), wrong=True)
    return visit.go("overview")


def account_facts(site: Site, name: str) -> AccountFacts:
    store, settings = site.store, site.connector.settings.accounts[name]
    until = store.get_value(name, COMPLETE_UNTIL)
    complete_until = datetime.fromisoformat(until) if until else None
    imports = [step for step in store.steps(kind=StepKind.IMPORT, limit=MANY) if step.account == name]
    allowed = timedelta(minutes=settings.sync_every_minutes) * STALE_ROUNDS
    return AccountFacts(
        name=name,
        complete_until=complete_until,
        next_sync=imports[0].due_at if imports else None,
        error=store.get_value(name, LAST_ERROR) or "",
        stale=complete_until is None or site.now() - complete_until > allowed,
        importing=site.jobs.importing(name),
        job=site.jobs.of(name),
    )


def is_busy(site: Site, account: AccountFacts) -> bool:
    return account.importing or (account.job is not None and account.job.running(site.now()))


def _shops(site: Site, accounts: dict[str, AccountFacts], held: list[Step], late: list[StoredOrder]) -> list[ShopFacts]:
    counts: dict[str, Counter[str]] = {}
    for (shop, state, _), count in site.store.count_by_shop().items():
        counts.setdefault(shop, Counter())[state] += count
    lately = Counter(package.shop for one in late for package in one.packages[:1])
    stopped = Counter(step.shop for step in held)
    return [
        ShopFacts(name, shop.platform, accounts[shop.account], dict(counts.get(name, {})), lately[name], stopped[name])
        for name, shop in site.connector.settings.shops.items()
    ]


def _troubles(
    site: Site, accounts: list[AccountFacts], shops: list[ShopFacts], held: list[Step], late: list[StoredOrder]
) -> list[Trouble]:
    """The most urgent first."""
    store, now = site.store, site.now()
    failing = sum(bool(one.error) for one in accounts)
    stale = sum(one.stale and not one.error and not is_busy(site, one) for one in accounts)
    past = sum(one.order.ship_by is not None and one.order.ship_by < now for one in late)
    failed = sum(shop.counts.get(OrderState.FAILED, 0) for shop in shops)
    failed_actions = len(
        store.list_actions(states=[ActionState.REFUSED, ActionState.FAILED], unhandled=True, limit=MANY)
    )
    stuck = len(store.list_actions(states=[ActionState.STUCK], unhandled=True, limit=MANY))
    failed_events = len(store.list_events(state=EventState.FAILED, limit=MANY))
    waiting = store.count_changes().get(ChangeState.WAITING, 0)
    found = [
        Trouble(
            failing,
            N2_("The last sync of an account failed.", "The last syncs of %(num)s accounts failed."),
            "health",
        ),
        Trouble(
            stale,
            N2_(
                "Orders of an account have not been read for a long time. See that the schedule is running.",
                "Orders of %(num)s accounts have not been read for a long time. See that the schedule is running.",
            ),
            "health",
        ),
        Trouble(
            past,
            N2_(
                "%(num)s order is past its shipping deadline, and no shipment was told.",
                "%(num)s orders are past their shipping deadline, and no shipment was told.",
            ),
            "orders",
            {"sort": "deadline"},
        ),
        Trouble(
            failed,
            N2_("%(num)s order failed. It says what to do.", "%(num)s orders failed. Each says what to do."),
            "orders",
            {"state": "failed"},
        ),
        Trouble(
            failed_actions,
            N2_(
                "%(num)s action was refused by a marketplace or by Lengow.",
                "%(num)s actions were refused by a marketplace or by Lengow.",
            ),
            "actions",
            {"state": "person"},
        ),
        Trouble(
            failed_events,
            N2_(
                "%(num)s event from a shop could not be followed.",
                "%(num)s events from a shop could not be followed.",
            ),
            "events",
            {"state": "failed"},
        ),
        Trouble(
            waiting,
            N2_("%(num)s change at Lengow waits for your word.", "%(num)s changes at Lengow wait for your word."),
            "changes",
        ),
        Trouble(
            _invoices(site),
            N2_("%(num)s invoice is held, or was not mailed.", "%(num)s invoices are held, or were not mailed."),
            "invoices",
        ),
        Trouble(
            len(held),
            N2_(
                "%(num)s step was given up, and waits for a person.",
                "%(num)s steps were given up, and wait for a person.",
            ),
            "health",
        ),
        Trouble(
            len(late) - past,
            N2_("%(num)s order is to be shipped within 24 hours.", "%(num)s orders are to be shipped within 24 hours."),
            "orders",
            {"sort": "deadline"},
            False,
        ),
        Trouble(
            stuck,
            N2_(
                "%(num)s action has had no answer from the marketplace for long.",
                "%(num)s actions have had no answer from the marketplace for long.",
            ),
            "actions",
            {"state": "stuck"},
            False,
        ),
    ]
    return [one for one in found if one.count]


def _invoices(site: Site) -> int:
    if "invoices" not in site.connector.settings.sections:
        return 0
    from lengow.invoices import Invoices

    with Invoices(site.connector) as invoices:
        return sum(len(invoices.for_a_person(account)) for account in site.connector.settings.accounts)


def _chart(visit: Visit) -> Chart:
    today = visit.language.today(visit.site.now())
    days = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    since = visit.language.midnight(days[0])
    store, here = visit.site.store, visit.language
    sold = store.orders_per_hour(since)
    confirmed: Counter[datetime] = Counter()
    for account in visit.site.connector.settings.accounts:
        confirmed.update(store.confirmations_per_hour(account, since))
    return chart_of(days, _by_day(sold, here), _by_day(confirmed, here))


def _by_day(hours: Mapping[datetime, int], here: Language) -> Counter[date]:
    """Days as the user has them."""
    days: Counter[date] = Counter()
    for hour, count in hours.items():
        days[here.today(hour)] += count
    return days
