"""Magento 2, REST, as its public source and documentation tell (reference platforms.md §3)."""

from lengow.sandbox.shops.magento.shop import TOKEN, Ledger, MagentoShop

__all__ = ["TOKEN", "Ledger", "MagentoShop"]
