"""Order actions: checked against the marketplace's description, queued, sent, answered (reference 4)."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lengow.sandbox.answers import Request, field_errors, flag, instant
from lengow.sandbox.clock import iso
from lengow.sandbox.descriptions import Description
from lengow.sandbox.marketplace import Marketplaces, Refused
from lengow.sandbox.orders import Record

ACTION_TYPES = ("accept", "refuse", "ship", "cancel", "refund")
IDENTITY = ("account_id", "marketplace", "marketplace_order_id", "action_type")
# The keys that every action object has, null where unused (reference 4.2); those of the descriptions are among them.
ARGUMENTS = (
    "line carrier carrier_name custom_carrier shipping_method tracking_number tracking_url shipping_price "
    "shipping_date delivery_date return_tracking_number return_carrier refund_reason reason refund_mode refund_price "
    "refund_shipping_price refund_shipping_fees quantity shipped_quantity cancel_quantity refund_quantity comment "
    "declared_value currency_code invoice_number shipping_service_id shipping_service_offer_id weight weight_unit "
    "delay charges"
).split()


@dataclass(frozen=True, slots=True)
class Action:
    """What Lengow was asked to tell a marketplace. `line_ids`: the lines that it was about when it was received."""

    id: int
    account_id: int
    marketplace: str
    order_id: str
    action_type: str
    arguments: Mapping[str, str]
    line_ids: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    sent_at: datetime | None = None
    decided_at: datetime | None = None
    errors: str = ""

    @property
    def queued(self) -> bool:
        return self.sent_at is None

    @property
    def processed(self) -> bool:
        return self.decided_at is not None

    @property
    def outcome(self) -> str:
        if self.decided_at is None:
            return "queued" if self.queued else "sent"
        return "refused" if self.errors else "confirmed"


@dataclass(slots=True)
class Pace:
    """How long an action waits at Lengow, then at the marketplace. Both end with the collection that follows."""

    queue: timedelta = timedelta()
    answer: timedelta = timedelta()


class Actions:
    """All actions of all accounts."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.null_errors = False
        self.all: dict[int, Action] = {}
        self._open: dict[int, None] = {}
        self._of_order: dict[str, list[int]] = {}
        self._ids = itertools.count(100_001)

    def create(self, account_id: int, arguments: Mapping[str, str], record: Record, now: datetime) -> Action:
        """An action that `check` let through. The same one again is another action, as at Lengow."""
        own = {name: value for name, value in arguments.items() if name not in IDENTITY}
        named = own.get("line")
        lines = tuple(line.id for line in record.sale.lines() if named in (None, line.id))
        sale, action_type = record.sale, arguments["action_type"]
        number = next(self._ids)
        action = Action(number, account_id, sale.marketplace, sale.id, action_type, own, lines, now, now)
        self.all[action.id] = action
        self._open[action.id] = None
        self._of_order.setdefault(action.order_id, []).append(action.id)
        return action

    def advance(self, marketplaces: Marketplaces, at: datetime) -> None:
        """Sends what has waited long enough, and hears what the marketplaces say."""
        for number in list(self._open):
            action = self.all[number]
            if action.sent_at is None and action.created_at + self.pace.queue <= at:
                action = replace(action, sent_at=at, updated_at=at)
            if action.sent_at is not None and action.sent_at + self.pace.answer <= at:
                action = _decided(action, marketplaces, at)
                del self._open[number]
            self.all[number] = action

    def select(self, account_id: int, request: Request) -> list[dict[str, object]]:
        """The list of reference 4.3, newest first. Raises Refusal (400) for a bad date or flag."""
        since, until = instant(request.query, "updated_from"), instant(request.query, "updated_to")
        queued, processed = flag(request.query, "queued"), flag(request.query, "processed")
        wanted = {name: value for name, value in request.query.items() if name in (*IDENTITY[1:], *ARGUMENTS)}
        return [
            self.describe(action)
            for action in self._newest_first(wanted.get("marketplace_order_id"))
            if action.account_id == account_id
            and queued in (None, action.queued)
            and processed in (None, action.processed)
            and (since is None or action.updated_at >= since)
            and (until is None or action.updated_at <= until)
            and all(_value(action, name) == value for name, value in wanted.items())
        ]

    def _newest_first(self, order_id: str | None) -> Iterable[Action]:
        if order_id is None:
            return reversed(self.all.values())
        return [self.all[number] for number in reversed(self._of_order.get(order_id, []))]

    def describe(self, action: Action) -> dict[str, object]:
        return {
            "id": action.id,
            "marketplace_order_id": action.order_id,
            "account_id": action.account_id,
            "marketplace": action.marketplace,
            "action_type": action.action_type,
            "processed": action.processed,
            "queued": action.queued,
            "errors": action.errors or (None if self.null_errors else ""),
            "created_at": iso(action.created_at),
            "updated_at": iso(action.updated_at),
            **{name: action.arguments.get(name) for name in ARGUMENTS},
        }


