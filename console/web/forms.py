"""The forms of an order's actions, built from the marketplace's rules. Pure.

A field that the marketplace needs only beside a certain value of another, such as the carrier's name beside `Other`, is
shown only then: the style sheet does it, by the marks `w1` to `w4`.
"""

from collections.abc import Mapping, Sequence

import msgspec

from lengow.connector.marketplace import ActionRule, Argument, Marketplace
from lengow.connector.model import Order
from lengow.connector.profiles import Condition, Profile
from lengow.console.web import labels

LINE = "line"
CLOSED = ("refund", "cancel", "refuse")
"""What cannot be taken back is asked for once more."""
MOST_CONDITIONS = 4
"""As many as the style sheet knows marks for."""
LONGEST_VALUE = 500


class Choice(msgspec.Struct, frozen=True):
    code: str
    label: str
    marks: str = ""
    """Of the fields that it makes appear."""


class Field(msgspec.Struct, frozen=True):
    name: str
    label: str
    kind: str
    """`select`, `text`, `url` or `number`."""
    required: bool
    value: str
    choices: tuple[Choice, ...] = ()
    mark: str = ""
    """It appears only with a choice that has this mark."""


class Form(msgspec.Struct, frozen=True):
    action: str
    label: str
    fields: tuple[Field, ...]
    by_line: bool
    """Whether lines can be ticked."""
    lines_needed: bool
    dangerous: bool


class Offer(msgspec.Struct, frozen=True):
    """What the marketplace takes for an order as it stands, and what it would take at another status."""

    forms: tuple[Form, ...]
    later: tuple[tuple[str, tuple[str, ...]], ...]
    """(action's label, statuses)"""


def offer_of(marketplace: Marketplace, profile: Profile, order: Order, given: Mapping[str, Mapping[str, str]]) -> Offer:
    """`given`: by action, what the user entered before and is to correct."""
    forms, later = [], []
    for name, rule in marketplace.actions.items():
        allowed = tuple(status for status in rule.statuses if status not in profile.closed_statuses)
        if order.status in profile.closed_statuses or (rule.statuses and order.status not in allowed):
            later.append((label_of(name), allowed))
        elif name != "ship" or not order.delivered_by_marketplace:
            forms.append(_form(name, rule, marketplace, profile, given.get(name, {})))
    return Offer(tuple(forms), tuple(later))


def arguments_of(rule: ActionRule, profile: Profile, action: str, form: Mapping[str, str]) -> dict[str, str]:
    """What was entered, without empty fields and those that the chosen values do not make appear."""
    names = [name for name in (*rule.required, *rule.optional) if name != LINE]
    entered = {name: form.get(f"argument.{name}", "").strip()[:LONGEST_VALUE] for name in names}
    hidden = {
        needed
        for condition in _conditions(profile, action)
        for needed in condition.needs
        if entered.get(condition.argument, "").casefold() != condition.value.casefold()
    }
    return {name: value for name, value in entered.items() if value and name not in hidden}


def label_of(action: str) -> str:
    return labels.ACTIONS.get(action, action)


def _form(name: str, rule: ActionRule, marketplace: Marketplace, profile: Profile, given: Mapping[str, str]) -> Form:
    conditions = _conditions(profile, name)
    names = [one for one in (*rule.required, *rule.optional) if one != LINE]
    always = {needed for one in profile.conditions if one.action == name and not one.argument for needed in one.needs}
    fields = [_field(one, rule, marketplace, conditions, always, given.get(one, "")) for one in names]
    return Form(
        action=name,
        label=label_of(name),
        fields=tuple(fields),
        by_line=rule.takes(LINE),
        lines_needed=LINE in rule.required,
        dangerous=name in CLOSED,
    )


def _field(
    name: str,
    rule: ActionRule,
    marketplace: Marketplace,
    conditions: Sequence[Condition],
    always: set[str],
    value: str,
) -> Field:
    described = rule.arguments.get(name, Argument())
    values = described.valid_values or (marketplace.carriers if name == "carrier" else {})
    marks = {f"w{number}": one for number, one in enumerate(conditions, 1)}
    mark = next((mark for mark, one in marks.items() if name in one.needs), "")
    choices = tuple(
        Choice(
            code,
            label,
            " ".join(
                mark for mark, one in marks.items() if one.argument == name and one.value.casefold() == code.casefold()
            ),
        )
        for code, label in values.items()
    )
    return Field(
        name=name,
        label=labels.ARGUMENTS.get(name, name),
        kind=_kind(name, described, bool(choices)),
        required=name in rule.required or name in always,
        value=value or described.default_value,
        choices=choices,
        mark=mark,
    )


def _kind(name: str, described: Argument, has_choices: bool) -> str:
    if has_choices and not described.accept_free_values:
        return "select"
    if described.kind == "quantity":
        return "number"
    return "url" if name.endswith("_url") else "text"


def _conditions(profile: Profile, action: str) -> list[Condition]:
    return [one for one in profile.conditions if one.action == action and one.argument][:MOST_CONDITIONS]
