"""Writing entities: everything is checked first, then stored at once, then the stock is altered.

One sync call is one transaction; an error in one row keeps all others out. The stock follows after the commit
(Shopware's OrderStockSubscriber), so that a worker that dies in between leaves an order whose stock was not taken.
"""

import copy
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lengow.sandbox.shops.shopware.data import Data, Row, new_id, written
from lengow.sandbox.shops.shopware.errors import BLANK, EMAIL, LENGTH, TYPE, Error, Refused, error, violation
from lengow.sandbox.shops.shopware.schema import (
    CALCULATED,
    CALCULATED_ALSO,
    CART,
    CART_ALSO,
    ENTITIES,
    ROUNDING,
    ROUNDING_ALSO,
    Field,
)
from lengow.sandbox.shops.standin import Killed

UUID = re.compile(r"[0-9a-f]{32}")
ADDRESS = re.compile(r"[^@\s]{1,64}@[^@\s]+\.[^@\s.]+")
JSON_KEYS = {
    "price": (CART, CART_ALSO),
    "calculated": (CALCULATED, CALCULATED_ALSO),
    "rounding": (ROUNDING, ROUNDING_ALSO),
}
TAG = re.compile(r"<(?![\s<])[^>]*>?")
LISTS = ("calculatedTaxes", "taxRules")
WRITTEN, COMMITTED = "written", "committed"
"""Stages at which a worker can be killed: before the commit, and between it and the stock."""


@dataclass(frozen=True, slots=True)
class Command:
    entity: str
    id: str
    values: Row
    is_new: bool
    path: str


class BrokenQuery(Exception):
    """The database refuses the statement: Shopware answers 500."""


class Writer:
    def __init__(self, data: Data) -> None:
        self._data = data

    def upsert(self, entity: str, rows: Sequence[Any], root: str, killed_at: str = "") -> list[Command]:
        """Raises Refused with all violations, BrokenQuery, Killed. `root` stands before the pointers."""
        return self.commit(self.extract(entity, rows, root), killed_at)

    def extract(self, entity: str, rows: Sequence[Any], root: str) -> list[Command]:
        """The commands, where there is no violation. Raises Refused."""
        commands: list[Command] = []
        errors: list[Error] = []
        for index, row in enumerate(rows):
            self._extract(entity, row, f"{root}/{index}", {}, commands, errors)
        errors += self._inconsistent(commands)
        if errors:
            raise Refused(400, *errors)
        return commands

    def commit(self, commands: Sequence[Command], killed_at: str = "") -> list[Command]:
        """Raises BrokenQuery, Killed."""
        self._check_references(commands)
        if killed_at == WRITTEN:
            raise Killed
        before = {one.id: self._taken(one) for one in commands if one.entity == "order_line_item"}
        self._store(commands)
        if killed_at == COMMITTED:
            raise Killed
        for command in commands:
            if command.entity == "order_line_item":
                self._alter_stock(before[command.id], self._taken(command))
        return list(commands)

    def _extract(
        self, entity: str, row: Any, path: str, given: Row, commands: list[Command], errors: list[Error]
    ) -> None:
        if not isinstance(row, dict):
            errors.append(violation(path, TYPE, "This value should be of type array."))
            return
        kind = ENTITIES[entity]
        id_ = str(row.get("id") or new_id())
        if not UUID.fullmatch(id_):
            errors.append(error(400, "FRAMEWORK__INVALID_UUID", f"Value is not a valid UUID: {id_}", f"{path}/id"))
            return
        existing = self._data.tables[entity].get(id_)
        values: Row = dict(given)
        for name, field in kind.fields.items():
            if name in row:
                found = list(self._violations(field, row[name], f"{path}/{name}", existing is not None))
                errors += found
                values[name] = row[name]
            if field.required and (existing is None or name in row) and values.get(name) in (None, ""):
                errors.append(violation(f"{path}/{name}", BLANK, "This value should not be blank."))
        command = Command(entity, id_, values, existing is None, path)
        commands.append(command)
        for name, association in kind.associations.items():
            if not association.nested or row.get(name) is None:
                continue
            children = row[name] if association.many else [row[name]]
            if not isinstance(children, list):
                errors.append(violation(f"{path}/{name}", TYPE, "This value should be of type list."))
                continue
            for index, child in enumerate(children):
                place = f"{path}/{name}/{index}" if association.many else f"{path}/{name}"
                self._extract(association.entity, child, place, {association.their: id_}, commands, errors)

    def _violations(self, field: Field, value: Any, pointer: str, exists: bool) -> Iterator[Error]:
        if field.protected:
            yield violation(pointer, "FRAMEWORK__WRITE_PROTECTED", 'This field is write-protected. (Got: "user" scope)')
            return
        if field.kind == "state" and exists:
            detail = (
                "Changing the state-machine-state of this entity is not allowed for scope crud. Either change the "
                "state-machine-state via a state-transition or use a different scope."
            )
            yield violation(pointer, "", detail)
            return
        if value is None:
            return
        if field.kind in JSON_KEYS:
            yield from _json_violations(value, pointer, *JSON_KEYS[field.kind])
            return
        if not _fits(field.kind, value):
            yield violation(pointer, TYPE, f"This value should be of type {_NAMES.get(field.kind, 'string')}.")
            return
        if field.kind == "string" and len(value) > field.most:
            detail = f"This value is too long. It should have {field.most} characters or less."
            yield violation(pointer, LENGTH, detail)
        if field.kind == "email" and not ADDRESS.fullmatch(value):
            yield violation(pointer, EMAIL, "This value is not a valid email address.")
        if field.kind in ("uuid", "state") and not UUID.fullmatch(value):
            yield error(400, "FRAMEWORK__INVALID_UUID", f"Value is not a valid UUID: {value}", pointer)

    def _inconsistent(self, commands: Sequence[Command]) -> Iterator[Error]:
        """Product lines need productId, referencedId and payload.productNumber together."""
        for command in commands:
            stored = self._data.tables["order_line_item"].get(command.id, {})
            line = {**stored, **command.values}
            if command.entity != "order_line_item" or line.get("type", "product") != "product":
                continue
            if not {"productId", "referencedId", "payload", "type"} & set(command.values):
                continue
            if not (
                line.get("productId") and line.get("referencedId") and (line.get("payload") or {}).get("productNumber")
            ):
                detail = (
                    "To change the product of line item, the following properties must also be updated: "
                    "`productId`, `referenceId`, `payload.productNumber`."
                )
                yield error(400, "CONTENT__PRODUCT_LINE_ITEM_INCONSISTENT", detail, command.path)
            elif line["productId"] != line["referencedId"]:
                detail = "The `productId` and `referencedId` of a product line item must be identical."
                yield error(400, "CONTENT__PRODUCT_LINE_ITEM_DIFFERENT_ID", detail, command.path)

    def _check_references(self, commands: Sequence[Command]) -> None:
        coming = {(one.entity, one.id) for one in commands}
        for command in commands:
            for name, field in ENTITIES[command.entity].fields.items():
                value = command.values.get(name)
                if field.to and value and value not in self._data.tables[field.to] and (field.to, value) not in coming:
                    raise BrokenQuery(
                        "An exception occurred while executing a query: SQLSTATE[23000]: Integrity constraint "
                        "violation: 1452 Cannot add or update a child row: a foreign key constraint fails "
                        f"(`shopware`.`{command.entity}`, CONSTRAINT `fk.{command.entity}.{name}`)"
                    )

    def _store(self, commands: Sequence[Command]) -> None:
        for command in commands:
            table = self._data.tables[command.entity]
            values = _stripped(command)
            if command.is_new and command.id not in table:
                values = {key: value for key, value in values.items() if key in ENTITIES[command.entity].fields}
                self._data.insert(command.entity, {"type": "product", **values, "id": command.id} if "type" in
                                  ENTITIES[command.entity].fields else {**values, "id": command.id})  # fmt: skip
                if command.entity == "product":
                    table[command.id] |= {"availableStock": values.get("stock"), "childCount": 0}
                continue
            row = table[command.id]
            custom = values.pop("customFields", None)
            if custom is not None:
                row["customFields"] = {**(row.get("customFields") or {}), **custom}
            row |= values
            row["updatedAt"] = written(self._data.now())
            if command.entity == "product" and "stock" in values:
                row["availableStock"] = row["stock"]

    def _taken(self, command: Command) -> tuple[str, int] | None:
        """Product and quantity that a stored line takes from the stock."""
        row = self._data.tables["order_line_item"].get(command.id)
        if row is None or row["type"] != "product":
            return None
        order = self._data.tables["order"].get(row["orderId"])
        if order is None or self._data.place(order) == "cancelled":
            return None
        return str(row["referencedId"]), int(row["quantity"])

    def _alter_stock(self, before: tuple[str, int] | None, after: tuple[str, int] | None) -> None:
        if before is not None:
            self._data.alter_stock(before[0], before[1])
        if after is not None:
            self._data.alter_stock(after[0], -after[1])


