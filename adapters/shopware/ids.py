"""Ids drawn from the reference (UUIDv5): the same order is the same row, however often it is sent (§4.4)."""

import re
import uuid

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://lengow.io/connector/shopware")
"""Never to change: orders that exist are found by it."""
ID = re.compile(r"[0-9a-f]{32}")


def id_of(reference: str, part: str = "order") -> str:
    """Shopware's form: 32 lower-case hexadecimal digits."""
    return uuid.uuid5(NAMESPACE, f"{part}\n{reference}").hex


def is_id(text: str) -> bool:
    return ID.fullmatch(text) is not None
