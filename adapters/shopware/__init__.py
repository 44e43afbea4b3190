"""Shopware 6, by Admin API: orders in, shipments back. docs/adapters/shopware.md tells how to set a shop up."""

from lengow.adapters.shopware.adapter import ShopwareAdapter
from lengow.adapters.shopware.settings import ShopwareSettings

__all__ = ["ShopwareAdapter", "ShopwareSettings"]
