"""From an order ready for the shop to all that is sent for it: checked first, so that nothing is half made for a mistake.

Pure. What PrestaShop makes of the prices is told beforehand, because a total that differs by a cent makes an order in
the payment-error state (FINDINGS, Order creation).
"""

import re
import secrets
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal

import msgspec

from lengow.adapters.outcomes import Problem
from lengow.adapters.prestashop.addresses import Fields, address_fields, names_of, place_of
from lengow.adapters.prestashop.cleaning import Cleaner, cleaned_text, shown
from lengow.adapters.prestashop.plan import Plan, PlannedLine, email_of
from lengow.adapters.prestashop.products import PrestaProduct
from lengow.adapters.prestashop.profile import Carrier, Place, Profile
from lengow.adapters.prestashop.settings import PrestaShopSettings
from lengow.connector.model import Line, NewOrder

CENT = Decimal("0.01")
MICRO = Decimal("0.000001")
"""With fewer decimals the total is off by a cent now and then (capture 212)."""
BY_ITEM, BY_LINE = "1", "2"
"""PS_ROUND_TYPE."""
ALREADY_SHIPPED = frozenset({"shipped", "closed"})
"""Lengow statuses of an order that is on its way before it is imported."""
LONGEST_COMMENT = 2000
MOST = Decimal("9999999999")
"""`isPrice` takes ten digits."""


class Price(msgspec.Struct, frozen=True):
    """What one cart row is sold at."""

    product: int
    combination: int
    quantity: int
    net: Decimal
    """Of one piece, tax excluded."""


class Draft(msgspec.Struct, frozen=True):
    """All that is sent for one order."""

    plan: Plan
    customer: Fields
    delivery: Fields
    invoice: Fields | None
    """None: the same as `delivery`."""
    prices: tuple[Price, ...]
    currency: int
    language: int


def compose(
    order: NewOrder,
    products: Mapping[str, tuple[PrestaProduct, ...]],
    profile: Profile,
    settings: PrestaShopSettings,
) -> Draft:
    """Raises Problem."""
    _check(order)
    chosen = [_product_of(line, products) for line in order.lines]
    currency = profile.currencies.get(order.order.currency)
    if currency is None:
        raise Problem(
            "currency",
            f"The shop has no active currency {order.order.currency!r}: add it at International > Localization.",
        )
    carrier = _carrier_of(order, profile, settings)
    address = order.package.delivery or order.order.billing
    if address is None:
        raise Problem("delivery", "The order has no address: complete it on the marketplace or at Lengow.")
    cleaner = Cleaner(profile.lengths)
    relay = f"Relay {order.package.relay_id}" if order.package.relay_id else ""
    shipped = is_shipped(order)
    delivery = address_fields(address, "delivery", profile, cleaner, extra=relay, needed=not shipped)
    billing = order.order.billing or address
    invoice = None
    if billing != address or relay:
        invoice = address_fields(billing, "billing", profile, cleaner, needed=False)
    if invoice == delivery:
        invoice = None
    by_invoice = profile.configuration.get("PS_TAX_ADDRESS_TYPE") == "id_address_invoice"
    place = place_of(invoice if by_invoice and invoice is not None else delivery)
    prices = _prices(order.lines, chosen, profile, place)
    first, last = names_of(billing)
    customer = {
        "id_default_group": str(settings.customer_group),
        "id_lang": str(profile.number("PS_LANG_DEFAULT") or 1),
        "newsletter": "0",
        "optin": "0",
        "active": "1",
        "passwd": secrets.token_urlsafe(24),
        "firstname": cleaner.text(first, "customer_name", "firstname", "customer") or "-",
        "lastname": cleaner.text(last, "customer_name", "lastname", "customer") or "-",
        "email": email_of(order.reference, settings.email_domain),
    }
    return Draft(
        plan=_plan(order, chosen, prices, carrier, profile, settings, place, cleaner),
        customer=customer,
        delivery=delivery,
        invoice=invoice,
        prices=tuple(price for price, _ in prices),
        currency=currency,
        language=profile.number("PS_LANG_DEFAULT") or 1,
    )


def is_shipped(order: NewOrder) -> bool:
    """By the marketplace, or before it came."""
    return order.delivered_by_marketplace or order.order.status in ALREADY_SHIPPED


def payment_label(order: NewOrder) -> str:
    return cleaned_text(f"Lengow {order.order.marketplace}", "generic")


def _check(order: NewOrder) -> None:
    if not order.lines:
        raise Problem("cart_rows", "The order has no lines, and PrestaShop has no order without any.")
    if not re.fullmatch(r"[A-Z]{3}", order.order.currency):
        raise Problem("currency", f"{order.order.currency!r} is not the code of a currency: report it to Lengow.")
    for line in order.lines:
        if line.quantity < 1:
            raise Problem("quantity", f"Line {line.id}: the quantity {line.quantity} is not at least 1.")
    for amount in [*(line.amount for line in order.lines), order.shipping, order.processing_fee]:
        if not amount.is_finite() or not 0 <= amount < MOST:
            raise Problem("total", f"The amount {amount} is not one to sell at: report the order to Lengow.")
        if amount != round(amount, 2):
            raise Problem("total", f"The amount {amount} has more than two decimals: report the order to Lengow.")


