"""The platform's own keys in `[shops.NAME]`. docs/adapters/woocommerce.md lists them all."""

from typing import Literal

import msgspec

from lengow.adapters.shop_url import check_shop_url
from lengow.connector.secret import Secret

MOST_PARALLEL = 16


class TrackingMeta(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Names of order metas in which a plugin keeps a plain tracking number."""

    number: str
    carrier: str = ""
    carrier_name: str = ""
    url: str = ""
    label: str = ""
    """The carrier's name where the plugin is of one carrier only."""


class WooCommerceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    url: str
    """The shop's address, such as `https://shop.example.com`. Plain http is taken for loopback only."""
    consumer_key: Secret
    consumer_secret: Secret
    parallel: int = 4
    """Orders created at once; fewer while the shop is slow to answer."""
    query_string_auth: bool = False
    """Send the keys in the query, for hosts that drop the Authorization header. HTTPS only."""
    user_agent: str = "lengow-connector"
    """For hosts whose firewall asks for a certain one."""
    product_match: tuple[Literal["sku", "gtin", "id"], ...] = ("sku",)
    """What the feed's SKUs are in the shop; what the first does not find is looked up by the next."""
    taxes: Literal["shop", "exempt"] = "shop"
    """`shop`: VAT by the shop's own rates, within the marketplace's amounts. `exempt`: no VAT shown in the shop."""
    order_status: str = "processing"
    """What an order to be shipped gets; WooCommerce takes its stock."""
    shipped_status: str = "completed"
    """What an order gets that was shipped before it was imported, or elsewhere."""
    shipped_statuses: tuple[str, ...] = ("completed",)
    """Statuses that tell of a shipment, also without a tracking number."""
    tracking_metas: tuple[TrackingMeta, ...] = ()
    """Further metas to read tracking from, before the known plugins'."""
    mail_buyer: bool = False
    """Give WooCommerce the buyer's (marketplace) address, so that it mails him at each status."""
    mail_merchant: bool = False
    """Let WooCommerce send its mail "New order"."""
    private_note: bool = False
    """Add the marketplace's number as a private order note too: one more request an order."""
    webhook_url: str = ""
    """Where this shop sends its webhooks: the connector's public address. A webhook to it is kept up."""

    def __post_init__(self) -> None:
        check_shop_url(self.url, "consumer_key and consumer_secret")
        if not self.product_match:
            raise ValueError("product_match is empty: name sku, gtin or id")
        if not 1 <= self.parallel <= MOST_PARALLEL:
            raise ValueError(f"parallel is {self.parallel}, and not from 1 to {MOST_PARALLEL}")
        if self.order_status == "pending":
            raise ValueError("order_status pending is what an unfinished order has; choose processing or on-hold")