def _stripped(command: Command) -> Row:
    """Texts without what looks like a tag, to the end where it is not closed: PHP's strip_tags."""
    fields = ENTITIES[command.entity].fields
    return {
        name: TAG.sub("", value)
        if isinstance(value, str) and name in fields and fields[name].kind in ("string", "text")
        else copy.deepcopy(value)
        for name, value in command.values.items()
    }


_NAMES = {"int": "int", "float": "float", "bool": "bool", "list": "list", "json": "array", "custom": "array"}


def _fits(kind: str, value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind in ("string", "text", "email", "uuid", "state"):
        return isinstance(value, str)
    if kind == "date":
        return isinstance(value, str) and _is_date(value)
    if kind == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "float":
        return is_number
    return isinstance(value, {"bool": bool, "list": list, "json": dict, "custom": dict}[kind])


def _is_date(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _json_violations(value: Any, pointer: str, needed: Sequence[str], also: Sequence[str]) -> Iterator[Error]:
    if not isinstance(value, dict):
        yield violation(pointer, TYPE, "This value should be of type array.")
        return
    for key in needed:
        inner = value.get(key)
        if inner is None:
            yield violation(f"{pointer}/{key}", BLANK, "This value should not be blank.")
        elif key in LISTS and not isinstance(inner, list):
            yield violation(f"{pointer}/{key}", TYPE, "This value should be of type list.")
        elif key in ("unitPrice", "totalPrice", "netPrice", "positionPrice", "rawTotal") and not _fits("float", inner):
            yield violation(f"{pointer}/{key}", TYPE, "This value should be of type float.")
    for key in value:
        if key not in needed and key not in also:
            detail = f'The field "{key}" is not expected.'
            yield error(400, "FRAMEWORK__WRITE_UNEXPECTED_FIELD_ERROR", detail, f"{pointer}/{key}")
