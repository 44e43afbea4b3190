"""What is known of Magento's REST API, in one place (reference platforms.md §3, §5; from public sources of 2.4).

Those marked (memory) were not found in a source: a live shop may prove them wrong.
"""

from collections.abc import Mapping

PAGE = 100
SKUS_AT_ONCE = 50
"""In one URL (§3.2)."""
LONGEST_INCREMENT_ID = 50
LONGEST_NAME = 128
"""`customer_firstname`; the address itself takes 255 (§5)."""
LONGEST_TEXT = 255
"""Also all lines of a street together."""
LONGEST_EMAIL = 128
CARRIER_CUSTOM = "custom"
"""The carrier's name is then the track's title (§3.6)."""
SELLABLE = frozenset({"simple", "virtual", "downloadable"})
"""`type_id` of products that one line can sell; others need a parent and a child line (§3.8)."""

DUPLICATE = "Unique constraint violation"
"""Of `increment_id` and `store_id` (memory)."""
UNAUTHORIZED = "isn't authorized to access"
BAD_SIGNATURE = "The signature is invalid"
BAD_TIMESTAMP = "Incorrect timestamp value"
NONCE_USED = "The nonce is already being used"
NO_ENTITY = "requested doesn't exist"
NO_ROUTE = "does not match any route"
NO_STORE = "Specified request cannot be processed"

PENDING, PROCESSING, COMPLETE, CANCELED = ("new", "pending"), ("processing",) * 2, ("complete",) * 2, ("canceled",) * 2
"""State and status as Magento installs them."""

READS: Mapping[str, str] = {
    "store/storeConfigs": "Magento_Backend::store",
    "orders": "Magento_Sales::actions_view",
    "shipments": "Magento_Sales::shipment",
    "creditmemos": "Magento_Sales::sales_creditmemo",
    "products": "Magento_Catalog::products",
    "inventory/source-items": "Magento_InventoryApi::source",
    "taxRules/search": "Magento_Tax::manage_tax",
}
"""Least rights for reading. The names beyond the sales ones are from memory; `check` quotes the shop's own."""
WRITES: Mapping[str, str] = {
    "orders": "Magento_Sales::create",
    "orders/0/cancel": "Magento_Sales::cancel",
    "order/0/invoice": "Magento_Sales::sales_invoice",
    "order/0/refund": "Magento_Sales::creditmemo",
    "inventory/source-items": "Magento_InventoryApi::source",
}
"""Rights for writing, and a POST that can only be refused: rights are looked at before the body is."""
