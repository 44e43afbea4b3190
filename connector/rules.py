"""Whether a marketplace will take an action: checked before anything is queued. Pure.

Codes: marketplace_unknown, action_unknown, status_not_allowed, argument_unknown, argument_not_allowed, argument_missing,
value_not_allowed, line_unknown, line_closed, line_needed, line_not_supported, quantity_invalid, quantity_too_high,
quantity_not_supported, parcel_already_told, url_invalid, delivered_by_marketplace. Each is explained in
docs/reason-codes.md.
"""

import difflib
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from lengow.connector.errors import ActionInvalid
from lengow.connector.marketplace import ActionRule, Argument, Marketplace
from lengow.connector.model import Line
from lengow.connector.profiles import Profile, missing_by_condition

URL_ARGUMENTS = ("tracking_url",)
QUANTITY = "quantity"
"""The type of arguments that count pieces (reference lengow.md §5)."""
QUANTITIES = ("quantity", "shipped_quantity", "cancel_quantity", "refund_quantity")
"""The names that such arguments have (ibidem)."""


def check_action(
    marketplace: Marketplace,
    profile: Profile,
    action: str,
    *,
    status: str,
    arguments: Mapping[str, str],
    lines: Mapping[str, Line],
) -> None:
    """Raise ActionInvalid for the first rule that is broken; `lines` are the order's, by id."""
    rule = _rule_of(marketplace, action)
    _check_status(marketplace, profile, rule, action, status)
    for name in arguments:
        _check_known(marketplace, rule, action, name)
    for name in rule.required:
        if not arguments.get(name, "").strip() and rule.arguments.get(name, Argument()).applies(arguments):
            raise _missing(marketplace, action, name)
    for name, value in arguments.items():
        _check_value(marketplace, rule.arguments.get(name, Argument()), action, name, value)
    for name, value in arguments.items():
        if value.strip():
            _check_dependencies(marketplace, rule.arguments.get(name, Argument()), action, name, arguments)
    _check_line(action, arguments.get("line", ""), lines)
    _check_quantities(rule, action, arguments, lines)
    for condition, name in missing_by_condition(profile, action, arguments):
        why = f" with {condition.argument} {condition.value!r}" if condition.argument else ""
        raise ActionInvalid(
            "argument_missing",
            f"{marketplace.name} takes {action}{why} only together with {name}.",
            field=name,
            what_to_do=f"Give {name}.",
        )


def carrier_of(marketplace: Marketplace, text: str) -> str:
    """The marketplace's carrier code that `text` names by code or label, whatever its case; empty if none does."""
    wanted = _folded(text)
    for code, label in carriers_of(marketplace).items():
        if wanted and wanted in (_folded(code), _folded(label)):
            return code
    return ""


class Suggestion(msgspec.Struct, frozen=True):
    code: str
    label: str
    score: float
    """How like the text, 0 to 1."""


def suggest_carriers(marketplace: Marketplace, text: str, *, at_least: float = 0.6) -> list[Suggestion]:
    """The marketplace's carriers that are most like the text, best first, at most three."""
    wanted = _folded(text)
    found = [
        Suggestion(code, label, round(max(_likeness(wanted, _folded(one)) for one in (code, label)), 2))
        for code, label in carriers_of(marketplace).items()
    ]
    return sorted((one for one in found if one.score >= at_least), key=lambda one: -one.score)[:3]


def carriers_of(marketplace: Marketplace) -> Mapping[str, str]:
    """The carriers that `ship` takes: the argument's own values, else the marketplace's list."""
    ship = marketplace.actions.get("ship")
    listed = ship.arguments.get("carrier", Argument()).valid_values if ship else {}
    return listed or marketplace.carriers


def _rule_of(marketplace: Marketplace, action: str) -> ActionRule:
    if action not in marketplace.actions:
        known = ", ".join(sorted(marketplace.actions)) or "none"
        raise ActionInvalid(
            "action_unknown",
            f"{marketplace.name} does not take the action {action}; it takes: {known}.",
            field="action",
        )
    return marketplace.actions[action]


def _check_status(marketplace: Marketplace, profile: Profile, rule: ActionRule, action: str, status: str) -> None:
    allowed = [one for one in rule.statuses if one not in profile.closed_statuses]
    if status in profile.closed_statuses or (rule.statuses and status not in allowed):
        raise ActionInvalid(
            "status_not_allowed",
            f"{marketplace.name} takes {action} only in {', '.join(allowed) or 'no status'}; the order is {status}.",
            field="status",
            what_to_do="Wait until the order has such a status, or leave the action out.",
        )


