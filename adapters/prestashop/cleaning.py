"""What PrestaShop refuses in a text, taken out, with a record of each change for the merchant.

The rules are its Validate.php, as probed sign by sign (FINDINGS, Customers and addresses; platforms.md §2.8); the lengths
come from the shop's own schema.
"""

import re
import unicodedata
from collections.abc import Mapping

FORBIDDEN = {
    "name": r'[0-9!<>,;?=+()@#"°{}_$%:¤|]',
    "customer_name": r'[0-9!<>,;?=+()/\\@#"°*`{}_^$%:¤\[\]|。]',
    "address": r"[!<>?=+@{}_$%]",
    "city": r'[!<>;?=+@#"°{}_$%]',
    "generic": r"[<>={}]",
    "message": r"[<>{}]",
    "phone": r"[^0-9+. ()/-]",
    "postcode": r"[^a-zA-Z0-9 -]",
    "tracking": r"[^~:#,%&_=()\[\].? +\-@/a-zA-Z0-9]",
    "dni": r"[^0-9A-Za-z.-]",
}
PATTERNS = {kind: re.compile(pattern) for kind, pattern in FORBIDDEN.items()}
INVISIBLE = re.compile("[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028\u2029\ufeff]")
ASTRAL = re.compile("[\U00010000-\U0010ffff]")
"""Emoji and the like: a database that was set up before 2018 takes three bytes a sign (platforms.md §2.8)."""
LENGTHS = {
    "alias": 32,
    "company": 255,
    "firstname": 255,
    "lastname": 255,
    "vat_number": 32,
    "address1": 128,
    "address2": 128,
    "postcode": 12,
    "city": 64,
    "other": 300,
    "phone": 32,
    "dni": 16,
    "tracking_number": 64,
    "payment": 255,
}
"""Where the shop's schema tells none (FINDINGS; platforms.md §5)."""


class Cleaner:
    """Cleans texts, and keeps what it changed."""

    def __init__(self, lengths: Mapping[str, int]) -> None:
        self._lengths = {**LENGTHS, **lengths}
        self.changes: list[str] = []

    def text(self, value: str, kind: str, field: str, about: str = "") -> str:
        """The value as the field takes it. `about`: whose field it is, for the record."""
        cleaned = self._cut(cleaned_text(value, kind), field)
        if cleaned != _plain(value):
            self.changes.append(f"{about} {field}".strip() + f": “{shown(value)}” became “{cleaned}”")
        return cleaned

    def overflowing(self, value: str, kind: str, field: str, about: str) -> tuple[str, str]:
        """The value as far as it fits, and the rest."""
        cleaned = cleaned_text(value, kind)
        if cleaned != _plain(value):
            self.changes.append(f"{about} {field}: “{shown(value)}” became “{cleaned}”")
        fitting = self._cut(cleaned, field)
        return fitting, cleaned[len(fitting) :].strip()

    def _cut(self, value: str, field: str) -> str:
        """At the edge of a word, where there is one in the last third."""
        longest = self._lengths.get(field, 0)
        if not longest or len(value) <= longest:
            return value
        cut = value[:longest]
        edge = cut.rfind(" ")
        return (cut[:edge] if edge > longest * 2 // 3 and value[longest] != " " else cut).rstrip()


def cleaned_text(value: str, kind: str) -> str:
    """Without what the kind of field forbids. A sign becomes a space, so that words stay apart."""
    text = PATTERNS[kind].sub(" ", ASTRAL.sub(" ", _plain(value)))
    if kind == "customer_name":
        text = re.sub(r"\.(?=\S)", ". ", text)
    return re.sub(r"\s+", " ", text).strip()


def shown(value: str) -> str:
    """For a note, which is shown as HTML, and kept in the same database."""
    return ASTRAL.sub("", value).replace("<", "‹").replace(">", "›")


def _plain(value: str) -> str:
    return re.sub(r"\s+", " ", INVISIBLE.sub(" ", unicodedata.normalize("NFC", value))).strip()
