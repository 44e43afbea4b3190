"""PrestaShop's webservice, as recorded from 8.1.2 (captures/prestashop/FINDINGS.md)."""

from lengow.sandbox.shops.prestashop.access import KEY, Key
from lengow.sandbox.shops.prestashop.shop import Ledger, PrestaShop

__all__ = ["KEY", "Key", "Ledger", "PrestaShop"]
