"""The XML that the webservice takes, and the two answers that it gives in no other form. Entities and DTDs are refused.

Everything else is read as JSON, which is complete but for null fields of single objects (FINDINGS, JSON).
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from xml.etree.ElementTree import Element, ParseError

import msgspec
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 has no place for."""


class Unreadable(Exception):
    """The answer is not the XML of the webservice."""


class Association(msgspec.Struct, frozen=True):
    """The rows that an object carries, such as `cart_rows`."""

    name: str
    row: str
    rows: Sequence[Mapping[str, object]]


def entity(node: str, fields: Mapping[str, object], association: Association | None = None) -> bytes:
    """The body of a POST or PATCH."""
    inner = "".join(_element(name, value) for name, value in fields.items())
    if association is not None:
        rows = "".join(
            f"<{association.row}>{''.join(_element(name, value) for name, value in row.items())}</{association.row}>"
            for row in association.rows
        )
        inner += f"<associations><{association.name}>{rows}</{association.name}></associations>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<prestashop><{node}>{inner}</{node}></prestashop>'.encode()


def rights(document: bytes) -> dict[str, frozenset[str]]:
    """The methods that the key has for each resource, from the root (capture 001). Raises Unreadable."""
    api = _parsed(document).find("api")
    if api is None:
        raise Unreadable("the root lists no resources")
    return {
        resource.tag: frozenset(name.upper() for name, value in resource.attrib.items() if value == "true")
        for resource in api
    }


def sizes(document: bytes) -> dict[str, int]:
    """The longest text of each field, from `schema=synopsis` (capture 028). Raises Unreadable."""
    node = next(iter(_parsed(document)), None)
    found = {} if node is None else {field.tag: field.get("maxSize", "") for field in node}
    return {name: int(size) for name, size in found.items() if size.isdigit()}


def _element(name: str, value: object) -> str:
    plain = format(value, "f") if isinstance(value, Decimal) else str(value)  # never 1E+2
    text = ILLEGAL.sub("", plain).replace("]]>", "]]]]><![CDATA[>")
    return f"<{name}><![CDATA[{text}]]></{name}>"


def _parsed(document: bytes) -> Element:
    try:
        tree: Element = fromstring(document, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise Unreadable(f"the answer is not XML: {error}") from error
    return tree
