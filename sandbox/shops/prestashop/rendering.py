"""Rows as the webservice writes them: XML with CDATA, or JSON with its uneven types (FINDINGS, JSON)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from lengow.sandbox.answers import Answer
from lengow.sandbox.shops.prestashop.errors import HEAD
from lengow.sandbox.shops.prestashop.resources import Resource

View = Mapping[str, Any]
"""Field values as texts or None, and rows of an association as a list under its name."""

XML = {"Content-type": "text/xml;charset=utf-8"}
JSON = {"Content-Type": "application/json"}
WHOLE_NUMBERS = frozenset(
    {
        "current_state", "invoice_number", "delivery_number", "round_mode", "round_type", "product_id",
        "product_attribute_id", "product_quantity", "quantity", "behavior", "from_quantity", "out_of_stock", "id",
    }
)  # fmt: skip


def one(resource: Resource, view: View, *, as_json: bool, status: int = 200, echo: bool = False) -> Answer:
    """A single object; JSON leaves out what PHP finds empty. `echo`: numbers stay the texts that were sent."""
    if as_json:
        kept = {name: value for name, value in view.items() if value not in (None, "", "0")}
        return Answer(status, msgspec.json.encode({resource.node: _typed(resource, kept, texts=echo)}), JSON)
    return Answer(status, f"{HEAD}{_node(resource, view)}</prestashop>\n".encode(), XML)


def many(resource: Resource, views: Sequence[View], *, as_json: bool) -> Answer:
    """A list; in JSON an empty one is `[]` (capture 015)."""
    if as_json:
        rows: Any = {resource.list_node: [_typed(resource, view, texts=False) for view in views]} if views else []
        return Answer(200, msgspec.json.encode(rows), JSON)
    inner = "".join(_node(resource, view) for view in views)
    return Answer(200, f"{HEAD}<{resource.list_node}>\n{inner}</{resource.list_node}>\n</prestashop>\n".encode(), XML)


def nothing(status: int) -> Answer:
    """`<prestashop></prestashop>`, as for a body with nothing in it (capture 077)."""
    return Answer(status, f"{HEAD}</prestashop>\n".encode(), XML)


def schema(resource: Resource, *, synopsis: bool) -> Answer:
    lines = []
    for field in resource.fields:
        marks = [
            ' required="true"' if field.required else "",
            f' maxSize="{field.size}"' if field.size else "",
            f' format="{field.format}"' if field.format and field.format != "isAnything" else "",
            ' readOnly="true"' if field.read_only else "",
        ]
        lines.append(f"\t<{field.name}{''.join(marks) if synopsis else ''}><![CDATA[]]></{field.name}>\n")
    if not synopsis:
        lines.insert(0, "\t<id><![CDATA[]]></id>\n")
    return Answer(200, f"{HEAD}<{resource.node}>\n{''.join(lines)}</{resource.node}>\n</prestashop>\n".encode(), XML)


def root(resources: Iterable[Resource], rights: Mapping[str, frozenset[str]], shop_name: str) -> Answer:
    lines = []
    for resource in resources:
        if resource.name not in rights:
            continue
        names = ("GET", "PUT", "POST", "PATCH", "DELETE", "HEAD")
        marks = " ".join(f'{name.lower()}="{"true" if name in rights[resource.name] else "false"}"' for name in names)
        lines.append(f"<{resource.name} {marks}>\n<description {marks}>\n{resource.model}</description>\n")
        lines.append(f"</{resource.name}>\n")
    return Answer(200, f'{HEAD}<api shopName="{shop_name}">\n{"".join(lines)}</api>\n</prestashop>\n'.encode(), XML)


def _node(resource: Resource, view: View) -> str:
    lines = [_element(name, view[name]) for name in resource.names if name in view]
    rows = view.get(resource.association) if resource.association else None
    if rows:
        inner = "".join(
            f"\t<{resource.row}>\n{''.join(_element(name, value) for name, value in row.items())}\t</{resource.row}>\n"
            for row in rows
        )
        lines.append(
            f'<associations>\n<{resource.association} nodeType="{resource.row}">\n{inner}'
            f"</{resource.association}>\n</associations>\n"
        )
    return f"<{resource.node}>\n{''.join(lines)}</{resource.node}>\n"


def _element(name: str, value: Any) -> str:
    text = "" if value is None else str(value).replace("]]>", "]]]]><![CDATA[>")
    return f"\t<{name}><![CDATA[{text}]]></{name}>\n"


def _typed(resource: Resource, view: View, *, texts: bool) -> dict[str, Any]:
    values = {name: _json(name, view[name], texts=texts) for name in resource.names if name in view}
    rows = view.get(resource.association) if resource.association else None
    if rows:
        inner = [{name: _json(name, value, texts=False) for name, value in row.items()} for row in rows]
        values["associations"] = {resource.association: inner}
    elif view.get("associations"):
        values["associations"] = {
            name: [{key: _json(key, value, texts=False) for key, value in row.items()} for row in several]
            for name, several in view["associations"].items()
        }
    return values


def _json(name: str, value: Any, *, texts: bool) -> Any:
    number = name in WHOLE_NUMBERS or name.startswith("id_")
    if not texts and number and isinstance(value, str) and value.lstrip("-").isdigit():
        return int(value)
    return value
