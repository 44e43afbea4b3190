"""How the answers of shops are read: what a field is to be is said where it is read, and what is otherwise names its place.

A plugin, a proxy or a fault of PHP may leave anything in an answer. PHP itself writes numbers as texts now and then, an
empty object as an empty list, and a list with gaps as an object: these are taken for what they mean.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any

from lengow.connector.decode import clean

Wrong = Callable[[str], Exception]
"""What is raised for an answer, of what is wrong with it: nothing was done where it was only read, else that is unknown."""

LONGEST_NUMBER = 30
"""Characters; beyond these it is no amount, quantity or id."""
YEARS = range(1970, 2200)
MISSING = object()


class Entry(dict[str, Any]):
    """An object in an answer. A field that is missing, or not what it is asked for as, raises as the answer says."""

    __slots__ = ("_place", "_wrong")

    def __init__(self, fields: Mapping[str, Any], wrong: Wrong, place: str = "") -> None:
        super().__init__(fields)
        self._wrong, self._place = wrong, place

    def __missing__(self, name: str) -> Any:
        raise self.wrong(name, "is missing")

    def wrong(self, name: str, words: str) -> Exception:
        """What to raise for a field; `words` go on after its name."""
        return self._wrong(f"{self._place}{name} {words}")

    def text(self, name: str, default: str | None = None) -> str:
        """Also of a number. `default`: where it is missing, null or PHP's nothing; None: it must be there."""
        value = self.get(name)
        if isinstance(value, str):
            return clean(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        if default is None or not _nothing(value):
            raise self._not(name, "a text")
        return default

    def whole(self, name: str, default: int | None = None) -> int:
        """Also of a text of digits, or of a number with nothing behind its point. An empty text is nothing."""
        value = self.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**LONGEST_NUMBER:
            return value
        if default is not None and (value == "" or _nothing(value)):
            return default
        found = _number(value)
        if found is None or found != found.to_integral_value():
            raise self._not(name, "a whole number")
        return int(found)

    def decimal(self, name: str, default: Decimal | None = None) -> Decimal:
        """A number as it was written, also as a text. An empty text is nothing."""
        value = self.get(name)
        if default is not None and (value == "" or _nothing(value)):
            return default
        found = _number(value)
        if found is None:
            raise self._not(name, "a number")
        return found

    def wholes(self, name: str) -> list[int]:
        """A list of ids; none where it is missing or null."""
        value = self.get(name)
        if not isinstance(value, list | None):
            raise self._not(name, "a list")
        return [Entry({name: one}, self._wrong, self._place).whole(name) for one in value or ()]

    def texts(self, name: str) -> list[str]:
        """The texts in a list; none where it is missing or null."""
        value = self.get(name)
        given = list(value.values()) if isinstance(value, dict) else value
        if not isinstance(given, list | None):
            raise self._not(name, "a list")
        return [clean(one) for one in given or () if isinstance(one, str | int) and not isinstance(one, bool)]

    def moment(self, name: str, zone: tzinfo = UTC) -> datetime:
        """A time, UTC; `zone` where it names none."""
        try:
            found = datetime.fromisoformat(str(self.get(name)))
            if found.year in YEARS:
                return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
        except ValueError:
            pass
        raise self._not(name, "a time")

    def entry(self, name: str) -> "Entry":
        """An object within; an empty one where it is missing or nothing."""
        value = self.get(name)
        if isinstance(value, dict):
            return Entry(value, self._wrong, f"{self._place}{name}.")
        if _nothing(value):
            return Entry({}, self._wrong, f"{self._place}{name}.")
        raise self._not(name, "an object")

    def entries(self, name: str, *, needed: bool = False) -> "list[Entry]":
        """The objects of a list within; none where it is missing or null, unless it is `needed`."""
        value = self.get(name)
        if value is None and not needed:
            return []
        return entries_of(value, self._wrong, f"{self._place}{name}")

    def _not(self, name: str, kind: str) -> Exception:
        value = self.get(name, MISSING)
        return self.wrong(name, f"is {_kind(value)}, not {kind}" if value is not MISSING else "is missing")


def entry_of(value: Any, wrong: Wrong) -> Entry:
    """What is to be an object."""
    if isinstance(value, dict):
        return Entry(value, wrong)
    raise wrong(f"it is {_kind(value)}, not an object")


def entries_of(value: Any, wrong: Wrong, place: str = "") -> list[Entry]:
    """What is to be a list of objects."""
    given = list(value.values()) if isinstance(value, dict) and place else value
    if not isinstance(given, list):
        raise wrong(f"{place or 'it'} is {_kind(value)}, not a list")
    found = []
    for number, one in enumerate(given):
        if not isinstance(one, dict):
            raise wrong(f"{place}[{number}] is {_kind(one)}, not an object")
        found.append(Entry(one, wrong, f"{place}[{number}]."))
    return found


def _nothing(value: Any) -> bool:
    """What PHP has for it: null, an empty list, false."""
    return value is None or value is False or value == []


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    text = str(value).strip()
    try:
        found = Decimal(text) if len(text) <= LONGEST_NUMBER else None
    except InvalidOperation:
        return None
    return found if found is not None and found.is_finite() and abs(found.adjusted()) < LONGEST_NUMBER else None


def _kind(value: Any) -> str:
    """Not the value itself, which may be personal."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "a text" if value else "an empty text"
    if isinstance(value, int | float | Decimal):
        return "a number"
    return "an object" if isinstance(value, dict) else "a list"