def _check_known(marketplace: Marketplace, rule: ActionRule, action: str, name: str) -> None:
    if not rule.takes(name):
        known = (*rule.required, *rule.optional)
        raise ActionInvalid(
            "argument_unknown",
            f"{marketplace.name} does not take {name} with {action}; it takes: {', '.join(known) or 'none'}."
            + _did_you_mean(name, {one: one for one in known}),
            field=name,
        )


def _check_value(marketplace: Marketplace, argument: Argument, action: str, name: str, value: str) -> None:
    values = argument.valid_values or (marketplace.carriers if name == "carrier" else {})
    if value and values and not argument.accept_free_values and value not in values:
        raise ActionInvalid(
            "value_not_allowed",
            f"{marketplace.name} does not take {name} {value[:100]!r} with {action}; it takes: {', '.join(values)}."
            + _did_you_mean(
                value, {**{label: code for code, label in values.items()}, **{code: code for code in values}}
            ),
            field=name,
        )
    if value and name in URL_ARGUMENTS and not _is_web_address(value):
        raise ActionInvalid(
            "url_invalid", f"{name} {value[:100]!r} is not a web address (http:// or https://).", field=name
        )


def _check_dependencies(
    marketplace: Marketplace, argument: Argument, action: str, name: str, arguments: Mapping[str, str]
) -> None:
    for dependency in argument.depends_on:
        if not dependency.holds(arguments):
            raise ActionInvalid(
                "argument_not_allowed",
                f"{marketplace.name} takes {name} with {action} only together with {dependency}.",
                field=name,
                what_to_do=f"Leave {name} out, or give {dependency}.",
            )


def _check_line(action: str, line: str, lines: Mapping[str, Line]) -> None:
    if line and line not in lines:
        raise ActionInvalid("line_unknown", f"The order has no line {line[:100]!r} to {action}.", field="line")
    if line and not lines[line].open:
        raise ActionInvalid(
            "line_closed", f"The line {line} is {lines[line].status}; there is nothing to {action}.", field="line"
        )


def quantity_argument(rule: ActionRule) -> str:
    """The argument by which a part of a line is told; empty where only whole lines, or the whole order, can be."""
    if not rule.takes("line"):
        return ""
    return next((name for name in (*rule.required, *rule.optional) if _counts(rule, name)), "")


def with_defaults(rule: ActionRule, arguments: Mapping[str, str]) -> dict[str, str]:
    """The arguments, and the description's defaults for what is required and not given."""
    filled = dict(arguments)
    for name in rule.required:
        described = rule.arguments.get(name, Argument())
        if not filled.get(name) and described.default_value and described.applies(filled):
            filled[name] = described.default_value
    return filled


def _counts(rule: ActionRule, name: str) -> bool:
    """Whether an argument counts pieces: described so, or not described and called so."""
    described = rule.arguments.get(name)
    return name in QUANTITIES if described is None else described.kind == QUANTITY


def _check_quantities(rule: ActionRule, action: str, arguments: Mapping[str, str], lines: Mapping[str, Line]) -> None:
    """Whole pieces, and no more than were sold on the line, or on the order's largest line where none is named."""
    line = lines.get(arguments.get("line", ""))
    sold = line.quantity if line else max((one.quantity for one in lines.values()), default=0)
    for name, value in arguments.items():
        if not value or not _counts(rule, name):
            continue
        if not (value.isascii() and value.isdigit() and len(value) < 10 and int(value) > 0):
            raise ActionInvalid("quantity_invalid", f"{name} {value[:100]!r} is not a number of pieces.", field=name)
        if int(value) > sold:
            raise ActionInvalid(
                "quantity_too_high", f"{name} {value} is more than the {sold} that were sold to {action}.", field=name
            )


def _missing(marketplace: Marketplace, action: str, name: str) -> ActionInvalid:
    if name == "line":
        return ActionInvalid("line_needed", f"{marketplace.name} takes {action} line by line.", field="line")
    return ActionInvalid("argument_missing", f"{marketplace.name} takes {action} only with {name}.", field=name)


def _is_web_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        _ = parts.port  # raises where it is none
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and value.isprintable() and " " not in value


def _did_you_mean(value: str, known: Mapping[str, str]) -> str:
    """The entry of `known` whose key is nearest, whatever its case."""
    folded = {key.casefold(): meant for key, meant in known.items()}
    near = difflib.get_close_matches(value[:100].casefold(), folded, 1)
    return f" Did you mean {folded[near[0]]}?" if near else ""


def _likeness(one: str, other: str) -> float:
    if one and other and (one in other or other in one):
        return 0.9 if one != other else 1.0
    return difflib.SequenceMatcher(None, one, other).ratio()


def _folded(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())
