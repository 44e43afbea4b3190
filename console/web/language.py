"""What a page says in the user's language: texts by gettext, dates, numbers and money by Babel.

The catalogues are read from the `.po` files themselves, once a process: nothing has to be compiled.
"""

import io
from collections.abc import Mapping
from datetime import date, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal
from babel.support import NullTranslations, Translations

LANGUAGES = {"en": "English", "fr": "Français"}
DEFAULT = "en"
LOCALES = {"en": "en_GB", "fr": "fr_FR"}
FOLDER = Path(__file__).parent / "translations"


def N_(message: str) -> str:
    """Marks a text for the catalogue; it is translated where it is shown."""
    return message


def N2_(one: str, many: str) -> tuple[str, str]:
    """The same for a text that has a singular and a plural, with the number as `%(num)s`."""
    return one, many


class Language:
    """One of `LANGUAGES`, with the time zone in which moments are shown."""

    def __init__(self, code: str, zone: tzinfo | str = "UTC") -> None:
        self.code = code
        self.translations = translations_of(code)
        self._locale = Locale.parse(LOCALES[code])
        self._zone = ZoneInfo(zone) if isinstance(zone, str) else zone

    def say(self, message: str, **values: object) -> str:
        """The text in this language, with `%(name)s` filled in."""
        text = str(self.translations.ugettext(message)) if message else ""
        return text % values if values else text

    def say_many(self, texts: tuple[str, str], count: int) -> str:
        """The singular or plural of this language, with the number filled in."""
        return str(self.translations.ungettext(*texts, count)) % {"num": self.number(count)}

    def moment(self, moment: datetime | None) -> str:
        """Day and minute."""
        if moment is None:
            return ""
        return str(format_datetime(moment, "d MMM y, HH:mm", tzinfo=self._zone, locale=self._locale))

    def second(self, moment: datetime) -> str:
        return str(format_datetime(moment, "d MMM y, HH:mm:ss", tzinfo=self._zone, locale=self._locale))

    def day(self, day: date) -> str:
        return str(format_date(day, "d MMM", locale=self._locale))

    def since(self, moment: datetime, now: datetime) -> str:
        """Such as `3 minutes ago` or `in 2 hours`."""
        return str(format_timedelta(moment - now, add_direction=True, locale=self._locale))

    def number(self, number: int | Decimal | float) -> str:
        return str(format_decimal(number, locale=self._locale))

    def money(self, amount: Decimal | str | None, currency: str) -> str:
        """As the user's country writes it; an amount that is none is shown as it came."""
        if amount is None or amount == "":
            return ""
        try:
            value = Decimal(amount)
        except InvalidOperation:
            return f"{amount} {currency}".strip()
        if not currency:
            return self.number(value)
        return str(format_currency(value, currency, locale=self._locale))

    def today(self, now: datetime) -> date:
        return now.astimezone(self._zone).date()

    def midnight(self, day: date) -> datetime:
        """When the day begins in the user's time zone."""
        return datetime(day.year, day.month, day.day, tzinfo=self._zone)


@cache
def translations_of(code: str) -> NullTranslations:
    path = FOLDER / code / "console.po"
    if not path.exists():
        return NullTranslations()
    with path.open("rb") as file:
        catalogue = read_po(file, locale=code)
    packed = io.BytesIO()
    write_mo(packed, catalogue)
    packed.seek(0)
    return Translations(packed)


def chosen(accepted: Mapping[str, float] | None, *wishes: str | None) -> str:
    """The first wish that is a language of ours, else the best of what the browser accepts, else English."""
    for wish in wishes:
        if wish in LANGUAGES:
            return str(wish)
    ranked = sorted((accepted or {}).items(), key=lambda one: -one[1])
    return next((tag[:2].lower() for tag, _ in ranked if tag[:2].lower() in LANGUAGES), DEFAULT)
