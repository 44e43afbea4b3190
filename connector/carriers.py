"""Which of a shop's carriers is which of a marketplace's, as a person maps them while the connector runs.

What is mapped so goes before the settings' `carriers`, as a toggle that was switched does.
"""

import msgspec

from lengow.connector.context import Context
from lengow.connector.errors import CannotMend
from lengow.connector.marketplaces import marketplace as described
from lengow.connector.model import EventState
from lengow.connector.rules import carriers_of
from lengow.connector.settings import Shop
from lengow.connector.store.rows import MappedCarrier

LONGEST_CODE = 200
AT_ONCE = 1000
"""Events that are read together."""


def map_carrier(context: Context, shop: str, marketplace: str, code: str, carrier: str, *, who: str) -> MappedCarrier:
    """From now on the shop's carrier `code` is told to the marketplace as `carrier`.

    Raises CannotMend where the marketplace has no such carrier, and ActionInvalid (`marketplace_unknown`).
    """
    code = code.strip()
    description = described(context, context.settings.shops[shop].account, marketplace)
    known = carriers_of(description)
    if not code or len(code) > LONGEST_CODE:
        raise CannotMend("Name the carrier as the shop does: its code, else its name.", shop=shop)
    if carrier not in known:
        raise CannotMend(
            f"{description.name} has no carrier {carrier[:100]!r}.",
            what_to_do="lengow-connector carriers suggest names those that are like it.",
            shop=shop,
        )
    row = MappedCarrier(shop, description.key, code, carrier, context.now(), who)
    with context.store.transaction() as tx:
        tx.map_carrier(row)
        tx.note([context.entry(None, "carrier_mapped", f"{shop}, {description.key}: {code} = {carrier}", who=who)])
    return row


def unmap_carrier(context: Context, shop: str, marketplace: str, code: str, *, who: str) -> None:
    """The settings decide again. Raises CannotMend where it was not mapped by hand."""
    with context.store.transaction() as tx:
        if not tx.unmap_carrier(shop, marketplace, code):
            raise CannotMend(
                f"The shop {shop} has no carrier {code[:100]!r} that is mapped by hand for {marketplace}.",
                what_to_do="lengow-connector carriers list shows them.",
                shop=shop,
            )
        tx.note([context.entry(None, "carrier_unmapped", f"{shop}, {marketplace}: {code}", who=who)])


def waiting_events(context: Context, shop: str, code: str) -> list[int]:
    """The shop's failed events that tell of a parcel with this carrier."""
    found: list[int] = []
    before = None
    while failed := context.store.list_events(shop=shop, state=EventState.FAILED, before_id=before, limit=AT_ONCE):
        found += [row.id for row in failed if code in _carrier(row.body)]
        before = failed[-1].id
    return found


def with_carriers(context: Context, shop: str, marketplace: str) -> Shop:
    """The shop's settings with what was mapped by hand for this marketplace."""
    settings = context.settings.shops[shop]
    mapped = {
        one.code: one.carrier
        for one in context.store.mapped_carriers(shop)
        if one.marketplace.lower() == marketplace.lower()
    }
    if not mapped:
        return settings
    return msgspec.structs.replace(settings, carriers={marketplace: settings.carriers_for(marketplace) | mapped})


def _carrier(body: object) -> tuple[str, ...]:
    tracking = body.get("tracking") if isinstance(body, dict) else None
    if not isinstance(tracking, dict):
        return ()
    return str(tracking.get("carrier_code") or ""), str(tracking.get("carrier_name") or "")
