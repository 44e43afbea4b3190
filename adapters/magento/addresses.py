"""An address in Magento's fields; the street is never cut (§3.3, §3.8, §5)."""

import re
import unicodedata
from typing import Any

from lengow.adapters.magento.facts import LONGEST_NAME, LONGEST_TEXT
from lengow.adapters.magento.profile import Profile
from lengow.adapters.outcomes import Problem
from lengow.connector.model import Address

UNTOLD = "-"
"""Of what the marketplace keeps to itself: the fields must be there."""
STREET_LINES = 2
"""What a shop shows unless it is told otherwise."""
CONTROLS = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\ufeff]")


def address_of(
    address: Address, profile: Profile, kind: str, email: str, *, relay_id: str = "", shipped: bool = False
) -> dict[str, Any]:
    """`kind`: billing or shipping. `shipped`: nobody sends anything there any more. Raises Problem."""
    if address.country not in profile.countries:
        raise Problem(
            f"{kind}_address.country_id",
            f"The shop does not know the country {address.country!r}: allow it at Stores > Configuration > General, or "
            "correct the address on the marketplace or at Lengow.",
        )
    first, last = names(address)
    region = profile.region(address.country, address.region)
    found = {
        "address_type": kind,
        "firstname": _cut(first),
        "lastname": _cut(last),
        "company": plain(address.company)[:LONGEST_TEXT] or None,
        "street": _street(address, relay_id),
        "city": plain(address.city),
        "postcode": plain(address.zipcode) or UNTOLD,
        "country_id": address.country,
        "region": region.name if region else plain(address.region)[:LONGEST_TEXT] or None,
        "region_code": region.code if region else None,
        "region_id": region.id if region else None,
        "telephone": plain(address.phone) or UNTOLD,
        "email": email,
        "vat_id": plain(address.vat_number) or None,
    }
    for field in ("street", "city"):
        if not found[field]:
            if not shipped:
                raise Problem(
                    f"{kind}_address.{field}",
                    f"The address has no {field}: complete it on the marketplace or at Lengow.",
                )
            found[field] = [UNTOLD] if field == "street" else UNTOLD
    _check_lengths(found, kind)
    return found


def plain(text: str) -> str:
    """Without control characters and template directives, which Magento refuses in names (§3.8)."""
    text = CONTROLS.sub(" ", unicodedata.normalize("NFC", text))
    return " ".join(text.replace("{{", "").replace("}}", "").split())


def names(address: Address) -> tuple[str, str]:
    """First and last name, neither blank."""
    first, last = plain(address.first_name), plain(address.last_name)
    if not first and not last:
        first, _, last = plain(address.full_name or address.company).partition(" ")
    if not first or not last:
        return UNTOLD, first or last or UNTOLD
    return first, last


def _street(address: Address, relay_id: str) -> list[str]:
    """The lines that are given, moved up; the last one holds the rest."""
    relay = f"Pickup point {relay_id}" if relay_id else ""
    given = [address.first_line, address.second_line, address.complement, relay]
    lines = [line for line in map(plain, given) if line]
    rest = ", ".join(lines[STREET_LINES - 1 :])
    return [*lines[: STREET_LINES - 1], *([rest] if rest else [])]


def _check_lengths(found: dict[str, Any], kind: str) -> None:
    told = {
        "street": "\n".join(found["street"]),
        **{field: found[field] for field in ("city", "postcode", "telephone")},
    }
    for field, text in told.items():
        if len(text) > LONGEST_TEXT:
            raise Problem(
                f"{kind}_address.{field}",
                f"The {field} has {len(text)} characters, and Magento keeps {LONGEST_TEXT}: shorten it on the marketplace "
                "or at Lengow.",
            )


def _cut(text: str) -> str:
    return text[:LONGEST_NAME].strip() or UNTOLD
