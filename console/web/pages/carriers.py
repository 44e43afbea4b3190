"""Which of the shop's carriers is which of the marketplace's; and suggestions for those that are mapped to none."""

import re
from collections import Counter
from collections.abc import Mapping

import msgspec
from flask import Response, request

from lengow.connector.errors import LengowError
from lengow.connector.model import EventState
from lengow.connector.rules import Suggestion, carriers_of
from lengow.console.web.visit import Visit

MANY = 500
LONGEST_NAME = 80
BARE = re.compile(r"[A-Za-z0-9_-]+")


class Unmapped(msgspec.Struct, frozen=True):
    """A carrier with which shipments of a shop could not be told."""

    shop: str
    code: str
    name: str
    count: int


class Mapped(msgspec.Struct, frozen=True):
    shop: str
    marketplace: str
    """Empty: for all."""
    code: str
    carrier: str


def show(visit: Visit) -> Response:
    connector = visit.site.connector
    pairs = [
        (account, marketplace)
        for account in connector.settings.accounts
        for marketplace in visit.site.store.marketplaces_with_orders(account)
    ]
    chosen = request.args.get("of", "")
    of = next((pair for pair in pairs if "/".join(pair) == chosen), pairs[0] if pairs else None)
    name = request.args.get("name", "")[:LONGEST_NAME].strip()
    carriers: Mapping[str, str] = {}
    suggestions: list[Suggestion] = []
    trouble = ""
    if of is not None:
        try:
            carriers = carriers_of(connector.marketplace(*of))
            suggestions = connector.suggest_carriers(*of, name) if name else []
        except LengowError as error:
            trouble = str(error)
    unmapped = unmapped_carriers(visit)
    return visit.page(
        "carriers.html",
        pairs=pairs,
        of=of,
        name=name,
        carriers=carriers,
        suggestions=suggestions,
        trouble=trouble,
        mapped=_mapped(visit),
        unmapped=[
            (one, connector.suggest_carriers(*of, one.name or one.code) if of and carriers else []) for one in unmapped
        ],
        setting=setting,
    )


def unmapped_carriers(visit: Visit) -> list[Unmapped]:
    """From the shops' messages that could not be followed for that."""
    seen: Counter[tuple[str, str, str]] = Counter()
    for row in visit.site.store.list_events(state=EventState.FAILED, limit=MANY):
        if row.reason in ("carrier_unmapped", "value_not_allowed", "argument_missing"):
            tracking = row.body.get("tracking") or {}
            code, name = str(tracking.get("carrier_code", "")), str(tracking.get("carrier_name", ""))
            if code or name:
                seen[row.shop, code, name] += 1
    return [Unmapped(*carrier, count) for carrier, count in seen.most_common()]


def setting(shop: str, marketplace: str, code: str, carrier: str) -> str:
    """The lines for the settings file."""
    return f"[shops.{shop}.carriers.{_key(marketplace)}]\n{_key(code)} = {_quoted(carrier)}"


def _key(text: str) -> str:
    return text if BARE.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _mapped(visit: Visit) -> list[Mapped]:
    found = []
    for shop, settings in visit.site.connector.settings.shops.items():
        for code, carrier in settings.carriers.items():
            if isinstance(carrier, str):
                found.append(Mapped(shop, "", code, carrier))
            else:
                found += [Mapped(shop, code, own, mapped) for own, mapped in carrier.items()]
    return found
