"""Magento 2 and Adobe Commerce, by REST: orders in, shipments back. docs/adapters/magento.md tells how to set a shop up."""

from lengow.adapters.magento.adapter import MagentoAdapter
from lengow.adapters.magento.settings import MagentoSettings

__all__ = ["MagentoAdapter", "MagentoSettings"]
