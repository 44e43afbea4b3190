"""What a marketplace demands and Lengow's description does not express; data, one profile a marketplace family.

ManoMano: help.lengow.com, as in reference lengow.md §2.8.
"""

from collections.abc import Mapping

import msgspec


class Condition(msgspec.Struct, frozen=True):
    """When the action's `argument` has `value`, each of `needs` must be given; no argument: always."""

    action: str
    needs: tuple[str, ...]
    argument: str = ""
    value: str = ""


class Profile(msgspec.Struct, frozen=True):
    prefix: str
    """Of the marketplace keys that it is for."""
    conditions: tuple[Condition, ...] = ()
    other_carrier: str = ""
    """The carrier code that stands for any carrier not in the list."""
    closed_statuses: tuple[str, ...] = ()
    """Statuses in which no action is possible."""


MANOMANO = Profile(
    prefix="manomano",
    conditions=(
        Condition("ship", argument="carrier", value="Other", needs=("carrier_name", "tracking_url")),
        Condition("refund", needs=("refund_reason", "refund_shipping_fees")),
    ),
    other_carrier="Other",
    closed_statuses=("refunding", "refused", "refunded"),
)

PROFILES = (MANOMANO,)
NO_PROFILE = Profile(prefix="")


def profile_of(marketplace: str) -> Profile:
    key = marketplace.lower()
    return next((profile for profile in PROFILES if key.startswith(profile.prefix)), NO_PROFILE)


def missing_by_condition(profile: Profile, action: str, arguments: Mapping[str, str]) -> list[tuple[Condition, str]]:
    """Each argument that a condition of the profile needs and that is not given."""
    return [
        (condition, needed)
        for condition in profile.conditions
        if condition.action == action
        and (not condition.argument or arguments.get(condition.argument, "").casefold() == condition.value.casefold())
        for needed in condition.needs
        if not arguments.get(needed, "").strip()
    ]
