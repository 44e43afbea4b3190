"""Build feeds: products in, offers allotted, written and checked some at a time, files put in place at the end.

The feeds of one account and marketplace are built in one pass: only so can an offer be in one of them only.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import msgspec

from lengow.connector import Connector, Settings
from lengow.connector.catalogue import CatalogueProduct
from lengow.connector.context import Context
from lengow.feeds.allotment import Allotment, Seen
from lengow.feeds.columns import Flaw
from lengow.feeds.errors import FeedCollapsed, FeedRefused, FeedUnreadable
from lengow.feeds.facts import OFFER
from lengow.feeds.files import Draft, count_offers, held, publish
from lengow.feeds.filters import Filter, read_filter
from lengow.feeds.formats import FORMATS
from lengow.feeds.history import keep_written, last_build, remembered
from lengow.feeds.offers import Composer, Offers, Problem, Row
from lengow.feeds.settings import Feed, Group, group_of, groups, path_of, read_feeds

log = logging.getLogger("lengow.feeds")

AT_ONCE = 400
"""Products in hand: few enough to stay in the processor's cache from column to column."""

Products = Callable[[str], Iterable[CatalogueProduct]]
"""The products of a shop, by its name."""

SKU = OFFER[0]


class FeedReport(msgspec.Struct, frozen=True):
    """What became of one feed."""

    feed: str
    path: str
    offers: int
    left_out: int
    previous: int | None
    """How many offers the file had before; None: there was none, or it was not asked for (`force`)."""
    flaws: Mapping[str, int]
    """How many values have a flaw, by `attribute: code`."""
    refusal: str
    """Why it was not written; empty: it was, or would be."""
    collapsed: bool
    """Whether that is for the offers that it would lose."""


class Report(msgspec.Struct, frozen=True):
    """What became of the feeds of one account and marketplace."""

    account: str
    marketplace: str
    products: int
    matched: int
    """Products that any feed's filter matched."""
    feeds: tuple[FeedReport, ...]
    overlaps: tuple[tuple[str, str, int], ...]
    """The feed that had them, another that they matched too, and how many."""


class Standing(msgspec.Struct, frozen=True):
    """A feed as it stands now."""

    feed: str
    shop: str
    marketplace: str
    programme: str
    priority: int
    path: str
    offers: int | None
    """In its file; None: there is none yet."""
    served: bool
    build_every_minutes: float
    """Of the schedule, for it and those that share its offers; 0: not by the schedule."""
    written_at: datetime | None
    """Of its file on this machine."""
    failure: str
    """Why the last build wrote nothing, with its code; empty: it did, or none is known of."""


class Part(msgspec.Struct, frozen=True):
    """What one feed has of the products in hand."""

    feed: str
    rows: Sequence[Row]
    left_out: int
    offers: Offers
    """With `sku_twice` among the flaws."""


def build(
    connector: Connector,
    name: str,
    *,
    products: Iterable[CatalogueProduct] | None = None,
    force: bool = False,
    dry_run: bool = False,
) -> Report:
    """Build the feed `name`, and those that share its offers, from the shops or from `products` of its own shop.

    `force` writes it although it collapses; `dry_run` writes nothing. Raises FeedRefused, FeedCollapsed, FeedBusy,
    ShopUnavailable; then the old files stay.
    """
    group = group_of(connector.settings, name)
    sources = {} if products is None else {group.feeds[name].shop: products}
    return build_group(connector.context, group, _reader(connector, sources), force=force, dry_run=dry_run)


def build_all(connector: Connector, *, force: bool = False, dry_run: bool = False) -> Iterator[Report]:
    """Build all feeds, group by group, as the iterator is asked."""
    for group in groups(connector.settings):
        yield build_group(connector.context, group, connector.products, force=force, dry_run=dry_run)


def build_group(
    context: Context, group: Group, products: Products, *, force: bool = False, dry_run: bool = False
) -> Report:
    """Build the feeds of one account and marketplace, and keep in the store what became of it. Raises as `build`."""
    if dry_run:
        return _built(group, context.settings, products, force=force, dry_run=True)
    begun = context.now()
    with remembered(context, group):
        report = _built(group, context.settings, products, force=force, dry_run=False)
    offers = {one.feed: one.offers for one in report.feeds}
    left_out = {one.feed: one.left_out for one in report.feeds}
    keep_written(context, group, begun, offers, left_out)
    return report


