"""By which words an order is found, beside its numbers. Pure."""

import re
import unicodedata

SHORTEST_BEGINNING = 3
"""Shorter words are looked for whole: too many begin with them."""
LONGEST_WORD = 100
MOST_WORDS = 6
"""Of what a person looks for; the rest is not looked at."""
ACCENTS = re.compile("[\u0300-\u036f]+")
PART = re.compile(r"\w+")
AFTER_ALL = "\U0010ffff"


def words_of(buyer: str, email: str) -> set[str]:
    """The buyer's names in whole and in parts, and the e-mail address. The order's number has an index of its own."""
    name = folded(buyer)
    parts = name.split()
    found = {folded(email), *parts}
    if not all(map(str.isalnum, parts)):
        found.update(PART.findall(name))
    found.discard("")
    return found if max(map(len, found), default=0) <= LONGEST_WORD else {word[:LONGEST_WORD] for word in found}


def sought_words(text: str) -> list[tuple[str, str]]:
    """Each word of what a person looks for, as it is kept and as it was given."""
    return [(folded(word)[:LONGEST_WORD], word) for word in text.split() if folded(word)][:MOST_WORDS]


def word_range(word: str) -> tuple[str, str]:
    """From where to before where the words lie that begin so, or are so where it is short."""
    return word, word + (AFTER_ALL if len(word) >= SHORTEST_BEGINNING else "\x01")


def folded(text: str) -> str:
    """Without case and accents."""
    text = text.casefold()
    if not text.isascii():
        text = ACCENTS.sub("", unicodedata.normalize("NFKD", text))
    return (text if text.isprintable() else "".join(filter(str.isprintable, text))).strip()
