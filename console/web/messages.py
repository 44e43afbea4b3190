"""For who changes the pages: `python -m lengow.console.web.messages` brings the catalogues in line with the texts.

New texts are added without a translation, which a test refuses; those that are gone are dropped.
"""

from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from lengow.console.web.language import DEFAULT, FOLDER, LANGUAGES

HERE = Path(__file__).parent
METHODS = [("**.py", "python"), ("**.html", "jinja2")]
KEYWORDS: dict[str, tuple[int, ...] | None] = {"_": None, "N_": None, "ngettext": (1, 2), "N2_": (1, 2)}


def texts() -> Iterator[str | tuple[str, ...]]:
    """Every text of the pages that is to be translated; a tuple: the singular and the plural."""
    options = {"**.html": {"trimmed": "true", "silent": "false"}}
    for _, _, message, _, _ in extract_from_dir(
        HERE, method_map=METHODS, options_map=options, keywords=KEYWORDS, strip_comment_tags=True
    ):
        yield message


def catalogue_of(code: str) -> Catalog:
    path = FOLDER / code / "console.po"
    if not path.exists():
        return Catalog(locale=code)
    with path.open("rb") as file:
        return read_po(file, locale=code)


def refresh(code: str) -> None:
    old = catalogue_of(code)
    new = Catalog(locale=code, project="lengow-connector", charset="utf-8", fuzzy=False)
    new.revision_date = new.creation_date
    for text in sorted(set(texts()), key=str):
        key = text if isinstance(text, str) else text[0]
        before = old.get(key)
        new.add(text, before.string if before is not None else ())
    path = FOLDER / code / "console.po"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, new, width=120, omit_header=False)


if __name__ == "__main__":
    for code in LANGUAGES:
        if code != DEFAULT:
            refresh(code)
