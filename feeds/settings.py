"""`[feeds.NAME]`: what goes into each feed, and where. docs/feeds.md lists all keys."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Literal

import msgspec

from lengow.connector import Settings, SettingsError
from lengow.connector.adapter import adapter_class
from lengow.connector.secret import Secret
from lengow.connector.settings import NAME, convert_table
from lengow.feeds.facts import (
    FULFILMENT_ATTRIBUTES,
    IMAGES,
    LONGEST_HEADER,
    MOST_IMAGES,
    NEITHER,
    OFFER,
    Attribute,
    Programme,
)
from lengow.feeds.filters import read_filter
from lengow.feeds.sources import read_source

FormatName = Literal["csv", "xml", "jsonl"]

HEADER = re.compile(rf"[a-z][a-z0-9_]{{0,{LONGEST_HEADER - 1}}}")
SHORTEST_SECRET = 16
LONGEST_PAUSE = 7 * 24 * 60
"""Minutes between two builds."""


class Feed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    shop: str
    """Whose products it is made of."""
    marketplace: str
    """For which it is, such as `manomano_fr`. Feeds of one account and marketplace share no offer."""
    path: str
    """The file that is written; relative to the settings file."""
    programme: Programme = "standard"
    format: FormatName = "csv"
    gzip: bool = False
    priority: int = 100
    """Of several feeds that an offer matches, the one with the lowest number has it."""
    attributes: Mapping[str, str | bool | int | float] = {}
    """Where an attribute comes from: field, constant or template. A name of your own is a column more."""
    filter: str = ""
    """Which products are meant; none: all."""
    missing: Literal["leave_out", "refuse"] = "leave_out"
    """What becomes of an offer without a mandatory attribute: it is left out, or the feed is not written."""
    mandatory: tuple[str, ...] = ()
    """Attributes that are mandatory too."""
    optional: tuple[str, ...] = ()
    """Attributes that are not mandatory here."""
    accepted: Mapping[str, tuple[str, ...]] = {}
    """The values that an attribute may have, as they are written."""
    images: int = 5
    """How many image columns there are."""
    weight_unit: Literal["kg", "g"] = "kg"
    """Of the weights that are written."""
    booleans: tuple[str, str] = ("true", "false")
    """How true and false are written."""
    collapse_guard: float = 0.3
    """The share of its offers that a feed may lose from one build to the next unless forced."""
    build_every_minutes: float = 0
    """How often the schedule builds it, with those that share its offers: the shortest time of theirs counts. 0: only when
    `feed build` or `feeds.build` is called."""
    secret: Secret | None = None
    """The secret part of the feed's URL; none: it is not served."""

    @property
    def columns(self) -> tuple[Attribute, ...]:
        """All columns, in the order in which they are written: the same in both programmes."""
        given = (*OFFER, *IMAGES[: self.images], *FULFILMENT_ATTRIBUTES)
        known = {one.name for one in given}
        own = (Attribute(name, "text", "", NEITHER, "") for name in self.attributes if name not in known)
        return (*given, *own)

    def is_mandatory(self, attribute: Attribute) -> bool:
        if attribute.name in self.optional:
            return False
        return self.programme in attribute.mandatory or attribute.name in self.mandatory


class Group(msgspec.Struct, frozen=True):
    """The feeds of one account and marketplace, the first in priority first. They are built together."""

    account: str
    marketplace: str
    feeds: Mapping[str, Feed]

    @property
    def shops(self) -> tuple[str, ...]:
        """Each once, in the order in which they are read: what the first has, no later one gives."""
        return tuple(dict.fromkeys(feed.shop for feed in self.feeds.values()))

    @property
    def every(self) -> timedelta | None:
        """How often the schedule builds them; None: it does not."""
        times = [feed.build_every_minutes for feed in self.feeds.values() if feed.build_every_minutes]
        return timedelta(minutes=min(times)) if times else None


def read_feeds(settings: Settings) -> dict[str, Feed]:
    """All feeds by name. Raises SettingsError for the first mistake, all expressions included."""
    feeds = {name: _feed(name, table) for name, table in settings.sections.get("feeds", {}).items()}
    for name, feed in feeds.items():
        _check(name, feed, settings)
    _check_files(feeds, settings)
    list(_groups(feeds, settings))
    return feeds


def group_of(settings: Settings, name: str) -> Group:
    """The feed of this name with those that share its offers. Raises SettingsError."""
    feeds = read_feeds(settings)
    if name not in feeds:
        raise SettingsError(
            f"There is no feed {name!r}; there are: {', '.join(feeds) or 'none'}.",
            what_to_do="Name one of these, or write a table [feeds.NAME].",
            feed=name,
        )
    return next(group for group in _groups(feeds, settings) if name in group.feeds)


def groups(settings: Settings) -> list[Group]:
    """All feeds, with those together that share offers. Raises SettingsError."""
    return list(_groups(read_feeds(settings), settings))


def path_of(settings: Settings, feed: Feed) -> Path:
    return settings.base / feed.path


def _groups(feeds: Mapping[str, Feed], settings: Settings) -> Iterator[Group]:
    members: dict[tuple[str, str], dict[str, Feed]] = {}
    for name, feed in sorted(feeds.items(), key=lambda one: one[1].priority):
        key = settings.shops[feed.shop].account, feed.marketplace.lower()
        members.setdefault(key, {})[name] = feed
    for (account, marketplace), found in members.items():
        _check_priorities(found)
        group = Group(account, marketplace, found)
        _check_schedule(group, settings)
        yield group


