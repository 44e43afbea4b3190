"""Shopware 6, Admin API, as its public source and documentation tell (reference platforms.md §4)."""

from lengow.sandbox.shops.shopware.access import Integration
from lengow.sandbox.shops.shopware.shop import INTEGRATION, Ledger, ShopwareShop

__all__ = ["INTEGRATION", "Integration", "Ledger", "ShopwareShop"]
