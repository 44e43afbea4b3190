"""`[console]` of the settings file."""

from collections.abc import Mapping
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from lengow.connector.errors import SettingsError
from lengow.connector.settings import convert_table


class ConsoleSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the operator's console behaves; all of it has defaults."""

    language: Literal["", "en", "fr"] = ""
    """What is spoken to who has not chosen yet; empty: what the browser prefers."""
    time_zone: str = "UTC"
    """In which dates are shown, such as `Europe/Paris`."""
    session_hours: float = 12
    """After how long one has to log in again."""
    proxies: int = 0
    """How many proxies stand before the console and write X-Forwarded-*: for who is who, and whether it is HTTPS."""


RANGES = {"session_hours": (0, 24 * 30), "proxies": (0, 10)}


def console_settings(table: Mapping[str, Any]) -> ConsoleSettings:
    """Read the table. Raises SettingsError."""
    settings = convert_table(table, ConsoleSettings, "console")
    for name, (least, most) in RANGES.items():
        value = getattr(settings, name)
        if not least <= value <= most:
            raise SettingsError(
                f"console.{name} must be from {least} to {most}; it is {value}.", field=f"console.{name}"
            )
    try:
        ZoneInfo(settings.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsError(
            f"console.time_zone is no time zone: {settings.time_zone!r}.",
            what_to_do='Write one such as "Europe/Paris".',
            field="console.time_zone",
        ) from error
    return settings
