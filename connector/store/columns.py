"""Rows as the database keeps them, and back. Times are text in UTC, structures JSON, so that every database takes them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from lengow.connector.adapter import Change
from lengow.connector.model import ActionState, ChangeKind, ChangeState, EventState, OrderState, StepKind
from lengow.connector.prepared import prepare
from lengow.connector.store.rows import ActionRow, ChangeRow, EventRow, OrderRow, PackageRow, RecordRow, Step

PLAIN = frozenset({str, int, bool, bytes, type(None)})
"""Types that a database takes as they are."""

ORDER_COLUMNS = ", ".join(f"o.{name}" for name in OrderRow.__struct_fields__)
PACKAGE_COLUMNS = ", ".join(PackageRow.__struct_fields__)
STEP_COLUMNS = ", ".join(Step.__struct_fields__)
ACTION_COLUMNS = ", ".join(ActionRow.__struct_fields__)
CHANGE_COLUMNS = ", ".join(ChangeRow.__struct_fields__)
EVENT_COLUMNS = ", ".join(EventRow.__struct_fields__)
RECORD_COLUMNS = ", ".join(RecordRow.__struct_fields__)


def values_of(row: msgspec.Struct) -> list[Any]:
    return [value if type(value) in PLAIN else _value(value) for value in msgspec.structs.astuple(row)]


def text_of(moment: datetime | None) -> str | None:
    """UTC in one fixed width, so that text sorts as time."""
    if moment is None:
        return None
    return (moment if moment.tzinfo is UTC else moment.astimezone(UTC)).isoformat(timespec="microseconds")


def moment_of(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def order_of(row: Sequence[Any]) -> OrderRow:
    fields = dict(zip(OrderRow.__struct_fields__, row, strict=True))
    for name in ("ordered_at", "updated_at", "ship_by", "received_at", "changed_at", "erased_at"):
        fields[name] = moment_of(fields[name])
    fields["state"] = OrderState(fields["state"])
    return OrderRow(**fields)


def package_of(row: Sequence[Any]) -> PackageRow:
    fields = dict(zip(PackageRow.__struct_fields__, row, strict=True))
    fields["carries_shipping"] = bool(fields["carries_shipping"])
    fields["line_ids"] = tuple(msgspec.json.decode(fields["line_ids"]))
    fields["state"] = OrderState(fields["state"])
    fields["changed_at"] = moment_of(fields["changed_at"])
    return PackageRow(**fields)


def step_of(row: Sequence[Any]) -> Step:
    fields = dict(zip(Step.__struct_fields__, row, strict=True))
    fields["kind"] = StepKind(fields["kind"])
    fields["held"] = bool(fields["held"])
    fields["due_at"], fields["lease_until"] = moment_of(fields["due_at"]), moment_of(fields["lease_until"])
    return Step(**fields)


def action_of(row: Sequence[Any]) -> ActionRow:
    fields = dict(zip(ActionRow.__struct_fields__, row, strict=True))
    fields["arguments"] = msgspec.json.decode(fields["arguments"])
    fields["state"] = ActionState(fields["state"])
    for name in ("created_at", "changed_at", "sent_at"):
        fields[name] = moment_of(fields[name])
    return ActionRow(**fields)


def change_of(row: Sequence[Any]) -> ChangeRow:
    fields = dict(zip(ChangeRow.__struct_fields__, row, strict=True))
    fields["body"] = msgspec.json.decode(fields["body"], type=Change) if fields["body"] else None
    fields["kind"], fields["state"] = ChangeKind(fields["kind"]), ChangeState(fields["state"])
    fields["created_at"], fields["changed_at"] = moment_of(fields["created_at"]), moment_of(fields["changed_at"])
    return ChangeRow(**fields)


def event_of(row: Sequence[Any]) -> EventRow:
    fields = dict(zip(EventRow.__struct_fields__, row, strict=True))
    fields["body"] = msgspec.json.decode(fields["body"])
    fields["state"] = EventState(fields["state"])
    fields["received_at"] = moment_of(fields["received_at"])
    return EventRow(**fields)


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return text_of(value)
    if isinstance(value, dict | tuple | msgspec.Struct):
        return msgspec.json.encode(value).decode()
    return value


prepare(Change)
