"""A marketplace as Lengow describes it: statuses, actions with their arguments, carriers (reference lengow.md §5)."""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from lengow.connector.dependencies import Dependency, decode_dependencies
from lengow.connector.errors import MalformedAnswer
from lengow.connector.prepared import prepare


class Argument(msgspec.Struct, frozen=True):
    valid_values: Mapping[str, str] = {}
    """Code to label; empty when any value is taken."""
    accept_free_values: bool = True
    default_value: str = ""
    kind: str = "string"
    depends_on: tuple[Dependency, ...] = ()
    """What must hold for the argument to be taken, and to be demanded where it is required."""

    def applies(self, arguments: Mapping[str, str]) -> bool:
        """Whether it goes with the other arguments."""
        return all(one.holds(arguments) for one in self.depends_on)


class ActionRule(msgspec.Struct, frozen=True):
    statuses: tuple[str, ...]
    """The Lengow statuses in which the marketplace takes the action."""
    required: tuple[str, ...]
    optional: tuple[str, ...]
    arguments: Mapping[str, Argument]

    def takes(self, argument: str) -> bool:
        return argument in self.required or argument in self.optional


class Marketplace(msgspec.Struct, frozen=True):
    key: str
    name: str
    actions: Mapping[str, ActionRule]
    carriers: Mapping[str, str]
    """Code to label."""
    unread: tuple[str, ...] = ()
    """Arguments whose `depends_on` could not be read, and is not enforced: `action.argument`."""


class _WireArgument(msgspec.Struct):
    depends_on: Any = None
    valid_values: Any = None
    accept_free_values: bool | None = None
    default_value: Any = None
    type: str | None = None


_Texts = list[str] | dict[str, str] | None
"""PHP writes a list with gaps, and some writers an empty one, as an object."""


class _WireAction(msgspec.Struct):
    status: _Texts = None
    args: _Texts = None
    optional_args: _Texts = None
    args_description: dict[str, _WireArgument] | list[Any] | None = None


class _WireOrders(msgspec.Struct):
    actions: dict[str, _WireAction] | list[Any] | None = None
    carriers: Any = None


class _WireMarketplace(msgspec.Struct):
    name: str | None = None
    orders: _WireOrders | list[Any] | None = None


def decode_marketplace(key: str, raw: bytes) -> Marketplace:
    """The description in Lengow's bytes. PHP gives an empty list for an empty object; both are read.

    Raises MalformedAnswer when it is not a description.
    """
    try:
        wire = msgspec.json.decode(raw, type=_WireMarketplace)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedAnswer(f"Lengow's description of {key} cannot be read: {error}.", marketplace=key) from error
    orders = wire.orders if isinstance(wire.orders, _WireOrders) else _WireOrders()
    actions = orders.actions if isinstance(orders.actions, dict) else {}
    return Marketplace(
        key=key,
        name=wire.name or key,
        actions={name: _rule(action) for name, action in actions.items()},
        carriers=_labels(orders.carriers),
        unread=tuple(f"{name}.{argument}" for name, action in actions.items() for argument in _unread(action)),
    )


def _rule(wire: _WireAction) -> ActionRule:
    described = wire.args_description if isinstance(wire.args_description, dict) else {}
    depends_on = _depends_on(wire)
    return ActionRule(
        statuses=_texts(wire.status),
        required=_texts(wire.args),
        optional=_texts(wire.optional_args),
        arguments={
            name: Argument(
                valid_values=_labels(argument.valid_values),
                accept_free_values=argument.accept_free_values is not False,
                default_value="" if argument.default_value is None else str(argument.default_value),
                kind=argument.type or "string",
                depends_on=depends_on[name] or (),
            )
            for name, argument in described.items()
        },
    )


def _dependencies(argument: _WireArgument, taken: Collection[str]) -> tuple[Dependency, ...] | None:
    """None where it cannot be read, or could never hold: it names what the action does not take."""
    found = decode_dependencies(argument.depends_on)
    return found if found is not None and all(one.argument in taken for one in found) else None


def _unread(wire: _WireAction) -> list[str]:
    return [name for name, dependencies in _depends_on(wire).items() if dependencies is None]


def _depends_on(wire: _WireAction) -> dict[str, tuple[Dependency, ...] | None]:
    """Of each argument; None where it cannot be enforced: it is not understood, or leads back to itself, so that of
    arguments that wait for each other none would ever be demanded.
    """
    described = wire.args_description if isinstance(wire.args_description, dict) else {}
    taken = {*_texts(wire.args), *_texts(wire.optional_args)}
    read = {name: _dependencies(argument, taken) for name, argument in described.items()}
    needs = {name: {one.argument for one in dependencies or ()} for name, dependencies in read.items()}
    return {name: None if name in _reached(name, needs) else dependencies for name, dependencies in read.items()}


def _reached(start: str, needs: Mapping[str, Collection[str]]) -> set[str]:
    """All that an argument depends on, and what that depends on."""
    reached: set[str] = set()
    left = set(needs.get(start, ()))
    while left:
        reached |= left
        left = {other for name in left for other in needs.get(name, ())} - reached
    return reached


def _texts(values: _Texts) -> tuple[str, ...]:
    return tuple(values.values() if isinstance(values, dict) else values or ())


def _labels(values: Any) -> dict[str, str]:
    """{code: {"label": …}} or, in older descriptions, {code: "label"}."""
    if not isinstance(values, dict):
        return {}
    return {
        str(code): str(value.get("label", code)) if isinstance(value, dict) else str(value)
        for code, value in values.items()
    }


prepare(_WireMarketplace)
