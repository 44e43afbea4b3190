"""The commented settings file that `lengow-connector init` writes; also the documented example."""

import base64
import secrets
from importlib.resources import files
from pathlib import Path

from lengow.connector.errors import SettingsError


def write_template(path: str) -> None:
    """Write the example to `path`, with a fresh webhook secret beside it as a hint. Never overwrites."""
    text = files("lengow.console").joinpath("lengow.toml").read_text(encoding="utf-8")
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    try:
        with Path(path).open("x", encoding="utf-8") as file:
            file.write(text.replace("@FRESH_SECRET@", secret))
    except FileExistsError as error:
        raise SettingsError(f"{path} exists already.", what_to_do="Name another file, or remove it first.") from error
    except OSError as error:
        raise SettingsError(
            f"{path}: {error.strerror}.", what_to_do="Name a file in a folder you may write to."
        ) from error
