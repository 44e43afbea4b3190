"""From products to the rows of one feed: each column read, written and checked, many products at once."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from lengow.connector.catalogue import CatalogueProduct
from lengow.feeds.columns import Flaw, Rules, write_column
from lengow.feeds.facts import FLAWS, Attribute
from lengow.feeds.settings import Feed
from lengow.feeds.sources import Source, read_source
from lengow.feeds.texts import disarm

Row = tuple[str, ...]


class Problem(msgspec.Struct, frozen=True):
    """Something wrong with one attribute of one product, for a person to mend."""

    feed: str
    product_id: str
    sku: str
    attribute: str
    code: str
    """One of `facts.FLAWS`."""
    value: str
    left_out: bool
    """Whether the offer is not in the feed for it. Else only the value is left empty."""

    @property
    def sentence(self) -> str:
        return (
            f"{self.attribute} {self.value[:60]!r} {FLAWS[self.code]}" if self.value else f"{self.attribute} is missing"
        )


class Offers(msgspec.Struct, frozen=True):
    """What became of some products, in their order: the rows of those that are well, and all problems."""

    products: Sequence[CatalogueProduct]
    rows: list[Row]
    """As many as there are products."""
    bad: frozenset[int]
    """The places of those that cannot be offered."""
    flaws: list[tuple[Attribute, Flaw]]

    @property
    def good(self) -> list[int]:
        """The places of those that can be offered."""
        return [place for place in range(len(self.rows)) if place not in self.bad]

    @property
    def skus(self) -> list[str]:
        """Of those that can be offered."""
        return [row[0] for row in self.rows] if not self.bad else [self.rows[place][0] for place in self.good]


class Composer:
    """Makes the rows of one feed."""

    def __init__(self, name: str, feed: Feed) -> None:
        self.name = name
        self.attributes = feed.columns
        self.header = tuple(one.name for one in self.attributes)
        self._mandatory = frozenset(one.name for one in self.attributes if feed.is_mandatory(one))
        self._rules = Rules(feed.weight_unit, feed.booleans)
        self._accepted: Mapping[str, frozenset[str]] = {key: frozenset(words) for key, words in feed.accepted.items()}
        self._armed = feed.format == "csv"
        """Only a CSV file is opened as a spreadsheet."""
        self._sources = [self._source(one, feed) for one in self.attributes]

    def compose(self, products: Sequence[CatalogueProduct]) -> Offers:
        columns, flaws = [], []
        bad: set[int] = set()
        for attribute, source in zip(self.attributes, self._sources, strict=True):
            texts, wrong = self._column(attribute, source, products)
            columns.append(texts)
            if wrong:
                flaws += [(attribute, flaw) for flaw in wrong]
                if attribute.name in self._mandatory:
                    bad.update(flaw.place for flaw in wrong)
        return Offers(products, list(zip(*columns, strict=True)), frozenset(bad), flaws)

    def problems(self, offers: Offers) -> Iterator[Problem]:
        for attribute, flaw in offers.flaws:
            product = offers.products[flaw.place]
            yield Problem(
                self.name,
                product.id,
                offers.rows[flaw.place][0] or product.sku,
                attribute.name,
                flaw.code,
                flaw.value,
                attribute.name in self._mandatory,
            )

    def _column(
        self, attribute: Attribute, source: Source, products: Sequence[CatalogueProduct]
    ) -> tuple[list[str], list[Flaw]]:
        texts, flaws = write_column(attribute.kind, source(products), self._rules)
        accepted = self._accepted.get(attribute.name)
        if accepted is not None and not accepted.issuperset(texts):
            refused = [place for place, text in enumerate(texts) if text and text not in accepted]
            flaws = [*flaws, *(Flaw(place, "not_accepted", texts[place]) for place in refused)]
            texts = ["" if text and text not in accepted else text for text in texts]
        if attribute.name in self._mandatory and "" in texts:
            known = {flaw.place for flaw in flaws}
            missing = [place for place, text in enumerate(texts) if not text and place not in known]
            flaws = [*flaws, *(Flaw(place, "missing", "") for place in missing)]
        if self._armed and attribute.kind in ("text", "code"):
            texts = disarm(texts)
        return texts, flaws

    def _source(self, attribute: Attribute, feed: Feed) -> Source:
        given = feed.attributes.get(attribute.name, attribute.source)
        return read_source(given, f"feeds.{self.name}.attributes.{attribute.name}")
