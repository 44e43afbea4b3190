"""The platform's own keys in `[shops.NAME]`. docs/adapters/prestashop.md lists them all."""

import re
from typing import Literal

import msgspec

from lengow.adapters.shop_url import check_shop_url
from lengow.connector.secret import Secret

DOMAIN = re.compile(r"[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+")


class PrestaShopSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    url: str
    """The shop's address, such as `https://shop.example.com`. Plain http is taken for loopback only."""
    key: Secret
    """The webservice key, 32 characters."""
    carrier: int
    """The carrier that orders get: its `id_reference`, which stays when the carrier is edited. It must be free."""
    carriers_of_methods: dict[str, int] = {}
    """Other free carriers by the marketplace's carrier or method, as `{"Relais" = 7}`."""
    order_state: int = 0
    """What an order to be shipped is moved to; 0: it stays in the shop's own state for webservice orders."""
    shipped_state: int = 0
    """What an order gets that was shipped elsewhere, or before it was imported; 0: the shop's own PS_OS_SHIPPING."""
    marketplace_state: int = 0
    """What an order gets that the marketplace ships; 0: as `shipped_state`."""
    payment_module: str = "ps_checkpayment"
    """The technical name of an installed and active payment module: PrestaShop makes no order without one."""
    email_domain: str = "lengow.invalid"
    """Where the orders' own e-mail addresses end. The buyer's address is never given, so that he gets no mail."""
    customer_group: int = 3
    order_slips: Literal["refund", "ignore"] = "refund"
    """Whether an order slip asks the marketplace to refund its pieces."""
    wait_for_tracking_hours: float = 2
    """How long an order that is shipped without a tracking number is held back, so that its number can come."""
    key_in_query: bool = False
    """Send the key in the query, for hosts that drop the Authorization header. HTTPS only."""
    user_agent: str = "lengow-connector"
    """For hosts whose firewall asks for a certain one."""

    def __post_init__(self) -> None:
        check_shop_url(self.url, "key")
        if not re.fullmatch(r"[A-Za-z0-9_-]+", self.payment_module):
            raise ValueError(f"payment_module {self.payment_module!r} is not a technical name, such as ps_checkpayment")
        if not 0 <= self.wait_for_tracking_hours <= 24 * 7:
            raise ValueError(f"wait_for_tracking_hours is {self.wait_for_tracking_hours:g}, and not from 0 to a week")
        if not DOMAIN.fullmatch(self.email_domain):
            raise ValueError(f"email_domain {self.email_domain!r} is not a domain, such as orders.example.com")
