"""WooCommerce's refusals, in its own words (FINDINGS (p) and the recorded answers)."""

from typing import Any

from lengow.sandbox.answers import Answer


class Refused(Exception):
    """The request ends here, with this answer."""

    def __init__(self, status: int, code: str, message: str, **data: Any) -> None:
        super().__init__(code)
        self.body: dict[str, Any] = {"code": code, "message": message, "data": {"status": status, **data}}
        self.status = status

    @property
    def answer(self) -> Answer:
        return Answer.json(self.body, self.status, {"Content-Type": "application/json; charset=UTF-8"})


class Fatal(Exception):
    """PHP stops: 500, and what was stored before stays."""


FATAL_BODY = {
    "code": "internal_server_error",
    "message": "<p>There has been a critical error on this website.</p><p><a href="
    '"https://wordpress.org/documentation/article/faq-troubleshooting/">Learn more about troubleshooting WordPress.'
    "</a></p>",
    "data": {"status": 500},
    "additional_errors": [],
}


def fatal() -> Answer:
    return Answer.json(FATAL_BODY, 500, {"Content-Type": "application/json; charset=UTF-8"})


def invalid_param(name: str, message: str, code: str, data: Any = None) -> Refused:
    details = {name: {"code": code, "message": message, "data": data}}
    return Refused(400, "rest_invalid_param", f"Invalid parameter(s): {name}", params={name: message}, details=details)


class RefundRefused(Exception):
    """A refund's refusal has a number where others have an object (FINDINGS (l))."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.answer = Answer.json(
            {"code": "woocommerce_rest_cannot_create_order_refund", "message": message, "data": 500},
            500,
            {"Content-Type": "application/json; charset=UTF-8"},
        )