def check(
    connector: Connector, name: str | None = None, *, products: Iterable[CatalogueProduct] | None = None
) -> Iterator[Problem]:
    """Everything that is wrong with the offers of a feed, or of all; nothing is written."""
    chosen = groups(connector.settings) if name is None else [group_of(connector.settings, name)]
    for group in chosen:
        sources = {} if products is None or name is None else {group.feeds[name].shop: products}
        run = Run(group, _reader(connector, sources))
        for part in run.parts():
            if name in (None, part.feed):
                yield from run.composers[part.feed].problems(part.offers)


def standing(connector: Connector) -> Iterator[Standing]:
    """All feeds, with what is in their files and what became of their last build. Raises StoreError, FeedUnreadable."""
    found = groups(connector.settings)
    group_by_name = {name: group for group in found for name in group.feeds}
    last_by_group = {id(group): last_build(connector.store, group) for group in found}
    for name, feed in read_feeds(connector.settings).items():
        group, path = group_by_name[name], path_of(connector.settings, feed)
        last = last_by_group[id(group)]
        yield Standing(
            feed=name,
            shop=feed.shop,
            marketplace=feed.marketplace,
            programme=feed.programme,
            priority=feed.priority,
            path=str(path),
            offers=count_offers(path, FORMATS[feed.format]),
            served=feed.secret is not None,
            build_every_minutes=group.every.total_seconds() / 60 if group.every else 0,
            written_at=datetime.fromtimestamp(path.stat().st_mtime, UTC) if path.exists() else None,
            failure=f"{last.code}: {last.about}" if last is not None and last.code else "",
        )


class Run:
    """One pass over the products of a group."""

    def __init__(self, group: Group, products: Products) -> None:
        self.group = group
        self.composers = {name: Composer(name, feed) for name, feed in group.feeds.items()}
        self.products = 0
        self.matched = 0
        self.overlaps: Counter[tuple[str, str]] = Counter()
        self._products = products
        self._seen = Seen()

    def parts(self) -> Iterator[Part]:
        for shop in self.group.shops:
            allotment = Allotment(_filters(self.group, shop))
            for some in _batches(self._products(shop)):
                self.products += len(some)
                allotted = allotment.allot(some)
                self.matched += sum(map(len, allotted.values()))
                composed = {name: self.composers[name].compose(theirs) for name, theirs in allotted.items()}
                twice = self._twice(some, composed)
                for name, offers in composed.items():
                    yield _part(name, offers, twice[name])
            self.overlaps += allotment.overlaps

    def _twice(self, products: Sequence[CatalogueProduct], composed: Mapping[str, Offers]) -> dict[str, set[int]]:
        """The places of offers whose SKU an offer before them has: before in the order of the products, of any feed."""
        skus = [sku for offers in composed.values() for sku in offers.skus]
        found: dict[str, set[int]] = {name: set() for name in composed}
        in_order = len(composed) == 1 or len(set(skus)) == len(skus)  # then none of these is twice among these
        if in_order:
            repeated = self._seen.repeated(skus)
            if not repeated:
                return found
        offered = [(name, place) for name, offers in composed.items() for place in offers.good]
        if not in_order:
            order = {id(product): number for number, product in enumerate(products)}
            offered.sort(key=lambda one: order[id(composed[one[0]].products[one[1]])])
            repeated = self._seen.repeated([composed[name].rows[place][0] for name, place in offered])
        for number in repeated:
            name, place = offered[number]
            found[name].add(place)
        return found


def _part(name: str, offers: Offers, twice: set[int]) -> Part:
    if not twice and not offers.bad:
        return Part(name, offers.rows, 0, offers)
    flaws = [*offers.flaws, *((SKU, Flaw(place, "sku_twice", offers.rows[place][0])) for place in sorted(twice))]
    rows = [offers.rows[place] for place in offers.good if place not in twice]
    offers = msgspec.structs.replace(offers, bad=offers.bad | twice, flaws=flaws)
    return Part(name, rows, len(offers.bad), offers)


