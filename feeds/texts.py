"""Texts as a feed can carry them: no markup, no control characters, one line.

Shops store titles as HTML, pasted from anywhere. What a reader of the feed could choke on is taken out; what a buyer
reads stays. Which values need it is asked of a whole column at once, in bytes: that takes a third of a nanosecond a
character, where asking each text takes ten times as long.
"""

import html
import re
from collections.abc import Sequence
from operator import is_

FORMULA = frozenset("=+-@＝＋－＠")
"""A cell of a CSV file that begins so is a formula to a spreadsheet (OWASP, CSV injection); the wide ones in some
languages."""

ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
UNSEEN = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)", re.IGNORECASE | re.DOTALL)
APART = re.compile(r"</?(?:br|p|div|li|ul|ol|tr|td|th|table|h[1-6]|hr|section)\b[^<>]*>", re.IGNORECASE)
TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<![a-zA-Z][^<>]*>")
UNWRITABLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)
"""Control characters, what changes the direction of writing, what is not seen, and what no encoding has. Joiners stay."""


PLAIN = bytes([*range(0x20, 0x7F), *(set(range(0xA1, 0x100)) - {0xAD})])
"""Of Latin-1, what is seen, and the blank. Without the hard blank and the soft hyphen."""
CLEAN = bytes(set(PLAIN) - set(b"<&"))
ADDRESS = bytes(set(range(0x21, 0x7F)) - set(b'<>"'))
"""What a web address may hold."""


def clean(text: str) -> str:
    """Without markup, entities resolved, without control characters, white space as single blanks."""
    if "&" in text:
        text = ENTITY.sub(lambda found: html.unescape(found[0]), text)
    if "<" in text:
        text = TAG.sub("", APART.sub(" ", UNSEEN.sub(" ", text)))
    return " ".join(UNWRITABLE.sub("", text).split())


def clean_all(texts: list[str]) -> list[str]:
    """`clean` of each that needs it."""
    odd = odd_ones(texts, CLEAN)
    if not odd:
        return texts
    return [clean(text) if place in odd else text for place, text in enumerate(texts)]


def odd_ones(texts: Sequence[str], usual: bytes) -> set[int]:
    """The places of texts that have white space at an end, what cannot be seen, or of Latin-1 what is not `usual`."""
    joined = "\t".join(texts)
    try:
        odd = joined.encode("latin-1").translate(None, usual).split(b"\t")
    except UnicodeEncodeError:
        return _odd_ones_beyond_latin(texts, usual)
    if len(odd) != len(texts):  # a tab within a text
        return {place for place, text in enumerate(texts) if _is_odd(text, usual)}
    if not any(odd) and all(map(is_, texts, map(str.strip, texts))):
        return set()
    return {place for place, part in enumerate(odd) if part or texts[place] != texts[place].strip()}


def _odd_ones_beyond_latin(texts: Sequence[str], usual: bytes) -> set[int]:
    """All that is seen is usual but for a few signs: looked for one by one, as such texts have no bytes."""
    joined = "".join(texts)
    signs = [chr(one) for one in set(PLAIN) - set(usual) if chr(one) in joined]
    if not joined.isprintable():
        return {place for place, text in enumerate(texts) if _is_odd(text, usual)}
    return {
        place
        for place, text in enumerate(texts)
        if text is not text.strip() or (signs and any(sign in text for sign in signs))
    }


def _is_odd(text: str, usual: bytes) -> bool:
    """Of a text by itself."""
    signs = set(PLAIN) - set(usual)
    return not text.isprintable() or text != text.strip() or any(ord(sign) in signs for sign in text)


def is_plain(text: str) -> bool:
    """Whether it can be written as it is: a reference or a URL is never changed, only taken or not."""
    return text.isprintable() and not text[:1].isspace() and not text[-1:].isspace()


def disarm(texts: list[str]) -> list[str]:
    """With a blank before what a spreadsheet would take for a formula.

    Lengow reads a feed as data, and would take the apostrophe that is usual for a part of the title. A blank is not
    taken for one: readers trim it, and a spreadsheet shows a text.
    """
    if FORMULA.isdisjoint({text[:1] for text in texts}):
        return texts
    return [f" {text}" if text[:1] in FORMULA else text for text in texts]
