"""Lengow's descriptions of the marketplaces, kept in the store: refreshed by age, and usable when Lengow is down."""

import logging
from collections.abc import Mapping
from datetime import timedelta

from lengow.connector.context import Context
from lengow.connector.errors import ActionInvalid, ApiError, MalformedAnswer
from lengow.connector.marketplace import Marketplace, decode_marketplace

log = logging.getLogger("lengow.connector.marketplaces")

REFRESH_AFTER = timedelta(hours=12)
"""As the official plugins (reference lengow.md §5)."""


def refresh_marketplaces(context: Context, account: str, *, older_than: timedelta = REFRESH_AFTER) -> None:
    """Read the descriptions from Lengow if the stored ones are older; a failure is logged, and the old ones serve."""
    read_at = context.store.marketplaces_read_at(account)
    if read_at is not None and context.now() - read_at < older_than:
        return
    try:
        described = context.client(account).marketplaces()
    except ApiError as error:
        log.warning("marketplaces not refreshed", extra={"account": account, "code": error.code})
        return
    raws = {key: bytes(raw) for key, raw in described.items()}
    with context.store.transaction() as tx:
        tx.save_marketplaces(account, raws, context.now())
    _log_unread(account, raws)


def marketplace(context: Context, account: str, key: str) -> Marketplace:
    """The description of one marketplace; asked of Lengow once more when it is not among the stored ones.

    Raises ActionInvalid with the code `marketplace_unknown`.
    """
    for refreshed in (False, True):
        for stored, raw in context.store.marketplaces(account).items():
            if stored.lower() == key.lower():
                return decode_marketplace(stored, raw)
        if not refreshed:
            refresh_marketplaces(context, account, older_than=timedelta(minutes=1))
    raise ActionInvalid(
        "marketplace_unknown",
        f"Lengow does not describe the marketplace {key!r} to the account {account!r}.",
        what_to_do="Check the name, or ask Lengow to connect the marketplace.",
        field="marketplace",
    )


def _log_unread(account: str, raws: Mapping[str, bytes]) -> None:
    """Say which rules are not enforced because they are written in a way that is not known."""
    for key, raw in raws.items():
        try:
            unread = decode_marketplace(key, raw).unread
        except MalformedAnswer as error:
            log.warning("marketplace not readable", extra={"account": account, "marketplace": key, "error": str(error)})
            continue
        if unread:
            facts = {"account": account, "marketplace": key, "arguments": ", ".join(unread)}
            log.warning("depends_on not understood, and not enforced", extra=facts)
