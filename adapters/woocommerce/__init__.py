"""WooCommerce, by REST API v3: orders in, shipments back. docs/adapters/woocommerce.md tells how to set a shop up."""

from lengow.adapters.woocommerce.adapter import WooCommerceAdapter
from lengow.adapters.woocommerce.settings import TrackingMeta, WooCommerceSettings

__all__ = ["TrackingMeta", "WooCommerceAdapter", "WooCommerceSettings"]