def arguments_of(request: Request) -> dict[str, str]:
    """The body of an action, form or JSON. Empty and null count as not given. Raises Refusal (400, 415)."""
    if request.content_type != "application/json":
        return {name: value for name, value in request.form().items() if value}
    given = {name: value for name, value in request.json().items() if value not in (None, "")}
    if wrong := {name: "Not a valid string." for name, value in given.items() if not _plain(value)}:
        raise field_errors(wrong)
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in given.items()}


def check(arguments: Mapping[str, str], record: Record, description: Description | None) -> None:
    """What Lengow itself refuses, at once (reference 4.10). Raises Refusal (400) with one text a field."""
    action_type = arguments["action_type"]
    rules = (description or {"orders": {"actions": {}}})["orders"]["actions"].get(action_type)
    if rules is None:
        raise field_errors({"action_type": f"{record.sale.marketplace} has no action {action_type}."})
    if record.lengow_status not in rules["status"]:
        raise field_errors({"action_type": f"{action_type} is not allowed for an order in {record.lengow_status}."})
    lines = {line.id for line in record.sale.lines()}
    described = rules["args_description"]
    errors = {
        name: "This field is required."
        for name in rules["args"]
        if name not in arguments and _belongs(described.get(name), arguments)
    }
    for name, value in arguments.items():
        if name in IDENTITY:
            continue
        if wrong := _wrong(value, described.get(name), lines):
            errors[name] = wrong
        elif not _belongs(described[name], arguments):
            errors[name] = f"Unexpected field: it depends on {described[name]['depends_on']}."
    if errors:
        raise field_errors(errors)


def check_identity(arguments: Mapping[str, str]) -> None:
    """Raises Refusal (400) where it is not said which action is for which order."""
    if missing := [name for name in IDENTITY[1:] if name not in arguments]:
        raise field_errors(dict.fromkeys(missing, "This field is required."))
    if arguments["action_type"] not in ACTION_TYPES:
        raise field_errors({"action_type": f'"{arguments["action_type"]}" is not a valid choice.'})


def _wrong(value: str, rule: Description | None, lines: set[str]) -> str | None:
    if rule is None:
        return "Unexpected field for this action."
    if rule["type"] == "line_number" and value not in lines:
        return f'"{value}" is not a line of this order.'
    if rule["type"] == "quantity" and not (value.isascii() and value.isdigit() and int(value) > 0):
        return "A valid quantity is required."
    if not rule["accept_free_values"] and value not in rule["valid_values"]:
        return f'"{value}" is not a valid choice.'
    return None


def _belongs(rule: Description | None, arguments: Mapping[str, str]) -> bool:
    """Whether the arguments that it depends on have one of the values that let it be given. The shape is inferred."""
    needed = (rule["depends_on"] if rule else None) or {}
    return all(arguments.get(name) in values for name, values in needed.items())


def _plain(value: object) -> bool:
    return isinstance(value, str | int | float)


def _value(action: Action, name: str) -> str | None:
    known = {
        "marketplace": action.marketplace,
        "marketplace_order_id": action.order_id,
        "action_type": action.action_type,
    }
    return known[name] if name in known else action.arguments.get(name)


def _decided(action: Action, marketplaces: Marketplaces, at: datetime) -> Action:
    key = (action.account_id, action.marketplace, action.order_id)
    try:
        marketplaces.perform(key, action.action_type, action.arguments, at)
    except Refused as refused:
        return replace(action, decided_at=at, updated_at=at, errors=str(refused))
    return replace(action, decided_at=at, updated_at=at)
