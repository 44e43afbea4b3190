"""The platform's own keys in `[shops.NAME]`. docs/adapters/magento.md lists them all."""

import re
from importlib.util import find_spec
from typing import Literal

import msgspec

from lengow.adapters.shop_url import check_shop_url
from lengow.connector.secret import Secret

SIGNING = ("access_token_secret", "consumer_key", "consumer_secret")
"""What OAuth 1.0a needs besides `access_token`."""


class MagentoSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    url: str
    """The shop's address, such as `https://shop.example.com`. Plain http is taken for loopback only."""
    access_token: Secret
    """The integration's access token. Alone it is sent as bearer; with the three below, requests are signed."""
    access_token_secret: Secret | None = None
    consumer_key: Secret | None = None
    consumer_secret: Secret | None = None
    store: str = "default"
    """Code of the store view that the orders belong to."""
    source: str = "default"
    """Code of the inventory source that sales are taken from."""
    payment_method: str = "checkmo"
    """Code of an offline payment method that is enabled."""
    shipping_method: str = "flatrate_flatrate"
    """Carrier and method code."""
    product_attribute: str = ""
    """A further attribute that products are found by, such as `ean`; none: SKU only."""
    taxes: Literal["shop", "exempt"] = "shop"
    """`shop`: VAT by the shop's own rates, within the marketplace's amounts. `exempt`: orders without VAT."""
    shipped_without_tracking: bool = True
    """Whether a shipment without a track counts as one."""
    catalogue_prices: Literal["with_tax", "without_tax"] = "with_tax"
    """How prices are typed in at the shop (Stores > Tax > Calculation Settings); feeds are given them with tax."""
    catalogue_country: str = "FR"
    """Whose tax rates the prices of feeds have."""
    brand_attribute: str = "manufacturer"
    """The attribute that holds a product's brand."""
    mail_buyer: bool = False
    """Give Magento the buyer's (marketplace) address; its invoice and shipment mails then reach him."""

    def __post_init__(self) -> None:
        check_shop_url(self.url, "access_token")
        signing = {name: getattr(self, name) for name in SIGNING}
        missing = [name for name, secret in signing.items() if secret is None]
        if missing and len(missing) < len(signing):
            raise ValueError(f"signed requests need {', '.join(SIGNING)}; missing: {', '.join(missing)}")
        if not missing and find_spec("oauthlib") is None:
            raise ValueError("signed requests need oauthlib: run pip install 'lengow-connector[magento]'")
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.store) or self.store == "all":
            raise ValueError(f"store {self.store!r} is not the code of a store view")
