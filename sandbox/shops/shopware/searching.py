"""`POST /api/search/<entity>`: filters, sorting, associations, includes, totals (reference platforms.md §4.1, §4.2).

Texts are compared as MySQL does: without case, and without blanks at the end.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lengow.sandbox.shops.shopware.data import Data, Row
from lengow.sandbox.shops.shopware.errors import refused
from lengow.sandbox.shops.shopware.schema import ENTITIES, MADE_BY_SHOP, Entity
from lengow.sandbox.shops.shopware.writing import UUID

MOST = 500
USUAL = 25


class Searcher:
    def __init__(self, data: Data) -> None:
        self._data = data

    def search(self, entity: str, criteria: Mapping[str, Any], *, inherit: bool) -> dict[str, Any]:
        """The answer's `data` and `total`. Raises Refused."""
        limit, page = _whole(criteria, "limit", USUAL), _whole(criteria, "page", 1)
        if limit > MOST:
            detail = f"The limit must be lower than or equal to MAX_LIMIT(={MOST}). Given: {limit}"
            raise refused(400, "FRAMEWORK__QUERY_LIMIT_EXCEEDED", detail)
        filters = [*criteria.get("filter", ()), *criteria.get("post-filter", ())]
        rows = [row for row in self._named(entity, criteria.get("ids")) if self._passes(entity, row, filters, inherit)]
        for sorting in reversed(criteria.get("sort", ())):
            field = str(sorting["field"])
            rows.sort(
                key=lambda row: _sortable(self._value(entity, row, field, inherit)),
                reverse=sorting.get("order") == "DESC",
            )
        window = rows[(page - 1) * limit : page * limit]
        shown = [self.view(entity, row, criteria.get("associations", {}), inherit=inherit) for row in window]
        includes = criteria.get("includes")
        if includes is not None:
            shown = [_included(entity, one, includes) for one in shown]
        mode = criteria.get("total-count-mode", 0)
        total = len(rows) if mode == 1 else len(window)
        if mode == 2:
            total = min(len(rows) - (page - 1) * limit, limit * 5 + 1)
        return {"total": total, "data": shown}

    def view(self, entity: str, row: Row, associations: Mapping[str, Any], *, inherit: bool = False) -> dict[str, Any]:
        """A row with what is asked for beside it; associations that are not asked for are null."""
        kind = ENTITIES[entity]
        shown: dict[str, Any] = {
            name: self._own(kind, entity, row, name, inherit) for name in (*kind.fields, *MADE_BY_SHOP)
        }
        if entity == "order":
            price, shipping = row["price"], row["shippingCosts"]
            shown |= {
                "amountTotal": price["totalPrice"],
                "amountNet": price["netPrice"],
                "taxStatus": price["taxStatus"],
            }
            shown |= {"positionPrice": price["positionPrice"], "shippingTotal": shipping["totalPrice"]}
        shown["translated"] = {"name": shown["name"]} if "name" in shown else []
        shown["apiAlias"] = entity
        shown |= dict.fromkeys(kind.associations)
        for name, below in associations.items():
            association = kind.associations.get(name)
            if association is None:
                detail = f"Can not find association by name {name}"
                raise refused(400, "FRAMEWORK__ASSOCIATION_NOT_FOUND", detail)
            deeper = (below or {}).get("associations", {}) if isinstance(below, dict) else {}
            found = self._associated(kind, entity, row, name, inherit)
            views = [self.view(association.entity, one, deeper, inherit=inherit) for one in found]
            shown[name] = views if association.many else next(iter(views), None)
        return shown

    def _associated(self, kind: Entity, entity: str, row: Row, name: str, inherit: bool) -> list[Row]:
        """A variant's own rows; where it has none, its parent's, if they are inherited."""
        association = kind.associations[name]
        own = self._own(kind, entity, row, association.own, inherit) if association.own != "id" else row["id"]
        found = list(self._data.rows(association.entity, **{association.their: own})) if own is not None else []
        if not found and inherit and name in kind.inherits and row.get("parentId"):
            found = list(self._data.rows(association.entity, **{association.their: row["parentId"]}))
        return found

    def _named(self, entity: str, ids: Any) -> list[Row]:
        table = self._data.tables[entity]
        if ids is None:
            return list(table.values())
        for id_ in ids:
            if not isinstance(id_, str) or not UUID.fullmatch(id_):
                raise refused(400, "FRAMEWORK__INVALID_UUID", f"Value is not a valid UUID: {id_}")
        return [table[id_] for id_ in ids if id_ in table]

    def _passes(self, entity: str, row: Row, filters: Sequence[Any], inherit: bool) -> bool:
        return all(self._matches(entity, row, one, inherit) for one in filters)

    def _matches(self, entity: str, row: Row, one: Mapping[str, Any], inherit: bool) -> bool:
        kind = one.get("type")
        if kind in ("multi", "not"):
            results = [self._matches(entity, row, query, inherit) for query in one["queries"]]
            met: bool = any(results) if str(one.get("operator", "and")).lower() == "or" else all(results)
            return not met if kind == "not" else met
        value = self._value(entity, row, str(one.get("field")), inherit)
        if kind == "equals":
            return bool(_folded(value) == _folded(one["value"]))
        if kind == "equalsAny":
            given = one["value"] if isinstance(one["value"], list) else str(one["value"]).split("|")
            return value is not None and _folded(value) in {_folded(item) for item in given}
        if kind == "contains":
            return value is not None and str(_folded(one["value"])) in str(_folded(value))
        if kind == "range":
            return value is not None and all(
                _COMPARISONS[name](_comparable(value), _comparable(bound)) for name, bound in one["parameters"].items()
            )
        raise refused(400, "FRAMEWORK__INVALID_FILTER_QUERY", f"Unsupported filter type: {kind}")

    def _value(self, entity: str, row: Row, path: str, inherit: bool) -> Any:
        """The value at `order.customFields.x` and the like. Raises Refused for a field that is not mapped."""
        name, _, rest = path.removeprefix(f"{entity}.").partition(".")
        kind = ENTITIES[entity]
        if rest and name in kind.associations:
            association = kind.associations[name]
            found = list(self._data.rows(association.entity, **{association.their: row[association.own]}))
            return self._value(association.entity, found[0], rest, inherit) if found else None
        if name == "customFields":
            return (row.get("customFields") or {}).get(rest)
        if name not in kind.fields and name not in MADE_BY_SHOP:
            raise refused(400, "FRAMEWORK__UNMAPPED_FIELD", f'Field "{name}" in entity "{entity}" was not found.')
        return self._own(kind, entity, row, name, inherit)

    def _own(self, kind: Entity, entity: str, row: Row, name: str, inherit: bool) -> Any:
        value = row.get(name)
        if value is None and inherit and name in kind.inherits and row.get("parentId"):
            return self._data.tables[entity][row["parentId"]].get(name)
        return value


