"""All pages: where each is, and who may see it. A page that changes something is a POST.

Pages marked `gives_json` answer with JSON where `Accept` asks for it, by the same rules; `openapi.json` describes it.
"""

from collections.abc import Callable

import msgspec
from flask import Response

from lengow.console.web.pages import (
    actions,
    carriers,
    changes,
    compare,
    events,
    feeds,
    health,
    invoices,
    login,
    order,
    orders,
    overview,
    people,
    products,
    shops,
)
from lengow.console.web.people import Role

GET, POST = "GET", "POST"
VIEWER, OPERATOR, ADMIN = Role.VIEWER, Role.OPERATOR, Role.ADMIN


class Page(msgspec.Struct, frozen=True):
    rule: str
    endpoint: str
    method: str
    needs: Role | None
    """None: for everybody, also who is not logged in."""
    view: Callable[..., Response]
    own_login: bool = False
    """Left out where the host tells who is who."""
    gives_json: bool = False


PAGES = (
    Page("/", "overview", GET, VIEWER, overview.show),
    Page("/progress", "progress", GET, VIEWER, overview.progress),
    Page("/sync", "sync", POST, OPERATOR, overview.sync),
    Page("/orders", "orders", GET, VIEWER, orders.show, gives_json=True),
    Page("/orders.csv", "orders_csv", GET, VIEWER, orders.export),
    Page("/orders/retry", "retry_orders", POST, OPERATOR, orders.retry),
    Page("/orders/<int:order_id>", "order", GET, VIEWER, order.show, gives_json=True),
    Page("/orders/<int:order_id>/retry", "retry_order", POST, OPERATOR, order.retry),
    Page("/orders/<int:order_id>/act/<action>", "act", POST, OPERATOR, order.act),
    Page("/orders/<int:order_id>/dismiss", "dismiss_order", POST, OPERATOR, order.dismiss),
    Page("/orders/<int:order_id>/reimport", "reimport", POST, OPERATOR, order.reimport),
    Page("/orders/<int:order_id>/report", "resync_ids", POST, OPERATOR, order.resync_ids),
    Page("/changes", "changes", GET, VIEWER, changes.show, gives_json=True),
    Page("/changes/<int:change_id>/apply", "apply_change", POST, OPERATOR, changes.apply),
    Page("/changes/<int:change_id>/dismiss", "dismiss_change", POST, OPERATOR, changes.dismiss),
    Page("/actions", "actions", GET, VIEWER, actions.show, gives_json=True),
    Page("/actions/<int:action_id>/retry", "retry_action", POST, OPERATOR, actions.retry),
    Page("/actions/<int:action_id>/dismiss", "dismiss_action", POST, OPERATOR, actions.dismiss),
    Page("/events", "events", GET, VIEWER, events.show, gives_json=True),
    Page("/events/<int:event_id>/retry", "retry_event", POST, OPERATOR, events.retry),
    Page("/events/<int:event_id>/dismiss", "dismiss_event", POST, OPERATOR, events.dismiss),
    Page("/products", "products", GET, VIEWER, products.show),
    Page("/products/match", "match_product", POST, OPERATOR, products.match),
    Page("/products/unmatch", "unmatch_product", POST, OPERATOR, products.unmatch),
    Page("/invoices", "invoices", GET, VIEWER, invoices.show),
    Page("/invoices/<int:invoice_id>.pdf", "invoice_pdf", GET, VIEWER, invoices.pdf),
    Page("/invoices/<int:invoice_id>/retry", "retry_invoice", POST, OPERATOR, invoices.retry),
    Page("/invoices/<int:invoice_id>/resend", "resend_invoice", POST, OPERATOR, invoices.resend),
    Page("/invoices/<int:invoice_id>/dismiss", "dismiss_invoice", POST, OPERATOR, invoices.dismiss),
    Page("/feeds", "feeds", GET, VIEWER, feeds.show),
    Page("/feeds/<name>/build", "build_feed", POST, OPERATOR, feeds.build),
    Page("/shops", "shops", GET, VIEWER, shops.show),
    Page("/shops/<shop>/toggles/<name>", "set_toggle", POST, OPERATOR, shops.set_toggle),
    Page("/carriers", "carriers", GET, VIEWER, carriers.show),
    Page("/carriers/map", "map_carrier", POST, OPERATOR, carriers.map_carrier),
    Page("/carriers/unmap", "unmap_carrier", POST, OPERATOR, carriers.unmap_carrier),
    Page("/health", "health", GET, VIEWER, health.show),
    Page("/compare", "compare", GET, VIEWER, compare.show),
    Page("/compare", "begin_compare", POST, OPERATOR, compare.begin),
    Page("/steps/<int:step_id>/retry", "retry_step", POST, OPERATOR, health.retry_step),
    Page("/language", "language", POST, None, login.language),
    Page("/login", "login", GET, None, login.show, own_login=True),
    Page("/login", "log_in", POST, None, login.log_in, own_login=True),
    Page("/logout", "log_out", POST, VIEWER, login.log_out, own_login=True),
    Page("/password", "password", GET, VIEWER, login.password, own_login=True),
    Page("/password", "set_own_password", POST, VIEWER, login.set_own_password, own_login=True),
    Page("/people", "people", GET, ADMIN, people.show, own_login=True),
    Page("/people", "add_person", POST, ADMIN, people.add, own_login=True),
    Page("/people/<name>/<change>", "change_person", POST, ADMIN, people.change, own_login=True),
)