def _product_of(line: Line, products: Mapping[str, tuple[PrestaProduct, ...]]) -> PrestaProduct:
    """The one product of a line. PrestaShop itself would take a wrong one (captures 151, 159)."""
    found = products.get(line.sku, ())
    if not found:
        raise Problem(
            "sku",
            f"The shop has no product or combination with the reference or EAN {line.sku!r}: give one of them this "
            "reference, or correct the feed.",
        )
    if len(found) > 1:
        ids = ", ".join(one.shop_id for one in found)
        raise Problem(
            "sku", f"The reference {line.sku!r} is that of several products ({ids}): leave it to one of them only."
        )
    if found[0].has_combinations:
        raise Problem(
            "sku",
            f"{line.sku!r} is a product with combinations, and only one of these can be sold: give the marketplace the "
            "combination's reference.",
        )
    return found[0]


def _carrier_of(order: NewOrder, profile: Profile, settings: PrestaShopSettings) -> Carrier:
    """A free one, so that the cart costs what its lines do; what the buyer paid for shipping is put in after."""
    named = (order.package.carrier, order.package.method)
    reference = next(
        (settings.carriers_of_methods[one] for one in named if one in settings.carriers_of_methods), settings.carrier
    )
    carrier = profile.carrier(reference)
    if carrier is None or not carrier.active:
        raise Problem(
            "carrier", f"The shop has no active carrier with the id_reference {reference}: correct `carrier`."
        )
    if not carrier.free:
        raise Problem(
            "carrier",
            f"The carrier {carrier.name!r} is not free, and its price would spoil the total: tick 'Free shipping' at "
            "Shipping > Carriers, or make a free carrier for the marketplaces.",
        )
    return carrier


def _prices(
    lines: Sequence[Line], chosen: Sequence[PrestaProduct], profile: Profile, place: Place
) -> list[tuple[Price, Decimal]]:
    """The price of each cart row, and the factor of its tax. Lines of one product are one row."""
    together: dict[tuple[int, int], tuple[PrestaProduct, int, Decimal]] = {}
    for line, product in zip(lines, chosen, strict=True):
        key = (product.id, product.combination)
        _, quantity, amount = together.get(key, (product, 0, Decimal(0)))
        together[key] = (product, quantity + line.quantity, amount + line.amount)
    found = []
    for product, quantity, amount in together.values():
        factor = profile.factor(product.tax_group, place)
        net = (amount / quantity / factor).quantize(MICRO, ROUND_HALF_UP)
        found.append((Price(product.id, product.combination, quantity, net), factor))
    return found


def goods_of(prices: Sequence[tuple[Price, Decimal]], profile: Profile) -> tuple[Decimal, Decimal]:
    """What PrestaShop will make of the rows: tax included, and excluded (FINDINGS, Same total as an outside price)."""
    kind, mode = profile.configuration.get("PS_ROUND_TYPE", BY_LINE), profile.rounding
    gross = net = Decimal(0)
    for price, factor in prices:
        one = (price.net * factor).quantize(MICRO, ROUND_HALF_UP)
        for_line = []
        for amount in (one, price.net):
            each = amount.quantize(CENT, mode) if kind == BY_ITEM else amount
            for_line.append((each * price.quantity).quantize(CENT, mode) if kind == BY_LINE else each * price.quantity)
        gross, net = gross + for_line[0], net + for_line[1]
    return gross.quantize(CENT, mode), net.quantize(CENT, mode)


def _plan(
    order: NewOrder,
    chosen: Sequence[PrestaProduct],
    prices: Sequence[tuple[Price, Decimal]],
    carrier: Carrier,
    profile: Profile,
    settings: PrestaShopSettings,
    place: Place,
    cleaner: Cleaner,
) -> Plan:
    goods, goods_net = goods_of(prices, profile)
    factor = profile.factor(carrier.tax_group, place)
    shipping_net, fee_net = (_net(amount, factor) for amount in (order.shipping, order.processing_fee))
    off = order.total - goods - order.shipping - order.processing_fee
    shipped = is_shipped(order)
    shipped_state = settings.shipped_state or profile.number("PS_OS_SHIPPING")
    state = settings.order_state
    if shipped:
        state = (settings.marketplace_state if order.delivered_by_marketplace else 0) or shipped_state
    return Plan(
        reference=order.reference,
        payment=payment_label(order),
        carrier=carrier.id,
        lines=tuple(
            PlannedLine(line.id, product.id, product.combination, line.quantity, line.amount)
            for line, product in zip(order.lines, chosen, strict=True)
        ),
        goods=goods,
        shipping=order.shipping,
        shipping_net=shipping_net,
        fee=order.processing_fee,
        fee_net=fee_net,
        total=order.total,
        total_net=goods_net + shipping_net + fee_net + off,
        state=state,
        kept=not order.decrease_stock,
        shipped=shipped,
        note=_note(order, cleaner),
    )


def _net(amount: Decimal, factor: Decimal) -> Decimal:
    return (amount / factor).quantize(MICRO, ROUND_HALF_UP)


def _note(order: NewOrder, cleaner: Cleaner) -> str:
    """What the merchant reads at the order: the marketplace's number first."""
    source = order.order
    email = (source.billing and source.billing.email) or (order.package.delivery and order.package.delivery.email)
    parts = [
        f"{source.marketplace} {source.marketplace_order_id}",
        "Shipped by the marketplace" if order.delivered_by_marketplace else "",
        f"Pickup point {order.package.relay_id}" if order.package.relay_id else "",
        f"Buyer's address for mails: {email}" if email else "",
        source.comment[:LONGEST_COMMENT],
        *(f"Changed for PrestaShop: {change}" for change in cleaner.changes),
    ]
    return "\n".join(shown(part) for part in parts if part)
