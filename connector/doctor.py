"""Looks whether everything is set up: accounts at Lengow, shops, toggles, and when each was last heard of."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec

from lengow.connector.adapter import Finding
from lengow.connector.context import Context
from lengow.connector.errors import ApiError, LengowError
from lengow.connector.importer import COMPLETE_UNTIL, LAST_ERROR
from lengow.connector.mail import Mail, look_at_server
from lengow.connector.privacy import not_erased
from lengow.connector.store.rows import OrderFilter
from lengow.connector.works import HasFindings, work_named, works_of

MOST_SKEW = timedelta(minutes=2)
"""Webhooks are refused at 5 minutes."""

LOOKED_FOR = 5
"""Orders of a shop that another system has, it is said, which are looked for there: the newest."""


class Examined(msgspec.Struct, frozen=True):
    """What was found of one account or shop."""

    kind: str
    """`account`, `shop`, `mail`, or the name of a further package's work, such as `feeds`."""
    name: str
    findings: tuple[Finding, ...]


def examine(context: Context) -> Iterator[Examined]:
    """Each account, each shop, the mail server, what other packages do. What is wrong is a finding, and never raised."""
    for account in context.settings.accounts:
        yield Examined("account", account, (*_account(context, account), *_not_erased(context, account)))
    for shop in context.settings.shops:
        yield Examined("shop", shop, tuple(_shop(context, shop)))
    if context.settings.mail:
        yield Examined("mail", context.settings.mail.host, (_mail(context.settings.mail),))
    yield from examine_works(context)


def examine_works(context: Context) -> Iterator[Examined]:
    """What packages beside the connector find of their own, account by account; nobody outside is called."""
    for name in works_of(context.settings):
        work = work_named(name)
        if isinstance(work, HasFindings):
            found = {account: tuple(work.examine(context, account)) for account in context.settings.accounts}
            yield from (Examined(name, account, findings) for account, findings in found.items() if findings)


def _account(context: Context, account: str) -> Iterator[Finding]:
    client = context.client(account)
    try:
        number = client.account_id()
        described = client.marketplaces()
    except ApiError as error:
        yield Finding("credentials", False, f"{error.code}: {error}", error.what_to_do)
        return
    yield Finding("credentials", True, f"Lengow knows them as account {number}.")
    if twins := _same_account(context, account, number):
        advice = "Leave one of them out: several shops may name the same account. Each order would come twice."
        yield Finding("account", False, f"accounts.{twins[0]} is the same Lengow account {number}.", advice)
    wanted = {
        marketplace.lower()
        for shop in context.settings.shops_of(account)
        for marketplace in context.settings.shops[shop].marketplaces or ()
    }
    missing = sorted(wanted - {key.lower() for key in described})
    yield Finding(
        "marketplaces",
        not missing,
        f"Lengow does not describe: {', '.join(missing)}." if missing else f"Lengow describes {len(described)}.",
        "Check their names in the shops' `marketplaces`, or ask Lengow to connect them." if missing else "",
    )
    yield _skew(client.skew())
    yield _last_sync(context, account)


def _same_account(context: Context, account: str, number: int) -> list[str]:
    """Other accounts of the settings, with other keys, that are this one at Lengow."""
    found = []
    for name, one in context.settings.accounts.items():
        with suppress(ApiError):
            same_place = one.base_url == context.settings.accounts[account].base_url
            if name != account and same_place and context.client(name).account_id() == number:
                found.append(name)
    return found


def _skew(skew: timedelta) -> Finding:
    seconds = round(skew.total_seconds())
    well = abs(skew) <= MOST_SKEW
    advice = "" if well else "Set this machine's clock by NTP: signed deliveries are refused at 5 minutes."
    return Finding("clock", well, f"This machine's clock differs from Lengow's by {seconds} s.", advice)


def _last_sync(context: Context, account: str) -> Finding:
    until, error = context.store.get_value(account, COMPLETE_UNTIL), context.store.get_value(account, LAST_ERROR)
    if error:
        return Finding("last sync", False, error, "It is tried again by itself; see the sentence.")
    if until is None:
        return Finding("last sync", False, "Never.", "Run lengow-connector sync, or run.")
    every = timedelta(minutes=context.settings.accounts[account].sync_every_minutes)
    now = min(context.now(), context.client(account).now())  # as the importer takes it, where the clocks are apart
    late = now - datetime.fromisoformat(until) > 3 * every
    advice = "See that `lengow-connector run` or your cron job is running." if late else ""
    return Finding("last sync", not late, f"Complete until {until}.", advice)


def _not_erased(context: Context, account: str) -> Iterator[Finding]:
    failed = not_erased(context, account)
    if failed:
        first = next(iter(failed.items()))
        sentence = f"The buyers of {len(failed)} orders could not be erased in time, such as {first[0]}: {first[1]}"
        yield Finding("personal data", False, sentence, "Mend what it names; it is tried again each day.")


def _mail(mail: Mail) -> Finding:
    reason = look_at_server(mail)
    if reason:
        return Finding("server", False, reason, "Check [mail]: host, port, security, user and password.")
    return Finding("server", True, "It answers" + (", and takes user and password." if mail.user else "."))


def _older_store(context: Context, shop: str) -> Iterator[Finding]:
    """Whether the shop holds, under our own references, what the store believes to be another system's."""
    looked_for = OrderFilter(shop=shop, reason="already_imported_elsewhere", limit=LOOKED_FOR)
    for stored in context.store.list_orders(looked_for):
        for package in stored.packages:
            try:
                found = context.adapter(shop).find_order(package.reference)
            except LengowError as error:
                yield Finding("store", False, f"{error.code}: {error}", error.what_to_do)
                return
            if found is not None:
                yield Finding(
                    "store",
                    False,
                    f"It is older than the shop, which holds {stored.order.key} as {found.id}: an older copy was put back.",
                    "Run lengow-connector reconcile --fix --days N, with one day more than the copy is old.",
                )
                return


def _shop(context: Context, shop: str) -> Iterator[Finding]:
    try:
        yield from context.adapter(shop).check()
    except LengowError as error:
        yield Finding("settings", False, f"{error.code}: {error}", error.what_to_do)
        return
    capabilities = context.capabilities(shop)
    for name, value in context.toggles(shop).items():
        able = capabilities.imports_delivered_by_marketplace
        why = "" if able else f" {capabilities.delivered_by_marketplace_reason}"
        yield Finding(f"toggle {name}", True, ("on." if value else "off.") + why)
    yield from _older_store(context, shop)
    heard = next(iter(context.store.list_events(shop=shop, limit=1)), None)
    when = f"{heard.received_at:%Y-%m-%d %H:%M} UTC." if heard else "Never."
    yield Finding("last heard of the shop", True, when)
