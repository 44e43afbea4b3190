"""The platform's own keys in `[shops.NAME]`. docs/adapters/shopware.md lists them all."""

from typing import Literal

import msgspec

from lengow.adapters.shop_url import check_shop_url
from lengow.connector.secret import Secret


class ShopwareSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    url: str
    """The shop's address, such as `https://shop.example.com`. Plain http is taken for loopback only."""
    access_key: str
    """The integration's access key ID, `SWIA...`."""
    secret_key: Secret
    """The integration's secret access key."""
    sales_channel: str
    """Name or id of the sales channel that the orders belong to."""
    payment_method: str = ""
    """Name, technical name or id; none: that of the sales channel."""
    shipping_method: str = ""
    """Name, technical name or id; none: that of the sales channel."""
    order_state: Literal["open", "in_progress"] = "open"
    """What an order to be shipped gets."""
    taxes: Literal["shop", "exempt"] = "shop"
    """`shop`: VAT by the shop's own rates, within the marketplace's amounts. `exempt`: orders without VAT."""
    shipped_without_tracking: bool = True
    """Whether a delivery that is shipped without a tracking code counts as a shipment."""
    mail_buyer: bool = False
    """Give Shopware the buyer's (marketplace) address, and let it mail him at each state."""
    webhook_url: str = ""
    """Where this shop's app sends its webhooks: the connector's public address. They are kept active."""

    def __post_init__(self) -> None:
        check_shop_url(self.url, "access_key and secret_key")
        if not self.sales_channel.strip():
            raise ValueError("sales_channel is empty: name the sales channel that the orders belong to")
