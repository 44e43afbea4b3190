"""Requests and answers without a socket, and the shapes of Lengow's refusals (reference 1.5)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from urllib.parse import parse_qsl

import msgspec


@dataclass(frozen=True, slots=True)
class Request:
    """`path` without a trailing slash; `headers` with lower-case names; of a repeated argument the last counts."""

    method: str
    path: str
    url: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def form(self) -> dict[str, str]:
        """Raises Refusal unless the body is `application/x-www-form-urlencoded`."""
        if self.content_type != "application/x-www-form-urlencoded":
            raise unsupported(self)
        try:
            return dict(parse_qsl(self.body.decode(), keep_blank_values=True))
        except UnicodeDecodeError as error:
            raise detail(400, "Malformed form data: not UTF-8.") from error

    def json(self) -> dict[str, Any]:
        """Raises Refusal unless the body is a JSON object and says so."""
        if self.content_type != "application/json":
            raise unsupported(self)
        try:
            return msgspec.json.decode(self.body, type=dict[str, Any])
        except msgspec.ValidationError as error:
            raise detail(400, "Invalid data. Expected a dictionary.") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise detail(400, f"JSON parse error - {error}") from error


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Self:
        return cls(status, msgspec.json.encode(value), {"Content-Type": "application/json", **(headers or {})})


@dataclass(frozen=True, slots=True)
class Lost:
    """Instead of an answer: `answer` goes out as it is, if there is one, and the connection is closed."""

    answer: Answer | None = None


class Refusal(Exception):
    """Carries the answer that says no."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status, answer.body.decode(errors="replace"))
        self.answer = answer


def error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Refusal:
    return Refusal(Answer.json({"error": {"message": message, "code": status}}, status, headers))


def detail(status: int, text: str) -> Refusal:
    return Refusal(Answer.json({"detail": text}, status))


def field_errors(errors: Mapping[str, str]) -> Refusal:
    return Refusal(Answer.json({name: [text] for name, text in errors.items()}, 400))


def unsupported(request: Request) -> Refusal:
    return detail(415, f'Unsupported media type "{request.content_type}" in request.')


def instant(arguments: Mapping[str, str], name: str) -> datetime | None:
    """An ISO 8601 date with its offset. Raises Refusal for anything else, such as a `+` that was not encoded."""
    text = arguments.get(name)
    if not text:
        return None
    try:
        value = datetime.fromisoformat(text)
    except ValueError as error_:
        raise field_errors({name: f"Enter a valid date/time, not {text!r}."}) from error_
    if value.tzinfo is None:
        raise field_errors({name: f"Enter a date/time with its offset, not {text!r}."})
    return value


def whole_number(arguments: Mapping[str, str], name: str, default: int) -> int:
    text = arguments.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise field_errors({name: "A valid integer is required."})
    return int(text)


def flag(arguments: Mapping[str, str], name: str) -> bool | None:
    """PHP writes 1 and 0, Python clients True and False (reference 1.2, 4.3)."""
    text = arguments.get(name)
    if text is None:
        return None
    if text.lower() not in ("1", "0", "true", "false"):
        raise field_errors({name: "Must be a valid boolean."})
    return text.lower() in ("1", "true")
