"""Rows as the database keeps them, and back. Times are text in UTC, structures JSON, so that every database takes them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec

from lengow.connector.adapter import Change
from lengow.connector.model import ActionState, ChangeKind, ChangeState, EventState, OrderState, StepKind
from lengow.connector.prepared import prepare
from lengow.connector.store.rows import ActionRow, ChangeRow, EventRow, OrderRow, PackageRow, RecordRow, Step

PLAIN = frozenset({str, int, bytes, type(None)})
"""Types that a database takes as they are, and soonest: of others it asks around first how to keep them."""

WHOLE_SECONDS, MICROSECONDS = len("2026-01-31T08:00:00Z"), len("2026-01-31T08:00:00.000000Z")

ORDER_COLUMNS = ", ".join(f"o.{name}" for name in OrderRow.__struct_fields__)
PACKAGE_COLUMNS = ", ".join(PackageRow.__struct_fields__)
STEP_COLUMNS = ", ".join(Step.__struct_fields__)
ACTION_COLUMNS = ", ".join(ActionRow.__struct_fields__)
CHANGE_COLUMNS = ", ".join(ChangeRow.__struct_fields__)
EVENT_COLUMNS = ", ".join(EventRow.__struct_fields__)
RECORD_COLUMNS = ", ".join(RecordRow.__struct_fields__)


LINE_IDS = msgspec.json.Decoder(tuple[str, ...])
ORDER_STATES = {str(state): state for state in OrderState}
STEP_KINDS = {str(kind): kind for kind in StepKind}
"""Looked up in a tenth of the time that the enumeration takes."""


def values_of(row: msgspec.Struct) -> list[Any]:
    return [value if type(value) in PLAIN else _value(value) for value in msgspec.structs.astuple(row)]


def text_of(moment: datetime | None) -> str | None:
    """UTC in one fixed width, so that text sorts as time. What `isoformat` gives, at a quarter of its time."""
    if moment is None:
        return None
    text: str = msgspec.to_builtins(moment if moment.tzinfo is UTC else moment.astimezone(UTC))
    return f"{text[:-1]}+00:00" if len(text) == MICROSECONDS else f"{text[: WHOLE_SECONDS - 1]}.000000+00:00"


def moment_of(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def order_of(row: Sequence[Any]) -> OrderRow:
    fields = dict(zip(OrderRow.__struct_fields__, row, strict=True))
    for name in ("ordered_at", "updated_at", "ship_by", "received_at", "changed_at", "erased_at"):
        fields[name] = moment_of(fields[name])
    fields["state"] = ORDER_STATES[fields["state"]]
    return OrderRow(**fields)


def package_of(row: Sequence[Any]) -> PackageRow:
    package_id, order_id, position, shop, reference, line_ids, state, *texts, carries_shipping, changed_at = row
    reason, about, shop_order_id = texts
    return PackageRow(
        package_id,
        order_id,
        position,
        shop,
        reference,
        LINE_IDS.decode(line_ids),
        ORDER_STATES[state],
        reason,
        about,
        shop_order_id,
        carries_shipping == 1,
        datetime.fromisoformat(changed_at),
    )


def step_of(row: Sequence[Any]) -> Step:
    step_id, kind, subject, account, shop, due_at, attempts, token, lease_until, held, error = row
    due, until = datetime.fromisoformat(due_at), moment_of(lease_until)
    return Step(step_id, STEP_KINDS[kind], subject, account, shop, due, attempts, token, until, held == 1, error)


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
    if isinstance(value, StrEnum):
        return str(value)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, dict | tuple | msgspec.Struct):
        return msgspec.json.encode(value).decode()
    return value


prepare(Change)
