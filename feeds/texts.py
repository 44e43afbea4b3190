"""Texts as a feed can carry them: no markup, no control characters, one line.

Shops store titles as HTML, pasted from anywhere. What a reader of the feed could choke on is taken out; what a buyer
reads stays. A column that is clean already, as most are, is told apart at a cost of a few nanoseconds a character.
"""

import html
import re
from collections.abc import Sequence

FORMULA = frozenset("=+-@")
"""A cell of a CSV file that begins so is a formula to a spreadsheet (OWASP, CSV injection)."""

ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
UNSEEN = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)", re.IGNORECASE | re.DOTALL)
APART = re.compile(r"</?(?:br|p|div|li|ul|ol|tr|td|th|table|h[1-6]|hr|section)\b[^<>]*>", re.IGNORECASE)
TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<![a-zA-Z][^<>]*>")
UNWRITABLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)
"""Control characters, what changes the direction of writing, what is not seen, and what no encoding has. Joiners stay."""


def clean(text: str) -> str:
    """Without markup, entities resolved, without control characters, white space as single blanks."""
    if "&" in text:
        text = ENTITY.sub(lambda found: html.unescape(found[0]), text)
    if "<" in text:
        text = TAG.sub("", APART.sub(" ", UNSEEN.sub(" ", text)))
    return " ".join(UNWRITABLE.sub("", text).split())


def clean_all(texts: list[str]) -> list[str]:
    """`clean` of each."""
    return texts if _all_clean(texts) else [text if _is_clean(text) else clean(text) for text in texts]


def is_plain(text: str) -> bool:
    """Whether it can be written as it is: a reference or a URL is never changed, only taken or not."""
    return text.isprintable() and not text[:1].isspace() and not text[-1:].isspace()


def all_plain(texts: Sequence[str]) -> bool:
    """`is_plain` of a column, looked at as one text with a tab between: no plain text holds one."""
    joined = "\t".join(texts)
    return (
        joined.count("\t") == len(texts) - 1
        and joined.replace("\t", "").isprintable()
        and "\t " not in joined
        and " \t" not in joined
        and not joined.startswith(" ")
        and not joined.endswith(" ")
    )


def disarm(texts: list[str]) -> list[str]:
    """With a blank before what a spreadsheet would take for a formula.

    Lengow reads a feed as data, and would take the apostrophe that is usual for a part of the title. A blank is not
    taken for one: readers trim it, and a spreadsheet shows a text.
    """
    if FORMULA.isdisjoint({text[:1] for text in texts}):
        return texts
    return [f" {text}" if text[:1] in FORMULA else text for text in texts]


def _is_clean(text: str) -> bool:
    return (
        text.isprintable()
        and "<" not in text
        and "&" not in text
        and "  " not in text
        and not text.startswith(" ")
        and not text.endswith(" ")
    )


def _all_clean(texts: Sequence[str]) -> bool:
    return all_plain(texts) and not any(sign in text for text in ("".join(texts),) for sign in ("<", "&", "  "))
