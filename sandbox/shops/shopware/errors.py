"""Shopware's refusals: `{"errors": [{status, code, title, detail, source.pointer, meta}]}` (reference platforms.md §4.1)."""

from http import HTTPStatus
from typing import Any

from lengow.sandbox.answers import Answer

BLANK = "c1051bb4-d103-4f74-8988-acbcafc7fdc3"
"""Symfony's code of NotBlank; violations carry the code of their constraint."""
TYPE = "ba785a8c-82cb-4283-967c-3cf342181b40"
LENGTH = "d94b19cc-114f-4f44-9cc4-4138e80a87b9"
EMAIL = "bd79c0ab-ddba-46cc-a703-a7a4b08de310"

Error = dict[str, Any]


class Refused(Exception):
    """The request ends here, with these errors."""

    def __init__(self, status: int, *errors: Error) -> None:
        super().__init__(status, errors)
        self.status, self.errors = status, errors

    @property
    def answer(self) -> Answer:
        return Answer.json({"errors": list(self.errors)}, self.status)


def error(status: int, code: str, detail: str, pointer: str = "", **parameters: Any) -> Error:
    one: Error = {
        "status": str(status),
        "code": code,
        "title": HTTPStatus(status).phrase,
        "detail": detail,
        "meta": {"parameters": parameters},
    }
    return one | ({"source": {"pointer": pointer}} if pointer else {})


def refused(status: int, code: str, detail: str, **parameters: Any) -> Refused:
    return Refused(status, error(status, code, detail, **parameters))


def violation(pointer: str, code: str, detail: str) -> Error:
    return error(400, code, detail, pointer)


def fatal(detail: str = "Internal Server Error") -> Answer:
    return Refused(500, error(500, "0", detail)).answer
