"""Every text of the console is translated, and moments and money are written as the user's country does."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

from lengow.connector.errors import SettingsError
from lengow.connector.model import ActionState, ChangeKind, ChangeState, EventState, OrderState, StepKind
from lengow.connector.reasons import REASONS
from lengow.console.web import labels
from lengow.console.web.language import Language, chosen
from lengow.console.web.messages import catalogue_of, texts
from lengow.console.web.settings import ConsoleSettings, console_settings

WEB = Path(__file__).parents[2] / "console/web"
TEMPLATES = sorted((WEB / "templates").glob("*.html"))
SAME_IN_BOTH = {
    "Lengow connector",
    "· Lengow",
    "·",
    "→",
    "←",
    "–",
    "×",
    "*",
    ",",
    ":",
    "/",
    "(",
    ")",
    "lengow-connector users add NAME --role admin",
}
NOON = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)


def test_every_text_is_translated() -> None:
    catalogue = catalogue_of("fr")
    for text in sorted(set(texts()), key=str):
        key = text if isinstance(text, str) else text[0]
        message = catalogue.get(key)
        assert message is not None, f"missing, run python -m lengow.console.web.messages: {key}"
        translated = [message.string] if isinstance(message.string, str) else list(message.string)
        assert all(translated), f"not translated: {key}"
        assert not message.fuzzy
        known = placeholders(key if isinstance(text, str) else " ".join(text))
        for one in translated:
            assert placeholders(one) <= known, key
        assert isinstance(text, tuple) or placeholders(translated[0]) == known, key


def test_no_translation_is_left_of_a_text_that_is_gone() -> None:
    present = {text if isinstance(text, str) else text[0] for text in texts()}
    kept = {
        message.id if isinstance(message.id, str) else message.id[0] for message in catalogue_of("fr") if message.id
    }
    assert kept == present


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_word_of_a_template_escapes_translation(template: Path) -> None:
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    plain = "\x00".join(_literal(environment.parse(template.read_text(encoding="utf-8"))))
    assert not re.search(r"\sstyle=|\son\w+=|<style|javascript:", plain)
    for attribute in ("aria-label", "title", "placeholder", "alt"):
        for value in re.findall(rf'{attribute}="([^"\x00]*)"', plain):
            assert not re.search(r"[a-z]{3}", value) or value in ("https://", "Colissimo"), value
    without_tags = re.sub(r"<[^>]*>", "\x01", plain.replace("\x00", ""))
    for text in re.split(r"[\x01\n]", without_tags):
        assert text.strip() in SAME_IN_BOTH or not re.search(r"[A-Za-z]{2}", text), text


def _literal(tree: nodes.Template) -> Iterator[str]:
    for node in tree.find_all(nodes.TemplateData):
        yield node.data


@pytest.mark.parametrize(
    ("words", "table"),
    [
        (OrderState, labels.ORDER_STATES),
        (ActionState, labels.ACTION_STATES),
        (EventState, labels.EVENT_STATES),
        (ChangeState, labels.CHANGE_STATES),
        (ChangeKind, labels.CHANGES),
        (StepKind, labels.STEPS),
    ],
)
def test_every_state_has_a_word(words: type, table: dict[str, str]) -> None:
    assert set(table) == set(words)


@pytest.mark.parametrize("code", sorted(REASONS))
@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_reason_is_told_in_both_languages(code: str, language: str) -> None:
    sentence, what_to_do = labels.reason(code, Language(language))
    assert sentence
    assert what_to_do
    assert "orders retry" not in what_to_do
    if language == "fr":
        assert sentence != REASONS[code].sentence


def test_moments_and_money_are_written_as_the_users_country_does() -> None:
    english, french = Language("en", "Europe/Paris"), Language("fr", "Europe/Paris")
    assert english.moment(NOON) == "24 Nov 2026, 13:30"
    assert french.moment(NOON) == "24 nov. 2026, 13:30"
    assert english.money("1234.5", "EUR") == "€1,234.50"
    assert french.money(Decimal("1234.5"), "EUR").replace("\u202f", " ").replace("\xa0", " ") == "1 234,50 €"
    assert english.money("-1", "GBP") == "-£1.00"
    assert english.money("not a number", "EUR") == "not a number EUR"
    assert english.money("3.10", "") == "3.1"
    assert english.money(None, "EUR") == english.moment(None) == ""
    assert english.midnight(date(2026, 7, 1)).astimezone(UTC) == datetime(2026, 6, 30, 22, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("accepted", "wishes", "language"),
    [
        ({"fr-FR": 1.0, "en": 0.8}, (), "fr"),
        ({"de": 1.0, "fr": 0.5}, (), "fr"),
        ({"de": 1.0}, (), "en"),
        ({"fr": 1.0}, ("en",), "en"),
        ({"fr": 1.0}, ("xx", None), "fr"),
        (None, (), "en"),
    ],
)
def test_the_language_is_the_users_wish_else_the_browsers(
    accepted: dict[str, float] | None, wishes: tuple[str | None, ...], language: str
) -> None:
    assert chosen(accepted, *wishes) == language


def test_the_settings_have_defaults_and_are_checked() -> None:
    assert console_settings({}) == ConsoleSettings()
    assert console_settings({"time_zone": "Europe/Paris", "session_hours": 8}).session_hours == 8
    for wrong in (
        {"time_zone": "Mars/Base"},
        {"session_hours": -1},
        {"proxies": 99},
        {"language": "de"},
        {"colour": 1},
    ):
        with pytest.raises(SettingsError, match=rf"console.*{next(iter(wrong))}"):
            console_settings(wrong)


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"%\((\w+)\)s", text))


@pytest.mark.parametrize("key", ConsoleSettings.__struct_fields__)
def test_each_setting_is_explained(key: str) -> None:
    assert f"| `{key}` |" in (WEB.parents[1] / "docs/console.md").read_text(encoding="utf-8")
