"""Products from a file: JSON lines, an object each with the fields of `CatalogueProduct`."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from lengow.connector.catalogue import CatalogueProduct
from lengow.connector.prepared import prepare
from lengow.feeds.errors import FeedRefused


def read_products(path: Path) -> Iterator[CatalogueProduct]:
    """One after the other. Amounts are texts or numbers. Raises FeedRefused that names the line."""
    decoder = msgspec.json.Decoder(CatalogueProduct)
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield decoder.decode(line)
            except msgspec.DecodeError as error:
                raise FeedRefused(
                    f"Line {number} of {path} is no product: {error}.",
                    what_to_do="Write one JSON object a line; docs/feeds.md has the fields.",
                ) from error


prepare(CatalogueProduct)