def _included(entity: str, shown: Mapping[str, Any], includes: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Only the fields that `includes` names for the entity; in associations too."""
    wanted = includes.get(entity)
    kind = ENTITIES[entity]
    kept = {name: value for name, value in shown.items() if wanted is None or name in wanted or name == "apiAlias"}
    for name, association in kind.associations.items():
        value = kept.get(name)
        if isinstance(value, list):
            kept[name] = [_included(association.entity, one, includes) for one in value]
        elif isinstance(value, dict):
            kept[name] = _included(association.entity, value, includes)
    return kept


def _whole(criteria: Mapping[str, Any], name: str, default: int) -> int:
    value = criteria.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise refused(
            400, f"FRAMEWORK__INVALID_{name.upper()}_QUERY", f"The {name} parameter must be a positive integer."
        )
    return value


def _folded(value: Any) -> Any:
    return value.rstrip(" ").casefold() if isinstance(value, str) else value


def _comparable(value: Any) -> Any:
    """Dates compare as texts without their zone: all are UTC."""
    return value.replace("Z", "").replace("+00:00", "").replace("T", " ") if isinstance(value, str) else value


def _sortable(value: Any) -> tuple[bool, Any]:
    return value is not None, _folded(value) if value is not None else 0


_COMPARISONS = {
    "gte": lambda value, bound: value >= bound,
    "gt": lambda value, bound: value > bound,
    "lte": lambda value, bound: value <= bound,
    "lt": lambda value, bound: value < bound,
}
