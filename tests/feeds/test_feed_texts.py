"""Texts of a column are treated as each would be by itself, and whatever comes in, one line of XML can hold it."""

from decimal import Decimal
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from hypothesis import given, settings
from hypothesis import strategies as st

from lengow.feeds.columns import KINDS, Rules
from lengow.feeds.texts import PLAIN, clean_all, odd_ones

TEXTS = st.text(max_size=12) | st.sampled_from(
    ["", " ", "a\tb", "<b>x</b>", "a & b", "é", "l’eau", "\xa0x", "x\xad", "a\n", "😀", "&lt;", "\ud800", "œ\x00", "=1"]
)
VALUES = st.lists(
    st.one_of(
        TEXTS,
        st.none(),
        st.integers(-5, 5),
        st.decimals(),
        st.booleans(),
        st.sampled_from([Decimal("1.0"), Decimal("0E+2"), 0, 1]),
    ),
    min_size=1,
    max_size=6,
)


@given(st.lists(TEXTS, max_size=6))
@settings(max_examples=500, deadline=None)
def test_a_column_is_cleaned_as_its_texts_are(texts: list[str]) -> None:
    cleaned = clean_all(texts)
    assert cleaned == [clean_all([text])[0] for text in texts]
    for text in cleaned:
        assert text == text.strip()
        assert not set(text) & set("\t\r\n\x00")
        text.encode()
        assert (ElementTree.fromstring(f"<a>{escape(text)}</a>").text or "") == text


@given(st.lists(TEXTS, max_size=6))
@settings(max_examples=300, deadline=None)
def test_an_odd_text_is_odd_in_any_company(texts: list[str]) -> None:
    assert odd_ones(texts, PLAIN) == {place for place, text in enumerate(texts) if odd_ones([text], PLAIN)}


@given(VALUES, st.sampled_from(sorted(KINDS)))
@settings(max_examples=800, deadline=None)
def test_a_column_of_any_kind_is_written_as_its_values_are(values: list[object], kind: str) -> None:
    """And never fails, whatever a host gives."""
    rules = Rules()
    texts, flaws = KINDS[kind](values, rules)  # type: ignore[index]
    alone = [KINDS[kind]([value], rules) for value in values]  # type: ignore[index]
    assert texts == [written[0] for written, _ in alone]
    assert [(flaw.place, flaw.code) for flaw in flaws] == [
        (place, flaw.code) for place, (_, found) in enumerate(alone) for flaw in found
    ]
    assert all(not texts[flaw.place] for flaw in flaws)
