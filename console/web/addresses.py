"""Addresses that a form may lead to. Pure."""

from urllib.parse import urlsplit


def is_ours(url: str, home: str) -> bool:
    """Whether it leads to a page of the console, and nowhere else."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    plain = url.isprintable() and "\\" not in url and "//" not in parts.path and ".." not in parts.path
    return plain and not parts.scheme and not parts.netloc and parts.path.startswith(home)
