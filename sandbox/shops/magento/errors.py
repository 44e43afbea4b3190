"""Magento's refusals: `{"message": "... %1 / %fieldName", "parameters": ...}` (reference platforms.md §3.1)."""

from typing import Any

from lengow.sandbox.answers import Answer

NO_ENTITY = "The entity that was requested doesn't exist. Verify the entity and try again."
REQUIRED = '"%fieldName" is required. Enter and try again.'


class Refused(Exception):
    """The request ends here, with this answer."""

    def __init__(self, status: int, message: str, parameters: Any = None) -> None:
        super().__init__(status, message)
        body = {"message": message} | ({} if parameters is None else {"parameters": parameters})
        self.answer = Answer.json(body, status)


def internal() -> Refused:
    """What production mode tells of any exception; whatever the request did is rolled back."""
    return Refused(500, "Internal Error. Details are available in Magento log file. Report ID: webapi-5f3c1a2b3c4d5")


def fatal() -> Answer:
    code = {"code": 500, "message": "Server internal error. See details in report api/1234567890"}
    return Answer.json({"messages": {"error": [code]}}, 500)


def unauthorized(resource: str) -> Refused:
    return Refused(401, "The consumer isn't authorized to access %resources.", {"resources": resource})