def _feed(name: str, table: object) -> Feed:
    where = f"feeds.{name}"
    if not NAME.fullmatch(name):
        raise SettingsError(f"The name {name!r} may hold only letters, digits, - and _.", field=where)
    if not isinstance(table, Mapping):
        raise SettingsError(f"{where} must be a table: write [{where}].", field=where)
    for key in ("shop", "marketplace", "path"):
        if not table.get(key):
            raise SettingsError(f"{where}.{key} is missing.", field=f"{where}.{key}")
    return convert_table(table, Feed, where)


def _check(name: str, feed: Feed, settings: Settings) -> None:
    def refuse(key: str, sentence: str, what_to_do: str | None = None) -> None:
        raise SettingsError(f"feeds.{name}.{key} {sentence}.", what_to_do=what_to_do, field=f"feeds.{name}.{key}")

    if feed.shop not in settings.shops:
        refuse("shop", f"names {feed.shop!r}, which is not among the shops: {', '.join(settings.shops)}")
    if not 0 <= feed.images <= MOST_IMAGES:
        refuse("images", f"must be from 0 to {MOST_IMAGES}; it is {feed.images}")
    if feed.build_every_minutes and not 1 <= feed.build_every_minutes <= LONGEST_PAUSE:
        refuse("build_every_minutes", f"must be 0, or from 1 to {LONGEST_PAUSE}; it is {feed.build_every_minutes:g}")
    if not 0 <= feed.collapse_guard <= 1:
        refuse("collapse_guard", f"must be from 0 to 1; it is {feed.collapse_guard}", "Write 0.3 for 30 %.")
    if len(set(feed.booleans)) != 2 or not all(feed.booleans):
        refuse("booleans", "must be two different words")
    if feed.secret is not None and len(feed.secret.reveal()) < SHORTEST_SECRET:
        refuse("secret", f"is shorter than {SHORTEST_SECRET} characters", "Write one of `openssl rand -hex 24` there.")
    if feed.secret is not None and not re.fullmatch(r"[A-Za-z0-9_.~-]+", feed.secret.reveal()):
        refuse("secret", "may hold only letters, digits and - . _ ~, since it is part of a URL")
    for header in feed.attributes:
        if not HEADER.fullmatch(header):
            refuse(
                "attributes",
                f"has the name {header!r}",
                f"A column's name has small letters, digits and _, {LONGEST_HEADER} at most.",
            )
    known = {one.name for one in feed.columns}
    for key in ("mandatory", "optional", "accepted"):
        for header in getattr(feed, key):
            if header not in known:
                refuse(key, f"names {header!r}, which is no column of the feed", f"Write one of: {', '.join(known)}.")
    if "sku" in feed.optional:
        refuse("optional", "names sku: an offer without one cannot be sold")
    for header, given in feed.attributes.items():
        read_source(given, f"feeds.{name}.attributes.{header}")
    if feed.filter:
        read_filter(feed.filter, f"feeds.{name}.filter")


def _check_files(feeds: Mapping[str, Feed], settings: Settings) -> None:
    store = settings.store.url.removeprefix("sqlite:///")
    files: dict[str, str] = {}
    for name, feed in feeds.items():
        path = os.path.realpath(path_of(settings, feed))
        if path == os.path.realpath(store):
            raise SettingsError(f"feeds.{name}.path is the store's own file.", field=f"feeds.{name}.path")
        other = files.setdefault(path, name)
        if other != name:
            raise SettingsError(f"feeds.{other} and feeds.{name} have the same path.", field=f"feeds.{name}.path")


def _check_priorities(feeds: Mapping[str, Feed]) -> None:
    """Feeds of one account and marketplace: which of two has an offer must be said, and a shop is read once."""
    for (one, feed), (other, next_feed) in pairwise(feeds.items()):
        if feed.priority == next_feed.priority:
            raise SettingsError(
                f"feeds.{one} and feeds.{other} are for the same account and marketplace and have the same priority"
                f" ({feed.priority}): which of them has an offer that matches both?",
                what_to_do="Give each its own `priority`; the lowest number goes first.",
                field=f"feeds.{other}.priority",
            )
    _check_shops(list(feeds), [feed.shop for feed in feeds.values()])


def _check_schedule(group: Group, settings: Settings) -> None:
    """The schedule has only what the shops list."""
    silent = [shop for shop in group.shops if not _lists_products(settings, shop)]
    if group.every is None or not silent:
        return
    name = next(name for name, feed in group.feeds.items() if feed.build_every_minutes)
    raise SettingsError(
        f"feeds.{name}.build_every_minutes: the platform {settings.shops[silent[0]].platform!r} of the shop"
        f" {silent[0]!r} lists no products.",
        what_to_do="Leave it out, and build them from your own: `feeds.build(connector, NAME, products=...)`.",
        field=f"feeds.{name}.build_every_minutes",
    )


def _lists_products(settings: Settings, shop: str) -> bool:
    return adapter_class(settings.shops[shop].platform).capabilities.catalogue


def _check_shops(names: Sequence[str], shops: Sequence[str]) -> None:
    for place, shop in enumerate(shops):
        if shop in shops[:place] and shops[place - 1] != shop:
            raise SettingsError(
                f"The priority of feeds.{names[place]} puts a feed of another shop between two of the shop {shop!r}.",
                what_to_do="Number the feeds of one account and marketplace shop by shop: shops are read one by one.",
                field=f"feeds.{names[place]}.priority",
            )
