"""PrestaShop, by its webservice: orders in, shipments back. docs/adapters/prestashop.md tells how to set a shop up."""

from lengow.adapters.prestashop.adapter import PrestaShopAdapter
from lengow.adapters.prestashop.settings import PrestaShopSettings

__all__ = ["PrestaShopAdapter", "PrestaShopSettings"]
