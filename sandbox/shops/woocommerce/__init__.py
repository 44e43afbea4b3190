"""WooCommerce, REST API v3, as recorded from 11.0.1 and 8.2.1 (captures/woocommerce/FINDINGS.md)."""

from lengow.sandbox.shops.woocommerce.access import Key
from lengow.sandbox.shops.woocommerce.records import TaxRate
from lengow.sandbox.shops.woocommerce.shop import KEY, Ledger, WooCommerceShop

__all__ = ["KEY", "Key", "Ledger", "TaxRate", "WooCommerceShop"]
