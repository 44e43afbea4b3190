"""The shop's refusals as outcomes: its own words, the field, and what to do (reference platforms.md §1.1; FINDINGS)."""

import msgspec

from lengow.adapters.woocommerce.api import Refusal
from lengow.connector.adapter import Rejected


class Remedy(msgspec.Struct, frozen=True):
    field: str
    """Used where the shop names none."""
    what_to_do: str
    retry: bool = False


REMEDIES = {
    "rest_invalid_param": Remedy("", "Correct the named field of the order on the marketplace or at Lengow."),
    "rest_invalid_json": Remedy("", "Report it: the connector sent something unreadable."),
    "rest_no_route": Remedy(
        "url",
        "Check `url`, and set WordPress > Settings > Permalinks to anything but Plain; WooCommerce must be active.",
        True,
    ),
    "woocommerce_rest_authentication_error": Remedy(
        "consumer_key",
        "Make a key with read and write permission at WooCommerce > Settings > Advanced > REST API.",
        True,
    ),
    "woocommerce_rest_cannot_view": Remedy(
        "consumer_key", "Check `consumer_key`, and that its user is a shop manager.", True
    ),
    "woocommerce_rest_cannot_create": Remedy(
        "consumer_key", "Check `consumer_key`, and that its user is a shop manager.", True
    ),
    "woocommerce_rest_cannot_edit": Remedy(
        "consumer_key", "Check `consumer_key`, and that its user is a shop manager.", True
    ),
    "woocommerce_rest_invalid_customer_id": Remedy("customer_id", "Report it: orders are sent without a customer."),
    "woocommerce_rest_required_product_reference": Remedy(
        "line_items.sku", "Give the line's product a SKU in the feed."
    ),
    "woocommerce_rest_invalid_shipping_item": Remedy("shipping_lines.method_id", "Report it to the connector."),
    "woocommerce_rest_invalid_fee_item": Remedy("fee_lines.name", "Report it to the connector."),
    "woocommerce_rest_invalid_coupon": Remedy("coupon_lines", "Switch off the plugin that adds coupons to API orders."),
    "woocommerce_rest_invalid_item_id": Remedy("line_items.id", "Somebody changed the order meanwhile: retry."),
    "woocommerce_rest_shop_order_exists": Remedy("id", "Report it to the connector."),
    "woocommerce_rest_shop_order_invalid_id": Remedy(
        "id", "The order was deleted in the shop: reimport it, or dismiss the change."
    ),
    "woocommerce_rest_cannot_create_order_refund": Remedy(
        "amount", "Compare the refunds in the shop with the marketplace's; book the difference by hand."
    ),
    "woocommerce_rest_request_entity_too_large": Remedy("", "Report it to the connector."),
}
OTHERS = Remedy("", "Look up the shop's words; a security or order plugin may have its own rules.")
HOST = Remedy("", "Ask the host, or its firewall plugin, to let the connector's requests through (`user_agent`).", True)


def remedy_of(refusal: Refusal) -> Remedy:
    return REMEDIES.get(refusal.code) or (OTHERS if refusal.code else HOST)


def rejected(reference: str, refusal: Refusal) -> Rejected:
    remedy = remedy_of(refusal)
    return Rejected(
        reference, f"{refusal}. {remedy.what_to_do}", retry=remedy.retry, field=refusal.field or remedy.field
    )
