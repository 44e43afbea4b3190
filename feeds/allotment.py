"""Which feed has an offer: exactly one of an account and marketplace, whatever the filters and priorities.

Two things see to it. A product goes to the first feed, in priority, whose filter it matches: to that one or to none, for
a product that lacks something there is not offered under another promise. And a SKU is written once: a second offer of
the same SKU, whether of another product or of another shop, is left out.
"""

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import compress
from operator import not_

from lengow.connector.catalogue import CatalogueProduct
from lengow.feeds.filters import Filter

PLACES = 1 << 24
"""Of the map, a byte each: 16 MB, in which a million SKUs leave 94 % unset. A larger one misses the cache more often."""
PARTS = 1 << 14


class Allotment:
    """Sends products to feeds, by their filters in order of priority, and counts what matched several."""

    def __init__(self, filters: Mapping[str, Filter | None]) -> None:
        self._filters = filters
        self.overlaps: Counter[tuple[str, str]] = Counter()
        """How many products went to the first feed, and matched the second too."""

    def allot(self, products: Sequence[CatalogueProduct]) -> dict[str, Sequence[CatalogueProduct]]:
        """The products of each feed that has any, in their order."""
        found: dict[str, Sequence[CatalogueProduct]] = {}
        rest = products
        for name, fits in self._filters.items():
            for other, theirs in found.items():
                self.overlaps[other, name] += len(theirs) if fits is None else sum(map(fits, theirs))
            matches = [True] * len(rest) if fits is None else list(map(fits, rest))
            mine = list(compress(rest, matches))
            rest = [] if len(mine) == len(rest) else list(compress(rest, map(not_, matches)))
            if mine:
                found[name] = mine
        return found


class Seen:
    """A set of SKUs at 8 bytes each and 16 MB: texts themselves would take ten times as much.

    It keeps 64 bits of each SKU's hash, keyed anew in each process. That two of a million different SKUs share one, so
    that the second would be left out, happens once in 37 million builds.
    """

    def __init__(self) -> None:
        self._map = bytearray(PLACES)
        self._parts = [array("q") for _ in range(PARTS)]

    def repeated(self, skus: Sequence[str]) -> list[int]:
        """Adds SKUs; gives the places of those that were in already."""
        found, seen, parts = [], self._map, self._parts
        for place, key in enumerate(map(hash, skus)):
            spot = key & (PLACES - 1)
            part = parts[key >> 40 & (PARTS - 1)]
            if seen[spot] and key in part:
                found.append(place)
            else:
                seen[spot] = 1
                part.append(key)
        return found
