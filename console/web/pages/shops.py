"""The shops and their toggles. A toggle that the platform cannot do is shown, disabled, with the reason."""

from datetime import timedelta

import msgspec
from flask import Response, abort, request

from lengow.connector.adapter import adapter_class
from lengow.connector.settings import IMPORT_SHIPPED_BY_MARKETPLACE, TOGGLES, Shop
from lengow.connector.store.rows import OrderSearch, ToggleRow
from lengow.console.web import labels
from lengow.console.web.language import N_
from lengow.console.web.visit import Visit

MOST_COUNTED = 1000
"""More are said to be so many and more."""


class Toggle(msgspec.Struct, frozen=True):
    name: str
    label: str
    meaning: str
    value: bool
    refused: str
    """Why it cannot be switched on for this platform; empty where it can."""
    switched: ToggleRow | None


class ShownShop(msgspec.Struct, frozen=True):
    name: str
    settings: Shop
    toggles: tuple[Toggle, ...]


def show(visit: Visit) -> Response:
    shops = [_shown(visit, name, shop) for name, shop in visit.site.connector.settings.shops.items()]
    toggled = [entry for entry in visit.site.store.general_journal(limit=200) if entry.what == "toggled"][:20]
    return visit.page("shops.html", shops=shops, journal=toggled)


def set_toggle(visit: Visit, shop: str, name: str) -> Response:
    """Switch it; what starts imports is confirmed first, with how many orders it will bring."""
    settings = visit.site.connector.settings.shops.get(shop)
    if settings is None or name not in TOGGLES:
        abort(404)
    value = request.form.get("value") == "on"
    if value and name == IMPORT_SHIPPED_BY_MARKETPLACE and request.form.get("confirmed") != "yes":
        [toggle] = [one for one in _shown(visit, shop, settings).toggles if one.name == name]
        if not toggle.refused:
            count = orders_to_come(visit, shop, settings)
            return visit.page("confirm_toggle.html", shop=shop, toggle=toggle, count=count, most=MOST_COUNTED)
    visit.site.connector.set_toggle(shop, name, value, who=visit.who)
    label = visit.say(labels.TOGGLES[name][0])
    switched = N_("%(toggle)s: on, for %(shop)s.") if value else N_("%(toggle)s: off, for %(shop)s.")
    return visit.go("shops", visit.say(switched, toggle=label, shop=shop))


def orders_to_come(visit: Visit, shop: str, settings: Shop) -> int:
    """How many skipped orders the toggle would bring in with the next sync."""
    wanted = OrderSearch(
        shop=shop,
        state="skipped",
        reason="delivered_by_marketplace_disabled",
        since=visit.site.now() - timedelta(days=settings.catch_up_days),
        limit=MOST_COUNTED + 1,
    )
    return len(visit.site.store.search_orders(wanted))


def _shown(visit: Visit, name: str, shop: Shop) -> ShownShop:
    capabilities = adapter_class(shop.platform).capabilities
    able = capabilities.imports_delivered_by_marketplace
    switched = {row.name: row for row in visit.site.store.toggles() if row.shop == name}
    toggles = [
        Toggle(
            name=toggle,
            label=labels.TOGGLES[toggle][0],
            meaning=labels.TOGGLES[toggle][1],
            value=value,
            refused="" if able else capabilities.delivered_by_marketplace_reason,
            switched=switched.get(toggle),
        )
        for toggle, value in visit.site.connector.toggles(name).items()
    ]
    return ShownShop(name, shop, tuple(toggles))
