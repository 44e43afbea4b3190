"""Where an attribute's value comes from: `"{brand}"` a field, `"Acme"` a constant, `"{brand} {title}"` a template.

| in braces | what it is |
| --- | --- |
| `title`, `price`, … | a field of `CatalogueProduct`; alone in its template it keeps its type |
| `attributes.NAME`, `options.NAME` | one of the shop's further attributes, or of a variant's options, by any name |
| `images.1` | the first image |
| `stock\\|10` | what to take instead where there is none |

Values are read for many products at once: a column at a time costs a fraction of a row at a time.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import repeat
from operator import attrgetter
from string import Formatter
from typing import Any

from lengow.connector.catalogue import CatalogueProduct
from lengow.connector.errors import SettingsError
from lengow.feeds.facts import MOST_DIGITS

Source = Callable[[Sequence[CatalogueProduct]], list[Any]]
"""Gives one value a product."""

FIELDS = tuple(name for name in CatalogueProduct.__struct_fields__ if name not in ("images", "options", "attributes"))


def read_source(given: str | bool | int | float, where: str) -> Source:
    """The source that a setting names. Raises SettingsError."""
    if not isinstance(given, str):
        return _constant(given if isinstance(given, bool | int) else Decimal(str(given)))
    try:
        parts = list(Formatter().parse(given))
    except ValueError as error:
        raise SettingsError(
            f"{where}: {given!r} is not a template: {error}.",
            what_to_do="Write {field} for a field, and {{ or }} for a brace.",
            field=where,
        ) from None
    if all(name is None for _, name, _, _ in parts):
        return _constant("".join(text for text, *_ in parts))
    if any(specification or conversion for _, _, specification, conversion in parts):
        raise SettingsError(
            f"{where}: in {given!r}, a colon or an exclamation mark is not understood.",
            what_to_do="Write the field's name alone between the braces.",
            field=where,
        )
    if len(parts) == 1 and not parts[0][0]:
        return _field(parts[0][1] or "", where)
    pieces = [(text, None if name is None else _field(name, where)) for text, name, _, _ in parts]
    return _template(pieces)


def plain(value: Any) -> str:
    """A value as a text: nothing is empty, numbers without an exponent, unless it would be endless."""
    if value is None:
        return ""
    if isinstance(value, Decimal) and -MOST_DIGITS < value.adjusted() < MOST_DIGITS:
        return f"{value:f}"
    return str(value)


def _constant(value: Any) -> Source:
    return lambda products: [value] * len(products)


def _field(name: str, where: str) -> Source:
    name, found, instead = name.partition("|")
    source = _named(name.strip(), where)
    return _or_else(source, instead.strip()) if found else source


def _named(name: str, where: str) -> Source:
    if name in FIELDS:
        get = attrgetter(name)
        return lambda products: list(map(get, products))
    table, found, key = name.partition(".")
    if found and key and table == "attributes":
        return lambda products: [product.attributes.get(key) for product in products]
    if found and key and table == "options":
        return lambda products: [product.options.get(key) for product in products]
    if found and table == "images" and key.isdigit() and int(key) > 0:
        place = int(key)
        return lambda products: [
            product.images[place - 1] if len(product.images) >= place else "" for product in products
        ]
    raise SettingsError(
        f"{where}: {{{name}}} is no field of a product.",
        what_to_do=f"Write one of: {', '.join(FIELDS)}, images.1, options.NAME, attributes.NAME.",
        field=where,
    )


def _or_else(source: Source, instead: str) -> Source:
    return lambda products: [instead if value is None or value == "" else value for value in source(products)]


def _template(pieces: Sequence[tuple[str, Source | None]]) -> Source:
    def read(products: Sequence[CatalogueProduct]) -> list[Any]:
        columns: list[Any] = []
        for text, source in pieces:
            columns.append(repeat(text, len(products)))
            if source is not None:
                columns.append(map(plain, source(products)))
        return ["".join(row) for row in zip(*columns, strict=True)]

    return read
