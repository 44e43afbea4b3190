"""`depends_on` of an argument: it goes only with another argument, or with certain values of it. Pure.

Nothing that we could read shows a filled one: Lengow's help leaves it out, the official plugins never read it, their
fixtures are older, and the reference has it as null (lengow.md §5). So every plain way to write such a thing is read, in
this one place; what is written otherwise is not enforced, and said in the log (connector/marketplaces.py).
"""

from collections.abc import Mapping
from typing import Any

import msgspec

NAMES = ("argument", "arg", "name", "field")
VALUES = ("values", "value", "valid_values")


class Dependency(msgspec.Struct, frozen=True):
    argument: str
    values: tuple[str, ...] = ()
    """One of which the argument must have; none: whatever it is given."""

    def holds(self, arguments: Mapping[str, str]) -> bool:
        given = arguments.get(self.argument, "").strip().casefold()
        return bool(given) and (not self.values or given in {value.casefold() for value in self.values})

    def __str__(self) -> str:
        return f"{self.argument} {' or '.join(map(repr, self.values))}".strip()


def decode_dependencies(raw: Any) -> tuple[Dependency, ...] | None:
    """All of which must hold; None when the shape is not one that is known.

    Read are `"carrier"`, `["carrier", …]`, `{"carrier": "Other"}`, `{"carrier": ["Other", …]}`,
    `{"carrier": {"Other": {"label": …}}}`, `{"argument": "carrier", "values": ["Other"]}` and lists of these.
    """
    if raw is None or raw is False or raw in ("", [], {}):
        return ()
    if isinstance(raw, str):
        return (Dependency(raw),)
    if isinstance(raw, dict):
        if all(str(key).isdigit() for key in raw):  # PHP writes a list with gaps as an object
            return decode_dependencies(list(raw.values()))
        return _named(raw) if any(name in raw for name in NAMES) else _by_argument(raw)
    if isinstance(raw, list) and all(isinstance(one, str | dict) for one in raw):
        found = [decode_dependencies(one) for one in raw]
        return None if None in found else tuple(each for one in found for each in one or ())
    return None


def _named(raw: dict[str, Any]) -> tuple[Dependency, ...] | None:
    name = next(raw[key] for key in NAMES if key in raw)
    values = _values(next((raw[key] for key in VALUES if key in raw), None))
    known = isinstance(name, str) and name != "" and set(raw) <= {*NAMES, *VALUES}
    return (Dependency(name, values),) if known and values is not None else None


def _by_argument(raw: dict[str, Any]) -> tuple[Dependency, ...] | None:
    found = []
    for name, wanted in raw.items():
        values = _values(wanted)
        if not name or values is None:
            return None
        found.append(Dependency(name, values))
    return tuple(found)


def _values(raw: Any) -> tuple[str, ...] | None:
    if raw is None or raw is True or raw in ([], {}):
        return ()
    if _is_plain(raw):
        return (str(raw),)
    if isinstance(raw, dict):  # as `valid_values` are written
        return tuple(raw)
    if isinstance(raw, list) and all(map(_is_plain, raw)):
        return tuple(map(str, raw))
    return None


def _is_plain(raw: Any) -> bool:
    return isinstance(raw, str | int | float) and not isinstance(raw, bool) and raw != ""
