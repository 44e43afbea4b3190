"""PrestaShop's refusals: coded ones in XML or JSON, and PHP's own, which have no code (FINDINGS, Authentication and errors)."""

from collections.abc import Mapping, Sequence

import msgspec

from lengow.sandbox.answers import Answer

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<prestashop xmlns:xlink="http://www.w3.org/1999/xlink">\n'
CART_USED = b"Cart cannot be loaded or an order has already been placed using this cart"


class Refused(Exception):
    """Codes and messages, in the format that the request asks for."""

    def __init__(self, status: int, *errors: tuple[int, str]) -> None:
        super().__init__(errors)
        self.status, self.errors = status, errors


class Raw(Exception):
    """An answer without PrestaShop's own form: an empty 404, or PHP's end."""

    def __init__(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, body)
        self.answer = Answer(status, body, {"Content-type": "text/html; charset=utf-8", **(headers or {})})


class Fatal(Raw):
    """PHP ends: 500 and nothing said; what was stored stays."""

    def __init__(self, body: bytes = b"") -> None:
        super().__init__(500, body)


def invalid(sentence: str) -> Refused:
    """The `>` of `Address->city` comes escaped, inside CDATA (capture 056)."""
    return Refused(400, (85, f'Validation error: "{sentence.replace(">", "&gt;")}"'))


def rendered(refused: Refused, *, as_json: bool) -> Answer:
    if as_json:
        return Answer(refused.status, _json(refused.errors), {"Content-Type": "application/json"})
    return Answer(refused.status, _xml(refused.errors), {"Content-type": "text/xml;charset=utf-8"})


def _json(errors: Sequence[tuple[int, str]]) -> bytes:
    return msgspec.json.encode({"errors": [{"code": code, "message": message} for code, message in errors]})


def _xml(errors: Sequence[tuple[int, str]]) -> bytes:
    rows = "".join(
        f"<error>\n<code><![CDATA[{code}]]></code>\n<message><![CDATA[{message}]]></message>\n</error>\n"
        for code, message in errors
    )
    return f"{HEAD}<errors>\n{rows}</errors>\n</prestashop>\n".encode()
