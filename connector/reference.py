"""The external reference by which a shop order is found again: drawn once, stored, sent on every try."""

import hashlib

import msgspec

from lengow.connector.model import Order

LONGEST = 90
"""WooCommerce's `transaction_id` holds 100 characters (reference platforms.md §1.4); the others hold more."""


def reference_of(account: str, order: Order, position: int) -> str:
    """Readable where it is short enough and cannot be read in two ways; else with a digest of the same parts.

    The same for the same package, and another for any other.
    """
    parts = (account, order.marketplace, order.marketplace_order_id)
    readable = f"{'-'.join(parts)}-{position}"
    clear = "-" not in account + order.marketplace and readable.isascii() and readable.isprintable()
    if clear and len(readable) <= LONGEST:
        return readable
    digest = hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:40]
    return f"{account[:20]}-{digest}-{position}"
