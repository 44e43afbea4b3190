"""A column of an offer's attribute: values of any type in, texts as the feed writes them out, and what is wrong with which.

One function a kind. Each first asks of the whole column whether it is as it should be, which is nearly always so and
cheap, and looks at single values only if not. A value that cannot be used becomes an empty text with a flaw.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from re import ASCII, IGNORECASE
from re import compile as pattern
from typing import Any, Literal

import msgspec

from lengow.connector.currencies import CURRENCIES
from lengow.feeds.facts import NO_UN_NUMBER, Kind
from lengow.feeds.filters import number, truth_of
from lengow.feeds.sources import plain
from lengow.feeds.texts import ADDRESS, FORMULA, PLAIN, clean_all, is_plain, odd_ones

CENT = Decimal("0.01")
MOST = 10**9
MONEY = pattern(r"(?:(?:0|[1-9]\d{0,8})\.\d\d\n)*", ASCII)
WEIGHT = pattern(r"\s*(\d{1,9}(?:[.,]\d{1,9})?)\s*(kg|g)?\s*", ASCII | IGNORECASE)
HARMLESS = pattern(r"[+-][\w.-]*", ASCII)
UN_NUMBER = pattern(r"(?:UN\s?)?\d{4}", ASCII | IGNORECASE)
WEB_ADDRESS = pattern(r"https?://[^\s/?#<>\"]+[^\s<>\"]*")
GRAMS = Decimal(1000)
EAN_LENGTHS = frozenset({8, 12, 13, 14})
NO_EANS = frozenset("0" * length for length in EAN_LENGTHS)


NOTHING = (None, "")
"""What is in a column that nobody filled."""


class Flaw(msgspec.Struct, frozen=True, gc=False):
    """What is wrong with one value: its place in the column, a code of `facts.FLAWS`, and the value as it came."""

    place: int
    code: str
    value: str


class Rules(msgspec.Struct, frozen=True):
    """What the feed's settings say of how values are written."""

    weight_unit: Literal["kg", "g"] = "kg"
    booleans: tuple[str, str] = ("true", "false")


Column = tuple[list[str], list[Flaw]]


def write_column(kind: Kind, values: list[Any], rules: Rules) -> Column:
    if not values or (values[0] in NOTHING and values.count(values[0]) == len(values)):
        return [""] * len(values), []
    return KINDS[kind](values, rules)


def _texts(values: list[Any], rules: Rules) -> Column:  # noqa: ARG001
    texts = _as_texts(values)
    known = set(texts)
    if len(known) > len(texts) / 4:
        return clean_all(texts), []
    few = list(known)  # such as brands: each is looked at once
    cleaned = dict(zip(few, clean_all(few), strict=True))
    return list(map(cleaned.__getitem__, texts)), []


def _identifiers(values: list[Any], rules: Rules) -> Column:  # noqa: ARG001
    texts = _as_texts(values)
    if not odd_ones(texts, PLAIN) and FORMULA.isdisjoint({text[:1] for text in texts}):
        return texts, []
    return _each(texts, _identifier)


def _identifier(text: str) -> str:
    """White space around is no part of a reference; all else is, and cannot be changed.

    A spreadsheet runs nothing in `-A12` or `+33`; in `=` and `@`, or with what follows, it may.
    """
    text = text.strip()
    if not is_plain(text):
        raise Bad("unwritable")
    if text and text[0] in FORMULA and not HARMLESS.fullmatch(text):
        raise Bad("formula")
    return text


def _currencies(values: list[Any], rules: Rules) -> Column:  # noqa: ARG001
    texts = _as_texts(values)
    return (texts, []) if set(texts) <= CURRENCIES else _each(texts, _currency)


def _currency(text: str) -> str:
    if text and text.strip().upper() not in CURRENCIES:
        raise Bad("currency_invalid")
    return text.strip().upper()


def _eans(values: list[Any], rules: Rules) -> Column:  # noqa: ARG001
    texts = _as_texts(values)
    if EAN_LENGTHS.issuperset(map(len, texts)) and NO_EANS.isdisjoint(texts):
        try:
            full = [text.rjust(16, "0") for text in texts]
            if {(BLOCKS[one[:4]] + BLOCKS[one[4:8]] + BLOCKS[one[8:12]] + BLOCKS[one[12:]]) % 10 for one in full} == {
                0
            }:
                return texts, []
        except KeyError:
            pass
    return _each(texts, _ean)


def _ean(text: str) -> str:
    digits = text.strip().replace(" ", "").replace("-", "")
    if not digits.strip("0"):  # zeros stand where shops want the field filled
        return ""
    if not (digits.isascii() and digits.isdigit()) or len(digits) not in EAN_LENGTHS:
        raise Bad("ean_length")
    full = digits.rjust(16, "0")
    if sum(BLOCKS[full[start : start + 4]] for start in (0, 4, 8, 12)) % 10:
        raise Bad("ean_check_digit")
    return digits


BLOCKS: Mapping[str, int] = {
    f"{one:04d}": one // 1000 * 3 + one // 100 % 10 + one // 10 % 10 * 3 + one % 10 for one in range(10_000)
}
"""GS1's weights 3, 1, 3, 1 over four digits; zeros before a GTIN count nothing."""


