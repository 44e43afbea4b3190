"""The address of a shop, as every adapter's settings check it."""

from urllib.parse import urlsplit

from lengow.connector.mail import is_loopback


def check_shop_url(url: str, keys: str) -> None:
    """Raise ValueError unless `url` is a web address over https; plain http only on this machine.

    `keys` names the settings that hold what should not be in the address.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is none
    except ValueError:
        parts = urlsplit("")
    if parts.username or parts.password:
        raise ValueError(f"url holds a password: use {keys}")
    if not parts.hostname or parts.scheme not in ("https", "http") or parts.query or parts.fragment:
        raise ValueError(f"url {url!r} is not the address of a shop, such as https://shop.example.com")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError(f"url {url!r} is not https: buyers' data would travel in the open")
