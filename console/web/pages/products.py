"""Which product of a shop is meant by a SKU that the marketplace sells, where the two differ."""

from flask import Response, request

from lengow.connector.errors import CannotMend, ShopUnavailable
from lengow.console.web.language import N_
from lengow.console.web.visit import Visit

LONGEST_NAME = 200


def show(visit: Visit) -> Response:
    return _page(visit, request.args.get("shop", ""), request.args.get("sku", "")[:LONGEST_NAME], "")


def match(visit: Visit) -> Response:
    shop, sku, reference = (request.form.get(name, "").strip()[:LONGEST_NAME] for name in ("shop", "sku", "reference"))
    try:
        visit.site.connector.match_product(shop, sku, reference, who=visit.who)
    except (CannotMend, ShopUnavailable) as error:
        return _page(visit, shop, sku, str(error), reference, 422)
    visit.site.jobs.work(visit.site.connector.settings.shops[shop].account, visit.who)
    return visit.go("products", visit.say(N_("%(sku)s is known now; orders that waited for it are tried."), sku=sku))


def unmatch(visit: Visit) -> Response:
    shop, sku = request.form.get("shop", ""), request.form.get("sku", "")
    visit.site.connector.unmatch_product(shop, sku, who=visit.who)
    return visit.go("products", visit.say(N_("%(sku)s stands for itself again."), sku=sku))


def _page(visit: Visit, shop: str, sku: str, wrong: str, reference: str = "", status: int = 200) -> Response:
    connector = visit.site.connector
    return visit.page(
        "products.html",
        status,
        matches=connector.product_matches(),
        shops=list(connector.settings.shops),
        shop=shop,
        sku=sku,
        reference=reference,
        wrong=wrong,
    )
