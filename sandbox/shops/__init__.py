"""Stand-ins for shop platforms, over HTTP, as strict as the originals were seen to be. Each keeps a ledger.

| stand-in | platform | from |
| --- | --- | --- |
| `lengow.sandbox.shops.magento.MagentoShop` | Magento 2.4 | public source and documentation |
| `lengow.sandbox.shops.prestashop.PrestaShop` | PrestaShop 8.1.2 | recorded |
| `lengow.sandbox.shops.shopware.ShopwareShop` | Shopware 6.6 | public source and documentation |
| `lengow.sandbox.shops.woocommerce.WooCommerceShop` | WooCommerce 11.0.1 (HPOS) and 8.2.1 (legacy storage) | recorded |
"""
