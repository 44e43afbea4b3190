"""A secret that does not show itself in logs, tracebacks or listings."""

import os


class Secret:
    """Wraps a secret text; `reveal()` is the only way to it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class NoSecret(ValueError):
    """The place that a secret was to come from holds none."""

    what_to_do = "Set it, or name another source: env:NAME or file:PATH."


def read_secret(value: str) -> Secret:
    """The secret that `value` names: `env:NAME`, `file:PATH`, or the text itself.

    Raises NoSecret, without the value, when the variable or file is missing or empty.
    """
    source, found, name = value.partition(":")
    if found and source == "env":
        text = os.environ.get(name, "")
        missing = f"the environment variable {name} is not set"
    elif found and source == "file":
        text, missing = _read(name), f"the file {name!r} cannot be read or is empty"
    else:
        text, missing = value, "it is empty"
    if not text:
        raise NoSecret(missing)
    return Secret(text)


def without_password(url: str) -> str:
    """A database's URL as it may be shown; rather too little of it than a part of the password."""
    scheme, found, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    name, colon, _ = user.partition(":")
    address, mark, parameters = place.partition("?")
    secret = ("password=", "passfile=", "sslpassword=")
    shown = ["***" if one.startswith(secret) else one for one in parameters.split("&")]
    return f"{scheme}{found}{name}{colon}{'***' if colon and at else ''}{at}{address}{mark}{'&'.join(shown)}"


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except (OSError, ValueError):
        return ""
