"""The external reference by which a shop order is found again: drawn once, stored, sent on every try."""

import hashlib

from lengow.connector.model import Order

LONGEST = 90
"""WooCommerce's `transaction_id` holds 100 characters (reference platforms.md §1.4); the others hold more."""


def reference_of(account: str, order: Order, position: int) -> str:
    """Readable where it is short enough; else with a digest of the same parts. The same for the same package."""
    readable = f"{account}-{order.marketplace}-{order.marketplace_order_id}-{position}"
    if len(readable) <= LONGEST and readable.isascii() and readable.isprintable():
        return readable
    digest = hashlib.sha256(readable.encode()).hexdigest()[:40]
    return f"{account[:20]}-{digest}-{position}"
