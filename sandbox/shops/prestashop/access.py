"""Who may call, and what: the key as HTTP Basic user or as `ws_key`, rights by resource and method (captures 003 to 007)."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field

from lengow.sandbox.answers import Request
from lengow.sandbox.shops.prestashop.errors import Raw, Refused
from lengow.sandbox.shops.prestashop.resources import RESOURCES, WITHOUT_POST

METHODS = ("GET", "PUT", "POST", "PATCH", "DELETE", "HEAD")
REALM = "Welcome to PrestaShop Webservice, please enter the authentication key as the login. No password required."


@dataclass(slots=True)
class Key:
    key: str
    rights: dict[str, frozenset[str]] = field(default_factory=lambda: {name: frozenset(METHODS) for name in RESOURCES})
    """Methods by resource."""
    active: bool = True


KEY = "DEMOKEY0DEMOKEY0DEMOKEY0DEMOKEY0"


class Access:
    def __init__(self) -> None:
        self.keys: dict[str, Key] = {KEY: Key(KEY)}
        self.enabled = True
        """Whether the webservice is switched on."""

    def key_of(self, request: Request) -> Key:
        """Raises Raw and Refused unless the key fits."""
        text = _basic(request) or request.query.get("ws_key", "")
        if not text:
            raise Raw(401, b"401 Unauthorized", {"WWW-Authenticate": f'Basic realm="{REALM}"'})
        if not self.enabled:
            sentence = "The PrestaShop webservice is disabled. Please activate it in the PrestaShop Back Office"
            raise Refused(503, (22, sentence))
        if len(text) != 32:
            raise Refused(401, (18, "Invalid authentication key format"))
        key = self.keys.get(text)
        if key is None or not key.active:
            raise Refused(
                401,
                (20, "Authentification key is not active"),
                (21, "No permission for this authentication key"),
            )
        return key


def check_right(key: Key, method: str, resource: str) -> None:
    """Raises Refused unless the key may do this; 401 means the resource, not the key (code 26)."""
    if resource not in RESOURCES:
        names = ", ".join(f'"{name}"' for name in RESOURCES)
        sentence = f'Resource of type "{resource}" does not exists. The full list is: {names}'
        raise Refused(400, (27, sentence))
    rights: Mapping[str, frozenset[str]] = key.rights
    if resource not in rights:
        raise Refused(401, (26, f'Resource of type "{resource}" is not allowed with this authentication key'))
    if method not in rights[resource]:
        raise Refused(
            405,
            (25, f"Method {method} is not allowed for the resource {resource} with this authentication key"),
        )
    if method == "POST" and resource in WITHOUT_POST:
        raise Refused(405, (101, f"Method {method} is not allowed for the resource {resource}"))


def _basic(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(token).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""
