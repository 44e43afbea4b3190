"""By which words an order is found. Pure."""

import re
import unicodedata

SHORTEST_BEGINNING = 3
"""Shorter words are looked for whole: too many begin with them."""
LONGEST_WORD = 100
MOST_WORDS = 6
"""Of what a person looks for; the rest is not looked at."""
AFTER_ALL = "\U0010ffff"


def words_of(number: str, buyer: str, email: str) -> set[str]:
    """An order's number, its buyer's names in whole and in parts, the e-mail address and the parts of its name."""
    local = email.partition("@")[0]
    found = {folded(number), folded(email), *_parts(local), *_parts(buyer), *map(folded, buyer.split())}
    return {word[:LONGEST_WORD] for word in found if word}


def sought_words(text: str) -> list[tuple[str, str]]:
    """Each word of what a person looks for, as it is kept and as it was given."""
    return [(folded(word)[:LONGEST_WORD], word) for word in text.split() if folded(word)][:MOST_WORDS]


def word_range(word: str) -> tuple[str, str]:
    """From where to before where the words lie that begin so, or are so where it is short."""
    return word, word + (AFTER_ALL if len(word) >= SHORTEST_BEGINNING else "\x01")


def folded(text: str) -> str:
    """Without case and accents."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in plain if not unicodedata.combining(letter) and letter.isprintable()).strip()


def _parts(text: str) -> list[str]:
    return re.findall(r"\w+", folded(text))