def _prices(values: list[Any], rules: Rules) -> Column:  # noqa: ARG001
    texts = list(map(str, values))
    joined = "\n".join(texts)
    if MONEY.fullmatch(f"{joined}\n") and "\n0.00\n" not in f"\n{joined}\n":
        return texts, []
    return _each(values, _price)


def _price(value: Any) -> str:
    text = _money(value)
    if text == "0.00":
        raise Bad("price_invalid")
    return text


def _amounts(values: list[Any], rules: Rules) -> Column:  # noqa: ARG001
    texts = list(map(str, values))
    if MONEY.fullmatch("\n".join(texts) + "\n"):
        return texts, []
    return _alike(values, _money)


def _money(value: Any) -> str:
    amount = _amount(value)
    return "" if amount is None else str(amount.quantize(CENT, ROUND_HALF_UP))


def _numbers(values: list[Any], rules: Rules) -> Column:  # noqa: ARG001
    return _alike(values, _number)


def _number(value: Any) -> str:
    amount = _amount(value)
    return "" if amount is None else _short(amount)


def _amount(value: Any) -> Decimal | None:
    if value is None or value == "":
        return None
    amount = number(value)
    if amount is None or not amount.is_finite() or abs(amount) >= MOST:
        raise Bad("number_invalid")
    if amount < 0:
        raise Bad("negative")
    return amount


def _integers(values: list[Any], rules: Rules) -> Column:  # noqa: ARG001
    if set(map(type, values)) == {int} and min(values) >= 0:
        return list(map(str, values)), []
    return _each(values, _integer)


def _integer(value: Any) -> str:
    """Less than none is none: shops go below zero when they sell what they still have to buy."""
    if value is None or value == "":
        return ""
    amount = number(value)
    if amount is None or not amount.is_finite() or abs(amount) >= MOST or amount != int(amount):
        raise Bad("stock_invalid")
    return str(max(int(amount), 0))


def _booleans(values: list[Any], rules: Rules) -> Column:
    true, false = rules.booleans
    written = {True: true, False: false}

    def one(value: Any) -> str:
        if value in NOTHING or not plain(value).strip():
            return ""
        truth = truth_of(value)
        if truth is None:
            raise Bad("boolean_invalid")
        return written[truth]

    return _alike(values, one)


def _weights(values: list[Any], rules: Rules) -> Column:
    return _alike(values, lambda value: _weight(value, rules.weight_unit))


def _weight(value: Any, unit: str) -> str:
    """Numbers without a unit are kilograms."""
    if value is None or value == "":
        return ""
    found = WEIGHT.fullmatch(plain(value))
    if not found:
        raise Bad("weight_invalid")
    kilograms = Decimal(found[1].replace(",", "."))
    if (found[2] or "").lower() == "g":
        kilograms /= GRAMS
    if not kilograms:
        raise Bad("weight_invalid")
    return _short(kilograms * GRAMS if unit == "g" else kilograms)


def _urls(values: list[Any], rules: Rules) -> Column:  # noqa: ARG001
    texts = _as_texts(values)
    joined = "\n".join(texts)
    begun = f"\n{joined}".count("\nhttps://") == len(texts) - texts.count("")
    if begun and joined.isascii() and not odd_ones(texts, ADDRESS):
        return texts, []
    return _each(texts, _url)


def _url(text: str) -> str:
    text = text.strip()
    if text and not (WEB_ADDRESS.fullmatch(text) and text.isprintable()):
        raise Bad("url_invalid")
    return text


def _un_numbers(values: list[Any], rules: Rules) -> Column:
    texts, _ = _texts(values, rules)
    return _alike(texts, _un_number)


def _un_number(text: str) -> str:
    if text and text.casefold() not in NO_UN_NUMBER and not UN_NUMBER.fullmatch(text):
        raise Bad("onu_invalid")
    return text


class Bad(Exception):
    """A value that cannot be used; with the code of the flaw."""


def _each(values: Sequence[Any], write: Callable[[Any], str]) -> Column:
    texts, flaws = [], []
    for place, value in enumerate(values):
        try:
            texts.append(write(value))
        except Bad as bad:
            texts.append("")
            flaws.append(Flaw(place, str(bad), plain(value)))
    return texts, flaws


def _alike(values: Sequence[Any], write: Callable[[Any], str]) -> Column:
    """`_each`, for columns in which the same values come again and again: each is written once."""
    if bool in set(map(type, values)):  # True is 1 to a set
        return _each(values, write)
    try:
        known = {value: write(value) for value in set(values)}
    except (Bad, TypeError):  # TypeError: what cannot be in a set
        return _each(values, write)
    return [known[value] for value in values], []


def _as_texts(values: list[Any]) -> list[str]:
    if set(map(type, values)) <= {str}:
        return values
    return [value if isinstance(value, str) else plain(value) for value in values]


def _short(amount: Decimal) -> str:
    """Without an exponent and without zeros at the end."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


KINDS: Mapping[Kind, Callable[[list[Any], Rules], Column]] = {
    "identifier": _identifiers,
    "text": _texts,
    "code": _texts,
    "currency": _currencies,
    "ean": _eans,
    "price": _prices,
    "money": _amounts,
    "number": _numbers,
    "integer": _integers,
    "boolean": _booleans,
    "weight": _weights,
    "url": _urls,
    "un_number": _un_numbers,
}