def _built(group: Group, settings: Settings, products: Products, *, force: bool, dry_run: bool) -> Report:
    paths = {name: path_of(settings, feed) for name, feed in group.feeds.items()}
    run = Run(group, products)
    with ExitStack() as stack:
        drafts: dict[str, Draft] = {}
        if not dry_run:
            stack.enter_context(held(list(paths.values())))
            for name, feed in group.feeds.items():
                drafts[name] = stack.enter_context(Draft(paths[name], zipped=feed.gzip))
        counts = _write(run, drafts)
        report = _report(run, counts, paths, force=force)
        if not dry_run:
            _refuse(report)
            for draft in drafts.values():
                draft.finish()
            publish(list(drafts.values()))
            for one in report.feeds:
                log.info("feed written", extra={"feed": one.feed, "offers": one.offers, "left_out": one.left_out})
    return report


class Counts(msgspec.Struct):
    offers: int = 0
    left_out: int = 0
    flaws: Counter[str] = msgspec.field(default_factory=Counter)


def _write(run: Run, drafts: Mapping[str, Draft]) -> dict[str, Counts]:
    """Write what there is into the drafts, which may be none, and count it."""
    counts = {name: Counts() for name in run.group.feeds}
    forms = {name: FORMATS[feed.format] for name, feed in run.group.feeds.items()}
    headers = {name: composer.header for name, composer in run.composers.items()}
    for name, draft in drafts.items():
        draft.write(forms[name].head(headers[name]))
    for part in run.parts():
        count = counts[part.feed]
        count.offers += len(part.rows)
        count.left_out += part.left_out
        if part.offers.flaws:
            count.flaws.update(f"{attribute.name}: {flaw.code}" for attribute, flaw in part.offers.flaws)
        if part.rows and part.feed in drafts:
            drafts[part.feed].write(forms[part.feed].lines(headers[part.feed], part.rows))
    for name, draft in drafts.items():
        draft.write(forms[name].foot)
    return counts


def _report(run: Run, counts: Mapping[str, Counts], paths: Mapping[str, Path], *, force: bool) -> Report:
    feeds = []
    for name, feed in run.group.feeds.items():
        count = counts[name]
        previous = None if force else _previous(paths[name], feed)
        collapsed = bool(previous) and not force and count.offers < (previous or 0) * (1 - feed.collapse_guard)
        lacking = count.left_out if feed.missing == "refuse" else 0
        feeds.append(
            FeedReport(
                feed=name,
                path=str(paths[name]),
                offers=count.offers,
                left_out=count.left_out,
                previous=previous,
                flaws=dict(count.flaws),
                refusal=_refusal(feed, count, previous) if collapsed or lacking else "",
                collapsed=collapsed and not lacking,
            )
        )
    overlaps = tuple((one, other, number) for (one, other), number in run.overlaps.items() if number)
    return Report(run.group.account, run.group.marketplace, run.products, run.matched, tuple(feeds), overlaps)


def _previous(path: Path, feed: Feed) -> int | None:
    try:
        return count_offers(path, FORMATS[feed.format])
    except FeedUnreadable as error:
        raise FeedRefused(
            f"It cannot be told how many offers would be lost: {error}",
            what_to_do="Take the file away, or build with --force.",
        ) from error


def _refusal(feed: Feed, count: Counts, previous: int | None) -> str:
    if feed.missing == "refuse" and count.left_out:
        return f'{count.left_out} offers lack something mandatory, and `missing` is "refuse"'
    return f"its offers would fall from {previous} to {count.offers}, by more than {feed.collapse_guard:.0%}"


def _refuse(report: Report) -> None:
    """A feed that is refused keeps those that share its offers as they are too: else an offer could be in two."""
    for one in report.feeds:
        if one.refusal:
            kind = FeedCollapsed if one.collapsed else FeedRefused
            raise kind(f"The feed {one.feed} was not written: {one.refusal}.", feed=one.feed)


def _filters(group: Group, shop: str) -> dict[str, Filter | None]:
    return {
        name: read_filter(feed.filter, f"feeds.{name}.filter") if feed.filter else None
        for name, feed in group.feeds.items()
        if feed.shop == shop
    }


def _reader(connector: Connector, sources: Mapping[str, Iterable[CatalogueProduct]]) -> Products:
    return lambda shop: sources[shop] if shop in sources else connector.products(shop)


def _batches(products: Iterable[CatalogueProduct]) -> Iterator[list[CatalogueProduct]]:
    reading = iter(products)
    while some := list(islice(reading, AT_ONCE)):
        if set(map(type, some)) != {CatalogueProduct}:
            raise TypeError("Give products as lengow.connector.catalogue.CatalogueProduct.")
        yield some
